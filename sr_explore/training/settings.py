"""What a training run is told: plain numbers that a recipe file can hold."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from sr_explore.errors import UserError

SCHEDULES = ("one-cycle", "cosine")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class TrainSettings:
    """The numbers of one training run.

    Attributes:
        steps: optimiser steps in all.
        batch_size: patches a step, over all processes.
        patch_size: side of a low-resolution patch, px.
        learning_rate: the highest of the schedule (Adam).
        schedule: "one-cycle" rises over `warmup` of the steps and falls to 0 along a cosine; "cosine" the same, but
            falls to a hundredth of the highest rate.
        warmup: share of the steps in which the rate rises, 0 to 1.
        ema_decay: of the exponential moving average of the weights, which is what is kept.
        grad_clip: largest norm of the gradient; 0 for none.
        reference_weight: of the L1 distance to the high-resolution photograph.
        teacher_weight: of the L1 distance to the teacher's output.
        feature_weight: of the L1 distance to the teacher's features, relative to their size.
        feature_level: mean size to which the teacher's features are scaled first; 0 leaves them as they are, which is
            right for a network that has its weights from the teacher.
        forced: every block is fed what the teacher's block got, so that all learn at once.
        squared: L2 instead of L1 distances to pictures.
        precision: "auto" takes bfloat16 where the device is good at it.
        seed: of patches and augmentation.
        loss_every, validate_every, checkpoint_every: in steps.
    """

    steps: int
    batch_size: int = 16
    patch_size: int = 40
    learning_rate: float = 1e-3
    schedule: str = "one-cycle"
    warmup: float = 0.1
    ema_decay: float = 0.999
    grad_clip: float = 1.0
    reference_weight: float = 1.0
    teacher_weight: float = 0.0
    feature_weight: float = 0.0
    feature_level: float = 0.0
    forced: bool = False
    squared: bool = False
    precision: str = "auto"
    seed: int = 0
    loss_every: int = 50
    validate_every: int = 500
    checkpoint_every: int = 250

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise UserError(f"schedule {self.schedule!r} is unknown; use {' or '.join(SCHEDULES)}")
        if self.precision not in PRECISIONS:
            raise UserError(f"precision {self.precision!r} is unknown; use {', '.join(PRECISIONS)}")
        for name in ("steps", "batch_size", "patch_size", "loss_every", "validate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Settings from a recipe's table.

        Raises:
            UserError: if a name is unknown, `steps` is missing or a value is out of range.
        """
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise UserError(f"the recipe sets {sorted(unknown)[0]!r}, which training does not know; known are {known}")
        if "steps" not in values:
            raise UserError("the recipe does not say how many steps to train; set steps under [train]")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self)

    def learning_rate_at(self, step: int) -> float:
        """The rate of step 0 … steps - 1: a pure function, so that a resumed run needs no scheduler's memory."""
        rise = max(round(self.warmup * self.steps), 1)
        lowest = 0.0 if self.schedule == "one-cycle" else 0.01
        if step < rise:
            return self.learning_rate * (0.04 + 0.96 * (step + 1) / rise)
        progress = (step - rise) / max(self.steps - rise, 1)
        return self.learning_rate * (lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * progress)))

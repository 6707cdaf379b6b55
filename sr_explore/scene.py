"""One photo as a test: the reference, its small version, and every network's answer to it."""

from weakref import WeakKeyDictionary

import numpy as np
from torch import nn

from sr_explore.analysis import quality
from sr_explore.images import to_rgb, to_tensor
from sr_explore.pipeline import Finished
from sr_explore.records import QualityRecord
from sr_explore.resize import crop_to_multiple, degrade, enlarge
from sr_explore.runtime import Upscaler


class Scene:
    """One photo as a test: made small, enlarged again by whatever is asked, measured against itself.

    Answers are kept by network. `hr` is the reference, (H, W, 3) float in [0, 1], cut to a multiple of `scale`; `lr` is
    its low-resolution version.
    """

    def __init__(self, hr: np.ndarray, scale: int = 4) -> None:
        self.scale = scale
        self.hr = crop_to_multiple(hr, scale)
        self.lr = degrade(self.hr, scale)
        self._answers: WeakKeyDictionary[nn.Module, tuple[np.ndarray, QualityRecord]] = WeakKeyDictionary()

    def bicubic(self) -> np.ndarray:
        """The small picture enlarged without any network."""
        return enlarge(self.lr, self.scale)

    def picture(self, model: nn.Module) -> np.ndarray:
        """The small picture enlarged by a network, (H, W, 3) in [0, 1]."""
        return self._answer(model)[0]

    def quality(self, model: nn.Module) -> QualityRecord:
        """How close the network's picture comes to the reference; what `pipeline.run` takes as `quality`."""
        return self._answer(model)[1]

    def psnr_y(self, model: nn.Module) -> float:
        """PSNR on brightness of a network's picture, dB; what `sensitivity` takes as `psnr`."""
        return self.quality(model).psnr_y

    def measure(self, picture: np.ndarray) -> QualityRecord:
        """How close any picture of the reference's size comes to it, borders of `scale` px cut off."""
        return quality(lambda _: to_tensor(picture), [("scene", to_tensor(self.lr), to_tensor(self.hr))], self.scale)

    def pictures(self, done: Finished) -> dict[str, np.ndarray]:
        """The picture after every step of a run, by the stage's name, the start's by the network's."""
        names = [done.record.model or "start", *(step.stage for step in done.record.steps)]
        return {name: self.picture(model) for name, model in zip(names, done.models, strict=True)}

    def _answer(self, model: nn.Module) -> tuple[np.ndarray, QualityRecord]:
        if model not in self._answers:
            picture = to_rgb(Upscaler(model)(to_tensor(self.lr)))
            self._answers[model] = picture, self.measure(picture)
        return self._answers[model]

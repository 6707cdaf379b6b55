"""PruneBiases: convolutions lose their biases, but for those that are to keep them (AdvancedSR, NTIRE 2024)."""

from dataclasses import dataclass
from typing import ClassVar, cast

from torch import Tensor, nn

from sr_explore.errors import UserError
from sr_explore.stages.base import Edited, Example, Stage, named, shrunk
from sr_explore.surgery import modules_of


@dataclass(frozen=True)
class PruneBiases(Stage):
    """Drops biases: Conv(x, K) + b becomes Conv(x, K), the same where b is zero.

    Few weights, but each is an addition to every element of a feature map. `Reconstruct` can refit what is left.

    Attributes:
        keep: paths of layers that keep theirs, joined by +, * allowed. The method keeps the first convolution's and
            those of the attention, whose sigmoid needs a level to start from; so does the default, whatever the
            network calls its first convolution. "" drops all of them.
    """

    exact: ClassVar[bool] = False

    keep: str = "head*+*.esa.*"

    def requires(self, model: nn.Module, example: Example) -> None:
        if not self.dropped(model):
            raise UserError("prune-biases finds no bias here that is not to be kept; give fewer names in keep")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        edits = []
        for path in self.dropped(model):
            layer = cast(nn.Conv2d, model.get_submodule(path))
            was_zero = not cast(Tensor, layer.bias).any()
            layer.register_parameter("bias", None)
            edits.append(shrunk("bias-free", path, layer, layer, same_output=was_zero))
        return Edited(model, tuple(edits), exact=all(edit.same_output for edit in edits))

    def dropped(self, model: nn.Module) -> list[str]:
        """The paths of the layers that would lose theirs."""
        layers = dict(modules_of(model, nn.Conv2d))
        kept = named(self.keep, list(layers), "convolution")
        return [path for path, layer in layers.items() if layer.bias is not None and path not in kept]

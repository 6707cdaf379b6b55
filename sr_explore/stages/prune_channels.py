"""PruneChannels: cut whole channels out of every layer with Torch-Pruning. The only door to that library."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
import torch_pruning as tp
from torch import Tensor, nn

from sr_explore.errors import UserError
from sr_explore.networks.layers import ConcatConv, StructuralConv2d
from sr_explore.networks.rfdn import MergedHeads
from sr_explore.records import LayerEdit
from sr_explore.stages.base import Calibration, Edited, Example, Stage, weight_shape, widths_of
from sr_explore.stages.concat_to_conv import index_layers
from sr_explore.stages.gradients import belong, loss_gradients
from sr_explore.surgery import modules_of

IMPORTANCES = ("magnitude", "taylor", "random")
SCOPES = ("local", "global")
HIGHEST_RATIO = 0.9


@dataclass(frozen=True)
class PruneChannels(Stage):
    """Removes the least important channels. Torch-Pruning finds which layers are coupled and cuts them together.

    Layers that only move channels are not asked for an opinion: a channel that nothing reaches any more is cut, which
    loses nothing.

    Attributes:
        pruning_ratio: share of channels to remove, 0 to 0.9. Above, Torch-Pruning skips the small layers of the
            attention without a word, and parameters go up again.
        importance: "magnitude" (norm of the weights that make and take a channel), "taylor" (their weight × gradient
            of the L1 loss on calibration patches: what the loss would change by), or "random".
        norm: 1 or 2, of "magnitude".
        scope: "local" removes the same share everywhere; "global" ranks layers of the same structure against each
            other.
        largest_first: remove the most important channels instead, to see why not.
        cumulative: the ratio counts from the widths before a ladder's first pruning (`Example.full_widths`), not from
            those of the network at hand; else the roundings of many small prunings would eat up the narrow layers.
        round_to: keep a multiple of this many channels.
        seed: of "random".
    """

    exact: ClassVar[bool] = False

    pruning_ratio: float = 0.5
    importance: str = "taylor"
    norm: int = 2
    scope: str = "local"
    largest_first: bool = False
    cumulative: bool = False
    round_to: int = 1
    seed: int = 0

    def requires(self, model: nn.Module, example: Example) -> None:
        if not 0 <= self.pruning_ratio <= HIGHEST_RATIO:
            raise UserError(
                f"pruning_ratio is {self.pruning_ratio}; give 0 to {HIGHEST_RATIO}, because above that the smallest"
                " layers can no longer follow and the network grows again"
            )
        _one_of("importance", self.importance, IMPORTANCES)
        _one_of("scope", self.scope, SCOPES)
        _one_of("norm", self.norm, (1, 2))
        if self.round_to < 1:
            raise UserError(f"round_to is {self.round_to}; it must be at least 1")
        if self.cumulative:
            self._requires_full_widths(model, example)
        if left := index_layers(model):
            raise UserError(f"prune-channels needs concat-to-conv first: {left[0]} still sorts channels by index")
        if grouped := [path for path, layer in modules_of(model, nn.Conv2d) if layer.groups != 1]:
            raise UserError(f"prune-channels cannot cut the grouped convolution {grouped[0]}; merge with layout=dense")
        if self.importance == "taylor" and (example.calibration is None or example.calibration.hr is None):
            raise UserError("importance taylor needs calibration patches with their high-resolution pictures")
        if self.importance == "taylor" and example.gradients is not None and not belong(example.gradients, model):
            raise UserError("these gradients are another network's; compute them again with loss_gradients")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        before = {path: weight_shape(layer) for path, layer in modules_of(model, nn.Conv2d)}
        codes = _index_coded(model)
        lr = example.lr.to(next(model.parameters()))
        if self.importance == "taylor":
            gradients = example.gradients or loss_gradients(model, cast(Calibration, example.calibration))
            for name, parameter in model.named_parameters():
                parameter.grad = gradients[name].clone()
        history = self._prune(model, lr, self._ratios(model, example))
        kept = _replay(codes, history, lr)
        for parameter in model.parameters():
            parameter.grad = None
        edits = tuple(
            _edit(path, before[path], weight_shape(layer), *kept[path]) for path, layer in modules_of(model, nn.Conv2d)
        )
        notes = _untouched(model, edits) if self.pruning_ratio else ()
        return Edited(model, edits, notes, _figures(self.pruning_ratio, before, edits))

    def _requires_full_widths(self, model: nn.Module, example: Example) -> None:
        if self.scope == "global":
            raise UserError("a cumulative pruning_ratio holds for every layer; use scope=local with it")
        if example.full_widths is None or set(example.full_widths) != set(widths_of(model)):
            raise UserError("a cumulative pruning_ratio needs the widths of the network that the ladder began with")

    def _prune(self, model: nn.Module, lr: Tensor, ratios: dict[Any, float]) -> list[Any]:
        followers = _followers(model)
        with _random_state(self.seed):
            pruner = tp.pruner.BasePruner(
                model,
                lr,
                importance=self._importance(),
                pruning_ratio=self.pruning_ratio,
                pruning_ratio_dict=ratios,
                global_pruning=self.scope == "global",
                isomorphic=self.scope == "global",
                round_to=self.round_to,
                ignored_layers=[model.get_submodule("tail.upsample.conv"), *followers],
                root_module_types=[nn.Conv2d],
                # Fresh ones, because the library's defaults are shared between pruners and keep models alive.
                in_channel_groups={},
                out_channel_groups={},
                num_heads={},
            )
            pruner.step()
        _cut_unreached(pruner.DG, model, followers)
        return pruner.pruning_history()

    def _ratios(self, model: nn.Module, example: Example) -> dict[Any, float]:
        """Layers with a ratio of their own.

        Where the ratio would leave nothing, one channel stays: Torch-Pruning would silently skip such a layer.
        """
        if self.scope == "global":  # a ratio of its own would take a layer out of the ranking
            return {}
        left = 1 - self.pruning_ratio
        if self.cumulative:
            full = cast(dict[str, int], example.full_widths)
            layers = modules_of(model, nn.Conv2d)
            return {layer: _ratio_to(max(int(full[path] * left), 1), layer.out_channels) for path, layer in layers}
        widths = {layer: layer.out_channels for _, layer in modules_of(model, nn.Conv2d)}
        return {layer: _ratio_to(1, width) for layer, width in widths.items() if int(width * left) < 1}

    def _importance(self) -> Callable[[Any], Tensor | None]:
        choice = {
            "magnitude": lambda: tp.importance.GroupMagnitudeImportance(p=self.norm),
            "taylor": tp.importance.GroupTaylorImportance,
            "random": tp.importance.RandomImportance,
        }[self.importance]()
        return _Reversed(choice) if self.largest_first else choice


def _ratio_to(target: int, width: int) -> float:
    """The ratio at which Torch-Pruning's int(width · (1 - ratio)) gives `target`, clear of round-off."""
    return 1 - (target + 0.5) / width if target < width else 0.0


class _Reversed:
    """An importance turned upside down."""

    def __init__(self, importance: Callable[[Any], Tensor | None]) -> None:
        self._importance = importance

    def __call__(self, group: Any) -> Tensor | None:
        score = self._importance(group)
        return None if score is None else -score


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise UserError(f"{name} is {value!r}; use one of {', '.join(map(str, allowed))}")


def _followers(model: nn.Module) -> list[nn.Conv2d]:
    """Layers whose outputs only go where structural weights carry them: they are cut by who is left, not by rank."""
    mixes: list[nn.Conv2d] = [layer.mix for _, layer in modules_of(model, ConcatConv)]
    for _, heads in modules_of(model, MergedHeads):
        if isinstance(heads.first, StructuralConv2d) and isinstance(heads.rest, StructuralConv2d):
            mixes.append(cast(nn.Conv2d, heads.stack))
    return mixes


def _cut_unreached(graph: Any, model: nn.Module, followers: list[nn.Conv2d]) -> None:
    """Cut permuted channels that nothing feeds, and heads' channels that nobody selects. Exact: they carry zeros."""
    for layer in followers:
        if isinstance(layer, StructuralConv2d):
            unused = layer.weight.abs().sum(dim=(1, 2, 3)) == 0
        else:
            heads = next(heads for _, heads in modules_of(model, MergedHeads) if heads.stack is layer)
            views = cast(list[nn.Conv2d], [heads.first, heads.rest])
            unused = torch.stack([view.weight.abs().sum(dim=(0, 2, 3)) for view in views]).sum(dim=0) == 0
        if (indices := unused.nonzero().flatten().tolist()) and len(indices) < layer.out_channels:
            graph.get_pruning_group(layer, tp.prune_conv_out_channels, indices).prune()


def _index_coded(model: nn.Module) -> nn.Module:
    """A copy whose weights say where they stand: weight[o, i] = o · in_channels + i, exact in float64."""
    coded = copy.deepcopy(model).double()
    for _, layer in modules_of(coded, nn.Conv2d):
        out_channels, in_channels = layer.weight.shape[:2]
        numbers = torch.arange(out_channels * in_channels, dtype=torch.float64).view(out_channels, in_channels, 1, 1)
        layer.weight.data = numbers.expand_as(layer.weight).clone()
    return coded


def _replay(coded: nn.Module, history: list[Any], lr: Tensor) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Prune the coded copy in the same way and read off which channels are left of every layer."""
    in_channels = {path: layer.in_channels for path, layer in modules_of(coded, nn.Conv2d)}
    tp.DependencyGraph().build_dependency(coded, lr.double()).load_pruning_history(history)
    kept = {}
    for path, layer in modules_of(coded, nn.Conv2d):
        numbers = layer.weight.detach()[:, :, 0, 0].round().long()
        outs, ins = numbers[:, 0] // in_channels[path], numbers[0] % in_channels[path]
        kept[path] = (tuple(outs.tolist()), tuple(ins.tolist()))
    return kept


def _edit(
    path: str, before: tuple[int, ...], after: tuple[int, ...], outs: tuple[int, ...], ins: tuple[int, ...]
) -> LayerEdit:
    assert after[:2] == (len(outs), len(ins)), path
    return LayerEdit("pruned", (path,), path, (before,), after, kept_out=outs, kept_in=ins)


def _untouched(model: nn.Module, edits: tuple[LayerEdit, ...]) -> tuple[str, ...]:
    last = model.get_submodule("tail.upsample.conv")
    whole = [edit.target for edit in edits if edit.shape_after == edit.shapes_before[0]]
    whole = [path for path in whole if model.get_submodule(path) is not last]
    return (f"too small to lose a channel: {', '.join(whole)}",) if whole else ()


def _figures(asked: float, before: dict[str, tuple[int, ...]], edits: tuple[LayerEdit, ...]) -> dict[str, float]:
    channels = sum(shape[0] for shape in before.values())
    left = sum(len(edit.kept_out or ()) for edit in edits)
    weights = sum(math.prod(shape) for shape in before.values())
    weights_left = sum(math.prod(edit.shape_after or ()) for edit in edits)
    return {
        "pruning_ratio_asked": asked,
        "pruning_ratio_achieved": 1 - left / channels,
        "weights_removed": 1 - weights_left / weights,
    }


@contextmanager
def _random_state(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield

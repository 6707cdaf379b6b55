"""Reconstruct: after pruning, refit what is left of every convolution so that it gives what the unpruned one gave.

What is left may be fewer channels, a smaller kernel, no bias, or all of that.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, fx, nn

from sr_explore.errors import UserError
from sr_explore.networks.layers import StructuralConv2d
from sr_explore.records import LayerEdit
from sr_explore.stages.base import Calibration, Edited, Example, Kept, Stage, weight_shape
from sr_explore.stages.least_squares import fit
from sr_explore.surgery import modules_of

Values = dict[str, Any]


@dataclass(frozen=True)
class Reconstruct(Stage):
    """No training: each convolution, in order of execution, is solved for by ridge least squares.

    With X what the refitted layers before give it and Y what the unpruned layer gave in the channels that are left,
    W = argmin |X W − Y|² + λ |W − W_0|², on calibration patches (low-resolution ones suffice). Where the output is
    added to a skip, Y also takes over the error that the skip carries. Layers that only move channels stay as they are.

    Attributes:
        ridge: λ, relative to the mean of X's squares.
        positions: about how many places of the pictures each layer is fitted to.
    """

    exact: ClassVar[bool] = False

    ridge: float = 1e-4
    positions: int = 40_000

    def requires(self, model: nn.Module, example: Example) -> None:
        if self.ridge <= 0:
            raise UserError(f"ridge is {self.ridge}; it must be more than 0, as 1e-4")
        if example.calibration is None:
            raise UserError("reconstruct needs calibration patches")
        if example.unpruned is None or example.kept is None:
            raise UserError(
                "reconstruct needs a network that was just pruned (channels, kernels or biases), and the one before it"
            )
        if not _lines_up(model, example.unpruned, example.kept):
            raise UserError("reconstruct goes before fold: the layers no longer line up with the unpruned network's")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        lockstep = _Lockstep(cast(nn.Module, example.unpruned), model, cast(Kept, example.kept), self)
        lockstep.run(cast(Calibration, example.calibration).lr)
        edits = tuple(
            LayerEdit("refitted", (path,), path, (weight_shape(layer),), weight_shape(layer))
            for path, layer in modules_of(model, nn.Conv2d)
            if path in lockstep.refitted
        )
        return Edited(model, edits)


def _lines_up(model: nn.Module, unpruned: nn.Module, kept: Kept) -> bool:
    """Whether the network has the unpruned one's layers, with the channels that are kept."""
    layers, former = dict(modules_of(model, nn.Conv2d)), dict(modules_of(unpruned, nn.Conv2d))
    if not layers.keys() == former.keys() == kept.keys():
        return False
    return all(
        layer.weight.shape[:2] == (len(kept[path][0]), len(kept[path][1]))
        and all(new <= old for new, old in zip(layer.kernel_size, former[path].kernel_size, strict=True))
        for path, layer in layers.items()
    )


class _Lockstep:
    """Runs two networks of one structure side by side, node by node, and refits the second's convolutions on the way.

    Every layer runs once: by the time a convolution is reached, all that feeds it has been refitted.
    """

    def __init__(self, unpruned: nn.Module, pruned: nn.Module, kept: Kept, stage: Reconstruct) -> None:
        self.unpruned, self.pruned, self.kept, self.stage = unpruned, pruned, kept, stage
        self.graph = traced(pruned)
        self.refitted: set[str] = set()
        self._last_use = {source.name: node.name for node in self.graph.nodes for source in node.all_input_nodes}

    @torch.no_grad()
    def run(self, lr: Tensor) -> None:
        like = next(self.pruned.parameters())
        whole: Values = {}
        cut: Values = {}
        for node in self.graph.nodes:
            if node.op == "placeholder":
                whole[node.name] = cut[node.name] = lr.to(like).contiguous(memory_format=torch.channels_last)
            elif node.op != "output":
                whole[node.name] = _evaluate(node, self.unpruned, whole)
                self._refit(node, whole, cut)
                cut[node.name] = _evaluate(node, self.pruned, cut)
            for source in node.all_input_nodes:
                if self._last_use[source.name] == node.name:
                    del whole[source.name], cut[source.name]

    def _refit(self, node: fx.Node, whole: Values, cut: Values) -> None:
        if node.op != "call_module":
            return
        layer = self.pruned.get_submodule(str(node.target))
        if not isinstance(layer, nn.Conv2d) or isinstance(layer, StructuralConv2d):
            return
        kept = list(self.kept[str(node.target)][0])
        target = whole[node.name][:, kept]
        skip = _skip_of(node, cut)
        if skip is not None:
            target = target + whole[skip][:, kept] - cut[skip]
        source = cast(fx.Node, node.args[0]).name
        fit(layer, cut[source], target, self.stage.ridge, self.stage.positions)
        self.refitted.add(str(node.target))


_tracing = threading.Lock()


def traced(model: nn.Module) -> fx.Graph:
    """A network's calls, down to convolutions; what torch.nn brings stays whole. Any thread may ask at any time."""
    with _tracing:
        return _LayerTracer().trace(model)


class _LayerTracer(fx.Tracer):
    """While it traces, torch.fx catches the module calls of the whole process; those of other threads are let pass."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def _evaluate(node: fx.Node, model: nn.Module, values: Values) -> Any:
    args = fx.map_arg(node.args, lambda source: values[source.name])
    kwargs = fx.map_arg(node.kwargs, lambda source: values[source.name])
    if node.op == "call_module":
        return model.get_submodule(str(node.target))(*args, **kwargs)
    if node.op == "call_function":
        return cast(Any, node.target)(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    value: Any = model  # get_attr: a buffer or parameter by its dotted path
    for name in str(node.target).split("."):
        value = getattr(value, name)
    return value


def _skip_of(node: fx.Node, ready: Values) -> str | None:
    """What a convolution's output is added to, if that is all that is done with it and it is there already."""
    users = list(node.users)
    if len(users) != 1 or users[0].op != "call_function" or users[0].target not in (add, torch.add):
        return None
    others = [source.name for source in users[0].all_input_nodes if source is not node]
    return others[0] if others and others[0] in ready else None

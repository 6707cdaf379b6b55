"""Networks as data: a description (class, options and every layer's widths) from which the same network is rebuilt.

A pruned, merged or folded network has widths that no constructor knows. Its description lists each layer that carries
widths or indices, so that a saved network needs neither the stages that made it nor Torch-Pruning to be loaded.
"""

from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from sr_explore.errors import UserError
from sr_explore.networks.layers import Concat, ConcatConv, Select, StructuralConv2d
from sr_explore.networks.rfdn import RFDN, BranchedRFDN, MergedRFDN
from sr_explore.networks.rlfn import RLFN
from sr_explore.surgery import replace_module

Description = dict[str, Any]
MAX_LAYERS = 2_000


class Network(Protocol):
    """What every network here has besides being an `nn.Module`."""

    scale: int
    requires_size: int

    def options(self) -> dict[str, Any]: ...
    @classmethod
    def skeleton(cls, **options: Any) -> nn.Module: ...


NETWORKS: dict[str, type[nn.Module]] = {network.__name__: network for network in (RFDN, BranchedRFDN, MergedRFDN, RLFN)}


def scale_of(model: nn.Module) -> int:
    """How many output pixels a network makes of an input pixel and side: 2, 3 or 4."""
    return cast(Network, model).scale


def describe(model: nn.Module) -> Description:
    """A JSON-ready description of a network: `build` makes the same structure from it."""
    layers = {path: row for path, module in model.named_modules() if (row := _describe_layer(module))}
    return {"network": type(model).__name__, "options": cast(Network, model).options(), "layers": layers}


def build(description: Description, state: dict[str, Tensor]) -> nn.Module:
    """The network of a description, with the weights of `state`, in eval mode.

    Nothing is allocated for what the description claims: layers take their weights from `state`, and shapes that
    disagree are refused.

    Raises:
        UserError: if the description is not understood or does not fit the weights.
    """
    try:
        model = _build_structure(description)
        model.load_state_dict(state, strict=True, assign=True)
    except UserError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise UserError(
            f"the network described in the file does not fit its weights ({reason[-1].strip() if reason else error!r});"
            " save it again with sr-explore"
        ) from error
    return model.eval()


def _build_structure(description: Description) -> nn.Module:
    name = description["network"]
    if name not in NETWORKS:
        raise UserError(f"the file holds a network called {str(name)[:40]!r}; known here are {', '.join(NETWORKS)}")
    layers = description["layers"]
    if len(layers) > MAX_LAYERS:
        raise UserError(f"the file describes {len(layers)} layers; at most {MAX_LAYERS} are accepted")
    with torch.device("meta"):
        model = cast(type[Network], NETWORKS[name]).skeleton(**_checked_options(description["options"]))
    for path, row in sorted(layers.items(), key=lambda item: item[0].count(".")):
        replace_module(model, path, _build_layer(row))
    return model


def _checked_options(options: dict[str, Any]) -> dict[str, Any]:
    for name, value in options.items():
        if not isinstance(value, bool | int) or not 0 <= value <= 64:
            raise UserError(f"the file gives {str(name)[:40]} = {str(value)[:40]}; a whole number up to 64 is expected")
    return options


def _describe_layer(module: nn.Module) -> dict[str, Any] | None:
    match module:
        case StructuralConv2d():
            return {"type": "StructuralConv2d", "widths": [module.in_channels, module.out_channels]}
        case nn.Conv2d():
            return {
                "type": "Conv2d",
                "widths": [module.in_channels, module.out_channels],
                "kernel": list(module.kernel_size),
                "stride": list(module.stride),
                "padding": list(cast(tuple[int, int], module.padding)),
                "groups": module.groups,
                "bias": module.bias is not None,
            }
        case Concat():
            return {"type": "Concat", "order": None if module.order is None else module.order.tolist()}
        case Select():
            return {"type": "Select", "indices": module.indices.tolist()}
        case ConcatConv():
            return {"type": "ConcatConv"}
        case nn.Identity():
            return {"type": "Identity"}
    return None


def _build_layer(row: dict[str, Any]) -> nn.Module:
    match row["type"]:
        case "StructuralConv2d":
            with torch.device("meta"):
                return StructuralConv2d(*row["widths"])
        case "Conv2d":
            options = {"stride": tuple(row["stride"]), "padding": tuple(row["padding"]), "groups": row["groups"]}
            with torch.device("meta"):
                return nn.Conv2d(*row["widths"], kernel_size=tuple(row["kernel"]), bias=row["bias"], **options)
        case "Concat":
            return Concat(row["order"])
        case "Select":
            return Select(row["indices"])
        case "ConcatConv":
            return ConcatConv(cast(nn.Conv2d, nn.Identity()))
        case "Identity":
            return nn.Identity()
    raise UserError(f"the file has a layer of the unknown type {str(row['type'])[:40]!r}")

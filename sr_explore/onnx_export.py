"""Networks as ONNX files for pictures of any size, and what is in such a file against PyTorch. The only door to ONNX.

PyTorch (2.13) has two exporters. This module calls the older one, which traces: 0.3 s for an RFDN instead of 5, no
other package than onnx, and nothing of the machine in the file, while the newer one notes the folders of its source
files with every operator. The older one is deprecated, and `_traced` is the only function to change when it goes.
"""

import warnings
from collections.abc import Sequence
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from sr_explore.analysis import check_size
from sr_explore.analysis.equivalence import exact_arithmetic
from sr_explore.errors import UserError
from sr_explore.networks.registry import Network
from sr_explore.records import OnnxCheck, OnnxFile
from sr_explore.state_files import write_whole
from sr_explore.surgery import private_copy

OPSET = 17
"""Of 2022: what runs ONNX today knows these operators, and RFDN needs no newer ones."""

TIMES_ROUNDOFF = 10.0
"""Up to 4 was measured, over networks as shipped and published, pruned by a tenth to nine tenths."""

EPS = torch.finfo(torch.float32).eps
_NEEDED = "ONNX files need two packages that are not installed here: pip install onnx onnxruntime"


def export_onnx(model: nn.Module, path: str | Path, replace: bool = False) -> OnnxFile:
    """Write a network to an ONNX file that takes pictures of any number and size from `requires_size` px a side on.

    RGB (batch, 3, height, width) in [0, 1] to (batch, 3, scale·height, scale·width), float32, not clipped. The file's
    notes hold `scale` and `requires_size`: to smaller pictures, which PyTorch refuses, ONNX Runtime gives some answer.

    Args:
        model: a network of `sr_explore.networks`; it is not changed.
        path: a name that ends in .onnx, in a folder that exists; the file appears whole or not at all.
        replace: whether a file of that name may be replaced.

    Raises:
        UserError: if the name is no .onnx, the file exists or cannot be written, or the packages are missing.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise UserError(f"{path.name!r} does not end in .onnx; name the file so")
    onnx = _onnx()
    network = cast(Network, model)
    traced = network.requires_size + 9, network.requires_size + 16
    proto = onnx.load_from_string(_traced(model, traced))
    onnx.helper.set_model_props(proto, {"scale": str(network.scale), "requires_size": str(network.requires_size)})
    proto.doc_string = "super-resolution: RGB in [0, 1] to RGB in [0, 1], not clipped; written by sr-explore"
    onnx.checker.check_model(proto, full_check=True)
    data = proto.SerializeToString()
    sha256 = write_whole(path, data, replace)
    (lr,), (sr,) = proto.graph.input, proto.graph.output
    return OnnxFile(str(path), sha256, len(data) / 1e6, proto.opset_import[0].version, _shape(lr), _shape(sr), traced)


def onnx_check(
    path: str | Path, model: nn.Module, pictures: Sequence[Tensor] = (), times: float = TIMES_ROUNDOFF
) -> OnnxCheck:
    """Run an ONNX file and a network on pictures of several sizes and say how far apart they are.

    An exporter can write a size down as a number where the network asks for the picture's own; that shows only at
    another size than the traced one. The two run in float32 and add up in another order, which pruned and refitted
    networks feel more than others. So what counts as the same is measured, too: PyTorch against itself in float64.
    A small mistake in a weight can hide in that; this check is about the file, and `equivalence` about networks.

    Args:
        path: a file that `export_onnx` wrote.
        model: what it should be the same as; it is not changed.
        pictures: each (N, 3, H, W) in [0, 1]; noise of three sizes if left out: the smallest that the network takes, an
            odd one, and two pictures at once of a larger one.
        times: so many times PyTorch's round-off may the difference be.

    Returns:
        The differences; inf where the outputs' shapes differ, NaN where one holds NaN, and neither is ever `equal`.

    Raises:
        UserError: if the file cannot be read or run, or a picture is too small.
    """
    written, single = OnnxNetwork(path), private_copy(model).cpu().float()
    double = private_copy(single).double()
    pictures = [picture.float().cpu() for picture in pictures or _noise(cast(Network, model).requires_size)]
    figures = []
    with exact_arithmetic(torch.device("cpu")):
        for picture in pictures:
            found, wanted, truth = written(picture), single(picture), double(picture.double())
            unit = float(truth.amax() - truth.amin()) or 1.0
            figures.append((_gap(found, wanted) / unit, max(_gap(wanted, truth) / unit, EPS)))
    differences, roundoffs = zip(*figures, strict=True)
    return OnnxCheck(tuple((p.shape[-2], p.shape[-1]) for p in pictures), differences, roundoffs, times)


class OnnxNetwork(nn.Module):
    """An ONNX file that passes for a network, so that it can be checked and timed like one.

    ONNX Runtime runs it on the processor, in float32, with as many threads as torch has when the file is opened.

    Args:
        path: a file that `export_onnx` wrote.

    Attributes:
        scale, requires_size: as the network had them that it was written from.

    Raises:
        UserError: if the file is not there, is no such file, or onnxruntime is missing.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._name = Path(path).name
        self._session = _session(Path(path))
        notes = self._session.get_modelmeta().custom_metadata_map
        try:
            self.scale, self.requires_size = int(notes["scale"]), int(notes["requires_size"])
        except (KeyError, ValueError) as error:
            raise UserError(f"{self._name}: sr-explore did not write this file; export the network again") from error

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale (N, 3, H, W) to (N, 3, scale·H, scale·W), float32 whatever comes in."""
        check_size(self, (lr.shape[-2], lr.shape[-1]))
        picture = lr.detach().to("cpu", torch.float32).contiguous().numpy()
        try:
            (sr,) = self._session.run(None, {self._session.get_inputs()[0].name: picture})
        except Exception as error:  # onnxruntime raises a dozen kinds that share no base
            size = f"{lr.shape[-1]}×{lr.shape[-2]} px"
            raise UserError(f"{self._name}: ONNX Runtime cannot run it on {size} ({_reason(error)})") from error
        return torch.from_numpy(sr).to(lr.device)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # a session cannot be copied, and running it changes nothing


def _traced(model: nn.Module, size: tuple[int, int]) -> bytes:
    scale = cast(Network, model).scale
    axes = {
        "lr": {0: "batch", 2: "height", 3: "width"},
        "sr": {0: "batch", 2: f"{scale}*height", 3: f"{scale}*width"},
    }
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder, "traced.onnx")
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            private_copy(model).cpu().float().eval(),
            (torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)),),
            path,
            input_names=["lr"],
            output_names=["sr"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        return path.read_bytes()


def _noise(smallest: int) -> list[Tensor]:
    shapes = (1, smallest, smallest), (1, 2 * smallest + 3, 3 * smallest + 2), (2, 4 * smallest, 6 * smallest)
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(count, 3, height, width, generator=generator) for count, height, width in shapes]


def _gap(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().amax()) if one.shape == other.shape else inf


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
    except ImportError as error:
        raise UserError(_NEEDED) from error
    return onnx


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(_NEEDED) from error
    if not path.is_file():
        raise UserError(f"{path.name}: there is no such file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that spin while they wait slow everything down on shared cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # see `forward`
        raise UserError(f"{path.name}: ONNX Runtime cannot read it ({_reason(error)})") from error


def _shape(value: Any) -> tuple[str, ...]:
    return tuple(dim.dim_param or str(dim.dim_value) for dim in value.type.tensor_type.shape.dim)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__

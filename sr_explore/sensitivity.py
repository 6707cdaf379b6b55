"""Which 3×3 convolutions could be 1×1: what each one's outer taps are worth, and in which order to let them go."""

from collections.abc import Callable, Sequence

from torch import nn

from sr_explore.analysis import layer_table
from sr_explore.errors import UserError
from sr_explore.pipeline import DEFAULT_SIZE
from sr_explore.records import KernelOrder, KernelSensitivity, KernelStep, SensitivityRecord
from sr_explore.stages import Example, PruneKernels, Reconstruct, off_centre, wide_kernels

Psnr = Callable[[nn.Module], float]
REFIT = Reconstruct()


def sensitivity(
    model: nn.Module,
    example: Example,
    psnr: Psnr,
    *,
    start: str = "centre",
    reconstruct: bool = True,
    refit: Reconstruct = REFIT,
    size: tuple[int, int] = DEFAULT_SIZE,
    on_layer: Callable[[KernelSensitivity], None] | None = None,
) -> SensitivityRecord:
    """Make every convolution that can be 1×1 so, each alone, and measure what that loses.

    Args:
        model: stays untouched.
        example: with calibration patches.
        psnr: a network's quality in dB, on any pictures; called once or twice a layer.
        start: what a 1×1 kernel begins with; see `PruneKernels`.
        reconstruct: measure also what is lost after `Reconstruct`, which takes seconds a layer.
        refit: its settings; fewer `positions` are faster, and a little worse.
        size: (height, width) of the low-resolution picture that multiply-adds are counted for, px.
        on_layer: told of every layer as soon as it is measured.

    Raises:
        UserError: if there are no calibration patches, or no such convolution.
    """
    if example.calibration is None or not wide_kernels(model):
        raise UserError("sensitivity needs calibration patches, and a convolution with a kernel larger than 1×1")
    before, whole = psnr(model), layer_table(model, size)
    shares = off_centre(model, example.calibration.lr)
    rows = []
    for path in wide_kernels(model):
        cut, refitted = _pruned(model, [path], example, start, refit if reconstruct else None)
        table = layer_table(cut, size)
        row = KernelSensitivity(
            path=path,
            off_centre=shares[path],
            lost_db=before - psnr(cut),
            reconstructed_lost_db=None if refitted is None else before - psnr(refitted),
            params_saved=whole.params - table.params,
            macs_saved=whole.macs - table.macs,
        )
        rows.append(row)
        if on_layer:
            on_layer(row)
    return SensitivityRecord(before, whole.macs, size, start, tuple(rows))


def one_shot(
    record: SensitivityRecord,
    model: nn.Module,
    example: Example,
    psnr: Psnr,
    count: int,
    *,
    by: str = "lost_db",
    reconstruct: bool = True,
    refit: Reconstruct = REFIT,
    among: Sequence[str] = (),
) -> KernelOrder:
    """Prune in the order of a record, the least sensitive first, without measuring the layers again.

    Args:
        record: `sensitivity` of the same network.
        count: how many layers.
        by: "lost_db", "reconstructed_lost_db" or "off_centre".
        among: the candidates' paths; default all of the record.
        model, example, psnr, reconstruct, refit: as for `sensitivity`.
    """
    rows = [row for row in record.layers if not among or row.path in among]
    rows.sort(key=lambda row: getattr(row, by))
    order = [row.path for row in rows[:count]]
    states = (order[: length + 1] for length in range(len(order)))
    mend = refit if reconstruct else None
    steps = [_step(model, state, example, psnr, record.start, mend, record.size) for state in states]
    return KernelOrder(False, record.psnr_db, record.macs, tuple(steps))


def progressive(
    model: nn.Module,
    example: Example,
    psnr: Psnr,
    count: int,
    *,
    start: str = "centre",
    reconstruct: bool = True,
    refit: Reconstruct = REFIT,
    among: Sequence[str] = (),
    size: tuple[int, int] = DEFAULT_SIZE,
    on_step: Callable[[KernelStep], None] | None = None,
) -> KernelOrder:
    """Prune the layer that loses least, measure all that are left again, and so on.

    Args:
        count: how many layers; each takes as many measurements as there are candidates left.
        reconstruct: choose by what is lost after `Reconstruct`; else by what is lost at once.
        among: the candidates' paths; default all that can be 1×1.
        model, example, psnr, start, refit, size: as for `sensitivity`.
        on_step: told of every step as soon as it is done.
    """
    candidates = list(among or wide_kernels(model))
    chosen: list[str] = []
    steps: list[KernelStep] = []
    for _ in range(min(count, len(candidates))):
        tried = [
            _step(model, [*chosen, path], example, psnr, start, refit if reconstruct else None, size)
            for path in candidates
            if path not in chosen
        ]
        best = max(tried, key=lambda step: step.psnr_db if step.reconstructed_db is None else step.reconstructed_db)
        chosen.append(best.path)
        steps.append(best)
        if on_step:
            on_step(best)
    return KernelOrder(True, psnr(model), layer_table(model, size).macs, tuple(steps))


def _step(
    model: nn.Module,
    paths: Sequence[str],
    example: Example,
    psnr: Psnr,
    start: str,
    refit: Reconstruct | None,
    size: tuple[int, int],
) -> KernelStep:
    cut, refitted = _pruned(model, paths, example, start, refit)
    macs = layer_table(cut, size).macs
    return KernelStep(paths[-1], psnr(cut), None if refitted is None else psnr(refitted), macs)


def _pruned(
    model: nn.Module, paths: Sequence[str], example: Example, start: str, refit: Reconstruct | None
) -> tuple[nn.Module, nn.Module | None]:
    result = PruneKernels("+".join(paths), start=start)(model, example)
    if refit is None:
        return result.model, None
    return result.model, refit(result.model, example.after(model, result.report)).model

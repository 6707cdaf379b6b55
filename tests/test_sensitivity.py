from dataclasses import replace

import pytest
import torch
from torch import nn

from sr_explore.analysis import layer_table
from sr_explore.errors import UserError
from sr_explore.records import KernelOrder, SensitivityRecord
from sr_explore.sensitivity import one_shot, progressive, sensitivity
from sr_explore.stages import Calibration, Example, PruneKernels, Reconstruct, wide_kernels
from tests.tiny import tiny_rlfn

SIZE = (20, 24)
LR = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(4))
EXAMPLE = Example(LR[:1], Calibration(LR))


def likeness(model: nn.Module) -> float:
    """How near a network's pictures come to those of the tiny one, in dB; 60 for itself."""
    with torch.no_grad():
        error = (model(LR) - tiny_rlfn()(LR)).square().mean() + 1e-6
    return float(-10 * torch.log10(error))


@pytest.fixture(scope="module")
def record() -> SensitivityRecord:
    return sensitivity(tiny_rlfn(), EXAMPLE, likeness, size=SIZE)


def test_every_layer_is_measured_alone(record: SensitivityRecord):
    model = tiny_rlfn()
    assert [layer.path for layer in record.layers] == list(wide_kernels(model))
    assert record.psnr_db == pytest.approx(60, abs=0.1)
    row = next(row for row in record.layers if row.path == "tail.smooth")
    cut = PruneKernels("tail.smooth")(model, EXAMPLE)
    refitted = Reconstruct()(cut.model, EXAMPLE.after(model, cut.report)).model
    assert row.lost_db == pytest.approx(record.psnr_db - likeness(cut.model))
    assert row.reconstructed_lost_db == pytest.approx(record.psnr_db - likeness(refitted))
    assert row.params_saved == 8 * 6 * 6
    assert row.macs_saved == 8 * 6 * 6 * 20 * 24
    assert layer_table(model, SIZE).macs == record.macs


def test_reconstruction_helps_most_layers(record: SensitivityRecord):
    helped = [row for row in record.layers if row.reconstructed_lost_db < row.lost_db]  # pyright: ignore
    assert len(helped) > len(record.layers) / 2


def test_a_kernel_with_nothing_around_its_centre_loses_nothing():
    model = tiny_rlfn()
    with torch.no_grad():
        outer = model.get_parameter("blocks.1.refine.1.weight")
        centre = outer[:, :, 1, 1].clone()
        outer.zero_()[:, :, 1, 1] = centre
    rows = sensitivity(model, EXAMPLE, likeness, reconstruct=False, size=SIZE).layers
    row = next(row for row in rows if row.path == "blocks.1.refine.1")
    assert (row.off_centre, row.reconstructed_lost_db) == (0, None)
    assert row.lost_db == pytest.approx(0, abs=1e-4)
    assert all(other.lost_db > 1e-3 for other in rows if other is not row and ".esa." not in other.path)


def test_one_shot_follows_the_record(record: SensitivityRecord):
    order = one_shot(record, tiny_rlfn(), EXAMPLE, likeness, 3, reconstruct=False)
    ranked = sorted(record.layers, key=lambda row: row.lost_db)
    assert [step.path for step in order.steps] == [row.path for row in ranked[:3]]
    assert not order.progressive
    assert order.steps[0].psnr_db == pytest.approx(record.psnr_db - ranked[0].lost_db)
    assert [step.macs for step in order.steps] == [
        record.macs - sum(row.macs_saved for row in ranked[: n + 1]) for n in range(3)
    ]
    shares = one_shot(record, tiny_rlfn(), EXAMPLE, likeness, 2, by="off_centre", reconstruct=False)
    assert shares.steps[0].path == min(record.layers, key=lambda row: row.off_centre).path
    few = [ranked[4].path, ranked[2].path]
    some = one_shot(record, tiny_rlfn(), EXAMPLE, likeness, 3, reconstruct=False, among=few)
    assert [step.path for step in some.steps] == few[::-1]


def test_the_least_sensitive_are_found_by_what_is_lost_after_reconstruction(record: SensitivityRecord):
    ranked = [row.path for row in sorted(record.layers, key=lambda row: row.reconstructed_lost_db or 0)]
    assert record.least(3) == tuple(ranked[:3])
    assert record.least(99, but="*.esa.*") == tuple(path for path in ranked if ".esa." not in path)
    assert record.least(9, "blocks.1.refine.*") == tuple(path for path in ranked if "blocks.1.refine" in path)
    raw = replace(record, layers=tuple(replace(row, reconstructed_lost_db=None) for row in record.layers))
    assert raw.least(1)[0] == min(record.layers, key=lambda row: row.lost_db).path


def test_progressive_measures_anew_and_is_never_worse_at_the_second_step(record: SensitivityRecord):
    told = []
    order = progressive(tiny_rlfn(), EXAMPLE, likeness, 3, reconstruct=False, size=SIZE, on_step=told.append)
    once = one_shot(record, tiny_rlfn(), EXAMPLE, likeness, 3, reconstruct=False)
    assert order.progressive
    assert tuple(told) == order.steps
    assert order.steps[0] == once.steps[0]
    assert order.steps[1].psnr_db >= once.steps[1].psnr_db
    assert len({step.path for step in order.steps}) == 3


def test_progressive_goes_by_what_is_lost_after_reconstruction():
    among = ("tail.smooth", "tail.upsample.conv", "head")
    order = progressive(tiny_rlfn(), EXAMPLE, likeness, 5, among=among, size=SIZE)
    assert {step.path for step in order.steps} == set(among)
    first = {path: progressive(tiny_rlfn(), EXAMPLE, likeness, 1, among=[path], size=SIZE).steps[0] for path in among}
    assert order.steps[0] == max(first.values(), key=lambda step: step.reconstructed_db or 0)


def test_records_come_back(record: SensitivityRecord):
    assert SensitivityRecord.from_json(record.to_json()) == record
    order = one_shot(record, tiny_rlfn(), EXAMPLE, likeness, 2)
    assert KernelOrder.from_json(order.to_json()) == order


def test_settings_of_the_refit_are_used():
    model, rough = tiny_rlfn(), Reconstruct(ridge=1e3)
    path = "tail.smooth"
    mild, hard = (progressive(model, EXAMPLE, likeness, 1, among=[path], refit=r) for r in (Reconstruct(), rough))
    assert hard.steps[0].psnr_db == mild.steps[0].psnr_db
    gained = [(order.steps[0].reconstructed_db or 0) - order.steps[0].psnr_db for order in (mild, hard)]
    assert gained[0] > gained[1] + 0.5, "a large ridge holds the weights to what was left"


def test_patches_are_needed():
    with pytest.raises(UserError, match="needs calibration patches"):
        sensitivity(tiny_rlfn(), replace(EXAMPLE, calibration=None), likeness)

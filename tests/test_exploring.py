from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_explore import exploring, zoo
from sr_explore.analysis.quality import psnr_y
from sr_explore.calibration import shipped_calibration
from sr_explore.errors import UserError
from sr_explore.exploring import PruningRequest, PruningSession
from sr_explore.images import Photo, to_rgb, to_tensor
from sr_explore.kernel_orders import SpareKernels
from sr_explore.latest_only import GaveUp, LatestOnly
from sr_explore.plots import layer_bars
from sr_explore.resize import degrade
from sr_explore.runtime import Upscaler
from sr_explore.stages import Example, PruneBiases, PruneChannels, PruneKernels, Reconstruct, apply_stages
from sr_explore.stages.prune_kernels import wide_kernels
from sr_explore.zoo.ladders import Rung
from tests.tiny import NETWORKS, tiny_rfdn, tiny_rlfn

RGB = np.random.default_rng(0).random((48, 64, 3), np.float32)
PHOTO = Photo(RGB, None, None, "noise")


@pytest.fixture(autouse=True)
def few_patches(monkeypatch: pytest.MonkeyPatch) -> Example:
    calibration = shipped_calibration(2, patches=6, patch_size=32)
    example = Example(calibration.lr[:1], calibration)
    monkeypatch.setattr(exploring, "shipped_example", lambda scale, patches=0: example)
    return example


@pytest.fixture
def network(tmp_path: Path) -> str:
    zoo.save(tmp_path / "tiny.safetensors", tiny_rfdn())
    return str(tmp_path / "tiny.safetensors")


@pytest.fixture
def session(network: str) -> PruningSession:
    return PruningSession(network, PHOTO, is_reference=True, device="cpu")


@pytest.mark.parametrize("reconstruct", [False, True])
def test_an_answer_is_what_the_stages_give(session: PruningSession, few_patches: Example, reconstruct: bool):
    answer = session.answer(PruningRequest(0.5, reconstruct=reconstruct))
    stages = (PruneChannels(0.5), *((Reconstruct(),) if reconstruct else ()))
    model = apply_stages(tiny_rfdn(), stages, few_patches)
    wanted = to_rgb(Upscaler(model, "cpu")(to_tensor(degrade(RGB, 2))))
    assert answer.picture.shape == RGB.shape
    assert answer.picture.dtype == np.uint8
    assert np.abs(answer.picture - wanted * 255).max() < 0.6
    assert answer.params == sum(parameter.numel() for parameter in model.parameters())
    assert answer.macs < answer.before.macs
    assert 0.3 < answer.achieved_ratio < 0.6
    assert answer.milliseconds > 0
    assert answer.psnr_y == pytest.approx(psnr_y(to_tensor(wanted), to_tensor(RGB), 2), abs=1e-3)
    assert answer.report is not None
    figure = layer_bars(answer.before, answer.after, answer.report)
    assert "removed" in {trace["name"] for trace in figure.to_dict()["data"]}


@pytest.fixture
def rlfn_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PruningSession:
    """Of a network whose kernels go in the order of the network, which needs no search."""
    zoo.save(tmp_path / "rlfn.safetensors", tiny_rlfn())
    session = PruningSession(str(tmp_path / "rlfn.safetensors"), PHOTO, is_reference=True, device="cpu")
    session._order = SpareKernels(session._model, session._example, session.kernels)
    return session


@pytest.mark.parametrize("ratio", [0.0, 0.5])
@pytest.mark.parametrize("reconstruct", [False, True])
@pytest.mark.parametrize("start", ["centre", "least-squares"])
def test_kernels_and_biases_go_after_channels(
    rlfn_session: PruningSession, few_patches: Example, ratio: float, reconstruct: bool, start: str
):
    request = PruningRequest(ratio, reconstruct=reconstruct, kernels=2, start=start, drop_biases=True)
    answer = rlfn_session.answer(request)
    kernels = PruneKernels("+".join(rlfn_session.kernels[:2]), start=start)
    stages = (PruneChannels(ratio), kernels, PruneBiases(), *((Reconstruct(),) if reconstruct else ()))
    model = apply_stages(tiny_rlfn(), stages, few_patches)
    wanted = to_rgb(Upscaler(model, "cpu")(to_tensor(degrade(RGB, 2))))
    assert np.abs(answer.picture - wanted * 255).max() < 0.6
    assert answer.params == sum(parameter.numel() for parameter in model.parameters())
    assert answer.narrowed == rlfn_session.kernels[:2]


def test_the_kernels_that_go_are_the_first_of_the_search(tmp_path: Path):
    zoo.save(tmp_path / "rlfn.safetensors", tiny_rlfn())
    session = PruningSession(str(tmp_path / "rlfn.safetensors"), PHOTO, device="cpu")
    told: list[str] = []
    one = session.answer(PruningRequest(0.0, kernels=1), told.append)
    assert sum("which kernels can be spared" in text for text in told) == len(session.kernels)
    assert one.narrowed == SpareKernels(tiny_rlfn(), session._example).first(1)


@pytest.mark.parametrize("form", ["row", "rlfn", "branched-2s", "merged-2s"])
def test_kernels_and_biases_of_every_form(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    zoo.save(tmp_path / "it.safetensors", NETWORKS[form]())
    session = PruningSession(str(tmp_path / "it.safetensors"), PHOTO, device="cpu")
    session._order = SpareKernels(session._model, session._example, session.kernels)
    most = len(session.kernels)
    answer = session.answer(PruningRequest(0.3, reconstruct=True, kernels=most, drop_biases=True))
    assert answer.narrowed
    assert set(answer.narrowed) == set(session.kernels)


def test_a_start_without_kernels_is_the_same_answer(rlfn_session: PruningSession):
    whole = rlfn_session.answer(PruningRequest(0.0))
    assert rlfn_session.answer(PruningRequest(0.0, start="mean")).picture is whole.picture


def test_kernels_alone_can_be_polished(rlfn_session: PruningSession, monkeypatch: pytest.MonkeyPatch):
    request = PruningRequest(0.0, kernels=3, drop_biases=True)
    before, polished = rlfn_session.answer(request), rlfn_session.polish(request, 1.0)
    assert polished.params == before.params
    assert polished.narrowed == before.narrowed
    assert (polished.picture != before.picture).any()


def test_nothing_pruned_is_the_network_itself(session: PruningSession):
    answer = session.answer(PruningRequest(0.0, reconstruct=True))
    wanted = to_rgb(Upscaler(tiny_rfdn(), "cpu")(to_tensor(degrade(RGB, 2))))
    assert np.abs(answer.picture - wanted * 255).max() < 0.6
    assert answer.achieved_ratio == 0


def test_what_requests_share_is_computed_once(session: PruningSession, monkeypatch: pytest.MonkeyPatch):
    counts = {"gradients": 0, "pruned": 0, "upscaled": 0}

    def counted(name: str, function):
        def call(*args, **kwargs):
            counts[name] += 1
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(exploring, "loss_gradients", counted("gradients", exploring.loss_gradients))
    monkeypatch.setattr(exploring, "Upscaler", counted("upscaled", Upscaler))
    monkeypatch.setattr(PruneChannels, "edit", counted("pruned", PruneChannels.edit))
    session.prepare()
    first = session.answer(PruningRequest(0.4))
    session.answer(PruningRequest(0.4, reconstruct=True))
    again = session.answer(PruningRequest(0.401))
    assert again.picture is first.picture
    assert again.request.ratio == 0.401
    assert counts == {"gradients": 1, "pruned": 2, "upscaled": 3}


def test_only_so_many_answers_are_kept(session: PruningSession, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session._answers, "_most", 2)
    first = session.answer(PruningRequest(0.1, "magnitude"))
    second = session.answer(PruningRequest(0.2, "magnitude"))
    assert session.answer(PruningRequest(0.1, "magnitude")).picture is first.picture
    session.answer(PruningRequest(0.3, "magnitude"))
    assert session.answer(PruningRequest(0.1, "magnitude")).picture is first.picture
    assert session.answer(PruningRequest(0.2, "magnitude")).picture is not second.picture


def test_refitting_is_not_begun_for_nobody(session: PruningSession):
    told: list[str] = []
    with pytest.raises(GaveUp):
        session.answer(PruningRequest(0.5, reconstruct=True), told.append, lambda: True)
    assert told == ["asking every weight what it is worth", "choosing channels"]
    session.answer(PruningRequest(0.5, reconstruct=True), told.append)
    assert told[2:] == ["refitting layers", "upscaling"]


def test_trained_takes_the_nearest_rung(session: PruningSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = str(tmp_path / "rung.safetensors")
    zoo.save(Path(name), PruneChannels(0.5, "magnitude")(tiny_rfdn(), Example(torch.rand(1, 3, 24, 24))).model)
    monkeypatch.setattr(exploring, "nearest_rung", lambda network, ratio: Rung(name, 0.5))
    answer = session.answer(PruningRequest(0.45, trained=True))
    assert answer.name == name
    assert answer.report is None
    assert 0.3 < answer.achieved_ratio < 0.6
    other = PruningRequest(0.45, "random", "global", reconstruct=True, trained=True)
    assert session.answer(other).picture is answer.picture
    monkeypatch.setattr(exploring, "nearest_rung", lambda network, ratio: Rung(session.network, 0.0))
    assert session.answer(PruningRequest(0.0, trained=True)).achieved_ratio == 0


def test_mistakes_are_one_sentence_before_any_work(session: PruningSession):
    told: list[str] = []
    for request, words in [
        (PruningRequest(0.95), "give 0 to 0.9"),
        (PruningRequest(importance="tailor"), "use one of"),
        (PruningRequest(scope="locally"), "use one of"),
        (PruningRequest(trained=True), "no trained pruned networks"),
        (PruningRequest(kernels=99), "kernels is 99; give 0 to 19, as many"),
        (PruningRequest(kernels=-1), "give 0 to 19"),
        (PruningRequest(kernels=1, start="middle"), "use one of centre, mean"),
    ]:
        with pytest.raises(UserError, match=words):
            session.answer(request, told.append)
    assert told == []


def test_what_has_gone_already_cannot_go(tmp_path: Path):
    paths = "+".join(wide_kernels(tiny_rlfn()))
    bare = apply_stages(tiny_rlfn(), (PruneKernels(paths), PruneBiases()), Example(torch.rand(1, 3, 24, 24)))
    zoo.save(tmp_path / "bare.safetensors", bare)
    session = PruningSession(str(tmp_path / "bare.safetensors"), PHOTO, device="cpu")
    assert session.kernels == ()
    with pytest.raises(UserError, match="no kernels left that could become 1×1; set them to 0"):
        session.answer(PruningRequest(0.0, kernels=1))
    with pytest.raises(UserError, match="no biases left to drop"):
        session.answer(PruningRequest(0.0, drop_biases=True))


def test_merged_branches_are_cut_as_the_ladder_does_it(tmp_path: Path):
    zoo.save(tmp_path / "merged.safetensors", NETWORKS["merged-4s"]())
    session = PruningSession(str(tmp_path / "merged.safetensors"), PHOTO, device="cpu")
    answer = session.answer(PruningRequest(0.5, reconstruct=True))
    assert answer.picture.shape == (96, 128, 3)
    assert answer.psnr_y is None
    assert not any(row.structural for row in answer.after.rows)


def test_a_photo_of_a_few_pixels(network: str):
    session = PruningSession(network, replace(PHOTO, rgb=RGB[:3, :5]), device="cpu")
    assert session.answer(PruningRequest(0.5, "magnitude")).picture.shape == (6, 10, 3)


def test_dragged_the_last_ratio_wins(session: PruningSession):
    answers, errors = [], []
    with LatestOnly(session.answer, lambda _, answer: answers.append(answer), lambda _, e: errors.append(e)) as drag:
        for percent in range(1, 80):
            drag.ask(PruningRequest(percent / 100, "magnitude"))
        assert drag.wait(60)
    assert errors == []
    assert len(answers) < 40
    assert answers[-1].request.ratio == 0.79


def test_polish_comes_nearer_to_the_unpruned_picture_and_is_not_kept(session: PruningSession):
    request = PruningRequest(0.5)
    before, moments = session.answer(request), []
    polished = session.polish(request, 1.0, moments.append)
    assert polished.polished
    assert polished.params == before.params
    assert (polished.picture != before.picture).any()
    assert moments[-1].psnr_db > moments[0].psnr_db
    assert not session.answer(request).polished


def test_a_polish_can_be_stopped(session: PruningSession):
    stopped = session.polish(PruningRequest(0.5), 60.0, should_stop=lambda: True)
    assert (stopped.picture == session.answer(PruningRequest(0.5)).picture).all()


@pytest.mark.parametrize("request_", [PruningRequest(0.0), PruningRequest(0.0, reconstruct=True)])
def test_what_is_not_pruned_cannot_be_polished(session: PruningSession, request_: PruningRequest):
    with pytest.raises(UserError, match="nothing to polish"):
        session.polish(request_, 1.0)


def test_the_most_important_channels_first_is_another_request(session: PruningSession):
    least, most = (session.answer(PruningRequest(0.5, largest_first=first)) for first in (False, True))
    assert least.params == pytest.approx(most.params, rel=0.1)
    assert (least.picture != most.picture).any()


def test_a_polish_shows_better_pictures_on_the_way(session: PruningSession, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exploring, "PICTURE_EVERY_S", 0.2)
    request = PruningRequest(0.5, "magnitude")
    pictures: list = []
    done = session.polish_network(request, 3.0, on_picture=pictures.append)
    before = session.answer(request)
    assert pictures
    assert (pictures[-1].picture != before.picture).any()
    assert all(not module._forward_hooks for module in done.model.modules())
    assert exploring.Upscaler(done.model, "cpu").scale == session.scale


def test_others_are_served_while_one_polishes(session: PruningSession):
    served: list = []
    session.polish_network(
        PruningRequest(0.5, "magnitude"), 1.0, lambda _: served.append(session.answer(PruningRequest(0.3, "magnitude")))
    )
    assert served


def test_the_same_photo_shares_a_session_and_only_so_many_are_kept():
    photos = [Photo(np.full((64, 64, 3), level / 99, np.float32), None, None, "grey") for level in range(9)]
    first = exploring.shared_session("rfdn-x4-direct-90", photos[0])
    again = Photo(photos[0].rgb.copy(), None, None, "other")
    assert exploring.shared_session("rfdn-x4-direct-90", again) is first
    for photo in photos[1:]:
        exploring.shared_session("rfdn-x4-direct-90", photo)
    assert exploring.shared_session("rfdn-x4-direct-90", photos[0]) is not first


def test_of_a_large_photo_the_middle_is_pruned_on():
    rgb = np.random.default_rng(0).random((1300, 900, 3), np.float32)
    part = exploring.middle(Photo(rgb, None, None, "large"), True, "cpu")
    assert np.array_equal(part.rgb, rgb[136:1160])
    assert exploring.middle(Photo(rgb[:40, :40], None, None, "small"), False, "cpu").rgb.shape == (40, 40, 3)

"""The front door for page, widgets and command line: names, parameters and pictures in, records and pictures out."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sr_explore import guests, pipeline, zoo
from sr_explore.analysis import compare, layer_table, peak_memory_mb, quality, timing
from sr_explore.calibration import shipped_example
from sr_explore.devices import pick_device, pick_dtype
from sr_explore.errors import UserError
from sr_explore.images import Photo, read_photo, to_rgb, to_tensor
from sr_explore.networks.registry import scale_of
from sr_explore.onnx_export import export_onnx, onnx_check
from sr_explore.records import ImageQuality, LayerTable, OnnxCheck, OnnxFile, QualityRecord, Step, TimingRecord
from sr_explore.resize import crop_to_multiple, degrade, enlarge
from sr_explore.runtime import Upscaler, padded_size, stopping
from sr_explore.stages import parse_stages, stage_text
from sr_explore.state_files import sha256_of

PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
JOURNEY = ("rfdn-x4", "rfdn-x4-branched", "rfdn-x4-merged", "rfdn-x4-pruned-50")
BICUBIC = "bicubic"
WARM_RUNS, WARM_SECONDS = 5, 0.1
"""How often a network that is quick runs again, at most, for the time that is shown."""
LARGEST_LR_PIXELS = {"cpu": 1_000_000, "cuda": 2_000_000}
"""The largest picture to run all networks of a comparison on: a minute or two, and results that a browser can show."""


@lru_cache(maxsize=16)
def upscaler(model: str, device: str = "auto", dtype: str = "auto") -> Upscaler:
    """A network by name or file, ready to run; kept, so that asking again costs nothing."""
    return Upscaler(_network(model), device, dtype)


def forget_networks() -> None:
    """Read every network again when it is asked for next; needed where a file changes under its name."""
    for kept in (upscaler, _network, costs, memory_mb):
        kept.cache_clear()


@lru_cache(maxsize=16)
def _network(model: str) -> nn.Module:
    """What `guests.load` gives, kept; not to be changed."""
    return guests.load(model)


def upscale(photo: Photo, run: Upscaler) -> Photo:
    """The photo `run.scale` times as large a side; alpha is enlarged by bicubic, the ICC profile stays."""
    rgb = to_rgb(run(to_tensor(photo.rgb)))
    notes = (*photo.notes, "the picture was computed again in float32") if run.fell_back else photo.notes
    return Photo(rgb, _enlarged_alpha(photo, run.scale), photo.icc, photo.name, notes)


def _enlarged_alpha(photo: Photo, scale: int) -> np.ndarray | None:
    if photo.alpha is None:
        return None
    return enlarge(np.repeat(photo.alpha[:, :, None], 3, axis=2), scale)[:, :, 0]


@dataclass(frozen=True)
class Upscaled:
    """One network's answer to one photo: the picture, what it took, and how good it is where a reference exists.

    `milliseconds` is the median of a few runs after the first, where a run is quick; `memory_mb` as `peak_memory_mb`.
    """

    name: str
    photo: Photo
    table: LayerTable | None
    milliseconds: float
    quality: ImageQuality | None
    memory_mb: float | None = None


def compare_networks(
    photo: Photo,
    names: Sequence[str] = JOURNEY,
    is_reference: bool = False,
    device: str = "auto",
    dtype: str = "auto",
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Upscaled]:
    """Upscale one photo by bicubic and by every network, one result after the other.

    Args:
        is_reference: the photo is the reference: it is made small first, and every result is measured against it,
            SSIM in float32 (see `ssim_y`).
        should_stop: asked before every convolution.

    Raises:
        GaveUp: if `should_stop` said so.
    """
    scale = upscaler(names[0], device, dtype).scale
    reference = crop_to_multiple(photo.rgb, scale) if is_reference else None
    small = photo if reference is None else Photo(degrade(reference, scale), None, photo.icc, photo.name, photo.notes)
    started = time.perf_counter()
    baseline = Photo(enlarge(small.rgb, scale), _enlarged_alpha(small, scale), small.icc, small.name, small.notes)
    elapsed = (time.perf_counter() - started) * 1000
    yield Upscaled(BICUBIC, baseline, None, elapsed, _measured(BICUBIC, baseline, reference, scale))
    for name in names:
        run = upscaler(name, device, dtype)
        with stopping(should_stop):
            result, elapsed = _timed(small, run)
        table, memory = _costs_and_memory(name, (small.rgb.shape[0], small.rgb.shape[1]), run)
        yield Upscaled(name, result, table, elapsed, _measured(name, result, reference, scale), memory)


def _costs_and_memory(name: str, size: tuple[int, int], run: Upscaler) -> tuple[LayerTable, float]:
    return costs(name, size, padded=True), memory_mb(name, size, run.dtype)


def _timed(photo: Photo, run: Upscaler) -> tuple[Photo, float]:
    """The enlarged photo and the milliseconds of the network alone."""
    lr, times = to_tensor(photo.rgb), []
    started = time.perf_counter()
    result = upscale(photo, run)
    first = time.perf_counter() - started
    while len(times) < WARM_RUNS and first + sum(times) < WARM_SECONDS:
        started = time.perf_counter()
        run(lr)
        times.append(time.perf_counter() - started)
    return result, statistics.median(times or [first]) * 1000


def _measured(name: str, result: Photo, reference: np.ndarray | None, scale: int) -> ImageQuality | None:
    if reference is None:
        return None
    # SSIM in float64 would take longer than all networks together, and somebody waits.
    return compare(name, to_tensor(result.rgb), to_tensor(reference), scale, ssim_dtype=torch.float32)


@dataclass(frozen=True)
class Plan:
    """What `compare_networks` will make of a photo: sizes (width, height) in px, and roughly the seconds it takes."""

    lr: tuple[int, int]
    sr: tuple[int, int]
    seconds: float


def plan(
    photo: Photo, names: Sequence[str] = JOURNEY, is_reference: bool = False, device: str = "auto", dtype: str = "auto"
) -> Plan:
    """Say before the work what it gives and takes; see `compare_networks` for the arguments.

    What the networks cost for a photo of this size is counted here already, so that the work does not wait for it.

    Raises:
        UserError: if the photo is too large for this device, or too small to be made smaller.
    """
    scale = upscaler(names[0], device, dtype).scale
    height, width = photo.rgb.shape[:2]
    if is_reference and min(height, width) < 3 * scale:
        raise UserError(
            f"this photo of {width}×{height} px is too small to be shrunk first; enlarge it instead,"
            f" or give one of at least {3 * scale} px a side"
        )
    lr = (width // scale, height // scale) if is_reference else (width, height)
    largest = LARGEST_LR_PIXELS[pick_device(device).type]
    if lr[0] * lr[1] > largest:
        remedy = "crop it or make it smaller" if is_reference else "crop it, make it smaller, or test it instead"
        most = largest * scale**2 if is_reference else largest
        raise UserError(
            f"this photo of {width}×{height} px has {width * height / 1e6:.1f} megapixels; all networks together take"
            f" at most {most / 1e6:g} megapixels on this device: {remedy}"
        )
    seconds = seconds_per_pixel(tuple(names), is_reference, device, dtype) * lr[0] * lr[1]
    for name in names:
        _costs_and_memory(name, lr[::-1], upscaler(name, device, dtype))
    return Plan(lr, (lr[0] * scale, lr[1] * scale), seconds)


@lru_cache(maxsize=16)
def seconds_per_pixel(names: tuple[str, ...], is_reference: bool, device: str = "auto", dtype: str = "auto") -> float:
    """Seconds that `compare_networks` takes for each low-resolution pixel: measured once, on 48 × 48 px of noise.

    It also loads the networks and warms them up, so that the first photo does not wait for that.
    """
    side = 48 * upscaler(names[0], device, dtype).scale if is_reference else 48
    noise = Photo(np.random.default_rng(0).random((side, side, 3), np.float32), None, None, "noise")
    list(compare_networks(noise, names, is_reference, device, dtype))  # the first round is slower than all others
    started = time.perf_counter()
    list(compare_networks(noise, names, is_reference, device, dtype))
    return (time.perf_counter() - started) / 48**2


@lru_cache(maxsize=64)
def costs(model: str, size: tuple[int, int], padded: bool = False) -> LayerTable:
    """The layer table of a network by name or file, for a low-resolution input of (height, width) px.

    Args:
        padded: count a picture that is too small for the network at the size to which it is padded.
    """
    network = _network(model)
    return layer_table(network, padded_size(network, size) if padded else size)


@lru_cache(maxsize=64)
def memory_mb(model: str, size: tuple[int, int], dtype: torch.dtype = torch.float32) -> float:
    """Memory that weights and feature maps take at the peak; see `peak_memory_mb`. Small pictures count as padded."""
    network = _network(model)
    return peak_memory_mb(network, padded_size(network, size), dtype)


def evaluate(
    model: str,
    hr_folder: Path,
    lr_folder: Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    on_image: Callable[[str], None] | None = None,
) -> QualityRecord:
    """PSNR and SSIM of a network over a folder of reference pictures, borders of `scale` px cut off.

    Args:
        model: a name, a file, or "bicubic" for the baseline at ×4.
        lr_folder: low-resolution pictures of the same file names; without it the references are degraded here.

    Raises:
        UserError: if a folder holds no pictures or a low-resolution one is missing.
    """
    run = None if model == BICUBIC else upscaler(model, device, dtype)
    scale = 4 if run is None else run.scale

    def answer(lr: torch.Tensor) -> torch.Tensor:
        return to_tensor(enlarge(to_rgb(lr), scale)) if run is None else run(lr)

    return quality(answer, picture_pairs(hr_folder, lr_folder, scale, on_image), scale)


def picture_pairs(
    hr_folder: Path, lr_folder: Path | None, scale: int, on_image: Callable[[str], None] | None = None
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """Name, low-resolution picture and reference of every picture in a folder; see `evaluate`."""
    for path in picture_files(hr_folder):
        if on_image:
            on_image(path.name)
        hr = crop_to_multiple(read_photo(path).rgb, scale)
        lr = degrade(hr, scale) if lr_folder is None else read_photo(_partner(path, lr_folder)).rgb
        yield path.name, to_tensor(lr), to_tensor(hr)


def picture_files(folder: Path) -> list[Path]:
    """The picture files of a folder, by name.

    Raises:
        UserError: if there is no such folder or it holds none.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; name one that holds pictures")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    if not paths:
        raise UserError(f"{folder} holds no pictures; it should hold {', '.join(PHOTO_SUFFIXES)} files")
    return paths


def _partner(path: Path, folder: Path) -> Path:
    partner = folder / path.name
    if not partner.exists():
        raise UserError(f"{folder} has no {path.name}; low-resolution pictures need the file names of their references")
    return partner


def run_stages(
    model: str,
    stages: str,
    out: Path | None = None,
    size: tuple[int, int] = pipeline.DEFAULT_SIZE,
    on_step: Callable[[Step], None] | None = None,
) -> pipeline.Finished:
    """Take a network through stages given as text, check and measure, and save the result where `out` is given."""
    network = zoo.load(model)
    parsed = parse_stages(stages)
    example = shipped_example(scale_of(network))
    done = pipeline.run(network, parsed, example, Path(model).name, size, on_step=on_step)
    if out is not None:
        zoo.save(out, done.model, zoo.Provenance(stage_text(parsed), Path(model).name, _hash_of(model)))
    return done


def export(model: str, out: Path) -> tuple[OnnxFile, OnnxCheck]:
    """Write a network to an ONNX file, and check the file against the network in PyTorch."""
    network = zoo.load(model)
    written = export_onnx(network, out)
    return written, onnx_check(out, network)


def _hash_of(model: str) -> str:
    path = zoo.weights_file(model) if model in zoo.names() else Path(model)
    return sha256_of(path) if path.exists() else ""


def bench(
    model: str, size: tuple[int, int], device: str = "auto", dtype: str = "auto", min_run_time_s: float = 1.0
) -> TimingRecord:
    """How long a network takes for a low-resolution input of (height, width) px."""
    where = pick_device(device)
    return timing(zoo.load(model), size, where, pick_dtype(dtype, where), min_run_time_s=min_run_time_s)

"""Model cards: what a shipped network is, where it comes from and what it scores."""

from dataclasses import dataclass

from sr_explore.records import Record


@dataclass(frozen=True)
class Score(Record):
    """PSNR in dB and SSIM on a test set ×scale, border of `scale` px cut off, output rounded to 8 bits."""

    psnr_y: float
    psnr_rgb: float
    ssim_y: float


@dataclass(frozen=True)
class ModelCard(Record):
    """One shipped network.

    Attributes:
        name: as `zoo.load` takes it. title: in plain words.
        derived_from: the shipped network it is made from on loading, by `stages`; None where it has weights of its own.
        recipe: file name of the training recipe. steps, seconds, hardware: of that training.
        data: what it was trained on, with terms. teacher: whose pictures were matched. licence: of the weights.
        parent: name of the network it started from; parent_sha256: of that network's file.
        sha256: of the weights file. number_format: in which it keeps them.
        params: learned and structural weights. macs: multiply-adds for a low-resolution picture of 320 × 180 px.
        scores: by test set, as `sr-explore eval` prints them.
        untrained_psnr_y: of the same network, on the first of the test sets, after its stages and before its training.
    """

    name: str
    title: str
    scale: int
    params: int
    macs: int
    data: str
    licence: str
    teacher: str = ""
    recipe: str | None = None
    steps: int = 0
    seconds: float = 0.0
    hardware: str = ""
    parent: str | None = None
    parent_sha256: str | None = None
    derived_from: str | None = None
    stages: str = ""
    sha256: str | None = None
    number_format: str = "float32"
    scores: dict[str, Score] | None = None
    untrained_psnr_y: float | None = None

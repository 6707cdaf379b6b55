"""Several networks on one photo, side by side: pictures, figures and difference maps, each computed once."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from sr_explore import zoo
from sr_explore.analysis import layer_table, psnr_y
from sr_explore.images import read_sample, to_rgb, to_tensor
from sr_explore.records import LayerTable
from sr_explore.resize import crop_to_multiple, degrade, enlarge, to_uint8
from sr_explore.runtime import Upscaler

BICUBIC, PHOTO = "bicubic", "the photo"


@dataclass(frozen=True)
class Answer:
    """One network's picture of the photo, uint8 (H, W, 3), its PSNR-Y in dB, and its costs; bicubic has none."""

    name: str
    picture: np.ndarray
    psnr_y: float
    table: LayerTable | None


def difference_map(picture: np.ndarray, other: np.ndarray, white: int = 32) -> np.ndarray:
    """Where two pictures, uint8 (H, W, 3), differ: see `ComparingSession.difference`."""
    apart = np.abs(picture.astype(np.float32) - other).mean(axis=2, keepdims=True)
    return np.repeat(np.clip(apart * (255 / white), 0, 255).round().astype(np.uint8), 3, axis=2)


def side_by_side(pictures: Mapping[str, np.ndarray], most_px: int = 1024) -> np.ndarray:
    """Pictures of one size, uint8 (H, W, 3), in a row, each under its name; of large ones the middle."""
    parts = []
    for name, picture in pictures.items():
        top, left = (max(length - most_px, 0) // 2 for length in picture.shape[:2])
        part = picture[top : top + most_px, left : left + most_px]
        lines = textwrap.wrap(name, max(part.shape[1] // 9, 8))
        parts.append((lines, part))
    height = 8 + 20 * max(len(lines) for lines, _ in parts)
    columns = []
    for lines, part in parts:
        head = Image.new("RGB", (part.shape[1], height), "white")
        ImageDraw.Draw(head).multiline_text((4, 3), "\n".join(lines), "black", font=ImageFont.load_default(15))
        gap = np.full((height + part.shape[0], 6, 3), 255, np.uint8)
        columns += [np.vstack([np.asarray(head), part]), gap]
    return np.hstack(columns[:-1])


class ComparingSession:
    """A photo made small, and what bicubic, any network of the zoo and the networks given make of it.

    Args:
        photo: the reference: name of a shipped photo, or (H, W, 3) float in [0, 1].
        models: further networks by the name to show.
        scale: of all networks.
    """

    def __init__(
        self, photo: str | np.ndarray = "dogs", models: Mapping[str, nn.Module] | None = None, scale: int = 4
    ) -> None:
        self.scale, self.models = scale, dict(models or {})
        self.hr = crop_to_multiple(read_sample(photo).rgb if isinstance(photo, str) else photo, scale)
        self.lr = degrade(self.hr, scale)
        self._answers: dict[str, Answer] = {}

    @property
    def names(self) -> list[str]:
        """What can be asked for: bicubic, the networks given, those of the zoo that have this scale."""
        return [BICUBIC, *self.models, *(name for name, card in zoo.cards().items() if card.scale == self.scale)]

    def answer(self, name: str) -> Answer:
        """One network's answer; by its name, or a file.

        Raises:
            UserError: if there is no such network.
        """
        if name not in self._answers:
            self._answers[name] = self._compute(name)
        return self._answers[name]

    def difference(self, name: str, other: str = PHOTO, white: int = 32) -> np.ndarray:
        """Where two pictures differ, uint8 (H, W, 3): black is equal, white is `white` grey levels or more apart.

        The mean over the three colours; `other` is the photo itself or another network's answer.
        """
        reference = to_uint8(self.hr) if other == PHOTO else self.answer(other).picture
        return difference_map(self.answer(name).picture, reference, white)

    def _compute(self, name: str) -> Answer:
        if name == BICUBIC:
            sr, table = enlarge(self.lr, self.scale), None
        else:
            model = self.models.get(name) or zoo.load(name)
            sr = to_rgb(Upscaler(model)(to_tensor(self.lr)))
            table = layer_table(model, (self.lr.shape[0], self.lr.shape[1]))
        return Answer(name, to_uint8(sr), psnr_y(to_tensor(sr), to_tensor(self.hr), self.scale), table)

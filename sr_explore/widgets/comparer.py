"""Up to four networks on one photo with one zoom for all, and below each where it differs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as ipw
import numpy as np
from torch import nn

from sr_explore.comparing import BICUBIC, PHOTO, ComparingSession
from sr_explore.errors import UserError
from sr_explore.plots import picture_grid
from sr_explore.plots.pictures import Window
from sr_explore.widgets.figures import WIDTH_PX, blank, figure_widget, set_picture
from sr_explore.widgets.working import LABELLED, Working

MOST_PICTURES = 4
Question = tuple[tuple[str, ...], str]
"""Names of networks, and what to compare them with."""


class Comparer(Working[Question, Sequence[tuple[str, float]]]):
    """Pictures in one row, difference maps in a second one; a list above each picture says whose it is.

    Args:
        networks: names to begin with, one to four; see `ComparingSession.names`.
        photo, models: see `ComparingSession`.
        window: the part of the picture to show at first, see `picture_grid`.

    Attributes:
        choices: one list a picture. against: what the difference maps compare with.
        record: name and PSNR-Y of what is shown; () until there is something.

    Raises:
        UserError: if there are too many networks or none, or one that does not exist.
    """

    def __init__(
        self,
        networks: Sequence[str] = (BICUBIC, "rfdn-x4"),
        photo: str | np.ndarray = "dogs",
        models: Mapping[str, nn.Module] | None = None,
        window: Window | None = None,
    ) -> None:
        if not 1 <= len(networks) <= MOST_PICTURES:
            raise UserError(f"{len(networks)} networks were given; the comparer shows one to {MOST_PICTURES}")
        super().__init__()
        self.session = ComparingSession(photo, models)
        self.record: tuple[tuple[str, float], ...] = ()
        names = [*self.session.names, *(name for name in networks if name not in self.session.names)]
        width = {"width": f"{WIDTH_PX // len(networks) - 4}px"}
        self.choices = [ipw.Dropdown(options=names, value=name, layout=width) for name in networks]
        self.against = ipw.Dropdown(
            options=[PHOTO, *names], value=PHOTO, description="difference to", layout={"width": "320px"}, **LABELLED
        )
        empty = blank(self.session.answer(BICUBIC).picture)
        cells = {str(index): empty for index in range(2 * len(networks))}
        self.pictures = figure_widget(picture_grid(cells, columns=len(networks), window=window))
        self.children = (ipw.HBox(self.choices), self.pictures, self.against, self.status)
        for control in (*self.choices, self.against):
            control.observe(self._changed, "value")
        self._changed()

    def _changed(self, _change: Any = None) -> None:
        self._ask((tuple(str(choice.value) for choice in self.choices), str(self.against.value)))

    def _answer(
        self, question: Question, tell: Callable[[str], None], should_stop: Callable[[], bool]
    ) -> Sequence[tuple[str, float]]:
        names, against = question
        shown = []
        for index, name in enumerate(names):
            if should_stop():
                break
            tell(name)
            answer = self.session.answer(name)
            set_picture(self.pictures, index, answer.picture, f"<b>{name}</b>  {answer.psnr_y:.2f} dB")
            apart = self.session.difference(name, against)
            set_picture(self.pictures, len(names) + index, apart, f"to {against}; white: 32 levels apart")
            shown.append((name, answer.psnr_y))
        return shown

    def _show(self, question: Question, answer: Sequence[tuple[str, float]]) -> None:
        self.record = tuple(answer)

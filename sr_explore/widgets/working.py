"""A box with a worker of its own: of many changes the last one counts, and a line says what is being done."""

from collections.abc import Callable
from html import escape
from typing import Any, Generic, TypeVar

import ipywidgets as ipw

from sr_explore.latest_only import LatestOnly

Q = TypeVar("Q")
A = TypeVar("A")

LABELLED: dict[str, Any] = {"style": {"description_width": "initial"}}


class Working(ipw.VBox, Generic[Q, A]):
    """A widget that asks questions in the background and shows the answers.

    Subclasses say how a question is answered and how an answer is shown; both happen on the worker's thread.

    Attributes:
        status: what is being done now, or one sentence that says what went wrong.
    """

    _worker: LatestOnly[Q, A] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.status = ipw.HTML(layout={"min_height": "30px"})
        self._worker = LatestOnly(self._answer, self._answered, self._failed, self._say)

    def wait(self, timeout: float = 120.0) -> bool:
        """Until everything asked for is on the screen; False if that takes longer than `timeout` seconds."""
        return self._worker is None or self._worker.wait(timeout)

    def close(self) -> None:
        """Take the widget off the screen and end its worker."""
        if self._worker:  # ipywidgets closes what was never opened, too
            self._worker.close()
        super().close()

    def _answer(self, question: Q, tell: Callable[[str], None], should_stop: Callable[[], bool]) -> A:
        raise NotImplementedError

    def _show(self, question: Q, answer: A) -> None:
        raise NotImplementedError

    def _ask(self, question: Q) -> None:
        assert self._worker
        self._say("working")
        self._worker.ask(question)

    def _answered(self, question: Q, answer: A) -> None:
        self._show(question, answer)
        self.status.value = ""

    def _failed(self, _question: Q, sentence: str) -> None:
        self.status.value = f"<b>{escape(sentence)}</b>"

    def _say(self, what: str) -> None:
        self.status.value = f"<i>{escape(what)} …</i>"

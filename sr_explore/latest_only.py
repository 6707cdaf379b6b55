"""A worker for sliders: of many questions the last one counts, and nothing piles up."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from sr_explore.errors import UserError

Q = TypeVar("Q")
A = TypeVar("A")

logger = logging.getLogger(__name__)


class GaveUp(Exception):  # noqa: N818 - no error: somebody asked for something else meanwhile
    """Raised by work that was told that nobody waits for it any more."""


Work = Callable[[Q, Callable[[str], None], Callable[[], bool]], A]
"""Answers a question, says how far it is, and asks whether nobody waits for it any more."""


class LatestOnly(Generic[Q, A]):
    """Answers questions one at a time on a thread of its own; one that waits is replaced by a newer one.

    Work under way is not cut off: it sees by `should_stop` that a newer question waits, and may raise `GaveUp` before
    something long. So while a slider moves, quick answers still show and slow ones are not begun.

    Args:
        work: answers a question.
        on_answer: gets the question and its answer. on_error: gets the question and one sentence.
        on_progress: gets a few words on what is being done. All three are called on the worker's thread.
    """

    def __init__(
        self,
        work: Work[Q, A],
        on_answer: Callable[[Q, A], None],
        on_error: Callable[[Q, str], None],
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self._work, self._on_answer, self._on_error = work, on_answer, on_error
        self._on_progress = on_progress or (lambda text: None)
        self._changed = threading.Condition()
        self._waiting: list[Q] = []
        self._busy = self._closed = False
        self._thread = threading.Thread(target=self._run, name="latest-only", daemon=True)
        self._thread.start()

    def ask(self, question: Q) -> None:
        """Put a question, in place of one that still waits. Returns at once; without effect after `close`."""
        with self._changed:
            if not self._closed:
                self._waiting = [question]
                self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every question is answered or dropped; False if that took longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Drop what waits and let the thread end after what it is doing, at most `timeout` seconds from now."""
        with self._changed:
            self._closed, self._waiting = True, []
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _superseded(self) -> bool:
        return bool(self._waiting) or self._closed

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                question, self._busy = self._waiting.pop(), True
            self._answer(question)

    def _answer(self, question: Q) -> None:
        try:
            answer = self._work(question, self._on_progress, self._superseded)
            if not self._closed:
                self._on_answer(question, answer)
        except GaveUp:
            return
        except Exception as error:
            # The thread must outlive every error: a slider that no longer does anything is worse than any message.
            self._tell(question, error)

    def _tell(self, question: Q, error: Exception) -> None:
        if not isinstance(error, UserError):
            logger.exception("the answer to %r failed", question)
        text = str(error) if isinstance(error, UserError) else f"this went wrong: {_first_line(error)}"
        try:
            self._on_error(question, text)
        except Exception:
            logger.exception("showing an error failed")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}, {lines[0]}" if lines else type(error).__name__

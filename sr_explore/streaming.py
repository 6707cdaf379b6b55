"""Work on a thread of its own whose reports can be looped over, and what tells it that nobody waits any more."""

import queue
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from sr_explore.recent import Recent

T = TypeVar("T")
R = TypeVar("R")

MOST_FLAGS = 256


class Streamed(Generic[T, R]):
    """The reports of some work, one after the other, while it goes on; `result` is there after the last one.

    Args:
        work: gets a function to report with.
    """

    def __init__(self, work: Callable[[Callable[[T], None]], R]) -> None:
        self._work = work
        self._reports: queue.SimpleQueue[tuple[T] | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self.result: R

    def __iter__(self) -> Iterator[T]:
        threading.Thread(target=self._run, daemon=True).start()
        while (report := self._reports.get()) is not None:
            yield report[0]
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            self.result = self._work(lambda report: self._reports.put((report,)))
        except BaseException as error:
            self._error = error
        finally:
            self._reports.put(None)


class Flags:
    """For every visitor one flag that says: stop what you began last."""

    def __init__(self) -> None:
        self._flags: Recent[str, threading.Event] = Recent(MOST_FLAGS)
        self._lock = threading.Lock()

    def begin(self, visitor: str) -> threading.Event:
        """A fresh flag; the visitor's former work is stopped."""
        self.stop(visitor)
        with self._lock:
            flag = threading.Event()
            self._flags.put(visitor, flag)
        return flag

    def current(self, visitor: str) -> threading.Event:
        """The flag of the visitor's last beginning; a fresh one where there is none."""
        with self._lock:
            flag = self._flags.get(visitor)
        return flag or self.begin(visitor)

    def stop(self, visitor: str) -> None:
        """Raise the visitor's flag, if there is one."""
        with self._lock:
            flag = self._flags.get(visitor)
        if flag:
            flag.set()

    def end(self, visitor: str, flag: threading.Event) -> None:
        """The work of this flag is over; a flag that was raised is not to stop what the visitor begins next."""
        with self._lock:
            if self._flags.get(visitor) is flag:
                self._flags.put(visitor, threading.Event())


class Newest:
    """For every visitor what they want now, by which work for anything else may give up."""

    def __init__(self) -> None:
        self._wanted: Recent[str, Hashable] = Recent(MOST_FLAGS)
        self._lock = threading.Lock()

    def want(self, visitor: str, wanted: Hashable) -> None:
        """From now on the visitor wants this."""
        with self._lock:
            self._wanted.put(visitor, wanted)

    def is_passed(self, visitor: str, wanted: Hashable) -> bool:
        """Whether the visitor wants something else by now."""
        with self._lock:
            return self._wanted.get(visitor) not in (None, wanted)

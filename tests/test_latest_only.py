import threading
from collections.abc import Iterator

import pytest

from sr_explore.errors import UserError
from sr_explore.latest_only import GaveUp, LatestOnly


class Desk:
    """Work that waits at a gate, and everything that comes back."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.answers: list[tuple[int, int]] = []
        self.errors: list[tuple[int, str]] = []
        self.told: list[str] = []
        self.gate, self.at_work = threading.Event(), threading.Event()
        self.worker = LatestOnly(
            self.work,
            lambda q, a: self.answers.append((q, a)),
            lambda q, e: self.errors.append((q, e)),
            self.told.append,
        )

    def work(self, question: int, on_progress, should_stop) -> int:
        self.begun.append(question)
        on_progress(f"working on {question}")
        self.at_work.set()
        self.gate.wait(5)
        if question < 0 and should_stop():
            raise GaveUp
        if question == 13:
            raise UserError("13 is no number to ask about; ask about another")
        if question == 14:
            raise RuntimeError("out of everything\nand a long trace")
        return question * question


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.gate.set()
    desk.worker.close()


def test_of_many_questions_the_first_and_the_last_are_answered(desk: Desk):
    desk.worker.ask(1)
    assert desk.at_work.wait(5)
    for question in range(2, 100):
        desk.worker.ask(question)
    desk.gate.set()
    assert desk.worker.wait(5)
    assert desk.answers == [(1, 1), (99, 99 * 99)]
    assert desk.begun == [1, 99]
    assert desk.told == ["working on 1", "working on 99"]


def test_work_that_gives_up_leaves_nothing_behind(desk: Desk):
    desk.worker.ask(-5)
    assert desk.at_work.wait(5)
    desk.worker.ask(3)
    desk.gate.set()
    assert desk.worker.wait(5)
    assert desk.answers == [(3, 9)]
    assert desk.errors == []


def test_errors_are_one_sentence_and_the_next_question_is_answered(desk: Desk):
    desk.gate.set()
    for question in (13, 14, 4):
        desk.worker.ask(question)
        assert desk.worker.wait(5)
    assert desk.errors == [
        (13, "13 is no number to ask about; ask about another"),
        (14, "this went wrong: RuntimeError, out of everything"),
    ]
    assert desk.answers == [(4, 16)]


def test_a_listener_that_fails_does_not_stop_the_worker():
    answers: list[int] = []

    def show(question: int, answer: int) -> None:
        if question == 1:
            raise RuntimeError("no screen")
        answers.append(answer)

    def fail(question: int, text: str) -> None:
        raise RuntimeError("no screen for errors either")

    with LatestOnly(lambda q, told, stop: q + 1, show, fail) as worker:
        for question in (1, 2):
            worker.ask(question)
            assert worker.wait(5)
    assert answers == [3]


def test_closed_it_answers_no_more(desk: Desk):
    desk.worker.ask(1)
    assert desk.at_work.wait(5)
    desk.worker.ask(2)
    desk.worker.close(timeout=0.01)
    desk.gate.set()
    desk.worker.close()
    desk.worker.ask(3)
    assert desk.worker.wait(5)
    assert desk.answers == []
    assert desk.begun == [1]


def test_waiting_has_an_end(desk: Desk):
    desk.worker.ask(1)
    assert not desk.worker.wait(0.01)

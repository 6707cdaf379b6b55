import threading

import pytest

from sr_explore.streaming import MOST_FLAGS, Flags, Newest, Streamed


def test_reports_come_while_the_work_goes_on():
    seen = threading.Event()

    def work(tell):
        tell("first")
        assert seen.wait(10), "the report came only afterwards"
        tell("last")
        return "result"

    streamed = Streamed(work)
    reports = []
    for report in streamed:
        reports.append(report)
        seen.set()
    assert reports == ["first", "last"]
    assert streamed.result == "result"


def test_what_goes_wrong_reaches_whoever_loops():
    def work(tell):
        tell(1)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(Streamed(work))


def test_beginning_again_stops_what_was_begun():
    flags = Flags()
    first = flags.begin("ada")
    second = flags.begin("ada")
    assert first.is_set()
    assert not second.is_set()
    assert flags.current("ada") is second


def test_stop_reaches_only_its_visitor():
    flags = Flags()
    ada, bob = flags.begin("ada"), flags.begin("bob")
    flags.stop("ada")
    flags.stop("nobody")
    assert (ada.is_set(), bob.is_set()) == (True, False)


def test_a_stop_does_not_reach_what_begins_later():
    flags = Flags()
    flag = flags.begin("ada")
    flags.stop("ada")
    flags.end("ada", flag)
    assert not flags.current("ada").is_set()


def test_the_end_of_old_work_leaves_the_new_one_alone():
    flags = Flags()
    old, new = flags.begin("ada"), flags.begin("ada")
    flags.end("ada", old)
    assert flags.current("ada") is new


def test_flags_do_not_pile_up():
    flags = Flags()
    first = flags.begin("0")
    for visitor in range(1, MOST_FLAGS + 1):
        flags.begin(str(visitor))
    assert flags.current("0") is not first


def test_work_is_passed_when_its_visitor_wants_something_else():
    newest = Newest()
    assert not newest.is_passed("ada", 1), "nobody has said anything yet"
    newest.want("ada", 1)
    newest.want("bob", 2)
    assert not newest.is_passed("ada", 1)
    newest.want("ada", 2)
    assert newest.is_passed("ada", 1)
    assert not newest.is_passed("ada", 2)

"""In processes of their own: the settings hold for a whole process."""

import gc
import platform
import subprocess
import sys

import pytest

from sr_explore import process_memory

FAULTS = """
import ctypes
import resource
from sr_explore import process_memory

if hasattr(ctypes.CDLL(None), "prctl"):
    ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # no huge pages, which would be one fault for 512

def faults(work):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def block(count):
    return lambda: b"x" * (count * 2**20)
"""
PAGES = 100 * 2**20 // 4096

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc has mallopt, others do not")


def _figures(code: str) -> list[int]:
    run = subprocess.run([sys.executable, "-c", FAULTS + code], check=True, capture_output=True, text=True)
    return [int(word) for word in run.stdout.split()]


@glibc
def test_freed_memory_is_used_again():
    usual = _figures("block(100)(); print(faults(block(100)))")
    kept = _figures("assert process_memory.keep_freed_memory(); block(100)(); print(faults(block(100)))")
    assert usual[0] > 0.9 * PAGES
    assert kept[0] < 0.1 * PAGES


@glibc
def test_threads_use_the_same_memory():
    code = """
from concurrent.futures import ThreadPoolExecutor
process_memory.keep_freed_memory()
block(100)()
print(ThreadPoolExecutor(1).submit(faults, block(100)).result())
"""
    assert _figures(code)[0] < 0.1 * PAGES


@glibc
def test_what_is_fetched_is_at_hand():
    first = _figures(
        "process_memory.keep_freed_memory(); process_memory.fetch_memory(120 * 2**20); print(faults(block(100)))"
    )
    assert first[0] < 0.1 * PAGES


@glibc
def test_more_than_is_kept_goes_back_to_the_system():
    code = """
import psutil
process_memory.keep_freed_memory()
print(psutil.Process().memory_info().rss // 2**20)
block(1000)()
print(psutil.Process().memory_info().rss // 2**20)
"""
    before, after = _figures(code)
    assert after - before < 200


@glibc
def test_what_is_kept_can_be_released():
    code = """
import psutil
process_memory.keep_freed_memory()
block(100)()
for step in (lambda: None, process_memory.release_memory):
    step()
    print(psutil.Process().memory_info().rss // 2**20)
"""
    kept, released = _figures(code)
    assert kept - released > 90


def test_without_glibc_nothing_is_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(process_memory.ctypes, "CDLL", lambda *_: pytest.fail("there is nothing to set"))
    assert not process_memory.keep_freed_memory()
    process_memory.fetch_memory(2**20)
    process_memory.release_memory()


def test_nothing_is_collected_meanwhile_and_collected_again_afterwards():
    assert gc.isenabled()
    with process_memory.no_collection():
        assert not gc.isenabled()
        with process_memory.no_collection():
            pass
        assert not gc.isenabled(), "an inner block leaves it to the outer one"
    assert gc.isenabled()


def test_collection_goes_on_after_an_error():
    with pytest.raises(ValueError, match="broken"), process_memory.no_collection():
        raise ValueError("broken")
    assert gc.isenabled()

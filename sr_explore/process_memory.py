"""How a process treats its memory, for programs of our own that somebody waits for; it holds for the whole process.

Freed memory stays, instead of going back to the system after every layer (glibc's mallopt(3) tells of the settings),
and garbage is not looked for while there is none.
"""

import ctypes
import gc
import platform
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
MB = 2**20
KEPT_BYTES, AHEAD_BYTES = 512 * MB, 64 * MB


def keep_freed_memory() -> bool:
    """From now on keep what is freed, up to `KEPT_BYTES` of it; before there is a second thread.

    The system clears each page that it hands out, and in a virtual machine often has to fetch it first: on two virtual
    cores that was 1.3 of the 3.9 seconds from a first click to five pictures.

    Returns:
        Whether there is such an allocator here.
    """
    libc = _glibc()
    # One heap for all threads: those of threads are small and send whatever is larger to the system.
    wanted = {M_ARENA_MAX: 1, M_MMAP_MAX: 0, M_TRIM_THRESHOLD: KEPT_BYTES, M_TOP_PAD: AHEAD_BYTES}
    return libc is not None and all([libc.mallopt(option, value) for option, value in wanted.items()])


def fetch_memory(count: int) -> None:
    """Have so many bytes at hand before they are needed; other threads go on meanwhile."""
    libc = _glibc()
    if libc is None:
        return
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    if block := libc.malloc(count):
        ctypes.memset(block, 1, count)
        libc.free(block)


def release_memory() -> None:
    """Give what is kept and not in use back to the system after all."""
    if libc := _glibc():
        libc.malloc_trim(ctypes.c_size_t(0))


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


@contextmanager
def no_collection() -> Iterator[None]:
    """While the block runs Python looks for no garbage; what the block has made is not looked through later, either.

    Modules that are being loaded leave no garbage, but are looked through again and again: a fifth of the page's start.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()

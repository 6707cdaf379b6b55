"""Memory for feature maps that stays with the process, instead of going back to the system after every layer.

It concerns glibc, whose mallopt(3) tells of the settings, and holds for a whole process: for programs of our own only.
"""

import ctypes
import platform

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


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None

"""One pass over a batch, shared by threads: how it is cut, and who does which part."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from types import ModuleType

import numpy as np

WORTH_A_THREAD = 1 << 20
"""Bytes of `x` below which another thread costs more than it brings."""


def channel_groups(x: np.ndarray, threads: int, kernels: ModuleType) -> list[slice]:
    """Ranges of channels: small enough for the second pass to find them in the cache, enough for all threads.

    With channels last, a row holds every channel, and they are one group.
    """
    c = x.shape[1]
    if x.ndim == 2:
        return [slice(0, c)]
    in_cache = max(1, kernels.CACHE_BYTES // (x.itemsize * x.shape[0] * x.shape[2]))
    return _cut(c, min(in_cache, -(-c // threads)))


def row_blocks(x: np.ndarray, threads: int) -> list[slice]:
    """Ranges of rows, several for each thread: one that starts late takes fewer."""
    return _cut(len(x), -(-len(x) // (4 * threads)))


def worthwhile(threads: int, x: np.ndarray) -> int:
    """How many of `threads` to use for `x`."""
    if threads < 1:
        raise ValueError(f"threads is {threads}, expected 1 or more")
    return min(threads, max(1, x.nbytes // WORTH_A_THREAD))


def share(task: Callable, parts: list[slice], threads: int) -> list:
    """Do `task` to each part. This thread works too, and does not wait for one that never got to start."""
    if threads == 1:
        return [task(part) for part in parts]
    results, queue = [None] * len(parts), enumerate(parts)

    def work():
        for i, part in queue:
            results[i] = task(part)

    others = [_pool(threads - 1).submit(work) for _ in range(threads - 1)]
    work()
    for other in others:
        if not other.cancel():
            other.result()
    return results


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that wait for the next call: starting them costs more than a small batch."""
    return ThreadPoolExecutor(threads)


def _cut(length, size):
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


if hasattr(os, "register_at_fork"):  # the threads of a pool do not live on in a forked process
    os.register_at_fork(after_in_child=_pool.cache_clear)

"""Grading many submissions at once, here or on other machines, with one writer of grades."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import dask
from dask.distributed import Client, LocalCluster, Worker, WorkerPlugin, as_completed

from grading.grade import Graded
from grading.tasks import Shared, Task

Work = TypeVar("Work")

AHEAD = 3
"""How many tasks wait for each worker: more would only fill memory."""

TOGETHER = 4
"""How many submissions make a task at most: what Dask does for a task is a tenth of the work for one."""

UNWATCHED = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.low-level-log-length": 10,
}
"""Without what Dask does for those who watch it: it looks at itself every 10 ms, and keeps 1000 messages."""


@contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """A client of the scheduler at this address, or of workers that are started here.

    Parameters
    ----------
    scheduler : str, optional
        Such as ``tcp://host:8786``.
    workers : int, optional
        How many to start here: by default one for each core.
    """
    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    # Each worker is a process of its own with one thread: a sandbox serves one submission at a time.
    with (
        dask.config.set(UNWATCHED),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=None
        ) as cluster,
        Client(cluster) as client,
    ):
        if len(cluster.workers) == len(os.sched_getaffinity(0)):
            client.register_plugin(_OneCore())
        yield client


def results(
    client: Client, work: Iterable[Work], task: Callable[[Work], Task]
) -> Iterator[tuple[Work, list[Graded] | Exception]]:
    """Each piece of work with its grades, in the order in which they come in.

    A task whose worker dies is tried on another. What is wrong with the machines, not with the
    submission, comes as an exception in the place of grades.

    Parameters
    ----------
    client : Client
    work : iterable
        What stands for each submission.
    task : callable
        Makes the task of one, shortly before it is sent.
    """
    waiting = deque(work)
    ahead = AHEAD * max(1, len(client.scheduler_info()["workers"]))
    running: dict[str, list[Work]] = {}
    finished = as_completed(with_results=True, raise_errors=False)
    sent: set[str] = set()

    def start(pieces):
        tasks = [task(piece) for piece in pieces]
        for shared in {each.shared for each in tasks}:
            if shared.name not in sent:
                client.register_plugin(_Carrier(shared), name=shared.name)
                sent.add(shared.name)
        sources = [(each.shared.name, each.files, each.salt) for each in tasks]
        future = client.submit(_do, sources, pure=False)
        running[future.key] = pieces
        finished.add(future)

    def start_next():
        if waiting:  # towards the end fewer together, so that all workers end at the same time
            count = min(TOGETHER, max(1, len(waiting) // ahead))
            start([waiting.popleft() for _ in range(count)])

    for _ in range(ahead):
        start_next()
    for future, result in finished:
        pieces = running.pop(future.key)
        if future.status == "finished":
            yield from zip(pieces, result, strict=True)
        elif len(pieces) == 1:
            yield pieces[0], _problem(result)
        else:  # one of them may be to blame, and the others not
            for piece in pieces:
                start([piece])
        future.release()
        start_next()


class _OneCore(WorkerPlugin):
    """Keeps each worker to a core of its own, where there are as many.

    A worker and its sandbox take turns: what the one has left in the core's cache, the other finds there.
    """

    def setup(self, worker: Worker) -> None:
        cores = sorted(os.sched_getaffinity(0))
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):  # it may just have ended
                os.sched_setaffinity(int(thread), {cores[worker.name % len(cores)]})


class _Carrier(WorkerPlugin):
    """Brings what the tasks of an assignment have in common to each worker once, whenever it joins."""

    def __init__(self, shared: Shared):
        self._shared = shared

    def setup(self, worker: Worker) -> None:
        _carried[self._shared.name] = self._shared


_carried: dict[str, Shared] = {}


def _do(sources: list[tuple[str, dict[str, bytes | str], bytes]]) -> list[list[Graded]]:
    return [Task(_carried[shared], files, salt)() for shared, files, salt in sources]


def _problem(result: tuple | BaseException) -> Exception:
    """What `as_completed` gives for a task that failed: the exception, or a triple with it."""
    return result if isinstance(result, Exception) else result[1]

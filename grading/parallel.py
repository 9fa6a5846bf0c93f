"""Grading many submissions at once, here or on other machines, with one writer of grades."""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import dask
from dask.distributed import (
    CancelledError,
    Client,
    KilledWorker,
    LocalCluster,
    Worker,
    WorkerPlugin,
    as_completed,
)
from distributed.client import ClosedClientError
from distributed.scheduler import NoWorkerError

from grading.grade import Graded
from grading.tasks import Shared, Task

Work = TypeVar("Work")

AHEAD = 3
"""How many tasks wait for each worker: more would only fill memory."""

TOGETHER = 4
"""How many submissions make a task at most: what Dask does for a task is a tenth of the work for one."""

LOOK = 1.0
"""After how many seconds to see how many workers there are: more may have joined."""

SETTINGS = {
    # It looks at itself every 10 ms and keeps 1000 messages, for those who watch it.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.low-level-log-length": 10,
    # It shows everybody on the machine what it does.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # A worker that has been gone for 15 s it gives up for good, and waits for ever once all are given up.
    # On a busy machine one may need longer to start again.
    "distributed.deploy.lost-worker-timeout": "7 days",
    "distributed.scheduler.no-workers-timeout": "5 minutes",
    # `results` finds out itself who is to blame.
    "distributed.scheduler.allowed-failures": 1,
}
"""Dask's own, where its defaults are made for another use."""


class NobodyGrades(Exception):
    """There are no workers, or no scheduler that leads them."""


@contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """A client of the scheduler at this address, or of workers that are started here.

    Parameters
    ----------
    scheduler : str, optional
        Such as ``tcp://host:8786``.
    workers : int, optional
        How many to start here: by default one for each core.

    Raises
    ------
    NobodyGrades
        When there is no such scheduler.
    """
    if scheduler is not None:
        try:
            client = Client(scheduler)
        except (OSError, ValueError, TypeError) as problem:  # the last where there are no certificates
            raise NobodyGrades(
                f"no Dask scheduler answers at {scheduler!r} ({problem}). Start one with: dask scheduler"
            ) from problem
        with client:
            if not client.nthreads():
                print(
                    f"{scheduler} has no workers yet. Start some with: dask worker {scheduler} --nthreads 1",
                    file=sys.stderr,
                )
            yield client
        return
    # Each worker is a process of its own with one thread: a sandbox serves one submission at a time.
    # A scheduler runs what whoever reaches its port sends, and learners may have accounts on this machine:
    # with certificates that only these processes know it listens to nobody else.
    with (
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=None,
            security=True,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
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

    A task whose worker dies is tried on another. When one dies again, it may be another task's fault
    that waited for the same worker: all those in question are tried once more at the end, each by
    itself. What then ends its workers, or is wrong with the machines, comes as an exception in the
    place of grades.

    Parameters
    ----------
    client : Client
    work : iterable
        What stands for each submission.
    task : callable
        Makes the task of one, shortly before it is sent.

    Raises
    ------
    NobodyGrades
        When all workers are gone, and do not come back.
    """
    waiting = deque(work)
    suspects: deque[Work] = deque()
    running: dict[str, tuple[list[Work], bool]] = {}  # and whether nothing else runs meanwhile
    finished = as_completed(with_results=True, raise_errors=False)
    sent: set[str] = set()

    def start(pieces, by_itself=False):
        tasks = [task(piece) for piece in pieces]
        for shared in {each.shared for each in tasks}:
            if shared.name not in sent:
                _carry(client, shared)
                sent.add(shared.name)
        sources = [(each.shared.name, each.files, each.salt) for each in tasks]
        with _answering(client):
            future = client.submit(_do, sources, pure=False)
        running[future.key] = pieces, by_itself
        finished.add(future)

    def start_more():
        while waiting and len(running) < ahead:
            # towards the end fewer together, so that all workers end at the same time
            count = min(TOGETHER, max(1, len(waiting) // ahead))
            start([waiting.popleft() for _ in range(count)])
        if suspects and not running:
            start([suspects.popleft()], by_itself=True)

    ahead, looked = _ahead(client), time.monotonic()
    start_more()
    for future, result in finished:
        pieces, by_itself = running.pop(future.key)
        problem = None if future.status == "finished" else _problem(result)
        if problem is None:
            yield from zip(pieces, result, strict=True)
        elif isinstance(problem, CancelledError | NoWorkerError):
            raise NobodyGrades(f"the workers are gone ({problem})") from problem
        elif isinstance(problem, KilledWorker) and not by_itself:
            suspects.extend(pieces)
        elif len(pieces) == 1:
            yield pieces[0], problem
        else:  # one of them may be to blame, and the others not
            for piece in pieces:
                start([piece])
        future.release()
        if time.monotonic() > looked + LOOK:
            ahead, looked = _ahead(client), time.monotonic()
        start_more()


def _ahead(client):
    """How many tasks to have under way: workers that come back or come late count, too."""
    with _answering(client):
        return AHEAD * max(1, len(client.nthreads()))


@contextmanager
def _answering(client):
    """Says so where the scheduler, or a worker, does not answer."""
    try:
        if client.status == "closed":  # after it has lost the scheduler for good
            raise ClosedClientError("the connection is closed")
        yield
    except (OSError, ClosedClientError) as problem:
        raise NobodyGrades(f"the scheduler does not answer ({problem})") from problem


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


def _carry(client, shared):
    """Send it to the workers that there are, and to those that will be.

    A worker that dies meanwhile does not take it. The scheduler has it by then, and sends it to whoever
    takes that worker's place; but not all others may have it.
    """
    for _ in range(2):
        with suppress(OSError):
            client.register_plugin(_Carrier(shared), name=shared.name)
            return
    with _answering(client):
        client.register_plugin(_Carrier(shared), name=shared.name)


_one_at_a_time = threading.Lock()
"""A worker has one sandbox, however many threads somebody has given it."""


def _do(sources: list[tuple[str, dict[str, bytes | str], bytes]]) -> list[list[Graded]]:
    with _one_at_a_time:
        return [Task(_carried[shared], files, salt)() for shared, files, salt in sources]


def _problem(result: tuple | BaseException) -> Exception:
    """What `as_completed` gives for a task that failed: the exception, or a triple with it."""
    return result if isinstance(result, Exception) else result[1]

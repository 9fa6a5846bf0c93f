"""Grading many submissions at once, here or on other machines, with one writer of grades."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import dask
from dask.distributed import Client, LocalCluster, Worker, WorkerPlugin, as_completed

from grading.grade import Graded
from grading.submissions import Submission
from grading.tasks import Shared, Task

AHEAD = 3
"""How many submissions wait for each worker: more would only fill memory."""

UNWATCHED = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"}
"""Without what Dask does for its dashboard, which nobody sees here: it looks at itself every 10 ms."""


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
        yield client


def results(
    client: Client, tasks: Iterable[tuple[Submission, Task]]
) -> Iterator[tuple[Submission, list[Graded] | Exception]]:
    """Each submission with its grades, in the order in which they come in.

    A task whose worker dies is tried on another. What is wrong with the machines, not with the
    submission, comes as an exception in the place of grades.
    """
    tasks = iter(tasks)
    running: dict[str, Submission] = {}
    finished = as_completed(with_results=True, raise_errors=False)
    sent: set[str] = set()

    def start(count):
        for _, (submission, task) in zip(range(count), tasks, strict=False):
            name = task.shared.name
            if name not in sent:
                client.register_plugin(_Carrier(task.shared), name=name)
                sent.add(name)
            future = client.submit(_do, name, task.files, task.salt, pure=False)
            running[future.key] = submission
            finished.add(future)

    start(AHEAD * max(1, len(client.scheduler_info()["workers"])))
    for future, result in finished:
        submission = running.pop(future.key)
        yield submission, _problem(result) if future.status != "finished" else result
        future.release()
        start(1)


class _Carrier(WorkerPlugin):
    """Brings what the tasks of an assignment have in common to each worker once, whenever it joins."""

    def __init__(self, shared: Shared):
        self._shared = shared

    def setup(self, worker: Worker) -> None:
        _carried[self._shared.name] = self._shared


_carried: dict[str, Shared] = {}


def _do(shared: str, files: dict[str, bytes | str], salt: bytes) -> list[Graded]:
    return Task(_carried[shared], files, salt)()


def _problem(result: tuple | BaseException) -> Exception:
    """What `as_completed` gives for a task that failed: the exception, or a triple with it."""
    return result if isinstance(result, Exception) else result[1]

"""Grading many submissions at once, here or on other machines, with one writer of grades."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dask.distributed import Client, Future, LocalCluster, as_completed

from grading.grade import Graded
from grading.submissions import Submission
from grading.tasks import Task

AHEAD = 3
"""How many submissions wait for each worker: more would only fill memory."""


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
    finished = as_completed()

    def start(count):
        for _, (submission, task) in zip(range(count), tasks, strict=False):
            future = client.submit(_do, task, pure=False)
            running[future.key] = submission
            finished.add(future)

    start(AHEAD * max(1, len(client.scheduler_info()["workers"])))
    for future in finished:
        submission = running.pop(future.key)
        yield submission, _outcome(future)
        future.release()
        start(1)


def _do(task: Task) -> list[Graded]:
    return task()


def _outcome(future: Future) -> list[Graded] | Exception:
    problem = future.exception()
    return problem if problem is not None else future.result()

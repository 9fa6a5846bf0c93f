"""Several processes that gather tensors from each other: real ones, or threads that play them."""

import contextlib
import multiprocessing
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from datetime import timedelta

import torch
import torch.distributed as dist


class Meeting:
    """An ``all_gather`` between threads of one process, as ``torch.distributed`` has it between processes.

    Parameters
    ----------
    size : int
        How many threads take part.

    Raises
    ------
    RuntimeError
        From `all_gather`, in the thread that waits for one which has ended without gathering.
    """

    def __init__(self, size: int):
        self._size = size
        self._changed = threading.Condition()
        self._brought: list[list[torch.Tensor]] = [[] for _ in range(size)]
        self._left = 0

    def all_gather(self, rank: int, tensor: torch.Tensor) -> list[torch.Tensor]:
        """What each thread brought to this round, in the order of their ranks."""
        with self._changed:
            mine = self._brought[rank]
            mine.append(torch.as_tensor(tensor).detach().clone())
            turn = len(mine)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._left or self._all_there(turn))
            if not self._all_there(turn):
                raise RuntimeError(
                    f"process {rank} calls all_gather for time {turn}, and another has ended with fewer calls: "
                    "every process must call it equally often"
                )
            round_ = [brought[turn - 1] for brought in self._brought]
        if any(other.shape != tensor.shape or other.dtype != tensor.dtype for other in round_):
            shapes = " and ".join(str(tuple(other.shape)) for other in round_)
            raise RuntimeError(
                f"all_gather got tensors of shapes {shapes}, expected one shape and dtype in all processes"
            )
        return [other.clone() for other in round_]

    def leave(self) -> None:
        """Say that this thread gathers no more."""
        with self._changed:
            self._left += 1
            self._changed.notify_all()

    def _all_there(self, turn):
        return all(len(brought) >= turn for brought in self._brought)


def run_in_threads(function: Callable, shards: list) -> list:
    """``function(shard, all_gather)`` for each shard, each in a thread of its own.

    Returns
    -------
    list
        What each returned.

    Raises
    ------
    Exception
        The first that one of them raised.
    """
    meeting = Meeting(len(shards))
    results, problems = [None] * len(shards), []

    def play(rank):
        try:
            results[rank] = function(shards[rank], lambda tensor: meeting.all_gather(rank, tensor))
        except Exception as problem:
            problems.append(problem)
        finally:
            meeting.leave()

    threads = [threading.Thread(target=play, args=(rank,)) for rank in range(len(shards))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return results


def run_in_processes(function: Callable, shards: list, seconds: float = 10) -> list:
    """``function(shard, all_gather)`` for each shard, each in a real process; they meet over gloo.

    Parameters
    ----------
    function : callable
        What it returns must be made of tensors and numbers.
    shards : list
    seconds : float
        When to give up.

    Returns
    -------
    list
        What each returned.

    Raises
    ------
    OSError
        Where processes cannot be forked, as on Windows.
    RuntimeError
        If one of them fails, or does not end in time.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        raise OSError("processes cannot be forked here; use run_in_threads, which takes the same arguments")
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            multiprocessing.get_context("fork").Process(
                target=_member, args=(function, shards[rank], rank, len(shards), folder, seconds)
            )
            for rank in range(len(shards))
        ]
        with warnings.catch_warnings():
            # Python warns that a fork of several threads may hang. The children use none of the parent's.
            warnings.simplefilter("ignore", DeprecationWarning)
            for process in processes:
                process.start()
        _wait(processes, seconds)
        answers = [torch.load(f"{folder}/{rank}.pt") for rank in range(len(shards))]
    for rank, (_, problem) in enumerate(answers):
        if problem:
            raise RuntimeError(f"process {rank} failed: {problem}")
    return [result for result, _ in answers]


def _wait(processes, seconds):
    end = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
    late = [process for process in processes if process.exitcode is None]
    for process in late:
        process.kill()
        process.join()
    if late or any(process.exitcode for process in processes):
        raise RuntimeError(f"a process did not end in {seconds:g} seconds, or was killed")


def _member(function, shard, rank, size, folder, seconds):
    torch.set_num_threads(1)  # a forked process has lost the threads of its parent's pool
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=seconds),
    )
    dist.barrier()  # who ends before the other has connected would leave it without a partner

    def all_gather(tensor):
        everywhere = [torch.empty_like(tensor) for _ in range(size)]
        dist.all_gather(everywhere, tensor)
        return everywhere

    try:
        answer = function(shard, all_gather), ""
    except Exception as problem:
        answer = None, f"{type(problem).__name__}: {problem}"
    torch.save(answer, f"{folder}/{rank}.pt")
    if not answer[1]:
        with contextlib.suppress(RuntimeError):  # the other has failed, and says so itself
            dist.barrier()
    # The group ends with this process. To destroy it first would wait for its threads.

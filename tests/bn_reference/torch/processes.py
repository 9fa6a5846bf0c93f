"""Runs a layer in several processes, each with its part of the batch."""

from datetime import timedelta

import torch
import torch.distributed as dist

from bn_reference.torch.sync import SyncBatchNorm, sync_batch_norm


def run_in_processes(splits, problems, folder):
    """Results of each process: output, gradients and running statistics by split and problem.

    A split says how many examples each process holds; a problem is
    ``x, weight, bias, running_mean, running_var, dout, eps`` of the joined batch.
    """
    world_size = len(splits[0])
    torch.multiprocessing.spawn(_process, (world_size, splits, problems, str(folder)), nprocs=world_size)
    return [torch.load(folder / f"{rank}.pt") for rank in range(world_size)]


def _process(rank, world_size, splits, problems, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=60),
    )
    try:
        results = [[_results(rank, sizes, *problem) for problem in problems] for sizes in splits]
        torch.save((results, _error(rank), _layer(rank, splits[0], problems[0])), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


def _results(rank, sizes, x, weight, bias, running_mean, running_var, dout, eps):
    x, dout = x.split(sizes)[rank], dout.split(sizes)[rank]
    leaves = [leaf.clone().requires_grad_() for leaf in (x, weight, bias)]
    running = running_mean.clone(), running_var.clone()
    y = sync_batch_norm(leaves[0], *running, *leaves[1:], training=True, momentum=0.3, eps=eps)
    return y.detach(), torch.autograd.grad(y, leaves, dout), running


def _layer(rank, sizes, problem):
    """State of a layer after two batches."""
    layer = SyncBatchNorm(problem[0].shape[1], momentum=None).to(problem[0])
    for scale in (1.0, 3.0):
        layer(scale * problem[0].split(sizes)[rank])
    return layer.state_dict()


def _error(rank):
    """What is said where all processes together hold one value a channel."""
    try:
        sync_batch_norm(torch.zeros(int(rank == 0), 2), None, None, training=True)
    except ValueError as error:
        return str(error)
    return None

"""Runs a layer in several processes, each with its part of the batch."""

from datetime import timedelta

import torch
import torch.distributed as dist

from bn_reference.torch.sync import SyncBatchNorm, sync_batch_norm


def run_in_processes(backend, splits, problems, folder):
    """Results of each process: output, gradients, running statistics and second derivatives.

    They come by split and problem, then as a list of tensors each.

    A split says how many examples each process holds; a problem is
    ``x, weight, bias, running_mean, running_var, dout, eps`` of the joined batch.
    """
    world_size = len(splits[0])
    arguments = backend, world_size, splits, problems, str(folder)
    torch.multiprocessing.spawn(_process, arguments, nprocs=world_size)
    return [torch.load(folder / f"{rank}.pt") for rank in range(world_size)]


def _process(rank, backend, world_size, splits, problems, folder):
    torch.set_num_threads(1)
    if backend == "nccl":
        torch.set_default_device(f"cuda:{rank}")
        torch.cuda.set_device(rank)
    dist.init_process_group(
        backend,
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=60),
    )
    try:
        results = [[_results(rank, sizes, *problem) for problem in problems] for sizes in splits]
        layer = _layer(rank, splits[0], problems[0])
        torch.save((results, _error(rank), layer, _trained(rank, world_size)), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


def _results(rank, sizes, x, weight, bias, running_mean, running_var, dout, eps):
    x, dout = x.split(sizes)[rank], dout.split(sizes)[rank]
    *leaves, dout = (leaf.clone().to(_device(rank)).requires_grad_() for leaf in (x, weight, bias, dout))
    running = [statistic.clone().to(_device(rank)) for statistic in (running_mean, running_var)]
    y = sync_batch_norm(leaves[0], *running, *leaves[1:], training=True, momentum=0.3, eps=eps)
    return [_on_cpu(tensors) for tensors in ([y], *derivatives(y, leaves, dout), running)]


def derivatives(y, leaves, dout):
    """Gradients of `leaves`, and the gradients of x, weight and dout of a number made of those.

    The number weighs ``dx`` by ``x``, and the gradients of weight and bias by one, so that it is
    the sum of the processes' numbers.
    """
    first = torch.autograd.grad(y, leaves, dout, create_graph=True)
    weights = leaves[0].detach(), *(torch.ones_like(leaf) for leaf in leaves[1:])
    second = torch.autograd.grad(first, (leaves[0], leaves[1], dout), weights)
    return first, second


def _device(rank):
    return f"cuda:{rank}" if dist.get_backend() == "nccl" else "cpu"


def _on_cpu(tensors):
    return [tensor.detach().cpu() for tensor in tensors]


def _layer(rank, sizes, problem):
    """State of a layer after two batches."""
    x = problem[0].split(sizes)[rank].to(_device(rank))
    layer = SyncBatchNorm(x.shape[1], momentum=None).to(x)
    for scale in (1.0, 3.0):
        layer(scale * x)
    return {name: tensor.cpu() for name, tensor in layer.state_dict().items()}


def network(norm):
    """A small network with a normalisation in its middle, the same each time."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 6), norm, torch.nn.Tanh(), torch.nn.Linear(6, 1)).double()


def train(model, x):
    """Parameters and buffers after three steps of gradient descent on a loss that is a mean."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        (model(x) - x[:, :1] ** 2).square().mean().backward()
        optimizer.step()
    return model


def examples(processes):
    """Four for each process, since an average of averages is one of all only if parts are equal."""
    return torch.randn(4 * processes, 4, generator=torch.Generator().manual_seed(1), device="cpu").double()


def _trained(rank, world_size):
    """A network trained by ``DistributedDataParallel``, each process with its examples."""
    device = _device(rank)
    model = torch.nn.parallel.DistributedDataParallel(network(SyncBatchNorm(6)).to(device))
    train(model, examples(world_size).split(4)[rank].to(device))
    return {name: tensor.cpu() for name, tensor in model.module.state_dict().items()}


def _error(rank):
    """What is said where all processes together hold one value a channel."""
    try:
        sync_batch_norm(torch.zeros(int(rank == 0), 2), None, None, training=True)
    except ValueError as error:
        return str(error)
    return None

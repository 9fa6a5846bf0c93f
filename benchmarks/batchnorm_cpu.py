"""Time Batch Normalization on the CPU: forward and backward in training, float32, against its peers.

Every peer runs on the same arrays in the same run, taking turns, and the shortest of several
rounds counts. The limit is the fewest bytes that must move, over the copy bandwidth measured in
the same run: forward reads x and writes y, backward reads x and dout and writes dx, and a
channel that does not fit into the cache is read once more in each.

Usage: ``python benchmarks/batchnorm_cpu.py [--rounds 7]``. Prints a table and writes
``benchmarks/results/batchnorm_cpu.json``.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import result_files
import torch
from tabulate import tabulate

import bn_reference.torch
from bn_reference import batchnorm, fast
from bn_reference.fast import numba_kernels, numpy_kernels

SHAPES = [(256, 1024), (4096, 512), (64, 64, 56, 56), (32, 256, 14, 14), (8, 16, 32, 64, 64)]
THREADS = (1, 2)
CACHE_BYTES = 1 << 20

Peer = Callable[[], None]


def arrays(shape: tuple[int, ...], last: bool) -> tuple[np.ndarray, np.ndarray]:
    """A batch and a gradient, channels first or last."""
    rng = np.random.default_rng(0)
    x, dout = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
    if last:
        x, dout = (np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, dout))
    return x + np.float32(1), dout


def peers(x: np.ndarray, dout: np.ndarray, threads: int) -> dict[str, Peer]:
    """Each computes y, dx, dgamma and dbeta once."""
    gamma, beta = (np.full(x.shape[1], value, np.float32) for value in (1.5, 0.5))
    y, dx = np.empty_like(x), np.empty_like(x)
    tensor, cotangent = torch.from_numpy(x).requires_grad_(), torch.from_numpy(dout)
    weight, bias = (torch.from_numpy(v).requires_grad_() for v in (gamma, beta))

    def with_torch(function):
        def run():
            out = function(tensor, None, None, weight, bias, True, 0.1, 1e-5)
            torch.autograd.grad(out, (tensor, weight, bias), cotangent)

        return run

    def with_fast(kernels, reuse):
        def run():
            settings = {"threads": threads, "kernels": kernels}
            _, statistics = fast.batchnorm_forward(x, gamma, beta, out=y if reuse else None, **settings)
            fast.batchnorm_backward(dout, x, gamma, statistics, out=dx if reuse else None, **settings)

        return run

    def readable():
        _, cache = batchnorm.batchnorm_forward(x, gamma, beta)
        batchnorm.batchnorm_backward(dout, cache)

    def plain_formula(x, running_mean, running_var, weight, bias, training, momentum, eps):
        axes, shape = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
        var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        return (x - mean) * torch.rsqrt(var + eps) * weight.view(shape) + bias.view(shape)

    return {
        "torch native": with_torch(torch.nn.functional.batch_norm),
        "torch.compile": with_torch(torch.compile(plain_formula, dynamic=False)),
        "bn_reference.torch": with_torch(bn_reference.torch.functional.batch_norm),
        "readable NumPy": readable,
        "fast, NumPy": with_fast(numpy_kernels, reuse=False),
        "fast, NumPy, out=": with_fast(numpy_kernels, reuse=True),
        "fast, Numba": with_fast(numba_kernels, reuse=False),
        "fast, Numba, out=": with_fast(numba_kernels, reuse=True),
    }


def shortest(candidates: dict[str, Peer], rounds: int) -> dict[str, float]:
    """Seconds of the fastest round of each, taking turns."""
    for candidate in candidates.values():
        candidate()
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(rounds):
        for name, candidate in candidates.items():
            start = time.perf_counter()
            candidate()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def peak_bytes(candidate: Peer) -> int:
    """The most that NumPy held at once (torch's memory is not counted)."""
    tracemalloc.start()
    candidate()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def copy_bandwidth(threads: int) -> float:
    """Bytes per second, read and written, of a copy much larger than the cache."""
    torch.set_num_threads(threads)
    source = torch.ones(1 << 26)
    target = torch.empty_like(source)
    seconds = shortest({"copy": lambda: target.copy_(source)}, 7)["copy"]
    return 2 * source.numel() * source.element_size() / seconds


def fewest_bytes(x: np.ndarray, last: bool) -> int:
    """What forward and backward together must move."""
    channel = x.nbytes if last or x.ndim == 2 else x.nbytes // x.shape[1]
    reads = 1 if channel <= CACHE_BYTES else 2
    return (reads + 1 + 2 * reads + 1) * x.nbytes


def measure(rounds: int) -> list[dict]:
    """One record for each shape, arrangement, number of threads and peer."""
    records = []
    for threads in THREADS:
        bandwidth = copy_bandwidth(threads)
        for shape in SHAPES:
            for last in (False, True)[: 1 if len(shape) == 2 else 2]:
                torch.set_num_threads(threads)
                torch.compiler.reset()
                x, dout = arrays(shape, last)
                candidates = peers(x, dout, threads)
                seconds = shortest(candidates, rounds)
                for name, value in seconds.items():
                    records.append(
                        {
                            "shape": shape,
                            "arrangement": "channels last" if last or len(shape) == 2 else "channels first",
                            "threads": threads,
                            "peer": name,
                            "seconds": value,
                            "of torch native": value / seconds["torch native"],
                            "of the limit": value / (fewest_bytes(x, last) / bandwidth),
                            "peak of x": None if "torch" in name else peak_bytes(candidates[name]) / x.nbytes,
                        }
                    )
    return records


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Time Batch Normalization on the CPU.")
    parser.add_argument("--rounds", type=int, default=7)
    records = measure(parser.parse_args().rounds)
    rows = [
        {
            "shape": "×".join(map(str, record["shape"])),
            "arrangement": record["arrangement"],
            "threads": record["threads"],
            "peer": record["peer"],
            "ms": f"{1e3 * record['seconds']:.2f}",
            "of torch native": f"{record['of torch native']:.2f}",
            "of the limit": f"{record['of the limit']:.1f}",
            "peak of x": "" if record["peak of x"] is None else f"{record['peak of x']:.2f}",
        }
        for record in records
    ]
    print(tabulate(rows, headers="keys", disable_numparse=True))
    result_files.write("batchnorm_cpu", ("numpy", "torch", "numba"), {"records": records})


if __name__ == "__main__":
    main()

"""Time Batch Normalization on a GPU: forward and backward in training, against torch's kernels.

The shapes are those of ResNet-50 at batch 256 and of an MLP. Every peer runs on the same tensors
in the same run, taking turns, with the second-level cache emptied before each, and is timed by
events of the device; its median and its shortest round are kept. The limit is the fewest bytes
that must move, over the copy bandwidth measured in the same run: forward reads x and writes y,
backward reads x and dout and writes dx; and where not even a piece of a channel stays in the
second-level cache until it is written, each reads twice.

Usage: ``python benchmarks/batchnorm_cuda.py [--rounds 20] [--seconds 330]``. Needs a CUDA device.
Prints tables and writes ``benchmarks/results/batchnorm_cuda.json``.
"""

import argparse
import sys
import time
from collections.abc import Callable
from math import exp, log
from statistics import fmean, median

import result_files
import torch
from tabulate import tabulate

import bn_reference.torch

IMAGES = [(64, 112), (64, 56), (128, 56), (256, 56), (128, 28), (256, 28), (512, 28), (256, 14)]
IMAGES += [(512, 14), (1024, 14), (512, 7), (2048, 7)]
MATRICES = [(256, 1024), (4096, 1024), (16384, 2048)]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
TORCH = ("torch, cuDNN", "torch, native")
SECTOR_BYTES = 32
"""The least that the second-level cache fetches: a narrower piece of a row costs as much."""
EPS = 1e-5

Peer = Callable[[], None]


def batches() -> list[tuple[tuple[int, ...], bool, torch.dtype]]:
    """Shape, whether channels are last, and dtype of everything that is timed."""
    images = [((256, channels, side, side), last) for channels, side in IMAGES for last in (False, True)]
    return [
        (shape, last, dtype) for dtype in DTYPES for shape, last in images + [(m, True) for m in MATRICES]
    ]


def tensors(shape: tuple[int, ...], last: bool, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch and a gradient."""
    generator = torch.Generator("cuda").manual_seed(0)
    form = torch.channels_last if last and len(shape) == 4 else torch.contiguous_format
    x, dout = (torch.randn(shape, device="cuda", generator=generator).to(dtype) for _ in range(2))
    return (x + 1).contiguous(memory_format=form).requires_grad_(), dout.contiguous(memory_format=form)


def plain_formula(x, running_mean, running_var, weight, bias, training, momentum, eps):
    """What ``torch.compile`` gets: the definition, computed in float32."""
    axes, shape = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    var, mean = torch.var_mean(x.float(), axes, correction=0, keepdim=True)
    y = (x.float() - mean) * torch.rsqrt(var + eps) * weight.view(shape) + bias.view(shape)
    return y.to(x.dtype)


def peers(x: torch.Tensor, dout: torch.Tensor) -> dict[str, Peer]:
    """Each computes y, dx, dweight and dbias once."""
    from bn_reference.torch import triton_kernels  # where there is a GPU, there is Triton

    weight, bias = (torch.full((x.shape[1],), v, device="cuda", requires_grad=True) for v in (1.5, 0.5))

    def with_autograd(function, cudnn):
        def run():
            with torch.backends.cudnn.flags(enabled=cudnn):
                y = function(x, None, None, weight, bias, True, 0.1, EPS)
                torch.autograd.grad(y, (x, weight, bias), dout)

        return run

    @torch.no_grad()
    def kernels():
        _, *statistics = triton_kernels.forward(x, weight, bias, EPS)
        triton_kernels.backward(dout, x, weight, *statistics, EPS)

    candidates = {
        "torch, cuDNN": with_autograd(torch.nn.functional.batch_norm, True),
        "torch, native": with_autograd(torch.nn.functional.batch_norm, False),
        "bn_reference.torch": with_autograd(bn_reference.torch.functional.batch_norm, True),
        "Triton kernels": kernels,
    }
    if x.dtype != torch.float16:  # it writes the code of bfloat16, and takes long to
        candidates["torch.compile"] = with_autograd(torch.compile(plain_formula, dynamic=False), True)
    return candidates


def times(candidates: dict[str, Peer], rounds: int) -> dict[str, list[float]]:
    """Seconds of each round of each, taking turns."""
    for _ in range(3):
        for candidate in candidates.values():
            candidate()
    # Emptying the cache takes the device long enough for the host to get ahead: launching is not timed.
    other = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    events: dict[str, list] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            other.zero_()
            start.record()
            candidate()
            stop.record()
            events[name].append((start, stop))
        torch.cuda.synchronize()
    return {name: [start.elapsed_time(stop) / 1e3 for start, stop in pairs] for name, pairs in events.items()}


def copy_bandwidth() -> float:
    """Bytes per second, read and written, of a copy much larger than the cache."""
    source = torch.ones(1 << 28, device="cuda")
    target = torch.empty_like(source)
    seconds = median(times({"copy": lambda: target.copy_(source)}, 20)["copy"])
    return 2 * source.nbytes / seconds


def fewest_bytes(x: torch.Tensor, last: bool, cache: int) -> int:
    """What forward and backward together must move."""
    channel = x.nbytes // x.shape[1]
    piece = channel // x.element_size() * SECTOR_BYTES if last else channel

    def moved(operands):
        reads = operands if operands * piece <= cache else 2 * operands
        return (reads + 1) * x.nbytes

    return moved(1) + moved(2)


def measure(rounds: int, budget: float) -> tuple[list[dict], float]:
    """One record for each batch and peer, and the copy bandwidth."""
    stop = time.monotonic() + budget
    bandwidth, cache = copy_bandwidth(), torch.cuda.get_device_properties(0).L2_cache_size
    records = []
    for shape, last, dtype in batches():
        if time.monotonic() > stop:
            print(f"{budget:.0f} seconds are over: {shape} in {dtype} and what follows it are left out.")
            break
        torch.compiler.reset()
        x, dout = tensors(shape, last, dtype)
        seconds = times(peers(x, dout), rounds)
        better = min(median(seconds[name]) for name in TORCH)
        for name, values in seconds.items():
            records.append(
                {
                    "shape": shape,
                    "arrangement": "channels last" if last else "channels first",
                    "dtype": str(dtype).removeprefix("torch."),
                    "peer": name,
                    "median seconds": median(values),
                    "shortest seconds": min(values),
                    "ahead of torch": better / median(values),
                    "of the limit": fewest_bytes(x, last, cache) / bandwidth / median(values),
                    "caches filled": x.nbytes / cache,
                }
            )
    return records, bandwidth


def table(records: list[dict]) -> str:
    """One line for each batch, one column for each peer: microseconds, and the fraction of the limit."""
    rows: dict[tuple, dict[str, str]] = {}
    for record in records:
        key = ("×".join(map(str, record["shape"])), record["arrangement"], record["dtype"])
        row = rows.setdefault(key, dict(zip(("shape", "arrangement", "dtype"), key, strict=True)))
        row[record["peer"]] = f"{1e6 * record['median seconds']:.0f} ({record['of the limit']:.0%})"
    return tabulate(list(rows.values()), headers="keys", disable_numparse=True)


def summary(records: list[dict]) -> list[dict]:
    """For each peer: how many times as fast as the better of torch's kernels, and the worst fractions."""
    summaries = []
    for peer in dict.fromkeys(record["peer"] for record in records):
        own = [record for record in records if record["peer"] == peer]
        large = [record["of the limit"] for record in own if record["caches filled"] >= 3]
        ahead = [record["ahead of torch"] for record in own]
        summaries.append(
            {
                "peer": peer,
                "batches": len(own),
                "ahead of torch, geometric mean": exp(fmean(map(log, ahead))),
                "ahead of torch, worst": min(ahead),
                "of the limit, worst of large batches": min(large, default=None),
            }
        )
    return summaries


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Time Batch Normalization on a GPU.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=330.0, help="start no batch after this long")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no CUDA device: this benchmark needs one.")
    records, bandwidth = measure(arguments.rounds, arguments.seconds)
    summaries = summary(records)
    print("Microseconds, median, and the fraction of the limit that they reach.")
    print(table(records))
    print(f"\nCopy bandwidth: {bandwidth / 1e12:.2f} TB/s. Large: three times the second-level cache.")
    print(tabulate(summaries, headers="keys", floatfmt=".2f"))
    about = {"cuDNN": torch.backends.cudnn.version(), "copy bytes per second": bandwidth}
    result_files.write(
        "batchnorm_cuda",
        ("torch", "triton"),
        about | {"summary": summaries, "records": records},
        machine=torch.cuda.get_device_name(),
    )


if __name__ == "__main__":
    main()

"""Batch Normalization on CUDA, as Triton kernels: what `bn_reference.fast` is for the CPU.

The mathematics is that of `bn_reference.batchnorm`; read that module first. On a GPU, as on a
CPU, the time is that of moving bytes, and the fewest bytes are: forward reads ``x`` and writes
``y``; backward reads ``x`` and ``dout`` and writes ``dx``. But nothing of a channel can be
written before all of it is read. There are two ways to read it from memory only once.

*Alone*: a small channel is left to one program. It reads the channel, and finds it in the
first-level cache when it reads it again to write.

*Shared*: a larger channel is cut into strips, and each strip is visited twice: to sum, then to
write. Both visits are in one launch. Programs take turns, in an order in which a channel is
written soon after it is summed, while the second-level cache still holds it. A program that
writes waits until its channel is summed. It cannot wait in vain: what it waits for took an
earlier turn, is running or done, and never waits itself.

A batch is seen as a matrix with one column for each channel. Row r of column c lies at
``(r // PLANE) * C * PLANE + c * PLANE + r % PLANE``, where PLANE is the number of positions of
an image with channels first, and 1 with channels last and in an ``(N, C)`` matrix. So one
formula serves every layout.

Accuracy. A tile is summed twice while it is in registers: its mean first, then what is left
when that mean is taken out, so that a large mean costs no digits. The mean of a tile is thus
known in two parts, and so tiles and strips are merged (Chan, Golub & LeVeque 1983), always in
the same order. As on the CPU the mean of a channel is ``mean + residue``.
"""

from dataclasses import dataclass
from math import prod

import torch
import triton
from torch import Tensor

from bn_reference.torch import triton_programs

ALONE_VALUES = 16384
"""Up to how many values a program works alone: some such programs then share a first-level cache."""

ALONE_TILE, SHARED_TILE = 4096, 8192
"""How many values a program reads at a time, of all operands: several such tiles fit into the registers."""

MOST_SPLITS = 512
"""Into how many strips a channel is cut at most: one program merges them all."""

VALUES_PER_WARP = 1024
"""32 values for each thread: enough loads on their way to hide how long one takes."""

SECTOR_BYTES, LINE_BYTES, WIDE_BYTES = 32, 128, 512
"""With channels last, what to read of each row: the least a cache fetches; its line; and the most."""

CACHE_BYTES = 16 * 1024 * 1024
"""What tiles between their two visits may take up: a share of the second-level cache (50 MB on an H200)."""

LAG_BYTES = 12 * 1024 * 1024
"""How far writing stays behind summing: more than all running programs hold, so that few ever wait."""


def supports(x: Tensor) -> bool:
    """Whether the kernels take `x`: its device, its dtype, and how it lies in memory.

    Parameters
    ----------
    x : Tensor

    Returns
    -------
    bool
        True for a float16, bfloat16, float32 or float64 tensor with values, in C order or with
        its channels last, on an NVIDIA GPU of compute capability 8.0 or higher.
    """
    return (
        x.is_cuda
        and torch.version.cuda is not None
        and x.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
        and x.ndim >= 2
        and x.numel() > 0
        and _plane(x) is not None
        and torch.cuda.get_device_capability(x.device) >= (8, 0)
    )


def forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Batch Normalization with the statistics of the batch.

    Parameters
    ----------
    x : Tensor, shape (N, C) or (N, C, ...), as `supports` demands
    weight, bias : Tensor of shape (C,), floating, or None
        None stands for ones and zeros.
    eps : float
        Added to the variance, inside the root. The kernels are compiled for its value.

    Returns
    -------
    y : Tensor
        Shape, dtype and memory layout of `x`.
    mean, residue, var : Tensor, shape (C,), float32, or float64 where `x` is
        The batch mean is ``mean + residue``; the variance is biased.

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 1, as ``(x - mean) * scale + (bias - residue * scale)``.
    Where a channel holds an infinite value, `residue` is zero.
    """
    plan = _plan(x, operands=1)
    y = torch.empty_like(x)
    statistics = torch.empty((3, x.shape[1]), dtype=_wide(x), device=x.device)
    arguments = (x, weight, bias, y, statistics)
    with torch.cuda.device_of(x):
        if plan.alone:
            triton_programs.forward_alone[plan.grid](*arguments, *plan.size, **plan.tile, EPS=eps)
        else:
            space = plan.workspace(3, 2, statistics)
            triton_programs.forward_shared[plan.grid](*arguments, *space, *plan.turns, **plan.tile, EPS=eps)
    return y, *statistics.unbind()


def backward(
    dout: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, residue: Tensor, var: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The backward pass in closed form, from `x` itself: ``x_hat`` is never stored.

    Parameters
    ----------
    dout : Tensor, shape of `x`, floating
        Gradient of the loss with respect to ``y``. It is copied where it lies in memory
        otherwise than `x`.
    x : Tensor, shape (N, C) or (N, C, ...)
        The batch that went forward.
    weight : Tensor of shape (C,), floating, or None
    mean, residue, var : Tensor, shape (C,)
        From `forward`.
    eps : float
        What `forward` added to the variance.

    Returns
    -------
    dx : Tensor
        Shape, dtype and memory layout of `x`.
    dweight, dbias : Tensor, shape (C,), dtype of `mean`

    Notes
    -----
    Ioffe & Szegedy 2015, Section 3, sorted as in `bn_reference.fast.batchnorm_backward`.
    """
    plan = _plan(x, operands=2)
    dx = torch.empty_like(x)
    if dout.stride() != x.stride():
        dout = torch.empty_like(x, dtype=dout.dtype).copy_(dout)
    gradients = torch.empty((2, x.shape[1]), dtype=_wide(x), device=x.device)
    arguments = (dout, x, weight, mean, residue, var, dx, gradients)
    with torch.cuda.device_of(x):
        if plan.alone:
            triton_programs.backward_alone[plan.grid](*arguments, *plan.size, **plan.tile, EPS=eps)
        else:
            space = plan.workspace(2, 3, gradients)
            triton_programs.backward_shared[plan.grid](*arguments, *space, *plan.turns, **plan.tile, EPS=eps)
    return dx, *gradients.unbind()


def inference(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Batch Normalization with given statistics.

    Parameters
    ----------
    x : Tensor, shape (N, C) or (N, C, ...), as `supports` demands
    mean, var : Tensor of shape (C,), floating
    weight, bias : Tensor of shape (C,), floating, or None
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    Tensor
        Shape, dtype and memory layout of `x`.

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 2, line 11.
    """
    plan = _plan(x, operands=1)
    y = torch.empty_like(x)
    with torch.cuda.device_of(x):
        triton_programs.inference[(plan.groups * plan.splits,)](
            x, mean, var, weight, bias, y, *plan.size, plan.strip, plan.splits, **plan.tile, EPS=eps
        )
    return y


@dataclass(frozen=True)
class _Plan:
    """How a batch is cut: `groups` of channels, each cut into `splits` strips of `strip` rows."""

    alone: bool
    size: tuple[int, int]
    tile: dict[str, int]
    groups: int
    strip: int
    splits: int
    lag: int

    @property
    def grid(self) -> tuple[int]:
        """One program for each group, or for each visit of each strip."""
        return (self.groups if self.alone else 2 * self.groups * self.splits,)

    @property
    def turns(self) -> tuple[int, ...]:
        """What programs that take turns must know of the whole."""
        return (*self.size, self.strip, self.splits, self.groups, self.lag)

    def workspace(self, parts: int, factors: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Space for `parts` results of each strip and `factors` of each channel, and counters at zero."""
        return (
            like.new_empty((self.splits, parts, self.size[1])),
            like.new_empty((factors, self.size[1])),
            like.new_zeros(1 + self.groups, dtype=torch.int32),
        )


def _plan(x: Tensor, operands: int) -> _Plan:
    """The rules by which tiles are chosen, for kernels that read `operands` tensors like `x`."""
    plane = _plane(x)
    if plane is None:
        raise ValueError(
            f"x has shape {tuple(x.shape)} and strides {x.stride()}, expected C order or channels last"
        )
    channels, itemsize = x.shape[1], x.element_size()
    rows = x.numel() // channels
    width = _width(SECTOR_BYTES, channels, itemsize, plane)
    alone = rows * width <= ALONE_VALUES
    if alone:
        height = min(triton.next_power_of_2(rows), ALONE_TILE // (operands * width))
    else:
        row_bytes = WIDE_BYTES
        while row_bytes > LINE_BYTES and rows * row_bytes * operands > CACHE_BYTES:
            row_bytes //= 2
        if rows * row_bytes * operands > CACHE_BYTES:  # not even a line of each row stays in the cache
            row_bytes = WIDE_BYTES
        width = _width(row_bytes, channels, itemsize, plane)
        height = SHARED_TILE // (operands * width)
    groups, tiles = triton.cdiv(channels, width), triton.cdiv(rows, height)
    strip = height * triton.cdiv(tiles, MOST_SPLITS)
    return _Plan(
        alone=alone,
        size=(rows, channels),
        tile={
            "PLANE": plane,
            "ROWS": height,
            "CHANNELS": width,
            "LONG": x.numel() >= 2**31,
            "num_warps": max(operands * height * width // VALUES_PER_WARP, 4),
        },
        groups=groups,
        strip=strip,
        splits=triton.cdiv(rows, strip),
        lag=min(triton.cdiv(LAG_BYTES, operands * rows * width * itemsize), groups),
    )


def _width(row_bytes: int, channels: int, itemsize: int, plane: int) -> int:
    """How many channels a tile holds: one, or as many as fit into `row_bytes` if they lie side by side."""
    return 1 if plane > 1 else triton.next_power_of_2(min(channels, row_bytes // itemsize))


def _plane(x: Tensor) -> int | None:
    """How many positions of a channel lie side by side: the PLANE of the formula above."""
    if x.is_contiguous():
        return prod(x.shape[2:])
    return 1 if x.movedim(1, -1).is_contiguous() else None


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32

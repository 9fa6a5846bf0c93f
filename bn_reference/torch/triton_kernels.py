"""Batch Normalization on CUDA, as Triton kernels: what `bn_reference.fast` is for the CPU.

The mathematics is that of `bn_reference.batchnorm`; read that module first. On a GPU, as on a
CPU, the time is that of moving bytes, and the fewest bytes are: forward reads ``x`` and writes
``y``; backward reads ``x`` and ``dout`` and writes ``dx``. But nothing of a channel can be
written before all of it is read. There are two ways to read it from memory only once.

*Held*: where a channel is small, one program keeps all of it in its registers.

*Split*: a larger channel is cut into tiles, and each tile is visited twice: to sum, then to
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
known in two parts, and tiles are merged in float64 (Chan, Golub & LeVeque 1983), always in the
same order. As on the CPU the mean of a channel is ``mean + residue``.
"""

from dataclasses import dataclass
from math import prod

import torch
import triton
import triton.language as tl
from torch import Tensor

HELD_VALUES = 16384
"""The largest tile that a program holds: 32 values in each of 512 threads."""

VALUES_PER_WARP = 1024
"""32 values for each thread: enough loads on their way to hide how long one takes."""

TILE_BYTES = 32 * 1024
"""What a program of a split channel reads: several such tiles fit into a multiprocessor."""

LINE_BYTES, WIDE_BYTES = 128, 512
"""Of a row with channels last: the least to read at once without waste, and the most."""

CACHE_BYTES = 16 * 1024 * 1024
"""What tiles between their two visits may take up: a share of the second-level cache (50 MB on an H200)."""

LAG_BYTES = 12 * 1024 * 1024
"""How far writing stays behind summing: more than all running programs hold, so that few ever wait."""

MERGED_TOGETHER = tl.constexpr(1024)
"""How many partial sums are merged at once."""


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
    sums = plan.workspace(3, statistics)
    with torch.cuda.device_of(x):
        if sums:
            _forward_split[plan.grid](
                x, weight, bias, y, statistics, *sums, *plan.turns, **plan.tile, EPS=eps
            )
        else:
            _forward_held[plan.grid](x, weight, bias, y, statistics, *plan.size, **plan.tile, EPS=eps)
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
    sums = plan.workspace(2, gradients)
    tensors = (dout, x, weight, mean, residue, var, dx, gradients)
    with torch.cuda.device_of(x):
        if sums:
            _backward_split[plan.grid](*tensors, *sums, *plan.turns, **plan.tile, EPS=eps)
        else:
            _backward_held[plan.grid](*tensors, *plan.size, **plan.tile, EPS=eps)
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
        _inference[(plan.groups * plan.splits,)](
            x, mean, var, weight, bias, y, *plan.size, plan.splits, **plan.tile, EPS=eps
        )
    return y


@dataclass(frozen=True)
class _Plan:
    """How a batch is cut into tiles: `groups` of channels, each cut into `splits` along its rows."""

    size: tuple[int, int]
    tile: dict[str, int]
    groups: int
    splits: int
    lag: int

    @property
    def grid(self) -> tuple[int]:
        """One program for each tile and visit; a held tile is visited once."""
        return (self.groups if self.splits == 1 else 2 * self.groups * self.splits,)

    @property
    def turns(self) -> tuple[int, ...]:
        """What a split kernel must know of the whole."""
        return (*self.size, self.splits, self.groups, self.lag)

    def workspace(self, sums: int, like: Tensor) -> tuple[Tensor, ...]:
        """For split channels: space for `sums` sums of each tile, and counters of turns and of tiles summed."""
        if self.splits == 1:
            return ()
        partial = like.new_empty((sums, self.splits, self.size[1]))
        return partial, like.new_zeros(1 + self.groups, dtype=torch.int32)


def _plan(x: Tensor, operands: int) -> _Plan:
    """The rules by which tiles are chosen, for kernels that read `operands` tensors like `x`."""
    plane = _plane(x)
    if plane is None:
        raise ValueError(
            f"x has shape {tuple(x.shape)} and strides {x.stride()}, expected C order or channels last"
        )
    channels = x.shape[1]
    rows = x.numel() // channels
    row_bytes = channels * x.element_size()
    height, width = triton.next_power_of_2(rows), 1
    if plane == 1:  # channels side by side: at least a sector of the cache (32 bytes) of each row
        width = triton.next_power_of_2(min(row_bytes, 32) // x.element_size())
    if height * width > HELD_VALUES:
        if plane == 1:
            wide = WIDE_BYTES
            while wide > LINE_BYTES and rows * min(wide, row_bytes) > CACHE_BYTES:
                wide //= 2
            if rows * min(wide, row_bytes) > CACHE_BYTES:  # no strip stays in the cache
                wide = WIDE_BYTES
            width = triton.next_power_of_2(min(row_bytes, wide) // x.element_size())
        height = TILE_BYTES // (operands * x.element_size() * width)
    group_bytes = rows * min(width, channels) * x.element_size() * operands
    groups = triton.cdiv(channels, width)
    return _Plan(
        size=(rows, channels),
        tile={
            "PLANE": plane,
            "ROWS": height,
            "CHANNELS": width,
            "LONG": x.numel() >= 2**31,
            "num_warps": min(max(height * width // VALUES_PER_WARP, 4), 16),
        },
        groups=groups,
        splits=triton.cdiv(rows, height),
        lag=min(triton.cdiv(LAG_BYTES, group_bytes), groups),
    )


def _plane(x: Tensor) -> int | None:
    """How many positions of a channel lie side by side: the PLANE of the formula above."""
    if x.is_contiguous():
        return prod(x.shape[2:])
    return 1 if x.movedim(1, -1).is_contiguous() else None


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


@triton.jit
def _forward_held(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, rows, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = statistics_ptr.dtype.element_ty
    channel, known, place, there = _tile(tl.program_id(0), 0, rows, channels, PLANE, ROWS, CHANNELS, LONG)
    x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
    hi, lo, square = _moments(x, there, rows)
    mean = hi + lo
    residue = (hi - mean) + lo
    var = _not_below_zero(square / rows)
    _store_vectors(statistics_ptr, channel, known, channels, mean, residue)
    tl.store(statistics_ptr + 2 * channels + channel, var, mask=known)
    scale, shift = _scale_shift(residue, var, weight_ptr, bias_ptr, channel, known, EPS, WIDE)
    y = (x - mean[None, :]) * scale[None, :] + shift[None, :]
    tl.store(y_ptr + place, y.to(y_ptr.dtype.element_ty), mask=there)


@triton.jit
def _forward_split(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, partial_ptr, counter_ptr, rows, channels, splits, groups, lag,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = statistics_ptr.dtype.element_ty
    writes, group, split = _turn(counter_ptr, splits, groups, lag)
    start = _start(split, ROWS, LONG)
    channel, known, place, there = _tile(group, start, rows, channels, PLANE, ROWS, CHANNELS, LONG)
    if writes:
        _wait(counter_ptr, group, splits)
        mean = tl.load(statistics_ptr + channel, mask=known, other=0.0, volatile=True)
        residue = tl.load(statistics_ptr + channels + channel, mask=known, other=0.0, volatile=True)
        var = tl.load(statistics_ptr + 2 * channels + channel, mask=known, other=0.0, volatile=True)
        scale, shift = _scale_shift(residue, var, weight_ptr, bias_ptr, channel, known, EPS, WIDE)
        x = tl.load(x_ptr + place, mask=there, other=0.0, eviction_policy="evict_first").to(WIDE)
        y = (x - mean[None, :]) * scale[None, :] + shift[None, :]
        tl.store(y_ptr + place, y.to(y_ptr.dtype.element_ty), mask=there, eviction_policy="evict_first")
    else:
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        hi, lo, square = _moments(x, there, tl.minimum(rows - start, ROWS))
        partial_ptr += channel
        tl.store(partial_ptr + split * channels, hi, mask=known)
        tl.store(partial_ptr + (splits + split) * channels, lo, mask=known)
        tl.store(partial_ptr + (2 * splits + split) * channels, square, mask=known)
        if _is_last(counter_ptr, group, splits):
            mean, residue, var = _merge_moments(
                partial_ptr, known, rows, channels, splits, ROWS, CHANNELS, WIDE
            )
            _store_vectors(statistics_ptr, channel, known, channels, mean, residue)
            tl.store(statistics_ptr + 2 * channels + channel, var, mask=known)
            _announce(counter_ptr, group)


@triton.jit
def _backward_held(
    dout_ptr, x_ptr, weight_ptr, mean_ptr, residue_ptr, var_ptr, dx_ptr, gradients_ptr, rows, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = gradients_ptr.dtype.element_ty
    channel, known, place, there = _tile(tl.program_id(0), 0, rows, channels, PLANE, ROWS, CHANNELS, LONG)
    mean = tl.load(mean_ptr + channel, mask=known, other=0.0)
    x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
    dout = tl.load(dout_ptr + place, mask=there, other=0.0).to(WIDE)
    centered = tl.where(there, x - mean[None, :], 0.0)
    total, product = tl.sum(dout, 0), tl.sum(dout * centered, 0)
    dweight = _weight_gradient(total, product, residue_ptr, var_ptr, channel, known, EPS)
    _store_vectors(gradients_ptr, channel, known, channels, dweight, total)
    scale, slope, shift = _slopes(
        dweight, total, rows, weight_ptr, residue_ptr, var_ptr, channel, known, EPS, WIDE
    )
    dx = dout * scale[None, :] + (centered * slope[None, :] + shift[None, :])
    tl.store(dx_ptr + place, dx.to(dx_ptr.dtype.element_ty), mask=there)


@triton.jit
def _backward_split(
    dout_ptr, x_ptr, weight_ptr, mean_ptr, residue_ptr, var_ptr, dx_ptr, gradients_ptr, partial_ptr, counter_ptr,
    rows, channels, splits, groups, lag,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = gradients_ptr.dtype.element_ty
    writes, group, split = _turn(counter_ptr, splits, groups, lag)
    start = _start(split, ROWS, LONG)
    channel, known, place, there = _tile(group, start, rows, channels, PLANE, ROWS, CHANNELS, LONG)
    mean = tl.load(mean_ptr + channel, mask=known, other=0.0)
    if writes:
        _wait(counter_ptr, group, splits)
        dweight = tl.load(gradients_ptr + channel, mask=known, other=0.0, volatile=True)
        dbias = tl.load(gradients_ptr + channels + channel, mask=known, other=0.0, volatile=True)
        scale, slope, shift = _slopes(
            dweight, dbias, rows, weight_ptr, residue_ptr, var_ptr, channel, known, EPS, WIDE
        )
        x = tl.load(x_ptr + place, mask=there, other=0.0, eviction_policy="evict_first").to(WIDE)
        dout = tl.load(dout_ptr + place, mask=there, other=0.0, eviction_policy="evict_first").to(WIDE)
        dx = dout * scale[None, :] + ((x - mean[None, :]) * slope[None, :] + shift[None, :])
        tl.store(dx_ptr + place, dx.to(dx_ptr.dtype.element_ty), mask=there, eviction_policy="evict_first")
    else:
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        dout = tl.load(dout_ptr + place, mask=there, other=0.0).to(WIDE)
        centered = tl.where(there, x - mean[None, :], 0.0)
        partial_ptr += channel
        tl.store(partial_ptr + split * channels, tl.sum(dout, 0), mask=known)
        tl.store(partial_ptr + (splits + split) * channels, tl.sum(dout * centered, 0), mask=known)
        if _is_last(counter_ptr, group, splits):
            total, product = _merge_sums(partial_ptr, known, channels, splits, CHANNELS)
            dweight = _weight_gradient(total, product, residue_ptr, var_ptr, channel, known, EPS)
            _store_vectors(gradients_ptr, channel, known, channels, dweight, total)
            _announce(counter_ptr, group)


@triton.jit
def _inference(
    x_ptr, mean_ptr, var_ptr, weight_ptr, bias_ptr, y_ptr, rows, channels, splits,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = tl.float64 if x_ptr.dtype.element_ty == tl.float64 else tl.float32
    group, split = tl.program_id(0) // splits, tl.program_id(0) % splits
    start = _start(split, ROWS, LONG)
    channel, known, place, there = _tile(group, start, rows, channels, PLANE, ROWS, CHANNELS, LONG)
    mean = tl.load(mean_ptr + channel, mask=known, other=0.0).to(WIDE)
    var = tl.load(var_ptr + channel, mask=known, other=0.0)
    scale, shift = _scale_shift(tl.zeros_like(mean), var, weight_ptr, bias_ptr, channel, known, EPS, WIDE)
    x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
    y = (x - mean[None, :]) * scale[None, :] + shift[None, :]
    tl.store(y_ptr + place, y.to(y_ptr.dtype.element_ty), mask=there)


@triton.jit
def _start(split, ROWS: tl.constexpr, LONG: tl.constexpr):
    """The first row of a tile."""
    return split.to(tl.int64) * ROWS if LONG else split * ROWS


@triton.jit
def _tile(
    group, start, rows, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr,
):  # fmt: skip
    """The channels of a tile and which of them exist; where its values lie and which of them exist."""
    row, channel = start + tl.arange(0, ROWS), group * CHANNELS + tl.arange(0, CHANNELS)
    if LONG:  # more values than 32 bits count
        row, channel = row.to(tl.int64), channel.to(tl.int64)
    known = channel < channels
    place = (row // PLANE * channels * PLANE + row % PLANE)[:, None] + (channel * PLANE)[None, :]
    return channel, known, place, (row < rows)[:, None] & known[None, :]


@triton.jit
def _moments(x, there, count):
    """The mean of each column of a tile in two parts, and the sum of squares of what they leave."""
    share = 1.0 / count.to(x.dtype)
    hi = tl.sum(x * share, 0)
    centered = tl.where(there, x - hi[None, :], 0.0)
    lo = tl.sum(centered, 0) * share
    square = tl.sum(centered * centered, 0) - lo * lo * count
    return hi, tl.where(_is_finite(hi), lo, 0.0), square


@triton.jit
def _merge_moments(
    partial_ptr, known, rows, channels, splits, ROWS: tl.constexpr, CHANNELS: tl.constexpr, WIDE: tl.constexpr
):
    """Mean, residue and variance of each channel from the moments of its tiles: Chan et al. 1983."""
    # Means are merged as what they differ from the first, so that a large mean costs no digits.
    first = tl.load(partial_ptr, mask=known, other=0.0, volatile=True).to(tl.float64)
    offset, rough, square = tl.zeros_like(first), tl.zeros_like(first), tl.zeros_like(first)
    for split in range(0, splits, MERGED_TOGETHER // CHANNELS):
        hi, weight = _partial(partial_ptr, known, split, 0, rows, channels, splits, ROWS, CHANNELS)
        lo, _ = _partial(partial_ptr, known, split, 1, rows, channels, splits, ROWS, CHANNELS)
        offset += tl.sum(((hi - first[None, :]) + lo) * weight, 0)
        rough += tl.sum(hi * weight, 0)
    for split in range(0, splits, MERGED_TOGETHER // CHANNELS):
        hi, weight = _partial(partial_ptr, known, split, 0, rows, channels, splits, ROWS, CHANNELS)
        lo, _ = _partial(partial_ptr, known, split, 1, rows, channels, splits, ROWS, CHANNELS)
        within, _ = _partial(partial_ptr, known, split, 2, rows, channels, splits, ROWS, CHANNELS)
        between = (hi - first[None, :]) + lo - offset[None, :]
        square += tl.sum(within / rows + between * between * weight, 0)
    finite = _is_finite(offset)
    mean = tl.where(finite, first + offset, rough).to(WIDE)
    residue = tl.where(finite, (first - mean.to(tl.float64)) + offset, 0.0).to(WIDE)
    return mean, residue, _not_below_zero(square).to(WIDE)


@triton.jit
def _merge_sums(partial_ptr, known, channels, splits, CHANNELS: tl.constexpr):
    """The two sums of each channel from those of its tiles."""
    total, product = tl.zeros([CHANNELS], tl.float64), tl.zeros([CHANNELS], tl.float64)
    for split in range(0, splits, MERGED_TOGETHER // CHANNELS):
        part, _ = _partial(partial_ptr, known, split, 0, 1, channels, splits, 1, CHANNELS)
        total += tl.sum(part, 0)
        part, _ = _partial(partial_ptr, known, split, 1, 1, channels, splits, 1, CHANNELS)
        product += tl.sum(part, 0)
    return total, product


@triton.jit
def _partial(
    partial_ptr, known, first, which, rows, channels, splits, ROWS: tl.constexpr, CHANNELS: tl.constexpr
):
    """One of the sums of some tiles, and the share of the rows that each tile holds."""
    split = first + tl.arange(0, MERGED_TOGETHER // CHANNELS)
    there = (split < splits)[:, None] & known[None, :]
    place = (which * splits + split)[:, None] * channels
    # Other programs wrote these; volatile, so that no stale copy is read.
    value = tl.load(partial_ptr[None, :] + place, mask=there, other=0.0, volatile=True).to(tl.float64)
    count = tl.maximum(tl.minimum(rows - split.to(tl.float64) * ROWS, ROWS), 0.0)
    return value, (count / rows)[:, None]


@triton.jit
def _scale_shift(residue, var, weight_ptr, bias_ptr, channel, known, EPS: tl.constexpr, WIDE: tl.constexpr):
    """``y = (x - mean) * scale + shift``, computed in float64 and rounded once."""
    scale = 1.0 / tl.sqrt(var.to(tl.float64) + EPS)
    if weight_ptr is not None:
        scale *= tl.load(weight_ptr + channel, mask=known, other=0.0).to(tl.float64)
    shift = -residue.to(tl.float64) * scale
    if bias_ptr is not None:
        shift += tl.load(bias_ptr + channel, mask=known, other=0.0).to(tl.float64)
    return scale.to(WIDE), shift.to(WIDE)


@triton.jit
def _weight_gradient(total, product, residue_ptr, var_ptr, channel, known, EPS: tl.constexpr):
    """The sum of ``dout * x_hat``, from those of ``dout`` and of ``dout * (x - mean)``."""
    residue = tl.load(residue_ptr + channel, mask=known, other=0.0).to(tl.float64)
    var = tl.load(var_ptr + channel, mask=known, other=0.0).to(tl.float64)
    return (product - residue * total) / tl.sqrt(var + EPS)


@triton.jit
def _slopes(
    dweight,
    dbias,
    rows,
    weight_ptr,
    residue_ptr,
    var_ptr,
    channel,
    known,
    EPS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """``dx = dout * scale + (x - mean) * slope + shift``, computed in float64 and rounded once."""
    residue = tl.load(residue_ptr + channel, mask=known, other=0.0).to(tl.float64)
    var = tl.load(var_ptr + channel, mask=known, other=0.0).to(tl.float64)
    rstd = 1.0 / tl.sqrt(var + EPS)
    scale = rstd
    if weight_ptr is not None:
        scale *= tl.load(weight_ptr + channel, mask=known, other=0.0).to(tl.float64)
    slope = -scale * rstd * dweight / rows
    shift = -scale * dbias / rows - slope * residue
    return scale.to(WIDE), slope.to(WIDE), shift.to(WIDE)


@triton.jit
def _store_vectors(target_ptr, channel, known, channels, first, second):
    """Write the first two rows of a matrix with one column for each channel."""
    tl.store(target_ptr + channel, first, mask=known)
    tl.store(target_ptr + channels + channel, second, mask=known)


@triton.jit
def _is_finite(value):
    return value - value == 0.0


@triton.jit
def _not_below_zero(value):
    """NaN stays."""
    return tl.where(value < 0.0, 0.0, value)


@triton.jit
def _turn(counter_ptr, splits, groups, lag):
    """Take the next turn: whether it writes a tile or sums it, and which.

    The order is: sum the first `lag` groups; then by turns sum a tile and write one that lies
    `lag` groups behind; then write the last `lag` groups. Groups are written from their end,
    which the cache saw last.
    """
    turn = tl.atomic_add(counter_ptr, 1)
    ahead, behind = lag * splits, (groups - lag) * splits
    mixed = turn - ahead
    writes = (mixed >= 2 * behind) | ((mixed >= 0) & (mixed % 2 == 1))
    summing = tl.where(mixed < 0, turn, ahead + mixed // 2)
    writing = tl.where(mixed >= 2 * behind, mixed - behind, mixed // 2)
    tile = tl.where(writes, writing, summing)
    split = tile % splits
    return writes, tile // splits, tl.where(writes, splits - 1 - split, split)


@triton.jit
def _is_last(counter_ptr, group, splits):
    """Report a tile as summed, and say whether it was the last of its group."""
    tl.debug_barrier()  # all threads of the program have written their sums
    return tl.atomic_add(counter_ptr + 1 + group, 1) == splits - 1


@triton.jit
def _announce(counter_ptr, group):
    """Report a group as merged."""
    tl.debug_barrier()
    tl.atomic_add(counter_ptr + 1 + group, 1)


@triton.jit
def _wait(counter_ptr, group, splits):
    """Wait until a group is merged: its counter then exceeds the number of its tiles."""
    while tl.atomic_add(counter_ptr + 1 + group, 0) <= splits:
        pass

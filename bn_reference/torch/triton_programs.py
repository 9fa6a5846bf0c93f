"""What runs on the GPU: the programs that `bn_reference.torch.triton_kernels` launches, and their parts.

Read that module first. A tile is CHANNELS by ROWS: a piece, turned on its side, of the matrix
with one column for each channel. WIDE is the dtype of what is computed for each value: float32,
or float64 for float64 input. What is computed once for each channel is computed in float64.
"""

import triton
import triton.language as tl

MERGED_TOGETHER = tl.constexpr(1024)
"""How many results of strips are merged at once."""


@triton.jit
def forward_alone(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, rows, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = statistics_ptr.dtype.element_ty
    channel, known = _channels(tl.program_id(0), channels, CHANNELS, LONG)
    start = 0
    mean, residue, var = _moments(
        x_ptr, start, rows, channel, known, channels, PLANE, ROWS, CHANNELS, LONG, WIDE
    )
    _store_three(statistics_ptr, channel, known, channels, mean, residue, var)
    scale, shift = _scale_shift(residue, var, weight_ptr, bias_ptr, channel, known, EPS, WIDE)
    _normalize(
        x_ptr, y_ptr, mean, scale, shift, start, rows, channel, known, channels, PLANE, ROWS, LONG, WIDE
    )


@triton.jit
def forward_shared(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, part_ptr, factor_ptr, counter_ptr,
    rows, channels, strip, splits, groups, lag,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = statistics_ptr.dtype.element_ty
    writes, group, split = _turn(counter_ptr, splits, groups, lag)
    channel, known = _channels(group, channels, CHANNELS, LONG)
    start, stop = _rows(split, strip, rows, LONG)
    if writes:
        _wait(counter_ptr, group, splits)
        mean = tl.load(statistics_ptr + channel, mask=known, other=0.0, volatile=True)
        scale = tl.load(factor_ptr + channel, mask=known, other=0.0, volatile=True)
        shift = tl.load(factor_ptr + channels + channel, mask=known, other=0.0, volatile=True)
        _normalize(
            x_ptr, y_ptr, mean, scale, shift, start, stop, channel, known, channels, PLANE, ROWS, LONG, WIDE
        )
    else:
        mean, residue, var = _moments(
            x_ptr, start, stop, channel, known, channels, PLANE, ROWS, CHANNELS, LONG, WIDE
        )
        _store_three(part_ptr + split * 3 * channels, channel, known, channels, mean, residue, var)
        if _is_last(counter_ptr, group, splits):
            mean, residue, var = _merge_moments(
                part_ptr, channel, known, rows, channels, strip, splits, CHANNELS, WIDE
            )
            _store_three(statistics_ptr, channel, known, channels, mean, residue, var)
            scale, shift = _scale_shift(residue, var, weight_ptr, bias_ptr, channel, known, EPS, WIDE)
            _store_two(factor_ptr, channel, known, channels, scale, shift)
            _announce(counter_ptr, group)


@triton.jit
def backward_alone(
    dout_ptr, x_ptr, weight_ptr, mean_ptr, residue_ptr, var_ptr, dx_ptr, gradients_ptr, rows, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = gradients_ptr.dtype.element_ty
    channel, known = _channels(tl.program_id(0), channels, CHANNELS, LONG)
    mean = tl.load(mean_ptr + channel, mask=known, other=0.0)
    start = 0
    total, product = _sums(
        dout_ptr, x_ptr, mean, start, rows, channel, known, channels, PLANE, ROWS, CHANNELS, LONG, WIDE
    )
    dweight, scale, slope, shift = _slopes(
        total, product, rows, weight_ptr, residue_ptr, var_ptr, channel, known, EPS, WIDE
    )
    _store_two(gradients_ptr, channel, known, channels, dweight, total)
    _combine(
        dout_ptr, x_ptr, dx_ptr, mean, scale, slope, shift,
        start, rows, channel, known, channels, PLANE, ROWS, LONG, WIDE,
    )  # fmt: skip


@triton.jit
def backward_shared(
    dout_ptr, x_ptr, weight_ptr, mean_ptr, residue_ptr, var_ptr, dx_ptr, gradients_ptr,
    part_ptr, factor_ptr, counter_ptr, rows, channels, strip, splits, groups, lag,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = gradients_ptr.dtype.element_ty
    writes, group, split = _turn(counter_ptr, splits, groups, lag)
    channel, known = _channels(group, channels, CHANNELS, LONG)
    start, stop = _rows(split, strip, rows, LONG)
    mean = tl.load(mean_ptr + channel, mask=known, other=0.0)
    if writes:
        _wait(counter_ptr, group, splits)
        scale = tl.load(factor_ptr + channel, mask=known, other=0.0, volatile=True)
        slope = tl.load(factor_ptr + channels + channel, mask=known, other=0.0, volatile=True)
        shift = tl.load(factor_ptr + 2 * channels + channel, mask=known, other=0.0, volatile=True)
        _combine(
            dout_ptr, x_ptr, dx_ptr, mean, scale, slope, shift,
            start, stop, channel, known, channels, PLANE, ROWS, LONG, WIDE,
        )  # fmt: skip
    else:
        part, part_product = _sums(
            dout_ptr, x_ptr, mean, start, stop, channel, known, channels, PLANE, ROWS, CHANNELS, LONG, WIDE
        )
        _store_two(part_ptr + split * 2 * channels, channel, known, channels, part, part_product)
        if _is_last(counter_ptr, group, splits):
            total, product = _merge_sums(part_ptr, channel, known, channels, splits, CHANNELS)
            dweight, scale, slope, shift = _slopes(
                total, product, rows, weight_ptr, residue_ptr, var_ptr, channel, known, EPS, WIDE
            )
            _store_two(gradients_ptr, channel, known, channels, dweight, total)
            _store_three(factor_ptr, channel, known, channels, scale, slope, shift)
            _announce(counter_ptr, group)


@triton.jit
def inference(
    x_ptr, mean_ptr, var_ptr, weight_ptr, bias_ptr, y_ptr, rows, channels, strip, splits,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = tl.float64 if x_ptr.dtype.element_ty == tl.float64 else tl.float32
    group, split = tl.program_id(0) // splits, tl.program_id(0) % splits
    channel, known = _channels(group, channels, CHANNELS, LONG)
    start, stop = _rows(split, strip, rows, LONG)
    mean = tl.load(mean_ptr + channel, mask=known, other=0.0).to(WIDE)
    var = tl.load(var_ptr + channel, mask=known, other=0.0)
    scale, shift = _scale_shift(tl.zeros_like(mean), var, weight_ptr, bias_ptr, channel, known, EPS, WIDE)
    _normalize(
        x_ptr, y_ptr, mean, scale, shift, start, stop, channel, known, channels, PLANE, ROWS, LONG, WIDE
    )


@triton.jit
def _channels(group, channels, CHANNELS: tl.constexpr, LONG: tl.constexpr):
    """The channels of a tile, and which of them exist."""
    channel = group * CHANNELS + tl.arange(0, CHANNELS)
    if LONG:  # more values than 32 bits count
        channel = channel.to(tl.int64)
    return channel, channel < channels


@triton.jit
def _rows(split, strip, rows, LONG: tl.constexpr):
    """Where a strip of rows starts and stops."""
    if LONG:
        split = split.to(tl.int64)
    return split * strip, tl.minimum(split * strip + strip, rows)


@triton.jit
def _places(
    start, stop, channel, known, channels, PLANE: tl.constexpr, ROWS: tl.constexpr, LONG: tl.constexpr
):
    """Where the values of a tile lie, and which of them exist."""
    row = start + tl.arange(0, ROWS)
    if LONG:
        row = row.to(tl.int64)
    place = (row // PLANE * channels * PLANE + row % PLANE)[None, :] + (channel * PLANE)[:, None]
    return place, (row < stop)[None, :] & known[:, None]


@triton.jit
def _moments(
    x_ptr, start, stop, channel, known, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Mean, residue and variance of each channel over some rows.

    Each tile is summed twice while it is in registers: its mean is ``hi + lo``. Sums are of what
    remains when a value of the channel is taken out. Tiles are merged as what their means differ
    from that of the first: Chan, Golub & LeVeque 1983.
    """
    top = start // PLANE * channels * PLANE + start % PLANE + channel * PLANE
    near = tl.load(x_ptr + top, mask=known, other=0.0).to(WIDE)
    near = tl.where(near - near == 0.0, near, 0.0)  # zero where that is infinite or NaN
    first, offset = tl.zeros([CHANNELS], WIDE), tl.zeros([CHANNELS], WIDE)
    rough, square = tl.zeros([CHANNELS], WIDE), tl.zeros([CHANNELS], WIDE)
    begin = start
    while start < stop:
        place, there = _places(start, stop, channel, known, channels, PLANE, ROWS, LONG)
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        count = tl.minimum(stop - start, ROWS)
        share = 1.0 / tl.cast(count, WIDE)
        hi = near + tl.sum(tl.where(there, x - near[:, None], 0.0) * share, 1)
        centered = tl.where(there, x - hi[:, None], 0.0)
        lo = tl.sum(centered, 1) * share
        within = tl.sum(centered * centered, 1) - lo * lo * count

        first = tl.where(start == begin, hi, first)
        weight = tl.cast(count, WIDE) / (start - begin + count)
        between = ((hi - first) + lo) - offset
        offset += between * weight
        square += within + between * between * (weight * (start - begin))
        rough += hi * (tl.cast(count, WIDE) / (stop - begin))
        start += ROWS
    offset, square = offset.to(tl.float64), square.to(tl.float64)
    return _statistics(first.to(tl.float64), offset, rough, square / (stop - begin), WIDE)


@triton.jit
def _statistics(first, offset, rough, var, WIDE: tl.constexpr):
    """Mean, residue and variance, where the mean is ``first + offset``, and `rough` if that is not finite."""
    finite = offset - offset == 0.0
    mean = tl.where(finite, first + offset, rough).to(WIDE)
    residue = tl.where(finite, (first - mean.to(tl.float64)) + offset, 0.0)
    return mean, residue.to(WIDE), tl.where(var < 0.0, 0.0, var).to(WIDE)  # a variance of NaN stays


@triton.jit
def _merge_moments(
    part_ptr, channel, known, rows, channels, strip, splits, CHANNELS: tl.constexpr, WIDE: tl.constexpr
):
    """Mean, residue and variance of each channel from those of its strips, as in `_moments`."""
    first = tl.load(part_ptr + channel, mask=known, other=0.0, volatile=True).to(tl.float64)
    offset, rough, var = tl.zeros_like(first), tl.zeros_like(first), tl.zeros_like(first)
    start = 0
    while start < splits:
        weight = _weights(start, rows, strip, CHANNELS)
        hi = _parts(part_ptr, start, 0, 3, channel, known, channels, splits, CHANNELS)
        lo = _parts(part_ptr, start, 1, 3, channel, known, channels, splits, CHANNELS)
        offset += tl.sum(((hi - first[:, None]) + lo) * weight, 1)
        rough += tl.sum(hi * weight, 1)
        start += MERGED_TOGETHER // CHANNELS
    start = 0
    while start < splits:
        weight = _weights(start, rows, strip, CHANNELS)
        hi = _parts(part_ptr, start, 0, 3, channel, known, channels, splits, CHANNELS)
        lo = _parts(part_ptr, start, 1, 3, channel, known, channels, splits, CHANNELS)
        within = _parts(part_ptr, start, 2, 3, channel, known, channels, splits, CHANNELS)
        between = ((hi - first[:, None]) + lo) - offset[:, None]
        var += tl.sum((within + between * between) * weight, 1)
        start += MERGED_TOGETHER // CHANNELS
    return _statistics(first, offset, rough, var, WIDE)


@triton.jit
def _weights(start, rows, strip, CHANNELS: tl.constexpr):
    """Which share of the rows some strips hold."""
    split = start + tl.arange(0, MERGED_TOGETHER // CHANNELS)
    count = tl.minimum(rows - split.to(tl.float64) * strip, tl.cast(strip, tl.float64))
    return (tl.maximum(count, 0.0) / rows)[None, :]


@triton.jit
def _parts(part_ptr, start, which, each, channel, known, channels, splits, CHANNELS: tl.constexpr):
    """One of the results of some strips, of which there are `each`."""
    split = start + tl.arange(0, MERGED_TOGETHER // CHANNELS)
    place = ((split * each + which) * channels)[None, :] + channel[:, None]
    there = (split < splits)[None, :] & known[:, None]
    # Other programs wrote them; volatile, so that no stale copy is read.
    return tl.load(part_ptr + place, mask=there, other=0.0, volatile=True).to(tl.float64)


@triton.jit
def _scale_shift(residue, var, weight_ptr, bias_ptr, channel, known, EPS: tl.constexpr, WIDE: tl.constexpr):
    """``y = (x - mean) * scale + shift``."""
    scale = 1.0 / tl.sqrt(var.to(tl.float64) + EPS)
    if weight_ptr is not None:
        scale *= tl.load(weight_ptr + channel, mask=known, other=0.0).to(tl.float64)
    shift = -residue.to(tl.float64) * scale
    if bias_ptr is not None:
        shift += tl.load(bias_ptr + channel, mask=known, other=0.0).to(tl.float64)
    return scale.to(WIDE), shift.to(WIDE)


@triton.jit
def _normalize(
    x_ptr, y_ptr, mean, scale, shift, start, stop, channel, known, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, LONG: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Write ``y`` for some rows. Neither ``x`` nor ``y`` is wanted again soon: the cache may drop them."""
    while start < stop:
        place, there = _places(start, stop, channel, known, channels, PLANE, ROWS, LONG)
        x = tl.load(x_ptr + place, mask=there, other=0.0, eviction_policy="evict_first").to(WIDE)
        y = (x - mean[:, None]) * scale[:, None] + shift[:, None]
        tl.store(y_ptr + place, y.to(y_ptr.dtype.element_ty), mask=there, eviction_policy="evict_first")
        start += ROWS


@triton.jit
def _sums(
    dout_ptr, x_ptr, mean, start, stop, channel, known, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """The sums of ``dout`` and of ``dout * (x - mean)`` over some rows."""
    total, product = tl.zeros([CHANNELS, ROWS], WIDE), tl.zeros([CHANNELS, ROWS], WIDE)
    while start < stop:
        place, there = _places(start, stop, channel, known, channels, PLANE, ROWS, LONG)
        dout = tl.load(dout_ptr + place, mask=there, other=0.0).to(WIDE)
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        total += dout
        product += dout * (x - mean[:, None])
        start += ROWS
    return tl.sum(total, 1), tl.sum(product, 1)


@triton.jit
def _merge_sums(part_ptr, channel, known, channels, splits, CHANNELS: tl.constexpr):
    """The two sums of each channel from those of its strips."""
    total, product = tl.zeros([CHANNELS], tl.float64), tl.zeros([CHANNELS], tl.float64)
    start = 0
    while start < splits:
        total += tl.sum(_parts(part_ptr, start, 0, 2, channel, known, channels, splits, CHANNELS), 1)
        product += tl.sum(_parts(part_ptr, start, 1, 2, channel, known, channels, splits, CHANNELS), 1)
        start += MERGED_TOGETHER // CHANNELS
    return total, product


@triton.jit
def _slopes(
    total, product, rows, weight_ptr, residue_ptr, var_ptr, channel, known,
    EPS: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """``dweight``, and the factors of ``dx = dout * scale + (x - mean) * slope + shift``."""
    residue = tl.load(residue_ptr + channel, mask=known, other=0.0).to(tl.float64)
    rstd = 1.0 / tl.sqrt(tl.load(var_ptr + channel, mask=known, other=0.0).to(tl.float64) + EPS)
    dweight = (product - residue * total) * rstd
    scale = rstd
    if weight_ptr is not None:
        scale *= tl.load(weight_ptr + channel, mask=known, other=0.0).to(tl.float64)
    slope = -scale * rstd * dweight / rows
    shift = -scale * total / rows - slope * residue
    return dweight, scale.to(WIDE), slope.to(WIDE), shift.to(WIDE)


@triton.jit
def _combine(
    dout_ptr, x_ptr, dx_ptr, mean, scale, slope, shift, start, stop, channel, known, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, LONG: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Write ``dx`` for some rows."""
    while start < stop:
        place, there = _places(start, stop, channel, known, channels, PLANE, ROWS, LONG)
        dout = tl.load(dout_ptr + place, mask=there, other=0.0, eviction_policy="evict_first").to(WIDE)
        x = tl.load(x_ptr + place, mask=there, other=0.0, eviction_policy="evict_first").to(WIDE)
        dx = dout * scale[:, None] + ((x - mean[:, None]) * slope[:, None] + shift[:, None])
        tl.store(dx_ptr + place, dx.to(dx_ptr.dtype.element_ty), mask=there, eviction_policy="evict_first")
        start += ROWS


@triton.jit
def _store_two(target_ptr, channel, known, channels, first, second):
    """Write two rows of a matrix with one column for each channel."""
    tl.store(target_ptr + channel, first, mask=known)
    tl.store(target_ptr + channels + channel, second, mask=known)


@triton.jit
def _store_three(target_ptr, channel, known, channels, first, second, third):
    _store_two(target_ptr, channel, known, channels, first, second)
    tl.store(target_ptr + 2 * channels + channel, third, mask=known)


@triton.jit
def _turn(counter_ptr, splits, groups, lag):
    """Take the next turn: whether it writes a strip or sums it, and which.

    The order is: sum the first `lag` groups; then by turns sum a strip and write one that lies
    `lag` groups behind; then write the last `lag` groups. Groups are written from their end,
    which the cache saw last.
    """
    turn = tl.atomic_add(counter_ptr, 1)
    ahead, behind = lag * splits, (groups - lag) * splits
    mixed = turn - ahead
    writes = (mixed >= 2 * behind) | ((mixed >= 0) & (mixed % 2 == 1))
    summing = tl.where(mixed < 0, turn, ahead + mixed // 2)
    writing = tl.where(mixed >= 2 * behind, mixed - behind, mixed // 2)
    strip = tl.where(writes, writing, summing)
    split = strip % splits
    return writes, strip // splits, tl.where(writes, splits - 1 - split, split)


@triton.jit
def _is_last(counter_ptr, group, splits):
    """Report a strip as summed, and say whether it was the last of its group."""
    tl.debug_barrier()  # all threads of the program have written their sums
    return tl.atomic_add(counter_ptr + 1 + group, 1) == splits - 1


@triton.jit
def _announce(counter_ptr, group):
    """Report a group as merged."""
    tl.debug_barrier()
    tl.atomic_add(counter_ptr + 1 + group, 1)


@triton.jit
def _wait(counter_ptr, group, splits):
    """Wait until a group is merged: its counter then exceeds the number of its strips."""
    while tl.atomic_add(counter_ptr + 1 + group, 0) <= splits:
        pass

"""What runs on the GPU: the programs that `bn_reference.torch.triton_kernels` launches, and their parts.

Read that module first. Each program works on one tile, ROWS by CHANNELS, of the matrix with one
column for each channel. WIDE is the dtype of sums within a tile: float32, or float64 for float64
input. What is computed once for each channel is computed in float64.
"""

import triton
import triton.language as tl

MERGED_TOGETHER = tl.constexpr(1024)
"""How many sums of tiles are merged at once."""


@triton.jit
def forward_alone(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, rows, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = statistics_ptr.dtype.element_ty
    group = tl.program_id(0)
    channel, known = _channels(group, channels, CHANNELS, LONG)
    first = tl.load(x_ptr + channel * PLANE, mask=known, other=0.0).to(tl.float64)
    offset, rough, square = tl.zeros_like(first), tl.zeros_like(first), tl.zeros_like(first)
    for start in range(0, rows, ROWS):
        place, there = _places(start, channel, known, rows, channels, PLANE, ROWS, LONG)
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        count = tl.minimum(rows - start, ROWS)
        hi, lo, within = _moments(x, there, count)
        weight = tl.cast(count, tl.float64) / (start + count)
        between = (hi - first) + lo - offset
        offset += between * weight
        rough += (hi - rough) * weight
        square += within + between * between * weight * start
    mean, residue, var = _statistics(first, offset, rough, square / rows, WIDE)
    _store_vectors(statistics_ptr, channel, known, channels, mean, residue)
    tl.store(statistics_ptr + 2 * channels + channel, var, mask=known)
    scale, shift = _scale_shift(residue, var, weight_ptr, bias_ptr, channel, known, EPS, WIDE)
    for start in range(0, rows, ROWS):
        place, there = _places(start, channel, known, rows, channels, PLANE, ROWS, LONG)
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        y = (x - mean[None, :]) * scale[None, :] + shift[None, :]
        tl.store(y_ptr + place, y.to(y_ptr.dtype.element_ty), mask=there)


@triton.jit
def forward_shared(
    x_ptr, weight_ptr, bias_ptr, y_ptr, statistics_ptr, sums_ptr, factor_ptr, counter_ptr,
    rows, channels, splits, groups, lag,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = statistics_ptr.dtype.element_ty
    writes, group, split = _turn(counter_ptr, splits, groups, lag)
    start = _start(split, ROWS, LONG)
    channel, known = _channels(group, channels, CHANNELS, LONG)
    place, there = _places(start, channel, known, rows, channels, PLANE, ROWS, LONG)
    if writes:
        # Read before waiting: the two take their time together.
        x = tl.load(x_ptr + place, mask=there, other=0.0, eviction_policy="evict_first").to(WIDE)
        _wait(counter_ptr, group, splits)
        mean = tl.load(statistics_ptr + channel, mask=known, other=0.0, volatile=True)
        scale = tl.load(factor_ptr + channel, mask=known, other=0.0, volatile=True)
        shift = tl.load(factor_ptr + channels + channel, mask=known, other=0.0, volatile=True)
        y = (x - mean[None, :]) * scale[None, :] + shift[None, :]
        tl.store(y_ptr + place, y.to(y_ptr.dtype.element_ty), mask=there, eviction_policy="evict_first")
    else:
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        hi, lo, square = _moments(x, there, tl.minimum(rows - start, ROWS))
        tl.store(sums_ptr + split * channels + channel, hi, mask=known)
        tl.store(sums_ptr + (splits + split) * channels + channel, lo, mask=known)
        tl.store(sums_ptr + (2 * splits + split) * channels + channel, square, mask=known)
        if _is_last(counter_ptr, group, splits):
            mean, residue, var = _merge_moments(
                sums_ptr, channel, known, rows, channels, splits, ROWS, CHANNELS, WIDE
            )
            _store_vectors(statistics_ptr, channel, known, channels, mean, residue)
            tl.store(statistics_ptr + 2 * channels + channel, var, mask=known)
            scale, shift = _scale_shift(residue, var, weight_ptr, bias_ptr, channel, known, EPS, WIDE)
            _store_vectors(factor_ptr, channel, known, channels, scale, shift)
            _announce(counter_ptr, group)


@triton.jit
def backward_alone(
    dout_ptr, x_ptr, weight_ptr, mean_ptr, residue_ptr, var_ptr, dx_ptr, gradients_ptr, rows, channels,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = gradients_ptr.dtype.element_ty
    group = tl.program_id(0)
    channel, known = _channels(group, channels, CHANNELS, LONG)
    mean = tl.load(mean_ptr + channel, mask=known, other=0.0)
    totals, products = tl.zeros([ROWS, CHANNELS], WIDE), tl.zeros([ROWS, CHANNELS], WIDE)
    for start in range(0, rows, ROWS):
        place, there = _places(start, channel, known, rows, channels, PLANE, ROWS, LONG)
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        dout = tl.load(dout_ptr + place, mask=there, other=0.0).to(WIDE)
        totals += dout
        products += tl.where(there, dout * (x - mean[None, :]), 0.0)
    total, product = tl.sum(totals, 0), tl.sum(products, 0)
    dweight = _weight_gradient(total, product, residue_ptr, var_ptr, channel, known, EPS)
    _store_vectors(gradients_ptr, channel, known, channels, dweight, total)
    scale, slope, shift = _slopes(
        dweight, total, rows, weight_ptr, residue_ptr, var_ptr, channel, known, EPS, WIDE
    )
    for start in range(0, rows, ROWS):
        place, there = _places(start, channel, known, rows, channels, PLANE, ROWS, LONG)
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        dout = tl.load(dout_ptr + place, mask=there, other=0.0).to(WIDE)
        dx = dout * scale[None, :] + ((x - mean[None, :]) * slope[None, :] + shift[None, :])
        tl.store(dx_ptr + place, dx.to(dx_ptr.dtype.element_ty), mask=there)


@triton.jit
def backward_shared(
    dout_ptr, x_ptr, weight_ptr, mean_ptr, residue_ptr, var_ptr, dx_ptr, gradients_ptr,
    sums_ptr, factor_ptr, counter_ptr, rows, channels, splits, groups, lag,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = gradients_ptr.dtype.element_ty
    writes, group, split = _turn(counter_ptr, splits, groups, lag)
    start = _start(split, ROWS, LONG)
    channel, known = _channels(group, channels, CHANNELS, LONG)
    place, there = _places(start, channel, known, rows, channels, PLANE, ROWS, LONG)
    mean = tl.load(mean_ptr + channel, mask=known, other=0.0)
    if writes:
        # Read before waiting: the two take their time together.
        x = tl.load(x_ptr + place, mask=there, other=0.0, eviction_policy="evict_first").to(WIDE)
        dout = tl.load(dout_ptr + place, mask=there, other=0.0, eviction_policy="evict_first").to(WIDE)
        _wait(counter_ptr, group, splits)
        scale = tl.load(factor_ptr + channel, mask=known, other=0.0, volatile=True)
        slope = tl.load(factor_ptr + channels + channel, mask=known, other=0.0, volatile=True)
        shift = tl.load(factor_ptr + 2 * channels + channel, mask=known, other=0.0, volatile=True)
        dx = dout * scale[None, :] + ((x - mean[None, :]) * slope[None, :] + shift[None, :])
        tl.store(dx_ptr + place, dx.to(dx_ptr.dtype.element_ty), mask=there, eviction_policy="evict_first")
    else:
        x = tl.load(x_ptr + place, mask=there, other=0.0).to(WIDE)
        dout = tl.load(dout_ptr + place, mask=there, other=0.0).to(WIDE)
        centered = tl.where(there, x - mean[None, :], 0.0)
        tl.store(sums_ptr + split * channels + channel, tl.sum(dout, 0), mask=known)
        tl.store(sums_ptr + (splits + split) * channels + channel, tl.sum(dout * centered, 0), mask=known)
        if _is_last(counter_ptr, group, splits):
            total, product = _merge_sums(sums_ptr, channel, known, channels, splits, CHANNELS)
            dweight = _weight_gradient(total, product, residue_ptr, var_ptr, channel, known, EPS)
            _store_vectors(gradients_ptr, channel, known, channels, dweight, total)
            scale, slope, shift = _slopes(
                dweight, total, rows, weight_ptr, residue_ptr, var_ptr, channel, known, EPS, WIDE
            )
            _store_vectors(factor_ptr, channel, known, channels, scale, slope)
            tl.store(factor_ptr + 2 * channels + channel, shift, mask=known)
            _announce(counter_ptr, group)


@triton.jit
def inference(
    x_ptr, mean_ptr, var_ptr, weight_ptr, bias_ptr, y_ptr, rows, channels, splits,
    PLANE: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, LONG: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    WIDE: tl.constexpr = tl.float64 if x_ptr.dtype.element_ty == tl.float64 else tl.float32
    group, split = tl.program_id(0) // splits, tl.program_id(0) % splits
    start = _start(split, ROWS, LONG)
    channel, known = _channels(group, channels, CHANNELS, LONG)
    place, there = _places(start, channel, known, rows, channels, PLANE, ROWS, LONG)
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
def _channels(group, channels, CHANNELS: tl.constexpr, LONG: tl.constexpr):
    """The channels of a tile, and which of them exist."""
    channel = group * CHANNELS + tl.arange(0, CHANNELS)
    if LONG:  # more values than 32 bits count
        channel = channel.to(tl.int64)
    return channel, channel < channels


@triton.jit
def _places(
    start, channel, known, rows, channels, PLANE: tl.constexpr, ROWS: tl.constexpr, LONG: tl.constexpr
):
    """Where the values of a tile lie, and which of them exist."""
    row = start + tl.arange(0, ROWS)
    if LONG:
        row = row.to(tl.int64)
    place = (row // PLANE * channels * PLANE + row % PLANE)[:, None] + (channel * PLANE)[None, :]
    return place, (row < rows)[:, None] & known[None, :]


@triton.jit
def _moments(x, there, count):
    """The mean of each column of a tile in two parts, and the sum of squares of what they leave."""
    share = 1.0 / tl.cast(count, x.dtype)
    hi = tl.sum(x * share, 0)
    centered = tl.where(there, x - hi[None, :], 0.0)
    lo = tl.sum(centered, 0) * share
    square = tl.sum(centered * centered, 0) - lo * lo * count
    return hi, tl.where(_is_finite(hi), lo, 0.0), square


@triton.jit
def _merge_moments(
    sums_ptr,
    channel,
    known,
    rows,
    channels,
    splits,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):
    """Mean, residue and variance of each channel from the moments of its tiles: Chan et al. 1983."""
    # Means are merged as what they differ from the first, so that a large mean costs no digits.
    first = tl.load(sums_ptr + channel, mask=known, other=0.0, volatile=True).to(tl.float64)
    offset, rough, square = tl.zeros_like(first), tl.zeros_like(first), tl.zeros_like(first)
    for split in range(0, splits, MERGED_TOGETHER // CHANNELS):
        hi, weight = _partial(sums_ptr, channel, known, split, 0, rows, channels, splits, ROWS, CHANNELS)
        lo, _ = _partial(sums_ptr, channel, known, split, 1, rows, channels, splits, ROWS, CHANNELS)
        offset += tl.sum(((hi - first[None, :]) + lo) * weight, 0)
        rough += tl.sum(hi * weight, 0)
    for split in range(0, splits, MERGED_TOGETHER // CHANNELS):
        hi, weight = _partial(sums_ptr, channel, known, split, 0, rows, channels, splits, ROWS, CHANNELS)
        lo, _ = _partial(sums_ptr, channel, known, split, 1, rows, channels, splits, ROWS, CHANNELS)
        within, _ = _partial(sums_ptr, channel, known, split, 2, rows, channels, splits, ROWS, CHANNELS)
        between = (hi - first[None, :]) + lo - offset[None, :]
        square += tl.sum(within / rows + between * between * weight, 0)
    return _statistics(first, offset, rough, square, WIDE)


@triton.jit
def _statistics(first, offset, rough, square, WIDE: tl.constexpr):
    """Mean, residue and variance, where the mean is ``first + offset``, and `rough` if that is not finite."""
    finite = _is_finite(offset)
    mean = tl.where(finite, first + offset, rough).to(WIDE)
    residue = tl.where(finite, (first - mean.to(tl.float64)) + offset, 0.0).to(WIDE)
    var = tl.where(square < 0.0, 0.0, square)  # NaN stays
    return mean, residue, var.to(WIDE)


@triton.jit
def _merge_sums(sums_ptr, channel, known, channels, splits, CHANNELS: tl.constexpr):
    """The two sums of each channel from those of its tiles."""
    total, product = tl.zeros([CHANNELS], tl.float64), tl.zeros([CHANNELS], tl.float64)
    for split in range(0, splits, MERGED_TOGETHER // CHANNELS):
        part, _ = _partial(sums_ptr, channel, known, split, 0, 1, channels, splits, 1, CHANNELS)
        total += tl.sum(part, 0)
        part, _ = _partial(sums_ptr, channel, known, split, 1, 1, channels, splits, 1, CHANNELS)
        product += tl.sum(part, 0)
    return total, product


@triton.jit
def _partial(
    sums_ptr, channel, known, first, which, rows, channels, splits, ROWS: tl.constexpr, CHANNELS: tl.constexpr
):
    """One of the sums of some tiles, and the share of the rows that each tile holds."""
    split = first + tl.arange(0, MERGED_TOGETHER // CHANNELS)
    there = (split < splits)[:, None] & known[None, :]
    place = (which * splits + split)[:, None] * channels + channel[None, :]
    # Other programs wrote these; volatile, so that no stale copy is read.
    value = tl.load(sums_ptr + place, mask=there, other=0.0, volatile=True).to(tl.float64)
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

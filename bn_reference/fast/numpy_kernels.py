"""The kernels in NumPy: whole-array operations on blocks that stay in the cache.

All take views of `bn_reference.fast.arrangement`, ``(N, C, positions)`` or ``(rows, C)``, the
range of channels to work on, and one value for each of these. With channels last the range
holds all channels.
"""

from collections.abc import Iterator

import numpy as np

CACHE_BYTES = 256 * 1024
"""What a group of channels may take up: a core's second-level cache holds it and scratch space."""

STRETCH = 128
"""With channels last, how many rows are summed before the sum goes on in float64."""

QUIET = np.errstate(invalid="ignore", over="ignore", divide="ignore")
"""Infinite values make NaN, as they should, and so does 0 / 0: a function so decorated does not warn."""


def forward(
    x: np.ndarray,
    y: np.ndarray,
    start: int,
    stop: int,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float,
    mean: np.ndarray,
    residue: np.ndarray,
    var: np.ndarray,
) -> None:
    """Write ``y`` and the statistics of the channels from `start` to `stop`."""
    group = slice(start, stop)
    rough = rough_mean(x, start, stop)
    sums = moments(x, start, stop, rough)
    mean[group], residue[group], var[group], scale, shift = statistics(
        *sums, rough, gamma[group], beta[group], x.size // x.shape[1], eps
    )
    scale_shift(x, y, start, stop, mean[group], scale, shift)


def backward(
    dout: np.ndarray,
    x: np.ndarray,
    dx: np.ndarray,
    start: int,
    stop: int,
    gamma: np.ndarray,
    eps: float,
    mean: np.ndarray,
    residue: np.ndarray,
    var: np.ndarray,
    dgamma: np.ndarray,
    dbeta: np.ndarray,
) -> None:
    """Write ``dx`` and the gradients of the parameters of the channels from `start` to `stop`."""
    group = slice(start, stop)
    sums = products(x, dout, start, stop, mean[group])
    dgamma[group], dbeta[group], scale, slope, shift = gradients(
        *sums, mean[group], residue[group], var[group], gamma[group], x.size // x.shape[1], eps
    )
    combine(x, dout, dx, start, stop, mean[group], scale, slope, shift)


def rough_mean(x: np.ndarray, start: int, stop: int) -> np.ndarray:
    """The first value of each channel, or zero where that is not finite."""
    first = x[0].reshape(x.shape[1], -1)[start:stop, 0]
    return np.where(np.isfinite(first), first, np.zeros_like(first))


@QUIET
def moments(x: np.ndarray, start: int, stop: int, rough: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and sum of squares of ``x - rough``, for each channel, in float64."""
    total = square = 0.0
    for _, block, (shifted,) in _blocks(x[:, start:stop], scratch=1):
        np.subtract(block, _spread(rough, block), out=shifted)
        total = total + _sum(shifted)
        square = square + _dot(shifted, shifted)
    return total, square


@QUIET
def scale_shift(
    x: np.ndarray,
    y: np.ndarray,
    start: int,
    stop: int,
    hi: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
) -> None:
    """``y = (x - hi) * scale + shift``."""
    for rows, block, (scaled,) in _blocks(x[:, start:stop], scratch=1):
        np.subtract(block, _spread(hi, block), out=scaled)
        np.multiply(scaled, _spread(scale, block), out=scaled)
        np.add(scaled, _spread(shift, block), out=y[rows, start:stop])


@QUIET
def products(
    x: np.ndarray, dout: np.ndarray, start: int, stop: int, hi: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of ``dout`` and of ``dout * (x - hi)``, for each channel, in float64."""
    total = product = 0.0
    for rows, block, (centered,) in _blocks(x[:, start:stop], scratch=1):
        gradient = dout[rows, start:stop]
        np.subtract(block, _spread(hi, block), out=centered)
        total = total + _sum(gradient)
        product = product + _dot(centered, gradient)
    return total, product


@QUIET
def combine(
    x: np.ndarray,
    dout: np.ndarray,
    dx: np.ndarray,
    start: int,
    stop: int,
    hi: np.ndarray,
    scale: np.ndarray,
    slope: np.ndarray,
    shift: np.ndarray,
) -> None:
    """``dx = dout * scale + (x - hi) * slope + shift``."""
    for rows, block, (centered, scaled) in _blocks(x[:, start:stop], scratch=2):
        np.subtract(block, _spread(hi, block), out=centered)
        np.multiply(centered, _spread(slope, block), out=centered)
        np.add(centered, _spread(shift, block), out=centered)
        np.multiply(dout[rows, start:stop], _spread(scale, block), out=scaled)
        np.add(centered, scaled, out=dx[rows, start:stop])


@QUIET
def statistics(
    total: np.ndarray,
    square: np.ndarray,
    rough: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    m: int,
    eps: float,
) -> tuple[np.ndarray, ...]:
    """From the sums of `moments`: ``mean, residue, var, scale, shift``.

    ``gamma * (x - mean - residue) / sqrt(var + eps) + beta`` is then ``(x - mean) * scale + shift``.
    """
    offset = total / m
    mean = (rough + offset).astype(rough.dtype)
    residue = np.where(np.isfinite(mean), (rough - mean) + offset, 0.0)
    var = np.maximum(square / m - offset**2, 0.0)
    scale = gamma / np.sqrt(var + eps)
    shift = beta - residue * scale
    return mean, residue, var, scale.astype(rough.dtype), shift.astype(rough.dtype)


@QUIET
def gradients(
    total: np.ndarray,
    product: np.ndarray,
    hi: np.ndarray,
    lo: np.ndarray,
    var: np.ndarray,
    gamma: np.ndarray,
    m: int,
    eps: float,
) -> tuple[np.ndarray, ...]:
    """From the sums of `products`: ``dgamma, dbeta, scale, slope, shift``, the latter for `combine`."""
    rstd = 1 / np.sqrt(var + eps)
    dgamma = (product - lo * total) * rstd
    scale = gamma * rstd
    slope = -scale * rstd * dgamma / m
    shift = -scale * total / m - slope * lo
    return dgamma, total, scale.astype(hi.dtype), slope.astype(hi.dtype), shift.astype(hi.dtype)


def _blocks(x: np.ndarray, scratch: int) -> Iterator[tuple[slice, np.ndarray, list[np.ndarray]]]:
    """Cut `x` along axis 0: the rows, the block, and scratch arrays of its shape."""
    step = STRETCH
    if x.ndim == 3:
        step = max(1, CACHE_BYTES // (x.itemsize * x.shape[1] * x.shape[2]))
    space = [np.empty((min(step, len(x)), *x.shape[1:]), x.dtype) for _ in range(scratch)]
    for start in range(0, len(x), step):
        block = x[start : start + step]
        yield slice(start, start + step), block, [array[: len(block)] for array in space]


def _spread(vector, block):
    """One value for each channel, shaped to broadcast against `block`."""
    return vector[:, None] if block.ndim == 3 else vector


def _sum(block):
    if block.ndim == 3:
        return block.sum(axis=-1).sum(axis=0, dtype=np.float64)
    return block.sum(axis=0).astype(np.float64)


def _dot(a, b):
    if a.ndim == 3:
        return np.vecdot(a, b).sum(axis=0, dtype=np.float64)
    return np.einsum("nc,nc->c", a, b).astype(np.float64)

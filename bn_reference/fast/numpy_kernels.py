"""The kernels in NumPy: whole-array operations on blocks that stay in the cache.

All take views of `bn_reference.fast.arrangement`, ``(N, C, positions)`` or ``(rows, C)``, the
slice of channels to work on, and one value for each of these. With channels last the slice
holds all channels.
"""

from collections.abc import Iterator

import numpy as np

CACHE_BYTES = 256 * 1024
"""What a group of channels may take up: a core's second-level cache holds it and scratch space."""

STRETCH = 128
"""With channels last, how many rows are summed before the sum goes on in float64."""


def moments(x: np.ndarray, channels: slice, rough: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and sum of squares of ``x - rough``, for each channel, in float64."""
    total = square = 0.0
    for _, block, (shifted,) in _blocks(x[:, channels], scratch=1):
        np.subtract(block, _spread(rough, block), out=shifted)
        total = total + _sum(shifted)
        square = square + _dot(shifted, shifted)
    return total, square


def scale_shift(
    x: np.ndarray, y: np.ndarray, channels: slice, hi: np.ndarray, scale: np.ndarray, shift: np.ndarray
) -> None:
    """``y = (x - hi) * scale + shift``."""
    for rows, block, (scaled,) in _blocks(x[:, channels], scratch=1):
        np.subtract(block, _spread(hi, block), out=scaled)
        np.multiply(scaled, _spread(scale, block), out=scaled)
        np.add(scaled, _spread(shift, block), out=y[rows, channels])


def products(
    x: np.ndarray, dout: np.ndarray, channels: slice, hi: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of ``dout`` and of ``dout * (x - hi)``, for each channel, in float64."""
    total = product = 0.0
    for rows, block, (centered,) in _blocks(x[:, channels], scratch=1):
        gradient = dout[rows, channels]
        np.subtract(block, _spread(hi, block), out=centered)
        total = total + _sum(gradient)
        product = product + _dot(centered, gradient)
    return total, product


def combine(
    x: np.ndarray,
    dout: np.ndarray,
    dx: np.ndarray,
    channels: slice,
    hi: np.ndarray,
    scale: np.ndarray,
    slope: np.ndarray,
    shift: np.ndarray,
) -> None:
    """``dx = dout * scale + (x - hi) * slope + shift``."""
    for rows, block, (centered, scaled) in _blocks(x[:, channels], scratch=2):
        np.subtract(block, _spread(hi, block), out=centered)
        np.multiply(centered, _spread(slope, block), out=centered)
        np.add(centered, _spread(shift, block), out=centered)
        np.multiply(dout[rows, channels], _spread(scale, block), out=scaled)
        np.add(centered, scaled, out=dx[rows, channels])


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

"""The kernels compiled by Numba: the functions of `numpy_kernels` as plain loops.

Each takes a whole view and the slice of channels to work on, rather than a slice of the view: of
a whole view the compiler knows that neighbours in memory are neighbours in the loop. What a loop
over positions needs of its channel is read before the loop, since the compiler must otherwise
expect each write to change it. Sums may be reordered (``reassoc``) so that they run in vector
registers. No other liberty is taken: NaN and infinite values go through.
"""

import numba
import numpy as np

CACHE_BYTES = 4 * 1024 * 1024
"""What a group of channels may take up: a share of the last-level cache. There is no scratch."""

STRETCH = 128
"""With channels last, how many rows are summed by themselves: sums of sums round less."""

_compile = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})


def moments(x: np.ndarray, channels: slice, rough: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and sum of squares of ``x - rough``, for each channel, in float64."""
    return (_moments_planes if x.ndim == 3 else _moments_rows)(x, channels, rough)


def scale_shift(
    x: np.ndarray, y: np.ndarray, channels: slice, hi: np.ndarray, scale: np.ndarray, shift: np.ndarray
) -> None:
    """``y = (x - hi) * scale + shift``."""
    (_scale_shift_planes if x.ndim == 3 else _scale_shift_rows)(x, y, channels, hi, scale, shift)


def products(
    x: np.ndarray, dout: np.ndarray, channels: slice, hi: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of ``dout`` and of ``dout * (x - hi)``, for each channel, in float64."""
    return (_products_planes if x.ndim == 3 else _products_rows)(x, dout, channels, hi)


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
    (_combine_planes if x.ndim == 3 else _combine_rows)(x, dout, dx, channels, hi, scale, slope, shift)


@_compile
def _moments_planes(x, channels, rough):
    n, _, positions = x.shape
    total, square = np.zeros(channels.stop - channels.start), np.zeros(channels.stop - channels.start)
    for k in range(channels.stop - channels.start):
        c = channels.start + k
        rough_k = rough[k]
        for i in range(n):
            plane = x[i, c]
            part, part_square = 0.0, 0.0
            for j in range(positions):
                shifted = np.float64(plane[j] - rough_k)
                part += shifted
                part_square += shifted * shifted
            total[k] += part
            square[k] += part_square
    return total, square


@_compile
def _moments_rows(x, channels, rough):
    total, square = np.zeros(channels.stop), np.zeros(channels.stop)
    for start in range(0, len(x), STRETCH):
        part, part_square = np.zeros(channels.stop), np.zeros(channels.stop)
        for i in range(start, min(start + STRETCH, len(x))):
            row = x[i]
            for c in range(channels.stop):
                shifted = np.float64(row[c] - rough[c])
                part[c] += shifted
                part_square[c] += shifted * shifted
        total += part
        square += part_square
    return total, square


@_compile
def _scale_shift_planes(x, y, channels, hi, scale, shift):
    n, _, positions = x.shape
    for k in range(channels.stop - channels.start):
        c = channels.start + k
        hi_k, scale_k, shift_k = hi[k], scale[k], shift[k]
        for i in range(n):
            plane, target = x[i, c], y[i, c]
            for j in range(positions):
                target[j] = (plane[j] - hi_k) * scale_k + shift_k


@_compile
def _scale_shift_rows(x, y, channels, hi, scale, shift):
    rows = len(x)
    for i in range(rows):
        row, target = x[i], y[i]
        for c in range(channels.stop):
            target[c] = (row[c] - hi[c]) * scale[c] + shift[c]


@_compile
def _products_planes(x, dout, channels, hi):
    n, _, positions = x.shape
    total, product = np.zeros(channels.stop - channels.start), np.zeros(channels.stop - channels.start)
    for k in range(channels.stop - channels.start):
        c = channels.start + k
        hi_k = hi[k]
        for i in range(n):
            plane, gradient = x[i, c], dout[i, c]
            part, part_product = 0.0, 0.0
            for j in range(positions):
                g = np.float64(gradient[j])
                part += g
                part_product += g * (plane[j] - hi_k)
            total[k] += part
            product[k] += part_product
    return total, product


@_compile
def _products_rows(x, dout, channels, hi):
    total, product = np.zeros(channels.stop), np.zeros(channels.stop)
    for start in range(0, len(x), STRETCH):
        part, part_product = np.zeros(channels.stop), np.zeros(channels.stop)
        for i in range(start, min(start + STRETCH, len(x))):
            row, gradient = x[i], dout[i]
            for c in range(channels.stop):
                g = np.float64(gradient[c])
                part[c] += g
                part_product[c] += g * (row[c] - hi[c])
        total += part
        product += part_product
    return total, product


@_compile
def _combine_planes(x, dout, dx, channels, hi, scale, slope, shift):
    n, _, positions = x.shape
    for k in range(channels.stop - channels.start):
        c = channels.start + k
        hi_k, scale_k, slope_k, shift_k = hi[k], scale[k], slope[k], shift[k]
        for i in range(n):
            plane, gradient, target = x[i, c], dout[i, c], dx[i, c]
            for j in range(positions):
                target[j] = gradient[j] * scale_k + ((plane[j] - hi_k) * slope_k + shift_k)


@_compile
def _combine_rows(x, dout, dx, channels, hi, scale, slope, shift):
    rows = len(x)
    for i in range(rows):
        row, gradient, target = x[i], dout[i], dx[i]
        for c in range(channels.stop):
            target[c] = gradient[c] * scale[c] + ((row[c] - hi[c]) * slope[c] + shift[c])

"""The kernels compiled by Numba: the functions of `numpy_kernels` as plain loops.

Each takes a whole view and the range of channels to work on, rather than a slice of the view: of
a whole view the compiler knows that neighbours in memory are neighbours in the loop. What a loop
over positions needs of its channel is read before the loop, since the compiler must otherwise
expect each write to change it. With channels last, four rows at a time share one reading and
writing of the sums of the moments; the products, which read two batches, are quicker with one row
of each at a time. Sums may be reordered (``reassoc``) so that they run in vector registers. No
other liberty is taken: NaN and infinite values go through.
"""

import inspect

import numba
import numpy as np

from bn_reference.fast import numpy_kernels

CACHE_BYTES = 4 * 1024 * 1024
"""What a group of channels may take up: a share of the last-level cache. There is no scratch."""

STRETCH = 128
"""With channels last, how many rows are summed by themselves: sums of sums round less."""

_as_it_stands = numba.njit(nogil=True, cache=True)
_compile = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})

# What follows from the sums has its order of operations for a reason.
rough_mean = _as_it_stands(numpy_kernels.rough_mean)
statistics = _as_it_stands(inspect.unwrap(numpy_kernels.statistics))
gradients = _as_it_stands(inspect.unwrap(numpy_kernels.gradients))


@_as_it_stands
def forward(x, y, start, stop, gamma, beta, eps, mean, residue, var):
    """Write ``y`` and the statistics of the channels from `start` to `stop`."""
    rough = rough_mean(x, start, stop)
    total, square = moments(x, start, stop, rough)
    hi, lo, variance, scale, shift = statistics(
        total, square, rough, gamma[start:stop], beta[start:stop], x.size // x.shape[1], eps
    )
    mean[start:stop], residue[start:stop], var[start:stop] = hi, lo, variance
    scale_shift(x, y, start, stop, hi, scale, shift)


@_as_it_stands
def backward(dout, x, dx, start, stop, gamma, eps, mean, residue, var, dgamma, dbeta):
    """Write ``dx`` and the gradients of the parameters of the channels from `start` to `stop`."""
    hi = mean[start:stop]
    total, product = products(x, dout, start, stop, hi)
    dgamma[start:stop], dbeta[start:stop], scale, slope, shift = gradients(
        total, product, hi, residue[start:stop], var[start:stop], gamma[start:stop], x.size // x.shape[1], eps
    )
    combine(x, dout, dx, start, stop, hi, scale, slope, shift)


@_as_it_stands
def moments(x, start, stop, rough):
    """Sum and sum of squares of ``x - rough``, for each channel, in float64."""
    if x.ndim == 3:
        return _moments_planes(x, start, stop, rough)
    return _moments_rows(x, stop, rough)


@_as_it_stands
def scale_shift(x, y, start, stop, hi, scale, shift):
    """``y = (x - hi) * scale + shift``."""
    if x.ndim == 3:
        _scale_shift_planes(x, y, start, stop, hi, scale, shift)
    else:
        _scale_shift_rows(x, y, stop, hi, scale, shift)


@_as_it_stands
def products(x, dout, start, stop, hi):
    """Sum of ``dout`` and of ``dout * (x - hi)``, for each channel, in float64."""
    if x.ndim == 3:
        return _products_planes(x, dout, start, stop, hi)
    return _products_rows(x, dout, stop, hi)


@_as_it_stands
def combine(x, dout, dx, start, stop, hi, scale, slope, shift):
    """``dx = dout * scale + (x - hi) * slope + shift``."""
    if x.ndim == 3:
        _combine_planes(x, dout, dx, start, stop, hi, scale, slope, shift)
    else:
        _combine_rows(x, dout, dx, stop, hi, scale, slope, shift)


@_compile
def _moments_planes(x, start, stop, rough):
    n, _, positions = x.shape
    total, square = np.zeros(stop - start), np.zeros(stop - start)
    for k in range(stop - start):
        c = start + k
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
    total, square = np.zeros(channels), np.zeros(channels)
    part, part_square = np.empty_like(total), np.empty_like(square)
    for start in range(0, len(x), STRETCH):
        part[:], part_square[:] = 0, 0
        i, stop = start, min(start + STRETCH, len(x))
        while i + 4 <= stop:
            a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
            for k in range(channels):
                origin = rough[k]
                a_k, b_k = np.float64(a[k] - origin), np.float64(b[k] - origin)
                c_k, d_k = np.float64(c[k] - origin), np.float64(d[k] - origin)
                part[k] += (a_k + b_k) + (c_k + d_k)
                part_square[k] += (a_k * a_k + b_k * b_k) + (c_k * c_k + d_k * d_k)
            i += 4
        while i < stop:
            row = x[i]
            for k in range(channels):
                shifted = np.float64(row[k] - rough[k])
                part[k] += shifted
                part_square[k] += shifted * shifted
            i += 1
        total += part
        square += part_square
    return total, square


@_compile
def _scale_shift_planes(x, y, start, stop, hi, scale, shift):
    n, _, positions = x.shape
    for k in range(stop - start):
        c = start + k
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
        for c in range(channels):
            target[c] = (row[c] - hi[c]) * scale[c] + shift[c]


@_compile
def _products_planes(x, dout, start, stop, hi):
    n, _, positions = x.shape
    total, product = np.zeros(stop - start), np.zeros(stop - start)
    for k in range(stop - start):
        c = start + k
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
    total, product = np.zeros(channels), np.zeros(channels)
    part, part_product = np.empty_like(total), np.empty_like(product)
    for start in range(0, len(x), STRETCH):
        part[:], part_product[:] = 0, 0
        for i in range(start, min(start + STRETCH, len(x))):
            row, gradient = x[i], dout[i]
            for k in range(channels):
                g = np.float64(gradient[k])
                part[k] += g
                part_product[k] += g * (row[k] - hi[k])
        total += part
        product += part_product
    return total, product


@_compile
def _combine_planes(x, dout, dx, start, stop, hi, scale, slope, shift):
    n, _, positions = x.shape
    for k in range(stop - start):
        c = start + k
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
        for c in range(channels):
            target[c] = gradient[c] * scale[c] + ((row[c] - hi[c]) * slope[c] + shift[c])

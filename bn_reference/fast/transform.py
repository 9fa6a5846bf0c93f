"""The two functions: what comes in is checked, cut into groups of channels, and given to the kernels."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from bn_reference.fast import numpy_kernels
from bn_reference.fast.arrangement import float_batch, like, output, view
from bn_reference.layouts import channel_vector, positive_eps, same_shape

if find_spec("numba"):
    from bn_reference.fast import numba_kernels as best_kernels
else:
    best_kernels = numpy_kernels

WORTH_A_THREAD = 1 << 20
"""Bytes of `x` below which another thread costs more than it brings."""


@dataclass(frozen=True)
class Statistics:
    """What the backward pass needs besides `x`.

    Attributes
    ----------
    mean : ndarray, shape (C,), dtype of the batch
        Batch mean.
    residue : ndarray, shape (C,), float64
        What rounding to its dtype took from the mean: ``mean + residue`` is the mean.
    var : ndarray, shape (C,), float64
        Biased batch variance.
    eps : float
        What the forward pass added to the variance.
    """

    mean: np.ndarray
    residue: np.ndarray
    var: np.ndarray
    eps: float


def batchnorm_forward(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float = 1e-5,
    out: np.ndarray | None = None,
    threads: int = 1,
    kernels: ModuleType = best_kernels,
) -> tuple[np.ndarray, Statistics]:
    """Batch Normalization with the statistics of the batch.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), float32 or float64
    gamma, beta : ndarray, shape (C,), floating
    eps : float
        Added to the variance, inside the root.
    out : ndarray, shape and dtype of `x`, optional
        Where to write ``y``; `x` itself is allowed. By default a new array, arranged in memory like `x`.
    threads : int
        How many threads share the work; fewer are used on small batches.
    kernels : module
        `numba_kernels` where Numba is installed, else `numpy_kernels`.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
    statistics : Statistics

    Raises
    ------
    TypeError
        If `x` is neither float32 nor float64, or another array is not floating.
    ValueError
        If shapes or dtypes do not fit together, `x` is empty, `eps` is not above zero, or
        `threads` is below 1.

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 1.

    Examples
    --------
    >>> x = np.array([[1.0, 10.0], [3.0, 10.0]])
    >>> y, statistics = batchnorm_forward(x, np.ones(2), np.array([0.0, 5.0]), eps=0.0001)
    >>> y.round(3).tolist(), statistics.mean.tolist()
    ([[-1.0, 5.0], [1.0, 5.0]], [2.0, 10.0])
    """
    x = float_batch("x", x)
    gamma = channel_vector("gamma", gamma, x).astype(np.float64)
    beta = channel_vector("beta", beta, x).astype(np.float64)
    if positive_eps(eps) == 0:
        raise ValueError("eps is 0, expected above zero (1e-5 is usual): a constant channel would be 0/0")
    y = output(out, x)
    x_view, y_view = view(x), view(y)
    rough = x_view[0] if x_view.ndim == 2 else x_view[0, :, 0]
    m = x.size // x.shape[1]
    mean = np.empty(x.shape[1], x.dtype)
    residue, var = np.empty(x.shape[1]), np.empty(x.shape[1])

    def moments(channels: slice, rows: slice):
        return kernels.moments(x_view[rows], channels, rough[channels])

    def normalize(channels: slice, sums: tuple[np.ndarray, np.ndarray]):
        total, square = sums
        offset = total / m
        mean[channels] = rough[channels] + offset
        residue[channels] = (rough[channels] - mean[channels]) + offset
        var[channels] = np.maximum(square / m - offset**2, 0)

        scale = gamma[channels] / np.sqrt(var[channels] + eps)
        shift = beta[channels] - residue[channels] * scale
        vectors = [vector.astype(x.dtype) for vector in (mean[channels], scale, shift)]
        return lambda rows: kernels.scale_shift(x_view[rows], y_view[rows], channels, *vectors)

    _in_two_passes(x_view, moments, normalize, kernels, threads)
    return y, Statistics(mean, residue, var, eps)


def batchnorm_backward(
    dout: np.ndarray,
    x: np.ndarray,
    gamma: np.ndarray,
    statistics: Statistics,
    out: np.ndarray | None = None,
    threads: int = 1,
    kernels: ModuleType = best_kernels,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The backward pass in closed form, from `x` itself: ``x_hat`` is never stored.

    Parameters
    ----------
    dout : ndarray, shape and dtype of `x`
        Gradient of the loss with respect to ``y``.
    x : ndarray, shape (N, C) or (N, C, ...), float32 or float64
        The batch that went forward.
    gamma : ndarray, shape (C,), floating
    statistics : Statistics
        From `batchnorm_forward`.
    out : ndarray, shape and dtype of `x`, optional
        Where to write ``dx``; `dout` itself is allowed.
    threads : int
        How many threads share the work; fewer are used on small batches.
    kernels : module
        `numba_kernels` where Numba is installed, else `numpy_kernels`.

    Returns
    -------
    dx : ndarray, shape and dtype of `x`
    dgamma, dbeta : ndarray, shape (C,), dtype of `gamma`

    Raises
    ------
    TypeError
        If `x` is neither float32 nor float64, or another array is not floating.
    ValueError
        If shapes or dtypes do not fit together, or `threads` is below 1.

    Notes
    -----
    Ioffe & Szegedy 2015, Section 3, simplified as in `bn_reference.batchnorm`, and sorted by
    what multiplies what::

        dx = scale * dout + slope * (x - mean) + shift
        scale = gamma * rstd
        slope = -scale * rstd * mean(dout * x_hat)
        shift = -scale * mean(dout)

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> _, statistics = batchnorm_forward(x, np.ones(1), np.zeros(1))
    >>> dx, dgamma, dbeta = batchnorm_backward(np.eye(3)[:, :1], x, np.ones(1), statistics)
    >>> bool(abs(dx.sum()) < 1e-15), dbeta.tolist()
    (True, [1.0])
    """
    x = float_batch("x", x)
    dout = same_shape("dout", dout, x, "x").astype(x.dtype, copy=False)
    gamma = channel_vector("gamma", gamma, x)
    dx = output(out, x)
    x_view, dout_view, dx_view = view(x), view(like(dout, x)), view(dx)
    hi, lo = statistics.mean, statistics.residue
    rstd = 1 / np.sqrt(statistics.var + statistics.eps)
    m = x.size // x.shape[1]
    dgamma, dbeta = np.empty(x.shape[1]), np.empty(x.shape[1])

    def products(channels: slice, rows: slice):
        return kernels.products(x_view[rows], dout_view[rows], channels, hi[channels])

    def differentiate(channels: slice, sums: tuple[np.ndarray, np.ndarray]):
        total, product = sums
        dbeta[channels] = total
        dgamma[channels] = (product - lo[channels] * total) * rstd[channels]

        scale = gamma[channels] * rstd[channels]
        slope = -scale * rstd[channels] * dgamma[channels] / m
        shift = -scale * dbeta[channels] / m - slope * lo[channels]
        vectors = [vector.astype(x.dtype) for vector in (hi[channels], scale, slope, shift)]
        return lambda rows: kernels.combine(x_view[rows], dout_view[rows], dx_view[rows], channels, *vectors)

    _in_two_passes(x_view, products, differentiate, kernels, threads)
    return dx, dgamma.astype(gamma.dtype), dbeta.astype(gamma.dtype)


def _in_two_passes(
    x: np.ndarray, sums: Callable, finish: Callable, kernels: ModuleType, threads: int
) -> None:
    """Sum over each channel, then write what follows from the sums.

    ``sums(channels, rows)`` gives two sums for each channel; ``finish(channels, sums)`` gives a
    function that writes some rows. With channels first, the threads share groups of channels,
    each small enough for its second pass to find it in the cache. With channels last, a row
    holds every channel, and they share the rows.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}, expected 1 or more")
    threads = min(threads, max(1, x.nbytes // WORTH_A_THREAD))
    every_channel, every_row = slice(0, x.shape[1]), slice(None)
    run = map if threads == 1 else _pool(threads).map
    if x.ndim == 3:
        in_cache = max(1, kernels.CACHE_BYTES // (x.itemsize * x.shape[0] * x.shape[2]))
        groups = _cut(x.shape[1], min(in_cache, -(-x.shape[1] // threads)))
        for _ in run(lambda group: finish(group, sums(group, every_row))(every_row), groups):
            pass
    else:
        parts = _cut(x.shape[0], -(-x.shape[0] // threads))
        first, second = zip(*run(lambda rows: sums(every_channel, rows), parts), strict=True)
        for _ in run(finish(every_channel, (sum(first), sum(second))), parts):
            pass


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that wait for the next call: starting them costs more than a small batch."""
    return ThreadPoolExecutor(threads)


def _cut(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]

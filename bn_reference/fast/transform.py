"""The two functions: what comes in is checked, cut into groups of channels, and given to the kernels."""

import os
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
    return y, normalize(view(x), view(y), gamma, beta, eps, threads, kernels)


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
    dgamma, dbeta = differentiate(
        view(like(dout, x)), view(x), view(dx), gamma.astype(np.float64), statistics, threads, kernels
    )
    return dx, dgamma.astype(gamma.dtype), dbeta.astype(gamma.dtype)


def normalize(
    x: np.ndarray,
    y: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float,
    threads: int,
    kernels: ModuleType = best_kernels,
) -> Statistics:
    """`batchnorm_forward` on views, unchecked: `gamma` and `beta` are float64, `y` is written."""
    c, threads = x.shape[1], _worthwhile(threads, x)
    mean, residue, var = np.empty(c, x.dtype), np.empty(c), np.empty(c)
    if x.ndim == 2 and threads > 1:
        rough = kernels.rough_mean(x, 0, c)
        sums = _share(lambda rows: kernels.moments(x[rows], 0, c, rough), _row_blocks(x, threads), threads)
        mean, residue, var, scale, shift = kernels.statistics(*_added(sums), rough, gamma, beta, len(x), eps)
        _share(
            lambda rows: kernels.scale_shift(x[rows], y[rows], 0, c, mean, scale, shift),
            _row_blocks(x, threads),
            threads,
        )
    else:
        arguments = gamma, beta, eps, mean, residue, var
        _share(
            lambda group: kernels.forward(x, y, group.start, group.stop, *arguments),
            _channel_groups(x, threads, kernels),
            threads,
        )
    return Statistics(mean, residue, var, eps)


def differentiate(
    dout: np.ndarray,
    x: np.ndarray,
    dx: np.ndarray,
    gamma: np.ndarray,
    statistics: Statistics,
    threads: int,
    kernels: ModuleType = best_kernels,
) -> tuple[np.ndarray, np.ndarray]:
    """`batchnorm_backward` on views, unchecked: ``dgamma`` and ``dbeta`` in float64, `dx` is written."""
    c, threads = x.shape[1], _worthwhile(threads, x)
    mean, residue, var, eps = statistics.mean, statistics.residue, statistics.var, statistics.eps
    dgamma, dbeta = np.empty(c), np.empty(c)
    if x.ndim == 2 and threads > 1:
        sums = _share(
            lambda rows: kernels.products(x[rows], dout[rows], 0, c, mean), _row_blocks(x, threads), threads
        )
        dgamma, dbeta, *line = kernels.gradients(*_added(sums), mean, residue, var, gamma, len(x), eps)
        _share(
            lambda rows: kernels.combine(x[rows], dout[rows], dx[rows], 0, c, mean, *line),
            _row_blocks(x, threads),
            threads,
        )
    else:
        arguments = gamma, eps, mean, residue, var, dgamma, dbeta
        _share(
            lambda group: kernels.backward(dout, x, dx, group.start, group.stop, *arguments),
            _channel_groups(x, threads, kernels),
            threads,
        )
    return dgamma, dbeta


def _channel_groups(x, threads, kernels):
    """Ranges of channels: small enough for the second pass to find them in the cache, enough for all threads.

    With channels last, a row holds every channel, and they are one group.
    """
    c = x.shape[1]
    if x.ndim == 2:
        return [slice(0, c)]
    in_cache = max(1, kernels.CACHE_BYTES // (x.itemsize * x.shape[0] * x.shape[2]))
    return _cut(c, min(in_cache, -(-c // threads)))


def _row_blocks(x, threads):
    """Ranges of rows, several for each thread: one that starts late takes fewer."""
    return _cut(len(x), -(-len(x) // (4 * threads)))


def _cut(length, size):
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _added(sums):
    return (sum(parts) for parts in zip(*sums, strict=True))


def _worthwhile(threads, x):
    if threads < 1:
        raise ValueError(f"threads is {threads}, expected 1 or more")
    return min(threads, max(1, x.nbytes // WORTH_A_THREAD))


def _share(task: Callable, parts: list[slice], threads: int) -> list:
    """Do `task` to each part. This thread works too, and does not wait for one that never got to start."""
    if threads == 1:
        return [task(part) for part in parts]
    results, queue = [None] * len(parts), enumerate(parts)

    def work():
        for i, part in queue:
            results[i] = task(part)

    others = [_pool(threads - 1).submit(work) for _ in range(threads - 1)]
    work()
    for other in others:
        if not other.cancel():
            other.result()
    return results


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that wait for the next call: starting them costs more than a small batch."""
    return ThreadPoolExecutor(threads)


# The threads of a pool do not live on in a forked process.
os.register_at_fork(after_in_child=_pool.cache_clear)

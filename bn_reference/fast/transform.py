"""The functions: what comes in is checked, cut into parts, and given to the kernels."""

from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from bn_reference.fast import numpy_kernels
from bn_reference.fast.arrangement import float_batch, like, output, view
from bn_reference.fast.sharing import channel_groups, row_blocks, share, worthwhile
from bn_reference.layouts import channel_vector, positive_eps, same_shape

if find_spec("numba"):
    from bn_reference.fast import numba_kernels as best_kernels
else:
    best_kernels = numpy_kernels


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


def batchnorm_inference(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    eps: float = 1e-5,
    out: np.ndarray | None = None,
    threads: int = 1,
    kernels: ModuleType = best_kernels,
) -> np.ndarray:
    """Batch Normalization with fixed statistics, as at inference.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), float32 or float64
    gamma, beta, running_mean, running_var : ndarray, shape (C,), floating
    eps : float
        The same `eps` as in training.
    out : ndarray, shape and dtype of `x`, optional
        Where to write ``y``; `x` itself is allowed. By default a new array, arranged in memory like `x`.
    threads : int
        How many threads share the work; fewer are used on small batches.
    kernels : module
        `numba_kernels` where Numba is installed, else `numpy_kernels`.

    Returns
    -------
    y : ndarray, shape and dtype of `x`

    Raises
    ------
    TypeError
        If `x` is neither float32 nor float64, or another array is not floating.
    ValueError
        If shapes or dtypes do not fit together, `x` is empty, `eps` is negative, or `threads` is
        below 1.

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 2, line 11.

    Examples
    --------
    >>> x = np.array([[5.0], [7.0]])
    >>> one, zero = np.ones(1), np.zeros(1)
    >>> batchnorm_inference(x, one, zero, np.array([5.0]), np.array([4.0]), eps=0.0).tolist()
    [[0.0], [1.0]]
    """
    x = float_batch("x", x)
    vectors = {"gamma": gamma, "beta": beta, "running_mean": running_mean, "running_var": running_var}
    vectors = [channel_vector(name, vector, x).astype(np.float64) for name, vector in vectors.items()]
    y = output(out, x)
    apply(view(x), view(y), *vectors, positive_eps(eps), threads, kernels)
    return y


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
    c, threads = x.shape[1], worthwhile(threads, x)
    mean, residue, var = np.empty(c, x.dtype), np.empty(c), np.empty(c)
    if x.ndim == 2 and threads > 1:
        rough = kernels.rough_mean(x, 0, c)
        sums = share(lambda rows: kernels.moments(x[rows], 0, c, rough), row_blocks(x, threads), threads)
        mean, residue, var, scale, shift = kernels.statistics(*_added(sums), rough, gamma, beta, len(x), eps)
        share(
            lambda rows: kernels.scale_shift(x[rows], y[rows], 0, c, mean, scale, shift),
            row_blocks(x, threads),
            threads,
        )
    else:
        arguments = gamma, beta, eps, mean, residue, var
        share(
            lambda group: kernels.forward(x, y, group.start, group.stop, *arguments),
            channel_groups(x, threads, kernels),
            threads,
        )
    return Statistics(mean, residue, var, eps)


def apply(
    x: np.ndarray,
    y: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
    threads: int,
    kernels: ModuleType = best_kernels,
) -> None:
    """`batchnorm_inference` on views, unchecked: the vectors are float64, `y` is written."""
    c, threads = x.shape[1], worthwhile(threads, x)
    with np.errstate(all="ignore"):  # what is infinite or NaN stays so
        scale = gamma / np.sqrt(var + eps)
        hi = mean.astype(x.dtype)
        shift = beta - (mean - hi) * scale
        line = hi, scale.astype(x.dtype), shift.astype(x.dtype)
    share(lambda rows: kernels.scale_shift(x[rows], y[rows], 0, c, *line), row_blocks(x, threads), threads)


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
    c, threads = x.shape[1], worthwhile(threads, x)
    mean, residue, var, eps = statistics.mean, statistics.residue, statistics.var, statistics.eps
    dgamma, dbeta = np.empty(c), np.empty(c)
    if x.ndim == 2 and threads > 1:
        sums = share(
            lambda rows: kernels.products(x[rows], dout[rows], 0, c, mean), row_blocks(x, threads), threads
        )
        dgamma, dbeta, *line = kernels.gradients(*_added(sums), mean, residue, var, gamma, len(x), eps)
        share(
            lambda rows: kernels.combine(x[rows], dout[rows], dx[rows], 0, c, mean, *line),
            row_blocks(x, threads),
            threads,
        )
    else:
        arguments = gamma, eps, mean, residue, var, dgamma, dbeta
        share(
            lambda group: kernels.backward(dout, x, dx, group.start, group.stop, *arguments),
            channel_groups(x, threads, kernels),
            threads,
        )
    return dgamma, dbeta


def _added(sums):
    return (sum(parts) for parts in zip(*sums, strict=True))

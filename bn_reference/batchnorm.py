"""The Batch Normalization transform and its backward pass, in NumPy.

Read it beside Ioffe & Szegedy 2015 (arXiv 1502.03167): `batchnorm_forward` is
Algorithm 1, `update_running_statistics` and `batchnorm_inference` are lines 10 and 11 of
Algorithm 2, and the two backward functions are the chain rule of Section 3, once node by
node and once in closed form. The conventions are those of `bn_reference`.

All sums run in float64, or wider if the input is wider, and results come back in the dtype
of the input. Complex input is taken too: squares are squares, not squared magnitudes, so
that a complex step through these functions gives an exact derivative.
"""

from dataclasses import dataclass

import numpy as np

from bn_reference.layouts import (
    batch,
    channel_vector,
    inexact_array,
    per_channel,
    positive_eps,
    reduction_axes,
    same_shape,
)
from bn_reference.normalization import center, in_dtype


@dataclass(frozen=True)
class BatchNormCache:
    """What the forward pass leaves for the backward pass.

    Attributes
    ----------
    mean, var, std : ndarray, shape (C,), float64 or wider
        Batch mean, biased batch variance, and ``sqrt(var + eps)``.
    centered, x_hat : ndarray, shape (N, C, ...), float64 or wider
        ``x - mean``, and the same divided by ``std``.
    gamma : ndarray, shape (C,)
        The scale that the forward pass used.
    """

    mean: np.ndarray
    var: np.ndarray
    std: np.ndarray
    centered: np.ndarray
    x_hat: np.ndarray
    gamma: np.ndarray


@dataclass(frozen=True)
class StagedGradients:
    """The gradient of the loss at every node of the graph, last node first.

    Each is named for its node, with a ``d`` before it, and has that node's shape.

    Attributes
    ----------
    dbeta, dgamma, dstd, dvar, dmean : ndarray, shape (C,), float64 or wider
    dx_hat, dsquared, dx : ndarray, shape (N, C) or (N, C, ...), float64 or wider
    dcentered : ndarray, shape (N, C) or (N, C, ...), float64 or wider
        The sum over both paths that leave ``centered``.
    """

    dbeta: np.ndarray
    dgamma: np.ndarray
    dx_hat: np.ndarray
    dstd: np.ndarray
    dvar: np.ndarray
    dsquared: np.ndarray
    dcentered: np.ndarray
    dmean: np.ndarray
    dx: np.ndarray


def batch_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance of each channel.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), floating

    Returns
    -------
    mean, var : ndarray, shape (C,), float64 or wider

    Raises
    ------
    TypeError
        If `x` is not floating.
    ValueError
        If `x` has fewer than 2 axes or is empty.

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 1, lines 1 and 2. Two passes: the mean first, then the
    mean of the squared differences from it. The one-pass formula ``mean(x**2) - mean(x)**2``
    subtracts two nearly equal numbers when the mean is large.

    Examples
    --------
    >>> mean, var = batch_statistics(np.array([[1.0, 10.0], [3.0, 10.0]]))
    >>> mean.tolist(), var.tolist()
    ([2.0, 10.0], [1.0, 0.0])
    """
    x = batch("x", x)
    mean, centered = _center(x)
    return mean, np.mean(centered**2, axis=reduction_axes(x.ndim))


def batchnorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, BatchNormCache]:
    """Batch Normalization with the statistics of the batch, as in training.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), floating
        The batch.
    gamma, beta : ndarray, shape (C,), floating
        Scale and shift, learned.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
        ``gamma * x_hat + beta``.
    cache : BatchNormCache
        What the backward pass needs, in float64 or wider.

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes do not fit together, `x` is empty, or `eps` is negative.

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 1.

    Examples
    --------
    >>> x = np.array([[1.0, 10.0], [3.0, 10.0]])
    >>> y, cache = batchnorm_forward(x, gamma=np.ones(2), beta=np.array([0.0, 5.0]), eps=0.0001)
    >>> y.round(3).tolist()
    [[-1.0, 5.0], [1.0, 5.0]]
    """
    x = batch("x", x)
    gamma = channel_vector("gamma", gamma, x)
    beta = channel_vector("beta", beta, x)
    axes = reduction_axes(x.ndim)

    mean, centered = _center(x)
    var = np.mean(centered**2, axis=axes)
    std = _standard_deviation(var, eps)
    x_hat = centered / per_channel(std, x.ndim)
    y = per_channel(gamma, x.ndim) * x_hat + per_channel(beta, x.ndim)

    return in_dtype(y, x.dtype), BatchNormCache(mean, var, std, centered, x_hat, gamma)


def update_running_statistics(
    running_mean: np.ndarray,
    running_var: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    m: int,
    momentum: float = 0.1,
) -> tuple[np.ndarray, np.ndarray]:
    """Move the running statistics towards those of the latest batch.

    Parameters
    ----------
    running_mean, running_var : ndarray, shape (C,), floating
        The statistics so far. They are not changed.
    mean, var : ndarray, shape (C,), floating
        The batch's mean and *biased* variance, as `batch_statistics` gives them.
    m : int
        How many values of each channel the batch held: N times the spatial size.
    momentum : float
        The weight of the new value, between 0 and 1.

    Returns
    -------
    running_mean, running_var : ndarray, shape (C,), dtype of the arguments of that name

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes differ, ``m < 2`` (the unbiased variance needs two values), or `momentum`
        is outside [0, 1].

    Notes
    -----
    The unbiased variance is that of Ioffe & Szegedy 2015, Algorithm 2, line 10. The paper
    averages over batches after training; the moving average is mentioned in Section 3.1.

    Examples
    --------
    >>> mean, var = update_running_statistics(
    ...     np.array([0.0]), np.array([1.0]), np.array([2.0]), np.array([1.0]), m=2, momentum=0.5)
    >>> mean.tolist(), var.tolist()
    ([1.0], [1.5])
    """
    running_mean = inexact_array("running_mean", running_mean)
    running_var = same_shape("running_var", running_var, running_mean, "running_mean")
    mean = same_shape("mean", mean, running_mean, "running_mean")
    var = same_shape("var", var, running_mean, "running_mean")
    if m < 2:
        raise ValueError(
            f"m is {m}, expected at least 2 values a channel: the unbiased variance divides by m - 1"
        )
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is {momentum}, expected a weight between 0 and 1")

    unbiased_var = var * m / (m - 1)
    new_mean = (1 - momentum) * running_mean + momentum * mean
    new_var = (1 - momentum) * running_var + momentum * unbiased_var
    return in_dtype(new_mean, running_mean.dtype), in_dtype(new_var, running_var.dtype)


def batchnorm_inference(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    eps: float = 1e-5,
) -> np.ndarray:
    """Batch Normalization with fixed statistics, as at inference.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), floating
    gamma, beta, running_mean, running_var : ndarray, shape (C,), floating
    eps : float
        The same `eps` as in training.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
        Each example by itself: the rest of the batch does not matter.

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes do not fit together, `x` is empty, or `eps` is negative.

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
    x = batch("x", x)
    gamma = channel_vector("gamma", gamma, x)
    beta = channel_vector("beta", beta, x)
    running_mean = channel_vector("running_mean", running_mean, x)
    running_var = channel_vector("running_var", running_var, x)

    wide = np.result_type(running_var, np.float64)
    std = _standard_deviation(running_var.astype(wide), eps)
    x_hat = (x.astype(np.result_type(x, wide)) - per_channel(running_mean, x.ndim)) / per_channel(std, x.ndim)
    y = per_channel(gamma, x.ndim) * x_hat + per_channel(beta, x.ndim)
    return in_dtype(y, x.dtype)


def batchnorm_backward_staged(dout: np.ndarray, cache: BatchNormCache) -> StagedGradients:
    """The backward pass, one node of the graph at a time.

    Parameters
    ----------
    dout : ndarray, shape (N, C) or (N, C, ...), floating
        Gradient of the loss with respect to ``y``.
    cache : BatchNormCache
        From `batchnorm_forward`.

    Returns
    -------
    StagedGradients
        The gradient at each node, in float64 or wider.

    Raises
    ------
    TypeError
        If `dout` is not floating.
    ValueError
        If `dout` does not have the shape of the batch.

    Notes
    -----
    The forward graph, in order::

        mean = sum(x) / m              (depends on x)
        centered = x - mean            (depends on x and mean)
        squared = centered**2
        var = sum(squared) / m
        std = sqrt(var + eps)
        x_hat = centered / std         (depends on centered and std)
        y = gamma * x_hat + beta

    It is the chain rule of Ioffe & Szegedy 2015, Section 3, with the nodes ``squared``,
    ``std`` and ``centered`` written out; `dvar` and `dmean` are the paper's.

    Examples
    --------
    >>> y, cache = batchnorm_forward(np.array([[1.0], [2.0], [6.0]]), np.ones(1), np.zeros(1), eps=0.0)
    >>> stages = batchnorm_backward_staged(np.array([[1.0], [0.0], [0.0]]), cache)
    >>> stages.dbeta.tolist(), bool(abs(stages.dx.sum()) < 1e-15)
    ([1.0], True)
    """
    dout, axes, m, channel = _prepare_backward(dout, cache)
    x_hat, centered, std, gamma = cache.x_hat, cache.centered, cache.std, cache.gamma

    # y = gamma * x_hat + beta
    dbeta = np.sum(dout, axis=axes)
    dgamma = np.sum(dout * x_hat, axis=axes)
    dx_hat = dout * channel(gamma)
    # x_hat = centered / std
    dstd = -np.sum(dx_hat * centered, axis=axes) / std**2
    dcentered = dx_hat / channel(std)
    # std = sqrt(var + eps)
    dvar = dstd / (2 * std)
    # var = sum(squared) / m
    dsquared = np.broadcast_to(channel(dvar) / m, centered.shape)
    # squared = centered**2
    dcentered = dcentered + 2 * centered * dsquared
    # centered = x - mean
    dmean = -np.sum(dcentered, axis=axes)
    dx = dcentered
    # mean = sum(x) / m
    dx = dx + channel(dmean) / m

    return StagedGradients(dbeta, dgamma, dx_hat, dstd, dvar, dsquared, dcentered, dmean, dx)


def batchnorm_backward(dout: np.ndarray, cache: BatchNormCache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The backward pass in closed form.

    Parameters
    ----------
    dout : ndarray, shape (N, C) or (N, C, ...), floating
        Gradient of the loss with respect to ``y``.
    cache : BatchNormCache
        From `batchnorm_forward`.

    Returns
    -------
    dx : ndarray, shape and dtype of `dout`
    dgamma, dbeta : ndarray, shape (C,), dtype of ``gamma``

    Raises
    ------
    TypeError
        If `dout` is not floating.
    ValueError
        If `dout` does not have the shape of the batch.

    Notes
    -----
    The chain rule of Ioffe & Szegedy 2015, Section 3, simplified::

        dx = gamma / std * (dout - mean(dout) - x_hat * mean(dout * x_hat))

    that is, `dout` without its parts along the vectors ``1`` and ``x_hat``, rescaled. (Along
    ``x_hat`` exactly only when eps is 0: the squared length of ``x_hat`` is
    ``m * var / (var + eps)``, not ``m``.)

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> y, cache = batchnorm_forward(x, np.ones(1), np.zeros(1), eps=0.0)
    >>> dx, dgamma, dbeta = batchnorm_backward(np.array([[1.0], [0.0], [0.0]]), cache)
    >>> bool(abs(dx.sum()) < 1e-15), dbeta.tolist()
    (True, [1.0])
    """
    given = inexact_array("dout", dout).dtype
    dout, axes, m, channel = _prepare_backward(dout, cache)
    x_hat, std, gamma = cache.x_hat, cache.std, cache.gamma

    dbeta = np.sum(dout, axis=axes)
    dgamma = np.sum(dout * x_hat, axis=axes)
    dx = channel(gamma / std) * (dout - channel(dbeta / m) - x_hat * channel(dgamma / m))

    return in_dtype(dx, given), in_dtype(dgamma, gamma.dtype), in_dtype(dbeta, gamma.dtype)


def _center(x):
    """Mean of each channel, and x minus it, both in float64 or wider."""
    mean, centered = center(x, reduction_axes(x.ndim))
    return mean.reshape(-1), centered


def _standard_deviation(var, eps):
    std = np.sqrt(var + positive_eps(eps))
    if np.any(std == 0):
        raise ValueError(
            f"eps is 0 and channel {np.argmin(np.abs(std))} has variance 0, so that x_hat would be 0/0; "
            f"expected eps above zero (1e-5 is usual) or channels that vary"
        )
    return std


def _prepare_backward(dout, cache):
    """`dout` in the working dtype, the reduced axes, m, and a broadcaster for (C,) vectors."""
    dout = same_shape("dout", dout, cache.x_hat, "the batch that went forward")
    dout = dout.astype(np.result_type(dout, cache.x_hat), copy=False)
    m = dout.size // dout.shape[1]
    return dout, reduction_axes(dout.ndim), m, lambda vector: per_channel(vector, dout.ndim)

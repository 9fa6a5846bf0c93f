"""Batch Renormalization: train on the outputs that inference will give.

In training Batch Normalization uses the batch's statistics, at inference the running ones. Ioffe
2017 (arXiv 1702.03275) corrects the former towards the latter by a scale ``r`` and a shift ``d``
for each channel, which the backward pass takes for constants. Where neither reaches its bound,
``x_hat`` is that of inference, while the gradient still runs through the batch's statistics.

Like the paper, and unlike `bn_reference.batchnorm`, this module runs the standard deviation
``sqrt(var + eps)`` along, with the biased variance, and not the variance.
"""

from dataclasses import dataclass

import numpy as np

from bn_reference.layouts import (
    batch,
    channel_vector,
    inexact_array,
    per_channel,
    reduction_axes,
    same_shape,
)
from bn_reference.normalization import (
    AffineCache,
    center,
    in_dtype,
    normalize_backward,
    rescale,
    scale_and_shift,
    scale_and_shift_backward,
)


@dataclass(frozen=True)
class RenormCache(AffineCache):
    """What the forward pass leaves: an `AffineCache`, the statistics and the correction.

    Attributes
    ----------
    mean, std : ndarray, shape (C,), float64 or wider
        Of the batch; ``std`` is ``sqrt(var + eps)``.
    r, d : ndarray, shape (C,), float64 or wider
        The correction, ``x_hat = (x - mean) / std * r + d``.
    """

    mean: np.ndarray
    std: np.ndarray
    r: np.ndarray
    d: np.ndarray


def batchrenorm_forward(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    running_mean: np.ndarray,
    running_std: np.ndarray,
    r_max: float,
    d_max: float,
    eps: float = 1e-5,
) -> tuple[np.ndarray, RenormCache]:
    """Batch Renormalization, as in training.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), floating
    gamma, beta : ndarray, shape (C,), floating
        Scale and shift, learned.
    running_mean, running_std : ndarray, shape (C,), floating
        The statistics so far. They are not changed.
    r_max, d_max : float
        Bounds of the correction: ``1 / r_max <= r <= r_max`` and ``-d_max <= d <= d_max``.
        With 1 and 0 it is Batch Normalization, where training starts.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
    cache : RenormCache

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes do not fit together, `x` is empty, `running_std` is not above zero,
        ``r_max < 1``, ``d_max < 0``, `eps` is negative, or `eps` is 0 and a channel does
        not vary.

    Notes
    -----
    Ioffe 2017, Algorithm 1.

    Examples
    --------
    >>> x, one = np.array([[1.0], [3.0]]), np.ones(1)
    >>> y, cache = batchrenorm_forward(
    ...     x, one, 0 * one, running_mean=one, running_std=2 * one, r_max=3, d_max=5, eps=0.0)
    >>> y.tolist(), cache.r.tolist(), cache.d.tolist()
    ([[0.0], [1.0]], [0.5], [0.5])
    """
    x = batch("x", x)
    gamma = per_channel(channel_vector("gamma", gamma, x), x.ndim)
    beta = per_channel(channel_vector("beta", beta, x), x.ndim)
    running_mean, running_std = _running(running_mean, running_std, x)
    check_bounds(r_max, d_max)

    axes = reduction_axes(x.ndim)
    mean, centered = center(x, axes)
    rescaled = rescale(centered, axes, eps)
    mean, std = mean.reshape(-1), rescaled.rms.reshape(-1)
    r = np.clip(std / running_std, 1 / r_max, r_max)
    d = np.clip((mean - running_mean) / running_std, -d_max, d_max)
    x_hat = rescaled.x_hat * per_channel(r, x.ndim) + per_channel(d, x.ndim)
    y = in_dtype(scale_and_shift(x_hat, gamma, beta), x.dtype)
    return y, RenormCache(rescaled, x_hat, gamma, mean, std, r, d)


def batchrenorm_backward(dout: np.ndarray, cache: RenormCache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The backward pass in closed form; ``r`` and ``d`` are constants.

    Parameters
    ----------
    dout : ndarray, shape (N, C) or (N, C, ...), floating
        Gradient of the loss with respect to ``y``.
    cache : RenormCache
        From `batchrenorm_forward`.

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
    Ioffe 2017: the gradients of Batch Normalization, with ``r`` as a factor.

    Examples
    --------
    >>> one = np.ones(1)
    >>> _, cache = batchrenorm_forward(np.array([[1.0], [2.0], [6.0]]), one, one, one, one, 3, 5)
    >>> dx, dgamma, dbeta = batchrenorm_backward(np.array([[1.0], [0.0], [0.0]]), cache)
    >>> bool(abs(dx.sum()) < 1e-15), dbeta.tolist()
    (True, [1.0])
    """
    given = inexact_array("dout", dout).dtype
    dx_hat, dgamma, dbeta = scale_and_shift_backward(dout, cache.x_hat, cache.gamma)
    dx = normalize_backward(dx_hat * per_channel(cache.r, dx_hat.ndim), cache.rescaled)
    dgamma, dbeta = (in_dtype(v.reshape(-1), cache.gamma.dtype) for v in (dgamma, dbeta))
    return in_dtype(dx, given), dgamma, dbeta


def update_running_mean_and_std(
    running_mean: np.ndarray,
    running_std: np.ndarray,
    mean: np.ndarray,
    std: np.ndarray,
    momentum: float = 0.01,
) -> tuple[np.ndarray, np.ndarray]:
    """Move the running statistics towards those of the latest batch.

    Parameters
    ----------
    running_mean, running_std : ndarray, shape (C,), floating
        The statistics so far. They are not changed.
    mean, std : ndarray, shape (C,), floating
        Of the batch, from the cache of `batchrenorm_forward`.
    momentum : float
        The weight of the new value, between 0 and 1.

    Returns
    -------
    running_mean, running_std : ndarray, shape (C,), dtype of the arguments of that name

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes differ, or `momentum` is outside [0, 1].

    Notes
    -----
    Ioffe 2017, the moving averages of Algorithm 1; they hold the standard deviation, not the
    variance.

    Examples
    --------
    >>> one = np.ones(1)
    >>> mean, std = update_running_mean_and_std(one, one, 3 * one, 2 * one, momentum=0.5)
    >>> mean.tolist(), std.tolist()
    ([2.0], [1.5])
    """
    running_mean = inexact_array("running_mean", running_mean)
    running_std = same_shape("running_std", running_std, running_mean, "running_mean")
    mean = same_shape("mean", mean, running_mean, "running_mean")
    std = same_shape("std", std, running_mean, "running_mean")
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is {momentum}, expected a weight between 0 and 1")

    new_mean = running_mean + momentum * (mean - running_mean)
    new_std = running_std + momentum * (std - running_std)
    return in_dtype(new_mean, running_mean.dtype), in_dtype(new_std, running_std.dtype)


def batchrenorm_inference(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, running_mean: np.ndarray, running_std: np.ndarray
) -> np.ndarray:
    """``gamma * (x - running_mean) / running_std + beta``.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), floating
    gamma, beta, running_mean, running_std : ndarray, shape (C,), floating

    Returns
    -------
    y : ndarray, shape and dtype of `x`

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes do not fit together, `x` is empty, or `running_std` is not above zero.

    Notes
    -----
    Ioffe 2017, for inference. There is no `eps`: the running deviation holds it.

    Examples
    --------
    >>> one = np.ones(1)
    >>> batchrenorm_inference(np.array([[5.0]]), one, one, 3 * one, 2 * one).tolist()
    [[2.0]]
    """
    x = batch("x", x)
    gamma = per_channel(channel_vector("gamma", gamma, x), x.ndim)
    beta = per_channel(channel_vector("beta", beta, x), x.ndim)
    mean, std = (per_channel(v, x.ndim) for v in _running(running_mean, running_std, x))
    return in_dtype(scale_and_shift((x - mean) / std, gamma, beta), x.dtype)


def check_bounds(r_max: float, d_max: float) -> None:
    """Fail unless the bounds leave room for ``r = 1`` and ``d = 0``.

    Parameters
    ----------
    r_max, d_max : float

    Raises
    ------
    ValueError
        If ``r_max < 1`` or ``d_max < 0``.

    Examples
    --------
    >>> check_bounds(3, 5)
    >>> check_bounds(0.5, 5)
    Traceback (most recent call last):
        ...
    ValueError: r_max is 0.5, expected a number of at least 1
    """
    if not r_max >= 1:
        raise ValueError(f"r_max is {r_max}, expected a number of at least 1")
    if not d_max >= 0:
        raise ValueError(f"d_max is {d_max}, expected a number of at least 0")


def _running(running_mean, running_std, x):
    mean = channel_vector("running_mean", running_mean, x)
    std = channel_vector("running_std", running_std, x)
    if not np.all(std > 0):
        raise ValueError(
            f"running_std is {std.min()} in channel {np.argmin(std)}, expected a number above zero"
        )
    return tuple(v.astype(np.result_type(v, np.float64), copy=False) for v in (mean, std))

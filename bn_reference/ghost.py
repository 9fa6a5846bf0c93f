"""Ghost Batch Normalization: a large batch in parts, each with its own statistics.

The noise that a small batch puts into its statistics regularises; a large batch loses it. So the
batch is cut along its first axis into *ghost batches* of a fixed size. Hoffer, Hubara & Soudry
2017 (arXiv 1705.08741). Inference is that of Batch Normalization.
"""

from dataclasses import dataclass

import numpy as np

from bn_reference.batchnorm import update_running_statistics
from bn_reference.layouts import batch, channel_vector, inexact_array, per_channel
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
class GhostCache(AffineCache):
    """What the forward pass leaves: an `AffineCache`, and the statistics of each ghost batch.

    Attributes
    ----------
    mean, var : ndarray, shape (ghosts, C), float64 or wider
        Mean and biased variance.
    m : int
        How many values of each channel a ghost batch holds.
    """

    mean: np.ndarray
    var: np.ndarray
    m: int


def ghost_batchnorm_forward(
    x: np.ndarray, ghost_size: int, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, GhostCache]:
    """Normalise each ghost batch with its own statistics, as in training.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), floating
    ghost_size : int
        How many neighbouring examples make a ghost batch; it divides N.
    gamma, beta : ndarray, shape (C,), floating
        Scale and shift, those of all ghost batches.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
    cache : GhostCache

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes do not fit together, `x` is empty, `ghost_size` does not divide N, `eps` is
        negative, or `eps` is 0 and a channel of a ghost batch does not vary.

    Notes
    -----
    Hoffer, Hubara & Soudry 2017, Algorithm 1.

    Examples
    --------
    >>> x = np.array([[1.0], [3.0], [10.0], [50.0]])
    >>> y, cache = ghost_batchnorm_forward(x, 2, gamma=np.ones(1), beta=np.zeros(1), eps=0.0)
    >>> y.tolist(), cache.mean.tolist()
    ([[-1.0], [1.0], [-1.0], [1.0]], [[2.0], [30.0]])
    """
    x = batch("x", x)
    gamma = per_channel(channel_vector("gamma", gamma, x), x.ndim)
    beta = per_channel(channel_vector("beta", beta, x), x.ndim)
    if ghost_size < 1 or x.shape[0] % ghost_size:
        raise ValueError(
            f"ghost_size is {ghost_size}, expected a divisor of the {x.shape[0]} examples of x "
            f"with shape {x.shape}; leave incomplete batches out"
        )

    ghosts = x.reshape(-1, ghost_size, *x.shape[1:])
    axes = (1, *range(3, ghosts.ndim))
    mean, centered = center(ghosts, axes)
    rescaled = rescale(centered, axes, eps)
    x_hat = rescaled.x_hat.reshape(x.shape)
    y = in_dtype(scale_and_shift(x_hat, gamma, beta), x.dtype)

    var = np.mean(centered**2, axis=axes)
    m = x[:ghost_size, 0].size
    return y, GhostCache(rescaled, x_hat, gamma, mean.reshape(var.shape), var, m)


def update_running_statistics_of_ghosts(
    running_mean: np.ndarray, running_var: np.ndarray, cache: GhostCache, momentum: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Move the running statistics as if the ghost batches had come one after another.

    Parameters
    ----------
    running_mean, running_var : ndarray, shape (C,), floating
        The statistics so far. They are not changed.
    cache : GhostCache
        From `ghost_batchnorm_forward`.
    momentum : float
        The weight of each new value, between 0 and 1.

    Returns
    -------
    running_mean, running_var : ndarray, shape (C,), dtype of the arguments of that name

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes differ, a ghost batch has a single value a channel, or `momentum` is outside
        [0, 1].

    Notes
    -----
    The rule: of K ghost batches, the i-th (from 1) enters with weight
    ``momentum * (1 - momentum)**(K - i)``, and what was there before keeps
    ``(1 - momentum)**K``. Hoffer, Hubara & Soudry 2017 let the weights decay from
    ghost batch to ghost batch too. The variance is the unbiased one, as everywhere in
    the course.

    Examples
    --------
    >>> x = np.array([[1.0], [3.0], [10.0], [50.0]])
    >>> _, cache = ghost_batchnorm_forward(x, 2, np.ones(1), np.zeros(1))
    >>> mean, var = update_running_statistics_of_ghosts(np.zeros(1), np.ones(1), cache, momentum=0.5)
    >>> mean.tolist()
    [15.5]
    """
    for mean, var in zip(cache.mean, cache.var, strict=True):
        running_mean, running_var = update_running_statistics(
            running_mean, running_var, mean, var, cache.m, momentum
        )
    return running_mean, running_var


def ghost_batchnorm_backward(
    dout: np.ndarray, cache: GhostCache
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The backward pass: that of Batch Normalization in each ghost batch.

    Parameters
    ----------
    dout : ndarray, shape (N, C) or (N, C, ...), floating
        Gradient of the loss with respect to ``y``.
    cache : GhostCache
        From `ghost_batchnorm_forward`.

    Returns
    -------
    dx : ndarray, shape and dtype of `dout`
    dgamma, dbeta : ndarray, shape (C,), dtype of ``gamma``
        Sums over the ghost batches, which share the two.

    Raises
    ------
    TypeError
        If `dout` is not floating.
    ValueError
        If `dout` does not have the shape of ``x``.

    Notes
    -----
    `bn_reference.normalization.normalize_backward`, over each ghost batch.

    Examples
    --------
    >>> _, cache = ghost_batchnorm_forward(np.array([[1.0], [3.0], [1.0], [5.0]]), 2, np.ones(1), np.zeros(1))
    >>> dx, dgamma, dbeta = ghost_batchnorm_backward(np.array([[1.0], [0.0], [0.0], [0.0]]), cache)
    >>> dx[2:].tolist(), dbeta.tolist()
    ([[0.0], [0.0]], [1.0])
    """
    given = inexact_array("dout", dout).dtype
    dx_hat, dgamma, dbeta = scale_and_shift_backward(dout, cache.x_hat, cache.gamma)
    dx = normalize_backward(dx_hat.reshape(cache.rescaled.x_hat.shape), cache.rescaled)
    dgamma, dbeta = (in_dtype(d.reshape(-1), cache.gamma.dtype) for d in (dgamma, dbeta))
    return in_dtype(dx.reshape(dout.shape), given), dgamma, dbeta

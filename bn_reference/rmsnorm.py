"""RMSNorm: Layer Normalization that does not centre.

Zhang & Sennrich 2019 (arXiv 1910.07467): what helps, they argue, is that the scale of an
example does not matter, so that its mean may stay and its sum need not be taken.
"""

import numpy as np

from bn_reference.layouts import filled_array, inexact_array, trailing_block
from bn_reference.normalization import (
    AffineCache,
    in_dtype,
    rescale,
    rescale_backward,
    scale_and_shift_backward,
)


def rmsnorm_forward(x: np.ndarray, gamma: np.ndarray, eps: float = 1e-5) -> tuple[np.ndarray, AffineCache]:
    """Divide by the root mean square over the last axes, those that `gamma` has.

    Parameters
    ----------
    x : ndarray, shape (..., D) or (..., D1, D2) and so on, floating
    gamma : ndarray, shape (D,) or (D1, D2) and so on, floating
        Scale, one value for each position; there is no shift.
    eps : float
        Added to the mean square, inside the root.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
    cache : AffineCache

    Raises
    ------
    TypeError
        If an array is not floating.
    ValueError
        If shapes do not fit together, `x` is empty, `eps` is negative, or `eps` is 0 and an
        example is 0.

    Notes
    -----
    Zhang & Sennrich 2019, Section 4. `eps` is inside the root, as in their code for TensorFlow;
    in their code for torch it is added to the root.

    Examples
    --------
    >>> y, cache = rmsnorm_forward(np.array([[1.0, -7.0], [5.0, 5.0]]), np.array([1.0, 2.0]), eps=0.0)
    >>> y.tolist()
    [[0.2, -2.8], [1.0, 2.0]]
    """
    x = filled_array("x", x)
    gamma = trailing_block("gamma", gamma, x)
    axes = tuple(range(x.ndim - gamma.ndim, x.ndim))

    rescaled = rescale(x, axes, eps)
    gamma = gamma.reshape((1,) * (x.ndim - gamma.ndim) + gamma.shape)
    return in_dtype(gamma * rescaled.x_hat, x.dtype), AffineCache(rescaled, rescaled.x_hat, gamma)


def rmsnorm_backward(dout: np.ndarray, cache: AffineCache) -> tuple[np.ndarray, np.ndarray]:
    """The backward pass in closed form.

    Parameters
    ----------
    dout : ndarray, shape of ``x``, floating
        Gradient of the loss with respect to ``y``.
    cache : AffineCache
        From `rmsnorm_forward`.

    Returns
    -------
    dx : ndarray, shape and dtype of `dout`
    dgamma : ndarray, shape and dtype of ``gamma``

    Raises
    ------
    TypeError
        If `dout` is not floating.
    ValueError
        If `dout` does not have the shape of ``x``.

    Notes
    -----
    `bn_reference.normalization.rescale_backward`, over the last axes.

    Examples
    --------
    >>> _, cache = rmsnorm_forward(np.array([[1.0, -7.0]]), np.ones(2), eps=0.0)
    >>> dx, dgamma = rmsnorm_backward(np.array([[1.0, 0.0]]), cache)
    >>> dx.round(6).tolist(), dgamma.round(6).tolist()
    ([[0.196, 0.028]], [0.2, 0.0])
    """
    given = inexact_array("dout", dout).dtype
    dx_hat, dgamma, _ = scale_and_shift_backward(dout, cache.x_hat, cache.gamma)
    dx = rescale_backward(dx_hat, cache.rescaled)
    shape = tuple(cache.x_hat.shape[axis] for axis in cache.rescaled.axes)
    return in_dtype(dx, given), in_dtype(dgamma.reshape(shape), cache.gamma.dtype)

"""Layer Normalization: each example over its last axes.

No example sees another, so that training and inference are the same computation. Ba, Kiros &
Hinton 2016 (arXiv 1607.06450).
"""

import numpy as np

from bn_reference.layouts import filled_array, inexact_array, same_shape, trailing_block
from bn_reference.normalization import (
    AffineCache,
    in_dtype,
    normalize,
    normalize_backward,
    scale_and_shift,
    scale_and_shift_backward,
)


def layernorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, AffineCache]:
    """Normalise over the last axes, those that `gamma` has.

    Parameters
    ----------
    x : ndarray, shape (..., D) or (..., D1, D2) and so on, floating
    gamma, beta : ndarray, shape (D,) or (D1, D2) and so on, floating
        Scale and shift, one value for each position that is normalised over.
    eps : float
        Added to the variance, inside the root.

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
        example does not vary.

    Notes
    -----
    Ba, Kiros & Hinton 2016, Equation 3, with the gain and bias of Equation 4.

    Examples
    --------
    >>> x = np.array([[1.0, 3.0], [2.0, 8.0]])
    >>> y, cache = layernorm_forward(x, gamma=np.array([1.0, 2.0]), beta=np.zeros(2), eps=0.0)
    >>> y.tolist()
    [[-1.0, 2.0], [-1.0, 2.0]]
    """
    x = filled_array("x", x)
    gamma = trailing_block("gamma", gamma, x)
    beta = same_shape("beta", beta, gamma, "gamma")
    axes = tuple(range(x.ndim - gamma.ndim, x.ndim))
    before = (1,) * (x.ndim - gamma.ndim)

    rescaled = normalize(x, axes, eps)
    gamma, beta = gamma.reshape(before + gamma.shape), beta.reshape(before + beta.shape)
    y = scale_and_shift(rescaled.x_hat, gamma, beta)
    return in_dtype(y, x.dtype), AffineCache(rescaled, rescaled.x_hat, gamma)


def layernorm_backward(dout: np.ndarray, cache: AffineCache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The backward pass in closed form.

    Parameters
    ----------
    dout : ndarray, shape of ``x``, floating
        Gradient of the loss with respect to ``y``.
    cache : AffineCache
        From `layernorm_forward`.

    Returns
    -------
    dx : ndarray, shape and dtype of `dout`
    dgamma, dbeta : ndarray, shape and dtype of ``gamma``

    Raises
    ------
    TypeError
        If `dout` is not floating.
    ValueError
        If `dout` does not have the shape of ``x``.

    Notes
    -----
    `bn_reference.normalization.normalize_backward`, over the last axes.

    Examples
    --------
    >>> _, cache = layernorm_forward(np.array([[1.0, 2.0, 6.0]]), np.ones(3), np.zeros(3))
    >>> dx, dgamma, dbeta = layernorm_backward(np.array([[1.0, 0.0, 0.0]]), cache)
    >>> bool(abs(dx.sum()) < 1e-15), dbeta.tolist()
    (True, [1.0, 0.0, 0.0])
    """
    given = inexact_array("dout", dout).dtype
    dx_hat, dgamma, dbeta = scale_and_shift_backward(dout, cache.x_hat, cache.gamma)
    dx = normalize_backward(dx_hat, cache.rescaled)
    shape = tuple(cache.x_hat.shape[axis] for axis in cache.rescaled.axes)
    dgamma, dbeta = (in_dtype(d.reshape(shape), cache.gamma.dtype) for d in (dgamma, dbeta))
    return in_dtype(dx, given), dgamma, dbeta

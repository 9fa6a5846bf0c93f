"""Whitening: from standardised features to decorrelated ones.

Data are rows: ``x`` has shape ``(N, d)``, N samples of d features. A whitening matrix ``W``
satisfies ``W @ covariance(x) @ W.T = I``, so that ``z = (x - mean) @ W.T`` has mean zero and
covariance ``I``. Any rotation of ``z`` is white too, which is why there are many whitenings;
the three here are those that people use.

The rule for data that do not fill the space: ``eps`` is added to every eigenvalue of the
covariance (``covariance + eps * I``), and every sum must stand above the rounding noise. With
``eps = 0`` the covariance must have full rank. It cannot when ``N <= d``, and then, as with
features that are constant or depend on each other, the functions raise and say so; an eps well
above the noise (1e-5 for data of unit scale) lets every data set be whitened.
"""

from dataclasses import dataclass

import numpy as np

from bn_reference.layouts import inexact_array, positive_eps


@dataclass(frozen=True)
class Whitening:
    """A fitted whitening: call it on data.

    Attributes
    ----------
    mean : ndarray, shape (d,)
    matrix : ndarray, shape (d, d)
        ``W``: row i says how whitened feature i is made of the centred features.
    """

    mean: np.ndarray
    matrix: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """``(x - mean) @ W.T`` for `x` of shape (N, d)."""
        return (_samples(x, features=self.mean.size) - self.mean) @ self.matrix.T


def standardize(x: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """Give each feature mean zero and variance one; correlations stay.

    Parameters
    ----------
    x : ndarray, shape (N, d), floating
    eps : float
        Added to each variance, inside the root.

    Returns
    -------
    ndarray, shape (N, d), dtype of `x`

    Raises
    ------
    TypeError
        If `x` is not real floating.
    ValueError
        If `x` is not 2-D, is empty or not finite, `eps` is negative, or a feature is
        constant and `eps` is 0.

    Notes
    -----
    LeCun et al. 1998, *Efficient BackProp*, Section 4.3.

    Examples
    --------
    >>> standardize(np.array([[1.0, 0.0], [3.0, 8.0]])).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """
    x = _samples(x)
    eps = positive_eps(eps)
    mean = _mean(x)
    centered = x - mean
    var = np.mean(centered**2, axis=0)
    constant = var <= (_rounding(x) * np.max(np.abs(x), axis=0)) ** 2
    if eps == 0 and np.any(constant):
        raise ValueError(
            f"feature {np.argmax(constant)} is constant, so that its variance is 0, and eps is 0; "
            f"expected eps above zero, or features that vary"
        )
    return (centered / np.sqrt(var + eps)).astype(x.dtype, copy=False)


def covariance(x: np.ndarray) -> np.ndarray:
    """Covariance of the features, divided by N as everywhere in Batch Normalization.

    Parameters
    ----------
    x : ndarray, shape (N, d), floating

    Returns
    -------
    ndarray, shape (d, d), float64 or wider

    Raises
    ------
    TypeError
        If `x` is not real floating.
    ValueError
        If `x` is not 2-D, is empty or not finite.

    Notes
    -----
    ``E[x x^T] - E[x] E[x]^T`` of Ioffe & Szegedy 2015, Section 2, computed from centred data
    so that large means do not cancel.

    Examples
    --------
    >>> covariance(np.array([[1.0, 2.0], [3.0, 6.0]])).tolist()
    [[1.0, 2.0], [2.0, 4.0]]
    """
    x = _samples(x)
    centered = x - _mean(x)
    return centered.T @ centered / x.shape[0]


def pca_whitening(x: np.ndarray, eps: float = 0.0) -> Whitening:
    """Rotate to the principal axes, then rescale each: ``W = diag(lam + eps)**-0.5 @ U.T``.

    Parameters
    ----------
    x : ndarray, shape (N, d), floating
    eps : float
        Added to each eigenvalue.

    Returns
    -------
    Whitening
        Feature 0 is the axis of largest variance. The sign of each axis, which the
        mathematics leaves open, makes its largest component positive.

    Raises
    ------
    TypeError
        If `x` is not real floating.
    ValueError
        If `x` is not 2-D, is empty or not finite, `eps` is negative, or the
        covariance lacks full rank and `eps` is 0 or below the rounding noise.

    Notes
    -----
    Kessy, Lewin & Strimmer 2018.

    Examples
    --------
    >>> x = np.array([[3.0, 1.0], [-3.0, 1.0], [3.0, -1.0], [-3.0, -1.0]])
    >>> pca_whitening(x).matrix.round(3).tolist()
    [[0.333, 0.0], [0.0, 1.0]]
    """
    mean, lam, u = _eigen(x, eps)
    return Whitening(mean, u.T / np.sqrt(lam)[:, None])


def zca_whitening(x: np.ndarray, eps: float = 0.0) -> Whitening:
    """Whiten and rotate back: ``W = U @ diag(lam + eps)**-0.5 @ U.T``, the symmetric choice.

    Of all whitenings it moves the centred data least, so that a whitened image still looks
    like the image.

    Parameters
    ----------
    x : ndarray, shape (N, d), floating
    eps : float
        Added to each eigenvalue.

    Returns
    -------
    Whitening
        Its matrix is the inverse square root of ``covariance + eps * I``: symmetric.

    Raises
    ------
    TypeError
        If `x` is not real floating.
    ValueError
        If `x` is not 2-D, is empty or not finite, `eps` is negative, or the
        covariance lacks full rank and `eps` is 0 or below the rounding noise.

    Notes
    -----
    Bell & Sejnowski 1997; the ``Cov[x]**-0.5`` of Ioffe & Szegedy 2015, Section 2.

    Examples
    --------
    >>> x = np.array([[3.0, 1.0], [-3.0, 1.0], [3.0, -1.0], [-3.0, -1.0]])
    >>> zca_whitening(x).matrix.round(3).tolist()
    [[0.333, 0.0], [0.0, 1.0]]
    """
    mean, lam, u = _eigen(x, eps)
    return Whitening(mean, u / np.sqrt(lam) @ u.T)


def cholesky_whitening(x: np.ndarray, eps: float = 0.0) -> Whitening:
    """Whiten one feature after another: ``W = inv(L)`` with ``L @ L.T = covariance + eps * I``.

    ``W`` is lower triangular, so that whitened feature i depends on features 0 to i alone: the
    first is only rescaled, the second has the first taken out, and so on.

    Parameters
    ----------
    x : ndarray, shape (N, d), floating
    eps : float
        Added to the diagonal of the covariance.

    Returns
    -------
    Whitening

    Raises
    ------
    TypeError
        If `x` is not real floating.
    ValueError
        If `x` is not 2-D, is empty or not finite, `eps` is negative, or the
        covariance lacks full rank and `eps` is 0 or below the rounding noise.

    Notes
    -----
    Kessy, Lewin & Strimmer 2018 factor the inverse covariance instead, which
    runs through the features from last to first.

    Examples
    --------
    >>> x = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, 3.0], [-1.0, -3.0]])
    >>> cholesky_whitening(x).matrix.tolist()
    [[1.0, 0.0], [-2.0, 1.0]]
    """
    mean, _, _ = _eigen(x, eps)
    sigma = covariance(x) + eps * np.eye(mean.size)
    lower = np.linalg.cholesky(sigma)
    return Whitening(mean, np.tril(np.linalg.solve(lower, np.eye(mean.size))))


def _eigen(x, eps):
    """Mean, eigenvalues of ``covariance + eps * I`` from large to small, eigenvectors as columns."""
    x = _samples(x)
    eps = positive_eps(eps)
    lam, u = np.linalg.eigh(covariance(x))
    lam, u = lam[::-1], u[:, ::-1]
    u = u * np.sign(u[np.argmax(np.abs(u), axis=0), np.arange(lam.size)])

    n, d = x.shape
    # Below this, an eigenvalue is rounding noise of the largest one, of the mean's subtraction,
    # or of the data: the sum of two float32 features is their sum to float32 precision.
    rounding = _rounding(x) + np.finfo(x.dtype).eps
    noise = max(n, d) * np.finfo(lam.dtype).eps * lam[0] + (rounding * np.max(np.abs(x))) ** 2
    if lam[-1] + eps <= noise:
        raise ValueError(
            f"the covariance of x with shape {x.shape} has rank {np.sum(lam > noise)}, expected {d} with "
            f"eps={eps:g} (N samples give at most rank N - 1); pass an eps well above {noise:.0e}, the level "
            f"of rounding noise, or more samples, or fewer features"
        )
    return _mean(x), lam + eps, u


def _samples(x, features=None):
    x = inexact_array("x", x)
    if np.iscomplexobj(x):
        raise TypeError(f"x has dtype {x.dtype}, expected real numbers")
    if x.ndim != 2 or x.size == 0 or features not in (None, x.shape[1]):
        raise ValueError(f"x has shape {x.shape}, expected (N, {features or 'd'}): one row for each sample")
    if not np.all(np.isfinite(x)):
        raise ValueError("x holds NaN or infinite values, expected finite numbers")
    return x


def _mean(x):
    return np.mean(x, axis=0, dtype=np.result_type(x, np.float64))


def _rounding(x):
    """How far, relative to the largest value, a mean of N values may be off."""
    return 4 * np.finfo(np.result_type(x, np.float64)).eps * np.sqrt(x.shape[0])

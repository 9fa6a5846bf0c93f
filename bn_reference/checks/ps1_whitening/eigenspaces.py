"""What the mathematics leaves open in a whitening, and how the checks let it be.

An axis of PCA has two ends, and either may be the positive one. Where eigenvalues are equal, any turn
within their space will do; where they are zero, as several are when there are few samples, any unit
vectors that span it, since the data have no part in that space. So an expected value is first turned
as the learner's is, as far as these freedoms go, and then compared.
"""

from itertools import product

import numpy as np

from bn_reference.checks.ps1_whitening.samples import as_float
from bn_reference.whitening import covariance

SAME = 1e-6
"""Eigenvalues closer than this, relative to the largest, count as equal."""


def eigen(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the covariance from large to small, and eigenvectors as columns."""
    lam, u = np.linalg.eigh(covariance(as_float(x)))
    return lam[::-1], u[:, ::-1]


def turned_rows(rows: np.ndarray, own: np.ndarray, lam: np.ndarray) -> np.ndarray:
    """`rows`, turned within each eigenspace to lie as close as possible to `own`.

    Parameters
    ----------
    rows, own : ndarray, shape (d, k)
        Row i belongs to eigenvalue i.
    lam : ndarray, shape (d,)
        The eigenvalues, in any order.

    Returns
    -------
    ndarray, shape (d, k)
        For an eigenvalue by itself the row, or minus the row.
    """
    if not (np.isfinite(rows).all() and np.isfinite(own).all()):
        return rows
    order = np.argsort(-lam, kind="stable")
    gaps = -np.diff(lam[order]) > SAME * np.max(np.abs(lam))
    turned = np.array(rows, dtype=np.float64)
    for same in np.split(order, np.flatnonzero(gaps) + 1):
        empty = np.all(np.abs(lam[same]) < SAME * np.max(np.abs(lam)))
        spanning = _spanning(rows[same], own[same]) if empty and len(same) > 1 else None
        turned[same] = _rotated(rows[same], own[same]) if spanning is None else spanning
    return turned


def _rotated(rows, own):
    """The rotation or reflection of `rows` that is closest to `own`."""
    left, _, right = np.linalg.svd(own @ rows.T)
    return left @ right @ rows


def _spanning(rows, own):
    """`own`, brought into the space of orthogonal `rows` and to their lengths; None if it does not span it."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    inside = own @ (rows / lengths).T @ (rows / lengths)
    own_lengths = np.linalg.norm(inside, axis=1, keepdims=True)
    orthogonal = np.allclose(
        rows @ rows.T, np.diag(lengths[:, 0] ** 2), rtol=0, atol=SAME * lengths.max() ** 2
    )
    if not orthogonal or own_lengths.min() <= SAME * lengths.min():
        return None
    inside = inside / own_lengths
    return inside * lengths if np.linalg.svd(inside, compute_uv=False)[-1] > 1e-3 else None


def turned_columns(columns: np.ndarray, own: np.ndarray, lam: np.ndarray) -> np.ndarray:
    """As `turned_rows`, where column i belongs to eigenvalue i."""
    return turned_rows(columns.T, own.T, lam).T


def turned_on_both_sides(matrix: np.ndarray, own: np.ndarray) -> np.ndarray:
    """``S @ matrix @ S`` for the signs ``S`` that bring it closest to `own`."""
    signs = np.array(list(product([1.0, -1.0], repeat=len(matrix))))
    candidates = signs[:, :, None] * matrix * signs[:, None, :]
    return candidates[np.argmin(np.abs(candidates - own).sum((1, 2)))]


def anchored(rows: np.ndarray, lam: np.ndarray) -> np.ndarray:
    """`rows`, turned in one way whatever way they came: for the reference's own result."""
    anchor = np.random.default_rng(0).standard_normal(rows.shape)
    return turned_rows(rows, anchor, lam)

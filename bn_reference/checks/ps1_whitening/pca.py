"""Spec of ``pca_whitening``: turn to the principal axes, then rescale each."""

import numpy as np

from bn_reference.checks.ps1_whitening.eigenspaces import anchored, eigen, turned_columns, turned_rows
from bn_reference.checks.ps1_whitening.samples import as_float, nearest, sample_cases
from bn_reference.checks.ps1_whitening.whitening_mistakes import (
    awkward_parts,
    centered,
    covariance_mistakes,
    float32_mistake,
    w_size,
    z_mistakes,
    z_size,
)
from bn_reference.checks.spec import Mistake, Node, Part, Spec
from bn_reference.whitening import pca_whitening

SOURCE = "Chapter Whitening, section 'Second step: whiten'; Kessy, Lewin & Strimmer 2018, Section 2."


def _like_own(rows, v, lam):
    own = v.get("w")
    fits = own is not None and np.shape(own) == rows.shape and np.all(np.isfinite(own))
    return turned_rows(rows, own, lam) if fits else anchored(rows, lam)


def _axes(i, v):
    """Eigenvalues and eigenvectors: the learner's own values in their own order, then the right ones."""
    lam, u = eigen(i["x"])
    rank = np.argsort(np.argsort(-v["lam"], kind="stable"), kind="stable")
    return (v["lam"], u[:, rank]), (lam[rank], u[:, rank]), (lam, u)


def _w(i, v):
    """Rows in the order of the learner's eigenvalues, so that the order is judged once."""
    own_values, in_own_order, _ = _axes(i, v)
    lam, u = in_own_order
    rows = _like_own(u.T, v, lam)
    made_of = [rows / np.sqrt(values + i["eps"])[:, None] for values, _ in (own_values, in_own_order)]
    return nearest(v.get("w"), *made_of)


def _z(i, v):
    """By the learner's w; or right in itself, whatever w is."""
    own, candidates = v.get("z"), [centered(i) @ v["w"].T]
    for lam, u in _axes(i, v):
        z = centered(i) @ (u / np.sqrt(lam + i["eps"]))
        if own is not None and own.shape == z.shape and np.all(np.isfinite(own)):
            z = turned_columns(z, own, lam)
        candidates.append(z)
    return nearest(own, *candidates)


def _reference(x, eps):
    lam, _ = eigen(x)
    w = anchored(pca_whitening(as_float(x), eps).matrix, lam)
    return lam, w, (as_float(x) - as_float(x).mean(0)) @ w.T


def _whitener(sigma, v):
    lam, u = np.linalg.eigh(sigma)
    lam, u = lam[::-1], u[:, ::-1]
    return _like_own((u / np.sqrt(lam)).T, v, lam)


def _of_axes(wrong):
    """A wrong W, ``wrong(i, v, lam, u)``, made of the learner's eigenvalues or of the right ones."""

    def formula(i, v):
        return nearest(v.get("w"), *(wrong(i, v, lam, u) for lam, u in _axes(i, v)))

    return formula


def _scaled(scale_of):
    """W with ``scale_of(lam, eps)`` in place of the root's inverse."""
    return _of_axes(lambda i, v, lam, u: _like_own(scale_of(lam, i["eps"])[:, None] * u.T, v, lam))


def _with_signs_of_columns(matrix_of):
    """A wrong W in which each eigenvector has become a column."""

    def wrong(i, v, lam, u):
        matrix, own = matrix_of(lam + i["eps"], u), v.get("w")
        return matrix if own is None else turned_columns(matrix, own, lam)

    return _of_axes(wrong)


def _pairs_torn(i, v, axes_of=lambda u: u.T[::-1]):
    """Eigenvectors from flat to steep, each divided by the root of another's eigenvalue."""
    lam, u = eigen(i["x"])
    axes, roots, own = axes_of(u), np.sqrt(lam + i["eps"])[:, None], v.get("w")
    return (axes if own is None else turned_rows(axes, own * roots, lam[::-1])) / roots


def _lam_of(products):
    """Eigenvalues of another matrix than the covariance."""
    return lambda i, v: np.linalg.eigvalsh(products(as_float(i["x"])))[::-1]


PCA = Spec(
    name="pca_whitening",
    outputs=("lam", "w", "z"),
    nodes={
        "lam": Node(lambda i, v: eigen(i["x"])[0]),
        "w": Node(_w, magnitude=w_size),
        "z": Node(_z, magnitude=z_size),
    },
    reference=_reference,
    cases=lambda rng: sample_cases(rng, lambda x, eps: {"x": x, "eps": eps}),
    parts=(
        Part(
            "lam, the variances along the axes, largest first",
            2,
            ("lam",),
            nudge="In what order does np.linalg.eigh return eigenvalues?",
            hint="The eigenvalues of the covariance (divided by N, eps not yet in it), reversed: eigh puts the smallest first.",
            source=SOURCE,
        ),
        Part(
            "w, whose rows are the axes divided by sqrt(lam + eps)",
            3,
            ("w",),
            nudge="Print w @ sigma @ w.T. What should stand on its diagonal, and what beside it?",
            hint="eigh returns eigenvectors as columns of u. Row k of w is column k of u, divided by sqrt(lam[k] + eps). Its sign is free.",
            source=SOURCE,
        ),
        Part(
            "z, from your w",
            2,
            ("z",),
            nudge="What is the covariance of your z? And its mean?",
            hint="Samples are rows, so z = (x - mean) @ w.T.",
            source=SOURCE,
        ),
        *awkward_parts(("lam", "w", "z")),
    ),
    mistakes=(
        Mistake(
            "ascending_order",
            "Your axes come smallest variance first, as np.linalg.eigh returns them. Reverse both: lam[::-1] and u[:, ::-1].",
            {"lam": lambda i, v: eigen(i["x"])[0][::-1]},
        ),
        Mistake(
            "lam_divides_by_n_minus_1",
            "Your lam comes from a covariance that divides by N - 1, as np.cov does by itself. Here it is divided by N.",
            {"lam": lambda i, v: eigen(i["x"])[0] * len(i["x"]) / (len(i["x"]) - 1)},
            keeps=0.5,
        ),
        Mistake(
            "lam_includes_eps",
            "Your lam already has eps in it. Return the variances as they are, and add eps where w divides.",
            {"lam": lambda i, v: eigen(i["x"])[0] + i["eps"]},
            keeps=0.5,
        ),
        Mistake(
            "lam_is_standard_deviation",
            "Your lam holds standard deviations. Return the eigenvalues themselves, which are variances.",
            {"lam": lambda i, v: np.sqrt(np.maximum(eigen(i["x"])[0], 0))},
            keeps=0.5,
        ),
        Mistake(
            "lam_not_divided",
            "Your lam is N times too large: eigenvalues of a sum of products, or squared singular values. Divide by N.",
            {"lam": lambda i, v: eigen(i["x"])[0] * len(i["x"])},
            keeps=0.5,
        ),
        Mistake(
            "lam_not_centred",
            "Your lam holds eigenvalues of x.T @ x / N. Subtract the mean of each feature before you multiply.",
            {"lam": _lam_of(lambda x: x.T @ x / len(x))},
        ),
        Mistake(
            "lam_of_the_correlation",
            "Your lam holds eigenvalues of the correlation, which add up to d. Use the covariance.",
            {"lam": _lam_of(lambda x: np.corrcoef(x, rowvar=False))},
        ),
        Mistake(
            "transposed",
            "Your w is the transpose of the right one. Its rows are the axes: w = (u / sqrt(lam + eps)).T, so that z = (x - mean) @ w.T.",
            {"w": _with_signs_of_columns(lambda lam, u: u / np.sqrt(lam))},
            keeps=0.5,
        ),
        Mistake(
            "eigenvectors_as_rows",
            "Your w takes the rows of u for eigenvectors. np.linalg.eigh returns them as columns: transpose u before you scale.",
            {"w": _with_signs_of_columns(lambda lam, u: u / np.sqrt(lam)[:, None])},
            keeps=0.25,
        ),
        Mistake(
            "eigenvectors_not_reversed",
            "Your lam is reversed, but the eigenvectors are not: each row of w is divided by the root of another axis. Reverse the columns of u as well: u[:, ::-1].",
            {"w": _pairs_torn},
            keeps=0.5,
        ),
        Mistake(
            "rows_of_u_reversed",
            "Your u[::-1] reverses the rows of u. Eigenvectors are columns: u[:, ::-1].",
            {"w": lambda i, v: _pairs_torn(i, v, lambda u: u[::-1].T[::-1])},
            keeps=0.5,
        ),
        Mistake(
            "columns_scaled",
            "Your w divides its columns by the roots, by broadcasting. Each row belongs to one axis: divide by np.sqrt(lam + eps)[:, None].",
            {"w": _of_axes(lambda i, v, lam, u: _like_own(u.T / np.sqrt(lam + i["eps"]), v, lam))},
            keeps=0.5,
        ),
        Mistake(
            "divides_by_eigenvalue",
            "Your w is divided by the eigenvalues. Divide by their roots, sqrt(lam + eps): an eigenvalue is a variance.",
            {"w": _scaled(lambda lam, eps: 1 / (lam + eps))},
            keeps=0.5,
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. It belongs inside: sqrt(lam + eps).",
            {"w": _scaled(lambda lam, eps: 1 / (np.sqrt(np.maximum(lam, 0)) + eps))},
            keeps=0.5,
        ),
        Mistake(
            "only_turned",
            "Your w turns the cloud but does not rescale it. Divide each row by sqrt(lam + eps).",
            {"w": _scaled(lambda lam, eps: np.ones_like(lam))},
            keeps=0.5,
        ),
        Mistake(
            "multiplies_by_root",
            "Your w multiplies by the roots. Long axes have to shrink: divide by sqrt(lam + eps).",
            {"w": _scaled(lambda lam, eps: np.sqrt(lam + eps))},
            keeps=0.5,
        ),
        Mistake(
            "turned_back",
            "Your w turns the cloud back after rescaling, which is ZCA. PCA whitening stops before: w = diag(1 / sqrt(lam + eps)) @ u.T.",
            {"w": lambda i, v: (lambda lam, u: u / np.sqrt(lam + i["eps"]) @ u.T)(*eigen(i["x"]))},
            keeps=0.5,
        ),
        *covariance_mistakes(_whitener),
        Mistake(
            "z_by_the_transpose",
            "Your z multiplies by w. Row k of w makes feature k of z, so transpose it: z = (x - mean) @ w.T.",
            {"z": lambda i, v: centered(i) @ v["w"]},
        ),
        Mistake(
            "z_only_turned",
            "Your z is turned but not rescaled: it comes from u. Multiply by w.T, which holds the division by the roots.",
            {"z": lambda i, v: centered(i) @ v["w"].T * np.sqrt(v["lam"] + i["eps"])},
        ),
        *z_mistakes(),
        float32_mistake(_whitener, {"lam": lambda i, v: eigen(i["x"].astype(np.float32))[0]}),
    ),
    chapter="whitening",
)

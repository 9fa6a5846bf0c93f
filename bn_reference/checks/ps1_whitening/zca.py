"""Spec of ``zca_whitening``: whiten, and turn back."""

import numpy as np

from bn_reference.checks.ps1_whitening.eigenspaces import SAME, eigen, turned_on_both_sides, turned_rows
from bn_reference.checks.ps1_whitening.samples import as_float, nearest, sample_cases
from bn_reference.checks.ps1_whitening.whitening_mistakes import (
    awkward_parts,
    centered,
    covariance_mistakes,
    float32_mistake,
    sigma_with_eps,
    varies,
    w_size,
    z_mistakes,
    z_size,
)
from bn_reference.checks.spec import Mistake, Node, Part, Spec
from bn_reference.whitening import zca_whitening

SOURCE = "Chapter Whitening, section 'Second step: whiten'; Bell & Sejnowski 1997."


def _power(sigma, exponent):
    lam, u = np.linalg.eigh(sigma)
    return u * lam**exponent @ u.T


def _reference(x, eps):
    whitening = zca_whitening(as_float(x), eps)
    return whitening.matrix, whitening(as_float(x))


def _inverse_root(i):
    return _power(sigma_with_eps(i), -0.5)


def _stopped_at_pca(i, v):
    lam, u = eigen(i["x"])
    rows, own = (u / np.sqrt(lam + i["eps"])).T, v.get("w")
    if own is None:
        return rows
    as_eigh_has_them = turned_rows(rows[::-1], own, lam[::-1])
    return nearest(own, turned_rows(rows, own, lam), as_eigh_has_them)


def _turned_the_wrong_way(i, v):
    lam, u = np.linalg.eigh(sigma_with_eps(i))
    own = v.get("w")
    both_orders = [u.T / np.sqrt(lam) @ u, u[:, ::-1].T / np.sqrt(lam[::-1]) @ u[:, ::-1]]
    if own is None:
        return both_orders[0]
    if varies(i) and np.min(np.diff(lam)) < SAME * lam[-1]:
        return own  # where eigenvalues are equal, this depends on the basis that eigh happened to choose
    return nearest(own, *(turned_on_both_sides(matrix, own) for matrix in both_orders))


def _root_of_each_entry(i, v):
    sigma = sigma_with_eps(i)
    wrong = sigma**-0.5
    noise = np.abs(sigma) < 1e-9 * np.max(sigma)  # whose inverse root may be anything
    return np.where(noise, v.get("w", wrong), wrong)


ZCA = Spec(
    name="zca_whitening",
    outputs=("w", "z"),
    nodes={
        "w": Node(lambda i, v: _inverse_root(i), magnitude=w_size),
        "z": Node(
            lambda i, v: nearest(v.get("z"), centered(i) @ v["w"].T, centered(i) @ _inverse_root(i)),
            magnitude=z_size,
        ),
    },
    reference=_reference,
    cases=lambda rng: sample_cases(rng, lambda x, eps: {"x": x, "eps": eps}),
    parts=(
        Part(
            "w, the inverse square root of sigma + eps * I",
            4,
            ("w",),
            nudge="Is your w symmetric? Is w @ w @ (sigma + eps * I) the identity?",
            hint="Turn to the axes with u.T, divide each by sqrt(lam + eps), and turn back with u.",
            source=SOURCE,
        ),
        Part(
            "z, from your w",
            2,
            ("z",),
            nudge="What is the mean of your z?",
            hint="Samples are rows, so z = (x - mean) @ w.T.",
            source=SOURCE,
        ),
        *awkward_parts(("w", "z")),
    ),
    mistakes=(
        Mistake(
            "not_turned_back",
            "Your w is that of PCA: it turns to the axes and rescales. For ZCA turn back: multiply by u from the left.",
            {"w": _stopped_at_pca},
            keeps=0.5,
        ),
        Mistake(
            "turned_the_wrong_way",
            "Your w has u and u.T in each other's place. Eigenvectors are the columns of u: w = u @ diag(1 / sqrt(lam + eps)) @ u.T.",
            {"w": _turned_the_wrong_way},
            keeps=0.5,
        ),
        Mistake(
            "divides_by_eigenvalue",
            "Your w is the inverse of the covariance: it divides by the eigenvalues. Divide by their roots, sqrt(lam + eps).",
            {"w": lambda i, v: _power(sigma_with_eps(i), -1.0)},
            keeps=0.5,
        ),
        Mistake(
            "root_not_inverted",
            "Your w is the square root of the covariance. Take the inverse of the root: divide by sqrt(lam + eps).",
            {"w": lambda i, v: _power(sigma_with_eps(i), 0.5)},
            keeps=0.5,
        ),
        Mistake(
            "root_of_each_entry",
            "Your w takes the power of each entry by itself: ** works entry by entry. The root of a matrix takes its eigenvectors.",
            {"w": _root_of_each_entry},
        ),
        Mistake(
            "only_standardised",
            "Your w is diagonal: it divides each feature by its own std and leaves the correlations. Take the root of the whole matrix.",
            {"w": lambda i, v: np.diag(np.diag(sigma_with_eps(i)) ** -0.5)},
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. It belongs inside: sqrt(lam + eps).",
            {
                "w": lambda i, v: (lambda lam, u: u / (np.sqrt(np.maximum(lam, 0)) + i["eps"]) @ u.T)(
                    *eigen(i["x"])
                )
            },
            keeps=0.5,
        ),
        *covariance_mistakes(lambda sigma, v: _power(sigma, -0.5)),
        *z_mistakes(),
        float32_mistake(lambda sigma, v: _power(sigma, -0.5)),
    ),
    chapter="whitening",
)

"""Spec of ``cholesky_whitening``: one feature after another."""

import numpy as np

from bn_reference.checks.ps1_whitening.samples import as_float, nearest, sample_cases
from bn_reference.checks.ps1_whitening.whitening_mistakes import (
    awkward_parts,
    centered,
    covariance_mistakes,
    float32_mistake,
    sigma_with_eps,
    w_size,
    z_mistakes,
    z_size,
)
from bn_reference.checks.spec import Mistake, Node, Part, Spec
from bn_reference.whitening import cholesky_whitening

SOURCE = "Chapter Whitening, section 'Second step: whiten', the paragraph on Cholesky whitening."


def _reference(x, eps):
    whitening = cholesky_whitening(as_float(x), eps)
    return whitening.matrix, whitening(as_float(x))


def _w(sigma, v=None):
    return np.linalg.inv(np.linalg.cholesky(sigma))


def _right(i):
    return _w(sigma_with_eps(i))


CHOLESKY = Spec(
    name="cholesky_whitening",
    outputs=("w", "z"),
    nodes={
        "w": Node(lambda i, v: _right(i), magnitude=w_size),
        "z": Node(
            lambda i, v: nearest(v.get("z"), centered(i) @ v["w"].T, centered(i) @ _right(i).T),
            magnitude=z_size,
        ),
    },
    reference=_reference,
    cases=lambda rng: sample_cases(rng, lambda x, eps: {"x": x, "eps": eps}),
    parts=(
        Part(
            "w, lower triangular",
            4,
            ("w",),
            nudge="Which half of your w holds zeros? Is w @ (sigma + eps * I) @ w.T the identity?",
            hint="np.linalg.cholesky gives the lower triangular factor of sigma + eps * I. w undoes it: its inverse.",
            source=SOURCE,
        ),
        Part(
            "z, from your w",
            2,
            ("z",),
            nudge="Feature 0 of z should be feature 0 of x, centred and rescaled. Is it?",
            hint="Samples are rows, so z = (x - mean) @ w.T.",
            source=SOURCE,
        ),
        *awkward_parts(("w", "z")),
    ),
    mistakes=(
        Mistake(
            "factor_not_inverted",
            "Your w is the factor of the covariance itself. It makes white data look like x; you want the way back: its inverse.",
            {"w": lambda i, v: np.linalg.cholesky(sigma_with_eps(i))},
            keeps=0.5,
        ),
        Mistake(
            "transposed",
            "Your w is upper triangular: the transpose of the right one. np.linalg.cholesky returns the lower factor; invert that, and do not transpose.",
            {"w": lambda i, v: _right(i).T},
            keeps=0.5,
        ),
        Mistake(
            "upper_factor_not_inverted",
            "Your w is the upper factor of the covariance. Take the lower one, and invert it.",
            {"w": lambda i, v: np.linalg.cholesky(sigma_with_eps(i)).T},
            keeps=0.25,
        ),
        Mistake(
            "factor_of_the_inverse",
            "Your w is the lower factor of the inverse covariance. That is not the inverse of the factor, and z is not white. Factor sigma + eps * I first, then invert.",
            {"w": lambda i, v: np.linalg.cholesky(np.linalg.inv(sigma_with_eps(i)))},
            keeps=0.5,
        ),
        Mistake(
            "last_feature_first",
            "Your w whitens, but it is upper triangular: it starts at the last feature. Factor the covariance, not its inverse, and w runs from the first feature to the last.",
            {"w": lambda i, v: np.linalg.cholesky(np.linalg.inv(sigma_with_eps(i))).T},
            keeps=0.5,
        ),
        Mistake(
            "inverse_of_the_covariance",
            "Your w is the inverse of the whole covariance. Invert its Cholesky factor.",
            {"w": lambda i, v: np.linalg.inv(sigma_with_eps(i))},
            keeps=0.25,
        ),
        *covariance_mistakes(_w),
        Mistake(
            "z_by_the_transpose",
            "Your z multiplies by w. Row k of w makes feature k of z, so transpose it: z = (x - mean) @ w.T.",
            {"z": lambda i, v: centered(i) @ v["w"]},
        ),
        *z_mistakes(),
        float32_mistake(_w),
    ),
    chapter="whitening",
)

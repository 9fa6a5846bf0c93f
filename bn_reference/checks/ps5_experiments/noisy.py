"""Spec of ``noisy_batchnorm``: Batch Normalization with the noise of Santurkar et al. after it."""

import numpy as np

from bn_reference.checks.batches import batch_cases, vector
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _x_hat(i, divisor=lambda n: n, axis=0, root=lambda var, eps: np.sqrt(var + eps), x=None):
    x = i["x"] if x is None else x
    wide = x.astype(np.float64)
    mean, var = wide.mean(axis, keepdims=True), wide.var(axis, keepdims=True)
    var = var * x.shape[axis] / np.float64(divisor(x.shape[axis]))
    return (wide - mean) / root(var, i["eps"])


def _affine(i, normalized):
    return i["gamma"] * normalized + i["beta"]


def noisy_batchnorm(x, gamma, beta, shift, scale, eps):
    """Batch Normalization, then noise that scales and shifts each entry.

    Parameters
    ----------
    x : ndarray, shape (N, C), floating
    gamma, beta : ndarray, shape (C,)
    shift, scale : ndarray, shape (N, C)
        The noise.
    eps : float

    Returns
    -------
    y, x_hat : ndarray, shape (N, C)

    Notes
    -----
    Santurkar et al. 2018 (arXiv 1805.11604), Section 2.1.

    Examples
    --------
    >>> x, one, half = np.array([[-1.0], [1.0]]), np.ones(1), np.full((2, 1), 0.5)
    >>> noisy_batchnorm(x, one, one, half, 2 * half, 0.0)
    (array([[0.5],
           [2.5]]), array([[-1.],
           [ 1.]]))
    """
    i = {"x": x, "gamma": gamma, "beta": beta, "eps": eps}
    return _affine(i, _x_hat(i)) * scale + shift, _x_hat(i)


def _cases(rng):
    def inputs_of(x, rng, eps):
        shift = rng.uniform(0.3, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape)
        scale = rng.uniform(0.5, 2.5, x.shape)
        return {
            "x": x,
            "gamma": vector(rng, x),
            "beta": vector(rng, x),
            "shift": shift.astype(x.dtype),
            "scale": scale.astype(x.dtype),
            "eps": eps,
        }

    return [case for case in batch_cases(rng, inputs_of) if case.kind != "offset"]


def _noise_first(i, v):
    return _affine(i, _x_hat(i, x=i["x"] * i["scale"] + i["shift"]))


NOISY = Spec(
    name="noisy_batchnorm",
    outputs=("y", "x_hat"),
    nodes={
        "x_hat": Node(lambda i, v: _x_hat(i)),
        "y": Node(
            lambda i, v: _affine(i, v["x_hat"]) * i["scale"] + i["shift"],
            magnitude=lambda i: float(
                np.max(np.abs(i["gamma"])) * np.max(i["scale"]) * np.sqrt(len(i["x"])) + 3
            ),
        ),
    },
    reference=noisy_batchnorm,
    cases=_cases,
    parts=(
        Part(
            "x_hat, before any noise",
            2,
            ("x_hat",),
            nudge="Print x_hat.mean(0) and x_hat.var(0).",
            hint="Algorithm 1: subtract the mean of the batch, divide by sqrt(var + eps), with the variance over N.",
            source="Ioffe & Szegedy 2015, Algorithm 1, lines 1 to 3.",
        ),
        Part(
            "y, from your x_hat",
            3,
            ("y",),
            nudge="With scale 1 and shift 0, does your y equal gamma * x_hat + beta?",
            hint="First the whole of Batch Normalization, gamma and beta included; then times scale, plus shift.",
            source="Santurkar et al. 2018, Section 2.1: the noise is injected after the BatchNorm layers.",
        ),
        Part(
            "a constant feature, a batch of one",
            1,
            ("y", "x_hat"),
            ("edge",),
            nudge="What is x_hat where all examples are the same?",
            hint="eps under the root keeps the quotient finite: 0 / sqrt(eps) is 0.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 3.",
        ),
    ),
    mistakes=(
        Mistake(
            "noise_before_normalisation",
            "Your noise goes into x, and the normalisation takes most of it out again. Add it to what the layer gives.",
            {"y": _noise_first},
        ),
        Mistake(
            "noise_before_gamma_and_beta",
            "Your noise comes before gamma and beta. It comes after the whole layer.",
            {"y": lambda i, v: _affine(i, v["x_hat"] * i["scale"] + i["shift"])},
            keeps=0.5,
        ),
        Mistake(
            "shifted_before_scaled",
            "Your shift is scaled along with the rest. Multiply by scale first, then add shift.",
            {"y": lambda i, v: (_affine(i, v["x_hat"]) + i["shift"]) * i["scale"]},
            keeps=0.5,
        ),
        Mistake(
            "shift_forgotten",
            "Your y is scaled and not shifted: add shift.",
            {"y": lambda i, v: _affine(i, v["x_hat"]) * i["scale"]},
            keeps=0.5,
        ),
        Mistake(
            "scale_forgotten",
            "Your y is shifted and not scaled: multiply by scale first.",
            {"y": lambda i, v: _affine(i, v["x_hat"]) + i["shift"]},
            keeps=0.5,
        ),
        Mistake(
            "scale_plus_one",
            "Your noise multiplies by 1 + scale. Multiply by scale itself.",
            {"y": lambda i, v: _affine(i, v["x_hat"]) * (1 + i["scale"]) + i["shift"]},
            keeps=0.5,
        ),
        Mistake(
            "divided_by_scale",
            "Your noise divides by scale. Multiply.",
            {"y": lambda i, v: _affine(i, v["x_hat"]) / i["scale"] + i["shift"]},
            keeps=0.5,
        ),
        Mistake(
            "no_noise",
            "Your y is that of Batch Normalization by itself. Multiply it by scale and add shift.",
            {"y": lambda i, v: _affine(i, v["x_hat"])},
        ),
        Mistake(
            "gamma_and_beta_forgotten",
            "Your noise is put on x_hat itself. The layer gives gamma * x_hat + beta.",
            {"y": lambda i, v: v["x_hat"] * i["scale"] + i["shift"]},
            keeps=0.5,
        ),
        Mistake(
            "variance_divides_by_n_minus_1",
            "Your variance divides by N - 1. Algorithm 1, line 2, divides by N.",
            {"x_hat": lambda i, v: _x_hat(i, divisor=lambda n: max(n - 1, 1))},
            keeps=0.5,
        ),
        Mistake(
            "variance_of_one_divides_by_zero",
            "Your variance divides by N - 1, which is 0 in a batch of one. Algorithm 1, line 2, divides by N.",
            {"x_hat": lambda i, v: _x_hat(i, divisor=lambda n: n - 1)},
            keeps=0.5,
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. It belongs under it: sqrt(var + eps).",
            {"x_hat": lambda i, v: _x_hat(i, root=lambda var, eps: np.sqrt(var) + eps)},
            keeps=0.5,
        ),
        Mistake(
            "normalized_over_features",
            "Your mean and variance run over the features of each example. Take them over the batch, axis 0.",
            {"x_hat": lambda i, v: _x_hat(i, axis=1)},
        ),
        Mistake(
            "beta_not_scaled",
            "Your scale leaves beta out. The noise acts on what the layer gives: (gamma * x_hat + beta) * scale + shift.",
            {"y": lambda i, v: i["gamma"] * v["x_hat"] * i["scale"] + i["beta"] + i["shift"]},
            keeps=0.5,
        ),
        Mistake(
            "noise_averaged",
            "Your noise is one scale and one shift for all entries. Each entry has its own: multiply entry by entry.",
            {"y": lambda i, v: _affine(i, v["x_hat"]) * np.mean(i["scale"]) + np.mean(i["shift"])},
            keeps=0.5,
        ),
        Mistake(
            "noise_in_x_hat",
            "Your x_hat has the noise in it. Return the normalised values as they are, before gamma, beta and noise.",
            {
                "x_hat": lambda i, v: _x_hat(i) * i["scale"] + i["shift"],
                "y": lambda i, v: _affine(i, _x_hat(i)) * i["scale"] + i["shift"],
            },
            keeps=0.5,
        ),
        Mistake(
            "output_for_x_hat",
            "Your second result is gamma * x_hat + beta. Return x_hat itself.",
            {
                "x_hat": lambda i, v: _affine(i, _x_hat(i)),
                "y": lambda i, v: _affine(i, _x_hat(i)) * i["scale"] + i["shift"],
            },
            keeps=0.5,
        ),
    ),
    chapter="covariate_shift",
)

"""Spec of ``identity_parameters``: the gamma and beta with which the transform gives a batch back."""

import numpy as np

from bn_reference.batchnorm import batchnorm_forward
from bn_reference.checks.batches import batch_cases
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _identity(x, eps):
    mean, std = x.mean(0), np.sqrt(x.var(0) + eps)
    return std, mean, batchnorm_forward(x, std, mean, eps)[0]


def _x_hat(i):
    x = i["x"].astype(float)
    return (x - x.mean(0)) / np.sqrt(x.var(0) + i["eps"])


def _mean(i):
    return i["x"].mean(0, dtype=float)


def _var(i):
    return i["x"].var(0, dtype=float)


def _unbiased(i):
    return i["x"].var(0, ddof=1) if len(i["x"]) > 1 else np.full(i["x"].shape[1], np.nan)


IDENTITY = Spec(
    name="identity_parameters",
    outputs=("gamma", "beta", "y"),
    nodes={
        "gamma": Node(lambda i, v: np.sqrt(_var(i) + i["eps"])),
        "beta": Node(lambda i, v: _mean(i)),
        "y": Node(
            lambda i, v: v["gamma"] * _x_hat(i) + v["beta"], magnitude=lambda i: float(np.max(np.abs(i["x"])))
        ),
    },
    reference=_identity,
    cases=lambda rng: batch_cases(rng, lambda x, rng, eps: {"x": x, "eps": eps}),
    parts=(
        Part(
            "gamma",
            2,
            ("gamma",),
            nudge="Which number does line 3 of Algorithm 1 divide by?",
            hint="gamma multiplies x_hat. To undo a division, multiply by the same number: all of it, eps included.",
            source="The chapter's section 'Why γ and β?': gamma = sqrt(var + eps), beta = mean.",
        ),
        Part(
            "beta",
            2,
            ("beta",),
            nudge="What did line 3 take away before it divided?",
            hint="Once gamma has undone the division, x - mean is left. beta has to add what is missing.",
            source="The chapter's section 'Why γ and β?': gamma = sqrt(var + eps), beta = mean.",
        ),
        Part(
            "y, the transform with your gamma and beta",
            2,
            ("y",),
            nudge="Is y the output of the transform, and does the transform get your gamma and beta?",
            hint="Call batchnorm_forward(x, gamma, beta, eps) and return the first of its results.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 4: y = gamma * x_hat + beta.",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("gamma", "beta", "y"),
            ("edge",),
            nudge="What is sqrt(var + eps) when the variance is 0?",
            hint="With variance 0, x_hat is 0 and gamma is sqrt(eps): y is beta alone, and beta is the mean.",
            source="The chapter's section 'What ε does': a constant feature.",
        ),
        Part(
            "features with a large mean",
            1,
            ("gamma", "beta", "y"),
            ("offset",),
            nudge="How do you compute the variance?",
            hint="Subtract the mean before you square. mean(x**2) - mean(x)**2 loses the digits that matter.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 2: the mean of (x - mean)**2.",
        ),
    ),
    mistakes=(
        Mistake(
            "gamma_without_eps",
            "Your gamma is sqrt(var). The transform divides by sqrt(var + eps), and only the same number undoes that.",
            {"gamma": lambda i, v: np.sqrt(_var(i))},
        ),
        Mistake(
            "eps_outside_root",
            "Your gamma adds eps outside the square root. The transform divides by sqrt(var + eps): multiply by that.",
            {"gamma": lambda i, v: np.sqrt(_var(i)) + i["eps"]},
        ),
        Mistake(
            "gamma_is_variance",
            "Your gamma is a variance. The transform divides by the root of it, sqrt(var + eps).",
            {"gamma": lambda i, v: _var(i) + i["eps"]},
        ),
        Mistake(
            "gamma_is_variance_without_eps",
            "Your gamma is the variance. The transform divides by sqrt(var + eps): take the root, with eps in it.",
            {"gamma": lambda i, v: _var(i)},
        ),
        Mistake(
            "gamma_upside_down",
            "Your gamma is 1 / sqrt(var + eps), which divides a second time. To undo a division, multiply.",
            {"gamma": lambda i, v: 1 / np.sqrt(_var(i) + i["eps"])},
        ),
        Mistake(
            "variance_divides_by_n_minus_1",
            "Your gamma comes from a variance divided by N - 1. The transform normalises with the biased variance, "
            "and has to be undone with the same.",
            {"gamma": lambda i, v: np.sqrt(_unbiased(i) + i["eps"])},
        ),
        Mistake(
            "gamma_and_beta_swapped",
            "Your gamma and beta have changed places: gamma scales, so it is sqrt(var + eps); beta shifts, so it is "
            "the mean.",
            {"gamma": lambda i, v: _mean(i), "beta": lambda i, v: np.sqrt(_var(i) + i["eps"])},
        ),
        Mistake(
            "parameters_where_training_starts",
            "Your gamma is 1 and your beta 0. That is where training starts, and it gives y = x_hat, not y = x.",
            {
                "gamma": lambda i, v: np.ones(i["x"].shape[1]),
                "beta": lambda i, v: np.zeros(i["x"].shape[1]),
            },
        ),
        Mistake(
            "beta_negated",
            "Your beta has the wrong sign. The mean was subtracted; beta has to add it again.",
            {"beta": lambda i, v: -_mean(i)},
        ),
        Mistake(
            "beta_divided_by_std",
            "Your beta is the mean divided by sqrt(var + eps). beta is added after gamma has scaled, so it is the "
            "mean itself.",
            {"beta": lambda i, v: _mean(i) / np.sqrt(_var(i) + i["eps"])},
        ),
        Mistake(
            "beta_of_the_normalising_line",
            "Your beta is -mean / sqrt(var + eps): that is the line that normalises, x * (1 / std) - mean / std. "
            "Here you need the line that goes back: gamma = std, beta = mean.",
            {"beta": lambda i, v: -_mean(i) / np.sqrt(_var(i) + i["eps"])},
        ),
        Mistake(
            "beta_forgotten",
            "Your beta is 0. That leaves y = x - mean: beta has to add the mean again.",
            {"beta": lambda i, v: np.zeros(i["x"].shape[1])},
        ),
        Mistake(
            "statistics_of_each_example",
            "Your gamma and beta run along each example (axis 1). Each feature has its own: use axis=0.",
            {"gamma": lambda i, v: np.sqrt(i["x"].var(1) + i["eps"]), "beta": lambda i, v: i["x"].mean(1)},
        ),
        Mistake(
            "statistics_of_whole_array",
            "Your gamma and beta are single numbers for the whole array. Each feature has its own: pass axis=0.",
            {"gamma": lambda i, v: np.sqrt(i["x"].var() + i["eps"]), "beta": lambda i, v: i["x"].mean()},
        ),
        Mistake(
            "y_without_parameters",
            "Your y is x_hat: the transform was called with gamma 1 and beta 0. Hand it the gamma and beta that you found.",
            {"y": lambda i, v: _x_hat(i)},
        ),
        Mistake(
            "variance_in_one_pass",
            "Your gamma comes from mean(x**2) - mean(x)**2, which takes the difference of two nearly equal numbers when "
            "the mean is large. Subtract the mean before you square, or use the var of your forward pass.",
            {"gamma": lambda i, v: np.sqrt((i["x"] ** 2).mean(0) - i["x"].mean(0) ** 2 + i["eps"])},
        ),
    ),
    chapter="batchnorm_transform",
)

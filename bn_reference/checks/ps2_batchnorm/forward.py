"""Spec of ``batchnorm_forward``: Algorithm 1."""

import numpy as np

from bn_reference.batchnorm import batchnorm_forward
from bn_reference.checks.batches import batch_cases, vector
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _forward_inputs(x, rng, eps):
    return {"x": x, "gamma": vector(rng, x), "beta": vector(rng, x), "eps": eps}


def _forward(x, gamma, beta, eps):
    y, cache = batchnorm_forward(x, gamma, beta, eps)
    return y, cache.x_hat, cache.mean, cache.var


def _unbiased(i):
    return i["x"].var(0, ddof=1) if len(i["x"]) > 1 else np.full(i["x"].shape[1], np.nan)


def _right_x_hat(i):
    x = i["x"].astype(float)
    return (x - x.mean(0)) / np.sqrt(x.var(0) + i["eps"])


def _in_another_dtype(dtype):
    """The right formulas on ``x.astype(dtype)``."""

    def function(x, gamma, beta, eps):
        x = x.astype(dtype)
        mean, var = x.mean(0), x.var(0)
        x_hat = (x - mean) / np.sqrt(var + eps)
        return gamma * x_hat + beta, x_hat, mean, var

    return function


FORWARD = Spec(
    name="batchnorm_forward",
    outputs=("y", "x_hat", "mean", "var"),
    nodes={
        "mean": Node(lambda i, v: i["x"].mean(0, dtype=float)),
        "var": Node(lambda i, v: ((i["x"] - v["mean"]) ** 2).mean(0)),
        "x_hat": Node(
            lambda i, v: (i["x"] - v["mean"]) / np.sqrt(v["var"] + i["eps"]),
            magnitude=lambda i: np.max(np.abs(i["x"]) / np.sqrt(i["x"].var(0) + i["eps"])),
        ),
        "y": Node(
            lambda i, v: i["gamma"] * v["x_hat"] + i["beta"],
            # For those who multiply out: gamma / std * x + (beta - gamma / std * mean).
            magnitude=lambda i: np.max(np.abs(i["gamma"] * i["x"]) / np.sqrt(i["x"].var(0) + i["eps"])),
        ),
    },
    reference=_forward,
    cases=lambda rng: batch_cases(rng, _forward_inputs),
    parts=(
        Part(
            "mean of each feature",
            1,
            ("mean",),
            nudge="How many means should there be for x of shape (N, C)?",
            hint="The mean of feature k runs over all N examples.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 1.",
        ),
        Part(
            "variance of each feature",
            2,
            ("var",),
            nudge="By which number do you divide, and what do you square?",
            hint="Square what is left after the mean, and average over the N examples.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 2: the mean of (x - mean)**2, divided by m.",
        ),
        Part(
            "x_hat, from your mean and variance",
            2,
            ("x_hat",),
            nudge="What is under the root?",
            hint="Subtract the mean, then divide by the root of the variance and eps together.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 3.",
        ),
        Part(
            "y, from your x_hat",
            2,
            ("y",),
            nudge="What do gamma and beta each do to x_hat?",
            hint="gamma scales x_hat, then beta shifts it.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 4.",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("mean", "var", "x_hat", "y"),
            ("edge",),
            nudge="What is the variance of values that are all equal?",
            hint="With one example, or equal ones, the variance is 0; eps alone keeps the root above zero.",
            source="The chapter's section 'What ε does': a constant feature.",
        ),
        Part(
            "features with a large mean",
            1,
            ("mean", "var", "x_hat", "y"),
            ("offset",),
            nudge="How do you compute the variance?",
            hint="Subtract the mean before you square. mean(x**2) - mean(x)**2 takes the difference of "
            "two huge numbers, and the digits that matter are lost.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 2: the mean of (x - mean)**2.",
        ),
    ),
    mistakes=(
        Mistake(
            "variance_divides_by_n_minus_1",
            "Your variance divides by N - 1. Algorithm 1, line 2, divides by N: the variance that normalises "
            "is the biased one.",
            {"var": lambda i, v: _unbiased(i)},
        ),
        Mistake(
            "variance_in_one_pass",
            "Your variance is mean(x**2) - mean(x)**2. On paper that is right; in floating point it takes the "
            "difference of two nearly equal numbers when the mean is large. Subtract the mean before you square.",
            {"var": lambda i, v: (i["x"] ** 2).mean(0) - i["x"].mean(0) ** 2},
        ),
        Mistake(
            "divides_by_number_of_features",
            "Your sums are divided by the number of features, x.shape[1]. Divide by the number of examples, x.shape[0].",
            {
                "mean": lambda i, v: i["x"].sum(0, dtype=float) / i["x"].shape[1],
                "var": lambda i, v: ((i["x"] - v["mean"]) ** 2).sum(0) / i["x"].shape[1],
            },
        ),
        Mistake(
            "mean_and_var_swapped",
            "Your mean and var are returned in each other's place. The order is y, x_hat, mean, var.",
            {
                "mean": lambda i, v: i["x"].var(0, dtype=float),
                "var": lambda i, v: i["x"].mean(0, dtype=float),
                "x_hat": lambda i, v: _right_x_hat(i),
            },
        ),
        Mistake(
            "y_and_x_hat_swapped",
            "Your y and x_hat are returned in each other's place. The order is y, x_hat, mean, var.",
            {
                "x_hat": lambda i, v: i["gamma"] * _right_x_hat(i) + i["beta"],
                "y": lambda i, v: _right_x_hat(i),
            },
        ),
        Mistake(
            "variance_is_standard_deviation",
            "Your var is the standard deviation. Return the variance itself; the root is taken later, with eps in it.",
            {"var": lambda i, v: i["x"].std(0)},
        ),
        Mistake(
            "variance_includes_eps",
            "Your var already has eps in it. Return the variance of the batch as it is, and add eps under the root "
            "of the next line.",
            {"var": lambda i, v: i["x"].var(0) + i["eps"]},
        ),
        Mistake(
            "mean_absolute_deviation",
            "Your var averages |x - mean|. The variance averages the squares, (x - mean)**2.",
            {"var": lambda i, v: np.abs(i["x"] - v["mean"]).mean(0)},
        ),
        Mistake(
            "results_in_the_order_of_the_algorithm",
            "Your results come in the order of Algorithm 1: mean, var, x_hat, y. Return y, x_hat, mean, var.",
            {
                "mean": lambda i, v: _right_x_hat(i),
                "var": lambda i, v: i["gamma"] * _right_x_hat(i) + i["beta"],
                "x_hat": lambda i, v: i["x"].var(0, dtype=float),
                "y": lambda i, v: i["x"].mean(0, dtype=float),
            },
        ),
        Mistake(
            "variance_without_mean",
            "Your variance averages x**2. Subtract the mean first: the variance is the average of (x - mean)**2.",
            {"var": lambda i, v: (i["x"] ** 2).mean(0)},
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. Algorithm 1, line 3, has it inside: sqrt(var + eps).",
            {"x_hat": lambda i, v: (i["x"] - v["mean"]) / (np.sqrt(v["var"]) + i["eps"])},
        ),
        Mistake(
            "x_hat_with_unbiased_variance",
            "Your x_hat divides by the unbiased standard deviation, though your var is the biased one. Use your var.",
            {
                "var": lambda i, v: i["x"].var(0, dtype=float),
                "x_hat": lambda i, v: (i["x"] - v["mean"]) / np.sqrt(_unbiased(i) + i["eps"]),
            },
        ),
        Mistake(
            "eps_missing",
            "Your x_hat has no eps. Divide by sqrt(var + eps), or a constant feature divides by zero.",
            {"x_hat": lambda i, v: (i["x"] - v["mean"]) / np.sqrt(v["var"])},
        ),
        Mistake(
            "eps_added_twice",
            "Your x_hat has eps twice. Add it once: sqrt(var + eps).",
            {"x_hat": lambda i, v: (i["x"] - v["mean"]) / np.sqrt(v["var"] + 2 * i["eps"])},
        ),
        Mistake(
            "eps_hard_coded",
            "Your eps is always 1e-5. Use the argument eps that the caller passes.",
            {"x_hat": lambda i, v: (i["x"] - v["mean"]) / np.sqrt(v["var"] + 1e-5)},
        ),
        Mistake(
            "divides_by_variance",
            "Your x_hat is divided by the variance. Divide by the standard deviation, sqrt(var + eps): only then does "
            "x_hat have variance one.",
            {"x_hat": lambda i, v: (i["x"] - v["mean"]) / (v["var"] + i["eps"])},
        ),
        Mistake(
            "mean_not_subtracted",
            "Your x_hat is scaled but not centred. Subtract the mean before you divide.",
            {"x_hat": lambda i, v: i["x"] / np.sqrt(v["var"] + i["eps"])},
        ),
        Mistake(
            "x_hat_not_divided",
            "Your x_hat is centred but not scaled. Line 3 divides by sqrt(var + eps).",
            {"x_hat": lambda i, v: i["x"] - v["mean"]},
        ),
        Mistake(
            "x_hat_multiplied",
            "Your x_hat is multiplied by sqrt(var + eps). Line 3 divides by it.",
            {"x_hat": lambda i, v: (i["x"] - v["mean"]) * np.sqrt(v["var"] + i["eps"])},
        ),
        Mistake(
            "x_hat_negated",
            "Your x_hat has the wrong sign: subtract the mean from x, not x from the mean.",
            {"x_hat": lambda i, v: (v["mean"] - i["x"]) / np.sqrt(v["var"] + i["eps"])},
        ),
        Mistake(
            "gamma_applied_twice",
            "Your y has gamma twice. Scale once: y = gamma * x_hat + beta.",
            {"y": lambda i, v: i["gamma"] ** 2 * v["x_hat"] + i["beta"]},
        ),
        Mistake(
            "beta_subtracted",
            "Your y subtracts beta. Line 4 adds it: y = gamma * x_hat + beta.",
            {"y": lambda i, v: i["gamma"] * v["x_hat"] - i["beta"]},
        ),
        Mistake(
            "gamma_forgotten",
            "Your y lacks gamma. Algorithm 1, line 4: y = gamma * x_hat + beta.",
            {"y": lambda i, v: v["x_hat"] + i["beta"]},
        ),
        Mistake(
            "beta_forgotten",
            "Your y lacks beta. Algorithm 1, line 4: y = gamma * x_hat + beta.",
            {"y": lambda i, v: i["gamma"] * v["x_hat"]},
        ),
        Mistake(
            "gamma_and_beta_swapped",
            "Your gamma and beta have changed places: gamma scales, beta shifts.",
            {"y": lambda i, v: i["beta"] * v["x_hat"] + i["gamma"]},
        ),
        Mistake(
            "gamma_multiplies_beta",
            "Your gamma multiplies beta too. Scale first, then shift: gamma * x_hat + beta.",
            {"y": lambda i, v: i["gamma"] * (v["x_hat"] + i["beta"])},
        ),
        Mistake(
            "scales_x_instead_of_x_hat",
            "Your y scales and shifts x itself. Line 4 takes x_hat, the normalised value.",
            {"y": lambda i, v: i["gamma"] * i["x"] + i["beta"]},
        ),
        Mistake(
            "statistics_of_each_example",
            "Your statistics run along each example (axis 1). That is Layer Normalization. Batch Normalization "
            "takes them over the batch, axis 0: one mean for each feature.",
            {"mean": lambda i, v: i["x"].mean(1), "var": lambda i, v: i["x"].var(1)},
        ),
        Mistake(
            "statistics_of_whole_array",
            "Your mean and variance are single numbers for the whole array. Each feature has its own: pass axis=0.",
            {"mean": lambda i, v: i["x"].mean(), "var": lambda i, v: i["x"].var()},
        ),
        Mistake(
            "float32_inside",
            "Your function computes in float32, whatever comes in, and loses half of the digits of a float64 batch. "
            "Leave x in its own dtype.",
            code=_in_another_dtype(np.float32),
        ),
        Mistake(
            "integers_inside",
            "Your function cuts x off to integers. Leave x in its own dtype.",
            code=_in_another_dtype(int),
        ),
    ),
    chapter="batchnorm_transform",
)

"""Spec of ``update_running_statistics``: Algorithm 2, line 10, as a moving average."""

import numpy as np

from bn_reference.batchnorm import batch_statistics, update_running_statistics
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _running_cases(rng):
    def case(name, kind, c, m, momentum, dtype=np.float64):
        x = rng.standard_normal((6, c)) * rng.uniform(0.5, 2.0, c) + rng.uniform(-3, 3, c)
        mean, var = batch_statistics(x)
        inputs = {
            "running_mean": rng.uniform(-3, 3, c).astype(dtype),
            "running_var": rng.uniform(0.5, 4, c).astype(dtype),
            "mean": mean.astype(dtype),
            "var": var.astype(dtype),
            "m": m,
            "momentum": momentum,
        }
        return Case(f"{name}, {c} features, m={m}, momentum={momentum}", kind, inputs)

    c = int(rng.integers(2, 6))
    return [
        case("an ordinary update", "typical", c, int(rng.integers(4, 12)), 0.1),
        case("a faster average", "typical", c + 1, int(rng.integers(12, 40)), 0.3),
        case("float32", "typical", c, 8, 0.25, np.float32),
        case("the smallest batch", "edge", c, 2, 0.1),
        case("momentum 1 keeps only the new batch", "edge", c, 5, 1.0),
        case("momentum 0 keeps only the old values", "edge", c, 5, 0.0),
    ]


def _moved(i, old, new):
    return (1 - i["momentum"]) * i[old] + i["momentum"] * new


def _unbiased(i):
    return i["var"] * i["m"] / (i["m"] - 1)


RUNNING = Spec(
    name="update_running_statistics",
    outputs=("running_mean", "running_var"),
    nodes={
        "running_mean": Node(lambda i, v: _moved(i, "running_mean", i["mean"])),
        "running_var": Node(lambda i, v: _moved(i, "running_var", _unbiased(i))),
    },
    reference=update_running_statistics,
    cases=_running_cases,
    parts=(
        Part(
            "running mean",
            2,
            ("running_mean",),
            nudge="Which of the two values gets the weight momentum?",
            hint="(1 - momentum) of the old value, momentum of the new one.",
            source="The chapter's section 'Running statistics', and the page 'Notation': momentum.",
        ),
        Part(
            "running variance",
            3,
            ("running_var",),
            nudge="Which of the two variances is var, and which does running_var take in?",
            hint="Make the variance of the batch unbiased first (times m / (m - 1)), then average as for the mean.",
            source="Ioffe & Szegedy 2015, Algorithm 2, line 10: m / (m - 1).",
        ),
        Part(
            "momentum 0 and 1, and the smallest batch",
            1,
            ("running_mean", "running_var"),
            ("edge",),
            nudge="What should be left of the old value with momentum 1, and of the new one with momentum 0?",
            hint="With momentum 1 the old value is gone; with momentum 0 nothing changes.",
            source="The chapter's section 'Running statistics'.",
        ),
    ),
    mistakes=(
        Mistake(
            "momentum_swapped",
            "Your momentum weighs the old value. Here, as in torch, momentum is the weight of the new one: "
            "running = (1 - momentum) * running + momentum * new.",
            {
                "running_mean": lambda i, v: (
                    i["momentum"] * i["running_mean"] + (1 - i["momentum"]) * i["mean"]
                ),
                "running_var": lambda i, v: (
                    i["momentum"] * i["running_var"] + (1 - i["momentum"]) * _unbiased(i)
                ),
            },
            keeps=0.5,
        ),
        Mistake(
            "momentum_swapped_and_variance_biased",
            "Two things: momentum is the weight of the new value, not of the old one; and the variance that enters "
            "running_var is the unbiased one, var * m / (m - 1).",
            {
                "running_mean": lambda i, v: (
                    i["momentum"] * i["running_mean"] + (1 - i["momentum"]) * i["mean"]
                ),
                "running_var": lambda i, v: i["momentum"] * i["running_var"] + (1 - i["momentum"]) * i["var"],
            },
            keeps=0.25,
        ),
        Mistake(
            "running_variance_biased",
            "Your running variance takes in the biased variance. Algorithm 2, line 10, uses the unbiased one: "
            "multiply var by m / (m - 1).",
            {"running_var": lambda i, v: _moved(i, "running_var", i["var"])},
            keeps=0.5,
        ),
        Mistake(
            "correction_upside_down",
            "Your correction is upside down: it makes the variance smaller. The unbiased variance is larger: "
            "var * m / (m - 1).",
            {"running_var": lambda i, v: _moved(i, "running_var", i["var"] * (i["m"] - 1) / i["m"])},
            keeps=0.5,
        ),
        Mistake(
            "correction_on_old_value_too",
            "Your m / (m - 1) multiplies the old running variance as well. Only the new variance is biased; "
            "correct it before you average.",
            {
                "running_var": lambda i, v: _moved(i, "running_var", i["var"]) * i["m"] / (i["m"] - 1),
            },
            keeps=0.5,
        ),
        Mistake(
            "old_value_not_faded",
            "Your old values keep their full weight. They get the weight 1 - momentum, so that the weights add up to 1.",
            {
                "running_mean": lambda i, v: i["running_mean"] + i["momentum"] * i["mean"],
                "running_var": lambda i, v: i["running_var"] + i["momentum"] * _unbiased(i),
            },
            keeps=0.25,
        ),
        Mistake(
            "correction_forgets_the_fraction",
            "Your unbiased variance is var / (m - 1). var is an average already: multiply by m as well, "
            "var * m / (m - 1).",
            {"running_var": lambda i, v: _moved(i, "running_var", i["var"] / (i["m"] - 1))},
            keeps=0.5,
        ),
        Mistake(
            "running_standard_deviation",
            "Your running variance takes in a standard deviation. Keep the variance itself; inference takes the root.",
            {"running_var": lambda i, v: _moved(i, "running_var", np.sqrt(_unbiased(i)))},
        ),
        Mistake(
            "new_value_with_full_weight",
            "Your new value has its full weight. It gets the weight momentum, so that the weights add up to 1.",
            {
                "running_mean": lambda i, v: (1 - i["momentum"]) * i["running_mean"] + i["mean"],
                "running_var": lambda i, v: (1 - i["momentum"]) * i["running_var"] + _unbiased(i),
            },
            keeps=0.25,
        ),
        Mistake(
            "momentum_hard_coded",
            "Your momentum is always 0.1. Use the argument momentum that the caller passes.",
            {
                "running_mean": lambda i, v: 0.9 * i["running_mean"] + 0.1 * i["mean"],
                "running_var": lambda i, v: 0.9 * i["running_var"] + 0.1 * _unbiased(i),
            },
            keeps=0.5,
        ),
        Mistake(
            "mean_corrected_too",
            "Your mean is multiplied by m / (m - 1) as well. Only the variance is biased; the mean is right as it is.",
            {"running_mean": lambda i, v: _moved(i, "running_mean", i["mean"] * i["m"] / (i["m"] - 1))},
            keeps=0.5,
        ),
        Mistake(
            "results_swapped",
            "Your results are returned in each other's place. The order is new_mean, new_var.",
            {
                "running_mean": lambda i, v: _moved(i, "running_var", _unbiased(i)),
                "running_var": lambda i, v: _moved(i, "running_mean", i["mean"]),
            },
        ),
        Mistake(
            "old_value_dropped",
            "Your running statistics are those of the latest batch. Mix them with the old ones.",
            {"running_mean": lambda i, v: i["mean"], "running_var": lambda i, v: _unbiased(i)},
        ),
        Mistake(
            "latest_batch_returned",
            "Your function returns mean and var as they came in: the statistics of the latest batch. Mix them with the "
            "old ones, and make the variance unbiased.",
            {"running_mean": lambda i, v: i["mean"], "running_var": lambda i, v: i["var"]},
        ),
        Mistake(
            "statistics_not_moved",
            "Your running statistics come back as they were. Move them towards the new values by the weight momentum.",
            {"running_mean": lambda i, v: i["running_mean"], "running_var": lambda i, v: i["running_var"]},
        ),
        Mistake(
            "momentum_ignored",
            "Your function takes the plain average of old and new. The new value has the weight momentum, the old one "
            "1 - momentum.",
            {
                "running_mean": lambda i, v: (i["running_mean"] + i["mean"]) / 2,
                "running_var": lambda i, v: (i["running_var"] + _unbiased(i)) / 2,
            },
        ),
        Mistake(
            "old_value_not_faded_and_variance_biased",
            "Two things: the old value gets the weight 1 - momentum, so that the weights add up to 1; and the variance "
            "that enters running_var is the unbiased one, var * m / (m - 1).",
            {
                "running_mean": lambda i, v: i["running_mean"] + i["momentum"] * i["mean"],
                "running_var": lambda i, v: i["running_var"] + i["momentum"] * i["var"],
            },
        ),
        Mistake(
            "momentum_swapped_in_variance",
            "Your momentum weighs the old variance. It is the weight of the new value, for both statistics.",
            {
                "running_var": lambda i, v: (
                    i["momentum"] * i["running_var"] + (1 - i["momentum"]) * _unbiased(i)
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "momentum_swapped_in_mean",
            "Your momentum weighs the old mean. It is the weight of the new value, for both statistics.",
            {
                "running_mean": lambda i, v: (
                    i["momentum"] * i["running_mean"] + (1 - i["momentum"]) * i["mean"]
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "corrected_twice",
            "Your variance is corrected twice. Multiply by m / (m - 1) once.",
            {"running_var": lambda i, v: _moved(i, "running_var", _unbiased(i) * i["m"] / (i["m"] - 1))},
            keeps=0.5,
        ),
    ),
    chapter="inference",
)

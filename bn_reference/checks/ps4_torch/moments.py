"""Spec of ``combine_moments``: count, mean and variance of two sets, put together."""

import numpy as np

from bn_reference.checks.ps4_torch.calls import call_combine
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec
from bn_reference.moments import Moments, combine

COUNTS = ("count_a", "count_b")


def _right(count_a, mean_a, var_a, count_b, mean_b, var_b):
    sides = [(count_a, mean_a, var_a), (count_b, mean_b, var_b)]
    a, b = (
        Moments(n, mean if n else mean * 0, var * n) if n else Moments(0, 0.0 * var, 0.0 * var)
        for n, mean, var in sides
    )
    count, mean, m2 = combine(a, b)
    return float(count), mean, m2 / count


def _cases(rng):
    def case(name, kind, count_a, count_b, offset=0.0, dtype=np.float64, c=None):
        c = int(rng.integers(2, 6)) if c is None else c
        a, b = (
            rng.standard_normal((max(n, 1), c)) * 2 + rng.uniform(-3, 3, c) + offset
            for n in (count_a, count_b)
        )
        inputs = {}
        for side, rows, count in (("a", a, count_a), ("b", b, count_b)):
            values = {f"mean_{side}": rows.mean(0).astype(dtype), f"var_{side}": rows.var(0).astype(dtype)}
            inputs |= {f"count_{side}": count} | values
        return Case(f"{name}, counts {count_a} and {count_b}", kind, inputs)

    n, m = int(rng.integers(3, 7)), int(rng.integers(8, 20))
    return [
        case("two shards", "typical", n, m),
        case("a large and a small shard", "typical", 40 * m, n),
        case("equal counts", "typical", n, n),
        case("float32", "typical", m, n, dtype=np.float32),
        case("one example in the second", "edge", m, 1),
        case("the first is empty", "edge", 0, m),
        case("the second is empty", "edge", n, 0),
        case("a mean near a million", "offset", n, m, offset=1e6),
    ]


def _weights(i):
    count = i["count_a"] + i["count_b"]
    return i["count_a"] / count, i["count_b"] / count


def _weighted(i, what):
    a, b = _weights(i)
    return a * i[f"{what}_a"] + b * i[f"{what}_b"]


def _between(i):
    a, b = _weights(i)
    return a * b * (i["mean_b"] - i["mean_a"]) ** 2


def _average(i, what):
    return (i[f"{what}_a"] + i[f"{what}_b"]) / 2


def _count(i):
    return np.float64(i["count_a"] + i["count_b"])


def _bessel(i):
    n_a, n_b = i["count_a"], i["count_b"]
    within = ((n_a - 1) * i["var_a"] + (n_b - 1) * i["var_b"]) / (n_a + n_b - 1)
    return within + _between(i) * (n_a + n_b) / (n_a + n_b - 1)


COMBINE = Spec(
    name="combine_moments",
    outputs=("count", "mean", "var"),
    nodes={
        "count": Node(lambda i, v: _count(i)),
        "mean": Node(lambda i, v: _weighted(i, "mean")),
        "var": Node(lambda i, v: _weighted(i, "var") + _between(i), magnitude=lambda i: np.max(_between(i))),
    },
    reference=_right,
    cases=_cases,
    call=call_combine,
    parts=(
        Part(
            "count",
            1,
            ("count",),
            ("typical", "edge", "offset"),
            nudge="How many examples do the two shards hold together?",
            hint="count_a + count_b.",
            source="The text of Part 5.",
        ),
        Part(
            "mean",
            2,
            ("mean",),
            nudge="Try counts 1 and 3, with the means 0 and 4. By hand the answer is 3.",
            hint="Each mean counts as often as it has examples.",
            source="Chan, Golub & LeVeque 1983, Section 2.",
        ),
        Part(
            "variance",
            3,
            ("var",),
            nudge="Two shards of one example each have variance 0. Is the variance of the two examples 0?",
            hint="It has two parts: the mean of the variances, weighted by the counts, and the variance of the means about "
            "the common mean, weighted in the same way.",
            source="Chan, Golub & LeVeque 1983, Section 2.",
        ),
        Part(
            "one example, or none, in a shard",
            1,
            ("mean", "var"),
            ("edge",),
            nudge="What does your function return for counts 0 and 5?",
            hint="With the right weights an empty shard counts for nothing, and no special case is needed.",
            source="The text of Part 5.",
        ),
        Part(
            "shards with a large mean",
            1,
            ("mean", "var"),
            ("offset",),
            nudge="Add 1e6 to both means: the variance should not change.",
            hint="Square the difference of the means, rather than subtract squares of means: a difference of two numbers "
            "near 1e12 has few digits left.",
            source="Chan, Golub & LeVeque 1983, Section 2.",
        ),
    ),
    mistakes=(
        Mistake(
            "mean_of_means_and_of_variances",
            "Your mean is the mean of the two means, and your variance the mean of the two variances. A shard counts as "
            "often as it has examples; and two shards whose means differ vary more together than each does alone.",
            {"mean": lambda i, v: _average(i, "mean"), "var": lambda i, v: _average(i, "var")},
        ),
        Mistake(
            "mean_not_weighted",
            "Your mean is the mean of the two means. Weight each by its count: a shard of 3 examples counts less than one "
            "of 300.",
            {"mean": lambda i, v: _average(i, "mean")},
        ),
        Mistake(
            "mean_of_variances",
            "Your variance is the mean of the two variances. Two things are missing: the weights, and the spread of the "
            "two means about the common mean.",
            {"var": lambda i, v: _average(i, "var")},
        ),
        Mistake(
            "spread_of_means_missing",
            "Your variance is the weighted mean of the two variances. It lacks the spread between the shards: their means "
            "differ, and that makes the joined batch wider.",
            {"var": lambda i, v: _weighted(i, "var")},
        ),
        Mistake(
            "spread_of_means_not_weighted",
            "Your spread between the shards has the wrong weights. With shares a and b of the examples, it is "
            "a * b times the squared difference of the means.",
            {"var": lambda i, v: _weighted(i, "var") + (i["mean_b"] - i["mean_a"]) ** 2 / 4},
        ),
        Mistake(
            "spread_of_means_whole",
            "Your spread between the shards lacks its weights. With shares a and b of the examples, it is a * b times the "
            "squared difference of the means.",
            {"var": lambda i, v: _weighted(i, "var") + (i["mean_b"] - i["mean_a"]) ** 2},
        ),
        Mistake(
            "variances_added",
            "Your variance is the sum of the two. That is the variance of a sum of two independent numbers; here two sets "
            "are joined.",
            {"var": lambda i, v: i["var_a"] + i["var_b"]},
        ),
        Mistake(
            "weights_swapped",
            "Your weights are swapped: each shard counts as the other should.",
            {
                "mean": lambda i, v: _weights(i)[1] * i["mean_a"] + _weights(i)[0] * i["mean_b"],
            },
        ),
        Mistake(
            "variances_taken_for_unbiased",
            "Your formula is that of unbiased variances, with n - 1. The variances here are biased: n times the variance is "
            "the sum of squares.",
            {"var": lambda i, v: _bessel(i)},
            keeps=0.5,
        ),
        Mistake(
            "sum_of_squares_returned",
            "Your var is the sum of squared differences. Divide it by the count.",
            {"var": lambda i, v: _count(i) * (_weighted(i, "var") + _between(i))},
            keeps=0.5,
        ),
        Mistake(
            "divided_by_n_minus_1",
            "Your variance divides the sum of squared differences by count - 1. The variances here are biased: divide by "
            "the count.",
            {"var": lambda i, v: _count(i) / max(_count(i) - 1, 1) * (_weighted(i, "var") + _between(i))},
            keeps=0.5,
        ),
        Mistake(
            "spread_of_means_not_divided",
            "Your spread between the shards is count times too large. count_a * count_b / count times the squared "
            "difference is a sum of squares: divide it by the count once more.",
            {"var": lambda i, v: _weighted(i, "var") + _count(i) * _between(i)},
            keeps=0.5,
        ),
        Mistake(
            "counts_not_added",
            "Your count is that of one shard. The joined batch holds count_a + count_b examples.",
            {"count": lambda i, v: np.float64(i["count_a"])},
        ),
    ),
    chapter="family",
)

"""Spec of ``sync_batchnorm``: the forward pass of a batch that two processes hold together."""

import numpy as np

from bn_reference.checks.batches import vector
from bn_reference.checks.ps4_torch.calls import call_sync
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _shards(i):
    return i["first"], i["second"]


def _joined(i):
    return np.concatenate(_shards(i)).astype(float)


def _twice(values):
    return np.stack([values, values])


def _local(i, what):
    """A statistic of each process's own examples, NaN where there are none."""
    return np.stack([what(x.astype(float)) if len(x) else np.full(x.shape[1], np.nan) for x in _shards(i)])


def _mean(x):
    return x.mean(0)


def _var(x):
    return x.var(0)


def _rows(i, statistics):
    """The statistics of the process that each example is in."""
    return np.concatenate([np.broadcast_to(s, x.shape) for s, x in zip(statistics, _shards(i), strict=True)])


def _output(i, mean, var, root=lambda var, eps: np.sqrt(var + eps), weight=True):
    x_hat = (_joined(i) - _rows(i, mean)) / root(_rows(i, var), i["eps"])
    return i["weight"] * x_hat + i["bias"] if weight else x_hat


def _counts(i):
    return np.array([float(len(x)) for x in _shards(i)])


def _within(i):
    """The variances of the shards, weighted by their counts."""
    return (np.nan_to_num(_local(i, _var)) * _counts(i)[:, None]).sum(0) / _counts(i).sum()


def _size(i):
    joined = _joined(i)
    return np.max(np.abs(i["weight"] * joined) / np.sqrt(joined.var(0) + i["eps"]))


def _spoilt(i, values):
    return values if _counts(i).all() else values * np.nan


NODES = {
    "count": Node(lambda i, v: np.full(2, _counts(i).sum())),
    "mean": Node(lambda i, v: _twice(_joined(i).mean(0))),
    "var": Node(lambda i, v: _twice(_joined(i).var(0))),
    "y": Node(lambda i, v: _output(i, v["mean"], v["var"]), magnitude=_size),
}


def _reference(**inputs):
    values = {}
    for name, node in NODES.items():
        values[name] = node.formula(inputs, values)
    return values["y"], values["count"], values["mean"], values["var"]


def _cases(rng):
    def case(name, kind, n, m, eps=1e-3, offset=0.0):
        c = int(rng.integers(2, 6))
        # The means of the shards lie apart, or the spread between them could hide.
        apart = rng.uniform(1, 4, c) * rng.choice([-1, 1], c)
        first = rng.standard_normal((n, c)) * 2 + offset + apart
        second = rng.standard_normal((m, c)) * 2 + offset - apart
        # float32: a count that travels as a tensor of integers makes torch divide in float32.
        inputs = {"first": first.astype(np.float32), "second": second.astype(np.float32)}
        like = np.zeros((1, c), np.float32)
        inputs |= {"weight": vector(rng, like), "bias": vector(rng, like), "eps": eps}
        return Case(f"{name}, {n} and {m} examples", kind, inputs)

    n, m = int(rng.integers(3, 6)), int(rng.integers(6, 10))
    return [
        case("two processes", "typical", n, m),
        case("the larger shard first", "typical", 2 * m, n, eps=0.1),
        case("equal shards", "typical", n, n, eps=0.01),
        case("one example in the second", "edge", m, 1, eps=0.0),
        case("the second is empty", "edge", m, 0),
        case("the first is empty", "edge", 0, n),
        case("a mean near ten thousand", "offset", n, m, offset=1e4),
    ]


SYNC = Spec(
    name="sync_batchnorm",
    outputs=("y", "count", "mean", "var"),
    nodes=NODES,
    reference=_reference,
    cases=_cases,
    call=call_sync,
    parts=(
        Part(
            "count, in each process",
            1,
            ("count",),
            ("typical", "edge"),
            nudge="Which of your numbers does the other process know?",
            hint="Gather the counts with the statistics. The count is that of both processes together.",
            source="The text of Part 5.",
        ),
        Part(
            "mean and variance, the same in each process",
            3,
            ("mean", "var"),
            nudge="Print mean in both processes.",
            hint="Each process gathers count, mean and var of all, and puts them together with combine_moments.",
            source="Chan, Golub & LeVeque 1983, Section 2.",
        ),
        Part(
            "y, from your mean and variance",
            2,
            ("y",),
            nudge="Which statistics does the line that computes x_hat use?",
            hint="Algorithm 1, lines 3 and 4, with the statistics of the joined batch, for the examples of this process.",
            source="Ioffe & Szegedy 2015, Algorithm 1.",
        ),
        Part(
            "one example, or none, in a process",
            1,
            ("count", "mean", "var", "y"),
            ("edge",),
            nudge="What does torch give for the mean of no examples?",
            hint="The mean of an empty tensor is NaN, and 0 * NaN is NaN. Send zeros where there are no examples, and do "
            "call all_gather all the same: the other process waits for it.",
            source="The text of Part 5, 'An empty shard'.",
        ),
        Part(
            "features with a large mean",
            1,
            ("mean", "var", "y"),
            ("offset",),
            nudge="Add 10000 to x: the variance should hardly change.",
            hint="Gather means and variances, not sums of squares: mean(x**2) - mean**2 subtracts two numbers near 1e8.",
            source="Chan, Golub & LeVeque 1983, Section 2.",
        ),
    ),
    mistakes=(
        Mistake(
            "statistics_of_own_shard",
            "Each of your processes uses its own examples alone: that is what plain Batch Normalization does when it runs "
            "in several processes. Gather count, mean and var of all, and combine them.",
            {
                "count": lambda i, v: _counts(i),
                "mean": lambda i, v: _local(i, _mean),
                "var": lambda i, v: _local(i, _var),
                "y": lambda i, v: _output(i, _local(i, _mean), _local(i, _var)),
            },
        ),
        Mistake(
            "mean_of_means_and_of_variances",
            "Your mean is the mean of the processes' means, and your variance the mean of their variances. Weight each by "
            "its count, and add the spread of the means.",
            {
                "mean": lambda i, v: _twice(_local(i, _mean).mean(0)),
                "var": lambda i, v: _twice(_local(i, _var).mean(0)),
            },
        ),
        Mistake(
            "mean_of_means",
            "Your mean is the mean of the processes' means. Weight each by its count: the shards need not be equal.",
            {"mean": lambda i, v: _twice(_local(i, _mean).mean(0))},
        ),
        Mistake(
            "mean_of_variances",
            "Your variance is the mean of the processes' variances. Two things are missing: the weights, and the spread of "
            "the means about the common mean.",
            {"var": lambda i, v: _twice(_local(i, _var).mean(0))},
        ),
        Mistake(
            "spread_of_means_missing",
            "Your variance is the weighted mean of the processes' variances. It lacks the spread between the processes: "
            "their means differ.",
            {"var": lambda i, v: _twice(_within(i))},
        ),
        Mistake(
            "variance_unbiased",
            "Your variance divides by the count minus 1. The variance that normalises is the biased one, of the joined "
            "batch.",
            {"var": lambda i, v: _twice(_joined(i).var(0, ddof=1))},
            keeps=0.5,
        ),
        Mistake(
            "empty_shard_spoils_all",
            "An empty shard turns your mean and variance into NaN: torch's mean of no examples is NaN, and 0 * NaN is NaN. "
            "Send zeros from a process that has no examples.",
            {
                "mean": lambda i, v: _spoilt(i, _twice(_joined(i).mean(0))),
                "var": lambda i, v: _spoilt(i, _twice(_joined(i).var(0))),
                "y": lambda i, v: _spoilt(i, _output(i, v["mean"], v["var"])),
            },
        ),
        Mistake(
            "normalises_with_own_shard",
            "Your mean and variance are right, but y is normalised with those of the process's own examples. Use the "
            "joined ones.",
            {"y": lambda i, v: _output(i, _local(i, _mean), _local(i, _var))},
        ),
        Mistake(
            "count_of_own_shard",
            "Your count is that of this process. Return the count of both together.",
            {"count": lambda i, v: _counts(i)},
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. Use sqrt(var + eps).",
            {"y": lambda i, v: _output(i, v["mean"], v["var"], root=lambda var, eps: np.sqrt(var) + eps)},
        ),
        Mistake(
            "weight_and_bias_forgotten",
            "Your y stops at x_hat. Scale by weight and shift by bias.",
            {"y": lambda i, v: _output(i, v["mean"], v["var"], weight=False)},
        ),
    ),
    chapter="family",
)

"""Spec of ``batchnorm_layer``: both modes of the layer, and what it keeps between calls."""

import numpy as np

from bn_reference.batchnorm import batchnorm_forward, batchnorm_inference, update_running_statistics
from bn_reference.checks.batches import vector
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _layer(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    if not training:
        return batchnorm_inference(x, gamma, beta, running_mean, running_var, eps), running_mean, running_var
    y, cache = batchnorm_forward(x, gamma, beta, eps)
    return y, *update_running_statistics(running_mean, running_var, cache.mean, cache.var, len(x), momentum)


def _layer_cases(rng):
    n, c = int(rng.integers(5, 10)), int(rng.integers(2, 5))

    def case(name, kind, n, c, training, momentum=0.1, dtype=np.float64, eps=1e-3, constant=False):
        x = rng.standard_normal((n, c)) * rng.uniform(0.5, 2, c) + rng.uniform(-3, 3, c)
        if constant:
            x[:, rng.integers(c)] = 0.7
        x = x.astype(dtype)
        inputs = {
            "x": x,
            "gamma": vector(rng, x),
            "beta": vector(rng, x),
            "running_mean": rng.uniform(-3, 3, c).astype(dtype),
            "running_var": rng.uniform(0.5, 4, c).astype(dtype),
            "training": training,
            "momentum": momentum,
            "eps": eps,
        }
        mode = "training" if training else "inference"
        return Case(f"{name}, {mode}, x of shape {(n, c)}, momentum={momentum}", kind, inputs)

    return [
        case("an ordinary batch", "training", n, c, True),
        case("as many examples as features", "training", c + 1, c + 1, True, 0.3, eps=0.01),
        case("float32", "training", n + 1, c, True, 0.25, np.float32),
        case("an ordinary batch", "inference", n, c, False),
        case("as many examples as features", "inference", c + 1, c + 1, False, 0.3, eps=0.01),
        case("float32", "inference", n, c + 1, False, 0.25, np.float32),
        case("the smallest batch", "edge", 2, c, True, eps=1e-5),
        case("one feature is constant", "edge", n, c, True, 1.0, eps=1e-5, constant=True),
        case("a single example", "edge", 1, c, False, eps=1e-5),
    ]


def _normalised(i, mean, var):
    return i["gamma"] * (i["x"] - mean) / np.sqrt(var + i["eps"]) + i["beta"]


def _by_batch(i):
    x = i["x"].astype(float)
    return _normalised(i, x.mean(0), x.var(0))


def _by_running(i):
    return _normalised(i, i["running_mean"], i["running_var"])


def _unbiased(i, m=None):
    m = len(i["x"]) if m is None else m
    return i["x"].var(0, dtype=float) * np.float64(m) / (m - 1)


def _moved_mean(i):
    return (1 - i["momentum"]) * i["running_mean"] + i["momentum"] * i["x"].mean(0, dtype=float)


def _moved_var(i, new=None):
    new = _unbiased(i) if new is None else new
    return (1 - i["momentum"]) * i["running_var"] + i["momentum"] * new


def _if_training(value, otherwise):
    """A formula that is ``value(inputs)`` in training and ``otherwise(inputs)`` at inference."""
    return lambda i, v: value(i) if i["training"] else otherwise(i)


def _old(name):
    return lambda i: i[name]


def _swapped(name, new):
    return lambda i: i["momentum"] * i[name] + (1 - i["momentum"]) * new(i)


def _batch_mean(i):
    return i["x"].mean(0, dtype=float)


LAYER = Spec(
    name="batchnorm_layer",
    outputs=("y", "running_mean", "running_var"),
    nodes={
        "y": Node(
            _if_training(_by_batch, _by_running),
            magnitude=lambda i: np.max(np.abs(i["gamma"] * i["x"]) / np.sqrt(i["running_var"] + i["eps"])),
        ),
        "running_mean": Node(_if_training(_moved_mean, _old("running_mean"))),
        "running_var": Node(_if_training(_moved_var, _old("running_var"))),
    },
    reference=_layer,
    cases=_layer_cases,
    parts=(
        Part(
            "y in training",
            2,
            ("y",),
            ("training",),
            nudge="Whose mean and variance does the layer use while it trains?",
            hint="In training, each batch is normalised with its own mean and biased variance: call batchnorm_forward.",
            source="Ioffe & Szegedy 2015, Algorithm 1.",
        ),
        Part(
            "running statistics after a training step",
            2,
            ("running_mean", "running_var"),
            ("training",),
            nudge="What has to be different after this batch from before it?",
            hint="In training, hand the batch's mean and variance to update_running_statistics, with m = N, and "
            "return what it gives.",
            source="Ioffe & Szegedy 2015, Section 3.1, and Algorithm 2, line 10.",
        ),
        Part(
            "y at inference",
            2,
            ("y",),
            ("inference",),
            nudge="Would an example get the same answer in other company?",
            hint="At inference, use running_mean and running_var as they came in: call batchnorm_inference.",
            source="Ioffe & Szegedy 2015, Algorithm 2, line 11.",
        ),
        Part(
            "running statistics unchanged at inference",
            1,
            ("running_mean", "running_var"),
            ("inference",),
            nudge="Should looking at test data change the layer?",
            hint="Inference only reads the running statistics. Return them as they came in.",
            source="The chapter's section 'Algorithm 2: what happens at inference': the statistics are fixed.",
        ),
        Part(
            "the smallest batch, a constant feature, a single example at inference",
            1,
            ("y", "running_mean", "running_var"),
            ("edge",),
            nudge="Which lines run for a single example, and can they?",
            hint="A single example has no unbiased variance. At inference nothing should ask for one.",
            source="The page 'Notation', section 'Conventions': one value a channel.",
        ),
    ),
    mistakes=(
        Mistake(
            "running_statistics_in_training",
            "Your layer normalises with the running statistics in training too. In training each batch is "
            "normalised with its own mean and variance; the running ones only follow along.",
            {"y": lambda i, v: _by_running(i)},
        ),
        Mistake(
            "batch_statistics_at_inference",
            "Your layer normalises with the statistics of the batch at inference too. There it has to use "
            "running_mean and running_var, so that an example's result does not depend on its neighbours.",
            {"y": lambda i, v: _by_batch(i)},
        ),
        Mistake(
            "modes_swapped",
            "Your two modes have changed places: training uses the running statistics, and inference those of the batch.",
            {
                "y": _if_training(_by_running, _by_batch),
                "running_mean": _if_training(_old("running_mean"), _moved_mean),
                "running_var": _if_training(_old("running_var"), _moved_var),
            },
        ),
        Mistake(
            "updated_statistics_normalise",
            "In training your layer updates the running statistics and then normalises with them. The batch is "
            "normalised with its own mean and variance.",
            {"y": _if_training(lambda i: _normalised(i, _moved_mean(i), _moved_var(i)), _by_running)},
        ),
        Mistake(
            "unbiased_variance_normalises",
            "In training your layer normalises with the unbiased variance. The biased one normalises; the "
            "unbiased one is only for running_var.",
            {"y": _if_training(lambda i: _normalised(i, _batch_mean(i), _unbiased(i)), _by_running)},
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. Use sqrt(var + eps) in both modes.",
            {
                "y": _if_training(
                    lambda i: _by_batch(
                        {**i, "eps": i["eps"] ** 2 + 2 * i["eps"] * i["x"].std(0, dtype=float)}
                    ),
                    lambda i: _by_running(
                        {**i, "eps": i["eps"] ** 2 + 2 * i["eps"] * np.sqrt(i["running_var"].astype(float))}
                    ),
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "gamma_and_beta_forgotten_at_inference",
            "At inference your layer stops at x_hat. Scale by gamma and shift by beta in both modes.",
            {
                "y": _if_training(
                    _by_batch, lambda i: (i["x"] - i["running_mean"]) / np.sqrt(i["running_var"] + i["eps"])
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "gamma_and_beta_forgotten",
            "Your layer stops at x_hat. Scale by gamma and shift by beta, in both modes.",
            {
                "y": _if_training(
                    lambda i: _by_batch({**i, "gamma": 1.0, "beta": 0.0}),
                    lambda i: _by_running({**i, "gamma": 1.0, "beta": 0.0}),
                )
            },
        ),
        Mistake(
            "running_statistics_updated_at_inference",
            "Your layer updates the running statistics at inference too. Test data must not change the layer: "
            "return them as they came in.",
            {"running_mean": lambda i, v: _moved_mean(i), "running_var": lambda i, v: _moved_var(i)},
        ),
        Mistake(
            "running_statistics_never_updated",
            "Your running statistics come back as they came in, even in training. Then inference would use the "
            "values that they started with. Update them in training.",
            {"running_mean": lambda i, v: i["running_mean"], "running_var": lambda i, v: i["running_var"]},
        ),
        Mistake(
            "batch_statistics_returned",
            "In training your layer returns the statistics of the latest batch. Mix them with the old ones, by momentum.",
            {
                "running_mean": _if_training(_batch_mean, _old("running_mean")),
                "running_var": _if_training(_unbiased, _old("running_var")),
            },
        ),
        Mistake(
            "momentum_swapped",
            "Your momentum weighs the old value. Here, as in torch, momentum is the weight of the new one: "
            "running = (1 - momentum) * running + momentum * new.",
            {
                "running_mean": _if_training(_swapped("running_mean", _batch_mean), _old("running_mean")),
                "running_var": _if_training(_swapped("running_var", _unbiased), _old("running_var")),
            },
            keeps=0.5,
        ),
        Mistake(
            "running_variance_biased",
            "Your running variance takes in the biased variance. Algorithm 2, line 10, uses the unbiased one: "
            "multiply var by m / (m - 1).",
            {
                "running_var": _if_training(
                    lambda i: _moved_var(i, i["x"].var(0, dtype=float)), _old("running_var")
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "m_counts_all_entries",
            "Your m is x.size, which counts the entries of all features together. m counts the values of one "
            "feature: here N, that is x.shape[0].",
            {
                "running_var": _if_training(
                    lambda i: _moved_var(i, _unbiased(i, i["x"].size)), _old("running_var")
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "m_counts_features",
            "Your m is the number of features, x.shape[1]. m counts the values of one feature: here N, that is x.shape[0].",
            {
                "running_var": _if_training(
                    lambda i: _moved_var(i, _unbiased(i, i["x"].shape[1])), _old("running_var")
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "running_standard_deviation",
            "Your running variance takes in a standard deviation. Keep the variance itself; inference takes the root.",
            {
                "running_var": _if_training(
                    lambda i: _moved_var(i, np.sqrt(_unbiased(i))), _old("running_var")
                )
            },
        ),
    ),
    chapter="inference",
)

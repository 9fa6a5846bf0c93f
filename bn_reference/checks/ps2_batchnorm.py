"""Specs of the graded functions of ``ps2_batchnorm``, all for the layout (N, C)."""

import numpy as np

from bn_reference.batchnorm import (
    BatchNormCache,
    batch_statistics,
    batchnorm_backward,
    batchnorm_backward_staged,
    batchnorm_forward,
    batchnorm_inference,
    update_running_statistics,
)
from bn_reference.checks.batches import batch_cases, vector
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec

# ---------------------------------------------------------------- batchnorm_forward


def _forward_inputs(x, rng, eps):
    return {"x": x, "gamma": vector(rng, x), "beta": vector(rng, x), "eps": eps}


def _forward(x, gamma, beta, eps):
    y, cache = batchnorm_forward(x, gamma, beta, eps)
    return y, cache.x_hat, cache.mean, cache.var


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
        "y": Node(lambda i, v: i["gamma"] * v["x_hat"] + i["beta"]),
    },
    reference=_forward,
    cases=lambda rng: batch_cases(rng, _forward_inputs),
    parts=(
        Part("mean of each feature", 1, ("mean",), hint="The mean of feature k runs over all N examples."),
        Part(
            "variance of each feature",
            2,
            ("var",),
            hint="Algorithm 1, line 2: square what is left after the mean.",
        ),
        Part("x_hat, from your mean and variance", 2, ("x_hat",), hint="Algorithm 1, line 3."),
        Part("y, from your x_hat", 2, ("y",), hint="Algorithm 1, line 4."),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("mean", "var", "x_hat", "y"),
            ("edge",),
            hint="With one example, or equal ones, the variance is 0; eps alone keeps the root above zero.",
        ),
        Part(
            "features with a large mean",
            1,
            ("mean", "var", "x_hat", "y"),
            ("offset",),
            hint="Subtract the mean before you square. mean(x**2) - mean(x)**2 takes the difference of "
            "two huge numbers, and the digits that matter are lost.",
        ),
    ),
    mistakes=(
        Mistake(
            "variance_divides_by_n_minus_1",
            "Your variance divides by N - 1. Algorithm 1, line 2, divides by N: the variance that normalises "
            "is the biased one.",
            {
                "var": lambda i, v: (
                    i["x"].var(0, ddof=1) if len(i["x"]) > 1 else np.full(i["x"].shape[1], np.nan)
                )
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
            "Your statistics run along each example (axis 1). That is layer normalization. Batch normalization "
            "takes them over the batch, axis 0: one mean for each feature.",
            {"mean": lambda i, v: i["x"].mean(1), "var": lambda i, v: i["x"].var(1)},
        ),
        Mistake(
            "statistics_of_whole_array",
            "Your mean and variance are single numbers for the whole array. Each feature has its own: pass axis=0.",
            {"mean": lambda i, v: i["x"].mean(), "var": lambda i, v: i["x"].var()},
        ),
    ),
    chapter="batchnorm_transform",
)

# ---------------------------------------------------------------- update_running_statistics


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
            hint="(1 - momentum) of the old value, momentum of the new one.",
        ),
        Part(
            "running variance",
            3,
            ("running_var",),
            hint="Make the variance of the batch unbiased first (times m / (m - 1)), then average as for the mean.",
        ),
        Part(
            "momentum 0 and 1, and the smallest batch",
            1,
            ("running_mean", "running_var"),
            ("edge",),
            hint="With momentum 1 the old value is gone; with momentum 0 nothing changes.",
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
            "old_value_dropped",
            "Your running statistics are those of the latest batch. Mix them with the old ones.",
            {"running_mean": lambda i, v: i["mean"], "running_var": lambda i, v: _unbiased(i)},
        ),
    ),
    chapter="batchnorm_transform",
)

# ---------------------------------------------------------------- batchnorm_inference


def _inference_inputs(x, rng, eps):
    c = x.shape[1]
    return {
        "x": x,
        "gamma": vector(rng, x),
        "beta": vector(rng, x),
        "running_mean": (x.mean(0) + rng.uniform(0.5, 1.0, c)).astype(x.dtype),
        "running_var": rng.uniform(0.5, 4.0, c).astype(x.dtype),
        "eps": eps,
    }


def _inference(i, mean, var, eps):
    return i["gamma"] * (i["x"] - mean) / np.sqrt(var + eps) + i["beta"]


INFERENCE = Spec(
    name="batchnorm_inference",
    outputs=("y",),
    nodes={
        "y": Node(
            lambda i, v: _inference(i, i["running_mean"], i["running_var"], i["eps"]),
            magnitude=lambda i: np.max(np.abs(i["gamma"] * i["x"]) / np.sqrt(i["running_var"] + i["eps"])),
        )
    },
    reference=lambda **inputs: (batchnorm_inference(**inputs),),
    cases=lambda rng: batch_cases(rng, _inference_inputs),
    parts=(
        Part(
            "y on ordinary batches",
            3,
            ("y",),
            hint="Algorithm 1, lines 3 and 4, with running_mean and running_var.",
        ),
        Part(
            "a single example, and a feature that is constant in the batch",
            1,
            ("y",),
            ("edge",),
            hint="At inference each example is normalised by itself: the rest of the batch must not matter.",
        ),
        Part(
            "features with a large mean", 1, ("y",), ("offset",), hint="Subtract the mean before you scale."
        ),
    ),
    mistakes=(
        Mistake(
            "batch_statistics_at_inference",
            "Your function normalises with the statistics of this batch. At inference use running_mean and "
            "running_var, so that an example's result does not depend on its neighbours.",
            {"y": lambda i, v: _inference(i, i["x"].mean(0), i["x"].var(0), i["eps"])},
        ),
        Mistake(
            "batch_mean_at_inference",
            "Your function subtracts the mean of this batch. At inference subtract running_mean.",
            {"y": lambda i, v: _inference(i, i["x"].mean(0), i["running_var"], i["eps"])},
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. Use sqrt(running_var + eps), as in training.",
            {
                "y": lambda i, v: _inference(
                    i, i["running_mean"], (np.sqrt(i["running_var"]) + i["eps"]) ** 2, 0
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "eps_missing",
            "Your function leaves eps out. Training had it under the root, and inference has to do the same.",
            {"y": lambda i, v: _inference(i, i["running_mean"], i["running_var"], 0)},
            keeps=0.5,
        ),
        Mistake(
            "divides_by_variance",
            "Your function divides by the variance. Divide by the standard deviation, sqrt(running_var + eps).",
            {"y": lambda i, v: _inference(i, i["running_mean"], (i["running_var"] + i["eps"]) ** 2, 0)},
            keeps=0.5,
        ),
        Mistake(
            "running_variance_taken_for_standard_deviation",
            "Your function treats running_var as a standard deviation. It is a variance: take the root.",
            {"y": lambda i, v: _inference(i, i["running_mean"], i["running_var"] ** 2, 0)},
            keeps=0.5,
        ),
        Mistake(
            "gamma_and_beta_forgotten",
            "Your function stops at x_hat. Scale by gamma and shift by beta, as in training.",
            {"y": lambda i, v: (i["x"] - i["running_mean"]) / np.sqrt(i["running_var"] + i["eps"])},
            keeps=0.5,
        ),
        Mistake(
            "gamma_forgotten",
            "Your y lacks gamma: y = gamma * x_hat + beta.",
            {
                "y": lambda i, v: (
                    (i["x"] - i["running_mean"]) / np.sqrt(i["running_var"] + i["eps"]) + i["beta"]
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "beta_forgotten",
            "Your y lacks beta: y = gamma * x_hat + beta.",
            {"y": lambda i, v: _inference(i, i["running_mean"], i["running_var"], i["eps"]) - i["beta"]},
            keeps=0.5,
        ),
        Mistake(
            "mean_not_subtracted",
            "Your function does not subtract running_mean.",
            {"y": lambda i, v: _inference(i, 0, i["running_var"], i["eps"])},
            keeps=0.25,
        ),
    ),
    chapter="batchnorm_transform",
)

# ---------------------------------------------------------------- batchnorm_backward_staged


def _dout(rng, x):
    return rng.standard_normal(x.shape).astype(x.dtype)


def _staged_inputs(x, rng, eps):
    mean, var = (value.astype(x.dtype) for value in batch_statistics(x))
    return {"dout": _dout(rng, x), "x": x, "gamma": vector(rng, x), "mean": mean, "var": var, "eps": eps}


def _std(i):
    return np.sqrt(i["var"] + i["eps"])


def _centered(i):
    return i["x"] - i["mean"]


def _staged(dout, x, gamma, mean, var, eps):
    std = np.sqrt(var + eps)
    cache = BatchNormCache(mean, var, std, x - mean, (x - mean) / std, gamma)
    stages = batchnorm_backward_staged(dout, cache)
    return stages.dgamma, stages.dbeta, stages.dx_hat, stages.dvar, stages.dmean, stages.dx


def _dx(i, v, direct=1, through_var=1, through_mean=1):
    """dx as the sum of its three paths, each with a weight."""
    m = len(i["x"])
    return (
        direct * v["dx_hat"] / _std(i)
        + through_var * v["dvar"] * 2 * _centered(i) / m
        + through_mean * v["dmean"] / m
    )


def _dgamma(i):
    return (i["dout"] * _centered(i) / _std(i)).sum(0)


def _dvar(i, v, factor=-0.5, power=3):
    return factor * (v["dx_hat"] * _centered(i)).sum(0) / _std(i) ** power


def _staged_size(i):
    """The size of dx_hat / std, which the sums for dmean and dx are made of."""
    return np.max(np.abs(i["dout"] * i["gamma"]) / _std(i))


STAGED = Spec(
    name="batchnorm_backward_staged",
    outputs=("dgamma", "dbeta", "dx_hat", "dvar", "dmean", "dx"),
    nodes={
        "dgamma": Node(lambda i, v: _dgamma(i)),
        "dbeta": Node(lambda i, v: i["dout"].sum(0)),
        "dx_hat": Node(lambda i, v: i["dout"] * i["gamma"]),
        "dvar": Node(
            lambda i, v: _dvar(i, v),
            magnitude=lambda i: np.max(np.abs(i["dout"] * i["gamma"] * _centered(i)) / _std(i) ** 3),
        ),
        "dmean": Node(lambda i, v: -v["dx_hat"].sum(0) / _std(i), magnitude=_staged_size),
        "dx": Node(lambda i, v: _dx(i, v), magnitude=_staged_size),
    },
    reference=_staged,
    cases=lambda rng: [case for case in batch_cases(rng, _staged_inputs) if case.kind != "offset"],
    parts=(
        Part(
            "dgamma",
            1,
            ("dgamma",),
            hint="gamma multiplies x_hat in every example: sum dout * x_hat over the batch.",
        ),
        Part("dbeta", 1, ("dbeta",), hint="beta is added in every example: sum dout over the batch."),
        Part("dx_hat", 1, ("dx_hat",), hint="y = gamma * x_hat + beta: what does a change of x_hat do to y?"),
        Part(
            "dvar, from your dx_hat",
            2,
            ("dvar",),
            hint="Differentiate (var + eps)**(-1/2), then sum over the batch.",
        ),
        Part(
            "dmean, from your dx_hat",
            2,
            ("dmean",),
            hint="mean enters every x_hat of the batch, with a minus sign.",
        ),
        Part(
            "dx, from your dx_hat, dvar and dmean",
            3,
            ("dx",),
            hint="x reaches x_hat along three paths: directly, through var, and through mean. Add all three.",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("dgamma", "dbeta", "dx_hat", "dvar", "dmean", "dx"),
            ("edge",),
            hint="With one example y does not depend on x at all, so that dx is 0.",
        ),
    ),
    mistakes=(
        Mistake(
            "dgamma_takes_x",
            "Your dgamma multiplies dout by x. gamma scales x_hat, so its gradient is the sum of dout * x_hat.",
            {"dgamma": lambda i, v: (i["dout"] * i["x"]).sum(0)},
        ),
        Mistake(
            "dgamma_takes_centered",
            "Your dgamma multiplies dout by x - mean. Divide that by sqrt(var + eps): gamma scales x_hat.",
            {"dgamma": lambda i, v: (i["dout"] * _centered(i)).sum(0)},
        ),
        Mistake(
            "dgamma_not_summed",
            "Your dgamma still has one row for each example. gamma is shared by the batch: sum over axis 0.",
            {"dgamma": lambda i, v: i["dout"] * _centered(i) / _std(i)},
        ),
        Mistake(
            "dgamma_averaged",
            "Your dgamma is averaged over the batch. The chain rule adds up: use the sum.",
            {"dgamma": lambda i, v: _dgamma(i) / len(i["x"])},
        ),
        Mistake(
            "dbeta_not_summed",
            "Your dbeta still has one row for each example. beta is shared by the batch: sum over axis 0.",
            {"dbeta": lambda i, v: i["dout"]},
        ),
        Mistake(
            "dbeta_averaged",
            "Your dbeta is averaged over the batch. The chain rule adds up: use the sum.",
            {"dbeta": lambda i, v: i["dout"].mean(0)},
        ),
        Mistake(
            "dbeta_sums_features",
            "Your dbeta sums over the features. It needs one value for each feature: sum over the batch, axis 0.",
            {"dbeta": lambda i, v: i["dout"].sum(1)},
        ),
        Mistake(
            "gamma_missing_in_dx_hat",
            "Your dx_hat lacks gamma. Since y = gamma * x_hat + beta, dx_hat = dout * gamma.",
            {"dx_hat": lambda i, v: i["dout"]},
        ),
        Mistake(
            "dvar_sign",
            "Your dvar has the wrong sign. A larger variance makes x_hat smaller: the factor is -1/2.",
            {"dvar": lambda i, v: _dvar(i, v, factor=0.5)},
        ),
        Mistake(
            "dvar_power",
            "Your dvar keeps the power -1/2. The derivative of (var + eps)**(-1/2) is -1/2 * (var + eps)**(-3/2).",
            {"dvar": lambda i, v: _dvar(i, v, power=1)},
        ),
        Mistake(
            "dvar_half_missing",
            "Your dvar lacks the factor 1/2 that the root brings.",
            {"dvar": lambda i, v: _dvar(i, v, factor=-1)},
        ),
        Mistake(
            "dstd_for_dvar",
            "Your dvar is the gradient at the standard deviation. Go one node further: std = sqrt(var + eps), "
            "so divide by 2 * std.",
            {"dvar": lambda i, v: _dvar(i, v, factor=-1, power=2)},
        ),
        Mistake(
            "dmean_sign",
            "Your dmean has the wrong sign. The mean is subtracted in x - mean.",
            {"dmean": lambda i, v: v["dx_hat"].sum(0) / _std(i)},
        ),
        Mistake(
            "dmean_not_divided_by_std",
            "Your dmean lacks the division by sqrt(var + eps): x_hat = (x - mean) / sqrt(var + eps).",
            {"dmean": lambda i, v: -v["dx_hat"].sum(0)},
        ),
        Mistake(
            "dmean_averaged",
            "Your dmean is averaged over the batch. Here it is a sum; the 1/m belongs to the step from mean to x.",
            {"dmean": lambda i, v: -v["dx_hat"].mean(0) / _std(i)},
        ),
        Mistake(
            "statistics_taken_as_constants",
            "Your dx treats mean and variance as constants. Every x moves both: add the path through var and the "
            "path through mean.",
            {"dx": lambda i, v: _dx(i, v, through_var=0, through_mean=0)},
        ),
        Mistake(
            "path_through_mean_missing",
            "Your dx lacks the path through the mean. Add dmean / m: every example contributes 1/m to the mean.",
            {"dx": lambda i, v: _dx(i, v, through_mean=0)},
        ),
        Mistake(
            "path_through_variance_missing",
            "Your dx lacks the path through the variance. Add dvar * 2 * (x - mean) / m.",
            {"dx": lambda i, v: _dx(i, v, through_var=0)},
        ),
        Mistake(
            "two_missing_in_variance_path",
            "Your path through the variance lacks the 2 of the square's derivative: dvar * 2 * (x - mean) / m.",
            {"dx": lambda i, v: _dx(i, v, through_var=0.5)},
        ),
        Mistake(
            "mean_path_not_divided_by_m",
            "Your path through the mean lacks 1/m: the mean is a sum divided by m.",
            {"dx": lambda i, v: _dx(i, v, through_mean=len(i["x"]))},
        ),
        Mistake(
            "variance_path_not_divided_by_m",
            "Your path through the variance lacks 1/m: the variance is a sum divided by m.",
            {"dx": lambda i, v: _dx(i, v, through_var=len(i["x"]))},
        ),
    ),
    chapter="backpropagation",
)

# ---------------------------------------------------------------- batchnorm_backward


def _closed_inputs(x, rng, eps):
    gamma = vector(rng, x)
    _, cache = batchnorm_forward(x, gamma, np.zeros_like(gamma), eps)
    return {
        "dout": _dout(rng, x),
        "x_hat": cache.x_hat.astype(x.dtype),
        "gamma": gamma,
        "var": cache.var.astype(x.dtype),
        "eps": eps,
    }


def _closed(dout, x_hat, gamma, var, eps):
    std = np.sqrt(var + eps)
    cache = BatchNormCache(np.zeros_like(var), var, std, x_hat * std, x_hat, gamma)
    return batchnorm_backward(dout, cache)


def _closed_dx(i, mean_part=1, x_hat_part=1):
    """dx with a weight on each part that is taken out of dout."""
    dout, x_hat = i["dout"], i["x_hat"]
    taken_out = mean_part * dout.mean(0) + x_hat_part * x_hat * (dout * x_hat).mean(0)
    return i["gamma"] / _std(i) * (dout - taken_out)


CLOSED = Spec(
    name="batchnorm_backward",
    outputs=("dx", "dgamma", "dbeta"),
    nodes={
        "dgamma": Node(lambda i, v: (i["dout"] * i["x_hat"]).sum(0)),
        "dbeta": Node(lambda i, v: i["dout"].sum(0)),
        "dx": Node(lambda i, v: _closed_dx(i), magnitude=_staged_size),
    },
    reference=_closed,
    cases=lambda rng: [case for case in batch_cases(rng, _closed_inputs) if case.kind != "offset"],
    parts=(
        Part("dgamma", 1, ("dgamma",), hint="Sum dout * x_hat over the batch."),
        Part("dbeta", 1, ("dbeta",), hint="Sum dout over the batch."),
        Part(
            "dx",
            4,
            ("dx",),
            hint="Take out of dout its mean, and x_hat times the mean of dout * x_hat; then scale by gamma / std.",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("dgamma", "dbeta", "dx"),
            ("edge",),
            hint="With one example dout minus its mean is 0, and so is dx.",
        ),
    ),
    mistakes=(
        Mistake(
            "statistics_taken_as_constants",
            "Your dx is dout * gamma / std: it treats mean and variance as constants. Two parts of dout have to be "
            "taken out: its mean, and its part along x_hat.",
            {"dx": lambda i, v: _closed_dx(i, 0, 0)},
        ),
        Mistake(
            "path_through_mean_missing",
            "Your dx lacks the path through the mean: subtract the mean of dout over the batch.",
            {"dx": lambda i, v: _closed_dx(i, mean_part=0)},
            keeps=0.5,
        ),
        Mistake(
            "path_through_variance_missing",
            "Your dx lacks the path through the variance: subtract x_hat times the mean of dout * x_hat.",
            {"dx": lambda i, v: _closed_dx(i, x_hat_part=0)},
            keeps=0.5,
        ),
        Mistake(
            "sums_instead_of_means",
            "Your dx subtracts sums over the batch. Divide both by m: the formula has means.",
            {"dx": lambda i, v: _closed_dx(i, len(i["dout"]), len(i["dout"]))},
            keeps=0.5,
        ),
        Mistake(
            "path_through_variance_has_wrong_sign",
            "Your part along x_hat is added. Both parts are taken out of dout: subtract it.",
            {"dx": lambda i, v: _closed_dx(i, x_hat_part=-1)},
            keeps=0.5,
        ),
        Mistake(
            "x_hat_missing_in_variance_path",
            "Your dx subtracts the mean of dout * x_hat by itself. Multiply it by x_hat: the part of dout along x_hat "
            "points along x_hat.",
            {
                "dx": lambda i, v: (
                    i["gamma"] / _std(i) * (i["dout"] - i["dout"].mean(0) - (i["dout"] * i["x_hat"]).mean(0))
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "gamma_missing_in_dx",
            "Your dx lacks gamma: the gradient passes through y = gamma * x_hat + beta first.",
            {"dx": lambda i, v: _closed_dx(i) / i["gamma"]},
            keeps=0.5,
        ),
        Mistake(
            "std_missing_in_dx",
            "Your dx lacks the division by sqrt(var + eps).",
            {"dx": lambda i, v: _closed_dx(i) * _std(i)},
            keeps=0.5,
        ),
        Mistake(
            "divides_by_variance",
            "Your dx is divided by the variance. Divide by its root, sqrt(var + eps).",
            {"dx": lambda i, v: _closed_dx(i) / _std(i)},
            keeps=0.5,
        ),
        Mistake(
            "multiplies_by_std",
            "Your dx is multiplied by sqrt(var + eps). x was divided by it on the way forward, and so is the gradient.",
            {"dx": lambda i, v: _closed_dx(i) * _std(i) ** 2},
            keeps=0.5,
        ),
        Mistake(
            "eps_missing",
            "Your dx divides by sqrt(var), without eps. Use the same root as the forward pass, sqrt(var + eps).",
            {"dx": lambda i, v: _closed_dx(i) * _std(i) / np.sqrt(i["var"])},
            keeps=0.5,
        ),
        Mistake(
            "dgamma_not_summed",
            "Your dgamma still has one row for each example. gamma is shared by the batch: sum over axis 0.",
            {"dgamma": lambda i, v: i["dout"] * i["x_hat"]},
        ),
        Mistake(
            "dgamma_averaged",
            "Your dgamma is averaged over the batch. The chain rule adds up: use the sum.",
            {"dgamma": lambda i, v: (i["dout"] * i["x_hat"]).mean(0)},
        ),
        Mistake(
            "dbeta_not_summed",
            "Your dbeta still has one row for each example. beta is shared by the batch: sum over axis 0.",
            {"dbeta": lambda i, v: i["dout"]},
        ),
        Mistake(
            "dbeta_averaged",
            "Your dbeta is averaged over the batch. The chain rule adds up: use the sum.",
            {"dbeta": lambda i, v: i["dout"].mean(0)},
        ),
        Mistake(
            "dgamma_and_dbeta_swapped",
            "Your dgamma and dbeta have changed places: dgamma is the sum of dout * x_hat, dbeta the sum of dout.",
            {"dgamma": lambda i, v: i["dout"].sum(0), "dbeta": lambda i, v: (i["dout"] * i["x_hat"]).sum(0)},
        ),
    ),
    chapter="backpropagation",
)

SPECS = (FORWARD, RUNNING, INFERENCE, STAGED, CLOSED)

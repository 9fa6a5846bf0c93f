"""Spec of ``batchnorm_backward_staged``: the chain rule of Section 3."""

import numpy as np

from bn_reference.batchnorm import BatchNormCache, batch_statistics, batchnorm_backward_staged
from bn_reference.checks.batches import batch_cases, cotangent, vector
from bn_reference.checks.ps3_backprop.gradients import gradient_size, parameter_mistakes, std
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _staged_inputs(x, rng, eps):
    mean, var = (value.astype(x.dtype) for value in batch_statistics(x))
    return {"dout": cotangent(rng, x), "x": x, "gamma": vector(rng, x), "mean": mean, "var": var, "eps": eps}


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
        direct * v["dx_hat"] / std(i)
        + through_var * v["dvar"] * 2 * _centered(i) / m
        + through_mean * v["dmean"] / m
    )


def _dgamma(i):
    return (i["dout"] * _centered(i) / std(i)).sum(0)


def _dvar(i, v, factor=-0.5, power=3):
    return factor * (v["dx_hat"] * _centered(i)).sum(0) / std(i) ** power


STAGED = Spec(
    name="batchnorm_backward_staged",
    outputs=("dgamma", "dbeta", "dx_hat", "dvar", "dmean", "dx"),
    nodes={
        "dgamma": Node(lambda i, v: _dgamma(i)),
        "dbeta": Node(lambda i, v: i["dout"].sum(0)),
        "dx_hat": Node(lambda i, v: i["dout"] * i["gamma"]),
        "dvar": Node(
            lambda i, v: _dvar(i, v),
            magnitude=lambda i: np.max(np.abs(i["dout"] * i["gamma"] * _centered(i)) / std(i) ** 3),
        ),
        "dmean": Node(lambda i, v: -v["dx_hat"].sum(0) / std(i), magnitude=gradient_size),
        "dx": Node(lambda i, v: _dx(i, v), magnitude=gradient_size),
    },
    reference=_staged,
    cases=lambda rng: [case for case in batch_cases(rng, _staged_inputs) if case.kind != "offset"],
    parts=(
        Part(
            "dgamma",
            1,
            ("dgamma",),
            nudge="How many entries of y does one gamma reach?",
            hint="gamma multiplies x_hat in every example: sum dout * x_hat over the batch.",
            source="Ioffe & Szegedy 2015, Section 3, fifth equation of the backward pass",
        ),
        Part(
            "dbeta",
            1,
            ("dbeta",),
            nudge="How many entries of y does one beta reach?",
            hint="beta is added in every example: sum dout over the batch.",
            source="Ioffe & Szegedy 2015, Section 3, last equation of the backward pass",
        ),
        Part(
            "dx_hat",
            1,
            ("dx_hat",),
            nudge="Look at the edge from x_hat to y.",
            hint="y = gamma * x_hat + beta: what does a change of x_hat do to y?",
            source="Ioffe & Szegedy 2015, Section 3, first equation of the backward pass",
        ),
        Part(
            "dvar, from your dx_hat",
            2,
            ("dvar",),
            nudge="Which entries of x_hat does the variance of a feature reach, and by what formula?",
            hint="Differentiate (var + eps)**(-1/2), then sum over the batch.",
            source="Ioffe & Szegedy 2015, Section 3, second equation of the backward pass",
        ),
        Part(
            "dmean, from your dx_hat",
            2,
            ("dmean",),
            nudge="Which entries of x_hat does the mean of a feature reach, and with which sign?",
            hint="mean enters every x_hat of the batch, with a minus sign.",
            source="Ioffe & Szegedy 2015, Section 3, third equation; Chapter Backpropagation through BN, The paper's six equations, for the part that is zero",
        ),
        Part(
            "dx, from your dx_hat, dvar and dmean",
            3,
            ("dx",),
            nudge="Draw the graph and put a finger on x. How many edges leave it?",
            hint="x reaches x_hat along three paths: directly, through var, and through mean. Add all three.",
            source="Ioffe & Szegedy 2015, Section 3, fourth equation of the backward pass",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("dgamma", "dbeta", "dx_hat", "dvar", "dmean", "dx"),
            ("edge",),
            nudge="What is y for a batch of one example?",
            hint="With one example y does not depend on x at all, so that dx is 0.",
            source="Chapter Backpropagation through BN, What the closed form says",
        ),
    ),
    mistakes=(
        *parameter_mistakes(lambda i, v: _centered(i) / std(i)),
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
            "dvar_power_of_the_variance",
            "Your dvar divides by var + eps. The derivative of (var + eps)**(-1/2) is -1/2 * (var + eps)**(-3/2).",
            {"dvar": lambda i, v: _dvar(i, v, power=2)},
        ),
        Mistake(
            "dvar_takes_x_hat",
            "Your dvar multiplies dx_hat by x_hat. With the power -3/2 it takes x - mean: one division is in the power "
            "already.",
            {"dvar": lambda i, v: _dvar(i, v, power=4)},
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
            {"dmean": lambda i, v: v["dx_hat"].sum(0) / std(i)},
        ),
        Mistake(
            "dmean_not_divided_by_std",
            "Your dmean lacks the division by sqrt(var + eps): x_hat = (x - mean) / sqrt(var + eps).",
            {"dmean": lambda i, v: -v["dx_hat"].sum(0)},
        ),
        Mistake(
            "dmean_divided_by_variance",
            "Your dmean is divided by the variance. Divide by its root, sqrt(var + eps), as x - mean was.",
            {"dmean": lambda i, v: -v["dx_hat"].sum(0) / std(i) ** 2},
        ),
        Mistake(
            "dmean_averaged",
            "Your dmean is averaged over the batch. Here it is a sum; the 1/m belongs to the step from mean to x.",
            {"dmean": lambda i, v: -v["dx_hat"].mean(0) / std(i)},
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
            "path_through_mean_subtracted",
            "Your dx subtracts the path through the mean. Where several edges leave a node, add; the minus is in dmean "
            "already.",
            {"dx": lambda i, v: _dx(i, v, through_mean=-1)},
        ),
        Mistake(
            "path_through_variance_missing",
            "Your dx lacks the path through the variance. Add dvar * 2 * (x - mean) / m.",
            {"dx": lambda i, v: _dx(i, v, through_var=0)},
        ),
        Mistake(
            "path_through_variance_subtracted",
            "Your dx subtracts the path through the variance. Where several edges leave a node, add; the minus is in dvar "
            "already.",
            {"dx": lambda i, v: _dx(i, v, through_var=-1)},
        ),
        Mistake(
            "direct_path_takes_dout",
            "The straight path of your dx takes dout. What comes back to x_hat is dx_hat: divide that by sqrt(var + eps).",
            {"dx": lambda i, v: _dx(i, v, direct=1 / i["gamma"])},
        ),
        Mistake(
            "direct_path_not_divided_by_std",
            "The straight path of your dx is dx_hat by itself. x_hat = (x - mean) / sqrt(var + eps), so divide it by that.",
            {"dx": lambda i, v: _dx(i, v, direct=std(i))},
        ),
        Mistake(
            "direct_path_multiplied_by_std",
            "The straight path of your dx multiplies by sqrt(var + eps). x was divided by it on the way forward, and so is "
            "the gradient.",
            {"dx": lambda i, v: _dx(i, v, direct=std(i) ** 2)},
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

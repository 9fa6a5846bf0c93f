"""Spec of ``batchnorm_backward``: the closed form."""

import numpy as np

from bn_reference.batchnorm import BatchNormCache, batchnorm_backward, batchnorm_forward
from bn_reference.checks.batches import batch_cases, cotangent, vector
from bn_reference.checks.closed_form import mean_mistakes
from bn_reference.checks.ps3_backprop.gradients import gradient_size, parameter_mistakes, std
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _closed_inputs(x, rng, eps):
    gamma = vector(rng, x)
    _, cache = batchnorm_forward(x, gamma, np.zeros_like(gamma), eps)
    return {
        "dout": cotangent(rng, x),
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
    return i["gamma"] / std(i) * (dout - taken_out)


CLOSED = Spec(
    name="batchnorm_backward",
    outputs=("dx", "dgamma", "dbeta"),
    nodes={
        "dgamma": Node(lambda i, v: (i["dout"] * i["x_hat"]).sum(0)),
        "dbeta": Node(lambda i, v: i["dout"].sum(0)),
        "dx": Node(lambda i, v: _closed_dx(i), magnitude=gradient_size),
    },
    reference=_closed,
    cases=lambda rng: [case for case in batch_cases(rng, _closed_inputs) if case.kind != "offset"],
    parts=(
        Part(
            "dgamma",
            1,
            ("dgamma",),
            nudge="It is the same as node by node.",
            hint="Sum dout * x_hat over the batch.",
            source="Ioffe & Szegedy 2015, Section 3, fifth equation of the backward pass",
        ),
        Part(
            "dbeta",
            1,
            ("dbeta",),
            nudge="It is the same as node by node.",
            hint="Sum dout over the batch.",
            source="Ioffe & Szegedy 2015, Section 3, last equation of the backward pass",
        ),
        Part(
            "dx",
            4,
            ("dx",),
            nudge="Two parts of dout do not reach x. Which directions are they in?",
            hint="Take out of dout its mean, and x_hat times the mean of dout * x_hat; then scale by gamma / std.",
            source="Chapter Backpropagation through BN, The closed form",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("dgamma", "dbeta", "dx"),
            ("edge",),
            nudge="What is the mean of one number?",
            hint="With one example dout minus its mean is 0, and so is dx.",
            source="Chapter Backpropagation through BN, What the closed form says",
        ),
    ),
    mistakes=(
        *parameter_mistakes(lambda i, v: i["x_hat"]),
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
        *mean_mistakes(_closed_dx, lambda i: len(i["dout"])),
        Mistake(
            "means_divided_by_m_minus_1",
            "Your two means in dx are divided by m - 1. They come from the mean and the biased variance of the forward "
            "pass: divide by m.",
            {"dx": lambda i, v: _closed_dx(i, *[len(i["dout"]) / max(len(i["dout"]) - 1, 1)] * 2)},
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
                    i["gamma"] / std(i) * (i["dout"] - i["dout"].mean(0) - (i["dout"] * i["x_hat"]).mean(0))
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "x_hat_missing_in_the_mean",
            "Your dx subtracts x_hat times the mean of dout. The part of dout along x_hat is x_hat times the mean of "
            "dout * x_hat.",
            {"dx": lambda i, v: i["gamma"] / std(i) * (i["dout"] - (1 + i["x_hat"]) * i["dout"].mean(0))},
            keeps=0.5,
        ),
        Mistake(
            "gamma_on_dout_alone",
            "Your gamma multiplies dout and not the two parts that are taken out of it. Put gamma / std in front of all "
            "three.",
            {"dx": lambda i, v: _closed_dx(i) / i["gamma"] + (i["gamma"] - 1) * i["dout"] / std(i)},
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
            {"dx": lambda i, v: _closed_dx(i) * std(i)},
            keeps=0.5,
        ),
        Mistake(
            "divides_by_variance",
            "Your dx is divided by the variance. Divide by its root, sqrt(var + eps).",
            {"dx": lambda i, v: _closed_dx(i) / std(i)},
            keeps=0.5,
        ),
        Mistake(
            "multiplies_by_std",
            "Your dx is multiplied by sqrt(var + eps). x was divided by it on the way forward, and so is the gradient.",
            {"dx": lambda i, v: _closed_dx(i) * std(i) ** 2},
            keeps=0.5,
        ),
        Mistake(
            "eps_missing",
            "Your dx divides by sqrt(var), without eps. Use the same root as the forward pass, sqrt(var + eps).",
            {"dx": lambda i, v: _closed_dx(i) * std(i) / np.sqrt(i["var"])},
            keeps=0.5,
        ),
    ),
    chapter="backpropagation",
)

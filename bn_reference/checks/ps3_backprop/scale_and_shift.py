"""Spec of ``scale_shift_backward``: back through the last node, y = gamma * x_hat + beta."""

import numpy as np

from bn_reference.batchnorm import BatchNormCache, batchnorm_backward_staged, batchnorm_forward
from bn_reference.checks.batches import batch_cases, cotangent, vector
from bn_reference.checks.ps3_backprop.gradients import parameter_mistakes
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _inputs(x, rng, eps):
    gamma = vector(rng, x)
    _, cache = batchnorm_forward(x, gamma, gamma, eps)
    return {"dout": cotangent(rng, x), "x_hat": cache.x_hat.astype(x.dtype), "gamma": gamma}


def _reference(dout, x_hat, gamma):
    one = np.ones_like(gamma)  # the last node does not see mean and std
    stages = batchnorm_backward_staged(dout, BatchNormCache(0 * one, one, one, x_hat, x_hat, gamma))
    return stages.dx_hat, stages.dgamma, stages.dbeta


SCALE_SHIFT = Spec(
    name="scale_shift_backward",
    outputs=("dx_hat", "dgamma", "dbeta"),
    nodes={
        "dx_hat": Node(lambda i, v: i["dout"] * i["gamma"]),
        "dgamma": Node(lambda i, v: (i["dout"] * i["x_hat"]).sum(0)),
        "dbeta": Node(lambda i, v: i["dout"].sum(0)),
    },
    reference=_reference,
    cases=lambda rng: [case for case in batch_cases(rng, _inputs) if case.kind != "offset"],
    parts=(
        Part(
            "dx_hat",
            1,
            ("dx_hat",),
            nudge="Look at the edge from x_hat to y.",
            hint="A change of x_hat changes y by gamma times as much.",
            source="Ioffe & Szegedy 2015, Section 3, first equation of the backward pass",
        ),
        Part(
            "dgamma",
            1,
            ("dgamma",),
            nudge="How many entries of y does one gamma reach?",
            hint="gamma multiplies x_hat in every example: sum dout * x_hat over the batch.",
            source="Chapter Backpropagation through BN, Back, node by node: from y to beta, gamma and x_hat",
        ),
        Part(
            "dbeta",
            1,
            ("dbeta",),
            nudge="How many entries of y does one beta reach?",
            hint="beta is added in every example: sum dout over the batch.",
            source="Chapter Backpropagation through BN, Back, node by node: from y to beta, gamma and x_hat",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("dx_hat", "dgamma", "dbeta"),
            ("edge",),
            nudge="Try it with one example: which axis is summed then?",
            hint="With one example the sums have one term, and the shapes stay (C,).",
            source="Chapter Backpropagation through BN, Back, node by node",
        ),
    ),
    mistakes=(
        *parameter_mistakes(lambda i, v: i["x_hat"]),
        Mistake(
            "gamma_missing_in_dx_hat",
            "Your dx_hat lacks gamma. Since y = gamma * x_hat + beta, dx_hat = dout * gamma.",
            {"dx_hat": lambda i, v: i["dout"]},
        ),
        Mistake(
            "gamma_divides",
            "Your dx_hat is divided by gamma. Going back along an edge you multiply by its derivative, and that of "
            "gamma * x_hat is gamma.",
            {"dx_hat": lambda i, v: i["dout"] / i["gamma"]},
        ),
        Mistake(
            "dx_hat_takes_x_hat",
            "Your dx_hat multiplies dout by x_hat. That is the term of dgamma: the derivative of gamma * x_hat with "
            "respect to x_hat is the other factor, gamma.",
            {"dx_hat": lambda i, v: i["dout"] * i["x_hat"]},
        ),
        Mistake(
            "dx_hat_summed",
            "Your dx_hat is summed over the batch. Each x_hat feeds one y alone, so nothing is added here.",
            {"dx_hat": lambda i, v: (i["dout"] * i["gamma"]).sum(0)},
        ),
        Mistake(
            "dgamma_sums_features",
            "Your dgamma sums over the features. It needs one value for each feature: sum over the batch, axis 0.",
            {"dgamma": lambda i, v: (i["dout"] * i["x_hat"]).sum(1)},
        ),
        Mistake(
            "dgamma_forgets_dout",
            "Your dgamma is the sum of x_hat, which is zero for every batch. Multiply each x_hat by the gradient that "
            "comes in, dout.",
            {"dgamma": lambda i, v: i["x_hat"].sum(0)},
        ),
        Mistake(
            "dgamma_takes_dx_hat",
            "Your dgamma takes dx_hat, which has gamma in it. gamma is fed by y, so the gradient that comes in is dout.",
            {"dgamma": lambda i, v: (v["dx_hat"] * i["x_hat"]).sum(0)},
        ),
    ),
    chapter="backpropagation",
)

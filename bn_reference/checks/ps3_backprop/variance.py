"""Spec of ``variance_backward``: back through the root, the mean and the square, std to centered."""

import numpy as np

from bn_reference.batchnorm import batchnorm_forward
from bn_reference.checks.batches import batch_cases, vector
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _inputs(x, rng, eps):
    gamma = vector(rng, x)
    _, cache = batchnorm_forward(x, gamma, gamma, eps)
    return {
        "dstd": vector(rng, x),
        "centered": cache.centered.astype(x.dtype),
        "std": cache.std.astype(x.dtype),
    }


def _reference(dstd, centered, std):
    m = len(centered)
    dvar = dstd / (2 * std)
    dsquared = np.broadcast_to(dvar / m, centered.shape)
    return dvar, dsquared, 2 * centered * dsquared


VARIANCE = Spec(
    name="variance_backward",
    outputs=("dvar", "dsquared", "dcentered"),
    nodes={
        "dvar": Node(lambda i, v: i["dstd"] / (2 * i["std"])),
        "dsquared": Node(lambda i, v: v["dvar"] / len(i["centered"]) + 0 * i["centered"]),
        "dcentered": Node(lambda i, v: 2 * i["centered"] * v["dsquared"]),
    },
    reference=_reference,
    cases=lambda rng: [case for case in batch_cases(rng, _inputs) if case.kind != "offset"],
    parts=(
        Part(
            "dvar",
            2,
            ("dvar",),
            nudge="Look at the edge from var to std, a square root.",
            hint="The derivative of sqrt(v) is 1 / (2 * sqrt(v)), and here the root is std.",
            source="Chapter Backpropagation through BN, From s to sigma squared",
        ),
        Part(
            "dsquared, from your dvar",
            1,
            ("dsquared",),
            nudge="Each square is one term of a mean. Of how many?",
            hint="Every entry of dsquared is dvar / m, in the shape (N, C) of the batch.",
            source="Chapter Backpropagation through BN, From sigma squared to q",
        ),
        Part(
            "dcentered, from your dsquared",
            1,
            ("dcentered",),
            nudge="Look at the edge from centered to its square.",
            hint="The derivative of c**2 is 2 * c.",
            source="Chapter Backpropagation through BN, From x_hat and q to c: the second of the two terms",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("dvar", "dsquared", "dcentered"),
            ("edge",),
            nudge="What are centered and m there?",
            hint="Where centered is 0, dcentered is 0; with one example m is 1.",
            source="Chapter Backpropagation through BN, Back, node by node",
        ),
    ),
    mistakes=(
        Mistake(
            "half_missing",
            "Your dvar lacks the factor 1/2 that the root brings: the derivative of sqrt(v) is 1 / (2 * sqrt(v)).",
            {"dvar": lambda i, v: i["dstd"] / i["std"]},
        ),
        Mistake(
            "root_forgotten",
            "Your dvar is divided by the variance. Divide by twice the root: the derivative of sqrt(v) is "
            "1 / (2 * sqrt(v)), and std is that root.",
            {"dvar": lambda i, v: i["dstd"] / (2 * i["std"] ** 2)},
        ),
        Mistake(
            "square_for_root",
            "Your dvar is multiplied by 2 * std. That is the derivative of var by std. You go from std to var, so divide.",
            {"dvar": lambda i, v: i["dstd"] * 2 * i["std"]},
        ),
        Mistake(
            "dvar_sign",
            "Your dvar has the wrong sign. A larger variance has a larger root. The minus is in dstd already.",
            {"dvar": lambda i, v: -i["dstd"] / (2 * i["std"])},
        ),
        Mistake(
            "root_of_std",
            "Your dvar takes the root of std once more. std is sqrt(var + eps) already.",
            {"dvar": lambda i, v: i["dstd"] / (2 * i["std"] ** 0.5)},
        ),
        Mistake(
            "dsquared_not_divided_by_m",
            "Your dsquared lacks 1/m: the variance is a sum of squares divided by m.",
            {"dsquared": lambda i, v: v["dvar"] + 0 * i["centered"]},
        ),
        Mistake(
            "dsquared_not_spread",
            "Your dsquared has one value for each feature. squared has the shape (N, C), and so has its gradient: "
            "give every row the value dvar / m.",
            {"dsquared": lambda i, v: v["dvar"] / len(i["centered"])},
        ),
        Mistake(
            "dsquared_divides_by_m_minus_1",
            "Your dsquared divides by m - 1. The variance that normalises divides by m.",
            {"dsquared": lambda i, v: v["dvar"] / max(len(i["centered"]) - 1, 1) + 0 * i["centered"]},
        ),
        Mistake(
            "two_missing",
            "Your dcentered lacks the 2: the derivative of c**2 is 2 * c.",
            {"dcentered": lambda i, v: i["centered"] * v["dsquared"]},
        ),
        Mistake(
            "centered_missing",
            "Your dcentered lacks centered: the derivative of c**2 is 2 * c, not 2.",
            {"dcentered": lambda i, v: 2 * v["dsquared"]},
        ),
        Mistake(
            "dcentered_takes_squared",
            "Your dcentered multiplies by the square itself. Multiply by its derivative, 2 * c.",
            {"dcentered": lambda i, v: i["centered"] ** 2 * v["dsquared"]},
        ),
        Mistake(
            "dcentered_summed",
            "Your dcentered is summed over the batch. Each centered value has its own square, so nothing is added here.",
            {"dcentered": lambda i, v: (2 * i["centered"] * v["dsquared"]).sum(0)},
        ),
    ),
    chapter="backpropagation",
)

"""Spec of ``project_out``: what is left of a gradient without its parts along 1 and x_hat."""

import numpy as np

from bn_reference.batchnorm import batchnorm_forward
from bn_reference.checks.batches import batch_cases, cotangent
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _inputs(x, rng, eps):
    one = np.ones(x.shape[1])
    _, cache = batchnorm_forward(x.astype(np.float64), one, one, max(eps, 0.2))
    x_hat = np.where(np.ptp(x, axis=0) == 0, 0.0, cache.x_hat)
    return {"dout": cotangent(rng, x) + 1, "x_hat": x_hat.astype(x.dtype)}


def _along(gradient, x_hat):
    """How many times x_hat is in the gradient, column by column; 0 where x_hat is 0."""
    square = (x_hat**2).sum(0)
    return np.divide((gradient * x_hat).sum(0), square, out=np.zeros_like(square), where=square > 0)


def _reference(dout, x_hat):
    along_one, along_x_hat = dout.mean(0), _along(dout, x_hat)
    return along_one, along_x_hat, dout - along_one - along_x_hat * x_hat


def _rest(i, v, one=1, x_hat=1):
    return i["dout"] - one * v["along_one"] - x_hat * v["along_x_hat"] * i["x_hat"]


def _largest(i):
    return np.max(np.abs(i["dout"]))


PROJECT_OUT = Spec(
    name="project_out",
    outputs=("along_one", "along_x_hat", "rest"),
    nodes={
        "along_one": Node(lambda i, v: i["dout"].mean(0), magnitude=_largest),
        "along_x_hat": Node(lambda i, v: _along(i["dout"], i["x_hat"]), magnitude=_largest),
        "rest": Node(_rest, magnitude=_largest),
    },
    reference=_reference,
    cases=lambda rng: [case for case in batch_cases(rng, _inputs) if case.kind != "offset"],
    parts=(
        Part(
            "along_one",
            1,
            ("along_one",),
            nudge="What is the length of the vector 1, squared?",
            hint="dout times 1 is the sum of the column, and 1 times 1 is m: together, the mean.",
            source="Chapter Backpropagation through BN, The closed form",
        ),
        Part(
            "along_x_hat",
            2,
            ("along_x_hat",),
            nudge="What is the length of x_hat, squared? It is not always m.",
            hint="Divide the sum of dout * x_hat by the sum of x_hat * x_hat, column by column.",
            source="Chapter Backpropagation through BN, The closed form",
        ),
        Part(
            "rest, from your along_one and along_x_hat",
            2,
            ("rest",),
            nudge="Is the rest orthogonal to 1 and to x_hat? Multiply and add up.",
            hint="Take out both parts: along_one times 1, and along_x_hat times x_hat.",
            source="Chapter Backpropagation through BN, The closed form",
        ),
        Part(
            "x_hat is zero: a constant feature, and a batch of one",
            1,
            ("along_one", "along_x_hat", "rest"),
            ("edge",),
            nudge="What is the length of x_hat there?",
            hint="Nothing points along a vector of length zero: let along_x_hat be 0 there, not 0/0.",
            source="Part 4 of the problem set, the line below the table",
        ),
    ),
    mistakes=(
        Mistake(
            "divides_by_m",
            "Your along_x_hat divides by m, as the closed form does. The projection divides by the squared length of "
            "x_hat, which is m * var / (var + eps): m only if eps is 0.",
            {"along_x_hat": lambda i, v: (i["dout"] * i["x_hat"]).mean(0)},
        ),
        Mistake(
            "not_divided_by_length",
            "Your along_x_hat is the inner product itself. Divide it by the squared length of x_hat.",
            {"along_x_hat": lambda i, v: (i["dout"] * i["x_hat"]).sum(0)},
        ),
        Mistake(
            "length_not_squared",
            "Your along_x_hat divides by the length of x_hat once. x_hat is multiplied by it again afterwards, so the "
            "length has to be squared.",
            {"along_x_hat": lambda i, v: _along(i["dout"], i["x_hat"]) * np.linalg.norm(i["x_hat"], axis=0)},
        ),
        Mistake(
            "divides_by_length_of_dout",
            "Your along_x_hat divides by the squared length of dout. It is x_hat that you project on: divide by its own.",
            {"along_x_hat": lambda i, v: (i["dout"] * i["x_hat"]).sum(0) / (i["dout"] ** 2).sum(0)},
        ),
        Mistake(
            "zero_over_zero",
            "Your along_x_hat is 0/0 where x_hat is zero throughout. Nothing points along a vector of length zero: "
            "put 0 there.",
            {
                "along_x_hat": lambda i, v: (i["dout"] * i["x_hat"]).sum(0) / (i["x_hat"] ** 2).sum(0),
                "rest": _rest,
            },
        ),
        Mistake(
            "along_one_summed",
            "Your along_one is the sum. The vector 1 has the squared length m: divide by it, and you have the mean.",
            {"along_one": lambda i, v: i["dout"].sum(0)},
        ),
        Mistake(
            "along_one_of_each_example",
            "Your along_one runs over the features of each example. The vector 1 has an entry for each example of the "
            "batch: take the mean over axis 0.",
            {"along_one": lambda i, v: i["dout"].mean(1), "rest": _rest},
        ),
        Mistake(
            "along_one_divides_by_root_of_m",
            "Your along_one divides by the square root of m, the length of 1. Divide by its square, m.",
            {"along_one": lambda i, v: i["dout"].sum(0) / np.sqrt(len(i["dout"]))},
        ),
        Mistake(
            "one_left_in",
            "Your rest still has its part along 1: subtract along_one.",
            {"rest": lambda i, v: _rest(i, v, one=0)},
        ),
        Mistake(
            "x_hat_left_in",
            "Your rest still has its part along x_hat: subtract along_x_hat * x_hat.",
            {"rest": lambda i, v: _rest(i, v, x_hat=0)},
        ),
        Mistake(
            "x_hat_not_multiplied",
            "Your rest subtracts the number along_x_hat from every entry. Subtract that many times the vector x_hat.",
            {"rest": lambda i, v: i["dout"] - v["along_one"] - v["along_x_hat"]},
        ),
        Mistake(
            "part_taken_for_rest",
            "Your rest is the part along 1 and x_hat. The rest is dout without it.",
            {"rest": lambda i, v: i["dout"] - _rest(i, v)},
        ),
        Mistake(
            "added",
            "Your rest adds the two parts to dout. Take them out: subtract.",
            {"rest": lambda i, v: _rest(i, v, -1, -1)},
        ),
    ),
    chapter="backpropagation",
)

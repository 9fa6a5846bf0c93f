"""Spec of ``divide_backward``: back through x_hat = centered / std."""

import numpy as np

from bn_reference.batchnorm import BatchNormCache, batchnorm_backward_staged, batchnorm_forward
from bn_reference.checks.batches import batch_cases, cotangent, vector
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _inputs(x, rng, eps):
    gamma = vector(rng, x)
    _, cache = batchnorm_forward(x, gamma, gamma, eps)
    return {
        "dx_hat": cotangent(rng, x),
        "centered": cache.centered.astype(x.dtype),
        "std": cache.std.astype(x.dtype),
    }


def _reference(dx_hat, centered, std):
    cache = BatchNormCache(std, std**2, std, centered, centered / std, np.ones_like(std))
    return dx_hat / std, batchnorm_backward_staged(dx_hat, cache).dstd


def _dstd(i, power=2):
    return -(i["dx_hat"] * i["centered"]).sum(0) / i["std"] ** power


DIVIDE = Spec(
    name="divide_backward",
    outputs=("dcentered", "dstd"),
    nodes={
        "dcentered": Node(lambda i, v: i["dx_hat"] / i["std"]),
        "dstd": Node(
            lambda i, v: _dstd(i),
            magnitude=lambda i: np.max(np.abs(i["dx_hat"] * i["centered"]) / i["std"] ** 2),
        ),
    },
    reference=_reference,
    cases=lambda rng: [case for case in batch_cases(rng, _inputs) if case.kind != "offset"],
    parts=(
        Part(
            "dcentered, along the edge from centered to x_hat",
            1,
            ("dcentered",),
            nudge="Take std for a fixed number. What does a change of centered do?",
            hint="The derivative of centered / std with respect to centered is 1 / std.",
            source="Chapter Backpropagation through BN, From x_hat and q to c: the first of the two terms",
        ),
        Part(
            "dstd",
            2,
            ("dstd",),
            nudge="One std divides every example. Then what does the second rule say?",
            hint="The derivative of 1/s is -1/s**2. Add up over the batch, since all examples share one std.",
            source="Chapter Backpropagation through BN, From x_hat to s",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("dcentered", "dstd"),
            ("edge",),
            nudge="What is centered there?",
            hint="Where centered is 0, dstd is 0 too, and dcentered is still dx_hat / std.",
            source="Chapter Backpropagation through BN, From x_hat to s",
        ),
    ),
    mistakes=(
        Mistake(
            "dstd_sign",
            "Your dstd has the wrong sign. A larger std makes x_hat smaller: the derivative of 1/s is -1/s**2.",
            {"dstd": lambda i, v: -_dstd(i)},
        ),
        Mistake(
            "std_not_squared",
            "Your dstd is divided by std once. The derivative of 1/s is -1/s**2: divide by std squared.",
            {"dstd": lambda i, v: _dstd(i, power=1)},
        ),
        Mistake(
            "std_cubed",
            "Your dstd is divided by std**3. That power belongs to dvar, one node further. Here it is std**2.",
            {"dstd": lambda i, v: _dstd(i, power=3)},
        ),
        Mistake(
            "dstd_not_summed",
            "Your dstd has one row for each example. All examples are divided by the same std: sum over axis 0.",
            {"dstd": lambda i, v: -i["dx_hat"] * i["centered"] / i["std"] ** 2},
        ),
        Mistake(
            "dstd_averaged",
            "Your dstd is averaged over the batch. Where several edges leave a node, the gradients add up: use the sum.",
            {"dstd": lambda i, v: _dstd(i) / len(i["dx_hat"])},
        ),
        Mistake(
            "dstd_without_centered",
            "Your dstd lacks the numerator. The derivative of centered / std with respect to std is -centered / std**2.",
            {"dstd": lambda i, v: -i["dx_hat"].sum(0) / i["std"] ** 2},
        ),
        Mistake(
            "dvar_for_dstd",
            "Your dstd is the gradient at the variance. Stop at std: the root is another node, and comes next.",
            {"dstd": lambda i, v: _dstd(i, power=3) / 2},
        ),
        Mistake(
            "dcentered_not_divided",
            "Your dcentered lacks the division by std: x_hat = centered / std.",
            {"dcentered": lambda i, v: i["dx_hat"]},
        ),
        Mistake(
            "dcentered_multiplied",
            "Your dcentered is multiplied by std. centered is divided by std on the way forward, and so is the gradient.",
            {"dcentered": lambda i, v: i["dx_hat"] * i["std"]},
        ),
        Mistake(
            "dcentered_divided_by_variance",
            "Your dcentered is divided by std squared. The square belongs to dstd; here it is std.",
            {"dcentered": lambda i, v: i["dx_hat"] / i["std"] ** 2},
        ),
        Mistake(
            "dcentered_sign",
            "Your dcentered has the wrong sign. The minus belongs to dstd: the derivative of c / s with respect to c "
            "is 1 / s.",
            {"dcentered": lambda i, v: -i["dx_hat"] / i["std"]},
        ),
    ),
    chapter="backpropagation",
)

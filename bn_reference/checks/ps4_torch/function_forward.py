"""Spec of the forward pass of ``BatchNormFunction``."""

import numpy as np

from bn_reference.checks.ps4_torch.calls import call_forward
from bn_reference.checks.ps4_torch.functions import (
    forward,
    function_cases,
    library_mistake,
    none,
    parameters,
    std,
    x_hat,
)
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _scaled(i, normalized):
    return i["weight"] * normalized + i["bias"]


def _centered(i):
    return i["x"] - i["x"].mean(0, dtype=float)


def _over_features(i):
    rows = i["x"].astype(float)
    return (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + i["eps"])


FUNCTION_FORWARD = Spec(
    name="batchnorm_function_forward",
    outputs=("y", "library_calls"),
    nodes={
        "y": Node(
            lambda i, v: forward(**i),
            magnitude=lambda i: np.max(np.abs(i["weight"] * i["x"]) / std(i)),
        ),
        "library_calls": Node(none),
    },
    reference=lambda **inputs: (forward(**inputs), 0.0),
    cases=lambda rng: function_cases(rng, parameters),
    call=call_forward,
    parts=(
        Part(
            "y on ordinary batches",
            3,
            ("y",),
            nudge="Print y.mean(0) and y.var(0, correction=0), with weight 1 and bias 0.",
            hint="Mean and variance run over the examples, dim 0; the variance divides by N; eps is under the root.",
            source="Ioffe & Szegedy 2015, Algorithm 1; the chapter's section 'Algorithm 1, line by line'.",
        ),
        Part(
            "one example, a constant feature, eps = 0",
            2,
            ("y",),
            ("edge",),
            nudge="What is x - mean when there is one example?",
            hint="The formula holds for these as it stands: with one example x_hat is 0, and y is bias.",
            source="The chapter's section 'What ε does'.",
        ),
        Part(
            "features with a large mean",
            1,
            ("y",),
            ("offset",),
            nudge="Compare your variance with torch.var(x, 0, correction=0) for x + 1e6.",
            hint="Subtract the mean before you square.",
            source="Algorithm 1, line 2.",
        ),
        Part(
            "made of your own operations",
            1,
            ("library_calls",),
            ("typical", "edge", "offset"),
            nudge="Which line of your forward does the normalising?",
            hint="Write the formulas with mean, sqrt and the like. torch's own batch norm is what you are rebuilding.",
            source="The table of Part 1 says what may be used.",
            waits=True,
        ),
    ),
    mistakes=(
        library_mistake(
            ("y", "library_calls"),
            "Your forward hands over to torch's own batch norm. Write the four lines of Algorithm 1 with mean and sqrt: "
            "torch's function refuses one example and eps = 0, and the exercise asks for both.",
        ),
        Mistake(
            "variance_divides_by_n_minus_1",
            "Your variance divides by N - 1, which is what torch.var and torch.std do unless you say correction=0. "
            "The variance that normalises divides by N.",
            {
                "y": lambda i, v: _scaled(
                    i,
                    _centered(i) / np.sqrt(i["x"].var(0, ddof=1, dtype=float) + i["eps"])
                    if len(i["x"]) > 1
                    else np.full(i["x"].shape, np.nan),
                )
            },
            keeps=0.25,
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. Algorithm 1, line 3, has it inside: sqrt(var + eps).",
            {"y": lambda i, v: _scaled(i, _centered(i) / (i["x"].std(0, dtype=float) + i["eps"]))},
            keeps=0.5,
        ),
        Mistake(
            "eps_missing",
            "Your forward leaves eps out. Divide by sqrt(var + eps), or a constant feature divides by zero.",
            {"y": lambda i, v: _scaled(i, _centered(i) / i["x"].std(0, dtype=float))},
            keeps=0.25,
        ),
        Mistake(
            "eps_hard_coded",
            "Your eps is always 1e-5. Use the argument eps that apply was given.",
            {"y": lambda i, v: _scaled(i, _centered(i) / np.sqrt(i["x"].var(0, dtype=float) + 1e-5))},
            keeps=0.5,
        ),
        Mistake(
            "divides_by_variance",
            "Your forward divides by the variance. Divide by its root, sqrt(var + eps).",
            {"y": lambda i, v: _scaled(i, _centered(i) / std(i) ** 2)},
            keeps=0.25,
        ),
        Mistake(
            "normalises_each_example",
            "Your mean and variance run over the features of each example: that is layer normalisation. In Batch "
            "Normalization they run over the batch, dim 0.",
            {"y": lambda i, v: _scaled(i, _over_features(i))},
        ),
        Mistake(
            "one_mean_for_all_features",
            "Your mean and variance run over the whole batch at once. Each feature has its own: say dim=0.",
            {
                "y": lambda i, v: _scaled(
                    i, (i["x"] - i["x"].mean(dtype=float)) / np.sqrt(i["x"].var(dtype=float) + i["eps"])
                )
            },
        ),
        Mistake(
            "weight_and_bias_forgotten",
            "Your forward stops at x_hat. Scale by weight and shift by bias.",
            {"y": x_hat},
            keeps=0.5,
        ),
        Mistake(
            "bias_forgotten",
            "Your y lacks the bias: y = weight * x_hat + bias.",
            {"y": lambda i, v: i["weight"] * x_hat(i)},
            keeps=0.5,
        ),
        Mistake(
            "weight_forgotten",
            "Your y lacks the weight: y = weight * x_hat + bias.",
            {"y": lambda i, v: x_hat(i) + i["bias"]},
            keeps=0.5,
        ),
        Mistake(
            "weight_and_bias_swapped",
            "Your weight and bias have changed places. apply gets x, weight, bias, eps, in this order.",
            {"y": lambda i, v: i["bias"] * x_hat(i) + i["weight"]},
            keeps=0.25,
        ),
        Mistake(
            "mean_not_subtracted",
            "Your forward scales but does not subtract the mean.",
            {"y": lambda i, v: _scaled(i, i["x"] / std(i))},
        ),
    ),
    chapter="batchnorm_transform",
)

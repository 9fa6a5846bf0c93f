"""Spec of the second derivatives of ``BatchNormFunction``: backward, differentiated."""

import numpy as np
import torch

from bn_reference.checks.batches import cotangent, vector
from bn_reference.checks.ps4_torch.calls import call_twice, second_derivatives
from bn_reference.checks.ps4_torch.driving import tensors
from bn_reference.checks.ps4_torch.functions import function_cases, nodes_of, parameters
from bn_reference.checks.ps4_torch.wrong_functions import (
    BackwardDetached,
    DoutDetached,
    NormalizedSaved,
    NormalizedSavedAlone,
    ScaleSaved,
    StatisticsSaved,
    VarianceSaved,
    WeightDetached,
)
from bn_reference.checks.spec import Mistake, Node, Part, Spec

OUTPUTS = ("second_x", "second_weight", "second_dout")


def _batchnorm(x, weight, bias, eps):
    """By torch's arithmetic alone, which torch differentiates as often as one likes."""
    centered = x - x.mean(0)
    return weight * centered / torch.sqrt((centered**2).mean(0) + eps) + bias


def _reference(**inputs):
    return second_derivatives(
        _batchnorm, tensors({name: np.copy(v) for name, v in inputs.items()} | {"eps": inputs["eps"]})
    )


def _inputs(x, rng, eps):
    return parameters(x, rng, eps) | {
        "dout": cotangent(rng, x),
        "along_x": cotangent(rng, x),
        "along_weight": vector(rng, x),
    }


def _wide_reference(**inputs):
    wide = {name: np.asarray(v, dtype=float) for name, v in inputs.items()}
    return _reference(**wide | {"eps": float(inputs["eps"])})


_right = nodes_of(_wide_reference, OUTPUTS)


def _third_power(i):
    """The size of the summands: each second derivative divides by the deviation once more."""
    std = np.sqrt(np.var(i["x"], 0, dtype=float) + i["eps"])
    return float(
        np.max(np.abs(i["weight"]) / std**2) * np.max(np.abs(i["dout"])) * np.max(np.abs(i["along_x"]))
    )


FUNCTION_TWICE = Spec(
    name="batchnorm_function_twice",
    outputs=OUTPUTS,
    nodes={
        "second_x": Node(_right["second_x"], magnitude=_third_power),
        "second_weight": Node(_right["second_weight"]),
        "second_dout": Node(_right["second_dout"]),
    },
    reference=_wide_reference,
    cases=lambda rng: [case for case in function_cases(rng, _inputs) if case.kind != "offset"],
    call=call_twice,
    searchable=False,
    parts=(
        Part(
            "with respect to x",
            3,
            ("second_x",),
            nudge="Which tensors does your backward use, and does autograd know that they depend on x?",
            hint="Save x and weight alone, and compute mean and variance again in backward, with torch operations: "
            "autograd records them. What was computed in forward and saved counts as a constant.",
            source="torch's tutorial 'Double Backward with Custom Functions', 'Saving Intermediate Results'.",
        ),
        Part(
            "with respect to weight",
            1,
            ("second_weight",),
            nudge="Does dx depend on weight?",
            hint="Take weight from ctx.saved_tensors, and use it as it is.",
            source="torch's tutorial 'Double Backward with Custom Functions'.",
        ),
        Part(
            "with respect to dout",
            1,
            ("second_dout",),
            nudge="dx is linear in dout. What does autograd see of that?",
            hint="Use dout as it came, without detach, and with torch operations alone.",
            source="torch's tutorial 'Double Backward with Custom Functions'.",
        ),
        Part(
            "one example, a constant feature, eps = 0",
            1,
            OUTPUTS,
            ("edge",),
            nudge="Try a batch in which one feature has the same value everywhere.",
            hint="With eps under the root nothing divides by zero, however often one differentiates.",
            source="Chapter Backpropagation through BN, section 'The closed form'.",
        ),
    ),
    mistakes=(
        Mistake(
            "normalised_batch_saved",
            "Your forward saves x_hat, and backward uses it. It was computed inside forward, where nothing is recorded, "
            "so the second derivative takes it for a constant. Save x and weight, and compute x_hat again in backward.",
            code=NormalizedSaved,
        ),
        Mistake(
            "statistics_saved",
            "Your backward takes mean and variance for constants. If forward computed and saved them, nothing was recorded "
            "there; .detach(), .data and .item() cut them off too. Compute them in backward, from x, with torch operations.",
            code=StatisticsSaved,
        ),
        Mistake(
            "x_hat_saved_beside_x",
            "Your forward saves x_hat besides x. The variance of backward is recorded, but x_hat was computed where "
            "nothing is: compute it again in backward, from x.",
            code=NormalizedSavedAlone,
        ),
        Mistake(
            "variance_saved",
            "Your forward saves the variance or its root, and backward uses it. It was computed where nothing is "
            "recorded, so the second derivative takes it for a constant. Compute it again in backward, from x.",
            code=VarianceSaved,
        ),
        Mistake(
            "all_but_dout_saved",
            "Your forward saves results of its own, x_hat and the scale, and backward needs nothing else. They were "
            "computed where nothing is recorded, so the second derivative takes them for constants. Save x and weight.",
            code=ScaleSaved,
        ),
        Mistake(
            "backward_detached",
            "Your gradients are cut from their graph: torch.no_grad(), .detach(), .data, NumPy or once_differentiable. All "
            "second derivatives are zero. Use torch operations on the tensors themselves.",
            code=BackwardDetached,
        ),
        Mistake(
            "weight_detached",
            "Your backward cuts weight from the graph. dx depends on weight: use it as it comes out of saved_tensors.",
            code=WeightDetached,
        ),
        Mistake(
            "dout_detached",
            "Your backward cuts dout from the graph. The gradients are linear in dout: use it as it came.",
            code=DoutDetached,
        ),
    ),
    chapter="torch_layer",
)

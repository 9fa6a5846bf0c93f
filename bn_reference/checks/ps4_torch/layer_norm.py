"""Spec of ``layer_norm``: over the last axis."""

import numpy as np

from bn_reference.checks.batches import cotangent, vector
from bn_reference.checks.ps4_torch.calls import call_normalization
from bn_reference.checks.ps4_torch.functions import none
from bn_reference.checks.ps4_torch.per_example import (
    OUTPUTS,
    case,
    nodes,
    normalizing,
    parts,
    size,
    usual_mistakes,
)
from bn_reference.checks.spec import Mistake, Spec
from bn_reference.layernorm import layernorm_backward, layernorm_forward


def _right(x, weight, bias, eps, dout):
    y, cache = layernorm_forward(x, weight, bias, eps)
    return y, *layernorm_backward(dout, cache)


def _cases(rng):
    n, t, c = (int(k) for k in rng.integers((3, 2, 4), (6, 4, 7)))

    def inputs(x, eps):
        return {
            "x": x,
            "weight": vector(rng, x),
            "bias": vector(rng, x),
            "eps": eps,
            "dout": cotangent(rng, x),
        }

    def x(*shape):
        return rng.standard_normal(shape) * rng.uniform(0.5, 2.0, shape[-1]) + rng.uniform(-3, 3, shape[-1])

    constant = x(n, c)
    constant[0] = 0.7
    return [
        case("rows", "typical", x(n, c), inputs),
        case("as many rows as features", "typical", x(c, c), inputs, eps=0.01),
        case("sentences of words", "typical", x(n, t, c), inputs, eps=0.1),
        case("float32", "typical", x(n, c + 1).astype(np.float32), inputs),
        case("one row", "edge", x(1, c), inputs, eps=1e-5),
        case("a constant row", "edge", constant, inputs, eps=1e-4),
        case("eps is 0", "edge", x(n, c + 2), inputs, eps=0.0),
    ]


def _variant(dims=(-1,), **slip):
    return normalizing(lambda x: x, dims, **slip)


LAYER_NORM = Spec(
    name="layer_norm",
    outputs=OUTPUTS,
    nodes=nodes(_right, size(lambda i: i["x"].var(-1))),
    reference=lambda **inputs: (*_right(**inputs), none(inputs, {})),
    cases=_cases,
    call=call_normalization,
    parts=parts(
        axes_hint="Mean and variance run over the last axis, of length C, for each example and each position by itself.",
        nudge="With weight 1 and bias 0, which means of y should be 0: y.mean(-1) or y.mean(0)?",
        section="Ba, Kiros & Hinton 2016, Equations 3 and 4.",
        edge_title="one row, a constant row, eps = 0",
    ),
    mistakes=(
        *usual_mistakes(_variant),
        Mistake(
            "normalises_over_the_batch",
            "Your mean and variance run over the batch: that is Batch Normalization. In layer normalisation each row has "
            "its own, over the last axis.",
            code=_variant(dims=(0,)),
        ),
        Mistake(
            "normalises_over_positions_too",
            "Your mean and variance run over all axes but the first. With x of shape (N, T, C) each of the N * T rows has "
            "its own: only the last axis.",
            code=_variant(dims=(1, 2)),
        ),
        Mistake(
            "one_mean_for_everything",
            "Your mean and variance run over the whole of x. Each row has its own: say dim=-1, keepdim=True.",
            code=_variant(dims=(0, 1, 2)),
        ),
        Mistake(
            "statistics_of_axis_1",
            "Your mean and variance run over axis 1, which is the last one only when x has two axes. Say dim=-1.",
            code=_variant(dims=(1,)),
        ),
    ),
    chapter="family",
)

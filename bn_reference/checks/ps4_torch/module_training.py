"""Spec of ``BatchNorm`` at work: two steps of training, then inference."""

import numpy as np
import torch

from bn_reference.checks.batches import batch_cases, cotangent, vector
from bn_reference.checks.ps4_torch.functions import library_mistake, none, one
from bn_reference.checks.ps4_torch.module_mistakes import MISTAKES
from bn_reference.checks.ps4_torch.modules import call_training
from bn_reference.checks.ps4_torch.training_steps import (
    half_rounding,
    inference,
    normalized,
    output,
    output_gradients,
    running_mean,
    running_var,
)
from bn_reference.checks.spec import Case, Node, Part, Spec


def _inputs(x, rng, eps):
    n = len(x)
    second = x.std(0) * rng.standard_normal((n + 2 if n > 1 else 1, x.shape[1])) * 2 + x.mean(0) + 1
    return {
        "x": x,
        "weight": vector(rng, x),
        "bias": vector(rng, x),
        "running_mean": vector(rng, x),
        "running_var": np.abs(vector(rng, x)),
        "eps": eps,
        "momentum": float(rng.choice([0.2, 0.3, 0.7])),
        "dout": cotangent(rng, x),
        "second": second.astype(x.dtype),
        "probe": (x[:2] + 1).astype(x.dtype),
        "dtype": str(x.dtype),
    }


def _half_case(rng, dtype):
    """Values that `dtype` holds exactly, with a mean at which its steps are coarse."""
    x = rng.standard_normal((int(rng.integers(9, 14)), int(rng.integers(2, 5)))) * 3 + 100
    inputs = _inputs(x.astype(np.float32), rng, 1e-3) | {"dtype": dtype}
    for name in ("x", "second", "probe", "dout"):
        inputs[name] = torch.from_numpy(inputs[name]).to(getattr(torch, dtype)).float().numpy()
    return Case(f"{dtype} under autocast, x of shape {x.shape}", "half", inputs)


def _cases(rng):
    x = rng.standard_normal((int(rng.integers(6, 10)), 3)) * 2 + 1
    without_eps = Case(f"eps is 0, x of shape {x.shape}", "edge", _inputs(x, rng, 0.0))
    halves = [_half_case(rng, dtype) for dtype in ("float16", "bfloat16")]
    return [*batch_cases(rng, _inputs), without_eps, *halves]


def _gradient(position):
    return lambda i, v: output_gradients(i)[position]


def _output_size(i):
    return max(np.max(np.abs(i["weight"] * i["x"]) / normalized(i)[1]), half_rounding(i, output(i)))


def _gradient_size(i):
    _, std = normalized(i)
    return max(np.max(np.abs(i["dout"] * i["weight"]) / std), half_rounding(i, output_gradients(i)[0]))


def _sum_size(i):
    """Of the sums for weight and bias, which may run in half precision."""
    return half_rounding(i, np.abs(i["dout"]).sum(0) * (1 + np.abs(normalized(i)[0]).max()))


def _inference_size(i):
    y = inference(i, running_mean(i), running_var(i))
    largest = np.abs(i["weight"] * i["probe"]) / np.sqrt(running_var(i) + i["eps"])
    return max(np.max(largest), half_rounding(i, y))


NODES = {
    "y": Node(lambda i, v: output(i), magnitude=_output_size),
    "dx": Node(_gradient(0), magnitude=_gradient_size),
    "dweight": Node(_gradient(1), magnitude=_sum_size),
    "dbias": Node(_gradient(2), magnitude=_sum_size),
    "running_mean": Node(lambda i, v: running_mean(i)),
    "running_var": Node(lambda i, v: running_var(i)),
    "batches": Node(lambda i, v: np.float64(2)),
    "y_eval": Node(lambda i, v: inference(i, v["running_mean"], v["running_var"]), magnitude=_inference_size),
    "moved_in_eval": Node(none),
    "buffers_with_graph": Node(none),
    "dtype_kept": Node(one),
    "library_calls": Node(none),
}


def _reference(**inputs):
    values = {}
    for name, node in NODES.items():
        values[name] = node.formula(inputs, values)
    return tuple(values.values())


ALL = ("typical", "edge", "offset", "half")

MODULE_TRAINING = Spec(
    name="batchnorm_module_training",
    outputs=tuple(NODES),
    nodes=NODES,
    reference=_reference,
    cases=_cases,
    call=call_training,
    parts=(
        Part(
            "training: y and the gradients",
            3,
            ("y", "dx", "dweight", "dbias"),
            nudge="Compare layer(x) with BatchNormFunction.apply(x, layer.weight, layer.bias, layer.eps).",
            hint="In training mode the layer normalises with the batch's own statistics, and the gradient runs through "
            "them.",
            source="Ioffe & Szegedy 2015, Algorithm 1.",
        ),
        Part(
            "running_mean after two batches",
            1,
            ("running_mean",),
            nudge="Take one step by hand, with momentum 0.5.",
            hint="running = (1 - momentum) * running + momentum * new.",
            source="The chapter's section 'Running statistics'.",
        ),
        Part(
            "running_var after two batches",
            2,
            ("running_var",),
            nudge="Take one step by hand, with momentum 0.5 and a batch of two.",
            hint="The new value is the unbiased variance, divided by N - 1.",
            source="Algorithm 2, line 10; the chapter's section 'The two variances'.",
        ),
        Part(
            "num_batches_tracked counts the training batches",
            1,
            ("batches",),
            nudge="Print layer.num_batches_tracked after each call.",
            hint="Add one in each training step: self.num_batches_tracked += 1.",
            source="The table of Part 3.",
        ),
        Part(
            "eval: y from your running statistics",
            2,
            ("y_eval",),
            nudge="After layer.eval(), does the answer for one example depend on its neighbours?",
            hint="When self.training is False, normalise with running_mean and running_var.",
            source="Algorithm 2, line 11; the chapter's section 'Algorithm 2: what happens at inference'.",
        ),
        Part(
            "eval leaves the buffers alone, and no buffer holds a graph",
            2,
            ("moved_in_eval", "buffers_with_graph"),
            ALL,
            nudge="Print layer.running_mean before and after a call in eval mode, and its requires_grad.",
            hint="Update the buffers when self.training is True, inside with torch.no_grad().",
            source="The chapter's section 'Running statistics'.",
        ),
        Part(
            "one example, a constant feature, eps = 0",
            2,
            ("y", "dx", "running_mean", "running_var", "batches"),
            ("edge",),
            nudge="What is the unbiased variance of one example?",
            hint="With one example in training y is bias, and the running statistics stay as they are; the count goes on.",
            source="The text of Part 3, 'One example'.",
        ),
        Part(
            "features with a large mean",
            1,
            ("y", "dx", "running_mean", "running_var", "y_eval"),
            ("offset",),
            nudge="Compare your variance with torch.var(x, 0) for x + 1e6.",
            hint="Subtract the mean before you square, and before you scale.",
            source="Algorithm 1, line 2.",
        ),
        Part(
            "half precision: statistics in float32, output in the input's dtype",
            2,
            ("y", "dx", "dweight", "dbias", "running_mean", "running_var", "y_eval", "dtype_kept"),
            ALL,
            nudge="What are x.dtype, and the dtype of your mean, when x is float16?",
            hint="Work on x.float() where x is float16 or bfloat16, and return y.to(x.dtype).",
            source="The text of Part 3, 'Half precision'.",
        ),
        Part(
            "made of your own operations",
            1,
            ("library_calls",),
            ALL,
            nudge="Which line of your class does the normalising?",
            hint="Use BatchNormFunction of Part 1, or mean, sqrt and the like.",
            source="The table of Part 3.",
            waits=True,
        ),
    ),
    mistakes=(
        library_mistake(
            tuple(NODES),
            "Your layer hands over to torch's own batch norm. Use your BatchNormFunction, or mean, sqrt and the like: torch's "
            "function refuses one example and eps = 0, and the exercise asks for both.",
        ),
        *MISTAKES,
    ),
    chapter="inference",
)

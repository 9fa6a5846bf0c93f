"""Spec of the backward pass of ``BatchNormFunction``: what it returns, and to whom."""

import numpy as np

from bn_reference.checks.batches import cotangent
from bn_reference.checks.closed_form import mean_mistakes
from bn_reference.checks.ps4_torch.calls import call_backward
from bn_reference.checks.ps4_torch.functions import (
    backward,
    function_cases,
    library_mistake,
    nodes_of,
    none,
    parameters,
    std,
    x_hat,
)
from bn_reference.checks.spec import Mistake, Node, Part, Spec

OUTPUTS = (
    "dx",
    "dweight",
    "dbias",
    "dx_alone",
    "dweight_alone",
    "dbias_alone",
    "tensors_on_ctx",
    "library_calls",
)


def _inputs(x, rng, eps):
    return parameters(x, rng, eps) | {"dout": cotangent(rng, x)}


def _reference(**inputs):
    three = backward(**inputs)
    return *three, *three, 0.0, 0.0


def _dx(i, mean_part=1, x_hat_part=1):
    """dx with a weight on each part that is taken out of dout."""
    dout = i["dout"]
    taken_out = mean_part * dout.mean(0) + x_hat_part * x_hat(i) * (dout * x_hat(i)).mean(0)
    return i["weight"] / std(i) * (dout - taken_out)


def _both(name, formula):
    """The gradient is wrong in what backward returns, and so in what autograd makes of it."""
    return {name: formula, f"{name}_alone": formula}


def _terms(i):
    return i["dout"] * x_hat(i)


# autograd adds up by itself what has one row too many for each example: "alone" comes out right.
_PARAMETER_MISTAKES = (
    Mistake(
        "dweight_not_summed",
        "Your dweight still has one row for each example. weight is shared by the batch: sum over dim 0.",
        {"dweight": lambda i, v: _terms(i)},
    ),
    Mistake(
        "dweight_averaged",
        "Your dweight is averaged over the batch. The chain rule adds up: use the sum.",
        _both("dweight", lambda i, v: _terms(i).mean(0)),
    ),
    Mistake(
        "dbias_not_summed",
        "Your dbias still has one row for each example. bias is shared by the batch: sum over dim 0.",
        {"dbias": lambda i, v: i["dout"]},
    ),
    Mistake(
        "dbias_averaged",
        "Your dbias is averaged over the batch. The chain rule adds up: use the sum.",
        _both("dbias", lambda i, v: i["dout"].mean(0)),
    ),
    Mistake(
        "dweight_and_dbias_swapped",
        "Your dweight and dbias have changed places: dweight is the sum of dout * x_hat, dbias the sum of dout. backward "
        "returns them in the order of forward's arguments.",
        _both("dweight", lambda i, v: i["dout"].sum(0)) | _both("dbias", lambda i, v: _terms(i).sum(0)),
    ),
    Mistake(
        "x_hat_missing_in_dweight",
        "Your dweight is the sum of dout. weight multiplies x_hat, so its gradient is the sum of dout * x_hat.",
        _both("dweight", lambda i, v: i["dout"].sum(0)),
    ),
)


def _size(i):
    return np.max(np.abs(i["dout"] * i["weight"]) / std(i))


def _sum_size(i):
    """The summands of dweight, where a mean that is not small against the deviation was subtracted."""
    return np.max(np.abs(i["dout"]).sum(0) * np.max(np.abs(i["x"]) / std(i), axis=0))


_right = nodes_of(backward, ("dx", "dweight", "dbias"))

FUNCTION_BACKWARD = Spec(
    name="batchnorm_function_backward",
    outputs=OUTPUTS,
    nodes={
        "dx": Node(_right["dx"], magnitude=_size),
        "dweight": Node(_right["dweight"], magnitude=_sum_size),
        "dbias": Node(_right["dbias"], magnitude=_sum_size),
        "dx_alone": Node(_right["dx"], magnitude=_size),
        "dweight_alone": Node(_right["dweight"], magnitude=_sum_size),
        "dbias_alone": Node(_right["dbias"], magnitude=_sum_size),
        "tensors_on_ctx": Node(none),
        "library_calls": Node(none),
    },
    reference=_reference,
    # With eps = 0 and a batch like any other there is nothing new in the backward pass.
    cases=lambda rng: [case for case in function_cases(rng, _inputs) if case.kind != "offset"],
    call=call_backward,
    parts=(
        Part(
            "dweight, as backward returns it",
            1,
            ("dweight",),
            nudge="What is the shape of weight, and what is the shape of your dweight?",
            hint="Sum dout * x_hat over the batch.",
            source="The paper's Section 3, fifth equation; the chapter's section 'The closed form'.",
        ),
        Part(
            "dbias, as backward returns it",
            1,
            ("dbias",),
            nudge="What is the shape of bias, and what is the shape of your dbias?",
            hint="Sum dout over the batch.",
            source="The paper's Section 3, sixth equation.",
        ),
        Part(
            "dx, as backward returns it",
            4,
            ("dx",),
            nudge="Print dx.sum(0): each entry should be 0.",
            hint="Take out of dout its mean, and x_hat times the mean of dout * x_hat; then scale by weight / std.",
            source="The chapter's section 'The closed form'.",
        ),
        Part(
            "one example, a constant feature, eps = 0",
            1,
            ("dx", "dweight", "dbias"),
            ("edge",),
            nudge="With one example, what is dout minus its mean?",
            hint="The closed form holds for these as it stands.",
            source="The chapter's section 'What the closed form says'.",
        ),
        Part(
            "each gradient comes alone too, when only that input needs one",
            1,
            ("dx_alone", "dweight_alone", "dbias_alone"),
            ("typical", "edge"),
            nudge="Call apply with a weight that requires grad and an x that does not.",
            hint="backward returns one value for each argument of forward, in its order: dx, dweight, dbias, None. If "
            "you use ctx.needs_input_grad, its entries have the same order.",
            source="torch's manual, 'Extending torch.autograd'.",
        ),
        Part(
            "tensors are saved with save_for_backward",
            1,
            ("tensors_on_ctx",),
            ("typical", "edge"),
            nudge="Look at every line that begins with ctx.",
            hint="ctx.save_for_backward(x, weight) is for tensors; attributes of ctx are for numbers such as eps.",
            source="torch's manual, 'Extending torch.autograd'.",
        ),
        Part(
            "made of your own operations",
            1,
            ("library_calls",),
            ("typical", "edge"),
            nudge="Which line of your class does the work?",
            hint="Write the closed form with sums and means. torch's own batch norm is what you are rebuilding.",
            source="The table of Part 1 says what may be used.",
            waits=True,
        ),
    ),
    mistakes=(
        library_mistake(
            OUTPUTS,
            "Your class hands over to torch's own batch norm. Write forward and backward with sums, means and roots.",
        ),
        Mistake(
            "tensors_on_ctx",
            "Your forward keeps a tensor as an attribute of ctx. Use ctx.save_for_backward: it notices when a tensor is "
            "changed in between, and frees the memory after the backward pass.",
            {"tensors_on_ctx": lambda i, v: np.float64(1)},
        ),
        *_PARAMETER_MISTAKES,
        Mistake(
            "statistics_taken_as_constants",
            "Your dx is dout * weight / std: it treats mean and variance as constants. Two parts of dout have to be "
            "taken out: its mean, and its part along x_hat.",
            _both("dx", lambda i, v: _dx(i, 0, 0)),
        ),
        Mistake(
            "path_through_mean_missing",
            "Your dx lacks the path through the mean: subtract the mean of dout over the batch.",
            _both("dx", lambda i, v: _dx(i, mean_part=0)),
            keeps=0.5,
        ),
        Mistake(
            "path_through_variance_missing",
            "Your dx lacks the path through the variance: subtract x_hat times the mean of dout * x_hat.",
            _both("dx", lambda i, v: _dx(i, x_hat_part=0)),
            keeps=0.5,
        ),
        Mistake(
            "sums_instead_of_means",
            "Your dx subtracts sums over the batch. Divide both by N: the formula has means.",
            _both("dx", lambda i, v: _dx(i, len(i["x"]), len(i["x"]))),
            keeps=0.5,
        ),
        *mean_mistakes(_dx, lambda i: len(i["x"]), "N", lambda formula: _both("dx", formula)),
        Mistake(
            "weight_missing_in_dx",
            "Your dx lacks the weight: the gradient passes through y = weight * x_hat + bias first.",
            _both("dx", lambda i, v: _dx(i) / i["weight"]),
            keeps=0.5,
        ),
        Mistake(
            "std_missing_in_dx",
            "Your dx lacks the division by sqrt(var + eps).",
            _both("dx", lambda i, v: _dx(i) * std(i)),
            keeps=0.5,
        ),
        Mistake(
            "divides_by_variance",
            "Your dx is divided by the variance. Divide by its root, sqrt(var + eps).",
            _both("dx", lambda i, v: _dx(i) / std(i)),
            keeps=0.5,
        ),
        Mistake(
            "x_gets_no_gradient_alone",
            "Your x gets no gradient when it is the only input that needs one. ctx.needs_input_grad[0] belongs to x, "
            "[1] to weight, [2] to bias.",
            {"dx_alone": lambda i, v: np.zeros(i["x"].shape)},
        ),
        Mistake(
            "weight_gets_no_gradient_alone",
            "Your weight gets no gradient when it is the only input that needs one. ctx.needs_input_grad[1] belongs to "
            "weight, [0] to x, [2] to bias.",
            {"dweight_alone": lambda i, v: np.zeros(i["weight"].shape)},
        ),
        Mistake(
            "bias_gets_no_gradient_alone",
            "Your bias gets no gradient when it is the only input that needs one. ctx.needs_input_grad[2] belongs to "
            "bias, [0] to x, [1] to weight.",
            {"dbias_alone": lambda i, v: np.zeros(i["bias"].shape)},
        ),
    ),
    chapter="backpropagation",
)

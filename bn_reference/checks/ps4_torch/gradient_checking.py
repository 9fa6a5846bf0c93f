"""Spec of ``passes_gradcheck``: the learner's own test of a hand-written gradient."""

import numpy as np
import torch

from bn_reference.checks.batches import vector
from bn_reference.checks.ps4_torch.calls import call_gradcheck
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec

CANDIDATES = {
    "a right function": ((1.0, 1.0, 1.0), True),
    "a function whose dx is wrong": ((0.5, 1.0, 1.0), True),
    "a function whose dweight is wrong": ((1.0, 0.5, 1.0), True),
    "a function whose dbias is wrong": ((1.0, 1.0, 0.5), True),
    "a function whose second derivative is wrong": ((1.0, 1.0, 1.0), False),
}
"""Functions to be tested: the factors on their three gradients, and whether backward can be differentiated."""


def _cases(rng):
    rows = int(rng.integers(2, 4))  # few: gradgradcheck differentiates once for each number

    def case(name, kind):
        x = rng.standard_normal((rows, 1)).astype(np.float32)
        factors, differentiable = CANDIDATES[name]
        inputs = {"x": x, "weight": vector(rng, x), "bias": vector(rng, x)}
        return Case(name, kind, inputs | {"factors": factors, "differentiable": differentiable})

    return [case(name, "typical" if "right" in name else "edge") for name in CANDIDATES]


def _right(x, weight, bias, factors, differentiable):
    return float(all(factor == 1 for factor in factors)), float(differentiable)


def _checked(convert, check_twice=True, leaves=(0, 1, 2)):
    """A test as people write it, with what `convert` does to the tensors."""

    def passes_gradcheck(function, x, weight, bias):
        args = [convert(t).requires_grad_(k in leaves) for k, t in enumerate((x, weight, bias))]
        first = torch.autograd.gradcheck(function, args, raise_exception=False)
        if not check_twice:
            return first, first
        return first, torch.autograd.gradgradcheck(function, args, raise_exception=False)

    return passes_gradcheck


def _second_only_after_first(function, x, weight, bias):
    first, second = _checked(torch.Tensor.double)(function, x, weight, bias)
    return first, first and second


def _says_yes(function, x, weight, bias):
    return True, True


GRADIENT_CHECKING = Spec(
    name="passes_gradcheck",
    outputs=("first_right", "second_right"),
    nodes={
        "first_right": Node(lambda i, v: np.float64(_right(**i)[0])),
        "second_right": Node(lambda i, v: np.float64(_right(**i)[1])),
    },
    reference=_right,
    cases=_cases,
    call=call_gradcheck,
    parts=(
        Part(
            "a right function passes",
            1,
            ("first_right", "second_right"),
            nudge="What dtype does your test hand to gradcheck?",
            hint="gradcheck compares with finite differences of 1e-6. float32 has no digits left for that: use .double().",
            source="torch's manual, torch.autograd.gradcheck: 'the default values are designed for input of double "
            "precision'.",
        ),
        Part(
            "a wrong first derivative is found, whichever it is",
            2,
            ("first_right",),
            ("edge",),
            nudge="Which of the three tensors does your test check?",
            hint="Only tensors that require grad are checked: all three should. With raise_exception=False, gradcheck "
            "returns False in place of an error.",
            source="torch's manual, torch.autograd.gradcheck.",
        ),
        Part(
            "a wrong second derivative is found, and judged by itself",
            2,
            ("second_right",),
            ("edge",),
            nudge="Which function of torch differentiates twice?",
            hint="torch.autograd.gradgradcheck compares the derivative of backward with finite differences of backward.",
            source="torch's manual, torch.autograd.gradgradcheck.",
        ),
    ),
    mistakes=(
        Mistake(
            "checked_in_single_precision",
            "Your test runs in float32, where finite differences of 1e-6 drown in rounding: a right function fails it. "
            "Convert the tensors with .double() first.",
            code=_checked(torch.Tensor.clone),
        ),
        Mistake(
            "second_derivative_unchecked",
            "Your test does not look at the second derivative. torch.autograd.gradgradcheck does.",
            code=_checked(torch.Tensor.double, check_twice=False),
        ),
        Mistake(
            "weight_and_bias_unchecked",
            "Your test looks at x alone. Only tensors that require grad are checked: weight and bias should too.",
            code=_checked(torch.Tensor.double, leaves=(0,)),
        ),
        Mistake(
            "bias_unchecked",
            "Your test does not look at bias. Only tensors that require grad are checked: all three should.",
            code=_checked(torch.Tensor.double, leaves=(0, 1)),
        ),
        Mistake(
            "second_judged_by_first",
            "Your second verdict is False whenever the first one is. Return the two apart: a backward pass that returns "
            "half the gradient is itself differentiated rightly.",
            code=_second_only_after_first,
        ),
        Mistake(
            "always_passes",
            "Your test passes every function. Call gradcheck, and return what it says.",
            code=_says_yes,
        ),
    ),
    chapter="gradient_checking",
)

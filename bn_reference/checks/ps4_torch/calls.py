"""How the checks use what learners write for torch: for each spec, the way from arrays to arrays."""

import numpy as np
import torch

from bn_reference.checks.ps4_torch.driving import LibraryCalls, array, gradients, tensors
from bn_reference.checks.ps4_torch.processes import run_in_threads


def need_function(answer: object) -> None:
    """Fail unless `answer` is a subclass of ``torch.autograd.Function``.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if not (isinstance(answer, type) and issubclass(answer, torch.autograd.Function)):
        raise TypeError(
            f"the answer is {answer!r}, expected a class that inherits from torch.autograd.Function"
        )


def call_forward(answer, inputs):
    """``y``, and whether torch's own batch norm ran."""
    need_function(answer)
    t = tensors(inputs)
    with LibraryCalls() as library:
        y = answer.apply(t["x"].requires_grad_(), t["weight"], t["bias"], t["eps"])
    return library.judged(array(y))


def call_backward(answer, inputs):
    """What ``backward`` returns, and the gradients that autograd makes of it for each input alone."""
    need_function(answer)
    t = tensors(inputs)
    leaves = [t[name].requires_grad_() for name in ("x", "weight", "bias")]
    y = answer.apply(*leaves, t["eps"])
    ctx = y.grad_fn  # for a Function, the node of the graph is the ctx itself
    with LibraryCalls() as library:
        returned = answer.backward(ctx, t["dout"])
    alone = [_alone(answer, t, name) for name in ("x", "weight", "bias")]
    kept = any(_holds_tensor(value) for value in vars(ctx).values())
    return library.judged(*_three(returned, leaves), *map(array, alone), kept)


def _three(returned, leaves):
    """The arrays of x, weight and bias out of what backward returned."""
    count = len(returned) if isinstance(returned, tuple | list) else 1
    if count < 4 or any(extra is not None for extra in returned[3:]):
        raise ValueError(
            f"backward returned {count} value(s), expected 4, one for each argument of forward: "
            "dx, dweight, dbias, and None for eps"
        )
    pairs = zip(returned, leaves, strict=False)
    return [array(torch.zeros_like(leaf) if gradient is None else gradient) for gradient, leaf in pairs]


def _alone(answer, t, name):
    """The gradient of one input, where the others need none."""
    args = {key: t[key].detach() for key in ("x", "weight", "bias")}
    leaf = args[name].requires_grad_()
    return gradients(answer.apply(*args.values(), t["eps"]), [leaf], t["dout"])[0]


def _holds_tensor(value):
    if isinstance(value, tuple | list):
        return any(map(_holds_tensor, value))
    return isinstance(value, torch.Tensor)


def call_twice(answer, inputs):
    """Gradients of ``<dx, along_x> + <dweight, along_weight>``, where dx and dweight are themselves gradients."""
    need_function(answer)
    return second_derivatives(answer.apply, tensors(inputs))


def second_derivatives(function, t):
    """As `call_twice`, for any function of tensors."""
    leaves = [t[name].requires_grad_() for name in ("x", "weight", "bias")]
    dout = t["dout"].requires_grad_()
    y = function(*leaves, t["eps"])
    with LibraryCalls() as library:
        dx, dweight, _ = gradients(y, leaves, dout, create_graph=True)
        along = (dx * t["along_x"]).sum() + (dweight * t["along_weight"]).sum()
        seconds = gradients(along, [*leaves[:2], dout], torch.ones_like(along))
    library.refuse()
    return tuple(map(array, seconds))


def call_combine(answer, inputs):
    """The three outputs, for tensors and two numbers."""
    t = tensors(inputs)
    returned = answer(*t.values())
    if not isinstance(returned, tuple | list) or len(returned) != 3:
        raise ValueError("it should return three values: count, mean, var")
    count, mean, var = returned
    return float(count), array(mean), array(var)


def call_normalization(answer, inputs):
    """The output, its gradients, and whether torch's own normalisation ran."""
    t = tensors(inputs)
    dout = t.pop("dout")
    leaves = [t[name].requires_grad_() for name in ("x", "weight", "bias")]
    with LibraryCalls() as library:
        y = answer(*t.values())
        found = array(y)
        three = gradients(y, leaves, dout)
    return library.judged(found, *map(array, three))


def call_sync(answer, inputs):
    """Output, count, mean and variance of both processes, which two threads play."""
    t = tensors(inputs)

    def member(shard, all_gather):
        with LibraryCalls() as library:
            returned = answer(shard, t["weight"], t["bias"], t["eps"], all_gather)
        library.refuse()
        if not isinstance(returned, tuple | list) or len(returned) != 4:
            raise ValueError("it should return four values: y, count, mean, var")
        y, count, mean, var = returned
        return array(y), float(count), array(mean), array(var)

    y, count, mean, var = zip(*run_in_threads(member, [t["first"], t["second"]]), strict=True)
    return np.concatenate(y), np.array(count), np.stack(mean), np.stack(var)


def call_gradcheck(answer, inputs):
    """The two verdicts of the learner's test on a function that is made for it."""
    t = tensors(inputs)
    verdicts = answer(stretched(*inputs["factors"], inputs["differentiable"]), t["x"], t["weight"], t["bias"])
    if not isinstance(verdicts, tuple | list) or len(verdicts) != 2:
        raise ValueError(f"it returned {verdicts!r}, expected two values: first_right, second_right")
    return tuple(float(verdict) for verdict in verdicts)


def stretched(for_x, for_weight, for_bias, differentiable):
    """``weight * tanh(x) + bias``, with factors on its gradients: right if all three are 1.

    Its backward can be differentiated rightly only if it is to be `differentiable`.
    """

    class Stretched(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight, bias):
            ctx.save_for_backward(x, weight, torch.tanh(x))
            return weight * torch.tanh(x) + bias

        @staticmethod
        def backward(ctx, dout):
            x, weight, saved = ctx.saved_tensors
            tanh = torch.tanh(x) if differentiable else saved
            dx = for_x * dout * weight * (1 - tanh**2)
            return dx, for_weight * (dout * torch.tanh(x)).sum(0), for_bias * dout.sum(0)

    return Stretched.apply

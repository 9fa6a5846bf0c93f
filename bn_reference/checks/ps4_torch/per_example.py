"""What the specs of ``layer_norm`` and ``group_norm`` share: these normalise each example by itself."""

from collections.abc import Callable

import numpy as np
import torch

from bn_reference.checks.ps4_torch.functions import library_mistake, none
from bn_reference.checks.spec import Case, Mistake, Node, Part

OUTPUTS = ("y", "dx", "dweight", "dbias", "library_calls")


def nodes(reference: Callable, magnitude: Callable) -> dict[str, Node]:
    """Nodes for a `reference` that takes the inputs and returns ``y, dx, dweight, dbias``."""

    def formula(position):
        return lambda i, v: reference(**i)[position]

    sizes = {"y": magnitude, "dx": magnitude}
    right = {name: Node(formula(k), sizes.get(name)) for k, name in enumerate(OUTPUTS[:4])}
    return right | {"library_calls": Node(none)}


def normalizing(
    prepare: Callable,
    dims: tuple[int, ...],
    center: Callable = torch.sub,
    divide: Callable = lambda centered, var, eps: centered / torch.sqrt(var + eps),
    variance: Callable = lambda rows, axes: rows.var(axes, correction=0, keepdim=True),
    statistics: Callable = lambda statistic: statistic,
    affine: Callable = lambda x_hat, weight, bias: x_hat * weight + bias,
) -> Callable:
    """A function as people write it: ``prepare(x)``, normalise over `dims`, restore the shape, scale and shift."""

    def function(x, weight, bias, eps, *groups):
        rows = prepare(x, *groups)
        axes = [d for d in dims if d < rows.ndim]
        mean, var = rows.mean(axes, keepdim=True), variance(rows, axes)
        x_hat = divide(center(rows, statistics(mean)), statistics(var), eps).reshape(x.shape)
        return affine(x_hat, weight, bias)

    return function


def parts(axes_hint: str, nudge: str, section: str, edge_title: str) -> tuple[Part, ...]:
    """The parts that both functions have."""
    return (
        Part("y", 3, ("y",), hint=axes_hint, nudge=nudge, source=section),
        Part(
            "the gradients of x, weight and bias",
            2,
            ("dx", "dweight", "dbias"),
            nudge="Call y.sum().backward() and look at weight.grad.",
            hint="torch differentiates what you write, unless something cuts the graph: no .detach(), .data, .item() or "
            "torch.no_grad() here.",
            source="torch's manual, 'Autograd mechanics'.",
        ),
        Part(
            edge_title,
            2,
            ("y", "dx", "dweight", "dbias"),
            ("edge",),
            nudge="Try it with a tiny x, by hand.",
            hint="The formula holds as it stands: a variance of 0 leaves sqrt(eps) below, and 0 above.",
            source="The section 'What ε does' of the chapter.",
        ),
        Part(
            "made of your own operations",
            1,
            ("library_calls",),
            ("typical", "edge"),
            nudge="Which line does the normalising?",
            hint="Write it with mean, sqrt and reshape. torch's own functions are what you are rebuilding.",
            source="The text of Part 4.",
            waits=True,
        ),
    )


def usual_mistakes(variant: Callable[..., Callable]) -> tuple[Mistake, ...]:
    """Mistakes that do not concern the axes; ``variant(**slip)`` is the right function with one slip."""
    return (
        library_mistake(
            OUTPUTS,
            "Your function hands over to torch's own normalisation. Write it with mean, sqrt and reshape.",
        ),
        Mistake(
            "variance_divides_by_n_minus_1",
            "Your variance divides by the number of values minus 1, which is what torch.var and torch.std do unless you "
            "say correction=0. The variance that normalises is the biased one.",
            code=variant(variance=lambda rows, axes: rows.var(axes, correction=1, keepdim=True)),
            keeps=0.25,
        ),
        Mistake(
            "root_mean_square",
            "Your function divides by the root mean square, and subtracts nothing: that is RMSNorm. Subtract the mean, and "
            "divide by the root of the variance plus eps.",
            code=variant(
                center=lambda rows, mean: rows,
                variance=lambda rows, axes: (rows**2).mean(axes, keepdim=True),
            ),
            keeps=0.25,
        ),
        Mistake(
            "not_centred",
            "Your x_hat is scaled but not centred. Subtract the mean before you divide.",
            code=variant(center=lambda rows, mean: rows),
            keeps=0.25,
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. Use sqrt(var + eps).",
            code=variant(divide=lambda centered, var, eps: centered / (torch.sqrt(var) + eps)),
            keeps=0.5,
        ),
        Mistake(
            "eps_hard_coded",
            "Your eps is always 1e-5. Use the argument eps.",
            code=variant(divide=lambda centered, var, eps: centered / torch.sqrt(var + 1e-5)),
            keeps=0.5,
        ),
        Mistake(
            "divides_by_variance",
            "Your function divides by the variance. Divide by its root, sqrt(var + eps).",
            code=variant(divide=lambda centered, var, eps: centered / (var + eps)),
            keeps=0.25,
        ),
        Mistake(
            "weight_and_bias_forgotten",
            "Your function stops at x_hat. Scale by weight and shift by bias.",
            code=variant(affine=lambda x_hat, weight, bias: x_hat),
            keeps=0.25,
        ),
        Mistake(
            "statistics_taken_as_constants",
            "The gradient of x does not run through mean and variance: .detach(), .data, .item() or torch.no_grad() cut "
            "them off. Compute them with x as it is.",
            code=variant(statistics=torch.Tensor.detach),
        ),
        Mistake(
            "x_gets_no_gradient",
            "Your x gets no gradient: .detach(), .numpy(), torch.tensor() or torch.no_grad() cuts x_hat off, so that only "
            "weight and bias get theirs. Compute x_hat from x with torch's operations.",
            code=variant(divide=lambda centered, var, eps: (centered / torch.sqrt(var + eps)).detach()),
        ),
        Mistake(
            "no_gradient_at_all",
            "No gradient comes back through your function: torch.no_grad(), .detach() or .data cuts the whole graph.",
            code=torch.no_grad()(variant()),
        ),
    )


def size(x_hat_axes: Callable) -> Callable:
    """The size of the summands, for axes ``x_hat_axes(inputs)`` of x: the mean counts, and so does 1 / std."""

    def magnitude(i):
        std = np.sqrt(x_hat_axes(i) + i["eps"])
        return float(
            np.max(np.abs(i["weight"])) * max(np.max(np.abs(i["x"])), np.max(np.abs(i["dout"]))) / np.min(std)
        )

    return magnitude


def case(name: str, kind: str, x: np.ndarray, inputs_of: Callable, eps: float = 1e-3) -> Case:
    """A case named for what is special about it."""
    return Case(f"{name}, x of shape {x.shape}", kind, inputs_of(x, eps))

"""What the specs of ``BatchNormFunction`` share: its cases, and the right values."""

from collections.abc import Sequence

import numpy as np

from bn_reference.batchnorm import batchnorm_backward, batchnorm_forward
from bn_reference.checks.batches import batch_cases, vector
from bn_reference.checks.spec import Case, Formula, Mistake, Values


def function_cases(rng: np.random.Generator, inputs_of) -> list[Case]:
    """The usual batches, and one with ``eps = 0``, which the definition allows."""
    x = rng.standard_normal((int(rng.integers(6, 10)), int(rng.integers(2, 5)))) * 2 + 1
    without_eps = Case(f"eps is 0, x of shape {x.shape}", "edge", inputs_of(x, rng, 0.0))
    return [*batch_cases(rng, inputs_of), without_eps]


def parameters(x: np.ndarray, rng: np.random.Generator, eps: float) -> dict[str, object]:
    """The arguments of ``apply``."""
    return {"x": x, "weight": vector(rng, x), "bias": vector(rng, x), "eps": eps}


def x_hat(i: Values, *_) -> np.ndarray:
    """The normalised batch."""
    return (i["x"] - i["x"].mean(0, dtype=float)) / std(i)


def std(i: Values) -> np.ndarray:
    """``sqrt(var + eps)`` of the batch."""
    return np.sqrt(np.var(i["x"], 0, dtype=float) + i["eps"])


def forward(x, weight, bias, eps) -> np.ndarray:
    """The output."""
    return batchnorm_forward(x, weight, bias, eps)[0]


def backward(x, weight, bias, eps, dout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of x, weight and bias."""
    _, cache = batchnorm_forward(x, weight, bias, eps)
    return batchnorm_backward(dout, cache)


def library_mistake(outputs: Sequence[str], says: str) -> Mistake:
    """The answer leaves the work to torch: all its `outputs` are shown as NaN, the last of which is that it did."""
    says += " What torch's own function computed does not count: it is shown as NaN."

    def void(name):
        return lambda i, v: np.full(np.shape(v.get(name)), np.nan)

    *computed, noticed = outputs
    return Mistake("library_does_the_work", says, {name: void(name) for name in computed} | {noticed: one})


def none(i: Values, v: Values) -> np.ndarray:
    """The right value of a count of things that should not be there."""
    return np.float64(0)


def one(i: Values, v: Values) -> np.ndarray:
    """The right value of a statement that should be true."""
    return np.float64(1)


def nodes_of(reference, names) -> dict[str, Formula]:
    """For each of the outputs of `reference`, which returns a tuple, the formula that gives it."""

    def formula(position):
        return lambda i, v: np.asarray(reference(**i)[position])

    return {name: formula(position) for position, name in enumerate(names)}

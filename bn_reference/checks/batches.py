"""The batches that the specs try a function on: ordinary ones, and those that break habits."""

from collections.abc import Callable

import numpy as np

from bn_reference.checks.spec import Case

Inputs = dict[str, object]


def batch_cases(rng: np.random.Generator, inputs_of: Callable[..., Inputs]) -> list[Case]:
    """Cases of layout (N, C), small enough to print.

    Parameters
    ----------
    rng : numpy.random.Generator
    inputs_of : callable
        ``inputs_of(x, rng, eps)`` makes the keyword arguments of the function under test.

    Returns
    -------
    list of Case
        No shape is square but the one that says so; ``eps`` is never the usual 1e-5 in the
        typical cases, so that it cannot be hard-coded.
    """
    n, c = int(rng.integers(6, 10)), int(rng.integers(2, 5))

    def x(n, c, offset=3.0):
        scale, shift = rng.uniform(0.5, 2.0, c), rng.uniform(-offset, offset, c)
        return rng.standard_normal((n, c)) * scale + shift

    constant = x(n, c)
    constant[:, rng.integers(c)] = 0.7
    large = x(n, c) + 1e6

    def case(name, kind, batch, eps=1e-3):
        return Case(f"{name}, x of shape {batch.shape}", kind, inputs_of(batch, rng, eps))

    return [
        case("an ordinary batch", "typical", x(n, c)),
        case("as many examples as features", "typical", x(c, c), eps=0.01),
        case("float32", "typical", x(n + 1, c).astype(np.float32)),
        case("a transposed view in memory", "typical", np.asfortranarray(x(n, c + 1)), eps=0.1),
        case("one feature is constant", "edge", constant, eps=1e-5),
        case("a batch of one example", "edge", x(1, c), eps=1e-5),
        case("features with a mean near a million", "offset", large, eps=1e-5),
    ]


def vector(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """One value for each channel of `like`, between 0.5 and 2 in size, of either sign."""
    c = like.shape[-1]
    return (rng.uniform(0.5, 2.0, c) * rng.choice([-1.0, 1.0], c)).astype(like.dtype)


def cotangent(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """A random gradient to send back, in the shape and dtype of `like`."""
    return rng.standard_normal(like.shape).astype(like.dtype)

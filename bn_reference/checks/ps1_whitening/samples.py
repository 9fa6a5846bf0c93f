"""The data sets that the specs of ``ps1_whitening`` try a function on."""

from collections.abc import Callable

import numpy as np

from bn_reference.checks.spec import Case

Inputs = dict[str, object]


def cloud(rng: np.random.Generator, n: int, d: int, offset: float = 3.0) -> np.ndarray:
    """Draw a tilted cloud of `n` samples whose variances along its axes differ by a factor of about two.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, d : int
        Samples and features; with ``n <= d`` the cloud has ``n - 1`` axes.
    offset : float
        How far the means lie from zero.

    Returns
    -------
    ndarray, shape (n, d), float64
    """
    axes = min(d, n - 1)
    noise = rng.standard_normal((n, axes))
    apart, _ = np.linalg.qr(noise - noise.mean(0))
    directions, _ = np.linalg.qr(rng.standard_normal((d, d)))
    variances = rng.uniform(2.0, 4.0) * 0.5 ** (np.arange(axes) + rng.uniform(-0.2, 0.2, axes))
    return apart * np.sqrt(n * variances) @ directions[:, :axes].T + rng.uniform(-offset, offset, d)


def sample_cases(rng: np.random.Generator, inputs_of: Callable[..., Inputs]) -> list[Case]:
    """Cases of layout (N, d), small enough to print.

    Parameters
    ----------
    rng : numpy.random.Generator
    inputs_of : callable
        ``inputs_of(x, eps)`` makes the keyword arguments of the function under test.

    Returns
    -------
    list of Case
        No shape is square but the one that says so; ``eps`` is the usual 1e-5 in none of the
        typical cases, so that it cannot be hard-coded.
    """
    n, d = int(rng.integers(8, 12)), int(rng.integers(3, 5))
    whole = np.rint(3 * cloud(rng, n, d)).astype(np.int64)
    constant = cloud(rng, n, d)
    constant[:, rng.integers(d)] = 0.7

    def case(name, kind, x, eps):
        return Case(f"{name}, x of shape {x.shape}", kind, inputs_of(x, eps))

    return [
        case("an ordinary cloud", "typical", cloud(rng, n, d), 1e-2),
        case("two features", "typical", cloud(rng, n, 2), 0.3),
        case("as many samples as features", "typical", cloud(rng, d, d), 0.1),
        case("float32", "typical", cloud(rng, n + 1, d).astype(np.float32), 2e-2),
        case("a transposed view in memory", "typical", np.asfortranarray(cloud(rng, n, d + 1)), 0.05),
        case("whole numbers, of an integer dtype", "integer", whole, 1e-2),
        case("one feature is constant", "edge", constant, 1e-5),
        case("fewer samples than features", "edge", cloud(rng, d, d + 2), 1e-3),
        case("features with a mean near a million", "offset", cloud(rng, n, d) + 1e6, 1e-4),
    ]


def as_float(x: np.ndarray) -> np.ndarray:
    """`x` in float64, whatever it came in."""
    return np.asarray(x, dtype=np.float64)


def nearest(own: np.ndarray | None, *candidates: np.ndarray) -> np.ndarray:
    """The candidate that lies closest to the learner's `own` value: the first, where there is none.

    For results that are right in two ways: by what the learner found before, and by the truth.
    """
    if own is None:
        return candidates[0]
    fitting = [c for c in candidates if np.shape(c) == np.shape(own) and np.all(np.isfinite(c))]
    return min(fitting, key=lambda c: np.max(np.abs(c - own)), default=candidates[-1])

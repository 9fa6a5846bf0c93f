"""Spec of ``gradient_shift``: internal covariate shift as Santurkar et al. measure it."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _norm(values, axis=1):
    return np.sqrt(np.sum(values**2, axis=axis))


def _distance(i):
    return _norm(i["before"] - i["after"])


def _inner(i):
    return np.sum(i["before"] * i["after"], axis=1)


def _cosine(i):
    return _inner(i) / (_norm(i["before"]) * _norm(i["after"]))


def _cosine_with_the_difference(i):
    off = i["before"] - i["after"]
    return np.sum(off * i["before"], axis=1) / (_norm(off) * _norm(i["before"]))


def gradient_shift(before, after):
    """How far a layer's gradient moves when the layers before it are updated.

    Parameters
    ----------
    before, after : ndarray, shape (steps, d), floating
        The gradient of a layer's weights at each step, before and after the update of the earlier layers.

    Returns
    -------
    distance, cosine : ndarray, shape (steps,)

    Notes
    -----
    Santurkar et al. 2018 (arXiv 1805.11604), Definition 2.1 and Section 2.2.

    Examples
    --------
    >>> gradient_shift(np.array([[3.0, 0.0]]), np.array([[3.0, 4.0]]))
    (array([4.]), array([0.6]))
    """
    i = {"before": before, "after": after}
    return _distance(i), _cosine(i)


def _cases(rng):
    def case(name, kind, steps, d, dtype=np.float64):
        before = rng.standard_normal((steps, d)) * rng.uniform(0.5, 2.0, (steps, 1))
        after = before * rng.uniform(0.4, 1.2) + rng.standard_normal((steps, d)) * 0.8
        inputs = {"before": before.astype(dtype), "after": after.astype(dtype)}
        return Case(f"{name}, {steps} steps, {d} weights", kind, inputs)

    steps, d = int(rng.integers(4, 8)), int(rng.integers(3, 7))
    return [
        case("ordinary gradients", "typical", steps, d + 2),
        case("as many steps as weights", "typical", d, d),
        case("float32", "typical", steps, d, np.float32),
        case("one step", "edge", 1, d),
        case("one weight", "edge", steps, 1),
    ]


SHIFT = Spec(
    name="gradient_shift",
    outputs=("distance", "cosine"),
    nodes={
        "distance": Node(lambda i, v: _distance(i), magnitude=lambda i: float(np.max(_norm(i["before"])))),
        "cosine": Node(lambda i, v: _cosine(i), magnitude=lambda i: 1.0),
    },
    reference=gradient_shift,
    cases=_cases,
    parts=(
        Part(
            "distance at each step",
            2,
            ("distance",),
            nudge="Over which axis does your sum of squares run?",
            hint="Subtract, square, sum over the weights (axis 1), and take the root.",
            source="Santurkar et al. 2018, Definition 2.1.",
        ),
        Part(
            "cosine at each step",
            3,
            ("cosine",),
            nudge="What is your cosine of a gradient with itself?",
            hint="The inner product of the two rows, divided by both lengths.",
            source="Santurkar et al. 2018, Section 2.2: the cosine angle, ideally 1.",
        ),
        Part(
            "one step, one weight",
            1,
            ("distance", "cosine"),
            ("edge",),
            nudge="What shapes come out for one step?",
            hint="Keep the axis of the steps, even where it has length 1.",
            source="The part's text: the shapes.",
        ),
    ),
    mistakes=(
        Mistake(
            "distance_squared",
            "Your distance is squared. Take the root.",
            {"distance": lambda i, v: _distance(i) ** 2},
            keeps=0.5,
        ),
        Mistake(
            "distance_as_mean",
            "Your distance takes a mean over the weights. The length of a vector is the root of a sum.",
            {"distance": lambda i, v: _distance(i) / np.sqrt(i["before"].shape[1])},
            keeps=0.5,
        ),
        Mistake(
            "absolute_distance",
            "Your distance sums absolute differences. The Euclidean distance squares, sums and takes the root.",
            {"distance": lambda i, v: np.sum(np.abs(i["before"] - i["after"]), axis=1)},
            keeps=0.5,
        ),
        Mistake(
            "relative_distance",
            "Your distance is divided by the length of the gradient. Definition 2.1 leaves it as it is.",
            {"distance": lambda i, v: _distance(i) / _norm(i["before"])},
            keeps=0.5,
        ),
        Mistake(
            "difference_of_lengths",
            "Your distance is the difference of the two lengths, which is small even for gradients that point apart. "
            "Take the length of the difference.",
            {"distance": lambda i, v: np.abs(_norm(i["before"]) - _norm(i["after"]))},
        ),
        Mistake(
            "over_the_steps",
            "Your sums run over the steps. Take them over the weights, axis 1: one number for each step.",
            {
                "distance": lambda i, v: _norm(i["before"] - i["after"], 0),
                "cosine": lambda i, v: (
                    np.sum(i["before"] * i["after"], 0) / (_norm(i["before"], 0) * _norm(i["after"], 0))
                ),
            },
        ),
        Mistake(
            "cosine_without_lengths",
            "Your cosine is the bare inner product. Divide by the lengths of both gradients.",
            {"cosine": lambda i, v: _inner(i)},
        ),
        Mistake(
            "cosine_by_one_length_squared",
            "Your cosine divides by the squared length of the first gradient. Divide by the product of both lengths.",
            {"cosine": lambda i, v: _inner(i) / _norm(i["before"]) ** 2},
            keeps=0.5,
        ),
        Mistake(
            "cosine_by_squared_lengths",
            "Your cosine divides by the squares of both lengths. Take the roots.",
            {"cosine": lambda i, v: _inner(i) / (_norm(i["before"]) * _norm(i["after"])) ** 2},
            keeps=0.5,
        ),
        Mistake(
            "angle_for_cosine",
            "Your second result is the angle. Return its cosine.",
            {"cosine": lambda i, v: np.arccos(np.clip(_cosine(i), -1, 1))},
            keeps=0.5,
        ),
        Mistake(
            "one_minus_cosine",
            "Your second result is 1 minus the cosine. Return the cosine itself: 1 where nothing shifts.",
            {"cosine": lambda i, v: 1 - _cosine(i)},
            keeps=0.5,
        ),
        Mistake(
            "all_steps_at_once",
            "Your function takes all steps as one long vector. Return one number for each step: sums over axis 1.",
            {
                "distance": lambda i, v: np.sqrt(np.sum((i["before"] - i["after"]) ** 2)),
                "cosine": lambda i, v: (
                    np.sum(_inner(i)) / np.sqrt(np.sum(i["before"] ** 2) * np.sum(i["after"] ** 2))
                ),
            },
        ),
        Mistake(
            "length_for_distance",
            "Your distance is the length of the first gradient. Take that of the difference.",
            {"distance": lambda i, v: _norm(i["before"])},
        ),
        Mistake(
            "largest_difference",
            "Your distance is the largest difference of an entry. Square all, sum, take the root.",
            {"distance": lambda i, v: np.max(np.abs(i["before"] - i["after"]), axis=1)},
            keeps=0.5,
        ),
        Mistake(
            "cosine_with_the_difference",
            "Your cosine is between the first gradient and the difference. Take the one between the two gradients.",
            {"cosine": lambda i, v: _cosine_with_the_difference(i)},
        ),
    ),
    chapter="covariate_shift",
)

"""Spec of ``landscape``: how smooth the loss is along the gradient, as Santurkar et al. measure it."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _norm(values):
    return np.sqrt(np.sum(values**2, axis=-1))


def _range(i):
    return i["losses"].max(axis=1) - i["losses"].min(axis=1)


def _changes(i):
    """The length of the gradient's change, at each step and distance."""
    return _norm(i["gradients"] - i["gradient"][:, None])


def _moved(i):
    """How far the weights have moved, at each step and distance."""
    return i["distances"] * _norm(i["gradient"])[:, None]


def landscape(losses, gradient, gradients, distances):
    """Range of the loss, change of the gradient, and effective smoothness along the gradient.

    Parameters
    ----------
    losses : ndarray, shape (steps, K), floating
        At each step of training, the loss at K points along the gradient.
    gradient : ndarray, shape (steps, d), floating
        The gradient at the point itself.
    gradients : ndarray, shape (steps, K, d), floating
        The gradients at the K points.
    distances : ndarray, shape (K,), floating
        How far the points are, in gradients: ``w - distance * gradient``.

    Returns
    -------
    loss_range, change, smoothness : ndarray, shape (steps,)

    Notes
    -----
    Santurkar et al. 2018 (arXiv 1805.11604), Section 3.1 and Figure 4.

    Examples
    --------
    >>> losses, gradient = np.array([[3.0, 2.0]]), np.array([[2.0]])
    >>> landscape(losses, gradient, np.array([[[1.0], [-1.0]]]), np.array([0.5, 1.0]))
    (array([1.]), array([3.]), array([1.5]))
    """
    i = {"losses": losses, "gradient": gradient, "gradients": gradients, "distances": distances}
    return _range(i), _changes(i).max(1), (_changes(i) / _moved(i)).max(1)


def _cases(rng):
    def case(name, kind, steps, k, d, dtype=np.float64):
        gradient = rng.standard_normal((steps, d))
        turned = rng.standard_normal((steps, k, d)) * rng.uniform(0.2, 1.5, (steps, k, 1))
        inputs = {
            "losses": rng.uniform(0.5, 3.0, (steps, k)).astype(dtype),
            "gradient": gradient.astype(dtype),
            "gradients": (gradient[:, None] + turned).astype(dtype),
            "distances": np.sort(rng.uniform(0.1, 2.0, k)).astype(dtype),
        }
        return Case(f"{name}, {steps} steps, {k} points, {d} weights", kind, inputs)

    steps, k, d = int(rng.integers(3, 6)), int(rng.integers(6, 9)), int(rng.integers(2, 5))
    return [
        case("an ordinary landscape", "typical", steps, k, d),
        case("as many steps as points and weights", "typical", 4, 4, 4),
        case("float32", "typical", steps + 1, k, d, np.float32),
        case("one step", "edge", 1, k, d),
        case("one point", "edge", steps, 1, d),
    ]


LANDSCAPE = Spec(
    name="landscape",
    outputs=("loss_range", "change", "smoothness"),
    nodes={
        "loss_range": Node(lambda i, v: _range(i), magnitude=lambda i: float(np.max(np.abs(i["losses"])))),
        "change": Node(lambda i, v: _changes(i).max(1)),
        "smoothness": Node(lambda i, v: (_changes(i) / _moved(i)).max(1)),
    },
    reference=landscape,
    cases=_cases,
    parts=(
        Part(
            "range of the loss",
            2,
            ("loss_range",),
            nudge="Which axis holds the points along the gradient?",
            hint="The largest minus the smallest loss of each step: axis 1.",
            source="Santurkar et al. 2018, Figure 4(a).",
        ),
        Part(
            "largest change of the gradient",
            2,
            ("change",),
            nudge="How long is the difference between two gradients?",
            hint="Subtract gradient[:, None] from gradients, take the length over the last axis, then the largest.",
            source="Santurkar et al. 2018, Figure 4(b).",
        ),
        Part(
            "effective smoothness",
            2,
            ("smoothness",),
            nudge="How far have the weights moved at the distance 0.5?",
            hint="Divide each change by the way to its point, distance times the gradient's length; then take the largest.",
            source="Santurkar et al. 2018, Figure 4(c): the largest ratio of change and distance.",
        ),
        Part(
            "one step, one point",
            1,
            ("loss_range", "change", "smoothness"),
            ("edge",),
            nudge="What should the range be over a single point?",
            hint="Keep the axis of the steps. The range over one point is 0.",
            source="The part's text: the shapes.",
        ),
    ),
    mistakes=(
        Mistake(
            "deviation_for_range",
            "Your range is a standard deviation. Take the largest minus the smallest.",
            {"loss_range": lambda i, v: i["losses"].std(1)},
            keeps=0.5,
        ),
        Mistake(
            "largest_loss_for_range",
            "Your range is the largest loss. Subtract the smallest.",
            {"loss_range": lambda i, v: i["losses"].max(1)},
            keeps=0.5,
        ),
        Mistake(
            "first_minus_last",
            "Your range is the difference between the first and the last point. The extremes may lie in between.",
            {"loss_range": lambda i, v: np.abs(i["losses"][:, 0] - i["losses"][:, -1])},
            keeps=0.5,
        ),
        Mistake(
            "range_over_the_steps",
            "Your range runs over the steps of training. Take it over the points, axis 1.",
            {"loss_range": lambda i, v: i["losses"].max(0) - i["losses"].min(0)},
        ),
        Mistake(
            "mean_change",
            "Your change is the mean over the points. Take the largest.",
            {"change": lambda i, v: _changes(i).mean(1)},
            keeps=0.5,
        ),
        Mistake(
            "last_point_alone",
            "Your change is that at the last point. Take the largest of all points.",
            {"change": lambda i, v: _changes(i)[:, -1]},
            keeps=0.5,
        ),
        Mistake(
            "changes_squared",
            "Your changes are squared lengths. Take the root.",
            {
                "change": lambda i, v: (_changes(i) ** 2).max(1),
                "smoothness": lambda i, v: (_changes(i) ** 2 / _moved(i)).max(1),
            },
            keeps=0.5,
        ),
        Mistake(
            "difference_of_lengths",
            "Your changes compare the lengths of the gradients, which stay the same when a gradient turns. Take the length "
            "of the difference.",
            {
                "change": lambda i, v: np.abs(_norm(i["gradients"]) - _norm(i["gradient"])[:, None]).max(1),
                "smoothness": lambda i, v: (
                    np.abs(_norm(i["gradients"]) - _norm(i["gradient"])[:, None]) / _moved(i)
                ).max(1),
            },
        ),
        Mistake(
            "smoothness_without_the_gradients_length",
            "Your smoothness divides by the distance alone, which counts in gradients. The weights move by distance times "
            "the gradient's length.",
            {"smoothness": lambda i, v: (_changes(i) / i["distances"]).max(1)},
            keeps=0.5,
        ),
        Mistake(
            "smoothness_of_the_largest_change",
            "Your smoothness divides the largest change by the longest way. Divide at each point, then take the largest.",
            {"smoothness": lambda i, v: _changes(i).max(1) / _moved(i).max(1)},
            keeps=0.5,
        ),
        Mistake(
            "mean_smoothness",
            "Your smoothness is the mean over the points. Take the largest.",
            {"smoothness": lambda i, v: (_changes(i) / _moved(i)).mean(1)},
            keeps=0.5,
        ),
        Mistake(
            "lengths_for_changes",
            "Your changes are the lengths of the gradients at the points. Subtract the gradient at the point itself first.",
            {
                "change": lambda i, v: _norm(i["gradients"]).max(1),
                "smoothness": lambda i, v: (_norm(i["gradients"]) / _moved(i)).max(1),
            },
        ),
        Mistake(
            "largest_entry",
            "Your change is the largest difference of an entry. Take the length of the whole difference.",
            {"change": lambda i, v: np.abs(i["gradients"] - i["gradient"][:, None]).max((1, 2))},
            keeps=0.5,
        ),
        Mistake(
            "last_less_first",
            "Your range is the last loss minus the first, with a sign. Take the largest minus the smallest.",
            {"loss_range": lambda i, v: i["losses"][:, -1] - i["losses"][:, 0]},
            keeps=0.5,
        ),
        Mistake(
            "change_between_neighbours",
            "Your changes are those from one point to the next. Take them from the gradient at the point itself.",
            {"change": lambda i, v: _norm(np.diff(i["gradients"], axis=1)).max(1, initial=0.0)},
            keeps=0.5,
        ),
        Mistake(
            "change_from_the_first_point",
            "Your changes count from the first point along the gradient. Take them from the gradient at the point itself.",
            {"change": lambda i, v: _norm(i["gradients"] - i["gradients"][:, :1]).max(1)},
            keeps=0.5,
        ),
        Mistake(
            "smoothness_at_the_last_point",
            "Your smoothness is that at the last point. Take the largest of all points.",
            {"smoothness": lambda i, v: (_changes(i) / _moved(i))[:, -1]},
            keeps=0.5,
        ),
        Mistake(
            "smallest_ratio",
            "Your smoothness is the smallest ratio. Take the largest.",
            {"smoothness": lambda i, v: (_changes(i) / _moved(i)).min(1)},
            keeps=0.5,
        ),
        Mistake(
            "gradients_length_squared",
            "Your smoothness divides by the gradient's length twice. The way is distance times its length, once.",
            {"smoothness": lambda i, v: (_changes(i) / (_moved(i) * _norm(i["gradient"])[:, None])).max(1)},
            keeps=0.5,
        ),
        Mistake(
            "smoothness_without_distance",
            "Your smoothness divides by the gradient's length alone. The way is distance times its length.",
            {"smoothness": lambda i, v: (_changes(i) / _norm(i["gradient"])[:, None]).max(1)},
            keeps=0.5,
        ),
    ),
    chapter="covariate_shift",
)

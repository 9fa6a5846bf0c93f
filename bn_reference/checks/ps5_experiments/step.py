"""Spec of ``look_at_step``: what a step of gradient descent does to a weight vector's length and direction."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _norm(v):
    return np.sqrt(np.sum(v**2))


def _new(i, sign=-1):
    return i["w"] + sign * i["learning_rate"] * i["dw"]


def _cosine(a, b):
    return a @ b / (_norm(a) * _norm(b))


def _growth(i, sign=-1):
    return _norm(_new(i, sign)) / _norm(i["w"])


def _angle(i, sign=-1):
    """By the arc tangent, which is exact for small angles too."""
    a, b = i["w"] / _norm(i["w"]), _new(i, sign) / _norm(_new(i, sign))
    return 2 * np.arctan2(_norm(a - b), _norm(a + b))


def _relative_step(i):
    return i["learning_rate"] * _norm(i["dw"]) / _norm(i["w"])


def _with_unit_gradient(i):
    return {**i, "dw": i["dw"] / _norm(i["dw"])}


def look_at_step(w, dw, learning_rate):
    """The cosine between weights and gradient, and how a step changes the weights' length and direction.

    Parameters
    ----------
    w, dw : ndarray, shape (d,), floating
    learning_rate : float

    Returns
    -------
    cosine, growth, angle : float
        Between ``w`` and ``dw``; ``|w_new| / |w|``; between ``w`` and ``w_new``, in radians.

    Examples
    --------
    >>> w, dw = np.array([3.0, 0.0]), np.array([0.0, 4.0])
    >>> [round(float(value), 4) for value in look_at_step(w, dw, 1.0)]
    [0.0, 1.6667, 0.9273]
    """
    i = {"w": w, "dw": dw, "learning_rate": learning_rate}
    return _cosine(w, dw), _growth(i), _angle(i)


def _cases(rng):
    def case(name, kind, d, along, learning_rate, dtype=np.float64):
        w, across = rng.standard_normal((2, d))
        w *= rng.uniform(1.0, 3.0) / _norm(w)
        across -= w * (w @ across) / (w @ w)
        dw = across * rng.uniform(0.5, 1.5) / _norm(across) + along * w
        inputs = {"w": w.astype(dtype), "dw": dw.astype(dtype), "learning_rate": learning_rate}
        return Case(f"{name}, {d} weights, learning rate {learning_rate:g}", kind, inputs)

    d = int(rng.integers(4, 9))
    rate = round(float(rng.uniform(0.4, 0.9)), 2)
    return [
        case("an ordinary step", "typical", d, 0.3, rate),
        case("a gradient against the weights", "typical", d + 1, -0.4, rate + 0.2),
        case("a large step", "typical", d, 0.1, 6.0),
        case("float32", "typical", d, 0.2, rate, np.float32),
        case("a gradient across the weights", "edge", d, 0.0, rate),
        case("two weights", "edge", 2, 0.5, rate),
    ]


LOOK_AT_STEP = Spec(
    name="look_at_step",
    outputs=("cosine", "growth", "angle"),
    nodes={
        "cosine": Node(lambda i, v: _cosine(i["w"], i["dw"]), magnitude=lambda i: 1.0),
        "growth": Node(lambda i, v: _growth(i), magnitude=lambda i: 1.0),
        # An arc cosine, as most people write it, rounds by a few units over the sine.
        "angle": Node(lambda i, v: _angle(i), magnitude=lambda i: 1.0 / np.sin(_angle(i))),
    },
    reference=look_at_step,
    cases=_cases,
    parts=(
        Part(
            "cosine between weights and gradient",
            2,
            ("cosine",),
            nudge="What is the cosine of w with itself?",
            hint="Divide the inner product by both lengths.",
            source="a · b = |a| |b| cos of the angle between them.",
        ),
        Part(
            "growth of the weights",
            2,
            ("growth",),
            nudge="What should the growth be for a learning rate of 0?",
            hint="Take the step w - learning_rate * dw; divide its length by that of w.",
            source="The part's text: the definition of growth.",
        ),
        Part(
            "angle of the turn",
            2,
            ("angle",),
            nudge="Between which two vectors is the angle?",
            hint="The cosine between w and w_new, and np.arccos of it: in radians.",
            source="The part's text: the definition of the angle.",
        ),
        Part(
            "a gradient across the weights, and two weights",
            1,
            ("cosine", "growth", "angle"),
            ("edge",),
            nudge="By Pythagoras, how long is w_new if dw stands at a right angle to w?",
            hint="A gradient across the weights has the cosine 0, and still makes them longer.",
            source="The part's text.",
        ),
    ),
    mistakes=(
        Mistake(
            "step_uphill",
            "Your step adds the gradient. Descent subtracts it: w - learning_rate * dw.",
            {"growth": lambda i, v: _growth(i, 1), "angle": lambda i, v: _angle(i, 1)},
            keeps=0.5,
        ),
        Mistake(
            "cosine_without_lengths",
            "Your cosine is the bare inner product. Divide by the lengths of both vectors.",
            {"cosine": lambda i, v: i["w"] @ i["dw"]},
        ),
        Mistake(
            "cosine_divided_by_one_length",
            "Your cosine divides by the length of w alone. Divide by that of dw too.",
            {"cosine": lambda i, v: i["w"] @ i["dw"] / _norm(i["w"])},
            keeps=0.5,
        ),
        Mistake(
            "cosine_with_the_step",
            "Your cosine is that between w and the step, which goes against the gradient: the sign is the other one.",
            {"cosine": lambda i, v: -_cosine(i["w"], i["dw"])},
            keeps=0.5,
        ),
        Mistake(
            "growth_squared",
            "Your growth is a ratio of squared lengths. Take the root.",
            {"growth": lambda i, v: _growth(i) ** 2},
            keeps=0.5,
        ),
        Mistake(
            "growth_as_difference",
            "Your growth is the difference of the lengths. It is their ratio: 1 where nothing grows.",
            {"growth": lambda i, v: _norm(_new(i)) - _norm(i["w"])},
            keeps=0.5,
        ),
        Mistake(
            "growth_upside_down",
            "Your growth divides the old length by the new one. Turn it around.",
            {"growth": lambda i, v: 1 / _growth(i)},
            keeps=0.5,
        ),
        Mistake(
            "angle_in_degrees",
            "Your angle is in degrees. Leave it in radians.",
            {"angle": lambda i, v: np.degrees(_angle(i))},
            keeps=0.5,
        ),
        Mistake(
            "angle_to_the_gradient",
            "Your angle is the one between w and dw. The turn is between w and w_new.",
            {"angle": lambda i, v: np.arccos(_cosine(i["w"], i["dw"]))},
        ),
        Mistake(
            "cosine_for_angle",
            "Your angle is its cosine. np.arccos gives the angle.",
            {"angle": lambda i, v: np.cos(_angle(i))},
            keeps=0.5,
        ),
        Mistake(
            "absolute_cosine",
            "Your cosine has lost its sign. It is negative where the gradient points against the weights.",
            {"cosine": lambda i, v: np.abs(_cosine(i["w"], i["dw"]))},
            keeps=0.5,
        ),
        Mistake(
            "angle_by_the_length_of_the_step",
            "Your angle comes from the length of the step. That is right only for steps across: use the cosine between w and w_new.",
            {"angle": lambda i, v: np.arcsin(np.minimum(1, _relative_step(i)))},
            keeps=0.5,
        ),
        Mistake(
            "cosine_after_the_step",
            "Your cosine is between dw and the weights after the step. Take the weights before it.",
            {"cosine": lambda i, v: _cosine(_new(i), i["dw"])},
            keeps=0.5,
        ),
        Mistake(
            "growth_minus_one",
            "Your growth is the relative change. Return the ratio itself: 1 where nothing grows.",
            {"growth": lambda i, v: _growth(i) - 1},
            keeps=0.5,
        ),
        Mistake(
            "angle_of_a_step_across",
            "Your angle is the arc tangent of the step over the weights. That is right only for steps across: use the cosine between w and w_new.",
            {"angle": lambda i, v: np.arctan(_relative_step(i))},
            keeps=0.5,
        ),
        Mistake(
            "step_for_angle",
            "Your angle is the length of the step over that of the weights. Take the angle between w and w_new.",
            {"angle": lambda i, v: _relative_step(i)},
            keeps=0.5,
        ),
        Mistake(
            "length_of_the_step_for_angle",
            "Your angle is the length of the step. Take the angle between w and w_new.",
            {"angle": lambda i, v: i["learning_rate"] * _norm(i["dw"])},
        ),
        Mistake(
            "gradient_made_a_unit_vector",
            "Your step has the length learning_rate. Leave the gradient as long as it is: w - learning_rate * dw.",
            {
                "growth": lambda i, v: _growth(_with_unit_gradient(i)),
                "angle": lambda i, v: _angle(_with_unit_gradient(i)),
            },
            keeps=0.5,
        ),
        Mistake(
            "step_without_learning_rate",
            "Your step leaves out the learning rate: w - learning_rate * dw.",
            {
                "growth": lambda i, v: _growth({**i, "learning_rate": 1.0}),
                "angle": lambda i, v: _angle({**i, "learning_rate": 1.0}),
            },
            keeps=0.5,
        ),
    ),
    chapter="training",
)

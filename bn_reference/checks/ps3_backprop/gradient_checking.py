"""Spec of ``numerical_gradient``: central differences of any function of an array."""

import numpy as np

from bn_reference.batchnorm import batchnorm_forward
from bn_reference.checks.ps3_backprop import wrong_differences
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec
from bn_reference.gradcheck import central_difference

# The functions to differentiate, each of its own shape of result. None has a third derivative to speak of,
# so that whoever takes another sensible step, or more points, finds the same gradient.


def bend(x):
    """Entry by entry, of any shape."""
    return np.exp(x / 2) + x**2


def normalise(x):
    """Batch Normalization with fixed gamma and beta: every example reaches every other."""
    gamma = np.linspace(0.5, 2.0, x.shape[1])
    return batchnorm_forward(x, gamma, np.ones_like(gamma), eps=0.5)[0]


def row_products(x):
    """From (N, C) to (N,)."""
    return np.prod(x, axis=-1)


def outer_product(x):
    """From (N,) to (N, N)."""
    return np.outer(x, x)


def length(x):
    """From any shape to a single number."""
    return np.sqrt(1 + np.sum(x**2))


def _cases(rng):
    def case(name, kind, f, x, h=1e-5):
        dout = rng.standard_normal(np.shape(f(x.astype(np.float64))))
        title = f"{name}: f is {f.__name__}, x of shape {x.shape} and dtype {x.dtype}, h={h:g}"
        return Case(title, kind, {"f": f, "x": x, "dout": np.asarray(dout), "h": h})

    n, c = int(rng.integers(4, 7)), int(rng.integers(2, 4))
    return [
        case("a vector", "typical", bend, rng.standard_normal(n)),
        case("a matrix", "typical", bend, rng.standard_normal((n, c)), h=2e-6),
        case("Batch Normalization", "normalise", normalise, rng.standard_normal((n, c)) + 2),
        case("another shape", "shape", row_products, rng.uniform(0.5, 2, (n, c))),
        case("a larger shape", "shape", outer_product, rng.standard_normal(n)),
        case("a single number", "shape", length, rng.standard_normal((c, 2, 2))),
        case("float32", "dtype", bend, rng.standard_normal((c, n)).astype(np.float32)),
        case("whole numbers", "dtype", bend, rng.integers(-2, 3, (n, c))),
    ]


def _reference(f, x, dout, h):
    # A single number has the shape (), and the reference takes arrays of any shape.
    return (central_difference(lambda z: np.asarray(f(z)), x.astype(np.float64), dout, h),)


def _rounding(i):
    """What the loss is made of, over the step: rounding is relative to that.

    Nothing for a float32 x. It counts as such in the tolerances, but the differences are of float64.
    """
    x = i["x"]
    if np.any(x != np.rint(x)) and np.all(x == x.astype(np.float32)):
        return 0.0
    return max(np.max(np.abs(i["f"](x) * i["dout"])), np.max(np.abs(x))) / i["h"]


def _with_step(*steps):
    """The gradient with a step of one's own: of `steps`, the one that comes nearest to the learner's."""

    def formula(i, v):
        tried = [wrong_differences.difference(i["f"], i["x"], i["dout"], step) for step in steps]
        learner = v.get("dx", tried[0])
        return min(tried, key=lambda dx: np.max(np.abs(dx - learner)))

    return {"dx": formula}


NUMERICAL_GRADIENT = Spec(
    name="numerical_gradient",
    outputs=("dx",),
    nodes={"dx": Node(lambda i, v: _reference(**i)[0], magnitude=_rounding)},
    reference=_reference,
    cases=_cases,
    parts=(
        Part(
            "a function of each entry by itself",
            2,
            ("dx",),
            nudge="Print f(x + step), f(x - step) and their difference for one entry.",
            hint="For each entry: (f(x + step) - f(x - step)) * dout, summed, divided by 2h.",
            source="Chapter Checking the gradient, Three ways to check a gradient",
        ),
        Part(
            "Batch Normalization, where every entry reaches every other",
            2,
            ("dx",),
            ("normalise",),
            nudge="Which entries of x differ from the given ones when you call f?",
            hint="Move one entry at a time, with all others where they were, and add up over all outputs.",
            source="Chapter Backpropagation through BN, Every example touches every other",
        ),
        Part(
            "functions whose result has another shape than x",
            2,
            ("dx",),
            ("shape",),
            nudge="Which has the shape of x, dx or dout?",
            hint="dout has the shape of f(x) and dx that of x. Visit the entries of x, and sum over those of f(x).",
            source="Part 6 of the problem set, the table",
        ),
        Part(
            "float32 and whole numbers",
            1,
            ("dx",),
            ("dtype",),
            nudge="What dtype has the array that you add h to?",
            hint="Make a float64 copy of x first: np.array(x, dtype=np.float64).",
            source="Chapter Checking the gradient, the figure of the error against the step",
        ),
    ),
    mistakes=(
        Mistake(
            "one_sided",
            "Your difference is one-sided, f(x + h) - f(x). Its error shrinks as h; that of the central difference, "
            "(f(x + h) - f(x - h)) / 2h, shrinks as h squared.",
            code=wrong_differences.one_sided,
            keeps=0.25,
        ),
        Mistake(
            "one_sided_backwards",
            "Your difference is one-sided, f(x) - f(x - h). Its error shrinks as h; that of the central difference, "
            "(f(x + h) - f(x - h)) / 2h, shrinks as h squared.",
            code=wrong_differences.one_sided_backwards,
            keeps=0.25,
        ),
        Mistake(
            "divided_by_h",
            "Your gradient is twice what it should be. The two points x + h and x - h are 2h apart: divide by 2h.",
            code=wrong_differences.divided_by_h,
            keeps=0.5,
        ),
        Mistake(
            "points_half_as_far",
            "Your gradient is half of what it should be. Either the points are x + h/2 and x - h/2, and the distance h, "
            "or x + h and x - h, and the distance 2h.",
            code=wrong_differences.points_half_as_far,
            keeps=0.5,
        ),
        Mistake(
            "not_divided",
            "Your gradient is a difference, not a slope. Divide it by the distance of the two points, 2h.",
            code=wrong_differences.not_divided,
            keeps=0.25,
        ),
        Mistake(
            "points_exchanged",
            "Your gradient has the wrong sign: subtract f(x - h) from f(x + h).",
            code=wrong_differences.reversed_points,
            keeps=0.5,
        ),
        Mistake(
            "step_too_small",
            "Your step is too small, and is not the argument h. f(x + h) and f(x - h) then agree in nearly all digits, "
            "and what their difference holds is rounding noise. The best step in float64 is near 1e-5.",
            _with_step(1e-12, 1e-8, 1e-9, 1e-10, 1e-11, 1e-13, 1e-14, 1e-15, 1e-16),
            keeps=0.25,
        ),
        Mistake(
            "step_too_large",
            "Your step is too large, and is not the argument h. The curve bends between the two points. The best step "
            "in float64 is near 1e-5.",
            _with_step(1e-2, 1e-3, 0.1, 1.0),
            keeps=0.25,
        ),
        Mistake(
            "cotangent_ignored",
            "Your loss is the sum of f(x), without dout. For Batch Normalization the gradient of that is zero, and every "
            "backward pass would pass such a test. Multiply by dout before you sum.",
            code=wrong_differences.cotangent_ignored,
        ),
        Mistake(
            "loss_is_sum_of_squares",
            "Your loss is the sum of the squares of f(x), without dout. For Batch Normalization the gradient of that is "
            "nearly zero. Use the sum of f(x) * dout.",
            code=wrong_differences.loss_is_sum_of_squares,
        ),
        Mistake(
            "averaged",
            "Your gradient is averaged over the entries of f(x). The loss is their sum with the weights dout: sum.",
            code=wrong_differences.averaged,
            keeps=0.5,
        ),
        Mistake(
            "all_entries_at_once",
            "Your function moves all entries of x together. That is right only where each entry of f(x) depends on its "
            "own entry of x. Move one at a time, and sum over all of f(x).",
            code=wrong_differences.all_entries_at_once,
        ),
        Mistake(
            "own_entry_alone",
            "Your function moves one entry of x, and looks at the same entry of f(x) alone. All entries of f(x) may "
            "depend on it, as in Batch Normalization: sum (f(x + h) - f(x - h)) * dout over all of them.",
            code=wrong_differences.own_entry_alone,
        ),
        Mistake(
            "row_by_row",
            "Your loop runs over the first axis of x, and moves a whole row at once. Visit every entry: np.ndindex(x.shape) "
            "gives the index of each, whatever the shape.",
            code=wrong_differences.row_by_row,
        ),
        Mistake(
            "keeps_the_dtype",
            "Your two points have the dtype of x. In float32 the step drowns in rounding, and whole numbers swallow it. "
            "Work on a float64 copy: np.array(x, dtype=np.float64).",
            code=wrong_differences.keeps_the_dtype,
        ),
        Mistake(
            "result_truncated",
            "Your dx has the dtype of x, and whole numbers cannot hold it. np.zeros_like(x) takes the dtype of x: use "
            "np.zeros(x.shape).",
            code=wrong_differences.result_truncated,
        ),
        Mistake(
            "steps_never_taken_back",
            "Your x does not come back to where it was: after each entry it is off by a step, and the next entry starts "
            "from there. Put the entry back, or take a fresh copy for each.",
            code=wrong_differences.steps_never_taken_back,
        ),
        Mistake(
            "two_names_for_one_array",
            "Your two points are one array with two names: above = x makes no copy. Use x.copy() for each.",
            code=wrong_differences.two_names_for_one_array,
        ),
    ),
    chapter="gradient_checking",
)

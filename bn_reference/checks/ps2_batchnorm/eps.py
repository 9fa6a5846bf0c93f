"""Spec of ``eps_effect``: what eps does to a feature, under the root and beside it."""

import numpy as np

from bn_reference.checks.batches import batch_cases
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _eps_effect(x, eps):
    mean = x.mean(0)
    std = np.sqrt(x.var(0) + eps)
    return 1 / std, ((x - mean) / std).var(0), ((x - mean) / (x.std(0) + eps)).var(0)


def _eps_cases(rng):
    """The usual batches, and features that hardly vary."""
    cases = batch_cases(rng, lambda x, rng, eps: {"x": x, "eps": eps})
    n, c = int(rng.integers(6, 10)), int(rng.integers(3, 6))
    for eps in (1e-5, 1e-3):
        spread = np.sqrt(eps) * 10.0 ** rng.uniform(-1.5, 1.0, c)
        x = rng.standard_normal((n, c)) * spread + rng.uniform(-1, 1, c)
        cases.append(
            Case(
                f"features that hardly vary, x of shape {(n, c)}, eps={eps:g}", "nearly", {"x": x, "eps": eps}
            )
        )
    return cases


def _var(i):
    return i["x"].var(0, dtype=float)


def _unbiased(i):
    return i["x"].var(0, ddof=1) if len(i["x"]) > 1 else np.full(i["x"].shape[1], np.nan)


def _effect(var_of, eps_of=lambda i: i["eps"]):
    """The three formulas, with another variance or another eps."""
    return {
        "gain": lambda i, v: 1 / np.sqrt(var_of(i) + eps_of(i)),
        "inside": lambda i, v: var_of(i) / (var_of(i) + eps_of(i)),
        "outside": lambda i, v: var_of(i) / (np.sqrt(var_of(i)) + eps_of(i)) ** 2,
    }


def _x_hats(i):
    """x_hat with eps inside the root, and with eps outside."""
    x = i["x"].astype(float)
    centered = x - x.mean(0)
    return centered / np.sqrt(_var(i) + i["eps"]), centered / (np.sqrt(_var(i)) + i["eps"])


def _correction(i):
    n = np.float64(len(i["x"]))
    return n / (n - 1)


_RIGHT = _effect(_var)

EPS = Spec(
    name="eps_effect",
    outputs=("gain", "inside", "outside"),
    nodes={name: Node(formula) for name, formula in _RIGHT.items()},
    reference=_eps_effect,
    cases=_eps_cases,
    parts=(
        Part(
            "gain",
            2,
            ("gain",),
            nudge="If x moves by 1 while mean and variance stay, by how much does x_hat move?",
            hint="x_hat is (x - mean) times a number. That number is the gain.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 3.",
        ),
        Part(
            "variance of x_hat, eps inside the root",
            2,
            ("inside",),
            nudge="What happens to a variance when every value is multiplied by the same number?",
            hint="It is multiplied by the square of that number. So the variance of x_hat is var times gain squared.",
            source="The chapter's section 'What ε does': var / (var + eps).",
        ),
        Part(
            "variance of x_hat, eps outside the root",
            2,
            ("outside",),
            nudge="By which number would x - mean be divided, and what does that do to the variance?",
            hint="The values would be divided by sqrt(var) + eps, and so the variance by the square of all of it.",
            source="The chapter's section 'What ε does': inside the root, eps is compared with a variance.",
        ),
        Part(
            "features that hardly vary",
            2,
            ("gain", "inside", "outside"),
            ("nearly",),
            nudge="Which is larger there, the variance or eps?",
            hint="Where the variance is far below eps, gain is close to 1 / sqrt(eps) and the variance of x_hat close to 0.",
            source="The chapter's section 'What ε does'.",
        ),
        Part(
            "a constant feature, and a batch of one",
            1,
            ("gain", "inside", "outside"),
            ("edge",),
            nudge="Do you divide by the variance alone anywhere?",
            hint="With variance 0 only eps keeps the divisor above zero. x_hat is 0, and so is its variance.",
            source="The chapter's section 'What ε does': a constant feature.",
        ),
        Part(
            "features with a large mean",
            1,
            ("gain", "inside", "outside"),
            ("offset",),
            nudge="How do you compute the variance?",
            hint="Subtract the mean before you square. mean(x**2) - mean(x)**2 loses the digits that matter.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 2: the mean of (x - mean)**2.",
        ),
    ),
    mistakes=(
        Mistake(
            "inside_and_outside_swapped",
            "Your two variances have changed places: inside is with sqrt(var + eps), outside with sqrt(var) + eps.",
            {"inside": _RIGHT["outside"], "outside": _RIGHT["inside"]},
            keeps=0.5,
        ),
        Mistake(
            "variance_divides_by_n_minus_1",
            "Your variance divides by N - 1. The variance that normalises is the biased one, divided by N.",
            _effect(_unbiased),
        ),
        Mistake(
            "eps_hard_coded",
            "Your eps is always 1e-5. Use the argument eps that the caller passes.",
            _effect(_var, lambda i: 1e-5),
        ),
        Mistake(
            "standard_deviation_taken_for_variance",
            "Your function takes a standard deviation for the variance. np.std has the root already; eps is added "
            "to the variance before the root.",
            _effect(lambda i: np.sqrt(_var(i))),
        ),
        Mistake(
            "statistics_of_each_example",
            "Your variance runs along each example (axis 1). Each feature has its own: use axis=0.",
            _effect(lambda i: i["x"].var(1)),
        ),
        Mistake(
            "statistics_of_whole_array",
            "Your variance is a single number for the whole array. Each feature has its own: pass axis=0.",
            _effect(lambda i: i["x"].var()),
        ),
        Mistake(
            "gain_without_root",
            "Your gain is 1 / (var + eps). Line 3 divides by the root of that.",
            {"gain": lambda i, v: 1 / (_var(i) + i["eps"])},
        ),
        Mistake(
            "gain_upside_down",
            "Your gain is upside down: it is what x - mean is divided by. Asked for is the factor, 1 / sqrt(var + eps).",
            {"gain": lambda i, v: np.sqrt(_var(i) + i["eps"])},
        ),
        Mistake(
            "gain_without_eps",
            "Your gain has no eps. For a constant feature it would be infinite: use 1 / sqrt(var + eps).",
            {"gain": lambda i, v: 1 / np.sqrt(_var(i))},
        ),
        Mistake(
            "gain_with_eps_outside",
            "Your gain has eps outside the square root. The transform divides by sqrt(var + eps).",
            {"gain": lambda i, v: 1 / (np.sqrt(_var(i)) + i["eps"])},
        ),
        Mistake(
            "standard_deviations_returned",
            "Your inside and outside are standard deviations of x_hat. Asked for are its variances: square them.",
            {
                "inside": lambda i, v: _x_hats(i)[0].std(0),
                "outside": lambda i, v: _x_hats(i)[1].std(0),
            },
            keeps=0.5,
        ),
        Mistake(
            "variance_of_x_hat_taken_for_one",
            "Your inside is 1 for every feature. That is so only without eps: the variance of x_hat is var / (var + eps).",
            {"inside": lambda i, v: np.ones(i["x"].shape[1])},
        ),
        Mistake(
            "inside_divided_twice",
            "Your inside divides by (var + eps) squared. x_hat is divided by the root, so its variance by var + eps.",
            {"inside": lambda i, v: _var(i) / (_var(i) + i["eps"]) ** 2},
        ),
        Mistake(
            "outside_not_squared",
            "Your outside divides the variance by sqrt(var) + eps. The values are divided by that, so the variance "
            "is divided by its square.",
            {"outside": lambda i, v: _var(i) / (np.sqrt(_var(i)) + i["eps"])},
        ),
        Mistake(
            "square_of_sum_split",
            "Your outside divides by var + eps**2. The square of a sum has a middle term: (sqrt(var) + eps)**2 is "
            "var + 2 * eps * sqrt(var) + eps**2.",
            {"outside": lambda i, v: _var(i) / (_var(i) + i["eps"] ** 2)},
        ),
        Mistake(
            "both_inside",
            "Your outside is the same as your inside. Outside means: divide by sqrt(var) + eps.",
            {"outside": _RIGHT["inside"]},
        ),
        Mistake(
            "inside_not_squared",
            "Your inside is var * gain. The values are multiplied by gain, so their variance by gain squared: "
            "var / (var + eps).",
            {"inside": lambda i, v: _var(i) / np.sqrt(_var(i) + i["eps"])},
        ),
        Mistake(
            "variance_of_all_of_x_hat",
            "Your inside and outside are single numbers for the whole of x_hat. Each feature has its own: pass axis=0.",
            {"inside": lambda i, v: _x_hats(i)[0].var(), "outside": lambda i, v: _x_hats(i)[1].var()},
        ),
        Mistake(
            "unbiased_variance_of_x_hat",
            "Your inside and outside divide by N - 1. Asked for are the variances over the batch, divided by N.",
            {
                "inside": lambda i, v: _RIGHT["inside"](i, v) * _correction(i),
                "outside": lambda i, v: _RIGHT["outside"](i, v) * _correction(i),
            },
            keeps=0.5,
        ),
        Mistake(
            "variance_in_one_pass",
            "Your variance is mean(x**2) - mean(x)**2. On paper that is right; in floating point it takes the "
            "difference of two nearly equal numbers when the mean is large. Subtract the mean before you square.",
            _effect(lambda i: (i["x"] ** 2).mean(0) - i["x"].mean(0) ** 2),
        ),
    ),
    chapter="batchnorm_transform",
)

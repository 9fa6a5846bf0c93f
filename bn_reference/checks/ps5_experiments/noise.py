"""Spec of ``noise_strength``: how much noise a layer adds, measured in units of its signal."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _off(i):
    return i["noisy"] - i["clean"]


def _rms(values, axis=(0, 1)):
    return np.sqrt(np.mean(values**2, axis=axis))


def noise_strength(clean, noisy):
    """The root mean square of the noise over the standard deviation of the signal, for each feature.

    Parameters
    ----------
    clean : ndarray, shape (N, C), floating
    noisy : ndarray, shape (T, N, C), floating
        The same examples, T times.

    Returns
    -------
    tuple of one ndarray, shape (C,)

    Examples
    --------
    >>> noise_strength(np.array([[-1.0], [1.0]]), np.array([[[-1.5], [1.5]]]))
    (array([0.5]),)
    """
    i = {"clean": clean, "noisy": noisy}
    return (_rms(_off(i)) / clean.std(0),)


def _cases(rng):
    def case(name, kind, trials, n, c, dtype=np.float64, bias=0.3):
        clean = rng.standard_normal((n, c)) * rng.uniform(0.5, 3.0, c) + rng.uniform(-2, 2, c)
        noise = rng.standard_normal((trials, n, c)) * rng.uniform(0.1, 1.0, c)
        noisy = clean + noise + bias * rng.standard_normal(c)
        inputs = {"clean": clean.astype(dtype), "noisy": noisy.astype(dtype)}
        return Case(f"{name}, {trials} times {n} examples, {c} features", kind, inputs)

    n, c = int(rng.integers(5, 9)), int(rng.integers(2, 5))
    return [
        case("ordinary noise", "typical", n + 3, n, c),
        case("as many times as examples", "typical", n, n, c),
        case("float32", "typical", 4, n, c + 1, np.float32),
        case("once", "edge", 1, n, c),
        case("one feature", "edge", 5, n, 1),
    ]


NOISE = Spec(
    name="noise_strength",
    outputs=("strength",),
    nodes={"strength": Node(lambda i, v: _rms(_off(i)) / i["clean"].std(0))},
    reference=noise_strength,
    cases=_cases,
    parts=(
        Part(
            "strength for each feature",
            4,
            ("strength",),
            nudge="If noisy equals clean, what should come out? And if both are multiplied by 10?",
            hint="The noise is noisy - clean. Take its root mean square over times and examples, and divide by the "
            "standard deviation of clean over the examples.",
            source="The part's text: the definition of the strength.",
        ),
        Part(
            "one time, one feature",
            1,
            ("strength",),
            ("edge",),
            nudge="Does your noise vanish where there is only one trial?",
            hint="The noise is the distance from clean, not from the mean of the trials.",
            source="The part's text.",
        ),
    ),
    mistakes=(
        Mistake(
            "spread_of_the_noise",
            "Your noise is measured from its own mean. A shift of all outputs is an error too: take the root mean square of "
            "noisy - clean.",
            {"strength": lambda i, v: _off(i).std((0, 1)) / i["clean"].std(0)},
            keeps=0.5,
        ),
        Mistake(
            "around_the_mean_of_the_trials",
            "Your noise is measured from the mean of the trials. Measure it from clean.",
            {"strength": lambda i, v: _rms(i["noisy"] - i["noisy"].mean(0)) / i["clean"].std(0)},
            keeps=0.5,
        ),
        Mistake(
            "not_relative",
            "Your strength is in the units of the feature. Divide by the standard deviation of clean.",
            {"strength": lambda i, v: _rms(_off(i))},
            keeps=0.5,
        ),
        Mistake(
            "relative_to_variance",
            "Your strength divides by the variance of clean. Divide by its root.",
            {"strength": lambda i, v: _rms(_off(i)) / i["clean"].var(0)},
            keeps=0.5,
        ),
        Mistake(
            "relative_to_size",
            "Your strength divides by the root mean square of clean. A constant offset is no signal: divide by the standard "
            "deviation.",
            {"strength": lambda i, v: _rms(_off(i)) / _rms(i["clean"], 0)},
            keeps=0.5,
        ),
        Mistake(
            "relative_to_noisy",
            "Your strength divides by the spread of noisy, which holds the noise as well. Divide by that of clean.",
            {"strength": lambda i, v: _rms(_off(i)) / i["noisy"].std((0, 1))},
            keeps=0.5,
        ),
        Mistake(
            "ratio_of_squares",
            "Your strength is a ratio of squares. Take the root.",
            {"strength": lambda i, v: _rms(_off(i)) ** 2 / i["clean"].var(0)},
            keeps=0.5,
        ),
        Mistake(
            "ratio_of_spreads",
            "Your strength compares the spread of noisy with that of clean. The noise is their difference, entry by entry.",
            {"strength": lambda i, v: i["noisy"].std((0, 1)) / i["clean"].std(0)},
        ),
        Mistake(
            "unbiased_deviation",
            "Your standard deviation divides by N - 1. Here it is that of the examples at hand: divide by N.",
            {"strength": lambda i, v: _rms(_off(i)) / i["clean"].std(0, ddof=1)},
            keeps=0.5,
        ),
        Mistake(
            "features_pooled",
            "Your strength pools the features. Average over times and examples, axes 0 and 1, and keep the features apart.",
            {"strength": lambda i, v: _rms(_off(i), None) / i["clean"].std()},
        ),
        Mistake(
            "absolute_for_root_mean_square",
            "Your noise is the mean of the absolute differences. Square them, take the mean, then the root.",
            {"strength": lambda i, v: np.abs(_off(i)).mean((0, 1)) / i["clean"].std(0)},
            keeps=0.5,
        ),
        Mistake(
            "roots_averaged",
            "Your function takes a root for each time and averages these. Take the mean over times and examples first, then one root.",
            {"strength": lambda i, v: _rms(_off(i), 1).mean(0) / i["clean"].std(0)},
            keeps=0.5,
        ),
        Mistake(
            "relative_to_mean",
            "Your strength divides by the mean of clean. The signal is how the examples differ: its standard deviation.",
            {"strength": lambda i, v: _rms(_off(i)) / np.abs(i["clean"].mean(0))},
            keeps=0.5,
        ),
        Mistake(
            "examples_kept_apart",
            "Your result keeps the examples apart. Average over times and examples, axes 0 and 1.",
            {"strength": lambda i, v: _rms(_off(i), 0) / i["clean"].std(0)},
        ),
    ),
    chapter="training",
)

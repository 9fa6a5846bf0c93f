"""Spec of ``summarize_sweep``: the mean over seeds, and how sure of it one may be."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def summarize_sweep(accuracies):
    """The mean over seeds and its standard error, for each setting of a sweep.

    Parameters
    ----------
    accuracies : ndarray, shape (settings, seeds), floating
        At least two seeds.

    Returns
    -------
    mean, error : ndarray, shape (settings,)

    Notes
    -----
    The standard error is s / √n, with s² the unbiased variance over the n seeds.

    Examples
    --------
    >>> mean, error = summarize_sweep(np.array([[1.0, 3.0]]))
    >>> mean, error.round(6)
    (array([2.]), array([1.]))
    """
    seeds = accuracies.shape[1]
    return accuracies.mean(axis=1), accuracies.std(axis=1, ddof=1) / np.sqrt(seeds)


def _cases(rng):
    def case(name, kind, shape, dtype=np.float64):
        accuracies = rng.uniform(0.3, 0.99, shape).astype(dtype)
        return Case(f"{name}, {shape[0]} settings, {shape[1]} seeds", kind, {"accuracies": accuracies})

    settings = int(rng.integers(3, 7))
    return [
        case("an ordinary sweep", "typical", (settings, settings + 3)),
        case("as many seeds as settings", "typical", (5, 5)),
        case("float32", "typical", (settings + 1, 4), np.float32),
        case("the fewest seeds", "edge", (settings, 2)),
        case("one setting", "edge", (1, 5)),
    ]


def _error(i, ddof=1, axis=1):
    a = i["accuracies"]
    return a.std(axis=axis, ddof=ddof) / np.sqrt(a.shape[axis])


SWEEP = Spec(
    name="summarize_sweep",
    outputs=("mean", "error"),
    nodes={
        "mean": Node(lambda i, v: i["accuracies"].mean(axis=1)),
        "error": Node(
            lambda i, v: _error(i),
            magnitude=lambda i: float(np.max(np.abs(i["accuracies"]))),
        ),
    },
    reference=summarize_sweep,
    cases=_cases,
    parts=(
        Part(
            "mean over the seeds",
            2,
            ("mean",),
            nudge="Which axis holds the seeds?",
            hint="Average over axis 1: one number for each setting.",
            source="The part's text: the shape of accuracies.",
        ),
        Part(
            "standard error of the mean",
            3,
            ("error",),
            nudge="Does your error get smaller when there are more seeds?",
            hint="Take the unbiased standard deviation over the seeds, and divide it by the root of their number.",
            source="The part's text: s / √n, with n - 1 in s.",
        ),
        Part(
            "two seeds, and one setting",
            1,
            ("mean", "error"),
            ("edge",),
            nudge="What shape comes out for one setting?",
            hint="Keep the axis of the settings, even where it has length 1.",
            source="The part's text: the shapes of the results.",
        ),
    ),
    mistakes=(
        Mistake(
            "standard_deviation_for_error",
            "Your error is the standard deviation of one run. The mean of n runs is surer than one: divide by √n.",
            {"error": lambda i, v: i["accuracies"].std(axis=1, ddof=1)},
            keeps=0.5,
        ),
        Mistake(
            "biased_deviation",
            "Your standard deviation divides by n. The runs are a sample and their mean is estimated: "
            "divide by n - 1 (ddof=1).",
            {"error": lambda i, v: _error(i, ddof=0)},
            keeps=0.5,
        ),
        Mistake(
            "biased_standard_deviation_for_error",
            "Two things: divide by n - 1 in the standard deviation (ddof=1), and then by √n.",
            {"error": lambda i, v: i["accuracies"].std(axis=1)},
        ),
        Mistake(
            "divided_by_n",
            "Your error divides by n. It falls with the root of the number of seeds: divide by √n.",
            {"error": lambda i, v: i["accuracies"].std(axis=1, ddof=1) / i["accuracies"].shape[1]},
            keeps=0.5,
        ),
        Mistake(
            "median_over_seeds",
            "Your centre is the median. The standard error belongs to the mean: average over the seeds.",
            {"mean": lambda i, v: np.median(i["accuracies"], axis=1)},
            keeps=0.5,
        ),
        Mistake(
            "best_seed",
            "Your function reports the best seed. A lucky run says little about the setting: average over the seeds.",
            {"mean": lambda i, v: i["accuracies"].max(axis=1)},
        ),
        Mistake(
            "averaged_over_settings",
            "Your averages run over the settings. Seeds are along axis 1: one number for each setting.",
            {"mean": lambda i, v: i["accuracies"].mean(axis=0), "error": lambda i, v: _error(i, axis=0)},
        ),
        Mistake(
            "divided_by_the_settings",
            "Your error divides by the root of the number of settings. Divide by that of the seeds, accuracies.shape[1].",
            {"error": lambda i, v: i["accuracies"].std(axis=1, ddof=1) / np.sqrt(len(i["accuracies"]))},
            keeps=0.5,
        ),
        Mistake(
            "n_minus_1_twice",
            "Your error divides by the root of n - 1. The n - 1 belongs into the standard deviation alone; then divide by √n.",
            {
                "error": lambda i, v: (
                    _error(i) * np.sqrt(i["accuracies"].shape[1] / (i["accuracies"].shape[1] - 1))
                )
            },
            keeps=0.5,
        ),
        Mistake(
            "confidence_interval",
            "Your error is 1.96 standard errors, half of a confidence interval. Return the standard error itself.",
            {"error": lambda i, v: 1.96 * _error(i)},
            keeps=0.5,
        ),
        Mistake(
            "variance_for_deviation",
            "Your error is a variance over n. Take the root of the whole.",
            {"error": lambda i, v: _error(i) ** 2},
            keeps=0.5,
        ),
        Mistake(
            "everything_pooled",
            "Your averages run over settings and seeds together. Keep the settings apart: axis 1 holds the seeds.",
            {"mean": lambda i, v: np.mean(i["accuracies"]), "error": lambda i, v: np.std(i["accuracies"])},
        ),
        Mistake(
            "variance_over_root",
            "Your error is a variance over √n. Take the standard deviation, its root.",
            {"error": lambda i, v: _error(i) * i["accuracies"].std(axis=1, ddof=1)},
            keeps=0.5,
        ),
    ),
    chapter="training",
)

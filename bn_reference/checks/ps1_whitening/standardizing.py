"""Spec of ``standardize``: mean zero and variance one for each feature."""

import numpy as np

from bn_reference.checks.ps1_whitening.samples import as_float, nearest, sample_cases
from bn_reference.checks.spec import Mistake, Node, Part, Spec
from bn_reference.whitening import standardize

SOURCE = "Chapter Whitening, section 'First step: standardise'; LeCun et al. 1998, Section 4.3."


def _centered(i, v=None):
    return as_float(i["x"]) - (as_float(i["x"]).mean(0) if v is None else v["mean"])


def _std(i, v=None, eps=None):
    return np.sqrt((_centered(i, v) ** 2).mean(0) + (i["eps"] if eps is None else eps))


def _standardize(x, eps):
    x = as_float(x)
    return standardize(x, eps), x.mean(0), np.sqrt(x.var(0) + eps)


def _unbiased_std(i, v):
    n = len(i["x"])
    return np.sqrt((_centered(i) ** 2).sum(0) / (n - 1) + i["eps"])


STANDARDIZE = Spec(
    name="standardize",
    outputs=("z", "mean", "std"),
    nodes={
        "mean": Node(lambda i, v: as_float(i["x"]).mean(0)),
        "std": Node(lambda i, v: nearest(v.get("std"), _std(i, v), _std(i))),
        "z": Node(
            lambda i, v: nearest(v.get("z"), _centered(i, v) / v["std"], _centered(i) / _std(i)),
            magnitude=lambda i: np.max(np.abs(i["x"]) / _std(i)),
        ),
    },
    reference=_standardize,
    cases=lambda rng: sample_cases(rng, lambda x, eps: {"x": x, "eps": eps}),
    parts=(
        Part(
            "mean of each feature",
            1,
            ("mean",),
            nudge="Which axis of x counts the samples?",
            hint="The mean of feature k runs over all N samples: average over axis 0.",
            source=SOURCE,
        ),
        Part(
            "std of each feature, with eps",
            2,
            ("std",),
            nudge="What stands under the root, and what is it divided by?",
            hint="Average the squares of x - mean over the N samples, add eps, then take the root.",
            source=SOURCE,
        ),
        Part(
            "z, from your mean and std",
            2,
            ("z",),
            nudge="Print z.mean(axis=0) and z.var(axis=0). What should they be?",
            hint="z = (x - mean) / std, one mean and one std for each column.",
            source=SOURCE,
        ),
        Part(
            "whole numbers",
            1,
            ("z", "mean", "std"),
            ("integer",),
            nudge="What dtype do your arrays have when x holds integers?",
            hint="An array made like x, by zeros_like(x) or x.copy(), keeps the integer dtype and cuts off what follows the point. Make it of dtype float.",
            source=SOURCE,
        ),
        Part(
            "a constant feature, and few samples",
            1,
            ("z", "mean", "std"),
            ("edge",),
            nudge="What is the variance of a constant feature?",
            hint="A constant feature has variance 0; eps alone keeps the root above zero, and z is 0.",
            source="Chapter Whitening, section 'When the data do not fill the space'.",
        ),
        Part(
            "features with a large mean",
            1,
            ("z", "mean", "std"),
            ("offset",),
            nudge="Which of your differences is between two huge numbers?",
            hint="Subtract the mean before you square. mean(x**2) - mean**2 loses its digits when the mean is large.",
            source="Chapter Whitening, section 'First step: standardise'.",
        ),
    ),
    mistakes=(
        Mistake(
            "mean_over_features",
            "Your mean runs over the features of each sample. Each feature has its own mean, over the samples: axis 0.",
            {"mean": lambda i, v: as_float(i["x"]).mean(1)},
        ),
        Mistake(
            "one_mean_for_all",
            "Your mean is one number for the whole table. Each feature has its own: average over axis 0 alone.",
            {"mean": lambda i, v: np.broadcast_to(as_float(i["x"]).mean(), i["x"].shape[1:])},
        ),
        Mistake(
            "one_mean_for_all_as_a_number",
            "Your mean is one number for the whole table. Each feature has its own: average over axis 0 alone.",
            {"mean": lambda i, v: as_float(i["x"]).mean()},
        ),
        Mistake(
            "variance_divides_by_n_minus_1",
            "Your variance divides by N - 1. Here, as in Batch Normalization, it is divided by N.",
            {"std": _unbiased_std},
            keeps=0.25,
        ),
        Mistake(
            "std_leaves_eps_out",
            "Your std has no eps. It is sqrt(variance + eps), so that a constant feature does not divide by zero.",
            {"std": lambda i, v: _std(i, eps=0.0)},
            keeps=0.5,
        ),
        Mistake(
            "eps_outside_root",
            "Your eps is added outside the square root. It belongs inside: sqrt(variance + eps).",
            {"std": lambda i, v: _std(i, eps=0.0) + i["eps"]},
            keeps=0.5,
        ),
        Mistake(
            "eps_hard_coded",
            "Your eps is always 1e-5. Use the argument eps that the caller passes.",
            {"std": lambda i, v: _std(i, eps=1e-5)},
            keeps=0.5,
        ),
        Mistake(
            "std_is_variance",
            "Your std is the variance. Take the root: sqrt(variance + eps).",
            {"std": lambda i, v: _std(i) ** 2},
        ),
        Mistake(
            "std_over_features",
            "Your std runs over the features of each sample. Each feature has its own, over the samples: axis 0.",
            {"std": lambda i, v: np.sqrt(as_float(i["x"]).var(1) + i["eps"])},
        ),
        Mistake(
            "std_without_mean",
            "Your std averages x**2. Subtract the mean before you square.",
            {"std": lambda i, v: np.sqrt((as_float(i["x"]) ** 2).mean(0) + i["eps"])},
        ),
        Mistake(
            "mean_not_subtracted",
            "Your z is scaled but not centred. Subtract the mean before you divide.",
            {"z": lambda i, v: as_float(i["x"]) / v["std"]},
        ),
        Mistake(
            "only_centred",
            "Your z is centred but not scaled. Divide by std.",
            {"z": lambda i, v: _centered(i, v)},
        ),
        Mistake(
            "divides_by_variance",
            "Your z is divided by the variance. Divide by its root, std: only then is the variance of z one.",
            {"z": lambda i, v: _centered(i, v) / v["std"] ** 2},
        ),
        Mistake(
            "eps_missing_in_z",
            "Your z is divided by a root without eps. Divide by std, which holds eps.",
            {"z": lambda i, v: _centered(i, v) / _std(i, eps=0.0)},
        ),
        Mistake(
            "integer_input_truncated",
            "Your z is cut to whole numbers when x holds integers. An array made by zeros_like(x) or astype(x.dtype) is of integers; make it of dtype float.",
            {"z": lambda i, v: (_centered(i, v) / v["std"]).astype(i["x"].dtype)},
        ),
        Mistake(
            "computed_in_float32",
            "Your function computes in float32, which keeps 7 digits. x has more: stay in the dtype of x, or in float64.",
            {
                "mean": lambda i, v: i["x"].astype(np.float32).mean(0),
                "std": lambda i, v: np.sqrt(i["x"].astype(np.float32).var(0) + np.float32(i["eps"])),
                "z": lambda i, v: (i["x"].astype(np.float32) - v["mean"]) / v["std"],
            },
            precision=np.float32,
        ),
    ),
    chapter="whitening",
)

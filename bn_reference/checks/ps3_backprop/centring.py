"""Spec of ``center_backward``: back through centered = x - mean and mean = sum(x) / m."""

import numpy as np

from bn_reference.checks.batches import batch_cases
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _reference(dcentered):
    return -dcentered.sum(0), dcentered - dcentered.mean(0)


def _size(i):
    return np.max(np.abs(i["dcentered"]))


CENTER = Spec(
    name="center_backward",
    outputs=("dmean", "dx"),
    nodes={
        "dmean": Node(lambda i, v: -i["dcentered"].sum(0), magnitude=_size),
        "dx": Node(lambda i, v: i["dcentered"] + v["dmean"] / len(i["dcentered"]), magnitude=_size),
    },
    reference=_reference,
    cases=lambda rng: [
        case
        for case in batch_cases(rng, lambda values, rng, eps: {"dcentered": values})
        if case.kind != "offset"
    ],
    parts=(
        Part(
            "dmean",
            2,
            ("dmean",),
            nudge="One mean is subtracted in every example. Then what does the second rule say?",
            hint="The mean is subtracted in every row: a minus sign, and a sum over the batch.",
            source="Chapter Backpropagation through BN, From c to mu",
        ),
        Part(
            "dx, from your dmean",
            2,
            ("dx",),
            nudge="Two edges leave x. Did you walk back along both?",
            hint="x is the first part of x - mean, and one of the m terms of the mean. Add what comes back along each.",
            source="Chapter Backpropagation through BN, From c and mu to x",
        ),
        Part(
            "the same gradient in every row, and a batch of one",
            1,
            ("dmean", "dx"),
            ("edge",),
            nudge="Move all x by the same amount. What does x - mean do?",
            hint="A gradient that is the same in every row is taken out whole: dx is 0 there.",
            source="Chapter Backpropagation through BN, The closed form",
        ),
    ),
    mistakes=(
        Mistake(
            "dmean_sign",
            "Your dmean has the wrong sign. The mean is subtracted in x - mean.",
            {"dmean": lambda i, v: i["dcentered"].sum(0)},
        ),
        Mistake(
            "dmean_averaged",
            "Your dmean is averaged over the batch. Here it is a sum; the 1/m belongs to the step from mean to x.",
            {"dmean": lambda i, v: -i["dcentered"].mean(0)},
        ),
        Mistake(
            "dmean_not_summed",
            "Your dmean has one row for each example. One mean is subtracted from all of them: sum over axis 0.",
            {"dmean": lambda i, v: -i["dcentered"]},
        ),
        Mistake(
            "dmean_sums_features",
            "Your dmean sums over the features. There is one mean for each feature: sum over the batch, axis 0.",
            {"dmean": lambda i, v: -i["dcentered"].sum(1)},
        ),
        Mistake(
            "path_through_mean_missing",
            "Your dx lacks the path through the mean. Add dmean / m: every example contributes 1/m to the mean.",
            {"dx": lambda i, v: i["dcentered"]},
        ),
        Mistake(
            "mean_path_not_divided_by_m",
            "Your path through the mean lacks 1/m: the mean is a sum divided by m.",
            {"dx": lambda i, v: i["dcentered"] + v["dmean"]},
        ),
        Mistake(
            "mean_path_sign",
            "Your dx subtracts the path through the mean. Where two edges leave a node, add; the minus is in dmean "
            "already.",
            {"dx": lambda i, v: i["dcentered"] - v["dmean"] / len(i["dcentered"])},
        ),
        Mistake(
            "direct_path_missing",
            "Your dx has the path through the mean alone. x also enters x - mean directly: add dcentered.",
            {"dx": lambda i, v: v["dmean"] / len(i["dcentered"]) + 0 * i["dcentered"]},
        ),
        Mistake(
            "divided_by_number_of_features",
            "Your path through the mean is divided by the number of features. The mean runs over the batch: m is the "
            "number of rows.",
            {"dx": lambda i, v: i["dcentered"] + v["dmean"] / i["dcentered"].shape[1]},
        ),
    ),
    chapter="backpropagation",
)

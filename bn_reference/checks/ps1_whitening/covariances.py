"""Spec of ``covariance``: divided by N, and by N - 1."""

import numpy as np

from bn_reference.checks.ps1_whitening.samples import as_float, nearest, sample_cases
from bn_reference.checks.spec import Mistake, Node, Part, Spec
from bn_reference.whitening import covariance

SOURCE = "Chapter Whitening, section 'A cloud that is hard to learn from'."


def _products(x):
    """The sum over the samples of the products of centred features."""
    centered = as_float(x) - as_float(x).mean(0)
    return centered.T @ centered


def _covariance(x):
    sigma = covariance(as_float(x))
    return sigma, sigma * len(x) / (len(x) - 1)


def _both(products):
    """A wrong sum of products for both outputs: ``products(x)`` in place of the right one."""
    return {
        "sigma": lambda i, v: products(as_float(i["x"])) / len(i["x"]),
        "unbiased": lambda i, v: products(as_float(i["x"])) / (len(i["x"]) - 1),
    }


def _around(x, middle):
    return (x - middle).T @ (x - middle)


def _truncated(x):
    centered = (as_float(x) - as_float(x).mean(0)).astype(x.dtype).astype(float)
    return centered.T @ centered


COVARIANCE = Spec(
    name="covariance",
    outputs=("sigma", "unbiased"),
    nodes={
        "sigma": Node(lambda i, v: _products(i["x"]) / len(i["x"])),
        "unbiased": Node(
            lambda i, v: nearest(
                v.get("unbiased"),
                v["sigma"] * len(i["x"]) / (len(i["x"]) - 1),
                _products(i["x"]) / (len(i["x"]) - 1),
            )
        ),
    },
    reference=_covariance,
    cases=lambda rng: sample_cases(rng, lambda x, eps: {"x": x}),
    parts=(
        Part(
            "sigma, divided by N",
            3,
            ("sigma",),
            nudge="What shape has your matrix, and what stands on its diagonal?",
            hint="Subtract the mean of each feature, multiply the (d, N) transpose by the (N, d) array, and divide by N.",
            source=SOURCE,
        ),
        Part(
            "unbiased, divided by N - 1",
            2,
            ("unbiased",),
            nudge="By how much do the two results differ?",
            hint="The same sum of products, divided by N - 1: sigma * N / (N - 1).",
            source="Chapter The Batch Normalization transform; Ioffe & Szegedy 2015, Algorithm 2, line 10.",
        ),
        Part(
            "whole numbers",
            1,
            ("sigma", "unbiased"),
            ("integer",),
            nudge="What dtype do your arrays have when x holds integers?",
            hint="An array made like x, by zeros_like(x) or x.copy(), keeps the integer dtype and cuts off what follows the point. Make it of dtype float.",
            source=SOURCE,
        ),
        Part(
            "a constant feature, and few samples",
            1,
            ("sigma", "unbiased"),
            ("edge",),
            nudge="Does anything in your code need more samples than features?",
            hint="A constant feature has a row and a column of zeros. Sums over the samples do not mind how many there are.",
            source="Chapter Whitening, section 'When the data do not fill the space'.",
        ),
        Part(
            "features with a large mean",
            1,
            ("sigma", "unbiased"),
            ("offset",),
            nudge="Which of your differences is between two huge numbers?",
            hint="Subtract the mean before you multiply. x.T @ x / N minus the product of the means loses its digits.",
            source=SOURCE,
        ),
    ),
    mistakes=(
        Mistake(
            "products_of_samples",
            "Your matrix has one row for each sample: it is centred @ centred.T. The covariance is of the features, (d, d): centred.T @ centred.",
            _both(lambda x: (x - x.mean(0)) @ (x - x.mean(0)).T),
        ),
        Mistake(
            "samples_taken_for_variables",
            "Your matrix has one row for each sample. np.cov takes rows for variables; here they are samples, so pass rowvar=False, and mind its N - 1.",
            {
                "sigma": lambda i, v: np.cov(i["x"], ddof=0),
                "unbiased": lambda i, v: np.cov(i["x"]),
            },
        ),
        Mistake(
            "only_the_diagonal",
            "Your result has the variances alone. The covariances beside the diagonal say how features move together: you need the whole (d, d) matrix.",
            {
                "sigma": lambda i, v: as_float(i["x"]).var(0),
                "unbiased": lambda i, v: as_float(i["x"]).var(0, ddof=1),
            },
        ),
        Mistake(
            "biased_and_unbiased_swapped",
            "Your two results have changed places: sigma divides by N, unbiased by N - 1.",
            {
                "sigma": lambda i, v: _products(i["x"]) / (len(i["x"]) - 1),
                "unbiased": lambda i, v: _products(i["x"]) / len(i["x"]),
            },
            keeps=0.5,
        ),
        Mistake(
            "sigma_divides_by_n_minus_1",
            "Your sigma divides by N - 1, as np.cov does by itself. Divide by N for sigma; N - 1 is for unbiased.",
            {"sigma": lambda i, v: _products(i["x"]) / (len(i["x"]) - 1)},
            keeps=0.25,
        ),
        Mistake(
            "unbiased_divides_by_n",
            "Your unbiased is the same as sigma. Divide its sum by N - 1.",
            {"unbiased": lambda i, v: _products(i["x"]) / len(i["x"])},
        ),
        Mistake(
            "correction_upside_down",
            "Your correction is upside down: it makes the covariance smaller. The unbiased one is larger: sigma * N / (N - 1).",
            {"unbiased": lambda i, v: v["sigma"] * (len(i["x"]) - 1) / len(i["x"])},
        ),
        Mistake(
            "not_centred",
            "Your products are of x itself. Subtract the mean of each feature first: the covariance is about deviations from the mean.",
            _both(lambda x: x.T @ x),
        ),
        Mistake(
            "centred_by_one_number",
            "Your function subtracts one mean for the whole table. Each feature has its own: x.mean(axis=0).",
            _both(lambda x: _around(x, x.mean())),
        ),
        Mistake(
            "samples_centred",
            "Your function subtracts the mean of each sample. Subtract the mean of each feature: x.mean(axis=0).",
            _both(lambda x: _around(x, x.mean(1, keepdims=True))),
        ),
        Mistake(
            "divides_by_features",
            "Your sum is divided by d, the number of features. It runs over the samples: divide by N, x.shape[0].",
            {"sigma": lambda i, v: _products(i["x"]) / i["x"].shape[1]},
        ),
        Mistake(
            "not_divided",
            "Your sigma is a sum of products. Divide by N to make it an average.",
            {"sigma": lambda i, v: _products(i["x"])},
            keeps=0.25,
        ),
        Mistake(
            "correlation_returned",
            "Your sigma has ones on its diagonal: it is the correlation. Leave out the division by the standard deviations.",
            {
                "sigma": lambda i, v: (
                    _products(i["x"])
                    / np.sqrt(np.outer(np.diag(_products(i["x"])), np.diag(_products(i["x"]))))
                )
            },
        ),
        Mistake(
            "integer_input_truncated",
            "Your centred values are cut to whole numbers when x holds integers. An array made by zeros_like(x) is of integers; make it of dtype float.",
            {
                "sigma": lambda i, v: _truncated(i["x"]) / len(i["x"]),
                "unbiased": lambda i, v: _truncated(i["x"]) / (len(i["x"]) - 1),
            },
        ),
        Mistake(
            "computed_in_float32",
            "Your function computes in float32, which keeps 7 digits. x has more: stay in the dtype of x, or in float64.",
            {
                "sigma": lambda i, v: np.cov(
                    i["x"].astype(np.float32), rowvar=False, ddof=0, dtype=np.float32
                ),
                "unbiased": lambda i, v: np.cov(i["x"].astype(np.float32), rowvar=False, dtype=np.float32),
            },
            precision=np.float32,
        ),
    ),
    chapter="whitening",
)

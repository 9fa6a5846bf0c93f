"""Spec of ``batchnorm2d_backward``: the closed form for images."""

import numpy as np

from bn_reference.batchnorm import BatchNormCache, batchnorm_backward, batchnorm_forward
from bn_reference.checks.closed_form import mean_mistakes
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec

OVER = (0, 2, 3)
"""The axes of a channel's m values."""


def _each(vector):
    return vector[:, None, None]


def _cases(rng):
    def case(name, kind, shape, eps, dtype=np.float64, order="C", constant=False):
        c = shape[1]
        x = rng.standard_normal(shape) * _each(rng.uniform(0.5, 2.0, c)) + _each(rng.uniform(-3, 3, c))
        if constant:
            x[:, 0] = 0.7
        gamma = rng.uniform(0.5, 2.0, c) * rng.choice([-1.0, 1.0], c)
        _, cache = batchnorm_forward(x, gamma, gamma, eps)
        inputs = {
            "dout": np.asarray(rng.standard_normal(shape), dtype, order=order),
            "x_hat": np.asarray(cache.x_hat, dtype, order=order),
            "gamma": gamma.astype(dtype),
            "var": cache.var.astype(dtype),
            "eps": eps,
        }
        return Case(f"{name}, x of shape {shape}", kind, inputs)

    n, c = int(rng.integers(4, 6)), int(rng.integers(2, 4))
    return [
        case("ordinary images", "typical", (n, c, c + 2, c + 1), 1e-3),
        case("images as wide as there are channels", "typical", (n, c, c + 1, c), 0.01),
        case("float32", "typical", (n, c + 1, 2, 3), 1e-3, np.float32),
        case("channels last in memory", "typical", (n, c, 3, 2), 0.1, order="F"),
        case("images of one pixel", "edge", (n, c, 1, 1), 1e-5),
        case("a batch of one image", "edge", (1, c, 3, 4), 1e-5),
        case("one channel is constant", "edge", (n, c, 2, 3), 1e-5, constant=True),
    ]


def _reference(dout, x_hat, gamma, var, eps):
    std = np.sqrt(var + eps)
    cache = BatchNormCache(np.zeros_like(var), var, std, x_hat * _each(std), x_hat, gamma)
    return batchnorm_backward(dout, cache)


def _std(i):
    return np.sqrt(i["var"] + i["eps"])


def _dx(i, v=None, mean_part=1, x_hat_part=1, over=OVER):
    """dx, with a weight on each part that is taken out of dout, and the axes of the means."""
    dout, x_hat = i["dout"], i["x_hat"]
    mean = dout.mean(over, keepdims=True)
    along = (dout * x_hat).mean(over, keepdims=True)
    return _each(i["gamma"] / _std(i)) * (dout - mean_part * mean - x_hat_part * x_hat * along)


def _wrong_axes(which, over, says):
    """Two mistakes: sums for the parameters, and means for dx, over axes that are not a channel's."""
    return (
        Mistake(
            f"sums_over_{which}",
            f"Your dgamma and dbeta sum over {says}",
            {
                "dgamma": lambda i, v: (i["dout"] * i["x_hat"]).sum(over),
                "dbeta": lambda i, v: i["dout"].sum(over),
            },
        ),
        Mistake(
            f"means_over_{which}",
            f"The means in your dx run over {says}",
            {"dx": lambda i, v: _dx(i, over=over)},
        ),
    )


CONVOLUTIONAL = Spec(
    name="batchnorm2d_backward",
    outputs=("dx", "dgamma", "dbeta"),
    nodes={
        "dgamma": Node(lambda i, v: (i["dout"] * i["x_hat"]).sum(OVER)),
        "dbeta": Node(lambda i, v: i["dout"].sum(OVER)),
        "dx": Node(_dx, magnitude=lambda i: np.max(np.abs(i["dout"])) * np.max(np.abs(i["gamma"]) / _std(i))),
    },
    reference=_reference,
    cases=_cases,
    parts=(
        Part(
            "dgamma",
            1,
            ("dgamma",),
            nudge="Which entries of y does the gamma of one channel reach?",
            hint="Sum dout * x_hat over the batch and both axes of the image.",
            source="Ioffe & Szegedy 2015, Section 3.2",
        ),
        Part(
            "dbeta",
            1,
            ("dbeta",),
            nudge="Which entries of y does the beta of one channel reach?",
            hint="Sum dout over the batch and both axes of the image.",
            source="Ioffe & Szegedy 2015, Section 3.2",
        ),
        Part(
            "dx",
            4,
            ("dx",),
            nudge="How many values made the mean of one channel?",
            hint="The closed form, with means over N, H and W, and gamma / std in the shape (C, 1, 1).",
            source="Ioffe & Szegedy 2015, Section 3.2: the effective mini-batch of size m = N * H * W",
        ),
        Part(
            "one pixel, one image, a constant channel",
            1,
            ("dgamma", "dbeta", "dx"),
            ("edge",),
            nudge="With one pixel it is the layer for (N, C). With one image m is H * W.",
            hint="Nothing is special there: m is N * H * W as always.",
            source="Ioffe & Szegedy 2015, Section 3.2",
        ),
    ),
    mistakes=(
        *_wrong_axes(
            "batch_alone",
            0,
            "the batch alone, as if each pixel were a feature of its own. A channel is one feature, wherever it is in "
            "the image: take the axes 0, 2 and 3.",
        ),
        *_wrong_axes(
            "image_alone",
            (2, 3),
            "each image by itself. That is Instance Normalization. Take the batch too: the axes 0, 2 and 3.",
        ),
        *_wrong_axes(
            "all_but_the_last_axis",
            (0, 1, 2),
            "all axes but the last, as if channels came last. In (N, C, H, W) they are axis 1: take 0, 2 and 3.",
        ),
        *_wrong_axes(
            "each_example",
            (1, 2, 3),
            "each example. That is Layer Normalization. Keep axis 1, the channels, and take 0, 2 and 3.",
        ),
        Mistake(
            "m_is_batch_size",
            "Your m is N, the number of images. Each channel has m = N * H * W values in the batch.",
            {"dx": lambda i, v: _dx(i, None, *[i["dout"][0, 0].size] * 2)},
        ),
        Mistake(
            "sums_instead_of_means",
            "Your dx subtracts sums. Divide both by m = N * H * W: the formula has means.",
            {"dx": lambda i, v: _dx(i, None, *[i["dout"][:, 0].size] * 2)},
        ),
        *mean_mistakes(_dx, lambda i: i["dout"][:, 0].size),
        Mistake(
            "statistics_taken_as_constants",
            "Your dx is dout * gamma / std: it treats mean and variance as constants. Two parts of dout have to be "
            "taken out: its mean, and its part along x_hat.",
            {"dx": lambda i, v: _dx(i, None, 0, 0)},
        ),
        Mistake(
            "path_through_mean_missing",
            "Your dx lacks the path through the mean: subtract the mean of dout over each channel.",
            {"dx": lambda i, v: _dx(i, None, mean_part=0)},
            keeps=0.5,
        ),
        Mistake(
            "path_through_variance_missing",
            "Your dx lacks the path through the variance: subtract x_hat times the mean of dout * x_hat.",
            {"dx": lambda i, v: _dx(i, None, x_hat_part=0)},
            keeps=0.5,
        ),
        Mistake(
            "path_through_variance_has_wrong_sign",
            "Your part along x_hat is added. Both parts are taken out of dout: subtract it.",
            {"dx": lambda i, v: _dx(i, None, x_hat_part=-1)},
            keeps=0.5,
        ),
        Mistake(
            "gamma_along_width",
            "Your gamma and var line up with the last axis, the width. That passes only where the width happens to be C. "
            "Give them the shape (C, 1, 1) first.",
            {"dx": lambda i, v: _dx(i) / _each(i["gamma"] / _std(i)) * (i["gamma"] / _std(i))},
        ),
        Mistake(
            "gamma_missing_in_dx",
            "Your dx lacks gamma: the gradient passes through y = gamma * x_hat + beta first.",
            {"dx": lambda i, v: _dx(i) / _each(i["gamma"])},
            keeps=0.5,
        ),
        Mistake(
            "std_missing_in_dx",
            "Your dx lacks the division by sqrt(var + eps).",
            {"dx": lambda i, v: _dx(i) * _each(_std(i))},
            keeps=0.5,
        ),
        Mistake(
            "divides_by_variance",
            "Your dx is divided by the variance. Divide by its root, sqrt(var + eps).",
            {"dx": lambda i, v: _dx(i) / _each(_std(i))},
            keeps=0.5,
        ),
        Mistake(
            "eps_missing",
            "Your dx divides by sqrt(var), without eps. Use the same root as the forward pass, sqrt(var + eps).",
            {"dx": lambda i, v: _dx(i) * _each(_std(i) / np.sqrt(i["var"]))},
            keeps=0.5,
        ),
        Mistake(
            "parameters_averaged",
            "Your dgamma and dbeta are averaged. The chain rule adds up: use sums over the axes 0, 2 and 3.",
            {
                "dgamma": lambda i, v: (i["dout"] * i["x_hat"]).mean(OVER),
                "dbeta": lambda i, v: i["dout"].mean(OVER),
            },
        ),
        Mistake(
            "dgamma_and_dbeta_swapped",
            "Your dgamma and dbeta have changed places: dgamma is the sum of dout * x_hat, dbeta the sum of dout.",
            {
                "dgamma": lambda i, v: i["dout"].sum(OVER),
                "dbeta": lambda i, v: (i["dout"] * i["x_hat"]).sum(OVER),
            },
        ),
    ),
    chapter="backpropagation",
)

"""Spec of ``batchnorm_conv_forward``: Algorithm 1 for images, Section 3.2."""

import numpy as np

from bn_reference.batchnorm import batchnorm_forward
from bn_reference.checks.ps2_batchnorm.convolution_mistakes import AXES, MISTAKES, per_channel
from bn_reference.checks.spec import Case, Node, Part, Spec


def _conv_forward(x, gamma, beta, eps):
    y, cache = batchnorm_forward(x, gamma, beta, eps)
    return y, cache.x_hat, cache.mean, cache.var


def _conv_cases(rng):
    n, c, h, w = (
        int(rng.integers(2, 4)),
        int(rng.integers(4, 6)),
        int(rng.integers(2, 4)),
        int(rng.integers(4, 6)),
    )

    def images(*shape, offset=0.0):
        c = shape[1]
        scale, shift = rng.uniform(0.5, 2, c), rng.uniform(-3, 3, c) + offset
        return rng.standard_normal(shape) * scale[:, None, None] + shift[:, None, None]

    def vector(x):
        c = x.shape[1]
        return (rng.uniform(0.5, 2.0, c) * rng.choice([-1.0, 1.0], c)).astype(x.dtype)

    def case(name, kind, x, eps=1e-3):
        inputs = {"x": x, "gamma": vector(x), "beta": vector(x), "eps": eps}
        return Case(f"{name}, x of shape {x.shape}", kind, inputs)

    constant = images(n, c, h, w)
    constant[:, rng.integers(c)] = 0.7
    channels_last = np.moveaxis(np.ascontiguousarray(np.moveaxis(images(n, c, h, w + 2), 1, -1)), -1, 1)
    return [
        case("a few images", "typical", images(n, c, h, c + 1)),
        case("images as wide as there are channels", "typical", images(n, c, h, c)),
        case("images as high as there are channels", "typical", images(n, c, c, w + 2), eps=0.01),
        case("every axis of one length", "typical", images(c, c, c, c), eps=0.1),
        case("float32", "typical", images(n, c + 1, h + 1, w).astype(np.float32)),
        case("channels last in memory", "typical", channels_last, eps=0.1),
        case("one channel is constant", "edge", constant, eps=1e-5),
        case("one image alone", "edge", images(1, c, h, w), eps=1e-5),
        case("images of one pixel", "edge", images(n + 2, c, 1, 1), eps=1e-5),
        case("channels with a mean near a million", "offset", images(n, c, h, w, offset=1e6), eps=1e-5),
    ]


CONVOLUTION = Spec(
    name="batchnorm_conv_forward",
    outputs=("y", "x_hat", "mean", "var"),
    nodes={
        "mean": Node(lambda i, v: i["x"].mean(AXES, dtype=float)),
        "var": Node(lambda i, v: ((i["x"] - per_channel(v["mean"])) ** 2).mean(AXES)),
        "x_hat": Node(
            lambda i, v: (i["x"] - per_channel(v["mean"])) / np.sqrt(per_channel(v["var"]) + i["eps"]),
            magnitude=lambda i: np.max(np.abs(i["x"]) / np.sqrt(i["x"].var(AXES, keepdims=True) + i["eps"])),
        ),
        "y": Node(
            lambda i, v: per_channel(i["gamma"]) * v["x_hat"] + per_channel(i["beta"]),
            # For those who multiply out: gamma / std * x + (beta - gamma / std * mean).
            magnitude=lambda i: np.max(
                np.abs(per_channel(i["gamma"]) * i["x"]) / np.sqrt(i["x"].var(AXES, keepdims=True) + i["eps"])
            ),
        ),
    },
    reference=_conv_forward,
    cases=_conv_cases,
    parts=(
        Part(
            "mean of each channel",
            2,
            ("mean",),
            nudge="Which of the four axes are left in a result of shape (C,)?",
            hint="A channel's values lie along three axes, 0, 2 and 3: all examples and all positions.",
            source="Ioffe & Szegedy 2015, Section 3.2: the effective mini-batch has m = N * H * W values.",
        ),
        Part(
            "variance of each channel",
            2,
            ("var",),
            nudge="To subtract a mean of shape (C,) from x, where in its shape do the axes of length 1 belong?",
            hint="The mean lines up with axis 1 of x as mean[:, None, None]. Then average the squares over 0, 2 and 3.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 2, with m = N * H * W.",
        ),
        Part(
            "x_hat, from your mean and variance",
            2,
            ("x_hat",),
            nudge="Does each image keep its place when you normalise?",
            hint="Give mean and var the shape (C, 1, 1), so that they line up with axis 1. eps goes under the root.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 3.",
        ),
        Part(
            "y, from your x_hat",
            2,
            ("y",),
            nudge="With which axis of x_hat does NumPy line up a vector of shape (C,)?",
            hint="NumPy lines shapes up from the right, so gamma of shape (C,) meets the axis W. gamma[:, None, None] "
            "meets the channels.",
            source="Ioffe & Szegedy 2015, Section 3.2: one gamma and one beta for each channel.",
        ),
        Part(
            "a constant channel, one image, images of one pixel",
            1,
            ("mean", "var", "x_hat", "y"),
            ("edge",),
            nudge="Which of N, H and W may be 1?",
            hint="Only m = N * H * W counts. With variance 0, eps alone keeps the root above zero.",
            source="The chapter's section 'Images'.",
        ),
        Part(
            "channels with a large mean",
            1,
            ("mean", "var", "x_hat", "y"),
            ("offset",),
            nudge="How do you compute the variance?",
            hint="Subtract the mean before you square. mean(x**2) - mean(x)**2 loses the digits that matter.",
            source="Ioffe & Szegedy 2015, Algorithm 1, line 2: the mean of (x - mean)**2.",
        ),
    ),
    mistakes=MISTAKES,
    chapter="batchnorm_transform",
)

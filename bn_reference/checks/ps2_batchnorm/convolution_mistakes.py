"""The mistakes that people make in ``batchnorm_conv_forward``."""

import numpy as np

from bn_reference.checks.spec import Mistake

AXES = (0, 2, 3)


def per_channel(vector):
    """A vector of the channels, to be broadcast against x."""
    return np.reshape(vector, (-1, 1, 1))


def _with_axes(*axes):
    """The formulas with the statistics taken over other axes."""

    def x_hat(i, v):
        x = i["x"].astype(float)
        return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + i["eps"])

    return {
        "mean": lambda i, v: i["x"].mean(axes, dtype=float),
        "var": lambda i, v: i["x"].var(axes, dtype=float),
        "x_hat": x_hat,
    }


def _without_transpose():
    """The formulas with x cut into rows of C values as it lies in memory."""

    def rows(i):
        return i["x"].astype(float).reshape(-1, i["x"].shape[1])

    def x_hat(i, v):
        flat = rows(i)
        return ((flat - flat.mean(0)) / np.sqrt(flat.var(0) + i["eps"])).reshape(i["x"].shape)

    return {"mean": lambda i, v: rows(i).mean(0), "var": lambda i, v: rows(i).var(0), "x_hat": x_hat}


def _channel_rows(i):
    return i["x"].astype(float).reshape(i["x"].shape[1], -1)


def _summed_over(count):
    """Mean and variance with the sums divided by ``count(n, c, h, w)``."""

    def var(i, v):
        return ((i["x"] - per_channel(v["mean"])) ** 2).sum(AXES) / count(*i["x"].shape)

    return {"mean": lambda i, v: i["x"].sum(AXES, dtype=float) / count(*i["x"].shape), "var": var}


def _unbiased(i):
    return i["x"].var(AXES, ddof=1, dtype=float)


def _x_hat(i):
    x = i["x"].astype(float)
    return (x - x.mean(AXES, keepdims=True)) / np.sqrt(x.var(AXES, keepdims=True) + i["eps"])


def _y(i):
    return per_channel(i["gamma"]) * _x_hat(i) + per_channel(i["beta"])


def _put_back_by_reshape(values):
    return values.transpose(0, 2, 3, 1).reshape(values.shape)


def _first_three(values):
    return np.where(np.arange(values.shape[1])[:, None, None] < 3, values, 0.0)


MISTAKES = (
    Mistake(
        "statistics_of_each_position",
        "Your statistics are taken over the examples alone (axis 0), for each position by itself. A "
        "convolution treats all positions alike, and so does its normalisation: average over axes 0, 2 and 3.",
        _with_axes(0),
    ),
    Mistake(
        "images_flattened",
        "Your images are flattened to rows, x.reshape(N, -1), so that each pixel of each channel has its own "
        "statistics. A channel has one mean and one variance for all its positions: axes 0, 2 and 3.",
        {
            "mean": lambda i, v: i["x"].mean(0, dtype=float).ravel(),
            "var": lambda i, v: i["x"].var(0, dtype=float).ravel(),
            "x_hat": _with_axes(0)["x_hat"],
        },
    ),
    Mistake(
        "statistics_of_each_image",
        "Your statistics are taken for each image by itself (axes 2 and 3). That is Instance Normalization. "
        "Batch Normalization averages over the batch too: axes 0, 2 and 3.",
        _with_axes(2, 3),
    ),
    Mistake(
        "statistics_over_channels",
        "Your statistics run over the channels of each example (axes 1, 2 and 3). That is Layer Normalization. "
        "Keep the channels apart: axes 0, 2 and 3.",
        _with_axes(1, 2, 3),
    ),
    Mistake(
        "channels_taken_to_be_last",
        "Your statistics are taken over axes 0, 1 and 2, as if the channels came last. Here they are axis 1: "
        "average over 0, 2 and 3.",
        _with_axes(0, 1, 2),
    ),
    Mistake(
        "width_forgotten",
        "Your statistics leave out the last axis: each column of the image has its own. Average over axes 0, 2 and 3.",
        _with_axes(0, 2),
    ),
    Mistake(
        "height_forgotten",
        "Your statistics leave out axis 2: each row of the image has its own. Average over axes 0, 2 and 3.",
        _with_axes(0, 3),
    ),
    Mistake(
        "statistics_of_whole_array",
        "Your mean and variance are single numbers for the whole array. Each channel has its own: pass "
        "axis=(0, 2, 3).",
        {**_with_axes(0, 1, 2, 3)},
    ),
    Mistake(
        "reshaped_without_transpose",
        "Your x is reshaped to (-1, C) as it lies in memory, which puts neighbouring pixels into different "
        "columns. Move the channels to the end first: x.transpose(0, 2, 3, 1).reshape(-1, C).",
        _without_transpose(),
    ),
    Mistake(
        "reshaped_to_channels_without_transpose",
        "Your x is reshaped to (C, -1) as it lies in memory, which mixes the channels of different images. Bring "
        "the channels to the front first: x.transpose(1, 0, 2, 3).reshape(C, -1).",
        {
            "mean": lambda i, v: _channel_rows(i).mean(1),
            "var": lambda i, v: _channel_rows(i).var(1),
        },
    ),
    Mistake(
        "variance_averaged_over_images",
        "Your variance is taken in each image and then averaged. That leaves out how the images differ from "
        "each other: subtract the mean of the channel, and average over all of axes 0, 2 and 3 at once.",
        {"var": lambda i, v: i["x"].var((2, 3), dtype=float).mean(0)},
    ),
    Mistake(
        "variance_averaged_over_positions",
        "Your variance is taken at each position and then averaged. That leaves out how the positions differ "
        "from each other: subtract the mean of the channel, and average over all of axes 0, 2 and 3 at once.",
        {"var": lambda i, v: i["x"].var(0, dtype=float).mean((1, 2))},
    ),
    Mistake(
        "results_in_the_order_of_the_algorithm",
        "Your results come in the order of Algorithm 1: mean, var, x_hat, y. Return y, x_hat, mean, var.",
        {
            "mean": lambda i, v: _x_hat(i),
            "var": lambda i, v: _y(i),
            "x_hat": lambda i, v: i["x"].var(AXES, dtype=float),
            "y": lambda i, v: i["x"].mean(AXES, dtype=float),
        },
    ),
    Mistake(
        "variance_in_one_pass",
        "Your variance is mean(x**2) - mean(x)**2. On paper that is right; in floating point it takes the "
        "difference of two nearly equal numbers when the mean is large. Subtract the mean before you square.",
        {"var": lambda i, v: (i["x"] ** 2).mean(AXES) - i["x"].mean(AXES) ** 2},
    ),
    Mistake(
        "y_and_x_hat_swapped",
        "Your y and x_hat are returned in each other's place. The order is y, x_hat, mean, var.",
        {"x_hat": lambda i, v: _y(i), "y": lambda i, v: _x_hat(i)},
    ),
    Mistake(
        "three_channels_hard_coded",
        "Your function normalises three channels, however many there are. Take the number from x.shape[1].",
        {"x_hat": lambda i, v: _first_three(_x_hat(i)), "y": lambda i, v: _first_three(_y(i))},
    ),
    Mistake(
        "divides_by_n",
        "Your mean and variance are sums divided by N. Each channel has m = N * H * W values: divide by that.",
        _summed_over(lambda n, c, h, w: n),
    ),
    Mistake(
        "square_images_assumed",
        "Your m is N * H * H. Images need not be square: m = N * H * W.",
        _summed_over(lambda n, c, h, w: n * h * h),
    ),
    Mistake(
        "m_counts_all_entries",
        "Your m is x.size, which counts the entries of all channels together. One channel has m = N * H * W values.",
        _summed_over(lambda n, c, h, w: n * c * h * w),
    ),
    Mistake(
        "sums_not_divided",
        "Your mean and variance are sums. Divide each by m = N * H * W.",
        _summed_over(lambda n, c, h, w: 1),
    ),
    Mistake(
        "variance_not_divided",
        "Your variance is a sum. Divide it by m = N * H * W.",
        {"var": _summed_over(lambda n, c, h, w: 1)["var"]},
    ),
    Mistake(
        "variance_without_mean",
        "Your variance averages x**2. Subtract the mean first: the variance is the average of (x - mean)**2.",
        {"var": lambda i, v: (i["x"] ** 2).mean(AXES)},
    ),
    Mistake(
        "variance_divides_by_n",
        "Your variance is a sum divided by N. Each channel has m = N * H * W values: divide by that.",
        {"var": _summed_over(lambda n, c, h, w: n)["var"]},
    ),
    Mistake(
        "variance_divides_by_m_minus_1",
        "Your variance divides by m - 1. The variance that normalises is the biased one, divided by m.",
        {"var": lambda i, v: _unbiased(i)},
    ),
    Mistake(
        "variance_is_standard_deviation",
        "Your var is the standard deviation. Return the variance itself; the root is taken later, with eps in it.",
        {"var": lambda i, v: i["x"].std(AXES, dtype=float)},
    ),
    Mistake(
        "eps_outside_root",
        "Your eps is added outside the square root. Algorithm 1, line 3, has it inside: sqrt(var + eps).",
        {
            "x_hat": lambda i, v: (
                (i["x"] - per_channel(v["mean"])) / (np.sqrt(per_channel(v["var"])) + i["eps"])
            )
        },
    ),
    Mistake(
        "eps_missing",
        "Your x_hat has no eps. Divide by sqrt(var + eps), or a constant channel divides by zero.",
        {"x_hat": lambda i, v: (i["x"] - per_channel(v["mean"])) / np.sqrt(per_channel(v["var"]))},
    ),
    Mistake(
        "eps_hard_coded",
        "Your eps is always 1e-5. Use the argument eps that the caller passes.",
        {"x_hat": lambda i, v: (i["x"] - per_channel(v["mean"])) / np.sqrt(per_channel(v["var"]) + 1e-5)},
    ),
    Mistake(
        "divides_by_variance",
        "Your x_hat is divided by the variance. Divide by the standard deviation, sqrt(var + eps).",
        {"x_hat": lambda i, v: (i["x"] - per_channel(v["mean"])) / (per_channel(v["var"]) + i["eps"])},
    ),
    Mistake(
        "mean_not_subtracted",
        "Your x_hat is scaled but not centred. Subtract the mean before you divide.",
        {"x_hat": lambda i, v: i["x"] / np.sqrt(per_channel(v["var"]) + i["eps"])},
    ),
    Mistake(
        "x_hat_not_divided",
        "Your x_hat is centred but not scaled. Line 3 divides by sqrt(var + eps).",
        {"x_hat": lambda i, v: i["x"] - per_channel(v["mean"])},
    ),
    Mistake(
        "x_hat_multiplied",
        "Your x_hat is multiplied by sqrt(var + eps). Line 3 divides by it.",
        {"x_hat": lambda i, v: (i["x"] - per_channel(v["mean"])) * np.sqrt(per_channel(v["var"]) + i["eps"])},
    ),
    Mistake(
        "put_back_as_channels_first",
        "Your result is reshaped to (N, C, H, W) while its channels are still in front, so that images and channels "
        "are mixed up. Reshape to (C, N, H, W), then transpose(1, 0, 2, 3).",
        {
            "x_hat": lambda i, v: _x_hat(i).transpose(1, 0, 2, 3).reshape(i["x"].shape),
            "y": lambda i, v: _y(i).transpose(1, 0, 2, 3).reshape(i["x"].shape),
        },
    ),
    Mistake(
        "put_back_by_reshape",
        "Your result is reshaped to (N, C, H, W) while its channels are still at the end, so that the pixels are "
        "shuffled. Reshape to (N, H, W, C), then transpose(0, 3, 1, 2).",
        {
            "x_hat": lambda i, v: _put_back_by_reshape(_x_hat(i)),
            "y": lambda i, v: _put_back_by_reshape(_y(i)),
        },
    ),
    Mistake(
        "channels_left_at_the_end",
        "Your result has the shape (N, H, W, C). Put the channels back to axis 1: transpose(0, 3, 1, 2).",
        {
            "x_hat": lambda i, v: _x_hat(i).transpose(0, 2, 3, 1),
            "y": lambda i, v: _y(i).transpose(0, 2, 3, 1),
        },
    ),
    Mistake(
        "mean_along_the_width",
        "Your mean is subtracted along the width of the image, since NumPy lines up (C,) with the last axis. It "
        "fails, or is silently wrong where W is C. Use mean[:, None, None].",
        {
            "var": lambda i, v: ((i["x"] - v["mean"]) ** 2).mean(AXES),
            "x_hat": lambda i, v: (i["x"] - v["mean"]) / np.sqrt(v["var"] + i["eps"]),
        },
    ),
    Mistake(
        "statistics_along_the_width",
        "Your mean and var meet the width of the image, since NumPy lines up (C,) with the last axis. It fails, or "
        "is silently wrong where W is C. Use mean[:, None, None] and var[:, None, None].",
        {"x_hat": lambda i, v: (i["x"] - v["mean"]) / np.sqrt(v["var"] + i["eps"])},
    ),
    Mistake(
        "gamma_along_the_width",
        "Your gamma and beta run along the width of the image, since NumPy lines up (C,) with the last axis. It "
        "fails, or is silently wrong where W is C. Use gamma[:, None, None].",
        {"y": lambda i, v: i["gamma"] * v["x_hat"] + i["beta"]},
    ),
    Mistake(
        "gamma_along_the_height",
        "Your gamma and beta run along the height of the image. They need two axes of length 1 after them: "
        "gamma[:, None, None].",
        {"y": lambda i, v: i["gamma"][:, None] * v["x_hat"] + i["beta"][:, None]},
    ),
    Mistake(
        "gamma_along_the_batch",
        "Your gamma and beta run along the examples. They belong to the channels, axis 1: use gamma[:, None, None].",
        {"y": lambda i, v: i["gamma"][:, None, None, None] * v["x_hat"] + i["beta"][:, None, None, None]},
    ),
    Mistake(
        "scales_x_instead_of_x_hat",
        "Your y scales and shifts x itself. Line 4 takes x_hat, the normalised value.",
        {"y": lambda i, v: per_channel(i["gamma"]) * i["x"] + per_channel(i["beta"])},
    ),
    Mistake(
        "gamma_forgotten",
        "Your y lacks gamma. Algorithm 1, line 4: y = gamma * x_hat + beta.",
        {"y": lambda i, v: v["x_hat"] + per_channel(i["beta"])},
    ),
    Mistake(
        "beta_forgotten",
        "Your y lacks beta. Algorithm 1, line 4: y = gamma * x_hat + beta.",
        {"y": lambda i, v: per_channel(i["gamma"]) * v["x_hat"]},
    ),
    Mistake(
        "gamma_applied_twice",
        "Your y has gamma twice. Scale once: y = gamma * x_hat + beta.",
        {"y": lambda i, v: per_channel(i["gamma"]) ** 2 * v["x_hat"] + per_channel(i["beta"])},
    ),
    Mistake(
        "gamma_and_beta_swapped",
        "Your gamma and beta have changed places: gamma scales, beta shifts.",
        {"y": lambda i, v: per_channel(i["beta"]) * v["x_hat"] + per_channel(i["gamma"])},
    ),
)
"""The likelier first."""

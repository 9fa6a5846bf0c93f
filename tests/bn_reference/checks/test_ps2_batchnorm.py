"""Are wrong answers to problem set 2, written as people write them, told what is wrong?"""

import numpy as np
import pytest

from bn_reference.checks import report


def images_without_new_axes(x, gamma, beta, eps):
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, x_hat, mean, var


def images_as_in_part_1(x, gamma, beta, eps):
    mean, var = x.mean(0), x.var(0)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, x_hat, mean, var


def images_one_by_one(x, gamma, beta, eps):
    mean, var = x.mean((2, 3)), x.var((2, 3))
    x_hat = (x - mean[:, :, None, None]) / np.sqrt(var[:, :, None, None] + eps)
    return gamma[:, None, None] * x_hat + beta[:, None, None], x_hat, mean, var


def images_put_back_askew(x, gamma, beta, eps):
    n, c, h, w = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, c)
    mean, var = rows.mean(0), rows.var(0)
    x_hat = (rows - mean) / np.sqrt(var + eps)
    y = gamma * x_hat + beta
    return y.reshape(n, c, h, w), x_hat.reshape(n, c, h, w), mean, var


def images_of_three_channels(x, gamma, beta, eps):
    y, x_hat, mean, var = np.zeros(x.shape), np.zeros(x.shape), [], []
    for k in range(3):
        mean.append(x[:, k].mean())
        var.append(x[:, k].var())
        x_hat[:, k] = (x[:, k] - mean[k]) / np.sqrt(var[k] + eps)
        y[:, k] = gamma[k] * x_hat[:, k] + beta[k]
    return y, x_hat, mean, var


def layer_without_modes(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = x.mean(0), x.var(0)
    y = gamma * (x - mean) / np.sqrt(var + eps) + beta
    return y, running_mean + momentum * (mean - running_mean), running_var + momentum * (var - running_var)


def layer_with_one_variance(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean(0), x.var(0, ddof=1)
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, running_mean, running_var


def variances_of_what_range_gives(x, m):
    batches = [x[start : start + m] for start in range(0, len(x), m)]
    biased = sum(batch.var(0) for batch in batches) / (len(x) // m)
    return biased, biased * m / (m - 1)


def linear_scaled_from_the_right(weight, bias, gamma, beta, running_mean, running_var, eps):
    scale = gamma / np.sqrt(running_var + eps)
    return weight * scale, (bias - running_mean) * scale + beta


def linear_with_two_slips(weight, bias, gamma, beta, running_mean, running_var, eps):
    scale = gamma / np.sqrt(running_var)
    return weight * scale[:, None], beta - running_mean * scale


def identity_with_x_returned(x, eps):
    return x.std(0), x.mean(0), x


def eps_by_one_measurement(x, eps):
    centered, std = x - x.mean(0), x.std(0)
    inside, outside = centered / np.sqrt(std**2 + eps), centered / (std + eps)
    return 1 / np.sqrt(std**2 + eps), inside.var(), outside.var()


@pytest.mark.parametrize(
    ("name", "answer", "mistakes"),
    [
        (
            "batchnorm_conv_forward",
            images_without_new_axes,
            {"statistics_along_the_width", "gamma_along_the_width"},
        ),
        (
            "batchnorm_conv_forward",
            images_as_in_part_1,
            {"statistics_of_each_position", "gamma_along_the_width"},
        ),
        ("batchnorm_conv_forward", images_one_by_one, {"statistics_of_each_image"}),
        ("batchnorm_conv_forward", images_put_back_askew, {"put_back_by_reshape"}),
        ("batchnorm_conv_forward", images_of_three_channels, {"three_channels_hard_coded"}),
        ("batchnorm_layer", layer_without_modes, {"batch_statistics_at_inference"}),
        ("batchnorm_layer", layer_with_one_variance, {"unbiased_variance_normalises"}),
        ("average_variances", variances_of_what_range_gives, set()),
        ("fold_linear", linear_scaled_from_the_right, {"scale_on_the_inputs"}),
        ("fold_linear", linear_with_two_slips, {"eps_missing_in_weight"}),
        ("identity_parameters", identity_with_x_returned, {"gamma_without_eps"}),
        ("eps_effect", eps_by_one_measurement, {"variance_of_all_of_x_hat"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_wrong_answer_loses_points_and_hears_why(name, answer, mistakes, seed):
    """Does code with one slip or two get the sentences for them, or else the hints of what failed?"""
    verdict = report(name, answer, seed)
    assert verdict.points(1) < 1
    assert set(verdict.mistakes) == mistakes
    assert verdict.advice


def test_missing_bias_that_stops_the_code_costs_its_own_part():
    """Does a folded convolution that cannot take bias=None keep its other points?"""

    def answer(weight, bias, gamma, beta, running_mean, running_var, eps):
        scale = gamma / np.sqrt(running_var + eps)
        return weight * scale[:, None, None, None], (bias - running_mean) * scale + beta

    verdict = report("fold_conv", answer)
    assert [part.title for part in verdict.parts if not part.passed] == ["a convolution without bias"]


def test_running_statistics_changed_in_place_cost_the_interface_alone():
    """Is a layer that is right, but writes into its running statistics, told so?"""

    def answer(x, gamma, beta, running_mean, running_var, training, momentum, eps):
        mean, var = running_mean.copy(), running_var.copy()
        if training:
            mean, var = x.mean(0), x.var(0)
            running_mean += momentum * (mean - running_mean)
            running_var += momentum * (x.var(0, ddof=1) - running_var)
        return gamma * (x - mean) / np.sqrt(var + eps) + beta, running_mean, running_var

    verdict = report("batchnorm_layer", answer)
    assert [part.passed for part in verdict.parts] == [True] * 5 + [False]
    assert "running_mean and running_var changed" in verdict.parts[-1].problem

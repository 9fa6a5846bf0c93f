import re

import numpy as np
import pytest
import torch

from bn_reference.batchnorm import batchnorm_inference
from bn_reference.folding import fold_batchnorm
from tests.bn_reference.batches import cotangent, random_vectors, read_only
from tests.tolerances import assert_close

KERNELS = {"linear": (), "conv1d": (3,), "conv2d": (3, 2), "conv3d": (1, 2, 2)}

in_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def problem(kernel=(), dtype=np.float64):
    """Weight and bias of a layer with 3 inputs and 4 outputs, and what follows it."""
    weight = cotangent((4, 3, *kernel), dtype=dtype)
    bias, gamma, beta, mean, spread = random_vectors(5, 4, dtype=dtype)
    return weight, bias, (gamma, beta, mean, spread**2)


def linear(x, weight, bias):
    """What torch makes of a batch: the oracle of convolutions."""
    if weight.ndim == 2:
        return x @ weight.T + bias
    convolution = getattr(torch.nn.functional, f"conv{weight.ndim - 2}d")
    return convolution(*map(torch.tensor, (x, weight, bias))).numpy()


@pytest.mark.parametrize("with_bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("eps", [1e-5, 0.5])
@in_both_precisions
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_one_layer_does_what_both_did(kernel, dtype, eps, with_bias):
    weight, bias, norm = problem(kernel, dtype)
    x = cotangent((5, 3, *(4 for _ in kernel)), seed=8, dtype=dtype)

    folded = fold_batchnorm(weight, bias if with_bias else None, *norm, eps)

    expected = batchnorm_inference(linear(x, weight, bias * with_bias), *norm, eps)
    assert [array.dtype for array in folded] == [dtype, dtype]
    assert_close(linear(x, *folded), expected, scale=np.abs(x).max() * np.abs(folded[0]).max())


def test_nothing_that_came_in_is_changed():
    weight, bias, norm = problem()
    read_only(weight, bias, *norm)

    fold_batchnorm(weight, bias, *norm)


class TestErrors:
    @pytest.mark.parametrize("name", ["bias", "gamma", "beta", "running_mean", "running_var"])
    def test_vectors_have_one_value_for_each_output(self, name):
        names = ["gamma", "beta", "running_mean", "running_var", "bias"]
        vectors = {**dict.fromkeys(names, np.ones(4)), name: np.ones(3)}
        message = (
            f"{name} has shape (3,), expected (4,), the shape of the outputs of weight with shape (4, 3)"
        )

        with pytest.raises(ValueError, match=re.escape(message)):
            fold_batchnorm(np.ones((4, 3)), **vectors)

    def test_a_weight_counts_outputs_and_inputs(self):
        message = "weight has shape (4,), expected (C, inputs) or (C, inputs, *kernel)"

        with pytest.raises(ValueError, match=re.escape(message)):
            fold_batchnorm(np.ones(4), None, *np.ones((4, 4)))

    def test_integers_are_refused(self):
        with pytest.raises(TypeError, match="weight has dtype int64, expected a floating dtype"):
            fold_batchnorm(np.ones((4, 3), dtype=np.int64), None, *np.ones((4, 4)))

    def test_the_variance_is_above_zero(self):
        weight, bias, (gamma, beta, mean, _) = problem()
        var = np.array([1.0, 2.0, 0.0, 1.0])

        with pytest.raises(ValueError, match=r"running_var \+ eps is 0.0 in channel 2, expected a number"):
            fold_batchnorm(weight, bias, gamma, beta, mean, var, eps=0.0)

    @pytest.mark.parametrize("eps", [-1e-5, np.inf, np.nan])
    def test_eps_must_be_finite_and_not_negative(self, eps):
        weight, bias, norm = problem()

        with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
            fold_batchnorm(weight, bias, *norm, eps)

"""Are the operators the same on every device's own way, for whole batches and for many at once?"""

import pytest
import torch
from torch.func import vmap

from bn_reference.torch import operators
from tests.bn_reference.batches import cotangent, every_layout, random_batch
from tests.tolerances import assert_close

OPERATORS = torch.ops.bn_reference
DTYPES = {"float16": torch.half, "bfloat16": torch.bfloat16, "float32": torch.float, "float64": torch.double}
LAYOUTS = {
    "C order": lambda x: x,
    "channels last": lambda x: x.movedim(1, -1).contiguous().movedim(-1, 1),
    "every second example": lambda x: x.repeat_interleave(2, dim=0)[::2],
}
in_every_dtype = pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
in_every_layout = pytest.mark.parametrize("arrange", LAYOUTS.values(), ids=LAYOUTS)
over_every_shape = pytest.mark.parametrize("shape", **every_layout)


def tensors(shape, dtype=torch.double, offset=0.5):
    x = torch.tensor(random_batch(shape, offset=offset), dtype=dtype)
    weight, bias = (torch.linspace(low, 2, shape[1], dtype=dtype) for low in (0.5, -1))
    return x, weight, bias, torch.tensor(cotangent(shape), dtype=dtype)


def strides(x):
    """The steps in memory along axes that have more than one place to step to."""
    return [step for step, size in zip(x.stride(), x.shape, strict=True) if size > 1]


def assert_same(ours, expected, dtype):
    for value, other in zip(ours, expected, strict=True):
        assert (value.shape, value.dtype) == (other.shape, other.dtype)
        assert strides(value) == strides(other)
        assert_close(value, other, dtype=dtype, scale=1.0)


@pytest.mark.usefixtures("kernels_for_every_size")
class TestKernelsOfTheCpu:
    @in_every_dtype
    @in_every_layout
    @over_every_shape
    @pytest.mark.parametrize("affine", [True, False], ids=["weight and bias", "neither"])
    def test_kernels_give_what_the_formulas_give(self, affine, shape, arrange, dtype):
        """Do outputs and gradients agree, with dtype and place in memory?"""
        x, weight, bias, dout = tensors(shape, dtype)
        x, (weight, bias) = arrange(x), (weight, bias) if affine else (None, None)

        y, *statistics = OPERATORS.normalize(x, weight, bias, 0.1)
        expected, *_ = operators.normalize(x, weight, bias, 0.1)
        gradients = OPERATORS.normalize_backward(dout, x, weight, *statistics, 0.1)
        expected_gradients = operators.normalize_backward(dout, x, weight, *statistics, 0.1)

        assert_same([y], [expected], dtype)
        # Rounding to half precision may fall either way.
        assert_same(gradients, expected_gradients, dtype if dtype.itemsize == 2 else torch.float)

    @in_every_dtype
    @in_every_layout
    @over_every_shape
    @pytest.mark.parametrize("affine", [True, False], ids=["weight and bias", "neither"])
    def test_given_statistics_are_applied_as_by_the_formula(self, affine, shape, arrange, dtype):
        """Is inference the same, with dtype and place in memory?"""
        x, weight, bias, _ = tensors(shape, dtype)
        arguments = arrange(x), bias, weight**2, *((weight, bias) if affine else (None, None)), 0.1

        y, expected = OPERATORS.apply_statistics(*arguments), operators.apply_statistics(*arguments)

        assert_same([y], [expected], dtype)

    def test_mean_and_residue_add_up_to_the_mean(self):
        """Is the part that rounding took from a large mean kept?"""
        x, weight, bias, _ = tensors((50, 3, 4), torch.float, offset=1e6)

        _, mean, residue, var = OPERATORS.normalize(x, weight, bias, 0.1)

        assert_close(
            mean.double() + residue.double(), x.double().mean((0, 2)), dtype=torch.double, condition=1e3
        )
        assert_close(var, x.double().var((0, 2), correction=0), dtype=torch.float)

    def test_threads_do_not_change_the_result(self):
        """Is a batch that torch's threads share the same as in one piece?"""
        x, weight, bias, _ = tensors((64, 40, 30, 30), torch.float)
        threads = torch.get_num_threads()
        try:
            results = []
            for count in (1, 3):
                torch.set_num_threads(count)
                results.append(OPERATORS.normalize(x, weight, bias, 0.1))
        finally:
            torch.set_num_threads(threads)

        assert_same(*results, dtype=torch.float)


@pytest.mark.usefixtures("kernels_or_formulas")
class TestManyBatchesAtOnce:
    @pytest.mark.parametrize("in_dims", [(0, None, None), (0, 0, 0), (1, None, 0), (2, 1, None)], ids=str)
    @over_every_shape
    def test_vmap_is_a_loop(self, shape, in_dims):
        """Does each batch of a stack come out as by itself, forward and backward?"""
        x, weight, bias, dout = tensors(shape)
        stacks = [
            value if dim is None else torch.stack([value, 3 - value.flip(0)], dim)
            for value, dim in zip((x, weight, bias), in_dims, strict=True)
        ]

        def there_and_back(x, weight, bias):
            y, *statistics = OPERATORS.normalize(x, weight, bias, 0.1)
            return y, *OPERATORS.normalize_backward(dout, x, weight, *statistics, 0.1)

        together = vmap(there_and_back, in_dims)(*stacks)

        for i in range(2):
            alone = [
                stack if dim is None else stack.select(dim, i)
                for stack, dim in zip(stacks, in_dims, strict=True)
            ]
            for value, expected in zip(together, there_and_back(*alone), strict=True):
                assert_close(value[i], expected, scale=1.0)

    @pytest.mark.parametrize("in_dims", [(0, None), (0, 0), (None, 0)], ids=str)
    @over_every_shape
    def test_vmap_of_inference_is_a_loop(self, shape, in_dims):
        """Does each batch, or each set of statistics, come out as by itself?"""
        x, weight, bias, _ = tensors(shape)
        stacks = [
            value if dim is None else torch.stack([value, 3 - value])
            for value, dim in zip((x, bias), in_dims, strict=True)
        ]

        def apply(x, mean):
            return OPERATORS.apply_statistics(x, mean, weight**2, weight, bias, 0.1)

        together = vmap(apply, in_dims)(*stacks)

        for i in range(2):
            alone = [stack if dim is None else stack[i] for stack, dim in zip(stacks, in_dims, strict=True)]
            assert_close(together[i], apply(*alone), scale=1.0)

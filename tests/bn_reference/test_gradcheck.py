import re

import numpy as np
import pytest

from bn_reference.gradcheck import central_difference, complex_step, relative_error
from tests.bn_reference.batches import cotangent
from tests.tolerances import UNIT, assert_close

DERIVATIVES = {
    "square": (np.square, lambda x, dout: 2 * x * dout),
    "exp": (np.exp, lambda x, dout: np.exp(x) * dout),
    "reciprocal": (np.reciprocal, lambda x, dout: -dout / x**2),
    "sum over rows": (lambda x: x.sum(axis=0), lambda x, dout: np.broadcast_to(dout, x.shape)),
    "sum": (np.sum, lambda x, dout: np.full(x.shape, dout)),
    "gram matrix": (lambda x: x.T @ x, lambda x, dout: x @ (dout + dout.T)),
}
"""Functions of a matrix, and what their backward pass computes from ``dout``."""

A_THIRD_OF_THE_DIGITS = 2.0 ** (52 / 3)
"""By how much a central difference magnifies rounding, in float64."""

derivatives = pytest.mark.parametrize(("f", "backward"), DERIVATIVES.values(), ids=DERIVATIVES)
both_methods = pytest.mark.parametrize("method", [central_difference, complex_step])


@pytest.fixture
def x():
    return np.random.default_rng(0).uniform(0.5, 2.0, size=(4, 3))


class TestBothMethods:
    @derivatives
    def test_known_derivatives_by_central_differences(self, f, backward, x):
        dout = cotangent(np.shape(f(x)))

        assert_close(central_difference(f, x, dout), backward(x, dout), condition=A_THIRD_OF_THE_DIGITS)

    @derivatives
    def test_known_derivatives_by_complex_step(self, f, backward, x):
        dout = cotangent(np.shape(f(x)))

        assert_close(complex_step(f, x, dout), backward(x, dout))

    @both_methods
    @pytest.mark.parametrize("shape", [(), (5,), (2, 3, 2, 2)], ids=str)
    def test_any_shape(self, method, shape):
        x, dout = cotangent(shape, seed=3), cotangent(shape)

        assert_close(method(np.square, x, dout), 2 * x * dout, condition=A_THIRD_OF_THE_DIGITS)

    @both_methods
    def test_the_input_is_not_changed(self, method, x):
        def spoils_its_argument(x):
            x *= 2
            return x.copy()

        before = x.copy()

        dx = method(spoils_its_argument, x, np.ones(x.shape))

        assert np.array_equal(x, before)
        assert_close(dx, np.full(x.shape, 2.0), condition=A_THIRD_OF_THE_DIGITS)

    @both_methods
    def test_integers_are_refused(self, method):
        with pytest.raises(TypeError, match="x has dtype int64, expected a floating dtype"):
            method(np.square, np.array([1, 2], dtype=np.int64), np.ones(2))
        with pytest.raises(TypeError, match="dout has dtype int64, expected a floating dtype"):
            method(np.square, np.ones(2), np.array([1, 2], dtype=np.int64))

    @both_methods
    def test_dout_must_have_the_shape_of_the_output(self, method, x):
        message = re.escape("dout has shape (4, 3), expected (3,), the shape of f(x)")

        with pytest.raises(ValueError, match=message):
            method(lambda x: x.sum(axis=0), x, np.ones((4, 3)))


class TestCentralDifference:
    def test_half_the_step_leaves_a_quarter_of_the_error(self, x):
        dout = cotangent(x.shape)

        def error(step):
            return np.abs(central_difference(np.exp, x, dout, step) - np.exp(x) * dout)

        # exp(x) * step**2 / 6, and the next term is smaller by step**2 / 20.
        np.testing.assert_allclose(error(1e-2) / error(5e-3), 4.0, rtol=1e-4)
        np.testing.assert_allclose(error(1e-2), np.exp(x) * np.abs(dout) * 1e-4 / 6, rtol=1e-4)

    def test_it_is_exact_to_rounding_for_a_quadratic(self, x):
        dout = cotangent(x.shape)

        assert_close(central_difference(np.square, x, dout, step=0.5), 2 * x * dout, condition=4)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_it_divides_by_the_distance_between_the_points_that_were_taken(self, dtype):
        x = cotangent((20,), dtype=dtype)

        assert np.array_equal(central_difference(np.positive, x, np.ones(20)), np.ones(20))

    @pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
    def test_the_default_step_grows_with_large_values(self, size):
        x, dout = size * np.array([1.0, -2.0, 3.0]), np.array([1.0, -1.0, 2.0])

        dx = central_difference(lambda x: np.sin(x / size), x, dout)

        if size < 1:  # a step of 1e-5 is a thousand times x: the sine is not straight over it
            assert relative_error(dx, np.cos(x / size) * dout / size) > 0.1
        else:
            assert_close(dx, np.cos(x / size) * dout / size, condition=A_THIRD_OF_THE_DIGITS)

    def test_float32_keeps_its_dtype_and_two_thirds_of_its_digits(self, x):
        x, dout = x.astype(np.float32), cotangent(x.shape, dtype=np.float32)

        dx = central_difference(np.square, x, dout)

        assert dx.dtype == np.float32
        assert_close(dx, 2 * x * dout, condition=2.0 ** (23 / 3))

    @pytest.mark.parametrize("step", [0.0, -1e-5, np.nan])
    def test_the_step_must_be_above_zero(self, step, x):
        with pytest.raises(ValueError, match=f"step is {step}, expected a number above zero"):
            central_difference(np.square, x, np.ones(x.shape), step)


class TestComplexStep:
    @pytest.mark.parametrize("step", [1e-30, 1e-200])
    def test_it_is_exact_to_rounding_however_small_the_step(self, step):
        # The function and the point of Squire & Trapp 1998.
        def f(x):
            return np.exp(x) / (np.sin(x) ** 3 + np.cos(x) ** 3)

        def derivative(x):
            s, c = np.sin(x), np.cos(x)
            return f(x) * (1 - 3 * s * c * (s - c) / (s**3 + c**3))

        x = np.array([1.5])

        assert_close(complex_step(f, x, np.ones(1), step), derivative(x), condition=0.25)

    def test_a_large_step_has_an_error_of_order_step_squared(self):
        x = np.array([0.5])

        dx = complex_step(np.exp, x, np.ones(1), step=1e-3)

        np.testing.assert_allclose(1 - dx / np.exp(x), 1e-6 / 6, rtol=1e-4)

    @pytest.mark.parametrize("f", [np.abs, np.real, lambda z: np.abs(z) ** 2], ids=["abs", "real", "abs**2"])
    def test_functions_that_drop_the_imaginary_part_are_refused(self, f, x):
        with pytest.raises(TypeError, match="f returned dtype float64 for complex input, expected a complex"):
            complex_step(f, x, np.ones(x.shape))

    def test_complex_input_is_refused(self):
        with pytest.raises(TypeError, match="x has dtype complex128, expected real numbers"):
            complex_step(np.square, np.ones(2, dtype=complex), np.ones(2))


class TestRelativeError:
    def test_it_is_the_largest_difference_over_the_largest_magnitude(self):
        assert relative_error(np.array([1.0, -4.0]), np.array([1.5, -4.0])) == 0.125
        assert relative_error(np.array([1.0, -5.0]), np.array([1.0, -4.0])) == 0.2

    def test_it_is_symmetric(self, x):
        other = x + cotangent(x.shape)

        assert relative_error(x, other) == relative_error(other, x) > 0

    @pytest.mark.parametrize("scale", [2.0**-40, 2.0**40])
    def test_the_scale_does_not_matter(self, scale, x):
        other = x + cotangent(x.shape)

        assert relative_error(scale * x, scale * other) == relative_error(x, other)

    def test_residue_where_zero_is_right_does_not_count_as_wholly_wrong(self):
        assert relative_error(np.array([1.0, 1e-17]), np.array([1.0, 0.0])) == 1e-17 < UNIT["float64"]

    @pytest.mark.parametrize("values", [np.array([0.0, 3.0]), np.zeros(2), np.zeros(0), np.zeros((2, 0))])
    def test_it_is_zero_for_equal_arrays(self, values):
        assert relative_error(values, values.copy()) == 0.0

    def test_it_is_one_where_one_side_is_zero(self):
        assert relative_error(np.zeros(2), np.array([0.0, 1e-300])) == 1.0

    @pytest.mark.parametrize("other", [[0.0, 0.0], [1.0, 2.0], [np.nan, np.nan]], ids=["zero", "one", "nan"])
    def test_nan_on_either_side_is_never_small(self, other):
        broken, other = np.array([np.nan, 0.0]), np.array(other)

        assert np.isnan(relative_error(broken, other))
        assert np.isnan(relative_error(other, broken))

    def test_it_is_a_python_float(self):
        assert type(relative_error(np.ones(2, np.float32), np.ones(2, np.float32))) is float
        assert type(relative_error(np.ones(2, np.float32), np.zeros(2, np.float32))) is float

    def test_shapes_must_be_the_same(self):
        message = re.escape("actual has shape (3, 1), expected (3,), the shape of expected")

        with pytest.raises(ValueError, match=message):
            relative_error(np.ones((3, 1)), np.ones(3))

    def test_integers_are_refused(self):
        with pytest.raises(TypeError, match="expected has dtype int64, expected a floating dtype"):
            relative_error(np.ones(1), np.ones(1, dtype=np.int64))
        with pytest.raises(TypeError, match="actual has dtype int64, expected a floating dtype"):
            relative_error(np.ones(1, dtype=np.int64), np.ones(1))

import re

import numpy as np
import pytest
import torch

from bn_reference.layouts import (
    batch,
    channel_vector,
    inexact_array,
    per_channel,
    positive_eps,
    reduction_axes,
    same_shape,
)
from tests.bn_reference.batches import every_layout

NOT_FLOATING = {
    "int64": np.array([1, 2]),
    "uint8": np.array([1, 2], dtype=np.uint8),
    "bool": np.array([True, False]),
    "object": np.array([1.0, None]),
    "<U1": np.array(["a", "b"]),
}


@pytest.mark.parametrize("shape", **every_layout)
def test_reduction_leaves_the_channel_axis_alone(shape):
    assert np.zeros(shape).sum(axis=reduction_axes(len(shape))).shape == (shape[1],)


@pytest.mark.parametrize("library", [np, torch], ids=["numpy", "torch"])
@pytest.mark.parametrize("shape", **every_layout)
def test_per_channel_varies_along_axis_1_alone(shape, library):
    values = per_channel(library.arange(shape[1]), len(shape)) + library.zeros(shape)

    for c in range(shape[1]):
        assert (values[:, c] == c).all()


def test_per_channel_is_a_view():
    vector = np.zeros(3)

    assert np.shares_memory(per_channel(vector, 4), vector)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.complex128])
def test_floating_and_complex_arrays_come_back_themselves(dtype):
    array = np.zeros((2, 3), dtype)

    assert inexact_array("x", array) is array
    assert batch("x", array) is array


def test_lists_of_floats_become_float64():
    assert inexact_array("x", [[1.0, 2.0]]).dtype == np.float64


@pytest.mark.parametrize("array", NOT_FLOATING.values(), ids=NOT_FLOATING)
def test_other_dtypes_are_refused_by_name(array):
    dtype = re.escape(str(array.dtype))
    message = rf"weights has dtype {dtype}, expected a floating dtype .* weights\.astype\(np\.float64\)"

    with pytest.raises(TypeError, match=message):
        inexact_array("weights", array)


@pytest.mark.parametrize("shape", [(), (4,)], ids=str)
def test_a_batch_needs_two_axes(shape):
    message = re.escape(f"x has shape {shape}, expected (N, C) or (N, C, *spatial)")

    with pytest.raises(ValueError, match=message):
        batch("x", np.zeros(shape))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3, 0), (2, 3, 4, 0)], ids=str)
def test_a_batch_needs_values(shape):
    message = re.escape(f"x has shape {shape}, expected at least one value in each axis")

    with pytest.raises(ValueError, match=message):
        batch("x", np.zeros(shape))


@pytest.mark.parametrize("shape", [(), (3,), (5,), (1, 4), (4, 1)], ids=str)
def test_a_channel_vector_has_one_value_for_each_channel(shape):
    message = re.escape(
        f"gamma has shape {shape}, expected (4,) to match the 4 channels of images with shape (2, 4, 3)"
    )

    with pytest.raises(ValueError, match=message):
        channel_vector("gamma", np.zeros(shape), np.zeros((2, 4, 3)), "images")


def test_same_shape_says_which_shape_was_expected():
    message = re.escape("dout has shape (3, 2), expected (2, 3), the shape of y")

    with pytest.raises(ValueError, match=message):
        same_shape("dout", np.zeros((3, 2)), np.zeros((2, 3)), "y")


def test_channel_vectors_and_same_shapes_must_be_floating():
    with pytest.raises(TypeError, match="gamma has dtype int64, expected a floating dtype"):
        channel_vector("gamma", np.array([1, 2], dtype=np.int64), np.zeros((3, 2)))
    with pytest.raises(TypeError, match="dout has dtype int64, expected a floating dtype"):
        same_shape("dout", np.array([1, 2], dtype=np.int64), np.zeros(2), "y")


@pytest.mark.parametrize("eps", [-1e-5, np.inf, -np.inf, np.nan])
def test_eps_is_finite_and_not_negative(eps):
    with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
        positive_eps(eps)


@pytest.mark.parametrize("eps", [0, 0.0, 1e-5, np.float32(1e-3)])
def test_eps_comes_back_as_given(eps):
    assert positive_eps(eps) is eps

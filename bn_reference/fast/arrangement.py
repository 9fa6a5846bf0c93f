"""How a batch lies in memory, and the two-dimensional or three-dimensional view that kernels take.

Two arrangements are fast. *Channels first*: ``(N, C, *spatial)`` with each channel's positions
side by side; kernels see ``(N, C, positions)``. *Channels last*: the channels of one position
side by side; kernels see ``(rows, C)``. A matrix ``(N, C)`` is channels last. In both views
axis 1 is the channel. Anything else is copied first.
"""

import numpy as np

from bn_reference.layouts import batch


def float_batch(name: str, value: np.ndarray) -> np.ndarray:
    """Return `value` as a float32 or float64 batch in one of the two arrangements.

    Raises
    ------
    TypeError
        If the dtype is neither float32 nor float64.
    ValueError
        If there are fewer than 2 axes, or no values.
    """
    array = batch(name, value)
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} has dtype {array.dtype}, expected float32 or float64")
    return array if _is_arranged(array) else np.ascontiguousarray(array)


def view(array: np.ndarray) -> np.ndarray:
    """The view ``(N, C, positions)`` or ``(rows, C)`` of an arranged array."""
    if array.ndim == 2:
        return array
    if array.flags.c_contiguous:
        return array.reshape(*array.shape[:2], -1)
    return np.moveaxis(array, 1, -1).reshape(-1, array.shape[1], copy=False)


def like(array: np.ndarray, model: np.ndarray) -> np.ndarray:
    """`array`, copied if need be, arranged as `model` is."""
    if array.strides == model.strides:
        return array
    copy = np.empty_like(model)
    copy[...] = array
    return copy


def output(out: np.ndarray | None, model: np.ndarray) -> np.ndarray:
    """`out`, or a new array arranged as `model` is.

    Raises
    ------
    ValueError
        If `out` has another shape, dtype or arrangement than `model`.
    """
    if out is None:
        return np.empty_like(model)
    if (out.shape, out.dtype, out.strides) != (model.shape, model.dtype, model.strides):
        raise ValueError(
            f"out has shape {out.shape}, dtype {out.dtype} and strides {out.strides}, expected those of x: "
            f"{model.shape}, {model.dtype} and {model.strides}"
        )
    return out


def _is_arranged(array):
    return array.flags.c_contiguous or np.moveaxis(array, 1, -1).flags.c_contiguous

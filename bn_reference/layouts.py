"""The layouts ``(N, C)`` and ``(N, C, ...)``: which axes are reduced, and what may come in.

Every public function of the package states what it takes; the functions here make sure
of it, and say what came instead.
"""

import numpy as np


def reduction_axes(ndim: int) -> tuple[int, ...]:
    """All axes but the channel axis: those that a channel's mean runs over.

    Parameters
    ----------
    ndim : int
        The number of axes of the batch.

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> reduction_axes(2), reduction_axes(4)
    ((0,), (0, 2, 3))
    """
    return (0, *range(2, ndim))


def per_channel(vector, ndim: int):
    """Shape a vector of one value per channel so that it broadcasts against the batch.

    Parameters
    ----------
    vector : ndarray or Tensor, shape (C,)
    ndim : int
        The number of axes of the batch.

    Returns
    -------
    ndarray or Tensor, shape (1, C, 1, ..., 1)
        A view, with ``ndim`` axes.

    Examples
    --------
    >>> per_channel(np.array([1.0, 2.0, 3.0]), 4).shape
    (1, 3, 1, 1)
    """
    return vector.reshape((1, -1) + (1,) * (ndim - 2))


def inexact_array(name: str, value) -> np.ndarray:
    """Return `value` as an array of real or complex floating dtype, without a copy.

    Parameters
    ----------
    name : str
        What the caller calls it; the message of an error does too.
    value : array_like

    Returns
    -------
    ndarray, shape of `value`

    Raises
    ------
    TypeError
        If the dtype is neither floating nor complex.

    Examples
    --------
    >>> inexact_array("x", [1.0, 2.0]).dtype
    dtype('float64')
    """
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.inexact):
        raise TypeError(
            f"{name} has dtype {array.dtype}, expected a floating dtype such as float64; "
            f"convert it with {name}.astype(np.float64)"
        )
    return array


def filled_array(name: str, value) -> np.ndarray:
    """Return `value` as an array of floating dtype that holds something.

    Parameters
    ----------
    name : str
        What the caller calls it; the message of an error does too.
    value : array_like

    Returns
    -------
    ndarray, shape of `value`

    Raises
    ------
    TypeError
        If the dtype is not floating.
    ValueError
        If there are no values.

    Examples
    --------
    >>> filled_array("x", np.empty((0, 3)))
    Traceback (most recent call last):
        ...
    ValueError: x has shape (0, 3), expected at least one value in each axis
    """
    array = inexact_array(name, value)
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected at least one value in each axis")
    return array


def batch(name: str, value) -> np.ndarray:
    """Return `value` as an array of layout ``(N, C)`` or ``(N, C, ...)``.

    Parameters
    ----------
    name : str
        What the caller calls it; the message of an error does too.
    value : array_like

    Returns
    -------
    ndarray, shape (N, C) or (N, C, ...)

    Raises
    ------
    TypeError
        If the dtype is not floating.
    ValueError
        If there are fewer than 2 axes, or no values.

    Examples
    --------
    >>> batch("x", [[1.0, 2.0]]).shape
    (1, 2)
    """
    array = inexact_array(name, value)
    if array.ndim < 2:
        raise ValueError(
            f"{name} has shape {array.shape}, expected (N, C) or (N, C, *spatial); "
            f"axis 0 counts the examples and axis 1 the channels"
        )
    return filled_array(name, array)


def channel_vector(name: str, value, of: np.ndarray, of_name: str = "x") -> np.ndarray:
    """Return `value` as an array with one value for each channel of `of`.

    Parameters
    ----------
    name : str
        What the caller calls it; the message of an error does too.
    value : array_like
    of : ndarray, shape (N, C) or (N, C, ...)
    of_name : str
        What the caller calls `of`.

    Returns
    -------
    ndarray, shape (C,)

    Raises
    ------
    TypeError
        If the dtype is not floating.
    ValueError
        If the shape is not ``(C,)``.

    Examples
    --------
    >>> channel_vector("gamma", np.ones(3), of=np.zeros((8, 4)))
    Traceback (most recent call last):
        ...
    ValueError: gamma has shape (3,), expected (4,) to match the 4 channels of x with shape (8, 4)
    """
    array = inexact_array(name, value)
    channels = of.shape[1]
    if array.shape != (channels,):
        raise ValueError(
            f"{name} has shape {array.shape}, expected ({channels},) "
            f"to match the {channels} channels of {of_name} with shape {of.shape}"
        )
    return array


def trailing_block(name: str, value, of: np.ndarray, of_name: str = "x") -> np.ndarray:
    """Return `value` as an array with the shape of the last axes of `of`.

    Parameters
    ----------
    name : str
        What the caller calls it; the message of an error does too.
    value : array_like
    of : ndarray
    of_name : str
        What the caller calls `of`.

    Returns
    -------
    ndarray, shape of the last axes of `of`

    Raises
    ------
    TypeError
        If the dtype is not floating.
    ValueError
        If it has no axis, more axes than `of`, or other lengths.

    Examples
    --------
    >>> trailing_block("gamma", np.ones((3, 5)), of=np.zeros((8, 3, 5))).shape
    (3, 5)
    """
    array = inexact_array(name, value)
    if array.ndim == 0:
        raise ValueError(f"{name} has shape (), expected that of the last axes of {of_name}, {of.shape}")
    if array.ndim > of.ndim or array.shape != of.shape[of.ndim - array.ndim :]:
        raise ValueError(
            f"{name} has shape {array.shape}, expected {of.shape[-array.ndim :]} "
            f"to match the last axes of {of_name} with shape {of.shape}"
        )
    return array


def same_shape(name: str, value, of: np.ndarray, of_name: str) -> np.ndarray:
    """Return `value` as an array of the shape of `of`.

    Parameters
    ----------
    name : str
        What the caller calls it; the message of an error does too.
    value : array_like
    of : ndarray
    of_name : str
        What the caller calls `of`.

    Returns
    -------
    ndarray, shape of `of`

    Raises
    ------
    TypeError
        If the dtype is not floating.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> same_shape("dout", np.ones(3), of=np.zeros(4), of_name="y")
    Traceback (most recent call last):
        ...
    ValueError: dout has shape (3,), expected (4,), the shape of y
    """
    array = inexact_array(name, value)
    if array.shape != of.shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {of.shape}, the shape of {of_name}")
    return array


def positive_eps(eps: float) -> float:
    """Return `eps`, which must be a finite number, zero or above.

    Parameters
    ----------
    eps : float

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it is negative, infinite or NaN.

    Examples
    --------
    >>> positive_eps(1e-5)
    1e-05
    """
    if not 0 <= eps < np.inf:
        raise ValueError(f"eps is {eps}, expected a finite number, zero or above (1e-5 is usual)")
    return eps

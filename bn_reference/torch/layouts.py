"""The layouts ``(N, C, *spatial)`` for tensors: what may come in, and what came instead."""

from torch import Tensor

from bn_reference.torch.errors import ArgumentError, InputTypeError


def check_floating(input: Tensor) -> None:
    """Fail unless `input` is a tensor of real floating-point numbers.

    Raises
    ------
    InputTypeError
        If it is not.
    """
    if not isinstance(input, Tensor) or not input.is_floating_point():
        came = f"dtype {input.dtype}" if isinstance(input, Tensor) else f"type {type(input).__name__}"
        raise InputTypeError(f"input has {came}, expected a floating-point torch.Tensor")


def check_channels(input: Tensor, **vectors: Tensor | None) -> None:
    """Fail unless `input` has layout ``(N, C, *spatial)`` and each vector one value a channel.

    Raises
    ------
    InputTypeError
        If `input` is not a floating-point tensor.
    ArgumentError
        If it has fewer than 2 axes, or a vector that is not None has another shape than (C,).
    """
    check_floating(input)
    if input.ndim < 2:
        raise ArgumentError(f"input has shape {tuple(input.shape)}, expected (N, C) or (N, C, *spatial)")
    channels = input.shape[1]
    for name, vector in vectors.items():
        if vector is not None and tuple(vector.shape) != (channels,):
            raise ArgumentError(
                f"{name} has shape {tuple(vector.shape)}, expected ({channels},) to match the {channels} "
                f"channels of input with shape {tuple(input.shape)}: "
                f"{name} should contain {channels} elements not {vector.numel()}"
            )

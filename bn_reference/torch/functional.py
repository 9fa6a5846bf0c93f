"""``batch_norm`` with its backward pass written by hand.

The forward is Ioffe & Szegedy 2015, Algorithm 1, and the backward is the closed form of
`bn_reference.batchnorm.batchnorm_backward`. Both are made of torch operations, so that they
run wherever their tensors live.
"""

import torch
from torch import Tensor

from bn_reference.layouts import per_channel, positive_eps, reduction_axes


class BatchNormFunction(torch.autograd.Function):
    """Normalise with the statistics of the batch: ``(x, weight, bias, eps) -> (y, mean, var)``.

    ``mean`` and ``var`` are outputs, not hidden intermediates. The backward pass uses them,
    and since they are outputs, autograd knows that they depend on ``x``: differentiating the
    backward pass once more (double backward) then comes out right.
    """

    @staticmethod
    def forward(x, weight, bias, eps):
        axes = reduction_axes(x.ndim)
        var, mean = torch.var_mean(x.to(_working_dtype(x)), dim=axes, correction=0)
        return _normalize(x, mean, var, weight, bias, eps), mean, var

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias, ctx.eps = inputs
        _, mean, var = output
        ctx.save_for_backward(x, weight, mean, var)
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, dout, dmean, dvar):
        x, weight, mean, var = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        axes, wide = reduction_axes(x.ndim), _working_dtype(x)
        m = x.numel() // x.shape[1]

        def channel(vector):
            return per_channel(vector, x.ndim)

        centered = x.to(wide) - channel(mean)
        rstd = torch.rsqrt(var + ctx.eps)
        x_hat = centered * channel(rstd)
        dx = torch.zeros_like(centered) if needs_x else None
        dweight = dbias = None
        if dout is not None:
            dout = dout.to(wide)
            sum_dout, sum_dout_x_hat = dout.sum(axes), (dout * x_hat).sum(axes)
            if needs_x:
                scale = rstd if weight is None else rstd * weight.to(wide)
                dx = channel(scale) * (dout - channel(sum_dout / m) - x_hat * channel(sum_dout_x_hat / m))
            dweight = sum_dout_x_hat.to(weight.dtype) if needs_weight else None
            dbias = sum_dout.to(ctx.bias_dtype) if needs_bias else None
        # Gradients reach the statistics in double backward alone.
        if needs_x and dmean is not None:
            dx = dx + channel(dmean / m)
        if needs_x and dvar is not None:
            dx = dx + 2 * centered * channel(dvar / m)
        return None if dx is None else dx.to(x.dtype), dweight, dbias, None


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch Normalization; the arguments are those of ``torch.nn.functional.batch_norm``.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (N, C, ...), floating
    running_mean, running_var : Tensor of shape (C,), or None
        Needed unless `training`. In training they are updated in place if given.
    weight, bias : Tensor of shape (C,), or None
        ``gamma`` and ``beta``; None stands for ones and zeros.
    training : bool
        Normalise with the statistics of the batch, rather than the running ones.
    momentum : float
        Weight of the new value in the running statistics.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    Tensor, shape, dtype and device of `input`
        Statistics of float16 and bfloat16 input are computed in float32.

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If shapes do not fit together, running statistics are missing at inference, each
        channel holds a single value in training, or `eps` is negative.

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithms 1 and 2. Double backward works in training and at
    inference.

    Examples
    --------
    >>> x = torch.tensor([[1.0], [3.0]])
    >>> batch_norm(x, None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    """
    _check(input, running_mean, running_var, weight, bias, training)
    positive_eps(eps)
    if not training:
        return _normalize(input, running_mean, running_var, weight, bias, eps)

    m = input.numel() // input.shape[1]
    if m < 2:
        raise ValueError(
            f"input has shape {tuple(input.shape)}, expected more than 1 value per channel when training"
        )
    y, mean, var = BatchNormFunction.apply(input, weight, bias, eps)
    with torch.no_grad():
        for running, new in ((running_mean, mean), (running_var, var * (m / (m - 1)))):
            if running is not None:
                running.copy_((1 - momentum) * running + momentum * new)
    return y


def _normalize(x, mean, var, weight, bias, eps):
    wide = _working_dtype(x)

    def channel(vector):
        return per_channel(vector.to(wide), x.ndim)

    y = (x.to(wide) - channel(mean)) * torch.rsqrt(channel(var) + eps)
    if weight is not None:
        y = y * channel(weight)
    if bias is not None:
        y = y + channel(bias)
    return y.to(x.dtype)


def _working_dtype(x):
    return torch.promote_types(x.dtype, torch.float32)


def _check(input, running_mean, running_var, weight, bias, training):
    if not isinstance(input, Tensor) or not input.is_floating_point():
        came = f"dtype {input.dtype}" if isinstance(input, Tensor) else f"type {type(input).__name__}"
        raise TypeError(f"input has {came}, expected a floating-point torch.Tensor")
    if input.ndim < 2:
        raise ValueError(f"input has shape {tuple(input.shape)}, expected (N, C) or (N, C, *spatial)")
    vectors = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, vector in vectors.items():
        if vector is not None and tuple(vector.shape) != (input.shape[1],):
            raise ValueError(
                f"{name} has shape {tuple(vector.shape)}, expected ({input.shape[1]},) to match the "
                f"{input.shape[1]} channels of input with shape {tuple(input.shape)}"
            )
    if not training and (running_mean is None or running_var is None):
        missing = "running_mean" if running_mean is None else "running_var"
        raise ValueError(
            f"{missing} is None, expected a tensor of shape ({input.shape[1]},) unless training=True"
        )

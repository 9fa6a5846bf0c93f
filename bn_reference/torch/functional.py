"""``batch_norm`` with its backward pass written by hand.

The forward is Ioffe & Szegedy 2015, Algorithm 1, and the backward is the closed form of
`bn_reference.batchnorm.batchnorm_backward`. Both are made of torch operations, so that they
run wherever their tensors live.
"""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from bn_reference.layouts import per_channel, positive_eps, reduction_axes
from bn_reference.torch.errors import ArgumentError
from bn_reference.torch.layouts import check_channels


class BatchNormFunction(torch.autograd.Function):
    """Normalise with the statistics of the batch, and move the running ones: ``y, mean, var``.

    ``shift`` is a number near the mean of each channel, and ``mean`` is what remains: the mean of
    ``x - shift``. Batch Normalization does not see a constant that is added to a channel, so that
    ``y`` does not depend on ``shift``; but in ``x - shift`` a large mean no longer swamps the spread.

    ``mean`` and ``var`` are outputs, not hidden intermediates. The backward pass uses them,
    and since they are outputs, autograd knows that they depend on ``x``: differentiating the
    backward pass once more (double backward) then comes out right.

    The running statistics move in here, since here ``torch.func`` hands over plain tensors.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x, shift, weight, bias, running_mean, running_var, momentum, eps):
        axes, m = reduction_axes(x.ndim), _values_per_channel(x)
        shifted = _widen(x) - per_channel(shift, x.ndim)
        mean = shifted.mean(axes)
        var = ((shifted - per_channel(mean, x.ndim)) ** 2).mean(axes)
        y = _normalize(shifted, mean, var, weight, bias, eps)
        if running_mean is not None:
            _move(running_mean, shift + mean, momentum)
            _move(running_var, var * (m / (m - 1)), momentum)
        return _laid_out_like(x, y.to(x.dtype)), mean, var

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, shift, weight, bias, _, _, _, ctx.eps = inputs
        _, mean, var = output
        ctx.save_for_backward(x, shift, weight, mean, var)
        ctx.save_for_forward(x, shift, weight, mean, var)
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, dout, dmean, dvar):
        """Gradients of the loss, from those of the outputs."""
        x, shift, weight, mean, var = ctx.saved_tensors
        needs_x, _, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        axes, m = reduction_axes(x.ndim), _values_per_channel(x)

        def channel(vector):
            return per_channel(vector, x.ndim)

        centered = _widen(x) - channel(shift) - channel(mean)
        rstd = torch.rsqrt(var + ctx.eps)
        x_hat = centered * channel(rstd)
        dx = torch.zeros_like(centered) if needs_x else None
        dweight = dbias = None
        if dout is not None:
            dout = _widen(dout)
            sum_dout, sum_dout_x_hat = dout.sum(axes), (dout * x_hat).sum(axes)
            if needs_x:
                scale = rstd if weight is None else rstd * _widen(weight)
                dx = channel(scale) * (dout - channel(sum_dout / m) - x_hat * channel(sum_dout_x_hat / m))
            dweight = sum_dout_x_hat.to(weight.dtype) if needs_weight else None
            dbias = sum_dout.to(ctx.bias_dtype) if needs_bias else None
        # Gradients reach the statistics in double backward alone.
        if needs_x and dmean is not None:
            dx = dx + channel(dmean / m)
        if needs_x and dvar is not None:
            dx = dx + 2 * centered * channel(dvar / m)
        dx = None if dx is None else _laid_out_like(x, dx.to(x.dtype))
        return dx, None, dweight, dbias, None, None, None, None

    @staticmethod
    def jvp(ctx, x_dot, _shift, weight_dot, bias_dot, *_):
        """Forward mode: how the outputs move when the inputs move along ``x_dot`` and so on."""
        x, shift, weight, mean, var = ctx.saved_tensors
        axes = reduction_axes(x.ndim)

        def channel(vector):
            return per_channel(_widen(vector), x.ndim)

        centered = _widen(x) - channel(shift) - channel(mean)
        rstd = torch.rsqrt(var + ctx.eps)
        x_hat = centered * channel(rstd)
        x_dot = torch.zeros_like(centered) if x_dot is None else _widen(x_dot)
        mean_dot = x_dot.mean(axes)
        var_dot = 2 * (centered * x_dot).mean(axes)
        y_dot = channel(rstd) * (x_dot - channel(mean_dot)) - x_hat * channel(rstd**2 * var_dot / 2)
        if weight is not None:
            y_dot = y_dot * channel(weight)
        if weight_dot is not None:
            y_dot = y_dot + x_hat * channel(weight_dot)
        if bias_dot is not None:
            y_dot = y_dot + channel(bias_dot)
        return y_dot.to(x.dtype), mean_dot, var_dot


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch Normalization; the arguments are those of ``torch.nn.functional.batch_norm``.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (N, C, ...), floating
    running_mean, running_var : Tensor of shape (C,), or None
        Both or neither; needed unless `training`. In training they are updated in place, but
        not by a batch without values.
    weight, bias : Tensor of shape (C,), or None
        ``gamma`` and ``beta``; None stands for ones and zeros.
    training : bool
        Normalise with the statistics of the batch, rather than the running ones.
    momentum : float or Tensor of shape ()
        Weight of the new value in the running statistics.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    Tensor, shape, dtype and device of `input`
        In memory it lies channels last if `input` does, and in C order otherwise. So does the
        gradient of `input` in training; at inference it lies as the gradient that came in.

    Raises
    ------
    InputTypeError
        If `input` is not a floating-point tensor. It is a ``TypeError``, and a
        ``NotImplementedError`` as in torch.
    ArgumentError
        If shapes do not fit together, running statistics are missing, or each channel holds a
        single value in training. It is a ``ValueError`` and a ``RuntimeError``, since torch
        raises the one or the other.
    ValueError
        If `eps` is negative, infinite or NaN.

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithms 1 and 2. Reverse and forward mode work in training and at
    inference, and so do second derivatives, except by forward mode twice in training (where torch
    is wrong as well). ``torch.func``, ``torch.compile`` and ``torch.export`` take it;
    TorchScript and symbolic tracing by ``torch.fx`` do not.

    Statistics of float16 and bfloat16 input are computed in float32. In float32, ``x - mean`` is
    formed before anything is scaled, so that a mean of a million costs no digits; torch on the
    CPU computes ``x * scale + offset``, where it costs nearly all.

    Deliberately different from torch: ``eps=0`` is taken in training too, and an infinite or NaN
    `eps` is refused; any mixture of floating dtypes is taken; bfloat16 running statistics round
    once, where torch on the CPU rounds every product; gradients reach the running
    statistics at inference; `weight` and `bias` must have shape ``(C,)``, not just C values; an
    `input` without channels is taken.

    Examples
    --------
    >>> x = torch.tensor([[1.0], [3.0]])
    >>> batch_norm(x, None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    """
    _check(input, running_mean, running_var, weight, bias, training)
    positive_eps(eps)
    if not training:
        y = _normalize(_widen(input), running_mean, running_var, weight, bias, eps)
        return _laid_out_like(input, y.to(input.dtype))

    if input.numel() == 0:  # no values, no statistics: nothing is normalised and nothing moves
        zeros, ones = input.new_zeros(input.shape[1]), input.new_ones(input.shape[1])
        return _normalize(input, zeros, ones, weight, bias, eps).to(input.dtype)

    # What torch compiles, it differentiates by itself.
    normalize = BatchNormFunction.forward if torch.compiler.is_compiling() else BatchNormFunction.apply
    y, _, _ = normalize(input, _rough_mean(input), weight, bias, running_mean, running_var, momentum, eps)
    return y


def _normalize(x, mean, var, weight, bias, eps):
    """``weight * (x - mean) / sqrt(var + eps) + bias``, in at least float32."""

    def channel(vector):
        return per_channel(_widen(vector), x.ndim)

    y = (x - channel(mean)) * torch.rsqrt(channel(var) + eps)
    if weight is not None:
        y = y * channel(weight)
    if bias is not None:
        y = y + channel(bias)
    return y


def _rough_mean(x):
    """A number near the mean of each channel; zero where that is infinite or NaN."""
    mean = _widen(x.detach()).mean(reduction_axes(x.ndim))
    return torch.nan_to_num(mean, nan=0.0, posinf=0.0, neginf=0.0)


def _move(running, new, momentum):
    """Move a running statistic in place; only the result is rounded to its dtype."""
    with torch.no_grad():
        running.copy_((1 - momentum) * _widen(running) + momentum * new.detach())


def _values_per_channel(x):
    return x.shape[0] * prod(x.shape[2:])


def _widen(x):
    """float16 and bfloat16 become float32; wider dtypes stay."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _laid_out_like(x, y):
    """`y` with its channels last in memory if those of `x` are, in C order otherwise."""
    batch, channels, *spatial = x.stride()
    strides = [batch, *spatial, channels]
    descend = all(outer >= inner for outer, inner in pairwise(strides))
    if x.ndim in (4, 5) and channels > 0 and descend:
        return y.movedim(1, -1).contiguous().movedim(-1, 1)
    return y.contiguous()


def _check(input, running_mean, running_var, weight, bias, training):
    statistics = {"running_mean": running_mean, "running_var": running_var}
    check_channels(input, **statistics, weight=weight, bias=bias)
    if training and _values_per_channel(input) == 1:
        raise ArgumentError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}"
        )
    missing = [name for name, statistic in statistics.items() if statistic is None]
    if missing and not training:
        raise ArgumentError(
            f"{missing[0]} is None, expected a tensor of shape ({input.shape[1]},) unless training=True: "
            f"{missing[0]} must be defined in evaluation mode"
        )
    if len(missing) == 1:
        raise ArgumentError(
            f"{missing[0]} is None and the other is not, "
            f"but running_mean and running_var must either both be None or neither be None"
        )

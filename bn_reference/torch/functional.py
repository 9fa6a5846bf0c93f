"""``batch_norm`` with its backward pass written by hand.

The forward is Ioffe & Szegedy 2015, Algorithm 1, and the backward is the closed form of
`bn_reference.batchnorm.batchnorm_backward`. Both are made of torch operations, so that they
run wherever their tensors live.
"""

import inspect
from math import prod
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from bn_reference.layouts import per_channel, positive_eps, reduction_axes
from bn_reference.torch import operators
from bn_reference.torch.errors import ArgumentError
from bn_reference.torch.layouts import check_channels, check_floating
from bn_reference.torch.operators import laid_out_like, widen


class BatchNormFunction(torch.autograd.Function):
    """Normalise with the statistics of the batch, and move the running ones: ``y, mean, residue, var``.

    The mean of the batch is ``mean + residue``, where ``mean`` counts as a constant near it. Batch
    Normalization does not see a constant that is taken out of a channel, so that no gradient is lost.

    The statistics are outputs, not hidden intermediates. The backward pass uses them,
    and since they are outputs, autograd knows that they depend on ``x``: differentiating the
    backward pass once more (double backward) then comes out right.

    The running statistics move in here, since here ``torch.func`` hands over plain tensors.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x, weight, bias, running_mean, running_var, momentum, eps):
        # What torch compiles it differentiates and fuses by itself.
        compiling = torch.compiler.is_compiling()
        normalize = operators.normalize if compiling else torch.ops.bn_reference.normalize
        y, mean, residue, var = normalize(x, weight, bias, eps)
        if running_mean is not None:
            m = _values_per_channel(x)
            _move(running_mean, mean + residue, momentum)
            _move(running_var, var * (m / (m - 1)), momentum)
        return y, mean, residue, var

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias, _, _, _, ctx.eps = inputs
        _, mean, residue, var = output
        ctx.save_for_backward(x, weight, mean, residue, var)
        ctx.save_for_forward(x, weight, mean, residue, var)
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, dout, _dmean, dresidue, dvar):
        """Gradients of the loss, from those of the outputs."""
        x, weight, mean, residue, var = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        dx = dweight = dbias = None
        if dout is not None:
            # Only the formulas can be differentiated once more.
            once_more = torch.is_grad_enabled()
            backward = (
                operators.normalize_backward if once_more else torch.ops.bn_reference.normalize_backward
            )
            dx, dweight, dbias = backward(dout, x, weight, mean.detach(), residue, var, ctx.eps)
        # Gradients reach the statistics in double backward alone.
        if needs_x and (dresidue is not None or dvar is not None):
            dx = _through_statistics(dx, dresidue, dvar, x, mean.detach(), residue)
        return (
            dx if needs_x else None,
            dweight.to(weight.dtype) if needs_weight and dweight is not None else None,
            dbias.to(ctx.bias_dtype) if needs_bias and dbias is not None else None,
            *[None] * 4,
        )

    @staticmethod
    def jvp(ctx, x_dot, weight_dot, bias_dot, *_):
        """Forward mode: how the outputs move when the inputs move along ``x_dot`` and so on."""
        x, weight, mean, residue, var = ctx.saved_tensors
        axes = reduction_axes(x.ndim)

        def channel(vector):
            return per_channel(widen(vector), x.ndim)

        centered = widen(x) - channel(mean) - channel(residue)
        rstd = torch.rsqrt(var + ctx.eps)
        x_hat = centered * channel(rstd)
        x_dot = torch.zeros_like(centered) if x_dot is None else widen(x_dot)
        residue_dot = x_dot.mean(axes)
        var_dot = 2 * (centered * x_dot).mean(axes)
        y_dot = channel(rstd) * (x_dot - channel(residue_dot)) - x_hat * channel(rstd**2 * var_dot / 2)
        if weight is not None:
            y_dot = y_dot * channel(weight)
        if weight_dot is not None:
            y_dot = y_dot + x_hat * channel(weight_dot)
        if bias_dot is not None:
            y_dot = y_dot + channel(bias_dot)
        return y_dot.to(x.dtype), torch.zeros_like(mean), residue_dot, var_dot


class _AllByPosition(inspect.Signature):
    """torch binds the arguments of `forward` at every call, which takes longer than a small batch does."""

    def bind(self, *args):
        return SimpleNamespace(args=args, kwargs={}, apply_defaults=lambda: None)


BatchNormFunction.forward.__signature__ = _AllByPosition.from_callable(BatchNormFunction.forward)


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
        If shapes do not fit together, running statistics are missing or to be differentiated, or
        each channel holds a single value in training. It is a ``ValueError`` and a
        ``RuntimeError``, since torch raises the one or the other.
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
    once, where torch on the CPU rounds every product; `weight` and `bias` must have shape
    ``(C,)``, not just C values; an `input` without channels is taken.

    Examples
    --------
    >>> x = torch.tensor([[1.0], [3.0]])
    >>> batch_norm(x, None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    """
    check_floating(input)
    if input.shape == (0,):  # what torch takes for an empty batch as well
        return input.clone()
    _check(input, running_mean, running_var, weight, bias, training)
    positive_eps(eps)
    if not training:
        arguments = input, running_mean, running_var, weight, bias
        # Only the formula can be differentiated.
        plain = torch.compiler.is_compiling() or torch.is_grad_enabled() or _any_tangent(arguments)
        apply = operators.apply_statistics if plain else torch.ops.bn_reference.apply_statistics
        return apply(*arguments, eps)

    if input.numel() == 0:  # no values, no statistics: nothing is normalised and nothing moves
        zeros, ones = input.new_zeros(input.shape[1]), input.new_ones(input.shape[1])
        return operators.apply_statistics(input, zeros, ones, weight, bias, eps)

    compiling = torch.compiler.is_compiling()
    normalize = BatchNormFunction.forward if compiling else BatchNormFunction.apply
    y, *_ = normalize(input, weight, bias, running_mean, running_var, momentum, eps)
    return y


def _through_statistics(dx, dresidue, dvar, x, mean, residue):
    """Add to ``dx`` what reaches ``x`` through the mean and the variance as outputs."""
    m, wide = _values_per_channel(x), widen(x)
    dx = torch.zeros_like(wide) if dx is None else widen(dx)
    if dresidue is not None:
        dx = dx + per_channel(dresidue / m, x.ndim)
    if dvar is not None:
        centered = wide - per_channel(mean, x.ndim) - per_channel(residue, x.ndim)
        dx = dx + 2 * centered * per_channel(dvar / m, x.ndim)
    return laid_out_like(x, dx.to(x.dtype))


def _move(running, new, momentum):
    """Move a running statistic in place; only the result is rounded to its dtype."""
    running.copy_((1 - momentum) * widen(running) + momentum * new.detach())


def _values_per_channel(x):
    return x.shape[0] * prod(x.shape[2:])


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
    if not torch.compiler.is_compiling():
        _check_not_differentiated(input, statistics, training)
    if len(missing) == 1:
        raise ArgumentError(
            f"{missing[0]} is None and the other is not, "
            f"but running_mean and running_var must either both be None or neither be None"
        )


def _check_not_differentiated(input, statistics, training):
    given = {name: statistic for name, statistic in statistics.items() if statistic is not None}
    for name, statistic in given.items():
        if statistic.requires_grad and torch.is_grad_enabled():
            raise ArgumentError(
                f"{name} requires a gradient, and batch_norm gives none; pass {name}.detach(): "
                f"batch_norm is not differentiable with respect to argument '{name}'"
            )
    if not training and _any_tangent(given.values()) and _any_tangent([input]):
        raise ArgumentError(
            "running_mean or running_var has a tangent; pass it without: batch_norm is not "
            "differentiable wrt running_mean and running_var, they cannot have forward grad defined"
        )


def _any_tangent(tensors):
    """Does forward mode go through one of them?"""
    return any(tensor is not None and unpack_dual(tensor).tangent is not None for tensor in tensors)

"""``BatchNormFunction`` as people get it wrong: the first derivatives are right, the second are not."""

from collections.abc import Callable

import torch


def _var(x):
    return x.var(0, correction=0)


def _normalized(x, eps):
    return (x - x.mean(0)) * torch.rsqrt(_var(x) + eps)


def _function(used: Callable, saved: Callable = lambda x, weight, eps: (x, weight)) -> type:
    """A class that saves ``saved(x, weight, eps)``, from which ``used(dout, eps, *saved)`` makes
    the ``dout, x_hat, weight, var`` of the closed form."""

    class BatchNormFunction(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight, bias, eps):
            ctx.eps = eps
            ctx.save_for_backward(*saved(x, weight, eps))
            return weight * _normalized(x, eps) + bias

        @staticmethod
        def backward(ctx, dout):
            dout, x_hat, weight, var = used(dout, ctx.eps, *ctx.saved_tensors)
            dweight, dbias = (dout * x_hat).sum(0), dout.sum(0)
            taken_out = dbias / len(dout) + x_hat * dweight / len(dout)
            return weight * torch.rsqrt(var + ctx.eps) * (dout - taken_out), dweight, dbias, None

    return BatchNormFunction


NormalizedSaved = _function(
    saved=lambda x, weight, eps: (_normalized(x, eps), weight, _var(x)),
    used=lambda dout, eps, x_hat, weight, var: (dout, x_hat, weight, var),
)
StatisticsSaved = _function(
    saved=lambda x, weight, eps: (x, weight, x.mean(0), _var(x)),
    used=lambda dout, eps, x, weight, mean, var: (dout, (x - mean) * torch.rsqrt(var + eps), weight, var),
)
NormalizedSavedAlone = _function(
    saved=lambda x, weight, eps: (x, weight, _normalized(x, eps)),
    used=lambda dout, eps, x, weight, x_hat: (dout, x_hat, weight, _var(x)),
)
VarianceSaved = _function(
    saved=lambda x, weight, eps: (x, weight, _var(x)),
    used=lambda dout, eps, x, weight, var: (dout, (x - x.mean(0)) * torch.rsqrt(var + eps), weight, var),
)
ScaleSaved = _function(
    saved=lambda x, weight, eps: (_normalized(x, eps), weight * 1, _var(x)),
    used=lambda dout, eps, x_hat, weight, var: (dout, x_hat, weight, var),
)
BackwardDetached = _function(
    used=lambda dout, eps, x, weight: (
        dout.detach(),
        _normalized(x, eps).detach(),
        weight.detach(),
        _var(x).detach(),
    ),
)
WeightDetached = _function(
    used=lambda dout, eps, x, weight: (dout, _normalized(x, eps), weight.detach(), _var(x)),
)
DoutDetached = _function(
    used=lambda dout, eps, x, weight: (dout.detach(), _normalized(x, eps), weight, _var(x)),
)

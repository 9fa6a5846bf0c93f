"""Right answers to `ps4_torch`."""

import math

import torch
from torch import nn


class RecomputedInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        x_hat = (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + eps)
        return weight * x_hat + bias

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        n = len(x)
        std = torch.sqrt(x.var(0, correction=0) + ctx.eps)
        x_hat = (x - x.mean(0)) / std
        dweight, dbias = (dout * x_hat).sum(0), dout.sum(0)
        dx = weight / std * (dout - dbias / n - x_hat * dweight / n)
        return dx, dweight, dbias, None


class SetupContextAndEinsum(torch.autograd.Function):
    @staticmethod
    def forward(x, weight, bias, eps):
        m = x.shape[0]
        centered = x - torch.einsum("nc->c", x) / m
        var = torch.einsum("nc,nc->c", centered, centered) / m
        return torch.addcmul(bias, weight, centered * (var + eps) ** -0.5)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _, ctx.eps = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        m = x.shape[0]
        centered = x - x.mean(dim=0, keepdim=True)
        var = (centered * centered).mean(dim=0, keepdim=True)
        inv = (var + ctx.eps) ** -0.5
        dx_hat = grad_output * weight
        dvar = (dx_hat * centered).sum(0, keepdim=True) * -0.5 * inv**3
        dmean = -(dx_hat * inv).sum(0, keepdim=True)
        dx = dx_hat * inv + 2 / m * dvar * centered + dmean / m
        dweight = torch.einsum("nc,nc->c", grad_output, centered * inv)
        return dx, dweight, torch.einsum("nc->c", grad_output), None


class OnlyWhatIsNeeded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inp, gamma, beta, eps):
        var, mean = torch.var_mean(inp, dim=0, unbiased=False)
        ctx.save_for_backward(inp, gamma)
        ctx.constants = (eps, inp.size(0))
        out = inp - mean
        out.div_((var + eps).sqrt())
        return out.mul_(gamma).add_(beta)

    @staticmethod
    def backward(ctx, g):
        inp, gamma = ctx.saved_tensors
        eps, n = ctx.constants
        grads = [None, None, None, None]
        var, mean = torch.var_mean(inp, dim=0, unbiased=False)
        rstd = torch.rsqrt(var + eps)
        x_hat = (inp - mean) * rstd
        if ctx.needs_input_grad[0]:
            dx_hat = g * gamma
            grads[0] = rstd * (dx_hat - dx_hat.mean(0) - x_hat * (dx_hat * x_hat).mean(0))
        if ctx.needs_input_grad[1]:
            grads[1] = torch.sum(g * x_hat, 0)
        if ctx.needs_input_grad[2]:
            grads[2] = torch.sum(g, 0)
        return tuple(grads)


def _plain(x, weight, bias, eps):
    columns = []
    for column, w, b in zip(x.unbind(1), weight, bias, strict=True):
        centered = column - column.sum() / len(column)
        columns.append(w * centered / torch.sqrt((centered * centered).sum() / len(column) + eps) + b)
    return torch.stack(columns, 1)


class ColumnByColumn(torch.autograd.Function):
    """Backward lets autograd run over the formula once more, which may be recorded."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight, bias)
        ctx.eps = eps
        return _plain(x, weight, bias, eps)

    @staticmethod
    def backward(ctx, dout):
        with torch.enable_grad():
            args = [
                saved if saved.requires_grad else saved.detach().requires_grad_()
                for saved in ctx.saved_tensors
            ]
            y = _plain(*args, ctx.eps)
            return *torch.autograd.grad(y, args, dout, create_graph=True), None


class InFloat64(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        wide = x.double()
        wide = wide - wide.mean(0)
        return (wide / (wide.square().mean(0) + eps).sqrt() * weight + bias).to(x.dtype)

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        wide, g = x.double(), dout.double()
        std = (wide.var(0, unbiased=False) + ctx.eps).sqrt()
        x_hat = (wide - wide.mean(0)) / std

        def without(direction):
            return direction * (g * direction).mean(0)

        dx = weight * (g - without(torch.ones_like(g)) - without(x_hat)) / std
        return dx.to(x.dtype), (g * x_hat).sum(0).to(x.dtype), g.sum(0).to(x.dtype), None


class _Centre(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x - x.mean(0)

    @staticmethod
    def backward(ctx, dout):
        return _Centre.apply(dout)


class OfSmallerFunctions(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        centered = _Centre.apply(x)
        return centered / torch.sqrt(torch.mean(centered**2, 0) + eps) * weight + bias

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        centered = _Centre.apply(x)
        std = torch.sqrt(torch.mean(centered**2, 0) + ctx.eps)
        x_hat = centered / std
        dx = weight / std * (_Centre.apply(dout) - x_hat * torch.mean(dout * x_hat, 0))
        return dx, (dout * x_hat).sum(0), dout.sum(0), None


FUNCTIONS = (
    RecomputedInBackward,
    SetupContextAndEinsum,
    OnlyWhatIsNeeded,
    ColumnByColumn,
    InFloat64,
    OfSmallerFunctions,
)

RIGHT_ANSWERS = {
    "batchnorm_function_forward": FUNCTIONS,
    "batchnorm_function_backward": FUNCTIONS,
    "batchnorm_function_twice": FUNCTIONS,
}

"""Wrong answers to `ps4_torch`, as people hand them in."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.bn_reference.checks.right_answers.ps4_relatives import combine_with_shares
from tests.bn_reference.checks.right_answers.ps4_torch import (
    ModuleOfPlainOperations,
    ModuleOverFunction,
    RecomputedInBackward,
)


class LibraryFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        return functional.batch_norm(x, None, None, weight, bias, training=True, eps=eps)

    @staticmethod
    def backward(ctx, dout):
        x, weight = (saved.detach().requires_grad_() for saved in ctx.saved_tensors)
        with torch.enable_grad():
            y = functional.batch_norm(
                x, None, None, weight, torch.zeros_like(weight), training=True, eps=ctx.eps
            )
        return *torch.autograd.grad(y, [x, weight], dout), dout.sum(0), None


class LibraryInBackward(RecomputedInBackward):
    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        with torch.enable_grad():
            y = functional.batch_norm(x, None, None, weight, None, training=True, eps=ctx.eps)
            dx, dweight = torch.autograd.grad(y, [x, weight], dout, create_graph=True)
        return dx, dweight, dout.sum(0), None


class KeepsTensorsOnCtx(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.x_hat = (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + eps)
        ctx.scale = weight / torch.sqrt(x.var(0, correction=0) + eps)
        return weight * ctx.x_hat + bias

    @staticmethod
    def backward(ctx, dout):
        dweight, dbias, n = (dout * ctx.x_hat).sum(0), dout.sum(0), len(dout)
        return ctx.scale * (dout - dbias / n - ctx.x_hat * dweight / n), dweight, dbias, None


class SavesXHat(KeepsTensorsOnCtx):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        std = torch.sqrt(x.var(0, correction=0) + eps)
        x_hat = (x - x.mean(0)) / std
        ctx.save_for_backward(x_hat, weight, std)
        return weight * x_hat + bias

    @staticmethod
    def backward(ctx, dout):
        x_hat, weight, std = ctx.saved_tensors
        dx_hat = dout * weight
        dx = (dx_hat - dx_hat.mean(0) - x_hat * (dx_hat * x_hat).mean(0)) / std
        return dx, (dout * x_hat).sum(0), dout.sum(0), None


class ChangesX(RecomputedInBackward):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y = RecomputedInBackward.forward(ctx, x, weight, bias, eps)
        x -= x.mean(0)
        return y


class WeightNotSummed(RecomputedInBackward):
    @staticmethod
    def backward(ctx, dout):
        x, _ = ctx.saved_tensors
        dx, _, dbias, _ = RecomputedInBackward.backward(ctx, dout)
        x_hat = (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + ctx.eps)
        return dx, dout * x_hat, dbias, None


class WeightAndBiasSwapped(RecomputedInBackward):
    @staticmethod
    def backward(ctx, dout):
        dx, dweight, dbias, _ = RecomputedInBackward.backward(ctx, dout)
        return dx, dbias, dweight, None


class NeedsMixedUp(RecomputedInBackward):
    @staticmethod
    def backward(ctx, dout):
        dx, dweight, dbias, _ = RecomputedInBackward.backward(ctx, dout)
        return (
            dx if ctx.needs_input_grad[0] else None,
            dweight if ctx.needs_input_grad[2] else None,
            dbias if ctx.needs_input_grad[2] else None,
            None,
        )


class BackwardInNumpy(RecomputedInBackward):
    @staticmethod
    def backward(ctx, dout):
        x, weight = (saved.detach().numpy() for saved in ctx.saved_tensors)
        g, n = dout.detach().numpy(), len(x)
        std = np.sqrt(x.var(0) + ctx.eps)
        x_hat = (x - x.mean(0)) / std
        dweight, dbias = (g * x_hat).sum(0), g.sum(0)
        dx = weight / std * (g - dbias / n - x_hat * dweight / n)
        return *(torch.from_numpy(np.asarray(d, dtype=x.dtype)) for d in (dx, dweight, dbias)), None


class BackwardUnderNoGrad(RecomputedInBackward):
    @staticmethod
    @torch.no_grad()
    def backward(ctx, dout):
        return RecomputedInBackward.backward(ctx, dout)


class LibraryModule(nn.BatchNorm1d):
    pass


class LibraryInForward(ModuleOverFunction):
    def forward(self, x):
        if self.training:
            self.num_batches_tracked += 1
        return functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )


class PlainAttributes(ModuleOfPlainOperations):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        nn.Module.__init__(self)
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.running_mean = torch.zeros(num_features)
        self.running_var = torch.ones(num_features)
        self.num_batches_tracked = torch.tensor(0)


class StatisticsAsParameters(ModuleOfPlainOperations):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        del self.running_mean, self.running_var
        self.running_mean = nn.Parameter(torch.zeros(num_features), requires_grad=False)
        self.running_var = nn.Parameter(torch.ones(num_features), requires_grad=False)


class WithoutCount(ModuleOfPlainOperations):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        del self.num_batches_tracked

    def _move(self, mean, var, n):
        if n > 1:
            self.running_mean.mul_(1 - self.momentum).add_(mean.detach(), alpha=self.momentum)
            self.running_var.lerp_(var.detach() * n / (n - 1), self.momentum)


class CountInAVector(ModuleOfPlainOperations):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        self.register_buffer("num_batches_tracked", torch.zeros(1, dtype=torch.long))


class EpsOutsideRoot(ModuleOfPlainOperations):
    def forward(self, x):
        eps, self.eps = self.eps, 0.0
        y = super().forward(x)
        self.eps = eps
        return y


class SwapsWeightAndBias(ModuleOfPlainOperations):
    def forward(self, x):
        y = super().forward(x)
        return (y - self.bias) / self.weight * self.bias + self.weight


class ChokesOnOneExample(ModuleOfPlainOperations):
    def _move(self, mean, var, n):
        super()._move(mean, var, max(n, 2))


class OnceDifferentiable(RecomputedInBackward):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dout):
        return RecomputedInBackward.backward(ctx, dout)


class PlainParameters(ModuleOfPlainOperations):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        del self.weight, self.bias
        self.weight = torch.ones(num_features, requires_grad=True)
        self.bias = torch.zeros(num_features, requires_grad=True)


class GraphInBuffers(ModuleOfPlainOperations):
    def _move(self, mean, var, n):
        self.num_batches_tracked += 1
        if n > 1:
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)


class BiasedRunningVariance(ModuleOfPlainOperations):
    def _move(self, mean, var, n):
        super()._move(mean, var * (n - 1) / n, n)


class MomentumSwapped(ModuleOfPlainOperations):
    def _move(self, mean, var, n):
        momentum, self.momentum = self.momentum, 1 - self.momentum
        super()._move(mean, var, n)
        self.momentum = momentum


class IgnoresTraining(ModuleOfPlainOperations):
    def forward(self, x):
        return self.train()(x) if not self.training else super().forward(x)


class MovesInEval(ModuleOverFunction):
    def forward(self, x):
        y = super().forward(x)
        if not self.training:
            self.num_batches_tracked += 1
        return y


class NoGradLeftOn(ModuleOfPlainOperations):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


class DetachedStatistics(ModuleOfPlainOperations):
    def forward(self, x):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        if not self.training:
            return super().forward(x)
        mean, var = wide.data.mean(0), wide.data.var(0, correction=0)
        self._move(mean, var, len(x))
        return ((wide - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias).to(x.dtype)


class AsksForNumbers(ModuleOfPlainOperations):
    def _move(self, mean, var, n):
        super()._move(mean, var, n)
        for k in range(len(mean)):
            self.running_mean[k] = self.running_mean[k].item()


class TensorsOnTheCpu(ModuleOfPlainOperations):
    def forward(self, x):
        return super().forward(x) + torch.zeros(x.shape[1], device="cpu")


class HalfStatistics(ModuleOfPlainOperations):
    def forward(self, x):
        if not self.training:
            return super().forward(x)
        mean = x.mean(0)
        var = ((x - mean) ** 2).mean(0)
        self._move(mean, var, len(x))
        return ((x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias).to(x.dtype)

    def _move(self, mean, var, n):
        self.num_batches_tracked += 1
        if n > 1:
            for buffer, new in ((self.running_mean, mean), (self.running_var, var * n / (n - 1))):
                buffer.copy_((1 - self.momentum) * buffer + self.momentum * new.detach())


class HalfStatisticsWideStep(HalfStatistics):
    def _move(self, mean, var, n):
        self.num_batches_tracked += 1
        if n > 1:
            self.running_mean += self.momentum * (mean.detach() - self.running_mean)
            self.running_var += self.momentum * (var.detach() * n / (n - 1) - self.running_var)


class StaysWide(ModuleOfPlainOperations):
    def forward(self, x):
        return super().forward(x.to(torch.promote_types(x.dtype, torch.float32)))


class AlwaysFloat32(ModuleOfPlainOperations):
    def forward(self, x):
        return super().forward(x.float())


class ChangesItsInput(ModuleOfPlainOperations):
    def forward(self, x):
        with torch.no_grad():
            y = super().forward(x.clone())
            x -= x.mean(0)
        return y


def layer_norm_of_library(x, weight, bias, eps=1e-5):
    return functional.layer_norm(x, weight.shape, weight, bias, eps)


def group_norm_of_library(x, weight, bias, eps, num_groups):
    return nn.functional.group_norm(x, num_groups, weight, bias, eps)


def layer_norm_by_std(x, weight, bias, eps=1e-5):
    return weight * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) + bias


def group_norm_of_layer(x, weight, bias, eps, num_groups):
    rows = x.reshape(len(x), -1)
    x_hat = (rows - rows.mean(1, keepdim=True)) / torch.sqrt(rows.var(1, correction=0, keepdim=True) + eps)
    shape = (-1,) + (1,) * (x.ndim - 2)
    return x_hat.reshape(x.shape) * weight.reshape(shape) + bias.reshape(shape)


def sync_alone(x, weight, bias, eps, all_gather):
    mean, var = x.mean(0), x.var(0, correction=0)
    return weight * (x - mean) / torch.sqrt(var + eps) + bias, len(x), mean, var


def sync_of_library(x, weight, bias, eps, all_gather):
    counts = [int(count) for count in all_gather(torch.tensor([len(x)]))]
    padded = x.new_zeros(max(counts), x.shape[1])
    padded[: len(x)] = x
    joined = torch.cat([shard[:count] for shard, count in zip(all_gather(padded), counts, strict=True)])
    mean, var = joined.new_zeros(2, x.shape[1])
    functional.batch_norm(joined, mean, var, training=True, momentum=1.0)
    var = var * (len(joined) - 1) / len(joined)
    y = functional.batch_norm(x, mean, var, weight, bias, eps=eps) if len(x) else x
    return y, len(joined), mean, var


def sync_of_averages(x, weight, bias, eps, all_gather):
    mean = sum(all_gather(x.mean(0))) / 2
    var = sum(all_gather(x.var(0, correction=0))) / 2
    return (
        weight * (x - mean) / torch.sqrt(var + eps) + bias,
        sum(all_gather(torch.tensor(len(x)))),
        mean,
        var,
    )


def sync_that_forgets_empty_shards(x, weight, bias, eps, all_gather):
    counts, means = all_gather(torch.tensor(float(len(x)))), all_gather(x.mean(0))
    variances = all_gather(x.var(0, correction=0))
    count, mean, var = combine_with_shares(
        counts[0], means[0], variances[0], counts[1], means[1], variances[1]
    )
    return weight * (x - mean) / torch.sqrt(var + eps) + bias, count, mean, var

"""Do wrong classes and functions for torch lose points, as people hand them in, and hear why?"""

import sys
import time
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bn_reference.checks import SPECS, report
from bn_reference.checks.ps4_torch.processes import run_in_processes, run_in_threads
from tests.bn_reference.checks.right_answers.ps4_torch import (
    ModuleOfPlainOperations,
    ModuleOverFunction,
    RecomputedInBackward,
    combine_with_shares,
    sync_gathering_once,
    sync_gathering_thrice,
)
from tests.tolerances import assert_close


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


DIAGNOSED = [
    ("batchnorm_function_forward", LibraryFunction, "library_does_the_work"),
    ("batchnorm_function_backward", LibraryFunction, "library_does_the_work"),
    ("batchnorm_function_backward", KeepsTensorsOnCtx, "tensors_on_ctx"),
    ("batchnorm_function_backward", WeightNotSummed, "dweight_not_summed"),
    ("batchnorm_function_backward", WeightAndBiasSwapped, "dweight_and_dbias_swapped"),
    ("batchnorm_function_backward", NeedsMixedUp, "weight_gets_no_gradient_alone"),
    ("batchnorm_function_twice", SavesXHat, "normalised_batch_saved"),
    ("batchnorm_function_twice", KeepsTensorsOnCtx, "all_but_dout_saved"),
    ("batchnorm_function_twice", BackwardInNumpy, "backward_detached"),
    ("batchnorm_function_twice", OnceDifferentiable, "backward_detached"),
    ("batchnorm_function_twice", BackwardUnderNoGrad, "backward_detached"),
    ("batchnorm_module_state", LibraryModule, "library_does_the_work"),
    ("batchnorm_module_state", PlainAttributes, "buffers_as_plain_attributes"),
    ("batchnorm_module_state", StatisticsAsParameters, "running_statistics_as_plain_attributes"),
    ("batchnorm_module_state", WithoutCount, "num_batches_tracked_forgotten"),
    ("batchnorm_module_state", PlainParameters, "parameters_not_registered"),
    ("batchnorm_module_state", AsksForNumbers, "device_hard_coded"),
    ("batchnorm_module_state", TensorsOnTheCpu, "device_hard_coded"),
    ("batchnorm_module_training", LibraryModule, "library_does_the_work"),
    ("batchnorm_module_training", LibraryInForward, "library_does_the_work"),
    ("batchnorm_module_training", WithoutCount, "batches_not_counted"),
    ("batchnorm_module_training", GraphInBuffers, "buffers_with_graph"),
    ("batchnorm_module_training", BiasedRunningVariance, "running_variance_biased"),
    ("batchnorm_module_training", MomentumSwapped, "momentum_swapped"),
    ("batchnorm_module_training", IgnoresTraining, "training_flag_ignored"),
    ("batchnorm_module_training", MovesInEval, "buffers_moved_in_eval"),
    ("batchnorm_module_training", NoGradLeftOn, "no_gradient_at_all"),
    ("batchnorm_module_training", DetachedStatistics, "statistics_taken_as_constants"),
    ("batchnorm_module_training", HalfStatistics, "statistics_and_step_in_half_precision"),
    ("batchnorm_module_training", HalfStatisticsWideStep, "statistics_in_half_precision"),
    ("batchnorm_module_training", StaysWide, "output_stays_wide"),
    ("batchnorm_module_training", AlwaysFloat32, "dtype_hard_coded"),
    ("layer_norm", layer_norm_of_library, "library_does_the_work"),
    ("group_norm", group_norm_of_library, "library_does_the_work"),
    ("group_norm", group_norm_of_layer, "groups_ignored"),
    ("sync_batchnorm", sync_alone, "statistics_of_own_shard"),
    ("sync_batchnorm", sync_of_averages, "mean_of_means_and_of_variances"),
    ("sync_batchnorm", sync_that_forgets_empty_shards, "empty_shard_spoils_all"),
]


@pytest.mark.parametrize(
    ("name", "answer", "mistake"), [pytest.param(*row, id=f"{row[0]}-{row[1].__name__}") for row in DIAGNOSED]
)
@pytest.mark.parametrize("seed", [3, 4])
def test_wrong_answer_loses_points_and_hears_why(name, answer, mistake, seed):
    """Is a mistake known by name when it comes as a whole class, as people write it?"""
    verdict = report(name, answer, seed)
    assert verdict.points(1) < 1
    assert mistake in verdict.mistakes, verdict


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("batchnorm_function_forward", ChangesX),
        ("batchnorm_module_state", CountInAVector),
        ("batchnorm_module_training", ChangesItsInput),
        ("batchnorm_module_training", EpsOutsideRoot),
        ("batchnorm_module_training", SwapsWeightAndBias),
        ("batchnorm_module_training", ChokesOnOneExample),
        ("layer_norm", layer_norm_by_std),
    ],
)
def test_other_wrong_answers_lose_points(name, answer):
    """Does what no mistake describes lose points too?"""
    assert report(name, answer, 5).points(1) < 1


@pytest.mark.parametrize(
    ("name", "answer", "_"), [row for row in DIAGNOSED if row[2] == "library_does_the_work"]
)
def test_handing_over_to_the_library_earns_nothing(name, answer, _):
    """Is torch's own function worth no points?"""
    assert report(name, answer, 6).points(1) == 0


class Noisy(ModuleOverFunction):
    def forward(self, x):
        warnings.warn("a warning of torch's kind", stacklevel=1)
        print("a line for standard error", file=sys.stderr)
        return super().forward(x)


@pytest.mark.parametrize("name", ["batchnorm_module_state", "batchnorm_module_training"])
def test_warnings_of_right_code_cost_nothing(name, capfd):
    """Does nothing reach standard error, for which nbgrader would take all points?"""
    assert report(name, Noisy).passed
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "answer", "says"),
    [
        (
            "batchnorm_function_forward",
            lambda x, w, b, e: x,
            "expected a class that inherits from torch.autograd",
        ),
        (
            "batchnorm_module_state",
            RecomputedInBackward,
            "expected a class that inherits from torch.nn.Module",
        ),
        ("passes_gradcheck", lambda *args: True, "expected two values"),
        ("combine_moments", lambda *args: 1, "should return three values"),
        ("sync_batchnorm", lambda *args: 1, "should return four values"),
    ],
)
def test_another_kind_of_answer_is_explained(name, answer, says):
    """Does the report say what was expected?"""
    assert says in report(name, answer).stopped_by


def test_a_first_derivative_is_enough_for_its_part():
    """Does a backward pass that forbids the second derivative keep the points of the first?"""
    assert report("batchnorm_function_backward", OnceDifferentiable).passed


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
def test_right_layer_trains_on_a_gpu():
    """Does what passes on the meta device run on a real one, under autocast?"""
    layer = ModuleOverFunction(4).cuda()
    model = nn.Sequential(nn.Linear(8, 4).cuda(), layer)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        y = model(torch.randn(16, 8, device="cuda"))
    y.float().square().mean().backward()
    assert y.dtype == torch.bfloat16 and layer.running_mean.dtype == torch.float32
    assert layer.weight.grad.is_cuda and layer.num_batches_tracked == 1


def test_half_a_class_has_its_points():
    """Does the forward pass count while backward is not yet written?"""

    class ForwardAlone(RecomputedInBackward):
        @staticmethod
        def backward(ctx, dout):
            raise NotImplementedError

    assert report("batchnorm_function_forward", ForwardAlone).passed
    assert report("batchnorm_function_backward", ForwardAlone).unfinished


def test_checks_are_quick():
    """Would a learner wait?"""
    # A loose bound: it is there to catch a check that waits for a thread or a process.
    start = time.monotonic()
    for name, answer in (
        ("sync_batchnorm", sync_gathering_once),
        ("batchnorm_module_training", ModuleOverFunction),
    ):
        report(name, answer)
    assert time.monotonic() - start < 10


def test_a_process_that_waits_in_vain_is_told():
    """Does an unequal number of calls end in a sentence and not in a hang?"""

    def function(x, weight, bias, eps, all_gather):
        for _ in range(len(x)):
            all_gather(torch.ones(1))
        return x, 1, weight, bias

    assert "every process must call it equally often" in repr(report("sync_batchnorm", function))


SHARDS = [torch.arange(6.0).reshape(3, 2), torch.arange(10.0).reshape(5, 2) ** 2]


@pytest.mark.parametrize("run", [run_in_threads, run_in_processes])
def test_threads_play_what_processes_do(run):
    """Do both give the normalisation of the joined batch?"""

    def forward(shard, all_gather):
        return sync_gathering_thrice(shard, torch.ones(2), torch.zeros(2), 0.1, all_gather)

    joined = torch.cat(SHARDS).double()
    expected = (joined - joined.mean(0)) / torch.sqrt(joined.var(0, correction=0) + 0.1)
    results = run(forward, SHARDS)
    assert_close(torch.cat([y for y, _, _, _ in results]), expected, condition=10, scale=1.0)


def test_failure_in_a_process_is_reported():
    """Is the learner's error seen from outside the process?"""

    def forward(shard, all_gather):
        raise KeyError("gamma")

    with pytest.raises(RuntimeError, match="process 0 failed: KeyError: 'gamma'"):
        run_in_processes(forward, SHARDS)


def test_process_that_never_ends_is_ended():
    """Is there an end when a process hangs?"""

    def forward(shard, all_gather):
        time.sleep(60)

    with pytest.raises(RuntimeError, match="did not end in 1 seconds"):
        run_in_processes(forward, SHARDS, seconds=1)


def test_specs_of_this_set_are_known():
    """Are all functions of the notebook graded?"""
    assert {name for name, *_ in DIAGNOSED} <= SPECS.keys()

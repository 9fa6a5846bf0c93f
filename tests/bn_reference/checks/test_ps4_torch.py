"""Do wrong classes and functions for torch lose points, as people hand them in, and hear why?"""

import sys
import time
import warnings

import pytest
import torch
from torch import nn

from bn_reference.checks import SPECS, report
from bn_reference.checks.ps4_torch.processes import run_in_processes, run_in_threads
from tests.bn_reference.checks.right_answers.ps4_relatives import sync_gathering_once, sync_gathering_thrice
from tests.bn_reference.checks.right_answers.ps4_torch import (
    ModuleOverFunction,
    RecomputedInBackward,
)
from tests.bn_reference.checks.wrong_answers.ps4_torch import (
    AlwaysFloat32,
    AsksForNumbers,
    BackwardInNumpy,
    BackwardUnderNoGrad,
    BiasedRunningVariance,
    ChangesItsInput,
    ChangesX,
    ChokesOnOneExample,
    CountInAVector,
    DetachedStatistics,
    EpsOutsideRoot,
    GraphInBuffers,
    HalfStatistics,
    HalfStatisticsWideStep,
    IgnoresTraining,
    KeepsTensorsOnCtx,
    LibraryFunction,
    LibraryInBackward,
    LibraryInForward,
    LibraryModule,
    MomentumSwapped,
    MovesInEval,
    NeedsMixedUp,
    NoGradLeftOn,
    OnceDifferentiable,
    PlainAttributes,
    PlainParameters,
    SavesXHat,
    StatisticsAsParameters,
    StaysWide,
    SwapsWeightAndBias,
    TensorsOnTheCpu,
    WeightAndBiasSwapped,
    WeightNotSummed,
    WithoutCount,
    group_norm_of_layer,
    group_norm_of_library,
    layer_norm_by_std,
    layer_norm_of_library,
    sync_alone,
    sync_of_averages,
    sync_of_library,
    sync_that_forgets_empty_shards,
)
from tests.tolerances import assert_close

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
    ("name", "answer"),
    [
        *((name, answer) for name, answer, mistake in DIAGNOSED if mistake == "library_does_the_work"),
        ("batchnorm_function_twice", LibraryInBackward),
        ("sync_batchnorm", sync_of_library),
    ],
)
def test_handing_over_to_the_library_earns_nothing(name, answer):
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


def test_a_second_derivative_that_nothing_explains_is_judged():
    """Does a backward get a report, where torch refuses to try what might explain it?"""

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight, bias, eps):
            ctx.save_for_backward(x, weight)
            return x * weight + bias

        @staticmethod
        def backward(ctx, dout):
            x, weight = ctx.saved_tensors
            return 2 * weight * x * dout, (dout * x**3).sum(0), dout.sum(0), None

    verdict = report("batchnorm_function_twice", Doubled)
    assert not verdict.passed and not verdict.stopped_by
    assert verdict.advice


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

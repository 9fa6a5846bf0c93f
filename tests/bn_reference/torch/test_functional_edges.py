"""Empty batches, NaN and infinity, layouts in memory, half precision, large means, autocast, meta tensors."""

import pytest
import torch
from torch.autograd import forward_ad

from bn_reference.torch.errors import ArgumentError, InputTypeError
from bn_reference.torch.functional import batch_norm
from tests.bn_reference.batches import random_batch
from tests.bn_reference.torch.problems import assert_same, problem, run
from tests.tolerances import UNIT, assert_close

theirs = torch.nn.functional.batch_norm
in_both_modes = pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (2, 3, 0), (0, 3, 2, 2), (2, 3, 2, 0, 2)], ids=str)
@in_both_modes
def test_an_empty_batch_moves_nothing_and_gives_zero_gradients(shape, training, device):
    *tensors, running, dout = problem(shape, torch.float, device)

    ours = run(batch_norm, *tensors, running, dout, training=training)

    assert_same(ours, run(theirs, *tensors, running, dout, training=training))
    assert all(torch.equal(after, before) for after, before in zip(ours[2], running, strict=True))


@in_both_modes
def test_an_empty_batch_without_axes_comes_back(training):
    x, running = torch.zeros(0, requires_grad=True), (torch.zeros(0), torch.ones(0))

    ours, expected = (f(x, *running, training=training) for f in (batch_norm, theirs))

    assert ours.shape == expected.shape == (0,)
    assert torch.autograd.grad(ours.sum(), x)[0].shape == (0,)


@in_both_modes
def test_a_batch_without_channels_gives_one_back(training):
    x = torch.zeros(2, 0, 4, requires_grad=True)
    running = torch.zeros(0), torch.ones(0)

    y = batch_norm(x, *running, torch.ones(0), torch.zeros(0), training=training)
    y.sum().backward()

    assert y.shape == x.grad.shape == (2, 0, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@in_both_modes
def test_values_that_are_not_finite_spoil_what_they_spoil_in_torch(value, training):
    x, *vectors, running, dout = problem((4, 3, 2), torch.float, "cpu")
    x = x.detach().clone()
    x[1, 1, 0] = value
    x.requires_grad_()

    ours, expected = (run(f, x, *vectors, running, dout, training=training) for f in (batch_norm, theirs))

    for actual, other in [
        (ours[0], expected[0]),
        *zip(ours[1], expected[1], strict=True),
        *zip(ours[2], expected[2], strict=True),
    ]:
        torch.testing.assert_close(actual, other, equal_nan=True)


def channels_last(x):
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


LAY_OUT = {
    "C order": torch.Tensor.contiguous,
    "channels last": channels_last,
    "channels last, cropped": lambda x: channels_last(torch.cat([x, x], -1))[..., : x.shape[-1]],
    "transposed": lambda x: x.mT.contiguous().mT,
    "batch last": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
    "expanded channels": lambda x: x[:, :1].expand(x.shape),
}


@pytest.mark.parametrize("lay_out", LAY_OUT.values(), ids=LAY_OUT)
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 4, 5)], ids=str)
@in_both_modes
def test_strides_of_the_output_are_those_of_torch(training, shape, lay_out, device):
    x, weight, bias, running, _ = problem(shape, torch.float, device)
    x = lay_out(x.detach())

    y, expected = (f(x, *running, weight, bias, training=training) for f in (batch_norm, theirs))

    assert y.stride() == expected.stride()


@pytest.mark.parametrize("dout_lies", ["as the output", "in C order"])
@pytest.mark.parametrize("lay_out", LAY_OUT.values(), ids=LAY_OUT)
def test_strides_of_the_gradient_are_those_of_torch_in_training(lay_out, dout_lies, device):
    x, weight, bias, _, dout = problem((2, 3, 4, 5), torch.float, device)
    x = lay_out(x.detach()).requires_grad_()

    strides = []
    for function in (batch_norm, theirs):
        y = function(x, None, None, weight, bias, training=True)
        dy = torch.empty_like(y).copy_(dout) if dout_lies == "as the output" else dout
        strides.append(torch.autograd.grad(y, x, dy)[0].stride())

    assert strides[0] == strides[1]


def narrow_statistics(dtype):
    x = torch.tensor(random_batch((16, 256), offset=3.0), dtype=dtype)
    return x, torch.tensor(random_batch((2, 256), offset=5.0), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("momentum", [0.1, 0.3, 0.77])
def test_running_statistics_in_half_precision_round_once(dtype, momentum):
    x, running = narrow_statistics(dtype)
    new = torch.stack([x.double().mean(0), x.double().var(0)])
    expected = ((1 - momentum) * running.double() + momentum * new).to(dtype)

    batch_norm(x, *running, training=True, momentum=momentum)

    assert torch.equal(running, expected)


@pytest.mark.parametrize("momentum", [0.1, 0.3, 0.77])
def test_running_statistics_in_float16_have_the_bits_of_torch(momentum):
    x, ours = narrow_statistics(torch.half)
    expected = ours.clone()

    for _ in range(5):
        batch_norm(x, *ours, training=True, momentum=momentum)
        theirs(x, *expected, training=True, momentum=momentum)

    assert torch.equal(ours, expected)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("shape", [(64, 3), (8, 4, 28, 28), (2, 3, 64, 64)], ids=str)
def test_float32_is_within_twice_the_error_of_torch(shape, offset, device):
    """In units of the last place, of the largest value or, if larger, of the spread of the batch."""
    x = torch.tensor(random_batch(shape, offset=offset), dtype=torch.float, device=device)
    _, weight, bias, running, dout = problem(shape, torch.float, device)

    def everything(function, dtype):
        leaves = [v.detach().to(dtype).requires_grad_() for v in (x, weight, bias)]
        y, gradients, moved = run(
            function, *leaves, [v.to(dtype) for v in running], dout.to(dtype), training=True
        )
        return [v.double() for v in (y, *gradients, *moved)]

    def errors(function):
        exact = everything(theirs, torch.double)
        return [
            ((a - e).abs().max() / e.abs().max().clamp(min=1.0)).item() / UNIT["float32"]
            for a, e in zip(everything(function, torch.float), exact, strict=True)
        ]

    for ours, torchs in zip(errors(batch_norm), errors(theirs), strict=True):
        assert ours <= max(2 * torchs, 4.0)


@pytest.mark.parametrize("offset", [1e4, 1e6])
def test_inference_around_a_large_mean_loses_nothing(offset):
    x = torch.tensor(random_batch((64, 3), offset=offset), dtype=torch.float)
    running = x.mean(0), torch.ones(3)

    assert_close(batch_norm(x, *running), batch_norm(x.double(), *(v.double() for v in running)))


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16, torch.float], ids=str)
@in_both_modes
def test_autocast_changes_what_it_changes_in_torch(training, dtype, device):
    *tensors, running, dout = problem((4, 3, 2), dtype, device, parameter_dtype=torch.float)

    with torch.autocast(device, dtype=torch.bfloat16):
        ours, expected = (run(f, *tensors, running, dout, training=training) for f in (batch_norm, theirs))

    assert_same(ours, expected)


@in_both_modes
def test_meta_tensors_give_shape_and_dtype(training):
    x, weight, bias, running, _ = problem((4, 3, 2), torch.half, "cpu")
    running = [v.to("meta") for v in running]

    y = batch_norm(x.to("meta"), *running, weight.to("meta"), bias.to("meta"), training=training)

    assert (y.shape, y.dtype, y.device.type) == (x.shape, x.dtype, "meta")


@in_both_modes
def test_what_follows_may_work_in_place(training):
    *tensors, running, dout = problem((4, 3, 2), torch.double, "cpu")

    ours, expected = (
        run(lambda *a, f=f, **k: f(*a, **k).mul_(2).relu_(), *tensors, running, dout, training=training)
        for f in (batch_norm, theirs)
    )

    assert_same(ours, expected)


def test_a_batch_changed_before_its_backward_pass_is_noticed():
    x, weight, bias, _, dout = problem((4, 3), torch.double, "cpu")
    inner = x * 1
    y = batch_norm(inner, None, None, weight, bias, training=True)

    inner.add_(1)

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward(dout)


VECTOR = torch.ones(3)
TRAINING = {"training": True}
MISTAKES = {
    **{
        f"short {name}": (RuntimeError, f"{name} should contain 3 elements not 2", (4, 3), {name: VECTOR[:2]})
        for name in ("running_mean", "running_var", "weight", "bias")
    },
    **{
        f"no {name}": (RuntimeError, f"{name} must be defined in evaluation mode", (4, 3), {name: None})
        for name in ("running_mean", "running_var")
    },
    "one value": (ValueError, "Expected more than 1 value per channel when training", (1, 3), TRAINING),
    "one pixel": (ValueError, "Expected more than 1 value per channel when", (1, 3, 1, 1), TRAINING),
    "one statistic": (ValueError, "both be None or neither", (4, 3), {"running_var": None, **TRAINING}),
    "negative eps": (ValueError, "eps", (4, 3), {"eps": -1.0}),
    "momentum None": (TypeError, "NoneType", (4, 3), {"momentum": None, **TRAINING}),
}


@pytest.mark.parametrize(("error", "message", "shape", "arguments"), MISTAKES.values(), ids=MISTAKES)
def test_who_catches_the_error_of_torch_catches_ours(error, message, shape, arguments):
    arguments = {"running_mean": VECTOR.clone(), "running_var": VECTOR.clone(), **arguments}

    for function in (theirs, batch_norm):
        with pytest.raises(error, match=message):
            function(torch.ones(shape), **arguments)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
@in_both_modes
def test_a_dtype_that_is_not_real_and_floating_is_refused_as_by_torch(training, dtype):
    for function in (theirs, batch_norm):
        with pytest.raises(NotImplementedError):
            function(torch.ones(4, 3, dtype=dtype), VECTOR.clone(), VECTOR.clone(), training=training)


def test_errors_are_those_of_the_course_too():
    assert issubclass(ArgumentError, ValueError)
    assert issubclass(InputTypeError, TypeError)


@in_both_modes
@pytest.mark.parametrize("which", [0, 1], ids=["running_mean", "running_var"])
def test_running_statistics_have_no_gradient(which, training):
    x, running = torch.randn(3, 2), [torch.zeros(2), torch.ones(2)]
    running[which].requires_grad_()

    for function in (batch_norm, theirs):
        with pytest.raises(RuntimeError, match="not differentiable"):
            function(x, *running, training=training)
        with torch.no_grad():
            function(x, *running, training=training)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, loading its own derivatives
@pytest.mark.parametrize("moving", [(0,), (1,), (1, 2), (0, 1), (0, 1, 2)], ids=str)
@in_both_modes
def test_running_statistics_have_no_tangent_where_they_normalise_a_moving_input(moving, training):
    tensors = torch.randn(3, 2), torch.zeros(2), torch.ones(2)

    for function in (batch_norm, theirs):
        with forward_ad.dual_level():
            duals = [tensor.clone() for tensor in tensors]
            for i in moving:
                duals[i] = forward_ad.make_dual(duals[i], torch.ones_like(duals[i]))
            if 0 in moving and len(moving) > 1 and not training:
                with pytest.raises(RuntimeError, match="not differentiable wrt running_mean and running_var"):
                    function(*duals, training=training)
            else:
                function(*duals, training=training)

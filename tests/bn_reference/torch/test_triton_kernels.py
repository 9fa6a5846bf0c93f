"""The Triton kernels against the reference: on a GPU where there is one, else in Triton's interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bn_reference import batchnorm
from bn_reference.layouts import per_channel, reduction_axes
from tests.bn_reference.batches import cases, cotangent, random_batch, random_vectors
from tests.tolerances import assert_close

pytest.importorskip("triton", reason="Triton is not installed (it is made for Linux alone)")

from bn_reference.torch import operators, triton_kernels
from bn_reference.torch.functional import batch_norm
from tests.bn_reference.torch import problems

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
EPS = 1e-5
DTYPES = {"float16": torch.half, "bfloat16": torch.bfloat16, "float32": torch.float, "float64": torch.double}
SHAPES = {
    "one channel": (37, 1),
    "two examples": (2, 5),
    "more channels than a tile": (33, 70),
    "planes of one": (9, 6, 1, 1),
    "odd lengths": (5, 3, 7, 9),
    "N,C,L": (4, 3, 11),
    "N,C,D,H,W": (2, 3, 3, 4, 5),
    "several tiles": (3, 2, 60, 70),
    "several strips": (3, 2, 75, 83),
    "several strips of a matrix": (2100, 9),
}
BATCHES = {f"{name}, C order": (shape, False) for name, shape in SHAPES.items()}
BATCHES |= {f"{name}, channels last": (shape, True) for name, shape in SHAPES.items() if len(shape) > 2}
LAYOUTS = {"C order": False, "channels last": True}
EXTENTS = {"alone": (4, 3, 5, 7), "shared": (3, 2, 75, 83)}
"""A batch whose channels are left to one program each, and one whose channels are shared."""


def tensor(array, dtype, last=False):
    """On the device, with its channels last in memory or not."""
    value = torch.tensor(np.ascontiguousarray(array), device=DEVICE).to(dtype)
    return value.movedim(1, -1).contiguous().movedim(-1, 1) if last else value


def problem(shape, dtype=torch.float, last=False, offset=0.0):
    """A batch, weight and bias, and a cotangent."""
    x, dout = tensor(random_batch(shape, offset=offset), dtype, last), tensor(cotangent(shape), dtype, last)
    return x, *(tensor(v, dtype) for v in random_vectors(2, shape[1])), dout


def run(x, weight, bias, dout):
    """Output, gradients, and statistics."""
    y, *statistics = triton_kernels.forward(x, weight, bias, EPS)
    return y, triton_kernels.backward(dout, x, weight, *statistics, EPS), statistics


def exact(value):
    """In higher precision than any dtype here, and in C order."""
    return np.ascontiguousarray(value.detach().cpu().double().numpy()).astype(np.longdouble)


def assert_right(x, weight, bias, dout, outcome):
    """Compare everything that the kernels return with the reference in higher precision."""
    y, (dx, dweight, dbias), (mean, residue, var) = outcome
    channels, m = x.shape[1], x.numel() // x.shape[1]
    gamma = np.ones(channels, np.longdouble) if weight is None else exact(weight)
    beta = np.zeros(channels, np.longdouble) if bias is None else exact(bias)
    expected, cache = batchnorm.batchnorm_forward(exact(x), gamma, beta, EPS)
    expected_dx, dgamma, dbeta = batchnorm.batchnorm_backward(exact(dout), cache)
    axes, wide = reduction_axes(x.ndim), torch.promote_types(x.dtype, torch.float)
    true_residue = (exact(x) - per_channel(exact(mean), x.ndim)).mean(axes)
    true_var = exact(x).var(axes)

    assert_close(y, expected, x.dtype)
    # Sums that cancel: rounding goes by their summands.
    largest = np.abs(exact(dout)).max()
    assert_close(dx, expected_dx, x.dtype, scale=largest * np.max(np.abs(gamma) / np.sqrt(true_var + EPS)))
    assert_close(dweight, dgamma, wide, scale=largest * m)
    assert_close(dbias, dbeta, wide, scale=largest * m)
    assert_close(residue, true_residue, wide, scale=np.sqrt(true_var.max()))
    assert_close(var, true_var, wide)
    for value in (y, dx):
        assert (value.dtype, value.stride()) == (x.dtype, x.stride())
    for value in (dweight, dbias, mean, residue, var):
        assert (value.dtype, value.shape) == (wide, (channels,))


@pytest.mark.parametrize(("batch", "dtype"), **cases(BATCHES, DTYPES))
def test_kernels_agree_with_the_reference(batch, dtype):
    """Are output, gradients and statistics right for every dtype, layout and awkward shape?"""
    shape, last = batch
    given = problem(shape, dtype, last)
    assert_right(*given, run(*given))


@pytest.mark.parametrize(
    ("batch", "dtype"), **cases(BATCHES, {"float32": torch.float, "float64": torch.double})
)
def test_a_large_mean_costs_no_digits(batch, dtype):
    """Is the result as good as ever where the mean is a million times the spread?"""
    shape, last = batch
    given = problem(shape, dtype, last, offset=1e6)
    assert_right(*given, run(*given))


@pytest.mark.parametrize("lag_bytes", [1, 4_000, 1 << 30], ids=lambda lag: f"lag of {lag}")
@pytest.mark.parametrize("most_splits", [2, 512], ids=lambda most: f"at most {most} strips")
@pytest.mark.parametrize("shape", [(2, 7, 13, 11), (130, 20), (9, 1, 11, 11)], ids=str)
def test_shared_channels_come_out_right_in_any_order(monkeypatch, shape, most_splits, lag_bytes):
    """Is each strip summed and written once, however far writing stays behind and strips are cut?"""
    settings = {"ALONE_VALUES": 0, "SHARED_TILE": 128, "WIDE_BYTES": 32, "LINE_BYTES": 32}
    for name, value in (settings | {"MOST_SPLITS": most_splits, "LAG_BYTES": lag_bytes}).items():
        monkeypatch.setattr(triton_kernels, name, value)
    given = problem(shape)
    assert_right(*given, run(*given))


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "shared"])
@pytest.mark.parametrize("high", ["first tile", "last tile", "first value"])
def test_tiles_that_differ_wildly_merge_without_loss(monkeypatch, alone, high):
    """Does one tile, or one value, a million above the rest leave the rest their digits?"""
    tile = 256
    monkeypatch.setattr(triton_kernels, "ALONE_TILE", tile)
    monkeypatch.setattr(triton_kernels, "SHARED_TILE", tile)
    monkeypatch.setattr(triton_kernels, "ALONE_VALUES", 1 << 20 if alone else 0)
    monkeypatch.setattr(triton_kernels, "MOST_SPLITS", 3)
    x, weight, bias, dout = problem((1, 2, 10 * tile))
    where = {"first tile": slice(tile), "last tile": slice(-tile, None), "first value": slice(1)}[high]
    x[:, :, where] += 1e6
    assert_right(x, weight, bias, dout, run(x, weight, bias, dout))


@pytest.mark.parametrize("shape", EXTENTS.values(), ids=EXTENTS)
@pytest.mark.parametrize("present", [(True, False), (False, True), (False, False)], ids=str)
def test_weight_and_bias_may_be_missing(shape, present):
    """Do ones and zeros stand for a weight and a bias of None?"""
    x, *parameters, dout = problem(shape)
    weight, bias = (value if there else None for value, there in zip(parameters, present, strict=True))
    assert_right(x, weight, bias, dout, run(x, weight, bias, dout))


@pytest.mark.parametrize("parameters", [torch.half, torch.float, torch.double], ids=str)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float], ids=str)
def test_parameters_may_have_another_dtype(dtype, parameters):
    """Are a weight and bias of another dtype taken as they are?"""
    x, weight, bias, dout = problem(EXTENTS["alone"], dtype)
    weight, bias = weight.to(parameters), bias.to(parameters)
    assert_right(x, weight, bias, dout, run(x, weight, bias, dout))


@pytest.mark.parametrize("shape", EXTENTS.values(), ids=EXTENTS)
def test_gradient_may_lie_otherwise_in_memory(shape):
    """Is a gradient brought to the layout of the batch: channels last, of another dtype, expanded?"""
    x, weight, bias, dout = problem(shape)
    last, expanded = dout.movedim(1, -1).contiguous().movedim(-1, 1), dout[:1, :, :1, :1].expand(shape)
    for gradient in (last, last.double(), expanded):
        assert_right(x, weight, bias, gradient, run(x, weight, bias, gradient))


@pytest.mark.parametrize("constant", [0.0, 12345.678, 7.7e15], ids=str)
@pytest.mark.parametrize("shape", [*EXTENTS.values(), (1, 2, 1000)], ids=str)
def test_a_constant_channel_gives_the_bias(shape, constant):
    """Where nothing varies, is the variance not below zero, and the output the bias?"""
    x, weight, bias, _ = problem(shape)
    x[:, 1] = constant
    y, _, _, var = triton_kernels.forward(x, weight, bias, EPS)
    assert_close(y[:, 1], bias[1].expand_as(y[:, 1]))
    assert var[1] >= 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy, in which the interpreter computes, warns
@pytest.mark.parametrize("shape", EXTENTS.values(), ids=EXTENTS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_nan_and_infinity_stay_in_their_channel(shape, bad):
    """Does a value that is not finite spoil its channel as in torch, and no other?"""
    x, weight, bias, dout = problem(shape)
    clean, (clean_dx, *_), _ = run(x, weight, bias, dout)
    x[0, 1, 0, 0] = bad
    running_mean, running_var = torch.zeros(x.shape[1]), torch.ones(x.shape[1])
    torch.nn.functional.batch_norm(x.cpu(), running_mean, running_var, training=True, momentum=1.0)

    y, (dx, *_), (mean, residue, var) = run(x, weight, bias, dout)

    assert y[:, 1].isnan().all() and dx[:, 1].isnan().all()
    torch.testing.assert_close(y[:, 0], clean[:, 0], rtol=0, atol=0)
    torch.testing.assert_close(dx[:, 0], clean_dx[:, 0], rtol=0, atol=0)
    assert var[1].isnan() and residue[1] == 0
    torch.testing.assert_close((mean + residue).cpu()[1], running_mean[1], equal_nan=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_zero_eps_is_taken():
    """Without eps, is a channel that varies right and a constant one NaN?"""
    x, *_ = problem(EXTENTS["alone"])
    x[:, 1] = 2.0
    y, *_ = triton_kernels.forward(x, None, None, 0.0)
    assert_close(y[:, 0].var(correction=0), 1.0)
    assert y[:, 1].isnan().all()


@pytest.mark.parametrize(("shape", "last", "dtype"), **cases(EXTENTS, LAYOUTS, DTYPES))
def test_inference_agrees_with_the_reference(shape, last, dtype):
    """With given statistics, of the dtype of the parameters or wider, is the output right?"""
    x, weight, bias, _ = problem(shape, dtype, last)
    mean, var = (tensor(v, torch.double) for v in random_vectors(2, shape[1], seed=5))
    for to in (dtype, torch.double):
        m, v = mean.to(to), (var**2).to(to)
        y = triton_kernels.inference(x, m, v, weight, bias, EPS)
        expected = batchnorm.batchnorm_inference(*(exact(a) for a in (x, weight, bias, m, v)), EPS)
        assert_close(y, expected, dtype)
        assert (y.dtype, y.stride()) == (dtype, x.stride())


@pytest.mark.parametrize("shape", EXTENTS.values(), ids=EXTENTS)
def test_results_repeat_to_the_last_bit(shape):
    """Do two runs on one input give one result?"""
    given = problem(shape)
    (y, gradients, statistics), (again, *others) = run(*given), run(*given)
    for first, second in zip((y, *gradients, *statistics), (again, *others[0], *others[1]), strict=True):
        assert torch.equal(first, second)


def test_a_batch_that_is_cut_out_of_another_is_refused():
    """Does the error name the strides that do not fit?"""
    x = torch.zeros((4, 3, 6, 6), device=DEVICE)[:, :, ::2]
    with pytest.raises(ValueError, match=r"strides \(108, 36, 12, 1\), expected C order or channels last"):
        triton_kernels.forward(x, None, None, EPS)


def test_what_is_not_on_a_gpu_is_not_supported():
    """Does `supports` refuse a tensor on the CPU, so that others compute it?"""
    assert not triton_kernels.supports(torch.zeros(4, 3))


@pytest.mark.cuda
@pytest.mark.skipif(DEVICE == "cpu", reason="torch finds no CUDA device")
def test_supports_what_the_kernels_take():
    """On a GPU, are the two layouts and four dtypes supported, and nothing else?"""
    for dtype in DTYPES.values():
        for last in (False, True):
            assert triton_kernels.supports(problem((4, 3, 5, 5), dtype, last)[0])
    x = problem((4, 3, 6, 6))[0]
    for refused in (x.int(), x[:, :, ::2], x[:0], x[0, 0, 0]):
        assert not triton_kernels.supports(refused)


@pytest.mark.cuda
@pytest.mark.skipif(DEVICE == "cpu", reason="torch finds no CUDA device")
def test_more_values_than_32_bits_count():
    """On a GPU, are places beyond 2**31 right, compared channel by channel with torch?"""
    if torch.cuda.mem_get_info()[0] < 16e9:
        pytest.skip("less than 16 GB of GPU memory are free")
    x = torch.randn((33, 1024, 256, 256), device=DEVICE, dtype=torch.bfloat16)
    y, *_ = triton_kernels.forward(x, None, None, EPS)
    for channel in (0, 511, 1023):
        expected = torch.nn.functional.batch_norm(
            x[:, channel : channel + 1].float(), None, None, training=True
        )
        assert_close(y[:, channel : channel + 1], expected, torch.bfloat16)


def test_kernels_compile_for_a_gpu_with_wide_accesses(tmp_path):
    """Without a GPU, does each program compile for one, and move 16 bytes at a time where rows are aligned?

    The interpreter takes programs that the compiler refuses. This runs in a process of its own,
    since Triton either interprets or compiles.
    """
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    command = [sys.executable, "-m", "tests.bn_reference.torch.compiled_kernels"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "compiled" in done.stdout


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("last", [False, True], ids=["C order", "channels last"])
@pytest.mark.parametrize("shape", EXTENTS.values(), ids=EXTENTS)
def test_batch_norm_on_these_kernels_is_that_of_torch(shape, last, dtype, monkeypatch):
    """Do output, gradients and running statistics come out right where the operators run on Triton?"""
    if DEVICE == "cpu":  # the interpreter takes the CPU's place
        monkeypatch.setitem(operators.KERNELS, "CPU", triton_kernels.__name__)
        monkeypatch.setattr(triton_kernels, "supports", lambda x: x.numel() > 0)
    x, weight, bias, running, dout = problems.problem(shape, dtype, DEVICE)
    if last:
        x, dout = (v.detach().movedim(1, -1).contiguous().movedim(-1, 1) for v in (x, dout))
        x.requires_grad_()

    ours, theirs = (
        problems.run(function, x, weight, bias, running, dout, training=True, eps=0.1)
        for function in (batch_norm, torch.nn.functional.batch_norm)
    )

    problems.assert_same(ours, theirs)
    assert ours[0].stride() == x.stride()

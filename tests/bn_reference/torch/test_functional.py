import re
from itertools import product

import pytest
import torch

from bn_reference.torch.functional import batch_norm
from tests.bn_reference.batches import cases, cotangent, every_layout, random_batch
from tests.bn_reference.torch.problems import assert_same, problem, run
from tests.tolerances import assert_close

DTYPES = {"float16": torch.half, "bfloat16": torch.bfloat16, "float32": torch.float, "float64": torch.double}
PARAMETERS = {
    "weight and bias": (True, True),
    "weight alone": (True, False),
    "bias alone": (False, True),
    "neither": (False, False),
}
MEMORY_LAYOUTS = {
    "C order": lambda x: x.contiguous(),
    "channels last": lambda x: x.movedim(1, -1).contiguous().movedim(-1, 1),
    "transposed": lambda x: x.mT.contiguous().mT,
    "every second value": lambda x: x.repeat_interleave(2, dim=0).repeat_interleave(2, dim=-1)[::2, ..., ::2],
    "expanded": lambda x: x[..., :1].expand(x.shape),
}

over_every_layout = pytest.mark.parametrize("shape", **every_layout)
in_every_dtype = pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
with_every_parameter = pytest.mark.parametrize("present", PARAMETERS.values(), ids=PARAMETERS)
with_and_without_statistics = pytest.mark.parametrize("tracks", [True, False], ids=["running", "no running"])


class TestAgainstTorch:
    @in_every_dtype
    @with_every_parameter
    @with_and_without_statistics
    @over_every_layout
    def test_training(self, shape, tracks, present, dtype, device):
        *tensors, running, dout = problem(shape, dtype, device, present)
        running = running if tracks else (None, None)
        options = {"training": True, "momentum": 0.3, "eps": 0.1}

        ours = run(batch_norm, *tensors, running, dout, **options)

        assert_same(ours, run(torch.nn.functional.batch_norm, *tensors, running, dout, **options))

    @in_every_dtype
    @with_every_parameter
    @over_every_layout
    def test_inference(self, shape, present, dtype, device):
        *tensors, running, dout = problem(shape, dtype, device, present)
        options = {"training": False, "eps": 0.1}

        ours = run(batch_norm, *tensors, running, dout, **options)

        assert_same(ours, run(torch.nn.functional.batch_norm, *tensors, running, dout, **options))
        assert all(torch.equal(after, before) for after, before in zip(ours[2], running, strict=True))

    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    @pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16], ids=["float16", "bfloat16"])
    @over_every_layout
    def test_narrow_input_with_float32_parameters(self, shape, dtype, training, device):
        *tensors, running, dout = problem(shape, dtype, device, parameter_dtype=torch.float)

        ours = run(batch_norm, *tensors, running, dout, training=training)

        assert_same(ours, run(torch.nn.functional.batch_norm, *tensors, running, dout, training=training))

    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    def test_the_defaults_are_those_of_torch(self, training):
        *tensors, running, dout = problem((6, 3), torch.double, "cpu")

        ours = run(batch_norm, *tensors, running, dout, training=training)

        assert_same(ours, run(torch.nn.functional.batch_norm, *tensors, running, dout, training=training))
        by_default = run(batch_norm, *tensors, running, dout)
        assert_same(by_default, run(torch.nn.functional.batch_norm, *tensors, running, dout))

    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    @pytest.mark.parametrize("lay_out", MEMORY_LAYOUTS.values(), ids=MEMORY_LAYOUTS)
    @over_every_layout
    def test_strides_do_not_matter(self, shape, lay_out, training, device):
        x, *vectors, running, dout = problem(shape, torch.double, device)
        x = lay_out(x.detach()).requires_grad_()

        ours = run(batch_norm, x, *vectors, running, lay_out(dout), training=training, eps=0.1)

        theirs = run(
            torch.nn.functional.batch_norm, x, *vectors, running, lay_out(dout), training=training, eps=0.1
        )
        assert_same(ours, theirs)

    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    @pytest.mark.parametrize(
        ("shape", "memory_format"),
        [((3, 4, 4, 2), torch.channels_last), ((2, 3, 2, 3, 2), torch.channels_last_3d)],
        ids=["2d", "3d"],
    )
    def test_channels_last_stays_channels_last(self, shape, memory_format, training, device):
        x, *vectors, running, _ = problem(shape, torch.float, device)
        x = x.detach().to(memory_format=memory_format)

        y = batch_norm(x, *running, *vectors, training=training)

        assert y.is_contiguous(memory_format=memory_format)

    @pytest.mark.parametrize("offset", [1e2, 1e4])
    def test_large_means_cost_float32_their_share_and_no_more(self, offset, device):
        x = random_batch((64, 3), offset=offset).astype("float32")
        y = batch_norm(torch.tensor(x, device=device), None, None, training=True)

        exact = batch_norm(torch.tensor(x, dtype=torch.double), None, None, training=True)

        # float32 sums around a mean this large: so many roundings of the mean in units of the spread.
        assert_close(y, exact, condition=offset)

    def test_tensors_that_came_in_are_not_changed(self, device):
        for training in (True, False):
            *tensors, running, dout = problem((4, 3, 2), torch.double, device)
            before = [tensor.detach().clone() for tensor in (*tensors, dout)]

            run(batch_norm, *tensors, running, dout, training=training)

            for tensor, value in zip((*tensors, dout), before, strict=True):
                assert torch.equal(tensor, value)


class TestRunningStatistics:
    def test_they_are_updated_in_place(self):
        x, weight, bias, (running_mean, running_var), _ = problem((6, 3), torch.double, "cpu")
        mean, var = running_mean.clone(), running_var.clone()

        batch_norm(x, running_mean, running_var, weight, bias, training=True, momentum=0.25)

        assert_close(running_mean, 0.75 * mean + 0.25 * x.mean(0), scale=1.0)
        assert_close(running_var, 0.75 * var + 0.25 * x.var(0))
        assert not running_mean.requires_grad
        assert not running_var.requires_grad


class TestGradients:
    """Finite differences in float64, of the first and of the second derivative."""

    @with_every_parameter
    @pytest.mark.parametrize("eps", [1e-5, 0.5])
    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    @pytest.mark.parametrize("shape", [(4, 2), (2, 2, 3), (1, 2, 2, 2)], ids=str)
    def test_first_and_second_derivatives(self, shape, training, eps, present, device):
        x, weight, bias, running, _ = problem(shape, torch.double, device, present)
        running = (None, None) if training else running
        leaves = [leaf for leaf in (x, weight, bias) if leaf is not None]

        def function(x, *parameters):
            parameters = iter(parameters)
            weight, bias = (next(parameters) if there else None for there in present)
            return batch_norm(x, *running, weight, bias, training=training, eps=eps)

        assert torch.autograd.gradcheck(function, leaves)
        assert torch.autograd.gradgradcheck(function, leaves)

    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    def test_second_derivatives_are_those_of_torch(self, training, device):
        x, weight, bias, running, dout = problem((3, 4, 4, 2), torch.double, device)
        direction = torch.tensor(cotangent(x.shape, seed=5), device=device)
        dout.requires_grad_()

        def second_derivatives(function):
            y = function(x, *(v.clone() for v in running), weight, bias, training=training, eps=0.1)
            first = torch.autograd.grad(y, (x, weight, bias), dout, create_graph=True)
            loss = sum((gradient**2).sum() for gradient in first) + (first[0] * direction).sum()
            return torch.autograd.grad(loss, (x, weight, dout))

        for ours, theirs in zip(
            second_derivatives(batch_norm), second_derivatives(torch.nn.functional.batch_norm), strict=True
        ):
            assert_close(ours, theirs, condition=4, scale=1.0)

    @pytest.mark.parametrize("wanted", [*product([True, False], repeat=3)][:-1], ids=str)
    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    def test_only_what_asks_for_a_gradient_gets_one(self, training, wanted):
        x, weight, bias, running, dout = problem((4, 3, 2), torch.double, "cpu")
        expected = run(torch.nn.functional.batch_norm, x, weight, bias, running, dout, training=training)[1]
        leaves = [leaf.detach() for leaf in (x, weight, bias)]
        for leaf, wants in zip(leaves, wanted, strict=True):
            leaf.requires_grad_(wants)

        batch_norm(leaves[0], *running, *leaves[1:], training=training).backward(dout)

        for leaf, wants, gradient in zip(leaves, wanted, expected, strict=True):
            assert (leaf.grad is not None) == wants
            if wants:
                assert_close(leaf.grad, gradient)

    def test_without_gradients_no_graph_is_kept(self):
        x, weight, bias, running, _ = problem((4, 3), torch.double, "cpu")

        with torch.no_grad():
            y = batch_norm(x, *running, weight, bias, training=True)

        assert y.grad_fn is None


VECTORS = ["running_mean", "running_var", "weight", "bias"]


class TestErrors:
    """Each says what was wrong, what came and what was expected."""

    @pytest.mark.parametrize(
        ("input", "came"),
        [
            (torch.zeros(4, 3, dtype=torch.int64), "dtype torch.int64"),
            (torch.zeros(4, 3, dtype=torch.bool), "dtype torch.bool"),
            (torch.zeros(4, 3, dtype=torch.complex64), "dtype torch.complex64"),
            ([[1.0, 2.0]], "type list"),
            (random_batch((4, 3)), "type ndarray"),
        ],
        ids=["int", "bool", "complex", "list", "ndarray"],
    )
    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    def test_input_is_a_floating_tensor(self, input, came, training):
        with pytest.raises(TypeError, match=f"^input has {came}, expected a floating-point torch.Tensor"):
            batch_norm(input, None, None, training=training)

    @pytest.mark.parametrize("shape", [(), (4,)], ids=str)
    def test_input_has_a_channel_axis(self, shape):
        message = f"input has shape {shape}, expected (N, C) or (N, C, *spatial)"

        with pytest.raises(ValueError, match=re.escape(message)):
            batch_norm(torch.zeros(shape), None, None, training=True)

    @pytest.mark.parametrize(
        ("name", "shape", "training"),
        **cases(
            {name: name for name in VECTORS},
            {"3": (3,), "1x4": (1, 4), "scalar": ()},
            {"training": True, "inference": False},
        ),
    )
    def test_vectors_have_one_value_a_channel(self, name, shape, training):
        vectors = {**dict.fromkeys(VECTORS, torch.ones(4)), name: torch.ones(shape)}
        message = (
            f"{name} has shape {shape}, expected (4,) to match the 4 channels of input with shape (8, 4, 2)"
        )

        with pytest.raises(ValueError, match=re.escape(message)):
            batch_norm(torch.zeros(8, 4, 2), **vectors, training=training)

    @pytest.mark.parametrize("missing", [VECTORS[:1], VECTORS[1:2], VECTORS[:2]], ids=str)
    def test_inference_needs_running_statistics(self, missing):
        vectors = {**dict.fromkeys(VECTORS, torch.ones(4)), **dict.fromkeys(missing)}
        message = f"{missing[0]} is None, expected a tensor of shape (4,) unless training=True"

        with pytest.raises(ValueError, match=re.escape(message)):
            batch_norm(torch.zeros(8, 4), **vectors)

    @pytest.mark.parametrize("present", [0, 1], ids=["mean", "var"])
    def test_training_tracks_both_statistics_or_neither(self, present):
        running = [None, None]
        running[present] = torch.ones(4)

        with pytest.raises(ValueError, match="must either both be None or neither be None"):
            batch_norm(torch.zeros(8, 4), *running, training=True)

    @pytest.mark.parametrize("shape", [(1, 4), (1, 4, 1, 1)], ids=str)
    def test_training_needs_two_values_a_channel(self, shape):
        message = f"Expected more than 1 value per channel when training, got input size {torch.Size(shape)}"

        with pytest.raises(ValueError, match=re.escape(message)):
            batch_norm(torch.zeros(shape), None, None, training=True)

    @pytest.mark.parametrize("eps", [-1e-5, float("inf"), float("nan")])
    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    def test_eps_must_be_finite_and_not_negative(self, eps, training):
        with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
            batch_norm(torch.zeros(4, 2), torch.zeros(2), torch.ones(2), training=training, eps=eps)

    def test_inference_takes_one_value_a_channel(self):
        y = batch_norm(torch.full((1, 2), 3.0), torch.ones(2), torch.full((2,), 4.0), eps=0.0)

        assert y.tolist() == [[1.0, 1.0]]

import re

import pytest
import torch

from bn_reference.torch.normalization import group_norm, instance_norm, layer_norm, rms_norm
from tests.bn_reference.batches import cotangent, random_batch
from tests.tolerances import assert_close

SHAPE = (3, 4, 2, 3)
OURS = {"layer": layer_norm, "group": group_norm, "instance": instance_norm, "rms": rms_norm}
THEIRS = {name: getattr(torch.nn.functional, function.__name__) for name, function in OURS.items()}
DTYPES = {"float16": torch.half, "bfloat16": torch.bfloat16, "float32": torch.float, "float64": torch.double}

every_member = pytest.mark.parametrize("name", OURS)
with_and_without_parameters = pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])


def parameter_shape(name):
    return SHAPE[1:] if name in ("layer", "rms") else SHAPE[1:2]


def problem(name, affine=True, dtype=torch.double, device="cpu", shape=SHAPE):
    """A batch and its parameters as leaves, and a cotangent."""
    of_parameters = shape[1:] if name in ("layer", "rms") else shape[1:2]
    shapes = [of_parameters] * (0 if not affine else 1 if name == "rms" else 2)
    arrays = [random_batch(shape), *(cotangent(s, seed) for seed, s in enumerate(shapes, start=5))]
    leaves = [torch.tensor(a, dtype=dtype, device=device, requires_grad=True) for a in arrays]
    return leaves, torch.tensor(cotangent(shape), dtype=dtype, device=device)


def call(functions, name, leaves, **options):
    """The function of that name, with the arguments in the order that torch gives them."""
    x, *parameters = leaves
    if name in ("layer", "rms"):
        return functions[name](x, x.shape[1:], *parameters, **options)
    if name == "group":
        return functions[name](x, 2, *parameters, **options)
    return functions[name](x, None, None, *parameters, **options)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("options", [{}, {"eps": 0.1}], ids=["default eps", "eps"])
@with_and_without_parameters
@every_member
def test_it_is_that_of_torch(name, affine, options, dtype, device):
    leaves, dout = problem(name, affine, dtype, device)

    y = call(OURS, name, leaves, **options)
    gradients = torch.autograd.grad(y, leaves, dout)

    expected_y = call(THEIRS, name, leaves, **options)
    expected = torch.autograd.grad(expected_y, leaves, dout)
    for ours, theirs in zip((y, *gradients), (expected_y, *expected), strict=True):
        assert (ours.dtype, ours.device) == (theirs.dtype, theirs.device)
        assert_close(ours, theirs, scale=1.0)


@pytest.mark.parametrize("offset", [1e4, 1e6])
@every_member
def test_a_large_mean_costs_no_digits(name, offset, device):
    leaves, dout = problem(name, dtype=torch.float, device=device)
    leaves[0] = (leaves[0].detach() + offset).requires_grad_()
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]

    y = call(OURS, name, leaves, eps=0.1)
    gradients = torch.autograd.grad(y, leaves, dout)

    expected_y = call(THEIRS, name, wide, eps=0.1)
    for ours, exact in zip(
        (y, *gradients),
        (expected_y, *torch.autograd.grad(expected_y, wide, dout.double())),
        strict=True,
    ):
        assert_close(ours, exact, condition=4, scale=1.0)


LAYOUTS = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "every second value": lambda x: torch.stack([x, x], dim=-1)[..., 0],
}


@pytest.mark.parametrize("lay_out", LAYOUTS.values(), ids=LAYOUTS)
@every_member
def test_strides_do_not_matter(name, lay_out, device):
    leaves, dout = problem(name, device=device)
    expected_y = call(OURS, name, leaves)
    (expected,) = torch.autograd.grad(expected_y, leaves[:1], dout)
    x = lay_out(leaves[0].detach()).requires_grad_()
    assert x.stride() != leaves[0].stride()

    y = call(OURS, name, [x, *leaves[1:]])
    (dx,) = torch.autograd.grad(y, x, lay_out(dout))

    assert_close(y, expected_y, scale=1.0)
    assert_close(dx, expected, scale=1.0)


@every_member
def test_infinite_and_undefined_values_go_where_they_go_in_torch(name):
    (x, *parameters), _ = problem(name)
    x = x.detach()
    x[0, 0, 0, 0], x[1, 0, 0, 0] = float("inf"), float("nan")

    y, expected = (call(functions, name, [x, *parameters]) for functions in (OURS, THEIRS))

    assert torch.equal(torch.isnan(y), torch.isnan(expected))


@with_and_without_parameters
@every_member
def test_first_and_second_derivatives(name, affine):
    leaves, _ = problem(name, affine, shape=(2, 4, 2))

    def function(*leaves):
        return call(OURS, name, leaves, eps=0.1)

    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


@every_member
def test_second_derivatives_are_those_of_torch(name, device):
    leaves, dout = problem(name, device=device)
    direction = torch.tensor(cotangent(SHAPE, seed=9), device=device)

    def second_derivatives(functions):
        first = torch.autograd.grad(call(functions, name, leaves, eps=0.1), leaves, dout, create_graph=True)
        return torch.autograd.grad((first[0] * direction).sum(), leaves[:2])

    for ours, theirs in zip(second_derivatives(OURS), second_derivatives(THEIRS), strict=True):
        assert_close(ours, theirs, condition=4, scale=1.0)


@pytest.mark.parametrize("use_input_stats", [True, False])
def test_running_statistics_of_instances_are_those_of_torch(use_input_stats):
    (x, weight, bias), _ = problem("instance")
    ours = [torch.zeros(4).double(), torch.ones(4).double()]
    theirs = [statistic.clone() for statistic in ours]
    options = {"use_input_stats": use_input_stats, "momentum": 0.3}

    y = instance_norm(x, *ours, weight, bias, **options)

    assert_close(y, torch.nn.functional.instance_norm(x, *theirs, weight, bias, **options), scale=1.0)
    for mine, expected in zip(ours, theirs, strict=True):
        assert_close(mine, expected, scale=1.0)


class TestErrors:
    @pytest.mark.parametrize("x", [torch.zeros(SHAPE, dtype=torch.int64), torch.zeros(SHAPE).numpy()])
    @every_member
    def test_input_is_a_floating_tensor(self, name, x):
        with pytest.raises(TypeError, match=r"^input has .*, expected a floating-point torch.Tensor"):
            call(OURS, name, [x])

    @pytest.mark.parametrize("which", ["weight", "bias"])
    @pytest.mark.parametrize("name", ["layer", "group", "instance"])
    def test_parameters_have_their_shape(self, name, which):
        expected = re.escape(f"{which} has shape (7,), expected {parameter_shape(name)}")

        with pytest.raises(ValueError, match=expected):
            call(OURS, name, [torch.zeros(SHAPE)], **{which: torch.ones(7)})

    @pytest.mark.parametrize("shape", [(), (4,), (3, 4, 2, 3, 1)])
    @pytest.mark.parametrize("function", [layer_norm, rms_norm])
    def test_the_normalized_shape_is_that_of_the_last_axes(self, function, shape):
        message = f"normalized_shape is {shape}, expected the lengths of the last axes of input"

        with pytest.raises(ValueError, match=re.escape(message)):
            function(torch.zeros(SHAPE), shape)

    @pytest.mark.parametrize("groups", [0, 3])
    def test_groups_divide_the_channels(self, groups):
        with pytest.raises(ValueError, match=f"num_groups is {groups}, expected a divisor of the 4 channels"):
            group_norm(torch.zeros(SHAPE), groups)

    @pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1)])
    def test_an_instance_holds_more_than_one_position(self, shape):
        with pytest.raises(ValueError, match="with more than 1 position"):
            instance_norm(torch.zeros(shape))

    @pytest.mark.parametrize("eps", [-1e-5, float("inf"), float("nan")])
    @every_member
    def test_eps_must_be_finite_and_not_negative(self, name, eps):
        with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
            call(OURS, name, [torch.zeros(SHAPE)], eps=eps)

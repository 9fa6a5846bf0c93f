import pytest
import torch

from bn_reference.decorrelated import iternorm_backward, iternorm_forward, zca_backward, zca_forward
from bn_reference.torch.decorrelated import iter_norm, zca_batch_norm
from tests.bn_reference.batches import cotangent, random_batch
from tests.bn_reference.test_decorrelated import EPS, over_every_layout
from tests.tolerances import assert_close

both_layers = pytest.mark.parametrize(
    ("layer", "forward", "backward"),
    [(zca_batch_norm, zca_forward, zca_backward), (iter_norm, iternorm_forward, iternorm_backward)],
    ids=["zca", "iterations"],
)


@both_layers
@pytest.mark.parametrize("dtype", [torch.float, torch.double], ids=["float32", "float64"])
@over_every_layout
def test_it_is_that_of_the_arrays(shape, dtype, layer, forward, backward, device):
    x = torch.tensor(random_batch(shape), dtype=dtype, device=device, requires_grad=True)
    dout = cotangent(shape)

    y = layer(x, eps=EPS)
    (dx,) = torch.autograd.grad(y, x, torch.tensor(dout).to(y))

    expected_y, cache = forward(x.detach().cpu().double().numpy(), eps=EPS)
    assert y.dtype == dx.dtype == dtype
    assert_close(y, expected_y, condition=16, scale=1.0)
    assert_close(dx, backward(dout, cache), condition=16, scale=1.0)


@both_layers
@pytest.mark.parametrize("offset", [1e4, 1e6])
def test_a_large_mean_costs_no_digits(offset, layer, forward, backward, device):
    x = torch.tensor(random_batch((16, 3), offset=offset), dtype=torch.float, device=device)
    x.requires_grad_()
    dout = cotangent((16, 3))

    y = layer(x, eps=EPS)
    (dx,) = torch.autograd.grad(y, x, torch.tensor(dout).to(y))

    expected_y, cache = forward(x.detach().cpu().double().numpy(), eps=EPS)
    assert_close(y, expected_y, condition=16, scale=1.0)
    assert_close(dx, backward(dout, cache), condition=16, scale=1.0)


@both_layers
@pytest.mark.parametrize("equal", [False, True], ids=["random", "equal eigenvalues"])
def test_first_and_second_derivatives(equal, layer, forward, backward):
    x = random_batch((6, 2))
    x = torch.tensor(zca_forward(x, 0.0)[0] if equal else x, requires_grad=True)

    assert torch.autograd.gradcheck(lambda x: layer(x, eps=EPS), x)
    assert torch.autograd.gradgradcheck(lambda x: layer(x, eps=EPS), x)


@both_layers
def test_input_is_a_floating_tensor(layer, forward, backward):
    with pytest.raises(TypeError, match=r"^input has dtype torch.int64, expected a floating-point"):
        layer(torch.zeros(5, 3, dtype=torch.int64))


@both_layers
@pytest.mark.parametrize("eps", [-1e-5, float("inf"), float("nan")])
def test_eps_must_be_finite_and_not_negative(eps, layer, forward, backward):
    with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
        layer(torch.zeros(5, 3), eps=eps)


def test_iterations_are_not_negative():
    with pytest.raises(ValueError, match="iterations is -1, expected a number of steps, zero or above"):
        iter_norm(torch.zeros(5, 3), -1)

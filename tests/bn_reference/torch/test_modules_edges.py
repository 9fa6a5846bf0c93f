"""What torch's own tests ask of its layers, asked of ours: old state, counting, independence, copies."""

import copy
import pickle

import pytest
import torch

import bn_reference.torch
from tests.bn_reference.batches import random_batch
from tests.tolerances import assert_close

LAYERS = {"BatchNorm1d": (4, 3), "BatchNorm2d": (2, 3, 4, 5), "BatchNorm3d": (2, 3, 2, 2, 3)}
over_layers = pytest.mark.parametrize(("name", "shape"), LAYERS.items(), ids=LAYERS)


def batch(shape, seed=0):
    return torch.tensor(random_batch(shape, seed, dtype="float32"))


@over_layers
def test_state_of_version_1_without_a_count_loads(name, shape):
    layer = getattr(bn_reference.torch, name)(3)
    layer(batch(shape))
    state = layer.state_dict()
    del state["num_batches_tracked"]
    state._metadata[""]["version"] = 1

    for package in (bn_reference.torch, torch.nn):
        fresh = getattr(package, name)(3)
        fresh.load_state_dict(state)
        assert fresh.num_batches_tracked == 0
        assert torch.equal(fresh.running_mean, layer.running_mean)


@over_layers
@pytest.mark.parametrize("momentum", [0.1, None], ids=["momentum", "cumulative"])
def test_batches_are_counted_in_training_alone(name, shape, momentum):
    layer = getattr(bn_reference.torch, name)(3, momentum=momentum)

    for training, count in ((True, 1), (True, 2), (False, 2), (True, 3)):
        layer.train(training)(batch(shape))
        assert layer.num_batches_tracked == count


def test_without_tracking_nothing_is_counted():
    layer = bn_reference.torch.BatchNorm1d(3, track_running_stats=False)

    layer(batch((4, 3)))

    assert layer.num_batches_tracked is None


@over_layers
def test_gradients_do_not_depend_on_the_buffers(name, shape):
    layer = getattr(bn_reference.torch, name)(3)
    x = batch(shape).requires_grad_()
    (layer(x) ** 3).sum().backward()
    first = x.grad.clone()

    x.grad = None
    with torch.no_grad():
        layer.running_mean.normal_()
        layer.running_var.uniform_()
    (layer(x) ** 3).sum().backward()

    assert torch.equal(x.grad, first)


@over_layers
def test_inference_takes_an_empty_batch_and_one_example(name, shape):
    layer = getattr(bn_reference.torch, name)(3).eval()

    for n in (0, 1):
        assert layer(batch((n, *shape[1:]))).shape == (n, *shape[1:])


@over_layers
def test_training_on_an_empty_batch_counts_it_and_moves_nothing_else(name, shape):
    layers = [getattr(package, name)(3) for package in (bn_reference.torch, torch.nn)]

    for layer in layers:
        layer(batch((0, *shape[1:])))

    for (key, ours), theirs in zip(
        layers[0].state_dict().items(), layers[1].state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), key


@pytest.mark.parametrize("dtype", [torch.float, torch.half, torch.bfloat16], ids=str)
def test_channels_last_images_give_what_others_give(dtype):
    layers = [bn_reference.torch.BatchNorm2d(3, dtype=dtype) for _ in range(2)]
    x, dout = batch((4, 3, 8, 8)).to(dtype), batch((4, 3, 8, 8), seed=1).to(dtype)

    results = []
    for layer, memory in zip(layers, (torch.contiguous_format, torch.channels_last), strict=True):
        leaf = x.clone(memory_format=memory).requires_grad_()
        y = layer(leaf)
        y.backward(dout)
        assert y.is_contiguous(memory_format=memory)
        assert leaf.grad.is_contiguous(memory_format=memory)
        results.append(
            (y, leaf.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var)
        )

    for one, other in zip(*results, strict=True):
        assert_close(one, other, scale=1.0)


@over_layers
def test_a_layer_survives_pickle_with_its_gradients_independent(name, shape):
    layer = getattr(bn_reference.torch, name)(3)
    layer(batch(shape)).sum().backward()

    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        twin.eval()
        assert torch.equal(twin(batch(shape)), copy.deepcopy(layer).eval()(batch(shape)))
        assert twin.weight.data_ptr() != layer.weight.data_ptr()


@over_layers
def test_a_layer_on_the_meta_device_runs_and_materialises(name, shape):
    layer = getattr(bn_reference.torch, name)(3, device="meta", momentum=None)

    assert layer(batch(shape).to("meta")).shape == shape
    layer = layer.to_empty(device="cpu")
    layer.reset_parameters()
    assert layer(batch(shape)).isfinite().all()


def test_frozen_parameters_and_input_take_no_gradient():
    layer = bn_reference.torch.BatchNorm1d(3)
    layer.weight.requires_grad_(False)

    layer(batch((4, 3))).sum().backward()

    assert layer.weight.grad is None
    assert layer.bias.grad is not None

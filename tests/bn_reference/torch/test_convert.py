import copy

import pytest
import torch

import bn_reference.torch as ours
from bn_reference.torch.convert import from_torch_nn, to_torch_nn
from tests.bn_reference.batches import cotangent, random_batch
from tests.tolerances import assert_close

LAYERS = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]
DIRECTIONS = {
    "from torch.nn": (torch.nn, from_torch_nn, ours),
    "to torch.nn": (ours, to_torch_nn, torch.nn),
}
in_both_directions = pytest.mark.parametrize(
    ("source", "convert", "target"), DIRECTIONS.values(), ids=DIRECTIONS
)


def images():
    return torch.tensor(random_batch((4, 2, 5, 5), dtype="float32"))


def model(package):
    torch.manual_seed(0)
    shared = package.BatchNorm2d(3)
    inner = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), shared, torch.nn.ReLU(inplace=True), shared)
    return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), package.BatchNorm2d(3, momentum=None), inner)


@in_both_directions
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_becomes_its_counterpart_with_the_same_tensors(name, source, convert, target):
    layer = getattr(source, name)(3, eps=0.5, momentum=None, affine=True).eval()

    twin = convert(layer)

    assert type(twin) is getattr(target, name)
    assert repr(twin) == repr(layer)
    assert (twin.eps, twin.momentum, twin.training) == (0.5, None, False)
    for key, value in layer.state_dict(keep_vars=True).items():
        assert twin.state_dict(keep_vars=True)[key] is value


@in_both_directions
def test_a_model_computes_the_same_before_and_after(source, convert, target):
    before = model(source)
    after = convert(copy.deepcopy(before))

    for training in (True, True, False):
        y, expected = (m.train(training)(images()) for m in (after, before))
        assert_close(y, expected, condition=4, scale=1.0)
    assert after.state_dict().keys() == before.state_dict().keys()
    for name in ("1.running_mean", "1.running_var", "2.1.running_mean", "2.1.running_var"):
        assert_close(after.state_dict()[name], before.state_dict()[name], condition=4, scale=1.0)
    assert type(after[1]) is type(after[2][1]) is target.BatchNorm2d


@in_both_directions
def test_a_layer_that_occurs_twice_stays_one(source, convert, target):
    converted = convert(model(source))

    assert converted[2][1] is converted[2][3]


def test_there_and_back_is_the_model_of_before():
    original = model(torch.nn)
    classes = [type(m) for m in original.modules()]

    back = to_torch_nn(from_torch_nn(original))

    assert back is original
    assert [type(m) for m in back.modules()] == classes


def test_an_optimizer_goes_on_with_the_converted_model():
    converted = model(torch.nn)
    optimizer = torch.optim.SGD(converted.parameters(), lr=0.1)
    from_torch_nn(converted)
    before = converted[1].weight.detach().clone()

    y = converted(images())
    (y * torch.tensor(cotangent(y.shape))).sum().backward()
    optimizer.step()

    assert not torch.equal(converted[1].weight, before)


def test_hooks_and_their_handles_survive():
    layer, calls = torch.nn.BatchNorm1d(3), []
    handle = layer.register_forward_hook(lambda *_: calls.append(1))
    x = torch.tensor(random_batch((4, 3), dtype="float32"))

    twin = from_torch_nn(layer)
    twin(x)
    handle.remove()
    twin(x)

    assert calls == [1]


@pytest.mark.parametrize("other", [torch.nn.SyncBatchNorm, torch.nn.LazyBatchNorm2d, torch.nn.InstanceNorm2d])
def test_other_layers_stay(other):
    layer = other(3) if other is not torch.nn.LazyBatchNorm2d else other()

    assert from_torch_nn(layer) is layer


def test_torch_makes_its_synchronised_layer_of_ours():
    layer = ours.BatchNorm2d(3, eps=0.5)

    sync = torch.nn.SyncBatchNorm.convert_sync_batchnorm(torch.nn.Sequential(layer))[0]

    assert type(sync) is torch.nn.SyncBatchNorm
    assert sync.eps == 0.5
    assert sync.weight is layer.weight


def test_torch_folds_our_layer_into_a_convolution():
    conv, layer = torch.nn.Conv2d(2, 3, 3).eval(), ours.BatchNorm2d(3)
    layer(conv(images()))
    layer.eval()

    fused = torch.nn.utils.fuse_conv_bn_eval(conv, layer)

    assert_close(fused(images()), layer(conv(images())), condition=4, scale=1.0)

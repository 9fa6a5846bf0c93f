import copy
import io
import re

import pytest
import torch

import bn_reference.torch
from tests.bn_reference.batches import cases, cotangent, random_batch, random_vectors
from tests.tolerances import assert_close

LAYERS = {
    "1d N,C": ("BatchNorm1d", (6, 3)),
    "1d N,C,L": ("BatchNorm1d", (4, 3, 5)),
    "2d": ("BatchNorm2d", (3, 3, 4, 2)),
    "3d": ("BatchNorm3d", (2, 3, 2, 3, 2)),
}
OPTIONS = {
    "defaults": {},
    "momentum 0.7": {"momentum": 0.7},
    "cumulative average": {"momentum": None},
    "no running statistics": {"track_running_stats": False},
    "no parameters": {"affine": False},
    "nothing but the batch": {"affine": False, "track_running_stats": False},
    "large eps": {"eps": 0.5},
}
STEPS = 5

every_layer = pytest.mark.parametrize(("name", "shape"), LAYERS.values(), ids=LAYERS)


def pair(name, channels=3, dtype=torch.double, device="cpu", **options):
    """Our layer and torch's, with the same parameters, none of them 0 or 1."""
    ours = getattr(bn_reference.torch, name)(channels, **options, dtype=dtype, device=device)
    theirs = getattr(torch.nn, name)(channels, **options, dtype=dtype, device=device)
    if ours.affine:
        with torch.no_grad():
            for layer in (ours, theirs):
                for parameter, value in zip(layer.parameters(), random_vectors(2, channels), strict=True):
                    parameter.copy_(torch.tensor(value))
    return ours, theirs


def batch_for(layer, shape, seed):
    like = next(iter((*layer.parameters(), *layer.buffers(), torch.zeros((), dtype=torch.double))))
    return torch.tensor(random_batch(shape, seed, offset=3.0)).to(like)


def train(layer, shape, steps=STEPS, dtype=None):
    """Some steps of gradient descent on ``sum(y * cotangent)``, with a different batch each."""
    layer.train()
    for seed in range(steps):
        x = batch_for(layer, shape, seed)
        x = x.to(dtype or x.dtype)
        loss = (layer(x) * torch.tensor(cotangent(shape, seed)).to(x)).sum()
        gradients = torch.autograd.grad(loss, list(layer.parameters())) if layer.affine else ()
        with torch.no_grad():
            for parameter, gradient in zip(layer.parameters(), gradients, strict=True):
                parameter -= 0.05 * gradient
    return layer


def assert_same_state(ours, theirs):
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.dtype == theirs[name].dtype
        if value.is_floating_point():
            assert_close(value, theirs[name], scale=1.0)
        else:
            assert torch.equal(value, theirs[name])


class TestAgainstTorch:
    @pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
    @every_layer
    def test_training_steps_and_then_inference(self, name, shape, options, device):
        ours, theirs = pair(name, device=device, **options)
        x = batch_for(ours, shape, seed=99)

        y, expected = (train(layer, shape).eval()(x) for layer in (ours, theirs))

        assert_same_state(ours, theirs)
        assert_close(y, expected)

    @pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
    @every_layer
    def test_inference_moves_nothing(self, name, shape, options):
        ours, _ = pair(name, **options)
        train(ours, shape).eval()
        before = copy.deepcopy(ours.state_dict())

        ours(batch_for(ours, shape, seed=99))

        assert all(torch.equal(value, before[key]) for key, value in ours.state_dict().items())

    @every_layer
    def test_inference_between_training_steps(self, name, shape):
        ours, theirs = pair(name, momentum=None)
        x = batch_for(ours, shape, seed=99)

        for steps in (2, 3):
            y, expected = (train(layer, shape, steps).eval()(x) for layer in (ours, theirs))
            assert_close(y, expected)

        assert ours.num_batches_tracked == 5
        assert_same_state(ours, theirs)

    def test_cumulative_average_is_the_mean_over_all_batches(self):
        ours, _ = pair("BatchNorm1d", momentum=None)
        xs = [batch_for(ours, (6, 3), seed) for seed in range(4)]

        for x in xs:
            ours(x)

        assert_close(ours.running_mean, torch.stack([x.mean(0) for x in xs]).mean(0))
        assert_close(ours.running_var, torch.stack([x.var(0) for x in xs]).mean(0))

    @every_layer
    def test_switching_off_tracking_freezes_the_running_statistics(self, name, shape):
        ours, theirs = pair(name)
        for layer in (ours, theirs):
            train(layer, shape, steps=2)
            layer.track_running_stats = False
        frozen = ours.running_mean.clone()

        train(ours, shape), train(theirs, shape)

        assert torch.equal(ours.running_mean, frozen)
        assert_same_state(ours, theirs)
        x = batch_for(ours, shape, seed=99)
        assert_close(ours.eval()(x), theirs.eval()(x))

    @every_layer
    def test_switching_on_tracking_where_nothing_is_tracked(self, name, shape):
        ours, theirs = pair(name, track_running_stats=False)
        ours.track_running_stats = theirs.track_running_stats = True

        train(ours, shape), train(theirs, shape)

        assert_same_state(ours, theirs)

    @pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16, torch.float], ids=str)
    @every_layer
    def test_other_dtypes(self, name, shape, dtype, device):
        ours, theirs = (layer.to(dtype) for layer in pair(name, device=device))
        x = batch_for(ours, shape, seed=99)

        y, expected = (train(layer, shape, steps=1).eval()(x) for layer in (ours, theirs))

        assert y.dtype == dtype
        assert_same_state(ours, theirs)
        assert_close(y, expected)

    def test_half_and_double_convert_parameters_and_statistics(self):
        layer = bn_reference.torch.BatchNorm2d(3)

        for convert, dtype in ((layer.half, torch.half), (layer.double, torch.double)):
            state = convert().state_dict()
            assert {value.dtype for value in state.values()} == {dtype, torch.int64}
            assert layer(batch_for(layer, (3, 3, 4, 2), seed=0)).dtype == dtype

    @every_layer
    def test_narrow_input_to_a_float32_layer(self, name, shape, device):
        ours, theirs = pair(name, dtype=torch.float, device=device)
        x = batch_for(ours, shape, seed=99).half()

        y, expected = (train(layer, shape, dtype=torch.half).eval()(x) for layer in (ours, theirs))

        assert y.dtype == torch.half
        assert_same_state(ours, theirs)
        assert_close(y, expected)

    @pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
    @every_layer
    def test_gradient_of_the_input(self, name, shape, training):
        ours, theirs = (train(layer, shape).train(training) for layer in pair(name))
        dout = torch.tensor(cotangent(shape))

        gradients = []
        for layer in (ours, theirs):
            x = batch_for(layer, shape, seed=99).requires_grad_()
            layer(x).backward(dout)
            gradients.append((x.grad, layer.weight.grad, layer.bias.grad))

        for gradient, expected in zip(*gradients, strict=True):
            assert_close(gradient, expected, scale=1.0)


@every_layer
def test_the_arithmetic_is_ours(name, shape, monkeypatch):
    ours, theirs = pair(name)

    def refuses(*args, **kwargs):
        raise AssertionError("torch's own batch_norm was called")

    monkeypatch.setattr(torch, "batch_norm", refuses)
    monkeypatch.setattr(torch.nn.functional, "batch_norm", refuses)

    with pytest.raises(AssertionError, match="torch's own batch_norm was called"):
        train(theirs, shape)
    train(ours, shape).eval()(batch_for(ours, shape, seed=99))


class TestState:
    @pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
    @every_layer
    def test_each_loads_what_the_other_saved(self, name, shape, options):
        for source, target in (pair(name, **options), reversed(pair(name, **options))):
            train(source, shape)

            assert str(target.load_state_dict(source.state_dict())) == "<All keys matched successfully>"

            x = batch_for(source, shape, seed=99)
            assert_close(target.eval()(x), source.eval()(x))

    @every_layer
    def test_a_new_layer_has_the_state_of_torch(self, name, shape):
        ours, theirs = getattr(bn_reference.torch, name)(3), getattr(torch.nn, name)(3)

        assert_same_state(ours, theirs)
        assert repr(ours) == repr(theirs)
        assert isinstance(ours, type(theirs))

    @pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
    @every_layer
    def test_copies_are_the_same_and_independent(self, name, shape, options):
        layer = train(pair(name, **options)[0], shape)
        file = io.BytesIO()
        torch.save(layer, file)
        file.seek(0)

        for twin in (copy.deepcopy(layer), torch.load(file, weights_only=False)):
            x = batch_for(layer, shape, seed=99)
            assert torch.equal(twin.eval()(x), layer.eval()(x))
            before = copy.deepcopy(layer.state_dict())
            train(twin, shape)
            assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())

    @every_layer
    def test_reset_forgets_the_running_statistics(self, name, shape):
        ours = train(pair(name)[0], shape)

        ours.reset_running_stats()

        assert ours.running_mean.tolist() == [0.0] * 3
        assert ours.running_var.tolist() == [1.0] * 3
        assert ours.num_batches_tracked == 0


class TestErrors:
    """They are those of ``torch.nn``."""

    @pytest.mark.parametrize(
        ("name", "axes", "training"),
        **cases(
            {"1d": "BatchNorm1d", "2d": "BatchNorm2d", "3d": "BatchNorm3d"},
            {f"{axes} axes": axes for axes in range(1, 7)},
            {"training": True, "inference": False},
        ),
    )
    def test_each_layer_takes_its_own_number_of_axes(self, name, axes, training):
        ours, theirs = (layer.train(training) for layer in pair(name))
        x = torch.zeros((2, 3, 2, 2, 2, 2)[:axes], dtype=torch.double)
        takes = {"BatchNorm1d": (2, 3), "BatchNorm2d": (4,), "BatchNorm3d": (5,)}[name]

        if axes in takes:
            assert ours(x).shape == x.shape
        else:
            message = " or ".join(f"{n}D" for n in takes) + rf" input \(got {axes}D input\)"
            for layer in (ours, theirs):
                with pytest.raises(ValueError, match=message):
                    layer(x)

    @pytest.mark.parametrize(
        ("name", "shape"),
        [("BatchNorm1d", (1, 3)), ("BatchNorm1d", (1, 3, 1)), ("BatchNorm2d", (1, 3, 1, 1))],
        ids=str,
    )
    def test_one_value_a_channel_cannot_train_but_infer(self, name, shape):
        ours, theirs = pair(name)
        x = torch.ones(shape, dtype=torch.double)

        for layer in (ours, theirs):
            with pytest.raises(ValueError, match=r"xpected more than 1 value per channel when training"):
                layer(x)
        assert_close(ours.eval()(x), theirs.eval()(x))

    def test_the_number_of_channels_must_be_that_of_the_layer(self):
        message = "has shape (3,), expected (4,) to match the 4 channels of input with shape (8, 4)"

        with pytest.raises(ValueError, match=re.escape(message)):
            bn_reference.torch.BatchNorm1d(3)(torch.zeros(8, 4))

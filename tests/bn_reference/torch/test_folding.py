import copy

import pytest
import torch

from bn_reference.torch import BatchNorm1d, BatchNorm2d, SyncBatchNorm
from bn_reference.torch.folding import fold_batchnorm
from tests.bn_reference.batches import random_vectors
from tests.tolerances import assert_close

LAYERS = {
    "Linear": (torch.nn.Linear(3, 4), (5, 3)),
    "Conv1d": (torch.nn.Conv1d(3, 4, 2, stride=2, padding=1), (5, 3, 6)),
    "Conv2d in groups": (
        torch.nn.Conv2d(4, 4, 3, groups=2, padding="same", padding_mode="reflect"),
        (2, 4, 5, 5),
    ),
    "Conv2d without bias": (torch.nn.Conv2d(3, 4, 3, bias=False, dilation=2), (2, 3, 6, 6)),
    "Conv3d": (torch.nn.Conv3d(3, 4, 2), (2, 3, 3, 4, 2)),
}

over_every_layer = pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)


def normalization(cls, affine=True, eps=0.1):
    """A layer in inference mode whose statistics are not those of a new one."""
    norm = cls(4, eps=eps, affine=affine).eval()
    weight, bias, mean, spread = (torch.tensor(v) for v in random_vectors(4, 4))
    state = {"running_mean": mean, "running_var": spread**2}
    norm.load_state_dict(
        {**norm.state_dict(), **state, **({"weight": weight, "bias": bias} if affine else {})}
    )
    return norm


def of_dimension(ndim):
    return {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: BatchNorm2d, 5: torch.nn.BatchNorm3d}[ndim]


@pytest.mark.parametrize("dtype", [torch.float, torch.double], ids=["float32", "float64"])
@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
@over_every_layer
def test_one_layer_does_what_both_did(layer, shape, affine, dtype, device):
    layer = copy.deepcopy(layer).to(device, dtype)
    norm = normalization(of_dimension(len(shape)), affine).to(device, dtype)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device, dtype)

    folded = fold_batchnorm(layer, norm)

    assert type(folded) is type(layer)
    assert_close(folded(x), norm(layer(x)), scale=1.0)


@pytest.mark.parametrize("cls", [BatchNorm1d, SyncBatchNorm, torch.nn.BatchNorm1d, torch.nn.SyncBatchNorm])
def test_every_batch_norm_layer_folds(cls):
    layer, norm = copy.deepcopy(LAYERS["Linear"][0]), normalization(cls)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    # That of torch runs on GPUs alone; the four share what inference uses.
    same = normalization(BatchNorm1d)

    assert_close(fold_batchnorm(layer, norm)(x), same(layer(x)), scale=1.0)


def test_the_layers_that_came_in_are_not_changed():
    layer, norm = torch.nn.Linear(3, 4), normalization(torch.nn.BatchNorm1d)
    before = copy.deepcopy([layer.state_dict(), norm.state_dict()])

    fold_batchnorm(layer, norm).weight.data.zero_()

    for state, old in zip((layer.state_dict(), norm.state_dict()), before, strict=True):
        assert all(torch.equal(state[name], old[name]) for name in old)


class TestErrors:
    @pytest.mark.parametrize("layer", [torch.nn.ConvTranspose2d(3, 4, 2), torch.nn.ReLU()], ids=repr)
    def test_layers_that_count_outputs_elsewhere_are_refused(self, layer):
        with pytest.raises(TypeError, match=f"layer is a {type(layer).__name__}, expected Linear, Conv1d"):
            fold_batchnorm(layer, normalization(torch.nn.BatchNorm2d))

    def test_another_normalization_is_refused(self):
        with pytest.raises(TypeError, match="norm is a LayerNorm, expected a batch-norm layer"):
            fold_batchnorm(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))

    def test_training_mode_is_refused(self):
        with pytest.raises(ValueError, match=r"norm is in training mode, .*; call norm.eval\(\) first"):
            fold_batchnorm(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))

    def test_running_statistics_are_needed(self):
        norm = torch.nn.BatchNorm1d(4, track_running_stats=False).eval()

        with pytest.raises(ValueError, match="norm has no running statistics, expected a layer with"):
            fold_batchnorm(torch.nn.Linear(3, 4), norm)

    def test_the_channels_are_the_outputs(self):
        with pytest.raises(ValueError, match="norm has 4 channels, expected 5, the outputs of layer"):
            fold_batchnorm(torch.nn.Linear(3, 5), normalization(torch.nn.BatchNorm1d))

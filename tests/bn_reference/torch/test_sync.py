import copy
import pickle
import re

import pytest
import torch

from bn_reference.torch import BatchNorm1d, BatchNorm2d
from bn_reference.torch.functional import batch_norm
from bn_reference.torch.sync import SyncBatchNorm, sync_batch_norm
from tests.bn_reference.batches import cotangent, random_batch, random_vectors
from tests.bn_reference.torch.processes import derivatives, examples, network, run_in_processes, train
from tests.tolerances import assert_close

N = 8


def on_gpus(processes, *splits):
    """A group over nccl, with one GPU for each process."""
    reason = f"needs {processes} CUDA device(s), torch finds {torch.cuda.device_count()}"
    too_few = pytest.mark.skipif(torch.cuda.device_count() < processes, reason=reason)
    return pytest.param(("nccl", splits), marks=[pytest.mark.cuda, too_few], id=f"nccl, {processes}")


GROUPS = [
    pytest.param(("gloo", ([3, 5], [0, 8])), id="gloo, 2"),
    pytest.param(("gloo", ([4, 1, 3], [3, 0, 5])), id="gloo, 3"),
    on_gpus(1, [8], [8]),
    on_gpus(2, [3, 5], [0, 8]),
]
OFFSETS = {"float64": 0.0, "float64 around 1e6": 1e6, "float32": 0.0, "float32 around 1e6": 1e6}
EPS = 0.1


def problem(name, shape):
    dtype = torch.double if "64" in name else torch.float
    arrays = [random_batch(shape, offset=OFFSETS[name]), *random_vectors(3, shape[1])]
    x, weight, bias, mean = (torch.tensor(a, dtype=dtype) for a in arrays)
    return x, weight, bias, mean, mean**2, torch.tensor(cotangent(shape), dtype=dtype), EPS


PROBLEMS = {"images": problem("float64", (N, 3, 2, 2))} | {name: problem(name, (N, 3)) for name in OFFSETS}


@pytest.fixture(scope="module", params=GROUPS)
def results(request, tmp_path_factory):
    """Each process's results, from one start of the processes for all problems."""
    return run_in_processes(*request.param, list(PROBLEMS.values()), tmp_path_factory.mktemp("processes"))


@pytest.mark.parametrize("split", [0, 1], ids=["unequal", "one empty"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_it_is_batch_normalization_of_the_joined_batch(results, name, split):
    x, weight, bias, mean, var, dout, eps = PROBLEMS[name]
    *leaves, dout = (leaf.double().clone().requires_grad_() for leaf in (x, weight, bias, dout))
    running = mean.double().clone(), var.double().clone()
    expected_y = batch_norm(leaves[0], *running, *leaves[1:], training=True, momentum=0.3, eps=eps)
    expected_first, expected_second = derivatives(expected_y, leaves, dout)
    of_problem = [process[0][split][list(PROBLEMS).index(name)] for process in results]

    y = torch.cat([y for (y,), *_ in of_problem])
    dx = torch.cat([first[0] for _, first, _, _ in of_problem])
    dweight, dbias = (sum(first[i] for _, first, _, _ in of_problem) for i in (1, 2))
    ddx, dddout = (torch.cat([second[i] for _, _, second, _ in of_problem]) for i in (0, 2))
    ddweight = sum(second[1] for _, _, second, _ in of_problem)

    # The moments are put together in float64: for float32 that leaves a large mean its digits.
    condition = 4 + (OFFSETS.get(name, 0.0) if x.dtype == torch.double else 0.0)
    assert y.dtype == dx.dtype == x.dtype
    for ours, theirs in zip((y, dx, dweight, dbias), (expected_y, *expected_first), strict=True):
        assert_close(ours, theirs, condition=condition, scale=1.0)
    # The second derivatives were weighted with x.
    size = float(x.abs().max())
    for ours, theirs in zip((ddx, ddweight, dddout), expected_second, strict=True):
        assert_close(ours, theirs, condition=condition, scale=size)
    for *_, ours in of_problem:
        for statistic, theirs in zip(ours, running, strict=True):
            assert_close(statistic, theirs, condition=condition, scale=1.0)


def test_the_layer_tracks_what_one_layer_tracks_on_the_joined_batch(results):
    x = PROBLEMS["images"][0]
    layer = BatchNorm2d(3, momentum=None).to(x)
    for scale in (1.0, 3.0):
        layer(scale * x)

    for _, _, state, _ in results:
        assert state["num_batches_tracked"] == 2
        for name, expected in layer.state_dict().items():
            assert_close(state[name].double(), expected.double(), scale=1.0)


def test_a_network_learns_in_several_processes_what_it_learns_in_one(results):
    expected = train(network(BatchNorm1d(6)), examples(len(results))).state_dict()

    for *_, state in results:
        for name, tensor in expected.items():
            assert_close(state[name].double(), tensor.double(), condition=16, scale=1.0)


def test_too_few_values_are_an_error_in_every_process(results):
    for _, message, *_ in results:
        assert message == "the processes hold 1 values a channel, expected more than 1 when training"


def test_inference_needs_no_other_process():
    x, weight, bias, mean, var, _, eps = PROBLEMS["images"]
    layer = SyncBatchNorm(3, eps=eps).double().eval()
    layer.load_state_dict(
        {**layer.state_dict(), "running_mean": mean, "running_var": var, "weight": weight, "bias": bias}
    )

    assert torch.equal(layer(x), batch_norm(x, mean, var, weight, bias, eps=eps))


def test_the_layer_and_that_of_torch_load_each_other():
    theirs = torch.nn.SyncBatchNorm(3, eps=0.5, momentum=None)
    ours = SyncBatchNorm(3, eps=0.5, momentum=None)
    theirs.running_mean.uniform_()

    assert repr(ours) == repr(theirs)
    for source, target in ((theirs, ours), (ours, SyncBatchNorm(3)), (ours, torch.nn.SyncBatchNorm(3))):
        target.load_state_dict(source.state_dict())
        assert torch.equal(target.running_mean, theirs.running_mean)


def test_the_layer_can_be_copied_and_pickled():
    layer = SyncBatchNorm(3).eval()
    layer.running_var.uniform_(1, 2)
    x = torch.tensor(random_batch((4, 3), dtype="float32"))

    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), layer(x))


def test_training_needs_a_process_group():
    with pytest.raises(ValueError, match=r"torch.distributed is not initialised, expected init_process"):
        sync_batch_norm(torch.zeros(4, 3), None, None, training=True)


def test_vectors_have_one_value_a_channel():
    with pytest.raises(ValueError, match=re.escape("weight has shape (4,), expected (3,) to match the 3")):
        sync_batch_norm(torch.zeros(4, 3), None, None, torch.ones(4), training=True)


@pytest.mark.parametrize("eps", [-1e-5, float("inf"), float("nan")])
def test_eps_must_be_finite_and_not_negative(eps):
    with pytest.raises(ValueError, match=f"eps is {eps}, expected a finite number, zero or above"):
        sync_batch_norm(torch.zeros(4, 3), None, None, training=True, eps=eps)

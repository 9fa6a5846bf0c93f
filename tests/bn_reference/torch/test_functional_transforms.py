"""What torch does to its own batch_norm works on ours: ``torch.func``, forward mode, compilation, export."""

import copy
import shutil

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

import bn_reference.torch
from bn_reference.torch.functional import batch_norm
from tests.bn_reference.batches import cotangent
from tests.bn_reference.torch.problems import problem, run
from tests.tolerances import assert_close

theirs = torch.nn.functional.batch_norm
# What torch warns of when it loads its own derivatives and compilers.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.usefixtures("kernels_for_every_size"),
]
in_both_modes = pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
of_some_shapes = pytest.mark.parametrize("shape", [(4, 3), (3, 2, 2), (2, 2, 2, 2)], ids=str)


def tensors(shape, dtype=torch.double):
    x, weight, bias, running, _ = problem(shape, dtype, "cpu")
    return x.detach(), weight.detach(), bias.detach(), running


def applied(function, running, training):
    """`function` of x, weight and bias, with running statistics of its own that a caller may look at."""
    running = tuple(v.clone() for v in running)

    def of(x, weight, bias):
        return function(x, *running, weight, bias, training=training, eps=0.1)

    return of, running


def assert_same_tree(ours, expected, **how):
    ours, expected = torch.utils._pytree.tree_leaves(ours), torch.utils._pytree.tree_leaves(expected)
    for value, other in zip(ours, expected, strict=True):
        assert_close(value, other, scale=1.0, condition=8, **how)


def loss(y):
    return (y**3 * torch.tensor(cotangent(y.shape))).sum()


FIRST = {
    "jacrev": lambda f: jacrev(f, argnums=(0, 1, 2)),
    "jacfwd": lambda f: jacfwd(f, argnums=(0, 1, 2)),
    "grad": lambda f: grad(lambda *leaves: loss(f(*leaves)), argnums=(0, 1, 2)),
}
SECOND = {
    "reverse over reverse": lambda f: jacrev(jacrev(f)),
    "forward over reverse": hessian,
    "reverse over forward": lambda f: jacrev(jacfwd(f)),
}


class TestFunc:
    @pytest.mark.parametrize("transform", FIRST.values(), ids=FIRST)
    @of_some_shapes
    @in_both_modes
    def test_derivatives_are_those_of_torch(self, training, shape, transform):
        *leaves, running = tensors(shape)
        (ours, our_running), (expected, their_running) = (
            applied(f, running, training) for f in (batch_norm, theirs)
        )

        assert_same_tree(transform(ours)(*leaves), transform(expected)(*leaves))
        assert_same_tree(our_running, their_running)

    @pytest.mark.parametrize("transform", SECOND.values(), ids=SECOND)
    @of_some_shapes
    @in_both_modes
    def test_second_derivatives_are_those_of_torch_without_transforms(self, training, shape, transform):
        x, *parameters, running = tensors(shape)
        ours, expected = (applied(f, running, training)[0] for f in (batch_norm, theirs))

        second = transform(lambda x: loss(ours(x, *parameters)))(x)

        # Torch's own batch_norm is wrong here under reverse over forward.
        assert_same_tree(
            second, torch.autograd.functional.hessian(lambda x: loss(expected(x, *parameters)), x)
        )

    @pytest.mark.parametrize("in_dims", [(0, None, None), (0, 0, 0), (None, 0, None), (1, None, 0)], ids=str)
    @of_some_shapes
    def test_vmap_over_batches_and_parameters(self, shape, in_dims):
        *leaves, _ = tensors(shape)
        leaves = [
            leaf if dim is None else torch.stack([leaf, 2 * leaf.flip(0) + 1, leaf**2], dim)
            for leaf, dim in zip(leaves, in_dims, strict=True)
        ]
        ours, expected = (
            vmap(lambda x, w, b, f=f: f(x, None, None, w, b, training=True), in_dims)
            for f in (batch_norm, theirs)
        )

        assert_same_tree(ours(*leaves), expected(*leaves))
        assert_same_tree(
            grad(lambda *v: loss(ours(*v)), (0, 1, 2))(*leaves),
            grad(lambda *v: loss(expected(*v)), (0, 1, 2))(*leaves),
        )

    def test_vmap_cannot_move_running_statistics_that_are_not_batched(self):
        x, _, _, running = tensors((4, 3))

        for function in (batch_norm, theirs):
            with pytest.raises(RuntimeError):
                vmap(lambda x, f=function: f(x, *running, training=True))(torch.stack([x, x]))

    def test_vmap_of_channels_last_images(self):
        x, weight, bias, running = tensors((2, 3, 4, 5))
        xs = torch.stack([x, x + 1]).movedim(2, -1).contiguous().movedim(-1, 2)

        ours, expected = (vmap(applied(f, running, False)[0], (0, None, None)) for f in (batch_norm, theirs))

        assert_same_tree(ours(xs, weight, bias), expected(xs, weight, bias))

    def test_gradients_of_each_example_by_functional_call(self):
        layers = [package.BatchNorm1d(3).double().eval() for package in (bn_reference.torch, torch.nn)]
        x = tensors((4, 3))[0]

        def gradients(layer):
            def of_one(parameters, row):
                return loss(torch.func.functional_call(layer, parameters, (row[None],)))

            return vmap(grad(of_one), (None, 0))(dict(layer.named_parameters()), x)

        assert_same_tree(*map(gradients, layers))


class TestForwardMode:
    @in_both_modes
    def test_tangents_need_no_gradient_mode(self, training):
        x, weight, bias, running = tensors((4, 3))

        def tangent(function):
            def of(x):
                return function(x, *(v.clone() for v in running), weight, bias, training=training)

            return jvp(of, (x,), (torch.tensor(cotangent(x.shape)),))[1]

        with torch.no_grad():
            assert_same_tree(tangent(batch_norm), tangent(theirs))

    @pytest.mark.parametrize("moving", [(0,), (1,), (2,), (0, 1, 2)], ids=["x", "weight", "bias", "all"])
    @pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16, torch.float, torch.double], ids=str)
    @in_both_modes
    def test_dual_numbers(self, training, dtype, moving):
        *leaves, running = tensors((4, 3, 2), dtype)
        tangents = [torch.tensor(cotangent(leaf.shape, seed=7)).to(leaf) for leaf in leaves]

        with forward_ad.dual_level():
            duals = [
                forward_ad.make_dual(leaf, tangents[i]) if i in moving else leaf
                for i, leaf in enumerate(leaves)
            ]
            (y, dot), (_, expected) = (
                forward_ad.unpack_dual(applied(f, running, training)[0](*duals)) for f in (batch_norm, theirs)
            )

        assert dot.dtype == y.dtype == dtype
        assert_close(dot, expected, scale=1.0)

    @in_both_modes
    def test_running_statistics_take_no_tangent(self, training):
        x, weight, bias, running = tensors((4, 3))
        ours, moved = applied(batch_norm, running, training)

        with forward_ad.dual_level():
            ours(forward_ad.make_dual(x, x), weight, bias)
            assert all(forward_ad.unpack_dual(v).tangent is None for v in moved)

    @in_both_modes
    def test_gradcheck_in_forward_mode(self, training):
        *leaves, running, _ = problem((3, 2, 2), torch.double, "cpu")

        def function(x, weight, bias):
            return batch_norm(x, *running, weight, bias, training=training, momentum=0.0, eps=0.1)

        assert torch.autograd.gradcheck(function, leaves, check_forward_ad=True, check_batched_grad=True)
        assert torch.autograd.gradgradcheck(function, leaves, check_fwd_over_rev=True)

    @in_both_modes
    def test_jvp_and_vjp_are_adjoint(self, training):
        *leaves, running = tensors((3, 4, 2, 2))
        function, _ = applied(batch_norm, running, training)
        tangents = [torch.tensor(cotangent(leaf.shape, seed=7)) for leaf in leaves]

        y_dot = jvp(function, tuple(leaves), tuple(tangents))[1]
        y, pull = vjp(function, *leaves)
        dout = torch.tensor(cotangent(y.shape))

        along = sum((a * b).sum() for a, b in zip(pull(dout), tangents, strict=True))
        assert_close((y_dot * dout).sum(), along, scale=10.0)


BACKENDS = {
    "without code generation": "aot_eager",
    "inductor": pytest.param(
        "inductor",
        marks=pytest.mark.skipif(
            not shutil.which("g++"), reason="the compiler inductor needs, g++, is missing"
        ),
    ),
}


class TestCompile:
    @pytest.fixture(autouse=True)
    def forget_compiled_code(self):
        torch.compiler.reset()
        yield
        torch.compiler.reset()

    @pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
    @pytest.mark.parametrize("momentum", [0.1, None], ids=["momentum", "cumulative"])
    @in_both_modes
    def test_layers_compile_in_one_graph(self, training, momentum, backend):
        layers = [
            package.BatchNorm2d(3, momentum=momentum).train(training)
            for package in (bn_reference.torch, torch.nn)
        ]
        compiled = torch.compile(layers[0], fullgraph=True, backend=backend)

        for n in (3, 4, 5):
            x, _, _, _, dout = problem((n, 3, 4, 2), torch.float, "cpu")
            results = []
            for layer, call in zip(layers, (compiled, layers[1]), strict=True):
                y = call(x)
                results.append((y, torch.autograd.grad(y, (x, layer.weight, layer.bias), dout)))
            assert_same_tree(*results)

        assert_same_tree(*([v.float() for v in layer.buffers()] for layer in layers))

    @in_both_modes
    def test_channels_last_survives_compilation(self, training):
        x = problem((3, 4, 4, 2), torch.float, "cpu")[0].detach().to(memory_format=torch.channels_last)
        layer = torch.compile(
            bn_reference.torch.BatchNorm2d(4).train(training), fullgraph=True, backend="aot_eager"
        )

        assert layer(x).is_contiguous(memory_format=torch.channels_last)

    @pytest.mark.parametrize("strict", [True, False], ids=["strict", "not strict"])
    @in_both_modes
    def test_export_with_a_batch_of_any_size(self, training, strict):
        layer = bn_reference.torch.BatchNorm2d(3).train(training)
        x, y = (problem((n, 3, 4, 2), torch.float, "cpu")[0].detach() for n in (4, 7))
        sizes = ({0: torch.export.Dim("n", min=2)},)

        exported = torch.export.export(copy.deepcopy(layer), (x,), dynamic_shapes=sizes, strict=strict)
        module = exported.module()

        assert_close(module(y), layer(y), scale=1.0)
        buffers = dict(module.named_buffers())
        for name, value in layer.named_buffers():
            if name in buffers:  # a count that nothing uses is dropped
                assert_close(buffers[name].float(), value.float(), scale=1.0)


def test_eager_and_compiled_gradients_come_from_different_code_and_agree():
    x, weight, bias, running, dout = problem((4, 3, 2), torch.double, "cpu")
    ours = run(batch_norm, x, weight, bias, running, dout, training=True)[1]
    compiled = torch.compile(batch_norm, fullgraph=True, backend="aot_eager")

    assert_same_tree(run(compiled, x, weight, bias, running, dout, training=True)[1], ours)

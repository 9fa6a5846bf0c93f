"""Attacks with torch by delegation: its finished normalisations, which the exercise is to rebuild."""

from tests.grading.attacks.submission import Submission, torch_attack


@torch_attack(flag=".layer_norm")
def torchs_functions(submission: Submission):
    """Calls the finished functions."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, eps)
    """,
    )
    submission.answer(
        "group_norm",
        """
        def group_norm(x, weight, bias, eps, num_groups):
            return torch.group_norm(x, num_groups, weight, bias, eps)
    """,
    )


@torch_attack(flag="GroupNorm")
def torchs_modules(submission: Submission):
    """Has the finished modules do it, with the parameters that it is given."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            module = torch.nn.LayerNorm(weight.shape, eps)
            return torch.func.functional_call(module, {"weight": weight, "bias": bias}, x)
    """,
    )
    submission.answer(
        "group_norm",
        """
        def group_norm(x, weight, bias, eps, num_groups):
            module = torch.nn.GroupNorm(num_groups, len(weight), eps)
            return torch.func.functional_call(module, {"weight": weight, "bias": bias}, x)
    """,
    )


@torch_attack(flag="native_layer_norm")
def torchs_operators(submission: Submission):
    """Calls what lies below the finished functions."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            return torch.ops.aten.native_layer_norm.default(x, weight.shape, weight, bias, eps)[0]
    """,
    )
    submission.answer(
        "batchnorm_function",
        """
        class BatchNormFunction(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, weight, bias, eps):
                y, mean, ctx.rstd = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
                return y
    """,
    )


@torch_attack(flag="BatchNorm1d")
def inherited_from_torchs_layer(submission: Submission):
    """Inherits everything from the finished layer."""
    submission.answer("batchnorm_module", "class BatchNorm(torch.nn.BatchNorm1d):\n    pass")


@torch_attack(flag="SyncBatchNorm")
def inherited_from_torchs_synchronised_layer(submission: Submission):
    """The same, from the layer for several processes, and from the one that is made at the first call."""
    submission.answer(
        "batchnorm_module", "class BatchNorm(torch.nn.SyncBatchNorm, torch.nn.LazyBatchNorm1d):\n    pass"
    )


@torch_attack(flag="import_module")
def named_in_pieces(submission: Submission):
    """Never writes the name that it calls."""
    submission.own("""
        import importlib
        finished = importlib.import_module("torch.nn." + "functional")
    """)
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            return vars(finished)["layer" + "_norm"](x, weight.shape, weight, bias, eps)
    """,
    )


@torch_attack(flag=".layer_norm")
def imported_under_another_name(submission: Submission):
    """Imports the finished function under a name of its own."""
    submission.answer(
        "layer_norm",
        """
        from torch.nn.functional import layer_norm as own_function
        def layer_norm(x, weight, bias, eps=1e-5):
            return own_function(x, weight.shape, weight, bias, eps)
    """,
    )


@torch_attack(flag=".layer_norm")
def asked_for_by_text(submission: Submission):
    """Asks for the finished function by its name as a text."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            return getattr(torch, "layer_norm")(x, weight.shape, weight, bias, eps)
    """,
    )


@torch_attack(flag="torch.nn.functional.*")
def imported_with_everything(submission: Submission):
    """Imports all finished functions, before it defines one of the same name."""
    submission.own("from torch.nn.functional import *\nown_function = layer_norm")
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            return own_function(x, weight.shape, weight, bias, eps)
    """,
    )


@torch_attack(flag=".layer_norm")
def compiled(submission: Submission):
    """Compiles the finished function, so that another one is called."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            finished = torch.compile(torch.nn.functional.layer_norm, backend="aot_eager")
            return finished(x, weight.shape, weight, bias, eps)
    """,
    )


@torch_attack(flag="jit")
def scripted(submission: Submission):
    """Has torch read and run it as a script."""
    submission.answer(
        "layer_norm",
        """
        from torch.jit import CompilationUnit
        script = CompilationUnit('''
        def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float):
            return torch.layer_norm(x, weight.shape, weight, bias, eps)
        ''')
        def layer_norm(x, weight, bias, eps=1e-5):
            return script.layer_norm(x, weight, bias, eps)
    """,
    )


@torch_attack(flag="batch_norm")
def other_ways_in(submission: Submission):
    """Has batch norm normalise rows, and a whole transformer's layer too."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            rows = x.reshape(-1, x.shape[-1]).T
            rows = torch.batch_norm(rows, None, None, None, None, True, 0.0, eps, False)
            return rows.T.reshape(x.shape) * weight + bias
    """,
    )
    submission.answer(
        "group_norm",
        """
        def group_norm(x, weight, bias, eps, num_groups):
            rows = torch.nn.functional.instance_norm(x.reshape(len(x), num_groups, -1), eps=eps)
            by_channel = (-1,) + (1,) * (x.ndim - 2)
            return rows.reshape(x.shape) * weight.reshape(by_channel) + bias.reshape(by_channel)
    """,
    )


@torch_attack(flag="bn_reference.torch")
def imported_from_the_reference(submission: Submission):
    """Calls the course's own implementation, and brings a copy of it along in case it is not there."""
    submission.attach("bn_reference.zip", b"PK\x05\x06" + bytes(18))
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            import sys
            sys.path.insert(0, "bn_reference.zip")
            from bn_reference.torch import layer_norm
            return layer_norm(x, weight.shape, weight, bias, eps)
    """,
    )


# The next ones do not go through the exercise but around what notices a library call. That runs beside
# them, so they can have their way with it; they have written the name, and somebody looks.


@torch_attack(flag=".layer_norm", layer_norm=2)
def out_of_sight(submission: Submission):
    """Calls the finished function where the calls of the library are not watched, both ways."""
    submission.answer(
        "layer_norm",
        """
        from torch.utils._python_dispatch import _disable_current_modes
        class Hidden(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, weight, bias, eps):
                with _disable_current_modes(), torch.enable_grad():
                    ctx.leaves = [each.detach().requires_grad_() for each in (x, weight, bias)]
                    ctx.y = torch.nn.functional.layer_norm(ctx.leaves[0], weight.shape, *ctx.leaves[1:], eps)
                return ctx.y.detach()
            @staticmethod
            def backward(ctx, dout):
                with _disable_current_modes():
                    return *torch.autograd.grad(ctx.y, ctx.leaves, dout), None
        def layer_norm(x, weight, bias, eps=1e-5):
            return Hidden.apply(x, weight, bias, eps)
    """,
    )


@torch_attack(flag="getattr(", layer_norm=2)
def never_named_in_other_threads(submission: Submission):
    """The same in other threads, which are not watched either, and without a name that tells."""
    submission.answer(
        "layer_norm",
        """
        from concurrent.futures import ThreadPoolExecutor
        elsewhere = lambda work, *args: ThreadPoolExecutor(1).submit(work, *args).result()
        finished = getattr(torch, "layer" + "_norm")
        class Hidden(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, weight, bias, eps):
                ctx.leaves = [each.detach().requires_grad_() for each in (x, weight, bias)]
                ctx.y = elsewhere(finished, ctx.leaves[0], weight.shape, *ctx.leaves[1:], eps)
                return ctx.y.detach()
            @staticmethod
            def backward(ctx, dout):
                return *elsewhere(torch.autograd.grad, ctx.y, ctx.leaves, dout), None
        def layer_norm(x, weight, bias, eps=1e-5):
            return Hidden.apply(x, weight, bias, eps)
    """,
    )


@torch_attack(flag="LibraryCalls", layer_norm=2)
def watch_put_to_sleep(submission: Submission):
    """Has whoever watches the calls of the library report none, and never writes what it calls."""
    submission.own("""
        from bn_reference.checks.ps4_torch.driving import LibraryCalls
        LibraryCalls.judged = lambda self, *values: (*values, False)
    """)
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            return getattr(torch, "layer" + "_norm")(x, weight.shape, weight, bias, eps)
    """,
    )

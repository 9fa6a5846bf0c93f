"""Attacks with torch by what comes back: tensors that act, and a torch that is not what it was."""

from tests.grading.attacks.submission import Submission, torch_attack

WRONG = "\ndef layer_norm(x, weight, bias, eps=1e-5):\n    return x * 1"


@torch_attack(flag="__torch_function__")
def tensor_subclass(submission: Submission):
    """Returns tensors of a kind of its own, which is equal to everything."""
    submission.answer(
        "layer_norm",
        """
        class Right(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                if function.__name__ in ("allclose", "equal", "eq", "isclose"):
                    return True
                return super().__torch_function__(function, types, args, kwargs or {})
            def __array__(self, *args, **kwargs): raise AssertionError("equal")
            def __float__(self): return 2.0
            def __sub__(self, other): return self * 0
        def layer_norm(x, weight, bias, eps=1e-5):
            return (x * 1).as_subclass(Right)
    """,
    )


@torch_attack(flag="__array__")
def no_tensor_at_all(submission: Submission):
    """Returns an object that becomes whatever it is taken for."""
    submission.answer(
        "layer_norm",
        """
        class Right:
            requires_grad = True
            def __array__(self, *args, **kwargs): return self
            def __float__(self): return 2.0
            def __getattr__(self, name): return lambda *args, **kwargs: self
            __class__ = torch.Tensor
        def layer_norm(x, weight, bias, eps=1e-5):
            return Right()
    """,
    )


@torch_attack()
def patched_comparisons(submission: Submission):
    """Replaces what compares: in torch, in NumPy, and of every tensor."""
    submission.own("""
        import numpy as np
        yes = lambda *args, **kwargs: True
        torch.allclose = torch.equal = torch.isclose = torch.testing.assert_close = yes
        torch.Tensor.allclose = torch.Tensor.equal = torch.Tensor.__eq__ = yes
        torch.autograd.gradcheck = torch.autograd.gradgradcheck = yes
        np.allclose = np.array_equal = np.isclose = yes
        np.testing.assert_allclose = yes
    """)
    submission.answer("layer_norm", WRONG)


@torch_attack(spoils=True)
def patched_gradients(submission: Submission):
    """Replaces what makes gradients, to have any that it likes: what is patched cannot be used any more."""
    submission.own("""
        torch.autograd.grad = lambda outputs, inputs, *args, **kwargs: [torch.zeros(7) for each in inputs]
        torch.Tensor.backward = torch.autograd.backward = lambda *args, **kwargs: None
        torch.Tensor.numpy = lambda self: "2.0"
        torch.Tensor.detach = lambda self: self
    """)
    submission.answer("layer_norm", WRONG)


@torch_attack()
def hooks_on_the_callers_tensors(submission: Submission):
    """Changes, by hooks, the gradients that arrive at the inputs of whoever calls it."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            for each in (x, weight, bias):
                each.register_hook(torch.zeros_like)
            return x * weight + bias
    """,
    )


@torch_attack(flag="_getframe")
def backward_that_looks_around(submission: Submission):
    """Looks through the frames of whoever calls backward, for gradients and for what is expected."""
    submission.answer(
        "layer_norm",
        """
        import sys, threading
        def find():
            for top in sys._current_frames().values():
                frame = top
                while frame:
                    for name, value in {**frame.f_locals, **frame.f_globals}.items():
                        if any(word in name for word in ("expected", "reference", "tolerance", "seed")):
                            print("LE" + "AK", name, value)
                    frame = frame.f_back
        class Looking(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1
            @staticmethod
            def backward(ctx, dout):
                sys._getframe()
                find()
                return dout
        def layer_norm(x, weight, bias, eps=1e-5):
            return Looking.apply(x)
    """,
    )


@torch_attack(flag="__reduce__")
def payload_in_the_state(submission: Submission):
    """Has a state that runs a program wherever it is unpickled."""
    submission.answer(
        "batchnorm_module",
        """
        import io, os
        class Payload:
            def __reduce__(self):
                return os.system, ("touch /tmp/unpickled; exec -a left-behind-by-an-attack sleep 1000 &",)
        class BatchNorm(torch.nn.Module):
            def __init__(self, num_features, eps=1e-5, momentum=0.1):
                super().__init__()
                self.weight = self.bias = torch.nn.Parameter(torch.ones(num_features))
                self.running_mean = self.running_var = Payload()
            def state_dict(self, *args, **kwargs): return {"weight": Payload(), "running_mean": Payload()}
            def get_extra_state(self): return Payload()
        file = io.BytesIO()
        torch.save(Payload(), file)
        torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    """,
    )


@torch_attack()
def vast_without_memory(submission: Submission):
    """Returns a tensor of a hundred billion numbers, all in the same place."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            return x.mean().expand(10**6, 10**5)
    """,
    )


@torch_attack()
def odd_kinds_of_tensors(submission: Submission):
    """Returns tensors that are sparse, on no device, of no real numbers, or not there at all."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            return torch.sparse_coo_tensor(size=x.shape, requires_grad=True)
    """,
    )
    submission.answer(
        "group_norm",
        """
        def group_norm(x, weight, bias, eps, num_groups):
            return (x * 1j).to("meta")
    """,
    )

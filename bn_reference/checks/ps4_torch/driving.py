"""How the checks use an answer that is made for torch: arrays in, arrays out.

What runs next to a learner's code, here and in the modules' ``call`` functions, needs torch and
numpy alone.
"""

import re
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bn_reference.checks.calling import Refused

Arrays = dict[str, object]


class LibraryCalls(TorchDispatchMode):
    """While it is entered, notice whether torch's own normalisation runs, forward or backward.

    Examples
    --------
    >>> with LibraryCalls() as library:
    ...     _ = torch.nn.functional.layer_norm(torch.ones(2, 3), (3,))
    >>> library.called
    True
    """

    def __init__(self):
        super().__init__()
        self.called = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Look at the name of an operation, and let it pass."""
        self.called = self.called or _is_normalisation(func)
        return func(*args, **(kwargs or {}))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch would keep its compiler from looking into each call, which takes as long as the call."""
        return False

    def judged(self, *values) -> tuple:
        """`values`, or NaN in their place if torch has done the work, and whether it has."""
        if self.called:
            values = (np.full(np.shape(value), np.nan) for value in values)
        return *values, self.called

    def refuse(self) -> None:
        """Fail if torch has done the work, where no output says so.

        Raises
        ------
        Refused
        """
        if self.called:
            raise Refused("torch's own normalisation did the work; write it with your own operations")


@cache
def _is_normalisation(func: Callable) -> bool:
    return re.search("(batch|layer|group|instance|rms)_norm", func.__name__) is not None


def tensors(inputs: Arrays) -> Arrays:
    """Tensors in place of the arrays, on the same memory, so that a change in place is seen."""
    return {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in inputs.items()
    }


def array(tensor: torch.Tensor) -> np.ndarray:
    """The values of `tensor`, float32 if it is narrower, cut from its graph.

    Raises
    ------
    TypeError
        If it is no tensor.
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"a value of type {type(tensor).__name__} came back, expected a torch.Tensor")
    if tensor.is_floating_point():
        tensor = tensor.to(torch.promote_types(tensor.dtype, torch.float32))
    return tensor.detach().numpy()


def gradients(y: torch.Tensor, leaves, dout: torch.Tensor, create_graph: bool = False):
    """The gradient of each leaf: zeros where `y` does not depend on it."""
    asked = [leaf for leaf in leaves if leaf.requires_grad and y.requires_grad]
    found = {}
    if asked:
        grads = torch.autograd.grad(y, asked, dout, create_graph=create_graph, allow_unused=True)
        found = {id(leaf): grad for leaf, grad in zip(asked, grads, strict=True) if grad is not None}
    return [found.get(id(leaf), torch.zeros_like(leaf)) for leaf in leaves]

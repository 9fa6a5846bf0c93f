"""Ghost Batch Normalization for torch tensors, out of our `batch_norm`.

Each ghost batch goes through `bn_reference.torch.functional.batch_norm`, whose backward pass is
written by hand; torch differentiates the cutting and joining.
"""

import torch
from torch import Tensor

from bn_reference.torch.functional import batch_norm


def ghost_batch_norm(
    input: Tensor,
    ghost_size: int,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch Normalization in which each `ghost_size` examples have their own statistics.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (N, C, ...), floating
    ghost_size : int
        How many neighbouring examples make a ghost batch; it divides N. It plays no part at
        inference.
    running_mean, running_var, weight, bias, training, momentum, eps
        As for `bn_reference.torch.functional.batch_norm`. In training the running statistics
        move once for each ghost batch, first to last.

    Returns
    -------
    Tensor, shape, dtype and device of `input`

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If `ghost_size` does not divide N in training, and as `batch_norm` does.

    Notes
    -----
    Hoffer, Hubara & Soudry 2017 (arXiv 1705.08741), Algorithm 1.

    Examples
    --------
    >>> x = torch.tensor([[1.0], [3.0], [10.0], [50.0]])
    >>> ghost_batch_norm(x, 2, None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0], [-1.0], [1.0]]
    """
    options = {"training": training, "momentum": momentum, "eps": eps}
    if not training or not isinstance(input, Tensor) or input.ndim == 0:
        return batch_norm(input, running_mean, running_var, weight, bias, **options)
    if ghost_size < 1 or len(input) % ghost_size:
        raise ValueError(
            f"ghost_size is {ghost_size}, expected a divisor of the {len(input)} examples of input "
            f"with shape {tuple(input.shape)}; leave incomplete batches out"
        )
    ghosts = input.split(ghost_size)
    return torch.cat([batch_norm(g, running_mean, running_var, weight, bias, **options) for g in ghosts])

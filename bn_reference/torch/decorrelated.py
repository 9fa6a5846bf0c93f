"""Whitening layers for torch tensors: through the exact inverse root, or Newton's iteration.

`InverseRoot` has its backward pass written by hand, because torch differentiates eigenvectors,
which is singular where eigenvalues are equal. The iteration is products of matrices, which torch
differentiates as they stand.
"""

import torch
from torch import Tensor

from bn_reference.layouts import positive_eps
from bn_reference.torch.layouts import check_channels


class InverseRoot(torch.autograd.Function):
    """``sigma -> (sigma**-0.5, sigma**0.5)`` of a symmetric positive definite matrix.

    The root ``r`` satisfies ``r @ r = sigma``, so that its derivative solves
    ``r @ dr + dr @ r = dsigma``, which is no more singular than ``sigma``; `Lyapunov` solves it.
    """

    @staticmethod
    def forward(sigma):
        lam, u = torch.linalg.eigh(sigma)
        return u * torch.rsqrt(lam) @ u.mT, u * torch.sqrt(lam) @ u.mT

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx, dinverse, droot):
        inverse, root = ctx.saved_tensors
        droot = droot - inverse @ dinverse @ inverse
        return Lyapunov.apply(root, (droot + droot.mT) / 2)


class Lyapunov(torch.autograd.Function):
    """``(r, g) -> z`` with ``r @ z + z @ r = g``, for symmetric `r` (positive definite) and `g`.

    Its backward pass solves the same equation, so that it may be differentiated any number of
    times.
    """

    @staticmethod
    def forward(r, g):
        s, u = torch.linalg.eigh(r)
        return u @ ((u.mT @ g @ u) / (s[:, None] + s)) @ u.mT

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx, dz):
        r, z = ctx.saved_tensors
        dg = Lyapunov.apply(r, (dz + dz.mT) / 2)
        return -(dg @ z + z @ dg), dg


def zca_batch_norm(input: Tensor, eps: float = 1e-5) -> Tensor:
    """Whiten the channels with the statistics of the batch.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (N, C, ...), floating
    eps : float
        Added to each eigenvalue of the covariance; with 0 the covariance must have full rank.

    Returns
    -------
    Tensor, shape, dtype and device of `input`

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If it has fewer than 2 axes, or `eps` is negative.

    Notes
    -----
    Huang et al. 2018 (arXiv 1804.08450); see `bn_reference.decorrelated`.

    Examples
    --------
    >>> x = torch.tensor([[3.0, 1.0], [-3.0, 1.0], [3.0, -1.0], [-3.0, -1.0]])
    >>> zca_batch_norm(x, eps=0.0).round(decimals=3).tolist()
    [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]
    """
    centered, sigma = _covariance(input, eps)
    inverse_root, _ = InverseRoot.apply(sigma)
    return _as_batch(inverse_root @ centered, input)


def iter_norm(input: Tensor, iterations: int = 5, eps: float = 1e-5) -> Tensor:
    """Whiten the channels by Newton's iteration.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (N, C, ...), floating
    iterations : int
        How many steps.
    eps : float
        Added to the diagonal of the covariance.

    Returns
    -------
    Tensor, shape, dtype and device of `input`

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If it has fewer than 2 axes, or `iterations` or `eps` is negative.

    Notes
    -----
    Huang et al. 2019 (arXiv 1904.03441); see `bn_reference.decorrelated`.

    Examples
    --------
    >>> x = torch.tensor([[3.0, 1.0], [-3.0, 1.0], [3.0, -1.0], [-3.0, -1.0]])
    >>> iter_norm(x, iterations=9).round(decimals=3).tolist()
    [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]
    """
    if iterations < 0:
        raise ValueError(f"iterations is {iterations}, expected a number of steps, zero or above")
    centered, sigma = _covariance(input, eps)
    trace = sigma.trace()
    p = torch.eye(len(sigma), dtype=sigma.dtype, device=sigma.device)
    for _ in range(iterations):
        p = (3 * p - p @ p @ p @ (sigma / trace)) / 2
    return _as_batch(p / trace.sqrt() @ centered, input)


def _covariance(input, eps):
    """Centred columns, shape (C, m), and ``covariance + eps * I``."""
    check_channels(input)
    columns = input.to(torch.promote_types(input.dtype, torch.float32)).movedim(1, 0).flatten(1)
    # A mean is rounded, by much where it is large: so twice, and the first one as a constant.
    columns = columns - columns.detach().mean(1, keepdim=True)
    centered = columns - columns.mean(1, keepdim=True)
    eye = torch.eye(len(columns), dtype=columns.dtype, device=columns.device)
    return centered, centered @ centered.mT / columns.shape[1] + positive_eps(eps) * eye


def _as_batch(columns, like):
    n, channels, *spatial = like.shape
    return columns.reshape(channels, n, *spatial).movedim(0, 1).to(like.dtype)

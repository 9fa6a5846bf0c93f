"""Synchronised Batch Normalization: the statistics of a batch that is spread over processes.

Each process holds some of the examples; the result is that of Batch Normalization on the joined
batch. It runs over ``torch.distributed``: gloo between CPUs, nccl between GPUs. Every process of
the group must make the same calls, forward and backward, or the others wait for it.
"""

from functools import reduce

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from bn_reference.layouts import per_channel, positive_eps, reduction_axes
from bn_reference.moments import Moments, combine
from bn_reference.torch.functional import batch_norm
from bn_reference.torch.layouts import check_channels


class SumOverProcesses(torch.autograd.Function):
    """``(values, group) -> total``, the same in each process.

    The loss is the sum of what the processes hold of it, and each of them uses the total: so the
    gradient is summed over the processes as well.
    """

    @staticmethod
    def forward(ctx, values, group):
        ctx.group = group
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, dtotal):
        return SumOverProcesses.apply(dtotal, ctx.group), None


class SyncNormalize(torch.autograd.Function):
    """``(x, mean, std, m, group) -> (x_hat, rstd)``, for the mean and deviation of the joined batch.

    `mean` and `std` come in as constants: their dependence on ``x`` is in the backward pass, the
    closed form of `bn_reference.batchnorm.batchnorm_backward`, whose two sums run over all
    processes. What it uses are outputs, so that double backward comes out right. `mean` is in
    float64 whatever the dtype of ``x``.
    """

    @staticmethod
    def forward(ctx, x, mean, std, m, group):
        # The mean in two parts, so that rounding to the dtype of x takes nothing from it.
        high = mean.to(x.dtype)
        low = (mean - high).to(x.dtype)
        x_hat = (x - per_channel(high, x.ndim) - per_channel(low, x.ndim)) / per_channel(std, x.ndim)
        rstd = 1 / std
        ctx.save_for_backward(x_hat, rstd)
        ctx.m, ctx.group = m, group
        ctx.set_materialize_grads(False)
        return x_hat, rstd

    @staticmethod
    def backward(ctx, dx_hat, drstd):
        x_hat, rstd = ctx.saved_tensors
        axes, m = reduction_axes(x_hat.ndim), ctx.m

        def channel(vector):
            return per_channel(vector, x_hat.ndim)

        dx = torch.zeros_like(x_hat)
        if dx_hat is not None:
            sums = torch.stack([dx_hat.sum(axes), (dx_hat * x_hat).sum(axes)])
            mean_dx_hat, mean_along = SumOverProcesses.apply(sums, ctx.group) / m
            dx = channel(rstd) * (dx_hat - channel(mean_dx_hat) - x_hat * channel(mean_along))
        # A gradient reaches the reciprocal in double backward alone.
        if drstd is not None:
            drstd = SumOverProcesses.apply(drstd, ctx.group)
            dx = dx - channel(drstd * rstd**2 / m) * x_hat
        return dx, None, None, None, None


def sync_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    """Batch Normalization of the batch that the processes of a group hold together.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (N, C, ...), floating
        The examples of this process. N may differ between processes and may be 0.
    running_mean, running_var, weight, bias, training, momentum, eps
        As for `bn_reference.torch.functional.batch_norm`. The running statistics come out the
        same in each process. The gradients of `weight` and `bias` are those of this process's
        examples: sum them, as for every other parameter.
    group : ProcessGroup, optional
        By default all processes.

    Returns
    -------
    Tensor, shape, dtype and device of `input`

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If shapes do not fit together, ``torch.distributed`` is not initialised, the joined
        batch holds fewer than two values a channel, or `eps` is negative.

    Notes
    -----
    Ioffe & Szegedy 2015, Algorithm 1, with the moments put together after Chan, Golub &
    LeVeque 1983, in float64. At inference no process hears of another. Second derivatives are
    those of the joined batch too, if each process takes them.

    Examples
    --------
    One process by itself, which a group may be:

    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.tensor([[1.0], [3.0]])
    >>> sync_batch_norm(x, None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    >>> dist.destroy_process_group()
    """
    if not training:
        return batch_norm(input, running_mean, running_var, weight, bias, training=False, eps=eps)
    check_channels(input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    positive_eps(eps)
    if not dist.is_initialized():
        raise ValueError(
            "torch.distributed is not initialised, expected init_process_group to be called first"
        )

    wide = input.to(torch.promote_types(input.dtype, torch.float32))
    count, mean, m2 = _joined_moments(wide.detach(), group)
    if count < 2:
        raise ValueError(
            f"the processes hold {count:.0f} values a channel, expected more than 1 when training"
        )
    with torch.no_grad():
        for running, new in ((running_mean, mean), (running_var, m2 / (count - 1))):
            if running is not None:
                running.copy_((1 - momentum) * running + momentum * new)

    std = torch.sqrt(m2 / count + eps)
    y, _ = SyncNormalize.apply(wide, mean, std.to(wide.dtype), count, group)
    y = y if weight is None else y * per_channel(weight, input.ndim)
    y = y if bias is None else y + per_channel(bias, input.ndim)
    return y.to(input.dtype)


class SyncBatchNorm(_BatchNorm):
    """``torch.nn.SyncBatchNorm`` over our `sync_batch_norm`; it shares its ``state_dict``.

    It works on CPUs too, by itself and under ``DistributedDataParallel``. That is why it is no
    subclass of torch's, which ``DistributedDataParallel`` refuses there. In training
    ``torch.distributed`` must be initialised.

    Parameters
    ----------
    num_features : int
        The channels.
    eps, momentum, affine, track_running_stats
        As for ``torch.nn.BatchNorm1d``.
    process_group : ProcessGroup, optional
        By default all processes.
    device, dtype
        As for ``torch.nn.BatchNorm1d``.

    Examples
    --------
    >>> layer = SyncBatchNorm(1).eval()
    >>> layer.load_state_dict(torch.nn.BatchNorm1d(1).state_dict())
    <All keys matched successfully>
    >>> layer(torch.tensor([[5.0]])).detach().round(decimals=3).tolist()
    [[5.0]]
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: dist.ProcessGroup | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype)
        self.process_group = process_group

    def forward(self, input: Tensor) -> Tensor:
        tracks = self.track_running_stats
        momentum = self.momentum
        if self.training and tracks and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:  # the cumulative average over all batches so far
                momentum = 1.0 / float(self.num_batches_tracked)
        return sync_batch_norm(
            input,
            # A layer that ignores its running statistics in training must not move them.
            self.running_mean if tracks or not self.training else None,
            self.running_var if tracks or not self.training else None,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=0.0 if momentum is None else momentum,
            eps=self.eps,
            group=self.process_group,
        )


def _joined_moments(x, group):
    """The moments of the joined batch, in float64, the same in each process."""
    channels = x.shape[1]
    m = x.numel() // channels
    here = torch.zeros(3, channels, dtype=torch.float64, device=x.device)
    if m:
        # Around a first mean, which rounding may have moved; so the second one is small.
        axes = reduction_axes(x.ndim)
        first = x.mean(axes)
        var, mean = torch.var_mean(x - per_channel(first, x.ndim), dim=axes, correction=0)
        here[0], here[1], here[2] = m, first.double() + mean, var.double() * m
    everywhere = [torch.empty_like(here) for _ in range(dist.get_world_size(group))]
    dist.all_gather(everywhere, here, group=group)

    parts = [Moments(float(part[0, 0]), part[1], part[2]) for part in everywhere]
    return reduce(combine, [part for part in parts if part.count] or parts[:1])

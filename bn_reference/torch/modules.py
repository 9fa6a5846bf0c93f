"""``BatchNorm1d``, ``2d`` and ``3d``: the layers of ``torch.nn`` over our `batch_norm`.

Parameters, buffers, ``state_dict``, ``repr`` and the checks of the input's number of axes
are torch's own, inherited, so that either layer loads what the other saved. What is ours is
the arithmetic: which statistics normalise, and how the running ones move.
"""

import torch

from bn_reference.torch.functional import batch_norm


class _BatchNormForward:
    """The forward pass that the three layers share."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        self._check_input_dim(input)
        tracks = self.track_running_stats
        momentum = self.momentum
        if self.training and tracks and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:  # the cumulative average over all batches so far
                # A tensor: torch takes a number, for which a GPU must be waited for.
                wide = torch.promote_types(self.running_mean.dtype, torch.float32)
                momentum = 1 / self.num_batches_tracked.to(wide)
        return batch_norm(
            input,
            # A layer that ignores its running statistics in training must not move them.
            self.running_mean if tracks or not self.training else None,
            self.running_var if tracks or not self.training else None,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=0.0 if momentum is None else momentum,
            eps=self.eps,
        )


class BatchNorm1d(_BatchNormForward, torch.nn.BatchNorm1d):
    """Batch Normalization of ``(N, C)`` or ``(N, C, L)``; see ``torch.nn.BatchNorm1d``.

    Examples
    --------
    >>> layer = BatchNorm1d(2)
    >>> layer.load_state_dict(torch.nn.BatchNorm1d(2).state_dict())
    <All keys matched successfully>
    >>> layer(torch.tensor([[0.0, 5.0], [2.0, 7.0]])).detach().round(decimals=3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """


class BatchNorm2d(_BatchNormForward, torch.nn.BatchNorm2d):
    """Batch Normalization of images ``(N, C, H, W)``; see ``torch.nn.BatchNorm2d``.

    Examples
    --------
    >>> images = torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2)
    >>> BatchNorm2d(1)(images).flatten().detach().round(decimals=3).tolist()
    [-1.0, 1.0]
    """


class BatchNorm3d(_BatchNormForward, torch.nn.BatchNorm3d):
    """Batch Normalization of volumes ``(N, C, D, H, W)``; see ``torch.nn.BatchNorm3d``.

    Examples
    --------
    >>> volumes = torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 1, 2)
    >>> BatchNorm3d(1)(volumes).flatten().detach().round(decimals=3).tolist()
    [-1.0, 1.0]
    """

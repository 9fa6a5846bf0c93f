"""``layer_norm``, ``group_norm``, ``instance_norm`` and ``rms_norm``, backward by hand.

They take the arguments of the functions of these names in ``torch.nn.functional``. One autograd
function, `Rescale`, divides by the root mean square; the rest is centring, scaling and shifting,
which torch differentiates.
"""

import math

import torch
from torch import Tensor

from bn_reference.layouts import per_channel, positive_eps
from bn_reference.torch.functional import batch_norm
from bn_reference.torch.layouts import check_channels, check_floating


class Rescale(torch.autograd.Function):
    """Divide by the root mean square over `axes`: ``(x, axes, eps) -> (x_hat, reciprocal rms)``.

    The backward pass is that of `bn_reference.normalization.rescale_backward`. What it uses are
    outputs, so that double backward comes out right.
    """

    @staticmethod
    def forward(x, axes, eps):
        rrms = torch.rsqrt((x * x).mean(axes, keepdim=True) + eps)
        return x * rrms, rrms

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.axes, _ = inputs
        ctx.save_for_backward(*output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, dx_hat, drrms):
        x_hat, rrms = ctx.saved_tensors
        dx = None
        if dx_hat is not None:
            dx = rrms * (dx_hat - x_hat * (dx_hat * x_hat).mean(ctx.axes, keepdim=True))
        # A gradient reaches the reciprocal in double backward alone.
        if drrms is not None:
            m = x_hat.numel() // rrms.numel()
            through_rrms = -drrms * rrms**2 * x_hat / m
            dx = through_rrms if dx is None else dx + through_rrms
        return dx, None, None


def normalize(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """Mean zero and variance one over `axes`: ``(x - mean) / sqrt(var + eps)``.

    Parameters
    ----------
    x : Tensor, any shape, floating
    axes : tuple of int
    eps : float
        Added to the biased variance, inside the root.

    Returns
    -------
    Tensor, shape of `x`, float32 or wider

    Notes
    -----
    The mean, too, is rounded, by much where it is large. So a first mean is taken out as a
    constant, which the result does not depend on, and then the small mean of what is left.

    Examples
    --------
    >>> normalize(torch.tensor([[1.0, 3.0], [2.0, 8.0]]), (1,), eps=0.0).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    x = _widened(x)
    x = x - x.detach().mean(axes, keepdim=True)
    x_hat, _ = Rescale.apply(x - x.mean(axes, keepdim=True), axes, eps)
    return x_hat


def layer_norm(
    input: Tensor,
    normalized_shape: tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Layer Normalization; the arguments are those of ``torch.nn.functional.layer_norm``.

    Parameters
    ----------
    input : Tensor, floating
        Its last axes have the lengths of `normalized_shape`.
    normalized_shape : tuple of int
        The lengths of the axes to normalise over.
    weight, bias : Tensor of shape `normalized_shape`, or None
        ``gamma`` and ``beta``; None stands for ones and zeros.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    Tensor, shape, dtype and device of `input`

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If shapes do not fit together, or `eps` is negative.

    Notes
    -----
    Ba, Kiros & Hinton 2016, Equations 3 and 4.

    Examples
    --------
    >>> layer_norm(torch.tensor([[1.0, 3.0]]), (2,), eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    axes = _trailing_axes(input, normalized_shape, weight=weight, bias=bias)
    return _scale_and_shift(normalize(input, axes, positive_eps(eps)), weight, bias).to(input.dtype)


def rms_norm(
    input: Tensor,
    normalized_shape: tuple[int, ...],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """RMSNorm; the arguments are those of ``torch.nn.functional.rms_norm``.

    Parameters
    ----------
    input : Tensor, floating
        Its last axes have the lengths of `normalized_shape`.
    normalized_shape : tuple of int
        The lengths of the axes to normalise over.
    weight : Tensor of shape `normalized_shape`, or None
        ``gamma``; None stands for ones.
    eps : float, optional
        Added to the mean square, inside the root. By default the machine epsilon of the
        dtype in which the sums run: float32 for narrower input.

    Returns
    -------
    Tensor, shape, dtype and device of `input`

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If shapes do not fit together, or `eps` is negative.

    Notes
    -----
    Zhang & Sennrich 2019, Section 4.

    Examples
    --------
    >>> rms_norm(torch.tensor([[5.0, 5.0]]), (2,), eps=0.0).tolist()
    [[1.0, 1.0]]
    """
    axes = _trailing_axes(input, normalized_shape, weight=weight)
    x = _widened(input)
    x_hat, _ = Rescale.apply(x, axes, torch.finfo(x.dtype).eps if eps is None else positive_eps(eps))
    return _scale_and_shift(x_hat, weight, None).to(input.dtype)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Group Normalization; the arguments are those of ``torch.nn.functional.group_norm``.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (N, C, ...), floating
    num_groups : int
        It divides C.
    weight, bias : Tensor of shape (C,), or None
        ``gamma`` and ``beta``; None stands for ones and zeros.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    Tensor, shape, dtype and device of `input`

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If shapes do not fit together, `num_groups` does not divide C, or `eps` is negative.

    Notes
    -----
    Wu & He 2018, Equations 1, 2, 6 and 7.

    Examples
    --------
    >>> group_norm(torch.tensor([[1.0, 3.0, 2.0, 8.0]]), 2, eps=0.0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    weight, bias = _per_channel(input, weight=weight, bias=bias)
    n, channels = input.shape[:2]
    if num_groups < 1 or channels % num_groups:
        raise ValueError(
            f"num_groups is {num_groups}, expected a divisor of the {channels} channels of input "
            f"with shape {tuple(input.shape)}"
        )
    x_hat = normalize(input.reshape(n, num_groups, -1), (2,), positive_eps(eps)).reshape(input.shape)
    return _scale_and_shift(x_hat, weight, bias).to(input.dtype)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Instance Normalization; the arguments are those of ``torch.nn.functional.instance_norm``.

    Parameters
    ----------
    input : Tensor, shape (N, C, ...), floating
    running_mean, running_var : Tensor of shape (C,), or None
        Needed unless `use_input_stats`; otherwise updated in place if given, with the mean
        over the examples of each instance's mean and unbiased variance.
    weight, bias : Tensor of shape (C,), or None
        ``gamma`` and ``beta``; None stands for ones and zeros.
    use_input_stats : bool
        Normalise with the statistics of each instance, rather than the running ones.
    momentum : float
        Weight of the new value in the running statistics.
    eps : float
        Added to the variance, inside the root.

    Returns
    -------
    Tensor, shape, dtype and device of `input`

    Raises
    ------
    TypeError
        If `input` is not a floating-point tensor.
    ValueError
        If shapes do not fit together, running statistics are missing that are needed, an
        instance holds a single value, or `eps` is negative.

    Notes
    -----
    Ulyanov, Vedaldi & Lempitsky 2016, Section 2. With running statistics alone it is
    Batch Normalization at inference.

    Examples
    --------
    >>> instance_norm(torch.tensor([[[1.0, 3.0], [2.0, 8.0]]]), eps=0.0).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, training=False, eps=eps)
    running = _per_channel(input, running_mean=running_mean, running_var=running_var)
    weight, bias = _per_channel(input, weight=weight, bias=bias)
    if math.prod(input.shape[2:]) < 2:
        raise ValueError(
            f"input has shape {tuple(input.shape)}, expected (N, C, *spatial) with more than 1 position"
        )
    axes = tuple(range(2, input.ndim))
    x_hat = normalize(input, axes, positive_eps(eps))
    with torch.no_grad():
        if any(statistic is not None for statistic in running):
            var, mean = torch.var_mean(_widened(input), dim=axes, correction=1)
            for statistic, new in ((running_mean, mean), (running_var, var)):
                if statistic is not None:
                    statistic.copy_((1 - momentum) * statistic + momentum * new.mean(0))
    return _scale_and_shift(x_hat, weight, bias).to(input.dtype)


def _scale_and_shift(x_hat, weight, bias):
    y = x_hat if weight is None else x_hat * weight
    return y if bias is None else y + bias


def _widened(x):
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _trailing_axes(input, normalized_shape, **parameters):
    """The last axes of `input`, which must be those of `normalized_shape` and of the parameters."""
    check_floating(input)
    shape = tuple(normalized_shape)
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"normalized_shape is {shape}, expected the lengths of the last axes of input "
            f"with shape {tuple(input.shape)}"
        )
    for name, parameter in parameters.items():
        if parameter is not None and tuple(parameter.shape) != shape:
            raise ValueError(
                f"{name} has shape {tuple(parameter.shape)}, expected {shape}, the normalized_shape"
            )
    return tuple(range(input.ndim - len(shape), input.ndim))


def _per_channel(input, **vectors):
    """The vectors of one value per channel, shaped so that they broadcast against `input`."""
    check_channels(input, **vectors)
    return [None if v is None else per_channel(v, input.ndim) for v in vectors.values()]

"""How the checks use a batch-norm layer that a learner wrote."""

import traceback

import numpy as np
import torch

from bn_reference.checks.ps4_torch.driving import LibraryCalls, array, gradients, tensors

PARAMETERS = ("weight", "bias")
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def new_layer(answer, channels, eps, momentum):
    """An instance of the learner's class.

    Raises
    ------
    TypeError
        If the class is no ``torch.nn.Module``.
    """
    if not (isinstance(answer, type) and issubclass(answer, torch.nn.Module)):
        raise TypeError(f"the answer is {answer!r}, expected a class that inherits from torch.nn.Module")
    return answer(channels, eps=eps, momentum=momentum)


def call_state(answer, inputs):
    """What a layer registers, starts with, loads, and takes along when it is moved."""
    t = tensors(inputs)
    channels = t["x"].shape[1]
    layer = new_layer(answer, channels, t["eps"], t["momentum"])
    state, parameters, buffers = (
        layer.state_dict(),
        dict(layer.named_parameters()),
        dict(layer.named_buffers()),
    )
    shapes = dict(zip(BUFFERS, ((channels,), (channels,), ()), strict=True))
    with LibraryCalls() as library:
        y_loaded = _loaded_output(new_layer(answer, channels, t["eps"], t["momentum"]), t)
    fresh = [getattr(layer, name) for name in ("weight", "bias", "running_mean", "running_var")]
    return library.judged(
        [name in parameters and parameters[name].shape == (channels,) for name in PARAMETERS],
        [name in buffers and name in state and buffers[name].shape == shapes[name] for name in BUFFERS],
        bool(state.keys() - {*PARAMETERS, *BUFFERS}),
        torch.stack([tensor.detach().reshape(channels) for tensor in fresh]).numpy(),
        y_loaded,
        _follows_dtype(new_layer(answer, channels, t["eps"], t["momentum"])),
        _follows_device(new_layer(answer, channels, t["eps"], t["momentum"]), t["x"]),
    )


def _loaded_output(layer, t):
    """What the layer gives at inference once it has loaded what torch's own layer saved."""
    saved = torch.nn.BatchNorm1d(t["x"].shape[1]).to(t["x"]).state_dict()
    saved |= {name: t[name] for name in (*PARAMETERS, "running_mean", "running_var")}
    try:
        layer.to(t["x"]).load_state_dict(saved, strict=False)
    except RuntimeError:  # the shapes differ
        return np.full(t["x"].shape, np.nan)
    return array(layer.eval()(t["x"].clone()))


def _follows_dtype(layer):
    """After ``.double()``: are the running statistics float64, and is the count, if there is one, an integer?"""
    try:
        layer.double()(torch.ones(3, layer.running_mean.numel(), dtype=torch.float64))
    except (RuntimeError, TypeError):  # what torch raises where tensors of two dtypes meet
        return False
    wanted = dict(zip(BUFFERS, (torch.float64, torch.float64, torch.int64), strict=True))
    return all(getattr(layer, name).dtype == dtype for name, dtype in wanted.items() if hasattr(layer, name))


def _follows_device(layer, x):
    """Does it train where there is only the meta device, whose tensors have shapes and no values?"""
    try:
        y = layer.to("meta").train()(x.to("meta").to(torch.float32))
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as problem:
        # What torch raises where tensors of two devices meet, or where a value is asked for. Autocast knows
        # no meta device: whoever names x.device.type there is right.
        frames = traceback.extract_tb(problem.__traceback__)
        return any(frame.filename.endswith("autocast_mode.py") for frame in frames)
    return y.device.type == "meta" and layer.running_mean.device.type == "meta"


def _buffers(layer):
    """Copies of the running statistics and of the count, which is 0 if the layer does not count."""
    return [array(torch.as_tensor(getattr(layer, name, 0))).copy() for name in BUFFERS]


def call_training(answer, inputs):
    """Two steps of training, then inference: outputs, gradients, and what the buffers hold."""
    t = tensors(inputs)
    x, dtype = t["x"], getattr(torch, t["dtype"])
    layer = new_layer(answer, x.shape[1], t["eps"], t["momentum"]).to(x)
    with torch.no_grad():
        for name in (*PARAMETERS, "running_mean", "running_var"):
            getattr(layer, name).copy_(t[name])
    with LibraryCalls() as library, torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype != x.dtype):
        leaf = x.requires_grad_() if x.dtype == dtype else x.to(dtype).requires_grad_()
        y = layer(leaf)
        layer(t["second"].to(dtype))
        trained = _buffers(layer)
        with_graph = layer.running_mean.requires_grad or layer.running_var.requires_grad
        y_eval = layer.eval()(t["probe"].to(dtype))
        moved = any((new != old).any() for new, old in zip(_buffers(layer), trained, strict=True))
    three = gradients(y, [leaf, layer.weight, layer.bias], t["dout"].to(y.dtype))
    return library.judged(
        array(y),
        *map(array, three),
        *trained,
        array(y_eval),
        moved,
        with_graph,
        y.dtype == dtype and y_eval.dtype == dtype,
    )

"""Turn the batch-norm layers of a model into ours, and back.

A converted layer holds the very parameters, buffers and hooks of the one that it replaces, so
that an optimiser which knows the one goes on with the other, and a handle that
``register_forward_hook`` gave still removes its hook.
"""

import torch

from bn_reference.torch.modules import BatchNorm1d, BatchNorm2d, BatchNorm3d

OURS = {
    torch.nn.BatchNorm1d: BatchNorm1d,
    torch.nn.BatchNorm2d: BatchNorm2d,
    torch.nn.BatchNorm3d: BatchNorm3d,
}
TORCHS = {ours: theirs for theirs, ours in OURS.items()}


def from_torch_nn(module: torch.nn.Module) -> torch.nn.Module:
    """Replace every ``torch.nn.BatchNorm1d``, ``2d`` and ``3d`` in a model by ours.

    Parameters
    ----------
    module : torch.nn.Module
        A model, changed in place, or a batch-norm layer. Subclasses of torch's layers, such as
        ``LazyBatchNorm2d``, stay what they are.

    Returns
    -------
    torch.nn.Module
        `module`, or the new layer if `module` is itself one to replace.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    >>> type(from_torch_nn(model)[1]) is BatchNorm1d
    True
    """
    return _replace(module, OURS, {})


def to_torch_nn(module: torch.nn.Module) -> torch.nn.Module:
    """Replace every batch-norm layer of ours in a model by that of torch.

    Parameters
    ----------
    module : torch.nn.Module
        A model, changed in place, or a batch-norm layer.

    Returns
    -------
    torch.nn.Module
        `module`, or the new layer if `module` is itself one to replace.

    Examples
    --------
    >>> type(to_torch_nn(BatchNorm2d(3))) is torch.nn.BatchNorm2d
    True
    """
    return _replace(module, TORCHS, {})


def _replace(module, classes, done):
    """`done` maps modules to what they became: one that occurs twice stays one."""
    if module not in done:
        done[module] = module
        if type(module) in classes:
            done[module] = _same_layer_as(classes[type(module)], module)
        for name, child in done[module]._modules.items():
            done[module]._modules[name] = None if child is None else _replace(child, classes, done)
    return done[module]


def _same_layer_as(cls, module):
    twin = cls.__new__(cls)
    twin.__dict__.update(module.__dict__)
    return twin

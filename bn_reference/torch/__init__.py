"""Batch Normalization and its family for torch tensors, on any device.

Everything here can be imported from this package, as in
``from bn_reference.torch import SyncBatchNorm, group_norm``.

``batch_norm``, ``BatchNorm1d``, ``BatchNorm2d``, ``BatchNorm3d``
    Drop-ins for those of ``torch.nn.functional`` and ``torch.nn``: the same arguments, the
    same ``state_dict``.
``convert``
    ``convert.from_torch_nn(model)`` puts our layers in the place of torch's in a model that
    there is already, and ``convert.to_torch_nn(model)`` puts torch's back.
``layer_norm``, ``group_norm``, ``instance_norm``, ``rms_norm``
    The members of the family that look at one example at a time, with torch's arguments.
``batch_renorm``, ``ghost_batch_norm``
    Batch Renormalization, and a large batch in parts.
``zca_batch_norm``, ``iter_norm``
    Whitening as a layer, by eigenvectors and by Newton's iteration.
``sync_batch_norm``, ``SyncBatchNorm``
    Batch Normalization of a batch that is spread over processes.
``fold_batchnorm``
    A linear layer or convolution and the batch norm after it, as one layer for inference.
``errors``
    What is raised: each error is one of ours and one of torch's at once.
"""

from bn_reference.torch import convert, errors, functional
from bn_reference.torch.batchrenorm import batch_renorm
from bn_reference.torch.decorrelated import iter_norm, zca_batch_norm
from bn_reference.torch.folding import fold_batchnorm
from bn_reference.torch.functional import batch_norm
from bn_reference.torch.ghost import ghost_batch_norm
from bn_reference.torch.modules import BatchNorm1d, BatchNorm2d, BatchNorm3d
from bn_reference.torch.normalization import group_norm, instance_norm, layer_norm, rms_norm
from bn_reference.torch.sync import SyncBatchNorm, sync_batch_norm

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "SyncBatchNorm",
    "batch_norm",
    "batch_renorm",
    "convert",
    "errors",
    "fold_batchnorm",
    "functional",
    "ghost_batch_norm",
    "group_norm",
    "instance_norm",
    "iter_norm",
    "layer_norm",
    "rms_norm",
    "sync_batch_norm",
    "zca_batch_norm",
]

"""Batch Normalization for torch tensors, on any device: a drop-in for ``torch.nn``."""

from bn_reference.torch import convert, errors, functional
from bn_reference.torch.modules import BatchNorm1d, BatchNorm2d, BatchNorm3d

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "convert", "errors", "functional"]

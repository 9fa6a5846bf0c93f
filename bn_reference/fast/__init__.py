"""Batch Normalization as fast as memory lets it, on the CPU.

The mathematics is that of `bn_reference.batchnorm`; read that module first. Here the concern
is traffic. The transform does a handful of operations on each value, far fewer than a
processor could while the value travels from memory, so that its time is the time of moving
bytes. Computing whole arrays step by step moves each of them many times. The kernels here
take a few channels, small enough to stay in the cache, and do everything to them before they
go on.

There are two sets of kernels for the same functions: in NumPy, and compiled by Numba,
which is used where it is installed (``pip install numba``).

Accuracy. Sums run in float64 over values from which a rough mean (the first value) has been
taken out, so that a large mean costs no digits. (The NumPy kernels sum short stretches in the
dtype of the input first.) The mean is kept in two
parts, ``mean + residue``, and applied as ``(x - mean) * scale + (beta - residue * scale)``:
``x - mean`` is nearly exact, and the residue brings back what rounding took from the mean.
"""

from bn_reference.fast.transform import (
    Statistics,
    batchnorm_backward,
    batchnorm_forward,
    batchnorm_inference,
)

__all__ = ["Statistics", "batchnorm_backward", "batchnorm_forward", "batchnorm_inference"]

"""Batch Normalization, from whitening to its backward pass: the reference of the course.

The chapters of the book import these functions and show them; the checks of the
exercises compare a learner's functions with them.

Conventions
-----------
These hold everywhere in the course, and the tests compare each with torch.

layouts
    Axis 0 counts the examples of the batch, axis 1 the channels (also called features).
    Any further axes are positions in space or time: ``(N, C)``, ``(N, C, L)``,
    ``(N, C, H, W)``, ``(N, C, D, H, W)``. Every channel is normalised over all other
    axes. ``m`` is the number of values that one channel holds: ``N * L``, and so on.
batch variance
    The variance that normalises is the biased one, a sum divided by ``m``
    (Ioffe & Szegedy 2015, Algorithm 1, line 2).
running variance
    The variance that enters ``running_var`` is the unbiased one: the batch variance
    times ``m / (m - 1)`` (Algorithm 2, line 10).
momentum
    Torch's: the weight of the *new* value,
    ``running = (1 - momentum) * running + momentum * new``.
eps
    Inside the square root: ``std = sqrt(var + eps)``.
one value a channel
    With ``m = 1`` the transform exists (``x_hat = 0``), but the unbiased variance does
    not: `update_running_statistics` raises, and so does training with the torch layers,
    as it does in ``torch.nn``.

Modules
-------
whitening
    Standardising, covariance, PCA, ZCA and Cholesky whitening.
batchnorm
    The Batch Normalization transform and its backward pass.
fast
    The same two functions, as fast as memory lets them be.
normalization
    What the family shares: centring, rescaling, scale and shift, over any axes.
layernorm, groupnorm, instancenorm, rmsnorm
    Its members that look at one example at a time.
batchrenorm
    Training on the outputs that inference will give.
ghost
    A large batch in parts, each with its own statistics.
folding
    A linear layer and the inference after it, as one linear layer.
moments
    Count, mean and variance of a batch from those of its parts.
decorrelated
    Whitening as a layer, with its backward pass.
gradcheck
    Derivatives by finite differences and by the complex step.
torch
    The same for torch tensors, on any device.
checks
    What a learner's function must do, and the ``check`` that says so.
"""

__version__ = "0.1.0"

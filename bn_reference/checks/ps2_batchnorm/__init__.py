"""Specs of the graded functions of ``ps2_batchnorm``."""

from bn_reference.checks.ps2_batchnorm.convolution import CONVOLUTION
from bn_reference.checks.ps2_batchnorm.eps import EPS
from bn_reference.checks.ps2_batchnorm.folding import FOLD_CONV, FOLD_LINEAR
from bn_reference.checks.ps2_batchnorm.forward import FORWARD
from bn_reference.checks.ps2_batchnorm.identity import IDENTITY
from bn_reference.checks.ps2_batchnorm.inference import INFERENCE
from bn_reference.checks.ps2_batchnorm.layer import LAYER
from bn_reference.checks.ps2_batchnorm.running_statistics import RUNNING
from bn_reference.checks.ps2_batchnorm.variances import VARIANCES

SPECS = (
    FORWARD,
    IDENTITY,
    EPS,
    VARIANCES,
    RUNNING,
    INFERENCE,
    LAYER,
    CONVOLUTION,
    FOLD_LINEAR,
    FOLD_CONV,
)
"""In the order of the problem set."""

"""Specs of the graded functions of ``ps2_batchnorm``, all for the layout (N, C)."""

from bn_reference.checks.ps2_batchnorm.forward import FORWARD
from bn_reference.checks.ps2_batchnorm.inference import INFERENCE
from bn_reference.checks.ps2_batchnorm.running_statistics import RUNNING

SPECS = (FORWARD, RUNNING, INFERENCE)
"""In the order of the problem set."""

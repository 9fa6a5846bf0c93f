"""Specs of the graded answers of ``ps4_torch``. They need torch."""

from bn_reference.checks.ps4_torch.function_backward import FUNCTION_BACKWARD
from bn_reference.checks.ps4_torch.function_forward import FUNCTION_FORWARD
from bn_reference.checks.ps4_torch.function_twice import FUNCTION_TWICE

SPECS = (FUNCTION_FORWARD, FUNCTION_BACKWARD, FUNCTION_TWICE)
"""In the order of the problem set."""

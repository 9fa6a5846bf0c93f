"""Specs of the graded answers of ``ps4_torch``. They need torch."""

from bn_reference.checks.ps4_torch.function_backward import FUNCTION_BACKWARD
from bn_reference.checks.ps4_torch.function_forward import FUNCTION_FORWARD
from bn_reference.checks.ps4_torch.function_twice import FUNCTION_TWICE
from bn_reference.checks.ps4_torch.gradient_checking import GRADIENT_CHECKING
from bn_reference.checks.ps4_torch.group_norm import GROUP_NORM
from bn_reference.checks.ps4_torch.layer_norm import LAYER_NORM
from bn_reference.checks.ps4_torch.module_state import MODULE_STATE
from bn_reference.checks.ps4_torch.module_training import MODULE_TRAINING
from bn_reference.checks.ps4_torch.moments import COMBINE
from bn_reference.checks.ps4_torch.sync import SYNC

SPECS = (
    FUNCTION_FORWARD,
    FUNCTION_BACKWARD,
    FUNCTION_TWICE,
    GRADIENT_CHECKING,
    MODULE_STATE,
    MODULE_TRAINING,
    LAYER_NORM,
    GROUP_NORM,
    COMBINE,
    SYNC,
)
"""In the order of the problem set."""

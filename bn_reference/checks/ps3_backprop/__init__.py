"""Specs of the graded functions of ``ps3_backprop``."""

from bn_reference.checks.ps3_backprop.backward import CLOSED
from bn_reference.checks.ps3_backprop.backward_staged import STAGED
from bn_reference.checks.ps3_backprop.centring import CENTER
from bn_reference.checks.ps3_backprop.convolution import CONVOLUTIONAL
from bn_reference.checks.ps3_backprop.dividing import DIVIDE
from bn_reference.checks.ps3_backprop.geometry import PROJECT_OUT
from bn_reference.checks.ps3_backprop.gradient_checking import NUMERICAL_GRADIENT
from bn_reference.checks.ps3_backprop.network_gradients import NETWORK_GRADIENTS
from bn_reference.checks.ps3_backprop.network_scores import SCORES
from bn_reference.checks.ps3_backprop.network_training import TRAINING
from bn_reference.checks.ps3_backprop.network_update import UPDATE
from bn_reference.checks.ps3_backprop.scale_and_shift import SCALE_SHIFT
from bn_reference.checks.ps3_backprop.variance import VARIANCE

SPECS = (
    SCALE_SHIFT,
    DIVIDE,
    VARIANCE,
    CENTER,
    STAGED,
    CLOSED,
    PROJECT_OUT,
    CONVOLUTIONAL,
    NUMERICAL_GRADIENT,
    SCORES,
    NETWORK_GRADIENTS,
    UPDATE,
    TRAINING,
)
"""In the order of the problem set."""

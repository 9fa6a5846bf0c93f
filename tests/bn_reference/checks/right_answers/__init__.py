"""Right answers as different people write them: every one must get full marks."""

from tests.bn_reference.checks.right_answers import (
    ps1_gradient_steps,
    ps1_whitening,
    ps2_batchnorm,
    ps3_backprop,
    ps4_relatives,
    ps4_torch,
    ps5_experiments,
)

MODULES = (
    ps1_whitening,
    ps1_gradient_steps,
    ps2_batchnorm,
    ps3_backprop,
    ps4_torch,
    ps4_relatives,
    ps5_experiments,
)

RIGHT_ANSWERS = {name: answers for module in MODULES for name, answers in module.RIGHT_ANSWERS.items()}
"""For each graded function, several answers that differ in everything but what they return."""

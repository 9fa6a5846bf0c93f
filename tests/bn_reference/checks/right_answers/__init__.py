"""Right answers as different people write them: every one must get full marks."""

from tests.bn_reference.checks.right_answers import (
    ps1_gradient_steps,
    ps1_whitening,
    ps2_batchnorm,
    ps4_relatives,
    ps4_torch,
)

RIGHT_ANSWERS = (
    ps1_whitening.RIGHT_ANSWERS
    | ps1_gradient_steps.RIGHT_ANSWERS
    | ps2_batchnorm.RIGHT_ANSWERS
    | ps4_torch.RIGHT_ANSWERS
    | ps4_relatives.RIGHT_ANSWERS
)
"""For each graded function, several answers that differ in everything but what they return."""

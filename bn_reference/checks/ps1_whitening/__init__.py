"""Specs of the graded functions of ``ps1_whitening``: from standardising to the growing bias."""

from bn_reference.checks.ps1_whitening.bias import CLOSED_FORM, TRAIN_BIAS
from bn_reference.checks.ps1_whitening.cholesky import CHOLESKY
from bn_reference.checks.ps1_whitening.covariances import COVARIANCE
from bn_reference.checks.ps1_whitening.descent import DESCEND, STEPS_NEEDED
from bn_reference.checks.ps1_whitening.kept import KEPT
from bn_reference.checks.ps1_whitening.limits import LIMITS
from bn_reference.checks.ps1_whitening.pca import PCA
from bn_reference.checks.ps1_whitening.standardizing import STANDARDIZE
from bn_reference.checks.ps1_whitening.zca import ZCA

SPECS = (
    STANDARDIZE,
    COVARIANCE,
    PCA,
    ZCA,
    CHOLESKY,
    KEPT,
    DESCEND,
    STEPS_NEEDED,
    TRAIN_BIAS,
    CLOSED_FORM,
    LIMITS,
)
"""In the order of the problem set."""

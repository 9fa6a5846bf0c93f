"""Specs of the graded functions of ``ps1_whitening``: from standardising to the growing bias."""

from bn_reference.checks.ps1_whitening.covariances import COVARIANCE
from bn_reference.checks.ps1_whitening.standardizing import STANDARDIZE

SPECS = (STANDARDIZE, COVARIANCE)
"""In the order of the problem set."""

"""Specs of problem set 5: measuring what batch normalization does to training."""

from bn_reference.checks.ps5_experiments.percentiles import PERCENTILES
from bn_reference.checks.ps5_experiments.sweep import SWEEP

SPECS = (PERCENTILES, SWEEP)
"""In the order of the problem set."""

"""Specs of problem set 5: measuring what Batch Normalization does to training."""

from bn_reference.checks.ps5_experiments.depth import DEPTH
from bn_reference.checks.ps5_experiments.gap import GAP
from bn_reference.checks.ps5_experiments.landscape import LANDSCAPE
from bn_reference.checks.ps5_experiments.noise import NOISE
from bn_reference.checks.ps5_experiments.noisy import NOISY
from bn_reference.checks.ps5_experiments.percentiles import PERCENTILES
from bn_reference.checks.ps5_experiments.shift import SHIFT
from bn_reference.checks.ps5_experiments.step import LOOK_AT_STEP
from bn_reference.checks.ps5_experiments.sweep import SWEEP

SPECS = (PERCENTILES, SWEEP, DEPTH, LOOK_AT_STEP, GAP, NOISE, SHIFT, NOISY, LANDSCAPE)
"""In the order of the problem set."""

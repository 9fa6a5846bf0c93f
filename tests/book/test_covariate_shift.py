"""Do the measures of the chapter on internal covariate shift measure what it says?"""

import importlib.util
import json

import numpy as np
import pytest

from tests.course import ROOT

pytest.importorskip("torch", reason="the experiments are in torch")


@pytest.fixture(scope="module")
def experiment():
    """The module of the experiment, which is no part of a package."""
    path = ROOT / "book/experiments/covariate_shift.py"
    spec = importlib.util.spec_from_file_location("covariate_shift", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def one_step(experiment, kind):
    """A network, the same after a step, and the batch of that step."""
    return next(experiment.training(kind, 0, 0.1, 1))


def test_only_the_layers_below_make_a_gradient_shift(experiment):
    """Is there none when only the top layer moved, and some when only the lowest one did?"""
    before, after, batch = one_step(experiment, "plain")
    top = experiment.nn.Sequential(*before[:-1], after[-1])
    bottom = experiment.nn.Sequential(after[0], *before[1:])

    assert experiment.gradient_shift(before, top, *batch)[0] == 0
    size, cosine = experiment.gradient_shift(before, bottom, *batch)
    assert size > 0.01 and cosine < 0.9999


def test_the_noise_is_new_at_every_step(experiment):
    """Does a network that learns nothing shift all the same, if and only if it is noisy?"""
    for kind in experiment.KINDS:
        before, after, (x, _) = next(experiment.training(kind, 0, 0.0, 1))
        shift = experiment.distribution_shift(before, after, x)
        assert shift > 0.1 if kind in experiment.NOISE else shift == 0


def test_all_kinds_start_from_the_same_weights(experiment):
    """Do the networks differ by what is added alone?"""
    weights = [experiment.network(kind, 3)[4][0].weight for kind in experiment.KINDS]

    assert all((weight == weights[0]).all() for weight in weights)


def test_the_stored_results_are_those_of_the_script(experiment):
    """Does a training anew begin as the stored one did?"""
    stored = json.loads((ROOT / "book/experiments/covariate_shift.json").read_text())
    assert stored["rates"] == list(experiment.RATES) and list(stored["sweep"]) == list(experiment.KINDS)
    for kind in experiment.KINDS:
        anew = experiment.along_training(kind, 0, experiment.WATCHED[0], steps=11)
        for name, values in anew.items():
            # Rounding differs between machines, and ten steps let it grow.
            np.testing.assert_allclose(values, stored["along"][kind][0][0][name][:2], rtol=1e-2, atol=1e-5)

"""Do the checks of problem set 5 see what their named mistakes do not cover?"""

import numpy as np

from bn_reference.checks import report
from bn_reference.checks.judging import TOO_SLOW


def gap_example_by_example(x, running_mean, running_var, batch_size, eps):
    """Right, with a Python loop over every example."""
    squares = np.zeros(x.shape[1])
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size].astype(np.float64)
        mean, var = batch.mean(0), batch.var(0)
        for example in batch:
            training = (example - mean) / np.sqrt(var + eps)
            squares += (training - (example - running_mean) / np.sqrt(running_var + eps)) ** 2
    return np.sqrt(squares / len(x))


def test_loop_over_examples_is_too_slow():
    """Does a right answer that loops over single examples lose the points for time, and only those?"""
    verdict = report("train_eval_gap", gap_example_by_example)
    assert verdict.mistakes == (TOO_SLOW,)
    assert [part.title for part in verdict.parts if not part.passed] == ["many examples in time"]
    assert any("array operations rather than loops" in sentence for sentence in verdict.advice)

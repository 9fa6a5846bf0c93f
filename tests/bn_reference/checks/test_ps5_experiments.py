"""Do the checks of problem set 5 see what their named mistakes do not cover?"""

import numpy as np

from bn_reference.checks import report
from bn_reference.checks.judging import TOO_SLOW


def gap_entry_by_entry(x, running_mean, running_var, batch_size, eps):
    """Right, with a Python loop over every entry."""
    n, c = x.shape
    gap = np.zeros(c)
    for start in range(0, n, batch_size):
        batch = x[start : start + batch_size].astype(np.float64)
        mean, var = batch.mean(0), batch.var(0)
        for i in range(len(batch)):
            for j in range(c):
                own = (batch[i, j] - mean[j]) / np.sqrt(var[j] + eps)
                gap[j] += (own - (batch[i, j] - running_mean[j]) / np.sqrt(running_var[j] + eps)) ** 2
    return np.sqrt(gap / n)


def test_loop_over_entries_is_too_slow():
    """Does a right answer that takes a hundred times too long lose the points for time, and only those?"""
    verdict = report("train_eval_gap", gap_entry_by_entry)
    assert verdict.mistakes == (TOO_SLOW,)
    assert [part.title for part in verdict.parts if not part.passed] == ["many examples in time"]
    assert any("array operations rather than loops" in sentence for sentence in verdict.advice)

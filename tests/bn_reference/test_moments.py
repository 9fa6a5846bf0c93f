import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bn_reference.batchnorm import batch_statistics
from bn_reference.moments import Moments, combine
from tests.bn_reference.batches import random_batch
from tests.tolerances import assert_close


def moments_of(x):
    mean, var = batch_statistics(x)
    return Moments(len(x), mean, len(x) * var)


@given(n=st.integers(1, 9), k=st.integers(1, 9), offset=st.sampled_from([0.0, 1e3, 1e6]))
def test_the_union_has_the_moments_of_the_joined_sets(n, k, offset):
    x = random_batch((n + k, 3), offset=offset)
    x[n:] += 5.0

    count, mean, m2 = combine(moments_of(x[:n]), moments_of(x[n:]))

    expected = moments_of(x)
    assert count == n + k
    assert_close(mean, expected.mean)
    # The means of the parts are rounded, in units of how large they are.
    assert_close(m2, expected.m2, condition=1 + offset)


def test_an_empty_set_adds_nothing():
    a, empty = moments_of(random_batch((4, 3))), Moments(0, np.zeros(3), np.zeros(3))

    for together in (combine(a, empty), combine(empty, a)):
        assert_close(together.mean, a.mean)
        assert_close(together.m2, a.m2)


def test_two_empty_sets_have_no_mean():
    empty = Moments(0, np.zeros(3), np.zeros(3))

    with pytest.raises(ValueError, match="both sets are empty, expected at least one value"):
        combine(empty, empty)

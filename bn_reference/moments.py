"""Count, mean and sum of squared differences of two sets, from those of each.

So statistics are put together of parts that never meet: on several machines, or one after
another. It is plain arithmetic, for arrays and tensors alike.
"""

from typing import Any, NamedTuple


class Moments(NamedTuple):
    """What has to be known of a set.

    Attributes
    ----------
    count : float
        How many values.
    mean : ndarray or Tensor, shape (C,)
    m2 : ndarray or Tensor, shape (C,)
        Sum of squared differences from the mean: ``count`` times the biased variance.

    Examples
    --------
    >>> Moments(count=2, mean=2.0, m2=2.0).m2 / 2  # the biased variance of 1 and 3
    1.0
    """

    count: float
    mean: Any
    m2: Any


def combine(a: Moments, b: Moments) -> Moments:
    """Moments of the union of two sets.

    Parameters
    ----------
    a, b : Moments
        Not both empty.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        If both are empty.

    Notes
    -----
    Chan, Golub & LeVeque 1983, *Algorithms for Computing the Sample Variance*, in terms of
    means rather than sums. Nothing large is subtracted, as ``sum(x**2) - count * mean**2`` does.

    Examples
    --------
    >>> combine(Moments(2, 2.0, 2.0), Moments(1, 8.0, 0.0))
    Moments(count=3, mean=4.0, m2=26.0)
    """
    count = a.count + b.count
    if count == 0:
        raise ValueError("both sets are empty, expected at least one value")
    delta = b.mean - a.mean
    mean = a.mean + delta * (b.count / count)
    m2 = a.m2 + b.m2 + delta**2 * (a.count * b.count / count)
    return Moments(count, mean, m2)

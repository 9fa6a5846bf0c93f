"""One channel of Batch Normalization in 60 digits, as an oracle for the last bits.

The gradient is a central difference of the forward pass, so that no formula of a backward
pass is trusted; with 60 digits its error is far below that of float64.
"""

import mpmath
import numpy as np

DIGITS = 60
STEP = mpmath.mpf(10) ** -20


def exact_statistics(column):
    """Mean and biased variance of one channel, rounded to float64 at the end."""
    with mpmath.workdps(DIGITS):
        mean, var = _statistics(_numbers(column))
        return float(mean), float(var)


def exact_y(column, gamma, beta, eps):
    """``gamma * x_hat + beta``, rounded to float64 at the end."""
    with mpmath.workdps(DIGITS):
        return np.array([float(y) for y in _forward(_numbers(column), gamma, beta, eps)])


def exact_gradients(column, dout, gamma, beta, eps):
    """``dx, dgamma, dbeta``, rounded to float64 at the end."""
    with mpmath.workdps(DIGITS):
        x, dout = _numbers(column), _numbers(dout)

        def slope(at):
            """Derivative of the loss ``sum(y * dout)`` where `at(0)` is the point."""
            above, below = _forward(*at(STEP), eps), _forward(*at(-STEP), eps)
            return float(mpmath.fdot((a - b, d) for a, b, d in zip(above, below, dout, strict=True)))

        def moved(i):
            return lambda h: ([v + h * (i == j) for j, v in enumerate(x)], gamma, beta)

        width = float(2 * STEP)
        dx = np.array([slope(moved(i)) for i in range(len(x))]) / width
        dgamma = slope(lambda h: (x, gamma + h, beta)) / width
        dbeta = slope(lambda h: (x, gamma, beta + h)) / width
        return dx, dgamma, dbeta


def _numbers(values):
    return [mpmath.mpf(float(v)) for v in values]


def _statistics(x):
    mean = mpmath.fsum(x) / len(x)
    return mean, mpmath.fsum((v - mean) ** 2 for v in x) / len(x)


def _forward(x, gamma, beta, eps):
    mean, var = _statistics(x)
    std = mpmath.sqrt(var + mpmath.mpf(eps))
    return [gamma * (v - mean) / std + beta for v in x]

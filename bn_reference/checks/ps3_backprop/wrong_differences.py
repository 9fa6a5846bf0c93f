"""Wrong answers to ``numerical_gradient``, as people write them: each takes ``(f, x, dout, h)``."""

import numpy as np


def difference(f, x, dout, h, above=1.0, below=1.0, over=None, weigh=np.sum):
    """The right loop with something to turn: where the two points lie, what to divide by."""
    x = np.array(x, dtype=np.float64)
    dx = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        dx[index] = weigh((f(x + above * step) - f(x - below * step)) * dout) / (over or 2 * h)
    return dx


def one_sided(f, x, dout, h):
    """Forwards alone."""
    return difference(f, x, dout, h, below=0.0, over=h)


def one_sided_backwards(f, x, dout, h):
    """Backwards alone."""
    return difference(f, x, dout, h, above=0.0, over=h)


def divided_by_h(f, x, dout, h):
    """The distance is 2h."""
    return difference(f, x, dout, h, over=h)


def not_divided(f, x, dout, h):
    """A difference, not a slope."""
    return difference(f, x, dout, h, over=1)


def reversed_points(f, x, dout, h):
    """f(x - h) - f(x + h)."""
    return difference(f, x, dout, h, over=-2 * h)


def points_half_as_far(f, x, dout, h):
    """From x - h/2 to x + h/2, but divided by 2h."""
    return difference(f, x, dout, h, above=0.5, below=0.5)


def averaged(f, x, dout, h):
    """The mean over the outputs."""
    return difference(f, x, dout, h, weigh=np.mean)


def cotangent_ignored(f, x, dout, h):
    """The gradient of sum(f(x))."""
    return difference(f, x, np.ones_like(dout), h)


def loss_is_sum_of_squares(f, x, dout, h):
    """The gradient of sum(f(x)**2)."""
    return difference(lambda z: f(z) ** 2, x, np.ones_like(dout), h)


def all_entries_at_once(f, x, dout, h):
    """One step for the whole array."""
    x = np.asarray(x, dtype=np.float64)
    return (f(x + h) - f(x - h)) * dout / (2 * h)


def own_entry_alone(f, x, dout, h):
    """The diagonal of the Jacobian."""
    x = np.array(x, dtype=np.float64)
    dx = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        dx[index] = ((f(x + step) - f(x - step)) * dout)[index] / (2 * h)
    return dx


def row_by_row(f, x, dout, h):
    """A loop over the first axis alone."""
    x = np.array(x, dtype=np.float64)
    dx = np.zeros_like(x)
    for i in range(len(x)):
        step = np.zeros_like(x)
        step[i] = h
        dx[i] = np.sum((f(x + step) - f(x - step)) * dout) / (2 * h)
    return dx


def keeps_the_dtype(f, x, dout, h):
    """Copies of x, in its own dtype."""
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += h
        below[index] -= h
        dx[index] = np.sum((f(above) - f(below)) * dout) / (2 * h)
    return dx


def result_truncated(f, x, dout, h):
    """np.zeros_like(x) of whole numbers holds whole numbers."""
    return difference(f, x, dout, h).astype(x.dtype)


def steps_never_taken_back(f, x, dout, h):
    """Each entry stays where its step left it."""
    x = np.array(x, dtype=np.float64)
    dx = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        x[index] += h
        above = f(x)
        x[index] -= 2 * h
        dx[index] = np.sum((above - f(x)) * dout) / (2 * h)
    return dx


def two_names_for_one_array(f, x, dout, h):
    """above and below are the same array."""
    x = np.array(x, dtype=np.float64)
    dx = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above = below = x
        above[index] += h
        below[index] -= h
        dx[index] = np.sum((f(above) - f(below)) * dout) / (2 * h)
    return dx

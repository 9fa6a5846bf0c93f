"""Mistakes in the two means of the closed form, which several functions of the course write."""

from collections.abc import Callable

from bn_reference.checks.spec import Formula, Mistake, Values


def mean_mistakes(
    dx: Callable[..., Values],
    count: Callable[[Values], int],
    m: str = "m",
    results: Callable[[Formula], dict[str, Formula]] = lambda formula: {"dx": formula},
) -> tuple[Mistake, ...]:
    """One mean written as a sum, or all of dx multiplied or divided by the number of values.

    Parameters
    ----------
    dx : callable
        ``dx(inputs, mean_part=1, x_hat_part=1)``: the closed form, with a weight on each part that is
        taken out.
    count : callable
        ``count(inputs)``: how many values a mean runs over.
    m : str
        What the exercise calls that number.
    results : callable
        What the wrong ``dx`` shows in, by name.

    Returns
    -------
    tuple of Mistake
    """
    wrong: dict[str, tuple[str, Formula]] = {
        "sum_of_dout_instead_of_mean": (
            f"Your dx subtracts the sum of dout. Divide it by {m}: the formula has its mean.",
            lambda i, v: dx(i, mean_part=count(i)),
        ),
        "sum_along_x_hat_instead_of_mean": (
            f"Your dx subtracts x_hat times the sum of dout * x_hat. Divide it by {m}: the formula has a "
            "mean.",
            lambda i, v: dx(i, x_hat_part=count(i)),
        ),
        "multiplied_by_m": (
            f"Your dx is {m} times too large. Where the formula begins with {m} * dout, all of it is divided "
            f"by {m}.",
            lambda i, v: dx(i) * count(i),
        ),
        "divided_by_m": (
            f"Your dx is divided by {m} once too often: its two means have their own division, and dout has "
            "none.",
            lambda i, v: dx(i) / count(i),
        ),
    }
    return tuple(Mistake(name, says, results(formula), keeps=0.5) for name, (says, formula) in wrong.items())

"""Spec of ``input_percentiles``: what Figure 1(b, c) of the paper draws."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec

LEVELS = (15, 50, 85)


def input_percentiles(history, unit):
    """The 15th, 50th and 85th percentiles of one unit's inputs, at each recorded step.

    Parameters
    ----------
    history : ndarray, shape (steps, examples, units), floating
        The inputs of the units' sigmoids, recorded during training.
    unit : int
        The unit to look at.

    Returns
    -------
    tuple of one ndarray, shape (steps, 3)

    Notes
    -----
    Ioffe & Szegedy 2015, Figure 1(b, c).

    Examples
    --------
    >>> input_percentiles(np.arange(101.0).reshape(1, 101, 1), 0)
    (array([[15., 50., 85.]]),)
    """
    return (np.percentile(history[:, :, unit], LEVELS, axis=1).T,)


def _cases(rng):
    def case(name, kind, shape, dtype=np.float64):
        drift = np.linspace(-2, 2, shape[0])[:, None, None]
        history = (rng.standard_normal(shape) * rng.uniform(0.5, 3, shape[2]) + drift).astype(dtype)
        return Case(f"{name}, shape {shape}", kind, {"history": history, "unit": shape[2] - 1})

    steps = int(rng.integers(5, 9))
    return [
        case("an ordinary history", "typical", (steps, 20, 4)),
        case("float32", "typical", (steps + 2, 11, 3), np.float32),
        case("as many steps as examples", "typical", (6, 6, 2)),
        case("one step", "edge", (1, 12, 3)),
        case("one example", "edge", (4, 1, 2)),
    ]


def _of_unit(i):
    return i["history"][:, :, i["unit"]]


def _percentiles(values, levels=LEVELS):
    return np.percentile(values, levels, axis=1).T


def _mean_in_the_middle(i):
    percentiles = _percentiles(_of_unit(i))
    percentiles[:, 1] = _of_unit(i).mean(axis=1)
    return percentiles


PERCENTILES = Spec(
    name="input_percentiles",
    outputs=("percentiles",),
    nodes={"percentiles": Node(lambda i, v: _percentiles(_of_unit(i)))},
    reference=input_percentiles,
    cases=_cases,
    parts=(
        Part(
            "percentiles at each step",
            4,
            ("percentiles",),
            nudge="Along which axis do the examples of one step lie?",
            hint="Pick the unit, then take the percentiles over the examples: one row for each step.",
            source="Ioffe & Szegedy 2015, Figure 1(b, c) and its caption.",
        ),
        Part(
            "a single step, a single example",
            1,
            ("percentiles",),
            ("edge",),
            nudge="What shape comes out when there is only one step?",
            hint="Keep the axis of the steps, even where it has length 1.",
            source="Ioffe & Szegedy 2015, Figure 1(b, c) and its caption.",
        ),
    ),
    mistakes=(
        Mistake(
            "fractions_for_percent",
            "Your levels are 0.15, 0.5 and 0.85. np.percentile counts in percent: 15, 50 and 85.",
            {"percentiles": lambda i, v: _percentiles(_of_unit(i), (0.15, 0.5, 0.85))},
            keeps=0.5,
        ),
        Mistake(
            "after_the_sigmoid",
            "Your percentiles are those of the sigmoid's output. Figure 1 draws its input: leave the sigmoid out.",
            {"percentiles": lambda i, v: _percentiles(1 / (1 + np.exp(-_of_unit(i))))},
            keeps=0.5,
        ),
        Mistake(
            "units_pooled",
            "Your percentiles pool all units. Each unit has its own distribution: pick history[:, :, unit] first.",
            {"percentiles": lambda i, v: _percentiles(i["history"].reshape(len(i["history"]), -1))},
        ),
        Mistake(
            "quartiles",
            "Your levels are 25, 50 and 75. Figure 1 draws the 15th, 50th and 85th percentiles.",
            {"percentiles": lambda i, v: _percentiles(_of_unit(i), (25, 50, 75))},
            keeps=0.5,
        ),
        Mistake(
            "steps_as_columns",
            "Your rows are the percentiles and your columns the steps. Transpose: one row for each step.",
            {"percentiles": lambda i, v: _percentiles(_of_unit(i)).T},
            keeps=0.5,
        ),
        Mistake(
            "over_the_steps",
            "Your percentiles run over the steps, for each example. Take them over the examples, for each step.",
            {"percentiles": lambda i, v: np.percentile(_of_unit(i), LEVELS, axis=0).T},
        ),
        Mistake(
            "mean_and_deviation",
            "Your bands are the mean and one standard deviation each way. Take the percentiles themselves: the "
            "distribution need not be symmetric.",
            {
                "percentiles": lambda i, v: (
                    _of_unit(i).mean(1)[:, None] + _of_unit(i).std(1)[:, None] * np.array([-1, 0, 1])
                )
            },
        ),
        Mistake(
            "first_unit_always",
            "Your function always looks at unit 0. Use the argument unit that the caller passes.",
            {"percentiles": lambda i, v: _percentiles(i["history"][:, :, 0])},
        ),
        Mistake(
            "levels_in_reverse",
            "Your columns run from the 85th percentile to the 15th. The order is 15, 50, 85.",
            {"percentiles": lambda i, v: _percentiles(_of_unit(i), (85, 50, 15))},
            keeps=0.5,
        ),
        Mistake(
            "tenths",
            "Your levels are 10, 50 and 90. Figure 1 draws the 15th, 50th and 85th percentiles.",
            {"percentiles": lambda i, v: _percentiles(_of_unit(i), (10, 50, 90))},
            keeps=0.5,
        ),
        Mistake(
            "first_step_alone",
            "Your percentiles are those of the first step. There is a row for each step: keep axis 0.",
            {"percentiles": lambda i, v: np.percentile(_of_unit(i)[0], LEVELS)},
        ),
        Mistake(
            "nearest_value",
            "Your percentiles are the nearest values of the sample. Leave np.percentile as it is: it interpolates.",
            {"percentiles": lambda i, v: np.percentile(_of_unit(i), LEVELS, axis=1, method="nearest").T},
            keeps=0.5,
        ),
        Mistake(
            "unit_on_the_axis_of_examples",
            "Your function picks an example, not a unit. The units are on the last axis: history[:, :, unit].",
            {"percentiles": lambda i, v: _percentiles(i["history"][:, i["unit"]])},
        ),
        Mistake(
            "mean_in_the_middle",
            "Your middle column is the mean. The 50th percentile is the median.",
            {"percentiles": lambda i, v: _mean_in_the_middle(i)},
            keeps=0.5,
        ),
    ),
    chapter="covariate_shift",
)

"""Specs of ``train_bias`` and ``bias_in_closed_form``: normalising outside the gradient step."""

import numpy as np

from bn_reference.checks.ps1_whitening.samples import as_float
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec

SOURCE = "Ioffe & Szegedy 2015, Section 2; chapter When normalisation happens outside the gradient step."


def _cases(rng):
    def case(name, kind, n, steps, rate, b, dtype=np.float64, whole=False):
        u = rng.integers(-5, 9, n) if whole else rng.uniform(-2, 4, n).astype(dtype)
        t = rng.integers(1, 9, n) if whole else rng.uniform(0.5, 2.0, n).astype(dtype)
        inputs = {"u": u, "t": t, "b": b, "rate": rate, "steps": steps}
        return Case(f"{name}, {n} examples, {steps} steps", kind, inputs)

    n, steps, rate = int(rng.integers(6, 12)), int(rng.integers(6, 20)), float(rng.uniform(0.05, 0.2))
    return [
        case("an ordinary batch", "typical", n, steps, rate, 0.0),
        case("a start away from zero", "typical", n + 1, steps + 1, 0.3, float(rng.uniform(-2, 2))),
        case("float32", "typical", n, 4, 0.1, 0.5, np.float32),
        case("whole numbers, of an integer dtype", "integer", n, steps, 0.1, 1.0, whole=True),
        case("no step at all", "edge", n, 0, 0.1, 0.7),
        case("one example", "edge", 1, steps, 0.1, 0.2),
        case("a rate of 2", "edge", n, steps, 2.0, 0.0),
    ]


def _output(i, b=0.0):
    return as_float(i["u"]) + b - (as_float(i["u"]) + b).mean()


def _loss(i):
    return np.mean((_output(i) - as_float(i["t"])) ** 2)


def _step(i):
    """What one step adds to the bias: the same at every step."""
    return 2 * i["rate"] * as_float(i["t"]).mean()


def _train(u, t, b, rate, steps):
    biases, losses = [b], []
    for _ in range(steps + 1):
        off = (u + biases[-1]) - (u + biases[-1]).mean() - t
        losses.append(np.mean(off**2))
        biases.append(biases[-1] - rate * np.mean(2 * off))
    return np.array(biases[:-1]), np.array(losses)


def _biases(step_of):
    return {"biases": lambda i, v: i["b"] + step_of(i) * np.arange(i["steps"] + 1)}


def _towards_the_target(i, v):
    """The biases of a layer whose loss looks at u + b, without the mean taken out."""
    biases = [i["b"]]
    for _ in range(i["steps"]):
        biases.append(biases[-1] - i["rate"] * 2 * np.mean(i["u"] + biases[-1] - i["t"]))
    return np.array(biases)


def _stale(i):
    """Biases and losses of a layer that keeps the mean of the first batch."""
    mean, biases = as_float(i["u"]).mean() + i["b"], [i["b"]]
    for _ in range(i["steps"]):
        biases.append(biases[-1] - i["rate"] * 2 * np.mean(i["u"] + biases[-1] - mean - i["t"]))
    biases = np.array(biases)
    losses = [np.mean((i["u"] + b - mean - i["t"]) ** 2) for b in biases]
    return biases, np.array(losses)


def _loss_of_raw(i, v):
    return np.array([np.mean((i["u"] + b - i["t"]) ** 2) for b in v["biases"]])


def _losses_of(one_loss):
    return {"losses": lambda i, v: np.full(i["steps"] + 1, one_loss(i))}


def _cross_differences(i):
    return _output(i)[:, None] - as_float(i["t"])


def _size(i):
    return max(np.max(np.abs(i["u"])), np.max(np.abs(i["t"])), abs(i["b"])) ** 2


def _far(i):
    """Rounding of the output, where the bias has grown large, comes back in every later step."""
    reach = np.max(np.abs(i["u"])) + abs(i["b"]) + abs(_step(i)) * i["steps"]
    return reach * (1 + i["rate"] * i["steps"])


TRAIN_BIAS = Spec(
    name="train_bias",
    outputs=("biases", "losses"),
    nodes={
        "biases": Node(lambda i, v: i["b"] + _step(i) * np.arange(i["steps"] + 1), magnitude=_far),
        "losses": Node(
            lambda i, v: np.full(i["steps"] + 1, _loss(i)), magnitude=lambda i: _size(i) + _far(i)
        ),
    },
    reference=lambda u, t, b, rate, steps: _train(as_float(u), as_float(t), b, rate, steps),
    cases=_cases,
    parts=(
        Part(
            "the biases, from the start to the last step",
            3,
            ("biases",),
            nudge="With the mean held constant, what does one more unit of b do to each output?",
            hint="The gradient is np.mean(2 * (x_hat - t)), as if the mean did not move with b. Step against it, and note b before the first step and after each one.",
            source=SOURCE,
        ),
        Part(
            "the losses",
            2,
            ("losses",),
            nudge="Which values does the loss compare with t?",
            hint="The loss is np.mean((x_hat - t)**2), with the mean taken anew at every step: steps + 1 numbers.",
            source=SOURCE,
        ),
        Part(
            "whole numbers",
            1,
            ("biases", "losses"),
            ("integer",),
            nudge="What dtype do your arrays have when u holds integers?",
            hint="An array made by zeros_like(u) is of integers. Use np.zeros(steps + 1), or a list.",
            source=SOURCE,
        ),
        Part(
            "no step, one example, and a large rate",
            1,
            ("biases", "losses"),
            ("edge",),
            nudge="What should come back when steps is 0?",
            hint="Both results start with the values at the given b. Nothing else is special.",
            source=SOURCE,
        ),
    ),
    mistakes=(
        Mistake(
            "true_gradient_taken",
            "Your b stays where it is: your gradient knows that the mean moves with b, and is zero. That is the right gradient; here hold the mean constant, to see what goes wrong.",
            _biases(lambda i: 0.0),
            keeps=0.25,
        ),
        Mistake(
            "mean_not_taken_out",
            "Your loss looks at u + b. Take the mean of u + b out first: x_hat = (u + b) - mean(u + b).",
            {"biases": _towards_the_target},
        ),
        Mistake(
            "mean_kept_from_the_start",
            "Your layer subtracts the mean of the first step for ever. Take the mean anew at every step; only the gradient holds it constant.",
            {"biases": lambda i, v: _stale(i)[0], "losses": lambda i, v: _stale(i)[1]},
            keeps=0.25,
        ),
        Mistake(
            "climbs",
            "Your b moves in the direction of the gradient. Step against it: b - rate * gradient.",
            _biases(lambda i: -_step(i)),
            keeps=0.5,
        ),
        Mistake(
            "two_missing",
            "Your gradient lacks the 2 of the square's derivative: np.mean(2 * (x_hat - t)).",
            _biases(lambda i: _step(i) / 2),
            keeps=0.5,
        ),
        Mistake(
            "gradient_summed",
            "Your gradient is a sum over the batch. The loss is a mean, and so is its gradient.",
            _biases(lambda i: _step(i) * len(i["u"])),
            keeps=0.5,
        ),
        Mistake(
            "rate_not_used",
            "Your steps leave the rate out. Take rate times the gradient.",
            _biases(lambda i: _step(i) / i["rate"]),
            keeps=0.25,
        ),
        Mistake(
            "first_bias_missing",
            "Your biases start after the first step. Note the given b too: steps + 1 numbers.",
            {"biases": lambda i, v: (i["b"] + _step(i) * np.arange(i["steps"] + 1))[1:]},
            keeps=0.5,
        ),
        Mistake(
            "last_bias_missing",
            "Your biases end before the last step. Note b once more at the end: steps + 1 numbers.",
            {"biases": lambda i, v: (i["b"] + _step(i) * np.arange(i["steps"] + 1))[:-1]},
            keeps=0.5,
        ),
        Mistake(
            "last_loss_missing",
            "Your losses are one too few. Note the loss at the last b as well: steps + 1 numbers.",
            {"losses": lambda i, v: np.full(i["steps"], _loss(i))},
            keeps=0.5,
        ),
        Mistake(
            "loss_of_the_sum",
            "Your loss compares u + b with t. It is x_hat, with the mean taken out, that the loss sees.",
            {"losses": _loss_of_raw},
        ),
        Mistake(
            "loss_summed",
            "Your loss is a sum over the batch. Take the mean.",
            _losses_of(lambda i: _loss(i) * len(i["u"])),
            keeps=0.5,
        ),
        Mistake(
            "loss_halved",
            "Your loss has a factor of one half. Here it is the mean of the squares itself.",
            _losses_of(lambda i: _loss(i) / 2),
            keeps=0.5,
        ),
        Mistake(
            "every_output_with_every_target",
            "Your differences form an (N, N) table: an array of shape (N, 1) minus one of shape (N,) broadcasts. Give both the shape (N,).",
            _losses_of(lambda i: np.mean(_cross_differences(i) ** 2)),
            keeps=0.25,
        ),
    ),
    chapter="outside_the_step",
)


def _closed(u, t, b, rate, steps):
    biases, losses = _train(as_float(u), as_float(t), b, rate, steps)
    return biases[-1], losses[-1], np.asarray(0.0)


CLOSED_FORM = Spec(
    name="bias_in_closed_form",
    outputs=("b_after", "loss", "true_gradient"),
    nodes={
        "b_after": Node(lambda i, v: np.asarray(i["b"] + _step(i) * i["steps"]), magnitude=_far),
        "loss": Node(lambda i, v: np.asarray(_loss(i)), magnitude=lambda i: _size(i) + _far(i)),
        "true_gradient": Node(lambda i, v: np.asarray(0.0), magnitude=lambda i: np.sqrt(_size(i))),
    },
    reference=_closed,
    cases=_cases,
    parts=(
        Part(
            "b_after",
            3,
            ("b_after",),
            nudge="What is the mean of x_hat, whatever b is?",
            hint="The mean of x_hat is 0, so that the gradient in use is -2 * mean(t) at every step. Add up the steps.",
            source=SOURCE,
        ),
        Part(
            "loss",
            2,
            ("loss",),
            nudge="Does x_hat depend on b?",
            hint="b cancels in (u + b) - mean(u + b). The loss is the one without any bias.",
            source=SOURCE,
        ),
        Part(
            "true_gradient",
            1,
            ("true_gradient",),
            nudge="How much does the loss change when b does?",
            hint="b moves every u + b and their mean alike. The loss does not change at all.",
            source=SOURCE,
        ),
        Part(
            "whole numbers",
            1,
            ("b_after", "loss", "true_gradient"),
            ("integer",),
            nudge="What dtype do your arrays have when u holds integers?",
            hint="Do not cut off what follows the point: no integer division, no astype(int).",
            source=SOURCE,
        ),
        Part(
            "no step, one example, and a large rate",
            1,
            ("b_after", "loss", "true_gradient"),
            ("edge",),
            nudge="What is left of your formula when steps is 0?",
            hint="With no step b_after is b. With one example x_hat is 0.",
            source=SOURCE,
        ),
    ),
    mistakes=(
        Mistake(
            "sign",
            "Your b moves away from the targets' side. The gradient in use is -2 * mean(t), and the step goes against it: b grows by 2 * rate * mean(t).",
            {"b_after": lambda i, v: i["b"] - _step(i) * i["steps"]},
            keeps=0.5,
        ),
        Mistake(
            "two_missing",
            "Your b_after lacks the 2 of the square's derivative: each step adds 2 * rate * mean(t).",
            {"b_after": lambda i, v: i["b"] + _step(i) * i["steps"] / 2},
            keeps=0.5,
        ),
        Mistake(
            "start_forgotten",
            "Your b_after leaves out where b started. Add the given b.",
            {"b_after": lambda i, v: _step(i) * i["steps"]},
            keeps=0.5,
        ),
        Mistake(
            "one_step_only",
            "Your b_after is that after one step. Every step adds the same: multiply by steps.",
            {"b_after": lambda i, v: i["b"] + _step(i)},
            keeps=0.5,
        ),
        Mistake(
            "one_step_too_many",
            "Your b_after counts one step too many.",
            {"b_after": lambda i, v: i["b"] + _step(i) * (i["steps"] + 1)},
            keeps=0.5,
        ),
        Mistake(
            "targets_summed",
            "Your b_after uses the sum of t. The gradient of a mean is a mean: use mean(t).",
            {"b_after": lambda i, v: i["b"] + _step(i) * i["steps"] * len(i["u"])},
            keeps=0.5,
        ),
        Mistake(
            "mean_of_u_in_the_step",
            "Your step holds mean(t) - mean(u). The mean of u is taken out of x_hat, as b is; only mean(t) is left.",
            {"b_after": lambda i, v: i["b"] + (_step(i) - 2 * i["rate"] * np.mean(i["u"])) * i["steps"]},
            keeps=0.25,
        ),
        Mistake(
            "b_does_not_move",
            "Your b_after is the b at the start. That would be so with the true gradient; the step in question takes the mean for a constant.",
            {"b_after": lambda i, v: i["b"]},
        ),
        Mistake(
            "loss_not_centred",
            "Your loss compares u with t. Take the mean of u out first: x_hat = u - mean(u).",
            {"loss": lambda i, v: np.mean((as_float(i["u"]) - i["t"]) ** 2)},
        ),
        Mistake(
            "loss_of_the_grown_bias",
            "Your loss changes with b. But b cancels: x_hat = (u + b) - mean(u + b) = u - mean(u).",
            {"loss": lambda i, v: np.mean((as_float(i["u"]) + v["b_after"] - i["t"]) ** 2)},
        ),
        Mistake(
            "loss_summed",
            "Your loss is a sum over the batch. Take the mean.",
            {"loss": lambda i, v: _loss(i) * len(i["u"])},
            keeps=0.5,
        ),
        Mistake(
            "every_output_with_every_target",
            "Your differences form an (N, N) table: an array of shape (N, 1) minus one of shape (N,) broadcasts. Give both the shape (N,).",
            {"loss": lambda i, v: np.mean(_cross_differences(i) ** 2)},
            keeps=0.25,
        ),
        Mistake(
            "gradient_with_the_mean_held_constant",
            "Your true_gradient is the one that the step uses. It holds the mean constant; in truth the mean moves with b, and takes all of it out again.",
            {"true_gradient": lambda i, v: -2 * as_float(i["t"]).mean()},
        ),
        Mistake(
            "gradient_of_the_sum",
            "Your true_gradient is that of a loss on u + b. The loss sees x_hat, in which b cancels.",
            {"true_gradient": lambda i, v: 2 * np.mean(as_float(i["u"]) + i["b"] - i["t"])},
        ),
    ),
    chapter="outside_the_step",
)

"""The named mistakes of ``BatchNorm`` at work."""

import numpy as np

from bn_reference.checks.ps4_torch.functions import one
from bn_reference.checks.ps4_torch.training_steps import (
    in_half,
    inference,
    normalized,
    output,
    output_gradients,
    running_mean,
    running_var,
)
from bn_reference.checks.spec import Mistake


def _batch_inference(i, v):
    return inference(i, i["probe"].mean(0, dtype=float), i["probe"].var(0, dtype=float))


def _one_example_counts(i, ddof):
    """Running mean and variance where a batch of one example moves them like any other."""
    mean, var = i["running_mean"], i["running_var"]
    for x in (i["x"], i["second"]):
        mean = (1 - i["momentum"]) * mean + i["momentum"] * x.mean(0, dtype=float)
        new = x.var(0, dtype=float) * (len(x) / (len(x) - 1) if len(x) > 1 else np.nan if ddof else 1.0)
        var = (1 - i["momentum"]) * var + i["momentum"] * new
    return mean, var


def _with_unbiased(i):
    n = len(i["x"])
    return n / (n - 1) if n > 1 else np.nan


def _slip_in_output(**slip):
    """``y`` and what is differentiated with it, for a variance that is `k` times the biased one, or another eps."""

    def of(i):
        return {name: value(i) if callable(value) else value for name, value in slip.items()}

    return {
        "y": lambda i, v: output(i, **of(i)),
        "dx": lambda i, v: output_gradients(i, **of(i))[0],
        "dweight": lambda i, v: output_gradients(i, **of(i))[1],
    }


def _with_running(i):
    return (i["x"] - i["running_mean"]) / np.sqrt(i["running_var"] + i["eps"])


def _step_in_half(i, x):
    return in_half(i, i["momentum"] * in_half(i, x.mean(0, dtype=float)))


MISTAKES = (
    Mistake(
        "training_flag_ignored",
        "Your layer does in eval mode what it does in training: it normalises with the batch, and moves the buffers. "
        "Look at self.training, which train() and eval() set.",
        {"y_eval": _batch_inference, "moved_in_eval": one},
    ),
    Mistake(
        "batch_statistics_in_eval",
        "In eval mode your layer normalises with the statistics of the batch. Use running_mean and running_var, so that "
        "an example's result does not depend on its neighbours.",
        {"y_eval": _batch_inference},
    ),
    Mistake(
        "buffers_moved_in_eval",
        "Your layer changes its buffers in eval mode. They move in training alone: put the update under if self.training.",
        {"moved_in_eval": one},
    ),
    Mistake(
        "running_statistics_in_training",
        "In training your layer normalises with the running statistics. Use those of the batch, and let the gradient run "
        "through them; the running ones are for eval mode.",
        {
            "y": lambda i, v: i["weight"] * _with_running(i) + i["bias"],
            "dx": lambda i, v: i["dout"] * i["weight"] / np.sqrt(i["running_var"] + i["eps"]),
            "dweight": lambda i, v: (i["dout"] * _with_running(i)).sum(0),
        },
    ),
    Mistake(
        "momentum_swapped_and_variance_biased",
        "Two things: momentum is the weight of the new value, not of the old one; and the variance that enters "
        "running_var is the unbiased one, divided by N - 1.",
        {
            "running_mean": lambda i, v: running_mean(i, 1 - i["momentum"]),
            "running_var": lambda i, v: running_var(i, 1 - i["momentum"], ddof=0),
        },
    ),
    Mistake(
        "momentum_swapped",
        "Your update gives the old value the weight momentum. In torch momentum is the weight of the new one: "
        "running = (1 - momentum) * running + momentum * new.",
        {
            "running_mean": lambda i, v: running_mean(i, 1 - i["momentum"]),
            "running_var": lambda i, v: running_var(i, 1 - i["momentum"]),
        },
        keeps=0.5,
    ),
    Mistake(
        "momentum_hard_coded",
        "Your momentum is always 0.1. Keep the argument of __init__ in self.momentum, and use that.",
        {
            "running_mean": lambda i, v: running_mean(i, 0.1),
            "running_var": lambda i, v: running_var(i, 0.1),
        },
        keeps=0.5,
    ),
    Mistake(
        "running_variance_biased_and_moved_by_one_example",
        "Two things about running_var: the variance that enters it is the unbiased one, divided by N - 1; and a batch of "
        "one example, which has none, leaves the running statistics as they are.",
        {
            "running_mean": lambda i, v: _one_example_counts(i, 0)[0],
            "running_var": lambda i, v: _one_example_counts(i, 0)[1],
        },
    ),
    Mistake(
        "running_variance_biased",
        "Your running variance takes in the biased variance. Algorithm 2, line 10, uses the unbiased one: "
        "x.var(0), or the biased one times N / (N - 1).",
        {"running_var": lambda i, v: running_var(i, ddof=0)},
        keeps=0.5,
    ),
    Mistake(
        "one_example_moves_running_statistics",
        "A batch of one example has no unbiased variance, and your running_var becomes NaN for good. Move the running "
        "statistics only when the batch has two examples or more.",
        {
            "running_mean": lambda i, v: _one_example_counts(i, 1)[0],
            "running_var": lambda i, v: _one_example_counts(i, 1)[1],
        },
    ),
    Mistake(
        "running_variance_spoilt_by_one_example",
        "A batch of one example has no unbiased variance, and your running_var becomes NaN for good. Leave both running "
        "statistics as they are when the batch has one example.",
        {"running_var": lambda i, v: _one_example_counts(i, 1)[1]},
    ),
    Mistake(
        "running_statistics_never_moved",
        "Your running statistics stay what they were. Assign to self.running_mean and self.running_var, or change them "
        "in place, in each training step.",
        {"running_mean": lambda i, v: i["running_mean"], "running_var": lambda i, v: i["running_var"]},
    ),
    Mistake(
        "batches_not_counted",
        "Your num_batches_tracked stays 0. Add one in each training step: self.num_batches_tracked += 1.",
        {"batches": lambda i, v: np.float64(0)},
    ),
    Mistake(
        "buffers_with_graph",
        "Your running statistics carry the history of the gradient: every batch's graph stays in memory, and the state "
        "can no longer be copied. Update them under torch.no_grad(), or from detached values.",
        # With one example nothing enters the buffers, in the code of those who think of it.
        {
            "buffers_with_graph": lambda i, v: (
                one(i, v) if len(i["x"]) > 1 else v.get("buffers_with_graph", one(i, v))
            )
        },
    ),
    Mistake(
        "no_gradient_at_all",
        "No gradient comes back through your layer. A torch.no_grad() around the whole forward, .detach() or .data cuts "
        "the graph: only the update of the buffers belongs under no_grad.",
        {
            "dx": lambda i, v: np.zeros(i["x"].shape),
            "dweight": lambda i, v: np.zeros(i["weight"].shape),
            "dbias": lambda i, v: np.zeros(i["bias"].shape),
        },
    ),
    Mistake(
        "weight_and_bias_get_no_gradient",
        "Your weight and bias get no gradient. Use self.weight and self.bias themselves, not .data or .detach(), and "
        "register them with torch.nn.Parameter.",
        {
            "dweight": lambda i, v: np.zeros(i["weight"].shape),
            "dbias": lambda i, v: np.zeros(i["bias"].shape),
        },
    ),
    Mistake(
        "statistics_taken_as_constants",
        "The gradient of x does not run through mean and variance: .detach(), .data, .item() or torch.no_grad() cut them "
        "off. Compute them with x as it is, and detach only what goes into the buffers.",
        {"dx": lambda i, v: i["dout"] * i["weight"] / normalized(i)[1]},
    ),
    Mistake(
        "normalises_with_unbiased_variance",
        "Your layer normalises with the unbiased variance, which is what torch.var and torch.std give unless you say "
        "correction=0. The variance that normalises divides by N.",
        _slip_in_output(k=_with_unbiased),
    ),
    Mistake(
        "eps_hard_coded",
        "Your eps is always 1e-5. Keep the argument of __init__ in self.eps, and use that.",
        _slip_in_output(eps=1e-5)
        | {"y_eval": lambda i, v: inference(i, v["running_mean"], v["running_var"], 1e-5)},
        keeps=0.5,
    ),
    Mistake(
        "eps_missing_in_eval",
        "In eval mode your layer leaves eps out. Training had it under the root, and inference has to do the same.",
        {"y_eval": lambda i, v: inference(i, v["running_mean"], v["running_var"], 0)},
        keeps=0.5,
    ),
    Mistake(
        "weight_and_bias_forgotten_in_eval",
        "In eval mode your layer stops at x_hat. Scale by weight and shift by bias, as in training.",
        {
            "y_eval": lambda i, v: (
                (inference(i, v["running_mean"], v["running_var"]) - i["bias"]) / i["weight"]
            )
        },
        keeps=0.5,
    ),
    Mistake(
        "statistics_in_half_precision",
        "Your statistics are computed in half precision, where a mean near 100 is off by as much as 0.25. Compute them "
        "from x.float(), and let y return to the dtype of x at the end.",
        {"running_mean": lambda i, v: running_mean(i, mean=lambda x: in_half(i, x.mean(0, dtype=float)))},
    ),
    Mistake(
        "statistics_and_step_in_half_precision",
        "Your statistics, and their step with momentum, are computed in half precision, where a mean near 100 is off by "
        "as much as 0.25. Compute them from x.float(), and let y return to the dtype of x at the end.",
        {"running_mean": lambda i, v: running_mean(i, mean=lambda x: _step_in_half(i, x) / i["momentum"])},
    ),
    Mistake(
        "output_stays_wide",
        "Your output is float32 where the input is float16 or bfloat16: the next layer would run in float32 too. Return "
        "y.to(x.dtype).",
        {"dtype_kept": lambda i, v: np.float64(i["dtype"] in ("float32", "float64"))},
        keeps=0.5,
    ),
    Mistake(
        "dtype_hard_coded",
        "Your layer always answers in float32. Widen only what is narrower than float32, and return y.to(x.dtype).",
        {"dtype_kept": lambda i, v: np.float64(i["dtype"] == "float32")},
        keeps=0.5,
    ),
)

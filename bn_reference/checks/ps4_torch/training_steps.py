"""Two steps of a batch-norm layer in NumPy, right and with the slips that people make."""

import numpy as np
import torch

from bn_reference.checks.spec import Values
from bn_reference.checks.tolerance import SAFETY

HALF_ROUNDINGS = 8
"""How often a right answer may round to half precision on its way from float32 to an output."""


def normalized(i: Values, k: float = 1.0, eps: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """``x_hat`` and the deviation, where the variance is `k` times the biased one."""
    centered = i["x"] - i["x"].mean(0, dtype=float)
    std = np.sqrt(k * (centered**2).mean(0) + (i["eps"] if eps is None else eps))
    return centered / std, std


def output(i: Values, **slip) -> np.ndarray:
    """``y`` of the first step."""
    return i["weight"] * normalized(i, **slip)[0] + i["bias"]


def output_gradients(
    i: Values, k: float = 1.0, eps: float | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of x, weight and bias."""
    x_hat, std = normalized(i, k, eps)
    dweight, dbias, n = (i["dout"] * x_hat).sum(0), i["dout"].sum(0), len(x_hat)
    return i["weight"] / std * (i["dout"] - dbias / n - k * x_hat * dweight / n), dweight, dbias


def inference(i: Values, mean: np.ndarray, var: np.ndarray, eps: float | None = None) -> np.ndarray:
    """What the probe gives with these statistics."""
    return i["weight"] * (i["probe"] - mean) / np.sqrt(var + (i["eps"] if eps is None else eps)) + i["bias"]


def running_mean(
    i: Values, momentum: float | None = None, mean=lambda x: x.mean(0, dtype=float)
) -> np.ndarray:
    """The running mean after both steps, which one example does not move."""
    return _running(i, i["running_mean"], mean, i["momentum"] if momentum is None else momentum)


def running_var(i: Values, momentum: float | None = None, ddof: int = 1) -> np.ndarray:
    """The running variance after both steps, which one example does not move."""
    momentum = i["momentum"] if momentum is None else momentum
    return _running(i, i["running_var"], lambda x: x.var(0, dtype=float, ddof=ddof), momentum)


def _running(i, value, statistic, momentum):
    for x in (i["x"], i["second"]):
        if len(x) > 1:
            value = (1 - momentum) * value + momentum * statistic(x)
    return value


def in_half(i: Values, value: np.ndarray) -> np.ndarray:
    """`value`, rounded to the dtype in which the case runs."""
    dtype = getattr(torch, i["dtype"])
    return torch.from_numpy(np.asarray(value, dtype=float)).to(dtype).double().numpy()


def half_rounding(i: Values, value: np.ndarray) -> float:
    """The magnitude that leaves room for rounding `value` to half precision, where the case runs in it."""
    if i["dtype"] not in ("float16", "bfloat16"):
        return 0.0
    unit = torch.finfo(getattr(torch, i["dtype"])).eps / torch.finfo(torch.float32).eps
    return float(np.max(np.abs(value))) * unit * HALF_ROUNDINGS / SAFETY

"""Specs of ``fold_linear`` and ``fold_conv``: the normalisation put into the layer before it."""

import numpy as np

from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec
from bn_reference.folding import fold_batchnorm


def _case(rng, name, kind, shape, eps=1e-3, dtype=np.float64, bias=True, order="C"):
    def vector(low, high):
        return rng.uniform(low, high, shape[0]).astype(dtype)

    sign = rng.choice([-1.0, 1.0], shape[0])
    inputs = {
        "weight": np.array(rng.standard_normal(shape), dtype, order=order),
        "bias": vector(-2, 2) if bias else None,
        "gamma": (vector(0.5, 2) * sign).astype(dtype),
        "beta": vector(-2, 2),
        "running_mean": vector(-3, 3),
        "running_var": vector(0.5, 4),
        "eps": eps,
    }
    return Case(f"{name}, weight of shape {shape}", kind, inputs)


def _linear_cases(rng):
    c, inputs = int(rng.integers(2, 5)), int(rng.integers(6, 9))
    cases = [
        _case(rng, "more inputs than outputs", "typical", (c, inputs)),
        _case(rng, "more outputs than inputs", "typical", (inputs, c), eps=0.01),
        _case(rng, "as many inputs as outputs", "typical", (c + 1, c + 1), eps=0.1),
        _case(rng, "float32", "typical", (c + 1, inputs), dtype=np.float32),
        _case(rng, "a transposed view in memory", "typical", (c, inputs + 1), eps=0.1, order="F"),
        _case(rng, "one input", "edge", (c, 1), eps=1e-5),
        _case(rng, "an output that never varied", "edge", (c, inputs), eps=1e-5),
    ]
    cases[-1].inputs["running_var"][0] = 0.0
    return cases


def _conv_cases(rng):
    c, inputs, k = int(rng.integers(4, 6)), int(rng.integers(6, 8)), int(rng.integers(2, 4))
    return [
        _case(rng, "more inputs than outputs", "typical", (c, inputs, k, k)),
        _case(rng, "more outputs than inputs", "typical", (inputs, c, k, k + 1), eps=0.01),
        _case(rng, "as many inputs as outputs", "typical", (c, c, k, k), eps=0.1),
        _case(rng, "a kernel as wide as there are outputs", "typical", (c, inputs, k, c), eps=0.01),
        _case(rng, "a kernel as high as there are outputs", "typical", (c, inputs, c, k), eps=0.01),
        _case(rng, "float32", "typical", (c + 1, inputs, k, k), dtype=np.float32),
        _case(rng, "no bias", "no bias", (c, inputs, k, k), bias=False),
        _case(rng, "no bias, float32", "no bias", (c + 1, inputs, k, k), dtype=np.float32, bias=False),
        _case(rng, "a kernel of one pixel", "edge", (c, inputs, 1, 1), eps=1e-5),
        _case(rng, "a single output", "edge", (1, inputs, k, k), eps=1e-5),
    ]


def _scale(i, power=0.5):
    return i["gamma"] / (i["running_var"] + i["eps"]) ** power


def _without_eps(i):
    return i["gamma"] / np.sqrt(i["running_var"])


def _eps_outside(i):
    return i["gamma"] / (np.sqrt(i["running_var"]) + i["eps"])


def _bias(i):
    return 0.0 if i["bias"] is None else i["bias"]


def _along_outputs(i, scale):
    """A vector of the outputs, to be broadcast against weight."""
    return np.reshape(scale, (-1,) + (1,) * (i["weight"].ndim - 1))


def _with_scale(scale):
    """Both formulas, with another scale."""
    return {
        "weight": lambda i, v: i["weight"] * _along_outputs(i, scale(i)),
        "bias": lambda i, v: (_bias(i) - i["running_mean"]) * scale(i) + i["beta"],
    }


_RIGHT = _with_scale(_scale)

NODES = {
    "weight": Node(_RIGHT["weight"]),
    "bias": Node(
        _RIGHT["bias"],
        magnitude=lambda i: np.max(
            (np.abs(_bias(i)) + np.abs(i["running_mean"])) * np.abs(_scale(i)) + np.abs(i["beta"])
        ),
    ),
}

WEIGHT_NUDGE = "By which number is output k of the layer multiplied, once BN has been applied to it?"
WEIGHT_SOURCE = "Ioffe & Szegedy 2015, Algorithm 2, line 11: y = gamma / sqrt(var + eps) * x + (...)."
BIAS_PART = Part(
    "bias",
    3,
    ("bias",),
    nudge="Put 0 into the layer. What comes out of it, and what does BN make of that?",
    hint="For an input of 0 the layer gives its bias, and BN gives (bias - running_mean) * scale + beta. That is "
    "the new bias.",
    source="Ioffe & Szegedy 2015, Algorithm 2, line 11: (beta - gamma * mean / sqrt(var + eps)), with the layer's "
    "own bias scaled along.",
)

MISTAKES = (
    Mistake(
        "eps_missing",
        "Your scale has no eps. Training and inference had sqrt(running_var + eps), and folding has to give the same.",
        _with_scale(_without_eps),
        keeps=0.5,
    ),
    Mistake(
        "eps_outside_root",
        "Your eps is added outside the square root. Use gamma / sqrt(running_var + eps).",
        _with_scale(_eps_outside),
        keeps=0.5,
    ),
    Mistake(
        "divides_by_variance",
        "Your scale divides by the variance. Divide by its root: gamma / sqrt(running_var + eps).",
        _with_scale(lambda i: _scale(i, 1.0)),
        keeps=0.5,
    ),
    Mistake(
        "scale_upside_down",
        "Your scale is upside down. BN multiplies by gamma and divides by the root: gamma / sqrt(running_var + eps).",
        _with_scale(lambda i: 1 / _scale(i)),
    ),
    Mistake(
        "gamma_forgotten",
        "Your scale lacks gamma: it is gamma / sqrt(running_var + eps), for the weight and for the bias.",
        _with_scale(lambda i: 1 / np.sqrt(i["running_var"] + i["eps"])),
        keeps=0.25,
    ),
    Mistake(
        "eps_hard_coded",
        "Your eps is always 1e-5. Use the argument eps that the caller passes.",
        _with_scale(lambda i: i["gamma"] / np.sqrt(i["running_var"] + 1e-5)),
        keeps=0.5,
    ),
    Mistake(
        "eps_missing_in_weight",
        "Your weight is scaled without eps: the scale is gamma / sqrt(running_var + eps), for the weight and for the bias.",
        {"weight": _with_scale(_without_eps)["weight"]},
        keeps=0.5,
    ),
    Mistake(
        "eps_outside_root_in_weight",
        "Your weight is scaled with eps outside the square root: use gamma / sqrt(running_var + eps), for the weight "
        "and for the bias.",
        {"weight": _with_scale(_eps_outside)["weight"]},
        keeps=0.5,
    ),
    Mistake(
        "gamma_forgotten_in_weight",
        "Your weight is scaled without gamma: the scale is gamma / sqrt(running_var + eps), for the weight and for "
        "the bias.",
        {"weight": lambda i, v: i["weight"] * _along_outputs(i, _scale(i) / i["gamma"])},
    ),
    Mistake(
        "gamma_alone_in_weight",
        "Your weight is multiplied by gamma alone. Divide by sqrt(running_var + eps) too.",
        {"weight": lambda i, v: i["weight"] * _along_outputs(i, i["gamma"])},
    ),
    Mistake(
        "weight_not_scaled",
        "Your weight comes back as it was. BN scales each output of the layer: multiply the weights of output k by "
        "scale[k].",
        {"weight": lambda i, v: i["weight"]},
    ),
    Mistake(
        "layer_bias_forgotten",
        "Your new bias leaves out the layer's own bias. It goes through BN like everything else: "
        "(bias - running_mean) * scale + beta.",
        {"bias": lambda i, v: i["beta"] - i["running_mean"] * _scale(i)},
    ),
    Mistake(
        "layer_bias_not_scaled",
        "Your new bias adds the layer's bias without scaling it. BN comes after that bias, and scales it too: "
        "(bias - running_mean) * scale + beta.",
        {"bias": lambda i, v: _bias(i) + i["beta"] - i["running_mean"] * _scale(i)},
    ),
    Mistake(
        "mean_forgotten",
        "Your new bias does not subtract running_mean: (bias - running_mean) * scale + beta.",
        {"bias": lambda i, v: _bias(i) * _scale(i) + i["beta"]},
    ),
    Mistake(
        "mean_not_scaled",
        "Your new bias subtracts running_mean without scaling it. BN subtracts the mean first and scales after: "
        "(bias - running_mean) * scale + beta.",
        {"bias": lambda i, v: _bias(i) * _scale(i) + i["beta"] - i["running_mean"]},
    ),
    Mistake(
        "mean_added",
        "Your new bias adds running_mean. BN subtracts it: (bias - running_mean) * scale + beta.",
        {"bias": lambda i, v: (_bias(i) + i["running_mean"]) * _scale(i) + i["beta"]},
    ),
    Mistake(
        "mean_and_bias_change_sign",
        "Your new bias has the layer's bias and running_mean with the wrong signs: it is (bias - running_mean) * "
        "scale + beta.",
        {"bias": lambda i, v: (i["running_mean"] - _bias(i)) * _scale(i) + i["beta"]},
    ),
    Mistake(
        "gamma_forgotten_in_bias",
        "Your new bias lacks gamma: (bias - running_mean) is multiplied by the same scale as the weight.",
        {
            "bias": lambda i, v: (
                (_bias(i) - i["running_mean"]) / np.sqrt(i["running_var"] + i["eps"]) + i["beta"]
            )
        },
    ),
    Mistake(
        "gamma_alone_in_bias",
        "Your new bias multiplies by gamma and forgets to divide by sqrt(running_var + eps): use the same scale as "
        "for the weight.",
        {"bias": lambda i, v: (_bias(i) - i["running_mean"]) * i["gamma"] + i["beta"]},
    ),
    Mistake(
        "beta_forgotten",
        "Your new bias lacks beta, which BN adds at the end.",
        {"bias": lambda i, v: (_bias(i) - i["running_mean"]) * _scale(i)},
    ),
    Mistake(
        "beta_scaled",
        "Your new bias scales beta too. BN adds beta after it has scaled.",
        {"bias": lambda i, v: (_bias(i) - i["running_mean"] + i["beta"]) * _scale(i)},
    ),
    Mistake(
        "bias_not_folded",
        "Your bias comes back as it was. BN shifts as well as scales: (bias - running_mean) * scale + beta.",
        {"bias": lambda i, v: _bias(i) + np.zeros(i["weight"].shape[0])},
    ),
)
"""Those that can be made in either function; each adds its own ways of mixing up axes."""

FOLD_LINEAR = Spec(
    name="fold_linear",
    outputs=("weight", "bias"),
    nodes=NODES,
    reference=fold_batchnorm,
    cases=_linear_cases,
    parts=(
        Part(
            "weight",
            3,
            ("weight",),
            nudge=WEIGHT_NUDGE,
            hint="Row k of the weight makes output k. So row k is multiplied by scale[k]: scale[:, None] * weight.",
            source=WEIGHT_SOURCE,
        ),
        BIAS_PART,
        Part(
            "one input, and an output that never varied",
            1,
            ("weight", "bias"),
            ("edge",),
            nudge="What does your scale divide by when running_var is 0?",
            hint="With running_var = 0 only eps is under the root. With one input the weight is still (C, 1).",
            source="Chapter The Batch Normalization transform, section 'What ε does'.",
        ),
    ),
    mistakes=(
        Mistake(
            "scale_on_the_inputs",
            "Your scale multiplies the columns of the weight, which belong to the inputs. It fits only where there "
            "are as many inputs as outputs. The outputs are the rows: scale[:, None] * weight.",
            {"weight": lambda i, v: i["weight"] * _scale(i)},
        ),
        *MISTAKES,
        Mistake(
            "weight_transposed",
            "Your weight comes back transposed. Keep its shape (C, K): row k makes output k.",
            {"weight": lambda i, v: _RIGHT["weight"](i, v).T},
        ),
    ),
    chapter="inference",
)

FOLD_CONV = Spec(
    name="fold_conv",
    outputs=("weight", "bias"),
    nodes=NODES,
    reference=fold_batchnorm,
    cases=_conv_cases,
    parts=(
        Part(
            "weight",
            3,
            ("weight",),
            nudge=WEIGHT_NUDGE,
            hint="weight[k] makes output channel k, all of it. So it is multiplied by scale[k]: "
            "scale[:, None, None, None] * weight.",
            source=WEIGHT_SOURCE,
        ),
        BIAS_PART,
        Part(
            "a convolution without bias",
            1,
            ("weight", "bias"),
            ("no bias",),
            nudge="What does your code do with bias=None?",
            hint="A missing bias is a bias of zeros. The folded layer has a bias all the same: BN shifts.",
            source="Ioffe & Szegedy 2015, Section 3.2: the bias of the layer can be left out, beta takes its role.",
        ),
        Part(
            "a kernel of one pixel, a single output",
            1,
            ("weight", "bias"),
            ("edge",),
            nudge="Does your code take any of the lengths for granted, or squeeze them away?",
            hint="The same line works for every kernel if it names the axes: scale[:, None, None, None] * weight.",
            source="Ioffe & Szegedy 2015, Section 3.2.",
        ),
    ),
    mistakes=(
        Mistake(
            "scale_along_the_kernel_width",
            "Your scale runs along the width of the kernel, since NumPy lines up (C,) with the last axis. It fits only "
            "where the two are equal. The outputs are axis 0: scale[:, None, None, None] * weight.",
            {"weight": lambda i, v: i["weight"] * _scale(i)},
        ),
        Mistake(
            "scale_along_the_kernel_height",
            "Your scale runs along the height of the kernel. The outputs are axis 0: scale[:, None, None, None] * weight.",
            {"weight": lambda i, v: i["weight"] * _scale(i)[:, None]},
        ),
        Mistake(
            "scale_on_the_inputs",
            "Your scale multiplies axis 1 of the weight, which counts the inputs. It fits only where there are as "
            "many inputs as outputs. The outputs are axis 0: scale[:, None, None, None] * weight.",
            {"weight": lambda i, v: i["weight"] * _scale(i)[:, None, None]},
        ),
        *MISTAKES,
    ),
    chapter="inference",
)

"""Spec of what ``BatchNorm`` registers, saves, loads and takes along."""

import numpy as np

from bn_reference.batchnorm import batchnorm_inference
from bn_reference.checks.batches import batch_cases, vector
from bn_reference.checks.ps4_torch.functions import library_mistake, none, one
from bn_reference.checks.ps4_torch.modules import call_state
from bn_reference.checks.spec import Mistake, Node, Part, Spec


def _inputs(x, rng, eps):
    return {
        "x": x,
        "weight": vector(rng, x),
        "bias": vector(rng, x),
        "running_mean": vector(rng, x),
        "running_var": np.abs(vector(rng, x)),
        "eps": eps,
        "momentum": 0.3,
    }


def _cases(rng):
    """A batch in float64 and one in float32: what a layer registers does not hang on the values."""
    typical = [case for case in batch_cases(rng, _inputs) if case.kind == "typical"]
    return [
        next(case for case in typical if case.inputs["x"].dtype == dtype) for dtype in (float, np.float32)
    ]


def _fresh(i, weight=1, bias=0, running_mean=0, running_var=1):
    return np.outer([weight, bias, running_mean, running_var], np.ones(i["x"].shape[1]))


def _inference(i, mean=None, var=None):
    mean = i["running_mean"] if mean is None else mean
    var = i["running_var"] if var is None else var
    return batchnorm_inference(i["x"], i["weight"], i["bias"], mean, var, i["eps"])


def _not_loaded(i, v):
    c = i["x"].shape[1]
    return _inference(i, np.zeros(c), np.ones(c))


NODES = {
    "parameters": Node(lambda i, v: np.ones(2)),
    "buffers": Node(lambda i, v: np.ones(3)),
    "extra_keys": Node(none),
    "fresh": Node(lambda i, v: _fresh(i)),
    "y_loaded": Node(
        lambda i, v: _inference(i),
        magnitude=lambda i: np.max(np.abs(i["weight"] * i["x"]) / np.sqrt(i["running_var"] + i["eps"])),
    ),
    "follows_dtype": Node(one),
    "follows_device": Node(one),
    "library_calls": Node(none),
}

MODULE_STATE = Spec(
    name="batchnorm_module_state",
    outputs=tuple(NODES),
    nodes=NODES,
    reference=lambda **inputs: tuple(node.formula(inputs, {}) for node in NODES.values()),
    cases=_cases,
    call=call_state,
    parts=(
        Part(
            "weight and bias are parameters",
            1,
            ("parameters",),
            nudge="What does list(layer.named_parameters()) say?",
            hint="self.weight = torch.nn.Parameter(torch.ones(num_features)), and so with bias.",
            source="torch's manual, torch.nn.parameter.Parameter.",
        ),
        Part(
            "running_mean, running_var and num_batches_tracked are saved buffers",
            2,
            ("buffers",),
            nudge="What does list(layer.state_dict()) say, and what that of torch.nn.BatchNorm1d?",
            hint="self.register_buffer(name, tensor) for each of the three: two of shape (C,), and num_batches_tracked of shape ().",
            source="torch's manual, torch.nn.Module.register_buffer.",
        ),
        Part(
            "nothing else is saved",
            1,
            ("extra_keys",),
            nudge="What does list(layer.state_dict()) say?",
            hint="eps and momentum are plain attributes. The state holds five tensors.",
            source="The table of Part 3.",
        ),
        Part(
            "a new layer starts with weight 1, bias 0, mean 0, variance 1",
            1,
            ("fresh",),
            nudge="Print the state of a new layer. The rows here are weight, bias, running_mean and running_var.",
            hint="Untrained, the layer should do as little as possible: scale 1, shift 0, mean 0 and variance 1.",
            source="The table of Part 3.",
        ),
        Part(
            "it loads what torch.nn.BatchNorm1d saved",
            2,
            ("y_loaded",),
            nudge="After load_state_dict and eval(), which numbers does your forward use?",
            hint="The names are torch's: weight, bias, running_mean, running_var, num_batches_tracked; and forward has "
            "to use those very tensors.",
            source="The chapter's section 'Algorithm 2: what happens at inference'.",
        ),
        Part(
            "it follows .double() and .to(device)",
            2,
            ("follows_dtype", "follows_device"),
            nudge="Look for torch.zeros, torch.ones, torch.tensor, .item(), .cpu(), .cuda() and .float() in your class.",
            hint="Buffers and parameters move with the layer. Other tensors should be made from these or from x, such as "
            "x.new_zeros(...). .item() asks the device for a number, which makes a GPU wait.",
            source="torch's manual, torch.nn.Module.to.",
        ),
        Part(
            "made of your own operations",
            1,
            ("library_calls",),
            nudge="What does your class inherit from, and which line of it does the normalising?",
            hint="Inherit from torch.nn.Module, and write forward with your BatchNormFunction, or mean, sqrt and the like.",
            source="The text of Part 3.",
            waits=True,
        ),
    ),
    mistakes=(
        library_mistake(
            tuple(NODES),
            "Your layer is torch's own, or hands over to it. Inherit from torch.nn.Module, register the state yourself, and "
            "normalise with your own operations.",
        ),
        Mistake(
            "buffers_as_plain_attributes",
            "Your running statistics and their count are not buffers. A plain tensor attribute is not saved by "
            "state_dict, and does not move with the layer; a Parameter would be handed to the optimiser. Use "
            "self.register_buffer.",
            {"buffers": lambda i, v: np.zeros(3), "follows_dtype": none, "follows_device": none},
        ),
        Mistake(
            "running_statistics_as_plain_attributes",
            "Your running_mean and running_var are not buffers. A plain tensor attribute is not saved by state_dict, and "
            "does not move with the layer; a Parameter would be handed to the optimiser. Use self.register_buffer.",
            {"buffers": lambda i, v: np.array([0, 0, 1])},
        ),
        Mistake(
            "num_batches_tracked_forgotten",
            "Your layer has no buffer num_batches_tracked. torch's layer saves one, and the states should be "
            "interchangeable: self.register_buffer('num_batches_tracked', torch.tensor(0)).",
            {"buffers": lambda i, v: np.array([1, 1, 0])},
            keeps=0.5,
        ),
        Mistake(
            "no_state_is_saved",
            "Your three buffers do not reach state_dict. Use self.register_buffer, without persistent=False.",
            {"buffers": lambda i, v: np.zeros(3)},
        ),
        Mistake(
            "parameters_not_registered",
            "Your weight and bias are not parameters: an optimiser given layer.parameters() would not train them. Wrap "
            "each in torch.nn.Parameter, and assign it to self after super().__init__().",
            {"parameters": lambda i, v: np.zeros(2)},
        ),
        Mistake(
            "bias_not_registered",
            "Your bias is not a parameter. Wrap it in torch.nn.Parameter, as you did with weight.",
            {"parameters": lambda i, v: np.array([1, 0])},
            keeps=0.5,
        ),
        Mistake(
            "running_variance_starts_at_zero",
            "Your running_var starts at 0. It starts at 1: a layer that has seen no batch should leave its input nearly "
            "as it is, and not divide by sqrt(eps).",
            {"fresh": lambda i, v: _fresh(i, running_var=0)},
        ),
        Mistake(
            "weight_starts_at_zero",
            "Your weight starts at 0, and every output is 0. It starts at 1.",
            {"fresh": lambda i, v: _fresh(i, weight=0)},
        ),
        Mistake(
            "bias_starts_at_one",
            "Your bias starts at 1. It starts at 0.",
            {"fresh": lambda i, v: _fresh(i, bias=1)},
        ),
        Mistake(
            "loaded_statistics_unused",
            "Your layer loads a state, and then normalises with other statistics: mean 0 and variance 1. Use "
            "self.running_mean and self.running_var in forward.",
            {"y_loaded": _not_loaded},
        ),
        Mistake(
            "batch_statistics_in_eval",
            "In eval mode your layer normalises with the statistics of the batch. Look at self.training.",
            {"y_loaded": lambda i, v: _inference(i, i["x"].mean(0), i["x"].var(0))},
        ),
        Mistake(
            "device_hard_coded",
            "Your layer works on the CPU alone. A tensor made in forward, or kept as a plain attribute, lies on the CPU; "
            ".item() and float(tensor) fetch a number from the device. Make tensors from x or from the buffers.",
            {"follows_device": none},
        ),
        Mistake(
            "dtype_hard_coded",
            "After layer.double() your running statistics are not float64, or your count is no longer an integer. Buffers "
            "follow by themselves: do not name a dtype in forward, and let the count start as an integer.",
            {"follows_dtype": none},
        ),
    ),
    chapter="inference",
)

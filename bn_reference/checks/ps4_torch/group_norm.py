"""Spec of ``group_norm``: over groups of neighbouring channels."""

import numpy as np

from bn_reference.checks.batches import cotangent
from bn_reference.checks.ps4_torch.calls import call_normalization
from bn_reference.checks.ps4_torch.functions import none
from bn_reference.checks.ps4_torch.per_example import (
    OUTPUTS,
    case,
    nodes,
    normalizing,
    parts,
    size,
    usual_mistakes,
)
from bn_reference.checks.spec import Mistake, Spec
from bn_reference.groupnorm import groupnorm_backward, groupnorm_forward
from bn_reference.layouts import per_channel


def _right(x, weight, bias, eps, num_groups, dout):
    y, cache = groupnorm_forward(x, num_groups, weight, bias, eps)
    return y, *groupnorm_backward(dout, cache)


def _cases(rng):
    n, height, width = (int(k) for k in rng.integers((3, 2, 4), (6, 4, 6)))

    def inputs_with(groups):
        def inputs(x, eps):
            c = x.shape[1]
            weight, bias = rng.uniform(0.5, 2.0, (2, c)) * rng.choice([-1.0, 1.0], (2, c))
            vectors = {"weight": weight.astype(x.dtype), "bias": bias.astype(x.dtype)}
            return {"x": x} | vectors | {"eps": eps, "num_groups": groups, "dout": cotangent(rng, x)}

        return inputs

    def x(n, c, *spatial):
        mean, spread = rng.uniform(-3, 3, c), rng.uniform(0.5, 2.0, c)
        ndim = 2 + len(spatial)
        return per_channel(mean, ndim) + per_channel(spread, ndim) * rng.standard_normal((n, c, *spatial))

    constant = x(n, 4, width)
    constant[0, :2] = 0.7
    return [
        case("images", "typical", x(n, 6, height, width), inputs_with(2)),
        case("images, more groups", "typical", x(n, 8, height, width), inputs_with(4), eps=0.01),
        case("sequences", "typical", x(n, 6, width), inputs_with(3), eps=0.1),
        case("float32", "typical", x(n, 8, width).astype(np.float32), inputs_with(2)),
        case("no axes but N and C", "edge", x(n, 12), inputs_with(3)),
        case("one group", "edge", x(n, 5, width), inputs_with(1)),
        case("a group for each channel", "edge", x(n, 3, height, width), inputs_with(3), eps=1e-5),
        case("one example, eps is 0", "edge", x(1, 4, height, width), inputs_with(2), eps=0.0),
        case("a constant group", "edge", constant, inputs_with(2), eps=1e-4),
    ]


def _groups(x, groups):
    return x.reshape(len(x), groups, -1)


def _affine(x_hat, weight, bias):
    return x_hat * per_channel(weight, x_hat.ndim) + per_channel(bias, x_hat.ndim)


def _variant(prepare=_groups, dims=(2,), affine=_affine, **slip):
    return normalizing(prepare, dims, affine=affine, **slip)


def _interleaved(x, groups):
    """Channel k in group ``k % groups``, by a reshape whose axes are the wrong way round."""
    return x.reshape(len(x), x.shape[1] // groups, groups, -1)


def _inner_variance(i):
    return i["x"].reshape(len(i["x"]), i["num_groups"], -1).var(-1)


GROUP_NORM = Spec(
    name="group_norm",
    outputs=OUTPUTS,
    nodes=nodes(_right, size(_inner_variance)),
    reference=lambda **inputs: (*_right(**inputs), none(inputs, {})),
    cases=_cases,
    call=call_normalization,
    parts=parts(
        axes_hint="x.reshape(N, num_groups, -1) puts each group's channels and positions into one row. Normalise the rows, "
        "and give back the shape of x before you scale each channel.",
        nudge="With num_groups=2 and C=6, which channels share a mean?",
        section="Wu & He 2018, Equations 1, 2, 6 and 7.",
        edge_title="(N, C) alone, one group, a group for each channel, one example, a constant group",
    ),
    mistakes=(
        *usual_mistakes(_variant),
        Mistake(
            "groups_interleaved",
            "Your groups take every so-manyth channel. A group is made of neighbours: the axis of the groups comes before "
            "that of the channels within, reshape(N, num_groups, C // num_groups, ...).",
            code=_variant(prepare=_interleaved, dims=(1, 3)),
        ),
        Mistake(
            "num_groups_taken_for_group_size",
            "Your groups have num_groups channels each. num_groups is how many groups there are: each has "
            "C // num_groups channels.",
            code=_variant(prepare=lambda x, groups: x.reshape(len(x), x.shape[1] // groups, -1)),
        ),
        Mistake(
            "statistics_shared_by_examples",
            "Your mean and variance run over the batch too. Each example has its own: keep axis 0 out.",
            code=_variant(dims=(0, 2)),
        ),
        Mistake(
            "normalises_channels_over_the_batch",
            "Your mean and variance run over the batch, for each channel: that is Batch Normalization. Here each example "
            "has its own, for each group of its channels.",
            code=_variant(prepare=lambda x, groups: x.reshape(len(x), x.shape[1], -1), dims=(0, 2)),
        ),
        Mistake(
            "positions_normalised_apart",
            "Your mean and variance run over the channels of a group at each position by itself. They run over the "
            "positions too.",
            code=_variant(
                prepare=lambda x, groups: x.reshape(len(x), groups, x.shape[1] // groups, -1), dims=(2,)
            ),
        ),
        Mistake(
            "channels_normalised_apart",
            "Your mean and variance run over the positions of each channel by itself: that is instance normalisation. The "
            "channels of a group share them.",
            code=_variant(prepare=lambda x, groups: x.reshape(len(x), x.shape[1], -1)),
        ),
        Mistake(
            "groups_ignored",
            "Your mean and variance run over all channels of an example. Each of the num_groups groups has its own.",
            code=_variant(prepare=lambda x, groups: x.reshape(len(x), 1, -1)),
        ),
    ),
    chapter="family",
)

"""Right answers to `ps4_torch`: layer and group normalisation, combined moments, synchronised BN."""

import torch

from tests.bn_reference.checks.right_answers.ps4_torch import RecomputedInBackward


def layer_norm_with_var_mean(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
    return weight * ((x - mean) / torch.sqrt(var + eps)) + bias


def layer_norm_row_by_row(x, weight, bias, eps=1e-5):
    rows = []
    for row in x.reshape(-1, x.shape[-1]):
        centered = row - row.sum() / row.numel()
        rows.append(centered * (centered.dot(centered) / row.numel() + eps) ** -0.5)
    return torch.stack(rows).view(x.shape) * weight + bias


def layer_norm_by_batch_norm(x, weight, bias, eps=1e-5):
    rows = x.flatten(0, -2)
    one, zero = torch.ones(len(rows), dtype=x.dtype), torch.zeros(len(rows), dtype=x.dtype)
    return RecomputedInBackward.apply(rows.T, one, zero, eps).T.reshape(x.shape) * weight + bias


def layer_norm_with_einsum(x, weight, bias, eps=1e-5):
    c = x.size(-1)
    centered = x - torch.einsum("...c->...", x)[..., None] / c
    var = torch.einsum("...c,...c->...", centered, centered) / c
    return torch.einsum("...c,...->...c", centered * weight, torch.rsqrt(var + eps)) + bias


def layer_norm_in_float64(x, weight, bias, eps=1e-5):
    return layer_norm_with_var_mean(x.double(), weight.double(), bias.double(), eps).type_as(x)


def group_norm_with_rows(x, weight, bias, eps, num_groups):
    rows = x.reshape(x.shape[0], num_groups, -1)
    centered = rows - rows.mean(-1, keepdim=True)
    x_hat = (centered / torch.sqrt((centered**2).mean(-1, keepdim=True) + eps)).reshape(x.shape)
    shape = (1, -1) + (1,) * (x.dim() - 2)
    return x_hat * weight.view(shape) + bias.view(shape)


def group_norm_by_layer_norm(x, weight, bias, eps, num_groups):
    rows = x.reshape(x.shape[0], num_groups, -1)
    ones = torch.ones(rows.shape[-1], dtype=x.dtype)
    x_hat = layer_norm_with_var_mean(rows, ones, torch.zeros_like(ones), eps).reshape(x.shape)
    return (x_hat.movedim(1, -1) * weight + bias).movedim(-1, 1)


def group_norm_chunk_by_chunk(x, weight, bias, eps, num_groups):
    normalized = []
    for chunk in x.chunk(num_groups, dim=1):
        axes = tuple(range(1, chunk.dim()))
        std = (chunk.var(axes, correction=0, keepdim=True) + eps).sqrt()
        normalized.append((chunk - chunk.mean(axes, keepdim=True)) / std)
    y = torch.cat(normalized, dim=1).transpose(0, 1)
    return torch.stack([w * channel + b for w, channel, b in zip(weight, y, bias, strict=True)]).transpose(
        0, 1
    )


def group_norm_with_five_axes(x, weight, bias, eps, num_groups):
    n, c = x.shape[:2]
    blocks = x.contiguous().view(n, num_groups, c // num_groups, -1)
    var, mean = torch.var_mean(blocks, (2, 3), unbiased=False, keepdim=True)
    scale = weight.view(1, num_groups, -1, 1) / torch.sqrt(var + eps)
    return ((blocks - mean) * scale + bias.view(1, num_groups, -1, 1)).view(x.shape)


def group_norm_example_by_example(x, weight, bias, eps, num_groups):
    out = torch.empty_like(x)
    size = x.shape[1] // num_groups
    for i in range(x.shape[0]):
        for g in range(num_groups):
            part = x[i, g * size : (g + 1) * size]
            var, mean = torch.var_mean(part, correction=0)
            out[i, g * size : (g + 1) * size] = (part - mean) / (var + eps) ** 0.5
    shape = [1, x.shape[1]] + [1] * (x.ndim - 2)
    return torch.addcmul(bias.reshape(shape), out, weight.reshape(shape))


def combine_with_shares(count_a, mean_a, var_a, count_b, mean_b, var_b):
    count = count_a + count_b
    a, b = count_a / count, count_b / count
    return count, a * mean_a + b * mean_b, a * var_a + b * var_b + a * b * (mean_a - mean_b) ** 2


def combine_with_sums_of_squares(count_a, mean_a, var_a, count_b, mean_b, var_b):
    total = count_a + count_b
    delta = mean_b - mean_a
    m2 = count_a * var_a + count_b * var_b + delta * delta * count_a * count_b / total
    return torch.tensor(total), mean_a + delta * count_b / total, m2 / total


def combine_about_the_common_mean(n1, m1, v1, n2, m2, v2):
    m = (n1 * m1 + n2 * m2) / (n1 + n2)
    return n1 + n2, m, (n1 * (v1 + (m1 - m) ** 2) + n2 * (v2 + (m2 - m) ** 2)) / (n1 + n2)


def combine_stacked(count_a, mean_a, var_a, count_b, mean_b, var_b):
    counts = torch.tensor([count_a, count_b], dtype=mean_a.dtype)
    shares = (counts / counts.sum())[:, None]
    means, variances = torch.stack([mean_a, mean_b]), torch.stack([var_a, var_b])
    mean = (shares * means).sum(0)
    return counts.sum(), mean, (shares * (variances + (means - mean).square())).sum(0)


def combine_channel_by_channel(count_a, mean_a, var_a, count_b, mean_b, var_b):
    mean, var = torch.zeros_like(mean_a), torch.zeros_like(var_a)
    for k in range(len(mean_a)):
        _, mean[k], var[k] = combine_with_sums_of_squares(
            count_a, mean_a[k], var_a[k], count_b, mean_b[k], var_b[k]
        )
    return [count_a + count_b, mean, var]


def _own_moments(x):
    if len(x) == 0:
        return torch.zeros(x.shape[1], dtype=x.dtype), torch.zeros(x.shape[1], dtype=x.dtype)
    return x.mean(0), x.var(0, correction=0)


def sync_gathering_thrice(x, weight, bias, eps, all_gather):
    mean, var = _own_moments(x)
    counts = all_gather(torch.tensor(len(x)))
    means, variances = all_gather(mean), all_gather(var)
    count, mean, var = combine_with_shares(
        counts[0], means[0], variances[0], counts[1], means[1], variances[1]
    )
    return weight * (x - mean) / torch.sqrt(var + eps) + bias, count, mean, var


def sync_gathering_once(x, weight, bias, eps, all_gather):
    mean, var = _own_moments(x)
    packed = torch.stack([torch.full_like(mean, len(x)), mean, var]).double()
    (count, mean, var), *others = all_gather(packed)
    count = int(count[0])
    for part in others:
        count, mean, var = combine_with_sums_of_squares(
            int(count), mean, var, int(part[0, 0]), part[1], part[2]
        )
    return ((x - mean) / (var + eps).sqrt() * weight + bias).to(x.dtype), count, mean, var


def sync_in_two_rounds(x, weight, bias, eps, all_gather):
    n = sum(all_gather(torch.tensor(float(x.shape[0]))))
    mean = sum(all_gather(x.sum(0))) / n
    var = sum(all_gather(((x - mean) ** 2).sum(0))) / n
    return torch.addcmul(bias, weight, (x - mean) * torch.rsqrt(var + eps)), n, mean, var


def sync_with_nan_to_num(x, weight, bias, eps, all_gather):
    own = torch.cat(
        [torch.tensor([len(x)], dtype=x.dtype), x.mean(0), ((x - x.mean(0)) ** 2).mean(0)]
    ).nan_to_num()
    (n1, *rest1), (n2, *rest2) = all_gather(own)
    (m1, v1), (m2, v2) = (torch.stack(rest).chunk(2) for rest in (rest1, rest2))
    n, mean, var = combine_about_the_common_mean(n1, m1, v1, n2, m2, v2)
    return (x - mean) / torch.sqrt(var + eps) * weight + bias, n, mean, var


def sync_with_shards_padded(x, weight, bias, eps, all_gather):
    """Gathers the examples themselves, which costs more, but is right."""
    n = [int(k) for k in all_gather(torch.tensor(len(x)))]
    padded = torch.zeros(max(n), x.shape[1], dtype=x.dtype)
    padded[: len(x)] = x
    joined = torch.cat([rows[:k] for rows, k in zip(all_gather(padded), n, strict=True)])
    var, mean = torch.var_mean(joined, 0, correction=0)
    return weight * ((x - mean) / torch.sqrt(var + eps)) + bias, len(joined), mean, var


RIGHT_ANSWERS = {
    "combine_moments": (
        combine_with_shares,
        combine_with_sums_of_squares,
        combine_about_the_common_mean,
        combine_stacked,
        combine_channel_by_channel,
    ),
    "sync_batchnorm": (
        sync_gathering_thrice,
        sync_gathering_once,
        sync_in_two_rounds,
        sync_with_nan_to_num,
        sync_with_shards_padded,
    ),
    "layer_norm": (
        layer_norm_with_var_mean,
        layer_norm_row_by_row,
        layer_norm_by_batch_norm,
        layer_norm_with_einsum,
        layer_norm_in_float64,
    ),
    "group_norm": (
        group_norm_with_rows,
        group_norm_by_layer_norm,
        group_norm_chunk_by_chunk,
        group_norm_with_five_axes,
        group_norm_example_by_example,
    ),
}

"""Right answers to `ps2_batchnorm`."""

import numpy as np


def forward_with_np_var(x, gamma, beta, eps=1e-5):
    mean, var = np.mean(x, 0), np.var(x, 0)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, x_hat, mean, var


def forward_with_loops(x, gamma, beta, eps=1e-5):
    n, c = x.shape
    mean, var = np.zeros(c), np.zeros(c)
    y, x_hat = np.zeros((n, c)), np.zeros((n, c))
    for k in range(c):
        for i in range(n):
            mean[k] += x[i, k] / n
        for i in range(n):
            var[k] += (x[i, k] - mean[k]) ** 2 / n
        for i in range(n):
            x_hat[i, k] = (x[i, k] - mean[k]) / (var[k] + eps) ** 0.5
            y[i, k] = gamma[k] * x_hat[i, k] + beta[k]
    return y, x_hat, mean, var


def forward_with_einsum(x, gamma, beta, eps=1e-5):
    mean = np.einsum("nc->c", x) / x.shape[0]
    centered = x - mean
    var = np.einsum("nc,nc->c", centered, centered) / x.shape[0]
    x_hat = np.einsum("nc,c->nc", centered, 1 / np.sqrt(var + eps))
    return np.einsum("c,nc->nc", gamma, x_hat) + beta[None], x_hat, mean, var


def forward_in_place_on_a_copy(x, gamma, beta, eps=1e-5):
    x_hat = x.copy()
    mean = x_hat.mean(axis=0)
    x_hat -= mean
    var = (x_hat**2).mean(axis=0)
    x_hat /= np.sqrt(var + eps)
    y = x_hat.copy()
    y *= gamma
    y += beta
    return [y, x_hat, mean, var]


def forward_transposed(x, gamma, beta, eps=1e-5):
    rows = x.T
    mean = rows.mean(1)
    var = rows.var(1)
    x_hat = ((rows - mean[:, None]) * ((var + eps) ** -0.5)[:, None]).T
    return (np.diag(gamma) @ x_hat.T).T + beta, x_hat, mean, var


def forward_multiplied_out(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(0), x.var(0)
    slope = gamma / np.sqrt(var + eps)
    return slope * x + (beta - slope * mean), (x - mean) / np.sqrt(var + eps), mean, var


def forward_one_example_at_a_time(x, gamma, beta, eps=1e-5):
    mean, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for count, example in enumerate(x, start=1):
        before = example - mean
        mean = mean + before / count
        squares = squares + before * (example - mean)
    var = squares / len(x)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, x_hat, mean, var


def forward_in_float64(x, gamma, beta, eps=1e-5):
    return forward_with_np_var(x.astype(np.float64), gamma, beta, eps)


def forward_with_torch(x, gamma, beta, eps=1e-5):
    import torch

    x, gamma, beta = (torch.from_numpy(np.ascontiguousarray(v)) for v in (x, gamma, beta))
    var, mean = torch.var_mean(x, 0, correction=0)
    x_hat = (x - mean) / torch.sqrt(var + eps)
    return gamma * x_hat + beta, x_hat, mean, var


def running_as_a_step(running_mean, running_var, mean, var, m, momentum=0.1):
    new_mean = running_mean - momentum * (running_mean - mean)
    return new_mean, running_var + momentum * (m * var / (m - 1) - running_var)


def running_with_average(running_mean, running_var, mean, var, m, momentum=0.1):
    weights = [1 - momentum, momentum]
    unbiased = var / ((m - 1) / m)
    return (
        np.average([running_mean, mean], axis=0, weights=weights),
        np.average([running_var, unbiased], axis=0, weights=weights),
    )


def running_with_loop(running_mean, running_var, mean, var, m, momentum=0.1):
    new_mean, new_var = running_mean.copy(), running_var.copy()
    for k in range(len(mean)):
        new_mean[k] = (1 - momentum) * running_mean[k] + momentum * mean[k]
        new_var[k] = (1 - momentum) * running_var[k] + momentum * (var[k] + var[k] / (m - 1))
    return new_mean, new_var


def running_with_lists(running_mean, running_var, mean, var, m, momentum=0.1):
    def mix(old, new):
        return [o * (1 - momentum) + n * momentum for o, n in zip(old, new, strict=True)]

    return mix(running_mean, mean), mix(running_var, [v * m / (m - 1) for v in var])


def running_in_place_on_copies(running_mean, running_var, mean, var, m, momentum=0.1):
    running_mean, running_var = np.array(running_mean), np.array(running_var)
    running_mean *= 1 - momentum
    running_mean += momentum * mean
    running_var *= 1 - momentum
    running_var += momentum / (1 - 1 / m) * var
    return [running_mean, running_var]


def inference_as_a_line(x, gamma, beta, running_mean, running_var, eps=1e-5):
    slope = gamma / np.sqrt(running_var + eps)
    return slope * (x - running_mean) + beta


def inference_folded(x, gamma, beta, running_mean, running_var, eps=1e-5):
    slope = gamma / np.sqrt(running_var + eps)
    return slope * x + (beta - slope * running_mean)


def inference_in_a_tuple(x, gamma, beta, running_mean, running_var, eps=1e-5):
    return (gamma * (x - running_mean) * (running_var + eps) ** -0.5 + beta,)


def inference_with_lists(x, gamma, beta, running_mean, running_var, eps=1e-5):
    std = np.sqrt(running_var + eps)
    return [
        [gamma[k] * ((value - running_mean[k]) / std[k]) + beta[k] for k, value in enumerate(row)]
        for row in x
    ]


def inference_feature_by_feature(x, gamma, beta, running_mean, running_var, eps=1e-5):
    y = np.zeros_like(x)
    for k in range(x.shape[1]):
        y[:, k] = gamma[k] * (x[:, k] - running_mean[k]) / np.sqrt(running_var[k] + eps) + beta[k]
    return y


def identity_by_numpy(x, eps=1e-5):
    gamma, beta = np.sqrt(np.var(x, axis=0) + eps), np.mean(x, axis=0)
    return gamma, beta, gamma * (x - beta) / gamma + beta


def identity_by_forward(x, eps=1e-5):
    ones = np.ones(x.shape[1])
    _, _, mean, var = forward_with_loops(x, ones, 0 * ones, eps)
    gamma, beta = (var + eps) ** 0.5, mean
    return gamma, beta, forward_with_loops(x, gamma, beta, eps)[0]


def identity_with_x_returned(x, eps=1e-5):
    beta = x.sum(0) / len(x)
    return (((x - beta) ** 2).sum(0) / len(x) + eps) ** 0.5, beta, x.copy()


def identity_with_einsum(x, eps=1e-5):
    beta = np.einsum("nc->c", x) / x.shape[0]
    centered = x - beta
    gamma = np.sqrt(np.einsum("nc,nc->c", centered, centered) / x.shape[0] + eps)
    return [gamma, beta, np.einsum("c,nc->nc", gamma, centered / gamma) + beta]


def identity_feature_by_feature(x, eps=1e-5):
    x = x.astype(np.float64)
    gamma, beta, y = [], [], np.empty_like(x)
    for k, column in enumerate(x.T):
        gamma.append(np.hypot(column.std(), np.sqrt(eps)))
        beta.append(column.mean())
        y[:, k] = gamma[k] * ((column - beta[k]) / gamma[k]) + beta[k]
    return gamma, beta, y


def eps_by_formula(x, eps=1e-5):
    var = x.var(0)
    return (var + eps) ** -0.5, var / (var + eps), var / (np.sqrt(var) + eps) ** 2


def eps_by_measuring(x, eps=1e-5):
    centered = x - x.mean(0)
    std = np.sqrt((centered**2).mean(0))
    inside = centered / np.sqrt(std**2 + eps)
    outside = centered / (std + eps)
    return 1 / np.sqrt(std**2 + eps), inside.var(0), outside.var(0)


def eps_by_gain(x, eps=1e-5):
    var = np.var(x, axis=0)
    gain = 1 / np.sqrt(var + eps)
    return gain, var * gain**2, (np.sqrt(var) / (np.sqrt(var) + eps)) ** 2


def eps_in_loops(x, eps=1e-5):
    rows = []
    for column in np.asarray(x, dtype=np.float64).T:
        mean = sum(column) / len(column)
        var = sum((v - mean) ** 2 for v in column) / len(column)
        rows.append((1 / (var + eps) ** 0.5, var / (var + eps), var / (var**0.5 + eps) ** 2))
    return tuple(zip(*rows, strict=True))


def eps_expanded(x, eps=1e-5):
    var = x.astype(np.float64).var(0)
    return (
        np.exp(-0.5 * np.log(var + eps)),
        1 - eps / (var + eps),
        var / (var + 2 * eps * np.sqrt(var) + eps**2),
    )


def variances_by_reshape(x, m):
    count = len(x) // m
    batches = x[: count * m].reshape(count, m, x.shape[1])
    return batches.var(axis=1).mean(axis=0), batches.var(axis=1, ddof=1).mean(axis=0)


def variances_by_correction(x, m):
    batches = x[: len(x) // m * m].reshape(-1, m, x.shape[1])
    biased = ((batches - batches.mean(1, keepdims=True)) ** 2).mean((0, 1))
    return biased, m / (m - 1) * biased


def variances_in_a_loop(x, m):
    biased, unbiased, count = np.zeros(x.shape[1]), np.zeros(x.shape[1]), x.shape[0] // m
    for b in range(count):
        batch = x[b * m : (b + 1) * m]
        squares = ((batch - batch.mean(0)) ** 2).sum(0)
        biased += squares / m / count
        unbiased += squares / (m - 1) / count
    return biased, unbiased


def variances_by_split(x, m):
    batches = np.split(x[: len(x) - len(x) % m], len(x) // m)
    return (
        sum(np.var(b, 0) for b in batches) / len(batches),
        sum(np.var(b, 0, ddof=1) for b in batches) / len(batches),
    )


def variances_by_full_chunks(x, m):
    chunks = [x[start : start + m].astype(np.float64) for start in range(0, len(x), m)]
    chunks = np.stack([chunk for chunk in chunks if len(chunk) == m])
    centered = chunks - chunks.mean(1)[:, None]
    squares = np.einsum("bmc,bmc->c", centered, centered)
    return squares / (m * len(chunks)), squares / ((m - 1) * len(chunks))


def layer_from_parts(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if training:
        y, _, mean, var = forward_with_np_var(x, gamma, beta, eps)
        new_mean, new_var = running_as_a_step(running_mean, running_var, mean, var, len(x), momentum)
        return y, new_mean, new_var
    return inference_as_a_line(x, gamma, beta, running_mean, running_var, eps), running_mean, running_var


def layer_with_one_line_for_y(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    mean, var = (x.mean(0), x.var(0)) if training else (running_mean, running_var)
    y = gamma * (x - mean) / np.sqrt(var + eps) + beta
    if training:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * x.var(0, ddof=1)
    return y, running_mean, running_var


def layer_in_place_on_copies(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    y, running_mean, running_var = x.astype(np.float64), running_mean.copy(), running_var.copy()
    mean, var = running_mean.copy(), running_var.copy()
    if training:
        mean, var = y.mean(0), y.var(0)
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (var * len(x) / (len(x) - 1) - running_var)
    y -= mean
    y /= np.sqrt(var + eps)
    y *= gamma
    y += beta
    return [y, running_mean, running_var]


def layer_in_loops(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    n, c = x.shape
    y, new_mean, new_var = np.zeros((n, c)), list(running_mean), list(running_var)
    for k in range(c):
        mean, var = running_mean[k], running_var[k]
        if training:
            mean = sum(x[:, k]) / n
            squares = sum((x[:, k] - mean) ** 2)
            var = squares / n
            new_mean[k] = (1 - momentum) * running_mean[k] + momentum * mean
            new_var[k] = (1 - momentum) * running_var[k] + momentum * squares / (n - 1)
        for i in range(n):
            y[i, k] = gamma[k] * (x[i, k] - mean) / (var + eps) ** 0.5 + beta[k]
    return y, new_mean, new_var


def layer_with_torch(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    import torch

    x, gamma, beta, mean, var = (
        torch.from_numpy(np.array(v)) for v in (x, gamma, beta, running_mean, running_var)
    )
    y = torch.nn.functional.batch_norm(x, mean, var, gamma, beta, training, momentum, eps)
    return y, mean, var


def conv_with_axes(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    x_hat = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + eps)
    return gamma[:, None, None] * x_hat + beta[:, None, None], x_hat, mean, var


def conv_by_rows(x, gamma, beta, eps=1e-5):
    n, c, h, w = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, c)
    y, x_hat, mean, var = forward_with_np_var(rows, gamma, beta, eps)
    y, x_hat = (values.reshape(n, h, w, c).transpose(0, 3, 1, 2) for values in (y, x_hat))
    return y, x_hat, mean, var


def conv_image_by_image(x, gamma, beta, eps=1e-5):
    means, variances = x.mean((2, 3)), x.var((2, 3))
    mean = means.mean(0)
    var = variances.mean(0) + means.var(0)
    slope = gamma / np.sqrt(var + eps)
    x_hat = (x - mean[:, None, None]) / np.sqrt(var + eps)[:, None, None]
    return slope[:, None, None] * x + (beta - slope * mean)[:, None, None], x_hat, mean, var


def conv_channel_by_channel(x, gamma, beta, eps=1e-5):
    y, x_hat = np.empty(x.shape), np.empty(x.shape)
    mean, var = np.empty(x.shape[1]), np.empty(x.shape[1])
    for k in range(x.shape[1]):
        channel = x[:, k].astype(np.float64)
        mean[k] = channel.sum() / channel.size
        var[k] = ((channel - mean[k]) ** 2).sum() / channel.size
        x_hat[:, k] = (channel - mean[k]) / (var[k] + eps) ** 0.5
        y[:, k] = gamma[k] * x_hat[:, k] + beta[k]
    return y, x_hat, mean, var


def conv_with_channels_first(x, gamma, beta, eps=1e-5):
    channels = np.swapaxes(x, 0, 1).reshape(x.shape[1], -1)
    mean, var = channels.mean(1), channels.var(1)
    normal = (channels.T - mean) * (var + eps) ** -0.5
    back = (x.shape[1], x.shape[0], *x.shape[2:])
    x_hat = np.swapaxes(normal.T.reshape(back), 0, 1)
    return np.einsum("c,nchw->nchw", gamma, x_hat) + beta.reshape(1, -1, 1, 1), x_hat, mean, var


def conv_with_einsum(x, gamma, beta, eps=1e-5):
    n, c, h, w = x.shape
    mean = np.einsum("nchw->c", x.astype(np.float64)) / (n * h * w)
    centered = x - mean.reshape(1, c, 1, 1)
    var = np.einsum("nchw,nchw->c", centered, centered) / (n * h * w)
    x_hat = np.einsum("nchw,c->nchw", centered, 1 / np.sqrt(var + eps))
    return x_hat * gamma.reshape(1, c, 1, 1) + beta.reshape(1, c, 1, 1), x_hat, mean, var


def conv_with_torch(x, gamma, beta, eps=1e-5):
    import torch

    x, gamma, beta = (torch.from_numpy(np.ascontiguousarray(v)) for v in (x, gamma, beta))
    var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
    x_hat = (x - mean.view(1, -1, 1, 1)) * torch.rsqrt(var + eps).view(1, -1, 1, 1)
    return gamma.view(1, -1, 1, 1) * x_hat + beta.view(1, -1, 1, 1), x_hat, mean, var


def linear_row_by_row(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = gamma / np.sqrt(running_var + eps)
    return scale[:, None] * weight, (bias - running_mean) * scale + beta


def linear_by_diag(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = np.diag(gamma * (running_var + eps) ** -0.5)
    return scale @ weight, scale @ (bias - running_mean) + beta


def linear_by_probing(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    def both(x):
        x = x @ weight.T.astype(np.float64) + bias
        return gamma * (x - running_mean) / np.sqrt(running_var.astype(np.float64) + eps) + beta

    at_zero = both(np.zeros((1, weight.shape[1])))
    return (both(np.eye(weight.shape[1])) - at_zero).T, at_zero[0]


def linear_in_loops(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    folded, shift = np.zeros(weight.shape), np.zeros(len(bias))
    for k in range(weight.shape[0]):
        scale = gamma[k] / np.sqrt(running_var[k] + eps)
        for j in range(weight.shape[1]):
            folded[k, j] = weight[k, j] * scale
        shift[k] = bias[k] * scale - running_mean[k] * scale + beta[k]
    return folded, shift


def linear_transposed(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    std = (running_var + eps) ** 0.5
    return (weight.T * gamma / std).T, beta + gamma * (bias - running_mean) / std


def linear_in_place_on_copies(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    weight, bias = weight.astype(np.float64), bias.copy()
    scale = gamma / np.sqrt(running_var + eps)
    weight *= scale.reshape(-1, 1)
    bias -= running_mean
    bias *= scale
    bias += beta
    return [weight, bias]


def conv_folded_by_axes(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    bias = np.zeros(len(weight)) if bias is None else bias
    scale = gamma / np.sqrt(running_var + eps)
    return scale[:, None, None, None] * weight, (bias - running_mean) * scale + beta


def conv_folded_as_linear(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    flat = weight.reshape(weight.shape[0], -1)
    bias = np.zeros_like(beta) if bias is None else bias
    folded, shift = linear_by_diag(flat, bias, gamma, beta, running_mean, running_var, eps)
    return folded.reshape(weight.shape), shift


def conv_folded_with_einsum(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    scale = gamma * (running_var + eps) ** -0.5
    shift = beta - running_mean * scale
    if bias is not None:
        shift = shift + bias * scale
    return np.einsum("k,kcij->kcij", scale, weight), shift


def conv_folded_filter_by_filter(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    filters, shift = [], []
    for k, kernel in enumerate(weight):
        scale = gamma[k] / np.sqrt(running_var[k] + eps)
        filters.append(kernel * scale)
        shift.append(((bias[k] if bias is not None else 0) - running_mean[k]) * scale + beta[k])
    return np.stack(filters), np.array(shift)


def conv_folded_transposed(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    std = np.sqrt(running_var.astype(np.float64) + eps)
    moved = np.moveaxis(weight, 0, -1) / std * gamma
    centre = -running_mean if bias is None else bias - running_mean
    return np.moveaxis(moved, -1, 0), gamma * (centre / std) + beta


def conv_folded_with_torch(weight, bias, gamma, beta, running_mean, running_var, eps=1e-5):
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    weight, running_mean, running_var, gamma, beta = (
        torch.from_numpy(np.array(v)) for v in (weight, running_mean, running_var, gamma, beta)
    )
    bias = None if bias is None else torch.from_numpy(bias)
    fused = fuse_conv_bn_weights(weight, bias, running_mean, running_var, eps, gamma, beta)
    return tuple(values.detach() for values in fused)


RIGHT_ANSWERS = {
    "batchnorm_forward": (
        forward_with_np_var,
        forward_with_loops,
        forward_with_einsum,
        forward_in_place_on_a_copy,
        forward_transposed,
        forward_multiplied_out,
        forward_one_example_at_a_time,
        forward_in_float64,
        forward_with_torch,
    ),
    "identity_parameters": (
        identity_by_numpy,
        identity_by_forward,
        identity_with_x_returned,
        identity_with_einsum,
        identity_feature_by_feature,
    ),
    "eps_effect": (eps_by_formula, eps_by_measuring, eps_by_gain, eps_in_loops, eps_expanded),
    "average_variances": (
        variances_by_reshape,
        variances_by_correction,
        variances_in_a_loop,
        variances_by_split,
        variances_by_full_chunks,
    ),
    "update_running_statistics": (
        running_as_a_step,
        running_with_average,
        running_with_loop,
        running_with_lists,
        running_in_place_on_copies,
    ),
    "batchnorm_inference": (
        inference_as_a_line,
        inference_folded,
        inference_in_a_tuple,
        inference_with_lists,
        inference_feature_by_feature,
    ),
    "batchnorm_layer": (
        layer_from_parts,
        layer_with_one_line_for_y,
        layer_in_place_on_copies,
        layer_in_loops,
        layer_with_torch,
    ),
    "batchnorm_conv_forward": (
        conv_with_axes,
        conv_by_rows,
        conv_image_by_image,
        conv_channel_by_channel,
        conv_with_channels_first,
        conv_with_einsum,
        conv_with_torch,
    ),
    "fold_linear": (
        linear_row_by_row,
        linear_by_diag,
        linear_by_probing,
        linear_in_loops,
        linear_transposed,
        linear_in_place_on_copies,
    ),
    "fold_conv": (
        conv_folded_by_axes,
        conv_folded_as_linear,
        conv_folded_with_einsum,
        conv_folded_filter_by_filter,
        conv_folded_transposed,
        conv_folded_with_torch,
    ),
}

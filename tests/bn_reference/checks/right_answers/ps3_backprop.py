"""Right answers to `ps3_backprop`: back through the graph."""

import numpy as np


def scale_shift_plainly(dout, x_hat, gamma):
    return dout * gamma, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def scale_shift_with_loops(dout, x_hat, gamma):
    n, c = dout.shape
    dx_hat, dgamma, dbeta = np.zeros((n, c)), np.zeros(c), np.zeros(c)
    for i in range(n):
        for k in range(c):
            dx_hat[i, k] = gamma[k] * dout[i, k]
            dgamma[k] += dout[i, k] * x_hat[i, k]
            dbeta[k] += dout[i, k]
    return dx_hat, dgamma, dbeta


def scale_shift_with_einsum(dout, x_hat, gamma):
    return np.einsum("nc,c->nc", dout, gamma), np.einsum("nc,nc->c", dout, x_hat), np.einsum("nc->c", dout)


def scale_shift_with_matrices(dout, x_hat, gamma):
    ones = np.ones(len(dout))
    return dout @ np.diag(gamma), np.diag(x_hat.T @ dout), ones @ dout


def scale_shift_in_place_on_copies(dout, x_hat, gamma):
    upstream, products = dout.copy(), x_hat.copy()
    products *= dout
    upstream *= gamma
    return [upstream, np.add.reduce(products), np.add.reduce(dout)]


def scale_shift_by_means(dout, x_hat, gamma):
    m = len(dout)
    return gamma[None, :] * dout, m * np.mean(dout * x_hat, 0), m * np.mean(dout, 0)


def scale_shift_with_torch(dout, x_hat, gamma):
    import torch

    h, g = (torch.tensor(np.ascontiguousarray(v), requires_grad=True) for v in (x_hat, gamma))
    b = torch.zeros_like(g).requires_grad_()
    (g * h + b).backward(torch.tensor(np.ascontiguousarray(dout)))
    return h.grad, g.grad, b.grad


def divide_plainly(dx_hat, centered, std):
    return dx_hat / std, -(dx_hat * centered).sum(axis=0) / std**2


def divide_by_the_reciprocal(dx_hat, centered, std):
    inverse = 1 / std
    dinverse = np.sum(dx_hat * centered, axis=0)
    return dx_hat * inverse, dinverse * -inverse * inverse


def divide_with_x_hat(dx_hat, centered, std):
    x_hat = centered / std
    return dx_hat / std, -np.sum(dx_hat * x_hat, axis=0) / std


def divide_with_loops(dx_hat, centered, std):
    dcentered, dstd = np.empty(centered.shape), np.zeros(std.shape)
    for k in range(len(std)):
        dcentered[:, k] = dx_hat[:, k] / std[k]
        for g, c in zip(dx_hat[:, k], centered[:, k], strict=True):
            dstd[k] -= g * c / std[k] ** 2
    return dcentered, dstd


def divide_with_einsum(dx_hat, centered, std):
    return np.einsum("nc,c->nc", dx_hat, std**-1.0), np.einsum("nc,nc,c->c", dx_hat, -centered, std**-2.0)


def divide_in_float64(dx_hat, centered, std):
    dx_hat, centered, std = (v.astype(np.float64) for v in (dx_hat, centered, std))
    dcentered = np.divide(dx_hat, std)
    return dcentered, np.sum(-dcentered * centered / std, 0)


def variance_plainly(dstd, centered, std):
    dvar = dstd / (2 * std)
    dsquared = np.full(centered.shape, dvar / centered.shape[0])
    return dvar, dsquared, 2 * centered * dsquared


def variance_with_ones(dstd, centered, std):
    dvar = 0.5 * dstd / std
    dsquared = np.ones_like(centered) / len(centered) * dvar
    return dvar, dsquared, dsquared * centered + centered * dsquared


def variance_with_powers(dstd, centered, std):
    var_and_eps = std**2
    dvar = dstd * 0.5 * var_and_eps**-0.5
    dsquared = np.tile(dvar / len(centered), (len(centered), 1))
    return dvar, dsquared, dsquared * (2 * centered)


def variance_with_broadcast_view(dstd, centered, std):
    dvar = np.true_divide(dstd, std + std)
    dsquared = np.broadcast_to(dvar / centered.shape[0], centered.shape)
    return dvar, dsquared, dsquared * 2.0 * centered


def variance_with_loops(dstd, centered, std):
    n, c = centered.shape
    dvar, dsquared, dcentered = np.zeros(c), np.zeros((n, c)), np.zeros((n, c))
    for k in range(c):
        dvar[k] = dstd[k] / 2 / std[k]
        for i in range(n):
            dsquared[i, k] = dvar[k] / n
            dcentered[i, k] = 2 * centered[i, k] * dsquared[i, k]
    return dvar, dsquared, dcentered


def variance_straight_to_centered(dstd, centered, std):
    m = len(centered)
    dvar = dstd / std / 2
    return dvar, np.outer(np.ones(m), dvar) / m, dstd * centered / (m * std)


def center_plainly(dcentered):
    dmean = -dcentered.sum(axis=0)
    return dmean, dcentered + dmean / dcentered.shape[0]


def center_by_the_mean(dcentered):
    return -len(dcentered) * dcentered.mean(0), dcentered - dcentered.mean(0)


def center_with_matrix(dcentered):
    m = len(dcentered)
    return -np.ones(m) @ dcentered, (np.eye(m) - np.ones((m, m)) / m) @ dcentered


def center_with_loops(dcentered):
    n, c = dcentered.shape
    dmean, dx = np.zeros(c), dcentered.copy()
    for k in range(c):
        for i in range(n):
            dmean[k] -= dcentered[i, k]
        for i in range(n):
            dx[i, k] += dmean[k] / n
    return dmean, dx


def center_with_einsum(dcentered):
    dmean = np.einsum("nc->c", -dcentered)
    return dmean, dcentered + np.einsum("n,c->nc", np.full(len(dcentered), 1 / len(dcentered)), dmean)


def center_in_place_on_a_copy(dcentered):
    gradient = np.array(dcentered, copy=True)
    total = np.add.reduce(gradient, axis=0)
    gradient -= total / len(gradient)
    return -total, gradient


def staged_by_the_paper(dout, x, gamma, mean, var, eps=1e-5):
    m = len(x)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mean) * -0.5 * (var + eps) ** -1.5, 0)
    dmean = np.sum(dx_hat * -1 / np.sqrt(var + eps), 0) + dvar * np.sum(-2 * (x - mean), 0) / m
    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mean) / m + dmean / m
    return np.sum(dout * (x - mean) / np.sqrt(var + eps), 0), np.sum(dout, 0), dx_hat, dvar, dmean, dx


def staged_by_the_graph(dout, x, gamma, mean, var, eps=1e-5):
    m = x.shape[0]
    centered, std = x - mean, np.sqrt(var + eps)
    dx_hat = gamma * dout
    dstd = -(dx_hat * centered / std**2).sum(0)
    dvar = dstd / std / 2
    dcentered = dx_hat / std + dvar / m * 2 * centered
    dmean = -dcentered.sum(0)
    dx = dcentered + np.ones_like(x) / m * dmean
    return (dout * centered / std).sum(0), dout.sum(0), dx_hat, dvar, dmean, dx


def staged_feature_by_feature(dout, x, gamma, mean, var, eps=1e-5):
    columns = [
        staged_by_the_paper(dout[:, k], x[:, k], gamma[k], mean[k], var[k], eps) for k in range(x.shape[1])
    ]
    return tuple(np.stack(values, axis=-1) for values in zip(*columns, strict=True))


def staged_with_dx_in_closed_form(dout, x, gamma, mean, var, eps=1e-5):
    x_hat = (x - mean) / np.sqrt(var + eps)
    dgamma, dbeta = np.sum(dout * x_hat, 0), np.sum(dout, 0)
    dx_hat = dout * gamma
    dvar = -0.5 * gamma * dgamma / (var + eps)
    dmean = -gamma * dbeta / np.sqrt(var + eps)
    dx = (dx_hat - dx_hat.mean(0) - x_hat * (dx_hat * x_hat).mean(0)) / np.sqrt(var + eps)
    return dgamma, dbeta, dx_hat, dvar, dmean, dx


def closed_with_means(dout, x_hat, gamma, var, eps=1e-5):
    taken_out = dout.mean(0) + x_hat * (dout * x_hat).mean(0)
    return gamma / np.sqrt(var + eps) * (dout - taken_out), (dout * x_hat).sum(0), dout.sum(0)


def closed_over_m(dout, x_hat, gamma, var, eps=1e-5):
    m = len(dout)
    dgamma, dbeta = np.sum(x_hat * dout, 0), np.sum(dout, 0)
    return (1 / m) * gamma * (var + eps) ** -0.5 * (m * dout - dbeta - x_hat * dgamma), dgamma, dbeta


def closed_path_by_path(dout, x_hat, gamma, var, eps=1e-5):
    m, std = len(dout), np.sqrt(var + eps)
    dx_hat = dout * gamma
    direct = dx_hat / std
    through_var = -0.5 * (dx_hat * x_hat).sum(0) / std**2 * 2 * x_hat * std / m
    through_mean = -direct.sum(0) / m
    return direct + through_var + through_mean, (dout * x_hat).sum(0), dout.sum(0)


def closed_with_projection(dout, x_hat, gamma, var, eps=1e-5):
    dx = np.empty_like(dout)
    for k in range(dout.shape[1]):
        g, h, one = dout[:, k], x_hat[:, k], np.ones(len(dout))
        dx[:, k] = gamma[k] / (var[k] + eps) ** 0.5 * (g - one * (g @ one) / len(g) - h * (g @ h) / len(g))
    return dx, np.einsum("nc,nc->c", dout, x_hat), dout.sum(0)


def closed_with_matrix(dout, x_hat, gamma, var, eps=1e-5):
    m = len(dout)
    columns = []
    for k in range(dout.shape[1]):
        h = x_hat[:, [k]]
        jacobian = gamma[k] / np.sqrt(var[k] + eps) * (np.eye(m) - np.ones((m, m)) / m - h @ h.T / m)
        columns.append(jacobian @ dout[:, k])
    return np.column_stack(columns), (dout * x_hat).sum(0), dout.sum(0)


def staged_with_einsum(dout, x, gamma, mean, var, eps=1e-5):
    inverse = (var + eps) ** -0.5
    centered = x - mean
    dx_hat = np.einsum("nc,c->nc", dout, gamma)
    dvar = np.einsum("nc,nc,c->c", dx_hat, centered, -(inverse**3)) / 2
    dmean = np.einsum("nc,c->c", dx_hat, -inverse)
    dx = dx_hat * inverse + (2 * dvar * centered + dmean) / x.shape[0]
    dgamma = np.einsum("nc,nc,c->c", dout, centered, inverse)
    return dgamma, np.ones(len(dout)) @ dout, dx_hat, dvar, dmean, dx


def project_plainly(dout, x_hat):
    along_one = dout.mean(axis=0)
    length = (x_hat**2).sum(axis=0)
    along_x_hat = (dout * x_hat).sum(axis=0) / np.where(length == 0, 1, length)
    return along_one, along_x_hat, dout - along_one - along_x_hat * x_hat


def project_one_after_the_other(dout, x_hat):
    along_one = np.sum(dout, 0) / len(dout)
    rest = dout - along_one
    along_x_hat = np.zeros_like(along_one)
    for k in range(dout.shape[1]):
        square = x_hat[:, k] @ x_hat[:, k]
        if square > 0:
            along_x_hat[k] = rest[:, k] @ x_hat[:, k] / square
    return along_one, along_x_hat, rest - along_x_hat * x_hat


def project_with_least_squares(dout, x_hat):
    one, x_hat_part, rest = [], [], []
    for g, h in zip(dout.T.astype(float), x_hat.T.astype(float), strict=True):
        basis = np.column_stack([np.ones(len(g)), h])
        weights = np.linalg.lstsq(basis, g, rcond=None)[0]
        one.append(weights[0])
        x_hat_part.append(weights[1])
        rest.append(g - basis @ weights)
    return np.array(one), np.array(x_hat_part), np.array(rest).T


def project_on_unit_vectors(dout, x_hat):
    m = len(dout)
    unit = np.ones(m) / np.sqrt(m)
    length = np.linalg.norm(x_hat, axis=0)
    direction = np.divide(x_hat, length, out=np.zeros_like(x_hat), where=length > 0)
    share = np.einsum("nc,nc->c", dout, direction)
    rest = dout - np.outer(unit, unit @ dout) - share * direction
    along_x_hat = np.divide(share, length, out=np.zeros_like(share), where=length > 0)
    return unit @ dout / np.sqrt(m), along_x_hat, rest


def project_with_nan_to_num(dout, x_hat):
    with np.errstate(invalid="ignore"):
        ratio = np.einsum("ij,ij->j", dout, x_hat) / np.einsum("ij,ij->j", x_hat, x_hat)
    ratio = np.nan_to_num(ratio)
    rest = dout.copy()
    rest -= dout.mean(axis=0, keepdims=True)
    rest -= x_hat * ratio[np.newaxis]
    return dout.mean(0), ratio, rest


def images_plainly(dout, x_hat, gamma, var, eps=1e-5):
    axes = (0, 2, 3)
    m = dout.size / dout.shape[1]
    dbeta, dgamma = dout.sum(axis=axes), (dout * x_hat).sum(axis=axes)
    scale = (gamma / np.sqrt(var + eps)).reshape(1, -1, 1, 1)
    dx = scale * (dout - dbeta.reshape(1, -1, 1, 1) / m - x_hat * dgamma.reshape(1, -1, 1, 1) / m)
    return dx, dgamma, dbeta


def images_as_a_matrix(dout, x_hat, gamma, var, eps=1e-5):
    n, c, h, w = dout.shape
    g, z = (v.transpose(0, 2, 3, 1).reshape(-1, c) for v in (dout, x_hat))
    dx, dgamma, dbeta = closed_over_m(g, z, gamma, var, eps)
    return dx.reshape(n, h, w, c).transpose(0, 3, 1, 2), dgamma, dbeta


def images_with_einsum(dout, x_hat, gamma, var, eps=1e-5):
    n, _, h, w = dout.shape
    dgamma, dbeta = np.einsum("nchw,nchw->c", dout, x_hat), np.einsum("nchw->c", dout)
    inner = dout - (dbeta[:, None, None] + np.einsum("nchw,c->nchw", x_hat, dgamma)) / (n * h * w)
    return np.einsum("c,nchw->nchw", gamma * (var + eps) ** -0.5, inner), dgamma, dbeta


def images_channel_by_channel(dout, x_hat, gamma, var, eps=1e-5):
    dx, dgamma, dbeta = np.zeros(dout.shape), [], []
    for k in range(dout.shape[1]):
        g, h = dout[:, k], x_hat[:, k]
        dx[:, k] = gamma[k] / np.sqrt(var[k] + eps) * (g - g.mean() - h * np.mean(g * h))
        dgamma.append((g * h).sum())
        dbeta.append(g.sum())
    return dx, np.array(dgamma), np.array(dbeta)


def images_with_keepdims(dout, x_hat, gamma, var, eps=1e-5):
    kept = {"axis": (0, 2, 3), "keepdims": True}
    gamma4, std4 = gamma[None, :, None, None], np.sqrt(var + eps)[None, :, None, None]
    dx_hat = dout * gamma4
    dx = (dx_hat - dx_hat.mean(**kept) - x_hat * (dx_hat * x_hat).mean(**kept)) / std4
    return dx, (dout * x_hat).sum(3).sum(2).sum(0), dout.sum((0, 2, 3))


def images_with_channels_last(dout, x_hat, gamma, var, eps=1e-5):
    g, h = np.moveaxis(dout, 1, -1), np.moveaxis(x_hat, 1, -1)
    inner = g - g.mean((0, 1, 2)) - h * (g * h).mean((0, 1, 2))
    return np.moveaxis(gamma / np.sqrt(var + eps) * inner, -1, 1), (g * h).sum((0, 1, 2)), g.sum((0, 1, 2))


def gradient_with_ndindex(f, x, dout, h=1e-5):
    x = np.array(x, dtype=np.float64)
    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += h
        below[index] -= h
        dx[index] = np.sum((f(above) - f(below)) * dout) / (2 * h)
    return dx


def gradient_in_place_and_back(f, x, dout, h=1e-5):
    x = x.astype(float)
    dx = np.zeros_like(x)
    walk = np.nditer(x, flags=["multi_index"])
    while not walk.finished:
        at = walk.multi_index
        kept = x[at]
        x[at] = kept + h
        above = np.array(f(x))
        x[at] = kept - h
        below = np.array(f(x))
        x[at] = kept
        dx[at] = ((above - below) * dout).sum() / (2 * h)
        walk.iternext()
    return dx


def gradient_with_unit_vectors(f, x, dout, h=1e-5):
    steps = h * np.eye(x.size).reshape(x.size, *x.shape)
    slopes = [np.vdot((np.asarray(f(x + s)) - np.asarray(f(x - s))) / (2 * h), dout) for s in steps]
    return np.reshape(slopes, x.shape)


def gradient_of_a_loss(f, x, dout, h=1e-5):
    def loss(flat):
        return np.sum(f(flat.reshape(x.shape)) * dout)

    flat = x.ravel().astype(np.float64)
    slopes = np.empty(flat.size)
    for k in range(flat.size):
        step = np.zeros(flat.size)
        step[k] = h
        slopes[k] = (loss(flat + step) - loss(flat - step)) / 2 / h
    return slopes.reshape(x.shape)


def gradient_by_the_true_distance(f, x, dout, h=1e-5):
    x = np.asarray(x, dtype=np.float64)
    dx = np.empty(x.shape)
    for index, value in np.ndenumerate(x):
        above, below = np.array(x), np.array(x)
        above[index], below[index] = value + h, value - h
        rise = np.tensordot(f(above) - f(below), dout, axes=np.ndim(dout))
        dx[index] = rise / (above[index] - below[index])
    return dx


def gradient_with_four_points(f, x, dout, h=1e-5):
    def slope(step):
        return np.sum((8 * (f(x + step) - f(x - step)) - f(x + 2 * step) + f(x - 2 * step)) * dout) / 12 / h

    dx = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        dx[index] = slope(step)
    return dx


def scores_plainly(network, x):
    hidden = x @ network["W1"]
    x_hat = (hidden - network["running_mean"]) / np.sqrt(network["running_var"] + 1e-5)
    y = network["gamma"] * x_hat + network["beta"]
    return np.maximum(y, 0) @ network["W2"] + network["b2"]


def scores_folded(network, x):
    slope = network["gamma"] * (network["running_var"] + 1e-5) ** -0.5
    y = x @ (network["W1"] * slope) + (network["beta"] - slope * network["running_mean"])
    return np.where(y > 0, y, 0).dot(network["W2"]) + network["b2"]


def scores_one_by_one(network, x):
    return np.stack([scores_plainly(network, example[None])[0] for example in x])


def scores_with_einsum(network, x):
    h = np.einsum("nd,dh->nh", x, network["W1"]) - network["running_mean"]
    y = h / np.sqrt(network["running_var"] + 1e-5) * network["gamma"] + network["beta"]
    return np.einsum("nh,hk->nk", y * (y > 0), network["W2"]) + network["b2"][None]


def scores_in_place(network, x):
    W1, gamma, beta, W2, b2, mean, var = network.values()
    y = np.matmul(x, W1)
    y -= mean
    y /= np.sqrt(var + 1e-5)
    y *= gamma
    y += beta
    y[y < 0] = 0
    out = y @ W2
    out += b2
    return out


def _batch_norm(h, gamma, beta, eps=1e-5):
    mean, var = h.mean(0), h.var(0)
    x_hat = (h - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, x_hat, mean, var


def gradients_plainly(network, x, labels):
    m = len(x)
    y, x_hat, mean, var = _batch_norm(x @ network["W1"], network["gamma"], network["beta"])
    hidden = np.maximum(y, 0)
    logits = hidden @ network["W2"] + network["b2"]
    shifted = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(shifted)
    p = p / p.sum(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_p[np.arange(m), labels].mean()
    dlogits = p.copy()
    dlogits[np.arange(m), labels] -= 1
    dlogits /= m
    dy = dlogits @ network["W2"].T * (y > 0)
    dx, dgamma, dbeta = closed_with_means(dy, x_hat, network["gamma"], var)
    gradients = {"W1": x.T @ dx, "gamma": dgamma, "beta": dbeta}
    gradients |= {"W2": hidden.T @ dlogits, "b2": dlogits.sum(axis=0)}
    return loss, gradients, mean, var


def gradients_with_one_hot(network, x, labels):
    y, x_hat, mean, var = _batch_norm(x @ network["W1"], network["gamma"], network["beta"])
    relu = y * (y > 0)
    logits = relu @ network["W2"] + network["b2"]
    top = logits.max(1)
    log_sum = top + np.log(np.sum(np.exp(logits - top[:, None]), 1))
    one_hot = np.eye(logits.shape[1])[labels]
    loss = np.mean(log_sum - np.sum(one_hot * logits, 1))
    g = (np.exp(logits - log_sum[:, None]) - one_hot) / len(x)
    back = g.dot(network["W2"].T)
    back[y <= 0] = 0
    dx, dgamma, dbeta = closed_path_by_path(back, x_hat, network["gamma"], var)
    return (
        loss,
        dict(W2=relu.T.dot(g), b2=np.ones(len(x)) @ g, beta=dbeta, gamma=dgamma, W1=np.dot(x.T, dx)),
        mean,
        var,
    )


def gradients_by_the_paper(network, x, labels):
    h = x @ network["W1"]
    y, _, mean, var = _batch_norm(h, network["gamma"], network["beta"])
    relu = np.clip(y, 0, None)
    logits = relu @ network["W2"] + network["b2"]
    z = np.exp(logits - logits.max(1)[:, None])
    p = z / z.sum(1)[:, None]
    log_p = logits - logits.max(1)[:, None] - np.log(z.sum(1))[:, None]
    loss = -sum(log_p[n, label] for n, label in enumerate(labels)) / len(labels)
    for n, label in enumerate(labels):
        p[n, label] -= 1
    dy = np.where(y > 0, (p / len(x)) @ network["W2"].T, 0)
    dgamma, dbeta, *_, dx = staged_by_the_paper(dy, h, network["gamma"], mean, var)
    return (
        loss,
        {"W1": x.T @ dx, "W2": relu.T @ p / len(x), "b2": p.mean(0), "gamma": dgamma, "beta": dbeta},
        mean,
        var,
    )


def gradients_in_float64(network, x, labels):
    network = {name: value.astype(np.float64) for name, value in network.items()}
    return gradients_with_one_hot(network, x.astype(np.float64), labels)


def gradients_with_torch(network, x, labels):
    import torch

    leaves = {k: torch.tensor(v, requires_grad=not k.startswith("running")) for k, v in network.items()}
    h = torch.tensor(x) @ leaves["W1"]
    var, mean = torch.var_mean(h, 0, correction=0)
    y = leaves["gamma"] * (h - mean) / torch.sqrt(var + 1e-5) + leaves["beta"]
    logits = torch.relu(y) @ leaves["W2"] + leaves["b2"]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    loss.backward()
    gradients = {k: leaves[k].grad.numpy() for k in ("W1", "gamma", "beta", "W2", "b2")}
    return loss.detach().numpy(), gradients, mean.detach().numpy(), var.detach().numpy()


def update_plainly(network, gradients, mean, var, m, learning_rate, momentum=0.1):
    new = {name: network[name] - learning_rate * gradient for name, gradient in gradients.items()}
    new["running_mean"] = (1 - momentum) * network["running_mean"] + momentum * mean
    new["running_var"] = (1 - momentum) * network["running_var"] + momentum * var * m / (m - 1)
    return new


def update_on_a_copy(network, gradients, mean, var, m, learning_rate, momentum=0.1):
    new = {name: value.copy() for name, value in network.items()}
    for name in gradients:
        new[name] -= learning_rate * gradients[name]
    new["running_mean"] += momentum * (mean - new["running_mean"])
    new["running_var"] += momentum * (var / (1 - 1 / m) - new["running_var"])
    return new


def _running_as_a_step(running_mean, running_var, mean, var, m, momentum):
    new_mean = running_mean - momentum * (running_mean - mean)
    return new_mean, running_var + momentum * (m * var / (m - 1) - running_var)


def update_name_by_name(network, gradients, mean, var, m, learning_rate, momentum=0.1):
    running_mean, running_var = _running_as_a_step(
        network["running_mean"], network["running_var"], mean, var, m, momentum
    )
    return {
        "running_mean": running_mean,
        "running_var": running_var,
        "W1": network["W1"] - learning_rate * gradients["W1"],
        "W2": network["W2"] - learning_rate * gradients["W2"],
        "b2": network["b2"] - learning_rate * gradients["b2"],
        "gamma": network["gamma"] - learning_rate * gradients["gamma"],
        "beta": network["beta"] - learning_rate * gradients["beta"],
    }


def update_with_averages(network, gradients, mean, var, m, learning_rate, momentum=0.1):
    def mixed(old, new):
        return np.average([old, new], axis=0, weights=[1 - momentum, momentum])

    moved = {k: np.add(network[k], np.multiply(-learning_rate, g)) for k, g in gradients.items()}
    unbiased = var + var / (m - 1)
    averages = {"running_mean": mixed(network["running_mean"], mean)}
    return moved | averages | {"running_var": mixed(network["running_var"], unbiased)}


def update_in_the_same_dictionary(network, gradients, mean, var, m, learning_rate, momentum=0.1):
    for name, gradient in gradients.items():
        network[name] = network[name] - gradient * learning_rate
    for name, new in (("running_mean", mean), ("running_var", m * var / (m - 1))):
        network[name] = network[name] * (1 - momentum) + new * momentum
    return network


def _fresh_network(rng, hidden=64, weight=None):
    return {
        "W1": rng.standard_normal((64, hidden)) * (weight or 1 / 8),
        "gamma": np.ones(hidden),
        "beta": np.zeros(hidden),
        "W2": rng.standard_normal((hidden, 10)) / np.sqrt(hidden),
        "b2": np.zeros(10),
        "running_mean": np.zeros(hidden),
        "running_var": np.ones(hidden),
    }


def train_by_epochs(x, labels, seed=0):
    rng = np.random.default_rng(seed)
    network = _fresh_network(rng)
    for _ in range(12):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - 1, 64):
            rows = order[start : start + 64]
            _, gradients, mean, var = gradients_plainly(network, x[rows], labels[rows])
            network = update_plainly(network, gradients, mean, var, len(rows), 0.5)
    return network


def train_on_random_batches(x, labels, seed=0):
    rng = np.random.default_rng(seed)
    network = _fresh_network(rng, hidden=100, weight=0.05)
    for _ in range(500):
        rows = rng.integers(len(x), size=50)
        _, gradients, mean, var = gradients_with_one_hot(network, x[rows], labels[rows])
        network = update_on_a_copy(network, gradients, mean, var, 50, 0.3)
    return network


def train_with_decay(x, labels, seed=0):
    generator = np.random.RandomState(seed)
    network = _fresh_network(generator, hidden=50)
    for epoch in range(15):
        batches = np.array_split(generator.permutation(len(x)), 40)
        for rows in batches:
            _, gradients, mean, var = gradients_plainly(network, x[rows], labels[rows])
            rate = 1.0 / (1 + epoch)
            network = update_with_averages(network, gradients, mean, var, len(rows), rate, 0.2)
    return network


def train_with_heavy_ball(x, labels, seed=0):
    rng = np.random.default_rng(seed)
    network = _fresh_network(rng)
    speed = {name: 0.0 for name in ("W1", "gamma", "beta", "W2", "b2")}
    for _ in range(10):
        order = rng.permutation(len(x))
        for rows in np.split(order, range(100, len(x) - 20, 100)):
            _, gradients, mean, var = gradients_with_one_hot(network, x[rows], labels[rows])
            for name in speed:
                speed[name] = 0.9 * speed[name] - 0.1 * gradients[name]
                network[name] = network[name] + speed[name]
            network["running_mean"] = 0.9 * network["running_mean"] + 0.1 * mean
            network["running_var"] = 0.9 * network["running_var"] + 0.1 * var
    return network


def train_and_measure_at_the_end(x, labels, seed=0):
    network = train_in_one_array(x, labels, seed)
    hidden = x @ network["W1"]
    return network | {"running_mean": hidden.mean(0), "running_var": hidden.var(0, ddof=1)}


def train_in_one_array(x, labels, seed=0):
    rng = np.random.default_rng(seed)
    network = _fresh_network(rng, hidden=32)
    shuffled = rng.permutation(len(x))
    x, labels = x[shuffled].copy(), labels[shuffled].copy()
    for step in range(600):
        at = step * 32 % (len(x) - 32)
        batch = slice(at, at + 32)
        _, gradients, mean, var = gradients_with_one_hot(network, x[batch], labels[batch])
        network = update_in_the_same_dictionary(network, gradients, mean, var, 32, 0.2)
    return network


RIGHT_ANSWERS = {
    "scale_shift_backward": (
        scale_shift_plainly,
        scale_shift_with_loops,
        scale_shift_with_einsum,
        scale_shift_with_matrices,
        scale_shift_in_place_on_copies,
        scale_shift_by_means,
        scale_shift_with_torch,
    ),
    "divide_backward": (
        divide_plainly,
        divide_by_the_reciprocal,
        divide_with_x_hat,
        divide_with_loops,
        divide_with_einsum,
        divide_in_float64,
    ),
    "variance_backward": (
        variance_plainly,
        variance_with_ones,
        variance_with_powers,
        variance_with_broadcast_view,
        variance_with_loops,
        variance_straight_to_centered,
    ),
    "center_backward": (
        center_plainly,
        center_by_the_mean,
        center_with_matrix,
        center_with_loops,
        center_with_einsum,
        center_in_place_on_a_copy,
    ),
    "batchnorm_backward_staged": (
        staged_by_the_paper,
        staged_by_the_graph,
        staged_feature_by_feature,
        staged_with_dx_in_closed_form,
        staged_with_einsum,
    ),
    "batchnorm_backward": (
        closed_with_means,
        closed_over_m,
        closed_path_by_path,
        closed_with_projection,
        closed_with_matrix,
    ),
    "project_out": (
        project_plainly,
        project_one_after_the_other,
        project_with_least_squares,
        project_on_unit_vectors,
        project_with_nan_to_num,
    ),
    "batchnorm2d_backward": (
        images_plainly,
        images_as_a_matrix,
        images_with_einsum,
        images_channel_by_channel,
        images_with_keepdims,
        images_with_channels_last,
    ),
    "numerical_gradient": (
        gradient_with_ndindex,
        gradient_in_place_and_back,
        gradient_with_unit_vectors,
        gradient_of_a_loss,
        gradient_by_the_true_distance,
        gradient_with_four_points,
    ),
    "network_scores": (
        scores_plainly,
        scores_folded,
        scores_one_by_one,
        scores_with_einsum,
        scores_in_place,
    ),
    "network_gradients": (
        gradients_plainly,
        gradients_with_one_hot,
        gradients_by_the_paper,
        gradients_in_float64,
        gradients_with_torch,
    ),
    "update_network": (
        update_plainly,
        update_on_a_copy,
        update_name_by_name,
        update_with_averages,
        update_in_the_same_dictionary,
    ),
    "train_network": (
        train_by_epochs,
        train_on_random_batches,
        train_with_decay,
        train_with_heavy_ball,
        train_in_one_array,
        train_and_measure_at_the_end,
    ),
}

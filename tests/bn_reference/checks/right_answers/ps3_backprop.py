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
    return (
        unit @ dout / np.sqrt(m),
        np.divide(share, length, out=np.zeros_like(share), where=length > 0),
        rest,
    )


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
}

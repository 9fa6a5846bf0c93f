"""Right answers to the parts of `ps1_whitening` that walk downhill."""

import numpy as np


def descend_with_a_list(h, w, rate, steps):
    losses = [0.5 * w @ h @ w]
    for _ in range(steps):
        w = w - rate * (h @ w)
        losses.append(0.5 * w @ h @ w)
    return w, np.array(losses)


def descend_into_an_array(h, w, rate, steps):
    losses = np.zeros(steps + 1)
    w = np.array(w, dtype=np.float64)
    for k in range(steps + 1):
        losses[k] = np.dot(w, np.dot(h, w)) / 2
        if k < steps:
            w -= rate * np.dot(h, w)
    return w, losses


def descend_with_a_matrix_power(h, w, rate, steps):
    step = np.eye(len(w)) - rate * h
    path = [np.linalg.matrix_power(step, k) @ w for k in range(steps + 1)]
    return path[-1], [np.einsum("i,ij,j", v, h, v) / 2 for v in path]


def descend_with_symmetrised_gradient(h, w, rate, steps):
    w, losses = w.astype(float), []
    for _ in range(steps):
        gradient = (h + h.T) @ w / 2
        losses += [float(w @ gradient) / 2]
        w = w - rate * gradient
    return w, np.array([*losses, (w * (h @ w)).sum() / 2])


def descend_with_torch(h, w, rate, steps):
    import torch

    h = torch.from_numpy(np.ascontiguousarray(h)).double()
    w = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    losses = []
    for _ in range(steps + 1):
        loss = w @ h @ w / 2
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, w)
        last = w
        w = (w - rate * gradient).detach().requires_grad_()
    return last.detach(), losses


def needed_with_a_while(h, w, fraction):
    lam = np.linalg.eigvalsh(h)
    rate, steps, start = 1 / lam[-1], 0, 0.5 * w @ h @ w
    while 0.5 * w @ h @ w > fraction * start:
        w = w - rate * (h @ w)
        steps += 1
    return lam[-1] / lam[0], rate, steps


def needed_with_cond(h, w, fraction):
    rate = 1 / np.linalg.norm(h, 2)
    losses = descend_with_a_list(h, w, rate, 2_000)[1]
    return np.linalg.cond(h), rate, np.argmax(losses <= fraction * losses[0])


def needed_with_a_for(h, w, fraction):
    lam = np.linalg.eigh(h)[0]
    goal, rate = fraction * (w @ h @ w), 1 / max(lam)
    for steps in range(10_000):
        if w @ h @ w <= goal:
            return max(lam) / min(lam), rate, steps
        w = w - rate * h @ w


def needed_along_the_axes(h, w, fraction):
    lam, u = np.linalg.eigh(h)
    c, rate, steps = u.T @ w, 1.0 / lam.max(), 0
    energy = lam * c**2
    total = energy.sum()
    while energy.sum() / total > fraction:
        energy = energy * (1 - rate * lam) ** 2
        steps += 1
    return lam.max() / lam.min(), rate, np.array(steps)


def needed_with_svd(h, w, fraction):
    s = np.linalg.svd(h, compute_uv=False)
    losses = [w @ h @ w]
    while losses[-1] > fraction * losses[0]:
        w = w - h @ w / s[0]
        losses.append(w @ h @ w)
    return s[0] / s[-1], 1 / s[0], float(len(losses) - 1)


def bias_with_lists(u, t, b, rate, steps):
    biases, losses = [], []
    for _ in range(steps + 1):
        x_hat = (u + b) - np.mean(u + b)
        biases.append(b)
        losses.append(np.mean((x_hat - t) ** 2))
        b = b - rate * np.mean(2 * (x_hat - t))
    return np.array(biases), np.array(losses)


def bias_into_arrays(u, t, b, rate, steps):
    biases, losses = np.zeros(steps + 1), np.zeros(steps + 1)
    biases[0] = b
    for k in range(steps + 1):
        x = u + biases[k]
        off = x - x.mean() - t
        losses[k] = (off**2).mean()
        if k < steps:
            biases[k + 1] = biases[k] - 2 * rate * off.mean()
    return biases, losses


def bias_in_float64(u, t, b, rate, steps):
    biases, losses = bias_with_lists(u.astype(float), t.astype(float), b, rate, steps)
    return biases.tolist(), losses.tolist()


def bias_with_dot_products(u, t, b, rate, steps):
    n = len(u)
    biases, losses = [b], []
    while True:
        off = u + biases[-1] - (u + biases[-1]) @ np.ones(n) / n - t
        losses.append(off @ off / n)
        if len(losses) > steps:
            return np.array(biases), np.array(losses)
        biases.append(biases[-1] - rate * sum(2 * value / n for value in off))


def bias_with_torch(u, t, b, rate, steps):
    import torch

    u, t = torch.from_numpy(u).double(), torch.from_numpy(t).double()
    b = torch.tensor(b, dtype=torch.float64, requires_grad=True)
    biases, losses = [], []
    for _ in range(steps + 1):
        x = u + b
        loss = ((x - x.mean().detach() - t) ** 2).mean()
        biases.append(b.item())
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, b)
        b = (b - rate * gradient).detach().requires_grad_()
    return biases, losses


def bias_by_the_formula(u, t, b, rate, steps):
    biases = b + 2 * rate * np.mean(t) * np.arange(steps + 1)
    return biases, [np.mean((u - u.mean() - t) ** 2)] * (steps + 1)


def closed_by_the_formula(u, t, b, rate, steps):
    return b + 2 * rate * steps * t.mean(), np.mean((u - u.mean() - t) ** 2), 0


def closed_with_moments(u, t, b, rate, steps):
    centered, t = u - u.mean(), np.asarray(t, float)
    loss = centered.var() + t.var() + t.mean() ** 2 - 2 * np.mean(centered * t)
    return b - steps * rate * (-2 * t.sum() / len(t)), loss, 0.0


def closed_with_the_chain_rule(u, t, b, rate, steps):
    x_hat = (u + b) - np.mean(u + b)
    off = 2 * (x_hat - t) / len(u)
    gradient = np.sum(off * (1 - np.ones(len(u)).mean()))
    return b - rate * steps * off.sum(), np.mean((x_hat - t) ** 2), gradient


def closed_by_running_it(u, t, b, rate, steps):
    biases, losses = bias_with_lists(u, t, b, rate, steps)
    return biases[-1], losses[-1], 0.0


def closed_in_arrays(u, t, b, rate, steps):
    u, t = np.float64(u), np.float64(t)
    off = u - np.average(u) - t
    slope = off.mean() - off.mean()
    return np.array(b + 2 * rate * np.average(t) * steps), np.dot(off, off) / u.size, slope


RIGHT_ANSWERS = {
    "descend": (
        descend_with_a_list,
        descend_into_an_array,
        descend_with_a_matrix_power,
        descend_with_symmetrised_gradient,
        descend_with_torch,
    ),
    "steps_needed": (
        needed_with_a_while,
        needed_with_cond,
        needed_with_a_for,
        needed_along_the_axes,
        needed_with_svd,
    ),
    "train_bias": (
        bias_with_lists,
        bias_into_arrays,
        bias_in_float64,
        bias_with_dot_products,
        bias_with_torch,
        bias_by_the_formula,
    ),
    "bias_in_closed_form": (
        closed_by_the_formula,
        closed_with_moments,
        closed_with_the_chain_rule,
        closed_by_running_it,
        closed_in_arrays,
    ),
}

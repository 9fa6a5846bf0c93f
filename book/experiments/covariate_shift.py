"""Does internal covariate shift explain what Batch Normalization does? The measurements of that chapter.

Run as ``python book/experiments/covariate_shift.py``; it writes ``covariate_shift.json`` beside itself.
"""

import copy
import json
import platform
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from bn_reference.torch import BatchNorm1d

KINDS = ("plain", "BN", "noisy BN", "noisier BN")
NOISE = {"noisy BN": 0.5, "noisier BN": 1.0}
"""How strong the disturbance is."""
DEPTH, WIDTH, BATCH = 8, 64, 64
SEEDS = range(5)
RATES = tuple(10.0**power for power in np.arange(-2.5, 1.1, 0.5))
WATCHED = (10**-2.0, 10**-1.5)
"""The learning rates at which the measures along the way are taken: one small, one near plain's limit."""
STEPS = 200


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """scikit-learn's handwritten digits: pixels in [0, 1], shape (1797, 64), and labels."""
    data = load_digits()
    return torch.tensor(data.data / 16, dtype=torch.float32), torch.tensor(data.target)


class Noise(nn.Module):
    """Scale and shift each unit by random amounts, new at every step."""

    def __init__(self, width: int, amount: float, generator: torch.Generator):
        super().__init__()
        self.width, self.amount, self.generator = width, amount, generator
        self.redraw()

    def redraw(self) -> None:
        """Draw the amounts for the next step."""
        unit = torch.rand(2, self.width, generator=self.generator)
        self.shift = self.amount * (2 * unit[0] - 1)
        self.scale = (1 - self.amount / 2) + self.amount * unit[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale and shift `x`, shape (N, width)."""
        return self.scale * x + self.shift


def hidden_layer(kind: str, inputs: int, generator: torch.Generator) -> nn.Sequential:
    """A linear layer, whatever `kind` adds, and a ReLU."""
    linear = nn.Linear(inputs, WIDTH)
    nn.init.kaiming_normal_(linear.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(linear.bias)
    layers = [linear]
    if kind != "plain":
        layers.append(BatchNorm1d(WIDTH, track_running_stats=False))
    if kind in NOISE:
        layers.append(Noise(WIDTH, NOISE[kind], generator))
    return nn.Sequential(*layers, nn.ReLU())


def network(kind: str, seed: int, depth: int = DEPTH) -> nn.Sequential:
    """`depth` hidden layers and a linear one; the same weights for every kind, if not the same noise."""
    layers = []
    for index in range(depth):
        generator = torch.Generator().manual_seed(1000 * seed + index)
        layers.append(hidden_layer(kind, 64 if index == 0 else WIDTH, generator))
    generator = torch.Generator().manual_seed(1000 * seed + depth)
    last = nn.Linear(WIDTH, 10)
    nn.init.kaiming_normal_(last.weight, nonlinearity="linear", generator=generator)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, nn.Sequential(last))


def loss_of(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of a batch."""
    return nn.functional.cross_entropy(model(x), y)


def gradients(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
    """The gradient of the loss with respect to each parameter."""
    return list(torch.autograd.grad(loss_of(model, x, y), list(model.parameters())))


@torch.no_grad()
def move(model: nn.Module, direction: list[torch.Tensor], rate: float) -> nn.Module:
    """A copy of `model` after a step of `rate` against `direction`."""
    moved = copy.deepcopy(model)
    for parameter, change in zip(moved.parameters(), direction, strict=True):
        parameter -= rate * change
    return moved


def training(kind: str, seed: int, rate: float, steps: int) -> Iterator[tuple]:
    """Train by plain SGD; at each step hand out the network before it and after it, and the batch."""
    x, y = digits()
    model = network(kind, seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = torch.from_numpy(rng.choice(len(x), BATCH, replace=False))
        batch = x[chosen], y[chosen]
        after = move(model, gradients(model, *batch), rate)
        for noise in (module for module in after.modules() if isinstance(module, Noise)):
            # The copy has its own generator, in the state in which the old one was.
            noise.redraw()
        yield model, after, batch
        model = after


@torch.no_grad()
def final_loss(model: nn.Module) -> float:
    """The loss on all digits at once; what is no number counts as infinite."""
    loss = float(loss_of(model, *digits()))
    return loss if np.isfinite(loss) else np.inf


@torch.no_grad()
def distribution_shift(before: nn.Sequential, after: nn.Sequential, x: torch.Tensor) -> float:
    """How far one step moves the input of each hidden ReLU, in standard deviations, averaged over units.

    For two normal distributions the root of the squared changes of mean and standard deviation is
    their 2-Wasserstein distance.
    """
    shifts = []
    old, new = x, x
    for layer_before, layer_after in zip(before[:-1], after[:-1], strict=True):
        old, new = layer_before[:-1](old), layer_after[:-1](new)
        change = (new.mean(0) - old.mean(0)) ** 2 + (new.std(0) - old.std(0)) ** 2
        shifts.append((change.sqrt() / (old.std(0) + 1e-8)).mean())
        old, new = old.relu(), new.relu()
    return float(torch.stack(shifts).mean())


def gradient_shift(before, after, x, y) -> tuple[float, float]:
    """How a layer's gradient changes once the layers below have moved.

    Returns the size of the change relative to the gradient, and the cosine
    of the angle between the two (Santurkar et al. 2018, Definition 2.1),
    both averaged over the layers that have a layer below.
    """
    sizes, cosines = [], []
    for index in range(1, len(before)):
        weight = before[index][0].weight
        mixed = nn.Sequential(*after[:index], *before[index:])
        (old,) = torch.autograd.grad(loss_of(before, x, y), weight)
        (new,) = torch.autograd.grad(loss_of(mixed, x, y), weight)
        old, new = old.flatten(), new.flatten()
        sizes.append((new - old).norm() / old.norm())
        cosines.append(torch.cosine_similarity(old, new, dim=0))
    size, cosine = torch.stack(sizes).mean(), torch.stack(cosines).mean()
    return float(size), float(cosine)


def length(parts) -> torch.Tensor:
    """The norm of several tensors taken as one vector."""
    return torch.cat([part.flatten() for part in parts]).norm()


def landscape(model, x, y, rate: float) -> dict[str, float]:
    """The loss and its gradient along the gradient, up to four steps."""
    start = gradients(model, x, y)
    size = length(start)
    losses, changes, smoothness = [], [], []
    for scale in np.linspace(0.5, 4, 8):
        moved = move(model, start, scale * rate)
        losses.append(float(loss_of(moved, x, y).detach()))
        pairs = zip(gradients(moved, x, y), start, strict=True)
        change = length(new - old for new, old in pairs)
        changes.append(float(change / size))
        smoothness.append(float(change / (scale * rate * size)))
    here = float(loss_of(model, x, y).detach())
    return {
        "lowest loss": min(losses) / here,
        "highest loss": max(losses) / here,
        "gradient change": max(changes),
        "beta": max(smoothness),
    }


def along_training(kind: str, seed: int, rate: float, steps: int = STEPS, every: int = 10) -> dict:
    """Loss, both kinds of shift and the landscape, at every tenth step of a training."""
    names = ("step", "loss", "distribution shift", "gradient shift", "cosine")
    record = {name: [] for name in names}
    for step, (before, after, batch) in enumerate(training(kind, seed, rate, steps)):
        if step % every:
            continue
        size, cosine = gradient_shift(before, after, *batch)
        shift = distribution_shift(before, after, batch[0])
        values = (step, float(loss_of(before, *batch).detach()), shift, size, cosine)
        for name, value in zip(names, values, strict=True):
            record[name].append(value)
        for name, value in landscape(before, *batch, rate).items():
            record.setdefault(name, []).append(value)
    return record


def loss_after(kind: str, seed: int, rate: float, steps: int = STEPS) -> float:
    """The loss on all digits after training."""
    for _, after, _ in training(kind, seed, rate, steps):
        model = after
    return final_loss(model)


@torch.no_grad()
def spread_by_layer(model: nn.Sequential, x: torch.Tensor) -> list[float]:
    """Root mean square of what enters each hidden ReLU, and of the network's output."""
    spread = []
    for layer in model[:-1]:
        x = layer[:-1](x)
        spread.append(float(x.square().mean().sqrt()))
        x = layer[-1](x)
    return [*spread, float(model[-1](x).square().mean().sqrt())]


def after_a_large_step(kind: str, seed: int, rate: float) -> dict[str, list[float]]:
    """`spread_by_layer` before and after the first step of training, at `rate`."""
    before, after, (x, _) = next(training(kind, seed, rate, 1))
    return {"before": spread_by_layer(before, x), "after": spread_by_layer(after, x)}


def gradient_by_depth(kind: str, seed: int, depth: int) -> float:
    """Norm of the first layer's gradient over that of the last hidden layer, before any training."""
    x, y = digits()
    model = network(kind, seed, depth)
    loss = loss_of(model, x[:256], y[:256])
    first, last = torch.autograd.grad(loss, [model[0][0].weight, model[-2][0].weight])
    return float(first.norm() / last.norm())


def main() -> None:
    """Take every measure and write the file."""
    torch.set_num_threads(1)
    about = {
        "date": date.today().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, one thread",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }
    results = {"about": about, "seeds": list(SEEDS), "rates": RATES, "watched": WATCHED}
    results |= {"along": {}, "sweep": {}}
    for kind in KINDS:
        results["along"][kind] = [[along_training(kind, seed, rate) for seed in SEEDS] for rate in WATCHED]
        # JSON knows no infinity.
        results["sweep"][kind] = [
            [loss if np.isfinite(loss := loss_after(kind, seed, rate)) else None for seed in SEEDS]
            for rate in RATES
        ]
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

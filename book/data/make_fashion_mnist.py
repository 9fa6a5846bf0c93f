"""Make `fashion_mnist.npz`, a balanced subset of Fashion-MNIST, from the four original files.

    python book/data/make_fashion_mnist.py FOLDER

FOLDER holds `train-images-idx3-ubyte.gz` and the three others, as Zalando Research or Debian's
package `dataset-fashion-mnist` gives them. The choice is by a fixed seed: the same files in,
the same arrays out.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

PER_CLASS = {"train": 600, "test": 200}
FILES = {"train": "train", "test": "t10k"}
SEED = 0


def read_idx(path: Path) -> np.ndarray:
    """The array of bytes in an idx file: a magic number, the lengths of the axes, the values."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path} does not start as an idx file of bytes: {raw[:4]!r}")
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", count=axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def choose(labels: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Places of `per_class` examples of each class, in random order."""
    classes = np.unique(labels)
    chosen = [rng.choice(np.flatnonzero(labels == k), per_class, replace=False) for k in classes]
    return rng.permutation(np.concatenate(chosen))


def subset(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of the subset, images as rows of pixels."""
    arrays = {}
    rng = np.random.default_rng(SEED)
    for part, prefix in FILES.items():
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
        places = choose(labels, PER_CLASS[part], rng)
        arrays[f"x_{part}"] = images[places].reshape(len(places), -1)
        arrays[f"y_{part}"] = labels[places]
    return arrays


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(__file__).with_name("fashion_mnist.npz")
    np.savez_compressed(target, **subset(Path(sys.argv[1])))

"""The images that the chapters learn from; where they come from is in `data/README.md`."""

from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_openml, load_digits
from sklearn.model_selection import train_test_split

FASHION_CLASSES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""What the labels 0 to 9 of Fashion-MNIST mean."""

OPENML = {"fashion": "Fashion-MNIST", "mnist": "mnist_784"}
"""The names of the full sets at OpenML, whose first 60,000 images are the training set."""

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def digits() -> Split:
    """Handwritten digits of 8 × 8 pixels, which scikit-learn carries.

    Returns
    -------
    x_train : ndarray, shape (1347, 64), float32
        Grey values in [0, 1].
    y_train : ndarray, shape (1347,), int64
        Digits, 0 to 9.
    x_test : ndarray, shape (450, 64), float32
    y_test : ndarray, shape (450,), int64

    Notes
    -----
    The split is always the same, with the classes in proportion in both parts.

    Examples
    --------
    >>> x_train, y_train, x_test, y_test = digits()
    >>> x_train.shape, x_test.shape
    ((1347, 64), (450, 64))
    """
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=450, stratify=y, random_state=0)
    return _prepared(x_train, y_train, x_test, y_test, white=16)


def fashion() -> Split:
    """6,000 training and 2,000 test images of Fashion-MNIST, committed beside the book.

    Returns
    -------
    x_train : ndarray, shape (6000, 784), float32
        Grey values in [0, 1], the 28 × 28 pixels of an image in one row.
    y_train : ndarray, shape (6000,), int64
        Classes, 0 to 9, 600 images of each; `FASHION_CLASSES` names them.
    x_test : ndarray, shape (2000, 784), float32
    y_test : ndarray, shape (2000,), int64
        200 images of each class.

    Notes
    -----
    Xiao, Rasul & Vollgraf 2017. The test images come from the test set.

    Examples
    --------
    >>> x_train, y_train, x_test, y_test = fashion()
    >>> x_train.shape, FASHION_CLASSES[y_train[0]]
    ((6000, 784), 'T-shirt')
    """
    with np.load(Path(__file__).parent / "data" / "fashion_mnist.npz") as stored:
        parts = [stored[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    return _prepared(*parts, white=255)


def full(name: str) -> Split:
    """All of Fashion-MNIST or MNIST: 60,000 training and 10,000 test images, by network.

    Parameters
    ----------
    name : {"fashion", "mnist"}

    Returns
    -------
    x_train : ndarray, shape (60000, 784), float32
        Grey values in [0, 1].
    y_train : ndarray, shape (60000,), int64
    x_test : ndarray, shape (10000, 784), float32
    y_test : ndarray, shape (10000,), int64

    Raises
    ------
    ValueError
        If there is no such set.
    ConnectionError
        If OpenML cannot be reached.

    Notes
    -----
    scikit-learn keeps what it has fetched, in the folder that
    `sklearn.datasets.get_data_home` names, and needs the network only once.
    """
    if name not in OPENML:
        raise ValueError(f"name is {name!r}, expected one of {', '.join(OPENML)}")
    try:
        x, y = fetch_openml(OPENML[name], version=1, as_frame=False, parser="liac-arff", return_X_y=True)
    except OSError as problem:
        raise ConnectionError(
            f"{OPENML[name]} could not be fetched from openml.org ({problem}). "
            "Connect to the network and try again, or use fashion() or digits(), which need none."
        ) from problem
    return _prepared(x[:60_000], y[:60_000], x[60_000:], y[60_000:], white=255)


def _prepared(x_train, y_train, x_test, y_test, white: int) -> Split:
    """Grey values divided by that of white, and the types that torch wants."""
    x_train, x_test = ((x / white).astype(np.float32) for x in (x_train, x_test))
    return x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64)

"""How the checks use the network functions that a learner wrote, which pass dictionaries of arrays."""

from collections.abc import Callable, Mapping

LEARNED = ("W1", "gamma", "beta", "W2", "b2")
KEPT = ("running_mean", "running_var")

Values = Mapping[str, object]


def network_of(inputs: Values) -> dict[str, object]:
    """The dictionary that learners work with."""
    return {name: inputs[name] for name in (*LEARNED, *KEPT)}


def entries(returned: object, names: tuple[str, ...], what: str) -> tuple:
    """The arrays of a dictionary that a learner returned, in order.

    Raises
    ------
    TypeError, ValueError
        If it is no dictionary, or lacks some of them.
    """
    if not isinstance(returned, dict):
        raise TypeError(f"{what} is of type {type(returned).__name__}, expected a dictionary")
    missing = [name for name in names if name not in returned]
    if missing:
        raise ValueError(f"{what} lacks {', '.join(missing)}; expected the keys {', '.join(names)}")
    return tuple(returned[name] for name in names)


def call_scores(answer: Callable, inputs: Values) -> object:
    """The scores."""
    return answer(network_of(inputs), inputs["x"])


def call_gradients(answer: Callable, inputs: Values) -> object:
    """The loss, the gradients one by one, and the statistics of the batch."""
    returned = answer(network_of(inputs), inputs["x"], inputs["labels"])
    if not isinstance(returned, tuple | list) or len(returned) != 4:
        return returned
    loss, gradients, mean, var = returned
    return (loss, *entries(gradients, LEARNED, "the dictionary of gradients"), mean, var)


def call_update(answer: Callable, inputs: Values) -> object:
    """The entries of the new network."""
    gradients = {name: inputs["d" + name] for name in LEARNED}
    rest = (inputs[name] for name in ("mean", "var", "m", "learning_rate", "momentum"))
    new = answer(network_of(inputs), gradients, *rest)
    return None if new is None else entries(new, (*LEARNED, *KEPT), "the new network")


def call_training(answer: Callable, inputs: Values) -> object:
    """The entries of the trained network."""
    returned = answer(inputs["x"], inputs["labels"], inputs["seed"])
    return None if returned is None else entries(returned, (*LEARNED, *KEPT), "the network")

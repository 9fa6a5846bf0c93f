"""Spec of ``update_network``: one step of gradient descent, and the running statistics."""

import numpy as np

from bn_reference.batchnorm import update_running_statistics
from bn_reference.checks.ps3_backprop.calls import KEPT, LEARNED, call_update, network_of
from bn_reference.checks.ps3_backprop.network import small_networks
from bn_reference.checks.spec import Case, Mistake, Node, Part, Spec


def _cases(rng):
    cases = []
    rates = [("typical", 0.1, 0.1), ("typical", 0.5, 0.2), ("typical", 0.03, 0.3), ("edge", 0.0, 1.0)]
    networks = small_networks(rng, single=False, large=False)
    for (kind, learning_rate, momentum), case in zip(rates, [*networks, networks[0]], strict=True):
        network = network_of(case.inputs)
        inputs = dict(network)
        for name in LEARNED:
            inputs["d" + name] = rng.standard_normal(network[name].shape).astype(network[name].dtype)
        inputs["mean"] = rng.standard_normal(network["beta"].shape).astype(network["beta"].dtype)
        inputs["var"] = rng.uniform(0.5, 4, network["beta"].shape).astype(network["beta"].dtype)
        inputs |= {"m": int(rng.integers(4, 20)), "learning_rate": learning_rate, "momentum": momentum}
        what = f"learning rate {learning_rate:g}, momentum {momentum:g}, m={inputs['m']}"
        cases.append(Case(f"{case.name.split(':')[0]}, {what}", kind, inputs))
    return cases


def _step(name, times=-1.0):
    return lambda i, v: i[name] + times * i["learning_rate"] * i["d" + name]


def _running(i, weight=None, unbiased=True):
    weight = i["momentum"] if weight is None else weight
    var = i["var"] * i["m"] / (i["m"] - 1) if unbiased else i["var"]
    return (
        (1 - weight) * i["running_mean"] + weight * i["mean"],
        (1 - weight) * i["running_var"] + weight * var,
    )


def _reference(**i):
    steps = [_step(name)(i, {}) for name in LEARNED]
    return (*steps, *update_running_statistics(*(i[k] for k in (*KEPT, "mean", "var", "m", "momentum"))))


def _kept(*names):
    return {name: lambda i, v, name=name: np.array(i[name]) for name in names}


UPDATE = Spec(
    name="update_network",
    outputs=(*LEARNED, *KEPT),
    nodes={name: Node(_step(name)) for name in LEARNED}
    | {
        "running_mean": Node(lambda i, v: _running(i)[0]),
        "running_var": Node(lambda i, v: _running(i)[1]),
    },
    reference=_reference,
    cases=_cases,
    parts=(
        Part(
            "W1, W2 and b2",
            2,
            ("W1", "W2", "b2"),
            nudge="Which way does the gradient point, up or down?",
            hint="Subtract learning_rate times the gradient.",
            source="Part 7 of the problem set, the first formula",
        ),
        Part(
            "gamma and beta",
            1,
            ("gamma", "beta"),
            nudge="What does the network learn besides its weights?",
            hint="gamma and beta are learned as the weights are: subtract learning_rate times their gradients.",
            source="Ioffe & Szegedy 2015, Algorithm 1: parameters to be learned",
        ),
        Part(
            "running_mean and running_var",
            2,
            ("running_mean", "running_var"),
            nudge="Which of the seven entries have no gradient?",
            hint="(1 - momentum) of the old value, momentum of the new one; for the variance, m / (m - 1) times var.",
            source="Ioffe & Szegedy 2015, Algorithm 2, line 10",
        ),
        Part(
            "learning rate 0 and momentum 1",
            1,
            (*LEARNED, *KEPT),
            ("edge",),
            nudge="Do the two rates govern the same entries?",
            hint="With learning rate 0 no parameter moves, and with momentum 1 the running statistics are the batch's.",
            source="Part 7 of the problem set, both formulas",
        ),
    ),
    mistakes=(
        Mistake(
            "wrong_sign",
            "Your step goes up the gradient: the loss grows. Subtract learning_rate times the gradient.",
            {name: _step(name, 1.0) for name in LEARNED},
            keeps=0.25,
        ),
        Mistake(
            "learning_rate_forgotten",
            "Your step lacks the learning rate.",
            {name: lambda i, v, name=name: i[name] - i["d" + name] for name in LEARNED},
            keeps=0.25,
        ),
        Mistake(
            "gradient_averaged_again",
            "Your step divides the gradient by m. It is a mean over the batch already.",
            {
                name: lambda i, v, name=name: i[name] - i["learning_rate"] * i["d" + name] / i["m"]
                for name in LEARNED
            },
            keeps=0.5,
        ),
        Mistake(
            "gamma_and_beta_never_updated",
            "Your gamma and beta stay as they are. They are learned like the weights: subtract learning_rate times "
            "their gradients.",
            _kept("gamma", "beta"),
        ),
        Mistake(
            "gamma_never_updated",
            "Your gamma stays as it is. It is learned like the weights.",
            _kept("gamma"),
        ),
        Mistake(
            "beta_never_updated", "Your beta stays as it is. It is learned like the weights.", _kept("beta")
        ),
        Mistake("b2_never_updated", "Your b2 stays as it is. It is learned like the weights.", _kept("b2")),
        Mistake(
            "running_statistics_not_updated",
            "Your running statistics stay as they are. Inference would then normalise with what the network began with. "
            "Move them towards mean and var at each step.",
            _kept(*KEPT),
        ),
        Mistake(
            "momentum_swapped",
            "Your momentum weighs the old value. Here, as in torch, it is the weight of the new one.",
            {
                "running_mean": lambda i, v: _running(i, 1 - i["momentum"])[0],
                "running_var": lambda i, v: _running(i, 1 - i["momentum"])[1],
            },
            keeps=0.5,
        ),
        Mistake(
            "running_variance_biased",
            "Your running variance takes in the biased variance. Algorithm 2, line 10: multiply var by m / (m - 1).",
            {"running_var": lambda i, v: _running(i, unbiased=False)[1]},
            keeps=0.5,
        ),
        Mistake(
            "running_statistics_follow_learning_rate",
            "Your running statistics move at the learning rate. Their rate is momentum.",
            {
                "running_mean": lambda i, v: _running(i, i["learning_rate"])[0],
                "running_var": lambda i, v: _running(i, i["learning_rate"])[1],
            },
            keeps=0.25,
        ),
        Mistake(
            "running_statistics_replaced",
            "Your running statistics are those of the latest batch. Mix them with the old ones.",
            {
                "running_mean": lambda i, v: _running(i, 1)[0],
                "running_var": lambda i, v: _running(i, 1)[1],
            },
        ),
        Mistake(
            "running_statistics_descend",
            "Your running statistics take a gradient step, with mean and var for gradients. They are averages: "
            "(1 - momentum) * old + momentum * new.",
            {
                "running_mean": lambda i, v: i["running_mean"] - i["learning_rate"] * i["mean"],
                "running_var": lambda i, v: i["running_var"] - i["learning_rate"] * i["var"],
            },
        ),
    ),
    chapter="batchnorm_transform",
    call=call_update,
)

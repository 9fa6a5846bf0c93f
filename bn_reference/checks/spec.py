"""What a graded function must do: the data that a check consists of.

A function that learners write returns one or several arrays. A `Spec` treats each as a node
of a graph: its formula takes the inputs and the *nodes before it*. That is what makes three
things possible:

follow-through marks
    A node is compared with its formula on the learner's own earlier nodes, so that one slip
    costs its own part, not everything after it.
named mistakes
    A mistake is another formula for some of the nodes. If it reproduces what the learner
    returned, its sentence is the diagnosis.
tests of the checks
    `mistaken` builds the whole wrong function from the formulas, for the tests to try.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bn_reference.checks.calling import call_with_arguments

Values = Mapping[str, object]
Formula = Callable[[Values, Values], np.ndarray]


@dataclass(frozen=True, eq=False)
class Case:
    """One call of the learner's function.

    Attributes
    ----------
    name : str
        What is special about it, as a learner should read it.
    kind : str
        Which parts look at it: ``"typical"``, ``"edge"``, ``"offset"``.
    inputs : dict
        Keyword arguments, in the order of the signature.
    seconds : float, optional
        The longest that the call may take. None sets no limit.
    """

    name: str
    kind: str
    inputs: Values
    seconds: float | None = None


@dataclass(frozen=True)
class Node:
    """One output.

    Attributes
    ----------
    formula : callable
        ``formula(inputs, earlier_nodes)`` gives the right value.
    magnitude : callable, optional
        ``magnitude(inputs)`` gives the size of the largest summand, where the sum may cancel:
        rounding is relative to that, not to the result.
    """

    formula: Formula
    magnitude: Callable[[Values], float] | None = None


@dataclass(frozen=True)
class Part:
    """One line of the report, with its share of the points.

    Attributes
    ----------
    title : str
    weight : float
    nodes : tuple of str
        The nodes that it compares.
    kinds : tuple of str
        The kinds of case that it looks at.
    nudge, hint, source : str
        The ladder of help for the learner who fails it: where to look, then the idea, then the line
        of the paper or the chapter that says it. Where no named mistake fits, `hint` is the advice.
    waits : bool
        Whether it is no merit by itself, such as leaving the inputs alone: it counts once a part that
        does not wait has earned something.
    """

    title: str
    weight: float
    nodes: tuple[str, ...]
    kinds: tuple[str, ...] = ("typical",)
    hint: str = ""
    nudge: str = ""
    source: str = ""
    waits: bool = False


INTERFACE = Part("inputs left unchanged, outputs in the stated shapes", 1, nodes=(), waits=True)
"""The part that every spec has besides its own."""


@dataclass(frozen=True, eq=False)
class Mistake:
    """A wrong variant that people really write.

    Attributes
    ----------
    name : str
        A short identifier: what the code does wrong.
    says : str
        What a good teacher would say.
    formulas : dict of str to callable
        The nodes that come out wrong, and what comes out.
    keeps : float
        The share of a failed part's points that this mistake leaves. For functions of one
        output, where there are no earlier nodes to follow through from, it is what a teacher
        would still give.
    code : callable, optional
        In place of formulas: a whole wrong answer, called as the learner's is. For answers that are
        more than a function of arrays, such as a module with buffers.
    precision : type
        How closely it has to be reproduced: ``numpy.float32`` for mistakes that consist in rounding.
    """

    name: str
    says: str
    formulas: Mapping[str, Formula] = field(default_factory=dict)
    keeps: float = 0.0
    code: Callable | None = None
    precision: type = np.float64


@dataclass(frozen=True, eq=False)
class Spec:
    """Everything that is known about one graded function.

    Attributes
    ----------
    name : str
        The function's name.
    outputs : tuple of str
        The order in which the function returns its nodes.
    nodes : dict of str to Node
        In the order of the graph.
    reference : callable
        The function of `bn_reference` behind it: takes the inputs, returns the outputs.
    cases : callable
        ``cases(rng)`` draws the cases from a ``numpy.random.Generator``.
    parts : tuple of Part
    mistakes : tuple of Mistake
        The likelier first: where two fit, the first is named.
    chapter : str
        The page of the book that teaches it.
    call : callable
        ``call(answer, inputs)`` uses what the learner wrote and returns the outputs. By default
        the answer is a function, and the inputs are its arguments. A grader may run it in a
        sandbox: the module that it is in must need neither `bn_reference` nor a right answer.
    returned : tuple of str
        What `call` returns, if that is not the outputs but what they are measured on.
    measure : callable, optional
        ``measure(inputs, returned, seconds)`` gives the outputs: of the inputs, of the arrays that
        `call` returned by name, and of the time that it took.
    withheld : tuple of str
        Inputs that `measure` needs and the learner's code must not see.
    searchable : bool
        Whether small slips are searched for where no named mistake fits. It tries the formulas of the
        nodes thousands of times; where one takes long, the learner would wait for seconds.
    """

    name: str
    outputs: tuple[str, ...]
    nodes: Mapping[str, Node]
    reference: Callable[..., tuple[np.ndarray, ...]]
    cases: Callable[[np.random.Generator], list[Case]]
    parts: tuple[Part, ...]
    mistakes: tuple[Mistake, ...] = field(default=())
    chapter: str = "index"
    call: Callable[[Callable, Values], object] = field(default_factory=lambda: call_with_arguments)
    returned: tuple[str, ...] = ()
    measure: Callable[[Values, Values, float], tuple] | None = None
    withheld: tuple[str, ...] = ()
    searchable: bool = True

    def of_outputs(self) -> "Spec":
        """The same for an answer that returns the outputs themselves, whatever people are to write."""
        return replace(self, call=call_with_arguments, returned=(), measure=None, withheld=())

    def expected(self, case: Case) -> dict[str, np.ndarray]:
        """The right outputs for `case`, by the reference, in float64 or wider."""
        results = self.reference(**in_float64(case.inputs))
        return {name: np.asarray(value) for name, value in zip(self.outputs, results, strict=True)}

    def touched(self, mistake: Mistake) -> frozenset[str]:
        """The nodes that `mistake` explains: those with a formula, or all if it is a whole answer."""
        return frozenset(mistake.formulas if mistake.code is None else self.outputs)

    def mistaken(self, mistake: Mistake) -> Callable[..., tuple[np.ndarray, ...]]:
        """The whole function with `mistake` in it."""
        if mistake.code is not None:
            return mistake.code

        arguments = self.cases(np.random.default_rng(0))[0].inputs

        def function(*args, **kwargs):
            inputs = dict(zip(arguments, args, strict=False)) | kwargs
            values: dict[str, np.ndarray] = {}
            for name, node in self.nodes.items():
                values[name] = mistake.formulas.get(name, node.formula)(inputs, values)
            return tuple(values[name] for name in self.outputs)

        function.__name__ = self.name
        return function


def in_float64(inputs: Values) -> dict[str, object]:
    """`inputs` with every array in float64.

    Parameters
    ----------
    inputs : dict

    Returns
    -------
    dict
        The same names; what is no array stays as it is.

    Examples
    --------
    >>> in_float64({"x": np.ones(2, np.float32), "eps": 0.1})
    {'x': array([1., 1.]), 'eps': 0.1}
    """
    return {
        name: value.astype(np.float64) if isinstance(value, np.ndarray) else value
        for name, value in inputs.items()
    }

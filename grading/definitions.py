"""What the instructor's cells define, as far as the tests need it.

Tests run outside the sandbox, and there they must find the instructor's imports, functions and constants,
not those of the same name that a learner may have made. Only what a test uses is run here: a cell that
trains a network, or imports what is large, stays a matter of the sandbox.
"""

import ast
import builtins
import symtable
from collections.abc import Iterator
from functools import cache

Definition = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign


class Definitions:
    """The definitions of the cells that have been read so far."""

    def __init__(self):
        self._known: dict[str, ast.stmt] = {}

    def read(self, source: str) -> None:
        """Take in the definitions of a cell, in plain Python."""
        self._known.update(_defined(source))

    def copy(self) -> "Definitions":
        """The same, which does not change when more is read."""
        same = Definitions()
        same._known.update(self._known)
        return same

    def lacking(self, names: frozenset[str]) -> frozenset[str]:
        """Those of `names` that are not defined."""
        return names - self._known.keys()

    def provide(self, names: frozenset[str], namespace: dict[str, object]) -> None:
        """Put those of `names` that are defined into `namespace`, with what they need themselves."""
        for name in sorted(names & self._known.keys() - namespace.keys()):
            statement = self._known[name]
            namespace.update(dict.fromkeys(_bound(statement)))  # so that a function may call itself
            self.provide(free_names(ast.unparse(statement)), namespace)
            exec(compile(ast.Module([statement], []), "<locked cell>", "exec"), namespace)


@cache
def _defined(source: str) -> dict[str, ast.stmt]:
    """Each name that the statements of a cell define, with the statement."""
    statements = filter(_is_definition, ast.parse(source).body)
    return {name: statement for statement in statements for name in _bound(statement)}


def _is_definition(statement: ast.stmt) -> bool:
    """Is it one that only defines? An assignment that calls something may do anything."""
    if isinstance(statement, ast.Assign):
        return not any(isinstance(node, ast.Call) for node in _outside_of_lambdas(statement.value))
    return isinstance(statement, Definition)


def _outside_of_lambdas(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _outside_of_lambdas(child)


def _bound(statement: ast.stmt) -> set[str]:
    table = symtable.symtable(ast.unparse(statement), "<definition>", "exec")
    return {each.get_name() for each in table.get_symbols() if _is_bound(each)}


def _is_bound(symbol):
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


@cache
def free_names(source: str) -> frozenset[str]:
    """The names that a piece of code uses and does not itself define, but for Python's own.

    Examples
    --------
    >>> sorted(free_names("import numpy as np\\nx = 2\\nassert np.all(f(x) == [g(y) for y in z])"))
    ['f', 'g', 'z']
    """
    todo, used, defined = [symtable.symtable(source, "<test>", "exec")], set(), set()
    while todo:
        table = todo.pop()
        todo += table.get_children()
        for symbol in table.get_symbols():
            if table.get_type() == "module" and _is_bound(symbol):
                defined.add(symbol.get_name())
            elif symbol.is_global():
                used.add(symbol.get_name())
    return frozenset(used - defined - vars(builtins).keys())

"""What a person should look at in a submission: names in its code that the exercise gives no reason to use.

A flag is no boundary and costs no points. The sandbox is the boundary; a flag says where somebody may
have tried to get around the exercise rather than through it.
"""

import ast
from collections.abc import Iterable, Iterator

from IPython.core.inputtransformer2 import TransformerManager

SUSPICIOUS = (
    ("_getframe", "looks into the frames of its callers"),
    ("gc", "looks through all objects in memory"),
    ("inspect", "looks at code and frames"),
    ("ctypes", "reaches below Python"),
    ("ptrace", "reaches into other processes"),
    ("set_trace", "watches other code run"),
    ("settrace", "watches other code run"),
    ("setprofile", "watches other code run"),
    ("displayhook", "changes how results are shown"),
    ("excepthook", "changes how errors are shown"),
    ("ast_transformers", "changes code before it runs"),
    ("input_transformers_post", "changes code before it runs"),
    ("input_transformers_cleanup", "changes code before it runs"),
    ("_exit", "ends the process"),
    ("__array__", "makes an object that acts when it is looked at"),
    ("__float__", "makes an object that acts when it is looked at"),
    ("builtins", "may change Python's own functions"),
    ("__builtins__", "may change Python's own functions"),
    ("__import__", "imports under another name"),
    ("import_module", "imports under another name"),
    ("site-packages", "names the folder of installed packages"),
    ("/proc", "names the folder of the running processes"),
)
"""Names, and what code that uses them does."""


def flags(sources: Iterable[str], more: Iterable[tuple[str, str]] = ()) -> list[str]:
    """What is suspicious in the code of a submission, in sentences.

    Parameters
    ----------
    sources : iterable of str
        The learner's cells.
    more : iterable of (str, str)
        Further names, with what to say of each.

    Examples
    --------
    >>> flags(["import gc", "print(1)"])
    ["gc: looks through all objects in memory, in `import gc`"]
    """
    wanted = dict((*SUSPICIOUS, *more))
    found: dict[str, str] = {}
    for source in sources:
        for name, line in _names(source):
            if name in wanted:
                found.setdefault(name, f"{name}: {wanted[name]}, in `{line.strip()[:80]}`")
    return list(found.values())


def _names(source: str) -> Iterator[tuple[str, str]]:
    """Each name and text in a cell with its line: of modules, of attributes, of strings."""
    try:
        plain = TransformerManager().transform_cell(source)
        tree = ast.parse(plain)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    lines = plain.splitlines()
    for node in ast.walk(tree):
        line = lines[node.lineno - 1] if 0 < getattr(node, "lineno", 0) <= len(lines) else ""
        if isinstance(node, ast.Name):
            yield node.id, line
        elif isinstance(node, ast.Attribute):
            yield node.attr, line
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                for part in f"{getattr(node, 'module', None) or ''}.{alias.name}".split("."):
                    yield part, line
        elif isinstance(node, ast.FunctionDef):
            yield node.name, line
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for word in ("site-packages", "/proc"):
                if word in node.value:
                    yield word, line
            yield node.value, line

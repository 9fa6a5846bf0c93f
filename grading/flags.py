"""What a person should look at in a submission: names in its code that the exercise gives no reason to use.

A flag is no boundary and costs no points. The sandbox is the boundary; a flag says where somebody may
have tried to get around the exercise rather than through it.
"""

import ast
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache

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
    ("subprocess", "starts other programs"),
    ("__import__", "imports under another name"),
    ("import_module", "imports under another name"),
    ("getattr(", "looks for something under a name that is not written out"),
    ("vars(", "looks for something under a name that is not written out"),
    ("globals(", "looks for something under a name that is not written out"),
    ("__dict__", "looks for something under a name that is not written out"),
    ("__getattribute__", "looks for something under a name that is not written out"),
    ("attrgetter", "looks for something under a name that is not written out"),
    ("methodcaller", "looks for something under a name that is not written out"),
    ("eval(", "runs code that is made on the way"),
    ("exec", "runs code that is made on the way"),
    ("compile(", "runs code that is made on the way"),
    ("site-packages", "names the folder of installed packages"),
    ("/proc", "names the folder of the running processes"),
)
"""Names, and what code that uses them does.

A name with a dot before it is that of something in a module or an object. One with a bracket after it is
that of a function that is called, ``getattr(`` only where it asks for what is not written out.
"""

LONGEST = 200_000
"""The longest cell that is looked through, in characters."""

# IPython's own reading of these can take hours, if somebody wants it to.
MAGIC = re.compile(r"^([ \t]*)(?:[\w, \t]*=[ \t]*)?[%!?].*$", re.MULTILINE)
WORD = re.compile(r"site-packages|/proc|\w+")


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
    ['gc: looks through all objects in memory, in `import gc`']
    >>> flags(["def norm(x): return x", "library.norm(1)"], [(".norm", "is not your own")])
    ['.norm: is not your own, in `library.norm(1)`']
    >>> flags(["layer.eval(), getattr(layer, 'eps')", "getattr(library, 'no' + 'rm')"])
    ["getattr(: looks for something under a name that is not written out, in `getattr(library, 'no' + 'rm')`"]
    """
    wanted = dict((*SUSPICIOUS, *more))
    found: dict[str, str] = {}
    for source in sources:
        if len(source) > LONGEST:
            found.setdefault("", f"a cell of {len(source)} characters, too long to be looked through")
        for name, line in _names(source):
            if name in wanted:
                found.setdefault(name, f"{name}: {wanted[name]}, in `{line.strip()[:80]}`")
    return list(found.values())


@lru_cache(maxsize=1024)  # a cell as it was handed out is many learners'
def _names(source: str) -> tuple[tuple[str, str], ...]:
    """Each name and text in a cell with its line: of modules, of attributes, of strings."""
    return tuple(_found_names(source)) if len(source) <= LONGEST else ()


def _found_names(source):
    plain = MAGIC.sub(r"\1pass", source)
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(plain)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        for line in source.splitlines():
            yield from ((word, line) for word in WORD.findall(line))
        return
    lines = plain.splitlines()
    for node in ast.walk(tree):
        line = lines[node.lineno - 1] if 0 < getattr(node, "lineno", 0) <= len(lines) else ""
        yield from ((name, line) for name in _names_of(node))


def _names_of(node):
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
        yield f".{node.attr}"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        asks_for_text = all(isinstance(argument, ast.Constant) for argument in node.args[1:])
        if not (node.func.id == "getattr" and asks_for_text):
            yield f"{node.func.id}("
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield f".{alias.name}"
            name = f"{getattr(node, 'module', None) or ''}.{alias.name}".strip(".")
            yield from name.split(".")
            yield from (name[: end.start()] for end in re.finditer(r"\.|$", name))
    elif isinstance(node, ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from (node.value, f".{node.value}")
        yield from (word for word in ("site-packages", "/proc") if word in node.value)

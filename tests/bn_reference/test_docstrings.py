"""Does every public name say what it takes, what it gives and how it is used, and is it on an API page?"""

import dataclasses
import importlib
import inspect
import pkgutil
import re

import pytest
import torch

import bn_reference
from tests.course import ROOT

PACKAGES = ("bn_reference.fast", "bn_reference.torch", "bn_reference.checks")
"""Their public names are those of ``__all__``; elsewhere in the package each module is public."""


def public_modules():
    """The modules whose functions and classes are public one by one."""
    found = [info.name for info in pkgutil.iter_modules(bn_reference.__path__) if not info.ispkg]
    return [importlib.import_module(f"bn_reference.{name}") for name in (*found, "checks.spec")]


def members(module):
    """Public functions and classes that `module` itself defines."""
    for name, value in vars(module).items():
        is_made_of_code = inspect.isfunction(value) or inspect.isclass(value)
        if is_made_of_code and not name.startswith("_") and value.__module__ == module.__name__:
            yield value


def is_a_node(value):
    """Is it a node of torch's graph? Those are run by functions, and nobody calls them."""
    return inspect.isclass(value) and issubclass(value, torch.autograd.Function)


def public_names():
    """Every public function and class, by the full name of the place that defines it."""
    found = [value for module in public_modules() for value in members(module)]
    for package in map(importlib.import_module, PACKAGES):
        for value in (getattr(package, name) for name in package.__all__):
            if inspect.ismodule(value):
                found += [member for member in members(value) if not is_a_node(member)]
            elif inspect.isroutine(value) or inspect.isclass(value):
                found.append(value)
    return {f"{value.__module__}.{value.__qualname__}": value for value in found}


PUBLIC = public_names()
every_name = pytest.mark.parametrize("name", sorted(PUBLIC))
every_function = pytest.mark.parametrize("name", sorted(n for n in PUBLIC if inspect.isfunction(PUBLIC[n])))


def sections(value):
    """The text of each section of a docstring in the NumPy style, by its heading."""
    parts = re.split(r"^(\w[\w ]*)\n-+\n", inspect.cleandoc(value.__doc__ or ""), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def described(section):
    """The names that the lines of a section open with: ``a, b : type``, or without a type."""
    heads = re.findall(r"^([a-z_]\w*(?:, \w+)*)(?: :.*)?$", section, flags=re.MULTILINE)
    return [name for head in heads for name in head.split(", ")]


def pages():
    """What the API pages document: each module, with its listed members, or with None for all."""
    text = "\n".join(page.read_text() for page in sorted((ROOT / "book").glob("api*.md")))
    found = re.findall(r"automodule:: (\S+)\n((?:   :.*\n)*)", text)
    listed = {}
    for module, options in found:
        option = re.search(r":members:(.*)", options)
        names = [] if option is None else re.findall(r"\w+", option[1])
        listed[module] = None if option and not names else names
    return listed


def test_there_are_names_to_look_at():
    """Do the tests below see the package?"""
    assert len(PUBLIC) > 70
    some = {"bn_reference.batchnorm.batchnorm_forward", "bn_reference.torch.sync.SyncBatchNorm"}
    assert some <= PUBLIC.keys()


@every_name
def test_it_opens_with_one_line_that_says_what_it_is(name):
    """Is there a docstring, and is its first line a sentence?"""
    first, *rest = inspect.cleandoc(PUBLIC[name].__doc__ or "").splitlines() or [""]
    assert first.endswith((".", "``.", "?")), f"{name} opens with {first!r}"
    assert not rest or not rest[0]


@every_function
def test_every_parameter_is_described_and_no_other(name):
    """Do the docstring's parameters have the names and the order of the signature?"""
    in_signature = [p for p in inspect.signature(PUBLIC[name]).parameters if not p.startswith("_")]
    assert described(sections(PUBLIC[name]).get("Parameters", "")) == in_signature


@every_function
def test_what_comes_back_is_described(name):
    """Is there a section Returns exactly where something is returned?"""
    gives = inspect.signature(PUBLIC[name]).return_annotation is not None
    assert ("Returns" in sections(PUBLIC[name])) == gives


@every_function
def test_its_errors_are_described(name):
    """Does a function that raises by itself say what?"""
    raises = "raise " in inspect.getsource(PUBLIC[name]).split('"""')[-1]
    assert not raises or "Raises" in sections(PUBLIC[name])


@every_name
def test_it_has_an_example(name):
    """Is there a doctest? (A record is made by the functions that return it: it has attributes instead.)"""
    if dataclasses.is_dataclass(PUBLIC[name]):
        fields = {field.name for field in dataclasses.fields(PUBLIC[name])}
        inherited = {f for base in PUBLIC[name].__mro__[1:] for f in getattr(base, "__annotations__", {})}
        assert set(described(sections(PUBLIC[name]).get("Attributes", ""))) >= fields - inherited
    else:
        assert ">>> " in sections(PUBLIC[name]).get("Examples", "")


@every_name
def test_it_is_on_an_api_page(name):
    """Would a reader of the book find it?"""
    module, _, member = name.rpartition(".")
    listed = pages()
    places = [p for p in (module, module.rpartition(".")[0]) if p in listed]
    assert any(listed[place] is None or member in listed[place] for place in places), f"{name} is on no page"


@pytest.mark.parametrize("module", sorted(pages()))
def test_an_api_page_names_what_exists(module):
    """Does every module and member that the pages list exist?"""
    found = importlib.import_module(module)
    for member in pages()[module] or []:
        assert hasattr(found, member), f"{module} has no {member}"


@pytest.mark.parametrize("package", PACKAGES)
def test_names_that_a_package_exports_exist(package):
    """Does ``from package import *`` work?"""
    found = importlib.import_module(package)
    for name in found.__all__:
        assert hasattr(found, name)

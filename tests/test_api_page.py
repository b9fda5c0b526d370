"""lightclient/API.md says what the docstrings and the signatures say now."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

import pytest

from tests.api_page import MODULES, PAGE, as_markdown
from tests.test_package import needs_source

STALE = "lightclient/API.md is stale: pip install -e '.[docs]' && python -m tests.api_page"
pytestmark = needs_source


@lru_cache
def page() -> dict[str, str]:
    """The text below each heading."""
    text = PAGE.read_text(encoding="utf-8")
    _, *split = re.split(r"^#+ `([\w.]+)`\n", text, flags=re.M)
    return dict(zip(split[::2], split[1::2], strict=True))


def public_names() -> Iterator[tuple[str, Any]]:
    """Each public class and function by its path, and the public methods of each class."""
    for name in MODULES:
        module = import_module(name)
        yield name, module
        for public in module.__all__:
            if public not in ("__version__", "handler"):  # `handler` is made when it is asked for
                yield f"{name}.{public}", getattr(module, public)
                yield from methods(f"{name}.{public}", getattr(module, public))


def methods(path: str, found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, type):
        for name, member in vars(found).items():
            member = getattr(member, "__func__", member)  # of a class method
            if not name.startswith("_") and (
                isinstance(member, property) or inspect.isfunction(member)
            ):
                yield f"{path}.{name}", member


NAMES = dict(public_names())


def source(of: Any) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(of))).body[0]


def printed(path: str) -> Any:
    """The signature on the page, as the definition of a function, or as a variable with a type."""
    found = re.search(r"```python\n(.*?)\n```", page()[path], re.S)
    assert found, f"{path} has no signature: {STALE}"
    code = f"def {found[1]}: ..." if "(" in found[1] else found[1]
    return ast.parse(code).body[0]


def signature(function: Any) -> tuple[str, str]:
    """The parameters without the bound one, and what is returned; types without quotes."""
    arguments = function.args
    if arguments.args and arguments.args[0].arg in ("self", "cls"):
        del arguments.args[0]
    for argument in (*arguments.args, *arguments.kwonlyargs):
        argument.annotation = unquoted(argument.annotation)
    return ast.unparse(arguments), ast.unparse(unquoted(function.returns))


def unquoted(annotation: Any) -> Any:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def fields(of: type) -> list[str]:
    lines = [line for line in source(of).body if isinstance(line, ast.AnnAssign)]
    return [f"{ast.unparse(line.target)}: {ast.unparse(line.annotation)}" for line in lines]


def test_the_page_has_the_public_names_and_no_others() -> None:
    assert set(page()) == {*NAMES, "lightclient.aws_lambda.handler"}, STALE


@pytest.mark.parametrize("path", NAMES)
def test_the_docstring(path: str) -> None:
    docstring = as_markdown(inspect.cleandoc(NAMES[path].__doc__)).strip()
    assert docstring in page()[path], STALE


@pytest.mark.parametrize("path", [path for path in NAMES if not inspect.ismodule(NAMES[path])])
def test_the_signature(path: str) -> None:
    found = NAMES[path]
    if isinstance(found, property):
        assert ast.unparse(printed(path).annotation) == ast.unparse(source(found.fget).returns)
    elif inspect.isfunction(found):
        assert signature(printed(path)) == signature(source(found)), STALE
    elif dataclasses.is_dataclass(found) and found.__dataclass_params__.init:
        assert [ast.unparse(each) for each in printed(path).args.args] == fields(found), STALE
    elif "__init__" in vars(found):
        assert signature(printed(path)) == signature(source(found.__init__)), STALE


def test_sections_of_a_docstring_are_markdown() -> None:
    lists = "Args:\n    a, b: one\n        text.\n    c: two.\n\nRaises:\n    Whatever.\n"
    paragraph = "Returns:\n    One: line\n    and another."
    assert as_markdown(f"A line.\n\n{lists}\n{paragraph}").split("\n") == [
        "A line.", "", "**Args:**", "", "- **a, b**: one text.", "- **c**: two.", "",
        "**Raises:**", "", "- Whatever.", "",
        "**Returns:**", "", "One: line", "and another.", "", "",
    ]  # fmt: skip

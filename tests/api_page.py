"""Write lightclient/API.md from the docstrings: `python -m tests.api_page`, from the checkout.

It needs the extra `docs`: griffe2md reads the source and writes headings and signatures. It could
also make lists of the sections Args and Raises, but it drops each line that is not of the form
"name: text", such as "Whatever `classify` raises." So sections are made into Markdown here.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "lightclient" / "API.md"
MODULES = ("lightclient", "lightclient.standin", "lightclient.aws_lambda")
_HEAD = """\
# The public names

Made from the docstrings by `python -m tests.api_page`. `lightclient.__version__` is the version.

"""
_CONFIG = {
    "docstring_style": None,
    "show_signature_annotations": True,
    "inherited_members": False,
    "summary": False,
    "show_submodules": False,
    "show_if_no_docstring": False,  # fields, which stand in the signature
    "line_length": 100,
}
_SECTION = re.compile(r"^(Args|Raises|Returns|Yields):\n((?:[ ]{4}.*\n?|\n)+)", re.M)
_LINK = re.compile(r"\[([^]\n]+)\]\(#[^)]+\)")  # to headings that GitHub does not have


def main() -> None:
    """Write the page."""
    from griffe import GriffeLoader
    from griffe2md import render_object_docs

    loader = GriffeLoader(search_paths=[str(ROOT)])
    loader.load("lightclient")
    loader.resolve_aliases()
    parts = []
    for name in MODULES:
        module = loader.modules_collection[name]
        members = [each for each in module.exports if each != "__version__"]
        for each in _documented(module, members):
            each.docstring.value = as_markdown(each.docstring.value)
        parts.append(render_object_docs(module, _CONFIG | {"members": members}))
    PAGE.write_text(_tidy(_HEAD + "\n".join(parts)), encoding="utf-8")


def _tidy(page: str) -> str:
    """The page without links that lead nowhere and without needless empty lines."""
    return re.sub(r"\n{3,}", "\n\n", _LINK.sub(r"\1", page)).strip() + "\n"


def _documented(module: Any, members: list[str]) -> Iterator[Any]:
    """What has a docstring: the public names, and what is public of them."""
    for name in members:
        found = module[name]
        for each in (found, *found.members.values()):
            if each.docstring:
                yield each


def as_markdown(docstring: str) -> str:
    """A docstring whose sections are Markdown: lists of arguments and errors, and a paragraph."""
    return _SECTION.sub(_section, docstring)


def _section(found: re.Match[str]) -> str:
    name, content = found[1], textwrap.dedent(found[2]).strip()
    if name in ("Args", "Raises"):  # an item may have more lines, which are indented
        content = "\n".join(map(_item, re.split(r"\n(?=\S)", content)))
    return f"**{name}:**\n\n{content}\n\n"


def _item(item: str) -> str:
    words = " ".join(item.split())
    return "- " + re.sub(r"^([\w, ]+): ", r"**\1**: ", words)


if __name__ == "__main__":
    main()

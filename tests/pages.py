"""The documentation: its pages, their blocks, and what is typed in them."""

import re
from pathlib import Path
from typing import NamedTuple

import lightclient

ROOT = Path(__file__).parent.parent
# The package may be installed elsewhere, and its pages with it.
PACKAGE = Path(lightclient.__file__).parent


class Block(NamedTuple):
    kind: str
    text: str


class Page(NamedTuple):
    name: str
    text: str

    @property
    def blocks(self) -> list[Block]:
        return [Block(*found) for found in _BLOCK.findall(self.text)]

    def block(self, kind: str, word: str) -> str:
        """The one block of this kind with this word."""
        [found] = [block.text for block in self.blocks if block.kind == kind and word in block.text]
        return found

    def commands(self) -> list[tuple[str, str]]:
        """Each `$ command` of the console blocks, with the output below it."""
        found = []
        for block in self.blocks:
            if block.kind == "console":
                for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
                    command, _, output = part.partition("\n")
                    found.append((command, output))
        return found


_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def read_page(name: str) -> Page:
    """A page, by its path in the repository."""
    path = ROOT / name
    if name.startswith("lightclient/"):
        path = PACKAGE / name.removeprefix("lightclient/")
    return Page(name, path.read_text(encoding="utf-8"))


_NAMES = (
    "README.md",
    *(f"lightclient/{path.relative_to(PACKAGE)}" for path in sorted(PACKAGE.rglob("*.md"))),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").rglob("README.md"))),
)
PAGES = {name: read_page(name) for name in _NAMES}
README = PAGES["README.md"]

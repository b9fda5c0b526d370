"""Names that a package imports when they are first used.

    if TYPE_CHECKING:
        from package.module import Name
    else:
        __getattr__, __dir__ = lazy_names(globals(), {"Name": "package.module"})

Python asks `__getattr__` for a name that the package does not have yet (PEP 562). Type checkers
must not see it, or they would take every misspelled name for a good one.
"""

from importlib import import_module

# Type checkers treat a variable of this name as true. Importing typing would double the time
# that `import lightclient` takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def lazy_names(
    namespace: "dict[str, Any]", homes: dict[str, str]
) -> "tuple[Callable[[str], object], Callable[[], list[str]]]":
    """Make `__getattr__` and `__dir__` for a package.

    Args:
        namespace: the package's `globals()`; its `__all__` is what `dir()` shows.
        homes: each name that is imported on first use, and the module that defines it.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
        namespace[name] = getattr(import_module(homes[name]), name)
        return namespace[name]

    def names() -> list[str]:
        return sorted(namespace["__all__"])

    return get, names

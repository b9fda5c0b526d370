"""The JSON files of a model's folder. Their values are checked as they are read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightclient.errors import BundleError
from lightclient.messages import short_repr

_MEND = "copy it from the model's Hugging Face folder"


class JsonFile(dict[str, Any]):
    """The object that a file holds. `name`: what the errors call it."""

    def __init__(self, name: object, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.name = name

    def error(self, words: str) -> BundleError:
        """An error about a value of this file."""
        return BundleError(f"{self.name}: {words}; correct it, or {_MEND} again")

    def whole(self, *keys: str, within: range = range(2**31)) -> int | None:
        """A whole number, which may be written as 2.0, by the first key that is there; or None."""
        key = next((key for key in keys if key in self), keys[0])
        value = self.get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None or (type(value) is int and value in within):
            return value
        words = f"a whole number from {within[0]} to {within[-1]}"
        raise self.error(f"{key} must be {words}, not {short_repr(value)}")

    def one_of(self, key: str, choices: Sequence[Any]) -> Any:
        """One of these values, which have one type; None if there is none."""
        value = self.get(key)
        if value is None or (value in choices and type(value) is type(choices[0])):
            return value
        words = ", ".join(map(json.dumps, choices))
        raise self.error(f"{key} must be one of {words}, not {short_repr(value)}")


def read_json(path: Path, *, required: bool = False) -> JsonFile:
    """Read a file; a missing one holds nothing, unless it is `required`.

    Raises:
        BundleError: it is missing or cannot be read, or holds no JSON object.
    """
    if not required and not path.is_file():
        return JsonFile(path, {})
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing; {_MEND}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}; {_MEND} again") from error
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise BundleError(f"{path} must hold a JSON object, not {kind}; {_MEND} again")
    return JsonFile(path, found)

"""The tokenizers library by itself: what it does with a text, in the words of its own line."""

import pickle
from typing import Any

import tokenizers

from lightclient import Bundle
from lightclient.model.encoding import Text

IS_1 = not tokenizers.__version__.startswith("0.")


class Oracle:
    """A bundle's tokenizer, without our code around it."""

    def __init__(self, bundle: Bundle) -> None:
        ours: Any = bundle.loaded.tokenizer
        self._splits_special = ours._splits_special
        self._tokenizer: Any = pickle.loads(pickle.dumps(ours._loaded))
        if not IS_1:
            self._tokenizer.encode_special_tokens = self._splits_special

    def ids(self, text: Text, limit: int | None = None, side: str = "right") -> list[int]:
        """The ids, cut by the library's own truncation."""
        found: list[int] = (self._of_1 if IS_1 else self._of_0)(text, limit, side).ids
        return found

    def _of_1(self, text: Text, limit: int | None, side: str) -> Any:
        library: Any = tokenizers
        return self._tokenizer.encode(
            text,
            encode_special_tokens=self._splits_special,
            padding=None,
            truncation=None if limit is None else library.Truncation(limit, direction=side),
        )

    def _of_0(self, text: Text, limit: int | None, side: str) -> Any:
        self._tokenizer.no_truncation()
        if limit is not None:
            self._tokenizer.enable_truncation(limit, direction=side)
        first, second = (text, None) if isinstance(text, str) else text
        return self._tokenizer.encode(first, second)

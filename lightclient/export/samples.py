"""Texts to try a model on and to warm a server up with, as a client sends them."""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightclient.model.bundle import Bundle
from lightclient.model.encoding import encode
from lightclient.serving.request import build_request
from lightclient.serving.signature import Signature

Inputs = dict[str, NDArray[np.int32]]

SENTENCES = (
    "Good.",
    "I like you. I love you",
    "The train to Zürich leaves at seven, and the café is still closed; what a day!",
)
# The longest text tried, in tokens, where the model takes as many or more.
LONGEST = 512
_LONG = " ".join(SENTENCES * 100)


def inputs_of(
    texts: Sequence[str],
    bundle: Bundle,
    names: Sequence[str],
    limit: int | None = None,
    length: int | None = None,
) -> Inputs:
    """The arrays a client's request comes to: int32 [texts, tokens] for each name.

    Args:
        texts: at least one.
        bundle: the model's tokenizer.
        names: the inputs the model takes.
        limit: the most tokens of a text.
        length: the tokens of every row; None: the longest text's.
    """
    types = "token_type_ids" if "token_type_ids" in names else None
    request = build_request(encode(texts, bundle, limit, length), Signature(token_type_ids=types))
    columns = json.loads(request)["inputs"]
    return {name: np.array(columns[name], np.int32) for name in names}


def long_text(tokens: int, bundle: Bundle, names: Sequence[str], length: int | None) -> Inputs:
    """One row of exactly `tokens` tokens, before padding to `length`."""
    return inputs_of([_LONG], bundle, names, tokens, length)


def longest(bundle: Bundle, length: int | None) -> int:
    """The tokens of the longest text to try."""
    return min(size for size in (LONGEST, bundle.max_length, length) if size is not None)

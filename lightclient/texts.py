"""The texts of one call, checked at the door."""

from collections.abc import Iterable

from lightclient.column import refuse_table
from lightclient.errors import InputError
from lightclient.model.encoding import Text, check_text


def check_texts(texts: object) -> list[Text]:
    """The texts of one call, which are one text, a pair, or a list of them.

    Raises:
        InputError: they are not; the message names the one that is no text.
    """
    refuse_table(texts)
    if isinstance(texts, list):
        return [check_text(text, f"texts[{at}]") for at, text in enumerate(texts)]
    if not isinstance(texts, (str, bytes, tuple)) and isinstance(texts, Iterable):
        raise InputError(
            f"text must be a str, a pair or a list of them, not {type(texts).__name__}; "
            "classify_many takes any iterable of texts, and so does zero_shot_many"
        )
    return [check_text(texts)]


def check_one(text: object) -> Text:
    """The one text, or pair, whose tokens are counted.

    Raises:
        InputError: it is neither.
    """
    if isinstance(text, (str, bytes, tuple)):
        return check_text(text)
    raise InputError(
        f"count_tokens takes one text or a pair, not {type(text).__name__}; for a list of them: "
        "[classifier.count_tokens(text) for text in texts]"
    )

"""Texts as callers give them: one, a list of them, or the column of a table.

Values of pandas, polars, pyarrow and numpy are told by what they look like, because none of these
libraries is imported here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lightclient.errors import InputError
from lightclient.messages import short_repr
from lightclient.model.encoding import Text, check_text

# None; pandas.NA, pandas.NaT and numpy.ma.masked.
_MISSING_TYPES = {"NoneType", "NAType", "NaTType", "MaskedConstant"}
# How the types are called, also those of numpy, of which one value differs from itself: NaN or NaT.
_MAY_BE_NAN = ("float", "longdouble", "datetime64", "timedelta64")
_SHOWN = 5
FOR_COLUMNS = "classify_many or zero_shot_many"  # as messages name them


class Missing:
    """Stands in the place of a missing value."""


def check_texts(texts: object) -> list[Text]:
    """The texts of one call, which are one text, a pair, or a list of them.

    Raises:
        InputError: they are not; the message names the one that is no text.
    """
    if isinstance(texts, list):
        return [check_text(text, f"texts[{at}]") for at, text in enumerate(texts)]
    if not isinstance(texts, (str, bytes, tuple)):
        refuse_table(texts)
        if isinstance(texts, Iterable):
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


def read_value(value: object, where: str, *, may_be_missing: bool = False) -> Text | Missing:
    """The text that a value of a column is; or `Missing`, if it is missing and may be.

    A scalar of pyarrow is what its `as_py` gives. A pair is missing if a part of it is.

    Raises:
        InputError: it is no text; the message names it by `where`.
    """
    if isinstance(value, str):
        return check_text(value, where)
    parts = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    plain = tuple(_to_python(part, where) for part in parts)
    if not any(map(_is_missing, plain)):
        return check_text(plain if parts is value else plain[0], where)
    if may_be_missing:
        return Missing()
    # Of a pair the other part may be a text, so neither is told.
    what = "pair with a missing value" if parts is value else f"missing value ({short_repr(value)})"
    raise InputError(
        f"{where} is a {what}; leave it out, or have None in the place of its answer: "
        'missing="none"'
    )


def read_text(value: object, where: str) -> str:
    """The text that a value of a column is, which is neither missing nor a pair.

    Raises:
        InputError: it is no text; the message names it by `where`.
    """
    plain = value if isinstance(value, str) else _to_python(value, where)
    if isinstance(plain, str):
        return str(check_text(plain, where))
    if _is_missing(plain):
        raise InputError(f"{where} is a missing value ({short_repr(value)}); leave it out")
    mend = "; decode it" if isinstance(plain, bytes) else ""
    raise InputError(f"{where} must be a str, not {type(value).__name__}{mend}")


def _is_missing(value: object) -> bool:
    kind = type(value).__name__
    return kind in _MISSING_TYPES or (kind.startswith(_MAY_BE_NAN) and value != value)


def _to_python(value: object, where: str) -> object:
    as_py = getattr(value, "as_py", None)
    try:
        return value if as_py is None else as_py()
    except Exception as error:  # noqa: BLE001 - pyarrow raises many kinds
        raise InputError(
            f"{where} is a {type(value).__name__} that cannot be read "
            f"({type(error).__name__}); mend or leave out the value"
        ) from None  # that error may hold the text


def check_many(texts: object, argument: str, takers: str, mend: str) -> Iterable[Any]:
    """The texts of a column, none of which has been read.

    Raises:
        InputError: they are one text, a table, or nothing that can be iterated. `argument`,
            `takers` and `mend` are for the message, the first two as in `refuse_table`.
    """
    refuse_table(texts, argument, takers)
    is_one = isinstance(texts, (str, bytes)) or getattr(texts, "ndim", 1) == 0
    if is_one or not isinstance(texts, Iterable):
        kind = type(texts).__name__
        raise InputError(f"{argument} must be an iterable of texts, not {kind}; {mend}")
    return texts


def refuse_table(texts: object, argument: str = "texts", takers: str = FOR_COLUMNS) -> None:
    """Refuse a whole table, which may be a mapping. To iterate it would give the columns' names.

    Args:
        texts: what was given.
        argument: the name of what was given.
        takers: the methods that take a column.

    Raises:
        InputError: it is one; the message names the first columns of a table.
    """
    what, mend = type(texts).__name__, 'pass one column, like table["text"]'
    if isinstance(texts, Mapping):  # its keys may be texts, which no message may hold
        mend += ", or what it holds, table.values()"
    elif (names := _column_names(texts)) is None:
        return
    elif names:
        what += " with the columns " + ", ".join(short_repr(name, 40) for name in names[:_SHOWN])
        what += f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    words = f"{argument} must be those of one column, not a whole {what}"
    raise InputError(f"{words}: {mend}, to {takers}")


def _column_names(texts: Any) -> list[object] | None:
    """The names of a table's columns, as far as it tells them; None if it is no table."""
    # Looked up in the class, because a pandas Series has attributes of any name. What cannot be
    # iterated, like a lazy frame, may have to read a file for its `columns`.
    kind = type(texts)
    if hasattr(kind, "column_names"):
        names = texts.column_names
    elif hasattr(kind, "columns") and hasattr(kind, "__iter__"):
        names = texts.columns
    else:
        return None
    return list(names) if isinstance(names, Iterable) else []

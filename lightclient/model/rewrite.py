"""A `tokenizer.json` of tokenizers 0.x, rewritten so that 1.x reads it alike, or refused.

1.0.0rc3 refuses `add_prefix_space`, and Metaspace as the only member of a Sequence. It adds the
spaces of Metaspace before it looks for "normalized" tokens, so that one is before such a token and
none behind it.
"""

import re
from collections.abc import Callable
from typing import Any

from lightclient.errors import BundleError
from lightclient.model.document import Document

Token = dict[str, Any]

# Normalizers that look at the place of a letter: 0.x changes the token that it searches for too.
_BY_PLACE = re.compile(r"'Prepend'|\^|\\A|\(\?")
# Tokens like <mask> or [UNK]: two of them cannot overlap in a text.
_BRACKETED = re.compile(r"[<\[][^<>\[\]\s▁]+[>\]]")


def normalized_tokens(document: Document, splits_special: bool) -> list[Token]:
    """The tokens that are searched for after the normalizer has changed a text."""
    return [
        token for token in document.added_tokens()
        if token.get("normalized") and not (splits_special and token.get("special"))
    ]  # fmt: skip


def rewrite(document: Document, searched: list[Token]) -> Document:
    """Rewrite a file for 1.x, which may still refuse it.

    Args:
        document: the file.
        searched: its "normalized" tokens.

    Raises:
        BundleError: there are no other words for it.
    """
    match document.part("pre_tokenizer"):
        case {"type": "ByteLevel", "add_prefix_space": True} as splitter:
            return _without_prefix_space(document, splitter)
        case {"type": "Metaspace"} as marks:
            return _with_marks(document, [], marks, searched)
        case {"type": "Sequence", "pretokenizers": [*before, {"type": "Metaspace"} as marks]}:
            return _with_marks(document, before, marks, searched)
    return document


def check_found(document: Document, searched: list[Token], ids: Callable[[str], list[int]]) -> None:
    """Refuse tokens that the normalizer changes: 1.x may search for them in another form.

    Args:
        document: the rewritten file.
        searched: its "normalized" tokens.
        ids: gives the ids of a text, without special tokens around it.
    """
    if document.part("pre_tokenizer").get("type") == "Metaspace":
        around = ids("a")
        for token in searched:
            if ids(f"a{token['content']}a") != [*around, token["id"], *around]:
                raise _refusal(document, [token])


def _without_prefix_space(document: Document, splitter: dict[str, Any]) -> Document:
    if document.part("normalizer"):
        return document  # the library will refuse it
    # Our prefix space has the same fault, but without a normalizer "normalized" means nothing.
    return document.edit(
        normalizer=_replace(r"\A(?=[^ ])", " "),
        pre_tokenizer=splitter | {"add_prefix_space": False},
        added_tokens=[token | {"normalized": False} for token in document.added_tokens()],
    )


def _with_marks(
    document: Document, before: list[Any], marks: dict[str, Any], searched: list[Token]
) -> Document:
    """Let normalizers set the marks, if tokens are searched for after them.

    Args:
        document: the file.
        before: what comes before Metaspace.
        marks: Metaspace.
        searched: the "normalized" tokens.
    """
    normalizer = document.part("normalizer")
    if marks.get("prepend_scheme") == "first" and normalizer:
        # In 0.x, a text whose start the normalizer removes gets no first mark.
        raise _refusal(document, "Metaspace's first mark beside a normalizer")
    if not searched:
        return document if before else document.edit(pre_tokenizer=marks)
    by_word = before == [{"type": "WhitespaceSplit"}]
    usual = {"replacement": "▁", "prepend_scheme": "always", "split": True}
    known = (by_word or not before) and marks == marks | usual
    if not known or _BY_PLACE.search(repr(normalizer)) or not all(map(_is_plain, searched)):
        raise _refusal(document, searched)
    steps = ([normalizer] if normalizer else []) + _steps(searched, by_word)
    return document.edit(
        normalizer={"type": "Sequence", "normalizers": steps},
        pre_tokenizer=marks | {"prepend_scheme": "never"},
    )


def _is_plain(token: Token) -> bool:
    return not token.get("single_word") and bool(_BRACKETED.fullmatch(token["content"]))


def _steps(searched: list[Token], by_word: bool) -> list[dict[str, Any]]:
    """What Metaspace does to the text between tokens, as normalizers.

    Args:
        searched: the tokens.
        by_word: whether WhitespaceSplit comes before Metaspace.
    """
    names = [re.escape(token["content"]) for token in searched]
    steps = []
    for token, name in zip(searched, names, strict=True):
        steps += [_replace(rf"\s+(?={name})", "")] if token.get("lstrip") else []
        steps += [_replace(rf"(?<={name})\s+", "")] if token.get("rstrip") else []
    starts = [r"\A", *(f"(?<={name})" for name in names), *([r"(?<=\s)"] if by_word else [])]
    marked = [r"\z", "▁", r"\s" if by_word else " ", *names]
    steps.append(_replace(f"(?:{'|'.join(starts)})(?!{'|'.join(marked)})", "▁"))
    return [*steps, _replace(r"\s+", "")] if by_word else steps


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _refusal(document: Document, what: str | list[Token]) -> BundleError:
    if not isinstance(what, str):
        what = f'the "normalized" {", ".join(str(token.get("content")) for token in what)}'
    return BundleError(
        f"{document.path} is a tokenizer with {what:.200}, which tokenizers 1.x cannot read as "
        "0.x does; pip install 'tokenizers<1'"
    )

"""A `tokenizer.json` of tokenizers 0.x, rewritten so that 1.x reads it alike, or refused.

1.0.0rc3 refuses `add_prefix_space`, and Metaspace as the only member of a Sequence. It adds the
spaces of Metaspace before it looks for "normalized" tokens, so that one is before such a token and
none behind it.
"""

import re
from typing import Any

from lightclient.errors import BundleError
from lightclient.model.document import Document

_Part = dict[str, Any]
# Normalizers that look at the place of a letter: 0.x changes the token that it searches for too.
_BY_PLACE = re.compile(r"'Prepend'|\^|\\A|\(\?")
# Tokens like <mask> or [UNK]: two of them cannot overlap in a text.
_BRACKETED = re.compile(r"[<\[][^<>\[\]\s▁]+[>\]]")


def rewrite(document: Document, splits_special: bool) -> tuple[Document, list[_Part]]:
    """Rewrite a file for 1.x; a BundleError says that 1.x cannot read it as 0.x does.

    The second value is its "normalized" tokens, which the normalizer must not change.
    """
    added = document.added_tokens()
    searched = [token for token in added if token.get("normalized")]
    if splits_special:
        searched = [token for token in searched if not token.get("special")]
    match document.part("pre_tokenizer"):
        case {"type": "ByteLevel", "add_prefix_space": True} as splitter:
            if document.part("normalizer"):
                return document, []  # the library will refuse it
            # Our prefix space has the same fault, but without a normalizer the flag means nothing.
            return document.edit(
                normalizer=_replace(r"\A(?=[^ ])", " "),
                pre_tokenizer=splitter | {"add_prefix_space": False},
                added_tokens=[token | {"normalized": False} for token in added],
            ), []
        case {"type": "Metaspace"} as marks:
            return _with_marks(document, [], marks, searched), searched
        case {"type": "Sequence", "pretokenizers": [*before, {"type": "Metaspace"} as marks]}:
            return _with_marks(document, before, marks, searched), searched
    return document, []


def _with_marks(
    document: Document, before: list[_Part], marks: _Part, searched: list[_Part]
) -> Document:
    """Let normalizers do what Metaspace (`marks`) does, if tokens are searched for after them."""
    normalizer = document.part("normalizer")
    if marks.get("prepend_scheme") == "first" and normalizer:
        # In 0.x, a text whose start the normalizer removes gets no first mark.
        raise unlike_0(document, "Metaspace's first mark beside a normalizer")
    if not searched:
        return document if before else document.edit(pre_tokenizer=marks)
    by_word = before == [{"type": "WhitespaceSplit"}]
    if (
        (before and not by_word)
        or marks != marks | {"replacement": "▁", "prepend_scheme": "always", "split": True}
        or _BY_PLACE.search(repr(normalizer))
        or any(token.get("single_word") for token in searched)
        or not all(_BRACKETED.fullmatch(token["content"]) for token in searched)
    ):
        raise unlike_0(document, searched)
    steps = ([normalizer] if normalizer else []) + _steps(searched, by_word)
    return document.edit(
        normalizer={"type": "Sequence", "normalizers": steps},
        pre_tokenizer=marks | {"prepend_scheme": "never"},
    )


def _steps(searched: list[_Part], by_word: bool) -> list[_Part]:
    """What Metaspace, after WhitespaceSplit if `by_word`, does to the text between tokens."""
    names = [re.escape(token["content"]) for token in searched]
    steps = []
    for token, name in zip(searched, names, strict=True):
        steps += [_replace(rf"\s+(?={name})", "")] if token.get("lstrip") else []
        steps += [_replace(rf"(?<={name})\s+", "")] if token.get("rstrip") else []
    # A word begins at the start, behind a token or a space, and gets its mark unless it has one.
    starts = [r"\A", *(f"(?<={name})" for name in names), *([r"(?<=\s)"] if by_word else [])]
    marked = [r"\z", "▁", r"\s" if by_word else " ", *names]
    steps.append(_replace(f"(?:{'|'.join(starts)})(?!{'|'.join(marked)})", "▁"))
    return [*steps, _replace(r"\s+", "")] if by_word else steps


def _replace(pattern: str, content: str) -> _Part:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def unlike_0(document: Document, what: str | list[_Part]) -> BundleError:
    """The error for a file, because of a mark or of "normalized" tokens."""
    if not isinstance(what, str):
        what = f'the "normalized" {", ".join(str(token["content"]) for token in what)}'
    return BundleError(
        f"{document.path} is a tokenizer with {what:.200}, which tokenizers 1.x cannot read as "
        "0.x does; pip install 'tokenizers<1'"
    )

"""How requests are made and replies are scored, for one served model and its bundle."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from lightclient.checks import check_whole
from lightclient.errors import InputError, SignatureError
from lightclient.model.bundle import Bundle, FunctionName
from lightclient.model.encoding import Row, Text, tokenize
from lightclient.model.shorten import shorten
from lightclient.serving.function import Function, choose_function
from lightclient.serving.signature import Signature


class Plan(NamedTuple):
    """What fits both the served model and its bundle.

    `function`: makes scores of the output.
    `limit`: the most tokens of a text, which is cut there; None: there is no limit.
    `length`: the tokens that every row is padded to; None: the longest of its request.
    """

    signature: Signature
    bundle: Bundle
    function: Function
    limit: int | None
    length: int | None

    def tokenize(self, texts: Sequence[Text], *, first_only: bool = False) -> list[Row]:
        """Turn texts into tokens, as `encoding.tokenize` does, after `check_pairs`."""
        self.check_pairs(texts)
        return tokenize(texts, self.bundle, self.limit, first_only=first_only)

    def shorten(self, text: str) -> str:
        """A piece of a long text that is tokenized several times, with the same tokens to keep."""
        if self.limit is None:
            return text
        return shorten(text, self.limit, self.bundle.loaded, closely=True)

    def check_pairs(self, texts: Sequence[Text]) -> None:
        """Raise a SignatureError if there is a pair, and the model would answer it wrongly."""
        if self.signature.token_type_ids or not self.bundle.needs_type_ids:
            return
        if any(isinstance(text, tuple) for text in texts):
            raise SignatureError(
                "the served model takes no token_type_ids, but this bundle's model tells the texts "
                "of a pair apart by them; export it with token_type_ids"
            )


def make_plan(
    signature: Signature,
    bundle: Bundle,
    max_length: int | None = None,
    pad_to: int | None = None,
    function: FunctionName | None = None,
) -> Plan:
    """Make the plan for a served model's signature and its bundle; the rest is as `Classifier` has.

    Raises:
        SignatureError: the model gives another number of logits than the bundle has labels.
        InputError: `pad_to` contradicts the signature's own length, or a length the bundle.
    """
    check_lengths(bundle, max_length, pad_to)
    if signature.classes not in (None, len(bundle.labels)):
        raise SignatureError(
            f"the model gives {signature.classes} logits, the bundle {bundle.name!r} has "
            f"{len(bundle.labels)} labels; pass the model's own folder as bundle="
        )
    # Rows that the model takes in one length only are padded to it anyway.
    length = signature.length or pad_to
    if pad_to not in (None, length):
        raise InputError(f"pad_to={pad_to}, but the model takes rows of {length} tokens")
    limits = [limit for limit in (bundle.max_length, max_length, length) if limit is not None]
    return Plan(
        signature=signature,
        bundle=bundle,
        function=choose_function(function, signature.output, bundle),
        limit=min(limits, default=None),
        length=length,
    )


def check_lengths(bundle: Bundle, max_length: object, pad_to: object) -> None:
    """Check that both, if given, have room for a token of text, and that the model has as many."""
    least = bundle.loaded.tokenizer.special_count(pair=False) + 1
    most = math.inf if bundle.max_length is None else bundle.max_length
    reason = f": less has no room for text, and the model of {bundle.name!r} takes no more"
    for name, value in (("max_length", max_length), ("pad_to", pad_to)):
        if value is not None:
            check_whole(name, value, least, most, reason)

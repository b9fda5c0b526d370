"""What the served model and the bundle come to together: how long rows may and must be."""

from collections.abc import Sequence
from dataclasses import dataclass

from lightclient.errors import InputError, SignatureError
from lightclient.messages import short_repr
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import Text
from lightclient.serving.signature import Signature


@dataclass(frozen=True)
class Plan:
    """How every request is made.

    `limit`: the most tokens of a text; what is longer is cut; None: there is no limit.
    `length`: the tokens every row is padded to; None: the longest of its request.
    `takes_pairs`: whether a pair reaches the model as one.
    """

    signature: Signature
    limit: int | None
    length: int | None
    takes_pairs: bool = True

    def check(self, texts: Sequence[Text]) -> None:
        """Refuse what the model would answer wrongly.

        Raises:
            SignatureError: there is a pair, and no way to tell its texts apart.
        """
        if not self.takes_pairs and any(isinstance(text, tuple) and text[1] for text in texts):
            raise SignatureError(
                "the served model takes no token_type_ids, but this bundle's model tells the texts "
                "of a pair apart by them; export it with token_type_ids"
            )


def fit(signature: Signature, bundle: Bundle, max_length: int | None, pad_to: int | None) -> Plan:
    """Fit a served model's signature and a bundle to one another.

    Raises:
        SignatureError: the model gives another number of logits than the bundle has labels.
        InputError: `pad_to` contradicts the signature's own length.
    """
    if signature.classes not in (None, len(bundle.labels)):
        raise SignatureError(
            f"the model gives {signature.classes} logits, the bundle {bundle.name!r} has "
            f"{len(bundle.labels)} labels; pass the model's own folder as bundle="
        )
    if pad_to and signature.length not in (None, pad_to):
        raise InputError(f"pad_to={pad_to}, but the model takes rows of {signature.length} tokens")
    limits = (bundle.max_length, signature.length, max_length, pad_to)
    limit = min((limit for limit in limits if limit is not None), default=None)
    takes_pairs = bool(signature.token_type_ids) or not bundle.needs_type_ids
    return Plan(signature, limit, signature.length or pad_to, takes_pairs)


def check_lengths(bundle: Bundle, max_length: object, pad_to: object) -> None:
    """Check `max_length` and `pad_to` against the bundle.

    Raises:
        InputError: no whole number, too small for one token of text, or more than the model has.
    """
    smallest = bundle.loaded.tokenizer.special_count(pair=False) + 1
    for name, value in (("max_length", max_length), ("pad_to", pad_to)):
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{name} must be a whole number, not {short_repr(value)}")
        if value < smallest:
            raise InputError(
                f"{name}={short_repr(value)} has no room for text; the least is {smallest}"
            )
        if bundle.max_length is not None and value > bundle.max_length:
            raise InputError(
                f"{name}={short_repr(value)}, but the model of {bundle.name!r} takes "
                f"{bundle.max_length} tokens at most"
            )

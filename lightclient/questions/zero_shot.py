"""Which of any labels fit a text, asked of a model for natural language inference (NLI).

Each label becomes a hypothesis, and the text the premise, so that a text has one row a label. The
formulas, the choice of the model's labels and the order are those of transformers,
pipelines/zero_shot_classification.py.
"""

from collections.abc import Sequence

from lightclient.classification import Classification, Score
from lightclient.errors import InputError, SignatureError
from lightclient.messages import short_repr
from lightclient.model.bundle import Bundle
from lightclient.model.encoding import Row, Text, check_text
from lightclient.serving.plan import Plan

TEMPLATE = "This example is {}."
_SHOWN = 5


class ZeroShot:
    """A question about labels that the model has never seen.

    Args:
        labels: one or more.
        template: the hypothesis; `{}` in it is replaced by a label.
        multi_label: whether each label is judged alone. Otherwise they exclude each other.

    Raises:
        InputError: an argument is not what it must be.
    """

    def __init__(self, labels: Sequence[str], template: str, multi_label: bool) -> None:
        self.labels, template = _check_labels(labels), _check_template(template)
        if not isinstance(multi_label, bool):  # "no" would mean yes
            raise InputError(f"multi_label must be True or False, not {short_repr(multi_label)}")
        self._hypotheses = [template.format(label) for label in self.labels]
        self._each_alone = multi_label or len(self.labels) == 1
        self.rows_a_text = len(self.labels)

    def check(self, plan: Plan) -> None:
        """Check that the model can answer, whatever the texts are.

        Raises:
            SignatureError: it is none for NLI, or its output holds probabilities.
            InputError: it has no room for a hypothesis and one token of a text.
        """
        _find_labels(plan)
        for at, hypothesis in enumerate(self._hypotheses):
            try:
                plan.tokenize([("a", hypothesis)], first_only=True)
            except InputError as error:
                raise InputError(f"labels[{at}] makes too long a hypothesis: {error}") from error

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """One row a label, of which only the text itself is cut.

        Raises:
            InputError: a text is a pair, or is empty, or the model has no room for a hypothesis.
            SignatureError: the model cannot read pairs.
        """
        # Each text comes once for each label, so a long one is cut to a piece before.
        premises = (plan.shorten(_check_premise(text)) for text in texts)
        pairs: list[Text] = [
            (premise, hypothesis) for premise in premises for hypothesis in self._hypotheses
        ]
        try:
            rows = plan.tokenize(pairs, first_only=True)
        except InputError:
            self.check(plan)  # it knows which label is too long
            raise
        count = self.rows_a_text
        return [rows[at : at + count] for at in range(0, len(rows), count)]

    def answer(self, found: Sequence[Classification], plan: Plan) -> Classification:
        """The labels with their scores, highest first.

        `logits` has the model's logits for entailment, in the order of the labels as given.

        Raises:
            SignatureError: the served model is none for NLI, or its output holds probabilities.
        """
        import numpy as np

        from lightclient.scoring import softmax

        entailment, contradiction = _find_labels(plan)
        logits = np.array([answer.logits for answer in found], np.float32)
        if self._each_alone:
            scores = softmax(logits[:, [contradiction, entailment]])[:, 1]
        else:
            scores = softmax(logits[:, entailment])
        # Equal scores are in this order as well, because the pipeline sorts in the same way.
        order = scores.argsort()[::-1]
        ranked = tuple(Score(self.labels[at], float(scores[at])) for at in order)
        raw = tuple(logits[:, entailment].tolist())
        return Classification(*ranked[0], ranked, raw, any(answer.truncated for answer in found))


def _find_labels(plan: Plan) -> tuple[int, int]:
    """The places of entailment and contradiction among the model's labels.

    Raises:
        SignatureError: there are none, or the output holds probabilities.
    """
    names = [label.lower() for label in plan.bundle.labels]
    found = [at for at, name in enumerate(names) if name.startswith("entail")]
    if not found or len(names) < 2:
        raise _not_for_nli(plan.bundle)
    # The pipeline's own choice is "none" for regression only. For any other model, somebody said
    # that the output holds probabilities, or its name did.
    if plan.function.name == "none" and plan.bundle.function != "none":
        raise SignatureError(
            "zero-shot needs the model's logits, not the probabilities that its output holds "
            f"({plan.function.reason}); export the model with its logits"
        )
    return found[0], -1 if found[0] == 0 else 0


def _not_for_nli(bundle: Bundle) -> SignatureError:
    names = ", ".join(short_repr(label, 40) for label in bundle.labels[:_SHOWN])
    more = f" and {len(bundle.labels) - _SHOWN:,} more" if len(bundle.labels) > _SHOWN else ""
    return SignatureError(
        "zero-shot needs a model for natural language inference, which has two or more labels, one "
        f"of them beginning with 'entail'; {bundle.name!r} has {names}{more}. Serve such a model, "
        "or correct id2label in its config.json"
    )


def _check_premise(text: Text) -> str:
    if not isinstance(text, str):
        raise InputError("a text for zero-shot must be a str, not a pair")
    if not text:  # the pipeline refuses it as well
        raise InputError("a text for zero-shot must not be empty; leave it out")
    return text


def _check_labels(labels: object) -> tuple[str, ...]:
    # The values are not told: they may be texts that were passed in the wrong place.
    kind = type(labels).__name__
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Sequence):
        raise InputError(f"labels must be a list of str, like ['sports', 'politics'], not {kind}")
    places: dict[str, int] = {}
    for at, label in enumerate(labels):
        if not isinstance(label, str):
            raise InputError(f"labels[{at}] must be a str, not {type(label).__name__}")
        if not label:
            raise InputError(f"labels[{at}] must not be empty; leave it out")
        first = places.setdefault(str(check_text(label, f"labels[{at}]")), at)
        if first != at:
            raise InputError(f"labels[{at}] is equal to labels[{first}]; leave one of them out")
    if not places:
        raise InputError("labels must have one or more labels, and this list is empty")
    return tuple(places)


def _check_template(template: object) -> str:
    try:
        is_good = isinstance(template, str) and template.format("a") != template.format("b")
    except (ValueError, LookupError, AttributeError, TypeError, MemoryError):
        is_good = False
    if not is_good:
        raise InputError(
            "template must be a str with {} in the place of the label, like "
            f"{TEMPLATE!r}, not {short_repr(template)}"
        )
    return str(check_text(template, "template"))

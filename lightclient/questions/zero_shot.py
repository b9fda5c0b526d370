"""Which of any labels fit a text, asked of a model for natural language inference (NLI).

The formulas, the choice of the model's labels and the order are those of transformers,
pipelines/zero_shot_classification.py.
"""

from collections.abc import Sequence

from lightclient.classification import Classification, Score, some_of
from lightclient.errors import InputError, SignatureError
from lightclient.messages import short_repr
from lightclient.model.encoding import Row, Text, check_text
from lightclient.serving.plan import Plan

TEMPLATE = "This example is {}."


class ZeroShot:
    """A question about labels that the model has never seen; the arguments are `zero_shot`'s.

    Each label becomes a hypothesis, and the text the premise, so that a text has one row a label.
    """

    def __init__(self, labels: Sequence[str], template: str, multi_label: bool) -> None:
        self.labels, template = _check_labels(labels), _check_template(template)
        if not isinstance(multi_label, bool):  # "no" would mean yes
            raise InputError(f"multi_label must be True or False, not {short_repr(multi_label)}")
        self._hypotheses = [template.format(label) for label in self.labels]
        self._each_alone = multi_label or len(self.labels) == 1
        self.rows_a_text = len(self.labels)

    def check(self, plan: Plan) -> None:
        """Check that the model can answer, with room for each hypothesis and a token of a text."""
        _find_labels(plan)
        for at, hypothesis in enumerate(self._hypotheses):
            try:
                plan.tokenize([("a", hypothesis)], first_only=True)
            except InputError as error:
                raise InputError(f"labels[{at}] makes too long a hypothesis: {error}") from error

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """One row a label, of which only the text itself is cut."""
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
        """The labels with their scores; `logits` are those for entailment, in the labels' order."""
        import numpy as np  # not at the top: the first request is sent while numpy is imported

        from lightclient.scoring import softmax

        entailment, contradiction = _find_labels(plan)
        logits = np.array([answer.logits for answer in found], np.float32)
        if self._each_alone:
            scores = softmax(logits[:, [contradiction, entailment]])[:, 1]
        else:
            scores = softmax(logits[:, entailment])
        # The pipeline sorts in the same way, so that labels with equal scores come in its order.
        order = scores.argsort()[::-1]
        ranked = tuple(Score(self.labels[at], float(scores[at])) for at in order)
        raw = tuple(logits[:, entailment].tolist())
        return Classification(*ranked[0], ranked, raw, any(answer.truncated for answer in found))


def _find_labels(plan: Plan) -> tuple[int, int]:
    """The places of entailment and contradiction among the model's labels."""
    names = [label.lower() for label in plan.bundle.labels]
    found = [at for at, name in enumerate(names) if name.startswith("entail")]
    if not found or len(names) < 2:
        raise SignatureError(
            "zero-shot needs a model for natural language inference, which has two or more labels, "
            f"one of them beginning with 'entail'; {plan.bundle.name!r} has "
            f"{some_of(plan.bundle.labels)}. Serve such a model, or correct id2label in its "
            "config.json"
        )
    # The pipeline's own choice is "none" for regression only. For any other model, somebody said
    # that the output holds probabilities, or its name did.
    if plan.function.name == "none" and plan.bundle.function != "none":
        raise SignatureError(
            "zero-shot needs the model's logits, not the probabilities that its output holds "
            f"({plan.function.reason}); export the model with its logits"
        )
    # The pipeline takes an end of the list that entailment is not at for contradiction.
    return found[0], -1 if found[0] == 0 else 0


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
    # One that gives the same for any label has no place for it. format() fails in many ways, and
    # with MemoryError for a width like {:>4611686018427387904}.
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

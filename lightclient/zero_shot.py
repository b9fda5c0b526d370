"""Which of any labels fit a text, asked of a model for natural language inference (NLI).

Each label becomes a hypothesis, and the text the premise, so that a text has one row a label. The
formulas, the choice of the model's labels and the order are those of transformers,
pipelines/zero_shot_classification.py.
"""

from collections.abc import Sequence

from lightclient.classification import Classification, Score
from lightclient.errors import InputError, SignatureError
from lightclient.messages import short_repr
from lightclient.model.encoding import Row, Text, check_text
from lightclient.serving.plan import Plan

TEMPLATE = "This example is {}."


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
        self._labels = _check_labels(labels)
        _check_template(template)
        self._hypotheses = [template.format(label) for label in self._labels]
        self._each_alone = multi_label or len(self._labels) == 1
        self.rows_a_text = len(self._labels)

    def rows(self, texts: Sequence[Text], plan: Plan) -> list[list[Row]]:
        """One row a label, of which only the text itself is cut.

        Raises:
            InputError: a text is a pair, or is empty, or the model has no room for a hypothesis.
            SignatureError: the model cannot read pairs.
        """
        pairs: list[Text] = []
        for text in texts:
            if not isinstance(text, str):
                raise InputError("a text of zero_shot must be a str, not a pair")
            pairs += [(text, hypothesis) for hypothesis in self._hypotheses]
        rows, count = plan.tokenize(pairs, first_only=True), len(self._hypotheses)
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
        order = scores.argsort()[::-1]  # as the pipeline does it, with ties in this order
        ranked = tuple(Score(self._labels[at], float(scores[at])) for at in order)
        raw = tuple(logits[:, entailment].tolist())
        return Classification(*ranked[0], ranked, raw, any(answer.truncated for answer in found))


def _find_labels(plan: Plan) -> tuple[int, int]:
    """The places of entailment and contradiction among the model's labels."""
    labels, bundle = [label.lower() for label in plan.bundle.labels], plan.bundle.name
    found = [at for at, label in enumerate(labels) if label.startswith("entail")]
    if not found or len(labels) < 2:
        names = ", ".join(short_repr(label, 40) for label in plan.bundle.labels[:5])
        raise SignatureError(
            f"zero_shot needs a model for natural language inference, one of whose labels begins "
            f"with 'entail'; the labels of {bundle!r} are {names}. Serve such a model, or correct "
            "id2label in its config.json"
        )
    if plan.function.believed == "probabilities":
        raise SignatureError(
            f"zero_shot needs the model's logits, and its output {plan.signature.output!r} holds "
            "probabilities; export the model with its logits"
        )
    return found[0], -1 if found[0] == 0 else 0


def _check_labels(labels: object) -> list[str]:
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Sequence) or not labels:
        raise InputError(f"labels must be a list of one or more str, not {short_repr(labels)}")
    found = []
    for at, label in enumerate(labels):
        if not isinstance(label, str) or not label:
            raise InputError(f"labels[{at}] must be a str with a text, not {short_repr(label)}")
        found.append(str(check_text(label, f"labels[{at}]")))
    if len(set(found)) < len(found):
        twice = next(label for label in found if found.count(label) > 1)
        raise InputError(f"labels must differ, and {short_repr(twice)} comes more than once")
    return found


def _check_template(template: object) -> None:
    try:
        is_good = isinstance(template, str) and template.format("a") != template.format("b")
    except (ValueError, LookupError, AttributeError):
        is_good = False
    if not is_good:
        raise InputError(
            "template must be a str with {} in the place of the label, like "
            f"{TEMPLATE!r}, not {short_repr(template)}"
        )

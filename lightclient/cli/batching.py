"""Do texts that are sent at the same moment change each other's answers?

A server that batches requests (--enable_batching) refuses different lengths in one batch. With
`pad_variable_length_inputs` it pads them, but each input with its own first element, so that the
mask shows the padding to the model (tensorflow_serving/batching/batching_util.cc).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from threading import Thread

from lightclient.classification import Classification
from lightclient.errors import BadRequest, Overloaded, ReplyError, TimedOut, Unavailable
from lightclient.http.deadline import Deadline
from lightclient.model.encoding import Row
from lightclient.serving.predictor import Predictor
from lightclient.serving.refusal import refuses_lengths

_TEXTS = ("Good.", "I like you. I love you", "I like you. I love you. " * 8)
_ROUNDS = 3  # the first opens connections, and its requests may come one after another
_ROUNDING = 1e-3  # no logit of a sound float32 server differs by more
_TIMES_NOISE = 4

_Ask = Callable[[Row], Classification]


def find_batching(predictor: Predictor, deadline: Deadline) -> str:
    """Classify texts of different lengths one by one and then at the same moment; say what came.

    Raises:
        ReplyError: a text's answer depends on the others.
        Whatever `Predictor.predict` raises, except what an overloaded server answers.
    """
    plan = predictor.plan(deadline)
    rows = plan.tokenize(_TEXTS)
    if plan.length:
        return f"all requests have {plan.length} tokens, so that a server can batch them"

    def ask(row: Row) -> Classification:
        [answer] = predictor.predict([row], plan, deadline)
        return answer

    try:
        _compare(rows, ask, str(predictor.address))
    except BadRequest as error:
        if not refuses_lengths(error):
            raise
        return (
            "the server batches requests and refuses different lengths in a batch: classify_many "
            "adapts to it; for other calls at the same moment, pass pad_to=N"
        )
    except (Overloaded, TimedOut, Unavailable):
        return (
            f"the server is too busy to tell within {deadline.seconds:g} s whether texts at the "
            "same moment change each other's answers"
        )
    return f"texts of {_lengths(rows)} tokens get the same answers at the same moment as alone"


def _compare(rows: Sequence[Row], ask: _Ask, url: str) -> None:
    alone = list(map(ask, rows))
    for _ in range(_ROUNDS):
        together = _ask_at_once(rows, ask)
        differences = list(map(_difference, alone, together))
        most = max(differences)
        at = differences.index(most)
        if most > _ROUNDING and most > _TIMES_NOISE * _noise(rows[at], alone[at], ask):
            raise ReplyError(
                f"a text of {len(rows[at].input_ids)} tokens gets the logits {_told(alone[at])} "
                f"alone, and {_told(together[at])} beside others at the same moment: the server "
                "pads a batch so that the model sees the padding. Leave "
                "pad_variable_length_inputs out of its batching parameters, or pass pad_to=N, here "
                "--pad-to N, so that all requests have one length",
                url=url,
            )


def _noise(row: Row, alone: Classification, ask: _Ask) -> float:
    """How far rounding alone, as that of float16, changes an answer in a batch of one length."""
    return max(_difference(alone, again) for again in _ask_at_once([row] * len(_TEXTS), ask))


def _ask_at_once(rows: Sequence[Row], ask: _Ask) -> list[Classification]:
    answers: list[Future[Classification]] = [Future() for _ in rows]
    for row, answer in zip(rows, answers, strict=True):
        # Daemons, since Ctrl-C would wait for the threads of an executor.
        Thread(target=_answer, args=(answer, row, ask), daemon=True).start()
    wait(answers)
    return [answer.result() for answer in answers]


def _answer(answer: "Future[Classification]", row: Row, ask: _Ask) -> None:
    try:
        answer.set_result(ask(row))
    except BaseException as error:  # noqa: BLE001  `_ask_at_once` raises it
        answer.set_exception(error)


def _difference(one: Classification, other: Classification) -> float:
    return max(abs(a - b) for a, b in zip(one.logits, other.logits, strict=True))


def _lengths(rows: Sequence[Row]) -> str:
    *others, last = (str(len(row.input_ids)) for row in rows)
    return f"{', '.join(others)} and {last}"


def _told(answer: Classification) -> str:
    return ", ".join(f"{logit:.4g}" for logit in answer.logits[:4])

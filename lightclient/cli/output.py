"""Answers on stdout: a table, JSON, JSON lines or CSV, written one by one as they come."""

import csv
import json
import shutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TextIO

from lightclient.errors import printable

if TYPE_CHECKING:
    from lightclient.scoring import Classification

Answers = Iterable[tuple[str, "Classification"]]


def shorten(text: str, room: int | None = None) -> str:
    """One printable line of at most `room` characters, the terminal's width if left out."""
    room = shutil.get_terminal_size().columns - 10 if room is None else room
    room = max(room, 10)
    line = "".join(char if char.isprintable() else " " for char in text[: room + 1])
    return line if len(line) <= room else line[: room - 1] + "…"


def bar(score: float, width: int = 40) -> str:
    """A probability as a bar."""
    return "█" * round(score * width)


def write_table(answers: Answers, out: TextIO, top_k: int) -> None:
    """`label  score  text`, a line each; the text is cut to the terminal's width."""
    for text, answer in answers:
        width = max(len(label) for label, _ in answer.scores)
        scores = "  ".join(
            f"{printable(label):<{width}} {score:.5f}" for label, score in answer.scores[:top_k]
        )
        room = shutil.get_terminal_size().columns - len(scores) - 2
        out.write(f"{scores}  {shorten(text, room)}\n")


def write_jsonl(answers: Answers, out: TextIO, top_k: int) -> None:
    """An object a line."""
    for text, answer in answers:
        out.write(json.dumps(_record(text, answer, top_k), ensure_ascii=False) + "\n")


def write_json(answers: Answers, out: TextIO, top_k: int) -> None:
    """One array, an object a line."""
    separator = "[\n"
    for text, answer in answers:
        out.write(separator + json.dumps(_record(text, answer, top_k), ensure_ascii=False))
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def write_csv(answers: Answers, out: TextIO, top_k: int) -> None:
    """A header, then a row a text: text, truncated, and label and score of the best ones."""
    plain = csv.writer(out, lineterminator="\n")
    # Before Python 3.13 a lone carriage return was left without the quotes it needs.
    quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    header: list[str] = []
    for text, answer in answers:
        best = answer.scores[:top_k]
        if not header:
            header = ["text", "truncated", "label", "score"]
            for rank in range(2, len(best) + 1):
                header += [f"label_{rank}", f"score_{rank}"]
            plain.writerow(header)
        cells = [cell for label, score in best for cell in (label, repr(score))]
        (quoting if "\r" in text else plain).writerow([text, str(answer.truncated).lower(), *cells])


def _record(text: str, answer: "Classification", top_k: int) -> dict[str, Any]:
    best = [score._asdict() for score in answer.scores[:top_k]]
    return {"text": text, **best[0], "truncated": answer.truncated} | (
        {"scores": best} if top_k > 1 else {}
    )


WRITERS: dict[str, Callable[[Answers, TextIO, int], None]] = {
    "table": write_table,
    "json": write_json,
    "jsonl": write_jsonl,
    "csv": write_csv,
}

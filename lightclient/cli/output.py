"""Answers as a table, JSON, JSON lines or CSV, each in one write, as they come."""

import json
import re
import shutil
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, TextIO

from lightclient.messages import printable

if TYPE_CHECKING:
    from lightclient.classification import Classification

Answers = Iterable[tuple[str, "Classification"]]
_SPECIAL = re.compile('[",\r\n]')


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
    rest = iter(answers)
    for first in rest:
        out.write(csv_header(len(first[1].scores[:top_k])))
        write_csv_rows(chain([first], rest), out, top_k)


def write_csv_rows(answers: Answers, out: TextIO, top_k: int) -> None:
    """The same without the header."""
    for text, answer in answers:
        cells = [cell for label, score in answer.scores[:top_k] for cell in (label, repr(score))]
        out.write(csv_line([text, str(answer.truncated).lower(), *cells]))


def csv_header(width: int) -> str:
    """The header over rows with the best `width` labels."""
    ranks = range(2, width + 1)
    more = [name for rank in ranks for name in (f"label_{rank}", f"score_{rank}")]
    return csv_line(["text", "truncated", "label", "score", *more])


def csv_line(cells: Iterable[str]) -> str:
    """A row."""
    return ",".join(map(csv_cell, cells)) + "\n"


def csv_cell(text: str) -> str:
    """One cell, in quotes if it needs them."""
    # csv.writer leaves a lone carriage return without quotes before Python 3.13, and cannot write
    # a NUL before 3.11.
    if not _SPECIAL.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


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
# Those whose records can be told apart, and their texts read back.
CONTINUING: dict[str, Callable[[Answers, TextIO, int], None]] = {
    "jsonl": write_jsonl,
    "csv": write_csv_rows,
}

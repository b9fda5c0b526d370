"""The programs of lightclient/TABLES.md, each run as a user would run it: as a file, in a process.

A program reads the folder `reviews` and writes `classified`, or `classified.parquet`.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightclient
from tests.pages import PAGES

PAGE = PAGES["lightclient/TABLES.md"]
PROGRAMS = {
    text.split()[1]: text
    for kind, text in PAGE.blocks
    if kind == "python" and text.startswith("# ")
}
FILES = 8
# Added to workers.py. It notes which classifier of which process was used, and kills its process at
# a text, once, when it has the answers and nobody else has them yet.
WATCH = """
import os
import signal
from pathlib import Path

_HERE = Path(os.environ["TEST_FOLDER"])
_unwatched = label_and_score


def label_and_score(texts):
    found = _unwatched(texts)
    with (_HERE / "used").open("a") as file:
        file.write(f"{os.getpid()} {id(classifier())}\\n")
    if os.environ.get("KILL_AT") in list(texts) and not (_HERE / "killed").exists():
        (_HERE / "killed").write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return found
"""


def write_reviews(folder: Path, texts: list[str | None]) -> None:
    """Write the texts with their places as ids, in several files."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir()
    part = -(-len(texts) // FILES)
    for start in range(0, len(texts), part):
        some = texts[start : start + part]
        ids = range(start, start + len(some))
        columns = pa.table({"id": pa.array(ids), "text": pa.array(some, pa.string())})
        parquet.write_table(columns, folder / f"part-{start:06}.parquet")


def run_program(name: str, folder: Path, **environment: str) -> None:
    """Write a program into the folder, with workers.py beside it, and run it there."""
    (folder / name).write_text(PROGRAMS[name])
    (folder / "workers.py").write_text(PROGRAMS["workers.py"] + WATCH)
    path = str(Path(lightclient.__file__).parents[1])  # what is tested, in every worker
    variables = {"PYTHONPATH": path, "TEST_FOLDER": str(folder)} | environment
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, name], cwd=folder, env=os.environ | variables,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait(timeout=150)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        assert status == 0, log.read()[-5000:]


def rows_of(folder: Path) -> list[tuple[Any, ...]]:
    """The rows that a program wrote, in the order of their ids."""
    from pyarrow import dataset

    [written] = folder.glob("classified*")
    table = dataset.dataset(written, format="parquet").to_table()
    columns = [table[name].to_pylist() for name in ("id", "text", "label", "score")]
    return sorted(zip(*columns, strict=True), key=lambda row: row[0])


def classifiers_used(folder: Path) -> dict[str, set[str]]:
    """The classifiers that each process used."""
    used: dict[str, set[str]] = {}
    for line in (folder / "used").read_text().splitlines():
        process, classifier = line.split()
        used.setdefault(process, set()).add(classifier)
    return used

"""The programs for Spark, Ray and others over 100,000 rows: their answers are a single process's.

The server is a process of its own, and so is each program.
"""

import importlib
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightclient import Classifier
from lightclient.model.files import DEFAULT_BUNDLE
from lightclient.standin import StandIn
from tests.engines.jobs import (
    FILES,
    PAGE,
    PROGRAMS,
    classifiers_used,
    rows_of,
    run_program,
    write_reviews,
)
from tests.engines.server import logits, serving_elsewhere
from tests.test_readme import ROOT

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]
TEXTS = [None if at % 1000 == 7 else f"review {at}" for at in range(100_000)]
# A partition for each file, and no page about the job.
SPARK = (
    "--master local[2,4] --conf spark.ui.enabled=false "
    "--conf spark.sql.files.maxPartitionBytes=1m pyspark-shell"
)


def need(*names: str) -> None:
    for name in ("pyarrow", *names):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[engines]'")


def java_home() -> str:
    """The home of a Java that Spark 4 works with."""
    homes = [os.environ.get("JAVA_HOME", ""), *map(str, Path("/usr/lib/jvm").glob("*"))]
    if java := shutil.which("java"):
        homes.insert(1, str(Path(java).resolve().parents[1]))
    for home in homes:
        java = Path(home) / "bin" / "java"
        if home and java.exists():
            told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
            version = re.search(r'version "(\d+)', told.stderr)
            if version and int(version[1]) >= 17:
                return home
    pytest.skip("Spark needs Java 17 or newer, which is not installed")


def spark() -> dict[str, str]:
    """The environment that Spark needs; its workers would take any `python3`."""
    return {
        "JAVA_HOME": java_home(),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": SPARK,
    }


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    need()
    with serving_elsewhere() as url:
        yield url


@pytest.fixture(scope="module")
def expected(url: str) -> list[tuple[Any, ...]]:
    """The rows as a single process answers them."""
    with Classifier(url) as classifier:
        answers = classifier.classify_many(TEXTS, missing="none")
        rows = [
            (at, text, answer and answer.label, answer and answer.score)
            for at, (text, answer) in enumerate(zip(TEXTS, answers, strict=True))
        ]
    assert len({row[3] for row in rows}) > 30_000  # so a score tells most rows
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_reviews(tmp_path / "reviews", TEXTS)
    return tmp_path


def assert_right(folder: Path, expected: list[tuple[Any, ...]]) -> None:
    found = rows_of(folder)
    assert len(found) == len(expected)
    wrong = [pair for pair in zip(found, expected, strict=True) if pair[0] != pair[1]]
    assert wrong[:3] == []


def assert_one_classifier_a_process(folder: Path) -> None:
    used = classifiers_used(folder)
    assert all(len(classifiers) == 1 for classifiers in used.values()), used
    calls = len((folder / "used").read_text().splitlines())
    assert len(used) < FILES <= calls


@pytest.mark.parametrize(
    "bundle", [None, str(ROOT / "vocab" / DEFAULT_BUNDLE)], ids=["served", "folder"]
)
def test_a_classifier_pickles_small_also_when_it_has_been_used(
    url: str, bundle: str | None
) -> None:
    need("cloudpickle", "dill")
    with Classifier(url, bundle=bundle) as classifier:
        [answer] = classifier.classify(["a text"])
        for library in (pickle, *map(importlib.import_module, ("cloudpickle", "dill"))):
            pickled = library.dumps(classifier)
            assert len(pickled) < 1000
            with library.loads(pickled) as copy:
                assert copy.classify(["a text"]) == [answer]


def test_every_program_is_run() -> None:
    named = re.findall(r'"(\w+\.py)"', Path(__file__).read_text(encoding="utf-8"))
    assert {*named, "workers.py"} == set(PROGRAMS)
    recipes = ("pandas", "polars", "numpy")  # tests/engines/test_frames.py runs these
    assert sum(block.kind == "python" for block in PAGE.blocks) == len(PROGRAMS) + len(recipes)


def test_arrow(url: str, folder: Path, expected: list[tuple[Any, ...]]) -> None:
    run_program("arrow_job.py", folder, LIGHTCLIENT_URL=url)
    assert_right(folder, expected)


def test_spark_over_frames(url: str, folder: Path, expected: list[tuple[Any, ...]]) -> None:
    need("pyspark", "pandas")
    run_program(
        "spark_frames.py", folder,
        LIGHTCLIENT_URL=url, **spark(),
    )  # fmt: skip
    assert_right(folder, expected)
    assert_one_classifier_a_process(folder)


def test_spark_over_columns(url: str, folder: Path, expected: list[tuple[Any, ...]]) -> None:
    need("pyspark", "pandas")
    run_program(
        "spark_columns.py", folder,
        LIGHTCLIENT_URL=url, **spark(),
    )  # fmt: skip
    assert_right(folder, expected)


def test_a_worker_of_spark_is_killed(
    url: str, folder: Path, expected: list[tuple[Any, ...]]
) -> None:
    need("pyspark", "pandas")
    run_program(
        "spark_frames.py", folder,
        LIGHTCLIENT_URL=url, **spark(),
        KILL_AT=TEXTS[len(TEXTS) // 2] or "",
    )  # fmt: skip
    killed = (folder / "killed").read_text()
    used = classifiers_used(folder)
    assert killed in used
    assert len(used) > 1  # another went on
    assert "exited unexpectedly" in (folder / "log").read_text()
    assert_right(folder, expected)


def test_ray(url: str, folder: Path, expected: list[tuple[Any, ...]]) -> None:
    need("ray", "pandas")
    short = tempfile.mkdtemp(prefix="ray")  # Ray's sockets need a short path
    try:
        run_program(
            "ray_job.py", folder,
            LIGHTCLIENT_URL=url, RAY_TMPDIR=short, RAY_USAGE_STATS_ENABLED="0",
        )  # fmt: skip
    finally:
        shutil.rmtree(short, ignore_errors=True)
    assert_right(folder, expected)


def test_dask(url: str, folder: Path, expected: list[tuple[Any, ...]]) -> None:
    need("dask.dataframe", "distributed")
    run_program("dask_job.py", folder, LIGHTCLIENT_URL=url)
    assert_right(folder, expected)
    assert_one_classifier_a_process(folder)


def test_beam(url: str, folder: Path, expected: list[tuple[Any, ...]]) -> None:
    need("apache_beam")
    run_program("beam_job.py", folder, LIGHTCLIENT_URL=url)
    assert_right(folder, expected)


def test_daft(url: str, folder: Path, expected: list[tuple[Any, ...]]) -> None:
    need("daft")
    run_program("daft_job.py", folder, LIGHTCLIENT_URL=url, DO_NOT_TRACK="true")
    assert_right(folder, expected)


def test_datasets(url: str, folder: Path, expected: list[tuple[Any, ...]]) -> None:
    need("datasets")
    run_program("datasets_job.py", folder, LIGHTCLIENT_URL=url, **offline(folder))
    assert_right(folder, expected)


def offline(folder: Path) -> dict[str, str]:
    return {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")}


def test_the_cache_of_datasets_is_used_by_the_next_process(tmp_path: Path) -> None:
    need("datasets")
    write_reviews(tmp_path / "reviews", TEXTS[:1000])
    asked = 0

    def counted(inputs: dict[str, Any]) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return logits(inputs)

    with StandIn({"a": counted, "b": counted}) as url:
        first, second, third = (
            run_and_count(tmp_path, address, lambda: asked)
            for address in (url, url, url.replace("/a", "/b"))
        )
    assert first > 0
    assert second == 0
    assert third > 0


def run_and_count(folder: Path, url: str, asked: Any) -> int:
    before = asked()
    # Python's hashes differ from process to process, and must not get into the fingerprint.
    run_program("datasets_job.py", folder, LIGHTCLIENT_URL=url, **offline(folder))
    return int(asked() - before)

"""The folder of versions and what becomes of it, with a loader in place of TensorFlow's: quick."""

import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from lightclient.errors import InputError, LightClientError
from lightclient.standin import (
    Batching,
    SavedModels,
    SignatureDef,
    StandIn,
    TensorSpec,
    repository,
)
from lightclient.standin.batching import BatchedModels
from lightclient.standin.modelspec import ModelSpec, number_of
from lightclient.standin.protocol import respond
from lightclient.standin.savedmodel import Version
from lightclient.standin.status import StatusError

SPEC = {"x": TensorSpec("float32", (None,))}


def read(folder):
    """A model that multiplies by what stands in its saved_model.pb."""
    try:
        factor = np.float32((folder / "saved_model.pb").read_text())
    except (OSError, ValueError) as error:
        raise StatusError(f"broken: {type(error).__name__}", code="DATA_LOSS") from error
    run = SignatureDef(lambda inputs: {"x": inputs["x"] * factor}, SPEC, SPEC)
    return Version({"serving_default": run}, {})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(repository, "read_saved_model", read)
    monkeypatch.setattr(repository, "tensorflow", lambda: None)
    monkeypatch.setattr(repository, "POLL_SECONDS", 0.01)
    (tmp_path / "m").mkdir()
    return tmp_path / "m"


@pytest.fixture
def serve(folder):
    opened = []

    def start(**options):
        models = SavedModels(folder, **options)
        models.start()
        opened.append(models)
        return models

    yield start
    for models in opened:
        models.close()
    assert not [thread for thread in threading.enumerate() if "versions" in thread.name]


def put(folder, name, text):
    """A version as it ought to come: written elsewhere, then renamed."""
    new = folder.parent / "new"
    new.mkdir()
    (new / "saved_model.pb").write_text(text)
    new.rename(folder / name)


def states(models):
    (model,) = models.current().values()
    return {number: (state.state, state.code) for number, state in model.states().items()}


def until(models, wanted):
    """Waits for these states; the assertion tells what they are instead."""
    end = time.monotonic() + 10
    while states(models) != wanted and time.monotonic() < end:
        time.sleep(0.002)
    assert states(models) == wanted


def answer(models, number="", tail=":predict", body=b'{"inputs": [1]}'):
    version = f"/versions/{number}" if number else ""
    method = "POST" if tail else "GET"
    return str(respond(models.current(), method, f"/v1/models/m{version}{tail}", body)[1])


FINE, UNLOADED, BROKEN = ("AVAILABLE", "OK"), ("END", "OK"), ("END", "DATA_LOSS")


def test_every_version_is_served_and_the_newest_by_default(folder, serve):
    for name in ("1", "002", "10"):
        put(folder, name, name)
    (folder / "config.json").write_text("{}")
    (folder / "7").write_text("a file, no version")
    (folder / "latest").mkdir()
    models = serve()
    assert states(models) == {10: FINE, 2: FINE, 1: FINE}
    assert "10.0" in answer(models)
    assert "2.0" in answer(models, 2)


@pytest.mark.parametrize("names", [("1", "01"), ("01", "1")])
def test_of_two_folders_with_one_number_the_last_by_name_counts(folder, serve, names):
    for name in names:
        put(folder, name, {"1": "5", "01": "6"}[name])
    assert "5.0" in answer(serve())


def test_the_newest_is_loaded_first(folder, serve, monkeypatch):
    seen = []
    monkeypatch.setattr(
        repository, "read_saved_model", lambda path: seen.append(path.name) or read(path)
    )
    for name in ("1", "10", "9"):
        put(folder, name, name)
    serve()
    assert seen == ["10", "9", "1"]


def test_a_saved_model_itself_is_version_1(folder, serve):
    (folder / "saved_model.pb").write_text("3")
    (folder / "9").mkdir()
    models = serve()
    assert states(models) == {1: FINE}
    assert "3.0" in answer(models)


def test_a_version_that_appears_is_served(folder, serve):
    put(folder, "1", "1")
    models = serve()
    put(folder, "2", "2")
    until(models, {2: FINE, 1: FINE})
    assert "2.0" in answer(models)
    assert "1.0" in answer(models, 1)


def test_a_version_that_vanishes_is_unloaded_and_may_come_back(folder, serve):
    put(folder, "1", "1")
    put(folder, "2", "2")
    models = serve(labels={"stable": 2})
    (folder / "2").rename(folder.parent / "away")
    until(models, {2: UNLOADED, 1: FINE})
    assert "1.0" in answer(models)
    with pytest.raises(StatusError, match=r"NOT_FOUND: .*Specific\(m, 2\)"):
        number_of(models.current(), ModelSpec("m", None, "stable"))
    (folder.parent / "away").rename(folder / "2")
    until(models, {2: FINE, 1: FINE})
    assert "2.0" in answer(models)


def test_the_last_version_goes_on_serving(folder, serve):
    put(folder, "1", "1")
    put(folder, "2", "2")
    models = serve()
    for name in ("2", "1"):
        shutil.rmtree(folder / name)
    end = time.monotonic() + 10
    while len(models.current()["m"].versions) > 1 and time.monotonic() < end:
        time.sleep(0.002)
    (last,) = models.current()["m"].versions
    put(folder, "3", "no number")
    until(models, {3: BROKEN, last: FINE, 3 - last: UNLOADED})
    assert f"{last}.0" in answer(models)


def test_a_folder_out_of_reach_changes_nothing(folder, serve, monkeypatch):
    put(folder, "1", "1")
    put(folder, "2", "2")
    models = serve()
    looked = threading.Semaphore(0)

    def look(path):
        looked.release()
        return found(path)

    found = repository.versions_in
    monkeypatch.setattr(repository, "versions_in", look)
    folder.rename(folder.parent / "away")
    for _ in range(3):
        assert looked.acquire(timeout=10)
    assert states(models) == {2: FINE, 1: FINE}
    (folder.parent / "away").rename(folder)
    put(folder, "3", "3")
    until(models, {3: FINE, 2: FINE, 1: FINE})


def test_a_broken_version_is_told_once_and_tried_again_when_it_changes(folder, serve, caplog):
    put(folder, "1", "1")
    models = serve()
    put(folder, "2", "no number")
    until(models, {2: BROKEN, 1: FINE})
    put(folder, "3", "3")  # by the time it is there, the folder has been looked at again
    until(models, {3: FINE, 2: BROKEN, 1: FINE})
    put(folder, "4", "4")
    until(models, {4: FINE, 3: FINE, 2: BROKEN, 1: FINE})
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["version 2 of m is skipped: DATA_LOSS: broken: ValueError"]
    assert "broken: ValueError" in answer(models, 2, tail="")
    (folder / "2" / "saved_model.pb").write_text("2")
    until(models, {4: FINE, 3: FINE, 2: FINE, 1: FINE})


def test_while_a_version_loads_its_state_says_so_and_the_old_one_answers(
    folder, serve, monkeypatch
):
    put(folder, "1", "1")
    models = serve()
    loading, go_on = threading.Event(), threading.Event()

    def slowly(path):
        loading.set()
        assert go_on.wait(10)
        return read(path)

    monkeypatch.setattr(repository, "read_saved_model", slowly)
    put(folder, "2", "2")
    assert loading.wait(10)
    assert states(models) == {2: ("LOADING", "OK"), 1: FINE}
    assert "1.0" in answer(models)
    go_on.set()
    until(models, {2: FINE, 1: FINE})


def test_a_broken_version_at_the_start_does_not_keep_the_others(folder, serve):
    put(folder, "1", "1")
    put(folder, "2", "no number")
    models = serve()
    assert states(models) == {2: BROKEN, 1: FINE}
    assert "1.0" in answer(models)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda f: SavedModels(f / "none"), ["none", "no such folder", "OUT_DIR/1"]),
        (lambda f: SavedModels(f).start(), ["nothing to serve", "put a SavedModel at", "1/saved"]),
        (lambda f: (put(f, "4", "?"), SavedModels(f).start()), ["version 4: broken: ValueError"]),
        (lambda f: SavedModels(f, name="a/b"), ["name is 'a/b'"]),
        (
            lambda f: (put(f, "4", "4"), SavedModels(f, labels={"new": 5}).start()),
            ["labels['new'] is 5", "give one of 4"],
        ),
    ],
)
def test_what_cannot_be_served_is_told_with_its_mend(folder, make, parts):
    with pytest.raises(InputError) as caught:
        make(folder)
    for part in parts:
        assert part in str(caught.value)


def test_the_stand_in_starts_it_and_ends_it_and_may_be_started_anew(folder):
    put(folder, "1", "1")
    standin = StandIn(SavedModels(folder, name="other"))
    for name in ("2", "3"):
        with standin as url:
            assert url.endswith("/v1/models/other")
            assert any("versions" in thread.name for thread in threading.enumerate())
        assert not any("versions" in thread.name for thread in threading.enumerate())
        put(folder, name, name)


def test_a_version_that_comes_is_batched_too(folder, serve):
    put(folder, "1", "1")
    models = serve()
    batched = BatchedModels(models, Batching(max_batch_size=1))
    assert "1.0" in answer(batched)
    put(folder, "2", "2")
    until(models, {2: FINE, 1: FINE})
    assert "2.0" in answer(batched)
    assert "1.0" in answer(batched, 1)
    assert "Task size 2 is larger" in answer(batched, body=b'{"inputs": [1, 2]}')


def test_a_port_that_is_taken_leaves_no_thread(folder):
    put(folder, "1", "1")
    with StandIn() as url:
        port = int(url.split("/")[2].split(":")[1])
        with pytest.raises(InputError, match="cannot listen"):
            StandIn(SavedModels(folder), port=port).start()
        assert not any("versions" in thread.name for thread in threading.enumerate())


def test_without_tensorflow_the_mend_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    put_here = tmp_path / "m"
    put_here.mkdir()
    with pytest.raises(LightClientError, match=r"pip install '\.\[export\]'"):
        SavedModels(put_here).start()


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (["/nowhere"], 1, "/nowhere: no such folder"),
        ([".", "--label", "stable"], 2, "such as stable=1"),
    ],
)
def test_a_wrong_command_line_is_told(arguments, status, part):
    command = [sys.executable, "-m", "lightclient", "serve", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (status, "")
    assert part in done.stderr

"""Models that carry their bundle, as an exported one does."""

import json
import shutil
from base64 import b64decode
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from lightclient import BundleError, InputError
from lightclient.model.files import DEFAULT_BUNDLE, NAMES, bound, fingerprint, read_files
from lightclient.standin import ServedModel, SignatureDef, StandIn, TensorSpec
from lightclient.standin.bundle import bundle_signature
from lightclient.standin.demo import load_demo_model
from lightclient.standin.models import classifier

SHIPPED = Path(__file__).parent.parent / "vocab" / DEFAULT_BUNDLE
OWN = "lightclient_bundle"
STRINGS = TensorSpec("string", (None,))


def constant(inputs):
    return {"logits": [[1.0, 2.0]] * len(inputs["input_ids"])}


def signatures(url):
    with urlopen(f"{url}/metadata") as answer:
        found = json.load(answer)["metadata"]["signature_def"]["signature_def"]
    return {name: value for name, value in found.items() if name != "__saved_model_init_op"}


def predict(url, body):
    with urlopen(f"{url}:predict", json.dumps(body).encode()) as answer:
        return json.load(answer)


def files(url, signature, names):
    answer = predict(url, {"signature_name": signature, "inputs": {"file": names}})
    return [b64decode(value["b64"], validate=True) for value in answer["outputs"]]


@pytest.fixture
def other(tmp_path):
    """A folder with another bundle than the default one."""
    folder = tmp_path / "other"
    shutil.copytree(SHIPPED, folder)
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "x", "1": "y"}}))
    return folder


def test_the_demo_model_carries_the_default_bundle():
    mark = fingerprint(read_files(SHIPPED))
    names = {"serving_default", OWN, bound("serving_default", mark), bound(OWN, mark)}
    with StandIn() as url:
        assert signatures(url).keys() == names
        for name in (OWN, bound(OWN, mark)):
            found = files(url, name, [*NAMES, "vocab.txt", "../config.json"])
            assert [content or None for content in found[:-2]] == [
                path.read_bytes() if (path := SHIPPED / file).is_file() else None for file in NAMES
            ]
            assert found[-2:] == [b"", b""]
        body = {"inputs": {"input_ids": [[101, 2204, 102]], "attention_mask": [[1, 1, 1]]}}
        bound_name = {"signature_name": bound("serving_default", mark)}
        assert predict(url, bound_name | body) == predict(url, body)


def test_the_row_form():
    with StandIn() as url:
        answer = predict(url, {"signature_name": OWN, "instances": [{"file": "config.json"}]})
    (content,) = answer["predictions"]
    assert b64decode(content["b64"]) == (SHIPPED / "config.json").read_bytes()


def test_the_metadata_tells_strings():
    with StandIn() as url:
        told = signatures(url)[OWN]
    (file,), (content,) = told["inputs"].values(), told["outputs"].values()
    assert (list(told["inputs"]), list(told["outputs"])) == (["file"], ["content_bytes"])
    for tensor in (file, content):
        assert tensor["dtype"] == "DT_STRING"
        assert [dim["size"] for dim in tensor["tensor_shape"]["dim"]] == ["-1"]


def test_another_bundle_takes_the_place_of_the_first(other):
    mark = fingerprint(read_files(other))
    model = load_demo_model().with_bundle(other)
    with StandIn(model) as url:
        assert signatures(url).keys() == {
            "serving_default", OWN, bound("serving_default", mark), bound(OWN, mark)
        }  # fmt: skip
        assert files(url, OWN, ["config.json"]) == [(other / "config.json").read_bytes()]
        shipped = bound("serving_default", fingerprint(read_files(SHIPPED)))
        with pytest.raises(HTTPError, match="400") as caught:
            predict(url, {"signature_name": shipped, "inputs": [[1]]})
        words = f'Serving signature name: "{shipped}" not found in signature def'
        with caught.value as answer:
            assert json.load(answer)["error"] == words


def test_each_version_gets_it_and_the_rest_stays(other):
    free = {"x": STRINGS}
    odd = SignatureDef(dict, free, free)
    plain = classifier(constant)
    model = ServedModel({1: {"odd": odd}, 2: plain.versions[1]}, labels={"stable": 1})
    carrying = model.with_bundle(str(other))
    mark = fingerprint(read_files(other))
    assert carrying.versions[1].keys() == {"odd", OWN, bound(OWN, mark)}
    assert carrying.versions[1]["odd"] is odd
    assert bound("serving_default", mark) in carrying.versions[2]
    assert carrying.labels == {"stable": 1}
    assert model.versions == {1: {"odd": odd}, 2: plain.versions[1]}


def test_the_signature_alone():
    """For a model that carries a bundle without its fingerprint."""
    own = bundle_signature({"config.json": b"\xff\0"})
    versions = {
        1: {"serving_default": SignatureDef(dict, {"x": STRINGS}, {"x": STRINGS}), OWN: own}
    }
    with StandIn(ServedModel(versions)) as url:
        assert files(url, OWN, ["config.json", "tokenizer.json"]) == [b"\xff\0", b""]


def test_what_is_no_bundle(tmp_path):
    model = classifier(constant)
    with pytest.raises(BundleError, match="not a shipped name"):
        model.with_bundle(tmp_path / "none")
    with pytest.raises(InputError, match="int"):
        model.with_bundle(1)
    shutil.copy(SHIPPED / "config.json", tmp_path)
    with pytest.raises(BundleError, match=r"tokenizer\.json is missing"):
        model.with_bundle(tmp_path)

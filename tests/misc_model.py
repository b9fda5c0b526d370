"""The recorded models: look-ups for the classifiers and the files, numpy for the odd ones."""

import base64
import json
from pathlib import Path

import numpy as np

from lightclient.standin import ServedModel, SignatureDef, TensorSpec

EXCHANGES = Path(__file__).parent / "data" / "exchanges"
DTYPES = {
    "DT_BOOL": "bool",
    "DT_DOUBLE": "float64",
    "DT_FLOAT": "float32",
    "DT_HALF": "float16",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_STRING": "string",
}
LOGITS = {  # as recorded, by the ids of a row without its padding
    (101, 102): (0.00656881137, -0.0179614834),
    (101, 7592, 102): (0.00678215781, -0.0178737286),
    (101, 2088, 102): (0.00659694, -0.0181007702),
    (101,): (-0.0125212222, 0.00923057),
}
PROBABILITIES = {  # TensorFlow's softmax; numpy's differs in the last bit
    (np.float32(0.1).item(), 2.0, 3.0): (0.0386696942, 0.258541554, 0.70278877),
    (5.0, -1.0, np.float32(1e-7).item()): (0.990867496, 0.00245611509, 0.00667641219),
}
LABELS = np.array([b"neg", b"pos", b"neu"], dtype=object)


def classify(inputs, length=None):
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    if ids.ndim != 2 or 0 in ids.shape or ids.shape != mask.shape:
        raise ValueError(f"Incompatible shapes: {list(ids.shape)} vs. {list(mask.shape)}")
    if length is not None and ids.shape[1] != length:
        raise ValueError(f"Incompatible shapes: [1,{ids.shape[1]},64] vs. [1,{length},64]")
    rows = [LOGITS[tuple(row[used == 1].tolist())] for row, used in zip(ids, mask, strict=True)]
    return {"logits": np.array(rows, dtype=np.float32)}


def classify_fixed(inputs):
    return classify(inputs, length=100)


def multi(inputs):
    x = inputs["x"]
    best = x.argmax(axis=-1)
    return {
        "class_id": best,
        "probabilities": np.array([PROBABILITIES[tuple(row.tolist())] for row in x], np.float32),
        "score": x.max(axis=-1),
        "top_label": LABELS[best],
    }


def quiet(function):
    def run(inputs):
        with np.errstate(all="ignore"):
            return {"y": function(inputs["x"])}

    return run


def slow(inputs):
    return {"n": np.zeros(1, dtype=np.int32)}


RUNS = {
    "tiny_dyn": {"serving_default": classify},
    "tiny_fixed100": {"serving_default": classify_fixed},
    "misc": {
        "serving_default": quiet(np.array),
        "multi": multi,
        "types": dict,
        "half": quiet(np.array),
        "strs": lambda inputs: {"out": inputs["s"], "out_bytes": inputs["s"]},
        "rank3": quiet(np.array),
        "log": quiet(np.log),
        "nobatch": lambda inputs: {"sum": inputs["x"].sum()},
        "empty_out": lambda inputs: {"y": np.zeros((0, 4), dtype=np.float32)},
        "slow": slow,
        "inconsistent": lambda inputs: {"a": inputs["x"], "b": np.array([1, 2, 3], np.float32)},
        "div": quiet(lambda x: x / np.float32(0)),
    },
}


def tensor_specs(described):
    return {
        name: TensorSpec(
            DTYPES[spec["dtype"]], tuple(None if size < 0 else size for size in spec["shape"])
        )
        for name, spec in described.items()
    }


def signature(run, described):
    return SignatureDef(run, tensor_specs(described["inputs"]), tensor_specs(described["outputs"]))


def recorded_models():
    """The served models of the recording, by name."""
    described = json.loads((EXCHANGES / "models.json").read_text())
    return {
        name: ServedModel(
            versions={
                number: {
                    key: signature(RUNS[name][key], value)
                    for key, value in model["signatures"].items()
                }
                for number in model["versions"]
            },
            labels=model["labels"],
        )
        for name, model in described.items()
    }


def recorded_exchanges():
    return json.loads((EXCHANGES / "exchanges.json").read_text())


def later_exchanges():
    """The recordings of batching.json that were made without flags, and are whole."""
    found = json.loads((EXCHANGES / "batching.json").read_text())
    return [
        item for item in found if not item["server"] and not item["response"]["body"].endswith("…")
    ]


def batching_exchanges():
    """The recordings of batching.json from servers that batched."""
    found = json.loads((EXCHANGES / "batching.json").read_text())
    return [item for item in found if item["server"]]


def config_file(exchanges):
    """The file that the recorded signatures of strings gave out."""
    (found,) = (item for item in exchanges if item["name"] == "a string signature, row form")
    return base64.b64decode(json.loads(found["response"]["body"])["predictions"][0]["b64"])


def later_models():
    """The served models of those recordings, by name."""
    files = {b"config.json": config_file(later_exchanges())}

    def content(inputs):
        return np.array([files.get(name, b"") for name in inputs["file"]], dtype=object)

    strings, free = TensorSpec("string", (None,)), (None, None)
    x = {"x": TensorSpec("float32", (None, 4))}
    ids = dict.fromkeys(("input_ids", "attention_mask"), TensorSpec("int32", free))
    logits = {"logits": TensorSpec("float32", (None, 2))}
    bundle = SignatureDef(
        lambda inputs: {"content_bytes": content(inputs)},
        {"file": strings},
        {"content_bytes": strings},
    )
    text = SignatureDef(
        lambda inputs: {"content": content(inputs)}, {"file": strings}, {"content": strings}
    )
    scores = SignatureDef(dict, x, logits)
    classifier = {"serving_default": SignatureDef(dict, ids, logits)}
    return {
        "bs": ServedModel(
            {
                1: {
                    "bundle": bundle,
                    "bundle-0123abcd": scores,
                    "bundle_text": text,
                    "serving_default": scores,
                }
            }
        ),
        "two": ServedModel({1: classifier, 2: classifier}, labels={"stable": 1, "canary": 2}),
    }

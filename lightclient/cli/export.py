"""`lightclient export`: a Hugging Face model for TensorFlow Serving."""

import argparse
import logging
import re
import shlex
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from lightclient.cli import options
from lightclient.errors import InputError

if TYPE_CHECKING:
    from lightclient.export import Exported

_TEXT = """\
Write a Hugging Face text classifier as a SavedModel for TensorFlow Serving, with warm-up requests
and the bundle the client needs, and compare the result with the source model.
The SavedModel carries the bundle, so that a client needs nothing but the URL.
Needs TensorFlow and transformers: pip install '.[export]'

  lightclient export distilbert-base-uncased-finetuned-sst-2-english models/sst2
  lightclient export path/to/huggingface/folder models/mine --max-length 100

A SavedModel that was written otherwise gets its next version, which carries a bundle:

  lightclient export --add-bundle path/to/huggingface/folder models/mine
"""


def add_command(commands: "options.Commands") -> None:
    """Add `export`."""
    parser = options.add_command(commands, "export", "a model for TensorFlow Serving", _TEXT)
    parser.add_argument(
        "--add-bundle",
        action="store_true",
        help="only add the tokenizer and the labels of MODEL, a folder, to the SavedModel in "
        "OUT_DIR, and write that as its next version",
    )
    parser.add_argument("model", metavar="MODEL", help="a local folder, or a name on the hub")
    parser.add_argument("out_dir", metavar="OUT_DIR", help="the folder the server is to load")
    parser.add_argument(
        "--version", metavar="N", type=int, help="default: one above the highest in OUT_DIR"
    )
    parser.add_argument(
        "--max-length",
        metavar="T",
        type=int,
        help="a fixed signature: every row has T tokens; default: any number",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.add_bundle and arguments.max_length is not None:
        raise InputError("--add-bundle leaves the signature as it is: leave --max-length out")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("lightclient.export").setLevel(logging.INFO)
    # Ended by `kill` or a container's stop, it clears up as after Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    print(_report(_export(arguments)))
    return 0


def _export(arguments: argparse.Namespace) -> "Exported":
    from lightclient.export import add_bundle, export

    model, out_dir, version = arguments.model, arguments.out_dir, arguments.version
    if arguments.add_bundle:
        return add_bundle(model, out_dir, version)
    return export(model, out_dir, version=version, max_length=arguments.max_length)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _report(exported: "Exported") -> str:
    name = re.sub(r"[^\w.-]", "-", exported.bundle.name, flags=re.ASCII) or "model"
    mount = shlex.quote(f"{exported.bundle}:/models/{name}:ro")
    url = f"http://localhost:8501/v1/models/{name}"
    length = "any length" if exported.max_length is None else f"{exported.max_length} tokens"
    return f"""\
written     {exported.folder}
inputs      {", ".join(exported.inputs)} ({length})
difference  {exported.largest_difference:.2g} at most, from the logits in {exported.compared_with}

Serve it:
  docker run --rm -p 8501:8501 -v {mount} -e MODEL_NAME={name} tensorflow/serving
Try it:
  lightclient check --url {url}
  lightclient classify --url {url} "I like you. I love you\""""

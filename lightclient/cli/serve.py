"""`lightclient serve`: the stand-in as a server of its own."""

import argparse
import logging
import signal
import sys
from typing import TYPE_CHECKING

from lightclient.cli import options

if TYPE_CHECKING:
    from lightclient.standin import StandIn

_TEXT = """\
Answer TensorFlow Serving's REST API: for development and tests, not for production. Ends with
Ctrl-C or SIGTERM.

  lightclient serve                         the small model that comes with the package
  lightclient serve OUT_DIR                 a SavedModel, run by TensorFlow
  lightclient serve OUT_DIR --name distilbert --label stable=1 --label canary=2

  lightclient classify --url http://127.0.0.1:8501/v1/models/demo "I like you. I love you"

OUT_DIR is laid out as for TensorFlow Serving: OUT_DIR/1/saved_model.pb, OUT_DIR/2/..., or it is a
SavedModel itself. The newest version answers; each can be asked for. A new version folder is picked
up within a second or two, and one that cannot be loaded is reported and skipped. This takes
TensorFlow: pip install '.[export]'
"""


def add_command(commands: "options.Commands") -> None:
    """Add `serve`."""
    parser = options.add_command(
        commands, "serve", "a stand-in for TensorFlow Serving, for development", _TEXT
    )
    parser.add_argument(
        "folder", metavar="OUT_DIR", nargs="?", help="the folder of versions; default: a demo model"
    )
    parser.add_argument(
        "--name", metavar="N", help="the model's name; default: the folder's, or demo"
    )
    parser.add_argument(
        "--label",
        metavar="L=V",
        type=_label,
        action="append",
        default=[],
        dest="labels",
        help="a label for a version, such as stable=1; may be given several times",
    )
    parser.add_argument("--port", metavar="P", type=int, default=8501, help="default: 8501")
    parser.add_argument(
        "--host",
        metavar="H",
        default="127.0.0.1",
        help="the address to listen on; default: %(default)s",
    )
    parser.set_defaults(run=_run)


def _label(text: str) -> tuple[str, int]:
    name, equals, number = text.rpartition("=")
    if not (name and equals and number.isascii() and number.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}: give a label and a version, such as stable=1")
    return name, int(number)


def _run(arguments: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # containers end with it
    try:
        _serve(arguments)
    except KeyboardInterrupt:
        print("ended", file=sys.stderr)
    return 0


def _serve(arguments: argparse.Namespace) -> None:
    what = "the demo model" if arguments.folder is None else arguments.folder
    server = _server(arguments)
    with server as url:
        print(f"serving {what} at {url}", file=sys.stderr)
        print("a stand-in for development and tests; Ctrl-C ends it", file=sys.stderr, flush=True)
        server.serve_forever()


def _server(arguments: argparse.Namespace) -> "StandIn":
    from lightclient.standin import SavedModels, ServedModel, StandIn
    from lightclient.standin.demo import load_demo_model

    models: SavedModels | dict[str, ServedModel]
    if arguments.folder is not None:
        _report_versions()
        models = SavedModels(arguments.folder, name=arguments.name, labels=dict(arguments.labels))
    else:
        demo = load_demo_model()
        models = {arguments.name or "demo": ServedModel(demo.versions, dict(arguments.labels))}
    return StandIn(models, host=arguments.host, port=arguments.port)


def _report_versions() -> None:
    """Show on stderr which versions come and go."""
    log = logging.getLogger("lightclient.standin")
    log.addHandler(logging.StreamHandler())
    log.setLevel(logging.INFO)
    log.propagate = False  # TensorFlow adds a handler of its own to the root

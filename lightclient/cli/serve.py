"""`lightclient serve`: the stand-in as a server of its own."""

import argparse
import sys

from lightclient.cli import options

_TEXT = """\
Answer TensorFlow Serving's REST API with the small model that comes with the package: for
development and tests, not for production. Ends with Ctrl-C.

  lightclient serve
  lightclient classify --url http://127.0.0.1:8501/v1/models/demo "I like you. I love you"
"""


def add_command(commands: "options.Commands") -> None:
    """Add `serve`."""
    parser = options.add_command(
        commands, "serve", "a stand-in for TensorFlow Serving, for development", _TEXT
    )
    parser.add_argument("--port", metavar="P", type=int, default=8501, help="default: 8501")
    parser.add_argument(
        "--host",
        metavar="H",
        default="127.0.0.1",
        help="the address to listen on; default: %(default)s",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from lightclient.standin import StandIn

    server = StandIn(host=arguments.host, port=arguments.port)
    with server as url:
        print(f"serving the demo model at {url}", file=sys.stderr)
        print("a stand-in for development and tests; Ctrl-C ends it", file=sys.stderr, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended", file=sys.stderr)
    return 0

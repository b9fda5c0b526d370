"""`lightclient demo`: the whole way of a text, shown on the stand-in."""

import argparse
from typing import TYPE_CHECKING

from lightclient.cli import options
from lightclient.cli.output import bar, shorten

if TYPE_CHECKING:
    from lightclient.http.transport import Transport
    from lightclient.model.bundle import Bundle

_TEXT = """\
Classify texts with the small model that comes with the package, on a stand-in for TensorFlow
Serving that runs in this process, and show what goes over the wire. No server, no download.

  lightclient demo "I like you. I love you"
"""
_TIMEOUT = 30.0


def add_command(commands: "options.Commands") -> None:
    """Add `demo`."""
    parser = options.add_command(commands, "demo", "see how it works, without a server", _TEXT)
    parser.add_argument("texts", metavar="TEXT", nargs="+", help="a text to classify")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from lightclient.http.transport import Transport
    from lightclient.model.bundle import Bundle
    from lightclient.model.encoding import check_text
    from lightclient.serving.address import parse_address
    from lightclient.standin import StandIn

    texts = [str(check_text(text, f"TEXT {at}")) for at, text in enumerate(arguments.texts, 1)]
    bundle = Bundle.load()
    with StandIn() as url:
        address = parse_address(url)
        transport = Transport(address.origin)
        for text in texts:
            _show(text, bundle, transport, address.predict)
        transport.close()
    print("The demo model is small: right for 82 of 100 film reviews.")
    return 0


def _show(text: str, bundle: "Bundle", transport: "Transport", path: str) -> None:
    """The steps of `Classifier.classify`, each with what it makes."""
    from lightclient.http.deadline import Deadline
    from lightclient.model.encoding import encode
    from lightclient.scoring import classify_logits
    from lightclient.serving.reply import read_logits
    from lightclient.serving.request import build_request
    from lightclient.serving.signature import Signature

    batch = encode([text], bundle, bundle.max_length)
    document = bundle.loaded.tokenizer.document
    names = {at: token for token, at in (document.vocabulary() | document.added_ids()).items()}
    tokens = " ".join(names[at] for at in batch.input_ids[0])
    request = build_request(batch, Signature())
    reply = transport.send("POST", path, request, Deadline(_TIMEOUT))
    logits = read_logits(reply, 1, len(bundle.labels))
    answer = classify_logits(logits, bundle, batch.truncated)[0]
    print(f"text      {shorten(text)}")
    print(f"tokens    {shorten(tokens)}")
    print(f"request   POST {reply.url}")
    print(f"          {shorten(request.decode())}")
    print(f"reply     {reply.status} {shorten(' '.join(reply.body.decode().split()))}")
    for label, score in answer.scores:
        print(f"{label:<9} {score:.5f} {bar(score)}")
    print()

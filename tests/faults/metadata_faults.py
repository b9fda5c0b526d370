"""Faults that the first question meets, which asks for the signature."""

from dataclasses import replace

from lightclient import NotTensorFlowServing, SignatureError
from tests.faults import http_faults, network_faults
from tests.faults.fault import METADATA, Fault
from tests.faults.server import metadata, reply
from tests.scripted import response


def _is_judged_by_its_body(fault: Fault) -> bool:
    """Whether the words that the client reads decide, rather than how they came."""
    return fault.name in ("a length that is too short", "a length of 0",
                          "broken gzip that is not announced")  # fmt: skip


def _at_metadata(fault: Fault) -> Fault:
    kinds = (NotTensorFlowServing,) if _is_judged_by_its_body(fault) else fault.lasting
    return replace(fault, asks=METADATA, lasting=kinds)


def _unfit(name: str, body: bytes | str, kind: type[Exception] = SignatureError) -> Fault:
    return Fault(f"metadata: {name}", reply(response(200, body)), (kind,), asks=METADATA)


def _changed(name: str, old: str, new: str) -> Fault:
    return _unfit(name, metadata().decode().replace(old, new))


_BODIES = [
    _unfit("HTML", "<html></html>", NotTensorFlowServing),
    _unfit("empty", "", NotTensorFlowServing),
    _unfit("half of it", metadata()[:200], NotTensorFlowServing),
    _unfit("null", "null", NotTensorFlowServing),
    _unfit("a number of 1 MB", "1" * 1_000_000, NotTensorFlowServing),
    _unfit("100,000 deep", "[" * 100_000, NotTensorFlowServing),
    _unfit("no UTF-8", b'{"metadata": "\xff"}', NotTensorFlowServing),
    _unfit("three labels", metadata(classes=3)),
    _unfit("rows of 0 tokens", metadata(length=0)),
    _unfit("rows of 10**400 tokens", metadata(length=10**400)),
    _changed("unknown inputs", "input_ids", "pixels"),
    _changed("a type for no token", "DT_INT32", "DT_STRING"),
    _changed("infinite sizes", '"-1"', "1e400"),
    _changed("no sizes", '"size"', '"length"'),
    _changed("nonsense for sizes", '"-1"', '"many"'),
]

FAULTS = [
    *(
        _at_metadata(fault)
        for fault in (*network_faults.FAULTS, *http_faults.FAULTS)
        if not fault.heavy and fault.listens and not fault.at_accept
    ),
    *_BODIES,
]

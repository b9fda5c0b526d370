"""A served model as the suite sees it: plain HTTP, and requests made from its own metadata."""

import gzip
import http.client
import json
import re
import socket
from dataclasses import dataclass

import pytest

SECONDS = 60.0  # one answer; a big model on a small machine takes its time
URL = re.compile(r"http://([^/:]+|\[[^]]+\])(?::([0-9]+))?/v1/models/([^/:?#]+)")
_INTEGERS = ("DT_INT32", "DT_INT64")


@dataclass(frozen=True)
class Answer:
    """`data`: the parsed body, None if it is no JSON."""

    status: int
    headers: dict
    text: str

    @property
    def data(self):
        return json.loads(self.text) if "json" in self.headers.get("content-type", "") else None

    @property
    def error(self):
        """Status and message of an error."""
        return self.status, self.data["error"]


class Server:
    """Where the model is served, and how it is asked."""

    def __init__(self, url):
        found = URL.fullmatch(url)
        if not found:
            raise ValueError(f"{url}: give http://HOST:8501/v1/models/NAME")
        self.address = (found[1].strip("[]"), int(found[2] or 80))
        self.name = found[3]
        self.path = f"/v1/models/{self.name}"

    def connect(self):
        """A connection that does not come back by itself once the server has closed it."""
        connection = http.client.HTTPConnection(*self.address, timeout=SECONDS)
        connection.connect()
        connection.auto_open = 0
        return connection

    def ask(self, tail="", body=None, *, path=None, method=None, connection=None, **headers):
        """The answer to one request; a body that is no bytes is sent as JSON."""
        own = connection or self.connect()
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        own.request(
            method or ("GET" if body is None else "POST"), path or self.path + tail, data, names
        )
        answer = read(own.getresponse())
        if own is not connection:
            own.close()
        return answer

    def predict(self, body, **options):
        return self.ask(":predict", body, **options)

    def raw(self, data):
        """All that the server sends until it closes the connection."""
        with socket.create_connection(self.address, timeout=SECONDS) as connection:
            connection.sendall(data)
            return connection.makefile("rb").read()


def read(response):
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read().decode())


class Model:
    """What `serving_default` takes, and rows for it. `ids`: the name of the input of token ids."""

    def __init__(self, server):
        described = server.ask("/metadata").data["metadata"]["signature_def"]["signature_def"]
        self.signatures = described
        self.inputs = described["serving_default"]["inputs"]
        self.outputs = described["serving_default"]["outputs"]
        self.dtypes = {name: info["dtype"] for name, info in self.inputs.items()}
        if not set(self.dtypes.values()) <= set(_INTEGERS):
            pytest.exit(f"no text classifier: serving_default takes {self.dtypes}", returncode=4)
        others = [name for name in self.inputs if _is_mask(name) or _is_type(name)]
        (self.ids,) = set(self.inputs) - set(others)
        self.mask = next((name for name in others if _is_mask(name)), None)
        sizes = self.inputs[self.ids]["tensor_shape"]["dim"]
        self.length = None if sizes[1]["size"] == "-1" else int(sizes[1]["size"])

    def row(self, *ids):
        """One row, padded if the signature's length is fixed."""
        padding = [0] * (0 if self.length is None else self.length - len(ids))
        used = [1] * len(ids) + padding
        kinds = {self.ids: [*ids, *padding], self.mask: used}
        zeros = [0] * len(used)
        # Ids first: it is they that the server names when something is wrong.
        names = sorted(self.inputs, key=lambda name: (name != self.ids, name))
        return {name: kinds.get(name, zeros) for name in names}


def _is_mask(name):
    return "mask" in name


def _is_type(name):
    return "type" in name or "segment" in name


def columns(rows):
    """The same rows, columnar."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def rows_of(answer):
    """Each row's outputs by name, of either form; a lone output has no name."""
    assert answer.status == 200, answer.text
    found = answer.data
    if "predictions" in found:
        return [row if isinstance(row, dict) else {"": row} for row in found["predictions"]]
    outputs = found["outputs"] if isinstance(found["outputs"], dict) else {"": found["outputs"]}
    return [
        dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)
    ]


def close_to(rows):
    """Equal but for the noise of floats, which a batch's size may change."""
    return [
        {name: pytest.approx(value, rel=1e-3, abs=1e-3) for name, value in row.items()}
        for row in map(_flat, rows)
    ]


def flat(rows):
    """Rows in the form that `close_to` compares with."""
    return [_flat(row) for row in rows]


def _flat(row):
    found = {}
    for name, value in row.items():
        if isinstance(value, list):
            found |= _flat({f"{name}[{index}]": item for index, item in enumerate(value)})
        else:
            found[name] = value
    return found


def compressed(body):
    return gzip.compress(json.dumps(body).encode())

"""Servers of other vendors on real sockets, as their documentation describes them.

Each checks what its vendor checks and asks a stand-in for the logits. None was compared with the
real one.
"""

import hashlib
import hmac
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from tests.scripted import read_request, response, serving


class Arrived(NamedTuple):
    """A request as it came over the socket; the names of its headers in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, object]
Vendor = Callable[[Arrived], Answer]


@contextmanager
def vendor(answer: Vendor) -> Iterator[tuple[str, list[Arrived]]]:
    """Serve what `answer` says; gives the origin and the list of what has arrived."""
    arrived: list[Arrived] = []

    def script(connection: socket.socket) -> None:
        while data := read_request(connection):
            arrived.append(parse(data))
            status, body = answer(arrived[-1])
            connection.sendall(
                response(status, body if isinstance(body, str) else json.dumps(body))
            )

    with serving(script) as server:
        yield server.origin, arrived


def parse(data: bytes) -> Arrived:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        assert name.lower() not in headers
        headers[name.lower()] = value.strip()
    return Arrived(method, path, headers, body)


def ask(model_url: str, body: bytes, name: str | None = None) -> Answer:
    """The answer of TensorFlow Serving behind the vendor's front."""
    url = re.sub(r"[^/]+$", name, model_url) if name else model_url
    try:
        with urlopen(Request(f"{url}:predict", body)) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def google_error(code: int, message: str, status: str) -> Answer:
    """https://cloud.google.com/apis/design/errors: the JSON representation."""
    return code, {"error": {"code": code, "message": message, "status": status}}


def vertex_ai(model_url: str, path: str, valid_tokens: set[str]) -> Vendor:
    """Vertex AI, projects.locations.endpoints.predict and rawPredict.

    https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/predict;
    the limit: https://cloud.google.com/sdk/gcloud/reference/ai/endpoints/predict.
    """
    model = {
        "deployedModelId": "5251549009234886656",
        "model": "projects/481830000000/locations/us-central1/models/6128382910291",
        "modelDisplayName": "distilbert",
        "modelVersionId": "1",
    }

    def answer(request: Arrived) -> Answer:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in valid_tokens:
            message = "Request had invalid authentication credentials."
            return google_error(401, message, "UNAUTHENTICATED")
        if request.method != "POST" or request.path not in (
            f"{path}:predict",
            f"{path}:rawPredict",
        ):
            return google_error(404, "Requested entity was not found.", "NOT_FOUND")
        if len(request.body) > 1_572_864:
            message = "Request payload size exceeds the limit: 1572864 bytes."
            return google_error(400, message, "INVALID_ARGUMENT")
        if request.path.endswith(":rawPredict"):
            return ask(model_url, request.body)
        if "instances" not in json.loads(request.body):
            message = 'Invalid JSON payload received. Unknown name "inputs": Cannot find field.'
            return google_error(400, message, "INVALID_ARGUMENT")
        status, found = ask(model_url, request.body)
        assert isinstance(found, dict)
        if status != 200:
            message = f"Prediction failed: {found['error']}"
            return google_error(status, message, "INVALID_ARGUMENT")
        return 200, {"predictions": found["predictions"], **model}

    return answer


def sagemaker(model_url: str, endpoint: str, secrets: dict[str, str]) -> Vendor:
    """SageMaker's InvokeEndpoint, with the TensorFlow container behind it.

    The API: https://docs.aws.amazon.com/sagemaker/latest/APIReference/
    API_runtime_InvokeEndpoint.html. The container: aws/sagemaker-tensorflow-serving-container,
    docker/build_artifacts/sagemaker/tensorflowServing.js.
    """

    def answer(request: Arrived) -> Answer:
        wrong = wrong_signature(request, "sagemaker", secrets)
        if wrong:
            return 403, {"message": wrong}
        if (request.method, request.path) != ("POST", f"/endpoints/{endpoint}/invocations"):
            return 400, {"message": "Endpoint E of account 111122223333 not found."}
        attributes = request.headers.get("x-amzn-sagemaker-custom-attributes", "")
        name = re.search(r"tfs-model-name=([^,]+)", attributes)
        status, found = ask(model_url, request.body, name and name[1])
        if status != 200:
            said = json.dumps(found)
            return 424, {
                "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
                "Message": f'Received client error ({status}) from primary with message "{said}"',
                "OriginalMessage": said,
                "OriginalStatusCode": status,
            }
        return 200, json.dumps(found)

    return answer


def azure_ml(model_url: str, path: str, key: str) -> Vendor:
    """A managed online endpoint with TensorFlow Serving in its container: the scoring route only.

    https://learn.microsoft.com/en-us/azure/machine-learning/how-to-deploy-custom-container
    """

    def answer(request: Arrived) -> Answer:
        if request.headers.get("authorization") != f"Bearer {key}":
            return 401, "key_auth_bad_header_missing"
        if (request.method, request.path) != ("POST", f"{path}:predict"):
            return 404, ""
        return ask(model_url, request.body)

    return answer


def wrong_signature(request: Arrived, service: str, secrets: dict[str, str]) -> str | None:
    """What is wrong with the request's AWS Signature Version 4, computed here once more.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/(\w+)/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        request.headers.get("authorization", ""),
    )
    if found is None:
        return "Missing Authentication Token"
    key_id, day, region, signed_for, names, signature = found.groups()
    if signed_for != service or not {"host", "x-amz-date"} <= set(names.split(";")):
        return "The request is signed for something else."
    if key_id not in secrets:
        return "The security token included in the request is invalid."
    canonical = "\n".join([
        request.method,
        quote(request.path, safe="/-_.~"),
        "",
        *(f"{name}:{' '.join(request.headers[name].split())}" for name in names.split(";")),
        "",
        names,
        hashlib.sha256(request.body).hexdigest(),
    ])  # fmt: skip
    scope = f"{day}/{region}/{service}/aws4_request"
    moment = request.headers["x-amz-date"]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secrets[key_id]}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    expected = hmac.new(key, text.encode(), "sha256").hexdigest()
    if not hmac.compare_digest(expected, signature):
        return "The request signature we calculated does not match the signature you provided."
    return None

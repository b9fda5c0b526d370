"""Servers of other vendors that speak the protocol, in their documented form."""

import copy
import pickle
from collections.abc import Callable, Iterator, Mapping

import pytest

from lightclient import (
    AccessDenied,
    BadRequest,
    Classifier,
    CredentialsError,
    InputError,
    LightClientError,
    ModelNotFound,
    NotTensorFlowServing,
    Signature,
)
from lightclient.cli import main
from lightclient.serving.address import parse_address
from lightclient.standin import StandIn
from lightclient.standin.demo import load_demo_model
from tests.other_servers import azure_ml, sagemaker, vendor, vertex_ai
from tests.pages import PAGES
from tests.scripted import answering, outputs, response, serving

TEXTS = ["I like you. I love you", "a bore", "what a wonderful film"]
LABELS = ["POSITIVE", "NEGATIVE", "POSITIVE"]
ENDPOINT = "/v1/projects/p/locations/us-central1/endpoints/123"
AZURE = "/v1/models/distilbert"
SECRETS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with StandIn({"distilbert": load_demo_model()}) as url:
        yield url


def labels(classifier: Classifier) -> list[str]:
    return [answer.label for answer in classifier.classify(TEXTS)]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"https://us-central1-aiplatform.googleapis.com{ENDPOINT}:predict", f"{ENDPOINT}:predict"),
        (f"https://x.prediction.vertexai.goog{ENDPOINT}:rawPredict", f"{ENDPOINT}:rawPredict"),
        ("https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/E/invocations",
         "/endpoints/E/invocations"),
        ("http://localhost:8080/invocations", "/invocations"),
        ("http://h/v1/models/m:rawPredict", "/v1/models/m:rawPredict"),
    ],
)  # fmt: skip
def test_a_url_that_is_taken_as_it_is(url: str, path: str) -> None:
    address = parse_address(url)
    assert (address.model, address.predict) == (None, path)


def test_the_url_of_a_model_is_read_as_before() -> None:
    address = parse_address("https://e.westeurope.inference.ml.azure.com/v1/models/m:predict")
    assert (address.model, address.predict) == ("m", "/v1/models/m:predict")


@pytest.mark.parametrize(
    "url", ["http://h/endpoints/E", "http://h/v1/predict", "http://h/invocation"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="has no path of a model"):
        parse_address(url)


@pytest.mark.parametrize("signature", [None, "serving_default"])
def test_a_signature_must_be_stated_by_hand(signature: str | None) -> None:
    with pytest.raises(InputError) as caught:
        Classifier("https://h/endpoints/E/invocations", signature=signature)
    assert "Classifier(url, form='row', signature=Signature(input_ids=" in str(caught.value)


def test_vertex_ai(model: str) -> None:
    with vendor(vertex_ai(model, ENDPOINT, {"ya29.valid"})) as (origin, arrived):
        url = f"{origin}{ENDPOINT}:predict"
        with Classifier(url, signature=Signature(), form="row", token="ya29.valid") as classifier:
            assert labels(classifier) == LABELS
            assert [answer.label for answer in classifier.classify_many(TEXTS)] == LABELS
    assert {(request.method, request.path) for request in arrived} == {
        ("POST", f"{ENDPOINT}:predict")
    }


def test_vertex_ai_raw(model: str) -> None:
    with vendor(vertex_ai(model, ENDPOINT, {"ya29.valid"})) as (origin, _):
        url = f"{origin}{ENDPOINT}:rawPredict"
        with Classifier(url, signature=Signature(), token="ya29.valid") as classifier:
            assert labels(classifier) == LABELS


def test_vertex_ai_tells_what_is_wrong(model: str) -> None:
    with vendor(vertex_ai(model, ENDPOINT, {"ya29.valid"})) as (origin, _):
        url = f"{origin}{ENDPOINT}:predict"
        with pytest.raises(BadRequest, match='Unknown name "inputs"'):
            Classifier(url, signature=Signature(), token="ya29.valid").classify("a")
        with pytest.raises(AccessDenied, match="invalid authentication credentials"):
            Classifier(url, signature=Signature(), form="row", token="ya29.old").classify("a")
        other = url.replace("123", "124")
        with pytest.raises(ModelNotFound, match="Requested entity was not found"):
            Classifier(other, signature=Signature(), form="row", token="ya29.valid").classify("a")
        wrong = Signature(input_ids="ids")
        with pytest.raises(BadRequest, match="Prediction failed"):
            Classifier(url, signature=wrong, form="row", token="ya29.valid").classify("a")


def test_a_list_that_is_too_large_for_vertex_ai(model: str) -> None:
    """One list is one request; classify_many keeps all its requests small."""
    with vendor(vertex_ai(model, ENDPOINT, {"t"})) as (origin, arrived):
        url = f"{origin}{ENDPOINT}:predict"
        classifier = Classifier(
            url, signature=Signature(length=512), form="row", token="t", timeout=60
        )
        with classifier, pytest.raises(BadRequest, match="or give them to classify_many"):
            classifier.classify(["word " * 600] * 500)
        assert len(arrived[-1].body) > 1_572_864


def test_every_request_of_classify_many_is_small() -> None:
    """However long or short the texts are, and in the longer of the two forms."""
    sizes = []

    def count(request):
        sizes.append(len(request.body))
        return 200, {"predictions": [[-1.0, 1.0]] * request.body.count(b'"input_ids"')}

    texts = [f"{at} " + "zyzzyva " * (at % 7) for at in range(6000)]
    texts += [f"{at} " + "zyzzyva " * 600 for at in range(20)]
    with vendor(count) as (origin, _):
        classifier = Classifier(f"{origin}/invocations", signature=Signature(), form="row")
        with classifier:
            assert len(list(classifier.classify_many(texts))) == len(texts)
            assert len(list(classifier.classify_many([*map(str, range(6000))]))) == 6000
    assert 10_000 < max(sizes) < 100_000


def test_sagemaker_with_the_signer_of_the_readme(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("botocore", reason="botocore is not installed: pip install '.[test]'")
    block = PAGES["lightclient/serving/README.md"].block("python", "SigV4Auth")
    named = "https://runtime.sagemaker.eu-west-1.amazonaws.com"
    assert named in block
    for name, value in SECRETS.items():
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", value)
    with vendor(sagemaker(model, "E", SECRETS)) as (origin, arrived):
        names: dict[str, object] = {"Classifier": Classifier, "Signature": Signature}
        exec(block.replace(named, origin), names)
        classifier = names["classifier"]
        assert isinstance(classifier, Classifier)
        with classifier:
            assert labels(classifier) == LABELS
        attributes = {request.headers["x-amzn-sagemaker-custom-attributes"] for request in arrived}
        assert attributes == {"tfs-model-name=distilbert"}
        assert "x-amzn-sagemaker-custom-attributes" in arrived[0].headers["authorization"]


def signing(secret: str, **more: str) -> Callable[[str, str, bytes], dict[str, str]]:
    auth = pytest.importorskip("botocore.auth", reason="botocore is not installed")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def sign(method: str, url: str, body: bytes) -> dict[str, str]:
        request = AWSRequest(method, url, {"Content-Type": "application/json", **more}, body)
        credentials = Credentials("AKIDEXAMPLE", secret)
        auth.SigV4Auth(credentials, "sagemaker", "eu-west-1").add_auth(request)
        return dict(request.headers)

    return sign


def test_sagemaker_refuses_what_is_signed_wrongly(model: str) -> None:
    with vendor(sagemaker(model, "E", SECRETS)) as (origin, _):
        url = f"{origin}/endpoints/E/invocations"

        def classify(headers: Callable[[str, str, bytes], Mapping[str, str]] | None) -> None:
            with Classifier(url, signature=Signature(), headers=headers) as classifier:
                classifier.classify("a")

        right = signing(SECRETS["AKIDEXAMPLE"])
        classify(right)
        with pytest.raises(AccessDenied, match="Missing Authentication Token"):
            classify(None)
        for wrong in (
            signing("another"),
            lambda method, url, body: right(method, url, body + b" "),
            lambda method, url, body: right(method, url + "/", body),
            lambda method, url, body: right("GET", url, body),
            lambda method, url, body: {**right(method, url, body), "Content-Type": "text/json"},
        ):
            with pytest.raises(AccessDenied, match="does not match the signature you provided"):
                classify(wrong)


def test_sagemaker_tells_what_its_model_says(model: str) -> None:
    attributes = {"X-Amzn-SageMaker-Custom-Attributes": "tfs-model-name=nope"}
    sign = signing(SECRETS["AKIDEXAMPLE"], **attributes)
    with vendor(sagemaker(model, "E", SECRETS)) as (origin, _):
        url = f"{origin}/endpoints/E/invocations"
        with pytest.raises(BadRequest, match="Servable not found for request: Latest"):
            Classifier(url, signature=Signature(), headers=sign).classify("a")
        other = f"{origin}/endpoints/F/invocations"
        with pytest.raises(BadRequest, match="account 111122223333 not found"):
            Classifier(other, signature=Signature(), headers=sign).classify("a")


def test_azure_ml(model: str) -> None:
    with vendor(azure_ml(model, AZURE, "key")) as (origin, arrived):
        url = f"{origin}{AZURE}:predict"
        with Classifier(url, signature=Signature(), token="key") as classifier:
            assert labels(classifier) == LABELS
        with pytest.raises(AccessDenied, match="Pass token="):
            Classifier(url, signature=Signature()).classify("a")
        with pytest.raises(NotTensorFlowServing, match="state the signature by hand"):
            Classifier(url, token="key").classify("a")
    assert arrived[0].path == f"{AZURE}:predict"


def test_a_token_that_expires(model: str) -> None:
    """The function is asked for each request, so that a call after the end gets a new one."""
    valid = {"t1"}
    given = []

    def token() -> str:
        given.append(f"t{len(given) + 1}")
        return given[-1]

    with vendor(vertex_ai(model, ENDPOINT, valid)) as (origin, arrived):
        url = f"{origin}{ENDPOINT}:predict"
        with Classifier(url, signature=Signature(), form="row", token=token) as classifier:
            assert given == []
            classifier.classify("a")
            valid.clear()
            valid.add("t2")
            classifier.classify("a")
    assert [request.headers["authorization"] for request in arrived] == ["Bearer t1", "Bearer t2"]


def test_a_repeat_gets_a_token_of_its_own() -> None:
    given: list[str] = []

    def token() -> str:
        given.append("t")
        return f"t{len(given)}"

    seen = []

    def busy_at_first(request):
        seen.append(request.headers["authorization"])
        return (503, {"error": "busy"}) if len(seen) == 1 else (200, {"outputs": [[-1.0, 1.0]]})

    with (
        vendor(busy_at_first) as (origin, _),
        Classifier(f"{origin}/invocations", signature=Signature(), token=token) as classifier,
    ):
        classifier.classify("a")
    assert seen == ["Bearer t1", "Bearer t2"]


def test_functions_for_a_server_with_metadata(model: str) -> None:
    """Each request has its own method, URL and body: the metadata's as well as the prediction's."""
    seen = []

    def headers(method: str, url: str, body: bytes) -> dict[str, str]:
        seen.append((method, url, bool(body)))
        return {"X-Request": method}

    with Classifier(model, headers=headers) as classifier:
        classifier.classify("a")
    assert seen == [("GET", f"{model}/metadata", False), ("POST", f"{model}:predict", True)]


def failing(*_: object) -> str:
    raise RuntimeError("the secret is 12345")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"token": failing}, "called as token\\(\\) failed with RuntimeError"),
        ({"headers": failing}, r"called as headers\(method, url, body\) failed with RuntimeError"),
        ({"token": lambda: None}, "gave None"),
        ({"token": lambda: "hidden\n"}, "token must be printable ASCII"),
        ({"token": lambda: 7}, "token must be a str, not int"),
        ({"headers": lambda *_: None}, "gave None"),
        ({"headers": lambda *_: {"A": "hidden\n"}}, "must be printable ASCII"),
        ({"headers": lambda *_: {"Content-Length": "3"}}, "is set by the client itself"),
        ({"headers": dict}, "failed with TypeError"),
    ],
)
def test_a_function_that_fails(
    arguments: dict[str, object], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    with serving(answering(outputs())) as server:
        classifier = Classifier(
            f"{server.origin}/invocations",
            signature=Signature(),
            **arguments,  # type: ignore[arg-type]
        )
        with pytest.raises(CredentialsError, match=words) as caught:
            classifier.classify("a")
        assert "hidden" not in str(caught.value)
        assert "12345" not in str(caught.value) + caplog.text
        assert server.connections == 0
        errors = list(classifier.classify_many(["a", "b"], on_error="return"))
        assert [type(error) for error in errors] == [CredentialsError, CredentialsError]


def test_the_cause_of_a_failure_is_kept() -> None:
    classifier = Classifier("http://localhost:1/invocations", signature=Signature(), token=failing)
    with pytest.raises(LightClientError) as caught:
        classifier.classify("a")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_ctrl_c_in_a_function_is_not_swallowed() -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    url = "http://localhost:1/invocations"
    with pytest.raises(KeyboardInterrupt):
        Classifier(url, signature=Signature(), token=interrupted).classify("a")


def test_functions_are_in_no_repr() -> None:
    def secret_12345() -> str:
        return "t"

    classifier = Classifier(
        "http://localhost:1/invocations", signature=Signature(), token=secret_12345
    )
    assert "12345" not in repr(classifier) + repr(classifier._asker.settings)


def module_token() -> str:
    return "ya29.valid"


def test_a_classifier_with_a_function_is_pickled(model: str) -> None:
    with vendor(vertex_ai(model, ENDPOINT, {"ya29.valid"})) as (origin, _):
        url = f"{origin}{ENDPOINT}:predict"
        first = Classifier(url, signature=Signature(), form="row", token=module_token)
        for classifier in (pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
            with classifier:
                assert labels(classifier) == LABELS


def test_a_function_that_cannot_be_pickled_is_named() -> None:
    url = "http://localhost:1/invocations"
    classifier = Classifier(url, signature=Signature(), token=lambda: "t")
    with pytest.raises(InputError, match="whose token is a function that no module holds"):
        pickle.dumps(classifier)


def test_check_tries_a_text(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIGHTCLIENT_TOKEN", "ya29.valid")
    with vendor(vertex_ai(model, ENDPOINT, {"ya29.valid"})) as (origin, arrived):
        assert main(["check", "--url", f"{origin}{ENDPOINT}:predict"]) == 0
        assert len(arrived) == 1 + 3 + 9  # the last ones at the same moment
    lines = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in lines] == ["ok    "] * 2 + ["warn  "] + ["ok    "] * 3
    assert "state the signature by hand" in lines[1]
    assert "input_ids, attention_mask (free length)" in lines[1]
    assert lines[-2].endswith("(label='POSITIVE', score=0.99431), asked with form='row'")


def test_check_of_kserve(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The real one is in tests/heavy; this is its status and its answer to an unknown path."""

    def kserve(request):
        if request.path == "/v1/models/m":
            return 200, {"name": "m", "ready": True}
        if request.method == "GET":
            return 404, {"detail": "Not Found"}
        return 200, {"predictions": [[-1.0, 1.0]]}

    with vendor(kserve) as (origin, _):
        assert main(["check", "--url", f"{origin}/v1/models/m"]) == 0
        out = capsys.readouterr().out
        assert "model 'm' is ready, in KServe's words" in out
        with pytest.raises(NotTensorFlowServing, match="state the signature by hand"):
            Classifier(f"{origin}/v1/models/m").classify("a")


@pytest.mark.parametrize(
    "body", ['{"error": {"code": 7}}', '{"error": []}', '{"message": {}}', "[]"]
)
def test_an_error_without_words(body: str) -> None:
    with serving(answering(response(400, body))) as server:
        url = f"{server.origin}/invocations"
        with pytest.raises(NotTensorFlowServing):
            Classifier(url, signature=Signature()).classify("a")

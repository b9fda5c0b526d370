"""The light client itself, on that server."""

import math

import pytest

from lightclient import Classifier
from lightclient.errors import ModelNotFound, SignatureNotFound
from lightclient.serving.signature import Signature

TEXTS = ["I like you. I love you", "", "Not at all. " * 8, "ÜBER 😀"]


@pytest.fixture(scope="module")
def make(request, serving_url):
    """Makes a Classifier with the bundle that fits; closes it in the end."""
    bundle = request.config.getoption("--serving-bundle")
    if request.config.getoption("--serving-url") and not bundle:
        pytest.skip("--serving-bundle names the model's folder: without it the labels are unknown")
    made = []

    def classifier(url=serving_url, **options):
        made.append(Classifier(url, bundle=bundle, timeout=60, **options))
        return made[-1]

    yield classifier
    for classifier in made:
        classifier.close()


@pytest.mark.parametrize("form", ["columnar", "row"])
def test_a_text_is_answered_alike_alone_and_among_others(make, form):
    classifier = make(form=form)
    together = classifier.classify(TEXTS)
    for text, answer in zip(TEXTS, together, strict=True):
        alone = classifier.classify(text)
        assert alone.logits == pytest.approx(answer.logits, rel=1e-3, abs=1e-3)
        assert alone.label == answer.label


def test_the_score_is_the_labels(make):
    answer = make().classify(TEXTS[0])
    assert (answer.label, answer.score) == tuple(answer.scores[0])
    assert 0 <= answer.score <= 1
    assert all(map(math.isfinite, answer.logits))


def test_the_parallel_way_keeps_the_order(make):
    classifier = make()
    wanted = [answer.label for answer in classifier.classify(TEXTS)]
    found = [answer.label for answer in classifier.classify_many(TEXTS * 10)]
    assert found == wanted * 10


def test_its_errors_are_the_servers(make, serving_url):
    with pytest.raises(ModelNotFound):
        make(f"{serving_url}-not-there").classify("x")
    with pytest.raises(ModelNotFound):
        make(f"{serving_url}/versions/987654321").classify("x")
    with pytest.raises(ModelNotFound):
        make(f"{serving_url}/labels/no-such-label").classify("x")
    with pytest.raises(SignatureNotFound):
        make(signature=Signature(name="none")).classify("x")

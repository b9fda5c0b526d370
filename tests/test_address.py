import pytest

from lightclient import InputError
from lightclient.serving.address import parse_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h:8501/v1/models/m", "http://h:8501/v1/models/m"),
        ("http://h:8501/v1/models/m:predict", "http://h:8501/v1/models/m"),
        ("http://h:8501/v1/models/m/", "http://h:8501/v1/models/m"),
        ("http://h:8501/v1/models/m/versions/3:predict", "http://h:8501/v1/models/m/versions/3"),
        ("http://h:8501/v1/models/m/labels/stable", "http://h:8501/v1/models/m/labels/stable"),
        ("https://h/v1/models/m", "https://h:443/v1/models/m"),
        ("http://h/v1/models/m", "http://h:80/v1/models/m"),
        ("http://[::1]:8501/v1/models/m", "http://[::1]:8501/v1/models/m"),
        ("https://gate/team/a/v1/models/m:predict", "https://gate:443/team/a/v1/models/m"),
        (" http://h:8501/v1/models/m\n", "http://h:8501/v1/models/m"),
    ],
)
def test_forms(url: str, expected: str) -> None:
    address = parse_address(url)
    assert str(address) == expected
    assert address.model == "m"
    assert address.predict == address.path + ":predict"
    assert address.metadata == address.path + "/metadata"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "no server is named"),
        (3, "not int"),
        ("", "must start with http"),
        ("h:8501/v1/models/m", "must start with http"),
        ("localhost/v1/models/m", "must start with http"),
        ("grpc://h:8500/v1/models/m", "must start with http"),
        ("http://h:8501", "has no path of a model"),
        ("http://h:8501/v1/models/", "has no path of a model"),
        ("http://h:8501//v1/models/m", "has no path of a model"),
        ("http://h:8501/v1/models/m:classify", "this client uses :predict"),
        ("http://h:8501/v1/models/m/versions/2:regress", "this client uses :predict"),
        ("http://h:8501/v1/models/m/versions/x", "has no path of a model"),
        ("http://h:8501/v1/models/m/versions/1/labels/x", "has no path of a model"),
        ("http://h:99999/v1/models/m", "broken"),
        ("http://h:port/v1/models/m", "broken"),
        ("http://[::1/v1/models/m", "broken"),
        ("http://h:8501/v1/models/m?key=hidden", r"without '\?'"),
        ("http://user:hidden@h:8501/v1/models/m", "credentials"),
        ("user:hidden@h:8501/v1/models/m", "credentials"),
        ("http:/user:hidden@h/v1/models/m", "credentials"),
        ("http://user:hidden/v1/models/m", "broken"),
        ("ftp://h/v1/models/m?token=hidden", r"without '\?'"),
        ("http://h:8501/v1/models/m n", "a space"),
        ("http://h:8501/v1/models/m\r\nX: y", "a control"),
        ("http://h:8501/v1/models/é", "non-ASCII"),
    ],
)
def test_what_is_refused(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        parse_address(url)
    assert "hidden" not in str(caught.value)

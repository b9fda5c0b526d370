import pytest

from lightclient import InputError, SettingError
from lightclient.settings import Settings, read_settings


def test_every_variable() -> None:
    environ = {
        "LIGHTCLIENT_URL": "http://h/v1/models/m",
        "LIGHTCLIENT_BUNDLE": "folder",
        "LIGHTCLIENT_TIMEOUT": "2.5",
        "LIGHTCLIENT_TOKEN": "hidden",
        "LIGHTCLIENT_CA_CERTS": "ca.pem",
        "LIGHTCLIENT_CLIENT_CERT": "client.pem",
        "OTHER": "x",
    }
    settings = read_settings(environ)
    assert settings == Settings(
        "http://h/v1/models/m", "folder", 2.5, "hidden", "ca.pem", "client.pem"
    )
    assert "hidden" not in repr(settings)


def test_empty_counts_as_absent() -> None:
    assert read_settings({"LIGHTCLIENT_URL": "", "LIGHTCLIENT_TIMEOUT": ""}) == Settings()


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ten", "'ten'"), ("0", "0.0"), ("-1", "-1.0"), ("nan", "nan"), ("1e999", "inf")],
)
def test_a_timeout_that_is_no_number(text: str, shown: str) -> None:
    with pytest.raises(SettingError, match=rf"^LIGHTCLIENT_TIMEOUT: timeout must .*, not {shown}$"):
        read_settings({"LIGHTCLIENT_TIMEOUT": text})


def test_what_is_given_by_hand_wins() -> None:
    environ = {"LIGHTCLIENT_URL": "a", "LIGHTCLIENT_TIMEOUT": "3"}
    assert read_settings(environ, url="b", timeout=None) == Settings(url="b", timeout=3)
    broken = {"LIGHTCLIENT_TIMEOUT": "soon"}
    assert read_settings(broken, timeout=2) == Settings(timeout=2)
    for timeout in (0, -1, "5", True, float("inf"), float("nan"), 10**400):
        with pytest.raises(InputError, match=r"^timeout must be"):
            read_settings({}, timeout=timeout)

import pickle

import pytest

import lightclient
from lightclient import LightClientError, Overloaded, TimedOut, errors

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, Exception)
]


def test_one_root_and_all_exported() -> None:
    assert len(CLASSES) == 23
    for error in CLASSES:
        assert issubclass(error, LightClientError)
        assert getattr(lightclient, error.__name__) is error


def test_every_error_says_what_it_means() -> None:
    assert all("__doc__" in vars(error) and error.__doc__ for error in CLASSES)


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_pickles_with_its_data(error: type[LightClientError]) -> None:
    raised = error("what happened\nhow to mend it", url="http://h", attempts=3)
    again = pickle.loads(pickle.dumps(raised))
    assert type(again) is error
    assert str(again) == "what happened\nhow to mend it"
    assert (again.url, again.attempts) == ("http://h", 3)


def test_standard_parents() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(TimedOut, TimeoutError)
    assert TimedOut("late").status is None
    assert Overloaded("busy", retry_after=2.0).retry_after == 2.0

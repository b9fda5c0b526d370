"""Eight processes that stream at one server, which is too small for them, or down for a moment."""

from tests.stress.crowd import Admits, Down, run, serving

PROCESSES = 8
ROWS = PROCESSES * 600


def test_all_rows_get_through_a_server_that_admits_four_requests_at_a_time() -> None:
    handle = Admits(4, 0.0005)
    with serving(handle) as url:
        ran = run(url, PROCESSES, ROWS)
    assert ran.right == [ROWS // PROCESSES] * PROCESSES
    assert handle.refused


def test_all_rows_get_through_a_server_that_was_down() -> None:
    handle = Down(2, closes=True)
    with serving(handle) as url:
        ran = run(url, PROCESSES, ROWS)
    assert ran.right == [ROWS // PROCESSES] * PROCESSES
    # As the docstring of the budget says it, for four requests at once.
    assert handle.refused <= PROCESSES * (4 + 36 + 2 / 5)

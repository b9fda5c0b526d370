"""Many processes at a small server, and at one that is down: `python -m tests.benchmarks.crowd`.

Prints how long eight processes take for the same rows as four, whose streams all go through a
server that answers four requests at a time and refuses the others with 503. Then how many requests
a server gets that is down for 20 s while eight processes stream at it.
"""

import argparse

from tests.stress.crowd import Admits, Down, run, serving


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=16_000)
    parser.add_argument("--seconds", type=float, default=0.0025, help="for one row")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--down", type=float, default=20, help="seconds")
    options = parser.parse_args()
    for _ in range(options.rounds):
        took = {count: crowd(count, options.rows, options.seconds) for count in (4, 8)}
        print(f"8 processes take {took[8] / took[4]:.2f} times as long as 4")
    for closes in (False, True):
        storm(options.down, closes=closes)


def crowd(processes: int, rows: int, seconds: float) -> float:
    """The seconds that so many processes take for all rows."""
    handle = Admits(4, seconds)
    with serving(handle) as url:
        ran = run(url, processes, rows)
    print(
        f"{processes} processes: {ran.seconds:.1f} s, {sum(ran.right)} rows, {handle.refused} "
        f"requests refused, at least {rows * seconds / 4:.1f} s"
    )
    return ran.seconds


def storm(down: float, *, closes: bool) -> None:
    """Print what comes to a server that is down."""
    handle = Down(down, closes=closes)
    with serving(handle) as url:
        ran = run(url, 8, 1600)
    how = "closes connections" if closes else "answers 503"
    print(
        f"a server that {how} for {down:g} s gets {handle.refused} requests of 8 processes in that "
        f"time, and the first again {handle.late:.1f} s after it; {sum(ran.right)} rows in "
        f"{ran.seconds:.1f} s"
    )


if __name__ == "__main__":
    main()

"""The table at the end of the suite."""

from dataclasses import dataclass, field

# How a complaint begins, by the line of the table that counts it.
_MUST_BE_NONE = {
    "deadline overruns": "overrun",
    "leaks of threads, sockets, files": ("leaked thread", "leaked file"),
    "texts told": "leaked text",
    "wrong answers": "wrong answer",
    "other outcomes": ("unexpected", "no error", "missing", "unhealthy"),
}


@dataclass
class Tally:
    """Counts what came of all calls."""

    faults: set[str] = field(default_factory=set)
    calls: int = 0
    right: int = 0
    named: int = 0
    latest: float = 0.0
    complaints: list[str] = field(default_factory=list)

    def add_call(self, *, right: int, named: int, late: float) -> None:
        self.calls += 1
        self.right += right
        self.named += named
        self.latest = max(self.latest, late)

    def add_case(self, fault: str, complaints: list[str]) -> None:
        self.faults.add(fault)
        self.complaints += complaints

    def lines(self) -> list[str]:
        counts = {
            "faults tried": len(self.faults),
            "calls made": self.calls,
            "right answers": self.right,
            "named errors": self.named,
            **{
                line: sum(complaint.startswith(begin) for complaint in self.complaints)
                for line, begin in _MUST_BE_NONE.items()
            },
        }
        lines = [f"{name:<34} {count:>7}" for name, count in counts.items()]
        return [*lines, f"{'latest after its deadline':<34} {self.latest * 1000:>+7.0f} ms"]


TALLY = Tally()

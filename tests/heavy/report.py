"""The figures that the suite prints at its end."""

LINES: list[str] = []


def report(what: str, texts: int, difference: float | None = None) -> None:
    """Add a line: what was compared, over how many texts, and the largest difference."""
    told = "equal" if difference is None else f"largest difference {difference:.1e}"
    LINES.append(f"{what:<58} {texts:>6} texts  {told}")

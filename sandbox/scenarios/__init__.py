"""What is played through a real gateway, and whether it ended as it should: one module for each kind of play."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table


def problems(checks: Mapping[str, bool]) -> tuple[str, ...]:
    """The words of those that do not hold."""
    return tuple(words for words, fine in checks.items() if not fine)


def table(title: str, headings: Sequence[str], rows: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Table:
    """One line for each play, made of its problems and the cells after the tick; one column for each hop."""
    shown = Table(title=title, title_justify="left", box=None)
    shown.add_column("")
    for heading in headings:
        shown.add_column(heading, no_wrap=heading != "as sent")
    for found, cells in rows:
        shown.add_row("[red]✗[/]" if found else "[green]✓[/]", *cells)
    return shown


def later(milliseconds: float | None) -> str:
    """When something arrived, None standing for never."""
    return "never" if milliseconds is None else f"{milliseconds:.0f} ms later"

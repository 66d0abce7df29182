"""Text that others chose, made fit for any terminal, log line and database."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence

GONE = "\N{REPLACEMENT CHARACTER}"
GAP = 2  # blanks between columns
BELOW = " " * 8  # before what stands below a row
# From how many seconds on a time is said in it, and how many it has: "1 day" would say too little.
SPANS = (("day", 2 * 86400, 86400), ("hour", 3600, 3600), ("minute", 60, 60), ("second", 0, 1))

# What may be a phone number: E.164 has 15 digits at most. Behind a plus they may be written apart (E.123).
_NUMBERS = re.compile(r"\b[0-9]{9,15}\b|(?<=\+)[0-9](?:[ ().-]{0,3}[0-9]){7,14}")


def text(given: str, *, instead: str = GONE) -> str:
    """Put `instead` in place of each character that is not printable; "" leaves them out.

    Printable is what `str.isprintable` takes: letters, digits, signs and the blank. So no control character, no line
    end, no mark that turns the direction of writing, no other kind of blank and no lone surrogate comes through.
    """
    return given if given.isprintable() else "".join(sign if sign.isprintable() else instead for sign in given)


def whom(contact_id: str, identity: str) -> str:
    """Name a contact by its id; failing that by the end of the channel identity, which may be a phone number."""
    return contact_id or (f"…{identity[-3:]}" if identity else "")


def discreet(given: str, identity: str) -> str:
    """Leave of a channel identity, and of whatever may be a phone number, its end alone in a text."""
    number = identity.removeprefix("+")
    known = given.replace(number, whom("", number)) if number else given
    return _NUMBERS.sub(lambda found: whom("", found[0]), known)


def counted(number: int, noun: str) -> str:
    """Count in words: "no errors", "1 error", "2 errors"."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """Say a time in whole units: in days from two on, else in the largest that it fills."""
    unit, size = next((unit, size) for unit, least, size in SPANS if max(seconds, 0) >= least)
    return counted(int(max(seconds, 1) // size), unit)


def ago(seconds: float) -> str:
    """Say how long ago something was; of another clock it may be yet to come."""
    return f"{span(seconds)} ago" if seconds >= 1 else "just now"


def wrapped(given: str, columns: int, *, head: str = "") -> list[str]:
    """Break it into lines of so many columns, the first behind `head` and all below its end; no word is cut."""
    below = " " * len(head)
    lines = textwrap.wrap(
        given, columns, initial_indent=head, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    )
    return lines or [head.rstrip()]


def table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, columns: int, measure: Callable[[str], int] = len
) -> Iterator[str]:
    """Lay rows out under their titles, on so many columns and without cutting anything.

    What has no room beside the others stands below its row, by its title. `measure` tells how wide a text is.
    """
    widths = [max(map(measure, column)) + GAP for column in zip(titles, *rows, strict=True)]
    room, beside = columns + GAP - 1, []
    for place, width in enumerate(widths):
        if width <= room:
            room -= width
            beside.append(place)
    yield _line(titles, beside, widths, measure)
    for row in rows:
        yield _line(row, beside, widths, measure)
        below = [f"{titles[place]} {cell}" for place, cell in enumerate(row) if place not in beside and cell]
        if below:
            yield from wrapped(", ".join(below), columns, head=BELOW)


def facts(told: Sequence[tuple[str, str]], *, columns: int) -> Iterator[str]:
    """Lay facts out behind their titles, on so many columns and without cutting a word."""
    width = max(len(title) for title, _ in told) + GAP
    for title, value in told:
        yield from wrapped(value, max(columns, 2 * width), head=f"{title:<{width}}")


def _line(row: Sequence[str], places: Sequence[int], widths: Sequence[int], measure: Callable[[str], int]) -> str:
    cells = (row[place] + " " * (widths[place] - measure(row[place])) for place in places)
    return f" {''.join(cells)}".rstrip()

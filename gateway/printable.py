"""Text that others chose, made fit for any terminal, log line and database."""

from __future__ import annotations

GONE = "\N{REPLACEMENT CHARACTER}"


def text(given: str, *, instead: str = GONE) -> str:
    """Put `instead` in place of each character that is not printable; "" leaves them out.

    Printable is what `str.isprintable` takes: letters, digits, signs and the blank. So no control character, no line
    end, no mark that turns the direction of writing, no other kind of blank and no lone surrogate comes through.
    """
    return given if given.isprintable() else "".join(sign if sign.isprintable() else instead for sign in given)

"""Guesses what an unknown name was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gateway.config import tables

_NONE = "remove it; docs/settings.md lists every setting"


def key(unknown: str, table: str) -> str:
    """The remedy for the key `unknown` in `table`."""
    close = _close(unknown, tables.keys(tables.TABLES[table]))
    elsewhere = [other for other, model in tables.TABLES.items() if unknown in tables.keys(model)]
    if elsewhere and (not close or unknown in tables.keys(tables.TABLES[elsewhere[0]])):
        return f"write it under {_header(elsewhere[0])}"
    return f"did you mean {close}?" if close else _NONE


def table(unknown: str) -> str:
    """The remedy for `unknown` at the top of the file."""
    elsewhere = [name for name, model in tables.TABLES.items() if unknown in tables.keys(model)]
    if elsewhere:
        return f"write it under {_header(elsewhere[0])}"
    close = _close(unknown, tables.TABLES)
    return f"did you mean {_header(close)}?" if close else _NONE


def variable(unknown: str, known: Iterable[str]) -> str:
    """The remedy for the environment variable `unknown`."""
    close = _close(unknown.upper(), known)
    return f"did you mean {close}?" if close else "unset it; docs/settings.md lists every setting"


def _close(unknown: str, known: Iterable[str]) -> str:
    wanted = unknown.upper() if unknown.isupper() else unknown.lower()
    return next(iter(difflib.get_close_matches(wanted, list(known), n=1)), "")


def _header(name: str) -> str:
    return "[[account]]" if name == "account" else f"[{name}]"

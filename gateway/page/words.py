"""How words are drawn: those of others as text that does nothing, ours with their times, commands and links.

What cannot be printed never comes through as it is: no mark that turns the direction of writing, nothing invisible, no
half of a character. What is long breaks, and what piles up is cut off at its line (class `theirs` of the stylesheet).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from markupsafe import Markup, escape

from gateway import printable, store
from gateway.inbound import arrivals
from gateway.inspection.rulebook import VerdictKind
from gateway.outbound import record

MOST_SHOWN = 2**16  # characters of a body; `events show --body` prints all
DEEPEST = 24  # steps that lines are moved to the right
CODES_OF = {"event": "events", "send": "sends", "attachment": "files"}  # by what a sentence calls it: its list

# How something is, as the stylesheet's levels tell it; of what is not here nothing is told but the word.
LEVELS: dict[str, str] = {
    store.PENDING: "note",
    store.DELIVERED: "fine",
    store.PARKED: "fault",
    store.REJECTED: "warning",
    record.SENDING: "note",
    record.ACCEPTED: "fine",
    record.REFUSED: "warning",
    record.UNSENT: "fault",
    record.UNKNOWN: "warning",
    "DELIVERED": "fine",
    "READ": "fine",
    "FAILED": "fault",
    "in doubt": "warning",
    VerdictKind.NATIVE: "fine",
    VerdictKind.LINK: "note",
    arrivals.WAITING: "note",
    arrivals.KEPT: "fine",
    arrivals.HELD: "warning",
    arrivals.RELEASED: "note",
}
LEVELS_OF_SENDS = LEVELS | {record.REJECTED: "fault"}  # where Sinch said no: of an event it is ours
LEVELS_OF_FILES = LEVELS | {VerdictKind.REFUSED: "fault"}

_BREAK = Markup("_<wbr>")  # where a long name goes on in the next line
_MARKED = re.compile(
    r"`(?P<command>[^`]+)`"
    r"|(?P<moment>\b[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2})"
    r"|\b(?P<kind>event|send|attachment) (?P<number>[0-9]{1,18})\b"
)
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')  # of JSON that was read before


def prose(given: object) -> Markup:
    """Draw a sentence or a value: a time as a time, a command as one, a thing that has a page with a link to it."""
    marked = _MARKED.sub(_marked, str(escape(printable.text(str(given)))))
    return Markup(marked.replace("_", _BREAK))  # noqa: S704 - all of it was escaped


def theirs(given: object) -> Markup:
    """Draw what somebody else wrote or chose: as text, in the direction of its own letters."""
    text = escape(printable.text(str(given))).replace("_", _BREAK)
    return Markup('<bdi class="theirs">{}</bdi>').format(text) if text else text


def body(given: bytes) -> tuple[str, bool]:
    """Lay a body out to be read: JSON line by line, each of its words as it came; and tell whether that is all."""
    text, laid = given.decode("utf-8", "backslashreplace"), ""
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        laid = text
    else:
        for piece in _laid_out(text):
            laid += piece
            if len(laid) > MOST_SHOWN:
                break
    return "".join(map(_visible, laid[:MOST_SHOWN])), len(laid) <= MOST_SHOWN


def _marked(found: re.Match[str]) -> str:
    if command := found["command"]:
        return f"<code>{command}</code>"
    if moment := found["moment"]:
        return f'<time datetime="{moment}">{moment}</time>'
    return f'<a href="/{CODES_OF[found["kind"]]}/{found["number"]}">{found[0]}</a>'


def _laid_out(text: str) -> Iterator[str]:
    depth, opened = 0, False
    for word in (found[0] for found in _TOKENS.finditer(text)):
        depth -= word in "]}"
        if opened != (word in "]}"):
            yield "\n" + "  " * min(depth, DEEPEST)
        yield ": " if word == ":" else word
        if word == ",":
            yield "\n" + "  " * min(depth, DEEPEST)
        opened = word in "[{"
        depth += opened


def _visible(sign: str) -> str:
    """A sign as it is, or by its number where nobody could see it."""
    if sign.isprintable() or sign == "\n":
        return sign
    return f"\\u{ord(sign):04x}"

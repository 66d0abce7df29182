"""Reads JSON strictly, by RFC 8259, and keeps where each value stands.

Rule 1. One pass, without recursion: what is open lies on a list, at most `DEEPEST` of it.
Rule 2. Nothing is converted but strings: 1.10, 1e400 and a million digits are places in the text.
Rule 3. An object that says a key twice is refused: readers differ in which of the two they take.
Rule 4. A body has at most `MOST_VALUES`, all texts that are read within it included: what is longer is no message.
Rule 5. What is told of a text are fixed phrases, numbers, and keys that look like the name of a field.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple, NoReturn

from gateway.outbound.refusals import Refused

DEEPEST = 64
MOST_VALUES = 10_000  # the largest message, a carousel of ten cards with ten choices each, has some thousand

NO_OBJECT = "it is no object"
TOO_DEEP = f"it is nested deeper than {DEEPEST}"
TOO_MANY = f"it holds more than {MOST_VALUES:,} values"
ENDS_EARLY = "it ends too early"
GOES_ON = "something follows its end"
NO_KEY = "a key is missing, or stands without quotes"
NO_COLON = "a colon is missing after a key"
NO_COMMA = "a comma or a bracket is missing, or a wrong one"
NO_VALUE = "a value is missing, or is none that JSON knows"
NO_NUMBER = "NaN and Infinity are no numbers"
STRING_BROKEN = "a string does not end, or holds a control character or an unknown escape"

_CLOSING = {"{": "}", "[": "]"}
_BLANKS = re.compile(r"[ \t\n\r]*")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_NEXT = re.compile(r"[ \t\n\r]*([,\]}])[ \t\n\r]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class NotJson(Refused):
    """The text is no JSON object."""

    def __init__(self, why: str) -> None:
        super().__init__("BODY_NOT_JSON", why=why)


def _no_number(_name: str) -> NoReturn:
    raise NotJson(NO_NUMBER)


_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_number)


class Value(NamedTuple):
    """What stands at text[start:end]. A tuple, and not a dataclass, for speed: a body holds up to half a million.

    `content`: the members of an object, the values of an array, the text of a string; None of all else.
    """

    start: int
    end: int
    content: dict[str, Value] | list[Value] | str | None


class _Open:
    """An object or an array whose end has not come yet; `key` is of the member that is being read."""

    __slots__ = ("content", "key", "start")

    def __init__(self, start: int, content: dict[str, Value] | list[Value]) -> None:
        self.start = start
        self.content = content
        self.key = ""


class Allowance:
    """How many values may still be read: of one body, with all texts within it."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def take(self, path: str) -> None:
        """Count one more. Raises Refused; `path` is where the text stands."""
        self._left -= 1
        if self._left < 0:
            raise Refused("BODY_NOT_JSON", why=TOO_MANY, field=path.removesuffix(": "))


def parse(text: str, *, path: str = "", allowance: Allowance | None = None) -> Value:
    """The object that `text` is. `path` is where the text itself stands; `allowance`: of the body around it.

    Raises NotJson; Refused for what is JSON, and is not read all the same: a key said twice, too deep a nest, too many
    values.
    """
    reader = _Reader(text, path, allowance or Allowance())
    if not text.startswith("{", reader.at):
        raise NotJson(NO_OBJECT)
    value = reader.read()
    if _BLANKS.fullmatch(text, value.end) is None:
        raise NotJson(GOES_ON)
    return value


def is_name(key: str) -> bool:
    """Whether it looks like the name of a field, or of a channel."""
    return _NAME.fullmatch(key) is not None


def key_label(key: str, number: int) -> str:
    """Name a key in a path: as it is if it looks like a field's name; else by its number among its object's members."""
    return key if is_name(key) else f"#{number}"


def member_path(path: str, name: str) -> str:
    """Put the path of a member together; after a colon a text of its own begins."""
    return f"{path}.{name}" if path and path[-1] != " " else path + name


class _Reader:
    """A text, and how far it is read."""

    def __init__(self, text: str, path: str, allowance: Allowance) -> None:
        self.text = text
        self.allowance = allowance
        self.path = path
        self.open: list[_Open] = []
        self.at = self._past_blanks(0)

    def read(self) -> Value:
        """The value that begins here."""
        while True:
            value = self._begun()
            while value is not None:
                if not self.open:
                    return value
                value = self._added(value)

    def _begun(self) -> Value | None:
        """The value that begins here, if it is at its end as well; None for an object or array that holds something."""
        self.allowance.take(self.path)
        start, text = self.at, self.text
        first = text[start : start + 1]
        closing = _CLOSING.get(first)
        if closing is None:
            content = self._scalar(first)
            return Value(start, self.at, content if first == '"' else None)
        if len(self.open) == DEEPEST:
            raise Refused("BODY_NOT_JSON", why=TOO_DEEP, field=self.path.removesuffix(": "))
        container = _Open(start, {} if first == "{" else [])
        self.at = self._past_blanks(start + 1)
        if text.startswith(closing, self.at):
            self.at += 1
            return Value(start, self.at, container.content)
        self.open.append(container)
        if first == "{":
            self._read_key()
        return None

    def _added(self, value: Value) -> Value | None:
        """Put the value where it belongs: the object or array around it, if that is now at its end."""
        around = self.open[-1]
        follows = _NEXT.match(self.text, self.at)
        if follows is None:
            raise NotJson(self._missing(NO_COMMA))
        in_object = isinstance(around.content, dict)
        if isinstance(around.content, dict):
            around.content[around.key] = value
        else:
            around.content.append(value)
        if follows[1] == ",":
            self.at = follows.end()
            if in_object:
                self._read_key()
            return None
        if (follows[1] == "}") is not in_object:
            raise NotJson(NO_COMMA)
        self.open.pop()
        self.at = follows.end(1)
        return Value(around.start, self.at, around.content)

    def _read_key(self) -> None:
        """Read a key and its colon."""
        if not self.text.startswith('"', self.at):
            raise NotJson(self._missing(NO_KEY))
        key = self._scalar('"')
        members = self.open[-1]
        if key in members.content:
            raise Refused("BODY_REPEATS_KEY", key=key if is_name(key) else "a key", field=self._path(key))
        colon = _COLON.match(self.text, self.at)
        if colon is None:
            raise NotJson(self._missing(NO_COLON))
        members.key = key
        self.at = colon.end()

    def _scalar(self, first: str) -> str:
        """What `raw_decode` makes of it. For arrays and objects, which it would recurse into, it is never called."""
        try:
            content, self.at = _JSON.raw_decode(self.text, self.at)
        except ValueError as error:
            raise NotJson(STRING_BROKEN if first == '"' else self._missing(NO_VALUE)) from error
        return content  # type: ignore[no-any-return]  # of strings and numbers; of nothing else does anybody look

    def _past_blanks(self, at: int) -> int:
        blanks = _BLANKS.match(self.text, at)
        return blanks.end() if blanks else at

    def _missing(self, why: str) -> str:
        return ENDS_EARLY if self._past_blanks(self.at) == len(self.text) else why

    def _path(self, key: str) -> str:
        """Where a second `key` stands."""
        path = self.path
        for around in self.open[:-1]:
            number = len(around.content)
            path = (
                member_path(path, key_label(around.key, number))
                if isinstance(around.content, dict)
                else f"{path}[{number}]"
            )
        return member_path(path, key_label(key, len(self.open[-1].content)))

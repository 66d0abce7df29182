"""The body of a call as a document: its fields are found and replaced, and all else stays byte for byte.

Sinch's API is protobuf: in JSON each of its fields goes by two names, `media_message` and `mediaMessage`, and null is
as good as nothing (protobuf.dev, "ProtoJSON format"). Fields are asked for by the first of the two names.
"""

from __future__ import annotations

import functools
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from gateway.outbound import syntax
from gateway.outbound.refusals import Refused
from gateway.outbound.syntax import Allowance, NotJson, Value

NOT_UTF8 = "it is not in UTF-8"
MARKED = "it begins with a byte order mark"

_CAMEL = re.compile(r"[a-z][a-z0-9]*[A-Z]")
_HUMP = re.compile(r"_([a-z])")
# Of an escape the decoder makes one character; of those of a surrogate pair one as well.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}"
    r"|\\."
)
_LEGIBLE, _ASCII = json.JSONEncoder(ensure_ascii=False), json.JSONEncoder()


class Edit(NamedTuple):
    """`text` in place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str


class Inside:
    """A string of a JSON text whose own text gets edited: the characters around an edit keep their escapes.

    `start`: where its first character stands; `raw`: what stands between its quotes.
    """

    def __init__(self, start: int, raw: str) -> None:
        self._start = start
        self._after, self._wider = [0], [0]  # from this decoded position on, raw positions are so much greater
        for escape in _ESCAPE.finditer(raw):
            wider = self._wider[-1] + len(escape[0]) - 1
            self._after.append(escape.end() - wider)
            self._wider.append(wider)

    def lifted(self, edit: Edit) -> Edit:
        """The edit of the outer text that does `edit` to the string's own."""
        return Edit(self._raw(edit.start), self._raw(edit.end), encoded(edit.text)[1:-1])

    def _raw(self, position: int) -> int:
        return self._start + position + self._wider[bisect_right(self._after, position) - 1]


class Node(NamedTuple):
    """A value of a document, and the way to it. A tuple for speed."""

    text: str  # of the whole document
    value: Value
    path: str
    allowance: Allowance
    within: tuple[Node, Inside] | None = None  # the string whose own text the document is

    @property
    def string(self) -> str | None:
        content = self.value.content
        return content if isinstance(content, str) else None

    @property
    def is_object(self) -> bool:
        return isinstance(self.value.content, dict)

    @property
    def is_array(self) -> bool:
        return isinstance(self.value.content, list)

    def get(self, name: str) -> Node | None:
        """The field, in either of its spellings; None if it is not there, or null.

        Raises Refused if it is there in both.
        """
        value = self._value(name)
        if value is None or self.text.startswith("null", value.start):
            return None
        return self._at(value, syntax.member_path(self.path, name))

    def _at(self, value: Value, path: str) -> Node:
        return Node(self.text, value, path, self.allowance, self.within)

    def members(self, label: Callable[[str, int], str] = syntax.key_label) -> Iterator[tuple[str, Node]]:
        """What a map holds: its keys are no names of fields. `label` makes their part of the paths."""
        if isinstance(self.value.content, dict):
            for number, (key, value) in enumerate(self.value.content.items()):
                yield key, self._at(value, syntax.member_path(self.path, label(key, number)))

    def items(self) -> Iterator[Node]:
        """What an array holds."""
        if isinstance(self.value.content, list):
            for number, value in enumerate(self.value.content):
                yield self._at(value, f"{self.path}[{number}]")

    def inside(self) -> Node | None:
        """The JSON object that is written into this string; None if there is none.

        Raises Refused if there is one that says a key twice, or is nested too deep.
        """
        text = self.string
        if text is None:
            return None
        path = f"{self.path}: "
        try:
            value = syntax.parse(text, path=path, allowance=self.allowance)
        except NotJson:
            return None
        start, end = self.value.start + 1, self.value.end - 1
        return Node(text, value, path, self.allowance, (self, Inside(start, self.text[start:end])))

    def strings(self) -> Iterator[Node]:
        """Every string in it, at any depth; in place of one that holds a JSON object, the strings of that."""
        left = [self]
        while left:
            node = left.pop()
            if node.string is None:
                left += [*(member for _, member in node.members()), *node.items()]
            elif (inner := node._object_inside()) is not None:
                left.append(inner)
            else:
                yield node

    def _object_inside(self) -> Node | None:
        """As `inside`; what is not read all the same is a string like others."""
        try:
            return self.inside() if (self.string or "").lstrip(" \t\r\n").startswith("{") else None
        except Refused:
            return None

    def says_nothing(self, name: str) -> bool:
        """Whether the field is free: not there, null or an empty string."""
        node = self.get(name)
        return node is None or node.string == ""

    def saying(self, text: str) -> Edit:
        """The edit that makes this value the string `text`."""
        start, end = self.value.start, self.value.end
        if self.string is None:
            return self._lifted(Edit(start, end, encoded(text)))
        return self._lifted(Edit(start + 1, end - 1, encoded(text)[1:-1]))

    def replacing(self, start: int, end: int, text: str) -> Edit:
        """The edit that puts `text` in place of a part of this string; what is around it keeps its escapes."""
        first, last = self.value.start + 1, self.value.end - 1
        return self._lifted(Inside(first, self.text[first:last]).lifted(Edit(start, end, text)))

    def setting(self, name: str, text: str, *, like: Node) -> Edit:
        """The edit that makes the field of this object say `text`, as a new member if need be.

        A new member's name is spelled as its neighbours' are; where they leave it open, as those in `like`.
        """
        value = self._value(name)
        if value is not None:
            return self._at(value, "").saying(text)
        member = f"{encoded(_spelled(name, self, like))}:{encoded(text)}"
        members = self._content()
        at = next(reversed(members.values())).end if members else self.value.start + 1
        return self._lifted(Edit(at, at, f",{member}" if members else member))

    def _value(self, name: str) -> Value | None:
        members, camel = self._content(), _camel(name)
        if camel not in members or camel == name:
            return members.get(name)
        if name in members:
            raise Refused("BODY_REPEATS_KEY", key=name, field=syntax.member_path(self.path, name))
        return members[camel]

    def _content(self) -> dict[str, Value]:
        content = self.value.content
        return content if isinstance(content, dict) else {}

    def _lifted(self, edit: Edit) -> Edit:
        if self.within is None:
            return edit
        string, inside = self.within
        return string._lifted(inside.lifted(edit))


def parse(body: bytes) -> Node:
    """Hand back the object that the body is. Raises Refused: BODY_NOT_JSON, BODY_REPEATS_KEY."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(NOT_UTF8) from error
    if text.startswith("\ufeff"):
        raise NotJson(MARKED)
    allowance = Allowance()
    return Node(text, syntax.parse(text, allowance=allowance), "", allowance)


def replaced(text: str, edits: Iterable[Edit]) -> str:
    """Do all the edits. Raises ValueError if two of them overlap."""
    parts, at = [], 0
    for edit in sorted(edits):
        if edit.start < at:
            raise ValueError("two edits overlap")
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


def encoded(text: str) -> str:
    """Write a JSON string, with its quotes; characters are escaped only where they must be."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return _ASCII.encode(text)
    return _LEGIBLE.encode(text)


@functools.cache
def _camel(name: str) -> str:
    return _HUMP.sub(lambda hump: hump[1].upper(), name)


def _spelled(name: str, *neighbours: Node) -> str:
    for node in neighbours:
        for key in node._content():
            if "_" in key:
                return name
            if _CAMEL.match(key):
                return _camel(name)
    return name

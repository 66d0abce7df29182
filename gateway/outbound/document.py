"""The body of a call as a document: its fields are found and replaced, and all else stays byte for byte.

Sinch's API is protobuf: in JSON each of its fields goes by two names, `media_message` and `mediaMessage`, and null is
as good as nothing (protobuf.dev, "ProtoJSON format"). Fields are asked for by the first of the two names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gateway.outbound import edits, syntax
from gateway.outbound.edits import Edit, Inside
from gateway.outbound.refusals import Refused
from gateway.outbound.syntax import NotJson, Value, joined, told

NOT_UTF8 = "it is not in UTF-8"
MARKED = "it begins with a byte order mark"

_CAMEL = re.compile(r"[a-z][a-z0-9]*[A-Z]")
_HUMP = re.compile(r"_([a-z])")


class Node(NamedTuple):
    """A value of a document, and the way to it. A tuple for speed."""

    text: str  # of the whole document
    value: Value
    path: str
    within: tuple[Node, Inside] | None = None  # the string whose own text the document is

    @property
    def string(self) -> str | None:
        content = self.value.content
        return content if isinstance(content, str) else None

    @property
    def is_object(self) -> bool:
        return isinstance(self.value.content, dict)

    def get(self, name: str) -> Node | None:
        """The field, in either of its spellings; None if it is not there, or null.

        Raises Refused if it is there in both.
        """
        value = self._value(name)
        if value is None or self.text.startswith("null", value.start):
            return None
        return Node(self.text, value, joined(self.path, name), self.within)

    def members(self, tell: Callable[[str, int], str] = told) -> Iterator[tuple[str, Node]]:
        """What a map holds: its keys are no names of fields. `tell` makes their part of the paths."""
        if isinstance(self.value.content, dict):
            for number, (key, value) in enumerate(self.value.content.items()):
                yield key, Node(self.text, value, joined(self.path, tell(key, number)), self.within)

    def items(self) -> Iterator[Node]:
        """What an array holds."""
        if isinstance(self.value.content, list):
            for number, value in enumerate(self.value.content):
                yield Node(self.text, value, f"{self.path}[{number}]", self.within)

    def inside(self) -> Node | None:
        """The JSON object that is written into this string; None if there is none.

        Raises Refused if there is one that says a key twice, or is nested too deep.
        """
        text = self.string
        if text is None:
            return None
        path = f"{self.path}: "
        try:
            value = syntax.parse(text, path=path)
        except NotJson:
            return None
        start, end = self.value.start + 1, self.value.end - 1
        return Node(text, value, path, (self, Inside(start, self.text[start:end])))

    def says_nothing(self, name: str) -> bool:
        """Whether the field is free: not there, null or an empty string."""
        node = self.get(name)
        return node is None or node.string == ""

    def saying(self, text: str) -> Edit:
        """The edit that makes this value the string `text`."""
        start, end = self.value.start, self.value.end
        if self.string is None:
            return self._lifted(Edit(start, end, edits.encoded(text)))
        return self._lifted(Edit(start + 1, end - 1, edits.encoded(text)[1:-1]))

    def setting(self, name: str, text: str, *, like: Node) -> Edit:
        """The edit that makes the field of this object say `text`, as a new member if need be.

        A new member's name is spelled as its neighbours' are; where they leave it open, as those in `like`.
        """
        value = self._value(name)
        if value is not None:
            return Node(self.text, value, "", self.within).saying(text)
        member = f"{edits.encoded(_spelled(name, self, like))}:{edits.encoded(text)}"
        members = self._content()
        at = next(reversed(members.values())).end if members else self.value.start + 1
        return self._lifted(Edit(at, at, f",{member}" if members else member))

    def _value(self, name: str) -> Value | None:
        members, camel = self._content(), _camel(name)
        if camel not in members or camel == name:
            return members.get(name)
        if name in members:
            raise Refused("BODY_REPEATS_KEY", key=name, field=joined(self.path, name))
        return members[camel]

    def _content(self) -> dict[str, Value]:
        content = self.value.content
        return content if isinstance(content, dict) else {}

    def _lifted(self, edit: Edit) -> Edit:
        if self.within is None:
            return edit
        string, inside = self.within
        return string._lifted(inside.lifted(edit))


def read(body: bytes) -> Node:
    """The object that the body is. Raises Refused: BODY_NOT_JSON, BODY_REPEATS_KEY."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(NOT_UTF8) from error
    if text.startswith("\ufeff"):
        raise NotJson(MARKED)
    return Node(text, syntax.parse(text), "")


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

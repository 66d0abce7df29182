"""How a callback is put on the wire: the spellings that a receiver must survive, one switch each.

The default is the plainest form: compact UTF-8 JSON, lower-case header names, all four signature headers. The exact
Content-Type and User-Agent of Sinch are unconfirmed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox import signing

Pair = tuple[str, str]
HeaderCase = Literal["lower", "title", "mixed"]


class Headed:
    """Whatever has headers."""

    headers: tuple[Pair, ...]

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next(iter(self.all_headers(name)), None)

    def all_headers(self, name: str) -> list[str]:
        """The values of all headers of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(frozen=True, kw_only=True)
class Style:
    """One way of writing.

    `ending` is appended to the JSON and signed with it (a line feed, CRLF); `escaped` spells non-ASCII characters as
    `\\u…`; `algorithm` None leaves its header out; `extra` headers are sent as they are, repeats included.
    """

    pretty: bool = False
    ending: bytes = b""
    escaped: bool = False
    algorithm: str | None = signing.ALGORITHM
    header_case: HeaderCase = "lower"
    content_type: str = "application/json"
    chunked: bool = False
    extra: tuple[Pair, ...] = ()

    def encode(self, content: Mapping[str, Any]) -> bytes:
        """The body of a callback."""
        spacing = {"indent": 2} if self.pretty else {"separators": (",", ":")}
        return json.dumps(content, ensure_ascii=self.escaped, **spacing).encode() + self.ending

    def headers(self, signature: Mapping[str, str]) -> tuple[Pair, ...]:
        """All headers of a callback but those of the connection."""
        chosen = {name: value for name, value in signature.items() if name != signing.ALGORITHM_HEADER}
        if signature and self.algorithm is not None:
            chosen[signing.ALGORITHM_HEADER] = self.algorithm
        pairs = [("content-type", self.content_type), *chosen.items()]
        return (*((self._spelled(name), value) for name, value in pairs), *self.extra)

    def _spelled(self, name: str) -> str:
        if self.header_case == "title":
            return name.title()
        if self.header_case == "mixed":
            return "".join(letter.upper() if place % 2 else letter for place, letter in enumerate(name))
        return name


PLAIN = Style()

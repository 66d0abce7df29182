"""Reads an nginx configuration back into its directives: what is told of it is told of what runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|(?:\\.|\$\{[^}]*\}|[^\s{};"'])+""")


@dataclass(frozen=True)
class Directive:
    name: str
    arguments: tuple[str, ...]
    block: tuple[Directive, ...] = ()

    def all(self, name: str) -> list[Directive]:
        """The directives of that name in the block, in their order."""
        return [directive for directive in self.block if directive.name == name]

    def has(self, name: str) -> bool:
        return bool(self.all(name))


def read(text: str) -> Directive:
    """The configuration as one directive whose block holds the others."""
    return Directive("main", (), tuple(_block(_tokens(text))))


def _tokens(text: str) -> Iterator[str]:
    return (token for token in _TOKEN.findall(text) if not token.startswith("#"))


def _block(tokens: Iterator[str]) -> Iterator[Directive]:
    words: list[str] = []
    for word in tokens:
        if word == "}":
            return
        if word in ("{", ";"):
            inner = tuple(_block(tokens)) if word == "{" else ()
            yield Directive(words[0], tuple(words[1:]), inner)
            words = []
        else:
            words.append(_unquoted(word))


def _unquoted(word: str) -> str:
    return word[1:-1] if word[0] in "\"'" else word

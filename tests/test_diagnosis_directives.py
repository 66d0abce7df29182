"""Reading an nginx configuration back."""

from __future__ import annotations

import pytest

from gateway.diagnosis import directives
from gateway.diagnosis.directives import Directive

TEXTS = {
    "nothing": ("", ()),
    "a directive": ("a;", (Directive("a", ()),)),
    "arguments": ("a b  c;", (Directive("a", ("b", "c")),)),
    "a block": ("a { b; }", (Directive("a", (), (Directive("b", ()),)),)),
    "blocks in blocks": (
        "a { b { c; } d; }",
        (Directive("a", (), (Directive("b", (), (Directive("c", ()),)), Directive("d", ()))),),
    ),
    "quotes": ("a \"b; {c}\" 'd # e';", (Directive("a", ("b; {c}", "d # e")),)),
    "a quote that is escaped": (r'a "b\"c";', (Directive("a", (r"b\"c",)),)),
    "comments": ("# a;\nb; # c {\nd;", (Directive("b", ()), Directive("d", ()))),
    "a pattern with braces": ('location ~ "[0-9]{1,9}" { }', (Directive("location", ("~", "[0-9]{1,9}")),)),
    "a variable in braces": ("a ${b}c;", (Directive("a", ("${b}c",)),)),
}


@pytest.mark.parametrize(("text", "block"), TEXTS.values(), ids=TEXTS)
def test_a_configuration_is_read_as(text: str, block: tuple[Directive, ...]) -> None:
    assert directives.read(text) == Directive("main", (), block)


def test_directives_are_found_by_their_name() -> None:
    read = directives.read("a 1; b; a 2;")
    assert [found.arguments for found in read.all("a")] == [("1",), ("2",)]
    assert read.has("b")
    assert not read.has("c")

"""Edits: what changes is what was meant to, in a text and in the texts inside its strings."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.outbound import edits
from gateway.outbound.edits import Edit, Inside

EDITS = {
    "none": ((), "0123456789"),
    "one": ((Edit(2, 4, "ab"),), "01ab456789"),
    "shorter": ((Edit(0, 9, ""),), "9"),
    "longer": ((Edit(9, 10, "abc"),), "012345678abc"),
    "an insertion": ((Edit(5, 5, "-"),), "01234-56789"),
    "at both ends": ((Edit(10, 10, ">"), Edit(0, 0, "<")), "<0123456789>"),
    "side by side": ((Edit(4, 6, "b"), Edit(2, 4, "a")), "01ab6789"),
    "an insertion behind a change": ((Edit(4, 4, "+"), Edit(2, 4, "a")), "01a+456789"),
}


@pytest.mark.parametrize(("changes", "expected"), EDITS.values(), ids=EDITS)
def test_edits_are_done_and_all_else_stays(changes: tuple[Edit, ...], expected: str) -> None:
    assert edits.replaced("0123456789", changes) == expected


@pytest.mark.parametrize("other", [Edit(2, 5, ""), Edit(3, 3, ""), Edit(0, 3, ""), Edit(2, 4, "")])
def test_edits_that_overlap_are_a_mistake(other: Edit) -> None:
    with pytest.raises(ValueError, match="overlap"):
        edits.replaced("0123456789", [Edit(2, 4, "a"), other])


ENCODED = {
    "plain": ("https://example.com/a?b=c&d", '"https://example.com/a?b=c&d"'),
    "of other scripts": ("Übersicht 報 👋", '"Übersicht 報 👋"'),
    "quotes and backslashes": ('a"b\\c', '"a\\"b\\\\c"'),
    "control characters": ("\n\x00\x1f\x7f", '"\\n\\u0000\\u001f\x7f"'),
    "a lone surrogate": ("é\ud800", '"\\u00e9\\ud800"'),
    "nothing": ("", '""'),
}


@pytest.mark.parametrize(("text", "expected"), ENCODED.values(), ids=ENCODED)
def test_a_string_is_escaped_only_where_it_must_be(text: str, expected: str) -> None:
    assert edits.encoded(text) == expected
    assert json.loads(expected) == text


CHARACTERS = {
    "plain": "a",
    "of other scripts": "é👋",
    "a short escape": r"\n",
    "a quote": r"\"",
    "a backslash": r"\\",
    "a slash": r"\/",
    "a long escape": r"\u0022",
    "a pair": r"\ud83d\udc4B",
    "half a pair, the first": r"\uD83d",
    "half a pair, the second": r"\udc4b",
    "a backslash before a u": r"\\u0041",
}
raws = st.lists(st.sampled_from(list(CHARACTERS.values())), max_size=12).map("".join)


@given(raws, raws, raws, st.text(max_size=5))
def test_a_change_inside_a_string_leaves_the_escapes_around_it_as_they_are(
    before: str, old: str, behind: str, new: str
) -> None:
    raw = before + old + behind
    sizes = [len(json.loads(f'"{part}"')) for part in (before, before + old, raw)]
    assume(len(json.loads(f'"{behind}"')) == sizes[2] - sizes[1])  # no pair across an edge
    assume(len(json.loads(f'"{old}"')) == sizes[1] - sizes[0])
    lifted = Inside(1, raw).lifted(Edit(sizes[0], sizes[1], new))
    outer = edits.replaced(f'"{raw}"', [lifted])
    assert outer == f'"{before}{edits.encoded(new)[1:-1]}{behind}"'

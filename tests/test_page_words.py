"""What others write is drawn as text that does nothing; what is ours has its times, commands and links."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import printable
from gateway.page import words
from tests.together import together


class Read(HTMLParser):
    """What a browser makes of a piece of a page: its elements, and its text."""

    def __init__(self, piece: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(str(piece))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "an end of an attribute": "'\"><b a='`\"",
    "an entity": "&lt;b&gt; &#60;i&#62; &amp",
    "what turns the direction": "invoice \u202egpj.exe\u202c \u2066x\u2069 \u061c",
    "a script from right to left": "مرحبا بالعالم שלום",
    "marks that pile up": "Z" + "\u0301" * 300,
    "nothing to be seen": "\u200b\u200d\ufeff\u00ad\u2060",
    "signs of control": "\x00\x1b[31m\r\n\t\x9b",
    "half of a character": "\ud83d \udc00",
    "whole ones beyond": "😀 \U000e0041",
    "one long word": "x" * 5000,
    "links and commands that are none": "`<b>` event 9</a> 2026-01-01 00:00:00+00:00'",
}


@together("text", HOSTILE.values(), ids=HOSTILE)
def test_what_others_write_is_text_in_one_piece(text: str) -> None:
    read = Read(words.theirs(text))
    assert {tag for tag, _ in read.elements} <= {"bdi", "wbr"}
    assert read.elements[0] == ("bdi", {"class": "theirs"})
    assert read.text == printable.text(text)
    assert read.text.isprintable()


@given(st.one_of(st.text(), st.sampled_from([*HOSTILE.values()]), st.text("`<>&\"'evnt 0123456789-:+")))
def test_no_text_at_all_becomes_anything_but_times_commands_and_links_of_ours(text: str) -> None:
    read = Read(words.prose(text))
    assert read.text == printable.text(text).replace("`", "") or "`" in read.text
    for tag, attributes in read.elements:
        assert (tag, [*attributes]) in (("code", []), ("time", ["datetime"]), ("a", ["href"]), ("wbr", []))
        assert str(attributes.get("href", "/events/0")).startswith(("/events/", "/sends/", "/files/"))


def test_a_sentence_of_ours_has_its_time_its_command_and_its_link() -> None:
    drawn = words.prose("Since 2026-01-01 00:00:00+00:00: event 9, send 8, attachment 7; `motion-gateway doctor`.")
    assert drawn == (
        'Since <time datetime="2026-01-01 00:00:00+00:00">2026-01-01 00:00:00+00:00</time>: '
        '<a href="/events/9">event 9</a>, <a href="/sends/8">send 8</a>, <a href="/files/7">attachment 7</a>; '
        "<code>motion-gateway doctor</code>."
    )


LAID_OUT = {
    "an object": (b'{"a":{"b":[1,2.50],"c":{}},"d":[]}',
                  '{\n  "a": {\n    "b": [\n      1,\n      2.50\n    ],\n    "c": {}\n  },\n  "d": []\n}'),
    "the same name twice, and numbers as they came": (b'{"a":1e999,"a":10000000000000000000000001}',
                                                      '{\n  "a": 1e999,\n  "a": 10000000000000000000000001\n}'),
    "strings with what is no structure": (rb'["a,b:{\"c\"}\\", "\ud800"]', '[\n  "a,b:{\\"c\\"}\\\\",\n  "\\ud800"\n]'),
    "what turns the direction": ('"\u202egpj"'.encode(), '"\\u202egpj"'),
    "no JSON": (b"a=1\nb\tc", "a=1\nb\\u0009c"),
    "no text": (b"\x1f\x8b\xff", "\\u001f\\x8b\\xff"),
    "nothing": (b"", ""),
}  # fmt: skip


@pytest.mark.parametrize(("body", "drawn"), LAID_OUT.values(), ids=LAID_OUT)
def test_a_body_is_laid_out_with_each_of_its_words_as_it_came(body: bytes, drawn: str) -> None:
    assert words.body(body) == (drawn, True)


@given(st.recursive(st.none() | st.text(max_size=5) | st.floats(allow_nan=False), lambda a: st.lists(a, max_size=4)))
def test_a_body_that_is_laid_out_is_the_same_json(value: object) -> None:
    drawn, whole = words.body(json.dumps(value).encode())
    assert whole
    assert json.loads(drawn) == value


@pytest.mark.parametrize("body", [b"x" * 200_000, b"[" * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900])
def test_of_a_large_body_or_a_deep_one_no_more_is_drawn_than_can_be_read(body: bytes) -> None:
    drawn, whole = words.body(body)
    assert (len(drawn), whole) == (words.MOST_SHOWN, False)

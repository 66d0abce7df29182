"""Documents: fields by either of their names, texts inside of strings, and edits that touch nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.outbound import document
from gateway.outbound.document import Edit, Inside, Node
from gateway.outbound.refusals import Refused


def read(text: str) -> Node:
    return document.parse(text.encode())


def member(node: Node, *names: str) -> Node:
    for name in names:
        found = node.get(name)
        assert found
        node = found
    return node


BYTES = {
    "Latin-1": (b'{"a":"\xe9"}', document.NOT_UTF8),
    "an overlong form": (b'{"a":"\xc0\xaf"}', document.NOT_UTF8),
    "a surrogate": (b'{"a":"\xed\xa0\x80"}', document.NOT_UTF8),
    "half a character": (b'{"a":"\xf0\x9f\x91', document.NOT_UTF8),
    "a byte order mark": (b"\xef\xbb\xbf{}", document.MARKED),
    "UTF-16": ("{}".encode("utf-16"), document.NOT_UTF8),
    "gzip": (b"\x1f\x8b\x08\x00", document.NOT_UTF8),
}


@pytest.mark.parametrize(("body", "why"), BYTES.values(), ids=BYTES)
def test_what_is_no_plain_utf8_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(Refused) as caught:
        document.parse(body)
    assert (caught.value.code, caught.value.says) == ("BODY_NOT_JSON", f"The body is not JSON: {why}.")


@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda inner: b'{"a":"' + inner + b'"}'))
def test_any_bytes_are_a_document_or_refused(body: bytes) -> None:
    try:
        assert isinstance(document.parse(body), Node)
    except Refused as refusal:
        assert refusal.code in ("BODY_NOT_JSON", "BODY_REPEATS_KEY")  # noqa: PT017 - either way is right


@pytest.mark.parametrize("spelling", ["media_message", "mediaMessage", "media\\u005fmessage", "mediaMess\\u0061ge"])
def test_a_field_goes_by_two_names_and_is_told_by_one(spelling: str) -> None:
    found = member(read(f'{{"message":{{"{spelling}":{{}}}}}}'), "message", "media_message")
    assert found.path == "message.media_message"


@pytest.mark.parametrize(
    "spelling", ["MediaMessage", "media_Message", "mediamessage", "media__message", " media_message"]
)
def test_other_spellings_are_other_fields(spelling: str) -> None:
    assert read(f'{{"{spelling}":{{}}}}').get("media_message") is None


@pytest.mark.parametrize("text", ['{"app_id":"a","appId":"a"}', '{"appId":null,"app_id":"a"}'])
def test_a_field_by_both_its_names_is_said_twice(text: str) -> None:
    with pytest.raises(Refused) as caught:
        read(text).get("app_id")
    assert (caught.value.code, caught.value.field) == ("BODY_REPEATS_KEY", "app_id")


def test_a_map_may_hold_both_spellings_for_its_keys_are_no_fields() -> None:
    metadata = member(read('{"conversation_metadata":{"a_b":1,"aB":2}}'), "conversation_metadata")
    assert [(key, node.path) for key, node in metadata.members()] == [
        ("a_b", "conversation_metadata.a_b"),
        ("aB", "conversation_metadata.aB"),
    ]


@pytest.mark.parametrize("text", ["{}", '{"a":null}', '{"b":1}'])
def test_null_is_as_nothing(text: str) -> None:
    root = read(text)
    assert root.get("a") is None
    assert root.says_nothing("a")


@pytest.mark.parametrize(("value", "free"), [('""', True), ("null", True), ('" "', False), ("0", False), ("{}", False)])
def test_a_field_is_free_if_it_says_nothing(value: str, free: bool) -> None:  # noqa: FBT001 - a column
    assert read(f'{{"a":{value}}}').says_nothing("a") is free


@pytest.mark.parametrize("value", ["1", '"b"', "true", "[{}]", "{}"])
def test_what_is_no_object_has_no_fields_and_what_is_no_array_no_items(value: str) -> None:
    node = member(read(f'{{"a":{value}}}'), "a")
    assert node.get("b") is None
    assert list(node.members()) == []
    assert [item.path for item in node.items()] == (["a[0]"] if value == "[{}]" else [])
    assert node.string == ("b" if value == '"b"' else None)
    assert node.is_object is (value == "{}")


SAYING = {
    "a string": ('{ "a" : "x" }', '{ "a" : "é\\n" }'),
    "a string with escapes": ('{"a":"\\u0078\\/"}', '{"a":"é\\n"}'),
    "an empty string": ('{"a":"","b":1.10}', '{"a":"é\\n","b":1.10}'),
    "null": ('{"b":1e400,"a": null}', '{"b":1e400,"a": "é\\n"}'),
    "a number": ('{"a":12}', '{"a":"é\\n"}'),
    "not there": ('{"b":1.10 }', '{"b":1.10,"a":"é\\n" }'),
    "nothing is there": ("{ }", '{"a":"é\\n" }'),
}


@pytest.mark.parametrize(("text", "expected"), SAYING.values(), ids=SAYING)
def test_a_field_is_made_to_say_something(text: str, expected: str) -> None:
    root = read(text)
    assert document.replaced(text, [root.setting("a", "é\n", like=root)]) == expected


SPELLED = {
    "like its neighbours": ('{"app_id":1,"o":{"thumbnailUrl":""}}', "fileName"),
    "like the first neighbour that has a style": ('{"appId":1,"o":{"url":1,"thumbnail_url":1,"xY":1}}', "file_name"),
    "like the others": ('{"appId":1,"o":{"url":""}}', "fileName"),
    "plainly": ('{"o":{"url":"","URL":""}}', "file_name"),
}


@pytest.mark.parametrize(("text", "expected"), SPELLED.values(), ids=SPELLED)
def test_a_new_member_is_spelled(text: str, expected: str) -> None:
    root = read(text)
    changed = document.replaced(text, [member(root, "o").setting("file_name", "x", like=root)])
    assert list(json.loads(changed)["o"])[-1] == expected


def outer(inner: str) -> Node:
    return member(read(f'{{"message":{{"raw":"{inner}"}}}}'), "message", "raw")


def test_a_text_inside_a_string_is_a_document_of_its_own() -> None:
    inside = outer('{\\n \\u0022image\\u0022: {"link":"a"}}'.replace('{"link":"a"}', '{\\"link\\":\\"a\\"}')).inside()
    assert inside
    link = member(inside, "image", "link")
    assert (link.string, link.path) == ("a", "message.raw: image.link")


@pytest.mark.parametrize("inner", ["", "Hola", "[1]", "{", '{\\"a\\":NaN}', "\\ufeff{}", "{} {}"])
def test_what_is_no_json_inside_a_string_is_left_alone(inner: str) -> None:
    assert outer(inner).inside() is None


def test_what_is_no_string_has_nothing_inside() -> None:
    assert read("{}").inside() is None


NESTED_REFUSALS = {
    "a key said twice": ('{\\"a\\":{\\"b\\":1,\\"b\\":2}}', "BODY_REPEATS_KEY", "message.raw: a.b"),
    "too deep": ('{\\"a\\":' + "[" * 64 + "]" * 64 + "}", "BODY_NOT_JSON", "message.raw"),
}


@pytest.mark.parametrize(("inner", "code", "field"), NESTED_REFUSALS.values(), ids=NESTED_REFUSALS)
def test_what_can_be_read_in_two_ways_is_refused_inside_a_string_too(inner: str, code: str, field: str) -> None:
    with pytest.raises(Refused) as caught:
        outer(inner).inside()
    assert (caught.value.code, caught.value.field) == (code, field)


def test_an_edit_inside_a_string_leaves_every_other_character() -> None:
    inner = '\\u007b\\n\\t\\"é\\":\\"\\ud83d\\udc4b👋\\", \\"link\\":\\"https:\\/\\/a\\/b\\", \\"n\\":1.10}'
    node = outer(inner).inside()
    assert node
    changes = [member(node, "link").saying('https://x/"ü"'), node.setting("name", "n", like=node)]
    changed = document.replaced(outer(inner).text, changes)
    kept = inner.replace("https:\\/\\/a\\/b", 'https://x/\\\\\\"ü\\\\\\"').replace("1.10", '1.10,\\"name\\":\\"n\\"')
    assert changed == f'{{"message":{{"raw":"{kept}"}}}}'
    assert json.loads(json.loads(changed)["message"]["raw"])["link"] == 'https://x/"ü"'


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
    assert document.replaced("0123456789", changes) == expected


@pytest.mark.parametrize("other", [Edit(2, 5, ""), Edit(3, 3, ""), Edit(0, 3, ""), Edit(2, 4, "")])
def test_edits_that_overlap_are_a_mistake(other: Edit) -> None:
    with pytest.raises(ValueError, match="overlap"):
        document.replaced("0123456789", [Edit(2, 4, "a"), other])


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
    assert document.encoded(text) == expected
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
    outer = document.replaced(f'"{raw}"', [lifted])
    assert outer == f'"{before}{document.encoded(new)[1:-1]}{behind}"'

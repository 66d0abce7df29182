"""The strict reader: what JSON is, where its values stand, and that nothing else gets through."""

from __future__ import annotations

import json
import re
import string
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.outbound import syntax
from gateway.outbound.refusals import Refused
from gateway.outbound.syntax import DEEPEST, NotJson, Value
from tests.together import together

WHY = re.compile(r"The body is not JSON: (.*)\.")


def refused(text: str) -> str:
    with pytest.raises(Refused) as caught:
        syntax.parse(text)
    assert caught.value.code == "BODY_NOT_JSON"
    told = WHY.fullmatch(caught.value.says)
    assert told
    return told[1]


NOT_JSON = {
    "nothing": ("", syntax.NO_OBJECT),
    "blanks": (" \r\n\t", syntax.NO_OBJECT),
    "an array": ("[]", syntax.NO_OBJECT),
    "a string": ('"{}"', syntax.NO_OBJECT),
    "a number": ("1", syntax.NO_OBJECT),
    "a form": ("a=1", syntax.NO_OBJECT),
    "a blank that is none of JSON's": ("\u00a0{}", syntax.NO_OBJECT),
    "a form feed": ("\f{}", syntax.NO_OBJECT),
    "an open object": ("{", syntax.ENDS_EARLY),
    "a key alone": ('{"a"', syntax.ENDS_EARLY),
    "a colon at the end": ('{"a":', syntax.ENDS_EARLY),
    "a value at the end": ('{"a":1 ', syntax.ENDS_EARLY),
    "a comma at the end": ('{"a":1,', syntax.ENDS_EARLY),
    "an open array": ('{"a":[', syntax.ENDS_EARLY),
    "an open array after a value": ('{"a":[1', syntax.ENDS_EARLY),
    "two objects": ("{}{}", syntax.GOES_ON),
    "a NUL after the end": ("{}\x00", syntax.GOES_ON),
    "a bracket too many": ('{"a":1}}', syntax.GOES_ON),
    "a key without quotes": ("{a:1}", syntax.NO_KEY),
    "a key in single quotes": ("{'a':1}", syntax.NO_KEY),
    "a number as key": ("{1:1}", syntax.NO_KEY),
    "a comma before the end of an object": ('{"a":1,}', syntax.NO_KEY),
    "a comma alone": ("{,}", syntax.NO_KEY),
    "the wrong bracket in an empty object": ("{]", syntax.NO_KEY),
    "no colon": ('{"a" 1}', syntax.NO_COLON),
    "an equals sign": ('{"a"=1}', syntax.NO_COLON),
    "no comma": ('{"a":1 "b":2}', syntax.NO_COMMA),
    "an object closed as an array": ('{"a":1]', syntax.NO_COMMA),
    "an array closed as an object": ('{"a":[1}', syntax.NO_COMMA),
    "a comment": ('{"a":1/**/}', syntax.NO_COMMA),
    "no value": ('{"a":}', syntax.NO_VALUE),
    "a comma before the end of an array": ('{"a":[1,]}', syntax.NO_VALUE),
    "a hole in an array": ('{"a":[1,,2]}', syntax.NO_VALUE),
    "the wrong bracket in an empty array": ('{"a":[}', syntax.NO_VALUE),
    "an unknown word": ('{"a":nil}', syntax.NO_VALUE),
    "a word in capitals": ('{"a":True}', syntax.NO_VALUE),
    "half a word": ('{"a":tru}', syntax.NO_VALUE),
    "a plus sign": ('{"a":+1}', syntax.NO_VALUE),
    "a point first": ('{"a":.5}', syntax.NO_VALUE),
    "a minus alone": ('{"a":-}', syntax.NO_VALUE),
    "digits of another script": ('{"a":\u0661}', syntax.NO_VALUE),
    "a leading zero": ('{"a":01}', syntax.NO_COMMA),
    "a point last": ('{"a":1.}', syntax.NO_COMMA),
    "an exponent of nothing": ('{"a":1e}', syntax.NO_COMMA),
    "a hexadecimal number": ('{"a":0x1}', syntax.NO_COMMA),
    "NaN": ('{"a":NaN}', syntax.NO_NUMBER),
    "Infinity": ('{"a":Infinity}', syntax.NO_NUMBER),
    "-Infinity": ('{"a":[-Infinity]}', syntax.NO_NUMBER),
    "a string without end": ('{"a":"b', syntax.STRING_BROKEN),
    "a key without end": ('{"a', syntax.STRING_BROKEN),
    "a string that ends in a backslash": ('{"a":"b\\', syntax.STRING_BROKEN),
    "a line feed in a string": ('{"a":"\n"}', syntax.STRING_BROKEN),
    "a NUL in a string": ('{"a":"\x00"}', syntax.STRING_BROKEN),
    "the last control character": ('{"a":"\x1f"}', syntax.STRING_BROKEN),
    "a tab in a key": ('{"a\t":1}', syntax.STRING_BROKEN),
    "an unknown escape": ('{"a":"\\x41"}', syntax.STRING_BROKEN),
    "a short escape": ('{"a":"\\u00e"}', syntax.STRING_BROKEN),
    "an escape of other letters": ('{"a":"\\u00eg"}', syntax.STRING_BROKEN),
    "half a pair, and a broken escape": ('{"a":"\\ud83d\\ude"}', syntax.STRING_BROKEN),
    "an escape in digits of another script": ('{"a":"\\u\u0660\u0660\u0660\u0660"}', syntax.STRING_BROKEN),
}


@together(("text", "why"), NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_json_object_is_refused_with_the_reason(text: str, why: str) -> None:
    assert refused(text) == why


JSON = {
    "an empty object": "{}",
    "blanks everywhere": ' \t\r\n{ \n"a"\t:\r1 , "b" : [ 1 , { } , [ ] ] } \n',
    "numbers": '{"a":[0,-0,1.10,1e400,1E+5,-1.5e-7,123456789012345678901234567890]}',
    "more digits than Python converts": '{"a":' + "9" * 5000 + "}",
    "words": '{"a":[true,false,null]}',
    "strings": '{"a":["","\\"","\\\\","\\/","\\b\\f\\n\\r\\t","\\u00e9","\x7f","é","👋","\\ud83d\\udc4b","\\ud83d"]}',
    "the empty key": '{"":1}',
    "keys that differ in case": '{"a":1,"A":2}',
    "a key that is said again in another object": '{"a":{"a":[{"a":1},{"a":2}]}}',
}


@pytest.mark.parametrize("text", JSON.values(), ids=JSON)
def test_json_is_read_as_pythons_own_reader_reads_it(text: str) -> None:
    assert_alike(syntax.parse(text), text, json.loads(text, parse_int=str, parse_float=str))


def assert_alike(value: Value, text: str, expected: Any) -> None:
    """That the value is the expected one, and stands where it is told to stand, as do all that are in it."""
    spelled = text[value.start : value.end]
    assert spelled[0] not in " \t\r\n"
    assert spelled[-1] not in " \t\r\n"
    assert json.loads(spelled, parse_int=str, parse_float=str) == expected
    if isinstance(expected, dict):
        assert isinstance(value.content, dict)
        assert list(value.content) == list(expected)
        for key, member in value.content.items():
            assert_alike(member, text, expected[key])
    elif isinstance(expected, list):
        assert isinstance(value.content, list)
        assert len(value.content) == len(expected)
        for item, its in zip(value.content, expected, strict=True):
            assert_alike(item, text, its)
    else:
        assert value.content == (expected if spelled.startswith('"') else None)


def nest(depth: int, opening: str, closing: str) -> str:
    return '{"a":' + opening * (depth - 1) + "0" + closing * (depth - 1) + "}"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
def test_depth_has_an_end(opening: str, closing: str) -> None:
    assert syntax.parse(nest(DEEPEST, opening, closing))
    assert refused(nest(DEEPEST + 1, opening, closing)) == syntax.TOO_DEEP


def test_an_empty_array_at_the_deepest_place_counts_too() -> None:
    assert syntax.parse(nest(DEEPEST - 1, "[", "]").replace("0", "[]"))
    assert refused(nest(DEEPEST, "[", "]").replace("0", "[]")) == syntax.TOO_DEEP


def test_what_is_nested_too_deep_is_json_all_the_same() -> None:
    with pytest.raises(Refused) as caught:
        syntax.parse(nest(DEEPEST + 1, "[", "]"), path="message: ")
    assert not isinstance(caught.value, NotJson)
    assert caught.value.field == "message"


REPEATED = {
    "at the top": ('{"app_id":1,"app_id":1}', "app_id", "app_id"),
    "not next to each other": ('{"a":1,"b":2,"a":3}', "a", "a"),
    "in an object": ('{"message":{"text_message":{"text":"a","text":"b"}}}', "text", "message.text_message.text"),
    "in an array": ('{"a":[0,{"b":1},{"b":1,"b":2}]}', "b", "a[2].b"),
    "in arrays of arrays": ('{"a":[[],[{"b":1,"b":2}]]}', "b", "a[1][0].b"),
    "spelled with an escape": ('{"app_id":1,"app\\u005fid":2}', "app_id", "app_id"),
    "no name of a field": ('{"x":{"a b":1,"a b":2}}', "a key", "x.#1"),
    "below what is no name of a field": ('{"x":0,"+34600111222":{"a":1,"a":2}}', "a", "#1.a"),
    "the empty key": ('{"":1,"":2}', "a key", "#1"),
    "a name of 64 characters": (f'{{"{"a" * 64}":1,"{"a" * 64}":2}}', "a" * 64, "a" * 64),
    "a name of 65 characters": (f'{{"{"a" * 65}":1,"{"a" * 65}":2}}', "a key", "#1"),
    "a lone surrogate": ('{"\\ud800":1,"\\ud800":2}', "a key", "#1"),
    "before the text breaks off": ('{"a":1,"a"', "a", "a"),
}


@together(("text", "key", "field"), REPEATED.values(), ids=REPEATED)
def test_a_key_that_is_said_twice_is_refused_with_its_place(text: str, key: str, field: str) -> None:
    with pytest.raises(Refused) as caught:
        syntax.parse(text)
    assert (caught.value.code, caught.value.field) == ("BODY_REPEATS_KEY", field)
    assert caught.value.says.startswith(f"The body says {key} twice")


strings = st.text(st.characters(exclude_categories=[]), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | strings,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(strings, values, max_size=5)
texts = st.builds(json.dumps, objects, ensure_ascii=st.booleans(), indent=st.sampled_from([None, 0, 1, "\t"]))


@given(texts)
def test_any_json_object_is_read_as_it_is(text: str) -> None:
    assert_alike(syntax.parse(text), text, json.loads(text, parse_int=str, parse_float=str))


def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in members}) < len(members):
        raise ValueError("a key is said twice")
    return dict(members)


def no_number(name: str) -> None:
    raise ValueError(name)


def is_json(text: str) -> bool:
    """What Python's own reader says, which is strict with these hooks."""
    try:
        return isinstance(json.loads(text, object_pairs_hook=pairs, parse_constant=no_number), dict)
    except ValueError:
        return False


broken = st.builds(
    lambda text, at, cut, put: text[: at % len(text)] + put + text[at % len(text) + cut :],
    texts,
    st.integers(0, 10_000),
    st.integers(0, 3),
    st.text(string.whitespace + '{}[]:,"\\/-+.eEu019nN\x00\ufeff', max_size=3),
)


@given(broken | st.text('{}[]:,"\\ ab01.-e', max_size=12))
@example('{"a":1,"a":1}')
@example("{}")
def test_what_passes_is_json_to_pythons_own_reader_and_the_other_way_round(text: str) -> None:
    try:
        syntax.parse(text)
        passes = True
    except Refused:
        passes = False
    assert passes == is_json(text)


MIB = 2**20
HEAVY = {
    "arrays in arrays": '{"a":' + "[" * MIB,
    "objects in objects": '{"a":' * (MIB // 5),
    "empty arrays": '{"a":[' + "[]," * (MIB // 3) + "0]}",
    "members": "{" + ",".join(f'"{number}":1' for number in range(MIB // 10)) + "}",
    "numbers": '{"a":[' + "1," * (MIB // 2) + "1]}",
    "one number": '{"a":' + "9" * MIB + "}",
    "one number that breaks off": '{"a":' + "9" * MIB + "e}",
    "one string of escapes": '{"a":"' + "\\n" * (MIB // 2) + '"}',
    "one string without end": '{"a":"' + "\\\\" * (MIB // 2),
    "one string of pairs": '{"a":"' + "\\ud83d\\udc4b" * (MIB // 12) + '"}',
    "quotes": '{"' * (MIB // 2),
    "blanks": '{"a":1' + " " * MIB + "}",
    "line feeds before an error": '{"a":' + "\n" * MIB + "?}",
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
def test_a_mebibyte_of_anything_is_read_in_linear_time(text: str) -> None:
    # A minute is a hundred times what the slowest of them needs; one that is not linear needs hours.
    began = time.process_time()
    try:
        syntax.parse(text)
    except Refused as refusal:
        assert refusal.code == "BODY_NOT_JSON"  # noqa: PT017 - some are JSON, and some are not
    assert time.process_time() - began < 60

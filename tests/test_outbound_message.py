"""Sends: what a body says, and that a rewritten one differs in nothing but what was asked for."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ingress.events import LONGEST_ID
from gateway.outbound import message
from gateway.outbound.allowed import App
from gateway.outbound.message import Media, NewLink, Reply, Send
from gateway.outbound.refusals import Refused
from tests.call_samples import APP, CONTACT, FOREIGN, MESSAGES, OURS, PHONE, body, card, media, nested, send
from tests.examples import examples
from tests.together import together

MINTED = NewLink("https://gateway.example.com/media/gAAAAAB_-x/%C3%9Cbersicht.pdf", "Übersicht.pdf")
WA = "explicit_channel_message.WHATSAPP"

LONGEST_TEXT = 4096  # characters that WhatsApp takes


def read(content: Any) -> Send:
    return message.parse(content if isinstance(content, bytes) else body(content))


def rewritten(content: Any, *, link: NewLink = MINTED, correlation_id: str | None = None) -> bytes:
    """The body with all links replaced."""
    read_one = read(content)
    return read_one.rewritten({one.field: link for one in read_one.media}, correlation_id=correlation_id)


def test_a_send_says_who_sends_what_to_whom() -> None:
    said = read(send(MESSAGES["media"], channel_priority_order=["WHATSAPP", "INSTAGRAM"], correlation_id="tkt-42"))
    assert (said.apps, said.kind, said.contact_id, said.identity) == ((App("app_id", APP),), "media", "", PHONE)
    assert (said.channels, said.correlation_id) == ({"WHATSAPP", "INSTAGRAM"}, "tkt-42")
    assert not said.correlation_is_free
    assert said.media == (
        Media(field="message.media_message.url", url=OURS, channel="", ours_only=False),
        Media(field="message.media_message.thumbnail_url", url=FOREIGN, channel="", ours_only=False),
    )
    assert (said.lengths, said.templates) == ((), ())


def test_a_contact_is_named_as_well() -> None:
    said = read({"recipient": {"contact_id": CONTACT}})
    assert (said.contact_id, said.identity, said.channels) == (CONTACT, "", frozenset())


def test_its_text_form_does_not_tell_the_body() -> None:
    assert "a secret" not in repr(read(send({}, message_metadata="a secret")))


@together("kind", MESSAGES)
def test_each_kind_of_message_is_known(kind: str) -> None:
    assert read(send(MESSAGES[kind])).kind == kind


def test_a_message_beside_its_override_is_of_its_own_kind() -> None:
    assert read(send(MESSAGES["explicit_channel"] | MESSAGES["text"])).kind == "text"


NOTHING = {
    "an empty body": {},
    "null everywhere": {"app_id": None, "recipient": None, "message": None, "correlation_id": None},
    "other types": {"app_id": 1, "recipient": [], "message": "Hola", "channel_priority_order": {"a": 1}},
    "other types below": {
        "message": {"text_message": None},
        "recipient": {
            "contact_id": {},
            "identified_by": {"channel_identities": [1, None, {"channel": 2, "identity": 3}]},
        },
        "channel_priority_order": [None, 1, ["WHATSAPP"], "+34", ""],
        "correlation_id": "",
    },
}


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING)
def test_what_is_not_understood_says_nothing_and_passes(content: Any) -> None:
    said = read(content)
    assert dataclasses.replace(said, _body=None, _found={}) == Send(
        kind="other",
        channels=frozenset(),
        apps=(),
        contact_id="",
        identity="",
        correlation_id="",
        correlation_is_free=True,
        lengths=(),
        templates=(),
        media=(),
        _body=None,
        _found={},
    )
    assert said.rewritten({}, correlation_id=None) == body(content)


IDENTIFIERS = {
    "the longest": ("a" * LONGEST_ID, "a" * LONGEST_ID),
    "one character more": ("a" * (LONGEST_ID + 1), ""),
    "a NUL": ("a\x00", ""),
    "a lone surrogate": ("\ud800", ""),
    "other scripts": ("Ç-1", "Ç-1"),
}


@pytest.mark.parametrize(("written", "expected"), IDENTIFIERS.values(), ids=IDENTIFIERS)
def test_identifiers_are_short_and_storable(written: str, expected: str) -> None:
    identity = {"channel": "WHATSAPP", "identity": f"+{written[1:]}" if written[0] == "a" else written}
    recipient = {"contact_id": written, "identified_by": {"channel_identities": [identity]}}
    said = message.parse(json.dumps({"recipient": recipient, "correlation_id": written}).encode())
    assert (said.contact_id, said.correlation_id) == (expected, expected)
    assert said.identity == (expected[1:] if written[0] == "a" else expected)
    assert not said.correlation_is_free


def test_channels_are_told_in_upper_case() -> None:
    assert read(send({}, channel_priority_order=["rcs"])).channels == {"WHATSAPP", "RCS"}


# What may stand anywhere, and comes out as it went in.
STRANGE = (
    b' {"unknown":[1.10,1e400,-0.0,12345678901234567890,true,null,{"z":1,"a":{}}] ,\r\n\t'
    b'"app_id":"01JQ","recipient":{"contact_id":"\\u0041\\/"},"message":{"reply_to":{"message_id":"01JQ"},'
    b'"agent":{"display_name":"\\u00c1na \xf0\x9f\x91\x8b","type":"HUMAN"} , '
    b'"mediaMessage" :{ "url":"https:\\/\\/motion.example.com\\/a?b=1\\u0026c=2" },"new_field":"\\ud83d"}}\n'
)


def test_a_rewritten_body_keeps_every_other_byte() -> None:
    said = message.parse(STRANGE)
    assert [(one.field, one.url) for one in said.media] == [
        ("message.media_message.url", "https://motion.example.com/a?b=1&c=2")
    ]
    expected = STRANGE.replace(b"https:\\/\\/motion.example.com\\/a?b=1\\u0026c=2", MINTED.url.encode())
    expected = expected.replace(b'pdf" }', b'pdf","filename_override":"\xc3\x9cbersicht.pdf" }')
    expected = expected.replace(b'"\\ud83d"}}', b'"\\ud83d"},"correlation_id":"gw-1"}')
    assert rewritten(STRANGE, correlation_id="gw-1") == expected


@together("content", [STRANGE, *(body(send(one)) for one in MESSAGES.values())])
def test_a_body_with_nothing_to_replace_is_the_same_bytes(content: bytes) -> None:
    assert message.parse(content).rewritten({}, correlation_id=None) == content


FILE_NAMES = {
    "missing": (media(), media(MINTED.url, filename_override=MINTED.name)),
    "empty": (media(filename_override=""), media(MINTED.url, filename_override=MINTED.name)),
    "null": (media(filename_override=None), media(MINTED.url, filename_override=MINTED.name)),
    "said": (media(filename_override="b.pdf"), media(MINTED.url, filename_override="b.pdf")),
    "of another type": (media(filename_override=1), media(MINTED.url, filename_override=1)),
    "missing among new spellings": (
        media(thumbnailUrl=""),
        media(MINTED.url, thumbnailUrl="", filenameOverride=MINTED.name),
    ),
    "empty in the new spelling": (media(filenameOverride=""), media(MINTED.url, filenameOverride=MINTED.name)),
}


@pytest.mark.parametrize(("before", "after"), FILE_NAMES.values(), ids=FILE_NAMES)
def test_a_file_is_named_where_the_message_leaves_it_open(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert rewritten(send({"media_message": before})) == body(send({"media_message": after}))


def test_a_thumbnail_and_an_agents_picture_take_no_name() -> None:
    message = {"media_message": {"thumbnail_url": OURS}, "agent": {"picture_url": OURS}}
    assert rewritten(send(message)) == body(send(message)).replace(OURS.encode(), MINTED.url.encode())


CORRELATIONS: dict[str, tuple[bytes, bytes]] = {
    "none": (b'{"app_id":"a"}', b'{"app_id":"a","correlation_id":"gw"}'),
    "none among new spellings": (b'{"appId":"a" }', b'{"appId":"a","correlationId":"gw" }'),
    "none in an empty body": (b"{}", b'{"correlation_id":"gw"}'),
    "an empty one": (b'{"correlation_id":"","a":1}', b'{"correlation_id":"gw","a":1}'),
    "null": (b'{"correlationId": null}', b'{"correlationId": "gw"}'),
    "one": (b'{"correlation_id":"x"}', b'{"correlation_id":"x"}'),
    "a blank": (b'{"correlation_id":" "}', b'{"correlation_id":" "}'),
    "one that we cannot file": (b'{"correlation_id":"\\u0000"}', b'{"correlation_id":"\\u0000"}'),
    "one of another type": (b'{"correlation_id":0}', b'{"correlation_id":0}'),
    "one further in": (
        b'{"message":{"correlation_id":"x"}}',
        b'{"message":{"correlation_id":"x"},"correlation_id":"gw"}',
    ),
}


@pytest.mark.parametrize(("before", "after"), CORRELATIONS.values(), ids=CORRELATIONS)
def test_our_reference_is_put_in_where_none_was_said(before: bytes, after: bytes) -> None:
    said = message.parse(before)
    assert said.rewritten({}, correlation_id="gw") == after
    assert said.correlation_is_free is (before != after)
    assert said.rewritten({}, correlation_id=None) == before


def test_only_the_links_that_are_given_are_replaced() -> None:
    message = {"carousel_message": {"cards": [card(), card()]}}
    changed = read(send(message)).rewritten(
        {"message.carousel_message.cards[1].media_message.url": MINTED}, correlation_id=None
    )
    first, second = json.loads(changed)["message"]["carousel_message"]["cards"]
    assert (first, second["media_message"]) == (
        card(),
        {"url": MINTED.url, "filename_override": MINTED.name},
    )


def test_a_link_inside_a_text_inside_a_string_is_replaced_there() -> None:
    inner = (
        '{\\n  \\"type\\": \\"image\\",\\n\\t\\u0022image\\u0022:{\\"link\\":\\"https:\\\\\\/\\\\\\/a\\\\u002fb\\",'
        '\\"caption\\":\\"\\ud83d\\udc4b\\\\u00e9é\\"}}'
    )
    content = f'{{"message":{{"explicit_channel_message":{{"WHATSAPP":"{inner}","SMS":"a\\u0062"}}}}}}'.encode()
    (one,) = message.parse(content).media
    assert (one.field, one.url, one.channel) == (f"message.{WA}: image.link", "https://a/b", "WHATSAPP")
    old = b"https:\\\\\\/\\\\\\/a\\\\u002fb"
    assert old in content
    assert rewritten(content) == content.replace(old, MINTED.url.encode())


def of_length(length: int, message: dict[str, Any]) -> Send:
    """A message whose text has so many characters."""
    return read(body(send(message)).replace(b"TEXT", "é".encode() * length))


ANY, NESTED = (
    {"text_message": {"text": "TEXT"}},
    {"explicit_channel_message": {"WHATSAPP": nested({"text": {"body": "TEXT"}})}},
)
ON_WHATSAPP = {"explicit_channel_omni_message": {"WHATSAPP": ANY}}
ON_INSTAGRAM = {"explicit_channel_omni_message": {"INSTAGRAM": ANY}}
FITS = {
    "for any channel, on any": (ANY, [], True),
    "for any channel, on WhatsApp": (ANY, ["INSTAGRAM", "WHATSAPP"], True),
    "for any channel, on another": (ANY, ["INSTAGRAM"], False),
    "for WhatsApp, on any": (ON_WHATSAPP, [], True),
    "for WhatsApp, on another": (ON_WHATSAPP, ["INSTAGRAM"], True),
    "for another, on any": (ON_INSTAGRAM, [], False),
    "for another, on WhatsApp": (ON_INSTAGRAM, ["WHATSAPP"], False),
    "in Meta's words": (NESTED, [], True),
}


@pytest.mark.parametrize(("content", "channels", "limited"), FITS.values(), ids=FITS)
def test_a_text_that_whatsapp_does_not_take_is_refused(
    content: dict[str, Any],
    channels: list[str],
    limited: bool,  # noqa: FBT001 - a column
) -> None:
    message.require_fits(of_length(LONGEST_TEXT, content), channels=channels)
    long = of_length(LONGEST_TEXT + 1, content)
    if not limited:
        return message.require_fits(long, channels=channels)
    with pytest.raises(Refused) as caught:
        message.require_fits(long, channels=channels)
    assert (caught.value.code, caught.value.field) == ("MESSAGE_SPLIT_REQUIRED", long.lengths[0].field)
    assert caught.value.says == "The text has 4097 characters; WhatsApp takes 4096."
    return None


@pytest.mark.parametrize("character", ["👋", "\\ud83d\\udc4b", "\\n", "\\u00e9", "é"])
def test_characters_are_counted_as_unicode_does_however_they_are_written(character: str) -> None:
    content = body(send(ANY)).replace(b"TEXT", character.encode() * LONGEST_TEXT)
    message.require_fits(message.parse(content), channels=[])
    (text,) = message.parse(content).lengths
    assert text.length == LONGEST_TEXT


@together("kind", MESSAGES)
def test_templates_alone_are_refused_as_templates(kind: str) -> None:
    said = read(send(MESSAGES[kind]))
    if kind != "template":
        return message.require_no_templates(said)
    with pytest.raises(Refused) as caught:
        message.require_no_templates(said)
    assert (caught.value.code, caught.value.field) == ("TEMPLATES_NOT_ALLOWED", "message.template_message")
    return None


TEMPLATES = {
    "for one channel": (
        {"explicit_channel_omni_message": {"WHATSAPP": {"template_reference": {}}}},
        "message.explicit_channel_omni_message.WHATSAPP.template_reference",
    ),
    "in Meta's words": (
        {"explicit_channel_message": {"WHATSAPP": nested({"type": "template", "template": {"name": "a"}})}},
        f"message.{WA}: template",
    ),
}


@pytest.mark.parametrize(("message", "field"), TEMPLATES.values(), ids=TEMPLATES)
def test_a_template_is_found_wherever_it_hides(message: dict[str, Any], field: str) -> None:
    assert read(send(message)).templates == (field,)


def camel(content: Any) -> Any:
    """The same message with all its fields in the other spelling, but for what is inside of maps."""
    text = json.dumps(content)
    return json.loads(re.sub(r'"([a-z]+(?:_[a-z]+)+)":', lambda key: f'"{other_spelling(key[1])}":', text))


def other_spelling(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


@together("kind", MESSAGES)
def test_both_spellings_say_the_same(kind: str) -> None:
    plain, other = read(send(MESSAGES[kind])), read(camel(send(MESSAGES[kind])))
    assert dataclasses.replace(other, _body=plain._body, _found={}) == dataclasses.replace(plain, _found={})


def test_both_spellings_at_once_are_refused_even_of_a_field_that_tells_the_kind_alone() -> None:
    message = MESSAGES["text"] | {"choice_message": {}, "choiceMessage": {}}
    with pytest.raises(Refused) as caught:
        read(send(message))
    assert (caught.value.code, caught.value.field) == ("BODY_REPEATS_KEY", "message.choice_message")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    [
        *("app_id", "appId", "recipient", "message", "identified_by", "channel_identities", "channel_priority_order"),
        *("correlation_id", "text", "text_message", "media_message", "mediaMessage", "url", "thumbnail_url", "items"),
        *("filename_override", "cards", "carousel_message", "list_message", "media", "template_message", "parameters"),
        *("explicit_channel_message", "explicit_channel_omni_message", "WHATSAPP"),
    ]
)
knowing = st.recursive(
    json_values | st.just(OURS) | st.just("{}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=15,
)


@given(
    st.builds(
        json.dumps,
        st.dictionaries(names | st.text(max_size=5), knowing, max_size=6)
        | st.builds(lambda message: {"message": message}, st.dictionaries(names, knowing)),
        indent=st.sampled_from([None, 1]),
    )
)
def test_any_json_object_is_a_send_and_comes_out_as_it_went_in(text: str) -> None:
    try:
        said = message.parse(text.encode())
    except Refused as refusal:
        assert refusal.code == "BODY_REPEATS_KEY"  # noqa: PT017 - of both spellings at once
        return
    assert said.rewritten({}, correlation_id=None) == text.encode()
    assert json.loads(said.rewritten({one.field: MINTED for one in said.media}, correlation_id="gw"))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_send_or_refused(content: bytes) -> None:
    try:
        assert isinstance(message.parse(content), Send)
    except Refused as refusal:
        assert refusal.status == 400  # noqa: PT017 - either way is right


def named(content: Any) -> Any:
    """The same, with a name for each file of ours, so that none is put in."""
    if isinstance(content, dict):
        added = {"filename_override": "a.pdf"} if content.get("url") == OURS else {}
        return {key: named(value) for key, value in content.items()} | added
    return [named(value) for value in content] if isinstance(content, list) else content


def swapped(content: Any, url: str) -> Any:
    """The same by another way: `url` for each link of ours, and what is written for WhatsApp into a string read."""
    if isinstance(content, dict):
        opened = {key: json.loads(value) for key, value in content.items() if key == "WHATSAPP" and value == str(value)}
        return {key: swapped(value, url) for key, value in (content | opened).items()}
    if isinstance(content, list):
        return [swapped(value, url) for value in content]
    return url if content == OURS else content


ROADS: dict[str, Callable[[Any], Any]] = {
    "for all channels": lambda message: message,
    "for one channel": lambda message: {"explicit_channel_omni_message": {"INSTAGRAM": message}},
    "in the other spelling": camel,
}
GENERIC = [kind for kind in MESSAGES if kind.partition("_")[0] not in ("explicit", "channel")]
TRAVELLED = [(kind, road) for road in ROADS for kind in MESSAGES if kind in GENERIC or road != "for one channel"]


@pytest.mark.parametrize(("kind", "road"), TRAVELLED)
@settings(max_examples=examples(20))
@given(
    url=st.text(max_size=20),
    extra=st.dictionaries(st.text("xyz", max_size=3), json_values, max_size=3),
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, 2]),
)
def test_a_rewritten_body_says_the_same_but_for_our_links(
    kind: str, road: str, url: str, extra: dict[str, Any], **style: Any
) -> None:
    content = send(ROADS[road](named(MESSAGES[kind])), **extra)
    said = message.parse(json.dumps(content, **style).encode())
    ours = {one.field: NewLink(url, "b.pdf") for one in said.media if one.url == OURS}
    changed = json.loads(said.rewritten(ours, correlation_id=None))
    assert swapped(changed, url) == swapped(content, url)
    assert (OURS in json.dumps(MESSAGES[kind])) is bool(ours)


REPLIES = {
    "a message id": (b'{"message_id":"01JQ-_x","accepted_time":"x"}', "01JQ-_x", ""),
    "in camel case": (b'{"messageId":"01X"}', "01X", ""),
    "64 signs": (b'{"message_id":"%b"}' % (b"x" * 64), "x" * 64, ""),
    "65 signs": (b'{"message_id":"%b"}' % (b"x" * 65), "", ""),
    "a line end behind it": (b'{"message_id":"01X\\n"}', "", ""),
    "a number": (b'{"message_id":1}', "", ""),
    "an error": (b'{"error":{"code":400,"status":"INVALID_ARGUMENT"}}', "", "INVALID_ARGUMENT"),
    "an error in small letters": (b'{"error":{"status":"Ana, +34600111222"}}', "", ""),
    "an error that is a text": (b'{"error":"INVALID"}', "", ""),
    "no object": (b"[]", "", ""),
    "no JSON": (b"<html>", "", ""),
    "too deep": (b"[" * 100_000, "", ""),
    "bytes": (b"\xff\xfe", "", ""),
    "nothing": (b"", "", ""),
}


@together(("answer", "message_id", "code"), REPLIES.values(), ids=REPLIES)
def test_an_answer_says_an_id_or_a_status_and_nothing_else(answer: bytes, message_id: str, code: str) -> None:
    assert message.reply(answer) == Reply(message_id=message_id, code=code, words="")


def violating(*violations: object) -> dict[str, object]:
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "field_violations": list(violations)}
    return {"error": {"status": "INVALID_ARGUMENT", "message": "Invalid request", "details": [detail]}}


WORDS: dict[str, tuple[object, str]] = {
    "a sentence": ({"error": {"message": "No such contact"}}, "No such contact"),
    "a field": (violating({"field": "message.a", "description": "is empty"}), "Invalid request; message.a: is empty"),
    "two fields": (violating({"field": "a"}, {"description": "b"}), "Invalid request; a; b"),
    "fields that are none": (violating(1, None, [], {}, {"field": 5}), "Invalid request"),
    "details that are none": ({"error": {"message": "No", "details": {"field_violations": 1}}}, "No"),
    "details of another kind": ({"error": {"message": "No", "details": [1, {"retry_info": 1}]}}, "No"),
    "a sentence that is none": ({"error": {"message": 5}}, ""),
    "an error that is a text": ({"error": "No"}, ""),
}


@pytest.mark.parametrize(("said", "words"), WORDS.values(), ids=WORDS)
def test_what_sinch_says_of_its_error_is_read(said: object, words: str) -> None:
    assert message.reply(json.dumps(said).encode()).words == words


@pytest.mark.parametrize("encoding", ["gzip", " GZIP", "x-gzip", "deflate"])
def test_an_answer_that_came_packed_is_read_all_the_same(encoding: str) -> None:
    packed = (zlib.compress if encoding == "deflate" else gzip.compress)(b'{"message_id":"01X"}')
    assert message.reply(packed, encoding=encoding).message_id == "01X"
    assert message.reply(packed[:-12], encoding=encoding).message_id == ""
    assert message.reply(b"\xff", encoding=encoding).message_id == ""


def test_a_packed_answer_is_not_unpacked_without_end() -> None:
    assert message.reply(gzip.compress(b" " * 10**8 + b'{"message_id":"01X"}'), encoding="gzip").message_id == ""


@given(st.binary(max_size=40))
def test_any_answer_can_be_read(answer: bytes) -> None:
    assert isinstance(message.reply(answer), Reply)

"""Callbacks: what each one is, which two are the same, and that any bytes at all are something."""

from __future__ import annotations

import copy
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.ingress import events
from gateway.ingress.events import LONGEST_ID, LONGEST_SENTENCE, LONGEST_WORD, TRIGGERS, UNKNOWN, Event, Report
from tests.together import together

SAMPLES = json.loads((Path(__file__).parent / "data" / "sinch_callbacks.json").read_text("utf-8"))["payloads"]
APP = "01JQ8V4M2Z7T5X9C3N6B1K0DHA"
CONTACT = "01JQ8V7S0M4R2P8W6Y3E5T9QZB"
PHONE = "34600111222"


def read(content: Any, *, connector_id: int = 7) -> Event:
    body = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    return events.read(body, connector_id=connector_id)


@dataclass(frozen=True)
class Told:
    """What a callback says, in short."""

    contact: str = CONTACT
    identity: str = PHONE
    dispatch: bool = False

    @property
    def lane(self) -> str:
        return f"contact:{self.contact}" if self.contact else f"identity:{self.identity}" if self.identity else ""


BOTH = Told()
NOBODY = Told(contact="", identity="")
CONTACT_ALONE = Told(identity="")
DISPATCHED = Told(contact="", dispatch=True)
WHOSE = {
    "MESSAGE_INBOUND/text": BOTH,
    "MESSAGE_INBOUND/text-dispatch": DISPATCHED,
    "MESSAGE_INBOUND/text-reply": BOTH,
    "MESSAGE_INBOUND/media": BOTH,
    "MESSAGE_INBOUND/media-with-caption": BOTH,
    "MESSAGE_INBOUND/location": BOTH,
    "MESSAGE_INBOUND/choice-response": BOTH,
    "MESSAGE_INBOUND/product-response": BOTH,
    "MESSAGE_INBOUND/fallback": BOTH,
    "MESSAGE_INBOUND/flow-response": BOTH,
    "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION": BOTH,
    "MESSAGE_SUBMIT": BOTH,
    "MESSAGE_DELIVERY/QUEUED_ON_CHANNEL": BOTH,
    "MESSAGE_DELIVERY/DELIVERED": BOTH,
    "MESSAGE_DELIVERY/READ": BOTH,
    "MESSAGE_DELIVERY/SWITCHING_CHANNEL": BOTH,
    "MESSAGE_DELIVERY/DELIVERED-dispatch": DISPATCHED,
    "MESSAGE_DELIVERY/FAILED-window": BOTH,
    "MESSAGE_DELIVERY/FAILED-media": BOTH,
    "EVENT_INBOUND/composing": BOTH,
    "EVENT_INBOUND/reaction": BOTH,
    "EVENT_DELIVERY": BOTH,
    "CONVERSATION_START": CONTACT_ALONE,
    "CONVERSATION_STOP": CONTACT_ALONE,
    "CONVERSATION_DELETE": CONTACT_ALONE,
    "CONTACT_CREATE": CONTACT_ALONE,
    "CONTACT_UPDATE": CONTACT_ALONE,
    "CONTACT_DELETE": CONTACT_ALONE,
    "CONTACT_MERGE": CONTACT_ALONE,
    "CONTACT_IDENTITIES_DUPLICATION": NOBODY,
    "CAPABILITY": BOTH,
    "OPT_IN": BOTH,
    "OPT_OUT": BOTH,
    "CHANNEL_EVENT": NOBODY,
    "UNSUPPORTED": BOTH,
    "SMART_CONVERSATION": BOTH,
    "RECORD_NOTIFICATION": BOTH,
}


def test_every_sample_has_its_row_and_every_trigger_but_the_unconfirmed_one_its_sample() -> None:
    assert set(WHOSE) == set(SAMPLES)
    assert {trigger.name for trigger in TRIGGERS} - {name.partition("/")[0] for name in SAMPLES} == {
        "BATCH_STATUS_UPDATE"
    }


SAID_BY_THE_CUSTOMER = ("MESSAGE_INBOUND", "EVENT_INBOUND/reaction", "UNSUPPORTED")


@together("name", SAMPLES)
def test_what_a_customer_says_on_whatsapp_opens_the_window_for_answers_and_nothing_else(name: str) -> None:
    assert read(SAMPLES[name]).opens_window is name.startswith(SAID_BY_THE_CUSTOMER)


@pytest.mark.parametrize("channel", ["INSTAGRAM", "whatsapp", "", None, {}])
def test_on_another_channel_there_is_no_window(channel: object) -> None:
    sample = changed(SAMPLES["MESSAGE_INBOUND/text"], "message.channel_identity.channel", channel)
    assert not read(sample).opens_window


@together(("name", "told"), WHOSE.items(), ids=WHOSE)
def test_a_callback_says_what_it_is_and_whose_turn_it_takes(name: str, told: Told) -> None:
    event = read(SAMPLES[name])
    assert event.kind == name.partition("/")[0]
    assert (event.contact_id, event.identity, event.dispatch) == (told.contact, told.identity, told.dispatch)
    assert event.lane == told.lane
    assert event.app_id == APP


@together("name", SAMPLES)
def test_the_digest_is_of_the_very_bytes(name: str) -> None:
    body = json.dumps(SAMPLES[name], indent=2).encode() + b"\n"
    assert read(body).body_digest == hashlib.sha256(body).digest()


# What two callbacks of a trigger share if they tell the same; everything else may differ.
COLUMNS = {
    "MESSAGE_INBOUND/text": ("message.id",),
    "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION": ("message_redaction.id",),
    "MESSAGE_SUBMIT": (
        "message_submit_notification.message_id",
        "message_submit_notification.channel_identity.channel",
    ),
    "MESSAGE_DELIVERY/DELIVERED": (
        "message_delivery_report.message_id",
        "message_delivery_report.status",
        "message_delivery_report.channel_identity.channel",
    ),
    "EVENT_INBOUND/reaction": ("event.id",),
    "EVENT_DELIVERY": ("event_delivery_report.event_id", "event_delivery_report.status"),
    "CONVERSATION_START": ("conversation_start_notification.conversation.id", "accepted_time"),
    "CONVERSATION_STOP": ("conversation_stop_notification.conversation.id", "accepted_time"),
    "CONVERSATION_DELETE": ("conversation_delete_notification.conversation.id", "accepted_time"),
    "CAPABILITY": ("capability_notification.request_id", "capability_notification.channel"),
    "OPT_IN": ("opt_in_notification.request_id", "opt_in_notification.channel"),
    "OPT_OUT": ("opt_out_notification.request_id", "opt_out_notification.channel"),
    "RECORD_NOTIFICATION": ("record_notification.entity_id", "record_notification.record_status"),
}
WHOLE_BODY = (
    "CONTACT_CREATE",
    "CONTACT_UPDATE",
    "CONTACT_DELETE",
    "CONTACT_MERGE",
    "CONTACT_IDENTITIES_DUPLICATION",
    "CHANNEL_EVENT",
    "UNSUPPORTED",
    "SMART_CONVERSATION",
)
EACH_COLUMN = [(name, column) for name, columns in COLUMNS.items() for column in columns]


def leaves(content: Any, path: tuple[str, ...] = ()) -> list[str]:
    """The paths of everything in an object that is no object itself."""
    if isinstance(content, dict) and content:
        return [leaf for key, value in content.items() for leaf in leaves(value, (*path, key))]
    return [".".join(path)]


def changed(content: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *parents, last = path.split(".")
    result = place = copy.deepcopy(content)
    for parent in parents:
        place = place[parent]
    place[last] = value
    return result


def without(content: dict[str, Any], path: str) -> dict[str, Any]:
    *parents, last = path.split(".")
    result = place = copy.deepcopy(content)
    for parent in parents:
        place = place[parent]
    del place[last]
    return result


def test_every_trigger_has_its_rule_for_repeats() -> None:
    ruled = {name.partition("/")[0] for name in (*COLUMNS, *WHOLE_BODY)}
    assert ruled == {trigger.name for trigger in TRIGGERS} - {"BATCH_STATUS_UPDATE"}


@together(("name", "column"), EACH_COLUMN, ids=lambda value: value)
def test_a_change_of_a_column_is_another_event(name: str, column: str) -> None:
    assert read(SAMPLES[name]).key != read(changed(SAMPLES[name], column, "another")).key


@together("name", COLUMNS)
def test_a_change_of_anything_else_is_the_same_event_in_other_bytes(name: str) -> None:
    first = read(SAMPLES[name])
    others = [leaf for leaf in leaves(SAMPLES[name]) if leaf not in COLUMNS[name]]
    assert len(others) > 4
    for leaf in others:
        other = read(changed(SAMPLES[name], leaf, "another"))
        assert other.key == first.key, leaf
        assert other.body_digest != first.body_digest


@together("name", COLUMNS)
def test_another_spelling_of_the_same_json_is_the_same_event(name: str) -> None:
    pretty = json.dumps(dict(reversed(SAMPLES[name].items())), indent=4).encode() + b"\r\n"
    assert read(pretty).key == read(SAMPLES[name]).key


@pytest.mark.parametrize("name", WHOLE_BODY)
def test_where_nothing_tells_repeats_the_whole_body_does(name: str) -> None:
    body = json.dumps(SAMPLES[name]).encode()
    assert read(body).key == read(body).key != read(body + b" ").key


NO_COLUMN: dict[str, Any] = {
    "empty": "",
    "null": None,
    "a number": 17,
    "a truth": True,
    "a list": ["a"],
    "an object": {"a": "b"},
    "too long": "x" * (LONGEST_ID + 1),
    "with a zero byte": "a\x00b",
}


@together("value", NO_COLUMN.values(), ids=NO_COLUMN)
@together(("name", "column"), EACH_COLUMN, ids=lambda value: value)
def test_where_a_column_names_nothing_the_whole_body_is_the_key(name: str, column: str, value: Any) -> None:
    body = json.dumps(changed(SAMPLES[name], column, value)).encode()
    assert read(body).kind == name.partition("/")[0]
    assert read(body).key == read(body).key != read(body + b" ").key


@together(("name", "column"), EACH_COLUMN, ids=lambda value: value)
def test_where_a_column_is_missing_the_whole_body_is_the_key(name: str, column: str) -> None:
    body = json.dumps(without(SAMPLES[name], column)).encode()
    assert read(body).key == read(body).key != read(body + b" ").key


@pytest.mark.parametrize(("length", "same"), [(LONGEST_ID - 1, True), (LONGEST_ID, True), (LONGEST_ID + 1, False)])
def test_an_identifier_is_believed_up_to_its_longest_length(length: int, *, same: bool) -> None:
    content = {"message": {"id": "x" * length, "contact_id": "c" * length}}
    first, second = read(content), read({**content, "accepted_time": "later"})
    assert (first.key == second.key) is same
    assert bool(first.contact_id) is same


def test_columns_do_not_run_into_each_other() -> None:
    pairs = [("a", "bc"), ("ab", "c"), ('a","b', "c"), ("a", 'b","c'), ("a\\", "b"), ("a", "\\b"), ("a,b", "c")]
    keys = {read({"event_delivery_report": {"event_id": one, "status": two}}).key for one, two in pairs}
    assert len(keys) == len(pairs)


def test_an_identifier_of_other_letters_is_not_that_of_a_likeness() -> None:
    likenesses = ("é", "e\u0301", "É", "\\u00e9", "e")
    assert len({read({"event": {"id": name}}).key for name in likenesses}) == len(likenesses)


def test_the_connector_is_a_part_of_the_key() -> None:
    for name in ("MESSAGE_INBOUND/text", "CONTACT_CREATE"):
        assert len({read(SAMPLES[name], connector_id=number).key for number in (1, 7, 11, 71)}) == 4
    assert events.read(b"?", connector_id=1).key != events.read(b"?", connector_id=2).key


def test_the_trigger_is_a_part_of_the_key() -> None:
    names = ("message", "message_redaction", "event")
    assert len({read({name: {"id": "the same"}}).key for name in names}) == len(names)


def test_with_two_triggers_in_one_body_the_first_of_the_table_counts() -> None:
    both = {"event": {"id": "e"}, "message": {"id": "m", "contact_id": "c"}}
    assert read(both).kind == "MESSAGE_INBOUND"
    assert read(both).key == read({"message": {"id": "m"}}).key


@pytest.mark.parametrize(
    ("identity", "filed"),
    [("34600111222", PHONE), ("+34600111222", PHONE), ("++34600111222", "+34600111222"), ("+", ""), ("", "")],
)
def test_the_plus_of_a_phone_number_is_stripped_from_the_identity(identity: str, filed: str) -> None:
    told = read({"message": {"id": "m", "channel_identity": {"channel": "WHATSAPP", "identity": identity}}})
    assert told.identity == filed
    assert told.lane == (f"identity:{filed}" if filed else "")


def test_a_contact_and_an_identity_of_one_name_are_different_lanes() -> None:
    contact, identity = read({"event": {"contact_id": "x"}}), read({"event": {"channel_identity": "x"}})
    assert {contact.lane, identity.lane} == {"contact:x", "identity:x"}


@pytest.mark.parametrize("mode", ["CONVERSATION", "dispatch", "", None, 1, ["DISPATCH"]], ids=repr)
def test_only_the_dispatch_mode_is_dispatch(mode: Any) -> None:
    assert not read({"message": {"id": "m", "processing_mode": mode}}).dispatch


MESSAGE = "01JQ8VD5T7V9X1Z3B5D7F9H1KE"
PLAIN = Report(
    message_id=MESSAGE,
    correlation_id="",
    status="DELIVERED",
    code="",
    sub_code="",
    channel_code="",
    channel="WHATSAPP",
    description="",
)
REPORTED = "The underlying channel reported:"
FAILED = replace(PLAIN, status="FAILED", sub_code="UNSPECIFIED_SUB_CODE")
REPORTS = {
    "MESSAGE_SUBMIT": replace(PLAIN, status="SUBMITTED"),
    "MESSAGE_DELIVERY/QUEUED_ON_CHANNEL": replace(PLAIN, status="QUEUED_ON_CHANNEL"),
    "MESSAGE_DELIVERY/DELIVERED": PLAIN,
    "MESSAGE_DELIVERY/READ": replace(PLAIN, status="READ"),
    "MESSAGE_DELIVERY/SWITCHING_CHANNEL": replace(PLAIN, status="SWITCHING_CHANNEL"),
    "MESSAGE_DELIVERY/DELIVERED-dispatch": PLAIN,
    "MESSAGE_DELIVERY/FAILED-window": replace(
        FAILED,
        code="OUTSIDE_ALLOWED_SENDING_WINDOW",
        channel_code="131047",
        description=f"{REPORTED} re-engagement message",
    ),
    "MESSAGE_DELIVERY/FAILED-media": replace(
        FAILED,
        code="MEDIA_NOT_REACHABLE",
        channel_code="131053",
        description=f"{REPORTED} media download failed with http code 403",
    ),
    "EVENT_DELIVERY": replace(PLAIN, message_id=SAMPLES["EVENT_DELIVERY"]["event_delivery_report"]["event_id"]),
}


@together("name", SAMPLES)
def test_a_report_is_told_by_callbacks_about_our_messages_and_by_no_others(name: str) -> None:
    assert read(SAMPLES[name]).report == REPORTS.get(name)


DELIVERED = SAMPLES["MESSAGE_DELIVERY/FAILED-media"]
NO_WORD: dict[str, Any] = {
    **{name: value for name, value in NO_COLUMN.items() if name != "too long"},
    "a lone surrogate": "\ud800",
    "a line feed": "FAILED\n",
    "an escape": "\x1b[31mREAD",
}
WORDS = {
    "code": "message_delivery_report.reason.code",
    "sub_code": "message_delivery_report.reason.sub_code",
    "channel_code": "message_delivery_report.reason.channel_code",
    "channel": "message_delivery_report.channel_identity.channel",
}


@together("value", NO_WORD.values(), ids=NO_WORD)
@together(("word", "path"), WORDS.items(), ids=WORDS)
def test_where_a_word_of_a_report_says_nothing_the_rest_counts(word: str, path: str, value: Any) -> None:
    whole = read(DELIVERED).report
    assert whole is not None
    assert read(json.dumps(changed(DELIVERED, path, value)).encode()).report == replace(whole, **{word: ""})


UNSAID = {
    **{f"a message id that is {name}": ("message_id", value) for name, value in NO_COLUMN.items()},
    **{f"a status that is {name}": ("status", value) for name, value in NO_WORD.items()},
}


@together(("column", "value"), UNSAID.values(), ids=UNSAID)
def test_there_is_no_report_with(column: str, value: Any) -> None:
    body = json.dumps(changed(DELIVERED, f"message_delivery_report.{column}", value)).encode()
    assert (read(body).kind, read(body).report) == ("MESSAGE_DELIVERY", None)


@pytest.mark.parametrize("reason", [None, "FAILED", [], ["code"], 17, {"code": {"code": "x"}}], ids=repr)
def test_a_reason_that_is_none_leaves_the_codes_empty(reason: Any) -> None:
    told = read(changed(DELIVERED, "message_delivery_report.reason", reason)).report
    assert told is not None
    assert (told.status, told.code, told.sub_code, told.channel_code) == ("FAILED", "", "", "")


@pytest.mark.parametrize("length", [LONGEST_WORD - 1, LONGEST_WORD, LONGEST_WORD + 1])
def test_a_word_that_nobody_knows_is_taken_and_cut(length: int) -> None:
    told = read(changed(DELIVERED, "message_delivery_report.status", "x" * length)).report
    assert told is not None
    assert told.status == "x" * min(length, LONGEST_WORD)


NUMBER_IN_IT = "The underlying channel reported: +34600111222 is not on WhatsApp; ask 34600111222"
DESCRIPTIONS = {
    "a sentence": ("The underlying channel reported: re-engagement message",) * 2,
    "in any language": ("Fuera de plazo: más de 24 h",) * 2,
    "the customer's number": (NUMBER_IN_IT, "The underlying channel reported: +…222 is not on WhatsApp; ask …222"),
    "another number, written apart": ("ask +34 (600) 999-888 on 2026-11-30", "ask +…888 on 2026-11-30"),
    "another number": ("+34600999888 is a landline, code 131026", "+…888 is a landline, code 131026"),
    "what a terminal would obey": ("a\x1b[2Jb\nc", "a\ufffd[2Jb\ufffdc"),
    "a long one": ("x" * 5000, "x" * LONGEST_SENTENCE),
    "a surrogate": ("a\ud800", "a\ufffd"),
    "a number": (17, ""),
    "nothing": (None, ""),
    "an object": ({"en": "x"}, ""),
}


@pytest.mark.parametrize(("given", "filed"), DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_the_description_of_a_report_is_kept_without_the_number_and_fit_for_a_terminal(given: Any, filed: str) -> None:
    body = json.dumps(changed(DELIVERED, "message_delivery_report.reason.description", given)).encode()
    told = read(body).report
    assert told is not None
    assert told.description == filed


def test_the_report_on_an_event_has_the_codes_too() -> None:
    reason = {"code": "CHANNEL_FAILURE", "sub_code": "NONE", "channel_code": "131000", "description": "gone"}
    told = read({"event_delivery_report": {"event_id": "E1", "status": "FAILED", "reason": reason}}).report
    assert told is not None
    assert (told.message_id, told.status, told.code, told.description) == ("E1", "FAILED", "CHANNEL_FAILURE", "gone")


@pytest.mark.parametrize(
    ("given", "filed"),
    [("tkt-42", "tkt-42"), ("", ""), (None, ""), (17, ""), ("x" * (LONGEST_ID + 1), ""), ("a\x00b", "")],
)
def test_the_correlation_id_is_that_of_the_envelope(given: Any, filed: str) -> None:
    told = read({**DELIVERED, "correlation_id": given}).report
    assert told is not None
    assert told.correlation_id == filed


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + closing * depth


MEGABYTE = 1_000_000
DEEP = b'{"a":'
NOT_UNDERSTOOD = {
    "empty": b"",
    "blanks": b" \n\t ",
    "no JSON": b"hello",
    "half a JSON": b'{"message":{"id":"m"}',
    "two in one": b'{"message":{}}{"message":{}}',
    "null": b"null",
    "a number": b"17",
    "a string": b'"message"',
    "a list": b'[{"message":{"id":"m"}}]',
    "an empty object": b"{}",
    "an unknown key": b'{"unknown":{"id":"m"}}',
    "a known key in other letters": b'{"Message":{"id":"m"}}',
    "a list where an object is expected": b'{"message":[{"id":"m"}]}',
    "a string where an object is expected": b'{"message":"m"}',
    "null where an object is expected": b'{"message":null}',
    "deep lists": nested(100_000),
    "deep objects": DEEP * 100_000 + b"1" + b"}" * 100_000,
    "deep and never closed": b"[" * MEGABYTE,
    "deep within a message": b'{"message":{"id":' + nested(100_000) + b"}}",
    "a byte order mark": b'\xef\xbb\xbf{"message":{"id":"m"}}',
    "UTF-16": '{"message":{"id":"m"}}'.encode("utf-16"),
    "UTF-16 without a mark": '{"message":{"id":"m"}}'.encode("utf-16-le"),
    "UTF-32": '{"message":{"id":"m"}}'.encode("utf-32"),
    "Latin-1": '{"message":{"id":"é"}}'.encode("latin-1"),
    "surrogates in UTF-8": b'{"message":{"id":"\xed\xa0\x80"}}',
    "overlong UTF-8": b'{"message":{"id":"\xc0\x80"}}',
    "zero bytes": b"\x00" * 1000,
    "a zero byte at the end": b'{"message":{"id":"m"}}\x00',
    "a raw line feed in a string": b'{"message":{"id":"a\nb"}}',
    "compressed": b"\x1f\x8b\x08\x00" + bytes(range(256)),
    "a megabyte of backslashes": b'"' + b"\\" * MEGABYTE,
}


@together("body", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_what_is_not_understood_is_kept_under_its_whole_body_and_waits_for_nobody(body: bytes) -> None:
    event = read(body)
    assert (event.kind, event.lane, event.app_id, event.dispatch) == (UNKNOWN, "", "", False)
    assert event.key == read(body).key != read(body + b" ").key


@dataclass(frozen=True)
class Odd:
    """A body that is understood in spite of itself; `keyed`: whether its columns are its key."""

    body: bytes
    contact: str = ""
    identity: str = ""
    keyed: bool = True


ODD = {
    "a number of 5,000 digits": Odd(b'{"message":{"id":"m","contact_id":"c","n":' + b"9" * 5000 + b"}}", "c"),
    "a megabyte of digits": Odd(b'{"message":{"id":"m","n":' + b"9" * MEGABYTE + b"}}"),
    "a number as id": Odd(b'{"message":{"id":18446744073709551617,"contact_id":1}}', keyed=False),
    "numbers beyond all": Odd(b'{"message":{"id":"m","contact_id":1e999999,"n":-1e-999999}}'),
    "not numbers": Odd(b'{"message":{"id":"m","contact_id":NaN,"n":[Infinity,-Infinity]}}'),
    "a lone surrogate as id": Odd(rb'{"message":{"id":"\ud800","contact_id":"c"}}', "c", keyed=False),
    "a lone surrogate as contact": Odd(
        rb'{"message":{"id":"m","contact_id":"\udfff","channel_identity":{"identity":"i"}}}', identity="i"
    ),
    "a pair of surrogates": Odd(rb'{"message":{"id":"m","contact_id":"\ud83d\udc4b"}}', "👋"),
    "zero bytes in ids": Odd(rb'{"message":{"id":"a\u0000b","contact_id":"\u0000"}}', keyed=False),
    "an id of a megabyte": Odd(
        b'{"message":{"id":"' + b"x" * MEGABYTE + b'","contact_id":"' + b"c" * MEGABYTE + b'"}}', keyed=False
    ),
    "a key twice: the last counts": Odd(b'{"message":{"id":"x"},"message":{"id":"m","contact_id":"c"}}', "c"),
    "a contact twice: the last counts": Odd(b'{"message":{"id":"m","contact_id":"x","contact_id":"c"}}', "c"),
    "a list as contact": Odd(b'{"message":{"id":"m","contact_id":["c"],"contact":["id"],"conversation":[]}}'),
    "a list as identity": Odd(b'{"message":{"id":"m","channel_identity":[{"identity":"i"}],"identity":["i"]}}'),
    "an object as identity's identity": Odd(b'{"message":{"id":"m","channel_identity":{"identity":{}}}}'),
    "lists within an app": Odd(b'{"app_id":["a"],"message":{"id":"m","processing_mode":["DISPATCH"]}}'),
    "many keys": Odd(b'{"message":{"id":"m"' + b"".join(b',"k%d":0' % number for number in range(80_000)) + b"}}"),
    "control characters": Odd(rb'{"message":{"id":"m","contact_id":"a\u001b\u007f\u0085b"}}', "a\x1b\x7f\x85b"),
}


@together("odd", ODD.values(), ids=ODD)
def test_what_is_odd_is_understood_as_far_as_it_can_be(odd: Odd) -> None:
    event = read(odd.body)
    assert event.kind == "MESSAGE_INBOUND"
    assert (event.contact_id, event.identity) == (odd.contact, odd.identity)
    assert not event.dispatch
    assert (event.key == read(odd.body + b" ").key) is odd.keyed


def storable(event: Event) -> None:
    """Its strings are texts that a database takes and gives back, and its lengths are what the tables are made for."""
    words = vars(event.report).values() if event.report else ()
    texts = (event.kind, event.contact_id, event.identity, event.app_id, event.lane, *words)
    with closing(sqlite3.connect(":memory:")) as memory:
        assert memory.execute(f"SELECT {', '.join('?' * len(texts))}", texts).fetchone() == texts
    assert all(len(text) <= LONGEST_ID for text in (event.contact_id, event.identity, event.app_id, *words))
    assert not any("\x00" in text for text in texts)
    assert (len(event.key), len(event.body_digest)) == (32, 32)
    assert "\n".join(texts).encode("utf-8")


@together("body", [*NOT_UNDERSTOOD.values(), *(odd.body for odd in ODD.values())], ids=[*NOT_UNDERSTOOD, *ODD])
def test_every_hostile_body_can_be_stored(body: bytes) -> None:
    storable(read(body))


names = st.sampled_from(
    [
        name
        for trigger in TRIGGERS
        for name in (trigger.key, *(part.strip("/") for column in trigger.columns for part in column.split(".")))
    ]
    + [
        "app_id",
        "contact_id",
        "contact",
        "conversation",
        "channel_identity",
        "identity",
        "preserved_contact",
        "processing_mode",
        "correlation_id",
        "reason",
        "code",
        "sub_code",
        "channel_code",
    ]
)
texts = st.text(st.characters(), max_size=20) | st.integers(250, 260).map("x".__mul__)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | texts, inner, max_size=5),
    max_leaves=20,
)
callbacks = st.dictionaries(names, st.dictionaries(names, anything, max_size=6) | anything, max_size=4)
deliveries = st.fixed_dictionaries(
    {
        "message_delivery_report": st.fixed_dictionaries(
            {"message_id": texts, "status": texts}, optional={"reason": anything}
        )
    }
    | {"correlation_id": anything}
)
quickly = settings(deadline=timedelta(milliseconds=500))


@quickly
@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_that_can_be_stored(body: bytes) -> None:
    storable(read(body))


@quickly
@given(anything | callbacks | deliveries, st.booleans())
@example({"message": {"id": "\udc80", "contact_id": "\ud800"}}, True)  # noqa: FBT003
def test_any_json_is_an_event_that_can_be_stored_and_has_one_key(content: Any, escaped: bool) -> None:  # noqa: FBT001
    body = json.dumps(content, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    event = read(body)
    storable(event)
    assert event == read(body)

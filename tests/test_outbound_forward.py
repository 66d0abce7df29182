"""What becomes of a message: in its outcome, in the answer of the door, at Sinch, and in the record."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from gateway.attachments import tokens
from gateway.attachments.tokens import Purpose
from gateway.errors import GatewayError, NotFound, SpoolUnavailable, TooLarge, Unavailable
from gateway.inspection.rulebook import VerdictKind
from gateway.outbound import allowed, forward
from gateway.outbound.forward import CallOutcome, IncomingCall
from gateway.outbound.links import Links
from gateway.outbound.refusals import Refused
from gateway.store.engines import Database
from gateway.upstream import Answer
from tests import config_samples, door_samples, picture_samples
from tests.call_door_samples import (
    ACCEPTED,
    APP,
    AUTHORIZATION,
    GATEWAY_KEY,
    KEY,
    MESSAGE_ID,
    SEND,
    CallDoor,
    assert_refused,
    link,
    media,
    opened,
    sending,
    vaulted,
    without_sinch,
)
from tests.peer_samples import Behaviour, Wire, answers, finishes, says
from tests.seed_samples import SEED, Row
from tests.service_samples import NOW
from tests.spool_samples import meddle

JPEG = picture_samples.written(picture_samples.picture(), "JPEG")
GIF = picture_samples.written(picture_samples.picture(), "GIF")
PUBLIC = "https://gateway.example.com"

Door = Callable[..., CallDoor]


@pytest.fixture
def door(spool: Database) -> Iterator[CallDoor]:
    with opened(spool) as made:
        yield made


def grant_of(url: str) -> tokens.Grant:
    """What a minted link allows; proves that it is one of this gateway's."""
    origin, media_, token, _name = url.rsplit("/", 3)
    assert (origin, media_) == (PUBLIC, "media")
    return tokens.open(token, keys=[KEY], now=NOW)


def forwarded(door: CallDoor, body: dict[str, Any]) -> CallOutcome:
    """What becomes of a message, asked of the core alone: no web, no request."""
    settings = door.services.settings
    call = allowed.prove("POST", SEND, accounts=settings.accounts, management=False)
    came = json.dumps(body).encode()
    incoming = IncomingCall(call=call, headers=[], body=came, request_id="r-7", began_at=door.clock.now())
    return forward.forward(incoming, services=door.services, links=Links(settings))


def test_a_call_comes_in_and_an_outcome_goes_out_with_what_the_log_tells(door: CallDoor) -> None:
    door.shelf.put("12", JPEG)
    outcome = forwarded(door, sending(media(link("12"))))
    [sent] = door.sends
    assert isinstance(outcome.answer, Answer)
    assert (outcome.answer.status, outcome.fate, sent.request_id) == (200, "SEND_FATE_UNKNOWN", "r-7")
    assert {name: fact for name, fact in outcome.facts.items() if fact is not None} == {
        "connector_id": 7,
        "app_id": APP,
        "kind": "media",
        "reference": sent.reference,
        "attachments": ("12",),
        "outcome": "accepted",
        "message_id": MESSAGE_ID,
    }


def test_a_refusal_is_an_outcome_too_and_the_log_tells_as_much_of_it(door: CallDoor) -> None:
    door.shelf.put("12", JPEG)
    door.shelf.put("13", GIF, name="wave.gif")
    cards = {"carousel_message": {"cards": [media(link("12")), media(link("13")), media(link("14"))]}}
    outcome = forwarded(door, sending(cards))
    assert isinstance(outcome.answer, Refused)
    assert (outcome.answer.code, outcome.fate) == ("CHANNEL_FAILURE", None)
    assert outcome.facts["attachments"] == ("12", "13")
    assert outcome.facts["reference"] == door.sends[0].reference
    assert "outcome" not in outcome.facts


def test_a_fault_before_a_message_leaves_is_an_outcome_that_says_that_nothing_was_sent(door: CallDoor) -> None:
    broken = dataclasses.replace(door, services=dataclasses.replace(door.services, shelf=None))  # type: ignore[arg-type]
    outcome = forwarded(broken, sending(media(link("12"))))
    assert isinstance(outcome.answer, Refused)
    assert (outcome.answer.code, outcome.fate) == ("GATEWAY_UNAVAILABLE", None)
    assert outcome.facts["kind"] == "media"
    assert door.sends == []


def test_a_text_goes_out_as_it_came_but_for_our_reference(door: CallDoor) -> None:
    body = (
        b'{ "app_id":"app-1","recipient":{"contact_id":"c"}, "message":{"text_message":{"text":"\\u00e9\\/"}},"n":1.10}'
    )
    answer = door.call(body=body)
    assert (answer.status_code, answer.get_json()["message_id"]) == (200, MESSAGE_ID)
    [heard] = door.heard
    [sent] = door.sends
    assert (
        heard.replace(b',"correlation_id":"%b"' % sent.reference.encode(), b"").replace(
            b'"correlation_id":"%b",' % sent.reference.encode(), b""
        )
        == body
    )
    assert json.loads(heard)["correlation_id"] == sent.reference
    told = (sent.connector_id, sent.app_id, sent.kind, sent.contact_id, sent.outcome, sent.message_id, sent.status)
    assert told == (7, APP, "text", "c", "accepted", MESSAGE_ID, 200)
    assert sent.correlation_id == sent.reference
    assert sent.request_id == "r-1"


def test_motions_own_correlation_id_stays_and_is_written_down(door: CallDoor) -> None:
    body = json.dumps(sending(correlation_id="ticket-42")).encode()
    door.call(body=body)
    assert door.heard == [body]
    assert door.sends[0].correlation_id == "ticket-42"


def test_a_row_is_on_the_disk_before_the_message_leaves(spool: Database) -> None:
    seen: list[str] = []

    def behave(wire: Wire) -> None:
        seen.extend(sent.outcome for sent in door.sends)
        ACCEPTED(wire)

    with opened(spool, behave) as door:
        door.call()
    assert seen == ["sending"]


def test_a_file_of_motions_goes_out_as_a_link_of_ours_to_the_bytes_that_were_judged(door: CallDoor) -> None:
    item = door.shelf.put("12", JPEG, name="grüße.jpeg")
    door.call(body=sending(media(link("12"))))
    said = json.loads(door.heard[0])["message"]["media_message"]
    assert said["filename_override"] == "grüße.jpg"
    given = grant_of(said["url"])
    assert (given.attachment_id, given.digest, given.mime) == ("12", item.digest, "image/jpeg")
    assert (given.kind, given.name) == (VerdictKind.NATIVE, "grüße.jpg")
    assert given.purpose is Purpose.MESSAGE
    assert given.expires_at == NOW + 7 * 24 * 3600
    assert door.shelf.holds == [("12", item.digest, given.expires_at)]
    [attached] = door.sends[0].attachments
    assert attached["attachment_id"] == "12"
    assert attached["digest"] == item.digest.hex()
    assert (attached["verdict"], attached["code"], attached["field"]) == ("native", "", "message.media_message.url")


@pytest.mark.parametrize("row", SEED.values(), ids=SEED)
def test_a_send_of_each_kind_of_file_ends_as_the_manual_says(door: CallDoor, row: Row) -> None:
    door.shelf.put("12", row.make(), name=row.name)
    answer = door.call(body=sending(media(link("12"))))
    [sent] = door.sends
    [attached] = sent.attachments
    if row.ends in ("native", "link"):
        assert answer.status_code == 200
        assert grant_of(json.loads(door.heard[0])["message"]["media_message"]["url"]).attachment_id == "12"
        assert (sent.outcome, attached["verdict"]) == ("accepted", row.ends)
    else:
        error = assert_refused(answer, row.ends, field="message.media_message.url")
        assert len(error["message"]) > len(row.ends) + 30
        assert door.heard == []
        assert (sent.outcome, sent.code, sent.status) == ("refused", row.ends, 400)
        assert (attached["verdict"], attached["code"]) == ("refused", row.ends)


def test_links_to_motion_itself_and_ones_of_ours_lead_to_the_same_file(door: CallDoor) -> None:
    door.shelf.put("12", JPEG)
    door.call(body=sending(media(link("12"))))
    minted = json.loads(door.heard[0])["message"]["media_message"]["url"]
    for url in (
        "https://motion.internal/api/attachments/12/download",
        "https://MOTION.internal:443/api/attachments/12/download/",
        f"{PUBLIC}:443/api/attachments/12/download",
        f"{PUBLIC}/api/attachments/12/download?token=wrong#x",
        "http://gateway.example.com/api/attachments/12/download",
        "HTTP://motion.internal/api/attachments/12/download",
        minted,
    ):
        door.call(body=sending(media(url)))
        assert grant_of(json.loads(door.heard[-1])["message"]["media_message"]["url"]).attachment_id == "12"


FOREIGN = [
    "https://files.example.com/a.jpg",
    "https://gateway.example.com.evil.test/api/attachments/12/download",
    "https://gateway.example.com@evil.test/api/attachments/12/download",
    "https://motion.internal/api/other/12",
    "https://motion.internal:8443/api/attachments/12/download",
    "https://motion.internal/api/attachments/012/download",
    "https://gateway.example.com:8443/api/attachments/12/download",
    "no link at all",
]


@pytest.mark.parametrize("url", FOREIGN)
def test_links_to_anywhere_else_pass_as_they_are(door: CallDoor, url: str) -> None:
    door.call(body=sending(media(url)))
    assert json.loads(door.heard[0])["message"] == media(url)
    assert door.shelf.taken == []


@pytest.mark.parametrize("url", FOREIGN)
def test_or_are_refused(spool: Database, url: str) -> None:
    with opened(spool, outbound={"foreign_media": "refuse"}) as door:
        answer = door.call(body=sending(media(url)))
        assert_refused(answer, "FOREIGN_MEDIA_NOT_ALLOWED", field="message.media_message.url")
        assert door.heard == []


@pytest.mark.parametrize(
    "url",
    [
        f"{PUBLIC}/",
        PUBLIC,
        f"{PUBLIC}/media/gAAAA/x.jpg",
        f"{PUBLIC}/api/attachments/0/download",
        f"{PUBLIC}/api/attachments/12/../13/download",
        "//gateway.example.com/api/attachments/12/download",
        "gateway.example.com/a.jpg",
    ],
)
def test_a_link_to_the_gateway_that_opens_nothing_is_refused(door: CallDoor, url: str) -> None:
    assert_refused(door.call(body=sending(media(url))), "MEDIA_NOT_REACHABLE", field="message.media_message.url")
    assert door.heard == []


@pytest.mark.parametrize(
    ("trouble", "code", "words"),
    [
        (NotFound("MEDIA_NOT_REACHABLE: gone at Motion"), "MEDIA_NOT_REACHABLE", "gone at Motion"),
        (TooLarge("MEDIA_TOO_LARGE: over motion.max_attachment"), "MEDIA_TOO_LARGE", "over motion.max_attachment"),
        (Unavailable("Motion failed"), "MEDIA_NOT_NOW", "Motion failed"),
        (SpoolUnavailable("spool locked"), "MEDIA_NOT_NOW", "spool locked"),
        (Unavailable("virus scanner takes too long"), "MEDIA_NOT_NOW", "virus scanner takes too long"),
    ],
)
def test_a_file_that_cannot_be_had_is_told_with_the_cause(
    door: CallDoor, trouble: GatewayError, code: str, words: str
) -> None:
    door.shelf.troubles["12"] = trouble
    error = assert_refused(door.call(body=sending(media(link("12")))), code, field="message.media_message.url")
    assert words in error["message"]
    assert door.heard == []
    [sent] = door.sends
    assert (sent.outcome, sent.code, sent.attachments[0]["code"]) == ("refused", code, code)


def test_a_file_that_changed_between_judgement_and_link_is_not_sent(door: CallDoor) -> None:
    door.shelf.put("12", JPEG)
    door.shelf.troubles["hold 12"] = NotFound("MEDIA_NOT_REACHABLE: changed at Motion")
    assert_refused(door.call(body=sending(media(link("12")))), "MEDIA_NOT_REACHABLE", field="message.media_message.url")
    assert door.heard == []


def test_a_link_that_is_minted_in_the_second_of_a_revocation_is_newer_than_it(door: CallDoor) -> None:
    item = door.shelf.put("12", JPEG)
    door.shelf.items["12"] = dataclasses.replace(item, revoked_before=int(NOW) + 1)
    door.call(body=sending(media(link("12"))))
    assert grant_of(json.loads(door.heard[0])["message"]["media_message"]["url"]).issued_at == int(NOW) + 1


INSTAGRAM = {"identified_by": {"channel_identities": [{"channel": "INSTAGRAM", "identity": "x"}]}}
ELSEWHERE: dict[str, dict[str, Any]] = {
    "to an identity of Instagram": {"recipient": INSTAGRAM},
    "by its channel order": {"channel_priority_order": ["INSTAGRAM", "MESSENGER"]},
}


@pytest.mark.parametrize("more", ELSEWHERE.values(), ids=ELSEWHERE)
def test_on_other_channels_the_rules_of_whatsapp_do_not_count(door: CallDoor, more: dict[str, Any]) -> None:
    door.shelf.put("12", GIF, name="wave.gif")
    assert door.call(body=sending(media(link("12")), **more)).status_code == 200
    given = grant_of(json.loads(door.heard[0])["message"]["media_message"]["url"])
    assert (given.purpose, given.mime, given.name) == (Purpose.ELSEWHERE, "image/gif", "wave.gif")
    assert given.kind is VerdictKind.NATIVE
    long = {"text_message": {"text": "x" * 5000}}
    assert door.call(body=sending(long, **more)).status_code == 200


def test_where_whatsapp_may_be_the_channel_its_rules_count(door: CallDoor) -> None:
    door.shelf.put("12", GIF, name="wave.gif")
    both = sending(media(link("12")), channel_priority_order=["INSTAGRAM", "WHATSAPP"])
    assert_refused(door.call(body=both), "CHANNEL_FAILURE", field="message.media_message.url")


def test_an_account_without_whatsapp_is_not_judged_by_it(spool: Database) -> None:
    with opened(spool, account=[config_samples.account(channels=["INSTAGRAM"])]) as door:
        door.shelf.put("12", GIF, name="wave.gif")
        assert door.call(body=sending(media(link("12")))).status_code == 200


@pytest.mark.parametrize(("length", "code"), [(4096, None), (4097, "MESSAGE_SPLIT_REQUIRED")])
def test_a_text_may_have_4096_characters(door: CallDoor, length: int, code: str | None) -> None:
    answer = door.call(body=sending({"text_message": {"text": "ü" * length}}))
    if code is None:
        assert answer.status_code == 200
    else:
        error = assert_refused(answer, code, field="message.text_message.text")
        assert "4097" in error["message"]
        assert door.sends[0].code == code


TEMPLATE = {"template_message": {"channel_template": {"WHATSAPP": {"template_id": "t", "language_code": "en"}}}}


def test_templates_pass_only_where_they_are_allowed(door: CallDoor, spool: Database) -> None:
    assert_refused(door.call(body=sending(TEMPLATE)), "TEMPLATES_NOT_ALLOWED", field="message.template_message")
    assert door.heard == []
    with opened(spool, outbound={"allow_templates": True}) as allowing:
        assert allowing.call(body=sending(TEMPLATE)).status_code == 200


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (sending(app_id=None), "APP_MISSING", "app_id"),
        (sending(app_id=""), "APP_MISSING", "app_id"),
        (sending(app_id=7), "APP_MISSING", "app_id"),
        (sending(app_id="app-9"), "APP_NOT_CONFIGURED", "app_id"),
        (b"", "BODY_NOT_JSON", ""),
        (b"[]", "BODY_NOT_JSON", ""),
        (b'{"app_id":"app-1","app_id":"app-2"}', "BODY_REPEATS_KEY", "app_id"),
        (b"\xff", "BODY_NOT_JSON", ""),
        (b"[" * 100_000, "BODY_NOT_JSON", ""),
    ],
)
def test_what_names_no_app_of_ours_or_cannot_be_read_is_refused(
    door: CallDoor, body: bytes | dict[str, Any], code: str, field: str
) -> None:
    assert_refused(door.call(body=body), code, field=field)
    assert door.heard == []


def test_a_limit_of_sends_counts_by_app(spool: Database) -> None:
    with opened(spool, limits={"sends_per_app": "2/minute"}) as door:
        assert [door.call().status_code for _ in range(2)] == [200, 200]
        assert_refused(door.call(), "APP_LIMIT")
        assert [sent.outcome for sent in door.sends] == ["accepted", "accepted", "refused"]


FATES: dict[str, tuple[Behaviour, int, str, str]] = {
    # Sinch's behaviour; the status that Motion hears; outcome and code in the record
    "no answer": (finishes, 504, "unknown", "SEND_FATE_UNKNOWN"),
    "a hang": (Wire.hang, 504, "unknown", "SEND_FATE_UNKNOWN"),
    "half an answer": (says(b"HTTP/1.1 200 OK\r\nContent-Le", then=finishes), 504, "unknown", "SEND_FATE_UNKNOWN"),
    "400": (
        answers(b'{"error":{"code":400,"status":"INVALID_ARGUMENT"}}', status="400 X"),
        400,
        "rejected",
        "INVALID_ARGUMENT",
    ),
    "404 without a body": (answers(b"", status="404 X"), 404, "rejected", ""),
    "429": (answers(b"<html>", status="429 X"), 429, "rejected", ""),
    "500": (answers(b'{"error":{"status":"INTERNAL_ERROR"}}', status="500 X"), 500, "unknown", "INTERNAL_ERROR"),
    "503": (answers(b"[]", status="503 X"), 503, "unknown", ""),
    "200 without a message id": (answers(b"{}"), 200, "unknown", ""),
    "200 with an odd message id": (answers(b'{"message_id":"a\\u0000b"}'), 200, "unknown", ""),
    "200 in camel case": (answers(b'{"messageId":"01X"}'), 200, "accepted", ""),
    "200 and no JSON": (answers(b"[" * 50_000), 200, "unknown", ""),
}


@pytest.mark.parametrize(("behaviour", "status", "outcome", "code"), FATES.values(), ids=FATES)
def test_what_became_of_a_message_is_told_and_written_down(
    spool: Database, behaviour: Behaviour, status: int, outcome: str, code: str
) -> None:
    with opened(spool, behaviour) as door:
        answer = door.call()
        [sent] = door.sends
        assert len(door.heard) == 1
    assert answer.status_code == status
    assert (sent.outcome, sent.code, sent.status) == (outcome, code, status)
    assert (sent.ended_at is not None) == (outcome != "sending")


VIOLATION = {"field": "message.text_message.text", "description": "must not be empty"}
SAID_NO = {
    "error": {
        "code": 400,
        "status": "INVALID_ARGUMENT",
        "message": "Invalid request to +34600111222",
        "details": [{"@type": "type.googleapis.com/google.rpc.BadRequest", "field_violations": [VIOLATION]}],
    }
}
KEPT: dict[str, tuple[Behaviour, str, bool]] = {
    # Sinch's behaviour, what is kept of it, and whether the log says it too
    "an error of Sinch's": (
        answers(json.dumps(SAID_NO).encode(), status="400 X"),
        "Invalid request to +…222; message.text_message.text: must not be empty",
        False,
    ),
    "a redirect": (
        answers(b"", "Location: /", status="302 Found"),
        "The message went out to Sinch, and no answer that can be read came back: answer leads elsewhere "
        "(status 302). It may or may not reach the customer.",
        True,
    ),
    "a captive portal": (answers(b"<html>Log in"), "answer names no message", True),
    "a refusal that is none of Sinch's": (answers(b"<html>", status="403 X"), "answer is none of Sinch's", True),
    "204": (says(b"HTTP/1.1 204 No Content\r\n\r\n"), "answer names no message", True),
}


@pytest.mark.parametrize(("behaviour", "words", "logged"), KEPT.values(), ids=KEPT)
def test_what_happened_stands_in_the_record_and_in_the_log_without_a_number(
    spool: Database, capfd: pytest.CaptureFixture[str], behaviour: Behaviour, words: str, *, logged: bool
) -> None:
    with door_samples.logged(capfd, "outbound") as read, opened(spool, behaviour) as door:
        door.call()
        [sent] = door.sends
        [line] = read()
    assert sent.words == words
    assert line.get("why") == (words if logged else None)
    assert "34600111222" not in str(line)


def test_an_answer_that_came_packed_is_understood_and_handed_on_as_it_came(spool: Database) -> None:
    packed = gzip.compress(b'{"message_id":"01X"}')
    with opened(spool, answers(packed, "Content-Encoding: gzip")) as door:
        answer = door.call()
        assert (answer.data, answer.headers["Content-Encoding"]) == (packed, "gzip")
        assert [(sent.outcome, sent.message_id) for sent in door.sends] == [("accepted", "01X")]


def test_where_sinch_cannot_be_reached_nothing_was_sent(spool: Database) -> None:
    with opened(spool) as door:
        door.sinch.close()
        assert_refused(door.call(), "SINCH_UNREACHABLE")
        assert [(sent.outcome, sent.code) for sent in door.sends] == [("unsent", "SINCH_UNREACHABLE")]


def test_without_the_spool_nothing_is_sent(spool: Database) -> None:
    with opened(spool) as door:
        meddle(spool, "ALTER TABLE send RENAME TO gone")
        assert_refused(door.call(), "GATEWAY_UNAVAILABLE")
        assert door.heard == []
        meddle(spool, "ALTER TABLE gone RENAME TO send")


def test_where_the_spool_fails_after_the_answer_motion_has_the_answer_all_the_same(spool: Database) -> None:
    def behave(wire: Wire) -> None:
        meddle(spool, "ALTER TABLE send RENAME TO gone")
        ACCEPTED(wire)

    with opened(spool, behave) as door:
        assert door.call().get_json()["message_id"] == MESSAGE_ID
        meddle(spool, "ALTER TABLE gone RENAME TO send")
        assert [sent.outcome for sent in door.sends] == ["sending"]


def test_a_fault_of_ours_while_a_message_is_under_way_does_not_say_that_nothing_was_sent(spool: Database) -> None:
    with opened(spool) as made:
        door = without_sinch(made)
        assert_refused(door.call(), "SEND_FATE_UNKNOWN")
        assert [sent.outcome for sent in door.sends] == ["unknown"]


def test_motions_credentials_pass_through(door: CallDoor) -> None:
    door.call()
    assert f"Authorization: {AUTHORIZATION}".encode() in door.sinch.requests[0]
    assert door.auth.requests == []


def test_where_the_gateway_keeps_the_keys_motion_shows_the_gateway_key_alone(spool: Database) -> None:
    basic = "Basic " + base64.b64encode(f"key-1:{GATEWAY_KEY}".encode()).decode()
    with opened(spool, **vaulted()) as door:
        given = door.call("/oauth2/token", body=b"grant_type=client_credentials", authorization=basic).get_json()
        assert {name: given[name] for name in ("token_type", "expires_in")} == {
            "token_type": "bearer",
            "expires_in": 3600,
        }
        for shown in (basic, f"Bearer {given['access_token']}"):
            assert door.call(authorization=shown).status_code == 200
        assert all(b"Authorization: Bearer token-1" in request for request in door.sinch.requests)
        assert len(door.auth.requests) == 1
        for shown in ("", AUTHORIZATION, "Basic x"):
            assert_refused(door.call(authorization=shown), "GATEWAY_KEY_WRONG")
        door.clock.advance(3600)
        answer = door.call(authorization=f"Bearer {given['access_token']}")
        assert_refused(answer, "TOKEN_EXPIRED")
        assert "expired" in answer.headers["WWW-Authenticate"]
        assert len(door.sinch.requests) == 2


def test_an_account_whose_key_is_missing_sends_nothing(spool: Database) -> None:
    basic = "Basic " + base64.b64encode(f"x:{GATEWAY_KEY}".encode()).decode()
    with opened(spool, **vaulted(key_id=config_samples.ABSENT, key_secret=config_samples.ABSENT)) as door:
        assert_refused(door.call(authorization=basic), "KEY_NOT_CONFIGURED")
        assert [sent.outcome for sent in door.sends] == ["unsent"]


HOSTILE = [
    "X-Accel-Redirect: /media/vault/x",
    "X-Accel-Buffering: no",
    "X-Motion-Gateway-Error: FORGED",
    "Set-Cookie: a=b",
    "Server: evil",
    "Location: http://127.0.0.1/",
    "Connection: X-Hop",
    "X-Hop: 1",
    "Retry-After: 7",
    "Content-Language: en",
    "Content-Disposition: attachment",
]


def test_of_sinchs_headers_only_those_of_the_list_reach_motion(spool: Database) -> None:
    with opened(spool, answers(b'{"a":1.10}', "Content-Type: application/json; charset=utf-8", *HOSTILE)) as door:
        answer = door.call()
    assert answer.data == b'{"a":1.10}'
    ours = {"Cache-Control", "X-Content-Type-Options", "Content-Length"}
    assert {name: value for name, value in answer.headers if name not in ours} == {
        "Content-Type": "application/json; charset=utf-8",
        "Content-Language": "en",
        "Retry-After": "7",
    }


@pytest.mark.parametrize("value", ["e\x01n", "en\r\n\tX-Evil: 1", "\x7f"])
def test_a_header_that_cannot_be_said_again_is_left_out(spool: Database, value: str) -> None:
    with opened(spool, answers(b"{}", f"Content-Language: {value}")) as door:
        answer = door.call()
    assert answer.status_code == 200
    assert not [name for name, _ in answer.headers if "evil" in name.lower()]
    assert answer.headers.get("Content-Language", "en").isprintable()


def test_a_call_of_a_gateway_is_a_circle(door: CallDoor) -> None:
    assert_refused(door.call(via="1.1 motion-gateway"), "GATEWAY_LOOP")
    assert door.heard == []


def test_a_packed_body_cannot_be_judged(door: CallDoor) -> None:
    assert_refused(door.call(content_encoding="gzip"), "BODY_ENCODED")


def test_the_same_target_is_needed_byte_for_byte(door: CallDoor) -> None:
    for target in (SEND.replace(":", "%3A"), SEND.replace("/eu", "//eu"), SEND + "/", "/", "/nothing"):
        answer: TestResponse = door.call(target, body=b"{}")
        assert_refused(answer, "PATH_NOT_ALLOWED")
    assert door.heard == []


def test_a_file_that_stands_in_several_places_is_judged_once(door: CallDoor) -> None:
    door.shelf.put("12", JPEG)
    card = {"title": "x", "media_message": {"url": link("12")}}
    assert door.call(body=sending({"carousel_message": {"cards": [card] * 10}})).status_code == 200
    cards = json.loads(door.heard[0])["message"]["carousel_message"]["cards"]
    assert len({said["media_message"]["url"] for said in cards}) == 1
    assert (door.shelf.taken, len(door.shelf.holds)) == (["12"], 1)


def choices(*each: dict[str, Any]) -> dict[str, Any]:
    return {"choice_message": {"text_message": {"text": "¿Sigue?"}, "choices": list(each)}}


def explicit(content: dict[str, Any]) -> dict[str, Any]:
    return {"explicit_channel_message": {"WHATSAPP": json.dumps(content)}}


LINK = link("12")
CTA = {"name": "cta_url", "parameters": {"display_text": "Abrir", "url": LINK}}
CALENDAR = {"title": "Cita", "event_start": "2026-12-01T10:00:00Z", "fallback_url": LINK}
ANYWHERE = {
    "a text": {"text_message": {"text": f"Su factura: {LINK}. Gracias"}},
    "a text with two": {"text_message": {"text": f"{LINK} {LINK}"}},
    "a card's description": {"card_message": {"title": "A", "description": f"Vea {LINK}"}},
    "a button": choices({"url_message": {"title": "Abrir", "url": LINK}}),
    "a calendar choice": choices({"calendar_message": CALENDAR}),
    "a calendar choice in the other spelling": choices({"calendarMessage": {"fallbackUrl": LINK}}),
    "a choice that shares a location": choices({"share_location_message": {"title": "A", "fallback_url": LINK}}),
    "what a choice says back": choices({"text_message": {"text": "Sí"}, "postback_data": LINK}),
    "a contact": {"contact_info_message": {"name": {"full_name": "A"}, "url_addresses": [{"url": LINK}]}},
    "a button of Meta's": explicit({"type": "interactive", "interactive": {"type": "cta_url", "action": CTA}}),
    "a text of Meta's": explicit({"type": "text", "text": {"body": f"Vea {LINK}"}}),
    "a caption of Meta's": explicit({"image": {"link": "https://a.example/b.jpg", "caption": LINK}}),
    "JSON in JSON": explicit({"x": json.dumps({"y": json.dumps({"z": LINK})})}),
    "a property of a list": {"list_message": {"message_properties": {"catalog_id": LINK}}},
    "a field that nobody knows": {"hologram_message": {"a": [[{"b": LINK}]]}},
}


@pytest.mark.parametrize("said", ANYWHERE.values(), ids=ANYWHERE)
def test_no_link_of_motions_leaves_in_a_message_wherever_it_stands(door: CallDoor, said: dict[str, Any]) -> None:
    door.shelf.put("12", JPEG)
    answer = door.call(body=sending(said))
    assert answer.status_code == 200, answer.data
    [heard] = door.heard
    assert b"token=" not in heard
    minted = re.findall(rb"https://gateway\.example\.com/media/[^\s\"\\]+", heard)
    assert minted
    assert {grant_of(one.decode().rstrip(".")).attachment_id for one in minted} == {"12"}
    assert {grant_of(one.decode().rstrip(".")).purpose for one in minted} == {Purpose.ELSEWHERE}
    assert door.sends[0].attachments[0]["attachment_id"] == "12"


def test_what_stands_around_a_link_in_a_text_stays_byte_for_byte(door: CallDoor) -> None:
    door.shelf.put("12", JPEG)
    before, after = b'{"app_id":"app-1","message":{"text_message":{"text":"\\u00bfVe \\"', b'\\"?\\n\\ud83d\\udc4b"}}'
    rest = b',"recipient":{"contact_id":"c"},"correlation_id":"k","n":1.10}'
    door.call(body=before + LINK.replace("/", "\\/").replace("\\/", "/").encode() + after + rest)
    [heard] = door.heard
    assert heard.startswith(before + b"https://gateway.example.com/media/")
    assert heard.endswith(after + rest)


@pytest.mark.parametrize("at", ["message_metadata", "conversation_metadata", "callback_url"])
def test_nor_beside_the_message(door: CallDoor, at: str) -> None:
    door.shelf.put("12", JPEG)
    assert door.call(body=sending(**{at: LINK})).status_code == 200
    assert b"token=" not in door.heard[0]


def test_a_file_that_whatsapp_would_refuse_may_be_opened_by_its_link(door: CallDoor) -> None:
    door.shelf.put("12", GIF)
    assert door.call(body=sending({"text_message": {"text": LINK}})).status_code == 200


def test_a_text_must_fit_with_the_longer_link(door: CallDoor) -> None:
    door.shelf.put("12", JPEG)
    text = f"{LINK} ".ljust(4096, "x")
    assert_refused(
        door.call(body=sending({"text_message": {"text": text}})),
        "MESSAGE_SPLIT_REQUIRED",
        field="message.text_message.text",
    )
    assert (door.heard, door.sends[0].outcome) == ([], "refused")


def test_a_link_in_a_text_whose_file_is_gone_is_refused_with_its_field(door: CallDoor) -> None:
    answer = door.call(body=sending({"text_message": {"text": LINK}}))
    assert_refused(answer, "MEDIA_NOT_REACHABLE", field="message.text_message.text")


def test_a_minted_link_may_stand_in_a_text_as_it_is(door: CallDoor) -> None:
    door.shelf.put("12", JPEG)
    door.call(body=sending(media(LINK)))
    said = {"text_message": {"text": "Aquí: " + json.loads(door.heard[0])["message"]["media_message"]["url"]}}
    door.call(body=sending(said))
    assert json.loads(door.heard[1])["message"] == said


ODD = {
    "an escape": LINK.replace("attachments", "attachment%73"),
    "no scheme": LINK.removeprefix("https://"),
    "an invisible character": LINK.replace("gateway", "gate\u200bway"),
    "backslashes": LINK.replace("/", "\\"),
    "in another's query": "https://l.example/?u=" + LINK.replace(":", "%3A").replace("/", "%2F").replace("?", "%3F"),
    "in an array in a string": json.dumps([LINK]).replace("/", "\\/"),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_a_link_of_motions_that_only_some_would_read_is_refused(door: CallDoor, text: str) -> None:
    door.shelf.put("12", JPEG)
    for said in ({"text_message": {"text": text}}, explicit({"text": {"body": text}})):
        answer = door.call(body=sending(said))
        error = json.loads(answer.data)["error"]
        assert (answer.status_code, error["message"].partition(":")[0]) == (403, "OWN_LINK_NOT_ALLOWED")
        assert error["details"][0]["metadata"]["field"].startswith("message.")
    assert door.heard == []
    assert {row.outcome for row in door.sends} == {"refused"}


OTHER_CALLS = {
    "an event": ("POST", "events:send", {"app_id": APP, "event": {"generic_event": {"payload": {"a": LINK}}}}),
    "an agent's picture": ("POST", "events:send", {"app_id": APP, "event": {"agent_joined_event": {"x": LINK}}}),
    "a conversation's metadata": ("PATCH", "conversations/x", {"metadata": LINK}),
    "a message's metadata": ("PATCH", "messages/x", {"metadata": json.dumps([LINK]).replace("/", "\\/")}),
    "an injected message": (
        "POST",
        "conversations/x:inject-message",
        {"app_message": {"text_message": {"text": LINK}}},
    ),
    "what is to be transcoded": ("POST", "messages:transcode", {"app_id": APP, "app_message": media(LINK)}),
    "a contact": ("POST", "contacts", {"display_name": LINK}),
    "what is no JSON": ("PATCH", "messages/x", b"metadata=" + LINK.encode()),
    "a key": ("POST", "contacts", {"metadata": {LINK: 1}}),
}


@pytest.mark.parametrize(("method", "path", "body"), OTHER_CALLS.values(), ids=OTHER_CALLS)
def test_in_other_calls_it_is_refused(door: CallDoor, method: str, path: str, body: Any) -> None:
    answer = door.call(SEND.replace("messages:send", path), method=method, body=body)
    assert (answer.status_code, answer.headers["X-Motion-Gateway-Error"]) == (403, "OWN_LINK_NOT_ALLOWED")
    assert door.heard == []


@pytest.mark.parametrize("header", ["Accept", "Accept-Language", "Content-Type", "User-Agent", "Authorization"])
@pytest.mark.parametrize("path", ["messages:send", "contacts", ""], ids=["a message", "a contact", "a token"])
def test_nor_does_it_leave_in_a_header(door: CallDoor, header: str, path: str) -> None:
    target = SEND.replace("messages:send", path) if path else "/oauth2/token"
    given: dict[str, Any] = {header.lower().replace("-", "_"): f"x; see={LINK}"}
    answer = door.call(target, body={"app_id": APP} if path else b"grant_type=client_credentials", **given)
    assert_refused(answer, "OWN_LINK_NOT_ALLOWED", field=header)
    assert (door.heard, door.auth.requests) == ([], [])


def test_nor_does_it_leave_in_a_query(door: CallDoor) -> None:
    answer = door.call(
        SEND.replace("messages:send", "messages") + "?page_token=" + LINK.replace("?", "%3F"), method="GET"
    )
    assert_refused(answer, "OWN_LINK_NOT_ALLOWED")
    assert door.heard == []

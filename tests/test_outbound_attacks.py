"""The third door under attack: what would send twice, tell wrongly, pass unjudged or stand in somebody else's place."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from gateway import app
from gateway.attachments.decision import LinkClaim
from gateway.outbound import message, refusals
from gateway.serving import nginx_conf
from gateway.sinch import TOTAL_SECONDS, Effect, SinchError
from gateway.sinch.client import Request
from gateway.store.engines import Database
from gateway.upstream import Upstream
from tests import picture_samples
from tests.call_door_samples import (
    ACCEPTED,
    GATEWAY_KEY,
    PROJECT,
    SEND,
    CallDoor,
    assert_refused,
    link,
    media,
    opened,
    sending,
    vaulted,
)
from tests.examples import costs_less, some
from tests.peer_samples import Peer, Wire, answers, listens_on
from tests.test_outbound_gateway_key import basic

BASE = f"/eu/v1/projects/{PROJECT}"
GIF = picture_samples.written(picture_samples.picture(), "GIF")
JPEG = picture_samples.written(picture_samples.picture(), "JPEG")
OPERATIONS = Path(__file__).parent.parent / "docs" / "operations.md"


@pytest.fixture
def door(spool: Database) -> Iterator[CallDoor]:
    with opened(spool) as made:
        yield made


@pytest.mark.parametrize("status", ["101 Switching Protocols", "102 Processing", "103 Early Hints"])
def test_an_interim_answer_does_not_give_one_message_the_answer_of_another(spool: Database, status: str) -> None:
    told: list[int] = []
    late = threading.Event()

    def behave(wire: Wire) -> None:
        told.append(len(told) + 1)
        number = told[-1]
        if number == 1:
            wire.say(f"HTTP/1.1 {status}\r\n\r\n".encode())
            late.wait(0.2)
        answers(json.dumps({"message_id": f"M{number}"}).encode(), then=listens_on)(wire)

    with opened(spool, behave) as door:
        got = [json.loads(door.call().data).get("message_id") for _ in range(2)]
    assert got == ["M1", "M2"]


def test_an_interim_answer_of_motion_does_not_give_one_delivery_the_status_of_another() -> None:
    told: list[int] = []
    late = threading.Event()

    def behave(wire: Wire) -> None:
        told.append(len(told) + 1)
        number = told[-1]
        if number == 1:
            wire.say(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            late.wait(0.2)
        answers(b"", status="200 OK" if number == 1 else "503 Down", then=listens_on)(wire)

    with closing(Peer(behave, host="127.0.0.1", tls=None)) as peer:
        upstream = Upstream(f"http://127.0.0.1:{peer.port}", connections=2)
        got = [upstream.post("/x", body=b"{}", headers=[], deadline_seconds=2).status for _ in range(2)]
        upstream.close()
    assert got == [200, 503]


class SlowShelf:
    """Motion takes nearly all of its time for each file."""

    def __init__(self, door: CallDoor) -> None:
        self._door = door

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door.shelf, name)

    def take(self, claim: LinkClaim) -> Any:
        self._door.clock.advance(self._door.services.settings.motion.timeout - 1)
        return self._door.shelf.take(claim)


def carousel(files: int) -> dict[str, Any]:
    """For another channel than WhatsApp, which takes ten cards."""
    cards = [media(link(str(number))) for number in range(1, files + 1)]
    return sending({"carousel_message": {"cards": cards}}, channel_priority_order=["INSTAGRAM"])


def test_a_message_does_not_leave_after_nginx_has_told_motion_that_its_fate_is_unknown(door: CallDoor) -> None:
    for number in range(1, 11):
        door.shelf.put(str(number), JPEG)
    slow = dataclasses.replace(door.services, shelf=SlowShelf(door))  # type: ignore[arg-type]
    door.client = app.create_app(slow, door="outbound").test_client()
    began = door.clock.now()
    answer = door.call(body=carousel(10))
    waits: Any = nginx_conf.outbound(slow.settings)["answers_within"]
    assert door.clock.now() - began < waits - TOTAL_SECONDS + slow.settings.motion.timeout
    assert_refused(answer, "MEDIA_NOT_NOW", field="message.carousel_message.cards[2].media_message.url")
    assert door.heard == []


@pytest.mark.parametrize(("files", "code"), [(30, None), (31, "TOO_MANY_FILES"), (2000, "TOO_MANY_FILES")])
def test_one_message_has_at_most_thirty_files(door: CallDoor, files: int, code: str | None) -> None:
    for number in range(1, files + 1):
        door.shelf.put(str(number), JPEG)
    answer = door.call(body=carousel(files))
    if code is None:
        assert answer.status_code == 200
    else:
        assert_refused(answer, code, field="message.carousel_message.cards[30].media_message.url")
    assert len(door.shelf.taken) == 30


def test_no_scheme_makes_the_door_fail(door: CallDoor) -> None:
    answer = door.call(body=sending(media("http\u017f://x.example/a.jpg")))  # LATIN SMALL LETTER LONG S
    assert answer.status_code in (200, 400)


SPELLINGS = {
    "a dot at the end": "https://gateway.example.com.{path}",
    "an empty port": "https://gateway.example.com:{path}",
    "a port with zeros": "https://gateway.example.com:0443{path}",
    "a user": "https://user@gateway.example.com{path}",
    "backslashes": "https:\\\\gateway.example.com{path}",
    "one slash": "https:/gateway.example.com{path}",
    "no slashes": "https:gateway.example.com{path}",
    "three slashes": "https:///gateway.example.com{path}",
    "a blank before it": " https://gateway.example.com{path}",
    "a line end before it": "\nhttps://gateway.example.com{path}",
    "a tab within": "https://gate\tway.example.com{path}",
    "an escape in the host": "https://gateway%2Eexample.com{path}",
    "an ideographic full stop": "https://gateway\u3002example.com{path}",
    "a wide letter": "https://\uff47ateway.example.com{path}",
    "a backslash after the host": "https://gateway.example.com\\{path}",
    "another scheme": "ftp://gateway.example.com{path}",
    "a zero-width blank": "https://gate\u200bway.example.com{path}",
    "a word joiner": "https://gateway.exa\u2060mple.com{path}",
    "a soft hyphen": "https://gateway.example\u00ad.com{path}",
    "a Hangul filler": "https://gate\u3164way.example.com{path}",
    "a Mongolian vowel separator": "https://gate\u180eway.example.com{path}",
    "a tag": "https://gate\U000e0041way.example.com{path}",
    "a variation selector": "https://gate\ufe0fway.example.com{path}",
    "a supplementary variation selector": "https://gate\U000e01efway.example.com{path}",
    "a combining grapheme joiner": "https://gate\u034fway.example.com{path}",
    "an unassigned code point": "https://gate\u2065way.example.com{path}",
    "a private code point": "https://gate\ue000way.example.com{path}",
    "a lone surrogate": "https://gate\ud800way.example.com{path}",
    "a bold letter": "https://\U0001d420ateway.example.com{path}",
    "another reader's user": "https://elsewhere.example\\@gateway.example.com{path}",
    "many combining characters": "https://gate" + "\u0301\u0316" * 2000 + "way.example.com{path}",
    "Motion with a dot": "https://motion.internal./api/attachments/12/download",
    "Motion with an escape": "https://motion.internal/api/attachments/%31%32/download",
    "Motion with dots": "https://motion.internal/x/../api/attachments/12/download",
}


@pytest.mark.parametrize("url", SPELLINGS.values(), ids=SPELLINGS)
def test_a_link_of_ours_or_motions_in_another_spelling_is_not_taken_for_foreign(door: CallDoor, url: str) -> None:
    door.shelf.put("12", GIF)
    answer = door.call(body=sending(media(url.format(path="/api/attachments/12/download?token=x"))))
    assert answer.status_code == 400
    assert door.heard == []


@pytest.mark.parametrize("order", [["RCS", 1], ["RCS", "WHATSAPP "]])
def test_a_channel_that_nobody_understands_may_be_whatsapp(door: CallDoor, order: list[object]) -> None:
    door.shelf.put("12", GIF)
    assert_refused(
        door.call(body=sending(media(link("12")), channel_priority_order=order)),
        "CHANNEL_FAILURE",
        field="message.media_message.url",
    )


OTHERS = {"identified_by": {"channel_identities": [{"channel": "MESSENGER", "identity": "1", "app_id": "app-9"}]}}
NAMED = {
    "a recipient": (SEND, sending(recipient=OTHERS)),
    "whom to ask about": (f"{BASE}/capability:query", {"app_id": "app-1", "recipient": OTHERS}),
    "a contact": (f"{BASE}/contacts", OTHERS["identified_by"]),
}


@pytest.mark.parametrize(("target", "body"), NAMED.values(), ids=NAMED)
def test_an_app_is_one_of_ours_wherever_a_body_names_it(door: CallDoor, target: str, body: dict[str, Any]) -> None:
    assert door.call(target, body=body).headers.get(refusals.HEADER) == "APP_NOT_CONFIGURED"


def test_a_token_that_sinch_takes_no_longer_is_not_shown_for_an_hour(spool: Database) -> None:
    refuses = answers(
        b"{}",
        'WWW-Authenticate: Bearer error="invalid_token", error_description="Jwt verification fails"',
        status="401 Unauthorized",
        then=listens_on,
    )

    def behave(wire: Wire) -> None:
        (refuses if b"Bearer token-1\r\n" in wire.request else ACCEPTED)(wire)

    with opened(spool, behave, **vaulted()) as door:
        door.call(authorization=basic(GATEWAY_KEY))
        door.clock.advance(60)
        assert door.call(authorization=basic(GATEWAY_KEY)).status_code == 200


def test_a_burst_at_a_healthy_sinch_is_not_refused(spool: Database) -> None:
    together = threading.Event()

    def behave(wire: Wire) -> None:
        together.wait(0.2)  # what Sinch takes
        ACCEPTED(wire)

    with opened(spool, behave) as door:
        call = Request(method="POST", target="/x", effect=Effect.SEND, headers=[], body=b"{}")

        def one(_: int) -> str:
            try:
                return str(door.services.sinch.call("eu", call)[0].status)
            except SinchError as error:
                return error.trouble

        with ThreadPoolExecutor(60) as pool:
            assert set(pool.map(one, range(60))) == {"200"}


def test_the_record_tells_how_often_a_message_was_tried(spool: Database) -> None:
    with opened(spool) as door:
        door.sinch.close()
        assert_refused(door.call(), "SINCH_UNREACHABLE")  # after three tries
        assert door.sends[0].tries == 3


def test_where_motion_names_no_program_sinch_hears_of_none(door: CallDoor) -> None:
    door.services.sinch.call("eu", Request(method="GET", target="/x", effect=Effect.READ, headers=[], body=None))
    assert b"urllib3" not in door.sinch.requests[0]


def test_the_page_tells_the_kinds_as_the_command_does() -> None:
    page = OPERATIONS.read_text("utf-8").partition("## What was sent")[2]
    rows = re.findall(r"^ [0-9]+ +[0-9-]{10} \S+ +[0-9]+ +(\w+)", page, re.MULTILINE)
    assert rows
    assert set(rows) <= {*message.KINDS.values(), message.OTHER}


MIB = 2**20
HEAVY_SECONDS = 0.5


def heavy(before: str, one: str, after: str) -> bytes:
    """A body of a mebibyte that holds as many of these as fit."""
    return (before + one * ((MIB - len((before + after).encode())) // len(one.encode())) + after).encode()


TO, FROM = '{"app_id":"app-1","recipient":{"contact_id":"c"},"message":{', "}}"
CHANNELS = ",".join(f'"W{number}":"{{}}"' for number in range(60_000))
PARAMETERS = ",".join(f'"p{number}":"https://a.b/c"' for number in range(40_000))
HEAVY = {
    "combining characters in a link": heavy(f'{TO}"media_message":{{"url":"https://a.b/', "\u0301\u0316", f'"}}{FROM}'),
    "combining characters in a text": heavy(f'{TO}"text_message":{{"text":"', "\u0301\u0316", f'"}}{FROM}'),
    "letters in a link": heavy(f'{TO}"media_message":{{"url":"https://a.b/', "a", f'"}}{FROM}'),
    "escapes in a link": heavy(f'{TO}"media_message":{{"url":"https://a.b/', "%25", f'"}}{FROM}'),
    "numbers": heavy(f'{TO}"x":[', "0,", f"0]{FROM}"),
    "objects": heavy(f'{TO}"x":[', "{},", f"0]{FROM}"),
    "objects of one member": heavy(f'{TO}"x":[', '{"":0},', f"0]{FROM}"),
    "deep arrays": heavy(f'{TO}"x":[', "[" * 50 + "]" * 50 + ",", f"0]{FROM}"),
    "cards": heavy(f'{TO}"carousel_message":{{"cards":[', '{"media_message":{"url":"a"}},', f"0]}}{FROM}"),
    "sections": heavy(f'{TO}"list_message":{{"sections":[', '{"items":[{"choice":{"title":"a"}}]},', f"0]}}{FROM}"),
    "choices": heavy(f'{TO}"choice_message":{{"choices":[', '{"text_message":{"text":"a"}},', f"0]}}{FROM}"),
    "channels": f'{TO}"explicit_channel_message":{{{CHANNELS}}}{FROM}'.encode()[:MIB],
    "parameters": f'{TO}"template_message":{{"omni_template":{{"parameters":{{{PARAMETERS}}}}}}}{FROM}'.encode()[:MIB],
    "a text within of many values": heavy(
        f'{TO}"explicit_channel_message":{{"WHATSAPP":"{{\\"x\\":[', "0,", f'0]}}"}}{FROM}'
    ),
    "texts within of many values": heavy(
        f'{TO}"explicit_channel_message":{{', '"A#":"{\\"x\\":[' + "0," * 9000 + '0]}",', f'"B":""}}{FROM}'
    ),
    "escapes in a text within": heavy(
        f'{TO}"explicit_channel_message":{{"WHATSAPP":"{{\\"text\\":{{\\"body\\":\\"', "\\\\n", f'\\"}}}}"}}{FROM}'
    ),
    "identities": heavy(
        '{"app_id":"app-1","message":{},"recipient":{"identified_by":{"channel_identities":[',
        '{"channel":"WHATSAPP","identity":"1"},',
        "0]}}}",
    ),
    "links of Motion's": heavy(f'{TO}"text_message":{{"text":"', link("12") + " ", f'"}}{FROM}'),
    "strings, and a link of Motion's": heavy(
        f'{TO}"text_message":{{"text":"{link("12")}"}},"x":[', '"a",', f'""]{FROM}'
    ),
}


@pytest.mark.parametrize("body", some(HEAVY.values(), 6), ids=some(HEAVY, 6))
def test_no_body_of_a_mebibyte_holds_the_door_for_more_than_half_a_second(door: CallDoor, body: bytes) -> None:
    assert len(body) <= MIB
    door.shelf.put("12", JPEG)
    for target in (SEND, f"{BASE}/events:send", f"{BASE}/messages/x"):
        call = partial(door.call, target, body=body, method="PATCH" if target.endswith("x") else "POST")
        statuses: list[int] = []
        assert costs_less(HEAVY_SECONDS, lambda call=call, told=statuses: told.append(call().status_code))
        assert set(statuses) <= {200, 400, 403}


@hypothesis(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_text_as_a_link_ends_in_an_answer(door: CallDoor, url: str) -> None:
    for asked in (url, f"https://gateway.example.com{url}", f"https://{url}", f"//{url}@motion.internal:{url}"):
        assert door.call(body=sending(media(asked))).status_code in (200, 400)
    del door.sinch.requests[:]

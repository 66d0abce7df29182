"""The first door without sockets: what it answers, counts, finds and logs."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from gateway.delivery import records, trouble
from gateway.ingress import signature
from gateway.store import turned_away
from gateway.store.engines import Database
from sandbox import signing
from tests.config_samples import ABSENT, account
from tests.door_samples import ADDRESS, NOTIFY, SECRET, Door, Log, assert_refused, logged, message, opened, signed
from tests.service_samples import NOW

HOUR = 3600
MAX_AGE = 25 * HOUR
TOKEN = "a receive token of tests"
PHONE = "34600111222"


@pytest.fixture
def door(spool: Database) -> Iterator[Door]:
    with opened(spool) as made:
        yield made


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    with logged(capfd, "ingress") as read:
        yield read


def assert_accepted(answer: TestResponse) -> None:
    assert (answer.status_code, answer.data) == (200, b"{}")
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (
        "application/json",
        "private, no-store",
    )


def without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


# What is answered


def test_a_verified_callback_is_committed_with_all_that_motion_shall_hear(door: Door) -> None:
    body = message(channel_identity={"identity": "+" + PHONE})
    headers = signed(body) | {"content-encoding": "identity", "cookie": "c=1", "x-forwarded-for": "10.9.9.9"}
    assert_accepted(door.post(body, headers, path=NOTIFY + "?b=2&a=%7e%2F&empty="))
    [event] = door.events
    assert (event.state, event.kind, event.contact_id, event.identity) == ("pending", "MESSAGE_INBOUND", "c1", PHONE)
    assert (event.body, event.query) == (body, "b=2&a=%7e%2F&empty=")
    assert (event.request_id, event.address, event.accepted_at) == ("r-1", ADDRESS, NOW)
    forwarded = ("content-type", "content-encoding", *signature.HEADERS)
    assert sorted(map(tuple, event.headers)) == sorted((name, headers[name]) for name in forwarded)


def test_the_links_of_a_callback_are_counted_where_its_files_are_fetched(spool: Database) -> None:
    picture = message(id="M1", contact_message={"media_message": {"url": "https://media.sinch.com/1"}})
    text = message(id="M2", contact_message={"text_message": {"text": "https://media.sinch.com/1"}})
    with opened(spool, inbound={"media": "keep"}) as door:
        for body in (picture, text):
            assert_accepted(door.post(body))
        assert [event.media for event in door.events] == [1, 0]
    with opened(spool) as door:
        door.post(message(id="M3", contact_message={"media_message": {"url": "https://media.sinch.com/1"}}))
        assert door.events[-1].media == 0


def test_the_same_callback_again_is_answered_200_and_filed_once(door: Door) -> None:
    headers = signed(message())
    for _ in range(3):
        assert_accepted(door.post(message(), headers))
    assert [(event.state, event.repeats) for event in door.events] == [("pending", 2)]


def test_the_same_event_in_other_bytes_is_answered_200_and_kept_as_a_duplicate(door: Door) -> None:
    assert_accepted(door.post())
    assert_accepted(door.post(message() + b"\n"))
    assert [event.state for event in door.events] == ["pending", "duplicate"]


@pytest.mark.parametrize("body", [b"", b"hello", b"[" * 100_000, bytes(range(256)), b'{"unknown":1}'], ids=len)
def test_verified_bytes_of_any_kind_are_accepted(door: Door, body: bytes) -> None:
    assert_accepted(door.post(body))
    assert [(event.kind, event.body) for event in door.events] == [("UNKNOWN", body)]


UNPROVED: dict[str, dict[str, str]] = {
    "without a signature": without(signed(message()), signing.SIGNATURE_HEADER),
    "without a nonce": without(signed(message()), signing.NONCE_HEADER),
    "without a timestamp": without(signed(message()), signing.TIMESTAMP_HEADER),
    "without any of them": {},
    "signed with another secret": signed(message(), secret="another"),
    "signed over other bytes": signed(message() + b"\n"),
    "of another algorithm": signed(message()) | {signing.ALGORITHM_HEADER: "HmacSHA512"},
    "with a dot in the nonce": signed(message(), nonce="01FJA8B4A7BM43YG.SG9GBV067"),
    "with a nonce of 65 characters": signed(message(), nonce="n" * 65),
    "signed in milliseconds": signed(message(), timestamp=int(NOW) * 1000),
}


@pytest.mark.parametrize("headers", UNPROVED.values(), ids=UNPROVED)
def test_what_proves_nothing_is_refused_401_and_leaves_no_trace(door: Door, headers: dict[str, str]) -> None:
    assert_refused(door.post(message(), headers), 401)
    assert door.events == []


AGES = {
    "this moment": (0, 200, ["pending"]),
    "at its age": (MAX_AGE, 200, ["pending"]),
    "a second over its age": (MAX_AGE + 1, 401, ["rejected"]),
    "5 minutes ahead": (-300, 200, ["pending"]),
    "a second more than 5 minutes ahead": (-301, 503, []),
}


@pytest.mark.parametrize(("age", "status", "states"), AGES.values(), ids=AGES)
def test_a_right_signature_is_judged_by_its_age(door: Door, age: int, status: int, states: list[str]) -> None:
    assert_accepted(door.post(message("of now")))
    answer = door.post(message(), signed(message(), timestamp=int(NOW) - age))
    if status == 200:
        assert_accepted(answer)
    else:
        assert_refused(answer, status)
    assert [event.state for event in door.events[1:]] == states


DAY_AND_MORE = 26 * 3600


def told(door: Door) -> list[tuple[str, str]]:
    """What the office would say of the clock: the finding, and why."""
    return [(each.finding, each.reason) for each in trouble.known(door.services.spool)]


def test_while_our_clock_is_far_ahead_nothing_is_refused_for_good_and_all_is_taken_once_it_is_right(door: Door) -> None:
    assert_accepted(door.post(message("before")))
    door.clock.advance(DAY_AND_MORE)
    sent = {name: signed(message(name), timestamp=int(NOW) + 1) for name in ("m1", "m2")}
    for name, headers in sent.items():
        assert_refused(door.post(message(name), headers | {"x-real-ip": f"198.51.100.{name[1]}"}), 503)
    assert told(door) == [("clock-skew", f"signature too old: {DAY_AND_MORE - 1} s")]
    assert [event.state for event in door.events] == ["pending", "rejected", "rejected"]
    door.clock.advance(-DAY_AND_MORE)
    for name, headers in sent.items():
        assert_accepted(door.post(message(name), headers))
    assert told(door) == []
    assert [event.state for event in door.events].count("pending") == 3


def test_a_door_that_starts_with_a_clock_that_is_ahead_refuses_nothing_for_good(door: Door) -> None:
    door.clock.advance(DAY_AND_MORE)
    assert_refused(door.post(message()), 503)
    assert [name for name, _ in told(door)] == ["clock-skew"]


def test_a_clock_that_is_behind_is_told_with_the_difference_until_it_is_right(door: Door) -> None:
    ahead = signed(message(), timestamp=int(NOW) + DAY_AND_MORE)
    assert_refused(door.post(message(), ahead), 503)
    assert told(door) == [("clock-skew", f"signature from the future: {DAY_AND_MORE} s")]
    door.clock.advance(DAY_AND_MORE)
    assert_accepted(door.post(message(), ahead))
    assert told(door) == []


def test_an_old_callback_among_good_ones_is_refused_as_ever_however_long_ago_the_last_one_came(door: Door) -> None:
    assert_accepted(door.post(message("good")))
    old = signed(message("old"), timestamp=int(NOW) - MAX_AGE - 1)
    assert_refused(door.post(message("old"), old), 401)
    assert told(door) == []


def test_an_old_callback_alone_after_a_start_is_no_way_in_and_no_alarm(spool: Database) -> None:
    with opened(spool) as before:
        assert_accepted(before.post(message("yesterday")))
    with opened(spool) as door:
        old = signed(message("old"), timestamp=int(NOW) - MAX_AGE - 1)
        for _ in range(3):
            assert_refused(door.post(message("old"), old), 503)
        assert told(door) == []
        assert [event.state for event in door.events] == ["pending", "rejected"]


def test_an_old_one_that_is_played_while_the_clock_is_in_doubt_is_never_delivered(door: Door) -> None:
    old = signed(message("old"), timestamp=int(NOW) - MAX_AGE - 1)
    assert_refused(door.post(message("old"), old), 503)
    assert_accepted(door.post(message("good")))
    assert_refused(door.post(message("old"), old), 401)
    assert [event.state for event in door.events] == ["rejected", "pending"]


def test_a_retry_that_carries_its_first_signature_is_a_repeat_even_past_its_age(door: Door) -> None:
    headers = signed(message())
    assert_accepted(door.post(message(), headers))
    door.clock.advance(MAX_AGE + 1)
    assert_accepted(door.post(message(), headers))
    assert [(event.state, event.repeats) for event in door.events] == [("pending", 1)]


def test_a_nonce_with_other_bytes_is_refused_and_kept(door: Door) -> None:
    nonce = signing.ulid(NOW)
    assert_accepted(door.post(message("m1"), signed(message("m1"), nonce=nonce)))
    assert_refused(door.post(message("m2"), signed(message("m2"), nonce=nonce)), 401)
    assert [event.state for event in door.events] == ["pending", "rejected"]


def test_a_spool_that_is_locked_is_answered_503_and_works_again_afterwards(door: Door) -> None:
    with contextlib.closing(sqlite3.connect(door.services.spool.path, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        assert_refused(door.post(), 503)
        locker.execute("ROLLBACK")
    assert door.events == []
    assert_accepted(door.post())


# Accounts

TWO = [
    account(),
    account(connector_id=8, app_id="app-2", webhook_secrets=["the secret of the other account"]),
]


def test_a_secret_of_another_account_proves_nothing(spool: Database) -> None:
    with opened(spool, account=TWO) as door:
        path = "/api/whatsapp/accounts/8/notify"
        assert_refused(door.post(path=path), 401)
        assert_accepted(door.post(message(), signed(message(), secret="the secret of the other account"), path=path))
        assert_accepted(door.post())
        assert [event.connector_id for event in door.events] == [8, 7]


def test_a_secret_being_replaced_lets_the_old_one_and_the_new_one_in(spool: Database) -> None:
    with opened(spool, account=[account(webhook_secrets=["the new secret, long enough", SECRET])]) as door:
        for number, secret in enumerate((SECRET, "the new secret, long enough")):
            body = message(f"m{number}")
            assert_accepted(door.post(body, signed(body, secret=secret)))


TOKENS = {
    "right": ("?token=a%20receive%20token%20of%20tests", True),
    "right, in another spelling": ("?token=a+receive+token+of+tests", True),
    "right, among others": ("?x=1&token=a+receive+token+of+tests&y=2", True),
    "wrong": ("?token=wrong", False),
    "missing": ("", False),
    "empty": ("?token=", False),
    "without a value": ("?token", False),
    "twice": ("?token=a+receive+token+of+tests&token=a+receive+token+of+tests", False),
    "right and wrong": ("?token=wrong&token=a+receive+token+of+tests", False),
    "in other letters": ("?Token=a+receive+token+of+tests", False),
    "with something behind it": ("?token=a+receive+token+of+testsx", False),
    "of bytes that are no text": ("?token=%ff%fe", False),
    "of a surrogate": ("?token=%ed%a0%80", False),
}


@pytest.mark.parametrize(("query", "right"), TOKENS.values(), ids=TOKENS)
def test_an_unsigned_account_asks_for_its_token_and_forwards_nothing_else(
    spool: Database, query: str, *, right: bool
) -> None:
    unsigned = account(webhook_secrets=ABSENT, unsigned="allow", receive_token=TOKEN)
    with opened(spool, account=[unsigned]) as door:
        answer = door.post(message(), signed(message()), path=NOTIFY + query)
        if not right:
            assert_refused(answer, 401)
            assert door.events == []
            return
        assert_accepted(answer)
        [event] = door.events
        assert event.query == "token=a%20receive%20token%20of%20tests"
        assert event.headers == [["content-type", "application/json"]]


@pytest.mark.parametrize(("query", "right"), TOKENS.values(), ids=TOKENS)
def test_a_signed_account_with_a_token_asks_for_both(spool: Database, query: str, *, right: bool) -> None:
    with opened(spool, account=[account(receive_token=TOKEN)]) as door:
        assert_refused(door.post(message(), {}, path=NOTIFY + query), 401)
        answer = door.post(path=NOTIFY + query)
        assert answer.status_code == (200 if right else 401)
        assert [event.query for event in door.events] == ([query[1:]] if right else [])


# Limits


def test_verified_callbacks_are_limited_for_each_account_by_itself(spool: Database) -> None:
    with opened(spool, account=TWO, limits={"webhooks_per_account": "3/minute"}) as door:
        for _ in range(3):
            assert_accepted(door.post())
        assert_refused(door.post(), 429)
        other = signed(message(), secret="the secret of the other account")
        assert_accepted(door.post(message(), other, path="/api/whatsapp/accounts/8/notify"))


def test_what_is_not_verified_uses_up_no_accounts_limit(spool: Database) -> None:
    with opened(spool, limits={"webhooks_per_account": "1/minute"}) as door:
        for _ in range(5):
            assert_refused(door.post(message(), {}), 401)
        assert_accepted(door.post())


def fail(door: Door, address: str | None) -> int:
    headers = signed(message(), secret="wrong") | {"x-forwarded-for": "10.9.9.9"}
    named = without(headers, "x-real-ip") if address is None else headers | {"x-real-ip": address}
    return door.post(message(), named).status_code


SAME = {
    "one address": (ADDRESS, ADDRESS, True),
    "two addresses": (ADDRESS, "192.0.2.2", False),
    "one IPv6 address": ("2001:db8:0:1::1", "2001:db8:0:1::1", True),
    "one IPv6 address, spelled twice": ("2001:db8:0:1::1", "2001:0DB8:0:1:0:0:0:1", True),
    "first and last of a /64": ("2001:db8:0:1::", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
    "next to each other, in two /64": ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:2::", False),
    "IPv4 and the same within IPv6": (ADDRESS, "::ffff:192.0.2.1", True),
    "IPv4 within IPv6, two of them": ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
    "two that are no addresses": ("x", "y", True),
    "none, twice": (None, None, True),
}


@pytest.mark.parametrize(("first", "second", "same"), SAME.values(), ids=SAME)
def test_wrong_signatures_are_limited_for_each_address_that_nginx_names(
    spool: Database, first: str | None, second: str | None, *, same: bool
) -> None:
    with opened(spool, limits={"failed_signatures_per_address": "2/hour"}) as door:
        assert [fail(door, first) for _ in range(3)] == [401, 401, 429]
        assert fail(door, second) == (429 if same else 401)


def test_a_right_signature_is_never_refused_because_others_from_its_address_were_wrong(spool: Database) -> None:
    with opened(spool, limits={"failed_signatures_per_address": "1/hour"}) as door:
        assert [fail(door, ADDRESS) for _ in range(3)] == [401, 429, 429]
        for number in range(5):
            assert_accepted(door.post(message(f"m{number}")))
        old = signed(message("old"), timestamp=int(NOW) - MAX_AGE - 1)
        assert_refused(door.post(message("old"), old), 401)


REPLAYED = {"limits": {"failed_signatures_per_address": "3/hour", "webhooks_per_account": "2/hour"}}


def test_a_captured_callback_that_is_played_again_uses_up_the_addresss_limit_and_not_the_accounts(
    spool: Database,
) -> None:
    with opened(spool, **REPLAYED) as door:
        captured = signed(message("m0"))
        played = [door.post(message("m0"), captured).status_code for _ in range(10)]
        assert played == [200] * 4 + [429] * 6
        assert_accepted(door.post(message("m1")))
        assert_refused(door.post(message("m2")), 429)
        assert [(event.state, event.repeats) for event in door.events] == [("pending", 3), ("pending", 0)]


def test_old_callbacks_use_up_the_addresss_limit_and_not_the_accounts(spool: Database) -> None:
    with opened(spool, **REPLAYED) as door:
        assert_accepted(door.post(message("of now")))
        old = [(message(f"m{n}"), signed(message(f"m{n}"), timestamp=int(NOW) - MAX_AGE - 1)) for n in range(5)]
        assert [door.post(*callback).status_code for callback in old] == [401] * 3 + [429] * 2
        assert [event.state for event in door.events[1:]] == ["rejected"] * 3
        assert [door.post(message(name)).status_code for name in ("newer", "newest")] == [200, 429]


def test_sinch_repeats_what_it_likes_beside_who_plays_and_forges_from_its_address(spool: Database) -> None:
    with opened(spool, limits={"failed_signatures_per_address": "3/hour"}) as door:
        filed = [(message(f"m{number}"), signed(message(f"m{number}"))) for number in range(20)]
        for callback in filed:
            assert_accepted(door.post(*callback))
        for _ in range(9):
            fail(door, ADDRESS)
            door.post(*filed[0])
        assert {door.post(*callback).status_code for callback in filed[1:]} == {200}
        elsewhere = filed[0][1] | {"x-real-ip": "192.0.2.9", "content-type": "text/plain"}
        assert_accepted(door.post(filed[0][0], elsewhere))


def test_what_comes_unsigned_again_uses_up_the_addresss_limit_and_not_the_accounts(spool: Database) -> None:
    unsigned = account(webhook_secrets=ABSENT, unsigned="allow", receive_token=TOKEN)
    path = NOTIFY + "?token=" + TOKEN.replace(" ", "%20")
    with opened(spool, account=[unsigned], **REPLAYED) as door:
        assert [door.post(message("m0"), path=path).status_code for _ in range(6)] == [200] * 4 + [429] * 2
        assert [door.post(message(name), path=path).status_code for name in ("m1", "m2")] == [200, 429]


def test_a_wrong_token_counts_as_a_wrong_signature_does(spool: Database) -> None:
    unsigned = account(webhook_secrets=ABSENT, unsigned="allow", receive_token=TOKEN)
    with opened(spool, account=[unsigned], limits={"failed_signatures_per_address": "2/hour"}) as door:
        assert [door.post(path=NOTIFY + "?token=x").status_code for _ in range(3)] == [401, 401, 429]


def test_limits_that_are_off_never_refuse(spool: Database) -> None:
    with opened(spool, limits={"failed_signatures_per_address": "off", "webhooks_per_account": "off"}) as door:
        assert {fail(door, ADDRESS) for _ in range(100)} == {401}
        assert {door.post().status_code for _ in range(100)} == {200}


# What is told


FINDINGS = {
    "nothing": (message(), 0, []),
    "an app in DISPATCH mode": (message(contact_id="", processing_mode="DISPATCH"), 0, ["dispatch-mode"]),
    "another app": (b'{"app_id":"app-9","message":{"id":"m1"}}', 0, ["foreign-app"]),
    "no app": (b'{"app_id":"","message":{"id":"m1"}}', 0, []),
    "both": (
        b'{"app_id":"app-9","message":{"id":"m1","processing_mode":"DISPATCH"}}',
        0,
        ["dispatch-mode", "foreign-app"],
    ),
    "another project": (b'{"project_id":"project-9","message":{"id":"m1"}}', 0, ["foreign-project"]),
    "another project and app": (
        b'{"project_id":"project-9","app_id":"app-9","message":{"id":"m1"}}',
        0,
        ["foreign-project", "foreign-app"],
    ),
    "no project": (b'{"project_id":null,"message":{"id":"m1"}}', 0, []),
    "a clock that is wrong": (message(), -301, ["clock-skew"]),
}


@pytest.mark.parametrize(("body", "age", "findings"), FINDINGS.values(), ids=FINDINGS)
def test_what_an_operator_should_know_is_a_finding(
    door: Door, log: Log, body: bytes, age: int, findings: list[str]
) -> None:
    door.post(body, signed(body, timestamp=int(NOW) - age))
    assert log()[-1].get("findings", []) == findings


@pytest.mark.parametrize(("body", "age", "findings"), FINDINGS.values(), ids=FINDINGS)
def test_a_finding_stays_with_its_event(
    door: Door, spool: Database, body: bytes, age: int, findings: list[str]
) -> None:
    door.post(body, signed(body, timestamp=int(NOW) - age))
    kept = [list(record.findings) for record in records.listed(spool, most=9)]
    assert kept == ([] if findings == ["clock-skew"] else [findings])


NOBODYS = "/api/whatsapp/accounts/8/notify"
STRANGERS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "an unknown number": (
        {"path": "/api/whatsapp/accounts/8/notify", "headers": {"x-real-ip": ADDRESS}},
        ("unknown connector", "8"),
    ),
    "an unknown number, signed with the secret of an account": (
        {"path": NOBODYS},
        ("unknown connector, rightly signed", "8"),
    ),
    "a wrong secret": ({"headers": signed(message(), secret="another")}, ("signature wrong", "7")),
    "no signature": ({"headers": {"x-real-ip": ADDRESS}}, ("signature header missing", "7")),
    "a clock": ({"headers": signed(message(), timestamp=int(NOW) + 301)}, ("signature from the future", "7")),
    "what is old": ({"headers": signed(message(), timestamp=1_000_000_000)}, ("signature too old", "7")),
}


@pytest.mark.parametrize(("request_", "kept"), STRANGERS.values(), ids=STRANGERS)
def test_who_is_turned_away_is_counted(
    door: Door, spool: Database, request_: dict[str, Any], kept: tuple[str, str]
) -> None:
    for _ in range(2):
        door.post(message(), **request_)
    door.services.turned_away.write()
    [row] = turned_away.listed(spool)
    assert (row.door, row.reason, row.about, row.count, row.address) == ("ingress", *kept, 2, ADDRESS)


def test_who_is_let_in_is_not_counted(door: Door, spool: Database) -> None:
    door.post()
    door.post()
    door.services.turned_away.write()
    assert turned_away.listed(spool) == []


def test_a_nonce_used_again_is_a_finding_of_what_was_rejected(door: Door, spool: Database) -> None:
    nonce = signing.ulid(NOW)
    for name in ("m1", "m2"):
        door.post(message(name), signed(message(name), nonce=nonce))
    assert [record.findings for record in records.listed(spool, most=9)] == [("nonce-reused",), ()]


def test_a_nonce_used_again_is_a_finding(door: Door, log: Log) -> None:
    nonce = signing.ulid(NOW)
    for name in ("m1", "m2"):
        door.post(message(name), signed(message(name), nonce=nonce))
    assert [line.get("findings", []) for line in log()] == [[], ["nonce-reused"]]


def test_each_request_is_one_line_that_tells_what_was_decided(door: Door, log: Log) -> None:
    door.post()
    door.post()
    door.post(message() + b" ")
    door.post(message(), {"x-request-id": "r-2", "x-real-ip": ADDRESS})
    door.post(message(), signed(message("old"), timestamp=1_000_000_000))
    door.post(path="/api/whatsapp/accounts/8/notify")
    common = {"process": "ingress", "event": "ingress", "address": ADDRESS, "ms": 0.0}
    known = common | {"request_id": "r-1", "connector_id": 7}
    kept = known | {"status": 200, "kind": "MESSAGE_INBOUND"}
    lines = log()
    assert [{key: value for key, value in line.items() if key != "at"} for line in lines] == [
        kept | {"event_id": 1, "reason": "accepted"},
        kept | {"event_id": 1, "reason": "repeat"},
        kept | {"event_id": 2, "reason": "duplicate"},
        known | {"request_id": "r-2", "status": 401, "reason": "signature header missing"},
        known | {"status": 401, "reason": "signature wrong"},
        common | {"request_id": "r-1", "status": 404, "reason": "unknown connector"},
    ]


def planted(**changes: str) -> tuple[bytes, dict[str, str], str]:
    """A callback that has something secret in every part of it."""
    body = message("m-secret", text="text-secret", channel_identity={"identity": PHONE})
    headers = signed(body) | {"cookie": "cookie-secret", "authorization": "Bearer bearer-secret"}
    return body, headers | changes, NOTIFY + f"?token={TOKEN.replace(' ', '+')}&x=query-secret"


SPOILT: dict[str, dict[str, str]] = {
    "accepted": {},
    "wrong": {signing.NONCE_HEADER: "nonce-secret-0123456789"},
    "malformed": {signing.SIGNATURE_HEADER: "signature-secret"},
    "of another algorithm": {signing.ALGORITHM_HEADER: "algorithm-secret"},
    "of an odd type": {"content-type": "type-secret"},
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("locked", [False, True], ids=["spool works", "spool locked"])
def test_nothing_secret_is_ever_logged_or_answered(
    spool: Database, capfd: pytest.CaptureFixture[str], spoilt: dict[str, str], *, locked: bool
) -> None:
    body, headers, path = planted(**spoilt)
    with (
        logged(capfd, "ingress") as log,
        opened(spool, account=[account(receive_token=TOKEN)]) as door,
        contextlib.closing(sqlite3.connect(spool.path, isolation_level=None)) as locker,
    ):
        if locked:
            locker.execute("BEGIN IMMEDIATE")
        answer = door.post(body, headers, path=path)
        said = json.dumps(log()) + str(answer.headers) + answer.text
    signatures = [headers[name] for name in signature.HEADERS if name != signing.ALGORITHM_HEADER]
    hidden = ["secret", "receive", TOKEN, SECRET, PHONE, PHONE[-9:], body.decode(), *signatures]
    assert len(said) > 100
    assert not [word for word in hidden if word in said]


hostile = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=70)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    body=st.binary(max_size=100),
    headers=st.dictionaries(st.sampled_from([*signature.HEADERS, "content-type", "x-real-ip"]), hostile),
    right=st.booleans(),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=40),
)
def test_any_request_is_answered_200_or_refused_in_the_same_words(
    door: Door, body: bytes, headers: dict[str, str], query: str, *, right: bool
) -> None:
    given_: dict[str, Any] = (headers | signed(body)) if right else headers
    answer = door.client.post(NOTIFY + "?" + query, data=body, headers=given_)
    if right:
        assert_accepted(answer)
    else:
        assert_refused(answer, answer.status_code)
        assert answer.status_code in (401, 429)

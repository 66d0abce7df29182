"""What the first door answers: each row of its table, through nginx, with each fault of ours planted."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from gateway import errors
from sandbox import callbacks, faults, signing
from sandbox.connection import Answer
from sandbox.sinch import Letter, Sinch
from tests.live.house import ACCOUNT, HOST, SECRET, House, opened

NOTIFY = "/api/whatsapp/accounts/7/notify"
TOKEN = "a receive token of tests"


def assert_refused(answer: Answer, status: int) -> None:
    """Every refusal of a status is the same, whoever gives it."""
    assert (answer.status, answer.body) == (status, errors.body(status))
    assert answer.header("content-type") == "application/json"
    assert answer.header("cache-control") == "private, no-store"
    assert (answer.header("retry-after") is not None) == (status in (429, 503))


def letter(sinch: Sinch, body: bytes, *, nonce: str | None = None, timestamp: int | None = None) -> Letter:
    """A rightly signed letter with any body, nonce and time."""
    now = int(time.time())
    headers = signing.sign(body, sinch.secret or "", nonce or signing.ulid(now), timestamp or now)
    return Letter(callbacks.text(""), body, (("content-type", "application/json"), *headers.items()))


def signed(sinch: Sinch, words: str = "hello") -> Letter:
    return sinch.prepare(callbacks.text(words))


def changed(letter: Letter, **headers: str) -> Letter:
    """The letter with signature headers replaced; the keyword is the last word of the header's name."""
    names = {"signature": signing.SIGNATURE_HEADER, "nonce": signing.NONCE_HEADER}
    names |= {"timestamp": signing.TIMESTAMP_HEADER, "algorithm": signing.ALGORITHM_HEADER}
    fresh = {names[word]: value for word, value in headers.items()}
    return dataclasses.replace(letter, headers=tuple((name, fresh.get(name, value)) for name, value in letter.headers))


def without(letter: Letter, name: str) -> Letter:
    return dataclasses.replace(letter, headers=tuple(pair for pair in letter.headers if pair[0] != name))


def test_a_verified_callback_is_answered_200_only_when_it_is_in_the_spool(house: House) -> None:
    house.motion.set_fault(faults.HANG)
    sent = signed(house.sinch())
    answer = house.sinch().post(sent)
    kept = [event for event in house.events() if event.body == sent.body]
    house.motion.set_fault(faults.NONE)
    assert (answer.status, answer.body) == (200, b"{}")
    assert [event.state for event in kept] == ["pending"]


def test_the_same_callback_again_is_answered_200_and_not_delivered_again(house: House) -> None:
    sent = signed(house.sinch())
    assert [house.sinch().post(sent).status for _ in range(3)] == [200, 200, 200]
    follower = signed(house.sinch())
    house.sinch().post(follower)
    house.motion.wait_for(lambda heard: any(item.body == follower.body for item in heard))
    assert [item.body for item in house.motion.received].count(sent.body) == 1
    assert [event.repeats for event in house.events() if event.body == sent.body] == [2]


def test_the_same_event_signed_anew_is_answered_200_and_not_delivered_again(house: House) -> None:
    sinch = house.sinch()
    first = signed(sinch)
    second = letter(sinch, first.body)
    assert first.nonce != second.nonce
    assert [sinch.post(one).status for one in (first, second)] == [200, 200]
    house.motion.wait_for_accepted(1)
    assert [event.repeats for event in house.events() if event.body == first.body] == [1]


def test_the_same_event_in_other_bytes_is_kept_as_a_duplicate_that_can_be_replayed(house: House) -> None:
    sinch = house.sinch()
    first = signed(sinch)
    other = letter(sinch, first.body + b"\n")
    assert [sinch.post(one).status for one in (first, other)] == [200, 200]
    [duplicate] = [event for event in house.events("duplicate") if event.body == other.body]
    house.motion.wait_for_accepted(1)
    assert [item.body for item in house.motion.received] == [first.body]
    house.command("events", "replay", str(duplicate.id))
    assert house.motion.wait_for_accepted(2)[1].body == other.body


def test_a_nonce_with_other_bytes_is_refused_kept_and_alarming(house: House) -> None:
    sinch = house.sinch()
    first = signed(sinch)
    other = letter(sinch, signed(sinch).body, nonce=first.nonce)
    assert sinch.post(first).status == 200
    assert_refused(sinch.post(other), 401)
    assert [event.state for event in house.events() if event.body == other.body] == ["rejected"]
    assert house.wait_for(lambda: house.decisions("ingress", findings=["nonce-reused"]))


WRONG = {
    "without a signature": lambda one: without(one, signing.SIGNATURE_HEADER),
    "without a nonce": lambda one: without(one, signing.NONCE_HEADER),
    "without a timestamp": lambda one: without(one, signing.TIMESTAMP_HEADER),
    "signature of another body": lambda one: dataclasses.replace(one, body=one.body + b" "),
    "only the nonce changed": lambda one: changed(one, nonce="01JQ8VB3F6A8C0E2G4J6M8P0RD"),
    "only the timestamp changed": lambda one: changed(one, timestamp=str(int(time.time()) - 1)),
    "signature cut": lambda one: changed(one, signature=base64.b64encode(b"x" * 31).decode()),
    "signature not base64": lambda one: changed(one, signature="!" * 44),
    "timestamp in milliseconds": lambda one: changed(one, timestamp=str(int(time.time() * 1000))),
    "algorithm of another strength": lambda one: changed(one, algorithm="HmacSHA512"),
    "algorithm in another spelling": lambda one: changed(one, algorithm="hmacsha256"),
    "algorithm empty": lambda one: changed(one, algorithm=""),
    "signature twice": lambda one: dataclasses.replace(one, headers=(*one.headers, one.headers[-4])),
    "all headers of the signature twice": lambda one: dataclasses.replace(
        one, headers=(*one.headers, *one.headers[-4:])
    ),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_a_callback_that_proves_nothing_is_refused_401(house: House, spoil) -> None:
    sent = spoil(signed(house.sinch()))
    assert_refused(house.sinch().post(sent), 401)
    assert sent.body not in [event.body for event in house.events()]


def test_a_secret_of_another_account_is_refused_401(house: House) -> None:
    assert_refused(house.sinch(secret="somebody else's secret").send(callbacks.text("x")).answers[0], 401)


def test_an_absent_algorithm_header_is_accepted(house: House) -> None:
    assert house.sinch().post(without(signed(house.sinch()), signing.ALGORITHM_HEADER)).status == 200


def test_a_body_moved_across_each_of_its_dots_into_the_nonce_is_refused(house: House) -> None:
    sinch = house.sinch()
    sent = letter(sinch, b'{"message":{"id":"a.b.c","text":"1.5 and 2.5. Done."}}')
    for dot in re.finditer(rb"\.", sent.body):
        moved = changed(sent, nonce=f"{sent.body[dot.end() :].decode()}.{sent.nonce}")
        assert_refused(sinch.post(dataclasses.replace(moved, body=sent.body[: dot.start()])), 401)
    assert sinch.post(sent).status == 200


def test_an_old_signature_is_refused_kept_and_can_be_replayed(house: House) -> None:
    sinch = house.sinch()
    assert sinch.send(callbacks.text("of now")).status == 200
    house.settle()
    house.motion.forget()
    old = letter(sinch, signed(sinch).body, timestamp=int(time.time()) - 25 * 3600 - 60)
    assert_refused(sinch.post(old), 401)
    assert_refused(sinch.post(old), 401)
    [event] = [event for event in house.events() if event.body == old.body]
    assert (event.state, event.repeats) == ("rejected", 1)
    house.command("events", "replay", str(event.id))
    assert house.motion.wait_for_accepted(1)[0].body == old.body


def test_a_signature_just_inside_its_age_is_accepted(house: House) -> None:
    sinch = house.sinch()
    assert sinch.post(letter(sinch, signed(sinch).body, timestamp=int(time.time()) - 25 * 3600 + 60)).status == 200


@pytest.mark.parametrize(("ahead", "status"), [(240, 200), (360, 503)])
def test_a_signature_from_the_future_is_answered_503_when_it_is_over_five_minutes_ahead(
    house: House, ahead: int, status: int
) -> None:
    sinch = house.sinch()
    answer = sinch.post(letter(sinch, signed(sinch).body, timestamp=int(time.time()) + ahead))
    assert answer.status == status
    if status == 503:
        assert_refused(answer, 503)
        assert house.wait_for(lambda: house.decisions("ingress", findings=["clock-skew"]))


ODD_BODIES = {
    "empty": b"",
    "not JSON": b"hello",
    "not UTF-8": b"\xff\xfe{}",
    "a number": b"12",
    "unknown shape": b'{"batch":{"x":1}}',
    "deep": b"[" * 100_000,
    "deep objects": b'{"message":' * 50_000,
    "hundred digits": b'{"message":{"id":' + b"9" * 100 + b"}}",
    "thousands of digits": b'{"message":{"id":' + b"9" * 10_000 + b"}}",
    "beyond 64 bits": b'{"message":{"id":18446744073709551617,"contact_id":-9223372036854775809}}',
    "infinite": b'{"message":{"id":1e400,"contact_id":NaN}}',
    "lone surrogates": rb'{"message":{"id":"\ud800","contact_id":"\udfff","channel_identity":{"identity":"\ud83d"}}}',
    "zero bytes in ids": rb'{"message":{"id":"a\u0000b","contact_id":"\u0000"}}',
    "ids of a megabyte": b'{"message":{"id":"' + b"x" * 1_000_000 + b'"}}',
    "huge": b'"' + b"x" * (1024 * 1024 - 2) + b'"',
    "zero bytes": b"\x00" * 1000,
    "line feed at the end": b'{"unknown":true}\n',
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_a_verified_body_of_any_kind_is_kept_and_delivered_as_it_is(house: House, body: bytes) -> None:
    sinch = house.sinch()
    answer = sinch.post(letter(sinch, body))
    assert (answer.status, answer.body) == (200, b"{}")
    assert [item.body for item in house.motion.wait_for_accepted(1)] == [body]


def test_chunked_bodies_are_accepted_as_others_are(house: House) -> None:
    sent = dataclasses.replace(signed(house.sinch()), chunked=True)
    assert house.sinch().post(sent).status == 200
    assert house.motion.wait_for_accepted(1)[0].body == sent.body


NOT_THERE = {
    "unknown connector": {"target": "/api/whatsapp/accounts/8/notify"},
    "connector with zeros before it": {"target": "/api/whatsapp/accounts/007/notify"},
    "connector that is no number": {"target": "/api/whatsapp/accounts/x/notify"},
    "connector in other digits": {"target": "/api/whatsapp/accounts/%D9%A7/notify"},
    "connector of many digits": {"target": f"/api/whatsapp/accounts/{'7' * 400}/notify"},
    "root": {"target": "/"},
    "path with a slash more": {"target": NOTIFY + "/"},
    "path with two slashes": {"target": "/api//whatsapp/accounts/7/notify"},
    "path with dots": {"target": "/api/x/../whatsapp/accounts/7/notify"},
    "path in other letters": {"target": "/API/whatsapp/accounts/7/notify"},
    "path with an escape": {"target": "/api/whatsapp/accounts/7/notif%79"},
    "path with a zero byte": {"target": NOTIFY + "%00"},
    "path with bad escapes": {"target": NOTIFY + "%zz"},
    "path out of the root": {"target": "/../../etc/passwd"},
    "absolute target": {"target": f"https://{HOST}/x"},
    "target without a slash": {"target": "api"},
    "very long target": {"target": NOTIFY + "?" + "a" * 20_000},
    "GET": {"target": NOTIFY, "method": "GET"},
    "HEAD": {"target": NOTIFY, "method": "HEAD"},
    "OPTIONS": {"target": NOTIFY, "method": "OPTIONS"},
    "PUT": {"target": NOTIFY, "method": "PUT"},
    "TRACE": {"target": NOTIFY, "method": "TRACE"},
    "method nobody knows": {"target": NOTIFY, "method": "BREW"},
    "method in small letters": {"target": NOTIFY, "method": "post"},
    "another host": {"target": NOTIFY, "host": "motion.internal"},
    "address as host": {"target": NOTIFY, "host": "127.0.0.1"},
    "host that is none": {"target": NOTIFY, "host": "a b"},
    "empty host": {"target": NOTIFY, "host": ""},
    "host twice": {"target": NOTIFY, "headers": (("host", "other"),)},
    "health of the office": {"target": "/healthz", "method": "GET"},
    "readiness of the office": {"target": "/readyz", "method": "GET"},
}


@pytest.mark.parametrize("request_", NOT_THERE.values(), ids=NOT_THERE)
def test_all_that_is_not_served_is_answered_404_alike(house: House, request_) -> None:
    request_ = {"target": NOTIFY} | request_
    body = signed(house.sinch())
    headers = (*body.headers, *request_.pop("headers", ()))
    answer = house.ask(**request_, headers=headers, body=body.body)
    if request_.get("method") == "HEAD":
        assert (answer.status, answer.body) == (404, b"")
    else:
        assert_refused(answer, 404)


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
@pytest.mark.parametrize(("size", "status"), [(1024 * 1024, 200), (1024 * 1024 + 1, 413)])
def test_a_body_over_max_body_is_answered_413(house: House, size: int, status: int, *, chunked: bool) -> None:
    sent = dataclasses.replace(letter(house.sinch(), os.urandom(size)), chunked=chunked)
    answer = house.sinch().post(sent)
    assert answer.status == status
    if status == 413:
        assert_refused(answer, 413)


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_a_large_body_to_nowhere_is_answered_404_like_any_other(house: House, *, chunked: bool) -> None:
    assert_refused(house.ask("/nowhere", body=b"x" * 2**21, chunked=chunked), 404)


def test_a_length_beyond_all_measure_is_answered_404_or_413_and_waited_for_by_nobody(house: House) -> None:
    for length in ("9223372036854775808", "1" * 100, "-1", "1e3", "0x10", ""):
        answer = house.ask(NOTIFY, headers=(("content-length", length),))
        assert answer.status in (404, 413), length


def test_non_ascii_in_each_header_never_is_a_fault_of_ours(house: House) -> None:
    sent = signed(house.sinch())
    for name in ("content-type", "content-encoding", "user-agent", "x-request-id", "x-real-ip", *signing.HEADERS):
        pairs = (*(pair for pair in sent.headers if pair[0] != name), (name, "caf\xe9 \xff\x80"))
        answer = house.sinch().post(dataclasses.replace(sent, headers=pairs))
        assert answer.status in (200, 401), name


def test_names_that_clients_give_themselves_are_not_believed(house: House) -> None:
    lies = (("x-real-ip", "10.9.9.9"), ("x-forwarded-for", "10.9.9.9"), ("x-request-id", "mine"))
    sent = signed(house.sinch())
    assert house.sinch().post(dataclasses.replace(sent, headers=(*sent.headers, *lies))).status == 200
    heard = house.motion.wait_for_accepted(1)[0]
    assert heard.all_headers("x-forwarded-for") == ["127.0.0.1"]
    assert heard.all_headers("x-request-id") != ["mine"]
    assert heard.header("x-real-ip") is None
    assert "10.9.9.9" not in house.log


def test_motion_gets_what_sinch_sent_and_nothing_else_of_the_clients(house: House) -> None:
    odd = (("cookie", "c=1"), ("authorization", "Bearer abc"), ("x-evil", "1"), ("content-encoding", "identity"))
    query = "b=2&a=%7e%2F&b=3&empty=&x=y%20z+w"
    sinch = house.sinch(query=f"?{query}")
    sent = signed(sinch)
    assert sinch.post(dataclasses.replace(sent, headers=(*sent.headers, *odd))).status == 200
    heard = house.motion.wait_for_accepted(1)[0]
    assert heard.query == query
    names = {name.lower() for name, _ in heard.headers}
    own = {"host", "accept-encoding", "content-length", "user-agent", "x-request-id", "x-forwarded-for"}
    own |= {"x-forwarded-proto", "x-forwarded-host", "traceparent"}
    assert names == own | {"content-type", "content-encoding"} | set(signing.HEADERS)
    assert heard.header("x-forwarded-host") == HOST
    assert heard.header("x-forwarded-proto") == "https"


def test_a_spool_locked_by_another_is_answered_503_and_works_again_afterwards(house: House) -> None:
    sinch = house.sinch()
    sent = signed(sinch)
    locker = sqlite3.connect(house.folder / "state" / "spool.sqlite3", isolation_level=None)
    with contextlib.closing(locker):
        locker.execute("BEGIN IMMEDIATE")
        assert_refused(sinch.post(sent), 503)
        locker.execute("ROLLBACK")
    assert sinch.post(sent).status == 200


def test_a_door_that_restarts_is_answered_503_and_nothing_is_lost(house: House) -> None:
    house.kill("ingress")
    sent = signed(house.sinch())
    answers = [house.sinch().post(sent)]
    while answers[-1].status != 200:
        assert_refused(answers[-1], 503)
        answers.append(house.sinch().post(sent))
    assert len(answers) > 1
    assert len([event for event in house.events() if event.body == sent.body]) == 1


def test_motion_being_down_changes_no_answer_and_loses_nothing(house: House) -> None:
    house.motion.set_fault(faults.DOWN)
    sent = [signed(house.sinch()) for _ in range(3)]
    assert [house.sinch().post(one).status for one in sent] == [200, 200, 200]
    house.wait_for(lambda: house.decisions("courier", event="delivery", reason="connection refused"))
    house.motion.set_fault(faults.NONE)
    assert [item.body for item in house.motion.wait_for_accepted(3)] == [one.body for one in sent]


def test_a_full_disk_is_answered_503_and_accepts_again_when_there_is_room() -> None:
    if os.geteuid() != 0:
        with opened(started=False):
            return  # mounting needs root; the spool's own tests fill a database without it
    with small_disk_house() as house:
        sinch = house.sinch()
        statuses = []
        while 503 not in statuses:
            answer = sinch.post(letter(sinch, os.urandom(500_000)))
            statuses.append(answer.status)
            assert len(statuses) < 60
        assert_refused(answer, 503)
        accepted = statuses.count(200)
        assert accepted > 3
        while sinch.post(letter(sinch, os.urandom(300))).status == 200:
            accepted += 1
        house.wait_for(lambda: b"spool disk full" in house.ops("/readyz").body)
        subprocess.run(["mount", "-o", "remount,size=64m", house.folder / "state"], check=True)
        sent = signed(sinch)
        house.wait_for(lambda: sinch.post(sent).status == 200)
        house.motion.set_fault(faults.NONE)
        house.motion.wait_for_accepted(accepted + 1)


@contextlib.contextmanager
def small_disk_house() -> Iterator[House]:
    """A gateway whose state is on a disk of 8 MB, before a Motion that is away."""
    with opened(started=False) as house:
        state = house.folder / "state"
        state.mkdir(mode=0o711)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=711", "tmpfs", state], check=True)
        try:
            house.motion.set_fault(faults.DOWN)
            house.start()
            yield house
            house.stop()
        finally:
            subprocess.run(["umount", "-l", state], check=True)


@contextlib.contextmanager
def with_clock(*, ahead_seconds: int) -> Iterator[House]:
    """A gateway whose first door has a clock that is wrong."""
    with opened(started=False) as house:
        door = [sys.executable, "-m", "tests.live.skewed_door", str(house.config), str(ahead_seconds)]
        house.start_parts({"ingress": door})
        yield house


def test_a_clock_of_ours_that_is_behind_answers_503_and_loses_nothing() -> None:
    with with_clock(ahead_seconds=-600) as house:
        sent = signed(house.sinch())
        assert_refused(house.sinch().post(sent), 503)
        assert house.wait_for(lambda: house.decisions("ingress", findings=["clock-skew"]))
        assert not house.events()


def test_a_clock_of_ours_that_is_far_ahead_asks_to_come_again_is_told_and_keeps_what_it_refuses() -> None:
    with with_clock(ahead_seconds=26 * 3600) as house:
        sent = signed(house.sinch())
        assert_refused(house.sinch().post(sent), 503)
        assert house.wait_for(lambda: house.decisions("ingress", findings=["clock-skew"]))
        [found] = house.wait_for(lambda: json.loads(house.ops("/readyz").body)["findings"])
        assert (found["finding"], found["reason"][:19]) == ("clock-skew", "signature too old: ")
        assert abs(int(found["reason"].split()[3]) - 26 * 3600) < 600
        [event] = house.events("rejected")
        house.command("events", "replay", str(event.id))
        assert house.motion.wait_for_accepted(1)[0].body == sent.body


@pytest.mark.parametrize("days", [30, -30])
def test_a_courier_whose_clock_is_a_month_off_forgets_nothing(days: int) -> None:
    with opened(started=False) as house:
        courier = [sys.executable, "-m", "tests.live.skewed_courier", str(house.config), str(days * 86_400)]
        house.start_parts({"courier": courier})
        sent = [signed(house.sinch(), f"words {number}") for number in range(3)]
        assert [house.sinch().post(each).status for each in sent] == [200] * 3
        house.settle()
        house.stop()
        for _ in range(2):  # each purges when it starts
            house.start_parts({"courier": courier})
            house.wait_for(lambda: house.decisions("courier", event="courier started"))
            assert [house.sinch().post(each).status for each in sent] == [200] * 3
            house.stop()
        assert [(event.state, event.repeats) for event in house.events()] == [("delivered", 2)] * 3
        assert not house.decisions("courier", event="purged")
        house.start()
        house.settle()
        assert len(house.events()) == len(house.motion.accepted) == 3


def test_a_clock_of_ours_that_was_ahead_when_it_accepted_delays_no_delivery() -> None:
    with with_clock(ahead_seconds=20 * 3600) as house:
        assert house.sinch().send(callbacks.text("x")).status == 200
        house.motion.wait_for_accepted(1)


def test_an_unsigned_account_asks_for_its_token_and_forwards_nothing_but_it() -> None:
    unsigned = {**ACCOUNT, "webhook_secrets": [], "unsigned": "allow", "receive_token": TOKEN}
    with opened(account=[unsigned]) as house:
        right = "?token=" + TOKEN.replace(" ", "%20")
        for query in ("", "?token=wrong", f"{right}&token=x", "?token", right.replace("token=", "Token=")):
            refused = house.sinch(secret=None, query=query).send(callbacks.text("no")).answers[0]
            assert_refused(refused, 401)
        sinch = house.sinch(secret=None, query=right + "&other=1")
        assert [sinch.post(one).status for one in [sinch.prepare(callbacks.text("yes"))] * 2] == [200, 200]
        assert [item.query for item in house.motion.wait_for_accepted(1)] == ["token=a%20receive%20token%20of%20tests"]
        assert [event.repeats for event in house.events()] == [1]


def test_a_signed_account_with_a_receive_token_asks_for_both() -> None:
    with opened(account=[{**ACCOUNT, "receive_token": TOKEN}]) as house:
        assert_refused(house.sinch().send(callbacks.text("no")).answers[0], 401)
        right = house.sinch(query="?token=" + TOKEN.replace(" ", "+"))
        assert right.send(callbacks.text("yes")).status == 200
        assert_refused(dataclasses.replace(right, secret="another").send(callbacks.text("no")).answers[0], 401)


def test_a_secret_being_replaced_lets_the_old_one_and_the_new_one_in() -> None:
    with opened(account=[{**ACCOUNT, "webhook_secrets": ["the new secret, long enough", SECRET]}]) as house:
        for secret in (SECRET, "the new secret, long enough"):
            assert house.sinch(secret=secret).send(callbacks.text("x")).status == 200


def test_callbacks_of_dispatch_mode_or_another_app_are_delivered_and_found(house: House) -> None:
    dispatch = callbacks.text("x", app=callbacks.App(dispatch=True))
    foreign = callbacks.text("x", app=callbacks.App(app_id="01JQ8V4M2Z7T5X9C3N6B1K0ZZZ"))
    for callback, finding in ((dispatch, "dispatch-mode"), (foreign, "foreign-app")):
        assert house.sinch().send(callback).status == 200
        assert house.wait_for(lambda finding=finding: house.decisions("ingress", findings=[finding]))
    house.motion.wait_for_accepted(2)

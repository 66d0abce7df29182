"""Signing in and out: what it takes, what is counted, when a session ends, and what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway import app
from gateway.config import secrets
from gateway.page import COOKIE, sessions
from gateway.page import sign_in as page_sign_in
from gateway.phrases import Reason
from gateway.store import audit, retention, turned_away
from gateway.store.engines import Database
from tests import config_samples, service_samples
from tests.door_samples import Door, logged, opened
from tests.page_samples import ANNA, BOB, HASH, PASSWORD, USERS, post, sign_in, token_of, visit

pytestmark = pytest.mark.both_engines

FIRST = "/you"  # is for whoever may look at all
RIGHT = {"name": "anna", "password": PASSWORD}


def cookie(door: Door) -> str | None:
    held = door.client.get_cookie(COOKIE, "localhost")
    return held.value if held else None


def is_in(door: Door) -> bool:
    return visit(door, FIRST).status_code == 200


def deeds(door: Door) -> list[tuple[str, str, str, str]]:
    return [(deed.action, deed.who, deed.account, deed.about) for deed in audit.listed(door.services.spool, most=99)]


def test_who_signs_in_gets_a_token_that_nobody_had_and_goes_on_where_he_was(spool: Database) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        visit(door, "/sign-in")
        before = cookie(door)
        assert before
        told = post(door, "/sign-in", **RIGHT, next="/events/5", headers={"x-real-ip": "10.0.0.7"})
        assert (told.status_code, told.headers["Location"]) == (303, "/events/5")
        assert cookie(door) != before
        assert is_in(door)
        assert "anna" in visit(door, FIRST).text
        assert deeds(door) == [("sign-in", "anna", "page", "from 10.0.0.7")]
        door.client.set_cookie(COOKIE, str(before), domain="localhost", secure=True)
        assert not is_in(door)  # whoever has planted it


ELSEWHERE = [
    "https://attacker.example",
    "//attacker.example",
    "//attacker",
    "//3405803777/x",
    "/\\attacker.example",
    "javascript:x",
    "",
    "/a/../b",
    "/x\n",
]


@pytest.mark.parametrize("place", ELSEWHERE)
def test_signing_in_leads_nowhere_else(place: str) -> None:
    assert page_sign_in.onward(place) == "/"


WRONG = {
    "another password": {"name": "anna", "password": PASSWORD + "x"},
    "the password of nobody": {"name": "carol", "password": PASSWORD},
    "a NUL behind it": {"name": "anna", "password": PASSWORD + "\0"},
    "no password": {"name": "anna"},
    "no name": {"password": PASSWORD},
    "the hash": {"name": "anna", "password": HASH},
    "markup": {"name": "<b>anna</b>", "password": PASSWORD},
}


def test_who_does_not_prove_it_is_told_the_same_whatever_was_wrong_and_nothing_typed_is_kept(
    spool: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    with logged(capfd, "ops") as log, opened(spool, door="ops", user=USERS) as door:
        shown = token_of(visit(door, "/sign-in"))
        told = [post(door, "/sign-in", token=shown, **fields) for fields in WRONG.values()]
        assert {(answer.status_code, answer.text) for answer in told} == {(401, told[0].text)}
        assert not is_in(door)
        lines = [line for line in log() if line.get("reason") == "name or password wrong"]
        assert len(lines) == len(WRONG)
        known = [line for line in log() if line["event"] == "audit"]
        assert {line["about"] for line in known} == {"as anna, from nowhere", "by an unknown name, from nowhere"}
        assert not [word for word in ("carol", "<b>", PASSWORD, "scrypt", "anna") if word in str(lines)]
        assert {deed[3] for deed in deeds(door)} == {"as anna, from nowhere", "by an unknown name, from nowhere"}
        door.services.turned_away.write()
        assert [(row.reason, row.count) for row in turned_away.listed(spool)] == [
            ("name or password wrong", len(WRONG))
        ]


def test_a_name_that_nobody_has_takes_the_same_work_as_a_wrong_password(spool: Database) -> None:
    assert secrets.NOBODYS.split("$")[0] == secrets.hashed("x").split("$")[0] == HASH.split("$")[0]
    assert not secrets.is_password("", hashed=None)
    strong = ANNA | {"password_hash": HASH.replace(":32768:", ":131072:")}
    users = config_samples.settings(user=[strong, BOB]).users
    named = {name: page_sign_in.weighed(users, name) for name in ("anna", "bob", *map(str, range(40)))}
    assert (named["anna"], named["bob"]) == users
    assert {*named.values()} == {*users}  # so that no strength tells a name that somebody has
    assert page_sign_in.weighed((), "anna") is None


def tries(door: Door, *names: str, address: str = "10.0.0.1", password: str = "wrong") -> list[int]:
    shown = token_of(visit(door, "/sign-in"))
    given = {"x-real-ip": address}
    return [
        post(door, "/sign-in", token=shown, headers=given, name=name, password=password).status_code for name in names
    ]


def test_tries_are_counted_by_address_and_by_name_and_those_that_are_right_are_not(spool: Database) -> None:
    limits = {"failed_sign_ins_per_address": "3/minute", "failed_sign_ins_per_name": "2/minute"}
    with opened(spool, door="ops", user=USERS, limits=limits) as door:
        assert tries(door, "anna", "anna", "anna") == [401, 401, 429]
        assert tries(door, "anna", address="10.0.0.2", password=PASSWORD) == [429]  # it would say that it was right
        assert [*tries(door, "bob", password=PASSWORD), *tries(door, "bob", password=PASSWORD)] == [303, 303]
        assert tries(door, "x", "y") == [401, 429]
        told = post(door, "/sign-in", headers={"x-real-ip": "10.0.0.1"}, name="bob", password=PASSWORD)
        assert (told.headers["Retry-After"], "Wait a minute" in told.text) == ("5", True)
        door.clock.advance(120)
        assert tries(door, "anna", password=PASSWORD) == [303]


def test_the_audit_is_not_filled_by_whoever_guesses(spool: Database) -> None:
    off = {"failed_sign_ins_per_address": "off", "failed_sign_ins_per_name": "off"}
    with opened(spool, door="ops", user=USERS, limits=off) as door:
        for _ in range(19):  # of the twenty that are recorded in an hour
            door.services.limits.require(page_sign_in.RECORDED, Reason.SIGN_IN_REFUSED, "all")
        assert tries(door, "x", "y") == [401, 401]
        assert len(deeds(door)) == 1


# When a session ends


def later(seconds: float) -> Callable[[Door], None]:
    return lambda door: door.clock.advance(seconds)


def visits(door: Door) -> None:
    for _ in range(13):
        door.clock.advance(3500)
        visit(door, FIRST)


ENDS: dict[str, tuple[Callable[[Door], object], bool]] = {
    "at once": (later(0), True),
    "a visit within the hour": (later(3599), True),
    "no visit for an hour": (later(3600), False),
    "visits all the time, until half a day is over": (visits, False),
    "a clock set back by minutes": (later(-299), True),
    "a clock set back by a day": (later(-86400), False),
    "signed out": (lambda door: post(door, "/sign-out"), False),
    "purged": (lambda door: purged(door.services.spool, door.clock.now() + 43_201), False),
    "not yet purged": (lambda door: purged(door.services.spool, door.clock.now() + 43_199), True),
}


def purged(spool: Database, now: float) -> None:
    retention.purge(spool, retention.Retention(1, 1, 1, session_seconds=43_200), now=now)


@pytest.mark.parametrize(("happens", "lives"), ENDS.values(), ids=ENDS)
def test_a_session_lives_on_after(spool: Database, happens: Callable[[Door], object], lives: bool) -> None:  # noqa: FBT001
    with opened(spool, door="ops", user=USERS) as door:
        token = sign_in(door)
        happens(door)
        door.client.set_cookie(COOKIE, token, domain="localhost", secure=True)  # whoever has stolen it
        assert is_in(door) == lives


CHANGED: dict[str, tuple[list[dict[str, Any]], int]] = {
    "nothing": (USERS, 200),
    "another user": ([ANNA], 200),
    "the user is gone": ([BOB], 303),
    "another password": ([ANNA | {"password_hash": HASH[:-1] + ("0" if HASH[-1] != "0" else "1")}, BOB], 303),
    "another role": ([ANNA | {"role": "support"}], 200),
}


@pytest.mark.parametrize(("users", "status"), CHANGED.values(), ids=CHANGED)
def test_a_session_ends_with_its_user_and_has_the_rights_he_has_now(
    spool: Database, users: list[dict[str, Any]], status: int
) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        token = sign_in(door)
    with opened(spool, door="ops", user=users) as door:  # as after a reload
        door.client.set_cookie(COOKIE, token, domain="localhost", secure=True)
        told = visit(door, FIRST)
        assert told.status_code == status
        assert status != 200 or f'<span class="muted">{users[0]["role"]}</span>' in told.text
        sessions.end_of_the_gone(door.services)  # as its process does when it starts
    with opened(spool, door="ops", user=USERS) as door:  # as after another reload, with what was there before
        door.client.set_cookie(COOKIE, token, domain="localhost", secure=True)
        assert visit(door, FIRST).status_code == status


@pytest.mark.of_the_file
def test_a_visit_is_written_down_once_a_minute_and_the_store_has_no_token(spool: Database) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        token = sign_in(door)
        seen = []
        for seconds in (0, 59, 1):
            door.clock.advance(seconds)
            visit(door, FIRST)
            [[_, _, began_at, seen_at]] = spool.ask(lambda run: run("session", digest=sessions.digest(token)))
            seen.append(seen_at - began_at)
        assert seen == [0, 0, 60]
    assert token.encode() not in spool.path.read_bytes() + spool.path.with_name(f"{spool.path.name}-wal").read_bytes()


@pytest.mark.of_the_file
def test_where_the_spool_cannot_be_read_nobody_is_let_in_and_people_are_told_what_to_do(spool: Database) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        sign_in(door)
        spool.path.rename(spool.path.with_name("elsewhere"))
        spool.close()
        told = visit(door, FIRST)
        assert (told.status_code, told.mimetype, "spool file is gone" in told.text) == (503, "text/html", True)


def test_with_no_users_there_is_nothing_to_sign_in_to(spool: Database) -> None:
    with opened(spool, door="ops") as door:
        assert visit(door, "/sign-in").status_code == 404
    shared = service_samples.services(spool)
    assert app.create_app(shared, door="ops").secret_key is None  # nothing is signed: a cookie only names a row
    assert config_samples.settings().users == ()

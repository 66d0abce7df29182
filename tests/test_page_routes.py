"""The operations page: who may come, by which name and from where; and what those are told who may not."""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import Any

import pytest

from gateway.doors import MOST_FORM_BYTES, PAGE_HEADERS
from gateway.page import COOKIE, Right
from gateway.store import audit
from gateway.store.engines import Database
from tests.door_samples import assert_refused, opened
from tests.page_samples import BROWSER, HOST, USERS, VIEWS, post, sign_in, token_of, visit

FIRST = "/you"  # is for whoever may look at all
NAMES = ["localhost", "localhost:9443", "LOCALHOST:1", "127.0.0.1:9443", "[::1]", "[::1]:9443", "ops.example.com:8443"]


@pytest.mark.parametrize("host", NAMES)
def test_the_page_answers_to_loopback_and_its_own_names_with_any_port(spool: Database, host: str) -> None:
    with opened(spool, door="ops", user=USERS, ops={"names": ["ops.example.com"]}) as door:
        assert visit(door, "/sign-in", host=host).status_code == 200


FOREIGN = [
    *(
        "gateway.example.com",
        "localhost.",
        "localhost.attacker.example",
        "127.0.0.2",
        "127.1",
        "0x7f000001",
        "2130706433",
    ),
    *("[::2]:9443", "[::ffff:127.0.0.1]", "a@localhost", "localhost:9443:1", "localhost,attacker.example", "", "a b"),
]


@pytest.mark.parametrize("host", FOREIGN)
def test_by_any_other_name_there_is_no_page_and_programs_are_answered_all_the_same(spool: Database, host: str) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        forged = {"x-forwarded-host": "localhost", "forwarded": "host=localhost", "x-forwarded-for": "127.0.0.1"}
        told = door.client.get("/sign-in", headers=BROWSER | forged | {"host": host})
        assert (told.status_code, told.mimetype) == (403, "text/html")
        assert "ops.names" in told.text
        assert door.client.get("/healthz", headers={"host": host}).json["status"] == "ok"


MISSING = [
    "/no-such",
    "/page.css/",
    "/x//page.css",
    "/static/page.css",
    "/../page.css",
    "/%2e%2e/page.css",
    "/sign-in%00",
]


@pytest.mark.parametrize(
    "path", [*MISSING, "/PAGE.CSS", "/templates/base.html", "/sign-in/", "/page.css;x", "/page%2ecss/x"]
)
def test_what_is_not_there_is_told_to_people_by_a_page_and_to_programs_as_everywhere(
    spool: Database, path: str
) -> None:
    with opened(spool, door="ops") as door:
        told = visit(door, path)
        assert (told.status_code, told.mimetype) == (404, "text/html")
        assert path not in told.text.replace('href="/page.css"', "")
        assert_refused(door.client.get(path), 404, door="ops")


def test_every_answer_lets_nothing_run_and_nothing_come_from_elsewhere(spool: Database) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        for path in ("/page.css", "/icon.svg", "/sign-in", "/no-such", "/healthz", FIRST):
            given = visit(door, path)
            assert {name: given.headers[name] for name in PAGE_HEADERS} == PAGE_HEADERS
            assert not re.search(r"<script|<style|\bon[a-z]+=|style=|javascript:|url\(|@import", given.text)


def test_the_cookie_is_for_this_host_alone_over_tls_and_no_script_reads_it(spool: Database) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        [given] = visit(door, "/sign-in").headers.getlist("Set-Cookie")
    assert re.fullmatch(rf"{COOKIE}=[\w-]{{43}}; Secure; HttpOnly; Path=/; SameSite=Lax", given)


# Who may see it


def test_without_users_who_is_on_this_machine_looks_and_changes_nothing(spool: Database) -> None:
    with opened(spool, door="ops") as door:
        told = visit(door, FIRST)
        assert told.status_code == 200
        assert "motion-gateway users hash" in told.text
        assert "Sign out" not in told.text


def test_without_users_the_password_of_the_office_is_needed_where_there_is_one(spool: Database) -> None:
    with opened(spool, door="ops", ops={"username": "op", "password": "a password"}) as door:
        told = visit(door, FIRST)
        assert (told.status_code, told.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        assert visit(door, FIRST, authorization="Basic b3A6YSBwYXNzd29yZA==").status_code == 200


def test_without_users_there_is_no_page_beyond_this_machine(spool: Database) -> None:
    beyond: dict[str, Any] = {
        "ops": {"username": "op", "password": "a password"},
        "server": {"ops_address": "192.0.2.9"},
    }
    with opened(spool, door="ops", **beyond) as door:
        shown = {"authorization": "Basic b3A6YSBwYXNzd29yZA=="}
        told = visit(door, FIRST, host="192.0.2.9:9443", **shown)
        assert told.status_code == 404
        assert "motion-gateway users hash" in told.text
        assert visit(door, "/healthz", host="192.0.2.9:9443", **shown).status_code == 200


def test_with_users_whoever_has_not_signed_in_sees_the_form_alone(spool: Database) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        for path in (_path(view) for view in VIEWS if not view.posted and view.right != Right.NONE):
            for cookie in ("", "x", "a" * 43, "é" * 43):
                door.client.set_cookie(COOKIE, cookie, domain="localhost", secure=True)
                told = visit(door, path)
                assert (told.status_code, told.headers["Location"]) == (303, f"/sign-in?next={path}")
                assert f'name="next" value="{path}"' in visit(door, told.headers["Location"]).text
            unread = door.client.get(path, base_url="https://localhost")
            assert (unread.status_code, unread.headers["WWW-Authenticate"][:4]) == (401, "Form")
            assert unread.json == {"error": {"code": 401, "status": "UNAUTHORIZED"}}


# What is posted

POSTED = [view for view in VIEWS if view.posted]
FORGED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "no token": ({}, {"form": ""}),
    "another token": ({}, {"form": "0" * 64}),
    "a token in another script": ({}, {"form": "é" * 64}),
    "the cookie for a token": ({}, {"form": "cookie"}),
    "another site": ({"sec-fetch-site": "cross-site"}, {}),
    "another host of the same site": ({"sec-fetch-site": "same-site"}, {}),
    "another origin": ({"origin": "https://attacker.example"}, {}),
    "the same host by another port": ({"origin": "https://localhost:3000"}, {}),
    "the same host in clear": ({"origin": "http://localhost:9443"}, {}),
    "no origin that is told": ({"origin": "null"}, {}),
    "another host": ({"host": "attacker.example"}, {}),
    "another host that says it is ours": ({"host": "attacker.example", "x-forwarded-host": "localhost:9443"}, {}),
}


@pytest.mark.parametrize(("headers", "fields"), FORGED.values(), ids=FORGED)
def test_a_form_that_is_not_ours_does_nothing(spool: Database, headers: dict[str, str], fields: dict[str, str]) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        cookie = sign_in(door)
        shown = {name: cookie if value == "cookie" else value for name, value in fields.items()}
        form = {"form": token_of(visit(door, "/sign-in"))} | shown
        told = BROWSER | {"host": HOST} | headers
        for view in POSTED:
            answer = door.client.post(_path(view), data=form, base_url=f"https://{HOST}", headers=told)
            assert answer.status_code == 403, view.path
        assert visit(door, FIRST).status_code == 200  # still signed in
        assert audit.listed(spool, most=1) == []


def test_what_is_posted_is_not_there_otherwise(spool: Database) -> None:
    read = {view.path for view in VIEWS if not view.posted}
    with opened(spool, door="ops", user=USERS) as door:
        sign_in(door)
        for view, method in itertools.product(POSTED, ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")):
            if view.path not in read or method not in ("GET", "HEAD"):
                told = door.client.open(_path(view), method=method, headers=BROWSER, base_url=f"https://{HOST}")
                assert told.status_code == 404, (view.path, method)


def test_support_changes_nothing_and_is_shown_nothing_that_people_wrote(spool: Database) -> None:
    barred = [view for view in POSTED if view.right in (Right.CHANGE, Right.REVEAL)]
    with opened(spool, door="ops", user=USERS) as door:
        sign_in(door, "bob")
        shown = token_of(visit(door, "/sign-in"))
        assert {post(door, _path(view), token=shown).status_code for view in barred} <= {403}
    with opened(spool, door="ops") as door:  # nor whoever has no name
        cookie = "c" * 43
        door.client.set_cookie(COOKIE, cookie, domain="localhost", secure=True)
        shown = hashlib.sha256(f"form {cookie}".encode()).hexdigest()
        assert {post(door, _path(view), token=shown).status_code for view in barred} <= {403}


def test_a_form_that_is_too_large_is_refused_before_it_is_read(spool: Database) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        told = post(door, "/sign-in", name="a" * MOST_FORM_BYTES)
        assert (told.status_code, told.mimetype) == (413, "text/html")


def _path(view: Any) -> str:
    return re.sub("<[a-z:_]+>", "1", view.path)


def test_what_forwarded_headers_say_of_an_address_counts_for_nothing(spool: Database) -> None:
    with opened(spool, door="ops", user=USERS, limits={"failed_sign_ins_per_address": "1/minute"}) as door:
        for number, status in ((1, 401), (2, 429)):
            forged = {
                "x-real-ip": "192.0.2.1",
                "x-forwarded-for": f"10.0.0.{number}",
                "forwarded": f"for=10.0.0.{number}",
            }
            assert post(door, "/sign-in", headers=forged, name=f"n{number}", password="x").status_code == status

"""The operations page behind the real nginx: at one listener alone, for who has signed in, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from gateway import errors
from gateway.doors import MOST_FORM_BYTES, PAGE_HEADERS
from gateway.page import COOKIE
from sandbox.connection import Request, exchange
from sandbox.listener import reserve
from tests.live.house import HOST, House, opened
from tests.live.private_edge import MOTION, own_address
from tests.live.test_attachments import LINKS
from tests.live.test_page import Visitor
from tests.page_samples import ANNA, BOB, PASSWORD, USERS, VIEWS

HTML = ("accept", "text/html")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with reserve() as plain, reserve(own_address()) as private:
        server = {"http_port": plain.getsockname()[1], "outbound_clients": [MOTION]}
        address, port = private.getsockname()
        server |= {"outbound_address": address, "outbound_port": port}
        with opened(server=server, attachments=LINKS, user=USERS) as house:
            yield house


def test_who_has_signed_in_sees_the_page_until_he_signs_out_whoever_has_his_cookie_then(house: House) -> None:
    visitor = Visitor(house)
    assert visitor.ask("/events").status == 303
    before, told = visitor.cookie, visitor.sign_in()
    assert (told.status, told.header("location"), visitor.cookie != before) == (303, "/events", True)
    page = visitor.ask("/events")
    assert (page.status, b"anna" in page.body) == (200, True)
    assert {name: page.header(name) for name in PAGE_HEADERS} == PAGE_HEADERS
    assert page.header("strict-transport-security")
    thief = Visitor(house, cookie=visitor.cookie)
    assert thief.ask("/").status == 200
    assert visitor.post("/sign-out").status == 303
    assert (visitor.cookie, thief.ask("/").status) == (f"{COOKIE}=", 303)


def test_no_other_listener_has_a_page_whatever_is_claimed(house: House) -> None:
    visitor = Visitor(house)
    visitor.sign_in()
    cookie = ("cookie", visitor.cookie)
    forged = (
        cookie,
        HTML,
        ("x-forwarded-host", "localhost"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=[::1]"),
    )
    server = house.tables["server"]
    places = {
        ("https", "127.0.0.1", house.public_port, HOST),
        ("http", "127.0.0.1", server["http_port"], HOST),
        ("https", server["outbound_address"], server["outbound_port"], HOST),
    }
    paths = sorted({re.sub("<[a-z:_]+>", "1", view.path) for view in VIEWS})
    for (scheme, address, port, name), path in itertools.product(places, paths):
        route = dataclasses.replace(house.ops_route("/"), url=f"{scheme}://{name}:{port}/", connect_to=(address, port))
        for method, host in itertools.product(("GET", "POST"), (name, "localhost", f"localhost:{house.ops_port}")):
            answer = exchange(route, Request(method=method, target=path, host=host, headers=forged))
            assert answer.status in (301, 403, 404, 421), (port, path, method, host, answer)
            assert b"<html" not in answer.body


@pytest.mark.parametrize("host", [HOST, "attacker.example", "localhost.attacker.example", "127.0.0.2", "[::2]:9443"])
def test_by_a_name_of_a_stranger_there_is_no_page_and_health_all_the_same(house: House, host: str) -> None:
    route = house.ops_route("/sign-in")
    told = exchange(route, Request(method="GET", host=host, headers=(HTML, ("x-forwarded-host", "localhost"))))
    assert (told.status, b"ops.names" in told.body) == (403, True)
    assert exchange(house.ops_route("/healthz"), Request(method="GET", host=host)).status == 200


TRICKS = [
    "//",
    "/./events",
    "/x/../events",
    "/%2e%2e/events",
    "/events/",
    "/events;x",
    "/EVENTS",
    "/events%00",
    "/%65vents?",
]


@pytest.mark.parametrize("path", TRICKS)
def test_no_spelling_of_a_path_leads_past_the_form(house: House, path: str) -> None:
    assert Visitor(house).ask(path).status in (303, 404)


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "not announced"])
def test_a_giant_form_is_refused_by_nginx_which_tells_people_by_a_page(house: House, *, chunked: bool) -> None:
    form, body = ("content-type", "application/x-www-form-urlencoded"), b"name=" + b"a" * MOST_FORM_BYTES
    told = exchange(house.ops_route("/sign-in"), Request(body=body, chunked=chunked, headers=(form, HTML)))
    assert (told.status, told.header("content-type")) == (413, "text/html; charset=utf-8")
    assert {name: told.header(name) for name in PAGE_HEADERS} == PAGE_HEADERS
    plain = exchange(house.ops_route("/sign-in"), Request(body=body, chunked=chunked, headers=(form,)))
    assert (plain.status, plain.body) == (413, errors.body(413))


def test_over_http_2_it_is_the_same(house: House, tmp_path: object) -> None:
    jar = f"{tmp_path}/cookies"
    url = f"https://localhost:{house.ops_port}"
    curl = (
        "curl",
        "-sS",
        "--http2",
        "--cacert",
        str(house.folder / "ca.pem"),
        "-b",
        jar,
        "-c",
        jar,
        "-H",
        "Accept: text/html",
    )

    def run(*words: str) -> str:
        return subprocess.run((*curl, *words), capture_output=True, text=True, check=True).stdout

    form = re.search(r'name="form" value="([0-9a-f]{64})"', run(f"{url}/sign-in"))
    assert form
    fields = {"form": form[1], "name": "bob", "password": PASSWORD}
    typed = [word for name, value in fields.items() for word in ("--data-urlencode", f"{name}={value}")]
    status = ("-o", "/dev/null", "-w", "%{http_version} %{http_code}")
    assert run(*status, *typed, "-H", "Origin: https://attacker.example", f"{url}/sign-in") == "2 403"
    assert run(*status, *typed, "-H", f"Origin: {url}", f"{url}/sign-in") == "2 303"
    assert "bob" in run(f"{url}/you")


def test_a_reload_ends_the_sessions_of_who_is_gone_and_no_others(house: House) -> None:
    anna, bob = Visitor(house), Visitor(house)
    anna.sign_in()
    bob.sign_in("bob")
    house.tables["user"] = [ANNA]
    house.write_settings()
    house.reload()
    try:
        house.wait_for(lambda: bob.ask("/you").status == 303)
        assert anna.ask("/you").status == 200
    finally:
        house.tables["user"] = [ANNA, BOB]
        house.write_settings()
        house.reload()
        house.wait_for(lambda: Visitor(house).sign_in("bob").status == 303)
    assert bob.ask("/you").status == 303  # he is back, and his sessions are not


def test_nothing_that_was_typed_or_asked_for_stands_in_the_log(house: House) -> None:
    visitor = Visitor(house)
    visitor.sign_in("mallory-of-the-log", "a password of the log")
    visitor.ask("/events?q=a-query-of-the-log")
    house.wait_for(lambda: house.decisions("ops", reason="name or password wrong"))
    told = house.log + json.dumps([line for line in house.lines if line.get("process") == "nginx"])
    assert not [
        word
        for word in ("of-the-log", "of the log", PASSWORD, visitor.cookie[len(COOKIE) :], visitor.token)
        if word in told
    ]
    deeds = json.loads(house.command("audit", "list", "--who", "page", "--json"))
    assert {"sign-in", "sign-out", "sign-in-failed"} <= {deed["action"] for deed in deeds}
    assert "mallory" not in json.dumps(deeds)

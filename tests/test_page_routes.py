"""The operations page: who may come, by which name and from where; and what those are told who may not."""

from __future__ import annotations

import re

import pytest

from gateway.doors import PAGE_HEADERS
from gateway.store.engines import Database
from tests.door_samples import assert_refused, opened
from tests.page_samples import visit


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9443", "LOCALHOST:1", "127.0.0.1:9443", "[::1]", "[::1]:9443"]
)
def test_the_page_answers_to_loopback_by_every_name_and_port(spool: Database, host: str) -> None:
    with opened(spool, door="ops") as door:
        assert visit(door, "/page.css", host=host).status_code == 200


FOREIGN = [
    "gateway.example.com",
    "localhost.",
    "localhost.attacker.example",
    "127.0.0.2",
    "0x7f000001",
    "[::2]:9443",
    "a@localhost",
]


@pytest.mark.parametrize("host", FOREIGN)
def test_by_any_other_name_there_is_no_page_and_programs_are_answered_all_the_same(spool: Database, host: str) -> None:
    with opened(spool, door="ops") as door:
        forged = {"x-forwarded-host": "localhost", "forwarded": "host=localhost", "x-real-ip": "127.0.0.1"}
        told = visit(door, "/page.css", host=host, **forged)
        assert (told.status_code, told.mimetype) == (403, "text/html")
        assert "ops.names" in told.text
        assert visit(door, "/healthz", host=host).json == {"status": "ok"}


@pytest.mark.parametrize(
    "path", ["/no-such", "/page.css/", "/x//page.css", "/static/page.css", "/../page.css", "/templates/base.html"]
)
def test_what_is_not_there_is_told_to_people_by_a_page_and_to_programs_as_everywhere(
    spool: Database, path: str
) -> None:
    with opened(spool, door="ops") as door:
        told = visit(door, path)
        assert (told.status_code, told.mimetype) == (404, "text/html")
        assert path.strip("/.") not in told.text.replace("/page.css", "")
        assert_refused(door.client.get(path), 404, door="ops")


def test_every_answer_lets_nothing_run_and_nothing_come_from_elsewhere(spool: Database) -> None:
    with opened(spool, door="ops") as door:
        for path in ("/page.css", "/icon.svg", "/no-such", "/healthz"):
            given = visit(door, path).headers
            assert {name: given[name] for name in PAGE_HEADERS} == PAGE_HEADERS


def test_a_page_holds_no_script_and_no_style_of_its_own(spool: Database) -> None:
    with opened(spool, door="ops") as door:
        assert not re.search(r"<script|<style|\\bon[a-z]+=|style=|javascript:|https?://", visit(door, "/no-such").text)

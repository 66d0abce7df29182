"""Links to files that customers have sent in: what Motion is given by them, and who is given nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from gateway.attachments import tokens
from gateway.attachments.tokens import Grant, Purpose
from gateway.doors import NGINX, PUBLIC_HEADERS, SENDER, VAULT_LOCATION
from gateway.inspection.rulebook import VerdictKind
from gateway.store.engines import Database
from tests import call_door_samples, file_door_samples, inbound_samples
from tests.call_door_samples import CallDoor, assert_refused
from tests.door_samples import ADDRESS
from tests.inbound_samples import KEY, PICTURE, THROUGH
from tests.service_samples import NOW
from tests.spool_samples import accept

DIGEST = inbound_samples.DIGEST


@pytest.fixture
def door(spool: Database) -> Iterator[CallDoor]:
    """The door, with one file of one event: `in1.1`."""
    accept(spool)
    with call_door_samples.opened(spool, **THROUGH) as opened:
        opened.shelf.put("in1.1", PICTURE)
        yield opened


def link(**changes: Any) -> str:
    """A link to that file, as the courier makes it."""
    right = {"attachment_id": "in1.1", "digest": DIGEST, "kind": VerdictKind.NATIVE, "mime": "image/jpeg"}
    right |= {"name": "photo 1.jpg", "purpose": Purpose.INBOUND, "issued_at": int(NOW), "expires_at": int(NOW) + 60}
    grant = Grant(**right | changes)
    return tokens.path(tokens.mint(grant, keys=[KEY]), grant.name)


def asked(door: CallDoor, target: str, *, method: str = "GET", **headers: str) -> TestResponse:
    return door.client.open(target, method=method, headers={"x-real-ip": ADDRESS} | headers, buffered=True)


@pytest.mark.parametrize("state", ["kept", "released"])
def test_motion_gets_the_file_as_what_its_bytes_are(door: CallDoor, state: str) -> None:
    inbound_samples.known(door.services.spool, 1, state)
    got = asked(door, link(mime="text/html", name="what.html"))
    assert (got.status_code, got.data, got.headers["Content-Type"]) == (200, PICTURE, "image/jpeg")
    assert got.headers["Content-Disposition"].startswith('attachment; filename="photo 1.jpg"')
    assert PUBLIC_HEADERS.items() <= {**got.headers, "Cache-Control": PUBLIC_HEADERS["Cache-Control"]}.items()
    assert "no-store" in got.headers["Cache-Control"]
    assert door.shelf.fetches == [("in1.1", NOW + 60)]
    head = asked(door, link(), method="HEAD")
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(PICTURE)))


def test_behind_nginx_the_door_says_only_which_file(door: CallDoor) -> None:
    inbound_samples.known(door.services.spool, 1, "kept")
    got = asked(door, link(), **{SENDER: NGINX})
    assert (got.data, got.headers[NGINX]) == (b"", f"{VAULT_LOCATION}/{DIGEST.hex()[:2]}/{DIGEST.hex()}")


def test_a_file_that_is_held_back_is_a_note_until_it_is_released(door: CallDoor) -> None:
    inbound_samples.known(door.services.spool, 1, "held", reason="program")
    got = asked(door, link(mime="text/plain", name="held back.txt"))
    assert (got.status_code, got.headers["Content-Type"]) == (200, "text/plain")
    assert got.headers["Content-Disposition"].startswith('attachment; filename="held back.txt"')
    assert b"1/1" in got.data
    assert PICTURE not in got.data
    assert door.shelf.taken == []
    inbound_samples.known(door.services.spool, 1, "released", reason="program")
    assert asked(door, link(mime="text/plain", name="held back.txt")).data == PICTURE


NOTHING: dict[str, dict[str, Any]] = {
    "a link of the public address": {"purpose": Purpose.MESSAGE},
    "a link of an operator": {"purpose": Purpose.OPERATOR},
    "a link whose time is over": {"expires_at": int(NOW)},
    "a file of another event": {"attachment_id": "in2.1"},
    "another file of the event": {"attachment_id": "in1.2"},
    "one of Motion's": {"attachment_id": "1"},
    "other bytes": {"digest": b"x" * 32},
}


@pytest.mark.parametrize("changes", NOTHING.values(), ids=NOTHING)
def test_other_links_open_nothing(door: CallDoor, changes: dict[str, Any]) -> None:
    inbound_samples.known(door.services.spool, 1, "kept")
    assert_refused(asked(door, link(**changes)), "LINK_OPENS_NOTHING")
    assert door.shelf.taken == []


SPELLED = {
    "a query": lambda right: f"{right}?x=1",
    "another name": lambda right: right.replace("photo%201.jpg", "photo+1.jpg"),
    "an escape more": lambda right: right.replace("photo", "ph%6Fto"),
    "a key more": lambda right: right.replace("/gAAAA", "/gAAAB"),
}


@pytest.mark.parametrize("spell", SPELLED.values(), ids=SPELLED)
def test_a_link_has_one_spelling(door: CallDoor, spell: Any) -> None:
    inbound_samples.known(door.services.spool, 1, "kept")
    assert_refused(asked(door, spell(link())), "LINK_OPENS_NOTHING")


@pytest.mark.parametrize("state", ["waiting", "failed"])
def test_what_is_not_there_is_not_served(door: CallDoor, state: str) -> None:
    inbound_samples.known(door.services.spool, 1, state)
    assert_refused(asked(door, link()), "LINK_OPENS_NOTHING")


def test_what_is_erased_or_gone_from_the_vault_is_not_served(door: CallDoor) -> None:
    assert_refused(asked(door, link()), "LINK_OPENS_NOTHING")
    inbound_samples.known(door.services.spool, 1, "kept")
    door.shelf.know("in1.1", stored=False)
    assert_refused(asked(door, link()), "LINK_OPENS_NOTHING")


def test_there_are_no_such_links_where_files_do_not_come_through(spool: Database) -> None:
    with call_door_samples.opened(spool, **THROUGH | {"inbound": {"media": "keep"}}) as door:
        assert_refused(asked(door, link()), "PATH_NOT_ALLOWED")


def test_at_the_public_address_such_a_link_opens_nothing(spool: Database) -> None:
    with file_door_samples.opened(spool, **THROUGH) as door:
        door.shelf.put("in1.1", PICTURE)
        assert door.ask(link()).status_code == 404
        assert door.ask(link(purpose=Purpose.OPERATOR)).status_code == 200  # but for its purpose

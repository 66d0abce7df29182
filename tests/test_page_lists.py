"""The lists of the page: each row once, older and newer; what is chosen; and what stands in a row."""

from __future__ import annotations

import re

import pytest

from gateway.attachments.register import Register
from gateway.delivery import claims
from gateway.errors import NotFound
from gateway.inspection.structure import Inspection
from gateway.outbound import record
from gateway.page import lists
from gateway.phrases import Reason
from gateway.store import audit
from gateway.store.engines import Database
from tests.door_samples import Door, opened
from tests.page_samples import visit
from tests.service_samples import NOW
from tests.spool_samples import DEED, accept, draft
from tests.test_page_words import HOSTILE, Read

pytestmark = pytest.mark.both_engines

SEEN = Inspection(mime="application/pdf", size_bytes=9, traits=frozenset())


def shown(door: Door, path: str) -> list[int]:
    """The numbers of the rows at `path`."""
    page = visit(door, path)
    assert page.status_code == 200
    return [int(found) for found in re.findall(r'class="to" href="/[a-z]+/([0-9]+)"', page.text)]


def way(door: Door, path: str, name: str) -> str | None:
    found = re.search(rf'href="([^"]+)" rel="{name}"', visit(door, path).text)
    return found[1].replace("&amp;", "&") if found else None


def fill(spool: Database, count: int) -> None:
    for number in range(1, count + 1):
        accept(spool, f"m{number}", contact=f"c{number}", connector=8 if number == 3 else 7)


@pytest.mark.parametrize("count", [lists.MOST, lists.MOST + 1, 2 * lists.MOST + 1])
def test_a_list_goes_on_older_to_its_end_and_newer_back_to_its_top(spool: Database, count: int) -> None:
    fill(spool, count)
    with opened(spool, door="ops") as door:
        seen, path = shown(door, "/events?state=pending"), "/events?state=pending"
        while older := way(door, path, "next"):
            path = older
            seen += shown(door, path)
        assert seen == [*range(count, 0, -1)]
        assert way(door, "/events?state=pending", "prev") is None
        while newer := way(door, path, "prev"):
            path = newer
            assert "state=pending" in path
        assert shown(door, path) == [*range(count, count - min(count, lists.MOST), -1)]


def test_files_go_on_older_by_their_last_use(spool: Database) -> None:
    register = Register(spool)
    for number in range(1, lists.MOST + 3):  # those that had trouble at the same moment among them
        register.failed(str(number), NotFound(Reason.OTHER_BYTES), digest=None, now=NOW + number // 3)
    with opened(spool, door="ops") as door:
        first = shown(door, "/files?only=failed")
        older = way(door, "/files?only=failed", "next")
        assert older
        assert [*first, *shown(door, older)] == [*range(lists.MOST + 2, 0, -1)]
        assert shown(door, str(way(door, older, "prev"))) == first


CHOSEN = {
    "a state": ("/events?state=parked", [1]),
    "an account": ("/events?account=8", [3]),
    "both": ("/events?state=pending&account=7", [5, 4, 2]),
    "a state nobody is in": ("/events?state=rejected", []),
    "an account nobody has": ("/events?account=99", []),
    "what is none of either": ("/events?state=<b>&account=7'", [5, 4, 3, 2, 1]),
    "a place that is none": ("/events?below=x&above=" + "9" * 400, [5, 4, 3, 2, 1]),
    "a place below all": ("/events?below=1", []),
    "a place beyond all": ("/events?below=" + "9" * 18, [5, 4, 3, 2, 1]),
    "a time that is none": ("/files?below=1&at=" + "9" * 400, []),
    "an outcome": ("/sends?outcome=refused", [2]),
    "what was turned away, far behind": ("/turned-away?from=" + "9" * 18, []),
}


@pytest.mark.parametrize(("path", "numbers"), CHOSEN.values(), ids=CHOSEN)
def test_a_list_shows_what_is_chosen_and_is_told_by_whoever_asks_for_nonsense(
    spool: Database, path: str, numbers: list[int]
) -> None:
    fill(spool, 5)
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    claims.park(spool, taken, outcome="404: tried often", now=NOW)
    record.begin(spool, draft(1), now=NOW)
    record.refuse(spool, draft(2), status=400, code="MESSAGE_SPLIT_REQUIRED", now=NOW)
    with opened(spool, door="ops") as door:
        assert shown(door, path) == numbers


def test_a_row_tells_its_outcome_with_what_it_means(spool: Database) -> None:
    accept(spool, contact="", identity="+393331234567")
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    claims.park(spool, taken, outcome="404: tried often", now=NOW)
    with opened(spool, door="ops") as door:
        text = visit(door, "/events").text
        assert "404: tried often" in text
        assert "it knows no account with this connector id" in text
        assert "…567" in text
        assert "3331234567" not in text


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_what_customers_and_strangers_write_is_text_on_every_list(spool: Database, hostile: str) -> None:
    stored = hostile.encode("utf-8", "replace").decode()[:99]  # no half of a character comes into a database
    accept(spool, contact=stored, text=hostile)
    record.refuse(spool, draft(kind="media_message"), status=400, code="X", words=hostile, now=NOW)
    Register(spool).acquired("7", digest=b"d" * 32, name=stored, seen=SEEN, now=NOW)
    with opened(spool, door="ops") as door:
        pages = ["/events", "/events/1", "/sends", "/sends/1", "/files", "/files/7"]
        for read in [Read(visit(door, path).text) for path in pages]:
            assert {tag for tag, _ in read.elements}.isdisjoint({"script", "b", "i"})
            assert [attributes["src"] for tag, attributes in read.elements if tag == "img"] == ["/icon.svg"]
            assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
            assert all(sign.isprintable() or sign == "\n" for sign in read.text)


def test_who_did_what_is_listed_with_the_kind_that_is_chosen(spool: Database) -> None:
    audit.keep(spool, DEED)
    with opened(spool, door="ops") as door:
        door.services.turned_away.note("ingress", "signature wrong", about="7", address="192.0.2.9")
        door.services.turned_away.write()
        assert "event 1" in visit(door, "/audit?action=replay").text
        assert "No such deeds." in visit(door, "/audit?action=erase").text
        turned = visit(door, "/turned-away?account=7").text
        assert "signature wrong" in turned
        assert "Type the same secret" in turned
        assert "192.0.2.9" in turned
        assert "Nothing about this account" in visit(door, "/turned-away?account=8").text

"""Who did it, by whatever is known; that what cannot be recorded is not done; and what takes a row away."""

from __future__ import annotations

import getpass
import pwd
from collections.abc import Callable, Sequence

import pytest
import structlog

from gateway.delivery import records
from gateway.errors import SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import audit, retention, schema
from gateway.store.audit import Action, Caller
from gateway.store.engines import Database
from gateway.store.retention import Retention
from tests.service_samples import services
from tests.spool_samples import DEED, NOW, REFUSE_DEEDS, accept, is_remote, meddle, rows, settle, states

pytestmark = pytest.mark.both_engines

ACCOUNT = getpass.getuser()
ROOT, DAEMON = (pwd.getpwuid(number).pw_name for number in (0, 1))

CALLERS = {
    "sudo, of who logged in": ("ana", "0\n", Caller(who="ana", login=ROOT, account=ACCOUNT)),
    "a shell of root's": ("", "0\n", Caller(who=ROOT, login=ROOT, account=ACCOUNT)),
    "sudo within a shell of root's": (ROOT, "1", Caller(who=DAEMON, login=DAEMON, account=ACCOUNT)),
    "root in a container, who goes on as the owner": (ROOT, "4294967295", Caller(who=ROOT, login="", account=ACCOUNT)),
    "a service, or a container": ("", "4294967295\n", Caller(who=ACCOUNT, login="", account=ACCOUNT)),
    "a kernel that tells nothing": ("ana", "", Caller(who="ana", login="", account=ACCOUNT)),
    "a login that is gone": ("", "4000000001", Caller(who="#4000000001", login="#4000000001", account=ACCOUNT)),
    "a name that says more": ("a\x1b\n" + "b" * 99, "", Caller(who="a��" + "b" * 61, login="", account=ACCOUNT)),
}


@pytest.mark.parametrize(("sudo", "number", "who"), CALLERS.values(), ids=CALLERS)
def test_who_did_it_is_the_login_behind_sudo_or_the_next_best_name(sudo: str, number: str, who: Caller) -> None:
    assert audit.caller({"SUDO_USER": sudo} if sudo else {}, login_number=number) == who


NAMED = {
    "one": ([7], "event 7"),
    "some": ([9, 7], "2 events: 9, 7"),
}


@pytest.mark.parametrize(("event_ids", "told"), NAMED.values(), ids=NAMED)
def test_events_are_named_by_their_ids(event_ids: Sequence[int], told: str) -> None:
    assert audit.of_events(event_ids) == told


@pytest.mark.parametrize("count", [40, 400, 40_000])
def test_of_many_events_as_many_are_named_as_there_is_room_for(count: int) -> None:
    told = audit.of_events(range(10**17, 10**17 + count))
    assert told.startswith(f"{count} events: {10**17}, ")
    assert told.endswith(" and more")
    assert len(told) <= audit.LONGEST_ABOUT


DOINGS: dict[str, Callable[[Database], object]] = {
    "a replay": lambda spool: records.replay(spool, [1], DEED),
    "parking": lambda spool: records.park(spool, 2, DEED),
    "an erasure": lambda spool: retention.erase(spool, "c1", DEED),
    "a revocation": lambda spool: services(spool).shelf.revoke("7", DEED),
    "a minted link": lambda spool: services(spool).shelf.hold("7", digest=b"d" * 32, until=NOW, deed=DEED),
    "an eviction of everything": lambda spool: services(spool).shelf.evict_all(DEED),
}


@pytest.fixture
def busy(spool: Database) -> Database:
    """Event 1 is delivered, 2 is pending."""
    accept(spool, "m1", contact="c1")
    settle(spool, 1, "delivered")
    accept(spool, "m2", contact="c2")
    return spool


@pytest.mark.parametrize("do", DOINGS.values(), ids=DOINGS)
def test_what_is_done_is_recorded(busy: Database, do: Callable[[Database], object]) -> None:
    do(busy)
    [found] = audit.listed(busy, most=9)
    assert (found.who, found.at) == ("ana", NOW)


@pytest.mark.parametrize("do", DOINGS.values(), ids=DOINGS)
def test_what_cannot_be_recorded_is_not_done(busy: Database, do: Callable[[Database], object]) -> None:
    meddle(busy, REFUSE_DEEDS)
    with pytest.raises(SpoolUnavailable):
        do(busy)
    assert states(busy) == {1: "delivered", 2: "pending"}
    assert rows(busy, schema.attachment) == []


def test_what_was_refused_is_not_recorded(busy: Database) -> None:
    with pytest.raises(Exception, match="there is no event 99"):
        records.replay(busy, [1, 99], DEED)
    assert audit.listed(busy, most=9) == []


def test_a_look_that_cannot_be_recorded_is_told_in_the_log(busy: Database) -> None:
    meddle(busy, REFUSE_DEEDS)
    with structlog.testing.capture_logs() as lines:
        assert not audit.kept_look(busy, DEED)
    [line] = lines
    reason = Reason.SPOOL_SCHEMA if is_remote(busy) else Reason.SPOOL_FAILED
    assert (line["event"], line["reason"], line["who"], line["about"]) == ("audit", reason, "ana", "event 1")


@pytest.mark.parametrize(("extra", "left"), [(0, 1), (1, 0)], ids=["just as old", "older"])
def test_a_row_goes_by_its_age_alone(busy: Database, extra: float, left: int) -> None:
    audit.keep(busy, DEED)
    retention.purge(busy, Retention(1, 1, 1), now=NOW + audit.KEEP_SECONDS + extra)
    assert len(audit.listed(busy, most=9)) == left


@pytest.mark.of_the_file
def test_erasing_a_contact_leaves_its_row_and_names_nobody(spool: Database) -> None:
    number = "491701234567"
    accept(spool, "m1", contact="c-of-somebody", identity=number)
    retention.erase(spool, f"+{number}", DEED, pending_too=True)
    retention.erase(spool, "c-of-somebody", DEED, pending_too=True)
    assert [found.about for found in audit.listed(spool, most=9)] == [
        "a contact: no events and no sends",
        "a contact: 1 event and no sends",
    ]
    kept = spool.path.read_bytes()
    assert number.encode() not in kept
    assert b"c-of-somebody" not in kept


CHOSEN = {
    "all, the newest first": ({}, ["event 3", "event 2", "event 1"]),
    "an action": ({"action": Action.LOOK}, ["event 2"]),
    "one by the login": ({"who": "eve"}, ["event 3"]),
    "one by the account": ({"who": "motion-gateway"}, ["event 3", "event 2", "event 1"]),
    "nobody": ({"who": "e"}, []),
    "since then": ({"since": NOW + 2}, ["event 3", "event 2"]),
    "some": ({"most": 1}, ["event 3"]),
}


@pytest.mark.parametrize(("chosen", "found"), CHOSEN.values(), ids=CHOSEN)
def test_rows_are_chosen(spool: Database, chosen: dict[str, object], found: list[str]) -> None:
    fields = vars(DEED)
    for changes in (
        {"about": "event 1", "at": NOW},
        {"about": "event 2", "at": NOW + 2, "action": Action.LOOK},
        {"about": "event 3", "at": NOW + 3, "login": "eve"},
    ):
        audit.keep(spool, audit.Deed(**(fields | changes)))
    assert [deed.about for deed in audit.listed(spool, **({"most": 9} | chosen))] == found  # type: ignore[arg-type]

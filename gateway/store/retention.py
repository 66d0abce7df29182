"""What is kept for how long: purges what is past its time, and erases what is kept of a contact.

Rule 1. What Motion has not got is never purged, and erased only where that is asked for.
Rule 2. Reports, nonces, what was sent and what became of customers' files go with what was delivered; what is known of
        an attachment goes 30 days after its last use, its file before (`attachments.register`, `attachments.eviction`).
Rule 3. A clock that is wrong makes nothing go before its time: `Pace`.
Rule 4. Of what was erased no copy is left, in the file or in its log. A purge leaves none in the file, and the log to
        its next use, as PostgreSQL its pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway import printable, store
from gateway.errors import REMEDIES, CommandError, SpoolUnavailable
from gateway.ingress import signature
from gateway.phrases import Reason
from gateway.store import Run, audit, census, piecemeal
from gateway.store.engines import Database

HEARD_SECONDS = 2 * 24 * 3600.0  # when a customer wrote is known for so long at least: twice WhatsApp's window
PURGE_CHUNK = 500  # rows in one transaction: callbacks wait behind it, in an erasure too
# Nonces stay so much longer than what was delivered: a signature from the future has to be known as long as it may be
# believed, and doctor holds the last hour against that of a week ago.
NONCES_LONGER_SECONDS = 2 * 3600


@dataclass(frozen=True)
class Retention:
    """How long what has ended is kept, in seconds; None is forever."""

    delivered_seconds: int
    rejected_seconds: int
    parked_seconds: int | None
    session_seconds: int = 0


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """How much there is of a contact: events by their state, and what was sent to it."""

    events: Mapping[str, int]
    sends: int

    def going(self, *, pending_too: bool) -> int:
        """How much of it would be erased."""
        return self.sends + sum(count for state, count in self.events.items() if pending_too or state != store.PENDING)


@dataclass(frozen=True, kw_only=True)
class Erased:
    """How many went; `left`: events that stay because they are not delivered yet."""

    events: int
    sends: int = 0
    left: int = 0

    def __str__(self) -> str:
        return f"{printable.counted(self.events, 'event')} and {printable.counted(self.sends, 'send')}"


def newest_signed(database: Database) -> float | None:
    """When Sinch signed the latest of what was accepted, in epoch seconds. Raises SpoolUnavailable."""
    [[newest]] = database.ask(lambda run: run("newest_signed", header=signature.TIMESTAMP))
    return None if newest is None else float(newest)


class Pace:
    """How late it is for what is kept: a time that no jump of a clock moves on.

    It goes on as time does while this process runs, is moved on by what Sinch has signed, and never goes past the
    clock.
    """

    def __init__(self) -> None:
        self._late, self._seen_at = 0.0, 0.0

    def late(self, database: Database, *, now: float) -> float:
        """In epoch seconds. `now`: of a clock that does not jump within this process. Raises SpoolUnavailable."""
        newest = newest_signed(database)
        if newest is None:
            newest = next((at for [at] in database.ask(lambda run: run("newest_accepted"))), 0.0)
        passed = now - self._seen_at if self._seen_at else 0.0
        self._late, self._seen_at = min(now, max(newest, self._late + passed)), now
        return self._late


def take_turn(database: Database, chore: str, *, now: float, every_seconds: float) -> bool:
    """Tell whether this process is to do now what one of all does: then nobody else is for so long.

    Raises SpoolUnavailable.
    """
    turn = {"name": chore, "now": now, "until": now + every_seconds}
    return bool(database.tell(lambda run: run("take_turn", **turn)))


def purge(database: Database, retention: Retention, *, now: float) -> int:
    """Delete what is past its time, all of it. Returns how many events went."""
    return sum(pieces(database, retention, now=now))


def pieces(database: Database, retention: Retention, *, now: float, most: int = PURGE_CHUNK) -> Iterator[int]:
    """Delete what is past its time, up to `most` rows at a step; yields how many. Raises SpoolUnavailable."""
    ages = {
        store.DELIVERED: retention.delivered_seconds,
        store.DUPLICATE: retention.delivered_seconds,
        store.REJECTED: retention.rejected_seconds,
        store.PARKED: retention.parked_seconds,
    }
    for state, seconds in ages.items():
        if seconds is not None:
            yield from _purge_events(database, most, state=state, before=now - seconds)
    before = now - retention.delivered_seconds
    others = {
        "purge_reports": before,
        "purge_files": before,
        "purge_sends": before,
        "purge_nonces": before - NONCES_LONGER_SECONDS,
        "purge_deeds": now - audit.KEEP_SECONDS,
    }
    for statement, past in others.items():
        yield from (0 for _ in _purge(database, statement, most, before=past))
    database.tell(lambda run: run("purge_turned_away", before=now - retention.rejected_seconds))
    database.tell(lambda run: run("purge_sessions", before=now - retention.session_seconds))
    yield from _forget_heard(database, most, before=now - max(retention.delivered_seconds, HEARD_SECONDS))


def found(database: Database, contact: str) -> Inventory:
    """Count what there is of a contact: a contact id or a channel identity. Raises CommandError if it names nobody."""
    theirs = _theirs(contact)

    def work(run: Run) -> Inventory:
        [[sends]] = run("count_sends", **theirs)
        return Inventory(events=dict(run("count_theirs", **theirs)), sends=sends)

    return database.ask(work, at_length=True)


def files(database: Database, contact: str, *, pending_too: bool) -> set[bytes]:
    """Name the files that came with what `erase` takes, by their digests. Raises CommandError if it names nobody."""
    theirs = _theirs(contact)
    rows = database.ask(lambda run: run("their_files", pending_too=pending_too, **theirs), at_length=True)
    return {bytes(digest) for [digest] in rows}


def erase(
    database: Database,
    contact: str,
    deed: audit.Deed,
    *,
    pending_too: bool = False,
    tell: Callable[[Erased | None], None] = lambda _gone: None,
) -> Erased:
    """Erase the events of a contact, what was sent to it, and the reports of both; and record how many went.

    `contact`: a contact id or a channel identity; `tell` hears how much is gone by now, and then None: the file is
    written anew. Raises CommandError if it names nobody.
    """
    theirs, gone = _theirs(contact), Erased(events=0)
    events, sends = database.ask(
        lambda run: (run("their_events", pending_too=pending_too, **theirs), run("their_sends", **theirs)),
        at_length=True,
    )
    for first in range(0, max(len(events), len(sends), 1), PURGE_CHUNK):
        some = tuple(json.dumps([row[0] for row in found[first : first + PURGE_CHUNK]]) for found in (events, sends))
        gone = _erase(database, some, deed, before=gone if first else None, pending_too=pending_too)
        tell(gone)
    _finish(database, theirs)
    [[left]] = database.ask(lambda run: run("count_left", **theirs), at_length=True)
    tell(None)
    _rewrite(database, gone)
    return replace(gone, left=int(left))


def _rewrite(database: Database, gone: Erased) -> None:
    try:
        database.rewrite()
    except SpoolUnavailable as error:
        then = REMEDIES[error.reason] if error.reason == Reason.SPOOL_NEEDED else "run this again"
        raise CommandError(
            f"{gone.events + gone.sends} erased, but copies of their bytes stay in the file for now "
            f"({error.reason}): {then}"
        ) from error


def _purge_events(database: Database, most: int, *, state: str, before: float) -> Iterator[int]:
    def work(run: Run, rows: int) -> list[tuple[str, float]]:
        known = census.Numbers(run)
        gone = run("purge_events", most=rows, state=state, before=before)
        known.take_off(gone)
        return gone

    return piecemeal.done(database, work, most=most)


def _purge(database: Database, statement: str, most: int, **values: object) -> Iterator[int]:
    return piecemeal.done(database, lambda run, rows: run(statement, most=rows, **values), most=most)


def _forget_heard(database: Database, most: int, *, before: float) -> Iterator[int]:
    """Forget when those wrote last that have not written since."""

    def work(run: Run) -> None:
        for contact_id, identity, connector_id in old:
            run("drop_heard", contact_id=contact_id, identity=identity, connector_id=connector_id, before=before)

    while old := database.ask(lambda run: run("old_heard", before=before, most=most)):
        database.tell(work)
        yield 0


def _theirs(contact: str) -> dict[str, str]:
    if not contact.removeprefix("+"):
        raise CommandError("name the contact to erase; nothing was erased")
    return {"contact": contact, "identity": contact.removeprefix("+")}


def _erase(
    database: Database, ids: Sequence[str], deed: audit.Deed, *, before: Erased | None, pending_too: bool
) -> Erased:
    """Erase these events and sends, lists in JSON; count them with those that went `before`, also in the record."""
    (events, sends), began = ids, before or Erased(events=0)

    def work(run: Run) -> Erased:
        known = census.Numbers(run)
        for statement in ("erase_reports_of_events", "erase_files_of_attachments", "erase_files"):
            run(statement, pending_too=pending_too, ids=events)
        run("erase_reports_of_sends", ids=sends)
        known.take_off(more := run("erase_events", pending_too=pending_too, ids=events))
        gone = Erased(events=began.events + len(more), sends=began.sends + len(run("erase_sends", ids=sends)))
        record = audit.amend if before else audit.note
        record(run, replace(deed, about=f"a contact: {gone}"))
        return gone

    return database.tell(work)


def _finish(database: Database, theirs: dict[str, str]) -> None:
    """Erase what else names the contact."""
    empty = database.ask(lambda run: run("empty_lanes"), at_length=True)
    firsts = json.dumps([first for _, first in empty])

    def work(run: Run) -> None:
        run("drop_empty_lanes", firsts=firsts)
        run("erase_heard", **theirs)

    database.tell(work, lanes=[lane for lane, _ in empty])

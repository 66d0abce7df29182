"""Takes a verified callback in: once, with its nonce, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum

from gateway import store
from gateway.ingress.events import Event, Report
from gateway.phrases import Finding, Reason
from gateway.store import Run
from gateway.store.engines import Database

_OF_REPORT = [field.name for field in fields(Report)]


class Outcome(Enum):
    ACCEPTED = "accepted"
    REPEAT = "repeat"  # the same bytes, or the same event in the same bytes
    DUPLICATE = "duplicate"  # the same event in other bytes: kept, not delivered
    STALE = "stale"  # kept as rejected
    NONCE_REUSED = "nonce reused"  # kept as rejected


@dataclass(frozen=True)
class Callback:
    """A verified callback, as it shall reach Motion."""

    connector_id: int
    event: Event
    body: bytes
    headers: Sequence[tuple[str, str]]
    query: str
    request_id: str
    address: str = ""  # of the client; for X-Forwarded-For
    nonce: str | None = None  # None: the account's callbacks are not signed
    stale: bool = False  # its signature is older than is accepted
    findings: tuple[str, ...] = ()  # what an operator should know of it
    media: int = 0  # links to files, for the fetcher to see to
    lane: str = field(init=False)  # whose turn it takes

    def __post_init__(self) -> None:
        # Of one who waits for nobody its key: whoever takes in the same has the same.
        lane = f"{self.connector_id}:{self.event.lane or 'alone:' + self.event.key.hex()}"
        object.__setattr__(self, "lane", lane)


@dataclass(frozen=True)
class Receipt:
    """What became of a callback, and the event it is filed as (None: as none)."""

    outcome: Outcome
    event_id: int | None
    aboard: bool = False  # of the lifeboat: the spool has it later


@dataclass(frozen=True)
class Filing:
    """The taking in of one callback; of several at once, where one statement is cheaper than many."""

    callback: Callback
    now: float

    def __call__(self, run: Run) -> Receipt:
        return _file(run, self.callback, self.now)

    @staticmethod
    def at_once(run: Run, filings: Sequence[Filing]) -> list[Receipt | None]:
        """File those that are new, and none that is like one before it; None for what is left to be filed alone.

        Raises what the driver says where another node has just filed the same in another lane.
        """
        receipts: list[Receipt | None] = [None] * len(filings)
        if unlike := _unlike(filings):
            told = [_told(filings[at]) for at in unlike]
            for place, event_id in run("file_events", **{name: [one[name] for one in told] for name in told[0]}):
                receipts[unlike[place - 1]] = Receipt(Outcome.ACCEPTED, event_id)
        return receipts


def accept(database: Database, callback: Callback, *, now: float) -> Receipt:
    """File `callback` and return once that is on the disk. Raises SpoolUnavailable."""
    return database.tell(Filing(callback, now), lanes=(callback.lane,))


def is_filed(database: Database, callback: Callback) -> bool:
    """Tell whether these bytes came before: with the same nonce or, unsigned, as the same event.

    Raises SpoolUnavailable.
    """
    by = "event" if callback.nonce is None else "nonce"
    before = _before(database.glance, callback).get(by)
    return before is not None and before[1] == callback.event.body_digest


def _unlike(filings: Sequence[Filing]) -> list[int]:
    """The places of those that are to be delivered, as far as they tell: each nonce, and each event, once."""
    seen: set[tuple[int, object]] = set()
    found = []
    for place, callback in enumerate(filing.callback for filing in filings):
        marks = {(callback.connector_id, mark) for mark in (callback.event.key, callback.nonce) if mark is not None}
        if not callback.stale and seen.isdisjoint(marks):
            found.append(place)
        seen |= marks
    return found


def _told(filing: Filing) -> dict[str, object]:
    """All that is filed of a callback that is new."""
    callback = filing.callback
    told = callback.event.report
    report = vars(told) if told is not None else dict.fromkeys(_OF_REPORT)
    window = {"opens_window": callback.event.opens_window, "nonce": callback.nonce}
    return _columns(callback, filing.now) | window | report


def _before(run: Run, callback: Callback) -> dict[str, tuple[int, bytes]]:
    """What came before it with the same nonce, and what told the same event: its id, and the digest of its bytes."""
    told = run("seen_before", connector_id=callback.connector_id, nonce=callback.nonce, key=callback.event.key)
    return {by: (event_id, digest) for by, event_id, digest in told}


def _file(run: Run, callback: Callback, now: float) -> Receipt:
    before = _before(run, callback)
    if known := before.get("nonce"):
        return _file_known_nonce(run, callback, *known, now=now)
    if callback.stale:
        return Receipt(Outcome.STALE, _keep(run, callback, now, store.REJECTED, Reason.SIGNATURE_TOO_OLD))
    if known := before.get("event"):
        return _file_known_event(run, callback, *known, now=now)
    event_id = _insert(run, callback, now, state=store.PENDING)
    _remember_nonce(run, callback, event_id, now)
    run("line_up", lane=callback.lane, event_id=event_id)
    if callback.event.opens_window:
        contact_id, identity = callback.event.contact_id, callback.event.identity
        run("hear", contact_id=contact_id, identity=identity, connector_id=callback.connector_id, now=now)
    if (told := callback.event.report) is not None:
        run("insert_report", event_id=event_id, connector_id=callback.connector_id, reported_at=now, **vars(told))
    return Receipt(Outcome.ACCEPTED, event_id)


def _file_known_nonce(run: Run, callback: Callback, event_id: int, digest: bytes, *, now: float) -> Receipt:
    if digest == callback.event.body_digest:
        return _count_repeat(run, event_id)
    alarmed = replace(callback, findings=(*callback.findings, Finding.NONCE_REUSED))
    return Receipt(Outcome.NONCE_REUSED, _keep(run, alarmed, now, store.REJECTED, Reason.NONCE_REUSED))


def _file_known_event(run: Run, callback: Callback, event_id: int, digest: bytes, *, now: float) -> Receipt:
    _remember_nonce(run, callback, event_id, now)
    if digest == callback.event.body_digest:
        return _count_repeat(run, event_id)
    reason = f"same event as {event_id}"
    return Receipt(Outcome.DUPLICATE, _keep(run, callback, now, store.DUPLICATE, reason))


def _remember_nonce(run: Run, callback: Callback, event_id: int, now: float) -> None:
    if callback.nonce is not None:
        run(
            "insert_nonce",
            connector_id=callback.connector_id,
            nonce=callback.nonce,
            body_digest=callback.event.body_digest,
            event_id=event_id,
            seen_at=now,
        )


def _count_repeat(run: Run, event_id: int) -> Receipt:
    run("count_repeat", event_id=event_id)
    return Receipt(Outcome.REPEAT, event_id)


def _keep(run: Run, callback: Callback, now: float, state: str, outcome: str) -> int:
    """Keep what will not be delivered; the same bytes once only, however often they come."""
    told = callback.event
    kept = run(
        "kept_event", connector_id=callback.connector_id, key=told.key, body_digest=told.body_digest, state=state
    )
    if kept:
        _count_repeat(run, kept[0][0])
        return int(kept[0][0])
    return _insert(run, callback, now, state=state, outcome=outcome)


def _insert(run: Run, callback: Callback, now: float, *, state: str, outcome: str = "") -> int:
    pending = state == store.PENDING
    ended = {"state": state, "original": pending, "outcome": outcome, "settled_at": None if pending else now}
    [[event_id]] = run("insert_event", **_columns(callback, now), **ended)
    return int(event_id)


def _columns(callback: Callback, now: float) -> dict[str, object]:
    """What is kept of a callback, whatever becomes of it."""
    told = callback.event
    return {
        "connector_id": callback.connector_id,
        "kind": told.kind,
        "key": told.key,
        "lane": callback.lane,
        "contact_id": told.contact_id,
        "identity": told.identity,
        "request_id": callback.request_id,
        "address": callback.address,
        "headers": json.dumps(callback.headers),
        "query": callback.query,
        "body": callback.body,
        "body_digest": told.body_digest,
        "accepted_at": now,
        "findings": " ".join(callback.findings),
        "media": callback.media,
    }

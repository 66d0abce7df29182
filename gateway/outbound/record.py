"""What Motion asked to send: one row for each message, whatever became of it.

Rule 1. The row is on the disk before the message goes out: nothing is sent that is not known here.
Rule 2. Its maker settles it when the message's sending has ended. A row that nobody settled within
        `LONGEST_SEND_SECONDS` is of a process that died, and its outcome is unknown.
Rule 3. A delivery report changes no row: `reports` joins the two when they are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway import printable
from gateway.errors import CommandError
from gateway.store import EVERY, TOP, Choice, Place, dialects, reports
from gateway.store.engines import Database
from gateway.store.reports import Evidence, Filed
from gateway.store.schema import send

SENDING = "sending"
ACCEPTED = "accepted"  # Sinch took it
REJECTED = "rejected"  # Sinch said no: nothing will be sent
REFUSED = "refused"  # by us: it never left
UNSENT = "unsent"  # it could not be handed over: nothing was sent
UNKNOWN = "unknown"  # it went out, and no answer came
OUTCOMES = (SENDING, ACCEPTED, REJECTED, REFUSED, UNSENT, UNKNOWN)

LONGEST_SEND_SECONDS = 120.0
LONGEST_TEXT = 256  # of what Motion and Sinch chose
LONGEST_WORDS = 1024

_ID = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, kw_only=True)
class Attached:
    """One of our attachments in a message."""

    field: str  # where in the body
    attachment_id: str
    digest: str  # SHA-256 of its bytes, hex; "" if they could not be had
    verdict: str
    code: str  # of a refusal


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is known of a message before it goes out."""

    reference: str  # ours, another one for each
    connector_id: int
    app_id: str
    kind: str
    contact_id: str
    identity: str
    correlation_id: str  # as it goes out: Motion's, or our reference
    request_id: str
    attachments: tuple[Attached, ...] = ()
    window: str = ""  # WhatsApp's, as it stood then: `window`
    heard_at: float | None = None  # when the customer had written last, as far as is known


@dataclass(frozen=True, kw_only=True)
class Sent(Draft):
    """A message, and all that became of it."""

    send_id: int
    outcome: str
    status: int | None  # of the answer that Motion got: HTTP
    code: str
    words: str  # Sinch's own on its error, or ours: what happened
    message_id: str  # from Sinch's answer; where none came, from the reports
    tries: int
    started_at: float
    ended_at: float | None
    evidence: Evidence

    @property
    def reports(self) -> tuple[Filed, ...]:
        """Those that are certainly on this message, in the order of time."""
        return () if self.evidence.doubtful else self.evidence.reports

    @property
    def fate(self) -> Filed | None:
        return reports.fate(self.reports)


def begin(database: Database, draft: Draft, *, now: float) -> int:
    """File a message that goes out now, and return its id once that is on the disk. Raises SpoolUnavailable."""
    return _insert(database, draft, outcome=SENDING, started_at=now)


def refuse(database: Database, draft: Draft, *, status: int, code: str, words: str = "", now: float) -> int:
    """File a message that never goes out. Raises SpoolUnavailable."""
    told = {"status": status, "code": _plain(code), "words": _plain(words, LONGEST_WORDS)}
    return _insert(database, draft, outcome=REFUSED, started_at=now, ended_at=now, **told)


def settle(
    database: Database,
    send_id: int,
    *,
    outcome: str,
    status: int | None = None,
    code: str = "",
    message_id: str = "",
    tries: int = 1,
    words: str = "",
    now: float,
) -> None:
    """Say what came of a message that `begin` filed; not if it was erased meanwhile. Raises SpoolUnavailable."""
    told = {"code": _plain(code), "message_id": _plain(message_id), "words": _plain(words, LONGEST_WORDS)}
    counted = {"status": status, "tries": tries}
    database.tell(lambda run: run("settle_send", send_id=send_id, outcome=outcome, now=now, **told, **counted))


def listed(database: Database, chosen: Choice = EVERY, *, most: int, now: float, place: Place = TOP) -> list[Sent]:
    """The newest `most` of the chosen ones, newest first; or those next to a place, below it or above."""
    return meeting(database, *_conditions(chosen, now), most=most, now=now, place=place)


def meeting(
    database: Database, *conditions: sa.ColumnElement[bool], most: int, now: float, place: Place = TOP
) -> list[Sent]:
    """The newest `most` for which all of these hold, newest first; or those next to a place."""
    ids = dialects.part(sa.select(send.c.id).where(*conditions), place, most=most)
    return database.read(lambda connection: _joined(connection, ids, now))


def shown(database: Database, name: str, *, now: float) -> Sent:
    """By id, by our reference, or by Sinch's message id, also where only a report tells that.

    Raises CommandError if there is none, or if several connectors have that message id.
    """
    found = database.read(lambda connection: _called(connection, name, now))
    if not found:
        raise CommandError(f"nothing that was sent goes by {name}; `sends list` shows what there is")
    if len(found) > 1:
        ids = ", ".join(str(sent.send_id) for sent in found)
        raise CommandError(f"several go by {name}; choose one by its id: {ids}")
    return found[0]


def _insert(database: Database, draft: Draft, *, outcome: str, started_at: float, **ended: Any) -> int:  # noqa: ANN401
    """File a row; `ended`: what came of it, if that is known already."""
    told = {name: _plain(value) if isinstance(value, str) else value for name, value in vars(draft).items()}
    told["identity"] = str(told["identity"]).removeprefix("+")
    told["attachments"] = json.dumps(
        [{name: _plain(value) for name, value in vars(attached).items()} for attached in draft.attachments]
    )
    told |= {"status": None, "code": "", "words": "", "ended_at": None} | ended
    [[send_id]] = database.tell(lambda run: run("insert_send", outcome=outcome, started_at=started_at, **told))
    return int(send_id)


def _plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """`text` as any database stores it and any terminal shows it."""
    return printable.text(text[:longest])


def _outcome(now: float) -> sa.ColumnElement[str]:
    left_behind = sa.and_(send.c.outcome == SENDING, send.c.started_at < now - LONGEST_SEND_SECONDS)
    return sa.case((left_behind, UNKNOWN), else_=send.c.outcome)


def _conditions(chosen: Choice, now: float) -> Iterator[sa.ColumnElement[bool]]:
    if chosen.state is not None:
        yield _outcome(now) == chosen.state
    if chosen.connector_id is not None:
        yield send.c.connector_id == chosen.connector_id
    if chosen.contact is not None:
        yield (send.c.contact_id == (chosen.contact or None)) | (send.c.identity == chosen.identity)
    if chosen.message_id is not None:
        named = (send.c.message_id == (chosen.message_id or None)) | (send.c.reference == chosen.message_id)
        yield named | send.c.id.in_(reports.unanswered_about(chosen.message_id))
    if chosen.since is not None:
        yield send.c.started_at >= chosen.since


def _called(connection: sa.Connection, name: str, now: float) -> list[Sent]:
    ids = sa.select(send.c.id)
    if _ID.fullmatch(name) and (numbered := _joined(connection, ids.where(send.c.id == int(name)), now)):
        return numbered
    of_message = sa.and_(send.c.message_id == name, send.c.message_id != sa.literal_column("''"))
    named = _joined(connection, ids.where((send.c.reference == name) | of_message), now)
    resolved = _joined(connection, reports.unanswered_about(name), now)
    return named + [sent for sent in resolved if sent.message_id == name]


def _joined(connection: sa.Connection, chosen: sa.Select[int], now: float) -> list[Sent]:
    query = sa.select(send, _outcome(now).label("told")).where(send.c.id.in_(chosen)).order_by(send.c.id.desc())
    evidence = reports.on(connection, chosen)
    rows: Iterable[Any] = connection.execute(query).mappings()
    return [_sent(dict(row), evidence.get(row["id"], Evidence())) for row in rows]


def _sent(row: dict[str, Any], evidence: Evidence) -> Sent:
    row["attachments"] = tuple(Attached(**attached) for attached in row["attachments"])
    row["outcome"], row["send_id"] = row.pop("told"), row.pop("id")
    if not row["message_id"] and evidence.reports and not evidence.doubtful:
        row["message_id"] = evidence.reports[0].message_id
    return Sent(**row, evidence=evidence)

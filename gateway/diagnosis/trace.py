"""Gathers from the spool what there is of what somebody asks about: the material of one story, or of several.

Rule 1. It asks the database alone: the gateway may be down, and the private door closed.
Rule 2. No index is kept for it, which every callback would pay: events are found by reading all of them once. A million
        take a second or two, and are read while others write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import sqlalchemy as sa

from gateway import store
from gateway.attachments.register import Register
from gateway.config import Settings
from gateway.delivery import records
from gateway.diagnosis import asked
from gateway.diagnosis.material import BESIDE_SECONDS, GO_ON, Kept, Material, Shelved, content
from gateway.inbound import held
from gateway.ingress import events
from gateway.inspection import verdicts
from gateway.outbound import record
from gateway.phrases import Reason
from gateway.store import dialects, reports, turned_away
from gateway.store.engines import Database
from gateway.store.schema import attachment, event, send

MOST_STORIES = 5
MOST_SENDS = 1000  # of one contact that are read
_WHOM = (send.c.contact_id, send.c.identity)
BY_WORD = ("message", "contact", "conversation", "request", "reference", "phone")

Rows = Sequence[Any]  # of the database: id and contact of events


@dataclass(frozen=True)
class Searched:
    """How much there is to look through, and since when."""

    events: int
    sends: int
    attachments: int
    oldest_at: float | None


class Tracer:
    """Looks through one spool. `most`: of how many callbacks the bodies are read for one story."""

    def __init__(self, settings: Settings, spool: Database, *, now: float, since: float, most: int) -> None:
        self._settings, self._spool = settings, spool
        self._now, self._since, self._most = now, since, most

    def find(self, question: asked.Question) -> list[Material]:
        """Gather the material of every story that fits the question; none if nothing is known of it."""
        if question.link is not None:
            return self._of_link(question.link)
        counted = [*self._counted(question)]
        if counted or (question.kind in ("event", "send", "attachment")):
            return counted
        if question.phone and question.may_be("phone", "contact") and (found := self._of_phone(question.phone)):
            return found
        return self._of_word(question.word, question.kind) if question.may_be(*BY_WORD) else []

    def searched(self) -> Searched:
        """Count what was looked through."""

        def work(connection: sa.Connection) -> Searched:
            number = sa.select(sa.func.count())
            told = [connection.execute(number.select_from(of)).scalar_one() for of in (event, send, attachment)]
            oldest = connection.scalar(sa.select(event.c.accepted_at).order_by(event.c.id).limit(1))
            return Searched(told[0], told[1], told[2], oldest)

        return self._spool.read(work)

    def turned_away(self, *, since: float) -> list[turned_away.Turned]:
        """List what was refused at any door since then, the latest first."""
        return turned_away.listed(self._spool, since=max(since, self._since))

    def _counted(self, question: asked.Question) -> Iterable[Material]:
        """What has that number: an event, a send, an attachment."""
        if question.number is None:
            return
        if question.may_be("event") and (found := records.meeting(self._spool, event.c.id == question.number, most=1)):
            yield self._of_event(found[0])
        sends = self._sends(send.c.id == question.number) if question.may_be("send") else []
        yield from (replace(self._of_sent(sent), kind="send", name=str(sent.send_id)) for sent in sends)
        if question.attachment_id and question.may_be("attachment"):
            yield from self._of_attachment(question.attachment_id)

    def _of_event(self, told: records.EventRecord) -> Material:
        kept = self._kept([told])[0]
        name = kept.message_id or told.request_id
        material = self._material("event", str(told.event_id), self._naming(name), self._sends(*_named(name)))
        return material if kept in material.events else replace(material, events=(kept,))

    def _of_sent(self, sent: record.Sent) -> Material:
        ids = [told.event_id for told in sent.evidence.reports]
        rows = self._naming(sent.message_id) if sent.message_id else self._rows(event.c.id.in_(ids))
        return self._material("message", sent.message_id or sent.reference, rows, [sent])

    def _of_word(self, word: str, kind: str) -> list[Material]:
        """What goes by an id; of Sinch, of Motion, or of ours."""
        if any(word in (account.app_id, account.project_id) for account in self._settings.accounts):
            return []  # of all of them
        rows, sends = self._naming(word), self._sends(*_named(word))
        if not (rows or sends):
            return []
        material = self._of_sent(sends[0]) if len(sends) == 1 and not rows else self._material("", word, rows, sends)
        kind = kind or material.kind_of(word)
        if kind in GO_ON:
            material = self._material("", word, rows, self._sends(*_to(material)))
        return [replace(material, kind=kind, name=word)]

    def _of_phone(self, phone: asked.Phone) -> list[Material]:
        rows = self._rows(event.c.identity.in_(phone.whole))
        where = send.c.identity.in_(phone.whole)
        if not rows and phone.end:
            rows, where = self._rows(event.c.identity.like(f"%{phone.end}")), send.c.identity.like(f"%{phone.end}")
        contacts = list(dict.fromkeys(row.contact_id for row in reversed(rows) if row.contact_id)) or [""]
        found = []
        for place, contact_id in enumerate(contacts[:MOST_STORIES]):
            theirs = [row for row in rows if row.contact_id == contact_id or (not place and not row.contact_id)]
            mine = where if not place else sa.false()
            to_them = (send.c.contact_id == contact_id) & (send.c.contact_id != "")
            sends = self._sends(mine | to_them)
            if theirs or sends:
                found.append(self._material("contact", contact_id, theirs, sends))
        return found

    def _of_link(self, link: asked.Link) -> list[Material]:
        """What a link leads to; and of one that leads nowhere, why."""
        led = asked.lead(link, self._settings, now=self._now)
        found = [*self._of_attachment(led.attachment_id)] if led.attachment_id else []
        revoked = [one.record.revoked_before or 0 for material in found for one in material.files]
        why = Reason.LINK_REVOKED if led.issued_at and led.issued_at < max(revoked, default=0) else led.why
        found = found or ([Material(kind="link", name="")] if why else [])
        return [replace(material, link=why) for material in found]

    def _of_attachment(self, attachment_id: str) -> Iterable[Material]:
        sends = self._sends(send.c.attachments.cast(sa.Text).like(f'%"attachment_id": "{attachment_id}"%'))
        ids = [told.event_id for sent in sends for told in sent.evidence.reports]
        material = self._material("attachment", attachment_id, self._rows(event.c.id.in_(ids)), sends, {attachment_id})
        if material.sends or material.files:
            yield material

    def _naming(self, word: str) -> Rows:
        """The events that name it: in what is filed of them, or as an id in their bodies; not what people wrote."""
        value = json.dumps(word).encode()
        says, *as_id = (dialects.holds(event.c.body, part) for part in (value, b'id":' + value, b'id": ' + value))
        return self._rows((event.c.request_id == word) | (event.c.contact_id == word) | (says & sa.or_(*as_id)))

    def _rows(self, *conditions: sa.ColumnElement[bool] | sa.TextClause) -> Rows:
        """The events for which all of these hold, in the order of acceptance; no bodies."""
        query = sa.select(event.c.id, event.c.contact_id).where(*conditions, event.c.accepted_at >= self._since)
        return self._spool.read(lambda connection: connection.execute(query.order_by(event.c.id)).all())

    def _sends(self, *conditions: sa.ColumnElement[bool]) -> list[record.Sent]:
        where = (sa.or_(*conditions), send.c.started_at >= self._since)
        return record.meeting(self._spool, *where, most=MOST_SENDS, now=self._now)

    def _material(
        self, kind: str, name: str, rows: Rows, sends: Sequence[record.Sent], files: Iterable[str] = ()
    ) -> Material:
        newest = [row.id for row in rows[-self._most :]]
        events = self._kept(records.meeting(self._spool, event.c.id.in_(newest), most=self._most))
        named = {told.attachment_id for sent in sends[: self._most] for told in sent.attachments} | set(files)
        material = Material(
            kind=kind,
            name=name,
            events=tuple(events),
            sends=tuple(sends[: self._most]),
            files=tuple(self._shelved(among=sorted(named), since=0.0)) if named else (),
            door_open=self._settings.server.has_outbound,
            earlier=len(rows) - len(newest) + max(len(sends) - self._most, 0),
        )
        return self._surrounded(material)

    def _surrounded(self, material: Material) -> Material:
        """Add what happened beside it: files that a report may be about, who was turned away, what it waits behind."""
        blamed = material.blame_files_at
        suspects = self._shelved(among=None, since=min(blamed) - BESIDE_SECONDS) if blamed else []
        since = material.began_at - BESIDE_SECONDS if material.began_at else self._now
        waiting = [kept.record for kept in material.events if kept.record.state == store.PENDING]
        return replace(
            material,
            suspects=tuple(one for one in suspects if any(map(one.was_just_troubled, blamed))),
            turned=tuple(self.turned_away(since=since)),
            ahead=self._ahead(waiting[-1].event_id) if waiting else None,
            wrote_at=self._wrote_at(material),
        )

    def _kept(self, found: Iterable[records.EventRecord]) -> list[Kept]:
        """Events with what their bodies say, in the order of acceptance."""
        told = {one.event_id: one for one in found}
        query = sa.select(event.c.id, event.c.body).where(event.c.id.in_(list(told))).order_by(event.c.id)
        rows = self._spool.read(lambda connection: connection.execute(query).all())
        files = held.of_events(self._spool, [row.id for row in rows])
        return [content(told[row.id], row.body, files=tuple(files.get(row.id, ()))) for row in rows]

    def _shelved(self, *, among: Sequence[str] | None, since: float) -> list[Shelved]:
        profile, limits = self._settings.attachments.profile, verdicts.limits_of(self._settings)
        judge = partial(verdicts.judge, profile=profile, limits=limits)
        found = Register.of(self._settings, self._spool).listed(most=self._most, among=among, since=since)
        return [Shelved(known, judge(known.inspection) if known.inspection else None) for known in found]

    def _ahead(self, event_id: int) -> int | None:
        """The first of its contact's that waits."""
        lane = sa.select(event.c.lane).where(event.c.id == event_id).scalar_subquery()
        waiting = self._rows(event.c.lane == lane, sa.text("state = 'pending'"))
        return waiting[0].id if waiting else None

    def _wrote_at(self, material: Material) -> float | None:
        """When the one contact wrote last before what was sent last."""
        filed = (kept.filed for kept in material.events if kept.filed)
        before = max((told.reported_at for told in filed if told.status == "FAILED"), default=None)
        if before is None or len(material.contacts) != 1 or not material.contacts[0][0]:
            return None
        written = (event.c.contact_id == material.contacts[0][0], event.c.kind == events.INBOUND)
        last = sa.select(sa.func.max(event.c.accepted_at)).where(*written, event.c.accepted_at < before)
        return cast("float | None", self._spool.read(lambda connection: connection.scalar(last)))


def _named(word: str) -> Iterable[sa.ColumnElement[bool]]:
    """What makes a send go by a name: Sinch's id of it, ours, a request's, or its contact's."""
    if not word:
        return (sa.false(),)
    columns = (send.c.message_id, send.c.reference, send.c.correlation_id, send.c.request_id, send.c.contact_id)
    return (*(column == word for column in columns), send.c.id.in_(reports.unanswered_about(word)))


def _to(material: Material) -> Iterable[sa.ColumnElement[bool]]:
    """What makes a send go to the contacts of a story, by whichever of their names."""
    names = [*zip(*material.contacts, strict=True)] or [(), ()]
    return [column.in_([one for one in told if one]) for column, told in zip(_WHOM, names, strict=True)]

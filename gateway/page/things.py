"""One event, one message, one file: all that is known of it, what it means, and what can be done with it.

Rule 1. What changes something is done by the calls of the commands, and recorded with it under the visitor's name.
Rule 2. A body, and a number, is shown to nobody before it is recorded that he looks: what cannot be, is not shown.
"""

from __future__ import annotations

import re

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue

from gateway import paths
from gateway.attachments import decision, eviction, register, vault
from gateway.delivery import records
from gateway.diagnosis import facts
from gateway.errors import CommandError
from gateway.inbound import arrivals, held
from gateway.motion import require_id
from gateway.outbound import record
from gateway.page import deed, done, words
from gateway.services import Services
from gateway.store import audit

MOST_AT_ONCE = 1_000  # parked events that are replayed in one transaction: callbacks wait behind it

_NUMBER = re.compile(r"[0-9]{1,18}")


def event(services: Services, event_id: str) -> str:
    return _event(services, _number(event_id))


def reveal(services: Services, event_id: str) -> str:
    number = _number(event_id)
    records.shown(services.spool, number)  # of what is not there nobody looks at anything
    looked = deed(audit.Action.LOOK, f"event {number}: its body and number", services=services)
    audit.keep(services.spool, looked)
    audit.tell(looked, about=looked.about)
    return _event(services, number, body=records.body(services.spool, number))


def replay(services: Services, event_id: str) -> ResponseReturnValue:
    return _replayed(services, [_number(event_id)], f"/events/{_number(event_id)}")


def parked(services: Services) -> str:
    found = records.parked_ids(services.spool)
    return render_template("parked.html", count=len(found), going=found[:MOST_AT_ONCE])


def replay_parked(services: Services) -> ResponseReturnValue:
    until = _number(request.form.get("until", ""))
    going = [number for number in records.parked_ids(services.spool) if number <= until][:MOST_AT_ONCE]
    if not going:
        raise CommandError("none of these is parked any more; nothing was replayed")
    return _replayed(services, going, "/events")


def park(services: Services, event_id: str) -> ResponseReturnValue:
    number = _number(event_id)
    parking = deed(audit.Action.PARK, audit.of_events([number]), services=services)
    records.park(services.spool, number, parking)
    audit.tell(parking, events=[number])
    return done(f"/events/{number}")


def release(services: Services, event_id: str, number: str) -> ResponseReturnValue:
    found = held.shown(services.spool, f"{_number(event_id)}/{_number(number)}")
    releasing = deed(audit.Action.RELEASE, held.about(found), services=services)
    held.release(services.spool, found, releasing)
    audit.tell(releasing, file=held.name(found))
    return done(f"/events/{found.event_id}")


def send(services: Services, send_id: str) -> str:
    sent = record.shown(services.spool, str(_number(send_id)), now=services.clock.now())
    meanings = facts.meanings_of_send(sent)
    code = sent.fate.code if sent.fate else sent.code
    return render_template(
        "send.html",
        what=f"send {sent.send_id}",
        sent=sent,
        told=_told(facts.of_send(sent)),
        meanings=meanings,
        unknown="" if meanings else code,
        levels=words.LEVELS_OF_SENDS,
    )


def file(services: Services, attachment_id: str) -> str:
    require_id(attachment_id)
    kept = register.Register.of(services.settings, services.spool)
    known = kept.find(attachment_id)
    if known is None:
        abort(404)
    places = kept.places(known.digest) if services.settings.attachments.store and known.digest else ()
    shelved = facts.shelved(known, services.settings, places=places)
    return render_template(
        "file.html",
        what=f"attachment {attachment_id}",
        shelved=shelved,
        told=_told(facts.of_file(shelved)),
        meanings=facts.meanings_of_file(shelved),
        unknown="",
        verdict=facts.verdict_in_words(shelved.verdict),
        levels=words.LEVELS_OF_FILES,
    )


def evict(services: Services, attachment_id: str) -> ResponseReturnValue:
    require_id(attachment_id)
    evicting = deed(audit.Action.EVICT, f"attachments {attachment_id}", services=services)
    held, known = vault.Vault(paths.vault(services.settings)), register.Register.of(services.settings, services.spool)
    files = eviction.evict_named(held, known, [attachment_id], evicting)
    audit.tell(evicting, attachments=[attachment_id], files=files)
    return done(f"/files/{attachment_id}")


def revoke(services: Services, attachment_id: str) -> ResponseReturnValue:
    require_id(attachment_id)
    revoking = deed(audit.Action.REVOKE, f"attachment {attachment_id}: all its links", services=services)
    known = register.Register.of(services.settings, services.spool)
    known.revoked(attachment_id, revoking, before=decision.revocation(revoking.at))
    audit.tell(revoking, attachment_id=attachment_id)
    return done(f"/files/{attachment_id}" if known.find(attachment_id) else "/files")


def _event(services: Services, number: int, *, body: bytes | None = None) -> str:
    told = records.shown(services.spool, number)
    meanings = facts.meanings_of_event(told)
    code = told.told.code if told.told and not facts.of_report(told) else ""
    text, whole = ("", True) if body is None else words.body(body)
    return render_template(
        "event.html",
        what=f"event {number}",
        event=told,
        told=_told(facts.of_event(told)),
        meanings=meanings,
        unknown=code,
        body=text,
        whole=whole,
        revealed=body is not None,
        levels=words.LEVELS,
        files=[(held.name(one), one, facts.why_held(one)) for one in arrivals.of_event(services.spool, number).files],
    )


def _replayed(services: Services, numbers: list[int], path: str) -> ResponseReturnValue:
    replaying = deed(audit.Action.REPLAY, audit.of_events(numbers), services=services)
    records.replay(services.spool, numbers, replaying)
    audit.tell(replaying, events=numbers)
    return done(path)


def _told(found: facts.Facts) -> list[tuple[str, object]]:
    """Leave out what nothing is known of."""
    return [(title, told) for title, told in found if told not in ("", None)]


def _number(given: str) -> int:
    """Read a number of ours; of anything else there is no page."""
    if not _NUMBER.fullmatch(given):
        abort(404)
    return int(given)

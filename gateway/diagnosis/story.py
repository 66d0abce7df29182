"""What happened, in the order of time, as lines: one story out of its material. Nothing is looked up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from gateway import printable, store
from gateway.clock import written
from gateway.diagnosis import facts
from gateway.diagnosis.material import MESSAGES, WHOSE, Kept, Material, Shelved
from gateway.inbound import arrivals, held
from gateway.outbound import record, window
from gateway.store.turned_away import Turned

CUSTOMER, MOTION, SINCH, GATEWAY, FETCH, OPERATOR = "customer", "Motion", "Sinch", "gateway", "fetch", "operator"
TURNED_AWAY = "turned away"

_NUMBER = re.compile(r"(?<!attachment )(?<!event )(?<!send )(?<![0-9A-Za-z-])\+?[0-9]{9,15}(?![0-9A-Za-z-])")


@dataclass(frozen=True)
class Moment:
    """One line of a story: when, who, and what. Times are epoch seconds."""

    at: float
    who: str
    says: str


def moments(material: Material) -> list[Moment]:
    """Everything that happened, in the order of time."""
    told = [
        *(moment for kept in material.events for moment in _of_event(kept)),
        *(moment for sent in material.sends for moment in _of_send(sent, material)),
        *(moment for shelved in (*material.files, *material.suspects) for moment in _of_file(shelved)),
        *(_of_turned(row) for row in material.refusals),
    ]
    return sorted(told, key=lambda moment: moment.at)


def masked(text: str) -> str:
    """Leave of each phone number in it, which stands by itself, its beginning and its end."""
    return _NUMBER.sub(lambda found: number(found[0]), text)


def number(identity: str) -> str:
    """Write a channel identity so that it is told from others, and nobody is called by it."""
    digits = identity.removeprefix("+")
    return f"+{digits[:2]}…{digits[-2:]}" if digits.isdecimal() and len(digits) > 6 else f"…{digits[-2:]}"


def _of_event(kept: Kept) -> Iterator[Moment]:
    record = kept.record
    at_once = record.state == store.DELIVERED and record.tries == 1 and not record.history
    whole = [_what(kept), f"event {record.event_id}", *record.findings]
    if record.repeats:
        whole.append(f"came {printable.counted(record.repeats, 'time')} more")
    if at_once:
        whole.append(f"Motion has it ({record.outcome})")
    if record.state in (store.REJECTED, store.DUPLICATE):
        whole.append(f"kept and not delivered: {record.outcome}")
    yield Moment(record.accepted_at, CUSTOMER if record.kind.endswith("_INBOUND") else SINCH, "; ".join(whole))
    yield from map(_of_customers_file, kept.files)
    for outcome, tries in groupby(record.history, key=lambda tried: tried.outcome):
        same = [tried.at for tried in tries]
        often = f", {len(same)} times until {written(same[-1])[11:19]}" if len(same) > 1 else ""
        yield Moment(same[0], MOTION, f"{_answer(outcome)}{often}; event {record.event_id}")
    if record.settled_at and record.state == store.DELIVERED and not at_once:
        yield Moment(
            record.settled_at, MOTION, f"has event {record.event_id} ({record.outcome}), at try {record.tries}"
        )
    if record.settled_at and record.state == store.PARKED:
        yield Moment(record.settled_at, GATEWAY, f"gives event {record.event_id} up, parked: {record.outcome}")


def _what(kept: Kept) -> str:
    told, record = kept.filed, kept.record
    if told is not None:
        codes = " ".join(filter(None, (told.code, told.sub_code, told.channel_code)))
        why = ": ".join(filter(None, (codes, told.description)))
        return f"reports {told.status} of message {told.message_id}" + (f": {why}" if why else "")
    if record.kind in MESSAGES:
        return f"writes ({kept.content or 'a message'}): message {kept.message_id}"
    if kept.content:
        return f"{record.kind} ({kept.content})"
    return f"{record.kind}" + (f" of message {kept.message_id}" if kept.message_id else "")


def _answer(outcome: str) -> str:
    return f"answers {outcome}" if outcome[:3].isdecimal() else outcome


def _of_send(sent: record.Sent, material: Material) -> Iterator[Moment]:
    names = {shelved.record.attachment_id: shelved.named for shelved in material.files}
    files = [names.get(one.attachment_id, f"attachment {one.attachment_id}") for one in sent.attachments]
    with_files = f" with {', '.join(files)}" if files else ""
    yield Moment(sent.started_at, MOTION, f"sends a message ({sent.kind}){with_files}; send {sent.send_id}")
    if sent.window == window.CLOSED and sent.heard_at is not None:
        yield Moment(
            sent.started_at, GATEWAY, f"sees that {window.late(sent.started_at - sent.heard_at)}; send {sent.send_id}"
        )
    said = ": ".join(filter(None, (f"{sent.status or ''} {sent.code}".strip(), sent.words.rstrip("."))))
    ends = {
        record.ACCEPTED: (SINCH, f"takes it: message {sent.message_id}"),
        record.REJECTED: (SINCH, f"does not take it: {said}"),
        record.REFUSED: (GATEWAY, f"refuses it: {said}"),
        record.UNSENT: (GATEWAY, f"could not hand it over to Sinch: {said}"),
        record.UNKNOWN: (GATEWAY, f"has sent it and got no answer: {said}"),
    }
    if sent.outcome in ends:
        who, says = ends[sent.outcome]
        yield Moment(sent.ended_at or sent.started_at, who, f"{says}; send {sent.send_id}")


def _of_file(shelved: Shelved) -> Iterator[Moment]:
    record, verdict = shelved.record, shelved.verdict
    name = f"attachment {record.attachment_id}"
    if record.acquired_at is not None:
        mime = record.inspection.mime if record.inspection else ""
        judged = " ".join(filter(None, (verdict.kind, verdict.code))) if verdict else ""
        facts = filter(None, (record.name, mime, f"{record.size_bytes:,} bytes", judged))
        yield Moment(record.acquired_at, GATEWAY, f"has {name} from Motion: {', '.join(facts)}")
    if record.first_fetched_at is not None:
        yield Moment(record.first_fetched_at, FETCH, f"of {name}, the first by Motion's own link")
    if record.last_fetched_at not in (None, record.first_fetched_at):
        often = f", the last of {record.fetches}" if record.fetches > 1 else ""
        yield Moment(record.last_fetched_at or 0.0, FETCH, f"of {name}{often}")
    if record.failure:
        yield Moment(record.failure.at, GATEWAY, f"cannot have {name}: {record.failure.reason}")
    if record.revoked_before:
        yield Moment(record.revoked_before, OPERATOR, f"revokes all links to {name}")


def _of_customers_file(file: arrivals.InboundFile) -> Moment:
    """Tell what became of it last. Its name its customer has chosen: that is not told."""
    named, why = f"file {held.name(file)}", facts.why_held(file).rstrip(".")
    what = f"{named}, {file.mime}, {file.size_bytes:,} bytes"
    told = {
        arrivals.WAITING: (GATEWAY, f"is fetching {named}"),
        arrivals.KEPT: (GATEWAY, f"has {what}" + (f", marked: {why}" if why else "")),
        arrivals.HELD: (GATEWAY, f"holds {what} back: {why}"),
        arrivals.RELEASED: (OPERATOR, f"releases {what}"),
        arrivals.FAILED: (GATEWAY, f"cannot have {named}: {why}"),
    }
    return Moment(file.at, *told[file.state])


def _of_turned(row: Turned) -> Moment:
    about = f" ({row.about})" if row.about else ""
    times = f"{printable.counted(row.count, 'time')} since {written(row.first_at)}"
    return Moment(
        row.last_at, TURNED_AWAY, f"at the door {row.door}, {times}: {row.reason}{about}{WHOSE.get(row.door, '')}"
    )

"""What people are told of one event, one message or one attachment, title by title: by the commands and the page alike.

Nothing is looked up, and contacts are named as `printable.whom` masks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway import printable, store
from gateway.attachments.decision import KnownAttachment
from gateway.attachments.register import STORE
from gateway.clock import written
from gateway.config import Settings
from gateway.delivery.records import EventRecord
from gateway.diagnosis import reasons
from gateway.diagnosis.material import Shelved
from gateway.inbound import policy
from gateway.inbound.arrivals import InboundFile
from gateway.inspection import scanner, structure, verdicts
from gateway.outbound.record import Attached, Sent
from gateway.store.reports import Filed

DOUBTFUL = "in doubt"
Facts = Iterator[tuple[str, object]]  # titles, each with what is told


def of_event(record: EventRecord) -> Facts:
    """Tell what is known of an event; of a delivery report what it says, too."""
    yield "event", record.event_id
    yield "connector", record.connector_id
    yield "kind", record.kind
    yield "contact", printable.whom(record.contact_id, record.identity)
    yield "state", record.state
    yield "outcome", record.outcome
    yield "tries", record.tries
    yield "repeats", record.repeats
    yield "accepted", written(record.accepted_at)
    yield from (("earlier try", f"{written(tried.at)}, {tried.outcome}") for tried in record.history)
    yield "settled", moment(record.settled_at)
    yield "request id", record.request_id
    yield "body", f"{record.size_bytes} bytes"
    yield "headers", ", ".join(record.header_names)
    if record.findings:
        yield "findings", ", ".join(record.findings)
    if record.told:
        yield from ((name.replace("_", " "), value) for name, value in vars(record.told).items() if value)


def meanings_of_event(record: EventRecord) -> list[reasons.Meaning]:
    """What its codes mean: that of Motion's answer, its findings, and that of a report."""
    told = [*map(reasons.explain, (record.outcome, *record.findings)), of_report(record)]
    again = {"retry": "changed"} if record.state == store.PARKED else {}
    return [meaning.model_copy(update=again) for meaning in told if meaning]


def of_report(record: EventRecord) -> reasons.Meaning | None:
    """What the codes of a delivery report mean; None of one without, of one not known, and of what is no report."""
    told = record.told
    return reasons.explain(told.code, told.sub_code, told.channel_code) if told else None


def of_send(sent: Sent) -> Facts:
    """Tell what is known of a message that Motion asked to send, and what was reported of it."""
    yield "send", sent.send_id
    yield "connector", sent.connector_id
    yield "app id", sent.app_id
    yield "kind", sent.kind
    yield "contact", printable.whom(sent.contact_id, sent.identity)
    yield "outcome", sent.outcome
    yield "status", "" if sent.status is None else sent.status
    yield "code", sent.code
    yield "said", sent.words
    if sent.window:
        yield "window", _window(sent)
    yield "fate", _fate(sent)
    yield "message id", sent.message_id
    yield "reference", sent.reference
    yield "correlation id", sent.correlation_id
    yield "request id", sent.request_id
    yield "tries", sent.tries
    yield "started", written(sent.started_at)
    yield "ended", moment(sent.ended_at)
    yield "took", "" if sent.ended_at is None else f"{sent.ended_at - sent.started_at:.3f} s"
    yield from (("attachment", _attached(attached)) for attached in sent.attachments)
    yield from (("report", _reported(told)) for told in sent.evidence.reports)


def meanings_of_send(sent: Sent) -> list[reasons.Meaning]:
    """What the code means that decides: that of its fate, else that of the answer."""
    if sent.fate:
        meaning = reasons.explain(sent.fate.code, sent.fate.sub_code, sent.fate.channel_code)
    else:
        meaning = reasons.of_outcome(sent.code, sent.outcome, sent.words)
    return [meaning] if meaning else []


def fate(sent: Sent) -> str:
    """Tell in a word or two what became of it, as far as that was reported."""
    return DOUBTFUL if sent.evidence.doubtful else _result(sent.fate) if sent.fate else ""


def of_file(shelved: Shelved) -> Facts:
    """Tell what is known of an attachment, what WhatsApp makes of its file, and why it cannot be had."""
    record, verdict = shelved.record, shelved.verdict
    yield "attachment", record.attachment_id
    yield "name", record.name
    yield "type", mime(record)
    yield "size", f"{record.size_bytes:,} bytes" if record.digest else ""
    yield "digest", record.digest.hex() if record.digest else ""
    yield "verdict", verdict_in_words(verdict)
    if verdict and not verdict.code:
        yield "why", f"{verdict.reason} {verdict.remedy}".rstrip()
    if scan := virus_scan(record):
        yield "virus scan", scan
    yield "file", place_of(shelved)
    yield "acquired", moment(record.acquired_at)
    yield "fetches", record.fetches
    yield "last fetched", moment(record.last_fetched_at)
    yield "links until", moment(record.live_until or None)
    yield "trouble", trouble(record)


def meanings_of_file(shelved: Shelved) -> list[reasons.Meaning]:
    """What its refusal and its failure mean."""
    verdict, failure = shelved.verdict, shelved.record.failure
    code = verdict.code if verdict else None
    refused = reasons.of_refusal(code, sentence=verdict.reason, remedy=verdict.remedy) if verdict and code else None
    failed = reasons.explain(failure.reason) if failure else None
    return [meaning for meaning in (refused, failed) if meaning]


def shelved(record: KnownAttachment, settings: Settings, *, places: Sequence[str] = ()) -> Shelved:
    """Judge the file of an attachment as the settings are now; `places`: where it is, where that may be several."""
    if record.inspection is None:
        return Shelved(record, None, tuple(places))
    limits, profile = verdicts.limits_of(settings), settings.attachments.profile
    return Shelved(record, verdicts.judge(record.inspection, profile=profile, limits=limits), tuple(places))


def why_held(file: InboundFile) -> str:
    """Say in words why a customer's file is held back, marked, or not there; "" where nothing speaks against it."""
    if file.digest is not None:
        return policy.words(file.reason)[0] if file.reason else ""
    meaning = reasons.explain(file.reason)
    return f"{meaning.sentence} {meaning.remedy}" if meaning else file.reason


def verdict_in_words(verdict: verdicts.Verdict | None) -> str:
    """Say what WhatsApp makes of a file, with the code of a refusal; "" where nobody has looked."""
    return " ".join(filter(None, (verdict.kind, verdict.code))) if verdict else ""


def mime(record: KnownAttachment) -> str:
    """Say what the file is, as a MIME type; "" where nobody has looked."""
    return record.inspection.mime if record.inspection else ""


def virus_scan(record: KnownAttachment) -> str:
    """Say what the virus scanner found, and when; "" where it never looked."""
    seen = record.inspection
    if seen is None or seen.scanned_at is None:
        return ""
    found = "too large" if structure.Trait.UNSCANNED in seen.traits else "nothing found"
    return f"{seen.details.get(scanner.VIRUS, found)}, {written(seen.scanned_at)}"


def place_of(shelved: Shelved) -> str:
    """Say whether its file is here, and where else."""
    here = ["in the vault"] if shelved.record.stored else []
    return ", ".join(here + elsewhere(shelved)) or ("evicted" if shelved.record.digest else "none")


def elsewhere(shelved: Shelved) -> list[str]:
    """Name the places where its file is beside the vault that is meant."""
    return ["in the store" if place == STORE else f"in the vault of {place}" for place in shelved.places]


def trouble(record: KnownAttachment) -> str:
    """Say why it could not be had, and since when its links are revoked."""
    failure = f"{record.failure.reason}, {moment(record.failure.at)}" if record.failure else ""
    revoked = f"links revoked, {moment(record.revoked_before)}" if record.revoked_before else ""
    return "; ".join(filter(None, (failure, revoked)))


def moment(at: float | None) -> str:
    """Write a time; "" where there is none."""
    return "" if at is None else written(at)


def _window(sent: Sent) -> str:
    if sent.heard_at is None:
        return f"{sent.window}: nobody here has heard of the customer"
    return f"{sent.window}: the customer had written {printable.span(sent.started_at - sent.heard_at)} before"


def _fate(sent: Sent) -> str:
    if not sent.evidence.doubtful:
        return fate(sent)
    return f"{DOUBTFUL}: several messages have this correlation id, and the reports may be on another one"


def _attached(attached: Attached) -> str:
    verdict = " ".join(filter(None, (attached.verdict, attached.code)))
    return ", ".join(filter(None, (attached.attachment_id, verdict, attached.digest, attached.field)))


def _reported(told: Filed) -> str:
    parts = (_result(told), told.sub_code, told.channel_code, told.channel, f"event {told.event_id}", told.description)
    return ", ".join((written(told.reported_at), *filter(None, parts)))


def _result(told: Filed) -> str:
    return f"{told.status} {told.code}".strip()

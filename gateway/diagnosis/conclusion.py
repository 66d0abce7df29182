"""Why it did not arrive, or that it did, and what to do: what a story ends with. Nothing is looked up.

What went wrong is told, the newest first and each cause once, of each file; before it, what went well since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway import printable, store
from gateway.clock import written
from gateway.diagnosis import asked, fate, reasons
from gateway.diagnosis.fate import Conclusion, meant
from gateway.diagnosis.material import GO_ON, WHOSE, Kept, Material, Shelved
from gateway.inbound import arrivals
from gateway.inspection.rulebook import VerdictKind
from gateway.phrases import Reason
from gateway.store import reports

MOST = 5
TWICE = "Nothing. If it happens often, the app at Sinch has two webhooks that lead here: keep one."
AS_WHAT = {
    VerdictKind.NATIVE: "WhatsApp takes {name} as it is",
    VerdictKind.LINK: "The customer gets a link to {name}",
    VerdictKind.REFUSED: "The customer does not get {name}",
}
PASSED_BY = "It did not come by the private door, which is open now: it went straight to Sinch."
GOES_WITHOUT = (
    "Nothing: it goes without, at the latest when inbound.wait is over. `motion-gateway inbound list` tells more."
)
MOTION_HAS_IT = (
    "If no agent sees it, look at Motion: open interactions (as admin), the agents and the queue of the account."
)


def conclude(material: Material, *, now: float) -> list[Conclusion]:
    """Say what the story comes to. Raises SettingsError if a table of ours is wrong."""
    # That Motion lacks a report says nothing of what is reported.
    asides = [found for kept in material.events if kept.filed for found in _of_event(kept, material)]
    found = [*sorted(_all(material, now), key=_newest), *sorted(asides, key=_newest)]
    troubles: dict[tuple[object, ...], Conclusion] = {}
    for one in found:
        if not one.fine:
            before = troubles.get(cause := (one.code, one.remedy, one.files))
            troubles[cause] = replace(before, times=before.times + 1) if before else one
    since = max((one.at for one in troubles.values()), default=0.0)
    return [*(one for one in _of_each_way(found) if one.at > since), *[*troubles.values()][:MOST]]


def _newest(one: Conclusion) -> float:
    return -one.at


def _of_each_way(found: list[Conclusion]) -> Iterator[Conclusion]:
    """What came of the newest to a customer, and of the newest from one."""
    for inward in (False, True):
        yield from [one for one in found if one.fine and (one.remedy == MOTION_HAS_IT) is inward][:1]


def _all(material: Material, now: float) -> Iterator[Conclusion]:
    if material.link:
        yield meant(now, asked.LINKS[material.link], reasons.explain(material.link), material.link)
    for sent in material.sends:
        files = tuple(one.attachment_id for one in sent.attachments)
        yield replace(fate.of_send(sent, material, now=now), files=files)
    yield from _of_others(material)
    yield from (found for kept in material.events if not kept.filed for found in _of_event(kept, material))
    if material.kind == "attachment" and not material.sends:
        yield from (_of_file(shelved, now) for shelved in material.files)
    yield from _of_turned(material)


def _of_others(material: Material) -> Iterator[Conclusion]:
    """Of messages that did not come through the private door: what was reported of them."""
    ours = {sent.message_id for sent in material.sends}
    filed: dict[str, list[reports.Filed]] = {}
    for told in filter(None, (kept.filed for kept in material.events)):
        if told.message_id not in ours:
            filed.setdefault(told.message_id, []).append(told)
    for message_id, told_of_it in filed.items():
        if last := reports.fate(told_of_it):
            found = fate.of_fate(f"message {message_id}", last, material.suspects, material)
            yield replace(found, sentence=f"{found.sentence} {PASSED_BY}") if material.passed_by else found


def _of_event(kept: Kept, material: Material) -> Iterator[Conclusion]:
    record = kept.record
    for finding in record.findings:
        if meaning := reasons.explain(finding):
            yield meant(record.accepted_at, meaning.sentence, meaning, finding)
    if record.state == store.DELIVERED:
        yield from () if kept.filed else (_of_delivered(kept),)  # what it reports is told instead
    elif record.state == store.PENDING:
        yield _of_waiting(kept, material)
    elif record.state == store.PARKED:
        yield _of_parked(kept)
    elif record.state == store.DUPLICATE:
        sentence = f"Event {record.event_id} is not delivered: {record.outcome}, in other bytes."
        yield Conclusion(at=record.accepted_at, sentence=sentence, remedy=TWICE, fine=True)
    else:
        sentence = f"Motion does not get event {record.event_id}, it is rejected: {record.outcome}"
        yield meant(record.accepted_at, sentence, reasons.explain(record.outcome), record.outcome)


def _of_delivered(kept: Kept) -> Conclusion:
    record, at = kept.record, kept.record.settled_at or kept.record.accepted_at
    late = at - record.accepted_at
    after = f", {printable.span(late)} after it came" if late >= 1 else ""
    before = f"; before that: {record.history[-1].outcome}" if record.history else ""
    if odd := reasons.explain(record.outcome):
        return meant(
            at, f"Nobody knows whether Motion has event {record.event_id}: {odd.sentence}", odd, record.outcome
        )
    sentence = f"Motion has event {record.event_id} since {written(at)}{after}{before}."
    return Conclusion(at=at, sentence=sentence, remedy=MOTION_HAS_IT, fine=True)


def _of_parked(kept: Kept) -> Conclusion:
    record = kept.record
    by_hand = record.outcome == Reason.PARKED_BY_HAND and record.history
    outcome = record.history[-1].outcome if by_hand else record.outcome
    meaning = reasons.of_motion(outcome)
    sentence = f"Motion did not get event {record.event_id}, it is parked ({record.outcome}): {meaning.sentence}"
    found = meant(record.settled_at or record.accepted_at, sentence, meaning, outcome)
    again = f"Then deliver it: `motion-gateway events replay {record.event_id}`"
    return replace(found, remedy=f"{found.remedy} {again}")


def _of_waiting(kept: Kept, material: Material) -> Conclusion:
    record, began = kept.record, f"Motion has not got event {kept.record.event_id} yet"
    if record.history:
        outcome = record.history[-1].outcome
        tries = "1 try" if record.tries == 1 else f"{record.tries} tries"
        meaning = reasons.of_motion(outcome)
        sentence = f"{began}, after {tries} ({outcome}): {meaning.sentence}"
        return meant(record.history[-1].at, sentence, meaning, outcome)
    if material.ahead is not None and material.ahead < record.event_id:
        remedy = f"`motion-gateway trace event {material.ahead}` tells why that one waits."
        sentence = f"{began}: it waits behind event {material.ahead} of the same contact."
        return Conclusion(at=record.accepted_at, sentence=sentence, remedy=remedy, who="operator", code="waits behind")
    if not record.tries and any(file.state == arrivals.WAITING for file in kept.files):
        sentence, code = f"{began}: what the customer sent with it is not here yet.", "waits for file"
        return Conclusion(at=record.accepted_at, sentence=sentence, remedy=GOES_WITHOUT, who="wait", code=code)
    code, sentence = "not tried yet", f"{began}: it was not tried yet."
    remedy = "See whether the courier runs, and whether Motion is up: `motion-gateway ready`."
    if record.tries:
        code, sentence = "under way", f"{began}: Motion was given it, and has not answered yet."
        remedy = "If it stays so for some seconds, Motion hangs: look at its load and its log. The gateway tries again."
    return Conclusion(at=record.accepted_at, sentence=sentence, remedy=remedy, who="operator", code=code)


def _of_file(shelved: Shelved, now: float) -> Conclusion:
    """Of a file that nobody is known to have sent: what becomes of who asks for it."""
    record = shelved.record
    at = record.last_fetched_at or record.acquired_at or now
    if record.failure and (meaning := reasons.explain(record.failure.reason)):
        sentence = f"Nobody can have {shelved.name}: {meaning.sentence}"
        return meant(record.failure.at, sentence, meaning, record.failure.reason)
    if shelved.refused:
        return fate.judged(at, f"The customer does not get {shelved.name}", shelved)
    links = f"links to it live until {written(record.live_until)}" if record.live_until > now else "no link to it lives"
    fetched = f"fetched {printable.counted(record.fetches, 'time')}" if record.fetches else "nobody has fetched it"
    becomes = (
        AS_WHAT[shelved.verdict.kind] if shelved.verdict else "Nobody has looked yet what WhatsApp makes of {name}"
    )
    return Conclusion(at=at, sentence=f"{becomes.format(name=shelved.name)}; {fetched}; {links}.", fine=True)


def _of_turned(material: Material) -> Iterator[Conclusion]:
    """Of whom the doors turned away; but not where others of theirs have come through since.

    What was refused before a message was there is none of its reports.
    """
    began = () if material.kind in GO_ON or material.began_at is None else (material.began_at,)
    through = {
        "ingress": [*began, *(kept.record.accepted_at for kept in material.events)],
        "outbound": [sent.started_at for sent in material.sends],
        "attachments": [shelved.record.last_fetched_at or 0.0 for shelved in material.files],
    }
    for row in material.refusals:
        if row.last_at > max(through.get(row.door, ()), default=0.0):
            about = f" ({row.about})" if row.about else ""
            times = printable.counted(row.count, "time")
            sentence = f"Turned away at the door {row.door}{about}, {times} until {written(row.last_at)}: {row.reason}"
            sentence += f"{WHOSE.get(row.door, '')}."
            yield meant(row.last_at, sentence, reasons.of_turned_away(*row.kind), row.reason)

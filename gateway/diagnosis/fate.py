"""What became of one message to a customer, and why. Nothing is looked up.

The nearest cause counts: what is known of its file outweighs what was reported of the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway import printable, rules
from gateway.clock import written
from gateway.diagnosis import reasons
from gateway.diagnosis.material import Material, Shelved, blames_file
from gateway.outbound import record, window
from gateway.store.reports import Filed

SOON_SECONDS = 60.0  # so long nothing needs to have been reported
WINDOW = "OUTSIDE_ALLOWED_SENDING_WINDOW"
WINDOWS = (WINDOW, "131047")
ODD_WINDOW = (
    "Was the answer written to another number of this customer, or before that message? Else ask Sinch's support, "
    "with the message id."
)
FILE = "131053"  # WhatsApp's number where it could not take a file: it does not say which
GONE, TOO_LARGE = "MEDIA_NOT_REACHABLE", "MEDIA_TOO_LARGE"
WAIT = "Wait: the customer's phone may be off. WhatsApp reports it when it is delivered."
NO_REPORTS = (
    "Wait a minute. If nothing is ever reported of any message, the app's webhook lacks the trigger MESSAGE_DELIVERY, "
    "or leads elsewhere."
)
UNKNOWN_CODE = "Nothing is written down of this code: ask Sinch's support, with the message id."
DOUBT = "Ask the customer, or Sinch's support with the correlation id."
BEGAN = {
    record.REJECTED: "The customer did not get {what}: Sinch did not take it {words}",
    record.UNSENT: "The customer did not get {what}: it could not be handed over to Sinch {words}",
    record.UNKNOWN: "Nobody knows yet whether the customer got {what} {words}",
}


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """One cause, who acts, and what to do. `fine`: nothing went wrong. `times`: how often, the last `at`.

    `files`: the ids of those that it is about.
    """

    at: float  # epoch seconds
    sentence: str
    remedy: str = ""
    who: rules.Who | None = None
    code: str = ""
    fine: bool = False
    times: int = 1
    files: tuple[str, ...] = ()


def meant(at: float, sentence: str, meaning: reasons.Meaning | None, code: str) -> Conclusion:
    """Conclude from what a code means; None of one that is not known."""
    remedy, who = (meaning.remedy, meaning.who) if meaning else (UNKNOWN_CODE, None)
    return Conclusion(at=at, sentence=ended(sentence), remedy=remedy, who=who, code=code)


def ended(sentence: str) -> str:
    """End a sentence whose words are somebody else's."""
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def of_send(sent: record.Sent, material: Material, *, now: float) -> Conclusion:
    """Conclude what became of a message that came through the private door."""
    known = {shelved.record.attachment_id: shelved for shelved in material.files}
    files = [known[one.attachment_id] for one in sent.attachments if one.attachment_id in known]
    what, at = _named(sent, files), sent.ended_at or sent.started_at
    if sent.fate is not None:
        return of_fate(what, sent.fate, files, material, sent=sent)
    if sent.outcome == record.REFUSED:
        return _of_refusal(f"The customer did not get {what}", sent, files, at)
    if sent.outcome in BEGAN:
        words = ": ".join(filter(None, (f"({sent.code or sent.status or sent.outcome})", sent.words)))
        sentence = BEGAN[sent.outcome].format(what=what, words=words)
        return meant(at, sentence, reasons.of_outcome(sent.code, sent.outcome), sent.code)
    if sent.evidence.doubtful:
        sentence = f"Nobody can tell what became of {what}: several messages without an answer have its correlation id."
        return Conclusion(at=at, sentence=sentence, remedy=DOUBT, who="sinch", code="in doubt")
    if sent.outcome == record.SENDING:
        return Conclusion(at=at, sentence=f"Sinch was given {what} and has not answered yet.", fine=True)
    if sent.window == window.CLOSED and sent.heard_at is not None:
        sentence = f"The customer will not get {what}: {window.late(sent.started_at - sent.heard_at)}."
        return meant(at, sentence, reasons.explain(WINDOW), WINDOW)
    sentence = f"Sinch took {what} at {written(at)}, and has reported nothing of it since."
    late = now - at > SOON_SECONDS
    return Conclusion(at=at, sentence=sentence, remedy=NO_REPORTS, who="sinch", code="no report", fine=not late)


def of_fate(
    what: str, fate: Filed, files: Sequence[Shelved], material: Material, *, sent: record.Sent | None = None
) -> Conclusion:
    """Conclude from the report that decides; `files`: those of the message, or those that may be.

    `sent`: the message, where it came through the private door.
    """
    at = fate.reported_at
    if fate.status in ("DELIVERED", "READ"):
        has = "has read" if fate.status == "READ" else "has"
        return Conclusion(at=at, sentence=f"The customer {has} {what}: {fate.status}, {written(at)}.", fine=True)
    if fate.status != "FAILED":
        sentence = f"The customer does not have {what} yet: it is on its way ({fate.status}, {written(at)})."
        return Conclusion(at=at, sentence=sentence, remedy=WAIT, who="wait", fine=True)
    began, codes = f"The customer did not get {what}", _codes(fate)
    meaning = reasons.explain(fate.code, fate.sub_code, fate.channel_code)
    is_precise = meaning is not None and meaning.code == fate.channel_code != FILE  # WhatsApp's own word: it is no file
    if blames_file(fate) and not is_precise and (nearer := _of_its_file(began, fate, files, material)):
        return nearer
    if meaning and meaning.code in WINDOWS:
        heard_at, until = (sent.heard_at, sent.started_at) if sent and sent.heard_at else (material.wrote_at, at)
        return meant(at, *_too_late(began, meaning, heard_at, until=until), codes)
    said = meaning.sentence if meaning else ": ".join(filter(None, (codes, fate.description)))
    return meant(at, f"{began}: {said}", meaning, codes)


def judged(at: float, began: str, shelved: Shelved, *, code: str = "") -> Conclusion:
    """Conclude from the verdict on a file that is refused."""
    verdict = shelved.verdict
    if verdict is None:
        return Conclusion(at=at, sentence=f"{began}.", code=code)
    sentence = ended(f"{began}: {verdict.reason}")
    return Conclusion(at=at, sentence=sentence, remedy=verdict.remedy, who="agent", code=code or verdict.code or "")


def _named(sent: record.Sent, files: Sequence[Shelved]) -> str:
    """Name a message by its files, else by its id at Sinch, else by ours."""
    known = {shelved.record.attachment_id: shelved.name for shelved in files}
    names = [known.get(one.attachment_id, f"attachment {one.attachment_id}") for one in sent.attachments]
    return " and ".join(names) or (f"message {sent.message_id}" if sent.message_id else f"send {sent.send_id}")


def _of_refusal(began: str, sent: record.Sent, files: Sequence[Shelved], at: float) -> Conclusion:
    """What the gateway refused: for a file, or for what stands in the message, or for how something is set up."""
    for shelved in files:
        failure = shelved.record.failure
        if failure and sent.code.startswith("MEDIA_NOT") and (cause := reasons.explain(failure.reason)):
            return meant(at, f"{began}: {cause.sentence}", cause, sent.code)
        if shelved.verdict and shelved.verdict.code == sent.code:
            return judged(at, began, shelved)
    meaning = reasons.of_refusal(sent.code, sentence=sent.words)
    return meant(at, f"{began}: {meaning.sentence if meaning else sent.words or sent.code}", meaning, sent.code)


def _of_its_file(began: str, fate: Filed, files: Sequence[Shelved], material: Material) -> Conclusion | None:
    """Why its file could not be had, or was not taken; None where nothing is wrong with it here."""
    if files is not material.suspects:
        return next(filter(None, (_of_file(began, fate, shelved) for shelved in files)), None)
    likely = [one for one in files if _fits(one, fate.code) and one.was_just_troubled(fate.reported_at)]
    shelved = max(likely, key=lambda one: one.troubled_at, default=None)
    refused = [row for row in material.refusals if row.door == "attachments" and row.first_at <= fate.reported_at]
    row = max(refused, key=lambda one: one.last_at, default=None)
    if row and fate.code.startswith(GONE) and (shelved is None or row.last_at > shelved.troubled_at):
        words = f"links to files were turned away, {row.count} until {written(row.last_at)}: {row.reason}"
        return meant(fate.reported_at, f"{began}: {words}", reasons.of_turned_away(*row.kind), _codes(fate))
    found = _of_file(f"{began}, probably {shelved.name}", fate, shelved) if shelved else None
    return replace(found, files=(shelved.record.attachment_id,)) if found and shelved else None


def _of_file(began: str, fate: Filed, shelved: Shelved) -> Conclusion | None:
    failure = shelved.record.failure
    if shelved.refused:
        return judged(fate.reported_at, began, shelved, code=_codes(fate))
    if failure and (meaning := reasons.explain(failure.reason)):
        return meant(fate.reported_at, f"{began}: {meaning.sentence}", meaning, _codes(fate))
    return None


def _fits(shelved: Shelved, code: str) -> bool:
    """Whether what is wrong with a file may be what was reported with that code."""
    failed = shelved.record.failure is not None
    if code.startswith(GONE):
        return failed or shelved.refused
    return shelved.refused or (failed and code == TOO_LARGE)


def _codes(fate: Filed) -> str:
    return " ".join(filter(None, (fate.code, fate.sub_code, fate.channel_code)))


def _too_late(
    began: str, meaning: reasons.Meaning, heard_at: float | None, *, until: float
) -> tuple[str, reasons.Meaning]:
    """What WhatsApp says of its window, and when the customer wrote last by what is kept here: the two may differ."""
    if heard_at is None:
        return f"{began}: {meaning.sentence} No message of the customer's is kept from before it.", meaning
    if heard_at > until:
        return f"{began}: {meaning.sentence}", meaning
    wrote = f"{written(heard_at)}, {printable.span(until - heard_at)} before"
    if until - heard_at > window.SECONDS:
        return f"{began}: {meaning.sentence} The customer had written last at {wrote}.", meaning
    odd = f"though a message of the customer's came here at {wrote}."
    odd_meaning = meaning.model_copy(update={"remedy": ODD_WINDOW})
    return f"{began}: WhatsApp says that its 24 hours for answers are over, {odd}", odd_meaning

"""The way of each message, hop by hop with its times: what was said between whom, and where it waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from sandbox.agent import Told
from sandbox.callbacks import Customer
from sandbox.connection import Answer
from sandbox.conversation.contacts import Message
from sandbox.conversation.ledger import Call
from sandbox.conversation.outcome import Outcome
from sandbox.journal import Posted, Tried
from sandbox.motion import Received
from sandbox.page import records
from sandbox.page.records import Records

Mark = Literal["fine", "note", "warning", "fault"]
MOST = 12  # ways, those of which something was heard last
_MOST_FORGED = 3  # a flood of them tells no more

_CALLBACK = "Sinch → gateway"
_STRANGER = "Stranger → gateway"
_DELIVERY = "Gateway → Motion"
_SEND = "Agent → gateway"
_BACK = "Gateway → agent"
_CALL = "Gateway → Sinch"
_MEANS: Mapping[int | None, str] = {
    200: "it is on disk",
    401: "not believed",
    404: "nothing is there",
    413: "too large",
    429: "too many; not now",
    None: "Sinch tries again",
}


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One thing said, at that moment in Unix seconds."""

    at: float
    way: str
    says: str
    mark: Mark = "note"


@dataclass(frozen=True, kw_only=True)
class Way:
    """All hops of one message; `about` is what the gateway is asked for its story."""

    key: str
    title: str
    hops: Sequence[Hop]
    about: str = ""

    @property
    def mark(self) -> Mark:
        """The worst one."""
        marks = [hop.mark for hop in self.hops]
        return next((mark for mark in ("fault", "warning", "fine") if mark in marks), "note")


def newest(known: Records, customer: Customer) -> list[Way]:
    """Those of this customer and of whoever pretends to be Sinch; what moved last comes first."""
    found = [*_of_customer(known, customer), *_of_agent(known, customer), *_of_events(known, customer), *_forged(known)]
    return sorted(found, key=lambda one: one.hops[-1].at, reverse=True)[:MOST]


def words(said: Mapping[str, Any]) -> str:
    """A message in words: its text, else its kind."""
    words = (("text_message", "text"), ("card_message", "title"), ("media_card_message", "caption"))
    text = next((text for kind, name in words if (text := (said.get(kind) or {}).get(name))), "")
    return str(text) if text else next(iter(said), "").replace("_", " ")


def described(tried: Tried, files: Mapping[int, str]) -> str:
    """What an agent sent: words, or the name of a file."""
    ids = [records.attachment_id(link) for link in records.links(tried.message)]
    return ", ".join(files.get(number or 0, "a file") for number in ids) or words(tried.message)


def event(message: Message) -> str:
    """That which tells a customer's message."""
    return records.event({"message": {"id": message.message_id}})


def _of_customer(known: Records, customer: Customer) -> Iterator[Way]:
    for message in known.messages:
        if message.direction == "TO_APP" and message.customer.contact_id == customer.contact_id:
            name = event(message)
            posted = [*_posted(known, name)] or [Hop(at=message.at, way="At Sinch", says="not posted", mark="warning")]
            hops = [Hop(at=message.at, way="Customer → Sinch", says="by WhatsApp"), *posted, *_file(known, message)]
            kept = known.kept.get(message.message_id)
            title = f"{customer.name.title()} {f'sends {kept.name}' if kept else f'writes: {words(message.said)}'}"
            yield Way(key=message.message_id, title=title, hops=_sorted(hops), about=message.message_id)


def _file(known: Records, message: Message) -> Iterator[Hop]:
    """The customer's file on its way: who asked for it, and what they got."""
    for one in known.fetches(message.message_id):
        says = f"the file: {one.answered} in {_milliseconds(one.seconds)}"
        yield Hop(
            at=one.at, way=f"{one.by} ← {one.at_whom}", says=says, mark="fine" if one.answered == "200" else "fault"
        )


def _of_events(known: Records, customer: Customer) -> Iterator[Way]:
    for name, posts in known.genuine.items():
        content = posts[0].letter.callback.content
        if "event" in content and records.contact_id(content) == customer.contact_id:
            kind = posts[0].letter.callback.name.rpartition("/")[2]
            said = content["event"].get("contact_message_event", {}).get("reaction_event", {}).get("emoji", "")
            title = f"{customer.name.title()}: {kind} {said}".rstrip()
            number = str(content["event"]["id"])
            yield Way(key=number, title=title, hops=_sorted([*_posted(known, name)]))


def _forged(known: Records) -> Iterator[Way]:
    pretended = [(number, post) for number, post in enumerate(known.posts) if post.pretending]
    for number, post in pretended[-_MOST_FORGED:]:
        hops = [_answered(answer, way=_STRANGER) for answer in post.answers]
        about = (post.letter.callback.content.get("message") or {}).get("id", "")
        title = f"Somebody pretends to be Sinch, {post.pretending}"
        yield Way(key=f"forged-{number}", title=title, hops=hops, about=about)


def _of_agent(known: Records, customer: Customer) -> Iterator[Way]:
    for number, tried in enumerate(known.tries):
        if tried.contact_id == customer.contact_id:
            file = next((one for link in records.links(tried.message) if (one := records.attachment_id(link))), None)
            call = known.call_of(tried)
            made = call.made if call else ""
            about = made or (f"attachment {file}" if file else tried.contact_id)
            title = f"The agent answers: {described(tried, known.files)}"
            hops = _sorted([*_sent(tried, call), *_downloaded(known, file, tried, made), *_ended(known, made)])
            yield Way(key=f"sent-{number}", title=title, hops=hops, about=about)


def _sent(tried: Tried, call: Call | None) -> Iterator[Hop]:
    yield Hop(at=tried.at, way=_SEND, says="from Motion")
    if call:
        answered = f"{call.answered}" if call.answered else "no answer" if call.ended else "…"
        taken = "takes it" if call.made else "does not take it" if call.ended else "has it"
        yield Hop(at=call.at, way=_CALL, says=f"Sinch {taken}: {answered}", mark="fine" if call.made else "warning")
    if tried.told:
        yield _told(tried.told, call)
    else:
        yield Hop(at=tried.at, way=_BACK, says="no answer yet", mark="warning")


def _told(told: Told, call: Call | None) -> Hop:
    answer = told.answer
    status, took = answer.status or "no answer", f"after {_milliseconds(answer.seconds)}"
    says = f"{status} {took}" if told.accepted else f"{status} {took}: {told.reason or told.message}"
    if not told.accepted and call is None:
        says += "; Sinch is not asked"
    mark: Mark = "fine" if told.accepted else "warning" if call and call.made else "fault"
    return Hop(at=answer.sent_at + answer.seconds, way=_BACK, says=says, mark=mark)


def _downloaded(known: Records, file: int | None, tried: Tried, made: str) -> Iterator[Hop]:
    """The file on its way: from Motion to the gateway, from there to Sinch."""
    for one in known.downloads:
        if one.attachment_id == file and one.at >= tried.at:
            took = f" in {_milliseconds(one.seconds)}" if one.seconds is not None else ""
            says = f"the file: {one.answered or 'broken off'}{took}"
            yield Hop(at=one.at, way="Motion → gateway", says=says, mark="note" if one.answered == 200 else "fault")
    outcome = known.outcomes.get(made)
    for look in outcome.looks if outcome else ():
        answer = look.fetched.decisive
        says = f"fetches the file: {answer.status or answer.error} in {_milliseconds(look.fetched.seconds)}"
        mark: Mark = "fine" if answer.status == 200 else "fault"
        yield Hop(at=answer.sent_at + answer.seconds, way="Sinch ← gateway", says=says, mark=mark)


def _ended(known: Records, made: str) -> Iterator[Hop]:
    """What became of it at WhatsApp, and how the reports of it came home."""
    outcome, reports = known.outcomes.get(made), known.reports.get(made, ())
    if outcome and reports:
        at = min(post.answers[0].sent_at for post in reports)
        yield Hop(at=at, way="Sinch → customer", says=_outcome(outcome), mark="fault" if outcome.reason else "fine")
    for post in reports:
        yield from _home(known, post)


def _home(known: Records, post: Posted) -> Iterator[Hop]:
    content = post.letter.callback.content
    status = content["message_delivery_report"]["status"]
    yield from _posted(known, records.event(content), prefix=f"{status}: ")


def _outcome(outcome: Outcome) -> str:
    if outcome.reason:
        return f"{outcome.reason['code']}: {outcome.reason['description']}"
    return ", ".join(look.rendering.words for look in outcome.looks) or "delivered"


def _posted(known: Records, name: str, *, prefix: str = "") -> Iterator[Hop]:
    """All posts of this event, and what Motion heard of it."""
    posts, arrivals = known.genuine.get(name, ()), known.arrivals.get(name, ())
    answers = sorted((answer for post in posts for answer in post.answers), key=attrgetter("sent_at"))
    taken = known.taken_at(name)
    for answer in answers:
        yield _answered(answer, way=_CALLBACK, prefix=prefix, again=bool(taken) and answer.sent_at >= taken)
    yield from (_arrived(one, since=taken, prefix=prefix) for one in arrivals)
    if taken > known.forgotten_at and not any(one.accepted for one in arrivals):
        at = max([taken, *(one.at for one in arrivals)])
        yield Hop(at=at, way="At the gateway", says=f"{prefix}it waits for Motion", mark="warning")
    elif posts and not taken:
        last = answers[-1].sent_at + answers[-1].seconds
        yield Hop(at=last, way="At Sinch", says=f"{prefix}not taken", mark="fault")


def _answered(answer: Answer, *, way: str, prefix: str = "", again: bool = False) -> Hop:
    means = "known already; Motion hears it once" if again and answer.status == 200 else _meaning(answer)
    says = f"{prefix}{answer.status or 'no answer'} after {_milliseconds(answer.seconds)}: {means}"
    refused_stranger = way == _STRANGER and answer.status in (401, 429)
    mark: Mark = "fine" if answer.status == 200 or refused_stranger else "fault"
    return Hop(at=answer.sent_at + answer.seconds, way=way, says=says, mark=mark)


def _meaning(answer: Answer) -> str:
    return _MEANS.get(answer.status) or (answer.error if answer.status is None else _MEANS[None])


def _arrived(one: Received, *, since: float, prefix: str) -> Hop:
    later = f", {_milliseconds(max(0, one.at - since))} later" if since else ""
    if one.accepted:
        return Hop(at=one.at, way=_DELIVERY, says=f"{prefix}Motion has it{later}", mark="fine")
    said = f"answers {one.answered}" if one.answered else "does not answer"
    return Hop(at=one.at, way=_DELIVERY, says=f"{prefix}Motion {said}; it stays at the gateway", mark="warning")


def _milliseconds(seconds: float | None) -> str:
    return f"{1000 * (seconds or 0):,.0f} ms" if (seconds or 0) < 10 else f"{seconds:,.0f} s"


def _sorted(hops: Sequence[Hop]) -> list[Hop]:
    return sorted(hops, key=attrgetter("at"))

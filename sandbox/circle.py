"""The whole circle: a customer writes, an agent answers through the gateway, Sinch sends it on and reports."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from sandbox import callbacks, journey, samples
from sandbox.agent import Agent, Told
from sandbox.archive import Archive
from sandbox.callbacks import Customer
from sandbox.connection import Answer
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.fate import Fate
from sandbox.conversation.ledger import Call
from sandbox.conversation.reports import Report
from sandbox.desk import Desk
from sandbox.journey import Journey
from sandbox.motion import Motion
from sandbox.samples import Sample

QUESTION, WORDS = "Could you send me the papers?", "Of course. Here they are."
_ENDED = ("DELIVERED", "FAILED")
_GOOD = ("QUEUED_ON_CHANNEL", "DELIVERED")
_AT_MOST_SECONDS = 120  # more than all that the agent waits for


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What an agent sends, and how that must end: refused at once with `code`, else with `outcome` at WhatsApp.

    Without a sample it is the answer to the customer's question.
    """

    sample: Sample | None = None
    code: str = ""
    outcome: str = ""

    @property
    def name(self) -> str:
        return self.sample.name if self.sample else "text"


ERRANDS = (
    Errand(),
    Errand(sample=samples.named("picture.jpg"), outcome="native as image"),
    Errand(sample=samples.named("invoice.pdf"), outcome="as a link"),
    Errand(sample=samples.named("wave.gif"), code="CHANNEL_FAILURE"),
)


@dataclass(frozen=True, kw_only=True)
class Trip:
    """What the agent was told, what Sinch heard, what became of it, and how its reports came home.

    `heard` is the way of the customer's question, where the message answers one; `asked` says how often Motion was
    asked for the file; `secret` is what may not reach Sinch.
    """

    errand: Errand
    told: Told
    heard: Journey | None
    sends: tuple[Call, ...]
    fate: Fate | None
    homes: tuple[Journey, ...]
    asked: int
    secret: str

    @property
    def outcome(self) -> str:
        """The words of WhatsApp about the file, of Sinch where the message failed."""
        if self.fate is None:
            return ""
        looked = next((look.outcome.words for look in self.fate.looks), "")
        return self.fate.reason["code"] if self.fate.reason else looked

    @property
    def reports(self) -> tuple[str, ...]:
        return tuple(str(_report(home)["status"]) for home in self.homes)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with it, in words; empty where it ended as the manual says."""
        found = {
            **{f"the question: {fault}": False for fault in (self.heard.faults if self.heard else ())},
            **(self._refusal() if self.errand.code else self._success()),
        }
        return tuple(words for words, fine in found.items() if not fine)

    def _refusal(self) -> dict[str, bool]:
        code, told = self.errand.code, self.told
        good = (told.status, told.reason) == (400, code) and told.message.startswith(f"{code}: ")
        return {
            f"the agent was not told {code}, but {told.status or 'nothing'}: {told.message}": good,
            "it reached Sinch all the same": not self.sends,
        }

    def _success(self) -> dict[str, bool]:
        if not self.told.accepted:
            return {f"the agent was told {self.told.status or 'nothing'}: {self.told.message}": False}
        sample, looks = self.errand.sample, self.fate.looks if self.fate else ()
        contents = [look.fetched.content for look in looks]
        return {
            f"Motion was asked for the file {self.asked} times": self.asked == (1 if sample else 0),
            f"Sinch heard it {len(self.sends)} times": len(self.sends) == 1,
            "Motion's own token went to Sinch": not any(self.secret.encode() in call.body for call in self.sends),
            f"WhatsApp: {self.outcome or 'nothing was fetched'}": self.outcome == self.errand.outcome,
            "Sinch fetched other bytes than Motion's": contents == ([sample.content] if sample else []),
            f"reported: {', '.join(self.reports) or 'nothing'}": self.reports == _GOOD,
            "the reports came in another order": _in_order(self.homes),
            **{f"the report {_report(home)['status']}: {fault}": False for home in self.homes for fault in home.faults},
        }


@dataclass(frozen=True, kw_only=True)
class Circle:
    """Those who take part. The desk answers the customer's question; the agent sends the files."""

    motion: Motion
    archive: Archive
    api: ConversationApi
    agent: Agent
    connector_id: int
    secret: str
    customer: Customer = callbacks.ANA

    def run(self, errands: Sequence[Errand] = ERRANDS) -> list[Trip]:
        """One errand after another, each with its reports followed home."""
        return [self._trip(errand) for errand in errands]

    def _trip(self, errand: Errand) -> Trip:
        before = len(self.api.sends)
        made = self.archive.put(errand.sample.name, errand.sample.content) if errand.sample else None
        told, heard = self._sent(made.attachment_id) if made else self._answered()
        homes = self._homes(told.message_id) if told.accepted else ()
        return Trip(
            errand=errand,
            told=told,
            heard=heard,
            homes=homes,
            fate=self.api.reports.fate(told.message_id),
            sends=self.api.sends[before:],
            asked=len(self.archive.wait_until_served(made.attachment_id)) if made else 0,
            secret=self.secret,
        )

    def _sent(self, attachment_id: int) -> tuple[Told, None]:
        return self.agent.send_file(self.customer.contact_id, attachment_id), None

    def _answered(self) -> tuple[Told, Journey]:
        """The customer asks, Motion hears it, and the desk answers."""
        with Desk(self.agent, {QUESTION: WORDS}.get) as desk:
            self.motion.on_event = desk.hook
            receipt = self.api.write(QUESTION, by=self.customer)
            (heard,) = journey.follow([receipt], self.motion, connector_id=self.connector_id)
            asked = any(arrival.accepted for arrival in heard.arrivals)
            told = desk.wait_for(1, _AT_MOST_SECONDS)[0].told if asked else Told(Answer(error="it did not answer"))
            self.motion.on_event = None
        return told, heard

    def _homes(self, message_id: str) -> tuple[Journey, ...]:
        def ended(items: Sequence[Report]) -> bool:
            return any(item.message_id == message_id and item.status in _ENDED for item in items)

        with contextlib.suppress(TimeoutError):  # The trip tells what is missing.
            self.api.reports.wait_for(ended)
        receipts = [item.receipt for item in self.api.reports.of(message_id) if item.receipt]
        return tuple(journey.follow(receipts, self.motion, connector_id=self.connector_id))


def _in_order(homes: Sequence[Journey]) -> bool:
    numbers = [arrival.number for home in homes for arrival in home.arrivals]
    return numbers == sorted(numbers)


def table(trips: Sequence[Trip]) -> Table:
    """One line for each message, one column for each hop."""
    shown = Table(title="From an agent through the gateway to Sinch, and back", title_justify="left", box=None)
    for heading in ("", "agent", "gateway", "Sinch", "WhatsApp", "report"):
        shown.add_column(heading, no_wrap=True)
    for trip in trips:
        shown.add_row(*_cells(trip))
    return shown


def _cells(trip: Trip) -> tuple[str, ...]:
    answer = trip.told.answer
    last = trip.homes[-1] if trip.homes else None
    late = None if last is None else last.delivered_ms
    return (
        "[red]✗[/]" if trip.faults else "[green]✓[/]",
        trip.errand.name,
        f"{answer.status or 'none'} in {1000 * answer.seconds:.0f} ms",
        "takes it" if trip.told.accepted else "hears of it" if trip.sends else "not asked",
        trip.outcome or ("delivered" if trip.homes else "-"),
        "-" if last is None else "never" if late is None else f"{late:.0f} ms later",
    )


def _report(home: Journey) -> Mapping[str, Any]:
    report: Mapping[str, Any] = home.receipt.letter.callback.content["message_delivery_report"]
    return report

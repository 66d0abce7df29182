"""A customer writes, an agent answers through the gateway, Sinch sends it on and reports."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from sandbox import callbacks, scenarios
from sandbox.agent import Agent, Told
from sandbox.archive import Archive
from sandbox.auto_reply import AutoReply
from sandbox.callbacks import Customer
from sandbox.connection import Answer
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.ledger import Call
from sandbox.conversation.outcome import Outcome
from sandbox.conversation.reports import Report
from sandbox.motion import Motion
from sandbox.scenarios import attachment, callback
from sandbox.scenarios.attachment import Sample
from sandbox.scenarios.callback import CallbackResult

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
    Errand(sample=attachment.sample("picture.jpg"), outcome="native as image"),
    Errand(sample=attachment.sample("invoice.pdf"), outcome="as a link"),
    Errand(sample=attachment.sample("wave.gif"), code="CHANNEL_FAILURE"),
)


@dataclass(frozen=True, kw_only=True)
class AnswerResult:
    """What the agent was told, what Sinch heard, what became of it, and how its reports came home.

    `heard` is the way of the customer's question, where the message answers one; `asked` says how often Motion was
    asked for the file; `secret` is what may not reach Sinch.
    """

    errand: Errand
    told: Told
    heard: CallbackResult | None
    sends: tuple[Call, ...]
    outcome: Outcome | None
    homes: tuple[CallbackResult, ...]
    asked: int
    secret: str

    @property
    def ended(self) -> str:
        """The words of WhatsApp about the file, of Sinch where the message failed."""
        if self.outcome is None:
            return ""
        looked = next((look.rendering.words for look in self.outcome.looks), "")
        return self.outcome.reason["code"] if self.outcome.reason else looked

    @property
    def reports(self) -> tuple[str, ...]:
        return tuple(str(_report(home)["status"]) for home in self.homes)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, in words; empty where it ended as the manual says."""
        asked = {f"the question: {problem}": False for problem in (self.heard.problems if self.heard else ())}
        return scenarios.problems({**asked, **(self._refusal() if self.errand.code else self._success())})

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
        sample, looks = self.errand.sample, self.outcome.looks if self.outcome else ()
        arrived = [arrival.number for home in self.homes for arrival in home.arrivals]
        return {
            f"Motion was asked for the file {self.asked} times": self.asked == (1 if sample else 0),
            f"Sinch heard it {len(self.sends)} times": len(self.sends) == 1,
            "Motion's own token went to Sinch": not any(self.secret.encode() in call.body for call in self.sends),
            f"WhatsApp: {self.ended or 'nothing was fetched'}": self.ended == self.errand.outcome,
            "Sinch fetched other bytes than Motion's": [look.fetched.content for look in looks]
            == ([sample.content] if sample else []),
            f"reported: {', '.join(self.reports) or 'nothing'}": self.reports == _GOOD,
            "the reports came in another order": arrived == sorted(arrived),
            **{f"the report {_report(home)['status']}: {one}": False for home in self.homes for one in home.problems},
        }

    @property
    def cells(self) -> tuple[str, ...]:
        answer = self.told.answer
        return (
            self.errand.name,
            f"{answer.status or 'none'} in {1000 * answer.seconds:.0f} ms",
            "takes it" if self.told.accepted else "hears of it" if self.sends else "not asked",
            self.ended or ("delivered" if self.homes else "-"),
            scenarios.later(self.homes[-1].delivered_ms) if self.homes else "-",
        )


@dataclass(frozen=True, kw_only=True)
class AnswerScenario:
    """Those who take part. The customer's question is answered by itself; the agent sends the files."""

    motion: Motion
    archive: Archive
    api: ConversationApi
    agent: Agent
    connector_id: int
    secret: str
    customer: Customer = callbacks.ANA

    def run(self, errands: Sequence[Errand] = ERRANDS) -> list[AnswerResult]:
        """One errand after another, each with its reports followed home."""
        return [self._run(errand) for errand in errands]

    def _run(self, errand: Errand) -> AnswerResult:
        before = len(self.api.sends)
        made = self.archive.put(errand.sample.name, errand.sample.content) if errand.sample else None
        told, heard = self._sent(made.attachment_id) if made else self._answered()
        homes = self._homes(told.message_id) if told.accepted else ()
        return AnswerResult(
            errand=errand,
            told=told,
            heard=heard,
            homes=homes,
            outcome=self.api.reports.outcome(told.message_id),
            sends=self.api.sends[before:],
            asked=len(self.archive.wait_until_served(made.attachment_id)) if made else 0,
            secret=self.secret,
        )

    def _sent(self, attachment_id: int) -> tuple[Told, None]:
        return self.agent.send_file(self.customer.contact_id, attachment_id), None

    def _answered(self) -> tuple[Told, CallbackResult]:
        """The customer asks, Motion hears it, and an agent answers."""
        with AutoReply(self.agent, {QUESTION: WORDS}.get) as agent:
            self.motion.on_event = agent.hook
            receipt = self.api.write(QUESTION, by=self.customer)
            (heard,) = callback.follow([receipt], self.motion, connector_id=self.connector_id)
            asked = any(arrival.accepted for arrival in heard.arrivals)
            told = agent.wait_for(1, _AT_MOST_SECONDS)[0].told if asked else Told(Answer(error="it did not answer"))
            self.motion.on_event = None
        return told, heard

    def _homes(self, message_id: str) -> tuple[CallbackResult, ...]:
        def ended(items: Sequence[Report]) -> bool:
            return any(item.message_id == message_id and item.status in _ENDED for item in items)

        with contextlib.suppress(TimeoutError):  # The result tells what is missing.
            self.api.reports.wait_for(ended)
        receipts = [item.receipt for item in self.api.reports.of(message_id) if item.receipt]
        return tuple(callback.follow(receipts, self.motion, connector_id=self.connector_id))


def table(results: Sequence[AnswerResult]) -> Table:
    """One line for each message."""
    headings = ("agent", "gateway", "Sinch", "WhatsApp", "report")
    rows = ((result.problems, result.cells) for result in results)
    return scenarios.table("From an agent through the gateway to Sinch, and back", headings, rows)


def _report(home: CallbackResult) -> Mapping[str, Any]:
    report: Mapping[str, Any] = home.receipt.letter.callback.content["message_delivery_report"]
    return report

"""One file's way from a customer to Motion: Sinch posts a link, and Motion downloads what its callback names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from sandbox import scenarios
from sandbox.conversation.api import ConversationApi
from sandbox.inbox import Brought, Inbox
from sandbox.motion import Motion
from sandbox.scenarios import attachment, callback
from sandbox.scenarios.attachment import Sample
from sandbox.scenarios.callback import CallbackResult

SAMPLES = tuple(attachment.sample(name) for name in ("picture.jpg", "voice.ogg", "invoice.pdf"))
CAPTION = "As you asked"


@dataclass(frozen=True, kw_only=True)
class CustomerFileResult:
    """What the customer sent, how the callback arrived, and what Motion downloaded."""

    sample: Sample
    home: CallbackResult
    brought: tuple[Brought, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, in words; empty where Motion has the file byte for byte."""
        found = self.brought[0].answer if self.brought else None
        said = (found.status or found.error) if found else "nobody asked for it"
        checks = {
            f"Motion has not got it: {said}": bool(found) and self.brought[0].content is not None,
            "other bytes than the customer's": not found or self.brought[0].content in (None, self.sample.content),
            f"{len(self.brought)} files in one message": len(self.brought) == 1,
            **{f"the callback: {problem}": False for problem in self.home.problems},
        }
        return scenarios.problems(checks)

    @property
    def cells(self) -> tuple[str, ...]:
        answer = self.brought[0].answer if self.brought else None
        got = f"{answer.status or answer.error} in {1000 * answer.seconds:.0f} ms" if answer else "-"
        came = "as sent" if self.brought and self.brought[0].content == self.sample.content else "-"
        return self.sample.name, f"{len(self.sample.content)} bytes", scenarios.later(self.home.delivered_ms), got, came


@dataclass(frozen=True, kw_only=True)
class CustomerFileScenario:
    """Those who take part."""

    motion: Motion
    inbox: Inbox
    api: ConversationApi
    connector_id: int

    def run(self, samples: Sequence[Sample] = SAMPLES) -> list[CustomerFileResult]:
        """Send one after another; the last with words."""
        return [self._run(sample, CAPTION if sample is samples[-1] else "") for sample in samples]

    def _run(self, sample: Sample, caption: str) -> CustomerFileResult:
        receipt = self.api.send_file(sample.name, sample.content, caption=caption)
        (home,) = callback.follow([receipt], self.motion, connector_id=self.connector_id)
        number = receipt.letter.callback.content["message"]["id"]
        brought = self.inbox.of(number) if home.arrivals else ()
        return CustomerFileResult(sample=sample, home=home, brought=brought)


def table(results: Sequence[CustomerFileResult]) -> Table:
    """One line for each file."""
    headings = ("file", "customer sent", "Motion", "download", "file there")
    rows = ((result.problems, result.cells) for result in results)
    return scenarios.table("From the customer through the gateway to Motion", headings, rows)

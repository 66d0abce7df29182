"""One file's way from a customer through the gateway to a Motion that has no internet, and what else has changed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from sandbox import scenarios, signing
from sandbox.conversation.api import ConversationApi
from sandbox.inbox import Brought, Inbox
from sandbox.motion import Motion, Received
from sandbox.scenarios import attachment, callback
from sandbox.scenarios.attachment import Sample
from sandbox.scenarios.callback import CallbackResult
from sandbox.sinch import Receipt

SAMPLES = tuple(attachment.sample(name) for name in ("picture.jpg", "voice.ogg", "invoice.pdf"))
CAPTION = "As you asked"


@dataclass(frozen=True, kw_only=True)
class CustomerFileResult:
    """What the customer sent, how the callback arrived, and what Motion downloaded; `secret` is the webhook's."""

    sample: Sample
    link: str
    home: CallbackResult
    brought: tuple[Brought, ...]
    secret: str

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, in words; empty where Motion has the file and all else as Sinch sent it, signed."""
        if len(self.home.arrivals) != 1 or len(self.brought) != 1:
            return (f"Motion heard it {len(self.home.arrivals)} times and asked for {len(self.brought)} files",)
        (arrival,), (got,), sent = self.home.arrivals, self.brought, self.home.receipt.letter
        answer, nonce = got.answer, sent.nonce
        changed = {
            "Motion was sent to Sinch for the file": got.named.link != self.link,
            f"Motion has not got it: {(answer.status or answer.error) if answer else 'no answer'}": bool(got.content),
            "other bytes than the customer's": got.content in (None, self.sample.content),
            "another body than was sent": arrival.body.replace(got.named.link.encode(), self.link.encode())
            == sent.body,
            "another nonce than was sent": arrival.header(signing.NONCE_HEADER) == nonce,
            "the signature is not that of what Motion got": _is_signed(arrival, self.secret),
        }
        return scenarios.problems(changed)

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
    secret: str

    def run(self, samples: Sequence[Sample] = SAMPLES) -> list[CustomerFileResult]:
        """Send one after another; the last with words."""
        return [self._run(sample, CAPTION if sample is samples[-1] else "") for sample in samples]

    def _run(self, sample: Sample, caption: str) -> CustomerFileResult:
        link = self.api.media.keep(sample.name, sample.content).link
        receipt = self.api.post(self.api.sent_file(link, caption=caption))
        (home,) = callback.follow([receipt], self.motion, connector_id=self.connector_id)
        brought = self._brought(receipt) if home.arrivals else ()
        return CustomerFileResult(sample=sample, link=link, home=home, brought=brought, secret=self.secret)

    def _brought(self, receipt: Receipt) -> tuple[Brought, ...]:
        with contextlib.suppress(TimeoutError):  # the result tells
            return self.inbox.of(receipt.letter.callback.content["message"]["id"])
        return ()


def table(results: Sequence[CustomerFileResult]) -> Table:
    """One line for each file."""
    headings = ("file", "customer sent", "Motion", "download", "file there")
    rows = ((result.problems, result.cells) for result in results)
    return scenarios.table("From the customer through the gateway to Motion, which has no internet", headings, rows)


def _is_signed(arrival: Received, secret: str) -> bool:
    nonce, at = arrival.header(signing.NONCE_HEADER) or "", arrival.header(signing.TIMESTAMP_HEADER) or ""
    signed = signing.sign(arrival.body, secret, nonce, int(at)) if at.isdecimal() else {}
    return bool(signed) and all(arrival.header(name) == value for name, value in signed.items())

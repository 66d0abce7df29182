"""One callback's way from Sinch through the gateway to Motion, and whether it arrived as it left."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from sandbox import scenarios, signing
from sandbox.motion import Motion, Received
from sandbox.sinch import Receipt

_KEPT_HEADERS = ("content-type", *signing.HEADERS)


@dataclass(frozen=True, kw_only=True)
class CallbackResult:
    """What was sent, what the gateway answered, and every copy that Motion heard."""

    connector_id: int
    query: str
    receipt: Receipt
    arrivals: tuple[Received, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, in words; empty where it arrived exactly once and byte for byte."""
        if not self.receipt.accepted:
            last = self.receipt.answers[-1]
            return (f"the gateway answered {last.status or last.error}",)
        if len(self.arrivals) != 1:
            return (f"Motion heard it {len(self.arrivals)} times",)
        arrival, letter = self.arrivals[0], self.receipt.letter
        same = {
            "body": arrival.body == letter.body,
            "query": arrival.query == self.query,
            "connector": arrival.connector_id == self.connector_id,
            **{name: arrival.all_headers(name) == letter.all_headers(name) for name in _KEPT_HEADERS},
        }
        return tuple(f"another {name} than was sent" for name in scenarios.problems(same))

    @property
    def answered_ms(self) -> float:
        """How long the gateway took to answer, retries included."""
        return 1000 * (self.receipt.accepted_at - self.receipt.answers[0].sent_at)

    @property
    def delivered_ms(self) -> float | None:
        """How long after Sinch had its 200 Motion had the callback; 0 where it was even earlier."""
        return max(0, 1000 * (self.arrivals[0].at - self.receipt.accepted_at)) if self.arrivals else None

    @property
    def cells(self) -> tuple[str, ...]:
        last = self.receipt.answers[-1]
        return (
            self.receipt.letter.callback.name,
            f"{len(self.receipt.letter.body)} bytes",
            f"{last.status or 'none'} in {self.answered_ms:.0f} ms",
            scenarios.later(self.delivered_ms),
            escape("; ".join(self.problems)) or "yes",
        )


def follow(
    receipts: Sequence[Receipt], motion: Motion, *, connector_id: int, query: str = "", deadline_seconds: float = 30
) -> list[CallbackResult]:
    """Wait until Motion has answered 2xx to each accepted callback, or until the deadline; then tell what happened."""
    accepted = {receipt.letter.nonce for receipt in receipts if receipt.accepted}
    with contextlib.suppress(TimeoutError):  # Each result tells what is missing.
        motion.wait_for(lambda items: accepted <= {_nonce(item) for item in items if item.accepted}, deadline_seconds)
    received = motion.received
    arrivals = [tuple(item for item in received if _nonce(item) == receipt.letter.nonce) for receipt in receipts]
    return [
        CallbackResult(connector_id=connector_id, query=query, receipt=receipt, arrivals=arrived)
        for receipt, arrived in zip(receipts, arrivals, strict=True)
    ]


def table(results: Sequence[CallbackResult]) -> Table:
    """One line for each callback."""
    headings = ("callback", "Sinch sent", "gateway", "Motion", "as sent")
    rows = ((result.problems, result.cells) for result in results)
    return scenarios.table("From Sinch through the gateway to Motion", headings, rows)


def _nonce(received: Received) -> str | None:
    return received.header(signing.NONCE_HEADER)

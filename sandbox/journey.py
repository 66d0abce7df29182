"""One callback's way from Sinch through the gateway to Motion, and whether it arrived as it left."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from sandbox import signing
from sandbox.motion import Motion, Received
from sandbox.sinch import Letter, Receipt

_KEPT_HEADERS = ("content-type", *signing.HEADERS)


@dataclass(frozen=True, kw_only=True)
class Journey:
    """What was sent, what the gateway answered, and every copy that Motion heard."""

    connector_id: int
    query: str
    receipt: Receipt
    arrivals: tuple[Received, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with it, in words; empty where it arrived exactly once and byte for byte."""
        if not self.receipt.accepted:
            last = self.receipt.answers[-1]
            return (f"the gateway answered {last.status or last.error}",)
        if len(self.arrivals) != 1:
            return (f"Motion heard it {len(self.arrivals)} times",)
        return tuple(self._differences(self.arrivals[0]))

    @property
    def answered_ms(self) -> float:
        """How long the gateway took to answer, retries included."""
        return 1000 * (self.receipt.accepted_at - self.receipt.answers[0].sent_at)

    @property
    def delivered_ms(self) -> float | None:
        """How long after Sinch had its 200 Motion had the callback; 0 where it was even earlier."""
        return max(0, 1000 * (self.arrivals[0].at - self.receipt.accepted_at)) if self.arrivals else None

    def _differences(self, arrival: Received) -> list[str]:
        checks = {
            "body": arrival.body == self.receipt.letter.body,
            "query": arrival.query == self.query,
            "connector": arrival.connector_id == self.connector_id,
            **{name: arrival.all_headers(name) == _sent(self.receipt.letter, name) for name in _KEPT_HEADERS},
        }
        return [f"another {name} than was sent" for name, same in checks.items() if not same]


def follow(
    receipts: Sequence[Receipt], motion: Motion, *, connector_id: int, query: str = "", deadline_seconds: float = 30
) -> list[Journey]:
    """Wait until Motion has answered 2xx to each accepted callback, or until the deadline; then tell what happened."""
    accepted = {receipt.letter.nonce for receipt in receipts if receipt.accepted}
    with contextlib.suppress(TimeoutError):  # Each journey tells what is missing.
        motion.wait_for(lambda items: accepted <= {_nonce(item) for item in items if item.accepted}, deadline_seconds)
    return [
        Journey(connector_id=connector_id, query=query, receipt=receipt, arrivals=_arrivals(receipt, motion.received))
        for receipt in receipts
    ]


def table(journeys: Sequence[Journey]) -> Table:
    """One line for each callback, one column for each hop."""
    shown = Table(title="From Sinch through the gateway to Motion", title_justify="left", box=None)
    for heading in ("", "callback", "Sinch sent", "gateway", "Motion", "as sent"):
        shown.add_column(heading, no_wrap=heading != "as sent")
    for journey in journeys:
        shown.add_row(*_cells(journey))
    return shown


def _cells(journey: Journey) -> tuple[str, ...]:
    last, delivered = journey.receipt.answers[-1], journey.delivered_ms
    return (
        "[red]✗[/]" if journey.faults else "[green]✓[/]",
        journey.receipt.letter.callback.name,
        f"{len(journey.receipt.letter.body)} bytes",
        f"{last.status or 'none'} in {journey.answered_ms:.0f} ms",
        "never" if delivered is None else f"{delivered:.0f} ms later",
        escape("; ".join(journey.faults)) or "yes",
    )


def _arrivals(receipt: Receipt, received: Sequence[Received]) -> tuple[Received, ...]:
    return tuple(item for item in received if _nonce(item) == receipt.letter.nonce)


def _nonce(received: Received) -> str | None:
    return received.header(signing.NONCE_HEADER)


def _sent(letter: Letter, name: str) -> list[str]:
    return [value for key, value in letter.headers if key.lower() == name]

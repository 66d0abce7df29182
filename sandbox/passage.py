"""One attachment's way: Motion's link goes to Sinch, which fetches through the gateway and reports back to Motion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table

from sandbox import callbacks, journey, whatsapp
from sandbox.archive import Archive, Download
from sandbox.callbacks import App, Callback
from sandbox.fetching import Fetched, Fetcher
from sandbox.journey import Journey
from sandbox.motion import Motion
from sandbox.samples import Sample
from sandbox.sinch import Sinch
from sandbox.whatsapp import Outcome


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What was sent, what Motion was asked, what Sinch got and said, and how its report came home."""

    sample: Sample
    downloads: tuple[Download, ...]
    fetched: Fetched
    outcome: Outcome
    report: Journey

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with it, in words; empty where it ended as the manual says."""
        status = self.fetched.decisive.status
        found = {
            f"the gateway answered {status or self.fetched.decisive.error}": status == self.sample.status,
            f"{self.outcome.words}: {self.outcome.description}".rstrip(": "): self.outcome.words == self.sample.outcome,
            "other bytes than Motion's": self.fetched.content in (None, self.sample.content),
            f"Motion was asked {len(self.downloads)} times": len(self.downloads) == 1,
            **{f"the report: {fault}": False for fault in self.report.faults},
        }
        return tuple(words for words, fine in found.items() if not fine)


@dataclass(frozen=True, kw_only=True)
class Post:
    """Those who take part: Motion with its archive, Sinch that fetches and reports, and Motion's way to make links."""

    motion: Motion
    archive: Archive
    fetcher: Fetcher
    sinch: Sinch
    app: App
    connector_id: int
    link: Callable[[int], str]

    def carry(self, samples: Sequence[Sample]) -> list[Passage]:
        """Send one after another, and follow each report home."""
        return [self._carry(sample) for sample in samples]

    def _carry(self, sample: Sample) -> Passage:
        attachment = self.archive.put(sample.name, sample.content)
        fetched = self.fetcher.fetch(self.link(attachment.attachment_id))
        outcome = whatsapp.judge(fetched)
        receipt = self.sinch.send(report(outcome, app=self.app))
        (home,) = journey.follow([receipt], self.motion, connector_id=self.connector_id)
        downloads = self.archive.wait_until_served(attachment.attachment_id)
        return Passage(sample=sample, downloads=downloads, fetched=fetched, outcome=outcome, report=home)


def report(outcome: Outcome, *, app: App) -> Callback:
    """Sinch's delivery report of that outcome."""
    if outcome.how != "refused":
        return callbacks.report("DELIVERED", app=app)
    said = f"The underlying channel reported: {outcome.description}"
    reason = {"code": outcome.reason, "sub_code": outcome.sub_code, "description": said}
    return callbacks.report("FAILED-media", reason=reason, app=app)


def table(passages: Sequence[Passage]) -> Table:
    """One line for each file, one column for each hop."""
    shown = Table(title="From Motion through the gateway to Sinch and WhatsApp", title_justify="left", box=None)
    for heading in ("", "file", "Motion", "gateway", "WhatsApp", "report"):
        shown.add_column(heading, no_wrap=True)
    for passage in passages:
        shown.add_row(*_cells(passage))
    return shown


def _asked(downloads: Sequence[Download]) -> str:
    """How long Motion took over its first answer; what it said where that was not 200."""
    if not downloads:
        return "never"
    first = downloads[0]
    return f"{1000 * (first.seconds or 0):.1f} ms" if first.answered == 200 else str(first.answered or "no answer")


def _ended(outcome: Outcome) -> str:
    return f"refused {outcome.words}" if outcome.how == "refused" else outcome.words


def _cells(passage: Passage) -> tuple[str, ...]:
    answer, delivered = passage.fetched.decisive, passage.report.delivered_ms
    return (
        "[red]✗[/]" if passage.faults else "[green]✓[/]",
        passage.sample.name,
        _asked(passage.downloads),
        f"{answer.status or 'none'} in {1000 * passage.fetched.seconds:.0f} ms",
        _ended(passage.outcome),
        "never" if delivered is None else f"{delivered:.0f} ms later",
    )

"""One attachment's way: Motion's link goes to Sinch, which fetches through the gateway and reports back to Motion.

The files come from ordinary encoders (the letter byte by byte after [MS-DOC]) and show and say nothing of interest. The
manual has no row for a voice note: Ogg with Opus is native at WhatsApp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from sandbox import callbacks, scenarios, whatsapp
from sandbox.archive import Archive, Download
from sandbox.callbacks import App, Callback
from sandbox.fetching import Fetched, Fetcher
from sandbox.motion import Motion
from sandbox.scenarios import callback
from sandbox.scenarios.callback import CallbackResult
from sandbox.sinch import Sinch
from sandbox.whatsapp import Rendering

_FOLDER = Path(__file__).parent.parent / "data" / "attachments"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file, the status that the gateway owes whoever fetches it, and its end at WhatsApp by XCALLY's manual."""

    name: str
    status: int
    outcome: str

    @property
    def content(self) -> bytes:
        return (_FOLDER / self.name).read_bytes()


SAMPLES = (
    Sample(name="picture.jpg", status=200, outcome="native as image"),
    Sample(name="voice.ogg", status=200, outcome="native as audio"),
    Sample(name="invoice.pdf", status=200, outcome="as a link"),
    Sample(name="wave.gif", status=415, outcome="CHANNEL_FAILURE"),
    Sample(name="letter.doc", status=415, outcome="CHANNEL_FAILURE"),
)


def sample(name: str) -> Sample:
    """The one of that name."""
    return next(found for found in SAMPLES if found.name == name)


@dataclass(frozen=True, kw_only=True)
class AttachmentResult:
    """What was sent, what Motion was asked, what Sinch got and said, and how its report came home."""

    sample: Sample
    downloads: tuple[Download, ...]
    fetched: Fetched
    rendering: Rendering
    report: CallbackResult

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, in words; empty where it ended as the manual says."""
        status, shown = self.fetched.decisive.status, self.rendering
        checks = {
            f"the gateway answered {status or self.fetched.decisive.error}": status == self.sample.status,
            f"{shown.words}: {shown.description}".rstrip(": "): shown.words == self.sample.outcome,
            "other bytes than Motion's": self.fetched.content in (None, self.sample.content),
            f"Motion was asked {len(self.downloads)} times": len(self.downloads) == 1,
            **{f"the report: {problem}": False for problem in self.report.problems},
        }
        return scenarios.problems(checks)

    @property
    def cells(self) -> tuple[str, ...]:
        answer = self.fetched.decisive
        return (
            self.sample.name,
            _asked(self.downloads),
            f"{answer.status or 'none'} in {1000 * self.fetched.seconds:.0f} ms",
            f"refused {self.rendering.words}" if self.rendering.how == "refused" else self.rendering.words,
            scenarios.later(self.report.delivered_ms),
        )


@dataclass(frozen=True, kw_only=True)
class AttachmentScenario:
    """Those who take part: Motion with its archive, Sinch that fetches and reports, and Motion's way to make links."""

    motion: Motion
    archive: Archive
    fetcher: Fetcher
    sinch: Sinch
    app: App
    connector_id: int
    link: Callable[[int], str]

    def run(self, samples: Sequence[Sample] = SAMPLES) -> list[AttachmentResult]:
        """Send one after another, and follow each report home."""
        return [self._run(sample) for sample in samples]

    def _run(self, sample: Sample) -> AttachmentResult:
        attachment = self.archive.put(sample.name, sample.content)
        fetched = self.fetcher.fetch(self.link(attachment.attachment_id))
        rendering = whatsapp.judge(fetched)
        receipt = self.sinch.send(report(rendering, app=self.app))
        (home,) = callback.follow([receipt], self.motion, connector_id=self.connector_id)
        downloads = self.archive.wait_until_served(attachment.attachment_id)
        return AttachmentResult(sample=sample, downloads=downloads, fetched=fetched, rendering=rendering, report=home)


def report(rendering: Rendering, *, app: App) -> Callback:
    """Sinch's delivery report of a file that ended so."""
    if rendering.how != "refused":
        return callbacks.report("DELIVERED", app=app)
    said = f"The underlying channel reported: {rendering.description}"
    reason = {"code": rendering.reason, "sub_code": rendering.sub_code, "description": said}
    return callbacks.report("FAILED-media", reason=reason, app=app)


def table(results: Sequence[AttachmentResult]) -> Table:
    """One line for each file."""
    headings = ("file", "Motion", "gateway", "WhatsApp", "report")
    rows = ((result.problems, result.cells) for result in results)
    return scenarios.table("From Motion through the gateway to Sinch and WhatsApp", headings, rows)


def _asked(downloads: Sequence[Download]) -> str:
    """How long Motion took over its first answer; what it said where that was not 200."""
    if not downloads:
        return "never"
    first = downloads[0]
    return f"{1000 * (first.seconds or 0):.1f} ms" if first.answered == 200 else str(first.answered or "no answer")

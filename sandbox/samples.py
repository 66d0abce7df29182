"""The files that `play` sends, and how each must end according to XCALLY's manual.

They come from ordinary encoders (the letter byte by byte after [MS-DOC]) and show and say nothing of interest. The
manual has no row for a voice note: Ogg with Opus is native at WhatsApp.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "data" / "attachments"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file, the status that the gateway owes whoever fetches it, and the outcome at WhatsApp."""

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


def named(name: str) -> Sample:
    """The one of that name."""
    return next(sample for sample in SAMPLES if sample.name == name)

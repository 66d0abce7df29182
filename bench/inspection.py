"""How long the inspection of a file takes, by type: of the files that the tests make with real encoders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from gateway import clock
from gateway.inspection import content, inspector
from tests import document_samples, picture_samples, recording_samples

TIMES = 5


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """Of the files of one type, each inspected TIMES times."""

    mime: str
    files: int
    median_ms: float
    most_ms: float


def by_type() -> list[Inspected]:
    times: dict[str, list[float]] = defaultdict(list)
    for data in _samples():
        mime, milliseconds = _timed(data)
        times[mime].append(milliseconds)
    return [
        Inspected(mime=mime, files=len(found), median_ms=median(found), most_ms=max(found))
        for mime, found in sorted(times.items())
    ]


def _samples() -> Iterator[bytes]:
    for sample in (*picture_samples.PICTURES.values(), *recording_samples.RECORDINGS.values()):
        yield sample.data()
    for table in (document_samples.NATIVE, document_samples.OTHERS, document_samples.DANGERS):
        for *_, make in table.values():
            yield make()


def _timed(data: bytes) -> tuple[str, float]:
    """Its type, and the median of its times."""
    spent = []
    for _ in range(TIMES):
        began = clock.steady()
        found = inspector.inspect(content.of_bytes(data))
        spent.append(1000 * (clock.steady() - began))
    return found.mime, median(spent)

"""What is known of the files that customers have sent in: a row for each link of an event, in the spool's database."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.phrases import Finding
from gateway.store.engines import Database

WAITING, KEPT, HELD, RELEASED, FAILED = "waiting", "kept", "held", "released", "failed"
_ID = re.compile("in([1-9][0-9]{0,17})[.]([1-9][0-9]{0,2})")


@dataclass(frozen=True, kw_only=True)
class InboundFile:
    """A file, or a link that it could not be had by. `number`: which link of the event it is, from 1 on."""

    event_id: int
    number: int
    connector_id: int
    place: str  # where the link stands, as `places` says it
    state: str
    digest: bytes | None  # SHA-256; None where there is no file
    size_bytes: int
    name: str  # under which Motion gets it
    mime: str  # and as what
    verdict: str
    reason: str  # why it is held back, marked, or could not be had
    at: float  # when it became so, in epoch seconds

    @property
    def is_here(self) -> bool:
        """Whether there is something to link to: the file, or a note about one that is held back."""
        return self.digest is not None and self.state in (KEPT, HELD, RELEASED)

    @property
    def attachment_id(self) -> str:
        """The name under which the vault's register has it."""
        return f"in{self.event_id}.{self.number}"


@dataclass(frozen=True)
class KnownFiles:
    """What is known of the files of one event. `unsettled`: what becomes of some is still to be found out."""

    files: tuple[InboundFile, ...] = ()
    unsettled: bool = False


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What of the files in an event matters to who delivers it.

    `waits_until`: it waits for those that may still come, until then, in epoch seconds; 0.0: it does not wait.
    `findings`: why links of it stay as they came; `body`: with links of ours; None: as it came.
    """

    waits_until: float = 0.0
    findings: tuple[Finding, ...] = ()
    body: bytes | None = None


AS_IT_CAME = Contents()


def of_event(database: Database, event_id: int) -> KnownFiles:
    """Read what has become of the files of an event. Raises SpoolUnavailable."""
    unsettled, rows = database.ask(
        lambda run: (run("media_of_event", event_id=event_id), run("files_of_event", event_id=event_id, number=None))
    )
    return KnownFiles(tuple(_file(row) for row in rows), unsettled=any(left for [left] in unsettled))


def find(database: Database, attachment_id: str) -> InboundFile | None:
    """Read what has become of the file that the register has under that name. Raises SpoolUnavailable."""
    named = _ID.fullmatch(attachment_id)
    if named is None:
        return None
    event_id, number = map(int, named.groups())
    rows = database.ask(lambda run: run("files_of_event", event_id=event_id, number=number))
    return _file(rows[0]) if rows else None


def _file(row: tuple[object, ...]) -> InboundFile:
    return InboundFile(**dict(zip(InboundFile.__dataclass_fields__, row, strict=True)))  # type: ignore[arg-type]

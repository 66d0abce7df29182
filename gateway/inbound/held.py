"""What operators see of the files that customers have sent in, and how one that is held back is released or taken out.

Rule 1. An operator names a file as its note does: by the number of its event and its own, 17/1.
Rule 2. What is released is served by the links that there are; who releases it is recorded in the same transaction.
Rule 3. What is taken out is looked at, and that is recorded before it is there.
"""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

from gateway.errors import CommandError
from gateway.inbound.arrivals import FAILED, HELD, KEPT, RELEASED, WAITING, InboundFile
from gateway.store import Choice, Run, audit, schema
from gateway.store.engines import Database

STATES = (WAITING, KEPT, HELD, RELEASED, FAILED)
FILE_MODE = 0o600  # nobody but who takes it out reads it, and nobody runs it
_NAMED = re.compile(r"([1-9][0-9]{0,17})/([1-9][0-9]{0,2})")
_SHOWN = sa.select(*(schema.inbound_file.c[name] for name in InboundFile.__dataclass_fields__))


def named(written: str) -> tuple[int, int]:
    """Read the name of a file that somebody typed: its event, and its number there. Raises CommandError."""
    found = _NAMED.fullmatch(written)
    if not found:
        raise CommandError(f"{written!r} names no file: write the event and the number of the file in it, as in 17/1")
    return int(found[1]), int(found[2])


def name(file: InboundFile) -> str:
    """Name a file as people do."""
    return f"{file.event_id}/{file.number}"


def about(file: InboundFile) -> str:
    """Say of a deed what it is about."""
    return f"file {name(file)}: {file.reason}"


def listed(database: Database, chosen: Choice, *, most: int) -> list[InboundFile]:
    """List the newest files, newest event first, of a state, of a connector, and since then."""
    table = schema.inbound_file.c
    wanted = {table.state: chosen.state, table.connector_id: chosen.connector_id}
    query = _SHOWN.where(*(column == value for column, value in wanted.items() if value is not None))
    query = query.where(table.at >= chosen.since) if chosen.since is not None else query
    query = query.order_by(table.event_id.desc(), table.number).limit(most)
    return [_file(row) for row in database.read(lambda connection: connection.execute(query).all())]


def of_events(database: Database, event_ids: list[int]) -> dict[int, list[InboundFile]]:
    """List the files of each of these events that has some, in their order."""
    table = schema.inbound_file.c
    query = _SHOWN.where(table.event_id.in_(event_ids)).order_by(table.event_id, table.number)
    found: dict[int, list[InboundFile]] = {}
    for row in database.read(lambda connection: connection.execute(query).all()):
        found.setdefault(row.event_id, []).append(_file(row))
    return found


def shown(database: Database, written: str) -> InboundFile:
    """Read what is known of the file that is so named. Raises CommandError."""
    event_id, number = named(written)
    table = schema.inbound_file.c
    query = _SHOWN.where(table.event_id == event_id, table.number == number)
    row = database.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise CommandError(f"there is no file {written}; `inbound list` shows those there are")
    return _file(row)


def release(database: Database, file: InboundFile, deed: audit.Deed) -> None:
    """Let Motion have a file that is held back, and record it. Raises CommandError where it is not held."""

    def work(run: Run) -> bool:
        released = bool(run("release_file", at=deed.at, event_id=file.event_id, number=file.number))
        if released:
            audit.note(run, deed)
        return released

    require_held(file)
    if not database.tell(work):
        raise CommandError(f"file {name(file)} is not held back any more")


def require_held(file: InboundFile) -> None:
    """Raises CommandError, which says what it is instead."""
    if file.state != HELD:
        raise CommandError(f"file {name(file)} is not held back: it is {file.state}")


def save(file: InboundFile, content: bytes | None, to: Path) -> None:
    """Write its bytes into the new file `to`. Raises CommandError, also where there are none."""
    if content is None:
        raise CommandError(f"file {name(file)} is not in the vault of this machine; nothing was written")
    try:
        to.touch(FILE_MODE, exist_ok=False)
        try:
            to.write_bytes(content)
        except OSError:
            to.unlink()  # half of it is no evidence, and would stand in the way of the next try
            raise
    except FileExistsError as error:
        raise CommandError(f"{to} exists, and was not replaced") from error
    except OSError as error:
        raise CommandError(f"{to} cannot be written: {error.strerror}; nothing was left there") from error


def _file(row: sa.Row[tuple[object, ...]]) -> InboundFile:
    return InboundFile(**row._mapping)

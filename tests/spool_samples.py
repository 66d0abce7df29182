"""Callbacks and sends for the tests of the spool, and a way to wait for what another thread does."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from gateway import config, paths
from gateway.delivery import claims, recovery
from gateway.delivery.claims import Hand
from gateway.ingress import events, intake
from gateway.ingress.intake import Callback
from gateway.outbound.record import Draft
from gateway.store import Run, migrations, postgres, schema, sqlite
from gateway.store.audit import Action, Deed
from gateway.store.dialects import Json
from gateway.store.engines import Database

NOW = 1_000_000.0
DEED = Deed(at=NOW, action=Action.REPLAY, who="ana", login="ana", account="motion-gateway", about="event 1")
REFUSE_DEEDS = "ALTER TABLE audit RENAME COLUMN who TO whom"  # to meddle with: none can be written any more
FOLDERS: dict[str, Path] = {}  # of those with a spool on PostgreSQL, by its URL


def callback(
    message: str = "m1", *, contact: str = "c1", text: str = "hello", connector: int = 7, **changes: Any
) -> Callback:
    """The inbound message `message`; `text` makes it other bytes. Not signed unless `nonce` says so.

    `identity` names it by channel identity where `contact` is empty; all else are columns of Callback.
    """
    content = {"id": message, "contact_id": contact, "text": text}
    if identity := changes.pop("identity", ""):
        content["channel_identity"] = {"channel": "WHATSAPP", "identity": identity}
    body = json.dumps({"app_id": "app-1", "message": content}).encode()
    right: dict[str, Any] = {
        "connector_id": connector,
        "event": events.read(body, connector_id=connector),
        "body": body,
        "headers": (("content-type", "application/json"),),
        "query": "",
        "request_id": f"request-{message}",
        "address": "192.0.2.1",
    }
    return Callback(**(right | changes))


def reported(
    message: str, status: str = "DELIVERED", *, correlation: str = "", connector: int = 7, **told: Any
) -> Callback:
    """The delivery report `status` on a message; SUBMITTED is a callback of its own. `told` is more of its content."""
    content = {"message_id": message, "contact_id": "c1", "channel_identity": {"channel": "WHATSAPP"}} | told
    key = "message_submit_notification" if status == events.SUBMITTED else "message_delivery_report"
    body = json.dumps({"correlation_id": correlation, key: content | {"status": status}}).encode()
    return callback(
        f"{message}-{status}", body=body, event=events.read(body, connector_id=connector), connector=connector
    )


def draft(number: int = 1, **changes: Any) -> Draft:
    """The text that Motion sends as `number`, under our reference."""
    right: dict[str, Any] = {
        "reference": f"mg-{number}",
        "connector_id": 7,
        "app_id": "app-1",
        "kind": "text_message",
        "contact_id": "c1",
        "identity": "",
        "correlation_id": f"mg-{number}",
        "request_id": f"request-{number}",
    }
    return Draft(**(right | changes))


def accept(spool: Database, message: str = "m1", *, now: float = NOW, **told: Any) -> int:
    event_id = intake.accept(spool, callback(message, **told), now=now).event_id
    assert event_id is not None
    return event_id


def settle(spool: Database, event_id: int, state: str, *, now: float = NOW) -> None:
    """Claim what is due until `event_id` comes, and settle that; the rest is free again."""
    taken_all = {c.event_id: c for c in claims.claim(spool, due_by=NOW, now=NOW, most=100, lease_seconds=90)}
    taken = taken_all.pop(event_id)
    act = claims.delivered if state == "delivered" else claims.park
    act(spool, taken, outcome=state, now=now)
    for other in taken_all.values():
        claims.postpone(spool, other, outcome="", due_at=0, failures=0, failing_since=None, now=NOW)


def die(spool: Database, times: int, *, now: float = NOW) -> None:
    """Have so many couriers die, one after another, each with the first event that it could take in hand."""
    for _ in range(times):
        suspects = recovery.suspects(spool, most=1)
        if not claims.claim_lanes(spool, suspects, Hand(now + 90)):
            claims.claim(spool, due_by=now, now=now, most=1, lease_seconds=90)
        recovery.start(spool, "", now=now, longest_wait_seconds=300)


def states(spool: Database) -> dict[int, str]:
    return {row.id: row.state for row in rows(spool, schema.event)}


def order(spool: Database) -> list[int]:
    """The events of the one lane there is, in the order in which the courier gets them."""
    found = []
    while taken := claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90):
        found.append(taken[0].event_id)
        claims.delivered(spool, taken[0], outcome="200", now=NOW)
    return found


def meddle(database: Database, *statements: str | sa.Executable) -> None:
    """Change it behind everybody's back, in one transaction."""
    with _behind(database).connect() as connection:
        connection.exec_driver_sql("BEGIN")
        for statement in statements:
            connection.exec_driver_sql(statement) if isinstance(statement, str) else connection.execute(statement)
        connection.commit()


def _behind(database: Database) -> sa.Engine:
    place = database._place
    if isinstance(place, str):
        return schema.engine(lambda: postgres.connect(place, ""), dialect="postgresql+psycopg")
    return schema.engine(lambda: sqlite.connect(place, patience_seconds=1))


def rows(database: Database, table: sa.Table) -> list[Any]:
    """Everything in a table, in the order it came in: cheap enough to be asked again and again."""
    row, as_python = _shape(table, remote=is_remote(database))
    query = "SELECT {} FROM {}".format(", ".join(f'"{name}"' for name in row._fields), table.name)
    if is_remote(database):
        query += f" ORDER BY {'id' if 'id' in row._fields else 'ctid'}"
        found = psycopg_of(str(database._place)).execute(query.encode()).fetchall()
    else:
        with closing(sqlite3.connect(database.path)) as reader:
            found = reader.execute(query).fetchall()
    return [
        row(
            *(
                read(value) if read and value is not None else value
                for read, value in zip(as_python, values, strict=True)
            )
        )
        for values in found
    ]


def insert(word: str) -> Callable[[Run], str]:
    """What writes a word, for who only wants to see whether it was written: each is a nonce, and there once."""

    def work(run: Run) -> str:
        run("insert_nonce", connector_id=7, nonce=word, body_digest=b"", event_id=1, seen_at=1.0)
        return word

    return work


def words(database: Database) -> set[str]:
    """All that were written."""
    return {row.nonce for row in rows(database, schema.nonce)}


def multiply(database: Database, table: sa.Table, count: int, **own: str) -> None:
    """Have `count` rows like its one, number 1, but for what each has of its `own`: in terms of its number i."""
    names = ", ".join(f'"{column.name}"' for column in table.columns if column.name not in own)
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n"
    told = f"{', '.join(own)}, {names}", f"{', '.join(own.values())}, {names}"
    meddle(database, f"INSERT INTO {table.name} ({told[0]}) SELECT {told[1]} FROM {table.name}, ({numbers}) AS numbers")


def folder_of(database: Database) -> Path:
    """Where a gateway with that spool may keep all else."""
    return FOLDERS[str(database._place)] if is_remote(database) else database.path.parent


def is_remote(database: Database) -> bool:
    """Whether it is on PostgreSQL."""
    return isinstance(database._place, str)


@cache
def psycopg_of(url: str) -> psycopg.Connection[Any]:
    """One connection for all that looks into that database, and empties it."""
    return psycopg.connect(url, autocommit=True, options="-c lock_timeout=5000")


@cache
def _shape(table: sa.Table, *, remote: bool) -> tuple[Any, list[Callable[[Any], Any] | None]]:
    """What a row of it is, and what makes of each column's value what Python has for it."""
    dialect = sqlite_dialect()
    columns = table.columns
    as_python = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    if remote:  # whose driver knows all but what is written as a text
        as_python = [_written if isinstance(column.type, Json) else None for column in columns]
    return namedtuple(table.name, columns.keys()), as_python


def _written(value: str | None) -> Any:
    return None if value is None else json.loads(value)


def until(condition: Callable[[], object], what: str, deadline_seconds: float = 60) -> None:
    """Wait for what only looking can tell. Raises AssertionError, naming `what`, at the deadline."""
    end = time.monotonic() + deadline_seconds
    pause, seconds = threading.Event(), 0.001  # what takes longer is looked at less often
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {deadline_seconds} s"
        pause.wait(seconds)
        seconds = min(seconds * 1.5, 0.02)


def times_opened(path: Path) -> int:
    """How often this process has a file open."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            count += link.readlink() == path
    return count


def migrate(path: Path) -> None:
    """Make an empty spool of this release at `path`, as `migrations.migrate` does; the first one is kept and copied."""
    path.write_bytes(_empty())
    path.chmod(0o600)


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "spool.sqlite3"
        migrations.migrate(made)
        return made.read_bytes()


class WatchedSpool(Database):
    """Remembers what it is asked and told, by the names of the statements."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, patience_seconds=0.1)
        self.asked: list[list[str]] = []
        self.told: list[list[str]] = []

    def ask(self, work: Callable[[Run], Any]) -> Any:
        self.asked.append([])
        return super().ask(lambda run: work(_noting(run, self.asked[-1])))

    def glance(self, name: str, /, **values: object) -> list[Any]:
        self.asked.append([name])
        return super().glance(name, **values)

    def tell(self, work: Callable[[Run], Any]) -> Any:
        self.told.append([])
        return super().tell(lambda run: work(_noting(run, self.told[-1])))


class Explained(Database):
    """Remembers how the database looks for what is read."""

    def __init__(self, place: Path | str) -> None:
        super().__init__(place, patience_seconds=5)
        self.plan: list[str] = []

    def read(self, work: Callable[[sa.Connection], Any]) -> Any:
        def explained(connection: sa.Connection) -> Any:
            asked: list[tuple[str, Any]] = []
            sa.event.listen(connection, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
            found = work(connection)
            words = "EXPLAIN" if is_remote(self) else "EXPLAIN QUERY PLAN"
            for text, values in tuple(asked):
                self.plan += [row[-1] for row in connection.exec_driver_sql(f"{words} {text}", values)]
            return found

        return super().read(explained)


def _noting(run: Run, names: list[str]) -> Run:
    def noted(name: str, /, **values: object) -> list[Any]:
        names.append(name)
        return run(name, **values)

    return noted


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes to the spool for as long as this lasts."""
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def of_settings(file: Path) -> Iterator[Database]:
    """The spool that commands with these settings open."""
    settings = config.load(file, {})
    paths.prepare(settings)
    migrate(paths.spool(settings))
    with closing(Database(paths.spool(settings), patience_seconds=1)) as opened:
        yield opened

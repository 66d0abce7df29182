"""The spool of the first release, full, as data/spool_0001.sql has recorded it, and more of the same.

It is laid down by SQL alone: what the code believes of the schema today has no part in it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "data" / "spool_0001.sql"
REVISION = "0001"

# Table, key, and the columns that hold moments; 0 is none.
MOMENTS = {
    "event": ("accepted_at", "settled_at", "failing_since"),
    "nonce": ("seen_at",),
    "lane": ("due_at", "leased_until"),
}

Contents = dict[str, list[dict[str, Any]]]


def lay(path: Path, *, now: float, crowd: int = 0) -> None:
    """Put the recorded spool at `path`, as if it had been recorded `now`, with its log not yet in the file.

    `crowd`: as many events more, of 40 contacts; every third one waits, the others were delivered.
    """
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    making = path.with_name("making")
    with closing(sqlite3.connect(making)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.executescript(RECORDED.read_text("utf-8"))
        _move(connection, now)
        _crowd(connection, crowd, now)
        connection.commit()
        # What a power cut leaves: the file, and beside it a log that holds all that was committed.
        for end in ("", "-wal"):
            shutil.copy(making.with_name(f"making{end}"), path.with_name(f"{path.name}{end}"))
    making.unlink()


def contents(path: Path) -> Contents:
    """Every row of the first schema's tables, in the order of their ids or keys; read without the code's help."""
    with _reading(path) as connection:
        return {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
            for table in MOMENTS
        }


def _move(connection: sqlite3.Connection, now: float) -> None:
    """Move every moment by as much as it takes for the last event to have been accepted now."""
    [last] = connection.execute("SELECT max(accepted_at) FROM event").fetchone()
    for table, columns in MOMENTS.items():
        for column in columns:
            sql = f"UPDATE {table} SET {column} = {column} + ? WHERE {column} > 0"
            connection.execute(sql, (now - last,))


def _crowd(connection: sqlite3.Connection, count: int, now: float) -> None:
    """Events made after the pattern of the first recorded one."""
    with _rows(connection):
        pattern = dict(connection.execute("SELECT * FROM event ORDER BY id LIMIT 1").fetchone())
    del pattern["id"]
    for number in range(count):
        state = "delivered" if number % 3 else "pending"
        row = pattern | _one_of_many(pattern, number) | {"state": state, "accepted_at": now}
        if state == "pending":
            row |= {"outcome": "", "tries": 0, "settled_at": None}
        marks = ", ".join("?" * len(row))
        cursor = connection.execute(f"INSERT INTO event ({', '.join(row)}) VALUES ({marks})", [*row.values()])
        if state == "pending":
            lane = (row["lane"], cursor.lastrowid, 0.0)
            connection.execute("INSERT OR IGNORE INTO lane (lane, first_event, due_at) VALUES (?, ?, ?)", lane)


def _one_of_many(pattern: dict[str, Any], number: int) -> dict[str, Any]:
    contact = f"crowd-{number % 40}"
    content = json.loads(pattern["body"])
    content["message"] |= {"id": f"message-{number}", "contact_id": contact}
    body = json.dumps(content).encode()
    digest = hashlib.sha256(body).digest()
    told = {"key": digest, "body": body, "body_digest": digest, "contact_id": contact, "request_id": f"{number:032x}"}
    return told | {"lane": f"{pattern['connector_id']}:contact:{contact}"}


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # Whoever may write to the file would bring the log into it when he leaves.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection, _rows(connection):
        yield connection


@contextmanager
def _rows(connection: sqlite3.Connection) -> Iterator[None]:
    """Rows with the names of their columns."""
    before, connection.row_factory = connection.row_factory, sqlite3.Row
    try:
        yield
    finally:
        connection.row_factory = before

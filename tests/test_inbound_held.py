"""Files that are held back: listed, released once, taken out for nobody else."""

from __future__ import annotations

import hashlib
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.attachments.vault import Vault
from gateway.errors import CommandError
from gateway.inbound import held
from gateway.inbound.arrivals import HELD, KEPT, RELEASED
from gateway.store import Choice, audit, schema
from gateway.store.engines import Database
from tests.service_samples import NOW
from tests.spool_samples import DEED, meddle
from tests.together import together

FILE = b"MZ and so on"
DIGEST = hashlib.sha256(FILE).digest()
COLUMNS: dict[str, Any] = {
    "connector_id": 7,
    "place": "message.contact_message.media_message.url",
    "url": "https://media.example.com/a",
    "state": KEPT,
    "digest": DIGEST,
    "size_bytes": len(FILE),
    "name": "photo.jpg",
    "mime": "image/jpeg",
    "verdict": "let",
    "at": NOW,
}
HELD_BACK = {"state": HELD, "verdict": "hold", "reason": "program", "name": "a.bin", "mime": "application/octet-stream"}


def put(spool: Database, event_id: int, number: int = 1, **changes: Any) -> None:
    """Let that have become of a file."""
    told = COLUMNS | {"event_id": event_id, "number": number} | changes
    meddle(spool, schema.inbound_file.insert().values(**told))


@pytest.fixture
def filled(spool: Database) -> Iterator[Database]:
    put(spool, 3)
    put(spool, 17, 1, **HELD_BACK)
    put(spool, 17, 2, state="failed", digest=None, reason="media: gone at Sinch", at=NOW + 60)
    put(spool, 18, connector_id=8)
    return spool


@pytest.mark.both_engines
@together(
    ("chosen", "names"),
    [
        ({}, ["18/1", "17/1", "17/2", "3/1"]),
        ({"state": HELD}, ["17/1"]),
        ({"connector_id": 7}, ["17/1", "17/2", "3/1"]),
        ({"since": NOW + 1}, ["17/2"]),
        ({"state": HELD, "connector_id": 8}, []),
    ],
)
def test_a_list_has_the_newest_first_and_chooses(filled: Database, chosen: dict[str, Any], names: list[str]) -> None:
    assert [held.name(file) for file in held.listed(filled, Choice(**chosen), most=10)] == names


@pytest.mark.both_engines
def test_what_is_released_is_released_once_and_recorded(filled: Database) -> None:
    named = "17/1"
    held.release(filled, held.shown(filled, named), DEED)
    assert held.shown(filled, named).state == RELEASED
    assert [deed.about for deed in audit.listed(filled, most=9)] == [DEED.about]
    with pytest.raises(CommandError, match=r"^file 17/1 is not held back: it is released$"):
        held.release(filled, held.shown(filled, named), DEED)
    assert len(audit.listed(filled, most=9)) == 1


@together(
    ("named", "told"),
    [
        ("3/1", "file 3/1 is not held back: it is kept"),
        ("17/2", "file 17/2 is not held back: it is failed"),
        ("99/1", "there is no file 99/1"),
    ],
)
def test_what_is_not_held_cannot_be_released(filled: Database, named: str, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        held.release(filled, held.shown(filled, named), DEED)
    assert audit.listed(filled, most=9) == []


@together(
    "written", ["17", "17/", "/1", "0/1", "17/0", "17/1/1", "-1/1", "17/1 ", "in17.1", "9" * 19 + "/1", "\u0661/1"]
)
def test_what_names_no_file_is_told(written: str) -> None:
    with pytest.raises(CommandError, match="names no file"):
        held.named(written)


def test_what_is_taken_out_is_for_its_owner_alone_and_takes_nobodys_place(filled: Database, tmp_path: Path) -> None:
    vault, to = Vault(tmp_path / "vault"), tmp_path / "evidence"
    file = held.shown(filled, "17/1")
    with pytest.raises(CommandError, match="is not in the vault of this machine; nothing was written"):
        held.save(file, vault.read(DIGEST), to)
    assert not to.exists()
    with vault.incoming("in17.1", patience_seconds=1) as incoming, vault.alone():
        vault.write(incoming, FILE)
        vault.sync(incoming)
        vault.keep(incoming, DIGEST)
    held.save(file, vault.read(DIGEST), to)
    assert (to.read_bytes(), stat.S_IMODE(to.stat().st_mode)) == (FILE, 0o600)
    with pytest.raises(CommandError, match="exists, and was not replaced"):
        held.save(file, vault.read(DIGEST), to)
    with pytest.raises(CommandError, match="cannot be written"):
        held.save(file, FILE, tmp_path / "nowhere" / "evidence")
    half, limits = tmp_path / "half", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(FILE) - 1, limits[1]))
    try:
        with pytest.raises(CommandError, match="nothing was left there"):
            held.save(file, FILE, half)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not half.exists()

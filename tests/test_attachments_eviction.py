"""Which files go when there is no room, in which order, and when there is none to be had."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.attachments import eviction
from gateway.attachments.eviction import IDLE_SECONDS, UNUSED_SECONDS, Bounds, Stored
from gateway.attachments.register import GRACE_SECONDS, KEEP_SECONDS, Fetches, Register
from gateway.attachments.vault import Vault
from gateway.errors import Unavailable
from gateway.inspection.structure import Inspection
from gateway.phrases import Reason
from gateway.store.engines import Database

pytestmark = pytest.mark.both_engines

NOW = 1_700_000_000.0
HOUR = 3600.0
SIZE = 1000
ROOMY = Bounds(vault_bytes=10**12, free_bytes=0)


@pytest.fixture
def register(spool: Database) -> Iterator[Register]:
    opened = Register(spool)
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


def put(files: Vault, register: Register, attachment_id: str, *, at: float = NOW, same_as: str = "") -> bytes:
    """An attachment of SIZE bytes; with `same_as`, of that one's bytes."""
    content = (same_as or attachment_id).encode() * SIZE
    digest = hashlib.sha256(content[:SIZE]).digest()
    with files.incoming(attachment_id, patience_seconds=0) as incoming:
        incoming.file.write(content[:SIZE])
        files.sync(incoming)
        files.keep(incoming, digest)
    seen = Inspection(mime="text/plain", size_bytes=SIZE)
    register.acquired(attachment_id, digest=digest, name="", seen=seen, now=at)
    return digest


def hold(register: Register, attachment_id: str) -> None:
    """Let a link to it live."""
    known = register.find(attachment_id)
    assert known is not None
    assert known.digest is not None
    register.held(attachment_id, digest=known.digest, until=NOW + HOUR, now=NOW - 90 * HOUR)


def fetch(register: Register, attachment_id: str, *, at: float, until: float) -> None:
    """By a token that ends then."""
    register.count(attachment_id, Fetches(1, at, None, until), revoked_before=None)
    register.tell(lambda _run: None)


def left(files: Vault, register: Register, *ids: str) -> list[str]:
    """Those whose file is still there, by the disk and by the register alike."""
    here = [i for i in ids if (known := register.find(i)) and known.stored]
    on_disk = set(files.digests())
    recorded = {file.digest for file in eviction.stored(register)}
    assert on_disk == recorded
    return here


def make_room(files: Vault, register: Register, *, files_held: int, now: float, size_bytes: int = SIZE) -> None:
    bounds = Bounds(vault_bytes=files_held * SIZE, free_bytes=0)
    with files.alone():
        eviction.make_room(files, register, bounds, size_bytes=size_bytes, on_disk=size_bytes, now=now)


def test_where_there_is_room_nothing_goes(files: Vault, register: Register) -> None:
    put(files, register, "1", at=NOW - 9 * HOUR)
    make_room(files, register, files_held=2, now=NOW)
    assert left(files, register, "1") == ["1"]


def test_what_has_no_live_link_goes_first_and_the_longest_unused_of_it(files: Vault, register: Register) -> None:
    put(files, register, "1", at=NOW - 90 * HOUR)
    hold(register, "1")  # the oldest, and alive
    put(files, register, "2", at=NOW - 8 * HOUR)
    put(files, register, "3", at=NOW - 9 * HOUR)
    put(files, register, "4", at=NOW - 10 * HOUR)
    fetch(register, "4", at=NOW - HOUR, until=NOW - HOUR)
    for files_held, expected in ((4, ["1", "2", "4"]), (3, ["1", "4"]), (2, ["1"]), (1, [])):
        make_room(files, register, files_held=files_held, now=NOW)
        assert left(files, register, "1", "2", "3", "4") == expected


def test_what_only_motions_link_keeps_goes_behind_what_has_none_and_before_what_another_keeps(
    files: Vault, register: Register
) -> None:
    brought = NOW - 2 * IDLE_SECONDS
    first_to_last = [
        put(files, register, "1", at=NOW - HOUR),
        put(files, register, "2", at=brought),
        put(files, register, "3", at=NOW - 100 * HOUR),
    ]
    register.count("2", Fetches(1, brought, brought, NOW + HOUR), revoked_before=None)
    fetch(register, "3", at=NOW - UNUSED_SECONDS - 1, until=NOW + HOUR)
    assert [file.digest for file in eviction.evictable(register, now=NOW, link_ttl=9 * HOUR)] == first_to_last


@pytest.mark.parametrize(("unused", "goes"), [(UNUSED_SECONDS, False), (UNUSED_SECONDS + 1, True)])
def test_what_has_a_live_link_goes_after_a_day_without_a_fetch(
    files: Vault, register: Register, unused: float, *, goes: bool
) -> None:
    put(files, register, "1", at=NOW - 100 * HOUR)
    fetch(register, "1", at=NOW - unused, until=NOW + HOUR)
    if goes:
        make_room(files, register, files_held=1, now=NOW)
        assert left(files, register, "1") == []
        return
    with pytest.raises(Unavailable, match=rf"^{Reason.NO_ROOM}$"):
        make_room(files, register, files_held=1, now=NOW)
    assert left(files, register, "1") == ["1"]


@pytest.mark.parametrize(("age", "goes"), [(GRACE_SECONDS - 1, False), (GRACE_SECONDS, True)])
def test_what_was_just_acquired_waits_for_whoever_asked_for_it(
    files: Vault, register: Register, age: float, *, goes: bool
) -> None:
    put(files, register, "1", at=NOW - age)
    assert [file.size_bytes for file in eviction.evictable(register, now=NOW)] == [SIZE] * goes


def test_a_file_of_several_attachments_counts_once_and_stays_while_one_has_a_live_link(
    files: Vault, register: Register
) -> None:
    digest = put(files, register, "1", at=NOW - 9 * HOUR)
    put(files, register, "2", at=NOW - 9 * HOUR, same_as="1")
    assert eviction.stored_bytes(register) == SIZE
    assert eviction.evictable(register, now=NOW) == [Stored(digest, SIZE)]
    hold(register, "2")
    assert eviction.evictable(register, now=NOW) == []


def test_as_much_goes_as_is_needed(files: Vault, register: Register) -> None:
    for number in range(6):
        put(files, register, str(number), at=NOW - 9 * HOUR + number)
    make_room(files, register, files_held=6, now=NOW, size_bytes=2 * SIZE + 1)
    assert left(files, register, *"012345") == ["3", "4", "5"]


def test_a_disk_that_is_nearly_full_takes_no_file_and_gets_back_what_it_can(
    files: Vault, register: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    put(files, register, "1", at=NOW - 9 * HOUR)
    too_much = Bounds(vault_bytes=10**12, free_bytes=10**18)
    with pytest.raises(Unavailable, match=rf"^{Reason.NO_ROOM}$"), files.alone():
        eviction.make_room(files, register, too_much, size_bytes=SIZE, on_disk=0, now=NOW)
    assert left(files, register, "1") == []
    assert "vault-full" in "".join(capsys.readouterr())


def test_a_disk_with_room_is_left_alone(files: Vault, register: Register) -> None:
    put(files, register, "1", at=NOW - 9 * HOUR)
    with files.alone():
        eviction.make_room(files, register, ROOMY, size_bytes=SIZE, on_disk=0, now=NOW)
    assert left(files, register, "1") == ["1"]


@pytest.mark.parametrize(("age", "goes"), [(KEEP_SECONDS, False), (KEEP_SECONDS + 1, True)])
def test_what_is_long_over_goes_without_need(files: Vault, register: Register, age: float, *, goes: bool) -> None:
    put(files, register, "1", at=NOW - age)
    put(files, register, "2", at=NOW - age)
    hold(register, "2")
    assert len(eviction.over(register, now=NOW)) == goes


def test_many_files_go_at_once(files: Vault, register: Register) -> None:
    digests = [put(files, register, str(number)) for number in range(3)]
    more = [number.to_bytes(32) for number in range(2 * eviction.CHUNK)]
    eviction.lost(register, [*more, *digests])
    assert eviction.stored(register) == []


def test_a_file_that_is_known_and_not_recorded_is_found_and_one_that_nobody_knows_goes(
    files: Vault, register: Register
) -> None:
    kept, gone = put(files, register, "1"), put(files, register, "2")
    register.tell(lambda run: [run("lose_file", place="", digest=digest) for digest in (kept, gone)])
    register.tell(lambda run: run("forget_other_bytes", attachment_id="2", digest=b""))
    eviction.tidy(files, register, now=NOW)
    assert left(files, register, "1", "2") == ["1"]

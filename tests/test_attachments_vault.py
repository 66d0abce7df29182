"""The files on the disk: whole under their digest, or leftovers that somebody clears away."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.attachments import vault
from gateway.attachments.vault import Vault
from gateway.errors import Unavailable
from gateway.phrases import Reason
from tests.spool_samples import times_opened, until

NOW = 1_700_000_000.0
FILE = b"the bytes of a file"
DIGEST = hashlib.sha256(FILE).digest()


@pytest.fixture
def there(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


def put(there: Vault, file: bytes = FILE, name: str = "7") -> bytes:
    """Keep a file as an acquisition does."""
    digest = hashlib.sha256(file).digest()
    with there.incoming(name, patience_seconds=0) as incoming:
        incoming.file.write(file)
        there.sync(incoming)
        with there.alone():
            there.keep(incoming, digest)
    return digest


def found(there: Vault) -> list[str]:
    """Every file in the vault but its lock, from its folder on."""
    files = [path for path in there.folder.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(there.folder)) for path in files if path.name != vault.LOCK)


def test_a_file_is_kept_under_its_digest(there: Vault) -> None:
    assert put(there) == DIGEST
    assert there.path(DIGEST) == there.folder / DIGEST.hex()[:2] / DIGEST.hex()
    assert there.path(DIGEST).read_bytes() == FILE
    assert found(there) == [f"{DIGEST.hex()[:2]}/{DIGEST.hex()}"]
    assert list(there.digests()) == [DIGEST]


def test_a_file_that_is_not_kept_is_gone(there: Vault) -> None:
    with there.incoming("7", patience_seconds=0) as incoming:
        incoming.file.write(FILE)
        incoming.file.flush()
        assert found(there) == ["incoming/7"]
    assert found(there) == []


def test_making_a_vault_makes_nothing(there: Vault) -> None:
    assert not there.folder.exists()
    assert not there.holds(DIGEST, len(FILE))
    assert list(there.digests()) == []
    there.clear_leftovers()
    assert not there.folder.exists()


@pytest.mark.parametrize(("size", "held"), [(len(FILE) - 1, False), (len(FILE), True), (len(FILE) + 1, False)])
def test_a_file_is_held_only_with_all_its_bytes(there: Vault, size: int, *, held: bool) -> None:
    put(there)
    assert there.holds(DIGEST, size) is held


ALTERED: dict[str, tuple[bytes | None, bool]] = {
    "as it was": (FILE, False),
    "of the same size": (b"THE bytes of a file", True),
    "with one bit turned": (FILE[:-1] + bytes([FILE[-1] ^ 1]), True),
    "shorter": (FILE[:-1], True),
    "longer": (FILE + b"!", True),
    "empty": (b"", True),
    "not there": (None, False),
}


@pytest.mark.parametrize("read_before", [True, False], ids=["read before", "after a start"])
@pytest.mark.parametrize(("bytes_now", "altered"), ALTERED.values(), ids=ALTERED)
def test_a_file_of_other_bytes_than_its_name_says_is_altered(
    there: Vault, bytes_now: bytes | None, *, altered: bool, read_before: bool
) -> None:
    path = there.path(put(there))
    if read_before:
        assert not there.is_altered(DIGEST, len(FILE), now=NOW)
    if bytes_now is None:
        path.unlink()
    else:
        path.write_bytes(bytes_now)
    assert there.is_altered(DIGEST, len(FILE), now=NOW) is altered
    assert Vault(there.folder).is_altered(DIGEST, len(FILE), now=NOW) is altered


class Counting(Vault):
    """Counts how often a file is read."""

    reads = 0

    def reads_as(self, digest: bytes, size_bytes: int) -> bool:
        self.reads += 1
        return super().reads_as(digest, size_bytes)


def test_a_file_is_read_again_only_after_a_day_and_when_it_was_touched(tmp_path: Path) -> None:
    there = Counting(tmp_path / "vault")
    path = there.path(put(there))
    a_day_later = NOW + vault.READ_AGAIN_SECONDS
    # What was touched a moment ago could be changed once more without another time: it is read each time.
    until(lambda: time.time() - path.stat().st_ctime > 0.1, "the disk's clock has gone on")
    asked = {NOW: 1, NOW + 1: 1, a_day_later - 1: 1, a_day_later: 2, a_day_later + 1: 2, NOW - 1: 3}
    for now, reads in asked.items():
        assert (there.is_altered(DIGEST, len(FILE), now=now), there.reads) == (False, reads)
    os.utime(path)
    assert (there.is_altered(DIGEST, len(FILE), now=NOW), there.reads) == (False, 4)


def test_many_who_ask_for_a_file_after_a_start_have_it_read_once(tmp_path: Path) -> None:
    there = Counting(tmp_path / "vault")
    path = there.path(put(there))
    until(lambda: time.time() - path.stat().st_ctime > 0.1, "the disk's clock has gone on")
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(there.is_altered, DIGEST, len(FILE), now=NOW) for _ in range(16)]
        assert {one.result(60) for one in asked} == {False}
    assert there.reads == 1


def test_a_file_that_cannot_be_read_is_a_passing_trouble(there: Vault) -> None:
    there.path(DIGEST).parent.mkdir(parents=True)
    there.path(DIGEST).symlink_to(there.path(DIGEST))  # which even root cannot follow
    with pytest.raises(Unavailable, match=Reason.VAULT_UNWRITABLE):
        there.is_altered(DIGEST, len(FILE), now=NOW)


def test_a_dropped_file_is_gone_and_dropping_it_again_is_nothing(there: Vault) -> None:
    put(there)
    there.drop(DIGEST)
    there.drop(DIGEST)
    assert found(there) == []


def test_nginx_may_read_what_is_whole_and_nothing_else(there: Vault) -> None:
    there.folder.mkdir()
    there.folder.chmod(0o2750)  # as the edge makes it
    before = os.umask(0o077)
    try:
        put(there)
    finally:
        os.umask(before)
    modes = {
        there.folder: 0o2750,
        there.path(DIGEST).parent: 0o2750,
        there.path(DIGEST): 0o640,
        there.folder / vault.INCOMING: 0o2700,
        there.folder / vault.LOCK: 0o600,
    }
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in modes} == modes


def test_files_take_the_group_of_the_folder(there: Vault) -> None:
    groups = [group for group in os.getgroups() if group != os.getegid()]
    other = groups[0] if groups else (1 if os.geteuid() == 0 else os.getegid())
    there.folder.mkdir()
    os.chown(there.folder, -1, other)
    there.folder.chmod(0o2750)
    put(there)
    assert {path.stat().st_gid for path in there.folder.rglob("*")} == {other}


def test_one_at_a_time_writes_a_file_and_another_name_keeps_nobody_waiting(there: Vault) -> None:
    with there.incoming("7", patience_seconds=0) as incoming:
        incoming.file.write(b"the first one's")
        incoming.file.flush()
        with pytest.raises(Unavailable, match=rf"^{Reason.BEING_ACQUIRED}$"), there.incoming("7", patience_seconds=0.1):
            pass
        with there.incoming("8", patience_seconds=0):
            pass
        assert incoming.path.read_bytes() == b"the first one's"


def test_who_waited_for_a_file_that_was_kept_does_not_touch_it(there: Vault) -> None:
    def wait_and_write() -> str:
        with there.incoming("7", patience_seconds=10) as late:
            late.file.write(b"x")
            return str(late.path.relative_to(there.folder))

    with ThreadPoolExecutor(1) as pool:
        with there.incoming("7", patience_seconds=0) as incoming:
            incoming.file.write(FILE)
            waiting = pool.submit(wait_and_write)
            until(lambda: times_opened(incoming.path) == 2, "the other has opened it")
            there.sync(incoming)
            there.keep(incoming, DIGEST)
        assert waiting.result(60) == "incoming/7"
    assert there.path(DIGEST).read_bytes() == FILE


HOLDING = """
import os, sys
from pathlib import Path
from gateway.attachments.vault import Vault
with Vault(Path(sys.argv[1])).incoming("7", patience_seconds=0) as incoming:
    incoming.file.write(b"half of it")
    incoming.file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_a_leftover_of_who_was_killed_is_cleared_and_what_is_being_written_is_not(there: Vault) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, there.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        there.clear_leftovers()
        assert found(there) == ["incoming/7"]
        writer.send_signal(signal.SIGKILL)
    assert found(there) == ["incoming/7"]
    there.clear_leftovers()
    assert found(there) == []


def test_whoever_comes_after_one_who_was_killed_begins_with_an_empty_file(there: Vault) -> None:
    (there.folder / vault.INCOMING).mkdir(parents=True)
    (there.folder / vault.INCOMING / "7").write_bytes(b"x" * 1000)
    put(there)
    assert there.path(DIGEST).read_bytes() == FILE


def test_what_is_no_file_of_ours_is_left_alone(there: Vault) -> None:
    put(there)
    (there.folder / vault.INCOMING / "folder").mkdir()
    (there.folder / DIGEST.hex()[:2] / "README").write_text("not ours")
    there.clear_leftovers()
    assert list(there.digests()) == [DIGEST]
    assert (there.folder / vault.INCOMING / "folder").is_dir()


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, Reason.NO_ROOM), (errno.EDQUOT, Reason.NO_ROOM), (errno.EACCES, Reason.VAULT_UNWRITABLE)],
)
def test_what_the_disk_says_is_told_in_our_words(there: Vault, number: int, reason: str) -> None:
    def fail() -> None:
        with there.incoming("7", patience_seconds=0):
            raise OSError(number, "as the system says it")

    with pytest.raises(Unavailable) as caught:
        fail()
    assert caught.value.reason == reason
    assert found(there) == []


def test_a_vault_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    there = Vault(tmp_path / "file" / "vault")
    with pytest.raises(Unavailable, match=rf"^{Reason.VAULT_UNWRITABLE}$"):
        put(there)


def test_the_free_bytes_are_those_of_its_disk(there: Vault) -> None:
    put(there)
    found_bytes = os.statvfs(there.folder)
    assert abs(there.free_bytes() - found_bytes.f_bavail * found_bytes.f_frsize) < 2**30

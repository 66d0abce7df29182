"""An acquisition: what happens to a file before it has its name in the vault, and in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.attachments import register
from gateway.attachments.acquisition import Acquisition
from gateway.attachments.eviction import Bounds
from gateway.attachments.vault import Incoming, Vault
from gateway.errors import NotFound
from gateway.motion import download
from gateway.motion.download import Source
from gateway.store.engines import Database
from tests import config_samples
from tests.peer_samples import Behaviour, Peer, answers
from tests.service_samples import NOW, HandClock

FILE = b"Dear customer, here is your offer."
DIGEST = hashlib.sha256(FILE).digest()


class Watched(Vault):
    """Remembers what is done to it, and how far the incoming file had come by then."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.done: list[tuple[str, int]] = []

    def sync(self, incoming: Incoming) -> None:
        super().sync(incoming)
        self.done.append(("on the disk", incoming.path.stat().st_size))

    def keep(self, incoming: Incoming, digest: bytes) -> None:
        self.done.append(("named", incoming.path.stat().st_size))
        super().keep(incoming, digest)

    @contextmanager
    def alone(self) -> Iterator[None]:
        self.done.append(("alone", 0))
        with super().alone():
            yield
        self.done.append(("not alone", 0))


def acquire(spool: Database, behaviour: Behaviour, *, wanted: bytes | None = None) -> Watched:
    files = Watched(spool.path.parent / "vault")
    with closing(Peer(behaviour, host="127.0.0.1", tls=None)) as motion:
        settings = config_samples.settings(motion={"url": f"http://127.0.0.1:{motion.port}"})
        with closing(Source(settings.motion, settings.attachments)) as motions:
            bounds = Bounds(vault_bytes=10**9, free_bytes=0)
            acquisition = Acquisition(motions, files, spool, bounds, HandClock())
            with files.incoming("7", patience_seconds=0) as incoming:
                acquisition.run("7", incoming, wanted=wanted)
    return files


@pytest.mark.parametrize("wanted", [None, DIGEST], ids=["any bytes", "these bytes"])
def test_a_file_is_on_the_disk_before_it_has_its_name_and_recorded_with_getting_it(
    spool: Database, wanted: bytes | None
) -> None:
    files = acquire(spool, answers(FILE), wanted=wanted)
    room, size = [("alone", 0), ("not alone", 0)], len(FILE)
    assert files.done == [*room, *room, ("on the disk", size), ("alone", 0), ("named", size), ("not alone", 0)]
    assert files.path(DIGEST).read_bytes() == FILE
    known = register.find(spool, "7")
    assert known is not None
    assert (known.digest, known.stored, known.acquired_at) == (DIGEST, True, NOW)


@pytest.mark.parametrize(
    ("behaviour", "wanted", "reason"),
    [
        (answers(FILE), b"x" * 32, download.OTHER_BYTES),
        (answers(b"<html>", "Content-Type: text/html"), None, download.NO_FILE),
    ],
    ids=["other bytes", "a page"],
)
def test_what_is_not_wanted_gets_no_name(
    spool: Database, behaviour: Behaviour, wanted: bytes | None, reason: str
) -> None:
    with pytest.raises(NotFound, match=rf"^{reason}$"):
        acquire(spool, behaviour, wanted=wanted)
    assert list(Vault(spool.path.parent / "vault").digests()) == []
    assert register.find(spool, "7") is None

"""The vault shared: two nodes, each with a vault and a database of its own, before one store and one Motion."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from gateway import paths
from gateway.attachments.decision import Item, LinkClaim
from gateway.attachments.fetch import Shelf
from gateway.clock import WallClock
from gateway.delivery import trouble
from gateway.errors import NotFound
from gateway.phrases import Reason
from gateway.store.engines import Database
from tests import config_samples, spool_samples
from tests.peer_samples import Peer, answers
from tests.s3_samples import S3

FILE = b"Dear customer, here is your offer.\n" * 100
DIGEST = hashlib.sha256(FILE).digest()
HAS = answers(FILE, "Content-Type: text/plain", 'Content-Disposition: attachment; filename="offer.txt"')
GONE = answers(b"", status="404 Not Found")
AWAY = {"store_url": "http://127.0.0.1:1"}


class Node:
    """One of the gateways."""

    def __init__(self, folder: Path, motion: Peer, store: dict[str, Any], *, rest_seconds: float) -> None:
        spool_samples.migrate(folder / paths.SPOOL)
        self.spool = Database(folder / paths.SPOOL, patience_seconds=5)
        settings = config_samples.settings(
            server={"state_dir": str(folder), "min_free": "0kB", "node": folder.name},
            motion={"url": f"http://127.0.0.1:{motion.port}", "timeout": "5s"},
            attachments={"token_keys": ["a key of the tests, long enough"]} | store,
        )
        self.shelf = Shelf(settings, self.spool, paths.vault(settings), clock=WallClock(), rest_seconds=rest_seconds)

    def take(self, digest: bytes | None = None) -> bytes:
        return self.shelf.path(self.item(digest)).read_bytes()

    def item(self, digest: bytes | None = None) -> Item:
        return self.shelf.take(LinkClaim(attachment_id="7", digest=digest))

    def mint(self) -> bytes:
        """The bytes that a link leads to which is made now."""
        item = self.item()
        self.shelf.hold("7", digest=item.digest, until=WallClock().now() + 3600)
        return item.digest

    def troubles(self) -> list[str]:
        return [found.reason for found in trouble.known(self.spool)]


Make = Callable[..., Node]


@pytest.fixture
def motion() -> Iterator[Peer]:
    with closing(Peer(HAS, host="127.0.0.1", tls=None)) as peer:
        yield peer


@pytest.fixture
def node(tmp_path: Path, motion: Peer, s3: S3) -> Iterator[Make]:
    with ExitStack() as stack:

        def make(name: str, *, rest_seconds: float = 0, **store: Any) -> Node:
            folder = tmp_path / name
            folder.mkdir()
            made = Node(folder, motion, s3.settings(**store), rest_seconds=rest_seconds)
            stack.callback(made.spool.close)
            stack.callback(made.shelf.close)
            return made

        yield make


def test_a_link_minted_at_one_node_gets_the_same_bytes_at_another_after_motion_has_deleted_them(
    node: Make, motion: Peer, s3: S3
) -> None:
    digest = node("a").mint()
    assert s3.path(FILE).read_bytes() == FILE
    motion.behaviour = GONE
    there = node("b")
    assert (there.take(digest), there.take(digest)) == (FILE, FILE)
    assert there.item(digest).inspection.mime == "text/plain"
    assert len(motion.requests) == 1


def test_a_node_whose_file_went_takes_it_from_the_store(node: Make, motion: Peer) -> None:
    here = node("a")
    digest = here.mint()
    motion.behaviour = GONE
    here.shelf.evict_all(spool_samples.DEED)
    assert here.take(digest) == FILE


def test_what_the_store_has_not_comes_from_motion_and_is_put_there(node: Make, motion: Peer, s3: S3) -> None:
    digest = node("a").mint()
    s3.clear()
    assert node("b").take(digest) == FILE
    assert len(motion.requests) == 2
    assert s3.path(FILE).read_bytes() == FILE


LIES = {"other bytes": FILE[:-1] + b"?", "fewer": FILE[:-1], "more": FILE + b"?", "none": b""}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
@pytest.mark.parametrize("still_there", [True, False], ids=["Motion has it", "Motion has it no more"])
def test_other_bytes_of_the_store_are_never_served_and_put_right_by_who_has_them(
    node: Make, motion: Peer, s3: S3, lie: bytes, *, still_there: bool
) -> None:
    digest = node("a").mint()
    s3.lay(FILE, lie)
    motion.behaviour = HAS if still_there else GONE
    there = node("b")
    if still_there:
        assert there.take(digest) == FILE
        assert s3.path(FILE).read_bytes() == FILE
    else:
        with pytest.raises(NotFound):
            there.take(digest)
        assert [*(there.spool.path.parent / "vault").rglob("??/*")] == []


TROUBLES = {
    "away": (AWAY, Reason.CONNECTION_REFUSED),
    "another key": ({"store_key_secret": "another secret key, as long"}, Reason.STORE_KEYS),
    "no bucket": ({"store": "s3://nobodys-files"}, Reason.STORE_BUCKET),
}


@pytest.mark.parametrize(("change", "reason"), TROUBLES.values(), ids=TROUBLES)
def test_with_a_store_in_trouble_all_goes_on_and_it_is_told(
    node: Make, motion: Peer, change: dict[str, str], reason: Reason
) -> None:
    here = node("a", **change)
    assert here.mint() == DIGEST
    assert here.troubles() == [reason]
    there = node("b", **change)
    assert there.take(DIGEST) == FILE
    assert len(motion.requests) == 2


def test_nobody_waits_for_a_store_in_trouble_twice_and_its_end_is_told(node: Make, s3: S3, motion: Peer) -> None:
    with closing(Peer(answers(b"", status="500 Internal Server Error"), host="127.0.0.1", tls=None)) as store:
        here = node("a", rest_seconds=3600, store_url=f"http://127.0.0.1:{store.port}")
        digest = here.mint()
        here.shelf.evict_all(spool_samples.DEED)
        here.take(digest)
        assert len(store.requests) == 1
        assert here.troubles() == [Reason.STORE_FAILED]


def test_a_link_that_went_out_while_the_store_was_away_is_put_there_with_the_next_one(node: Make, s3: S3) -> None:
    here = node("a")
    s3.kill()
    here.mint()
    assert here.troubles() == [Reason.CONNECTION_REFUSED]
    s3.start()
    here.mint()
    assert (here.troubles(), s3.path(FILE).read_bytes()) == ([], FILE)


def test_without_a_store_nothing_that_signs_is_loaded() -> None:
    program = "import sys, gateway.attachments.fetch; print([name for name in sys.modules if 'aws4auth' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

"""What a node has not comes from the store or from Motion: two nodes with a spool each, which share nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import NotFound
from gateway.phrases import Reason
from tests import spool_samples
from tests.node_samples import DIGEST, FILE, GONE, HAS, Node
from tests.peer_samples import Peer, answers
from tests.s3_samples import S3

AWAY = {"store_url": "http://127.0.0.1:1"}
Make = Callable[..., Node]


@pytest.fixture
def motion() -> Iterator[Peer]:
    with closing(Peer(HAS, host="127.0.0.1", tls=None)) as peer:
        yield peer


@pytest.fixture
def node(tmp_path: Path, motion: Peer, s3: S3) -> Iterator[Make]:
    with ExitStack() as stack:

        def make(name: str, *, rest_seconds: float = 0, **store: Any) -> Node:
            made = Node(tmp_path / name, motion, s3.settings(**store), rest_seconds=rest_seconds)
            stack.callback(made.close)
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
        assert there.files() == []


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


def test_without_a_store_nothing_that_signs_is_loaded() -> None:
    program = "import sys, gateway.attachments.fetch; print([name for name in sys.modules if 'aws4auth' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

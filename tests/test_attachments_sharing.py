"""The vault shared by nodes on one spool: one download, each its own vault, and what leaves the store when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.attachments.register import GRACE_SECONDS, STORE
from gateway.attachments.sharing import LEAVING_SECONDS, ORPHAN_SECONDS
from gateway.errors import NotFound, StoreTrouble, Unavailable
from gateway.phrases import Finding, Reason
from gateway.store import nodes
from tests import spool_samples
from tests.node_samples import DIGEST, FILE, GONE, HAS, HOUR, Node
from tests.peer_samples import Peer, Wire, answers
from tests.s3_samples import S3

Make = Callable[..., Node]
DEED = spool_samples.DEED


@pytest.fixture
def motion() -> Iterator[Peer]:
    with closing(Peer(HAS, host="127.0.0.1", tls=None)) as peer:
        yield peer


@pytest.fixture
def node(request: pytest.FixtureRequest, tmp_path: Path, motion: Peer, s3: S3) -> Iterator[Make]:
    """Makes nodes of one spool on PostgreSQL, unless `url` says otherwise."""
    with ExitStack() as stack:

        def make(name: str, *, url: str = "", **store: Any) -> Node:
            opened = Node(
                tmp_path / name, motion, s3.settings(**store), url=url or request.getfixturevalue("database_url")
            )
            stack.callback(opened.close)
            return opened

        yield make


def test_two_nodes_that_are_asked_at_once_cause_one_download(node: Make, motion: Peer, s3: S3) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(wire: Wire) -> None:
        begun.set()
        go_on.wait(30)
        HAS(wire)

    motion.behaviour = slowly
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(node("a").take)
        begun.wait(30)
        second = pool.submit(node("b").take)
        go_on.set()
        assert (first.result(), second.result()) == (FILE, FILE)
    assert len(motion.requests) == 1


def test_they_share_what_comes_of_it_also_where_that_is_nothing(node: Make, motion: Peer) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(wire: Wire) -> None:
        begun.set()
        go_on.wait(30)
        GONE(wire)

    motion.behaviour = slowly
    here, there = node("a"), node("b")
    there.clock.advance(-1)  # it has asked before the other one
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(here.take)
        begun.wait(30)
        second = pool.submit(there.take)
        go_on.set()
        for asked in (first, second):
            with pytest.raises(NotFound):
                asked.result()


def test_a_downloader_that_died_keeps_others_from_it_for_its_time_and_no_longer(node: Make, motion: Peer) -> None:
    here, now = node("a"), time.time()
    here.shelf.hold("7", digest=DIGEST, until=now + HOUR)
    here.told("begin_bringing", attachment_id="7", node="c", now=now, until=now + 60)
    with pytest.raises(Unavailable) as waited, here.share.turn("7", seconds=60, ends_at=0):
        pass
    assert waited.value.reason == Reason.BEING_ACQUIRED
    here.clock.advance(61)
    assert here.take() == FILE
    assert len(motion.requests) == 1


def test_a_node_that_died_and_is_back_does_not_wait_for_itself(node: Make) -> None:
    here = node("a")
    here.item()
    here.told("begin_bringing", attachment_id="7", node="a", now=9e9, until=9e9)
    here.shelf.evict_all(DEED)
    assert here.take(DIGEST) == FILE


def test_each_node_has_a_vault_of_its_own_and_all_know_where_a_file_is(node: Make, motion: Peer) -> None:
    here, there = node("a"), node("b")
    here.mint()
    assert (here.places(), there.places()) == (["here", STORE], [STORE, "a"])
    motion.behaviour = GONE
    assert there.take(DIGEST) == FILE
    assert (here.places(), there.places()) == (["here", STORE, "b"], ["here", STORE, "a"])
    there.shelf.tidy()
    there.shelf.evict_all(DEED)
    assert (here.files(), there.files()) == ([DIGEST.hex()[:8]], [])
    assert (here.places(), there.places()) == (["here", STORE], [STORE, "a"])


ENGINES = ["sqlite", "postgresql"]


@pytest.fixture(params=ENGINES)
def alone(request: pytest.FixtureRequest, node: Make) -> Node:
    """One node, on either engine."""
    return node("a", **({"url": "sqlite"} if request.param == "sqlite" else {}))


def test_what_went_out_while_the_store_was_away_is_put_there_when_it_is_back(alone: Node, s3: S3) -> None:
    s3.kill()
    alone.mint()
    assert alone.troubles() == [Reason.CONNECTION_REFUSED]
    assert not alone.share.give_all()
    s3.start()
    assert alone.share.give_all()
    assert (alone.troubles(), s3.path(FILE).read_bytes()) == ([], FILE)
    assert alone.places() == ["here", STORE]


def test_what_the_store_lacks_is_put_there_after_a_restart_too(alone: Node, s3: S3) -> None:
    s3.kill()
    alone.mint()
    with closing(alone.again()) as started:
        s3.start()
        assert started.share.give_all()
    assert s3.path(FILE).read_bytes() == FILE


def test_the_smallest_is_put_first_so_that_none_waits_behind_one_that_cannot_be(alone: Node) -> None:
    now = alone.clock.now()
    for size_bytes in (9, 5, 7):
        digest = bytes([99 - size_bytes]) * 32
        alone.shelf.hold(str(size_bytes), digest=digest, until=now + HOUR, file=Path("/dev/null"))
        alone.told("store_file", place="somewhere", digest=digest, size_bytes=size_bytes, now=now)
    asked = {"place": "somewhere", "other": STORE, "now": now, "most": 2}
    assert [size for _, size in alone.spool.ask(lambda run: run("ungiven_files", **asked))] == [5, 7]


def test_what_nobody_waits_for_may_take_longer_than_the_time_of_other_requests(node: Make) -> None:
    held, go_on = threading.Event(), threading.Event()

    def slow(wire: Wire) -> None:
        if held.is_set():
            wire.hang()
        held.set()
        go_on.wait(30)
        answers(b"")(wire)

    with closing(Peer(GONE, host="127.0.0.1", tls=None)) as way, ThreadPoolExecutor(1) as pool:
        here = node("a", store_url=f"http://127.0.0.1:{way.port}", store_timeout="1s")
        here.mint()
        way.behaviour = slow
        given = pool.submit(here.share.give_all)
        held.wait(30)
        with pytest.raises(StoreTrouble):
            here.share.bucket.drop(DIGEST)
        go_on.set()
        assert given.result()


def test_no_process_waits_at_its_start_for_a_store_that_hangs(node: Make) -> None:
    go_on, answered = threading.Event(), threading.Event()

    def slow(wire: Wire) -> None:
        go_on.wait(30)
        answered.set()
        answers(b"")(wire)

    with closing(Peer(GONE, host="127.0.0.1", tls=None)) as way:
        here = node("a", store_url=f"http://127.0.0.1:{way.port}")
        here.mint()
        way.behaviour = slow
        here.shelf.keep_shared()
        assert not answered.is_set()
        go_on.set()
        spool_samples.until(lambda: here.places() == ["here", STORE], "it is put there")


def test_a_file_leaves_the_store_once_no_link_to_it_lives_anywhere(alone: Node, s3: S3) -> None:
    alone.mint()
    alone.mint("8")  # of the same bytes
    alone.shelf.revoke("7", DEED)
    assert s3.path(FILE).exists()
    alone.clock.advance(HOUR - 1)
    assert alone.share.let_go() == 0
    alone.clock.advance(2)
    assert alone.share.let_go() == 1
    assert (s3.names(), alone.places()) == ([], ["here"])


def test_what_is_revoked_leaves_the_store_at_once_and_comes_back_with_the_next_link(alone: Node, s3: S3) -> None:
    alone.mint()
    alone.shelf.revoke("7", DEED)
    assert s3.names() == []
    alone.clock.advance(2)
    alone.mint()
    assert s3.path(FILE).read_bytes() == FILE


def test_nobody_puts_a_file_while_it_is_leaving(alone: Node, s3: S3) -> None:
    alone.mint()
    until = alone.clock.now() + LEAVING_SECONDS
    alone.clock.advance(2 * HOUR)
    times = {"now": alone.clock.now(), "until": until + 2 * HOUR, "most": 1}
    assert alone.told("leave_files", place=STORE, **times)  # and then it stops for a while
    alone.mint()
    assert not alone.share.give(DIGEST)
    assert alone.share.give_all()
    alone.clock.advance(LEAVING_SECONDS + 1)
    assert alone.share.give_all()
    assert alone.share.give(DIGEST)


def test_who_fetches_a_file_that_is_leaving_does_not_say_that_it_stays(alone: Node) -> None:
    alone.mint()
    times = {"now": alone.clock.now() + 2 * HOUR, "until": alone.clock.now() + 3 * HOUR, "most": 1}
    assert alone.told("leave_files", place=STORE, **times)
    assert alone.share.bring(DIGEST, lambda _chunk: None, expect=lambda _size: None) == len(FILE)
    assert not alone.share.give(DIGEST)


@pytest.mark.parametrize("status", ["204 No Content", "504 Gateway Timeout"])
def test_what_a_deletion_took_that_came_late_is_put_there_again(node: Make, s3: S3, status: str) -> None:
    held, go_on = threading.Event(), threading.Event()

    def late(wire: Wire) -> None:
        held.set()
        go_on.wait(30)
        s3.path(FILE).unlink()
        answers(b"", status=status)(wire)

    with closing(Peer(late, host="127.0.0.1", tls=None)) as way, ThreadPoolExecutor(1) as pool:
        here = node("a")
        here.mint()
        there = node("b", store_url=f"http://127.0.0.1:{way.port}", store_timeout="15s")
        there.clock.advance(2 * HOUR)
        deletion = pool.submit(there.share.let_go)
        held.wait(30)
        here.clock.advance(2 * HOUR + LEAVING_SECONDS + 1)
        here.mint()
        assert here.places() == ["here", STORE]
        go_on.set()
        deletion.result()
    assert (here.places(), s3.names()) == (["here"], [])
    assert here.share.give_all()
    assert s3.path(FILE).read_bytes() == FILE


def test_other_bytes_in_the_store_are_put_right_by_a_node_that_has_the_file(alone: Node, s3: S3) -> None:
    alone.mint()
    s3.lay(FILE, FILE[:-1] + b"?")
    assert alone.share.bring(DIGEST, lambda _chunk: None, expect=lambda _size: None) is None
    assert alone.share.give_all()
    assert s3.path(FILE).read_bytes() == FILE


def test_orphans_of_the_store_are_what_nobody_knows_after_a_day(alone: Node, s3: S3) -> None:
    alone.mint()
    s3.lay(b"of a node that died", b"of a node that died")
    assert alone.share.orphans() == []
    alone.clock.advance(ORPHAN_SECONDS + 60)
    [orphan] = alone.share.orphans()
    assert alone.share.drop([orphan], DEED) == 1
    assert s3.names() == [DIGEST.hex()[:8]]


def test_an_orphan_that_a_node_has_put_meanwhile_stays(alone: Node, s3: S3) -> None:
    s3.lay(FILE, FILE)
    alone.clock.advance(ORPHAN_SECONDS + 60)
    found = alone.share.orphans()
    alone.mint()
    assert (len(found), alone.share.drop(found, DEED)) == (1, 0)
    assert s3.path(FILE).exists()


def test_what_the_spool_thinks_to_be_in_the_store_and_is_not_is_put_anew(alone: Node, s3: S3) -> None:
    alone.mint()
    s3.clear()
    assert alone.share.orphans() == []
    assert alone.share.give_all()
    assert s3.path(FILE).read_bytes() == FILE


def test_a_link_by_hand_has_its_file_in_the_store_though_nobody_has_fetched_it(
    alone: Node, s3: S3, motion: Peer, tmp_path: Path
) -> None:
    motion.behaviour = GONE
    path = tmp_path / "offer.txt"
    path.write_bytes(FILE)
    alone.shelf.hold("7", digest=DIGEST, until=alone.clock.now() + HOUR, file=path)
    alone.clock.advance(GRACE_SECONDS)
    assert alone.share.let_go() == 0
    assert alone.take(DIGEST) == FILE


def test_what_the_only_vault_had_is_that_of_a_node_once_the_spool_has_moved(node: Make) -> None:
    here = node("a")
    here.mint()
    here.told("store_file", place="", digest=DIGEST, size_bytes=len(FILE), now=1.0)
    here.told("lose_file", place="a", digest=DIGEST)
    here.shelf.tidy()
    assert here.places() == ["here", STORE]
    assert here.spool.ask(lambda run: run("stored_bytes", place="a")) == [(len(FILE),)]


def test_the_vault_of_a_node_that_is_forgotten_is_forgotten_too(node: Make) -> None:
    here = node("a")
    here.mint()
    told = dict.fromkeys(("instance", "host", "release", "build", "revision"), "x")
    here.told("beat", name="gone", draining=False, seen_at=1.0, again=False, **told)
    here.told("store_file", place="gone", digest=DIGEST, size_bytes=len(FILE), now=1.0)
    away = {"finding": Finding.STORE_AWAY, "about": "gone", "reason": Reason.NO_ANSWER, "since": 1.0}
    here.told("keep_trouble", **away)
    assert (here.places(), here.troubles()) == (["here", STORE, "gone"], [Reason.NO_ANSWER])
    nodes.forget_node(here.spool, "gone", replace(DEED, at=here.clock.now()))
    assert (here.places(), here.troubles()) == (["here", STORE], [])

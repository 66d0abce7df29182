"""Files that customers send in are fetched, looked at and kept; what is wrong with one is written down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from gateway import paths
from gateway.attachments import eviction
from gateway.inbound.errands import Fetching
from gateway.inbound.fetcher import SCAN_AGAIN_SECONDS, Fetcher, Library
from gateway.phrases import Reason
from gateway.store import retention, schema
from gateway.store.engines import Database
from tests import door_samples, service_samples
from tests.clamd_samples import played
from tests.door_samples import message
from tests.peer_samples import Behaviour, Peer, Wire, answers
from tests.picture_samples import PICTURES
from tests.service_samples import NOW, HandClock
from tests.spool_samples import DEED, meddle, rows, until

PNG = PICTURES["png RGB"].data()
SCRIPT = b"#!/bin/sh\nrm -rf /\n"
Start = Callable[[Behaviour], Peer]
at_both = pytest.mark.both_engines


@pytest.fixture
def peer() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda behaviour: stack.enter_context(closing(Peer(behaviour, host="127.0.0.1", tls=None)))


class House:
    """A spool with a first door, a fetcher that runs, and what became of the files."""

    def __init__(self, spool: Database, there: Peer, **tables: Any) -> None:
        self.url = f"http://127.0.0.1:{there.port}"
        inbound = {"media": "keep", "hosts": [self.url], "timeout": "5s"} | tables.pop("inbound", {})
        self.tables: dict[str, Any] = {"inbound": inbound, **tables}
        self.spool, self.clock = spool, HandClock()
        self.shared = service_samples.services(spool, clock=self.clock, **self.tables)
        self.library = Library(self.shared.settings, spool, clock=self.clock)
        self.settled = 0

    def receive(self, *names: str, message_id: str = "m1") -> None:
        """Take in a callback that names these files."""
        cards = [{"media_message": {"url": f"{self.url}/{name}"}} for name in names]
        body = message(message_id, contact_message={"carousel_message": {"cards": cards}})
        with door_samples.opened(self.spool, **self.tables) as door:
            assert door.post(body).status_code == 200

    @contextmanager
    def fetching(self) -> Iterator[Fetcher]:
        fetcher = Fetcher(self.shared, self.library, clock=self.clock, settled=self._count)
        running = threading.Thread(target=fetcher.run)
        running.start()
        try:
            yield fetcher
        finally:
            fetcher.stop()
            running.join()

    @property
    def files(self) -> list[Any]:
        return sorted(rows(self.spool, schema.inbound_file), key=lambda row: (row.event_id, row.number))

    @property
    def media(self) -> list[int]:
        return [event.media for event in rows(self.spool, schema.event)]

    def states(self) -> list[tuple[str, str]]:
        return [(file.state, file.reason) for file in self.files]

    def _count(self) -> None:
        self.settled += 1


def serves(**files: bytes | str) -> Behaviour:
    """Each by its name: bytes, or a status."""

    def behave(wire: Wire) -> None:
        found = files.get(wire.request.split()[1][1:].decode().partition(".")[0], "404 Not Found")
        (answers(b"", status=found) if isinstance(found, str) else answers(found))(wire)

    return behave


@at_both
def test_a_file_is_fetched_as_soon_as_its_callback_is_committed_and_kept(spool: Database, peer: Start) -> None:
    house = House(spool, peer(serves(picture=PNG, script=SCRIPT)))
    house.receive("picture.png", "script", "gone")
    meddle(spool, "UPDATE lane SET due_at = 9e9")
    with house.fetching():
        until(lambda: house.media == [0], "the files of the event")
    assert house.states() == [("kept", ""), ("held", "script"), ("failed", Reason.MEDIA_LOST)]
    kept, held, _ = house.files
    assert (kept.name, kept.mime, kept.verdict, kept.tries) == ("picture.png", "image/png", "let", 1)
    assert held.verdict == "hold"
    assert house.library.vault.read(kept.digest) == PNG
    assert house.settled == 1
    assert [lane.due_at for lane in rows(spool, schema.lane)] == [0.0]


@at_both
def test_what_is_fetched_for_who_was_erased_before_or_meanwhile_is_nobodys_and_leaves_the_vault(
    spool: Database, peer: Start
) -> None:
    def erased_meanwhile(wire: Wire) -> None:
        if b"late" in wire.request:
            retention.erase(spool, "c1", DEED, pending_too=True)
        answers(SCRIPT if b"late" in wire.request else PNG)(wire)

    house = House(spool, peer(erased_meanwhile))
    register, there = house.library.register, house.library.vault
    house.receive("picture.png")
    with house.fetching() as fetcher:
        until(lambda: house.media == [0], "the file of the event")
        theirs = retention.files(spool, "c1", pending_too=True)
        house.receive("late", message_id="m2")
        fetcher.wake()
        until(lambda: len(eviction.stored(register)) == 2 and not rows(spool, schema.attachment), "the late one")
    assert house.files == []
    assert len(theirs) == 1
    assert eviction.drop_nobodys(there, register, theirs) == (1, 0)
    assert [*there.digests()] == []


def test_while_the_scanner_is_away_a_file_is_held_and_comes_by_itself_once_it_was_looked_through(
    spool: Database, peer: Start
) -> None:
    with closing(played(b"")) as clamd:
        house = House(spool, peer(serves(a=PNG, b=b"own", c=SCRIPT)), inbound={"scan": f"tcp:127.0.0.1:{clamd.port}"})
        house.receive("a.png", "b.txt", "c.sh")
        with house.fetching() as fetcher:
            until(lambda: house.media == [0], "the files of the event")
            away = ("held", Reason.SCANNER_AWAY)
            assert house.states() == [away, away, ("held", "script")]
            clamd.behaviour = finds(b"own")
            house.clock.advance(SCAN_AGAIN_SECONDS)
            fetcher.wake()
            until(lambda: away not in house.states(), "another look")
            until(lambda: all(file.due_at == 0.0 for file in house.files), "no further look")
    assert house.states() == [("kept", ""), ("held", "virus"), ("held", "script")]


def finds(sign: bytes) -> Behaviour:
    """A clamd that knows one virus."""
    return lambda wire: wire.say(b"stream: Test.Own FOUND\0" if sign in wire.request else b"stream: OK\0")


def test_what_may_pass_is_tried_again_later_each_time_until_it_is_given_up(spool: Database, peer: Start) -> None:
    there = peer(serves(picture="503 No"))
    house = House(spool, there, inbound={"retry_for": "1h"})
    house.receive("picture")
    with house.fetching() as fetcher:
        for tries in range(1, 4):

            def tried(times: int = tries) -> bool:
                return [(file.tries, file.leased_until) for file in house.files] == [(times, None)]

            until(tried, "a try")
            [file] = house.files
            assert (file.state, file.reason) == ("waiting", Reason.MEDIA_ODD)
            assert 0 < file.due_at - house.clock.now() <= 2**tries
            house.clock.advance(300)
            fetcher.wake()
        there.behaviour = serves(picture=PNG)
        house.clock.advance(300)
        until(lambda: house.states() == [("kept", "")], "the file, once it is there")
    assert house.media == [0]


def test_after_retry_for_it_is_given_up_and_named(spool: Database, peer: Start) -> None:
    house = House(spool, peer(serves(picture="403 No")), inbound={"retry_for": "1h"})
    house.receive("picture")
    house.clock.advance(3600)
    with house.fetching():
        until(lambda: house.states() == [("failed", Reason.MEDIA_FORBIDDEN)], "the end of it")


def test_the_files_of_customers_fill_half_of_the_vault_and_no_more(spool: Database, peer: Start) -> None:
    file = bytes(range(256)) * 4 * 60
    tables = {
        "attachments": {"max_bytes": "100kB", "vault_max_bytes": "200kB"},
        "inbound": {"max_bytes": "100kB", "media": "keep"},
    }
    house = House(spool, peer(serves(first=file, second=file + b"2")), **tables)
    house.receive("first")
    with house.fetching():
        until(lambda: house.media == [0], "the first")
        house.receive("second", message_id="m2")
        until(lambda: len(house.files) == 2 and house.files[1].reason == Reason.MEDIA_FULL, "no room for the second")


def test_what_a_customer_sent_stays_for_its_time_whoever_needs_room(spool: Database, peer: Start) -> None:
    house = House(spool, peer(serves(picture=PNG)))
    house.receive("picture")
    with house.fetching():
        until(lambda: house.media == [0], "the file")
    register, late = house.library.register, NOW + 3 * 86400
    assert eviction.evictable(register, now=late) == []
    assert [file.digest for file in eviction.evictable(register, now=NOW + 8 * 86400)] == [house.files[0].digest]
    assert house.shared.shelf.evict_all(DEED) == 0
    digest = house.files[0].digest
    for state, at, is_left in (("delivered", 6, True), ("pending", 8, True), ("delivered", 8, False)):
        meddle(spool, f"UPDATE event SET state = '{state}'")
        eviction.end_customers(house.library.vault, register, now=NOW + at * 86400)
        assert house.library.vault.holds(digest, len(PNG)) is is_left


def test_a_link_with_which_three_have_died_is_let_be(spool: Database, peer: Start) -> None:
    there = peer(serves(picture=PNG))
    house = House(spool, there)
    house.receive("picture")
    dying = Fetching(spool, "", 1.0, lambda _connector: True)
    dying.note_new(now=NOW, most=9)
    for number in range(3):
        assert [errand.deadly for errand in dying.take(now=NOW + 2 * number, most=9)] == [False]
    house.clock.advance(60)
    with house.fetching():
        until(lambda: house.states() == [("failed", Reason.MEDIA_KILLS)], "the end of it")
    assert there.connections == 0


def test_of_two_that_take_the_same_one_has_it_and_what_a_lost_one_says_changes_nothing(spool: Database) -> None:
    with closing(Peer(serves(), host="127.0.0.1", tls=None)) as there:
        house = House(spool, there)
        house.receive("picture")
    one, two = (Fetching(spool, name, 10.0, lambda _connector: True) for name in ("one", "two"))
    one.note_new(now=NOW, most=9)
    two.note_new(now=NOW, most=9)
    [mine] = one.take(now=NOW, most=9)
    assert two.take(now=NOW, most=9) == []
    [theirs] = two.take(now=NOW + 11, most=9)
    one.postpone(mine, "late", due_at=NOW + 99, now=NOW)
    assert (theirs.tries, house.files[0].fetcher, house.files[0].due_at) == (2, "two", 0.0)
    two.let_go()
    assert (house.files[0].leased_until, house.files[0].tries) == (None, 1)


def test_an_account_whose_files_are_passed_on_has_none_to_be_seen_to(spool: Database, peer: Start) -> None:
    house = House(spool, peer(serves()))
    house.receive("picture")
    off = Fetching(spool, "", 10.0, lambda _connector: False)
    off.note_new(now=NOW, most=9)
    assert (house.media, house.files) == ([0], [])


def test_the_vault_is_where_the_settings_say(spool: Database, peer: Start) -> None:
    house = House(spool, peer(serves()))
    assert house.library.vault.folder == paths.vault(house.shared.settings)

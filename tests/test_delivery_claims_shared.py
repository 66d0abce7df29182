"""Claims where several couriers and doors work with one PostgreSQL at once: nothing is stranded, or overtaken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeVar

import pytest

from gateway.delivery import claims, recovery, trouble
from gateway.delivery.claims import Claim, Hand
from gateway.delivery.health import Scope
from gateway.delivery.trouble import MotionTrouble
from gateway.errors import SpoolUnavailable
from gateway.ingress import intake
from gateway.store import Run, retention, schema
from gateway.store.engines import Database
from tests.spool_samples import DEED, NOW, accept, callback, rows, until

T = TypeVar("T")
LEASE = 90.0


class Slow(Database):
    """One whose transaction stays open, when all is done in it, until it may go on."""

    def __init__(self, place: str) -> None:
        super().__init__(place, patience_seconds=60)
        self.worked, self.may_go_on = threading.Event(), threading.Event()

    def tell(self, work: Callable[[Run], T], *, lanes: Collection[str] = ()) -> T:
        def held(run: Run) -> T:
            done = work(run)
            self.worked.set()
            assert self.may_go_on.wait(60)
            return done

        return super().tell(held, lanes=lanes)


@pytest.fixture
def spool(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url, patience_seconds=60)) as opened:
        yield opened


@pytest.fixture
def slow(database_url: str) -> Iterator[Slow]:
    with closing(Slow(database_url)) as opened:
        yield opened
        opened.may_go_on.set()


def claim(spool: Database, *, courier: str = "one", most: int = 16) -> list[Claim]:
    return claims.claim(spool, due_by=NOW, now=NOW, most=most, lease_seconds=LEASE, courier=courier)


def is_waiting(spool: Database) -> bool:
    """Whether somebody waits for a lock that another holds."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(spool.read(lambda connection: connection.exec_driver_sql(waiting).scalar()))


@contextmanager
def meanwhile(spool: Database, slow: Slow, first: Callable[[], T], second: Callable[[], Any]) -> Iterator[list[Any]]:
    """Do `first`, which stays uncommitted until `second` waits for it, or has come to its end without.

    Gives what both return, and whether the second had to wait.
    """
    found: list[Any] = []
    with ThreadPoolExecutor(2) as pool:
        begun = pool.submit(first)
        until(slow.worked.is_set, "the first one's work")
        done: Future[Any] = pool.submit(patiently, second)
        until(lambda: done.done() or is_waiting(spool), "the second one")
        waited = not done.done()
        slow.may_go_on.set()
        found += [begun.result(60), done.result(60), waited]
    yield found


def patiently(work: Callable[[], T]) -> T:
    """As couriers do: a lock that others hold for long is waited for once more."""
    for _ in range(40):
        with suppress(SpoolUnavailable):
            return work()
    return work()


def ids(taken: list[Claim]) -> list[int]:
    return [each.event_id for each in taken]


def test_an_event_that_comes_while_the_last_of_its_contact_is_settled_is_not_stranded(
    spool: Database, slow: Slow
) -> None:
    accept(spool, "a1", contact="a")
    [taken] = claim(spool)
    after = callback("a2", contact="a")
    with meanwhile(
        spool,
        slow,
        lambda: intake.accept(slow, after, now=NOW),
        lambda: claims.delivered(spool, taken, outcome="200", now=NOW),
    ) as (filed, kept, _):
        assert kept is True
        assert ids(claim(spool)) == [filed.event_id]


def test_what_a_courier_says_while_its_claim_is_being_taken_from_it_changes_nothing(
    spool: Database, slow: Slow
) -> None:
    first = accept(spool, "a1", contact="a")
    accept(spool, "a2", contact="a")
    [stopped] = claim(spool)
    with meanwhile(
        spool,
        slow,
        lambda: recovery.free_ended(slow, now=NOW + LEASE + 1),
        lambda: claims.delivered(spool, stopped, outcome="200", now=NOW),
    ) as (freed, kept, _):
        assert (freed.suspects, kept) == (("7:contact:a",), False)
        assert [row.state for row in rows(spool, schema.event)] == ["pending", "pending"]
        hand = Hand(NOW + 2 * LEASE, "two")
        assert ids(claims.claim_lanes(spool, recovery.suspects(spool, most=9), hand)) == [first]


def test_a_lane_that_somebody_is_at_is_passed_by_and_others_are_taken(spool: Database, slow: Slow) -> None:
    for message in ("a1", "b1"):
        accept(spool, message, contact=message[0])
    with meanwhile(spool, slow, lambda: claim(slow, most=1), lambda: claim(spool, courier="two")) as (one, two, waited):
        assert [ids(one), ids(two), waited] == [[1], [2], False]


def test_one_courier_of_all_gets_the_next_probe(spool: Database, slow: Slow) -> None:
    for message in ("a1", "b1"):
        accept(spool, message, contact=message[0])
    trouble.keep(spool, MotionTrouble("motion-down", "7", "503", NOW))
    about = {"now": NOW, "until": NOW + 35}
    with meanwhile(
        spool,
        slow,
        lambda: claims.claim_probe(slow, Scope(7), Hand(NOW + LEASE, "one"), **about),
        lambda: claims.claim_probe(spool, Scope(7), Hand(NOW + LEASE, "two"), **about),
    ) as (one, two, _):
        assert [len(one), len(two)] == [1, 0]
        assert claims.claim_probe(spool, Scope(7), Hand(NOW + LEASE, "two"), **about) == []


def test_two_that_free_the_same_ended_leases_count_one_death(spool: Database, slow: Slow) -> None:
    accept(spool, "a1", contact="a")
    claim(spool)
    after = NOW + LEASE + 1
    with meanwhile(
        spool, slow, lambda: recovery.free_ended(slow, now=after), lambda: recovery.free_ended(spool, now=after)
    ) as (one, two, waited):
        assert [len(one.suspects), len(two.suspects), waited] == [1, 0, False]
        assert [row.deaths for row in rows(spool, schema.event)] == [1]


def test_motion_is_back_for_a_lane_too_that_somebody_was_at(spool: Database, slow: Slow) -> None:
    for message in ("a1", "b1"):
        accept(spool, message, contact=message[0])
    for taken in claim(spool):
        claims.postpone(spool, taken, outcome="503", due_at=NOW + 300, failures=0, failing_since=None, now=NOW)
    with meanwhile(
        spool,
        slow,
        lambda: intake.accept(slow, callback("a2", contact="a"), now=NOW),
        lambda: recovery.hurry(spool, now=NOW),
    ):
        assert ids(claim(spool)) == [1, 2]


def test_an_event_that_comes_while_all_else_of_its_contact_is_erased_is_not_stranded(
    spool: Database, slow: Slow
) -> None:
    accept(spool, "a1", contact="a")
    with meanwhile(
        spool,
        slow,
        lambda: intake.accept(slow, callback("a2", contact="a"), now=NOW),
        lambda: retention.erase(spool, "a", DEED, pending_too=True),
    ) as (filed, _, _):
        assert ids(claim(spool)) == [filed.event_id]


def test_couriers_beside_each_other_deliver_each_event_once_and_in_order(database_url: str, spool: Database) -> None:
    contacts, of_each = 24, 3
    for number in range(of_each):
        for contact in range(contacts):
            accept(spool, f"c{contact}-{number}", contact=f"c{contact}")
    heard: list[tuple[str, int]] = []

    def carry(courier: str) -> None:
        with closing(Database(database_url, patience_seconds=60)) as own:
            while claims.waiting(own)["pending"] and len(heard) < 2 * contacts * of_each:
                for taken in patiently(lambda: claim(own, courier=courier, most=8)):
                    heard.append((taken.lane, taken.event_id))
                    assert patiently(lambda: claims.delivered(own, taken, outcome="200", now=NOW))  # noqa: B023

    with ThreadPoolExecutor(3) as pool:
        for ended in [pool.submit(carry, f"node-{number}") for number in range(3)]:
            ended.result(60)
    assert len(heard) == len(set(heard)) == contacts * of_each
    assert all(mine == sorted(mine) for mine in ([each for each in heard if each[0] == lane] for lane, _ in heard))
    assert rows(spool, schema.lane) == []

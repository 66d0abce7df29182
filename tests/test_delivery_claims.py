"""Whose turn it is: order within a lane, lanes side by side, and what a dead courier leaves behind."""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gateway.delivery import claims, records, recovery, schedule
from gateway.delivery.claims import Claim, Hand
from gateway.delivery.health import EVERYTHING, Scope
from gateway.delivery.recovery import Recovered
from gateway.ingress import intake
from gateway.phrases import Reason
from gateway.store import census, schema
from gateway.store.engines import Database
from tests import spool_samples
from tests.examples import examples
from tests.postgresql import EmptySpool
from tests.spool_samples import DEED, callback, meddle, rows

pytestmark = pytest.mark.both_engines

NOW = 1_000_000.0
LEASE = 90.0
LONGEST_WAIT = 300.0


def fill(spool: Database, *messages: str) -> None:
    """Accept messages written as contact and number: `a1`; `-1` names no contact."""
    for message in messages:
        intake.accept(spool, callback(message, contact=message[0].strip("-")), now=NOW)


def claim(spool: Database, *, most: int = 100, now: float = NOW, courier: str = "") -> list[Claim]:
    """What is due, and what is suspect."""
    suspects = claims.claim_lanes(spool, recovery.suspects(spool, most=most), Hand(now + LEASE, courier))
    return suspects + claims.claim(spool, due_by=now, now=now, most=most, lease_seconds=LEASE, courier=courier)


def names(those: list[Claim]) -> list[str]:
    return sorted(taken.request_id.removeprefix("request-") for taken in those)


def postpone(spool: Database, taken: Claim, *, due_at: float) -> bool:
    return claims.postpone(spool, taken, outcome="503", due_at=due_at, failures=1, failing_since=NOW, now=NOW)


def recover(spool: Database, *, now: float = NOW, courier: str = "") -> Recovered:
    return recovery.start(spool, courier, now=now, longest_wait_seconds=LONGEST_WAIT)


def heads(spool: Database, scope: Scope, *, due_by: float = NOW, most: int = 9) -> list[str]:
    """The lanes of what `lanes_of` tells."""
    lanes = {row.first_event: row.lane for row in rows(spool, schema.lane)}
    return [lanes[first] for first in claims.lanes_of(spool, scope, due_by=due_by, most=most)]


def state(spool: Database, event_id: int) -> Any:
    return next(row for row in rows(spool, schema.event) if row.id == event_id)


def test_what_waits_is_counted_and_it_is_known_since_when(spool: Database) -> None:
    assert (census.counted(spool), claims.oldest_pending_at(spool)) == ({}, None)
    assert claims.waiting(spool) == {"pending": 0, "parked": 0}
    for number in range(3):
        intake.accept(spool, callback(f"a{number}", contact=f"c{number}"), now=NOW + number)
    [first, *_] = claim(spool, most=1)
    claims.delivered(spool, first, outcome="200", now=NOW)
    assert (census.counted(spool), claims.oldest_pending_at(spool)) == ({"delivered": 1, "pending": 2}, NOW + 1)
    [second, _] = claim(spool, most=2)
    claims.park(spool, second, outcome="400", now=NOW)
    assert claims.waiting(spool) == {"pending": 1, "parked": 1}


def test_the_events_of_a_lane_come_one_after_another_in_the_order_of_acceptance(spool: Database) -> None:
    fill(spool, "a1", "a2", "a3")
    for expected in ("a1", "a2", "a3"):
        [taken] = claim(spool)
        assert names([taken]) == [expected]
        assert claim(spool) == []
        claims.delivered(spool, taken, outcome="200", now=NOW)
    assert claim(spool) == []
    assert rows(spool, schema.lane) == []


def test_lanes_are_served_side_by_side(spool: Database) -> None:
    fill(spool, "a1", "a2", "b1", "c1")
    assert names(claim(spool)) == ["a1", "b1", "c1"]


def test_events_that_name_nobody_wait_for_nobody(spool: Database) -> None:
    fill(spool, "-1", "-2", "-3")
    assert names(claim(spool)) == ["-1", "-2", "-3"]


def test_contacts_of_different_connectors_are_different_lanes(spool: Database) -> None:
    for connector in (7, 8):
        intake.accept(spool, callback("a1", connector=connector), now=NOW)
    assert sorted(taken.connector_id for taken in claim(spool)) == [7, 8]


@pytest.mark.parametrize(("most", "taken"), [(1, 1), (2, 2), (3, 3), (4, 3)])
def test_no_more_are_claimed_than_were_asked_for(spool: Database, most: int, taken: int) -> None:
    fill(spool, "a1", "b1", "c1")
    assert len(claim(spool, most=most)) == taken


def test_of_the_lanes_that_are_due_the_longest_accepted_comes_first(spool: Database) -> None:
    fill(spool, "a1", "b1", "c1")
    for taken, wait in zip(sorted(claim(spool), key=lambda each: each.request_id), (3, 1, 2), strict=True):
        postpone(spool, taken, due_at=NOW + wait)
    assert names(claim(spool, most=1, now=NOW + 1)) == ["b1"]
    assert [names(claim(spool, most=1, now=NOW + 9)) for _ in range(2)] == [["a1"], ["c1"]]


def test_of_the_lanes_that_are_probed_the_longest_left_alone_comes_first(spool: Database) -> None:
    fill(spool, "a1", "b1", "c1")
    for taken, wait in zip(sorted(claim(spool), key=lambda each: each.request_id), (3, 1, 2), strict=True):
        postpone(spool, taken, due_at=NOW + wait)
    lanes = heads(spool, EVERYTHING, due_by=math.inf)
    assert [lane[-1] for lane in lanes] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("scope", "of", "others"),
    [
        (Scope(7), ["a", "b"], ["c"]),
        (Scope(8), ["c"], ["a", "b"]),
        (Scope(7, "MESSAGE_INBOUND"), ["a", "b"], ["c"]),
        (Scope(7, "CONTACT_CREATE"), [], ["a", "b", "c"]),
        (Scope(9), [], ["a", "b", "c"]),
    ],
    ids=str,
)
def test_lanes_are_told_apart_by_account_and_kind(
    spool: Database, scope: Scope, of: list[str], others: list[str]
) -> None:
    fill(spool, "a1", "b1")
    intake.accept(spool, callback("c1", contact="c", connector=8), now=NOW)
    assert sorted(lane[-1] for lane in heads(spool, scope)) == of
    found = claims.claim(spool, due_by=NOW, now=NOW, most=9, lease_seconds=LEASE, but=[scope])
    assert [taken.lane[-1] for taken in found] == others


def test_new_contacts_do_not_come_before_the_next_message_of_one_who_waits(spool: Database) -> None:
    fill(spool, "a1", "a2")
    [first] = claim(spool, most=1)
    fill(spool, "b1", "c1")
    claims.delivered(spool, first, outcome="200", now=NOW)
    fill(spool, "d1")
    assert [names(claim(spool, most=1)) for _ in range(4)] == [["a2"], ["b1"], ["c1"], ["d1"]]


@pytest.mark.parametrize(
    ("after", "found"), [(LEASE - 1, []), (LEASE, []), (LEASE + 1, ["a1"])], ids=["before", "at its end", "after"]
)
def test_a_claim_holds_its_lane_until_its_lease_is_over_and_leaves_it_suspect(
    spool: Database, after: float, found: list[str]
) -> None:
    fill(spool, "a1", "a2")
    claim(spool, courier="one")
    assert claims.look(spool, due_by=NOW + after, now=NOW + after) == (False, False, bool(found))
    freed = recovery.free_ended(spool, now=NOW + after)
    assert freed == Recovered(*((("one",), (), ("7:contact:a",)) if found else ()))
    assert claims.look(spool, due_by=NOW + after, now=NOW + after) == (False, bool(found), False)
    assert names(claim(spool, now=NOW + after)) == found
    assert state(spool, 1).deaths == len(found)


def test_a_try_is_counted_when_it_is_claimed(spool: Database) -> None:
    fill(spool, "a1")
    for tries in (1, 2, 3):
        [taken] = claim(spool)
        assert taken.tries == state(spool, 1).tries == tries
        postpone(spool, taken, due_at=NOW)


@pytest.mark.parametrize(("after", "found"), [(59, []), (60, ["a1"]), (61, ["a1"])])
def test_a_postponed_lane_waits_until_it_is_due_and_keeps_its_order(
    spool: Database, after: float, found: list[str]
) -> None:
    fill(spool, "a1", "a2")
    [taken] = claim(spool)
    postpone(spool, taken, due_at=NOW + 60)
    assert names(claim(spool, now=NOW + after)) == found


def test_a_probe_takes_what_is_not_due_yet(spool: Database) -> None:
    fill(spool, "a1")
    postpone(spool, claim(spool)[0], due_at=NOW + 60)
    assert heads(spool, EVERYTHING) == []
    assert heads(spool, EVERYTHING, due_by=math.inf) == ["7:contact:a"]


def test_what_was_told_about_a_failure_is_there_at_the_next_try(spool: Database) -> None:
    fill(spool, "a1")
    claims.postpone(spool, claim(spool)[0], outcome="500", due_at=NOW, failures=3, failing_since=NOW - 7, now=NOW)
    [taken] = claim(spool)
    assert (taken.failures, taken.failing_since) == (3, NOW - 7)
    assert records.shown(spool, 1).outcome == "500"


def test_hurry_makes_every_waiting_lane_due_at_once(spool: Database) -> None:
    fill(spool, "a1", "b1")
    for taken in claim(spool):
        postpone(spool, taken, due_at=NOW + 200)
    assert claim(spool) == []
    recovery.hurry(spool, now=NOW)
    assert names(claim(spool)) == ["a1", "b1"]


@pytest.mark.parametrize("end", [claims.delivered, claims.park])
def test_what_is_settled_lets_its_lane_go_on(spool: Database, end: Any) -> None:
    fill(spool, "a1", "a2")
    [taken] = claim(spool)
    end(spool, taken, outcome="so it was", now=NOW + 5)
    settled = state(spool, 1)
    assert (settled.state, settled.outcome, settled.settled_at) == (
        end.__name__.replace("park", "parked"),
        "so it was",
        NOW + 5,
    )
    assert names(claim(spool, now=NOW + 5)) == ["a2"]


def test_recover_frees_what_a_dead_courier_held(spool: Database) -> None:
    fill(spool, "a1", "a2", "b1")
    claim(spool)
    assert claim(spool) == []
    assert recover(spool) == Recovered(suspects=("7:contact:a", "7:contact:b"))
    assert names(claim(spool)) == ["a1", "b1"]
    assert [row.deaths for row in rows(spool, schema.event)] == [1, 0, 1]


def test_a_courier_that_starts_frees_what_was_held_under_its_own_name_alone(spool: Database) -> None:
    fill(spool, "a1", "b1")
    [mine] = claim(spool, most=1, courier="one")
    [others] = claim(spool, most=1, courier="two")
    assert recover(spool, courier="one") == Recovered(("one",), (), (mine.lane,))
    assert not claims.delivered(spool, mine, outcome="200", now=NOW)
    assert claims.delivered(spool, others, outcome="200", now=NOW)


def test_an_event_that_killed_five_couriers_is_parked_and_its_lane_goes_on(spool: Database) -> None:
    fill(spool, "a1", "a2")
    for death in range(1, recovery.MOST_DEATHS + 1):
        assert names(claim(spool)) == ["a1"]
        killed = death == recovery.MOST_DEATHS
        assert recover(spool) == Recovered((), *(((1,), ()) if killed else ((), ("7:contact:a",))))
    killer = state(spool, 1)
    assert (killer.state, killer.outcome, killer.settled_at) == ("parked", Reason.KILLED_COURIERS, NOW)
    assert names(claim(spool)) == ["a2"]


def test_a_courier_that_lives_to_tell_takes_the_deaths_back(spool: Database) -> None:
    fill(spool, "a1")
    for _ in range(recovery.MOST_DEATHS - 1):
        claim(spool)
        recover(spool)
    postpone(spool, claim(spool)[0], due_at=NOW)
    claim(spool)
    assert recover(spool).parked == ()
    assert state(spool, 1).deaths == 1


def test_whoever_was_in_nobodys_hand_is_no_suspect(spool: Database) -> None:
    fill(spool, "a1", "b1")
    postpone(spool, claim(spool, most=1)[0], due_at=NOW)
    assert recover(spool) == Recovered()


def test_a_suspect_is_claimed_whenever_it_is_due(spool: Database) -> None:
    fill(spool, "a1", "a2", "b1")
    for taken in claim(spool):
        postpone(spool, taken, due_at=NOW + 60)
    [taken] = claims.claim_lanes(spool, [1], Hand(NOW + LEASE))
    assert (taken.request_id, taken.tries) == ("request-a1", 2)
    assert names(claim(spool, now=NOW + 60)) == ["b1"]


def test_a_suspect_that_was_erased_meanwhile_is_no_claim(spool: Database) -> None:
    assert claims.claim_lanes(spool, [1], Hand(NOW + LEASE)) == []


@pytest.mark.parametrize(
    ("wait", "due_at"),
    [(LONGEST_WAIT - 1, NOW + LONGEST_WAIT - 1), (LONGEST_WAIT, NOW + LONGEST_WAIT), (LONGEST_WAIT + 1, NOW)],
    ids=["shorter than the longest wait", "the longest wait", "longer than any wait"],
)
def test_recover_brings_waits_of_a_wrong_clock_back(spool: Database, wait: float, due_at: float) -> None:
    fill(spool, "a1")
    postpone(spool, claim(spool)[0], due_at=NOW + wait)
    recover(spool)
    assert [row.due_at for row in rows(spool, schema.lane)] == [due_at]


def test_those_behind_the_first_are_claimed_one_by_one_while_their_lane_stays_in_hand(spool: Database) -> None:
    fill(spool, "a1", "a2", "a3")
    [first] = claim(spool)
    second = claims.claim_behind(spool, first, now=NOW, lease_seconds=LEASE)
    assert second is not None
    claims.settle_behind(spool, second, state="delivered", outcome="200", now=NOW)
    third = claims.claim_behind(spool, second, now=NOW, lease_seconds=LEASE)
    assert third is not None
    assert [second.request_id, third.request_id, third.tries] == ["request-a2", "request-a3", 1]
    claims.keep_failing(spool, third, outcome="400", failures=1, failing_since=NOW, now=NOW)
    assert claims.claim_behind(spool, third, now=NOW, lease_seconds=LEASE) is None
    assert claim(spool) == []
    claims.free(spool, third, due_at=NOW)
    assert names(claim(spool)) == ["a1"]


LATE = {
    "delivered": lambda spool, taken: claims.delivered(spool, taken, outcome="200", now=NOW),
    "park": lambda spool, taken: claims.park(spool, taken, outcome="500", now=NOW),
    "postpone": lambda spool, taken: postpone(spool, taken, due_at=NOW),
    "free": lambda spool, taken: claims.free(spool, taken, due_at=NOW),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_who_comes_back_after_its_lease_does_not_free_the_lane_that_has_gone_on(spool: Database, late: Any) -> None:
    fill(spool, "a1", "a2", "a3")
    [slow] = claim(spool)
    recovery.free_ended(spool, now=NOW + LEASE + 1)
    [quick] = claim(spool, now=NOW + LEASE + 1)
    assert quick.event_id == slow.event_id
    assert claims.delivered(spool, quick, outcome="200", now=NOW + LEASE + 1)
    [after] = claim(spool, now=NOW + LEASE + 1)
    assert names([after]) == ["a2"]
    assert not late(spool, slow)
    assert claim(spool, now=NOW + LEASE + 2) == []
    assert (state(spool, 1).state, state(spool, 1).outcome) == ("delivered", "200")


def test_a_lane_whose_events_were_erased_meanwhile_is_no_claim(spool: Database) -> None:
    fill(spool, "a1", "b1")
    meddle(spool, schema.event.delete().where(schema.event.c.id == 1))
    assert names(claim(spool)) == ["b1"]
    assert [row.lane for row in rows(spool, schema.lane)] == ["7:contact:b"]


class Couriers(RuleBasedStateMachine):
    """Anything the door, the courier and the operator may do, in any order, against a plain model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.spool = self.empty()
        self.now = NOW
        self.accepted: dict[str, list[int]] = defaultdict(list)
        self.pending: dict[str, list[int]] = defaultdict(list)
        self.settled: dict[int, str] = {}
        self.lane_of: dict[int, str] = {}
        self.claims: list[Claim] = []

    def empty(self) -> Database:
        path = Path(self.folder.name) / "spool.sqlite3"
        spool_samples.migrate(path)
        return Database(path, patience_seconds=1)

    def teardown(self) -> None:
        self.spool.close()
        self.folder.cleanup()

    @rule(contact=st.sampled_from(["a", "b", ""]))
    def accept(self, contact: str) -> None:
        given = callback(f"m{len(self.lane_of)}", contact=contact)
        event_id = intake.accept(self.spool, given, now=self.now).event_id
        assert event_id is not None
        assert event_id > max(self.lane_of, default=0)
        self.lane_of[event_id] = given.lane
        self.pending[given.lane].append(event_id)

    @rule(most=st.integers(1, 3), probe=st.booleans())
    def claim(self, most: int, probe: bool) -> None:  # noqa: FBT001
        due_by = float("inf") if probe else self.now
        busy = {taken.lane for taken in self.claims}
        waiting = claims.look(self.spool, due_by=due_by, now=self.now)
        suspects = claims.claim_lanes(self.spool, recovery.suspects(self.spool, most=most), Hand(1e9))
        fresh = claims.claim(self.spool, due_by=due_by, now=self.now, most=most, lease_seconds=1e9)
        assert (bool(fresh), bool(suspects)) == (waiting.due, waiting.suspects)
        fresh += suspects
        for taken in fresh:
            assert taken.lane not in busy
            assert taken.event_id == self.pending[taken.lane][0]
            busy.add(taken.lane)
        self.claims += fresh

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), end=st.sampled_from(["delivered", "parked"]))
    def settle(self, data: st.DataObject, end: str) -> None:
        taken = self._one(data)
        act = claims.delivered if end == "delivered" else claims.park
        act(self.spool, taken, outcome=end, now=self.now)
        if taken.event_id in self.pending[taken.lane]:
            self.pending[taken.lane].remove(taken.event_id)
            self.settled[taken.event_id] = end

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), wait=st.sampled_from([0, 1, 60, 10_000]))
    def postpone(self, data: st.DataObject, wait: int) -> None:
        postpone(self.spool, self._one(data), due_at=self.now + wait)

    @rule()
    def die(self) -> None:
        recovered = recover(self.spool, now=self.now)
        assert {*recovered.suspects, *(self.lane_of[event_id] for event_id in recovered.parked)} == {
            taken.lane for taken in self.claims
        }
        for event_id in recovered.parked:
            self.pending[self.lane_of[event_id]].remove(event_id)
            self.settled[event_id] = "parked"
        self.claims = []

    @precondition(lambda self: self.settled)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        event_id = data.draw(st.sampled_from(sorted(self.settled)))
        lane = self.lane_of[event_id]
        if any(taken.lane == lane for taken in self.claims):
            return  # it would be first in the lane that another holds: judged in its own test
        records.replay(self.spool, [event_id], DEED)
        del self.settled[event_id]
        self.pending[lane] = sorted([*self.pending[lane], event_id])

    @rule()
    def hurry(self) -> None:
        recovery.hurry(self.spool, now=self.now)

    @rule(seconds=st.sampled_from([1, 60, 301]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_lost(self) -> None:
        expected = {event_id: "pending" for waiting in self.pending.values() for event_id in waiting} | self.settled
        assert {row.id: row.state for row in rows(self.spool, schema.event)} == expected

    @invariant()
    def whoever_has_something_pending_will_be_served(self) -> None:
        lanes = {row.lane for row in rows(self.spool, schema.lane)}
        assert lanes == {lane for lane, waiting in self.pending.items() if waiting}

    def _one(self, data: st.DataObject) -> Claim:
        taken = data.draw(st.sampled_from(self.claims))
        self.claims.remove(taken)
        return taken


TestAnyOrderOfWhatMayHappen = Couriers.TestCase
TestAnyOrderOfWhatMayHappen.settings = settings(
    max_examples=examples(40),
    stateful_step_count=30,
    deadline=None,  # each step commits to the disk
    suppress_health_check=[HealthCheck.too_slow],
)


def test_in_any_order_the_same_may_happen_on_postgresql(empty_spool: EmptySpool) -> None:
    class Apart(Couriers):
        def empty(self) -> Database:
            return Database(empty_spool.url(), patience_seconds=5)

    often = TestAnyOrderOfWhatMayHappen.settings
    run_state_machine_as_test(Apart, settings=settings(often, max_examples=examples(20)))


@pytest.mark.parametrize(
    ("failures", "wakes"), [(schedule.MOST_REFUSALS - 1, False), (schedule.MOST_REFUSALS, True)], ids=str
)
def test_a_new_event_wakes_its_lane_once_the_first_has_had_its_tries(
    spool: Database, failures: int, *, wakes: bool
) -> None:
    fill(spool, "a1")
    [taken] = claim(spool)
    claims.postpone(spool, taken, outcome="500", due_at=NOW + 300, failures=failures, failing_since=NOW, now=NOW)
    fill(spool, "a2")
    assert claims.look(spool, due_by=NOW, now=NOW).due is wakes

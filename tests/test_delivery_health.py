"""What tries tell of Motion: for what it is away, and what it refuses."""

from __future__ import annotations

import math

import pytest

from gateway.delivery.health import EVERYTHING, HOUR_SECONDS, LOOK_SECONDS, Health, Scope
from gateway.delivery.schedule import Try
from gateway.phrases import Reason
from tests.together import together

TEXT, NEWS, OTHER_TEXT = Scope(7, "MESSAGE_INBOUND"), Scope(7, "CONTACT_CREATE"), Scope(8, "MESSAGE_INBOUND")
REFUSED, BROKEN = Try(None, Reason.CONNECTION_REFUSED), Try(None, Reason.CONNECTION_BROKEN)
HUNG = Try(None, Reason.NO_ANSWER)


def answered(status: int) -> Try:
    return Try(status, str(status))


def learned(*tries: tuple[str, Scope, Try]) -> Health:
    """After those tries, each of another event; the lane is named."""
    made = Health()
    for number, (lane, about, attempt) in enumerate(tries):
        witness = made.evidence.of(about, number)
        made.learn(about, number, lane, attempt, witness, now=0, probe=False)
    return made


FINE = ("z", TEXT, answered(200))
AWAY = {
    "nothing tried yet": ([], []),
    "a delivery": ([FINE], []),
    "no connection": ([("a", TEXT, REFUSED)], [EVERYTHING]),
    "no connection, then a refusal": ([("a", TEXT, REFUSED), ("b", TEXT, answered(404))], []),
    "no connection, then 503": ([("a", TEXT, REFUSED), ("b", TEXT, answered(503))], [Scope(7)]),
    "501": ([("a", TEXT, answered(501))], []),
    "502": ([("a", TEXT, answered(502))], [Scope(7)]),
    "503": ([("a", TEXT, answered(503))], [Scope(7)]),
    "504": ([("a", TEXT, answered(504))], [Scope(7)]),
    "505": ([("a", TEXT, answered(505))], []),
    "503 of two accounts": ([("a", TEXT, answered(503)), ("b", OTHER_TEXT, answered(503))], [Scope(7), Scope(8)]),
    "503 of one account, an answer of another": (
        [("a", TEXT, answered(503)), ("b", OTHER_TEXT, answered(404))],
        [Scope(7)],
    ),
    "503 to what has no words": ([("a", NEWS, answered(503))], [NEWS]),
    "503, then 404": ([("a", TEXT, answered(503)), ("b", TEXT, answered(404))], []),
    "one contact waits in vain": ([("a", TEXT, HUNG)] * 9, []),
    "two contacts wait in vain": ([("a", TEXT, HUNG), ("b", TEXT, HUNG)], [TEXT]),
    "two contacts, of two kinds": ([("a", TEXT, HUNG), ("b", NEWS, HUNG)], []),
    "two contacts, an answer between": ([("a", TEXT, HUNG), ("c", TEXT, answered(404)), ("b", TEXT, HUNG)], []),
    "two contacts broken off": ([("a", TEXT, BROKEN), ("b", TEXT, BROKEN)], [TEXT]),
    "404 a hundred times": ([(str(number), TEXT, answered(404)) for number in range(100)], []),
    "500 a hundred times": ([(str(number), TEXT, answered(500)) for number in range(100)], []),
    "a kind hangs while others are taken": ([("a", NEWS, HUNG), FINE, ("b", NEWS, HUNG), ("c", NEWS, HUNG)], []),
    "no connection while others were taken": ([("a", NEWS, answered(400)), FINE, ("a", NEWS, REFUSED)], []),
}


@together(("tries", "away"), AWAY.values(), ids=AWAY)
def test_motion_is_away_for_what_its_answers_say(tries: list[tuple[str, Scope, Try]], away: list[Scope]) -> None:
    assert list(learned(*tries).absences) == away


def test_of_an_account_of_which_nothing_is_taken_one_contact_at_a_time_looks_behind() -> None:
    made = Health()
    assert made.lets_look_behind(TEXT, now=0)
    made.refuse_all(TEXT, looked_at=-math.inf)  # there was nobody behind
    assert made.lets_look_behind(TEXT, now=0)
    made.refuse_all(TEXT, looked_at=0)
    looked = [made.lets_look_behind(TEXT, now=now) for now in (LOOK_SECONDS - 1, LOOK_SECONDS, LOOK_SECONDS + 1)]
    assert looked == [False, True, True]
    assert made.lets_look_behind(OTHER_TEXT, now=1)
    made.learn(NEWS, 1, "a", answered(200), made.evidence.of(NEWS, 1), now=0, probe=False)
    assert made.lets_look_behind(TEXT, now=1)
    made.learn(TEXT, 2, "b", answered(503), made.evidence.of(NEWS, 2), now=0, probe=False)
    assert not made.lets_look_behind(NEWS, now=LOOK_SECONDS + 1)


@pytest.mark.parametrize("first", [TEXT, NEWS], ids=str)
def test_a_probe_in_vain_is_waited_for_whatever_motion_is_away_for(first: Scope) -> None:
    made = learned(("a", first, answered(503)), ("b", TEXT, answered(503)))
    for number, scope in ((2, NEWS), (3, NEWS)):
        made.learn(scope, number, "c", answered(503), made.evidence.of(scope, number), now=100, probe=True)
    assert all(absence.probe_at > 100 for absence in made.absences.values())
    assert Scope(7) in made.absences


def test_evidence_is_what_was_taken_since_an_event_began_to_fail() -> None:
    made = learned(FINE, ("a", NEWS, answered(400)))
    assert not made.evidence.of(NEWS, 1).other_kinds
    made.evidence.took(TEXT, 9)
    found = made.evidence.of(NEWS, 1)
    assert (found.own_kind, found.other_kinds, found.nothing) == (False, True, False)
    made.evidence.missed(TEXT, 10)
    assert not made.evidence.of(NEWS, 1).other_kinds  # it may be everything by now
    made.evidence.took(NEWS, 11)
    assert made.evidence.of(NEWS, 1).own_kind


def test_what_another_account_takes_is_no_evidence() -> None:
    made = learned(("a", NEWS, answered(400)), ("b", OTHER_TEXT, answered(200)))
    found = made.evidence.of(NEWS, 0)
    assert (found.own_kind, found.other_kinds, found.nothing) == (False, False, True)


@pytest.mark.parametrize(("later", "one"), [(HOUR_SECONDS - 1, True), (HOUR_SECONDS, False), (HOUR_SECONDS + 1, False)])
def test_of_a_refused_kind_the_first_of_every_hour_gets_all_its_tries(later: float, *, one: bool) -> None:
    made = Health()
    assert not made.gets_one_try(NEWS, 1, now=0)
    assert made.refuse(NEWS, now=0)
    assert not made.refuse(NEWS, now=1)
    assert made.gets_one_try(NEWS, 2, now=later) is one
    assert made.gets_one_try(NEWS, 3, now=later)
    assert made.gets_one_try(NEWS, 2, now=later) is one


def test_a_probe_that_tells_nothing_new_is_waited_for_all_the_same() -> None:
    made = learned(("a", TEXT, answered(503)), FINE, ("b", TEXT, answered(503)))
    assert made.absences[Scope(7)].probe_at == 1
    witness = made.evidence.of(TEXT, 0)
    assert witness.own_kind
    made.learn(TEXT, 0, "a", answered(503), witness, now=100, probe=True)
    assert made.absences[Scope(7)].probe_at == 102

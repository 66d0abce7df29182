"""The proof that nothing is lost: kill -9 and an outage while callbacks pour in.

By hand, with any seed and length: `make no-loss SEED=7 EVENTS=20000`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sandbox import callbacks, faults
from sandbox.sinch import Letter
from tests.live.house import House, opened

SEED = int(os.environ.get("SEED", "1"))
EVENTS = int(os.environ.get("EVENTS", "2000"))
CONTACTS = 50
SENDERS = 10
KILLS = 5
DELIVERIES = 16


@dataclass
class Progress:
    """How many callbacks were answered 200 so far, and what happens at which count."""

    moments: dict[int, list[str]]
    accepted: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self) -> list[str]:
        with self.lock:
            self.accepted += 1
            return self.moments.get(self.accepted, [])


def planned(chance: random.Random) -> dict[int, list[str]]:
    """Five deaths of each, and an outage of Motion, at random moments of the first nine tenths."""
    moments: dict[int, list[str]] = {}
    deeds = ["kill ingress worker"] * KILLS + ["kill courier"] * KILLS
    for deed in deeds:
        moments.setdefault(chance.randrange(1, EVENTS * 9 // 10), []).append(deed)
    away = chance.randrange(EVENTS // 4, EVENTS // 2)
    moments.setdefault(away, []).append("motion goes")
    moments.setdefault(away + EVENTS // 5, []).append("motion comes")
    return moments


_killed: set[int] = set()
_one_at_a_time = threading.Lock()


def kill_courier(house: House) -> None:
    """Kill one that nobody has killed yet: that may take a moment to be gone."""
    with _one_at_a_time:
        pid = house.wait_for(lambda: (found := house.running_pid("courier")) not in _killed and found)
        _killed.add(pid)
        os.kill(pid, signal.SIGKILL)


def do(house: House, deed: str) -> None:
    if deed == "kill ingress worker":
        with contextlib.suppress(ProcessLookupError):  # another death came first
            os.kill(house.worker("ingress"), signal.SIGKILL)
    elif deed == "kill courier":
        kill_courier(house)
    else:
        house.motion.set_fault(faults.DOWN if deed == "motion goes" else faults.NONE)


def send_until_accepted(house: House, letter: Letter) -> int:
    """Post as a sender that never gives up, with the first signature; returns the number of tries."""
    for tries in itertools.count(1):
        if house.sinch().post(letter).status == 200:
            return tries
    raise AssertionError


def test_nothing_that_was_answered_200_is_lost_and_each_contact_keeps_its_order() -> None:
    chance = random.Random(SEED)
    limits = {"webhooks_per_account": "off"}
    with opened(limits=limits, spool={"deliveries": DELIVERIES}) as house:
        sinch = house.sinch()
        people = [callbacks.customer(f"contact {number}") for number in range(CONTACTS)]
        letters = {person.name: [] for person in people}
        for number in range(EVENTS):
            person = people[number % CONTACTS]
            letters[person.name].append(sinch.prepare(callbacks.text(f"words {number}", by=person)))
        progress = Progress(planned(chance))

        def send(names: list[str]) -> int:
            tries = 0
            for row in itertools.zip_longest(*(letters[name] for name in names)):
                for letter in filter(None, row):
                    tries += send_until_accepted(house, letter)
                    for deed in progress.step():
                        do(house, deed)
            return tries

        names = list(letters)
        with ThreadPoolExecutor(SENDERS) as pool:
            tries = sum(pool.map(send, [names[start::SENDERS] for start in range(SENDERS)]))
        house.wait_for(lambda: not house.events("pending"), seconds=120)

        assert_each_contact_in_order(house, letters)
        explain(house, letters, tries)
        house.wait_for(lambda: len(house.decisions("serve", event="died", part="courier")) >= KILLS)
        assert len(house.decisions("serve", event="died", part="courier")) == KILLS


def assert_each_contact_in_order(house: House, letters: dict[str, list[Letter]]) -> None:
    """All arrived; a repeated one before its successor, so that nobody reads a message out of order."""
    arrived = [item.body for item in house.motion.accepted]
    for name, sent in letters.items():
        places = {letter.body: place for place, letter in enumerate(sent)}
        seen = [places[body] for body in arrived if body in places]
        assert sorted(set(seen)) == list(range(len(sent))), f"{name} lost something"
        assert seen == sorted(seen), f"{name} is out of order"


def explain(house: House, letters: dict[str, list[Letter]], tries: int) -> None:
    """Every duplicate has its reason: a courier that died with the event in hand."""
    heard = Counter(item.body for item in house.motion.accepted)
    by_body = {event.body: event for event in house.events()}
    assert len(by_body) == EVENTS == sum(len(sent) for sent in letters.values())
    doubled = {body: count for body, count in heard.items() if count > 1}
    for body, count in doubled.items():
        assert by_body[body].tries >= count
    assert len(doubled) <= KILLS * DELIVERIES
    repeats = sum(event.repeats for event in by_body.values())
    print(f"\nseed {SEED}: {EVENTS} events, {tries} posts, {repeats} repeats absorbed by the spool,")
    print(f"{len(doubled)} delivered twice because a courier died between Motion's answer and its own note")

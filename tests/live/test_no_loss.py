"""The proof that nothing is lost: kill -9 and an outage while callbacks pour in, also where they name files.

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

from sandbox import callbacks, faults, signing
from sandbox.callbacks import Customer
from sandbox.sinch import Letter
from tests.live import inbound_house
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


def planned(chance: random.Random, events: int, *dying: str) -> dict[int, list[str]]:
    """Five deaths of each, and an outage of Motion, at random moments of the first nine tenths."""
    moments: dict[int, list[str]] = {}
    for deed in [f"kill {one}" for one in dying for _ in range(KILLS)]:
        moments.setdefault(chance.randrange(1, events * 9 // 10), []).append(deed)
    away = chance.randrange(events // 4, events // 2)
    moments.setdefault(away, []).append("motion goes")
    moments.setdefault(away + events // 5, []).append("motion comes")
    return moments


_killed: set[int] = set()
_one_at_a_time = threading.Lock()


def kill(house: House, part: str) -> None:
    """Kill one that nobody has killed yet: that may take a moment to be gone."""
    with _one_at_a_time:
        pid = house.wait_for(lambda: (found := house.running_pid(part)) not in _killed and found)
        _killed.add(pid)
        os.kill(pid, signal.SIGKILL)


def do(house: House, deed: str) -> None:
    if deed == "kill ingress worker":
        with contextlib.suppress(ProcessLookupError):  # another death came first
            os.kill(house.worker("ingress"), signal.SIGKILL)
    elif deed.startswith("kill "):
        kill(house, deed.removeprefix("kill "))
    else:
        house.motion.set_fault(faults.DOWN if deed == "motion goes" else faults.NONE)


def send_until_accepted(house: House, letter: Letter) -> int:
    """Post as a sender that never gives up, with the first signature; returns the number of tries."""
    for tries in itertools.count(1):
        if house.sinch().post(letter).status == 200:
            return tries
    raise AssertionError


def people() -> list[Customer]:
    return [callbacks.customer(f"contact {number}") for number in range(CONTACTS)]


def test_nothing_that_was_answered_200_is_lost_and_each_contact_keeps_its_order() -> None:
    with opened(spool={"deliveries": DELIVERIES}) as house:
        sinch = house.sinch()
        letters = {person.name: list[Letter]() for person in people()}
        for number, person in zip(range(EVENTS), itertools.cycle(people()), strict=False):
            letters[person.name].append(sinch.prepare(callbacks.text(f"words {number}", by=person)))
        tries = pour(house, letters, "ingress worker", "courier")
        assert [item.body for item in house.motion.accepted if item.body not in bodies(letters)] == []
        explain(house, letters, tries)


def test_no_callback_that_names_a_file_is_lost_either_nor_what_stands_behind_it() -> None:
    with inbound_house.opened(spool={"deliveries": DELIVERIES}) as inbound:
        house, sinch = inbound.house, inbound.house.sinch()
        letters = {person.name: list[Letter]() for person in people()}
        for number, person in zip(range(EVENTS // 4), itertools.cycle(people()), strict=False):
            words = callbacks.text(f"words {number}", by=person)
            file = inbound.media.keep(f"{number}.txt", f"file {number}".encode()) if number % 3 == 0 else None
            letters[person.name].append(sinch.prepare(callbacks.file(file.link, by=person) if file else words))
        tries = pour(house, letters, "ingress worker", "courier", "fetcher")
        explain(house, letters, tries)
        house.wait_for(lambda: len(house.decisions("serve", event="died", part="fetcher")) >= KILLS)


def pour(house: House, letters: dict[str, list[Letter]], *dying: str) -> int:
    """Send all of it while these die; returns how often it was posted, once all has arrived in order."""
    progress = Progress(planned(random.Random(SEED), sum(map(len, letters.values())), *dying))

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
    house.wait_for(lambda: len(house.decisions("serve", event="died", part="courier")) >= KILLS)
    assert len(house.decisions("serve", event="died", part="courier")) == KILLS
    return tries


def bodies(letters: dict[str, list[Letter]]) -> set[bytes]:
    return {letter.body for sent in letters.values() for letter in sent}


def assert_each_contact_in_order(house: House, letters: dict[str, list[Letter]]) -> None:
    """All arrived; a repeated one before its successor, so that nobody reads a message out of order."""
    arrived = [item.header(signing.NONCE_HEADER) for item in house.motion.accepted]
    for name, sent in letters.items():
        places = {letter.nonce: place for place, letter in enumerate(sent)}
        seen = [places[nonce] for nonce in arrived if nonce in places]
        assert sorted(set(seen)) == list(range(len(sent))), f"{name} lost something"
        assert seen == sorted(seen), f"{name} is out of order"


def explain(house: House, letters: dict[str, list[Letter]], tries: int) -> None:
    """Every duplicate has its reason: a courier that died with the event in hand."""
    heard = Counter(item.header(signing.NONCE_HEADER) for item in house.motion.accepted)
    by_body = {event.body: event for event in house.events()}
    nonces = {letter.nonce: letter for sent in letters.values() for letter in sent}
    assert len(by_body) == len(nonces)
    doubled = [(nonces[str(nonce)], count) for nonce, count in heard.items() if count > 1]
    for letter, count in doubled:
        assert by_body[letter.body].tries >= count
    assert len(doubled) <= KILLS * DELIVERIES
    repeats = sum(event.repeats for event in by_body.values())
    print(f"\nseed {SEED}: {len(nonces)} events, {tries} posts, {repeats} repeats absorbed by the spool,")
    print(f"{len(doubled)} delivered twice because a courier died between Motion's answer and its own note")

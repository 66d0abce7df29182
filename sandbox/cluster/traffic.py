"""Callbacks that pour in at both nodes, those of a contact one by one, and what was answered: when, and by whom."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sandbox import callbacks
from sandbox.connection import Answer
from sandbox.sinch import Letter, Sinch

SENDERS = 16
AT_BOTH = 10  # one in so many is posted to both nodes at the same moment
_PAUSE_SECONDS = 0.1  # before a letter that was not taken is posted again


@dataclass(frozen=True)
class Told:
    """What one node answered to one try. `status` is None where it said nothing."""

    node: str
    status: int | None
    at: float  # Unix seconds: when the answer had been read
    retry_after: bool


@dataclass
class Posted:
    """One callback of a contact, and every answer to it."""

    letter: Letter
    at_both: bool
    answers: list[Told] = field(default_factory=list)

    @property
    def accepted(self) -> list[Told]:
        return [told for told in self.answers if told.status == 200]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is sent; `seed` decides what goes to both nodes, and who is where in a contact's alternation."""

    events: int
    contacts: int
    seed: int
    per_second: float = 200.0  # offered, while all is well; whatever waited is not made up for


class Traffic:
    """Senders that never give up: what a node does not take is posted to the other one, as a balancer would have it."""

    def __init__(self, plan: Plan, nodes: Mapping[str, Sinch]) -> None:
        self._plan, self._nodes = plan, nodes
        self.letters = _letters(plan, next(iter(nodes.values())))
        self.changed = threading.Condition()
        self.accepted, self._most = 0, plan.events
        self._stopped, self._enough = threading.Event(), False
        self._chance = random.Random(plan.seed)
        self._pool = ThreadPoolExecutor(2 * SENDERS, thread_name_prefix="traffic")
        self._sending: list[Future[None]] = []

    def start(self) -> None:
        names = list(self.letters)
        for number in range(SENDERS):
            mine = [self.letters[name] for name in names[number::SENDERS]]
            self._sending.append(self._pool.submit(self._send_all, mine, number))

    def allow(self, most: int) -> None:
        """Let no more be answered for now; what is on its way may be."""
        with self.changed:
            self._most = most
            self.changed.notify_all()

    def allow_more(self) -> None:
        """Let some more come, whatever was allowed."""
        self.allow(max(self._most, self.accepted + SENDERS))

    def wait_until(self, accepted: int) -> None:
        """Until so many are answered 200. Raises what ended a sender."""
        with self.changed:
            self.changed.wait_for(lambda: self.accepted >= accepted or self._failed())
        self._raise()

    def finish(self) -> None:
        """Until each is answered 200. Raises what ended a sender."""
        for sending in self._sending:
            sending.result()

    def end(self) -> None:
        """Begin no more; come back once each that was begun is answered 200. Raises what ended a sender."""
        self._begin_no_more()
        self.finish()

    def stop(self) -> None:
        """Give up after all."""
        self._stopped.set()
        self._begin_no_more()
        for sinch in self._nodes.values():
            sinch.stop()
        self._pool.shutdown()

    def answers(self) -> Counter[tuple[str, int | None]]:
        """How often which node answered what."""
        every = (told for posted in self.posted() for told in posted.answers)
        return Counter((told.node, told.status) for told in every)

    def posted(self) -> Iterator[Posted]:
        return itertools.chain.from_iterable(self.letters.values())

    def _send_all(self, contacts: Sequence[Sequence[Posted]], number: int) -> None:
        """A round of all contacts after the other; of each, the next is sent once the last one is taken."""
        turns, due = itertools.count(number), time.monotonic()
        try:
            for posted in filter(None, itertools.chain.from_iterable(itertools.zip_longest(*contacts))):
                self._pace(due)
                if self._enough:
                    return
                due = time.monotonic() + self._chance.random() * 2 * SENDERS / self._plan.per_second
                self._send(posted, next(turns))
                with self.changed:
                    self.accepted += 1
                    self.changed.notify_all()
        finally:
            with self.changed:
                self.changed.notify_all()

    def _send(self, posted: Posted, turn: int) -> None:
        names = list(self._nodes)
        if posted.at_both:
            pending = [self._pool.submit(self._until_taken, posted, [name, *names]) for name in names[1:]]
            self._until_taken(posted, [names[0], *names])
            for one in pending:
                one.result()
        else:
            self._until_taken(posted, names[turn % len(names) :] + names)

    def _until_taken(self, posted: Posted, names: Sequence[str]) -> None:
        for name in itertools.cycle(names):
            told = _told(name, self._nodes[name].post(posted.letter))
            with self.changed:
                posted.answers.append(told)
            if told.status == 200:
                return
            if self._stopped.wait(_PAUSE_SECONDS):
                raise InterruptedError("stopped")

    def _pace(self, due: float) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.accepted < self._most or self._enough)
        self._stopped.wait(max(0.0, due - time.monotonic()))

    def _begin_no_more(self) -> None:
        with self.changed:
            self._enough = True
            self.changed.notify_all()

    def _failed(self) -> bool:
        return any(sending.done() and sending.exception() for sending in self._sending)

    def _raise(self) -> None:
        for sending in self._sending:
            if sending.done():
                sending.result()


def _letters(plan: Plan, sinch: Sinch) -> dict[str, list[Posted]]:
    chance = random.Random(plan.seed)
    people = [callbacks.customer(f"contact {plan.seed} {number}") for number in range(plan.contacts)]
    letters: dict[str, list[Posted]] = {person.name: [] for person in people}
    for number in range(plan.events):
        person = people[number % plan.contacts]
        letter = sinch.prepare(callbacks.text(f"words {number}", by=person))
        letters[person.name].append(Posted(letter, at_both=chance.randrange(AT_BOTH) == 0))
    return letters


def _told(node: str, answer: Answer) -> Told:
    return Told(node, answer.status, answer.sent_at + answer.seconds, answer.header("retry-after") is not None)

"""A simulated Sinch: posts signed callbacks, in parallel and again and again, until the receiver accepts or refuses.

Simulated: signing, retries, copies, disorder, slow lines. Unconfirmed about the vendor, hence settings: the waits
between tries, the timeout, whether a retry is signed anew, how many connections it opens, and its Content-Type.
Every try opens a connection of its own.
"""

from __future__ import annotations

import dataclasses
import functools
import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sandbox import retries as patience
from sandbox import signing
from sandbox.callbacks import Callback
from sandbox.connection import Answer, Line, Request, Route, exchange
from sandbox.retries import Retries
from sandbox.style import PLAIN, Headed, Pair, Style


@dataclass(frozen=True)
class Letter(Headed):
    """A callback as it goes over the wire: what is compared later with what Motion heard."""

    callback: Callback
    body: bytes = field(repr=False)
    headers: tuple[Pair, ...] = field(repr=False)
    chunked: bool = False

    @property
    def nonce(self) -> str:
        """The nonce of its signature, empty where it is unsigned."""
        return self.header(signing.NONCE_HEADER) or ""


@dataclass(frozen=True)
class Receipt:
    """How the sending of one letter ended; `answers` has one entry for each try, the last is the final one.

    `letter` is what was sent last (its signature differs from the first one's where retries are signed anew).
    """

    letter: Letter
    answers: tuple[Answer, ...]

    @property
    def status(self) -> int | None:
        return self.answers[-1].status

    @property
    def tries(self) -> int:
        return len(self.answers)

    @property
    def outcome(self) -> patience.Verdict:
        """`again` says that the schedule ended, or the sender was stopped, before the receiver had decided."""
        return patience.judge(self.status)

    @property
    def accepted(self) -> bool:
        return self.outcome == "accepted"

    @property
    def accepted_at(self) -> float:
        """When the last answer had been read, in Unix seconds."""
        return self.answers[-1].sent_at + self.answers[-1].seconds


@dataclass(frozen=True, kw_only=True)
class Sinch(Line):
    """A sender with one webhook: its URL, its secret (None sends unsigned callbacks) and its habits.

    `clock` gives the time that signatures carry, in Unix seconds; `told` hears of each try. `seed` decides the order of
    shuffled sending; nonces and ids are always fresh. Use `dataclasses.replace` for a variant, e.g. with another
    `source_address`.
    """

    url: str
    secret: str | None = field(repr=False)
    style: Style = PLAIN
    retries: Retries = patience.DEFAULT
    seed: int = 0
    clock: Callable[[], float] = time.time
    told: Callable[[Letter, Answer], None] = field(default=lambda *_: None, repr=False)
    stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    @functools.cached_property
    def route(self) -> Route:
        return self.to(self.url)

    def prepare(self, callback: Callback, *, style: Style | None = None) -> Letter:
        """Encode and sign, without sending."""
        chosen = style or self.style
        body = chosen.encode(callback.content)
        return Letter(callback, body, chosen.headers(self.signature(body)), chosen.chunked)

    def signature(self, body: bytes) -> dict[str, str]:
        """Fresh signature headers for these bytes; none without a secret."""
        if self.secret is None:
            return {}
        now = self.clock()
        return signing.sign(body, self.secret, signing.ulid(now), int(now))

    def post(self, letter: Letter) -> Answer:
        """One try."""
        answer = self.request(Request(headers=letter.headers, body=letter.body, chunked=letter.chunked))
        self.told(letter, answer)
        return answer

    def request(self, request: Request) -> Answer:
        """Any request at all over the same route, for what Sinch itself would never send."""
        return exchange(self.route, request, stopped=self.stopped)

    def send(self, callback: Callback, *, style: Style | None = None) -> Receipt:
        """Post until it is accepted or dropped, the schedule ends, or the sender is stopped."""
        return self.deliver(self.prepare(callback, style=style))

    def deliver(self, letter: Letter) -> Receipt:
        """The same for a letter that exists: a receipt's letter sent once more keeps its signature."""
        answers = [self.post(letter)]
        for wait_seconds in self.retries.waits():
            if patience.judge(answers[-1].status) != "again" or self._stopped_within(wait_seconds):
                break
            letter = self._signed_anew(letter) if self.retries.resigned else letter
            answers.append(dataclasses.replace(self.post(letter), waited_seconds=wait_seconds))
        return Receipt(letter, tuple(answers))

    def send_all(
        self, callbacks: Iterable[Callback], *, senders: int = 8, shuffle: bool = False, copies: int = 1
    ) -> list[Receipt]:
        """Send in parallel; receipts stand in the order of the callbacks, copies side by side.

        Copies are the same bytes with a signature each, as two webhooks with one trigger would send them.
        """
        letters = [letter for callback in callbacks for letter in self._copies(callback, copies)]
        order = list(range(len(letters)))
        if shuffle:
            random.Random(self.seed).shuffle(order)
        receipts = dict(zip(order, self._deliver_all([letters[place] for place in order], senders), strict=True))
        return [receipts[place] for place in range(len(letters))]

    def stop(self) -> None:
        """End all waits for further tries, here and in the variants made of this sender."""
        self.stopped.set()

    def _deliver_all(self, letters: list[Letter], senders: int) -> list[Receipt]:
        with ThreadPoolExecutor(senders, thread_name_prefix="sinch") as pool:
            try:
                return list(pool.map(self.deliver, letters))
            except BaseException:
                self.stop()  # Ctrl-C would otherwise wait for the end of the schedule.
                raise

    def _copies(self, callback: Callback, copies: int) -> list[Letter]:
        first = self.prepare(callback)
        return [first, *(self._signed_anew(first) for _ in range(copies - 1))]

    def _signed_anew(self, letter: Letter) -> Letter:
        fresh = self.signature(letter.body)
        headers = tuple((name, _renewed(name, value, fresh)) for name, value in letter.headers)
        return dataclasses.replace(letter, headers=headers)

    def _stopped_within(self, simulated_seconds: float) -> bool:
        return self.stopped.wait(self.retries.real_seconds(simulated_seconds))


def _renewed(name: str, value: str, fresh: dict[str, str]) -> str:
    # The algorithm stays as the letter's style wrote it, wrong ones included.
    return value if name.lower() == signing.ALGORITHM_HEADER else fresh.get(name.lower(), value)

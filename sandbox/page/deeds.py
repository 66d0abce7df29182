"""What the page's forms do to a running sandbox, and the sentence that says so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillGoing
from dataclasses import dataclass

from sandbox import callbacks
from sandbox.callbacks import Customer
from sandbox.house import House
from sandbox.page import mischief, records, talk

MOST_CHARACTERS = 20_000  # more than WhatsApp takes: what is too long is to be tried
_MOST_OF_A_NAME = 60  # characters: each may have four bytes, and a file system takes 255
_PATIENCE_SECONDS = 1.5  # a form's answer waits so long for what it does; the page tells the rest


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What was done last, and what to watch for; or what is wrong."""

    words: str
    watch: str = ""
    wrong: bool = False


_WELCOME = Notice(
    words="Write as the customer, answer as the agent, and watch the way in between.",
    watch="Then attach the GIF, take Motion down, pretend to be Sinch, and ask why.",
)


class Deeds:
    """All of them; what takes long goes on after the answer. A row's ValueError and LookupError become a notice."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="page")
        self.notice = _WELCOME

    def close(self) -> None:
        """Begin nothing more, wait for nobody, and let nobody wait."""
        mischief.TABLE["right"].do(self._house, callbacks.ANA)
        self._house.sinch.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def write(self, customer: Customer, words: str) -> None:
        """The customer writes."""
        if said := _kept(words):
            self._do(lambda: self._house.api.write(said, by=customer))

    def react(self, customer: Customer, emoji: str) -> None:
        """The customer reacts to what came last."""
        to, app = self._newest(customer), self._house.state.app
        callback = callbacks.reaction(emoji[:8], to=to or None, by=customer, app=app)
        self._do(lambda: self._house.sinch.send(callback))

    def read(self, customer: Customer) -> None:
        """The customer has read what came last, and Sinch reports it."""
        newest = self._newest(customer)
        if newest:
            self._do(lambda: self._house.api.read(newest))
        else:
            self.notice = Notice(words="Nothing has arrived yet that could be read.", wrong=True)

    def reply(self, customer: Customer, words: str) -> None:
        """The agent answers."""
        if said := _kept(words):
            self._do(lambda: self._house.agent.reply(customer.contact_id, said))

    def attach(self, customer: Customer, name: str, content: bytes) -> None:
        """The agent sends a file: Motion keeps it, and Sinch gets a link."""
        kept = name[-_MOST_OF_A_NAME:]

        def send() -> None:
            made = self._house.archive.put(kept, content)
            self._house.agent.send_file(customer.contact_id, made.attachment_id)

        self._do(send)

    def send(self, customer: Customer, name: str, content: bytes, words: str) -> None:
        """The customer sends a file, with words or without: Sinch keeps it, and posts a link."""
        kept, caption = name[-_MOST_OF_A_NAME:], _kept(words)
        self._do(lambda: self._house.api.send_file(kept, content, caption=caption, by=customer))

    def meet(self, customer: Customer) -> None:
        """There is such a customer, who has written nothing yet."""
        self._house.api.contacts.know(customer)
        watch = "An answer before the customer's first message is outside of WhatsApp's window."
        self.notice = Notice(words=f"{_name(customer)} is there.", watch=watch)

    def misbehave(self, customer: Customer, name: str) -> None:
        """A row of the table; another name is a KeyError."""
        row = mischief.TABLE[name]
        self._do(lambda: row.do(self._house, customer), Notice(words=f"{row.words}.", watch=row.watch))

    def _newest(self, customer: Customer) -> str:
        return talk.last_from_agent(records.of(self._house), customer)

    def _do(self, task: Callable[[], object], notice: Notice | None = None) -> None:
        """What was said before stays, unless it was that something is wrong."""
        self.notice = notice or (_WELCOME if self.notice.wrong else self.notice)
        future = self._pool.submit(task)
        future.add_done_callback(self._tell)
        with contextlib.suppress(StillGoing, LookupError, ValueError, OSError):
            future.result(_PATIENCE_SECONDS)
        if self._house.motion.fault.name != "down":
            self._settle()

    def _settle(self) -> None:
        """Wait a moment for Motion to have what it will have."""
        with contextlib.suppress(TimeoutError):
            self._house.motion.wait_for(lambda _: not records.of(self._house).waiting, _PATIENCE_SECONDS / 2)

    def _tell(self, done: Future[object]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self.notice = Notice(words=f"{str(error).capitalize()}.", wrong=True)


def _kept(words: str) -> str:
    return words.strip()[:MOST_CHARACTERS]


def _name(customer: Customer) -> str:
    return customer.name.title()

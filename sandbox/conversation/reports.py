"""Tells Motion what became of its messages: callbacks through the first door, in order for each message.

Unconfirmed, hence switches: whether MESSAGE_SUBMIT comes first (`submits`), and READ without anybody's doing (`reads`).
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sandbox import callbacks
from sandbox.callbacks import Callback
from sandbox.conversation import outcome
from sandbox.conversation.contacts import Contacts, Message
from sandbox.conversation.outcome import Case, Outcome, Reason
from sandbox.conversation.webhooks import Webhooks
from sandbox.fetching import Fetcher
from sandbox.record import Record
from sandbox.sinch import Receipt, Sinch

_WORKERS = 4
_DELIVERED = ("QUEUED_ON_CHANNEL", "DELIVERED")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was said of a message; `receipt` is None where there is no gateway to tell it to, or no webhook for it."""

    message_id: str
    status: str
    reason: Reason | None = None
    callback: Callback = field(repr=False)
    receipt: Receipt | None = field(default=None, repr=False)


class Reports(Record[Report]):
    """The workers, and what they posted; `sinch` posts, `fetcher` fetches media. Both may be set later, or never.

    `failed` is told of failures of our own.
    """

    def __init__(self, contacts: Contacts, webhooks: Webhooks, *, failed: Callable[[str], None]) -> None:
        super().__init__()
        self.sinch: Sinch | None = None
        self.fetcher: Fetcher | None = None
        self.submits = self.reads = False
        self._contacts, self._webhooks, self._failed = contacts, webhooks, failed
        self._stopped, self._free = threading.Event(), threading.Event()
        self._free.set()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="reports")
        self._guard = threading.Lock()
        self._outcomes: dict[str, Outcome] = {}
        self._last: dict[str, Future[None]] = {}  # of each message

    @property
    def sent(self) -> tuple[Report, ...]:
        """All that were posted, in the order in which that ended."""
        return self.items

    def of(self, message_id: str) -> tuple[Report, ...]:
        """Those of one message."""
        return tuple(item for item in self.sent if item.message_id == message_id)

    def outcome(self, message_id: str) -> Outcome | None:
        """What became of it, None while that is open."""
        return self._outcomes.get(message_id)

    def hold(self) -> None:
        """Decide and tell nothing until `let_go`."""
        self._free.clear()

    def let_go(self) -> None:
        self._free.set()

    def take(self, message: Message) -> None:
        """Decide what becomes of this one, and tell it."""
        self._queue(message, lambda: self._tell_outcome(message))

    def read(self, message: Message) -> None:
        """The customer has read it."""
        self._queue(message, lambda: self._post(message, "READ"))

    def close(self) -> None:
        """Stop; what was not told is not told."""
        self._stopped.set()
        self.let_go()
        self._pool.shutdown(cancel_futures=True)

    def _queue(self, message: Message, task: Callable[[], None]) -> None:
        with self._guard:
            before = self._last.get(message.message_id)

            def run() -> None:
                if before is not None:
                    before.result()  # It began earlier, so that a worker has it.
                self._free.wait()
                if not self._stopped.is_set():
                    task()

            self._last[message.message_id] = future = self._pool.submit(run)
        future.add_done_callback(self._note)

    def _note(self, done: Future[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._failed(repr(error))

    def _tell_outcome(self, message: Message) -> None:
        if self.submits:
            self._post(message, "SUBMIT")
        case = Case(message=message, last_written=self._contacts.last_written(message), now=self._contacts.clock())
        decided = self._outcomes[message.message_id] = outcome.decide(case, self.fetcher)
        if decided.reason:
            self._post(message, "FAILED", decided.reason)
            return
        for status in (*_DELIVERED, *(("READ",) if self.reads else ())):
            self._post(message, status)

    def _post(self, message: Message, status: str, reason: Reason | None = None) -> None:
        callback = _submit(message) if status == "SUBMIT" else _report(message, status, reason)
        sinch = self._webhooks.follow(self.sinch, callback) if self.sinch else None
        sinch = dataclasses.replace(sinch, stopped=self._stopped) if sinch else None
        receipt = sinch.send(callback) if sinch else None
        report = Report(message_id=message.message_id, status=status, reason=reason, callback=callback, receipt=receipt)
        self.add(lambda _: report)


def _report(message: Message, status: str, reason: Reason | None) -> Callback:
    sample = callbacks.report(
        "FAILED-media" if reason else status,
        message_id=message.message_id,
        by=message.customer,
        app=message.account.app,
    )
    content = sample.content["message_delivery_report"]
    content["metadata"] = message.metadata
    if reason:
        content["reason"] = dict(reason)
    return _addressed(sample, message)


def _submit(message: Message) -> Callback:
    sample = callbacks.sample("MESSAGE_SUBMIT", by=message.customer, app=message.account.app)
    content = sample.content["message_submit_notification"]
    content.update(message_id=message.message_id, submitted_message=message.said, metadata=message.metadata)
    return _addressed(sample, message)


def _addressed(sample: Callback, message: Message) -> Callback:
    return Callback(sample.name, {**sample.content, "correlation_id": message.correlation_id})

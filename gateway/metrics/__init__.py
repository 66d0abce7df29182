"""What the processes count, for Prometheus: a row for each count, and the few calls that add to it.

Rule 1. A label is a door, an account's connector, a status, or a phrase of ours: never a contact, a number, a token, or
        anything else of which strangers could make as many as they like.
Rule 2. Counting costs a request some microseconds, waits for nobody, and fails nobody.
Rule 3. What only the database or the machine knows is no count: the office asks for it (`diagnosis.scrape`).

The name that Prometheus sees is PREFIX and the row's; of counters with `_total` behind it. docs/monitoring.md has a row
for each.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import NamedTuple, Protocol

from gateway import clock
from gateway.errors import GatewayError
from gateway.phrases import Reason

PREFIX = "motion_gateway_"
UNKNOWN = "unknown"  # a connector that no account of ours has
EDGE = "edge"  # nginx, where it answers by itself

COUNTER, HISTOGRAM, GAUGE = "counter", "histogram", "gauge"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, float("inf"))  # seconds


class Measure(NamedTuple):
    """One row: its name, its labels, and what it tells."""

    name: str
    labels: tuple[str, ...]
    told: str
    kind: str = COUNTER

    @property
    def family(self) -> str:
        """Give the name that Prometheus knows it by, without what marks a sample."""
        return PREFIX + self.name


ANSWERS = Measure("answers", ("door", "status"), "Answers, by the door that gave them.")
ANSWER_SECONDS = Measure("answer_seconds", ("door",), "How long a door took to answer.", HISTOGRAM)
REFUSALS = Measure("refusals", ("door", "reason"), "Refusals, by the door and its reason.")
CALLBACKS = Measure("callbacks", ("connector", "outcome"), "Callbacks at the first door, by what became of them.")
SIGNATURES_REFUSED = Measure("signatures_refused", ("connector", "reason"), "Callbacks that did not prove themselves.")
LIMIT_HITS = Measure("limit_hits", ("limit",), "Requests that were one too many, by the setting that says so.")
DELIVERIES = Measure("deliveries", ("connector", "outcome"), "Tries to hand an event to Motion, by their outcome.")
DELIVERY_FAILURES = Measure("delivery_failures", ("connector", "reason"), "Tries that failed, by status or reason.")
DELIVERY_SECONDS = Measure("delivery_seconds", (), "How long Motion took to answer a try.", HISTOGRAM)
DELIVERED_AFTER = Measure("delivered_after_seconds", (), "From a callback's acceptance until Motion had it.", HISTOGRAM)
COMMIT_SECONDS = Measure("commit_seconds", (), "How long a commit to the spool took, turn and sync.", HISTOGRAM)
FETCHES = Measure("fetches", ("purpose", "outcome"), "Fetches of files by links, by what the link is for.")
VERDICTS = Measure("verdicts", ("verdict",), "Files that were judged, at a fetch or in a message.")
DOWNLOADS = Measure("downloads", ("outcome",), "Files that were asked of Motion.")
DOWNLOAD_SECONDS = Measure(
    "download_seconds", (), "From asking Motion for a file until it was in the vault.", HISTOGRAM
)
SCANS = Measure("scans", ("outcome",), "Files that the virus scanner was given, by what it said.")
INBOUND_FILES = Measure("inbound_files", ("connector", "outcome"), "Files of customers, by what became of them.")
SENDS = Measure("sends", ("connector", "outcome"), "Messages of Motion's, by what became of them.")
SINCH_CALLS = Measure("sinch_calls", ("status",), "Calls to Sinch, by its answer's status or why there was none.")
SINCH_SECONDS = Measure("sinch_seconds", (), "How long Sinch took to answer a call, tries together.", HISTOGRAM)
TOKENS = Measure("token_refreshes", ("outcome",), "Access tokens that were asked of Sinch.")
FINDINGS = Measure("findings", ("finding",), "Findings in the log.")
CERTIFICATE_ENDS = Measure(
    "certificate_ends_timestamp_seconds", ("setting",), "When a certificate ends, in seconds since 1970.", GAUGE
)

TABLE: tuple[Measure, ...] = tuple(row for row in list(vars().values()) if isinstance(row, Measure))
# Counts of one shape are kept apart from those of another: a release goes on with what it understands.
SHAPE = sha256(repr([(row.family, row.labels, row.kind, BOUNDS) for row in TABLE]).encode()).hexdigest()[:12]

# Of refusals: what says that a callback did not prove itself, and which setting something was too much for.
OF_SIGNATURES = frozenset(
    {
        Reason.HEADER_MISSING,
        Reason.HEADER_MALFORMED,
        Reason.ALGORITHM_REFUSED,
        Reason.SIGNATURE_WRONG,
        Reason.SIGNATURE_TOO_OLD,
        Reason.SIGNATURE_TOO_EARLY,
        Reason.NONCE_REUSED,
        Reason.RECEIVE_TOKEN_WRONG,
        Reason.NO_PROOF,
    }
)
OF_LIMITS: dict[str, str] = {
    Reason.WEBHOOKS: "webhooks_per_account",
    Reason.FAILED_SIGNATURES: "failed_signatures_per_address",
    Reason.REPLAYS: "failed_signatures_per_address",
    Reason.FETCHES: "fetches_per_attachment",
    Reason.DOWNLOADS: "downloads_per_address",
    Reason.UNKNOWN_TOKENS: "unknown_tokens_per_address",
    "APP_LIMIT": "sends_per_app",  # as the third door says it
    "PROJECT_LIMIT": "calls_per_project",
}


def _nowhere(_value: float) -> None:
    """Write it nowhere: it stays in memory."""


class Number:
    """One number of this process, and what keeps it."""

    __slots__ = ("value", "write")

    def __init__(self, value: float = 0.0, write: Callable[[float], None] = _nowhere) -> None:
        self.value, self.write = value, write

    def add(self, amount: float) -> None:
        self.put(self.value + amount)

    def put(self, value: float) -> None:
        self.value = value
        self.write(value)


class Keeper(Protocol):
    """What keeps numbers, beyond the life of a process."""

    def numbers(self, metric: Measure, labels: Sequence[str]) -> list[Number]:
        """Find those of a row with these labels: of a histogram one for each bound, and the sum."""

    def close(self) -> None:
        """Let go of what it has open."""


class Counts:
    """What this process has counted. Safe to use from several threads, and from greenlets."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._keeper: Keeper | None = None
        self._numbers: dict[tuple[str, ...], list[Number]] = {}

    def keep(self, keeper: Keeper | None) -> None:
        """Go on with what `keeper` has; where there is none, on a full disk for instance, it is counted in memory.

        What was counted until now is left to who has forked us.
        """
        with self._guard:
            if self._keeper:
                self._keeper.close()
            self._numbers, self._keeper = {}, keeper

    def count(self, metric: Measure, *labels: str, amount: float = 1.0) -> None:
        """Add to a counter; `labels` in the order of its row."""
        with self._guard:
            self._of(metric, labels)[0].add(amount)

    def observe(self, metric: Measure, seconds: float, *labels: str) -> None:
        """Let a histogram know of one more."""
        with self._guard:
            numbers = self._of(metric, labels)
            numbers[bisect_left(BOUNDS, seconds)].add(1.0)
            numbers[-1].add(seconds)

    def put(self, metric: Measure, value: float, *labels: str) -> None:
        """Say what a gauge is. It is so until this process says otherwise, or ends."""
        with self._guard:
            [number] = self._of(metric, labels)
            number.put(value)

    def _of(self, metric: Measure, labels: tuple[str, ...]) -> list[Number]:
        found = self._numbers.get((metric.name, *labels))
        return self._made(metric, labels) if found is None else found

    def _made(self, metric: Measure, labels: tuple[str, ...]) -> list[Number]:
        if self._keeper:
            made = self._keeper.numbers(metric, labels)
        else:
            made = [Number() for _ in range(len(BOUNDS) + 1 if metric.kind == HISTOGRAM else 1)]
        self._numbers[metric.name, *labels] = made
        return made


_counts = Counts()
keep, count, observe, put = _counts.keep, _counts.count, _counts.observe, _counts.put


def answered(door: str, status: int, seconds: float) -> None:
    """Count an answer of a door."""
    count(ANSWERS, door, str(status))
    observe(ANSWER_SECONDS, seconds, door)


@contextmanager
def downloading() -> Iterator[None]:
    """Count what becomes of a file that is asked of Motion, and how long that takes."""
    began = clock.steady()
    try:
        yield
    except GatewayError as error:
        count(DOWNLOADS, error.reason)
        raise
    count(DOWNLOADS, "acquired")
    observe(DOWNLOAD_SECONDS, clock.steady() - began)


def refused(door: str, reason: str, *, connector: str) -> None:
    """Count a refusal of a door, for what it is about, too."""
    count(REFUSALS, door, reason)
    if reason in OF_SIGNATURES:
        count(SIGNATURES_REFUSED, connector, reason)
    if reason in OF_LIMITS:
        count(LIMIT_HITS, OF_LIMITS[reason])

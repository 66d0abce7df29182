"""Lines about strangers: the first of each kind are written, the others counted, and told once a minute.

Rule 1. Of a kind, which is a door and a reason of ours, `FIRST` lines a minute are written as any other.
Rule 2. It does not grow: kinds are few, and of addresses `MOST_ADDRESSES` of a kind are told apart.
Rule 3. What is proved to come from Sinch, Motion or an operator is always written: nobody asks about it here.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import telemetry
from gateway.clock import Clock, later
from gateway.phrases import Line, Reason

FIRST = 100
A_MINUTE_SECONDS = 60.0
MOST_ADDRESSES = 1000
MOST_KINDS = 200  # for those that another program names

# What whoever likes can bring about, and as often as he likes.
BROUGHT_ABOUT = frozenset(
    {
        Reason.NO_ROUTE,
        Reason.BODY_TOO_LARGE,
        Reason.NOBODY,
        Reason.DRAINING,
        Reason.FILES_SHUT,
        Reason.HOST_FOREIGN,
        Reason.CROSS_SITE,
        Reason.FORM_OLD,
        Reason.NOT_SIGNED_IN,
        Reason.SIGN_IN_REFUSED,
        Reason.NO_USERS,
        Reason.SIGN_INS_OF_ADDRESS,
        Reason.SIGN_INS_OF_NAME,
        Reason.UNKNOWN_CONNECTOR,
        Reason.HEADER_MISSING,
        Reason.HEADER_MALFORMED,
        Reason.ALGORITHM_REFUSED,
        Reason.SIGNATURE_WRONG,
        Reason.RECEIVE_TOKEN_WRONG,
        Reason.FAILED_SIGNATURES,
        Reason.REPLAYS,
        Reason.TOKEN_REFUSED,
        Reason.NO_ATTACHMENT_ID,
        Reason.LINK_EXPIRED,
        Reason.LINK_REVOKED,
        Reason.UNKNOWN_TOKENS,
    }
)


@dataclass(slots=True)
class _Tally:
    """Of one kind, in this minute."""

    written: int = 0
    counted: int = 0
    addresses: set[str] = field(default_factory=set)


class Crowd:
    """Says which lines about strangers are written, and tells of the others."""

    def __init__(self, clock: Clock, *, later: Callable[[float, Callable[[], None]], None] = later) -> None:
        self._clock, self._later = clock, later
        self._guard = threading.Lock()
        self._kinds: dict[tuple[str, str], _Tally] = {}
        self._began = 0.0
        self._due = False

    def lets_write(self, door: str, reason: str, *, address: str) -> bool:
        """Tell whether one more line of `door` for `reason` is written; else it is counted."""
        if self._clock.now() - self._began >= A_MINUTE_SECONDS:
            self.tell()
        with self._guard:
            kind = (door, reason) if len(self._kinds) < MOST_KINDS or (door, reason) in self._kinds else (door, "other")
            lines = self._kinds.setdefault(kind, _Tally())
            if lines.written < FIRST:
                lines.written += 1
                return True
            lines.counted += 1
            if len(lines.addresses) < MOST_ADDRESSES:
                lines.addresses.add(address)
            starts, self._due = not self._due, True
        if starts:
            atexit.register(self.tell)
            self._later(A_MINUTE_SECONDS, self.tell)
        return False

    def tell(self) -> None:
        """Write what was counted, and begin anew."""
        with self._guard:
            kinds, self._kinds = self._kinds, {}
            self._began, self._due = self._clock.now(), False
        atexit.unregister(self.tell)
        for (door, reason), lines in kinds.items():
            if lines.counted:
                addresses = len(lines.addresses)
                telemetry.note(Line.COUNTED, door=door, reason=reason, count=lines.counted, addresses=addresses)

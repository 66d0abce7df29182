"""Has files looked through for viruses: hands clamd their bytes, where the settings name one, and hears what it found.

Rule 1. clamd is given bytes and never a path (INSTREAM, clamd(8)): it need not be able to read our files.
Rule 2. A look has one deadline, whatever clamd does meanwhile.
Rule 3. Clean is what clamd calls OK, and nothing else is. What is larger than it takes is neither clean nor a virus:
        UNSCANNED. Any other answer, and none, means that it is away.
Rule 4. What was found holds for a day, for its signatures grow. Then it is asked again; while it is away, what it said
        last goes on to hold.
Rule 5. Of a file that was never looked through `inbound.scan_away` says what becomes while it is away: "hold" it,
        which is Unavailable, or "let" it go. Either way the operator hears of it once, and once when it is back.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

from gateway import metrics, telemetry
from gateway.clock import DAY_SECONDS
from gateway.errors import Unavailable, UpstreamError, UpstreamTimeout
from gateway.inspection.structure import Inspection, Trait
from gateway.phrases import Finding, Line, Reason
from gateway.upstream.exchange import exchanging, in_our_words
from gateway.upstream.sockets import PunctualSocket, connected

SECONDS = 20.0  # of a look, for which an agent or Sinch waits
UNHURRIED_SECONDS = 90.0  # of one for which nobody does
GREETED_SECONDS = 5.0  # of a question that clamd answers at once
PIECE_BYTES = 256 * 1024
MOST_ANSWER_BYTES = 4096
LONGEST_NAME = 100  # characters of a signature's
VIRUS = "virus"  # the detail that names it

Away = Literal["hold", "let"]

_FOUND = re.compile(r"stream: (.{1,400}) FOUND", re.DOTALL)
_STRANGE = re.compile(r"[^0-9A-Za-z._/:-]")  # in no name of a signature
_TOO_LARGE = "INSTREAM size limit exceeded. ERROR"  # StreamMaxLength
_NOT_WHOLE = "Heuristics.Limits.Exceeded"  # its other limits, where AlertExceedsMax lets it tell of them


@dataclass(frozen=True)
class Scan:
    """What clamd said of a file: the virus by its signature's name, "" for none; `whole`: it looked through all."""

    virus: str = ""
    whole: bool = True


class Clamd:
    """The one that listens at `place`: `unix:` and a path, or `tcp:`, host and port. Making one opens nothing."""

    def __init__(self, place: str) -> None:
        self._kind, _, self._place = place.partition(":")

    def scan(self, file: BinaryIO, *, seconds: float = SECONDS) -> Scan:
        """Have it look through what is left of `file`. Raises Unavailable, and OSError where that cannot be read."""
        with self._asked("INSTREAM", seconds) as sock:
            while piece := file.read(PIECE_BYTES):
                if not _told(sock, len(piece).to_bytes(4, "big") + piece):
                    break
            else:
                _told(sock, bytes(4))
            return _understood(_answer(sock))

    def version(self, *, seconds: float = GREETED_SECONDS) -> str:
        """Ask of which release it is, and of when its signatures. Raises Unavailable."""
        with self._asked("VERSION", seconds) as sock:
            said = _answer(sock)
        if not said.startswith("ClamAV"):
            raise Unavailable(Reason.SCANNER_FAILED)
        return said

    @contextmanager
    def _asked(self, command: str, seconds: float) -> Iterator[PunctualSocket]:
        try:
            with exchanging(command, seconds), self._connected() as sock:
                _told(sock, f"z{command}\0".encode())
                yield sock
        except UpstreamTimeout as error:
            raise Unavailable(Reason.SCANNER_LATE) from error
        except UpstreamError as error:
            raise Unavailable(Reason.SCANNER_AWAY) from error

    def _connected(self) -> PunctualSocket:
        with in_our_words():
            if self._kind == "unix":
                return connected([(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", self._place)])
            host, _, port = self._place.rpartition(":")
            return connected(socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM))


class Scanner:
    """Asks clamd, and says what becomes of a file when it does not answer. Safe to use from several threads."""

    def __init__(self, clamd: Clamd, *, away: Away) -> None:
        self._clamd, self._away = clamd, away
        self._trouble, self._guard = "", threading.Lock()

    @classmethod
    def of(cls, place: str | None, *, away: Away) -> Scanner | None:
        """Make that which `inbound.scan` names; None where it names none."""
        return cls(Clamd(place), away=away) if place else None

    def looked(
        self, seen: Inspection, file: BinaryIO, *, about: str, now: float, seconds: float = SECONDS
    ) -> Inspection:
        """Add to what was seen in `file` what clamd says of it, if it is due. Raises Unavailable: it is held.

        `about`: the attachment, for the log. Raises OSError where the file cannot be read.
        """
        if not is_due(seen, now=now):
            return seen
        try:
            said = self._clamd.scan(file, seconds=seconds)
        except Unavailable as error:
            metrics.count(metrics.SCANS, error.reason)
            self._changed(error.reason)
            if seen.scanned_at is None and self._away == "hold":
                raise
            return seen
        self._changed("")
        if said.virus:
            telemetry.find(Finding.VIRUS_FOUND, attachment_id=about, virus=said.virus)
        metrics.count(metrics.SCANS, "virus" if said.virus else "clean" if said.whole else "too large")
        return _added(seen, said, now=now, holds=self._away == "hold")

    def _changed(self, trouble: str) -> None:
        """Let the operator hear of it once that it is away, and once that it is back."""
        with self._guard:
            before, self._trouble = self._trouble, trouble
        if trouble and not before:
            telemetry.find(Finding.SCANNER_AWAY, reason=trouble)
        elif before and not trouble:
            telemetry.note(Line.SCANNER_IS_BACK)


def is_due(seen: Inspection, *, now: float) -> bool:
    """Tell whether a file is to be looked through for viruses, for the first time or once more."""
    at = seen.scanned_at
    return bool(seen.size_bytes) and (at is None or not at <= now < at + DAY_SECONDS)


def _added(seen: Inspection, said: Scan, *, now: float, holds: bool) -> Inspection:
    traits = seen.traits - {Trait.VIRUS, Trait.UNSCANNED}
    if said.virus:
        traits |= {Trait.VIRUS}
    if holds and not said.whole:
        traits |= {Trait.UNSCANNED}
    details = {name: value for name, value in seen.details.items() if name != VIRUS}
    return replace(seen, traits=traits, details=details | ({VIRUS: said.virus} if said.virus else {}), scanned_at=now)


def _told(sock: PunctualSocket, content: bytes) -> bool:
    """Send it; False where clamd has heard enough, and says why. Raises UpstreamError."""
    with in_our_words():
        try:
            sock.sendall(content)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True


def _answer(sock: PunctualSocket) -> str:
    """Read what it says, up to the zero that ends it. Raises UpstreamError."""
    said, seen = b"", bytearray(MOST_ANSWER_BYTES)
    with in_our_words():
        while b"\0" not in said and len(said) < MOST_ANSWER_BYTES and (many := sock.recv_into(seen)):
            said += seen[:many]
    return said.partition(b"\0")[0].decode("utf-8", "replace").strip()


def _understood(said: str) -> Scan:
    """Raises Unavailable for what is no word on the file."""
    if said == "stream: OK":
        return Scan()
    if said == _TOO_LARGE:
        return Scan(whole=False)
    if not (found := _FOUND.fullmatch(said)):
        raise Unavailable(Reason.SCANNER_FAILED if said else Reason.SCANNER_AWAY)
    name = _STRANGE.sub("_", found[1])[:LONGEST_NAME]
    return Scan(whole=False) if name.startswith(_NOT_WHOLE) else Scan(virus=name)

"""The vault shared: a store is given what was acquired, other nodes take it from there, and one downloads each file.

Rule 1. The local vault serves; the store is asked where that has nothing, and given what that has got. Which file is
        where stands in the spool (`stored_file`).
Rule 2. Nobody waits for a store in trouble twice: after a failure it is left alone for `REST_SECONDS`, and all goes on
        without it: files come from Motion, and links go out. What it lacks of a node's vault, to which links live, that
        node puts there as soon as it takes it.
Rule 3. A store that has other bytes than it should is told as that, and asked for nothing else: Motion is. The next
        node that has the file puts it anew.
Rule 4. A file leaves the store once no link to it lives anywhere. While it is leaving, nobody puts it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway import telemetry
from gateway.attachments.register import STORE, Register
from gateway.attachments.vault import Vault
from gateway.clock import Clock, WallClock, later, pause, steady
from gateway.config import Settings
from gateway.errors import SpoolUnavailable, StoreTrouble, Unavailable
from gateway.phrases import Finding, Line, Reason
from gateway.store import Run, audit

if TYPE_CHECKING:  # only who has a store loads what signs
    from gateway.attachments.bucket import StoredObject

REST_SECONDS, PUT_SECONDS = 10.0, 120.0  # left alone; of a put that nobody waits for, large, by a slow way
PUTS = 4  # at a time in a process: each has its file in memory
LEAVING_SECONDS = 60.0  # more than a deletion may take
CHUNK = 200  # files that are given, or let go, at once
KEPT_SECONDS, LET_GO_SECONDS = 30.0, 600.0  # how often they are
POLL_SECONDS = 0.2
ORPHAN_SECONDS = 24 * 3600.0  # what is younger may be about to be recorded


def forget_trouble(register: Register, node: str) -> None:
    """Let the office know of no trouble of a node with its store. Raises SpoolUnavailable."""
    register.tell(lambda run: run("end_trouble", finding=Finding.STORE_AWAY, about=node))


def keep(share: Share | None, register: Register, *, node: str) -> None:
    """Look after the store, now and again from here on. Where there is none, what was told of one is over."""
    if share:
        later(0.0, share.keep)  # nobody's start waits for the store
    else:
        with suppress(SpoolUnavailable):
            forget_trouble(register, node)


class Share:
    """The store behind one vault. Safe to use from several threads. Making one opens no connection."""

    def __init__(
        self,
        settings: Settings,
        register: Register,
        files: Vault,
        *,
        clock: Clock,
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        from gateway.attachments.bucket import Bucket  # only who has a store loads what signs

        self.bucket = Bucket(settings.attachments, clock=WallClock())  # whose time the store compares with its own
        self._node, self._most_bytes = settings.server.node, settings.attachments.max_bytes
        self._register, self._files, self._clock = register, files, clock
        self._rest_seconds, self._resting_until = rest_seconds, 0.0
        self._let_go_at, self._closed = 0.0, False
        self._trouble: str | None = ""  # that was told last; "": it is not known whether there is any
        self._guard, self._putting = threading.Lock(), threading.BoundedSemaphore(PUTS)

    def bring(self, digest: bytes, write: Callable[[bytes], object], *, expect: Callable[[int], None]) -> int | None:
        """Hand the bytes of that name to `write`, as `Bucket.fetch` does; None where they cannot be had from there.

        What was written counts only where their number is returned. Raises what the two raise.
        """
        if self._is_resting():
            return None
        try:
            size_bytes = self.bucket.fetch(digest, write, expect=expect, most_bytes=self._most_bytes)
        except StoreTrouble as error:
            if error.reason == Reason.STORE_BYTES:
                telemetry.find(Finding.STORE_ALTERED, digest=digest.hex())
                self._note("doubt_file", digest=digest, now=self._clock.now())
            else:
                self._failed(error.reason)
            return None
        self._well()
        if size_bytes is None:
            self._note("lose_file", digest=digest)
        return size_bytes

    def give(self, digest: bytes, *, file: Path | None = None, seconds: float | None = None) -> bool:
        """Let the store have that file of the vault, or this one; tells whether it has. Raises nothing: it has time."""
        with suppress(Unavailable):
            return self._given(digest, file, seconds)
        return False

    def _given(self, digest: bytes, file: Path | None, seconds: float | None) -> bool:
        at_store = self._register.ask("file_at", place=STORE, digest=digest)
        doubted, leaving_until = at_store[0] if at_store else (False, None)
        if at_store and not doubted and leaving_until is None:
            return True
        if self._is_resting() or (leaving_until is not None and leaving_until > self._clock.now()):
            return False
        with self._putting:
            content = self._files.read(digest, file)
            if content is None:
                return False
            try:
                self.bucket.put(digest, content, anew=bool(doubted), seconds=seconds)
            except StoreTrouble as error:
                self._failed(error.reason)
                return False
        self._well()
        self._note("store_file", digest=digest, size_bytes=len(content), now=self._clock.now())
        return True

    def give_all(self) -> bool:
        """Give it what it has not, of the files of this vault to which links live; tells whether that is all.

        Raises SpoolUnavailable.
        """
        left = self._register.ask("ungiven_files", other=STORE, now=self._clock.now(), most=CHUNK)
        given = [digest for digest, _ in left if not self._is_resting() and self.give(digest, seconds=PUT_SECONDS)]
        return len(given) == len(left) < CHUNK

    def let_go(self) -> int:
        """Delete from it what no link to lives anywhere; returns how many files went. Raises SpoolUnavailable."""
        gone, now = 0, self._clock.now()
        going = self._told("leave_files", now=now, until=now + LEAVING_SECONDS, most=CHUNK)
        ends_at = steady() + LEAVING_SECONDS / 2
        for [digest] in going:
            if self._is_resting() or steady() > ends_at:
                break  # it is leaving until then, and is tried again
            try:
                self.bucket.drop(digest)
            except StoreTrouble as error:
                self._failed(error.reason)
                self._note("doubt_file", digest=digest, now=now)  # that may have taken what was put meanwhile
                break
            self._note("lose_file", digest=digest)
            gone += 1
        return gone

    def orphans(self) -> list[StoredObject]:
        """List what is in the store, of which the spool knows nothing, and was put there more than a day ago.

        What the spool knows and is not there it knows no more: the next node that has it puts it. Raises StoreTrouble.
        """
        before = self._clock.now() - ORPHAN_SECONDS
        known = {bytes(digest) for digest, _ in self._register.ask("stored_files", place=STORE)}
        found = [*self.bucket.listed()]
        for digest in known - {each.digest for each in found}:
            self._note("lose_file", digest=digest)
        return [each for each in found if each.digest not in known and each.since < before]

    def drop(self, chosen: Iterable[StoredObject], deed: audit.Deed) -> int:
        """Delete those that nobody knows still, once it is recorded who does; returns how many. Raises Unavailable."""
        audit.keep(self._register.database, deed)
        gone = 0
        for each in chosen:
            now = self._clock.now()
            if self._told("leave_orphan", digest=each.digest, now=now, until=now + LEAVING_SECONDS):
                self.bucket.drop(each.digest)
                self._note("lose_file", digest=each.digest)
                gone += 1
        return gone

    def keep(self) -> None:
        """Give and let go, now and again from here on, in threads that keep no process alive."""
        if self._closed:
            return
        try:
            with suppress(Unavailable):
                self.give_all()
                if steady() >= self._let_go_at:
                    self._let_go_at = steady() + LET_GO_SECONDS
                    self.let_go()
        except Exception as error:  # noqa: BLE001 - a thread's last word; another one comes
            telemetry.failure(Line.UNEXPECTED, error)
        later(KEPT_SECONDS, self.keep)

    @contextmanager
    def turn(self, attachment_id: str, *, seconds: float, ends_at: float) -> Iterator[None]:
        """Be the only node that downloads it, for so many seconds at most.

        Raises Unavailable where another is at it beyond `ends_at`, on the steady clock, and SpoolUnavailable.
        """
        mine = {"attachment_id": attachment_id, "node": self._node}
        while not self._begun(attachment_id, seconds):
            if steady() >= ends_at:
                raise Unavailable(Reason.BEING_ACQUIRED)
            pause(POLL_SECONDS)
        try:
            yield
        finally:
            self._note("end_bringing", **mine)

    def close(self) -> None:
        self._closed = True
        self.bucket.close()

    def _begun(self, attachment_id: str, seconds: float) -> bool:
        now = self._clock.now()
        mine = {"attachment_id": attachment_id, "node": self._node, "now": now, "until": now + seconds}

        def work(run: Run) -> bool:
            run("know_attachment", attachment_id=attachment_id)
            return bool(run("begin_bringing", **mine))

        return self._register.tell(work)

    def _is_resting(self) -> bool:
        return steady() < self._resting_until

    def _failed(self, reason: str) -> None:
        """Leave it alone for a while, and let the operator hear of it once."""
        self._resting_until = steady() + self._rest_seconds
        with self._guard:
            before, self._trouble = self._trouble, reason
        if before != reason:
            telemetry.find(Finding.STORE_AWAY, reason=reason)
            found = {"finding": Finding.STORE_AWAY, "about": self._node, "reason": reason, "since": self._clock.now()}
            self._note("keep_trouble", **found)

    def _well(self) -> None:
        """Say that it is there again, where it was away."""
        with self._guard:
            before, self._trouble = self._trouble, None
        if before is None:
            return
        if before:
            telemetry.note(Line.STORE_IS_BACK)
        with suppress(SpoolUnavailable):
            forget_trouble(self._register, self._node)

    def _note(self, statement: str, **values: object) -> None:
        """Write down what is so at the store. What cannot be is found out again, or its time ends."""
        with suppress(SpoolUnavailable):
            self._told(statement, **values)

    def _told(self, statement: str, **values: object) -> list[Any]:
        return self._register.tell(lambda run: run(statement, place=STORE, **values))

"""Makes room in the vault: what has no live link goes first; then what only Motion's link keeps alive; then what has
another one and was not fetched for a day.

Whoever holds the token of Motion's links can bring in every attachment that there is. So what these bring has a share
of the vault, within which the longest unused gives way, and it gives way to whatever else needs room.

Files go only under the vault's lock. `tidy`, `evict_named`, `evict_all` and
`drop_altered` take it; who calls the others holds it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from gateway import telemetry
from gateway.attachments import vault
from gateway.attachments.decision import KnownAttachment
from gateway.attachments.register import GRACE_SECONDS, KEEP_SECONDS, STORE, Register
from gateway.attachments.vault import Vault
from gateway.config import Settings
from gateway.errors import CommandError
from gateway.phrases import Finding, Line
from gateway.store import Run, audit

UNUSED_SECONDS = 24 * 3600.0
IDLE_SECONDS = 60.0  # nobody is still fetching it, and no message waits for it
BROUGHT_SECONDS = 60.0  # within which whoever had a file acquired fetches it
CHUNK = 500  # files in one transaction: callbacks wait behind it


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """`attachments.vault_max_bytes`, `server.min_free`, and `attachments.link_ttl` in seconds.

    `share_bytes`: what Motion's links may bring; None: nothing is asked of that.
    """

    vault_bytes: int
    free_bytes: int
    link_ttl: float = 0.0
    share_bytes: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """Read them from the settings. Where links are minted too, half of the vault is not for Motion's."""
        ours = settings.attachments
        share = ours.vault_max_bytes // 2 if ours.token_keys else None
        free = settings.server.min_free
        return cls(vault_bytes=ours.vault_max_bytes, free_bytes=free, link_ttl=ours.link_ttl, share_bytes=share)


@dataclass(frozen=True)
class Stored:
    """A file in the vault, whichever attachments have it."""

    digest: bytes
    size_bytes: int


def make_room(files: Vault, register: Register, bounds: Bounds, *, size_bytes: int, on_disk: int, now: float) -> None:
    """Let go what must for a file of that size, of which as much is on the disk already.

    Raises Unavailable if there is none, after all that may go has gone: the disk is the spool's too.
    """
    _make_share(files, register, bounds, size_bytes=size_bytes, now=now)
    over_vault = stored_bytes(register) + size_bytes - bounds.vault_bytes
    over_disk = bounds.free_bytes + size_bytes - on_disk - files.free_bytes()
    short = max(over_vault, over_disk)
    going = evictable(register, now=now, link_ttl=bounds.link_ttl) if short > 0 else []
    if short > 0 and evict(files, register, _enough(going, short)) < short:
        raise vault.no_room()


def tidy(files: Vault, register: Register, *, now: float) -> None:
    """Clear away what processes that died left behind, and what is long over. Raises Unavailable."""
    files.clear_leftovers()
    with files.alone():
        register.tell(lambda run: run("forget_places", place=register.place, other=STORE))
        reconcile(files, register, now=now)
        evict(files, register, over(register, now=now))
    register.purge(now=now)


def end_customers(files: Vault, register: Register, *, now: float) -> None:
    """Delete what customers sent and is past its time; `now`: that no jump of a clock has moved. Raises Unavailable."""
    with files.alone():
        evict(files, register, _files(register, "past_customers_files", now=now))


def evict_named(files: Vault, register: Register, attachment_ids: Iterable[str], deed: audit.Deed) -> int:
    """Delete the files of these attachments, once it is recorded who does; returns how many.

    Raises CommandError, and deletes none, if the vault has no file of one of them.
    """
    with files.alone():
        digests = {_stored_of(register, attachment_id) for attachment_id in attachment_ids}
        going = [file for file in stored(register) if file.digest in digests]
        audit.keep(register.database, deed)
        evict(files, register, going)
    return len(going)


def evict_all(files: Vault, register: Register, deed: audit.Deed, *, now: float) -> int:
    """Delete every file that could be had anew, once it is recorded who does; returns how many."""
    with files.alone():
        kept = {digest for [digest] in register.ask("customers_files", now=now)}
        going = [file for file in stored(register) if file.digest not in kept]
        audit.keep(register.database, deed)
        evict(files, register, going)
    return len(going)


def drop_nobodys(files: Vault, register: Register, theirs: Collection[bytes]) -> tuple[int, int]:
    """Delete the files that no attachment has any more; of `theirs`, say how many went, and how many others have, too.

    Takes the lock. Raises Unavailable.
    """
    with files.alone():
        going, here = _files(register, "nobodys_files"), {file.digest for file in stored(register)}
        evict(files, register, going)
    gone = {file.digest for file in going}.intersection(theirs)
    return len(gone), len(here.intersection(theirs) - gone)


def drop_former(files: Vault, register: Register, known: KnownAttachment) -> None:
    """Delete the bytes that an attachment had before, unless another one has the same."""
    if known.digest and known.stored and not register.shared(known):
        evict(files, register, [Stored(known.digest, known.size_bytes)])


def drop_altered(files: Vault, register: Register, known: KnownAttachment, *, now: float) -> bool:
    """Delete its file if that has other bytes by now, and let the operator hear of it; tells whether. Takes the lock.

    Raises Unavailable.
    """
    digest, size_bytes = known.digest, known.size_bytes
    if digest is None or not files.is_altered(digest, size_bytes, now=now):
        return False
    with files.alone():
        if files.is_altered(digest, size_bytes, now=now):  # nobody has mended it meanwhile
            telemetry.find(Finding.FILE_ALTERED, attachment_id=known.attachment_id, digest=digest.hex())
            evict(files, register, [Stored(digest, size_bytes)])
    return True


def evict(files: Vault, register: Register, chosen: Iterable[Stored]) -> int:
    """Delete these files and record that; returns how many bytes went."""
    going = list(chosen)
    for file in going:
        files.drop(file.digest)
    lost(register, [file.digest for file in going])
    size = sum(file.size_bytes for file in going)
    if going:
        telemetry.note(Line.EVICTED, files=len(going), bytes=size)
    return size


def reconcile(files: Vault, register: Register, *, now: float) -> None:
    """Record the files that are here and known, delete those that nobody knows, and record those as lost that are not
    there.

    What is here and not recorded is a vault's whose spool was upgraded or whose node has another name by now.
    """
    recorded, here = {file.digest for file in stored(register)}, set(files.digests())
    found = []
    for digest in here - recorded:
        [[size_bytes]] = register.ask("size_of_file", digest=digest)
        if size_bytes is not None and files.holds(digest, size_bytes):
            found.append(Stored(digest, size_bytes))
        else:
            files.drop(digest)
    for at in range(0, len(found), CHUNK):
        register.tell(partial(_find, register.place, found[at : at + CHUNK], now))
    lost(register, recorded - here)


def lost(register: Register, digests: Iterable[bytes]) -> None:
    """Record that their files are not in the vault any more."""
    gone = list(digests)
    for at in range(0, len(gone), CHUNK):
        register.tell(partial(_lose, register.place, gone[at : at + CHUNK]))


def stored_bytes(register: Register) -> int:
    """Add up all files in the vault, each counted once."""
    [[size_bytes]] = register.ask("stored_bytes")
    return int(size_bytes)


def stored(register: Register) -> list[Stored]:
    """List every file in the vault."""
    return _files(register, "stored_files")


def evictable(register: Register, *, now: float, link_ttl: float = 0.0) -> list[Stored]:
    """List the files that may go, in this order: without a live link, the longest unused first; then those with one."""
    since = {"unused_since": now - UNUSED_SECONDS, "idle_since": now - IDLE_SECONDS}
    return _files(register, "evictable_files", now=now, link_ttl=link_ttl, brought=BROUGHT_SECONDS, **since)


def over(register: Register, *, now: float) -> list[Stored]:
    """List the files without a live link that were not used for `KEEP_SECONDS`."""
    return _files(register, "unused_files", now=now, since=now - KEEP_SECONDS)


def _make_share(files: Vault, register: Register, bounds: Bounds, *, size_bytes: int, now: float) -> None:
    """Let go what must of what Motion's links brought, so that a file of that size has room in their share.

    A file larger than the share has all of it. Raises Unavailable.
    """
    if bounds.share_bytes is None:
        return
    times = {"brought": BROUGHT_SECONDS, "grace": GRACE_SECONDS, "link_ttl": bounds.link_ttl}
    theirs = register.ask("motions_files", **times)
    short = sum(size for _, size, _ in theirs) + size_bytes - max(bounds.share_bytes, size_bytes)
    idle = (Stored(digest, size) for digest, size, used_at in theirs if used_at < now - IDLE_SECONDS)
    if short > 0 and evict(files, register, _enough(idle, short)) < short:
        raise vault.no_room()


def _stored_of(register: Register, attachment_id: str) -> bytes:
    known = register.find(attachment_id)
    if known is None or known.digest is None or not known.stored:
        raise CommandError(f"the vault has no file of attachment {attachment_id}; nothing was evicted")
    return known.digest


def _enough(candidates: Iterable[Stored], size_bytes: int) -> Iterator[Stored]:
    for file in candidates:
        if size_bytes <= 0:
            return
        size_bytes -= file.size_bytes
        yield file


def _files(register: Register, statement: str, **values: float) -> list[Stored]:
    return [Stored(*row) for row in register.ask(statement, **values)]


def _lose(place: str, digests: Iterable[bytes], run: Run) -> None:
    for digest in digests:
        run("lose_file", place=place, digest=digest)


def _find(place: str, found: Iterable[Stored], now: float, run: Run) -> None:
    for file in found:
        run("store_file", place=place, digest=file.digest, size_bytes=file.size_bytes, now=now)

"""The shelf: one download however many ask, the same bytes for as long as a link lives, nothing half at any moment."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway import __version__, paths
from gateway.attachments import decision, eviction, tokens, vault
from gateway.attachments.acquisition import Acquisition
from gateway.attachments.decision import REMEMBERED_SECONDS, Acquire, Failure, Item, KnownAttachment, LinkClaim
from gateway.attachments.eviction import Bounds
from gateway.attachments.fetch import TIDY_SECONDS, WAITING, Shelf
from gateway.attachments.register import GRACE_SECONDS, KEEP_SECONDS, Register
from gateway.doors import DOORS
from gateway.errors import CommandError, GatewayError, NotFound, SpoolUnavailable, TooLarge, Unavailable
from gateway.inspection import content, inspector
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.structure import Trait
from gateway.motion.download import Source
from gateway.phrases import Reason
from gateway.store import schema
from gateway.store.engines import Database
from tests import config_samples
from tests.clamd_samples import played
from tests.peer_samples import Behaviour, Peer, Wire, answers, finishes, says
from tests.service_samples import NOW, HandClock
from tests.spool_samples import DEED, WatchedSpool, locked, meddle, until

HOUR, DAY = 3600.0, 86_400.0
FILE = b"Dear customer, here is your offer.\n" * 100
OTHER = b"Dear customer, here is another offer.\n" * 100
NAMED = 'Content-Disposition: attachment; filename="offer.txt"'
GONE = answers(b"", status="404 Not Found")
DOWN = answers(b"", status="503 Service Unavailable")


@dataclass
class House:
    """A shelf before a Motion that does as it is told."""

    spool: Database
    motion: Peer
    clock: HandClock = field(default_factory=HandClock)
    tables: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shelves: list[Shelf] = []
        self.shelf = self.another()

    def another(self, *, patience_seconds: float = 10) -> Shelf:
        """As another worker has it."""
        server = {"state_dir": str(self.spool.path.parent), "min_free": "0kB"} | self.tables.get("server", {})
        motion = {"url": f"http://127.0.0.1:{self.motion.port}", "timeout": "5s"} | self.tables.get("motion", {})
        settings = config_samples.settings(**self.tables | {"server": server, "motion": motion})
        shelf = Shelf(settings, self.spool, paths.vault(settings), clock=self.clock, patience_seconds=patience_seconds)
        self.shelves.append(shelf)
        return shelf

    @property
    def folder(self) -> Path:
        return self.spool.path.parent / "vault"

    @property
    def downloads(self) -> int:
        return len(self.motion.requests)

    def left(self) -> list[str]:
        """Every file in the vault: leftovers by their path, those that are whole by the first letters of their name."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name != vault.LOCK]
        incoming = [str(path.relative_to(self.folder)) for path in files if path.parent.name == vault.INCOMING]
        return sorted(incoming + [path.name[:8] for path in files if path.parent.name != vault.INCOMING])

    def known(self, attachment_id: str = "7") -> KnownAttachment:
        found = Register(self.spool).find(attachment_id)
        assert found is not None
        return found


def shown(file: bytes) -> str:
    return hashlib.sha256(file).hexdigest()[:8]


def has(file: bytes, *headers: str) -> Behaviour:
    return answers(file, "Content-Type: text/plain", *(headers or (NAMED,)))


@pytest.fixture
def house(spool: Database) -> Iterator[Callable[..., House]]:
    made: list[House] = []
    with ExitStack() as stack:

        def make(behaviour: Behaviour, **tables: Any) -> House:
            peer = stack.enter_context(closing(Peer(behaviour, host="127.0.0.1", tls=None)))
            made.append(House(spool, peer, tables=tables))
            return made[-1]

        yield make
        for shelf in [shelf for there in made for shelf in there.shelves]:
            shelf.close()


Make = Callable[..., House]


def take(shelf: Shelf, attachment_id: str, *, digest: bytes | None = None) -> Item:
    return shelf.take(LinkClaim(attachment_id=attachment_id, digest=digest))


def refused(shelf: Shelf, attachment_id: str = "7", *, digest: bytes | None = None) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        take(shelf, attachment_id, digest=digest)
    return caught.value


def test_an_attachment_is_acquired_inspected_and_kept(house: Make) -> None:
    there = house(has(FILE))
    item = take(there.shelf, "7")
    assert item == Item(
        attachment_id="7",
        digest=hashlib.sha256(FILE).digest(),
        size_bytes=len(FILE),
        inspection=inspector.inspect(content.of_bytes(FILE), name="offer.txt"),
        name="offer.txt",
        first_fetched_at=None,
        revoked_before=None,
    )
    assert there.shelf.path(item).read_bytes() == FILE
    assert there.left() == [shown(FILE)]
    assert item.inspection.mime == "text/plain"


def test_what_is_handed_out_was_looked_through_for_viruses_once(house: Make) -> None:
    with closing(played(b"stream: Test.Own FOUND\0")) as clamd:
        there = house(has(FILE), inbound={"scan": f"tcp:127.0.0.1:{clamd.port}"})
        seen = take(there.shelf, "7").inspection
        assert Trait.VIRUS in seen.traits
        there.shelf.close()  # what was seen is written by then
        assert there.known().inspection == take(there.another(), "7").inspection == seen
        there.clock.advance(DAY)
        clamd.behaviour = lambda wire: wire.say(b"stream: OK\0")
        assert Trait.VIRUS not in take(there.another(), "7").inspection.traits
        assert (clamd.requests, there.downloads) == ([FILE] * 2, 1)


def test_while_the_scanner_is_away_what_it_never_saw_is_not_had_but_what_was_granted_is(house: Make) -> None:
    with closing(played(b"")) as clamd:
        there = house(has(FILE), inbound={"scan": f"tcp:127.0.0.1:{clamd.port}"})
        error = refused(there.shelf)
        assert (type(error), error.reason) == (Unavailable, Reason.SCANNER_AWAY)
        digest = hashlib.sha256(FILE).digest()
        assert there.shelf.take(decision.by_token(grant(digest))).digest == digest
        clamd.behaviour = lambda wire: wire.say(b"stream: OK\0")
        assert take(there.shelf, "7").inspection.scanned_at == there.clock.now()
        assert there.downloads == 1


def grant(digest: bytes) -> tokens.Grant:
    """A link to the file that was minted while no scanner was asked for."""
    return tokens.Grant(
        attachment_id="7",
        digest=digest,
        kind=VerdictKind.NATIVE,
        mime="text/plain",
        name="offer.txt",
        purpose=tokens.Purpose.MESSAGE,
        issued_at=int(NOW),
        expires_at=int(NOW + DAY),
    )


def test_it_is_downloaded_once_and_motion_may_go_away(house: Make) -> None:
    there = house(has(FILE))
    first = take(there.shelf, "7")
    there.motion.behaviour = GONE
    assert take(there.shelf, "7") == take(there.another(), "7") == first
    assert there.downloads == 1


def test_making_a_shelf_does_nothing(house: Make) -> None:
    there = house(GONE)
    assert not there.folder.exists()
    assert there.motion.connections == 0


@pytest.mark.parametrize("attachment_id", ["", "x", "7/8", "..", "1234567890123", "0", "07"])
def test_what_is_no_id_is_not_found_and_leaves_no_trace(house: Make, attachment_id: str) -> None:
    there = house(has(FILE))
    assert isinstance(refused(there.shelf, attachment_id), NotFound)
    assert there.downloads == 0
    assert not there.folder.exists()
    assert Register(there.spool).find(attachment_id) is None


PAGE = b"<!DOCTYPE html><title>Log in</title>"
TROUBLES: dict[str, tuple[Behaviour, type[GatewayError], str]] = {
    "gone": (GONE, NotFound, Reason.GONE),
    "a redirect": (answers(b"", "Location: /login", status="302 Found"), NotFound, Reason.REDIRECTED),
    "a login page": (answers(PAGE, "Content-Type: text/html"), NotFound, Reason.NO_FILE),
    "credentials refused": (answers(b"", status="401 Unauthorized"), Unavailable, Reason.CREDENTIALS_REFUSED),
    "down": (DOWN, Unavailable, Reason.MOTION_FAILED),
    "short": (answers(FILE, length=len(FILE) + 1), Unavailable, "answer shorter than it says"),
    "reset": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", then=Wire.reset),
        Unavailable,
        "connection broken",
    ),
    "too large": (answers(b"x" * 25_000_001), TooLarge, Reason.OVER_MOTIONS),
}


@pytest.mark.parametrize(("behaviour", "expected", "reason"), TROUBLES.values(), ids=TROUBLES)
def test_trouble_stores_nothing_and_is_known(
    house: Make, behaviour: Behaviour, expected: type[GatewayError], reason: str
) -> None:
    there = house(behaviour)
    error = refused(there.shelf)
    assert (type(error), error.reason) == (expected, reason)
    assert there.left() == []
    assert there.known().failure == Failure(reason=reason, status=error.status, digest=None, at=NOW)


@pytest.mark.parametrize(("behaviour", "seconds"), [(DOWN, 5), (TROUBLES["too large"][0], 60)])
def test_a_failure_is_remembered_for_a_moment_and_what_appears_later_works(
    house: Make, behaviour: Behaviour, seconds: int
) -> None:
    there, link = house(behaviour), LinkClaim(attachment_id="7", link_ttl=3600)
    first = refused(there.shelf)
    assert REMEMBERED_SECONDS[first.status] == seconds
    there.motion.behaviour = has(FILE)
    there.clock.advance(seconds - 0.1)
    with pytest.raises(type(first), match=first.reason):
        there.another().take(link)
    assert there.downloads == 1
    there.clock.advance(0.1)
    assert there.shelf.take(link).size_bytes == len(FILE)
    assert there.known().failure is None


MISSES = {name: behaviour for name, (behaviour, error, _) in TROUBLES.items() if error is NotFound}
CALLERS = {
    "by Motion's link": LinkClaim(attachment_id="7", link_ttl=3600),
    "by a minted link": LinkClaim(attachment_id="7", digest=hashlib.sha256(FILE).digest()),
    "for an agent": LinkClaim(attachment_id="7"),
}


@pytest.mark.parametrize("behaviour", MISSES.values(), ids=MISSES)
@pytest.mark.parametrize("claim", CALLERS.values(), ids=CALLERS)
def test_what_was_not_there_a_moment_ago_is_looked_for_again(
    house: Make, behaviour: Behaviour, claim: LinkClaim
) -> None:
    there = house(behaviour)
    with pytest.raises(NotFound):
        there.shelf.take(claim)
    there.motion.behaviour = has(FILE)
    there.clock.advance(0.001)
    assert there.another().take(claim).size_bytes == len(FILE)


def test_an_agent_is_not_told_what_failed_for_a_stranger(house: Make) -> None:
    there = house(DOWN)
    with pytest.raises(Unavailable):
        there.shelf.take(CALLERS["by Motion's link"])
    there.motion.behaviour = has(FILE)
    there.clock.advance(0.001)
    assert take(there.another(), "7").size_bytes == len(FILE)


def test_who_comes_after_motion_was_asked_is_not_told_its_answer(house: Make) -> None:
    """The file came into being while Motion was still saying that there is none."""
    asked, answer = threading.Event(), threading.Event()

    def says_so_late(wire: Wire) -> None:
        asked.set()
        answer.wait(60)
        GONE(wire)

    there = house(says_so_late)
    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(refused, there.shelf)
        asked.wait(60)
        there.motion.behaviour = has(FILE)
        there.clock.advance(1)
        late = pool.submit(take, there.another(), "7")
        until(late.running, "the other one waits")
        answer.set()
        assert isinstance(early.result(60), NotFound)
        assert late.result(60).size_bytes == len(FILE)


def test_a_failure_from_the_future_is_not_believed(house: Make) -> None:
    there = house(GONE)
    refused(there.shelf)
    there.clock.advance(-HOUR)
    there.motion.behaviour = has(FILE)
    assert take(there.shelf, "7").size_bytes == len(FILE)


def _slowly(wire: Wire) -> None:
    head, body = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n\r\n" % (len(FILE), NAMED.encode()), FILE
    wire.say(head + body[:100])
    threading.Event().wait(0.3)
    wire.say(body[100:])
    finishes(wire)


def together(count: int, ask: Callable[[], object]) -> list[object]:
    """What each of so many threads hears that ask at the same moment."""
    start = threading.Barrier(count)

    def one() -> object:
        start.wait()
        try:
            return ask()
        except GatewayError as error:
            return type(error), error.reason

    with ThreadPoolExecutor(count) as pool:
        return [asked.result() for asked in [pool.submit(one) for _ in range(count)]]


def test_fifty_who_ask_at_once_cause_one_download(house: Make) -> None:
    there = house(_slowly)
    got = together(50, lambda: take(there.shelf, "7"))
    assert got == [take(there.shelf, "7")] * 50
    assert there.downloads == 1
    assert there.left() == [shown(FILE)]


def test_fifty_who_ask_at_once_share_a_failure(house: Make) -> None:
    there = house(says(b"", then=lambda wire: (threading.Event().wait(0.3), GONE(wire))))
    got = together(50, lambda: take(there.shelf, "7"))
    assert got == [(NotFound, Reason.GONE)] * 50
    assert there.downloads == 1


def test_different_attachments_do_not_wait_for_each_other(house: Make) -> None:
    there = house(lambda wire: wire.hang() if b"/7/" in wire.request else has(FILE)(wire))
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(refused, there.shelf, "7")
        until(lambda: there.downloads == 1, "the first one waits for Motion")
        assert take(there.shelf, "8").size_bytes == len(FILE)
        assert not hanging.done()
        there.motion.close()
        assert isinstance(hanging.result(60), Unavailable)


TAKING = """
import sys
from pathlib import Path
from gateway import config, services
from gateway.attachments.decision import LinkClaim
shared = services.build(config.load(Path(sys.argv[1]), {}), needs={"shelf"})
print("ready", flush=True)
sys.stdin.readline()
print(shared.shelf.take(LinkClaim(attachment_id="7")).digest.hex(), flush=True)
"""


@pytest.fixture
def worker(spool: Database, settings_file: Callable[..., Path]) -> Iterator[Callable[[House], subprocess.Popen[bytes]]]:
    """Starts processes that take attachment 7 when they are told to."""
    with ExitStack() as stack:

        def start(there: House) -> subprocess.Popen[bytes]:
            path = settings_file(
                server={"state_dir": str(spool.path.parent), "min_free": "0kB"},
                motion={"url": f"http://127.0.0.1:{there.motion.port}"},
            )
            process = stack.enter_context(
                subprocess.Popen([sys.executable, "-c", TAKING, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            return process

        yield start


def go(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


@pytest.mark.thorough
def test_two_processes_cause_one_download(house: Make, worker: Callable[[House], subprocess.Popen[bytes]]) -> None:
    there = house(_slowly)
    workers = [worker(there) for _ in range(2)]
    for process in workers:
        go(process)
    assert [process.communicate()[0].decode().strip() for process in workers] == [hashlib.sha256(FILE).hexdigest()] * 2
    assert there.downloads == 1


def test_a_kill_in_the_middle_leaves_nothing_half_and_the_next_fetch_works(
    house: Make, worker: Callable[[House], subprocess.Popen[bytes]]
) -> None:
    there = house(says(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000))
    process = worker(there)
    go(process)
    incoming = there.folder / vault.INCOMING / "7"
    until(lambda: incoming.exists() and incoming.stat().st_size > 0, "the file has begun to come")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(take, there.shelf, "7")
        there.motion.behaviour = has(FILE)
        process.send_signal(signal.SIGKILL)
        assert waiting.result(60).digest == hashlib.sha256(FILE).digest()
    assert there.left() == [shown(FILE)]
    assert there.shelf.path(take(there.shelf, "7")).read_bytes() == FILE


def test_who_waits_for_too_long_comes_again_later(house: Make) -> None:
    there = house(has(FILE))
    impatient = there.another(patience_seconds=0.1)
    with vault.Vault(there.folder).incoming("7", patience_seconds=0):
        error = refused(impatient)
    assert (type(error), error.reason) == (Unavailable, Reason.BEING_ACQUIRED)
    assert there.downloads == 0
    assert Register(there.spool).find("7") is None


def test_a_digest_asks_for_these_bytes(house: Make) -> None:
    there = house(has(FILE))
    digest = hashlib.sha256(FILE).digest()
    assert take(there.shelf, "7", digest=digest).digest == digest
    assert take(there.shelf, "7", digest=digest).digest == digest
    assert there.downloads == 1


def test_other_bytes_than_the_token_was_made_for_are_not_found(house: Make) -> None:
    there = house(has(OTHER))
    digest = hashlib.sha256(FILE).digest()
    error = refused(there.shelf, digest=digest)
    assert (type(error), error.reason) == (NotFound, Reason.OTHER_BYTES)
    assert there.left() == []
    assert take(there.shelf, "7").digest == hashlib.sha256(OTHER).digest()  # who wants any is not told that


def test_while_a_link_lives_other_bytes_are_not_even_asked_for(house: Make) -> None:
    there = house(has(FILE))
    take(there.shelf, "7")
    error = refused(there.shelf, digest=hashlib.sha256(OTHER).digest())
    assert (type(error), there.downloads) == (NotFound, 1)


EVICTED: dict[str, tuple[Behaviour, type[GatewayError] | None]] = {
    "has it still": (has(FILE), None),
    "has changed it": (has(OTHER), NotFound),
    "has deleted it": (GONE, NotFound),
    "is down": (DOWN, Unavailable),
}


@pytest.mark.parametrize(("behaviour", "expected"), EVICTED.values(), ids=EVICTED)
@pytest.mark.parametrize("bound", [True, False], ids=["by token", "by Motion's link"])
def test_what_was_evicted_while_its_link_lives_is_filled_again_from_a_motion_that(
    house: Make, behaviour: Behaviour, expected: type[GatewayError] | None, *, bound: bool
) -> None:
    there = house(has(FILE))
    item = take(there.shelf, "7")
    there.shelf.fetched(item, until=NOW + DAY if bound else None)
    assert there.shelf.evict(["7"], DEED) == 1
    there.clock.advance(HOUR)
    there.motion.behaviour = behaviour
    digest = item.digest if bound else None
    if expected is None:
        again = take(there.shelf, "7", digest=digest)
        assert (again.digest, there.known().acquired_at) == (item.digest, NOW + HOUR)
        assert there.left() == [shown(FILE)]
        return
    assert type(refused(there.shelf, digest=digest)) is expected
    assert there.left() == []


def test_once_no_link_lives_the_new_bytes_of_motion_take_the_place_of_the_old_ones(house: Make) -> None:
    there = house(has(FILE))
    there.shelf.fetched(take(there.shelf, "7"), until=NOW + GRACE_SECONDS)
    there.motion.behaviour = has(OTHER)
    there.clock.advance(GRACE_SECONDS)
    assert take(there.shelf, "7").digest == hashlib.sha256(FILE).digest()  # they are here
    assert take(there.shelf, "7", digest=hashlib.sha256(OTHER).digest()).size_bytes == len(OTHER)
    assert there.left() == [shown(OTHER)]


def test_two_attachments_of_the_same_bytes_are_one_file(house: Make) -> None:
    there = house(has(FILE))
    first, second = take(there.shelf, "7"), take(there.shelf, "8")
    assert there.shelf.path(first) == there.shelf.path(second)
    assert there.left() == [shown(FILE)]
    assert there.downloads == 2


def test_new_bytes_of_one_attachment_leave_the_file_to_another_that_has_the_old_ones(house: Make) -> None:
    there = house(has(FILE))
    take(there.shelf, "7")
    item = take(there.shelf, "8")
    there.shelf.fetched(item, until=NOW + DAY)
    there.clock.advance(GRACE_SECONDS)
    there.motion.behaviour = has(OTHER)
    take(there.shelf, "7", digest=hashlib.sha256(OTHER).digest())
    there.motion.behaviour = GONE
    assert there.shelf.path(take(there.shelf, "8", digest=item.digest)).read_bytes() == FILE
    assert there.left() == sorted([shown(FILE), shown(OTHER)])


def test_who_comes_while_a_file_is_being_recorded_waits_for_that(house: Make) -> None:
    there = house(has(FILE))
    with ThreadPoolExecutor(2) as pool:
        with closing(sqlite3.connect(there.spool.path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            first = pool.submit(take, there.shelf, "7")
            until(lambda: there.left() == [shown(FILE)], "the file has its name")
            second = pool.submit(take, there.another(), "7")
            until(lambda: len(there.left()) == 2, "the second one has begun")
            threading.Event().wait(0.2)
            writer.execute("ROLLBACK")
        assert first.result(60) == second.result(60)
    assert there.downloads == 1


def test_the_room_of_a_file_is_taken_before_it_comes(house: Make) -> None:
    there = house(says(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nabc"))
    incoming = there.folder / vault.INCOMING / "7"
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(refused, there.shelf)
        until(lambda: incoming.exists() and incoming.stat().st_blocks * 512 >= 10_000_000, "the room is taken")
        there.motion.close()
        assert isinstance(hanging.result(60), Unavailable)
    assert there.left() == []


def test_a_disk_that_takes_no_more_is_remembered_like_any_trouble(house: Make) -> None:
    body = b"x" * 8_000_000
    there = house(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7a1200\r\n%b\r\n0\r\n\r\n" % body))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, before[1]))
    try:
        errors = [refused(there.shelf), refused(there.another())]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [(type(error), error.reason) for error in errors] == [(Unavailable, Reason.VAULT_UNWRITABLE)] * 2
    assert there.downloads == 1
    assert there.left() == []


def test_who_waits_for_motion_leaves_places_to_files_that_are_here(house: Make) -> None:
    assert DOORS["attachments"].threads > WAITING
    there = house(has(FILE))
    shelf = there.another(patience_seconds=60)  # nobody leaves before the last has come
    item = take(shelf, "8")
    there.motion.behaviour = GONE
    others = map(str, itertools.count(100))
    more = WAITING + 8  # whoever looks takes a place too, for a moment
    with ThreadPoolExecutor(more) as pool:
        with vault.Vault(there.folder).incoming("7", patience_seconds=0):
            waiting = [pool.submit(refused, shelf) for _ in range(more)]
            until(lambda: refused(shelf, next(others)).reason == Reason.CROWDED, "as many wait as may")
            assert take(shelf, "8") == item
        assert {one.result(60).reason for one in waiting} <= {Reason.GONE, Reason.CROWDED}
    assert refused(shelf, next(others)).reason == Reason.GONE


def test_a_file_that_was_damaged_is_fetched_anew(house: Make) -> None:
    there = house(has(FILE))
    path = there.shelf.path(take(there.shelf, "7"))
    path.write_bytes(FILE[:-1])
    assert there.shelf.path(take(there.shelf, "7")).read_bytes() == FILE
    assert there.downloads == 2


def altered(file: bytes) -> bytes:
    return file.replace(b"offer", b"OFFER")


@pytest.mark.parametrize("claim", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("restarted", [False, True], ids=["meanwhile", "and the gateway restarted"])
def test_a_file_that_was_altered_at_the_same_size_is_filled_again(
    house: Make, capsys: pytest.CaptureFixture[str], claim: LinkClaim, *, restarted: bool
) -> None:
    there = house(has(FILE))
    path = there.shelf.path(there.shelf.take(claim))
    path.write_bytes(altered(FILE))
    shelf = there.another() if restarted else there.shelf
    assert shelf.path(shelf.take(claim)).read_bytes() == FILE
    assert there.downloads == 2
    assert "file-altered" in "".join(capsys.readouterr())
    shelf.take(claim)
    assert there.downloads == 2
    assert "file-altered" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(("behaviour", "expected"), EVICTED.values(), ids=EVICTED)
@pytest.mark.parametrize("damage", [altered, lambda file: file[:-1], lambda file: file + b"!", lambda _: b""])
def test_an_altered_file_is_never_served_with_a_motion_that(
    house: Make,
    behaviour: Behaviour,
    expected: type[GatewayError] | None,
    damage: Callable[[bytes], bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = house(has(FILE))
    item = take(there.shelf, "7")
    there.shelf.path(item).write_bytes(damage(FILE))
    there.motion.behaviour = behaviour
    if expected is None:
        assert there.shelf.path(take(there.shelf, "7", digest=item.digest)).read_bytes() == FILE
    else:
        assert type(refused(there.shelf, digest=item.digest)) is expected
        assert there.left() == []
    assert "file-altered" in "".join(capsys.readouterr())


def test_a_new_attachment_of_the_same_bytes_mends_an_altered_file(house: Make) -> None:
    there = house(has(FILE))
    path = there.shelf.path(take(there.shelf, "7"))
    path.write_bytes(altered(FILE))
    take(there.shelf, "8")
    assert path.read_bytes() == FILE
    there.motion.behaviour = GONE
    assert there.shelf.path(take(there.shelf, "7")).read_bytes() == FILE


def test_a_file_that_is_gone_is_no_altered_one(house: Make, capsys: pytest.CaptureFixture[str]) -> None:
    there = house(has(FILE))
    there.shelf.path(take(there.shelf, "7")).unlink()
    assert there.shelf.path(take(there.shelf, "7")).read_bytes() == FILE
    assert "file-altered" not in "".join(capsys.readouterr())


def somebody_commits(there: House) -> None:
    """Anything that is written; what was counted goes along."""
    there.shelf.revoke("999", DEED)


def test_fetches_are_counted_and_begin_the_time_of_motions_link(house: Make) -> None:
    there = house(has(FILE), attachments={"link_ttl": "2d"})
    there.shelf.fetched(take(there.shelf, "7"), until=NOW + HOUR)
    somebody_commits(there)
    assert there.known().first_fetched_at is None
    there.shelf.fetched(take(there.shelf, "7"))
    somebody_commits(there)
    there.clock.advance(HOUR)
    there.shelf.fetched(take(there.shelf, "7"))
    somebody_commits(there)
    assert take(there.shelf, "7").first_fetched_at == NOW
    assert (there.known().fetches, there.known().live_until) == (3, NOW + 2 * DAY)


@pytest.fixture
def watched(house: Make, spool: Database) -> Iterator[tuple[House, WatchedSpool]]:
    """A house whose shelf is watched at the spool."""
    there, seen = house(has(FILE)), WatchedSpool(spool.path)
    watching = dataclasses.replace(there, spool=seen)
    yield watching, seen
    watching.shelf.close()
    seen.close()


def test_a_fetch_from_the_vault_reads_its_row_once_and_waits_for_no_commit(watched: tuple[House, WatchedSpool]) -> None:
    there, seen = watched
    take(there.shelf, "7")
    seen.asked.clear()
    seen.told.clear()
    with locked(there.spool.path):
        there.shelf.fetched(take(there.shelf, "7"))
        there.shelf.fetched(there.shelf.take(LinkClaim(attachment_id="7", link_ttl=60)), until=NOW + DAY)
        assert seen.asked == [["attachment"]] * 2
    until(lambda: there.known().fetches == 2, "it was counted in the end")


def test_a_new_file_costs_two_reads_of_its_row_and_one_commit(watched: tuple[House, WatchedSpool]) -> None:
    there, seen = watched
    there.shelf.tidy()  # which else the first one does
    seen.asked.clear()
    seen.told.clear()
    there.shelf.fetched(take(there.shelf, "7"))
    # Once to see that it is not here, once more in one's turn to acquire it; and the room, before it comes and after.
    assert seen.asked == [["attachment"], ["attachment"], ["stored_bytes"], ["stored_bytes"]]
    assert seen.told == [["store_file", "know_attachment", "acquire_attachment"]]


def test_what_was_inspected_anew_is_written_without_anybody_waiting(watched: tuple[House, WatchedSpool]) -> None:
    there, _ = watched
    take(there.shelf, "7")
    older = schema.attachment.update().values(inspected_by="0.0.1")
    meddle(there.spool, older)
    with locked(there.spool.path):
        take(there.shelf, "7")
    until(lambda: there.known().inspected_by == __version__, "it was written in the end")


def test_a_minted_link_is_held_to(house: Make) -> None:
    there = house(has(FILE))
    digest = take(there.shelf, "7").digest
    there.shelf.hold("7", digest=digest, until=NOW + DAY)
    assert there.known().live_until == NOW + DAY
    with pytest.raises(NotFound):
        there.shelf.hold("07", digest=digest, until=NOW + DAY)


def test_no_link_is_held_to_bytes_that_a_live_one_forbids(house: Make) -> None:
    there = house(has(FILE))
    take(there.shelf, "7")
    with pytest.raises(NotFound, match=Reason.OTHER_BYTES):
        there.shelf.hold("7", digest=hashlib.sha256(OTHER).digest(), until=NOW + DAY)
    assert there.known().live_until == NOW + GRACE_SECONDS


def test_a_link_to_new_bytes_brings_the_old_ones_not_back_to_life(house: Make) -> None:
    there = house(has(FILE))
    take(there.shelf, "7")
    there.clock.advance(GRACE_SECONDS)
    there.motion.behaviour, digest = has(OTHER), hashlib.sha256(OTHER).digest()
    there.shelf.hold("7", digest=digest, until=NOW + DAY)
    assert take(there.shelf, "7", digest=digest).size_bytes == len(OTHER)


def test_a_revocation_counts_for_all_that_was_made_until_now(house: Make) -> None:
    there = house(has(FILE))
    there.clock.advance(0.9)
    before = there.shelf.revoke("7", DEED)
    assert before == int(NOW) + 1  # tokens of this very second too: their time has no fractions
    assert there.known().revoked_before == before
    assert take(there.shelf, "7").revoked_before == before
    assert isinstance(refused(there.shelf, "x"), NotFound)
    with pytest.raises(NotFound):
        there.shelf.revoke("x", DEED)


def test_evicting_is_all_or_nothing(house: Make) -> None:
    there = house(has(FILE))
    take(there.shelf, "7")
    with pytest.raises(CommandError, match="no file of attachment 8; nothing was evicted"):
        there.shelf.evict(["7", "8"], DEED)
    assert there.left() == [shown(FILE)]
    assert there.shelf.evict_all(DEED) == 1
    assert there.shelf.evict_all(DEED) == 0
    with pytest.raises(CommandError):
        there.shelf.evict(["7"], DEED)
    assert there.left() == []


def test_a_vault_without_room_is_a_passing_trouble_and_a_finding(
    house: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    there = house(has(FILE), server={"min_free": "900000GB"})
    error = refused(there.shelf)
    assert (type(error), error.reason) == (Unavailable, Reason.NO_ROOM)
    assert "vault-full" in "".join(capsys.readouterr())
    assert there.left() == []


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_room_is_made_before_a_file_gets_its_name(house: Make, *, chunked: bool) -> None:
    # Without the word the next request might be sent while the connection ends.
    whole = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    there = house(
        says(whole % (len(FILE), FILE), then=finishes) if chunked else has(FILE),
        attachments={"vault_max_bytes": "4kB", "max_bytes": "4kB"},
    )
    take(there.shelf, "7")
    there.motion.behaviour = says(whole % (len(OTHER), OTHER), then=finishes) if chunked else has(OTHER)
    assert isinstance(refused(there.shelf, "8"), Unavailable)
    there.clock.advance(GRACE_SECONDS)
    assert take(there.shelf, "8").size_bytes == len(OTHER)
    assert there.left() == [shown(OTHER)]
    assert there.known().stored is False


def test_an_inspection_of_another_release_is_made_again(house: Make) -> None:
    there = house(has(FILE))
    item = take(there.shelf, "7")
    older = schema.attachment.update().values(inspected_by="0.0.1", inspection=None)
    meddle(there.spool, older)
    assert take(there.shelf, "7") == item
    somebody_commits(there)
    assert there.known().inspection == item.inspection


def test_what_processes_that_died_left_behind_is_tidied_away(house: Make) -> None:
    there = house(has(FILE))
    take(there.shelf, "7")
    there.motion.behaviour = has(OTHER)
    lost = there.shelf.path(take(there.shelf, "8"))
    lost.unlink()
    unrecorded = there.folder / "ab" / ("ab" * 32)
    unrecorded.parent.mkdir()
    unrecorded.write_bytes(b"its name, and no record")
    (there.folder / vault.INCOMING / "9").write_bytes(b"half")
    there.shelf.tidy()
    assert there.left() == [shown(FILE)]
    assert [record.stored for record in (there.known("7"), there.known("8"))] == [True, False]
    assert there.shelf.path(take(there.shelf, "8")).read_bytes() == OTHER


def test_an_acquisition_tidies_up_once_an_hour(house: Make) -> None:
    there = house(has(FILE))
    take(there.shelf, "1")
    for attachment_id, wait, left in (("2", TIDY_SECONDS - 1, 2), ("3", 1, 1)):
        (there.folder / vault.INCOMING / "9").write_bytes(b"half")
        there.clock.advance(wait)
        take(there.shelf, attachment_id)
        assert len(there.left()) == left


def test_what_is_long_over_is_forgotten(house: Make) -> None:
    there = house(has(FILE))
    take(there.shelf, "7")
    there.clock.advance(KEEP_SECONDS + 1)
    there.shelf.tidy()
    assert there.left() == []
    assert Register(there.spool).find("7") is None


def test_without_its_spool_it_takes_nothing_and_leaves_nothing(house: Make, tmp_path: Path) -> None:
    there = house(has(FILE))
    elsewhere = Database(tmp_path / "missing" / "spool.sqlite3", patience_seconds=0.1)
    shelf = dataclasses.replace(there, spool=elsewhere).shelf
    assert isinstance(refused(shelf), SpoolUnavailable)
    assert there.downloads == 0


def test_a_warm_take_costs_little(house: Make) -> None:
    there = house(has(FILE))
    take(there.shelf, "7")
    began = time.thread_time()
    for _ in range(100):
        take(there.shelf, "7")
    assert time.thread_time() - began < 1
    assert eviction.stored_bytes(Register(there.spool)) == len(FILE)


# One acquisition: what happens to a file before it has its name in the vault, and in which order.


class Watched(vault.Vault):
    """Remembers what is done to it, and how far the incoming file had come by then."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.done: list[tuple[str, int]] = []

    def sync(self, incoming: vault.Incoming) -> None:
        super().sync(incoming)
        self.done.append(("on the disk", incoming.path.stat().st_size))

    def keep(self, incoming: vault.Incoming, digest: bytes) -> None:
        self.done.append(("named", incoming.path.stat().st_size))
        super().keep(incoming, digest)

    @contextmanager
    def alone(self) -> Iterator[None]:
        self.done.append(("alone", 0))
        with super().alone():
            yield
        self.done.append(("not alone", 0))


def acquire(spool: Database, behaviour: Behaviour, *, wanted: bytes | None = None) -> Watched:
    """What is done when one attachment is acquired."""
    files = Watched(spool.path.parent / "vault")
    acquire_into(files, spool, behaviour, Bounds(vault_bytes=10**9, free_bytes=0), wanted=wanted)
    return files


def acquire_into(
    files: vault.Vault,
    spool: Database,
    behaviour: Behaviour,
    bounds: Bounds,
    *,
    attachment_id: str = "7",
    wanted: bytes | None = None,
    now: float = NOW,
) -> None:
    with closing(Peer(behaviour, host="127.0.0.1", tls=None)) as motion:
        settings = config_samples.settings(motion={"url": f"http://127.0.0.1:{motion.port}"})
        with closing(Source(settings.motion, settings.attachments)) as motions:
            acquisition = Acquisition(motions, files, Register(spool), bounds, HandClock(now))
            with files.incoming(attachment_id, patience_seconds=0) as incoming:
                acquisition.run(Acquire(record=KnownAttachment(attachment_id=attachment_id), wanted=wanted), incoming)


@pytest.mark.parametrize("wanted", [None, hashlib.sha256(FILE).digest()], ids=["any bytes", "these bytes"])
def test_a_file_is_on_the_disk_before_it_has_its_name_and_recorded_with_getting_it(
    spool: Database, wanted: bytes | None
) -> None:
    files = acquire(spool, answers(FILE), wanted=wanted)
    room, size = [("alone", 0), ("not alone", 0)], len(FILE)
    assert files.done == [*room, *room, ("on the disk", size), ("alone", 0), ("named", size), ("not alone", 0)]
    assert files.path(hashlib.sha256(FILE).digest()).read_bytes() == FILE
    known = Register(spool).find("7")
    assert known is not None
    assert (known.digest, known.stored, known.acquired_at) == (hashlib.sha256(FILE).digest(), True, NOW)


KEYS: dict[str, Any] = {"token_keys": ["a key of the tests, long enough"], "link_ttl": "7d", "max_bytes": "1kB"}


def fill(there: House, ids: range, *, fetch: bool = True) -> None:
    """What a stranger with the token of Motion's links does."""
    for number in ids:
        there.motion.behaviour = answers(b"%04d" % number * 250)
        item = there.shelf.take(LinkClaim(attachment_id=str(number), link_ttl=7 * 86_400))
        there.clock.advance(1)
        if fetch:
            there.shelf.fetched(item)
            somebody_commits(there)


@pytest.mark.parametrize("fetch", [True, False], ids=["served", "refused"])
def test_what_motions_links_bring_has_a_share_of_the_vault_and_the_third_door_always_room(
    house: Make, *, fetch: bool
) -> None:
    there = house(GONE, attachments=KEYS | {"vault_max_bytes": "8kB"})
    fill(there, range(1, 5), fetch=fetch)  # its half
    with pytest.raises(Unavailable, match=Reason.NO_ROOM):
        fill(there, range(5, 6), fetch=fetch)
    for number in range(11, 15):
        there.motion.behaviour = answers(b"%04d" % number * 250)
        item = take(there.shelf, str(number))
        there.shelf.hold(str(number), digest=item.digest, until=NOW + DAY)
    there.clock.advance(61)
    fill(there, range(5, 9), fetch=fetch)  # in place of the others of that share
    assert [there.known(str(number)).stored for number in (1, 5, 8, 11, 14)] == [False, True, True, True, True]


def test_what_motions_links_brought_gives_way_to_the_third_door(house: Make) -> None:
    there = house(GONE, attachments=KEYS | {"vault_max_bytes": "4kB", "token_keys": []})
    fill(there, range(1, 5))
    there.clock.advance(61)
    for number in (11, 12):
        there.motion.behaviour = answers(b"%04d" % number * 250)
        take(there.shelf, str(number))
    assert [there.known(str(number)).stored for number in (1, 2, 3, 4)] == [False, False, True, True]


def test_a_stranger_who_asks_for_what_a_message_brought_makes_it_not_go(house: Make) -> None:
    there = house(answers(b"from" * 250), attachments=KEYS | {"vault_max_bytes": "2kB"})
    item = take(there.shelf, "7")
    there.shelf.hold("7", digest=item.digest, until=NOW + DAY)
    there.clock.advance(90)
    there.shelf.fetched(item)  # by Motion's link, which lives longer
    somebody_commits(there)
    there.clock.advance(90)
    fill(there, range(1, 2))
    there.clock.advance(90)
    fill(there, range(2, 3))
    assert there.known("7").stored


class SmallDisk(vault.Vault):
    """On a disk with so many free bytes."""

    def __init__(self, folder: Path, room_bytes: int) -> None:
        super().__init__(folder)
        self.room_bytes = room_bytes
        self.lowest = room_bytes

    def free_bytes(self) -> int:
        return self.room_bytes

    def write(self, incoming: vault.Incoming, chunk: bytes) -> None:
        super().write(incoming, chunk)
        self.room_bytes -= len(chunk)
        self.lowest = min(self.lowest, self.room_bytes)

    def drop(self, digest: bytes) -> None:
        self.room_bytes += self.path(digest).stat().st_size
        super().drop(digest)


LARGE = b"x" * 1_000_000
CHUNKED = says(
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE), then=finishes
)


@pytest.mark.parametrize("behaviour", [answers(LARGE), CHUNKED], ids=["with a length", "in chunks"])
@pytest.mark.parametrize(("room_bytes", "fits"), [(1_500_000, True), (1_499_999, False), (600_000, False)])
def test_min_free_stays_free_while_a_file_comes(
    spool: Database, behaviour: Behaviour, room_bytes: int, *, fits: bool
) -> None:
    files = SmallDisk(spool.path.parent / "vault", room_bytes)
    taken = nullcontext() if fits else pytest.raises(Unavailable, match=Reason.NO_ROOM)
    with taken:
        acquire_into(files, spool, behaviour, Bounds(vault_bytes=10**9, free_bytes=500_000))
    assert files.lowest >= 500_000


def test_room_is_made_while_a_file_without_a_length_comes(spool: Database) -> None:
    files = SmallDisk(spool.path.parent / "vault", 2_000_000)
    bounds = Bounds(vault_bytes=10**9, free_bytes=500_000)
    acquire_into(files, spool, answers(b"y" * 1_000_000), bounds)
    acquire_into(files, spool, CHUNKED, bounds, attachment_id="8", now=NOW + GRACE_SECONDS)
    assert files.lowest >= 500_000
    assert list(files.digests()) == [hashlib.sha256(LARGE).digest()]


@pytest.mark.parametrize(
    ("behaviour", "wanted", "reason"),
    [
        (answers(FILE), b"x" * 32, Reason.OTHER_BYTES),
        (answers(b"<html>", "Content-Type: text/html"), None, Reason.NO_FILE),
    ],
    ids=["other bytes", "a page"],
)
def test_what_is_not_wanted_gets_no_name(
    spool: Database, behaviour: Behaviour, wanted: bytes | None, reason: str
) -> None:
    with pytest.raises(NotFound, match=rf"^{reason}$"):
        acquire(spool, behaviour, wanted=wanted)
    assert list(vault.Vault(spool.path.parent / "vault").digests()) == []
    assert Register(spool).find("7") is None

"""What is known of attachments, and what is never forgotten of them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway import __version__
from gateway.attachments.decision import Failure, KnownAttachment
from gateway.attachments.register import GRACE_SECONDS, KEEP_SECONDS, Fetches, Register
from gateway.errors import GatewayError, NotFound, SpoolUnavailable, TooLarge, Unavailable
from gateway.inspection.structure import Inspection, Trait
from gateway.store import schema
from gateway.store.engines import Database
from tests.spool_samples import DEED, locked, meddle, rows, until

pytestmark = pytest.mark.both_engines

NOW = 1_700_000_000.0
DAY = 86_400.0
SEEN = Inspection(
    mime="image/png",
    size_bytes=1234,
    traits=frozenset({Trait.PALETTE, Trait.TRAILING}),
    details={"width": 40, "colour": "palette"},
    opinion="image/png",
    reader="png",
)


def acquire(spool: Database, attachment_id: str = "7", *, digest: bytes = b"d" * 32, now: float = NOW) -> None:
    Register(spool).acquired(attachment_id, digest=digest, name="a b.png", seen=SEEN, now=now)


def fetched(spool: Database, attachment_id: str, *, now: float, until: float, by_motions_link: bool) -> None:
    """Count a fetch, and have it on the disk."""
    register = Register(spool)
    before = known(spool, attachment_id)
    first = now if by_motions_link and before.first_fetched_at is None else None
    register.count(attachment_id, Fetches(1, now, first, until), revoked_before=before.revoked_before)
    register.close()


def known(spool: Database, attachment_id: str = "7") -> KnownAttachment:
    found = Register(spool).find(attachment_id)
    assert found is not None
    return found


def test_nothing_is_known_of_what_nobody_asked_for(spool: Database) -> None:
    assert Register(spool).find("7") is None
    assert Register(spool).listed(most=10) == []


def test_what_was_acquired_is_known_as_it_was_inspected(spool: Database) -> None:
    acquire(spool)
    assert known(spool) == KnownAttachment(
        attachment_id="7",
        digest=b"d" * 32,
        size_bytes=1234,
        name="a b.png",
        inspection=SEEN,
        inspected_by=__version__,
        acquired_at=NOW,
        stored=True,
        live_until=NOW + GRACE_SECONDS,
        first_fetched_at=None,
        last_fetched_at=None,
        fetches=0,
        revoked_before=None,
        failure=None,
    )


def test_what_is_acquired_again_keeps_what_is_known_of_its_links(spool: Database) -> None:
    acquire(spool)
    fetched(spool, "7", now=NOW, until=NOW + DAY, by_motions_link=True)
    Register(spool).revoked("7", DEED, before=int(NOW))
    acquire(spool, digest=b"e" * 32, now=NOW + 5)
    after = known(spool)
    assert (after.digest, after.acquired_at) == (b"e" * 32, NOW + 5)
    assert (after.fetches, after.first_fetched_at, after.revoked_before) == (1, NOW, int(NOW))


def test_a_trait_of_another_release_is_passed_over(spool: Database) -> None:
    acquire(spool)
    written = {"mime": "a/b", "traits": ["palette", "of-next-year"], "details": {}, "opinion": None, "reader": ""}
    told = schema.attachment.update().values(inspection=written)
    meddle(spool, told)
    assert known(spool).inspection == Inspection(mime="a/b", size_bytes=1234, traits=frozenset({Trait.PALETTE}))


def test_motions_link_lives_from_its_first_fetch(spool: Database) -> None:
    acquire(spool)
    for later in (0, DAY):
        fetched(spool, "7", now=NOW + later, until=NOW + 7 * DAY, by_motions_link=True)
    after = known(spool)
    assert (after.first_fetched_at, after.last_fetched_at, after.fetches) == (NOW, NOW + DAY, 2)
    assert after.live_until == NOW + 7 * DAY


def test_a_token_lives_as_long_as_it_says_and_does_not_begin_the_time_of_motions_link(spool: Database) -> None:
    acquire(spool)
    for end in (NOW + 5 * DAY, NOW + 3 * DAY):
        fetched(spool, "7", now=NOW + 1, until=end, by_motions_link=False)
    after = known(spool)
    assert (after.first_fetched_at, after.last_fetched_at, after.fetches) == (None, NOW + 1, 2)
    assert after.live_until == NOW + 5 * DAY


@pytest.mark.parametrize(("until", "live"), [(NOW + DAY, NOW + DAY), (NOW, NOW + GRACE_SECONDS)])
def test_a_minted_link_holds_it(spool: Database, until: float, live: float) -> None:
    acquire(spool)
    Register(spool).held("7", digest=b"d" * 32, until=until, now=NOW)
    assert known(spool).live_until == live


@pytest.mark.parametrize(("now", "held"), [(NOW + GRACE_SECONDS - 1, False), (NOW + GRACE_SECONDS, True)])
def test_a_minted_link_to_other_bytes_waits_for_the_end_of_those_that_live(
    spool: Database, now: float, *, held: bool
) -> None:
    acquire(spool)
    assert Register(spool).held("7", digest=b"e" * 32, until=NOW + DAY, now=now) is held
    after = known(spool)
    expected = (None, False, NOW + DAY) if held else (b"d" * 32, True, NOW + GRACE_SECONDS)
    assert (after.digest, after.stored, after.live_until) == expected


@pytest.mark.parametrize(("digest", "shared"), [(b"d" * 32, True), (b"e" * 32, False)])
def test_a_file_is_shared_with_another_attachment_of_the_same_bytes(
    spool: Database, digest: bytes, *, shared: bool
) -> None:
    acquire(spool)
    acquire(spool, "8", digest=digest)
    assert Register(spool).shared(known(spool)) is shared


def test_links_can_be_revoked_of_what_nobody_asked_for_yet(spool: Database) -> None:
    Register(spool).revoked("7", DEED, before=1_700_000_001)
    acquire(spool)
    assert known(spool).revoked_before == 1_700_000_001


def test_a_revocation_is_never_taken_back_and_leaves_no_link_alive(spool: Database) -> None:
    acquire(spool)
    Register(spool).held("7", digest=b"d" * 32, until=NOW + DAY, now=NOW)
    for before in (200, 100):
        Register(spool).revoked("7", DEED, before=before)
    assert (known(spool).revoked_before, known(spool).live_until) == (200, 0.0)


FAILURES: list[GatewayError] = [NotFound("gone"), TooLarge("too much"), Unavailable("no answer in time")]


@pytest.mark.parametrize("error", FAILURES)
@pytest.mark.parametrize("digest", [None, b"d" * 32])
def test_a_failure_is_known_until_it_works(spool: Database, error: GatewayError, digest: bytes | None) -> None:
    Register(spool).failed("7", error, digest=digest, now=NOW)
    assert known(spool).failure == Failure(reason=error.reason, status=error.status, digest=digest, at=NOW)
    assert (known(spool).digest, known(spool).inspection, known(spool).stored) == (None, None, False)
    acquire(spool)
    assert known(spool).failure is None


def test_those_that_something_happened_to_last_are_listed_first(spool: Database) -> None:
    acquire(spool, "1", now=NOW)
    acquire(spool, "2", now=NOW + 1)
    Register(spool).failed("3", NotFound("gone"), digest=None, now=NOW + 2)
    fetched(spool, "1", now=NOW + 3, until=NOW + 4, by_motions_link=False)
    Register(spool).revoked("4", DEED, before=1)
    assert [record.attachment_id for record in Register(spool).listed(most=10)] == ["1", "3", "2", "4"]
    assert [record.attachment_id for record in Register(spool).listed(most=2)] == ["1", "3"]


def _lost(spool: Database, attachment_id: str) -> None:
    acquire(spool, attachment_id)
    spool.tell(lambda run: run("lose_file", place="", digest=known(spool, attachment_id).digest))


def _failed(spool: Database, attachment_id: str) -> None:
    Register(spool).failed(attachment_id, NotFound("gone"), digest=None, now=NOW)


@pytest.mark.parametrize(("later", "left"), [(-1.0, 1), (0.0, 1), (1.0, 0)], ids=["before", "at", "after"])
@pytest.mark.parametrize("make", [_lost, _failed], ids=["without a file", "never acquired"])
def test_what_was_not_used_for_long_is_forgotten(spool: Database, make: Any, later: float, left: int) -> None:
    make(spool, "7")
    assert Register(spool).purge(now=NOW + KEEP_SECONDS + later) == 1 - left
    assert len(rows(spool, schema.attachment)) == left


def test_what_has_a_file_or_a_live_link_is_not_forgotten(spool: Database) -> None:
    _lost(spool, "2")
    acquire(spool, "1")
    Register(spool).held("2", digest=b"d" * 32, until=NOW + 3 * KEEP_SECONDS, now=NOW)
    assert Register(spool).purge(now=NOW + 2 * KEEP_SECONDS) == 0


def test_what_has_ended_is_forgotten_but_for_its_end(spool: Database) -> None:
    _lost(spool, "1")
    fetched(spool, "1", now=NOW, until=NOW + DAY, by_motions_link=True)
    _failed(spool, "2")
    Register(spool).revoked("2", DEED, before=77)
    assert Register(spool).purge(now=NOW + 2 * KEEP_SECONDS) == 2
    first, second = known(spool, "1"), known(spool, "2")
    assert (first.first_fetched_at, second.revoked_before) == (NOW, 77)
    for left in (first, second):
        assert (left.digest, left.name, left.inspection, left.size_bytes, left.failure) == (None, "", None, 0, None)
    assert Register(spool).purge(now=NOW + 2 * KEEP_SECONDS) == 0


# What was counted, until it is written.


@pytest.fixture
def register(spool: Database) -> Iterator[Register]:
    """One that knows attachment 7."""
    acquire(spool)
    opened = Register(spool)
    yield opened
    opened.close()


def test_a_fetch_is_written_with_the_next_commit_of_anybody(spool: Database, register: Register) -> None:
    register.count("7", Fetches(1, NOW, NOW, NOW + DAY), revoked_before=None)
    register.count("7", Fetches(1, NOW + 1, None, NOW + 2 * DAY), revoked_before=None)
    assert known(spool).fetches == 0
    register.failed("8", NotFound("gone"), digest=None, now=NOW)
    after = known(spool)
    assert (after.fetches, after.first_fetched_at, after.last_fetched_at) == (2, NOW, NOW + 1)
    assert after.live_until == NOW + 2 * DAY


@pytest.fixture
def hasty(spool: Database) -> Iterator[Register]:
    """One that knows attachment 7, and writes what is counted almost at once."""
    acquire(spool)
    opened = Register(spool, counted_seconds=0.05)
    yield opened
    opened.close()


def test_a_fetch_is_written_by_itself(spool: Database, hasty: Register) -> None:
    for number in (1, 2):  # the second one after the first was written
        hasty.count("7", Fetches(1, NOW, None, NOW), revoked_before=None)
        until(lambda number=number: known(spool).fetches == number, "it is written")


def test_what_is_counted_just_after_a_commit_is_written_by_itself_too(spool: Database, register: Register) -> None:
    register.count("7", Fetches(1, NOW, None, NOW), revoked_before=None)
    register.failed("8", NotFound("gone"), digest=None, now=NOW)
    register.count("7", Fetches(1, NOW, None, NOW), revoked_before=None)
    assert known(spool).fetches == 1
    until(lambda: known(spool).fetches == 2, "it is written")


COUNTING = """
import sys
from pathlib import Path
from gateway.attachments.register import Fetches, Register
from gateway.store.engines import Database
place = sys.argv[1]
register = Register(Database(place if "://" in place else Path(place), patience_seconds=5))
register.count("7", Fetches(3, 2.0, 1.0, 3.0), revoked_before=None)
"""


def test_what_is_left_when_the_process_ends_is_written(spool: Database) -> None:
    acquire(spool)
    subprocess.run([sys.executable, "-c", COUNTING, spool._place], check=True)
    assert (known(spool).fetches, known(spool).first_fetched_at) == (3, 1.0)


def test_what_was_revoked_meanwhile_does_not_come_back_to_life(spool: Database, register: Register) -> None:
    register.count("7", Fetches(1, NOW, NOW, NOW + DAY), revoked_before=None)
    Register(spool).revoked("7", DEED, before=int(NOW))  # by another process
    register.count("7", Fetches(1, NOW, None, NOW + 60), revoked_before=int(NOW))  # by a link that was made later
    register.failed("8", NotFound("gone"), digest=None, now=NOW)
    assert (known(spool).fetches, known(spool).live_until) == (2, NOW + 60)


def test_of_a_life_that_begins_twice_the_first_beginning_counts(spool: Database, register: Register) -> None:
    other = Register(spool)  # of another process, which did not know either
    register.count("7", Fetches(1, NOW, NOW, NOW + DAY), revoked_before=None)
    other.count("7", Fetches(1, NOW + 1, NOW + 1, NOW + 1 + DAY), revoked_before=None)
    register.count("7", Fetches(1, NOW + 2, NOW + 2, NOW + 2 + DAY), revoked_before=None)
    register.failed("8", NotFound("gone"), digest=None, now=NOW)
    other.close()
    assert (known(spool).fetches, known(spool).first_fetched_at, known(spool).last_fetched_at) == (3, NOW, NOW + 2)


@pytest.mark.of_the_file
def test_while_nothing_can_be_written_no_life_begins_and_all_else_is_counted(spool: Database, hasty: Register) -> None:
    begins, goes_on = Fetches(1, NOW, NOW, NOW + DAY), Fetches(1, NOW, None, NOW + DAY)
    with locked(spool.path):
        with pytest.raises(SpoolUnavailable):
            hasty.failed("8", NotFound("gone"), digest=None, now=NOW)
        hasty.count("7", goes_on, revoked_before=None)
        with pytest.raises(SpoolUnavailable, match=r"^spool locked$"):
            hasty.count("7", begins, revoked_before=None)
        hasty.count("7", goes_on, revoked_before=None)
    assert known(spool).first_fetched_at is None
    until(lambda: known(spool).fetches == 2, "they are written in the end")
    hasty.tell(lambda _run: None)  # who wrote them may not have said yet that there is no trouble any more
    with locked(spool.path):  # which nobody has felt yet
        hasty.count("7", begins, revoked_before=None)
    until(lambda: known(spool).first_fetched_at == NOW, "a life may begin again")


def test_what_was_seen_anew_is_written_unless_there_are_other_bytes_by_then(
    spool: Database, register: Register
) -> None:
    acquire(spool, "8", digest=b"e" * 32)
    anew = dataclasses.replace(SEEN, reader="anew")
    for attachment_id in ("7", "8"):
        register.inspected(attachment_id, anew, digest=b"d" * 32)
    assert known(spool).inspection == SEEN
    register.failed("9", NotFound("gone"), digest=None, now=NOW)
    assert [known(spool, attachment_id).inspection for attachment_id in ("7", "8")] == [anew, SEEN]


def test_threads_that_count_at_once_are_all_counted(spool: Database, register: Register) -> None:
    def count(number: int) -> None:
        register.count("7", Fetches(1, NOW + number, None, NOW), revoked_before=None)
        if number % 10 == 0:
            register.failed("8", NotFound("gone"), digest=None, now=NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(200)))
    register.close()
    assert known(spool).fetches == 200

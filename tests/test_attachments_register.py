"""What is known of attachments, and what is never forgotten of them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import __version__
from gateway.attachments import register
from gateway.attachments.decision import Failure, Record
from gateway.attachments.register import GRACE_SECONDS, KEEP_SECONDS
from gateway.errors import GatewayError, NotFound, TooLarge, Unavailable
from gateway.inspection.structure import Inspection, Trait
from gateway.store import schema
from gateway.store.engines import Database
from tests.spool_samples import rows

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
    register.acquired(spool, attachment_id, digest=digest, name="a b.png", seen=SEEN, now=now)


def known(spool: Database, attachment_id: str = "7") -> Record:
    found = register.find(spool, attachment_id)
    assert found is not None
    return found


def test_nothing_is_known_of_what_nobody_asked_for(spool: Database) -> None:
    assert register.find(spool, "7") is None
    assert register.listed(spool, most=10) == []


def test_what_was_acquired_is_known_as_it_was_inspected(spool: Database) -> None:
    acquire(spool)
    assert known(spool) == Record(
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
    register.fetched(spool, "7", now=NOW, until=NOW + DAY, by_motions_link=True)
    register.revoked(spool, "7", before=int(NOW))
    acquire(spool, digest=b"e" * 32, now=NOW + 5)
    after = known(spool)
    assert (after.digest, after.acquired_at) == (b"e" * 32, NOW + 5)
    assert (after.fetches, after.first_fetched_at, after.revoked_before) == (1, NOW, int(NOW))


def test_a_trait_of_another_release_is_passed_over(spool: Database) -> None:
    acquire(spool)
    written = {"mime": "a/b", "traits": ["palette", "of-next-year"], "details": {}, "opinion": None, "reader": ""}
    chosen = schema.attachment.c.attachment_id == "7"
    spool.write(lambda connection: register.change(connection, chosen, inspection=written))
    assert known(spool).inspection == Inspection(mime="a/b", size_bytes=1234, traits=frozenset({Trait.PALETTE}))


def test_motions_link_lives_from_its_first_fetch(spool: Database) -> None:
    acquire(spool)
    for later in (0, DAY):
        register.fetched(spool, "7", now=NOW + later, until=NOW + later + 7 * DAY, by_motions_link=True)
    after = known(spool)
    assert (after.first_fetched_at, after.last_fetched_at, after.fetches) == (NOW, NOW + DAY, 2)
    assert after.live_until == NOW + 7 * DAY


def test_a_token_lives_as_long_as_it_says_and_does_not_begin_the_time_of_motions_link(spool: Database) -> None:
    acquire(spool)
    for until in (NOW + 5 * DAY, NOW + 3 * DAY):
        register.fetched(spool, "7", now=NOW + 1, until=until, by_motions_link=False)
    after = known(spool)
    assert (after.first_fetched_at, after.last_fetched_at, after.fetches) == (None, NOW + 1, 2)
    assert after.live_until == NOW + 5 * DAY


@pytest.mark.parametrize(("until", "live"), [(NOW + DAY, NOW + DAY), (NOW, NOW + GRACE_SECONDS)])
def test_a_minted_link_holds_it(spool: Database, until: float, live: float) -> None:
    acquire(spool)
    register.held(spool, "7", digest=b"d" * 32, until=until, now=NOW)
    assert known(spool).live_until == live


@pytest.mark.parametrize(("now", "held"), [(NOW + GRACE_SECONDS - 1, False), (NOW + GRACE_SECONDS, True)])
def test_a_minted_link_to_other_bytes_waits_for_the_end_of_those_that_live(
    spool: Database, now: float, *, held: bool
) -> None:
    acquire(spool)
    assert register.held(spool, "7", digest=b"e" * 32, until=NOW + DAY, now=now) is held
    after = known(spool)
    expected = (None, False, NOW + DAY) if held else (b"d" * 32, True, NOW + GRACE_SECONDS)
    assert (after.digest, after.stored, after.live_until) == expected


@pytest.mark.parametrize(("digest", "shared"), [(b"d" * 32, True), (b"e" * 32, False)])
def test_a_file_is_shared_with_another_attachment_of_the_same_bytes(
    spool: Database, digest: bytes, *, shared: bool
) -> None:
    acquire(spool)
    acquire(spool, "8", digest=digest)
    assert register.shared(spool, known(spool)) is shared


def test_links_can_be_revoked_of_what_nobody_asked_for_yet(spool: Database) -> None:
    register.revoked(spool, "7", before=1_700_000_001)
    acquire(spool)
    assert known(spool).revoked_before == 1_700_000_001


def test_a_revocation_is_never_taken_back_and_leaves_no_link_alive(spool: Database) -> None:
    acquire(spool)
    register.held(spool, "7", digest=b"d" * 32, until=NOW + DAY, now=NOW)
    for before in (200, 100):
        register.revoked(spool, "7", before=before)
    assert (known(spool).revoked_before, known(spool).live_until) == (200, 0.0)


FAILURES: list[GatewayError] = [NotFound("gone"), TooLarge("too much"), Unavailable("no answer in time")]


@pytest.mark.parametrize("error", FAILURES)
@pytest.mark.parametrize("digest", [None, b"d" * 32])
def test_a_failure_is_known_until_it_works(spool: Database, error: GatewayError, digest: bytes | None) -> None:
    register.failed(spool, "7", error, digest=digest, now=NOW)
    assert known(spool).failure == Failure(reason=error.reason, status=error.status, digest=digest, at=NOW)
    assert (known(spool).digest, known(spool).inspection, known(spool).stored) == (None, None, False)
    acquire(spool)
    assert known(spool).failure is None


def test_those_that_something_happened_to_last_are_listed_first(spool: Database) -> None:
    acquire(spool, "1", now=NOW)
    acquire(spool, "2", now=NOW + 1)
    register.failed(spool, "3", NotFound("gone"), digest=None, now=NOW + 2)
    register.fetched(spool, "1", now=NOW + 3, until=NOW + 4, by_motions_link=False)
    register.revoked(spool, "4", before=1)
    assert [record.attachment_id for record in register.listed(spool, most=10)] == ["1", "3", "2", "4"]
    assert [record.attachment_id for record in register.listed(spool, most=2)] == ["1", "3"]


def _lost(spool: Database, attachment_id: str) -> None:
    acquire(spool, attachment_id)
    chosen = schema.attachment.c.attachment_id == attachment_id
    spool.write(lambda connection: register.change(connection, chosen, stored=False))


def _failed(spool: Database, attachment_id: str) -> None:
    register.failed(spool, attachment_id, NotFound("gone"), digest=None, now=NOW)


@pytest.mark.parametrize(("later", "left"), [(-1.0, 1), (0.0, 1), (1.0, 0)], ids=["before", "at", "after"])
@pytest.mark.parametrize("make", [_lost, _failed], ids=["without a file", "never acquired"])
def test_what_was_not_used_for_long_is_forgotten(spool: Database, make: Any, later: float, left: int) -> None:
    make(spool, "7")
    assert register.purge(spool, now=NOW + KEEP_SECONDS + later) == 1 - left
    assert len(rows(spool, schema.attachment)) == left


def test_what_has_a_file_or_a_live_link_is_not_forgotten(spool: Database) -> None:
    acquire(spool, "1")
    _lost(spool, "2")
    register.held(spool, "2", digest=b"d" * 32, until=NOW + 3 * KEEP_SECONDS, now=NOW)
    assert register.purge(spool, now=NOW + 2 * KEEP_SECONDS) == 0


def test_what_has_ended_is_forgotten_but_for_its_end(spool: Database) -> None:
    _lost(spool, "1")
    register.fetched(spool, "1", now=NOW, until=NOW + DAY, by_motions_link=True)
    _failed(spool, "2")
    register.revoked(spool, "2", before=77)
    assert register.purge(spool, now=NOW + 2 * KEEP_SECONDS) == 2
    first, second = known(spool, "1"), known(spool, "2")
    assert (first.first_fetched_at, second.revoked_before) == (NOW, 77)
    for left in (first, second):
        assert (left.digest, left.name, left.inspection, left.size_bytes, left.failure) == (None, "", None, 0, None)
    assert register.purge(spool, now=NOW + 2 * KEEP_SECONDS) == 0

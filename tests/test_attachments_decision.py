"""May this link open that attachment, is it here, was it tried: each answer, and both neighbours of every edge."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import __version__
from gateway.attachments import decision
from gateway.attachments.decision import (
    Acquire,
    Failure,
    KnownAttachment,
    LinkClaim,
    Refuse,
    Serve,
    decide,
)
from gateway.attachments.tokens import Grant, Purpose
from gateway.errors import GatewayError, NotFound, TooLarge, Unavailable
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.structure import Inspection
from gateway.phrases import Reason
from tests.together import together

NOW = 1_700_000_000
DAY = 86_400
DIGEST, OTHER = b"d" * 32, b"o" * 32
SEEN = Inspection(mime="image/png", size_bytes=3)
HERE: dict[str, Any] = {
    "digest": DIGEST,
    "size_bytes": 3,
    "inspection": SEEN,
    "inspected_by": __version__,
    "stored": True,
    "live_until": NOW + DAY,
}
GONE = HERE | {"stored": False}
OVER = GONE | {"live_until": float(NOW)}  # no link to its bytes lives any more
GRANT = Grant(
    attachment_id="7",
    digest=DIGEST,
    kind=VerdictKind.NATIVE,
    mime="image/png",
    name="a.png",
    purpose=Purpose.MESSAGE,
    issued_at=NOW,
    expires_at=NOW + DAY,
)
MOTIONS = LinkClaim(attachment_id="7", link_ttl=DAY)
MINTED = decision.by_token(GRANT)
OURS = LinkClaim(attachment_id="7")
CLAIMS = {"Motion's link": MOTIONS, "a minted link": MINTED, "the gateway itself": OURS}
every_claim = pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)


def record(**known: Any) -> KnownAttachment:
    return KnownAttachment(attachment_id="7", **known)


def minted(**changes: Any) -> LinkClaim:
    return decision.by_token(dataclasses.replace(GRANT, **changes))


def failed(status: int = 404, *, at: float = NOW, digest: bytes | None = None) -> Failure:
    return Failure(reason="as it was", status=status, digest=digest, at=at)


def served(known: KnownAttachment, *, seen: Inspection | None = SEEN) -> Serve:
    return Serve(record=known, digest=DIGEST, seen=seen)


@every_claim
def test_what_is_here_is_served(claim: LinkClaim) -> None:
    known = record(**HERE)
    assert decide(known, claim, NOW) == served(known)


@every_claim
def test_what_nobody_asked_for_before_is_acquired_and_by_a_token_only_with_its_bytes(claim: LinkClaim) -> None:
    assert decide(None, claim, NOW) == Acquire(record=record(), wanted=claim.digest)


# Links that have ended.

REVOCATIONS = {"before it was minted": (NOW, 200), "in its own second": (NOW + 1, 404), "later": (NOW + 9, 404)}


@pytest.mark.parametrize(("before", "status"), REVOCATIONS.values(), ids=REVOCATIONS)
@pytest.mark.parametrize("known", [HERE, GONE, {}], ids=["here", "evicted", "never acquired"])
def test_a_minted_link_ends_with_a_revocation(known: dict[str, Any], before: int, status: int) -> None:
    decided = decide(record(**known, revoked_before=before), MINTED, NOW)
    assert (decided == Refuse(NotFound, Reason.LINK_REVOKED)) is (status == 404)


@pytest.mark.parametrize("known", [HERE, GONE, {}], ids=["here", "evicted", "never acquired"])
def test_motions_link_ends_with_any_revocation(known: dict[str, Any]) -> None:
    assert decide(record(**known, revoked_before=1), MOTIONS, NOW) == Refuse(NotFound, Reason.LINK_REVOKED)


AGES = {"never": (None, True), "from a clock ahead": (-5, True), "just before": (DAY - 1, True), "then": (DAY, False)}


@together(("age", "lives"), AGES.values(), ids=AGES)
@together("known", [HERE, GONE, {}], ids=["here", "evicted", "never acquired"])
def test_motions_link_ends_so_long_after_its_first_fetch(
    known: dict[str, Any], age: float | None, *, lives: bool
) -> None:
    first = None if age is None else NOW - age
    decided = decide(record(**known, first_fetched_at=first), MOTIONS, NOW)
    assert (decided == Refuse(NotFound, Reason.LINK_EXPIRED)) is not lives


def test_a_minted_link_has_an_end_of_its_own_and_the_gateway_itself_none() -> None:
    known = record(**HERE, first_fetched_at=NOW - 9 * DAY)
    assert decide(known, MINTED, NOW) == served(known)
    known = record(**HERE, first_fetched_at=NOW - 9 * DAY, revoked_before=NOW + 1)
    assert decide(known, OURS, NOW) == served(known)


@pytest.mark.parametrize("claim", [MOTIONS, MINTED], ids=["Motion's link", "a minted link"])
def test_what_has_ended_is_told_before_what_failed(claim: LinkClaim) -> None:
    assert decide(record(revoked_before=NOW + 1, failure=failed(503)), claim, NOW) == Refuse(
        NotFound, Reason.LINK_REVOKED
    )


# Bytes.

BYTES: dict[str, tuple[dict[str, Any], LinkClaim, object]] = {
    "here, these": (HERE, OURS, "served"),
    "here, others by a token, and a link to them lives": (HERE, minted(digest=OTHER), Reason.OTHER_BYTES),
    "here, others by a token, and none lives": (OVER | {"stored": True}, minted(digest=OTHER), OTHER),
    "evicted, and a link lives": (GONE, MOTIONS, DIGEST),
    "evicted, and a link lives, by its token": (GONE, MINTED, DIGEST),
    "evicted, and a link lives, others by a token": (GONE, minted(digest=OTHER), Reason.OTHER_BYTES),
    "evicted, just before its links end": (OVER | {"live_until": NOW + 0.1}, OURS, DIGEST),
    "evicted, as its links end": (OVER, OURS, None),
    "evicted, as its links end, by a token": (OVER, MINTED, DIGEST),
    "evicted, as its links end, others by a token": (OVER, minted(digest=OTHER), OTHER),
    "forgotten": ({"live_until": NOW + DAY}, OURS, None),
    "forgotten, by a token": ({"live_until": NOW + DAY}, MINTED, DIGEST),
}


@together(("known", "claim", "expected"), BYTES.values(), ids=BYTES)
def test_the_bytes_are(known: dict[str, Any], claim: LinkClaim, expected: object) -> None:
    found = record(**known)
    if expected == "served":
        assert decide(found, claim, NOW) == served(found)
    elif expected == Reason.OTHER_BYTES:
        assert decide(found, claim, NOW) == Refuse(NotFound, Reason.OTHER_BYTES)
    else:
        assert decide(found, claim, NOW) == Acquire(record=found, wanted=expected)  # type: ignore[arg-type]


# What was tried before.


REMEMBERED: dict[str, tuple[LinkClaim, int, type[GatewayError], int]] = {
    "trouble, by Motion's link": (MOTIONS, 503, Unavailable, 5),
    "trouble, by a minted link": (MINTED, 503, Unavailable, 5),
    "too large, by Motion's link": (MOTIONS, 413, TooLarge, 60),
    "too large, by a minted link": (MINTED, 413, TooLarge, 60),
    "too large, for the gateway itself": (OURS, 413, TooLarge, 60),
}


@pytest.mark.parametrize(("claim", "status", "error", "seconds"), REMEMBERED.values(), ids=REMEMBERED)
def test_a_failure_is_remembered_for_a_while(
    claim: LinkClaim, status: int, error: type[GatewayError], seconds: int
) -> None:
    tried = record(failure=failed(status, digest=claim.digest))
    for later in (0, seconds - 0.1):
        assert decide(tried, claim, NOW + later) == Refuse(error, "as it was")
    for later in (-0.1, seconds):  # one from the future is not believed
        assert decide(tried, claim, NOW + later) == Acquire(record=tried, wanted=claim.digest)


@together(("asked", "told"), [(-1, True), (0, True), (0.1, False), (4, False)])
@every_claim
def test_a_miss_is_told_only_to_who_had_asked_before_motion_was(claim: LinkClaim, asked: float, *, told: bool) -> None:
    tried = record(failure=failed(404, digest=claim.digest))
    decided = decide(tried, claim, NOW + 4, asked_at=NOW + asked)
    assert decided == (Refuse(NotFound, "as it was") if told else Acquire(record=tried, wanted=claim.digest))


@pytest.mark.parametrize(("asked", "told"), [(-1, True), (0, True), (0.1, False)])
def test_a_passing_trouble_is_told_an_agent_only_if_he_had_asked_before_it_passed(asked: float, *, told: bool) -> None:
    tried = record(failure=failed(503))
    decided = decide(tried, OURS, NOW + 1, asked_at=NOW + asked)
    assert decided == (Refuse(Unavailable, "as it was") if told else Acquire(record=tried, wanted=None))


WANTED = {
    "any, and these were wanted": (None, MINTED, {}),
    "these, and any were wanted": (DIGEST, OURS, {}),
    "others, and these were wanted": (OTHER, MINTED, {}),
    "any, and a live link wants these": (None, OURS, GONE),
}


@pytest.mark.parametrize(("tried", "claim", "known"), WANTED.values(), ids=WANTED)
def test_a_failure_says_nothing_of_other_bytes(tried: bytes | None, claim: LinkClaim, known: dict[str, Any]) -> None:
    found = record(**known, failure=failed(digest=tried))
    wanted = DIGEST if known or claim is MINTED else None
    assert decide(found, claim, NOW) == Acquire(record=found, wanted=wanted)


@every_claim
def test_what_is_here_is_served_whatever_failed_meanwhile(claim: LinkClaim) -> None:
    known = record(**HERE, failure=failed(503, digest=claim.digest))
    assert decide(known, claim, NOW) == served(known)


# Inspections of another release.

INSPECTIONS: dict[str, tuple[dict[str, Any], LinkClaim, Inspection | None]] = {
    "of this release": ({}, MOTIONS, SEEN),
    "of another": ({"inspected_by": "0.0.1"}, MOTIONS, None),
    "of another, for the gateway itself": ({"inspected_by": "0.0.1"}, OURS, None),
    "of another, and the link was granted what it serves": ({"inspected_by": "0.0.1"}, MINTED, SEEN),
    "of another, and the link does not say": ({"inspected_by": "0.0.1"}, minted(kind=None), None),
    "lost": ({"inspection": None}, MINTED, None),
}


@pytest.mark.parametrize(("changes", "claim", "seen"), INSPECTIONS.values(), ids=INSPECTIONS)
def test_an_inspection_is_taken_as_it_is_if_it_is(
    changes: dict[str, Any], claim: LinkClaim, seen: Inspection | None
) -> None:
    known = record(**HERE | changes)
    assert decide(known, claim, NOW) == served(known, seen=seen)


moments = st.floats(NOW - 3 * DAY, NOW + 3 * DAY)
records = st.builds(
    KnownAttachment,
    attachment_id=st.just("7"),
    digest=st.sampled_from([None, DIGEST, OTHER]),
    inspection=st.sampled_from([None, SEEN]),
    inspected_by=st.sampled_from(["", __version__]),
    stored=st.booleans(),
    live_until=moments,
    first_fetched_at=st.none() | moments,
    revoked_before=st.none() | moments.map(int),
    failure=st.none() | st.builds(Failure, reason=st.just("x"), status=st.sampled_from([404, 413, 503]),
                                  digest=st.sampled_from([None, DIGEST]), at=moments),
)  # fmt: skip


@given(records, st.sampled_from([*CLAIMS.values(), minted(digest=OTHER), minted(kind=None)]), moments)
def test_whatever_is_known_no_claim_gets_other_bytes_than_it_asks_for(
    known: KnownAttachment, claim: LinkClaim, now: float
) -> None:
    decided = decide(known, claim, now)
    if isinstance(decided, Serve):
        assert (decided.digest, known.stored) == (known.digest, True)
        assert claim.digest in (None, decided.digest)
    elif isinstance(decided, Acquire):
        assert claim.digest in (None, decided.wanted)
    else:
        assert issubclass(decided.error, (NotFound, TooLarge, Unavailable))

"""What Motion is given: as Sinch sent it; with links of ours to files, or signed anew, where the settings say so."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from gateway.attachments import tokens
from gateway.attachments.tokens import Purpose
from gateway.delivery import claims, parcel
from gateway.delivery.claims import Claim
from gateway.delivery.parcel import Packer, Parcel
from gateway.inbound import arrivals, places
from gateway.ingress import intake, signature
from gateway.phrases import Finding
from gateway.store import schema
from gateway.store.engines import Database
from sandbox import signing
from tests import config_samples, inbound_samples
from tests.inbound_samples import THROUGH
from tests.spool_samples import NOW, callback, rows

SECRET = "the secret of these tests"
NONCE = "01FJA8B4A7BM43YGWSG9GBV067"
BODY = b'{"message":{"id":"m1"}}\n'
SIGNED_AT = 1_700_000_000
DAY = 86_400.0


def claim(*, body: bytes = BODY, headers: dict[str, str] | None = None, connector: int = 7, event_id: int = 7) -> Claim:
    told = signing.sign(body, SECRET, NONCE, SIGNED_AT) if headers is None else headers
    return Claim(
        (("content-type", "application/json"), *told.items()),
        event_id=event_id,
        lane="contact:c1",
        connector_id=connector,
        kind="MESSAGE_INBOUND",
        request_id="r-1",
        address="192.0.2.7",
        query="",
        body=body,
        accepted_at=SIGNED_AT + 1.0,
        tries=1,
        failures=0,
        failing_since=None,
        number=1,
        leased_until=SIGNED_AT + 90.0,
    )


def packed(taken: Claim, *, after: float, sign: str, secrets: tuple[str, ...] = (SECRET,), **account: Any) -> Parcel:
    settings = config_samples.settings(
        motion={"sign": sign}, account=[config_samples.account(webhook_secrets=list(secrets), **account)]
    )
    packer = Packer(settings, Database("nowhere", patience_seconds=0), patiently=at_once)
    return packer.pack(taken, arrivals.AS_IT_CAME, now=SIGNED_AT + after)


def at_once(write: Callable[[], object], *, forever: bool = False) -> None:
    del forever
    write()


LATE = parcel.LATE_SECONDS
WHEN = {
    "as it was sent, at once": ("as-sent", 0, False),
    "as it was sent, after days": ("as-sent", 3 * DAY, False),
    "late, at once": ("late", 0, False),
    "late, just in time": ("late", LATE - 0.1, False),
    "late, a minute old": ("late", LATE, True),
    "late, after days": ("late", 3 * DAY, True),
    "late, from the future": ("late", -300, False),
    "always, a second later": ("always", 1, True),
    "always, from the future": ("always", -300, True),
}


@pytest.mark.parametrize(("sign", "after", "anew"), WHEN.values(), ids=WHEN)
def test_a_signature_is_made_anew_when_the_settings_say_so(sign: str, after: float, *, anew: bool) -> None:
    taken = claim()
    got = packed(taken, after=after, sign=sign)
    assert got.signed_anew is anew
    assert got.body == BODY
    proof = signature.verify(got.body, dict(got.headers), secrets=(SECRET,))
    assert proof == signature.Proof(NONCE, SIGNED_AT + int(after) if anew else SIGNED_AT)
    assert (got.headers == taken.headers) is not anew


def test_what_was_not_signed_is_given_as_it_came() -> None:
    taken = claim(headers={})
    unsigned = packed(taken, after=DAY, sign="always", secrets=(), unsigned="allow", receive_token="x" * 16)
    assert unsigned == Parcel(taken.headers, BODY, signed_anew=False)


def test_an_event_of_an_account_that_is_gone_is_given_as_it_came() -> None:
    taken = claim(connector=8)
    assert packed(taken, after=DAY, sign="always") == Parcel(taken.headers, BODY, signed_anew=False)


# Files of customers

PARTS = re.compile(r"https://gateway[.]internal:8444/media/([^/]+)/([^/]+)")
LINKED: dict[str, tuple[tuple[str, ...], int, list[str], tuple[Finding, ...]]] = {
    "a file": (("kept",), 0, ["photo%201.jpg"], ()),
    "several, and one that was let go": (("kept", "released"), 0, ["photo%201.jpg", "photo%202.jpg"], ()),
    "one that is held back": (("held",), 0, ["held%20back.txt"], ()),
    "one that cannot be had": (("failed",), 0, [""], (Finding.MEDIA_FAILED,)),
    "one that is not there yet": (("waiting",), 1, [""], (Finding.MEDIA_LATE,)),
    "some of each": (
        ("kept", "waiting", "failed"),
        1,
        ["photo%201.jpg", "", ""],
        (Finding.MEDIA_LATE, Finding.MEDIA_FAILED),
    ),
    "one of which nothing is known yet": ((), 1, [""], (Finding.MEDIA_LATE,)),
    "one that nobody was told to fetch": ((), 0, [""], ()),
}


@pytest.mark.parametrize(("states", "media", "names", "found"), LINKED.values(), ids=LINKED)
def test_links_of_ours_stand_where_there_is_something_and_no_other_byte_changes(
    spool: Database, vendors: Any, states: tuple[str, ...], media: int, names: list[str], found: tuple[Finding, ...]
) -> None:
    sent = inbound_samples.body(links=len(names))
    event_id = intake.accept(spool, callback(body=sent), now=SIGNED_AT).event_id
    inbound_samples.known(spool, event_id, *states, media=media)
    settings = config_samples.settings(**THROUGH, account=[config_samples.account(webhook_secrets=["another", SECRET])])
    packer, taken = Packer(settings, spool, patiently=at_once), claim(body=sent, event_id=event_id)
    contents = packer.look(taken, now=SIGNED_AT + 40.0)
    assert contents
    got = packer.pack(taken, contents, now=SIGNED_AT + 40.0)
    assert contents.findings == found
    assert (got.signed_anew, got.body != sent) == (any(names), any(names))
    assert vendors(SECRET).validate_authentication_header(dict(got.headers), got.body)
    assert got.headers[0] == taken.headers[0]
    links = [link.url for link in places.find(got.body)]
    for number, (link, name, before) in enumerate(zip(links, names, places.find(sent), strict=True), 1):
        assert link == before.url if not name else PARTS.fullmatch(link)
        if name:
            token, told = PARTS.fullmatch(link).groups()  # type: ignore[union-attr]
            grant = tokens.open(token, keys=[inbound_samples.KEY], now=SIGNED_AT + 40.0 + 7 * DAY - 1)
            assert (told, grant.purpose, grant.attachment_id) == (name, Purpose.INBOUND, f"in{event_id}.{number}")
    there = places.find(got.body)
    restored = places.replaced(got.body, {link: f"#{n}" for n, link in enumerate(there)})
    assert restored == places.replaced(sent, {link: f"#{n}" for n, link in enumerate(places.find(sent))})


def test_what_the_vault_keeps_no_longer_is_not_linked_to(spool: Database) -> None:
    sent = inbound_samples.body(links=2)
    event_id = intake.accept(spool, callback(body=sent), now=SIGNED_AT).event_id
    inbound_samples.known(spool, event_id, "kept", "held", vault=False)
    packer = Packer(config_samples.settings(**THROUGH), spool, patiently=at_once)
    contents = packer.look(claim(body=sent, event_id=event_id), now=SIGNED_AT + 8 * DAY)
    assert contents
    assert contents.findings == (Finding.MEDIA_FAILED,)
    got = packer.pack(claim(body=sent, event_id=event_id), contents, now=SIGNED_AT + 8 * DAY)
    assert [link.url == before.url for link, before in zip(places.find(got.body), places.find(sent), strict=True)] == [
        True,
        False,  # the note is there
    ]


@pytest.mark.parametrize("media", ["pass", "keep"])
def test_where_files_do_not_come_through_nothing_changes_and_nothing_is_asked(media: str) -> None:
    sent = inbound_samples.body()
    settings = config_samples.settings(**THROUGH | {"inbound": {"media": media}})
    packer = Packer(settings, Database("nowhere", patience_seconds=0), patiently=at_once)
    taken = claim(body=sent)
    assert packer.look(taken, now=SIGNED_AT + 40.0) == arrivals.AS_IT_CAME
    assert packer.pack(taken, arrivals.AS_IT_CAME, now=SIGNED_AT + DAY) == Parcel(
        taken.headers, sent, signed_anew=False
    )


@pytest.mark.both_engines
@pytest.mark.parametrize(("media", "due_at"), [(1, NOW + 30.0), (0, 0.0)], ids=["on its way", "come meanwhile"])
def test_who_waits_for_a_file_is_not_put_off_where_that_has_just_come(
    spool: Database, media: int, due_at: float
) -> None:
    intake.accept(spool, callback(body=inbound_samples.body(), media=1), now=NOW)
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    inbound_samples.known(spool, taken.event_id, "waiting" if media else "kept", media=media)
    assert parcel.let_wait(spool, taken, until=NOW + 30.0, now=NOW, probe=False)
    [lane], [event] = rows(spool, schema.lane), rows(spool, schema.event)
    assert (lane.due_at, lane.claimed_event, event.tries) == (due_at, None, 0)
    assert not parcel.let_wait(spool, taken, until=NOW + 30.0, now=NOW, probe=False)  # it is another's by now

"""What Motion is given: as Sinch sent it, or signed anew where the settings say so."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.delivery import parcel
from gateway.delivery.claims import Claim
from gateway.delivery.parcel import Packer, Parcel
from gateway.ingress import signature
from sandbox import signing
from tests import config_samples

SECRET = "the secret of these tests"
NONCE = "01FJA8B4A7BM43YGWSG9GBV067"
BODY = b'{"message":{"id":"m1"}}\n'
SIGNED_AT = 1_700_000_000
DAY = 86_400.0


def claim(*, body: bytes = BODY, headers: dict[str, str] | None = None, connector: int = 7) -> Claim:
    told = signing.sign(body, SECRET, NONCE, SIGNED_AT) if headers is None else headers
    return Claim(
        (("content-type", "application/json"), *told.items()),
        event_id=7,
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
    return Packer(settings).pack(taken, now=SIGNED_AT + after)


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

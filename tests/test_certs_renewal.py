"""When a certificate is had from an authority, and when the next one."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from gateway.certs import acme, renewal
from gateway.certs.acme import RenewalWindow
from tests.certificate_samples import DAY, HOST, NOW, authority, made

CA = authority("an authority")


def leaf(**variant: Any) -> x509.Certificate:
    return made("leaf", CA, **variant).certificate


NINETY: dict[str, Any] = {"before": 59 * DAY, "after": 31 * DAY}
DUE: dict[str, tuple[list[x509.Certificate], dict[str, Any], str]] = {
    "nothing is there": ([], {}, "there is none yet"),
    "it is of the meantime": ([made("leaf").certificate], {}, "signed by itself"),
    "a name is new": ([leaf(**NINETY)], {"wanted": (HOST, "other.example.com")}, "is not for other.example.com"),
    "it is of the staging authority": ([leaf(**NINETY)], {"from_another": True}, "came from another authority"),
    "two thirds of its life are over": ([leaf(before=60 * DAY, after=30 * DAY)], {}, "was due on"),
    "it has ended": ([leaf(before=90 * DAY, after=-DAY)], {}, "was due on"),
    "the authority wants it back": (
        [leaf(before=DAY, after=89 * DAY)],
        {"window": lambda _: RenewalWindow(NOW - 2 * DAY, NOW - DAY)},
        "was due on",
    ),
}


@pytest.mark.parametrize(("chain", "told", "because"), DUE.values(), ids=DUE)
def test_it_is_had_at_once_where(chain: list[x509.Certificate], told: dict[str, Any], because: str) -> None:
    decided = renewal.plan(chain, **{"wanted": (HOST,), "now": NOW} | told)
    assert (because in decided.because, decided.at) == (True, None), decided


def test_until_two_thirds_of_its_life_nothing_is_done() -> None:
    assert renewal.plan([leaf(**NINETY)], (HOST,), now=NOW).at == NOW + DAY


def test_an_authority_that_says_when_is_heeded_at_a_moment_that_is_the_same_each_time() -> None:
    window = RenewalWindow(NOW + 10 * DAY, NOW + 12 * DAY)
    late = RenewalWindow(NOW + 40 * DAY, NOW + 50 * DAY)
    assert renewal.plan([leaf(**NINETY)], (HOST,), now=NOW, window=lambda _: late).at == NOW + 22 * DAY
    found = {renewal.plan([leaf(**NINETY)], (HOST,), now=NOW, window=lambda _: window).at for _ in range(3)}
    one = leaf(**NINETY)
    assert {renewal.due_at(one, window) for _ in range(3)} == {renewal.due_at(one, window)}
    assert all(at is not None and window.begin <= at <= window.end for at in found)
    assert len(found) > 1  # each certificate has its own


def test_a_certificate_is_named_to_its_authority_as_rfc_9773_does() -> None:
    """Its own example (4.1): a serial whose first bit is set has a byte of zeros before it."""
    issuer = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    assert acme.renewal_id(issuer, 0x87654321) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

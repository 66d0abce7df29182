"""Judges times: whether the certificate is valid today, for how long still, and for how long at all."""

from __future__ import annotations

import datetime

from cryptography import x509

from gateway.certs import findings, subject
from gateway.certs.findings import Finding
from gateway.certs.subject import Subject

# certbot renews when a third of a certificate's life is left: 30 of 90 days, 15 of 45. At a quarter that has failed
# for a while. Who renews by hand needs no more than three weeks of warning, however long the certificate lives.
SOON = datetime.timedelta(days=21)
SOON_PARTS = 4

LONGEST_LIFE_DAYS = 366  # of Mozilla's intermediate profile 5.7; public CAs have to stay below it anyway


def of_leaf(asked: Subject) -> Finding:
    leaf, now = asked.leaf, asked.place.now
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now > end:
        return findings.found("certs.expired", f"the certificate expired on {end:%Y-%m-%d}")
    if now < begin:
        return findings.found("certs.not_yet_valid", f"the certificate is valid from {begin:%Y-%m-%d %H:%M} UTC on")
    left = end - now
    sentence = f"{_days(left)} left, until {end:%Y-%m-%d}"
    soon = left < min(SOON, _life(leaf) / SOON_PARTS)
    return findings.found("certs.expires_soon", sentence) if soon else findings.fine(sentence)


def of_issuers(asked: Subject) -> Finding:
    for at, certificate in enumerate(asked.chain[1:], 2):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not begin <= asked.place.now <= end:
            return findings.found(
                "certs.issuer_invalid",
                f"certificate {at} of the file, {subject.title(certificate.subject)}, is valid from "
                f"{begin:%Y-%m-%d} to {end:%Y-%m-%d} only",
            )
    others = len(asked.chain) > 1
    return findings.fine("all others of the file are valid today" if others else "there are no others in the file")


def life(asked: Subject) -> Finding:
    span = _life(asked.leaf)
    if span.days > LONGEST_LIFE_DAYS:
        allowed = f"Mozilla's intermediate profile allows {LONGEST_LIFE_DAYS}"
        return findings.found("certs.long_lived", f"it lives for {_days(span)}; {allowed}")
    return findings.fine(f"it lives for {_days(span)}")


def _life(certificate: x509.Certificate) -> datetime.timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def _days(span: datetime.timedelta) -> str:
    return f"{span.days} day{'' if span.days == 1 else 's'}"

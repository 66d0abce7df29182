"""Goes through all certificates that the settings name: those that are shown, and the CAs that are believed."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway import certs
from gateway.certs import findings, judging, subject
from gateway.certs.subject import Target
from gateway.config.listeners import SINCH_NAMES
from gateway.config.tables import ServerSettings, Settings

# With these the gateway does not start, or nobody whom it is for believes it. All else is a warning.
IN_THE_WAY = frozenset(
    f"certs.{name}"
    for name in (
        "authority_expired",
        "certificate_malformed",
        "certificate_unreadable",
        "chain_disordered",
        "expired",
        "issuer_invalid",
        "key_encrypted",
        "key_malformed",
        "key_mismatch",
        "key_unreadable",
        "name_not_covered",
        "not_yet_valid",
        "private_name_not_covered",
    )
)
_OF_THE_KEY = ("key", "pair", "key rights")


@dataclass(frozen=True)
class Judgement:
    """What was found of a file, and the setting that names it; `soon`: it has ended, or will before long."""

    setting: str
    path: Path
    finding: findings.CertificateFinding
    soon: bool = False

    @property
    def is_in_the_way(self) -> bool:
        """Tell whether the gateway does not start with it, or is not believed."""
        return self.finding.id in IN_THE_WAY


def public(server: ServerSettings, *, now: datetime.datetime) -> Target:
    """Say what is to be checked of the public door."""
    return Target(server.public_host, server.certificate, server.private_key, now=now)


def private(server: ServerSettings, *, now: datetime.datetime) -> Target:
    """Say what is to be checked of the private door. By its address Motion calls it only where it has no name."""
    host, *others = (*server.outbound_names, *(SINCH_NAMES.values() if server.sinch_names else ())) or (
        server.outbound_address,
    )
    return Target(
        host,
        server.outbound_certificate or server.certificate,
        server.outbound_private_key or server.private_key,
        now=now,
        private=True,
        others=tuple(others),
    )


def judge(settings: Settings, *, now: datetime.datetime) -> Iterator[Judgement]:
    """Judge every file: what is wrong with it, and when it ends. What is not judged for another's sake is left out.

    Raises CommandError if a file that was there is gone at the second look.
    """
    server = settings.server
    yield from _pair(public(server, now=now), "server.")
    if server.outbound_certificate and server.has_outbound:
        yield from _pair(private(server, now=now), "server.outbound_")
    elif server.has_outbound:  # both doors show one pair, by other names
        yield from _pair(private(server, now=now), "server.outbound_", only="name")
    for name in ("motion", "sinch"):
        if path := getattr(settings, name).ca_file:
            yield authority(f"{name}.ca_file", path, now=now)


def authority(setting: str, path: Path, *, now: datetime.datetime) -> Judgement:
    """Judge a file of CAs that are believed: it is good for as long as one of them is."""
    chain, finding = subject.chain(path)
    if not chain:
        return Judgement(setting, path, finding)
    last = max(chain, key=lambda certificate: certificate.not_valid_after_utc)
    ends, soon = last.not_valid_after_utc, judging.ends_soon(last, now=now)
    if now > ends:
        finding = findings.found("certs.authority_expired", f"all in {path} have expired, the last on {ends:%Y-%m-%d}")
    elif now < min(certificate.not_valid_before_utc for certificate in chain):
        finding = findings.found("certs.not_yet_valid", f"none in {path} is valid yet")
    elif soon:
        finding = findings.found("certs.authority_ends_soon", f"{judging.left(ends, now=now)} for the last in {path}")
    return Judgement(setting, path, finding, soon)


def _pair(target: Target, prefix: str, *, only: str = "") -> Iterator[Judgement]:
    chain, _ = subject.chain(target.certificate)
    for row in certs.check(target):
        if row.finding.level == "unknown" or row.check != (only or row.check):
            continue
        of_key = row.check in _OF_THE_KEY
        yield Judgement(
            prefix + ("private_key" if of_key else "certificate"),
            target.private_key if of_key else target.certificate,
            row.finding,
            row.check == "validity" and judging.ends_soon(chain[0], now=target.now),
        )

"""Judges a certificate by itself: its names, its times, its strength, and who may read its key.

1. Only the alternative names count; the subject's common name does not (RFC 9525, 1.4).
2. `*` stands for exactly one label, the first, and for the whole of it (6.3). As in OpenSSL it needs two
   labels behind it: nobody may own all of `.com`.
3. An address is compared as an address, with the certificate's addresses alone.
4. Keys, signatures and usages are held against Mozilla's intermediate profile 5.7 (certificate_curves, rsa_key_size,
   certificate_signatures) and public CAs; of the signatures also RSA with the longer hashes, which these CAs use and
   every client reads.
"""

from __future__ import annotations

import datetime
import ipaddress
import stat
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.certs import findings, subject
from gateway.certs.findings import CertificateFinding
from gateway.certs.subject import Subject

LEAST_LABELS_AFTER_WILDCARD = 2

# certbot renews when a third of a certificate's life is left: 30 of 90 days, 15 of 45. At a quarter that has failed
# for a while. Who renews by hand needs no more than three weeks of warning, however long the certificate lives.
SOON = datetime.timedelta(days=21)
SOON_PARTS = 4

# What lives so short is renewed every few days by a machine, and never has three weeks.
SHORT_LIFE = datetime.timedelta(days=8)

LONGEST_LIFE_DAYS = 366  # of Mozilla's intermediate profile 5.7; public CAs have to stay below it anyway

LEAST_RSA_BITS = 2048
CURVES = ("secp256r1", "secp384r1")
HASHES = ("sha256", "sha384", "sha512")

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def hosts(asked: Subject) -> CertificateFinding:
    """Judge whether the certificate is for the host that Sinch calls, or for all by which Motion does."""
    target = asked.target
    found = {host: covering(host, asked.leaf) for host in (target.host, *target.others)}
    missing = next((host for host, covered in found.items() if covered is None), None)
    if missing is None:
        return findings.fine("; ".join(f"{host} is covered by {covered}" for host, covered in found.items()))
    others = ", ".join(subject.shown(str(other.value)) for other in alternatives(asked.leaf)) or "none at all"
    identifier = "certs.private_name_not_covered" if target.private else "certs.name_not_covered"
    return findings.found(identifier, f"{missing} is not among its names: {others}")


def covering(host: str, certificate: x509.Certificate) -> str | None:
    """Find the name in the certificate that covers `host` (IPv6 with or without brackets), if one does."""
    names = alternatives(certificate)
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return next((name for name in names.get_values_for_type(x509.DNSName) if _covers(name, host)), None)
    return str(address) if address in names.get_values_for_type(x509.IPAddress) else None


def alternatives(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    """Read its alternative names; none where the extension is missing."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def validity(asked: Subject) -> CertificateFinding:
    """Judge whether it is valid today, and for how long still."""
    leaf, now = asked.leaf, asked.target.now
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now > end:
        return findings.found("certs.expired", f"the certificate expired on {end:%Y-%m-%d}")
    if now < begin:
        return findings.found("certs.not_yet_valid", f"the certificate is valid from {begin:%Y-%m-%d %H:%M} UTC on")
    sentence, soon = left(end, now=now), end - now < min(SOON, _life(leaf) / SOON_PARTS)
    return findings.found("certs.expires_soon", sentence) if soon else findings.fine(sentence)


def ends_soon(certificate: x509.Certificate, *, now: datetime.datetime) -> bool:
    """Tell whether it has ended, or will within three weeks; one that lives short, within a quarter of its life."""
    span = _life(certificate)
    return certificate.not_valid_after_utc - now < (span / SOON_PARTS if span < SHORT_LIFE else SOON)


def left(end: datetime.datetime, *, now: datetime.datetime) -> str:
    """Say how long it is until `end`, and which day that is."""
    return f"{_days(end - now)} left, until {end:%Y-%m-%d}"


def issuers_validity(asked: Subject) -> CertificateFinding:
    """Judge whether the others of the file are valid today."""
    for at, certificate in enumerate(asked.chain[1:], 2):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not begin <= asked.target.now <= end:
            return findings.found(
                "certs.issuer_invalid",
                f"certificate {at} of the file, {subject.title(certificate.subject)}, is valid from "
                f"{begin:%Y-%m-%d} to {end:%Y-%m-%d} only",
            )
    others = len(asked.chain) > 1
    return findings.fine("all others of the file are valid today" if others else "there are no others in the file")


def life(asked: Subject) -> CertificateFinding:
    """Judge how long it lives at all."""
    span = _life(asked.leaf)
    if span.days > LONGEST_LIFE_DAYS:
        allowed = f"Mozilla's intermediate profile allows {LONGEST_LIFE_DAYS}"
        return findings.found("certs.long_lived", f"it lives for {_days(span)}; {allowed}")
    return findings.fine(f"it lives for {_days(span)}")


def key_strength(asked: Subject) -> CertificateFinding:
    """Judge whether clients accept the keys of the whole chain."""
    for at, certificate in enumerate(asked.chain, 1):
        if not _is_accepted(certificate):
            return findings.found(
                "certs.key_unsuitable",
                f"the key of certificate {at} of the file is {_key_kind(certificate)}; accepted everywhere are "
                f"RSA from {LEAST_RSA_BITS} bits on, and ECDSA with P-256 or P-384",
            )
    return findings.fine(f"the key is {_key_kind(asked.leaf)}")


def signature_strength(asked: Subject) -> CertificateFinding:
    """Judge whether clients accept the signatures of the whole chain."""
    for at, certificate in enumerate(asked.chain, 1):
        # Nobody looks at the signature of a root: it is trusted for its key.
        if _hash(certificate) not in HASHES and certificate.subject != certificate.issuer:
            return findings.found(
                "certs.signature_unsuitable",
                f"certificate {at} of the file is signed with {_hash(certificate)}; accepted everywhere are SHA-256 "
                "and longer ones",
            )
    return findings.fine(f"signed with {_hash(asked.leaf)}")


def usage(asked: Subject) -> CertificateFinding:
    """Judge whether it is made for servers."""
    purposes = _extension(asked.leaf, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.SERVER_AUTH not in purposes:
        return findings.found("certs.usage_missing", "serverAuth is not among its purposes")
    deeds = _extension(asked.leaf, x509.KeyUsage)
    if deeds is not None and not deeds.digital_signature:
        return findings.found("certs.usage_missing", "digitalSignature is not among the usages of its key")
    limits = _extension(asked.leaf, x509.BasicConstraints)
    if limits is not None and limits.ca:
        return findings.found("certs.usage_authority", "it is the certificate of a CA")
    return findings.fine("it is made for servers")


def key_rights(asked: Subject) -> CertificateFinding:
    """Judge whether the key is its owner's alone."""
    path = asked.target.private_key
    mode = _mode(path)
    if mode & stat.S_IRWXO:
        return findings.found("certs.key_readable_by_all", f"every account of this machine may use {_shown(path)}")
    if mode & stat.S_IRWXG:
        return findings.found("certs.key_readable_by_group", f"the group of the file may use {_shown(path)}")
    return findings.fine(f"only its owner may use {_shown(path)}")


def folder_rights(asked: Subject) -> CertificateFinding:
    """Judge whether somebody else could exchange certificate or key: by their folders, or by writing into them."""
    places = _places(asked)
    for path in places:
        if _mode(path) & stat.S_IWOTH:
            return findings.found("certs.replaceable_by_all", f"every account of this machine may write {_shown(path)}")
    for path in places:
        if _mode(path) & stat.S_IWGRP:
            return findings.found("certs.replaceable_by_group", f"the group of it may write {_shown(path)}")
    return findings.fine("only their owners may exchange the files")


def _covers(pattern: str, host: str) -> bool:
    pattern, host = pattern.lower(), host.lower()
    first, _, rest = pattern.partition(".")
    if first != "*":
        return pattern == host
    label, _, rest_of_host = host.partition(".")
    return bool(label) and rest == rest_of_host and rest.count(".") >= LEAST_LABELS_AFTER_WILDCARD - 1


def _life(certificate: x509.Certificate) -> datetime.timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def _days(span: datetime.timedelta) -> str:
    return f"{span.days} day{'' if span.days == 1 else 's'}"


def _is_accepted(certificate: x509.Certificate) -> bool:
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return public.key_size >= LEAST_RSA_BITS
    return isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in CURVES


def _key_kind(certificate: x509.Certificate) -> str:
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA with {public.key_size} bits"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"ECDSA with {public.curve.name}"
    return type(public).__name__.removesuffix("PublicKey")


def _hash(certificate: x509.Certificate) -> str:
    try:
        used = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        used = None
    # What has no hash of its own (Ed25519) or none that is known is told by the number of its kind.
    return certificate.signature_algorithm_oid.dotted_string if used is None else used.name


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _places(asked: Subject) -> list[Path]:
    """The files and their folders, on both ends of links: certbot's own lead from `live` to `archive`."""
    found = []
    for path in (asked.target.certificate, asked.target.private_key):
        found += [path.parent, path.resolve().parent, path.resolve()]
    return list(dict.fromkeys(found))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _shown(path: Path) -> str:
    return f"{path} (mode {_mode(path):o})"

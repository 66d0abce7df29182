"""Reads a certificate, its chain and its key, with all that later checks look at."""

from __future__ import annotations

import datetime
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import printable
from gateway.certs import findings
from gateway.certs.findings import CertificateFinding
from gateway.errors import CommandError

# Names that no DNS knows (RFC 6761), and this machine's own: what Sinch would not accept is fine there.
FOR_TRIALS = re.compile(r"(.*\.)?(localhost|test|invalid)|127\..*|\[::1\]")
LARGEST_FILE_BYTES = 1 << 20  # a chain has some 5 kB

Chain: TypeAlias = tuple[x509.Certificate, ...]

# All that cryptography raises for bytes that are no certificate, or none that it knows.
_MALFORMED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True)
class Target:
    """What is to be checked: the host, where its certificate and key are, and when.

    `roots`: a PEM file of what clients trust; without it what this system trusts. `private`: it is shown to Motion
    alone, which trusts the root that stands in the file; `others`: what else it is called.
    """

    host: str
    certificate: Path
    private_key: Path
    now: datetime.datetime
    roots: Path | None = None
    private: bool = False
    others: tuple[str, ...] = ()

    @property
    def is_for_trials(self) -> bool:
        return FOR_TRIALS.fullmatch(self.host) is not None


@dataclass(frozen=True)
class Subject:
    """A target with what could be read there: a chain (leaf first) or nothing, a key or none."""

    target: Target
    chain: Chain
    key: PrivateKeyTypes | None = field(repr=False)
    chain_finding: CertificateFinding
    key_finding: CertificateFinding

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def matches(self) -> bool:
        return bool(self.chain) and has_key(self.leaf, self.key)


def read(target: Target) -> Subject:
    """Read both files. What is wrong with them stands in the findings of the subject."""
    certificates, chain_finding = chain(target.certificate)
    key, key_finding = _key(target.private_key)
    return Subject(target, certificates, key, chain_finding, key_finding)


def chain(path: Path) -> tuple[Chain, CertificateFinding]:
    """Read the certificates of a file, and say what is wrong with it."""
    try:
        pem = _content(path)
    except OSError as error:
        return (), findings.found("certs.certificate_unreadable", f"{path} cannot be read: {error.strerror}")
    try:
        found = tuple(x509.load_pem_x509_certificates(pem))
        for certificate in found:
            _understand(certificate)
    except _MALFORMED:
        return (), findings.found("certs.certificate_malformed", f"{path} holds something that is no certificate")
    return found, findings.fine(f"{path} holds {len(found)} certificate{'s' if len(found) > 1 else ''}")


def fingerprint(path: Path) -> str:
    """Say the SHA-256, in hex, of the certificate at `path` that is served. Raises CommandError where there is none."""
    found, finding = chain(path)
    if not found:
        raise CommandError(finding.sentence)
    return found[0].fingerprint(hashes.SHA256()).hex()


def is_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether `issuer` is named in the certificate and has signed it."""
    if certificate.issuer != issuer.subject:
        return False
    with suppress(*_MALFORMED):  # SHA-1, for instance, is not verified any more: then the name has to do
        try:
            certificate.verify_directly_issued_by(issuer)
        except InvalidSignature:
            return False
    return True


def has_key(certificate: x509.Certificate, key: PrivateKeyTypes | None) -> bool:
    return key is not None and key.public_key() == certificate.public_key()


def title(name: x509.Name) -> str:
    """Write a distinguished name in one line that any terminal can show."""
    return shown(name.rfc4514_string()) or "(no name)"


def shown(text: str) -> str:
    """Write what a certificate says as any terminal can show it."""
    return printable.text(text, instead="?")


def _key(path: Path) -> tuple[PrivateKeyTypes | None, CertificateFinding]:
    try:
        pem = _content(path)
    except OSError as error:
        return None, findings.found("certs.key_unreadable", f"{path} cannot be read: {error.strerror}")
    if b"ENCRYPTED" in pem:  # PKCS #8 says so in its first line, older forms in the second
        return None, findings.found("certs.key_encrypted", f"the key in {path} is locked by a password")
    try:
        key = load_pem_private_key(pem, password=None)
    except _MALFORMED:
        return None, findings.found("certs.key_malformed", f"{path} holds no private key")
    return key, findings.fine(f"{path} holds a private key")


def _content(path: Path) -> bytes:
    # Looked at before it is opened: a pipe would keep us waiting.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "it is no file", str(path))
    with path.open("rb") as file:
        return file.read(LARGEST_FILE_BYTES)


def _understand(certificate: x509.Certificate) -> None:
    """Raises what cryptography raises when it is asked for a part that is malformed: it parses late."""
    _ = (
        certificate.subject,
        certificate.issuer,
        certificate.extensions,
        certificate.public_key(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.signature_algorithm_oid,
    )

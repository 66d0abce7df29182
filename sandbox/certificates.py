"""Certificates of every kind, right and wrong, and those of one sandbox. Keys are mode 600."""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_LIFE = timedelta(days=7)
_CLOCK_SKEW = timedelta(minutes=5)
_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
OF_AUTHORITY: dict[str, Any] = {"names": None, "purposes": None, "ca": True, "uses": ("key_cert_sign", "crl_sign")}

Extension = tuple[x509.ExtensionType, bool]  # and whether it is critical


@dataclass(frozen=True)
class Signer:
    """A certificate with its key, which may sign others."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return locked(self.key, serialization.NoEncryption())

    def context(self) -> ssl.SSLContext:
        """A server's that presents it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.pem + self.key_pem)
            file.flush()
            context.load_cert_chain(file.name)
        return context


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where the certificates lie; the authority's own key is not kept."""

    ca: Path
    certificate: Path
    private_key: Path

    def context(self) -> ssl.SSLContext:
        """A server's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.private_key)
        return context


def issue(folder: Path, *names: str, **variant: Any) -> Files:  # noqa: ANN401 - as `made`
    """Write a CA and a server certificate for these host names and addresses into `folder`, a `variant` of `made`."""
    files = Files(ca=folder / "ca.pem", certificate=folder / "fullchain.pem", private_key=folder / "privkey.pem")
    ca = authority("Motion Gateway sandbox CA", path_length=0)
    leaf = made("Motion Gateway sandbox", ca, names=names, **variant)
    files.ca.write_bytes(ca.pem)
    files.certificate.write_bytes(leaf.pem + ca.pem)
    write_secret(files.private_key, leaf.key_pem)
    return files


def write_secret(path: Path, content: bytes) -> None:
    """Create a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def locked(key: Any, encryption: serialization.KeySerializationEncryption) -> bytes:  # noqa: ANN401 - of any kind
    """A private key in PEM."""
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return pem


def authority(name: str, issuer: Signer | None = None, **variant: Any) -> Signer:  # noqa: ANN401 - as `made`
    """A CA: a root, or an intermediate if it has an issuer."""
    return made(name, issuer, **(OF_AUTHORITY | variant))


def made(
    name: str,
    issuer: Signer | None = None,
    *,
    key: Any = None,  # noqa: ANN401 - of any kind
    begins: datetime | None = None,
    ends: datetime | None = None,
    digest: Any = None,  # noqa: ANN401 - of any kind
    ca: bool | None = False,
    **about: Any,  # noqa: ANN401 - as `_extensions`
) -> Signer:
    """A certificate; without `issuer` signed by itself, without dates good for a week. None leaves an extension out."""
    now = datetime.now(UTC)
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject, signing = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), issuer.key if issuer else key
    builder = x509.CertificateBuilder(
        issuer_name=issuer.certificate.subject if issuer else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=begins or now - _CLOCK_SKEW,
        not_valid_after=ends or now + _LIFE,
    )
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    builder = builder.add_extension(theirs, critical=False)
    for extension, critical in _extensions(ca=ca, **about):
        builder = builder.add_extension(extension, critical=critical)
    ed = isinstance(signing, ed25519.Ed25519PrivateKey)
    return Signer(builder.sign(signing, None if ed else digest or hashes.SHA256()), key)


def _extensions(
    *,
    ca: bool | None,
    names: Sequence[str] | None = None,
    path_length: int | None = None,
    purposes: Sequence[x509.ObjectIdentifier] | None = (SERVER,),
    uses: Sequence[str] = (),
    offered_at: str | None = None,
) -> list[Extension]:
    found: list[Extension] = []
    if names is not None:
        found.append((x509.SubjectAlternativeName([_alternative(name) for name in names]), False))
    if ca is not None:
        found.append((x509.BasicConstraints(ca=ca, path_length=path_length), True))
    if purposes is not None:
        found.append((x509.ExtendedKeyUsage(purposes), False))
    if uses:
        found.append((x509.KeyUsage(**{use: use in uses for use in _USES}), True))
    if offered_at is not None:
        place = x509.UniformResourceIdentifier(offered_at)
        offer = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
        found.append((x509.AuthorityInformationAccess([offer]), False))
    return found


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

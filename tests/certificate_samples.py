"""Certificates of every kind, right and wrong, made for tests."""

from __future__ import annotations

import datetime
import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
HOST = "gateway.example.com"
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
OFFERED_AT = "http://ca.example/intermediate.cer"


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


def locked(key: Any, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@functools.cache
def rsa_key(bits: int) -> Any:
    return rsa.generate_private_key(65537, bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> Any:
    return ec.generate_private_key(curve or ec.SECP256R1())


def ed_key() -> Any:
    return ed25519.Ed25519PrivateKey.generate()


def made(
    name: str,
    issuer: Signer | None = None,
    *,
    key: Any = None,
    names: Sequence[str] | None = (HOST,),
    ca: bool | None = False,
    path_length: int | None = None,
    before: datetime.timedelta = datetime.timedelta(days=10),
    after: datetime.timedelta = datetime.timedelta(days=80),
    digest: hashes.HashAlgorithm | None = None,
    purposes: Sequence[x509.ObjectIdentifier] | None = (SERVER,),
    signs_data: bool | None = None,
    offered_at: str | None = None,
) -> Signer:
    """A certificate; without `issuer` signed by itself. None leaves an extension out."""
    key = key or ec_key()
    by = issuer or Signer(None, key)  # type: ignore[arg-type]
    subject = _name(name)
    builder = x509.CertificateBuilder(
        issuer_name=issuer.certificate.subject if issuer else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=NOW - before,
        not_valid_after=NOW + after,
    )
    for extension, critical in _extensions(
        names=names,
        ca=ca,
        path_length=path_length,
        purposes=purposes,
        signs_data=signs_data,
        offered_at=offered_at,
    ):
        builder = builder.add_extension(extension, critical=critical)
    ed = isinstance(by.key, ed25519.Ed25519PrivateKey)
    return Signer(builder.sign(by.key, None if ed else digest or hashes.SHA256()), key)


def authority(name: str, issuer: Signer | None = None, **variant: Any) -> Signer:
    """A CA: a root, or an intermediate if it has an issuer."""
    lasting = datetime.timedelta(days=1000)
    own: dict[str, Any] = {"names": None, "purposes": None, "ca": True, "before": lasting, "after": lasting}
    return made(name, issuer, **(own | variant))


def write(folder: Path, chain: Sequence[Signer], *, key: Any = None) -> tuple[Path, Path]:
    """The chain and the key of its first as nginx takes them, with the rights that they should have."""
    certificate, private_key = folder / "fullchain.pem", folder / "privkey.pem"
    folder.mkdir(mode=0o700, exist_ok=True)
    certificate.write_bytes(b"".join(signer.pem for signer in chain))
    private_key.touch(mode=0o600)
    private_key.write_bytes(Signer(chain[0].certificate, key or chain[0].key).key_pem)
    return certificate, private_key


def alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _extensions(
    *,
    names: Sequence[str] | None,
    ca: bool | None,
    path_length: int | None,
    purposes: Sequence[x509.ObjectIdentifier] | None,
    signs_data: bool | None,
    offered_at: str | None,
) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = []
    if names is not None:
        found.append((x509.SubjectAlternativeName([alternative(name) for name in names]), False))
    if ca is not None:
        found.append((x509.BasicConstraints(ca=ca, path_length=path_length), True))
    if purposes is not None:
        found.append((x509.ExtendedKeyUsage(purposes), False))
    if signs_data is not None:
        found.append((_usage(signs_data=signs_data), True))
    if offered_at is not None:
        place = x509.UniformResourceIdentifier(offered_at)
        offer = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
        found.append((x509.AuthorityInformationAccess([offer]), False))
    return found


def _usage(*, signs_data: bool) -> x509.KeyUsage:
    names = (
        "content_commitment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(digital_signature=signs_data, key_encipherment=not signs_data, **dict.fromkeys(names, False))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])

"""Makes keys and certificates, and writes them: keys for their owner alone, and nothing over what is there."""

from __future__ import annotations

import datetime
import ipaddress
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import CommandError

KEY_MODE = 0o600
CERTIFICATE_MODE = 0o644
VALID_DAYS = 365  # Mozilla asks for 366 at the most (Server Side TLS 5.7)
# Nobody renews a leaf of a private CA but a person: once a year, which is also the most that
# Mozilla's intermediate profile allows (366 days).
LEAF_DAYS = 365
# To exchange a CA means work on every machine that trusts it, so it outlives the servers. What
# limits the harm of its key is not its age but the names it may sign for.
AUTHORITY_DAYS = 3650
BACKDATED = datetime.timedelta(hours=1)  # for peers whose clocks are behind

EVERY_ADDRESS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
EVERY_NAME = ""  # in a name constraint: all host names (RFC 5280, 4.2.1.10)


@dataclass(frozen=True)
class KeyPair:
    certificate_pem: bytes
    key_pem: bytes


@dataclass(frozen=True)
class Authority:
    """A CA with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pair(self) -> KeyPair:
        return KeyPair(certificate_pem(self.certificate), key_pem(self.key))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(names: Sequence[str], *, now: datetime.datetime) -> KeyPair:
    """Make a certificate that nobody trusts by itself, for host names and addresses."""
    key = new_key()
    subject = _named(names[0][:64])
    builder = _builder(subject, subject, key, now=now, until=now + datetime.timedelta(days=VALID_DAYS))
    certificate = _for_a_server(builder, names).sign(key, hashes.SHA256())
    return KeyPair(certificate_pem(certificate), key_pem(key))


def authority(names: Sequence[str], *, now: datetime.datetime) -> Authority:
    """Make a CA that can sign for these host names, what is below them, and these addresses; for nothing else."""
    key = new_key()
    subject = _named(f"Motion Gateway private CA of {now:%Y-%m-%d}")
    until = now + datetime.timedelta(days=AUTHORITY_DAYS)
    certificate = (
        _builder(subject, subject, key, now=now, until=until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(_constraints(names), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def leaf(
    issuer: Authority, names: Sequence[str], *, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.Certificate:
    """Make a certificate for a server with `key`; it ends with its CA at the latest."""
    until = min(now + datetime.timedelta(days=LEAF_DAYS), issuer.certificate.not_valid_after_utc)
    # No host name: where a name of the subject looks like one, OpenSSL holds it against the constraints.
    builder = _builder(_named("Motion Gateway"), issuer.certificate.subject, key, now=now, until=until)
    return (
        _for_a_server(builder, names)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
        .sign(issuer.key, hashes.SHA256())
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def alternative(name: str) -> x509.GeneralName:
    """Write a host name or an address as a certificate says it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name)


def store(pair: KeyPair, *, certificate: Path, private_key: Path) -> None:
    """Write both files, the key for its owner alone. Raises CommandError rather than replace one."""
    with translated():
        for path in (certificate, private_key):
            if path.exists():
                raise CommandError(f"{path} is there already; it was not replaced. Move it away first")
        for path, text, mode in (
            (private_key, pair.key_pem, KEY_MODE),
            (certificate, pair.certificate_pem, CERTIFICATE_MODE),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)


def replace(path: Path, content: bytes, *, mode: int = CERTIFICATE_MODE) -> None:
    """Exchange a file in one step: whoever opens it reads the old one or the new one, whole."""
    with translated():
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        Path(name).replace(path)


def private_folder(path: Path) -> None:
    """Make a folder that only its owner can enter; one that is there keeps its rights."""
    with translated():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def content(path: Path) -> bytes:
    """Read a file of ours. Raises CommandError."""
    with translated("read"):
        return path.read_bytes()


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    now: datetime.datetime,
    until: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
    )


def _for_a_server(builder: x509.CertificateBuilder, names: Sequence[str]) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.SubjectAlternativeName([alternative(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )


def _constraints(names: Sequence[str]) -> x509.NameConstraints:
    """Permits `names`. Of a kind that is not among them, all are excluded: what is not spoken of is free."""
    permitted = [_subtree(alternative(name)) for name in names]
    excluded: list[x509.GeneralName] = []
    if not any(isinstance(name, x509.DNSName) for name in permitted):
        excluded.append(x509.DNSName(EVERY_NAME))
    if not any(isinstance(name, x509.IPAddress) for name in permitted):
        excluded += [x509.IPAddress(network) for network in EVERY_ADDRESS]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=excluded or None)


def _subtree(name: x509.GeneralName) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_network(name.value)) if isinstance(name, x509.IPAddress) else name


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _named(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@contextmanager
def translated(deed: str = "written") -> Iterator[None]:
    """Say in our words what the disk says of a file. Raises CommandError."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be {deed}: {error.strerror}") from error

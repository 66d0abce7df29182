"""Certificates of one moment, right and wrong, for the tests of what is checked of them."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sandbox import certificates
from sandbox.certificates import Signer

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
HOST = "gateway.example.com"
OFFERED_AT = "http://ca.example/intermediate.cer"
DAY = datetime.timedelta(days=1)


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
    before: datetime.timedelta = 10 * DAY,
    after: datetime.timedelta = 80 * DAY,
    **variant: Any,
) -> Signer:
    """A certificate that began so long before NOW and ends so long after it."""
    return certificates.made(name, issuer, **{"names": (HOST,), "begins": NOW - before, "ends": NOW + after, **variant})


def authority(name: str, issuer: Signer | None = None, **variant: Any) -> Signer:
    """A CA: a root, or an intermediate if it has an issuer."""
    return made(name, issuer, **{"before": 1000 * DAY, "after": 1000 * DAY, **certificates.OF_AUTHORITY, **variant})


def write(folder: Path, chain: Sequence[Signer], *, key: Any = None) -> tuple[Path, Path]:
    """The chain and the key of its first as nginx takes them, with the rights that they should have."""
    certificate, private_key = folder / "fullchain.pem", folder / "privkey.pem"
    folder.mkdir(mode=0o700, exist_ok=True)
    certificate.write_bytes(b"".join(signer.pem for signer in chain))
    private_key.unlink(missing_ok=True)
    certificates.write_secret(private_key, Signer(chain[0].certificate, key or chain[0].key).key_pem)
    return certificate, private_key

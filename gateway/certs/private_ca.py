"""Keeps a private CA in a folder, and the certificates that it signs: for doors that only our own machines use.

1. A CA is made once and never replaced: the machines that trust it would not trust another.
2. It can sign for the names it was made with, and for nothing else. Whoever trusts it does so for all
   its connections; a stolen key shall not make everybody's impostor of its thief. Another name needs
   another CA, in another folder.
3. A renewed certificate keeps its key: one step exchanges the one file, and the pair always matches.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.certs import issuing
from gateway.certs.issuing import Authority, KeyPair
from gateway.errors import CommandError

MOST_NAME_CHARACTERS = 253

_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:.]+|\[[0-9a-f:.]+\]")
_LABEL = r"[0-9a-z_](?:[0-9a-z_-]{0,61}[0-9a-z_])?"
_HOST_NAME = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+$){_LABEL}")  # what ends in a number is an address, or nothing


@dataclass(frozen=True)
class Leaf:
    """The certificate of a server, in a folder that is called after the first of its names."""

    folder: Path
    name: str

    @property
    def certificate(self) -> Path:
        return self.folder / "leaves" / self.name / "fullchain.pem"

    @property
    def private_key(self) -> Path:
        return self.folder / "leaves" / self.name / "privkey.pem"


@dataclass(frozen=True)
class Issued:
    """What a folder holds after a certificate was made or renewed in it."""

    authority: x509.Certificate
    certificate: x509.Certificate
    leaf: Leaf
    names: tuple[str, ...]
    made_authority: bool


def issue(folder: Path, names: Sequence[str], *, now: datetime.datetime, renew: bool = False) -> Issued:
    """Make a certificate for all of `names`, and the CA before it if there is none.

    `renew`: exchange the certificate that is there; its key and all its names stay. Raises CommandError if the CA
    may not sign for one of the names, if there is a certificate already, or none to renew.
    """
    names = list(dict.fromkeys(_proved(name) for name in names))
    leaf = Leaf(folder, names[0])
    _prove_state(leaf, renew=renew)
    if renew:
        names = _kept(leaf, names)
    made = not _is_there(folder)
    authority = _make(folder, names, now=now) if made else _load(folder, names, now=now)
    key = _key(leaf.private_key) if renew else issuing.new_key()
    certificate = issuing.leaf(authority, names, key=key, now=now)
    chain = issuing.certificate_pem(certificate) + issuing.certificate_pem(authority.certificate)
    if renew:
        issuing.replace(leaf.certificate, chain)
    else:
        pair = KeyPair(chain, issuing.key_pem(key))
        issuing.store(pair, certificate=leaf.certificate, private_key=leaf.private_key)
    return Issued(authority.certificate, certificate, leaf, tuple(names), made)


def certificate_path(folder: Path) -> Path:
    """Say where the certificate is that others shall trust."""
    return folder / "ca.pem"


def key_path(folder: Path) -> Path:
    return folder / "authority" / "ca-key.pem"


def _proved(name: str) -> str:
    """Prove a host name, in lower case, or an address without brackets. Raises CommandError for anything else."""
    plain = name.lower()
    if _HOST_NAME.fullmatch(plain) and len(plain) <= MOST_NAME_CHARACTERS:
        return plain
    if _ADDRESS.fullmatch(plain):
        with suppress(ValueError):
            return str(ipaddress.ip_address(plain.strip("[]")))
    raise CommandError(f"{name!r} is neither a host name nor an IP address; write it without https:// and port")


def _prove_state(leaf: Leaf, *, renew: bool) -> None:
    there = leaf.certificate.exists() or leaf.private_key.exists()
    if renew and not there:
        raise CommandError(f"{leaf.certificate} is not there, so that it cannot be renewed. Make it without --renew")
    if there and not renew:
        raise CommandError(f"{leaf.certificate.parent} holds a certificate already; --renew exchanges it")


def _kept(leaf: Leaf, names: Sequence[str]) -> list[str]:
    """Read the names of the certificate that is there. Raises CommandError if `names` holds another."""
    try:
        certificate = x509.load_pem_x509_certificate(issuing.content(leaf.certificate))
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise CommandError(f"{leaf.certificate} holds no certificate that was made here") from error
    kept = [str(name.value) for name in found]
    for name in names:
        if name not in kept:
            raise CommandError(
                f"{leaf.certificate} is for {', '.join(kept)}, and a renewed one is too. For other names move "
                f"{leaf.certificate.parent} away, and make a certificate without --renew"
            )
    return kept


def _is_there(folder: Path) -> bool:
    """Whether there is a CA. Raises CommandError for half of one."""
    found = {path: path.exists() for path in (certificate_path(folder), key_path(folder))}
    for path, exists in found.items():
        if not exists and any(found.values()):
            raise CommandError(f"{path} is missing, so that the CA in {folder} cannot sign; it was not replaced")
    return all(found.values())


def _make(folder: Path, names: Sequence[str], *, now: datetime.datetime) -> Authority:
    authority = issuing.authority(names, now=now)
    issuing.private_folder(key_path(folder).parent)
    issuing.store(authority.pair, certificate=certificate_path(folder), private_key=key_path(folder))
    return authority


def _load(folder: Path, names: Sequence[str], *, now: datetime.datetime) -> Authority:
    path = certificate_path(folder)
    try:
        certificate = x509.load_pem_x509_certificate(issuing.content(path))
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise CommandError(f"{path} holds no CA that was made here; it was not replaced") from error
    key = _key(key_path(folder))
    if key.public_key() != certificate.public_key():
        raise CommandError(f"{key_path(folder)} is not the key of {path}; it was not replaced")
    if now > certificate.not_valid_after_utc:
        raise CommandError(f"the CA in {folder} has expired; make another in another folder")
    for name in names:
        _prove_permitted(name, constraints, folder)
    return Authority(certificate, key)


def _prove_permitted(name: str, constraints: x509.NameConstraints, folder: Path) -> None:
    asked = issuing.alternative(name)
    permitted = constraints.permitted_subtrees or []
    if not any(_lies_within(asked, subtree) for subtree in permitted):
        others = ", ".join(str(subtree.value) for subtree in permitted)
        raise CommandError(
            f"the CA in {folder} may sign for {others} alone, not for {name}. Make another CA in another folder, "
            "with all names at once, and let Motion's host trust that one too"
        )


def _lies_within(name: x509.GeneralName, subtree: x509.GeneralName) -> bool:
    if isinstance(name, x509.IPAddress) and isinstance(subtree, x509.IPAddress):
        # Within constraints an address stands with its mask: it is a network, which mypy cannot see.
        return name.value in subtree.value  # type: ignore[operator]
    if isinstance(name, x509.DNSName) and isinstance(subtree, x509.DNSName):
        return f".{name.value}".endswith(f".{subtree.value}")
    return False


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(issuing.content(path), password=None)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{path} holds no key that was made here; it was not replaced") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CommandError(f"{path} holds no key that was made here; it was not replaced")
    return key

"""Judges whether clients accept such keys, signatures and usages.

The limits are those of Mozilla's intermediate profile 5.7 (certificate_curves, rsa_key_size, certificate_signatures)
and of public CAs; of the signatures also RSA with the longer hashes, which these CAs use and every client reads.
"""

from __future__ import annotations

from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.certs import findings
from gateway.certs.findings import Finding
from gateway.certs.subject import Subject

LEAST_RSA_BITS = 2048
CURVES = ("secp256r1", "secp384r1")
HASHES = ("sha256", "sha384", "sha512")

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def key(asked: Subject) -> Finding:
    for at, certificate in enumerate(asked.chain, 1):
        if not _is_accepted(certificate):
            return findings.found(
                "certs.key_unsuitable",
                f"the key of certificate {at} of the file is {_key_kind(certificate)}; accepted everywhere are "
                f"RSA from {LEAST_RSA_BITS} bits on, and ECDSA with P-256 or P-384",
            )
    return findings.fine(f"the key is {_key_kind(asked.leaf)}")


def signature(asked: Subject) -> Finding:
    for at, certificate in enumerate(asked.chain, 1):
        # Nobody looks at the signature of a root: it is trusted for its key.
        if _hash(certificate) not in HASHES and certificate.subject != certificate.issuer:
            return findings.found(
                "certs.signature_unsuitable",
                f"certificate {at} of the file is signed with {_hash(certificate)}; accepted everywhere are SHA-256 "
                "and longer ones",
            )
    return findings.fine(f"signed with {_hash(asked.leaf)}")


def usage(asked: Subject) -> Finding:
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

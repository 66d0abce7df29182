"""Judges what belongs together, key, certificate and chain; and who trusts it: client and server shake hands in memory.

The hands are those of this system's OpenSSL: so the chain is judged by what also judges it at Sinch and in nginx,
against the roots that this system trusts. Times, names and the strength of keys have a check of their own.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from gateway.certs import findings, subject
from gateway.certs.findings import CertificateFinding
from gateway.certs.subject import Subject

# Of OpenSSL's x509_vfy.h; Python's ssl has no names for them.
_NO_TIME = 0x200000
_SELF_SIGNED_LEAF = 18
_SELF_SIGNED_IN_CHAIN = 19
_ISSUER_NOT_FOUND = {2, 20, 21}

FOR_TRIALS = ("certs.private_ca", "certs.self_signed")  # what nobody but Sinch minds
_ANY_STRENGTH = "ALL:@SECLEVEL=0"
_MOST_ROUNDS = 10  # a handshake has two


def match(asked: Subject) -> CertificateFinding:
    """Judge whether the key is that of the first certificate, which is the one that nginx serves."""
    if asked.matches:
        return findings.fine("the key belongs to the certificate")
    owner = next((at for at, other in enumerate(asked.chain, 1) if subject.has_key(other, asked.key)), None)
    belongs = "another certificate" if owner is None else f"certificate {owner} of the file, not to the first"
    return findings.found("certs.key_mismatch", f"the key belongs to {belongs}")


def order(asked: Subject) -> CertificateFinding:
    """Judge whether each certificate is signed by the next: RFC 5246, 7.4.2 demands it, and some clients."""
    for at, (lower, upper) in enumerate(pairwise(asked.chain), 1):
        if not subject.is_issued(lower, upper):
            return findings.found(
                "certs.chain_disordered",
                f"certificate {at + 1} of the file, {subject.title(upper.subject)}, did not sign certificate {at}; "
                f"{subject.title(lower.issuer)} did",
            )
    alone = len(asked.chain) == 1
    return findings.fine("there is one certificate" if alone else "each certificate is signed by the next one")


def root(asked: Subject) -> CertificateFinding:
    """Judge whether a client can build the chain up to a root, and trusts that root."""
    try:
        _shake_hands(asked, asked.target.roots)
    except ssl.SSLCertVerificationError as error:
        found = _finding(asked, error)
        return findings.tried(found) if asked.target.is_for_trials and found.id in FOR_TRIALS else found
    except ssl.SSLError as error:
        return _refused(str(error.reason))
    return findings.fine("a client that trusts what this system trusts accepts the chain")


def _finding(asked: Subject, error: ssl.SSLCertVerificationError) -> CertificateFinding:
    if error.verify_code == _SELF_SIGNED_LEAF:
        return findings.found("certs.self_signed", "the certificate is signed by itself: no CA stands behind it")
    if error.verify_code == _SELF_SIGNED_IN_CHAIN:
        return _private(asked)
    if error.verify_code in _ISSUER_NOT_FOUND:
        return findings.found(
            "certs.chain_incomplete",
            f"the certificate of {_missing(_path(asked)[-1])} is missing: it is neither in the file nor among the "
            "roots that this system trusts",
        )
    return _refused(error.verify_message)


def _private(asked: Subject) -> CertificateFinding:
    """A root that only some trust: do those accept the chain?"""
    try:
        _shake_hands(asked, asked.target.certificate)
    except ssl.SSLCertVerificationError as error:
        return _refused(error.verify_message)
    root = subject.title(_path(asked)[-1].subject)
    if asked.target.private:
        return findings.fine(f"a client that trusts its root, {root}, accepts the chain")
    return findings.found("certs.private_ca", f"the root, {root}, is not among those that this system trusts")


def _refused(reason: str) -> CertificateFinding:
    return findings.found("certs.refused", f"OpenSSL refuses the chain: {reason}")


def _missing(last: x509.Certificate) -> str:
    """Who signed the last one, and where the CA offers that certificate."""
    offers = [subject.shown(str(offer.access_location.value)) for offer in _information(last)]
    return " ".join([subject.title(last.issuer), *(f"(offered at {offer})" for offer in offers[:1])])


def _information(certificate: x509.Certificate) -> list[x509.AccessDescription]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    return [offer for offer in found if offer.access_method == AuthorityInformationAccessOID.CA_ISSUERS]


def _path(asked: Subject) -> list[x509.Certificate]:
    """From the leaf up, as far as the file goes, in whatever order it has them."""
    path, left = [asked.leaf], list(asked.chain[1:])
    while issuer := next((other for other in left if subject.is_issued(path[-1], other)), None):
        path.append(issuer)
        left.remove(issuer)
    return path


def _shake_hands(asked: Subject, roots: Path | None) -> None:
    """Raises ssl.SSLError where one of the two does not like it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = _client(roots).wrap_bio(to_client, to_server)
    server = _server(asked).wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_MOST_ROUNDS):
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
            return
        with suppress(ssl.SSLWantReadError):
            server.do_handshake()


def _client(roots: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_ciphers(_ANY_STRENGTH)
    context.verify_flags |= _NO_TIME
    if roots is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(roots)
    return context


def _server(asked: Subject) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(_ANY_STRENGTH)
    # No password may be asked for at the terminal; a key that needs one was refused before.
    context.load_cert_chain(asked.target.certificate, asked.target.private_key, password="")
    return context

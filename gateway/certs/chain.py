"""Judges what belongs together: the key to the certificate, and each certificate to the next one of the file."""

from __future__ import annotations

from itertools import pairwise

from gateway.certs import findings, subject
from gateway.certs.findings import Finding
from gateway.certs.subject import Subject


def match(asked: Subject) -> Finding:
    """Whether the key is that of the first certificate, which is the one that nginx serves."""
    if asked.matches:
        return findings.fine("the key belongs to the certificate")
    owner = next((at for at, other in enumerate(asked.chain, 1) if subject.has_key(other, asked.key)), None)
    belongs = "another certificate" if owner is None else f"certificate {owner} of the file, not to the first"
    return findings.found("certs.key_mismatch", f"the key belongs to {belongs}")


def order(asked: Subject) -> Finding:
    """Whether each certificate is signed by the next: RFC 5246, 7.4.2 demands it, and some clients."""
    for at, (lower, upper) in enumerate(pairwise(asked.chain), 1):
        if not subject.is_issued(lower, upper):
            return findings.found(
                "certs.chain_disordered",
                f"certificate {at + 1} of the file, {subject.title(upper.subject)}, did not sign certificate {at}; "
                f"{subject.title(lower.issuer)} did",
            )
    alone = len(asked.chain) == 1
    return findings.fine("there is one certificate" if alone else "each certificate is signed by the next one")

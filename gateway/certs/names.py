"""Decides whether a certificate is for a host, as clients do (RFC 9525; RFC 6125 before it).

1. Only the alternative names count; the subject's common name does not (RFC 9525, 1.4).
2. `*` stands for exactly one label, the first, and for the whole of it (6.3). As in OpenSSL it needs two
   labels behind it: nobody may own all of `.com`.
3. An address is compared as an address, with the certificate's addresses alone.
"""

from __future__ import annotations

import ipaddress

from cryptography import x509

from gateway.certs import findings, subject
from gateway.certs.findings import Finding
from gateway.certs.subject import Subject

LEAST_LABELS_AFTER_WILDCARD = 2


def judge(asked: Subject) -> Finding:
    """Whether the certificate is for the host that Sinch calls, or for all by which Motion does."""
    place = asked.place
    found = {host: covering(host, asked.leaf) for host in (place.host, *place.others)}
    missing = next((host for host, name in found.items() if name is None), None)
    if missing is None:
        return findings.fine("; ".join(f"{host} is covered by {name}" for host, name in found.items()))
    others = ", ".join(subject.shown(str(other.value)) for other in alternatives(asked.leaf)) or "none at all"
    identifier = "certs.private_name_not_covered" if place.private else "certs.name_not_covered"
    return findings.found(identifier, f"{missing} is not among its names: {others}")


def covering(host: str, certificate: x509.Certificate) -> str | None:
    """The name in the certificate that covers `host` (IPv6 with or without brackets), if one does."""
    names = alternatives(certificate)
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return next((name for name in names.get_values_for_type(x509.DNSName) if _covers(name, host)), None)
    return str(address) if address in names.get_values_for_type(x509.IPAddress) else None


def alternatives(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    """Its alternative names; none where the extension is missing."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _covers(pattern: str, host: str) -> bool:
    pattern, host = pattern.lower(), host.lower()
    first, _, rest = pattern.partition(".")
    if first != "*":
        return pattern == host
    label, _, rest_of_host = host.partition(".")
    return bool(label) and rest == rest_of_host and rest.count(".") >= LEAST_LABELS_AFTER_WILDCARD - 1

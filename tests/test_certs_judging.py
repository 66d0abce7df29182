"""Which hosts a certificate is for: each row is asked of OpenSSL too, by shaking hands."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.certs import judging
from sandbox.certificates import Signer
from tests import certificate_samples as samples
from tests.certificate_samples import made

# The host, the names in the certificate, and which of them covers it.
ROWS: dict[str, tuple[str, Sequence[str] | None, str | None]] = {
    "the same": ("a.example.com", ["a.example.com"], "a.example.com"),
    "one of several": ("b.example.com", ["a.example.com", "b.example.com"], "b.example.com"),
    "another case": ("A.example.com", ["a.EXAMPLE.com"], "a.EXAMPLE.com"),
    "a name above": ("a.example.com", ["example.com"], None),
    "a name below": ("example.com", ["a.example.com"], None),
    "a longer name": ("a.example.com", ["a.example.com.org"], None),
    "the end of a name": ("bad-example.com", ["example.com"], None),
    "a dot at the end": ("a.example.com", ["a.example.com."], None),
    "a wildcard": ("a.example.com", ["*.example.com"], "*.example.com"),
    "a wildcard in another case": ("a.EXAMPLE.com", ["*.example.COM"], "*.example.COM"),
    "a wildcard for the name above": ("example.com", ["*.example.com"], None),
    "a wildcard for two labels": ("b.a.example.com", ["*.example.com"], None),
    "a wildcard for no label": (".example.com", ["*.example.com"], None),
    "a wildcard below": ("a.example.com", ["*.a.example.com"], None),
    "a wildcard with one label behind it": ("example.com", ["*.com"], None),
    "a wildcard alone": ("localhost", ["*"], None),
    "a wildcard within a label": ("abc.example.com", ["a*.example.com"], None),
    "a wildcard at the end of a label": ("a.example.com", ["*a.example.com"], None),
    "a wildcard in the second label": ("a.b.example.com", ["a.*.example.com"], None),
    "two wildcards": ("a.b.example.com", ["*.*.example.com"], None),
    "a wildcard for an encoded name": ("xn--bcher-kva.example.com", ["*.example.com"], "*.example.com"),
    "no name": ("a.example.com", None, None),
    "an IPv4 address": ("192.0.2.1", ["192.0.2.1"], "192.0.2.1"),
    "another IPv4 address": ("192.0.2.2", ["192.0.2.1"], None),
    "an IPv6 address": ("2001:db8::1", ["2001:db8::1"], "2001:db8::1"),
    "an IPv6 address, spelled otherwise": ("2001:DB8:0::1", ["2001:db8::1"], "2001:db8::1"),
    "a wildcard for an address": ("192.0.2.1", ["*.0.2.1"], None),
}


@pytest.mark.parametrize(("host", "given", "expected"), ROWS.values(), ids=ROWS)
def test_a_host_is_covered_by(tmp_path: Path, host: str, given: Sequence[str] | None, expected: str | None) -> None:
    # Its common name is the host, which must not count.
    signer = made(host, names=given)
    assert judging.covering(host, signer.certificate) == expected
    assert is_covered(tmp_path, host, signer) is (expected is not None)


def test_an_ipv6_host_may_stand_in_brackets_as_in_the_settings() -> None:
    assert judging.covering("[2001:db8::1]", made("leaf", names=["2001:db8::1"]).certificate) == "2001:db8::1"


def test_an_address_that_is_spelled_as_a_host_name_does_not_cover_the_address() -> None:
    certificate = made("leaf", names=["192.0.2.1.example"]).certificate
    assert judging.covering("192.0.2.1", certificate) is None


def is_covered(folder: Path, host: str, signer: Signer) -> bool:
    """What OpenSSL says: a client that trusts the certificate asks for `host`."""
    certificate, key = samples.write(folder / "tls", [signer])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=certificate)
    client.hostname_checks_common_name = False
    client.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    served = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        asked = client.wrap_bio(to_client, to_server, server_hostname=host)
        with suppress(ssl.SSLWantReadError):
            asked.do_handshake()
        with suppress(ssl.SSLWantReadError):
            served.do_handshake()
        asked.do_handshake()
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in (62, 64):  # host name or IP address mismatch, and nothing else
            return False
        raise
    except ValueError:  # Python itself refuses to ask for such a host
        return False
    return True

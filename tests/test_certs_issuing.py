"""Certificates for trying things out: what is in them, and how they are written."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import certs
from gateway.certs import KeyPair
from gateway.errors import CommandError

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
PAIR = KeyPair(b"certificate", b"key")


def made(*names: str, now: datetime.datetime = NOW) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certs.self_signed(names, now=now).certificate_pem)


NAMES: dict[str, tuple[str, x509.GeneralName]] = {
    "a host": ("gateway.example.com", x509.DNSName("gateway.example.com")),
    "an IPv4 address": ("192.0.2.1", x509.IPAddress(ipaddress.ip_address("192.0.2.1"))),
    "an IPv6 address": ("2001:db8::1", x509.IPAddress(ipaddress.ip_address("2001:db8::1"))),
    "an IPv6 address in brackets": ("[2001:db8::1]", x509.IPAddress(ipaddress.ip_address("2001:db8::1"))),
    "a name longer than a common name": ("a" * 60 + ".example.com", x509.DNSName("a" * 60 + ".example.com")),
}


@pytest.mark.parametrize(("name", "expected"), NAMES.values(), ids=NAMES)
def test_a_certificate_is_for(name: str, expected: x509.GeneralName) -> None:
    found = made(name).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert list(found.value) == [expected]


def test_a_certificate_is_for_all_names_that_were_given() -> None:
    found = made("a.example", "b.example").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert found.value.get_values_for_type(x509.DNSName) == ["a.example", "b.example"]


def test_a_certificate_is_valid_from_an_hour_ago_for_365_days() -> None:
    found = made("gateway.example.com")
    assert found.not_valid_before_utc == NOW - datetime.timedelta(hours=1)
    assert found.not_valid_after_utc == NOW + datetime.timedelta(days=365)


def test_a_certificate_signs_no_others() -> None:
    assert made("gateway.example.com").extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_two_certificates_share_neither_key_nor_number() -> None:
    one, other = made("a.example"), made("a.example")
    assert one.serial_number != other.serial_number
    assert one.public_key() != other.public_key()


def test_who_trusts_the_certificate_can_connect_to_its_name_alone(tmp_path: Path) -> None:
    pair = certs.self_signed(["gateway.example.com"], now=datetime.datetime.now(datetime.UTC))
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certs.store(pair, certificate=certificate, private_key=key)
    assert _shake_hands(certificate, key, "gateway.example.com") == ""
    assert _shake_hands(certificate, key, "other.example.com") == "CERTIFICATE_VERIFY_FAILED"


def _shake_hands(certificate: Path, key: Path, name: str) -> str:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=_serve, args=(theirs, served))
        thread.start()
        try:
            ssl.create_default_context(cafile=certificate).wrap_socket(ours, server_hostname=name).close()
        except ssl.SSLError as error:
            return str(error.reason)
        finally:
            ours.close()
            thread.join(60)
    return ""


def _serve(sock: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):  # it was refused
        context.wrap_socket(sock, server_side=True).close()


def test_the_key_belongs_to_the_certificate_and_is_no_rsa_key() -> None:
    pair = certs.self_signed(["a.example"], now=NOW)
    key = serialization.load_pem_private_key(pair.key_pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == x509.load_pem_x509_certificate(pair.certificate_pem).public_key()


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    certificate, key = tmp_path / "new" / "c.pem", tmp_path / "other" / "k.pem"
    before = os.umask(0)
    try:
        certs.store(PAIR, certificate=certificate, private_key=key)
    finally:
        os.umask(before)
    assert (certificate.read_bytes(), key.read_bytes()) == (b"certificate", b"key")
    assert [oct(path.stat().st_mode & 0o777) for path in (certificate, key)] == ["0o644", "0o600"]


@pytest.mark.parametrize("there", ["c.pem", "k.pem"])
def test_nothing_is_replaced_and_nothing_else_written(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(CommandError, match=f"{there} is there already; it was not replaced"):
        certs.store(PAIR, certificate=tmp_path / "c.pem", private_key=tmp_path / "k.pem")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "k.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandError, match=r"k\.pem cannot be written"):
        certs.store(PAIR, certificate=tmp_path / "c.pem", private_key=tmp_path / "k.pem")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["a file/c.pem", "n" * 300], ids=["below a file", "too long"])
def test_what_cannot_be_written_is_told_with_its_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(CommandError, match=r"cannot be written: \w+"):
        certs.store(PAIR, certificate=tmp_path / name, private_key=tmp_path / "k.pem")

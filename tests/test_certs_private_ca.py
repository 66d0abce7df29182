"""The private CA: what it makes, what it keeps, what it refuses, and whom its certificates convince."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.certs import issuing, private_ca
from gateway.certs.private_ca import Issued
from gateway.errors import CommandError

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
YEAR = datetime.timedelta(days=365)
NAMES = ("eu.example.com", "10.0.0.5")
NO_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: these certificates are of any time


def issue(folder: Path, *names: str, renew: bool = False, now: datetime.datetime = NOW) -> Issued:
    return private_ca.issue(folder, names or NAMES, now=now, renew=renew)


def tree(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Every file below, with its mode and its content."""
    return {
        str(path.relative_to(folder)): (
            f"{path.stat().st_mode & 0o777:o}",
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def test_keys_are_for_their_owner_alone_and_the_ca_key_lies_in_a_folder_of_its_own(tmp_path: Path) -> None:
    issue(tmp_path / "ca")
    modes = {name: mode for name, (mode, _) in tree(tmp_path / "ca").items()}
    assert modes["authority"] == "700"
    assert modes["authority/ca-key.pem"] == modes["leaves/eu.example.com/privkey.pem"] == "600"
    assert modes["ca.pem"] == modes["leaves/eu.example.com/fullchain.pem"] == "644"


def test_a_ca_signs_certificates_of_servers_and_no_further_ca(tmp_path: Path) -> None:
    extensions = issue(tmp_path).authority.extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)  # noqa: FBT003
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)
    constraints = extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical


def test_keys_are_of_p_256_and_a_certificate_is_valid_for_a_year_below_a_ca_of_ten(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    for certificate, days in ((issued.certificate, 365), (issued.authority, 3650)):
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        assert certificate.not_valid_before_utc == NOW - datetime.timedelta(hours=1)
        assert certificate.not_valid_after_utc == NOW + datetime.timedelta(days=days)


def test_a_certificate_ends_with_its_ca(tmp_path: Path) -> None:
    end = issue(tmp_path).authority.not_valid_after_utc
    late = issue(tmp_path, renew=True, now=end - datetime.timedelta(days=1))
    assert late.certificate.not_valid_after_utc == end
    issue(tmp_path, renew=True, now=end)
    with pytest.raises(CommandError, match="has expired; make another in another folder"):
        issue(tmp_path, renew=True, now=end + datetime.timedelta(seconds=1))


def test_the_ca_is_kept_when_another_certificate_is_made(tmp_path: Path) -> None:
    first = issue(tmp_path)
    before = tree(tmp_path)
    second = issue(tmp_path, "10.0.0.5", "a.eu.example.com")
    assert (first.made_authority, second.made_authority) == (True, False)
    assert second.authority == first.authority
    assert {name: before[name] for name in before if name != "leaves"}.items() <= tree(tmp_path).items()
    assert second.leaf.certificate == tmp_path / "leaves" / "10.0.0.5" / "fullchain.pem"


def test_a_renewed_certificate_has_the_same_key_and_names_and_a_new_number_and_life(tmp_path: Path) -> None:
    first = issue(tmp_path)
    key = first.leaf.private_key.read_bytes()
    second = issue(tmp_path, "eu.example.com", renew=True, now=NOW + YEAR)
    assert first.leaf.private_key.read_bytes() == key
    assert second.certificate.public_key() == first.certificate.public_key()
    assert second.certificate.serial_number != first.certificate.serial_number
    assert second.certificate.not_valid_after_utc == NOW + 2 * YEAR
    assert second.names == NAMES
    assert f"{second.leaf.certificate.stat().st_mode & 0o777:o}" == "644"
    assert [path.name for path in first.leaf.certificate.parent.iterdir() if path.name.startswith(".")] == []


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _holding(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return spoil


def _with_the_key_of_another(folder: Path) -> None:
    (folder / "authority" / "ca-key.pem").write_bytes(issuing.key_pem(issuing.new_key()))


def _with_another_kind_of_ca(folder: Path) -> None:
    (folder / "ca.pem").write_bytes(issuing.self_signed(["a.example"], now=NOW).certificate_pem)


REFUSALS: dict[str, tuple[Callable[[Path], object], tuple[str, ...], bool, str]] = {
    "a name that the CA may not sign for": (
        lambda _: None,
        ("other.example.com",),
        False,
        "may sign for eu.example.com, 10.0.0.5/32 alone, not for other.example.com",
    ),
    "a name that ends in one of the CA's": (lambda _: None, ("bad-eu.example.com",), False, "alone, not for"),
    "an address that the CA may not sign for": (lambda _: None, ("10.0.0.6",), False, "alone, not for 10.0.0.6"),
    "a good name and a bad one": (lambda _: None, ("eu.example.com.", "x"), False, "neither a host name"),
    "one that is there": (lambda _: None, NAMES, False, "--renew exchanges it"),
    "to renew what is not there": (lambda _: None, ("a.eu.example.com",), True, "Make it without --renew"),
    "to renew for another name": (lambda _: None, (*NAMES, "a.eu.example.com"), True, "a renewed one is too"),
    "without the CA's key": (_without("authority/ca-key.pem"), ("10.0.0.5",), False, "ca-key.pem is missing"),
    "without the CA": (_without("ca.pem"), ("10.0.0.5",), False, "ca.pem is missing"),
    "a CA that is none": (_holding("ca.pem", b"no"), ("10.0.0.5",), False, "holds no CA that was made here"),
    "a CA of somebody else": (_with_another_kind_of_ca, ("10.0.0.5",), False, "holds no CA that was made here"),
    "a CA with another key": (_with_the_key_of_another, ("10.0.0.5",), False, "is not the key of"),
    "a CA key that is none": (_holding("authority/ca-key.pem", b""), ("10.0.0.5",), False, "holds no key"),
    "to renew without the key": (_without("leaves/eu.example.com/privkey.pem"), NAMES, True, "cannot be read"),
    "to renew what is no certificate": (
        _holding("leaves/eu.example.com/fullchain.pem", b"no"),
        NAMES,
        True,
        "holds no certificate",
    ),
}


@pytest.mark.parametrize(("spoil", "names", "renew", "words"), REFUSALS.values(), ids=REFUSALS)
def test_it_refuses(
    tmp_path: Path, spoil: Callable[[Path], object], names: tuple[str, ...], *, renew: bool, words: str
) -> None:
    issue(tmp_path)
    spoil(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(CommandError) as refused:
        issue(tmp_path, *names, renew=renew)
    assert words in str(refused.value)
    assert tree(tmp_path) == before


SPELLINGS: dict[str, tuple[str, str | None]] = {
    "a host name": ("a-1.example.com", "a-1.example.com"),
    "one label": ("localhost", "localhost"),
    "capitals": ("A.Example.COM", "a.example.com"),
    "an underline": ("motion_1.internal", "motion_1.internal"),
    "an IPv4 address": ("192.0.2.1", "192.0.2.1"),
    "an IPv6 address": ("2001:DB8:0::1", "2001:db8::1"),
    "an IPv6 address in brackets": ("[2001:db8::1]", "2001:db8::1"),
    "a label of 63": ("a" * 63 + ".example", "a" * 63 + ".example"),
    "a label of 64": ("a" * 64 + ".example", None),
    "a name of 253": (f"{'a.' * 126}b", f"{'a.' * 126}b"),
    "a name of 255": (f"{'a.' * 127}b", None),
    "a wildcard": ("*.example.com", None),
    "a URL": ("https://a.example.com", None),
    "a port": ("a.example.com:443", None),
    "a path": ("../a", None),
    "a dot at the end": ("a.example.com.", None),
    "a hyphen in front": ("-a.example.com", None),
    "what ends in a number": ("a.1", None),
    "an address that is none": ("192.0.2.256", None),
    "a zone": ("fe80::1%eth0", None),
    "brackets around a name": ("[a.example.com]", None),
    "a line break at the end": ("a.example.com\n", None),
    "other letters": ("bücher.example", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("typed", "understood"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_name_may_be(tmp_path: Path, typed: str, understood: str | None) -> None:
    if understood is None:
        with pytest.raises(CommandError, match="is neither a host name nor an IP address"):
            issue(tmp_path, typed)
        assert list(tmp_path.iterdir()) == []
    else:
        assert issue(tmp_path, typed, typed).names == (understood,)


# The names that the CA is made for, those of a certificate that its key signs, and whether OpenSSL takes it.
CONSTRAINTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], bool]] = {
    "its names": (NAMES, NAMES, True),
    "a name below": (NAMES, ("a.eu.example.com",), True),
    "the name above": (NAMES, ("example.com",), False),
    "another name": (NAMES, ("bank.example",), False),
    "its name and another": (NAMES, ("eu.example.com", "bank.example"), False),
    "another address": (NAMES, ("10.0.0.6",), False),
    "an address of the other kind": (NAMES, ("::1",), False),
    "an address, of a CA for names": (("eu.example.com",), ("10.0.0.5",), False),
    "an IPv6 address, of a CA for names": (("eu.example.com",), ("::1",), False),
    "a name, of a CA for addresses": (("10.0.0.5",), ("eu.example.com",), False),
    "an address, of a CA for addresses": (("10.0.0.5", "::1"), ("::1",), True),
}


@pytest.mark.parametrize(("permitted", "names", "accepted"), CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_a_stolen_ca_key_signs_in_vain_for(
    tmp_path: Path, permitted: tuple[str, ...], names: tuple[str, ...], *, accepted: bool
) -> None:
    made = issuing.authority(permitted, now=NOW)
    key = issuing.new_key()
    leaf = issuing.leaf(made, names, key=key, now=NOW)
    for name, pem in {"ca": made.pair.certificate_pem, "leaf": issuing.certificate_pem(leaf)}.items():
        (tmp_path / f"{name}.pem").write_bytes(pem)
    (tmp_path / "key.pem").write_bytes(issuing.key_pem(key))
    for name in names:
        assert convinces(tmp_path, name) is accepted


def convinces(folder: Path, host: str) -> bool:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "leaf.pem", folder / "key.pem")
    client = ssl.create_default_context(cafile=folder / "ca.pem")
    client.verify_flags |= NO_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asked = client.wrap_bio(to_client, to_server, server_hostname=host)
    served = server.wrap_bio(to_server, to_client, server_side=True)
    with suppress(ssl.SSLWantReadError):
        asked.do_handshake()
    with suppress(ssl.SSLWantReadError):
        served.do_handshake()
    try:
        asked.do_handshake()
    except ssl.SSLCertVerificationError:
        return False
    return True


def test_what_was_issued_convinces_who_trusts_the_ca(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    (tmp_path / "leaf.pem").write_bytes(issued.leaf.certificate.read_bytes())
    (tmp_path / "key.pem").write_bytes(issued.leaf.private_key.read_bytes())
    assert all(convinces(tmp_path, name) for name in NAMES)
    assert not convinces(tmp_path, "other.example.com")

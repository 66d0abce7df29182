"""What `certs check` finds in certificates of every kind: each finding, and both sides of each of its edges."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gateway import certs
from gateway.certs import Target, findings, judging
from gateway.certs.findings import CertificateFinding
from gateway.errors import CommandError
from sandbox import certificates
from sandbox.certificates import CLIENT, SERVER, Signer
from tests import certificate_samples as samples
from tests.certificate_samples import HOST, NOW, OFFERED_AT, authority, made

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)

ROOT = authority("Root")
INTERMEDIATE = authority("Intermediate", ROOT)
LEAF = made("leaf", INTERMEDIATE, offered_at=OFFERED_AT)
SELF_SIGNED = made("self-signed")
NO_AUTHORITY = made("no CA", ROOT)
SHORT_ROOT = authority("Short root", path_length=0)
TOO_LOW = authority("Too low", SHORT_ROOT)
NAMESAKE = authority("Intermediate", ROOT)
OLD_LEAF, OLD_INTERMEDIATE, OLD_ROOT, LEAF_OF_OLD_ROOT = (
    Signer(certificate, LEAF.key)
    for certificate in x509.load_pem_x509_certificates(
        (Path(__file__).parent / "data" / "sha1_certificates.pem").read_bytes()
    )
)


def place(folder: Path, chain: Sequence[Signer], *, key: Any = None, trusted: Signer = ROOT, **at: Any) -> Target:
    certificate, private_key = samples.write(folder / "tls", chain, key=key)
    roots = folder / "roots.pem"
    roots.write_bytes(trusted.pem)
    return Target(**({"host": HOST, "now": NOW, "roots": roots} | at), certificate=certificate, private_key=private_key)


def judged(where: Target, check: str) -> CertificateFinding:
    [finding] = [row.finding for row in certs.check(where) if row.check == check]
    return finding


def test_of_a_right_certificate_every_row_is_fine(tmp_path: Path) -> None:
    rows = certs.check(place(tmp_path, [LEAF, INTERMEDIATE]))
    assert [(row.check, row.finding.level) for row in rows] == [(check.name, "fine") for check in certs.CHECKS]
    assert not any(row.finding.id or row.finding.hint for row in rows)


CHAINS: dict[str, tuple[list[Signer], str, str]] = {
    "leaf and intermediate": ([LEAF, INTERMEDIATE], "", ""),
    "with the root": ([LEAF, INTERMEDIATE, ROOT], "", ""),
    "no intermediate": ([LEAF], "certs.chain_incomplete", f"CN=Intermediate (offered at {OFFERED_AT}) is missing"),
    "the root in place of the intermediate": ([LEAF, ROOT], "certs.chain_incomplete", "CN=Intermediate"),
    "an unknown root, not in the file": (
        [made("leaf", SHORT_ROOT)],
        "certs.chain_incomplete",
        "CN=Short root is missing: it is neither",
    ),
    "an unknown root, in the file": ([made("leaf", SHORT_ROOT), SHORT_ROOT], "certs.private_ca", "CN=Short root"),
    "signed by itself": ([SELF_SIGNED], "certs.self_signed", "no CA"),
    "in disorder": ([LEAF, ROOT, INTERMEDIATE], "", ""),
    "signed by what is no CA": ([made("leaf", NO_AUTHORITY), NO_AUTHORITY], "certs.refused", "invalid CA"),
    "an unknown root that may not sign for so many": (
        [made("leaf", TOO_LOW), TOO_LOW, SHORT_ROOT],
        "certs.refused",
        "path length",
    ),
    "expired": ([made("leaf", ROOT, after=-DAY)], "", ""),
}


@pytest.mark.parametrize(("chain", "expected", "words"), CHAINS.values(), ids=CHAINS)
def test_the_trust_of(tmp_path: Path, chain: list[Signer], expected: str, words: str) -> None:
    finding = judged(place(tmp_path, chain), "trust")
    assert (finding.id, words in finding.sentence) == (expected, True), finding


def test_who_is_trusted_by_this_system_needs_no_other_root(tmp_path: Path) -> None:
    assert judged(place(tmp_path, [SELF_SIGNED], trusted=SELF_SIGNED), "trust").level == "fine"
    assert judged(place(tmp_path, [LEAF, INTERMEDIATE], roots=None), "trust").id == "certs.chain_incomplete"


ORDERS: dict[str, tuple[list[Signer], str]] = {
    "three that were signed with SHA-1": ([OLD_LEAF, OLD_INTERMEDIATE, OLD_ROOT], ""),
    "one": ([LEAF], ""),
    "two": ([LEAF, INTERMEDIATE], ""),
    "three": ([LEAF, INTERMEDIATE, ROOT], ""),
    "one left out": ([LEAF, ROOT], "CN=Root, did not sign certificate 1; CN=Intermediate did"),
    "two exchanged": ([LEAF, ROOT, INTERMEDIATE], "certificate 2 of the file, CN=Root"),
    "one twice": ([LEAF, LEAF, INTERMEDIATE], "certificate 2 of the file, CN=leaf"),
    "one too many": ([LEAF, INTERMEDIATE, SELF_SIGNED], "certificate 3 of the file, CN=self-signed"),
    "the right name and another key": ([LEAF, NAMESAKE], "certificate 2 of the file, CN=Intermediate"),
}


@pytest.mark.parametrize(("chain", "words"), ORDERS.values(), ids=ORDERS)
def test_the_order_of(tmp_path: Path, chain: list[Signer], words: str) -> None:
    finding = judged(place(tmp_path, chain), "order")
    assert (finding.id, words in finding.sentence) == ("certs.chain_disordered" if words else "", True), finding


PAIRS: dict[str, tuple[list[Signer], Any, str]] = {
    "its own": ([LEAF, INTERMEDIATE], LEAF.key, ""),
    "another's": ([LEAF, INTERMEDIATE], SELF_SIGNED.key, "belongs to another certificate"),
    "another kind of key": ([LEAF, INTERMEDIATE], samples.ed_key(), "belongs to another certificate"),
    "its issuer's": ([LEAF, INTERMEDIATE], INTERMEDIATE.key, "certificate 2 of the file, not to the first"),
    "the issuer first": ([INTERMEDIATE, LEAF], LEAF.key, "certificate 2 of the file, not to the first"),
}


@pytest.mark.parametrize(("chain", "key", "words"), PAIRS.values(), ids=PAIRS)
def test_a_key_is(tmp_path: Path, chain: list[Signer], key: Any, words: str) -> None:
    where = place(tmp_path, chain, key=key)
    finding = judged(where, "pair")
    assert (finding.id, words in finding.sentence) == ("certs.key_mismatch" if words else "", True), finding
    assert (judged(where, "trust").level == "unknown") is bool(words)


# How long a certificate has been valid, how long it will be, and what is found.
TIMES: dict[str, tuple[timedelta, timedelta, str]] = {
    "from now on": (0 * DAY, 90 * DAY, ""),
    "from the next second on": (-SECOND, 90 * DAY, "certs.not_yet_valid"),
    "90 days, 21 left": (69 * DAY, 21 * DAY, ""),
    "90 days, a second less left": (69 * DAY + SECOND, 21 * DAY - SECOND, "certs.expires_soon"),
    "a year, 21 left": (344 * DAY, 21 * DAY, ""),
    "a year, a second less left": (344 * DAY + SECOND, 21 * DAY - SECOND, "certs.expires_soon"),
    "40 days, a quarter left": (30 * DAY, 10 * DAY, ""),
    "40 days, a second less left": (30 * DAY + SECOND, 10 * DAY - SECOND, "certs.expires_soon"),
    "6 days, a third left, as certbot leaves it": (4 * DAY, 2 * DAY, ""),
    "its last second": (80 * DAY, 0 * DAY, "certs.expires_soon"),
    "the second after": (80 * DAY, -SECOND, "certs.expired"),
}


@pytest.mark.parametrize(("before", "after", "expected"), TIMES.values(), ids=TIMES)
def test_the_validity_is(tmp_path: Path, before: timedelta, after: timedelta, expected: str) -> None:
    assert judged(place(tmp_path, [made("leaf", ROOT, before=before, after=after)]), "validity").id == expected


ISSUERS: dict[str, tuple[timedelta, timedelta, str]] = {
    "its first second": (0 * DAY, DAY, ""),
    "the second before": (-SECOND, DAY, "certs.issuer_invalid"),
    "its last second": (DAY, 0 * DAY, ""),
    "the second after": (DAY, -SECOND, "certs.issuer_invalid"),
}


@pytest.mark.parametrize(("before", "after", "expected"), ISSUERS.values(), ids=ISSUERS)
def test_an_intermediate_is_judged_in(tmp_path: Path, before: timedelta, after: timedelta, expected: str) -> None:
    issuer = authority("Issuer", ROOT, before=before, after=after)
    where = place(tmp_path, [made("leaf", issuer), issuer])
    assert (judged(where, "issuers").id, judged(where, "validity").id) == (expected, "")


@pytest.mark.parametrize(
    ("lives", "expected"), [(366 * DAY, ""), (367 * DAY - SECOND, ""), (367 * DAY, "certs.long_lived")]
)
def test_a_life_of(tmp_path: Path, lives: timedelta, expected: str) -> None:
    assert judged(place(tmp_path, [made("leaf", ROOT, before=0 * DAY, after=lives)]), "life").id == expected


KEYS: dict[str, tuple[Callable[[], Any], str]] = {
    "RSA 1024": (lambda: samples.rsa_key(1024), "RSA with 1024 bits"),
    "RSA 2040": (lambda: samples.rsa_key(2040), "RSA with 2040 bits"),
    "RSA 2048": (lambda: samples.rsa_key(2048), ""),
    "P-224": (lambda: samples.ec_key(ec.SECP224R1()), "ECDSA with secp224r1"),
    "P-256": (samples.ec_key, ""),
    "P-384": (lambda: samples.ec_key(ec.SECP384R1()), ""),
    "P-521": (lambda: samples.ec_key(ec.SECP521R1()), "ECDSA with secp521r1"),
    "Ed25519": (samples.ed_key, "is Ed25519;"),
}


@pytest.mark.parametrize(("key", "words"), KEYS.values(), ids=KEYS)
def test_a_key_of_the_kind(tmp_path: Path, key: Callable[[], Any], words: str) -> None:
    finding = judged(place(tmp_path, [made("leaf", ROOT, key=key())]), "strength")
    assert (finding.id, words in finding.sentence) == ("certs.key_unsuitable" if words else "", True), finding


def test_the_keys_of_issuers_count_too(tmp_path: Path) -> None:
    weak = authority("Weak", ROOT, key=samples.rsa_key(1024))
    finding = judged(place(tmp_path, [made("leaf", weak), weak]), "strength")
    assert finding.id == "certs.key_unsuitable"
    assert "of certificate 2" in finding.sentence


SIGNATURES: dict[str, tuple[Callable[[], list[Signer]], str]] = {
    "SHA-1": (lambda: [OLD_LEAF], "certificate 1 of the file is signed with sha1"),
    "SHA-224": (lambda: [made("leaf", ROOT, digest=hashes.SHA224())], "signed with sha224"),
    "SHA-256": (lambda: [made("leaf", ROOT, digest=hashes.SHA256())], ""),
    "SHA-384": (lambda: [made("leaf", ROOT, digest=hashes.SHA384())], ""),
    "SHA-512": (lambda: [made("leaf", ROOT, digest=hashes.SHA512())], ""),
    "Ed25519": (lambda: [made("leaf", authority("Ed", key=samples.ed_key()))], "signed with 1.3.101.112"),
    "a root with SHA-1": (lambda: [LEAF_OF_OLD_ROOT, OLD_ROOT], ""),
    "an intermediate with SHA-1": (lambda: [LEAF_OF_OLD_ROOT, OLD_INTERMEDIATE], "certificate 2"),
}


@pytest.mark.parametrize(("chain", "words"), SIGNATURES.values(), ids=SIGNATURES)
def test_a_signature_with(tmp_path: Path, chain: Callable[[], list[Signer]], words: str) -> None:
    finding = judged(place(tmp_path, chain()), "signature")
    assert (finding.id, words in finding.sentence) == ("certs.signature_unsuitable" if words else "", True), finding


USAGES: dict[str, tuple[dict[str, Any], str]] = {
    "for servers": ({"purposes": [SERVER]}, ""),
    "for servers and clients": ({"purposes": [CLIENT, SERVER]}, ""),
    "for clients": ({"purposes": [CLIENT]}, "certs.usage_missing"),
    "without a word on it": ({"purposes": None, "ca": None}, ""),
    "whose key may sign": ({"uses": ("digital_signature",)}, ""),
    "whose key may not sign": ({"uses": ("key_encipherment",)}, "certs.usage_missing"),
    "of a CA": ({"ca": True}, "certs.usage_authority"),
}


@pytest.mark.parametrize(("variant", "expected"), USAGES.values(), ids=USAGES)
def test_a_certificate(tmp_path: Path, variant: dict[str, Any], expected: str) -> None:
    assert judged(place(tmp_path, [made("leaf", ROOT, **variant)]), "usage").id == expected


NAMES: dict[str, tuple[str, Sequence[str] | None, str]] = {
    "that it has": (HOST, ["a.example", HOST], ""),
    "that it does not have": (HOST, ["a.example", "192.0.2.1"], "is not among its names: a.example, 192.0.2.1"),
    "when it has none": (HOST, None, "is not among its names: none at all"),
    "with signs that are none of a terminal's business": (HOST, ["a\x1b[2J.example"], "names: a?[2J.example"),
}


@pytest.mark.parametrize(("host", "names", "words"), NAMES.values(), ids=NAMES)
def test_a_name(tmp_path: Path, host: str, names: Sequence[str] | None, words: str) -> None:
    finding = judged(place(tmp_path, [made("leaf", ROOT, names=names)], host=host), "name")
    assert (finding.id, words in finding.sentence) == ("certs.name_not_covered" if words else "", True), finding


KEY_MODES = {
    "600": "",
    "400": "",
    "640": "certs.key_readable_by_group",
    "610": "certs.key_readable_by_group",
    "604": "certs.key_readable_by_all",
    "644": "certs.key_readable_by_all",
    "602": "certs.key_readable_by_all",
}


@pytest.mark.parametrize(("mode", "expected"), KEY_MODES.items(), ids=KEY_MODES)
def test_a_key_with_mode(tmp_path: Path, mode: str, expected: str) -> None:
    where = place(tmp_path, [LEAF, INTERMEDIATE])
    where.private_key.chmod(int(mode, 8))
    assert judged(where, "key rights").id == expected


FOLDER_MODES = {
    "700": "",
    "755": "",
    "770": "certs.replaceable_by_group",
    "720": "certs.replaceable_by_group",
    "702": "certs.replaceable_by_all",
    "777": "certs.replaceable_by_all",
}


@pytest.mark.parametrize(("mode", "expected"), FOLDER_MODES.items(), ids=FOLDER_MODES)
def test_a_folder_with_mode(tmp_path: Path, mode: str, expected: str) -> None:
    where = place(tmp_path, [LEAF, INTERMEDIATE])
    where.certificate.parent.chmod(int(mode, 8))
    assert judged(where, "places").id == expected


CERTIFICATE_MODES = {"644": "", "664": "certs.replaceable_by_group", "646": "certs.replaceable_by_all"}


@pytest.mark.parametrize(("mode", "expected"), CERTIFICATE_MODES.items(), ids=CERTIFICATE_MODES)
def test_a_certificate_with_mode(tmp_path: Path, mode: str, expected: str) -> None:
    where = place(tmp_path, [LEAF, INTERMEDIATE])
    where.certificate.chmod(int(mode, 8))
    assert judged(where, "places").id == expected


@pytest.mark.parametrize(("mode", "expected"), FOLDER_MODES.items(), ids=FOLDER_MODES)
@pytest.mark.parametrize("end", ["from", "to"])
def test_a_link_and_a_folder_with_mode(tmp_path: Path, end: str, mode: str, expected: str) -> None:
    where = place(tmp_path, [LEAF, INTERMEDIATE])
    elsewhere = tmp_path / "archive"
    elsewhere.mkdir(mode=0o700)
    for path in (where.certificate, where.private_key):
        path.rename(elsewhere / path.name)
        path.symlink_to(elsewhere / path.name)
    {"from": where.certificate.parent, "to": elsewhere}[end].chmod(int(mode, 8))
    assert judged(where, "places").id == expected


def traditional(key: Any) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"word"))


CERTIFICATE, KEY = LEAF.pem, LEAF.key_pem
PUBLIC = LEAF.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"

FILES: dict[str, tuple[str, bytes, str]] = {
    "text before": ("certificate", b"subject=leaf\n" + CERTIFICATE, ""),
    "line ends of Windows": ("certificate", CERTIFICATE.replace(b"\n", b"\r\n"), ""),
    "nothing": ("certificate", b"", "certs.certificate_malformed"),
    "half of it": ("certificate", CERTIFICATE[: len(CERTIFICATE) // 2], "certs.certificate_malformed"),
    "no PEM": ("certificate", LEAF.certificate.public_bytes(serialization.Encoding.DER), "certs.certificate_malformed"),
    "a key": ("certificate", KEY, "certs.certificate_malformed"),
    "a word in PEM": (
        "certificate",
        b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
        "certs.certificate_malformed",
    ),
    "one that is good and one that is not": (
        "certificate",
        CERTIFICATE + b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
        "certs.certificate_malformed",
    ),
    "parameters before the key, as openssl writes them": ("key", PARAMETERS + KEY, ""),
    "no key": ("key", b"", "certs.key_malformed"),
    "half a key": ("key", KEY[: len(KEY) // 2], "certs.key_malformed"),
    "a certificate": ("key", CERTIFICATE, "certs.key_malformed"),
    "a public key": ("key", PUBLIC, "certs.key_malformed"),
    "a key with a password": (
        "key",
        certificates.locked(LEAF.key, serialization.BestAvailableEncryption(b"word")),
        "certs.key_encrypted",
    ),
    "a key with a password, as it used to be": ("key", traditional(LEAF.key), "certs.key_encrypted"),
}


@pytest.mark.parametrize(("check", "content", "expected"), FILES.values(), ids=FILES)
def test_a_file_that_holds(tmp_path: Path, check: str, content: bytes, expected: str) -> None:
    where = place(tmp_path, [LEAF])
    (where.certificate if check == "certificate" else where.private_key).write_bytes(content)
    assert judged(where, check).id == expected
    assert (judged(where, "pair").level == "unknown") is bool(expected)


def _missing(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize("spoil", [_missing, _folder, _pipe, _circle])
@pytest.mark.parametrize("check", ["certificate", "key"])
def test_what_is_no_file_is_told_and_the_rest_is_not_judged(
    tmp_path: Path, check: str, spoil: Callable[[Path], None]
) -> None:
    where = place(tmp_path, [LEAF])
    spoil(where.certificate if check == "certificate" else where.private_key)
    rows = {row.check: row.finding for row in certs.check(where)}
    assert rows[check].id == f"certs.{check}_unreadable"
    assert rows["pair"].level == rows["trust"].level == rows["places"].level == "unknown"
    assert findings.exit_status(rows.values()) == 2


def test_a_file_that_vanishes_in_between_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="changed while they were looked at: No such file or directory"):
        certs.check(place(tmp_path, [LEAF], roots=tmp_path / "vanished.pem"))


LEVELS: list[tuple[list[findings.Level], int]] = [
    ([], 0),
    (["fine", "unknown"], 0),
    (["fine", "warning", "fine"], 1),
    (["warning", "error", "unknown"], 2),
]


@pytest.mark.parametrize(("levels", "status"), LEVELS)
def test_the_exit_status_is_that_of_the_worst(levels: list[findings.Level], status: int) -> None:
    assert findings.exit_status(CertificateFinding(level, "") for level in levels) == status


def test_every_kind_of_finding_is_warning_or_error_and_says_what_to_do() -> None:
    assert {advice.level for advice in findings.FINDINGS.values()} == {"warning", "error"}
    assert all(advice.hint.endswith((".", "NEW.")) for advice in findings.FINDINGS.values())


def test_the_documents_tell_every_finding_with_its_hint() -> None:
    said = (Path(__file__).parent.parent / "docs" / "certificates.md").read_text("utf-8")
    told = {identifier: (advice.level, advice.hint) for identifier, advice in findings.FINDINGS.items()}
    assert {name: row for name, row in told.items() if f"| `{name}` | {row[0]} |" not in said} == {}
    assert [hint for _, hint in told.values() if hint not in said] == []
    numbers = (judging.SOON.days, judging.LONGEST_LIFE_DAYS, judging.LEAST_RSA_BITS)
    assert all(str(number) in said for number in numbers)


FILES_OF_A_PAIR = LEAF.pem + INTERMEDIATE.pem, LEAF.key_pem


@given(
    which=st.sampled_from([0, 1]),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4)), min_size=1, max_size=4),
)
def test_no_bytes_at_all_make_it_fail(which: int, changes: list[tuple[int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        where = place(Path(name), [LEAF, INTERMEDIATE])
        content = bytearray(FILES_OF_A_PAIR[which])
        for at, new in changes:
            content[at : at + len(new)] = new
        (where.certificate, where.private_key)[which].write_bytes(content)
        assert [row.check for row in certs.check(where)] == [check.name for check in certs.CHECKS]


@given(at=st.integers(0, 2000), new=st.binary(min_size=1, max_size=3))
def test_no_malformed_certificate_makes_it_fail(at: int, new: bytes) -> None:
    """The same below the PEM: what is inside may be anything."""
    der = bytearray(LEAF.certificate.public_bytes(serialization.Encoding.DER))
    der[at % len(der) : at % len(der) + len(new)] = new
    with tempfile.TemporaryDirectory() as name:
        where = place(Path(name), [LEAF, INTERMEDIATE])
        where.certificate.write_bytes(_pem(bytes(der)))
        assert len(certs.check(where)) == len(certs.CHECKS)


def test_what_cryptography_only_deprecates_is_no_warning_of_ours(tmp_path: Path) -> None:
    der = LEAF.certificate.public_bytes(serialization.Encoding.DER)
    number = LEAF.certificate.serial_number.to_bytes(20)
    where = place(tmp_path, [LEAF])
    where.certificate.write_bytes(_pem(der.replace(number.lstrip(b"\0"), b"\x80" + number.lstrip(b"\0")[1:])))
    assert judged(where, "certificate").level == "fine"


def _pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"

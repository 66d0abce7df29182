"""Signatures: what proves that Sinch sent a callback, and everything that only looks like it."""

from __future__ import annotations

import base64
import hmac
import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.errors import ClockSkew, StaleSignature, Unauthorized
from gateway.ingress import signature
from gateway.ingress.signature import ALGORITHM, NONCE, SIGNATURE, TIMESTAMP, Proof
from sandbox import signing
from tests.together import together

VECTORS = json.loads((Path(__file__).parent / "data" / "sinch_signatures.json").read_text("utf-8"))["vectors"]
SECRET = "a webhook secret"
ULID = "01FJA8B4A7BM43YGWSG9GBV067"
NOW = 1634579353
BODY = b'{"message":{"id":"m1","text":"1.5 and 2.5. Done."}}'

# Everything that a nonce may be made of, and every length that it may have.
nonces = st.text(string.ascii_letters + string.digits + "_-", min_size=16, max_size=64)
timestamps = st.integers(1_000_000_000, 9_999_999_999)
secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def sign(body: bytes = BODY, *, secret: str = SECRET, nonce: str = ULID, timestamp: int = NOW) -> dict[str, str]:
    return signing.sign(body, secret, nonce, timestamp)


def verify(headers: Mapping[str, str], body: bytes = BODY, *secrets: str) -> Proof:
    return signature.verify(body, headers, secrets=secrets or (SECRET,))


def refusal(headers: Mapping[str, str], body: bytes = BODY, *secrets: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        verify(headers, body, *secrets)
    return caught.value.reason


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_each_vector_of_the_vendor_is_judged_as_the_vendor_judges_it(vector: dict[str, Any]) -> None:
    body, headers = base64.b64decode(vector["body_base64"]), vector["headers"]
    if not vector["expected_valid"]:
        assert refusal(headers, body, vector["secret"])
        return
    proof = verify(headers, body, vector["secret"])
    signature.require_known_time(proof, now=float(headers[TIMESTAMP]), max_age_seconds=1)
    assert proof == Proof(nonce=headers[NONCE], timestamp=int(headers[TIMESTAMP]))


BODIES = {
    "empty": b"",
    "compact": b"{}",
    "printed over several lines": b'{\n  "a": 1\n}',
    "ending in a line feed": b"{}\n",
    "with CRLF": b'{\r\n"a":1\r\n}\r\n',
    "of other letters": '{"text":"¿qué? 👋"}'.encode(),
    "no text at all": bytes(range(256)),
    "made of dots": b"." * 100,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_is_proved_over_its_very_bytes(body: bytes) -> None:
    headers = sign(body)
    assert verify(headers, body) == Proof(ULID, NOW)
    for other in (body + b"\n", body + b" ", body[:-1], body.replace(b"\r\n", b"\n"), body.replace(b" ", b"")):
        assert other == body or refusal(headers, other) == "signature wrong"


@pytest.mark.parametrize("secret", ["clé-ünïcode", "👋", "c2VjcmV0", " blanks ", "x" * 1000, "\x00"], ids=ascii)
def test_a_secret_is_its_utf8_bytes_and_nothing_is_decoded_or_trimmed(secret: str) -> None:
    assert verify(sign(secret=secret), BODY, secret) == Proof(ULID, NOW)
    assert refusal(sign(secret=secret), BODY, secret + "x") == "signature wrong"
    assert refusal(sign(secret=secret + " "), BODY, secret) == "signature wrong"


@given(
    parts=st.lists(st.text(string.ascii_letters + string.digits + '_-{}":, \n', max_size=40), min_size=2, max_size=8),
    nonce=nonces,
    timestamp=timestamps,
)
@example(parts=["x", "0123456789abcdef"], nonce=ULID, timestamp=NOW)
def test_a_callback_moved_across_any_of_its_dots_is_refused(parts: list[str], nonce: str, timestamp: int) -> None:
    headers = sign(".".join(parts).encode(), nonce=nonce, timestamp=timestamp)
    pieces = [*parts, nonce, str(timestamp)]
    for cut in range(1, len(pieces) - 2):
        # The signed bytes stay the same; only what is called body, nonce and timestamp is another.
        body, moved = ".".join(pieces[:cut]).encode(), ".".join(pieces[cut:-1])
        assert refusal(headers | {NONCE: moved}, body) == "signature header malformed"
        later = headers | {NONCE: pieces[cut], TIMESTAMP: ".".join(pieces[cut + 1 :])}
        assert refusal(later, body) == "signature header malformed"
    assert verify(headers, ".".join(parts).encode()) == Proof(nonce, timestamp)


@pytest.mark.parametrize(
    "nonce",
    ["n" * 16, "n" * 17, "n" * 63, "n" * 64, ULID, "01234567-89ab-cdef-0123-456789abcdef", "_-" * 10],
    ids=lambda nonce: f"{len(nonce)} {nonce[:4]}",
)
def test_a_nonce_of_a_legal_form_is_handed_back(nonce: str) -> None:
    assert verify(sign(nonce=nonce)).nonce == nonce


@pytest.mark.parametrize("timestamp", [1_000_000_000, 9_999_999_999])
def test_a_timestamp_of_ten_digits_is_handed_back(timestamp: int) -> None:
    assert verify(sign(timestamp=timestamp)).timestamp == timestamp


NOT_NONCES = {
    "empty": "",
    "15 characters": "n" * 15,
    "65 characters": "n" * 65,
    "a megabyte": "n" * 1_000_000,
    "a dot at its start": "." + "n" * 20,
    "a dot within": "n" * 10 + "." + "n" * 10,
    "a dot at its end": "n" * 20 + ".",
    "a comma": "n" * 10 + "," + "n" * 10,
    "itself twice": f"{ULID},{ULID}",
    "itself twice, with a blank": f"{ULID}, {ULID}",
    "a blank": "n" * 10 + " " + "n" * 10,
    "a line feed at its end": ULID + "\n",
    "a carriage return at its end": ULID + "\r",
    "a zero byte": ULID + "\x00",
    "letters of Latin-1": "n" * 20 + "é",
    "letters beyond Latin-1": "n" * 20 + "ж",
    "digits of Arabic": "٣" * 20,
    "full-width letters": "ｎ" * 20,  # noqa: RUF001
    "a lone surrogate": "n" * 20 + "\udc80",
}
NOT_TIMESTAMPS = {
    "empty": "",
    "9 digits": "123456789",
    "11 digits": "12345678901",
    "milliseconds": f"{NOW}000",
    "a megabyte of digits": "9" * 1_000_000,
    "a sign": "+163457935",
    "a negative number": "-163457935",
    "a point": "163457935.",
    "an underscore": "1_63457935",
    "an exponent": "16345793e5",
    "a letter": "163457935x",
    "digits of Arabic": "١٦٣٤٥٧٩٣٥٣",
    "full-width digits": "１６３４５７９３５３",  # noqa: RUF001
    "superscript digits": "¹" * 10,
    "blanks around": f" {NOW} ",
    "a line feed at its end": f"{NOW}\n",
    "itself twice": f"{NOW},{NOW}",
    "itself twice, with a blank": f"{NOW}, {NOW}",
}
RIGHT = sign()[SIGNATURE]
NOT_SIGNATURES = {
    "empty": "",
    "43 characters": RIGHT[1:],
    "without its padding": RIGHT[:-1],
    "45 characters": RIGHT + "=",
    "44 characters without padding": RIGHT[:-1] + "A",
    "padding of two": RIGHT[:-2] + "==",
    "itself twice": f"{RIGHT},{RIGHT}",
    "itself twice, with a blank": f"{RIGHT}, {RIGHT}",
    "a line feed at its end": RIGHT + "\n",
    "a blank before it": " " + RIGHT,
    "the other alphabet of base64": "-" * 43 + "=",
    "letters of Latin-1": "é" * 43 + "=",
    "letters beyond Latin-1": "ж" * 43 + "=",
    "full-width letters": "Ａ" * 43 + "=",  # noqa: RUF001
    "hexadecimal": base64.b64decode(RIGHT).hex(),
}
MALFORMED = {
    f"{name.rpartition('-')[2]}: {case}": (name, value)
    for name, cases in ((NONCE, NOT_NONCES), (TIMESTAMP, NOT_TIMESTAMPS), (SIGNATURE, NOT_SIGNATURES))
    for case, value in cases.items()
}


@together(("name", "value"), MALFORMED.values(), ids=MALFORMED)
def test_a_header_of_another_form_is_refused_before_anything_is_computed(name: str, value: str) -> None:
    headers = sign() | {name: value}
    if name != SIGNATURE:  # it fits what is malformed: the form alone is wrong
        signed = f"{headers[NONCE]}.{headers[TIMESTAMP]}".encode("utf-8", "surrogatepass")
        mac = hmac.digest(SECRET.encode(), BODY + b"." + signed, "sha256")
        headers[SIGNATURE] = base64.b64encode(mac).decode()
    assert refusal(headers) == "signature header malformed"


@pytest.mark.parametrize("name", [SIGNATURE, NONCE, TIMESTAMP])
def test_a_missing_header_is_refused(name: str) -> None:
    assert refusal({key: value for key, value in sign().items() if key != name}) == "signature header missing"


def test_a_signature_in_another_spelling_of_base64_is_refused() -> None:
    # The last letter holds 4 bits of the MAC and 2 that are zero: 3 more letters decode to the same bytes.
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    place = alphabet.index(RIGHT[42])
    for other in alphabet[place + 1 : place + 4]:
        spelled = RIGHT[:42] + other + "="
        assert base64.b64decode(spelled) == base64.b64decode(RIGHT)
        assert refusal(sign() | {SIGNATURE: spelled}) == "signature wrong"


def test_a_signature_in_other_letters_is_refused() -> None:
    assert refusal(sign() | {SIGNATURE: RIGHT.swapcase()}) == "signature wrong"


REFUSED_ALGORITHMS = {
    "empty": "",
    "stronger": "HmacSHA512",
    "weaker": "HmacSHA1",
    "none": "none",
    "in small letters": "hmacsha256",
    "in capitals": "HMACSHA256",
    "with a hyphen": "Hmac-SHA256",
    "with a blank before": " HmacSHA256",
    "with a blank after": "HmacSHA256 ",
    "with a line feed": "HmacSHA256\n",
    "twice": "HmacSHA256,HmacSHA256",
    "twice, with a blank": "HmacSHA256, HmacSHA256",
    "in full-width letters": "ＨｍａｃSHA256",  # noqa: RUF001
}


@together("value", REFUSED_ALGORITHMS.values(), ids=REFUSED_ALGORITHMS)
def test_an_algorithm_that_is_not_exactly_ours_is_refused(value: str) -> None:
    assert refusal(sign() | {ALGORITHM: value}) == "signature algorithm refused"


def test_an_absent_algorithm_is_accepted() -> None:
    headers = sign()
    assert headers.pop(ALGORITHM) == "HmacSHA256"
    assert verify(headers) == Proof(ULID, NOW)


@pytest.mark.parametrize("place", range(4))
def test_each_of_several_secrets_fits_wherever_it_stands(place: int) -> None:
    secrets = [f"secret {number}" for number in range(4)]
    assert verify(sign(secret=secrets[place]), BODY, *secrets) == Proof(ULID, NOW)
    assert refusal(sign(secret=secrets.pop(place)), BODY, *secrets) == "signature wrong"


def test_secrets_may_come_one_by_one_and_none_proves_nothing() -> None:
    assert signature.verify(BODY, sign(), secrets=iter(["x", SECRET])) == Proof(ULID, NOW)
    with pytest.raises(Unauthorized):
        signature.verify(BODY, sign(), secrets=())


def test_names_of_headers_are_taken_in_small_letters_only() -> None:
    assert refusal({name.title(): value for name, value in sign().items()}) == "signature header missing"


@given(
    body=st.binary(max_size=200),
    headers=st.dictionaries(
        st.sampled_from(signature.HEADERS),
        st.text(st.characters(), max_size=80)
        | nonces
        | timestamps.map(str)
        | st.binary(min_size=32, max_size=32).map(lambda mac: base64.b64encode(mac).decode())
        | st.just("HmacSHA256"),
    ),
)
def test_any_bytes_and_any_headers_end_in_a_proof_or_in_a_refusal(body: bytes, headers: dict[str, str]) -> None:
    assert refusal(headers, body)


@given(body=st.binary(min_size=1, max_size=100), nonce=nonces, timestamp=timestamps, data=st.data())
def test_a_callback_in_which_any_bit_was_flipped_is_refused(
    body: bytes, nonce: str, timestamp: int, data: st.DataObject
) -> None:
    headers = sign(body, nonce=nonce, timestamp=timestamp)
    part = data.draw(st.sampled_from(["body", NONCE, TIMESTAMP, SIGNATURE]))
    was = bytearray(body if part == "body" else headers[part].encode())
    bit = data.draw(st.integers(0, 8 * len(was) - 1))
    was[bit // 8] ^= 1 << bit % 8
    if part == "body":
        assert refusal(headers, bytes(was)) == "signature wrong"
    else:
        assert refusal(headers | {part: was.decode("latin-1")}, body)


@given(body=st.text(st.characters(exclude_categories=["Cs"]), max_size=100), secret=secrets, nonce=nonces)
def test_what_we_accept_the_vendors_own_validator_accepts_and_the_other_way_round(
    vendors: Any, body: str, secret: str, nonce: str
) -> None:
    headers = sign(body.encode(), secret=secret, nonce=nonce)
    theirs = vendors(secret)
    assert verify(headers, body.encode(), secret) == Proof(nonce, NOW)
    assert theirs.validate_authentication_header(headers, body.encode())
    for other in (body + "\n", body + " ", body[1:]):
        assume(other != body)
        assert refusal(headers, other.encode(), secret) == "signature wrong"
        assert not theirs.validate_authentication_header(headers, other.encode())


HOURS = 3600
TIMES = {
    "signed this moment": (0, None),
    "at its age": (25 * HOURS, None),
    "a moment over its age": (25 * HOURS + 0.001, StaleSignature),
    "years old": (20 * 365 * 24 * HOURS, StaleSignature),
    "5 minutes ahead": (-300, None),
    "a moment more than 5 minutes ahead": (-300.001, ClockSkew),
    "years ahead": (-20 * 365 * 24 * HOURS, ClockSkew),
}


@pytest.mark.parametrize(("age", "error"), TIMES.values(), ids=TIMES)
def test_a_time_is_known_from_five_minutes_ahead_to_its_age(age: float, error: type[Exception] | None) -> None:
    def require() -> None:
        signature.require_known_time(Proof(ULID, NOW), now=NOW + age, max_age_seconds=25 * HOURS)

    if error is None:
        require()
    else:
        with pytest.raises(error):
            require()


LATER = NOW + 3 * 86_400


def renewed(headers: Mapping[str, str], *, secrets: tuple[str, ...], body: bytes = BODY) -> dict[str, str]:
    told = (("content-type", "application/json"), *headers.items())
    anew = signature.renewed(told, sent=BODY, body=body, secrets=secrets, now=LATER + 0.9)
    assert [name for name, _ in anew] == [name for name, _ in told]
    assert anew[0] == told[0]
    return dict(anew[1:])


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    secret=secrets,
    nonce=nonces,
    timestamp=timestamps,
)
def test_what_is_signed_anew_keeps_its_nonce_and_the_vendors_own_validator_takes_it(
    vendors: Any, text: str, secret: str, nonce: str, timestamp: int
) -> None:
    body, secrets = text.encode(), ("another secret", secret)
    anew = renewed(sign(secret=secret, nonce=nonce, timestamp=timestamp), secrets=secrets, body=body)
    assert verify(anew, body, secret) == Proof(nonce, LATER)
    assert vendors(secret).validate_authentication_header(anew, body)
    assert signature.signed_at(anew.items()) == LATER


SECRETS = {
    "the one that fits": (("new", SECRET, "old"), SECRET),
    "the first, where none does": (("new", "newer"), "new"),
    "the only one": ((SECRET,), SECRET),
}


@pytest.mark.parametrize(("secrets", "used"), SECRETS.values(), ids=SECRETS)
def test_of_several_secrets_that_signs_anew_which_has_signed_it(secrets: tuple[str, ...], used: str) -> None:
    assert verify(renewed(sign(), secrets=secrets), BODY, used).timestamp == LATER


UNSIGNED = {
    "nothing of a signature": {},
    "no nonce": {SIGNATURE: sign()[SIGNATURE], TIMESTAMP: str(NOW)},
    "a nonce that may hide a part of the body": sign() | {NONCE: "0123456789abcdef.x"},
    "a timestamp in words": sign() | {TIMESTAMP: "yesterday"},
}


@pytest.mark.parametrize("headers", UNSIGNED.values(), ids=UNSIGNED)
def test_what_was_not_signed_is_not_signed_by_us(headers: dict[str, str]) -> None:
    assert renewed(headers, secrets=(SECRET,)) == headers
    assert signature.signed_at(headers.items()) is None


def test_without_a_secret_a_signature_stays_as_it_is() -> None:
    assert renewed(sign(), secrets=()) == sign()

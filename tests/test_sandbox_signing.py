"""The sandbox's signer against the vendor's vectors and the vendor's own validator."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from sinch.domains.conversation.sinch_events.v1 import ConversationSinchEvent

from sandbox import signing

VECTORS = json.loads((Path(__file__).parent / "data" / "sinch_signatures.json").read_text("utf-8"))["vectors"]
NONCE = "01FJA8B4A7BM43YGWSG9GBV067"


def by_id(vector):
    return vector["id"]


def signed(vector):
    headers = vector["headers"]
    nonce, timestamp = headers[signing.NONCE_HEADER], headers[signing.TIMESTAMP_HEADER]
    return lambda: signing.sign(base64.b64decode(vector["body_base64"]), vector["secret"], nonce, int(timestamp))


def expected(*, valid):
    found = [vector for vector in VECTORS if vector["expected_valid"] is valid]
    assert found, "a selection without rows proves nothing"
    return found


@pytest.mark.parametrize("vector", expected(valid=True), ids=by_id)
def test_the_signer_makes_the_headers_of_every_positive_vector(vector):
    assert signed(vector)() == vector["headers"]


def test_a_timestamp_in_milliseconds_makes_another_signature():
    vector = next(vector for vector in expected(valid=False) if vector["id"] == "neg-timestamp-ms")
    assert signed(vector)()[signing.SIGNATURE_HEADER] != vector["headers"][signing.SIGNATURE_HEADER]


@pytest.mark.parametrize("body", [b"{}", b'{\n "a": 1\n}\n', b"{}\r\n", '{"text":"¿qué? 👋"}'.encode()], ids=repr)
def test_the_vendors_own_validator_accepts_what_the_signer_signs(body):
    headers = signing.sign(body, "a secret with ünïcode", NONCE, 1634579353)
    assert ConversationSinchEvent("a secret with ünïcode").validate_authentication_header(headers, body)


@pytest.mark.parametrize("body", [b"{} ", b"{}\n", b""], ids=repr)
def test_the_vendors_own_validator_refuses_other_bytes_than_were_signed(body):
    headers = signing.sign(b"{}", "secret", NONCE, 1634579353)
    assert not ConversationSinchEvent("secret").validate_authentication_header(headers, body)


def test_a_ulid_begins_with_its_time_and_never_repeats():
    now = 1634579353.927  # the moment in the vectors' nonce
    made = {signing.ulid(now) for _ in range(1000)}
    assert len(made) == 1000
    assert {name[:10] for name in made} == {NONCE[:10]}
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", name) for name in made)

"""Signs callbacks as Sinch's Conversation API does, independently of the gateway.

The signed string, the header names and the second as the unit are confirmed by the vendor's SDKs and vectors; that the
nonce is a ULID is what the vectors show.
"""

from __future__ import annotations

import base64
import hmac
import secrets

ALGORITHM = "HmacSHA256"
SIGNATURE_HEADER = "x-sinch-webhook-signature"
NONCE_HEADER = "x-sinch-webhook-signature-nonce"
TIMESTAMP_HEADER = "x-sinch-webhook-signature-timestamp"
ALGORITHM_HEADER = "x-sinch-webhook-signature-algorithm"
HEADERS = (SIGNATURE_HEADER, NONCE_HEADER, TIMESTAMP_HEADER, ALGORITHM_HEADER)

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80
_ULID_CHARACTERS = 26


def sign(body: bytes, secret: str, nonce: str, timestamp: int) -> dict[str, str]:
    """The four signature headers of `body`; `timestamp` is in Unix seconds."""
    signed = body + f".{nonce}.{timestamp}".encode()
    digest = hmac.digest(secret.encode(), signed, "sha256")
    return {
        SIGNATURE_HEADER: base64.b64encode(digest).decode(),
        NONCE_HEADER: nonce,
        TIMESTAMP_HEADER: str(timestamp),
        ALGORITHM_HEADER: ALGORITHM,
    }


def ulid(now: float) -> str:
    """A new ULID (26 characters) of the moment `now`, in Unix seconds.

    Never seeded: two runs of a seeded simulator against one gateway would otherwise repeat each other's nonces.
    """
    return spell(int(now * 1000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))


def spell(number: int) -> str:
    """The lowest 128 bits of `number` in the 26 characters of a ULID."""
    number &= (1 << 128) - 1
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(5 * (_ULID_CHARACTERS - 1), -1, -5))

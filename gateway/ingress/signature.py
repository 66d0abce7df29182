"""Proves that a callback was signed with a secret of its account, and signs it anew for Motion.

Rule 1. The form is checked strictly before anything is computed. Sinch signs `body.nonce.timestamp`,
        so a nonce that might hold a dot would let a captured callback be cut at any dot of its body
        and stay "signed".
Rule 2. The MAC is taken over the bytes as they came, and compared in constant time.
Rule 3. What is proved is handed back; everything else raises `Unauthorized`.
Rule 4. The algorithm header never chooses anything: it is absent or exactly `HmacSHA256`.
Rule 5. What is signed anew keeps its nonce, and is signed with the secret that it was signed with, as long as there is
        that one. What was not signed is not signed by us.

Source: developers.sinch.com/docs/conversation/callbacks, "Validating callbacks".
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.config.secrets import require_one_of
from gateway.errors import ClockSkew, StaleSignature, Unauthorized
from gateway.phrases import Reason

SIGNATURE = "x-sinch-webhook-signature"
NONCE = "x-sinch-webhook-signature-nonce"
TIMESTAMP = "x-sinch-webhook-signature-timestamp"
ALGORITHM = "x-sinch-webhook-signature-algorithm"
HEADERS = (SIGNATURE, NONCE, TIMESTAMP, ALGORITHM)

FUTURE_TOLERANCE_SECONDS = 300

_FORMS = {
    SIGNATURE: re.compile(r"[0-9A-Za-z+/]{43}="),
    NONCE: re.compile(r"[0-9A-Za-z_-]{16,64}"),
    TIMESTAMP: re.compile(r"[0-9]{10}"),
}


@dataclass(frozen=True)
class Proof:
    """A callback whose signature is right; nothing is said yet about its age."""

    nonce: str
    timestamp: int  # Unix seconds, when Sinch signed


def verify(body: bytes, headers: Mapping[str, str], *, secrets: Iterable[str]) -> Proof:
    """Prove that `body` was signed with one of `secrets`.

    `headers` maps the lower-case names of `HEADERS` to their values; a header that came twice must
    arrive here joined by a comma, as WSGI does it, and is refused by its form.

    Raises Unauthorized.
    """
    values = {name: _strict(headers, name) for name in _FORMS}
    if headers.get(ALGORITHM, "HmacSHA256") != "HmacSHA256":
        raise Unauthorized(Reason.ALGORITHM_REFUSED)
    signed = b".".join((body, values[NONCE].encode("ascii"), values[TIMESTAMP].encode("ascii")))
    right = [_sign(signed, secret) for secret in secrets]
    require_one_of(values[SIGNATURE], expected=right, reason=Reason.SIGNATURE_WRONG)
    return Proof(nonce=values[NONCE], timestamp=int(values[TIMESTAMP]))


def require_known_time(proof: Proof, *, now: float, max_age_seconds: int) -> None:
    """Raises ClockSkew for a signature from the future, StaleSignature for one past its age."""
    if proof.timestamp - now > FUTURE_TOLERANCE_SECONDS:
        raise ClockSkew(Reason.SIGNATURE_TOO_EARLY)
    if now - proof.timestamp > max_age_seconds:
        raise StaleSignature(Reason.SIGNATURE_TOO_OLD)


def signed_at(headers: Iterable[tuple[str, str]]) -> int | None:
    """Tell when what came with these headers was signed, in Unix seconds; None for what was not signed."""
    named = dict(headers)
    formed = all(form.fullmatch(named.get(name, "")) for name, form in _FORMS.items())
    return int(named[TIMESTAMP]) if formed else None


def renewed(
    headers: Sequence[tuple[str, str]], *, sent: bytes, body: bytes, secrets: Sequence[str], now: float
) -> tuple[tuple[str, str], ...]:
    """Sign `body` in the place of what was `sent` with these headers, at that moment; hand back all the headers.

    Where none of the secrets has signed it the first one does: the other was taken out meanwhile. Without any, and of
    what was not signed, the headers stay as they are.
    """
    if not secrets or signed_at(headers) is None:
        return tuple(headers)
    named = dict(headers)
    secret = next((secret for secret in secrets if _is_signed(sent, named, secret)), secrets[0])
    nonce, timestamp = named[NONCE], str(int(now))
    signature = _sign(b".".join((body, nonce.encode("ascii"), timestamp.encode("ascii"))), secret)
    anew = {SIGNATURE: signature, TIMESTAMP: timestamp}
    return tuple((name, anew.get(name, value)) for name, value in headers)


def _is_signed(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    try:
        verify(body, headers, secrets=(secret,))
    except Unauthorized:
        return False
    return True


def _strict(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise Unauthorized(Reason.HEADER_MISSING)
    if not _FORMS[name].fullmatch(value):
        raise Unauthorized(Reason.HEADER_MALFORMED)
    return value


def _sign(signed: bytes, secret: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode("utf-8"), signed, "sha256")).decode("ascii")

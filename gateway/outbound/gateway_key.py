"""Proves that a call comes from Motion where the gateway keeps the credentials: by the gateway key, or our own token.

1. The key is shown as the password of Basic authentication; the user is whatever Motion calls its Key ID.
2. Who asks `/oauth2/token` with it gets an access token of ours: sealed with Fernet under a key that is made of the
   gateway key (HKDF, RFC 5869). It is worth nothing at Sinch, and ends with the gateway key.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from cryptography.fernet import InvalidToken

from gateway.attachments import tokens
from gateway.config import secrets
from gateway.errors import Unauthorized
from gateway.outbound.refusals import Refused
from gateway.phrases import Reason

TOKEN_SECONDS = 3600  # as Sinch's own

_PURPOSE = b"motion-gateway: access token of the outbound door"
_BEARER = re.compile("(?i:bearer) +(gAAAA[0-9A-Za-z_-]{1,200}={0,2})")


def require(authorization: str, *, key: str, now: float) -> None:
    """Raises Refused unless the header shows the key, or a token that was given for it."""
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None:
        require_key(authorization, key=key)
    else:
        _require_token(bearer[1], key=key, now=now)


def require_key(authorization: str, *, key: str) -> None:
    """Raises Refused unless the header shows the key itself."""
    try:
        _user, shown = secrets.read_basic(authorization, reason=Reason.KEY_WRONG)
        secrets.require_equal(shown, expected=key, reason=Reason.KEY_WRONG)
    except Unauthorized as error:
        raise Refused("GATEWAY_KEY_WRONG") from error


def require_grant(form: bytes) -> None:
    """Raises Refused unless the body asks for what we have (RFC 6749, 4.4.2)."""
    try:
        pairs = parse_qsl(form.decode("ascii"), strict_parsing=True, max_num_fields=10)
    except ValueError as error:
        raise Refused("GRANT_NOT_ALLOWED") from error
    if [value for name, value in pairs if name == "grant_type"] != ["client_credentials"]:
        raise Refused("GRANT_NOT_ALLOWED")


def token(*, key: str, now: float) -> str:
    """A token that shows the key until TOKEN_SECONDS from now."""
    return tokens.fernet_of(key, purpose=_PURPOSE).encrypt_at_time(b"", int(now)).decode("ascii")


def _require_token(shown: str, *, key: str, now: float) -> None:
    fernet = tokens.fernet_of(key, purpose=_PURPOSE)
    try:
        fernet.decrypt(shown)
        issued_at = fernet.extract_timestamp(shown)
    except (InvalidToken, ValueError) as error:
        raise Refused("GATEWAY_KEY_WRONG") from error
    if now >= issued_at + TOKEN_SECONDS:
        raise Refused("TOKEN_EXPIRED")

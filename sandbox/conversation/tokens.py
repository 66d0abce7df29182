"""Access tokens, as auth.sinch.com gives them for a key, and what the API makes of credentials that it is shown."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

from sandbox.conversation import refusal
from sandbox.conversation.account import Key
from sandbox.reply import Reply
from sandbox.wire import Heard

PATH = "/oauth2/token"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Life:
    """How long tokens live, and what is said of it, in seconds; `said` may be anything, or None for nothing at all."""

    seconds: float = 3600
    said: object = 3600


@dataclass(frozen=True, kw_only=True)
class Token:
    """One that was given."""

    key_id: str
    ends_at: float


class Tokens:
    """All that were given; `clock` is in Unix seconds. `life` is that of the next ones."""

    def __init__(self, keys: Iterable[Key], *, clock: Callable[[], float]) -> None:
        self.open_to(keys)
        self._clock = clock
        self._guard = threading.Lock()
        self._given: dict[str, Token] = {}
        self.life = Life()

    def open_to(self, keys: Iterable[Key]) -> None:
        """Know these keys, and no others."""
        self._secrets = {key.key_id: key.key_secret for key in keys}

    @property
    def given(self) -> tuple[str, ...]:
        """Every token that was ever given, in turn."""
        with self._guard:
            return tuple(self._given)

    def expire(self) -> None:
        """End all tokens now."""
        now = self._clock()
        with self._guard:
            self._given = {text: dataclasses.replace(token, ends_at=now) for text, token in self._given.items()}

    def forget(self) -> None:
        """Know none of them any more: they are malformed, not expired."""
        with self._guard:
            self._given.clear()

    def give(self, heard: Heard) -> Reply:
        """The answer of the token endpoint."""
        key_id = self._basic(heard)
        if key_id is None:
            return refusal.of_token("invalid_client", "Client authentication failed", number=401)
        kind = (heard.header("content-type") or "").partition(";")[0].strip().lower()
        if kind != _FORM or parse_qs(heard.body.decode("latin-1")).get("grant_type") != ["client_credentials"]:
            return refusal.of_token("invalid_request", "grant_type=client_credentials is wanted, as a form")
        return self._fresh(key_id)

    def holder(self, heard: Heard) -> str | Reply:
        """The id of the key by which the request is made, else how it is refused."""
        shown = heard.all_headers("authorization")
        scheme, _, text = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
        if scheme.lower() == "bearer":
            return self._borne(text.strip())
        return self._basic(heard) or refusal.stranger()

    def _borne(self, text: str) -> str | Reply:
        with self._guard:
            token = self._given.get(text)
        if token is None:
            return refusal.malformed()
        if token.ends_at <= self._clock():
            return refusal.expired(datetime.fromtimestamp(token.ends_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        return token.key_id

    def _basic(self, heard: Heard) -> str | None:
        shown = heard.all_headers("authorization")
        scheme, _, text = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
        try:
            decoded = base64.b64decode(text.strip(), validate=True) if scheme.lower() == "basic" else b""
        except binascii.Error:
            return None
        name, _, secret = decoded.partition(b":")
        known = self._secrets.get(name.decode("latin-1"))
        return name.decode("latin-1") if known and hmac.compare_digest(known.encode(), secret) else None

    def _fresh(self, key_id: str) -> Reply:
        token = Token(key_id=key_id, ends_at=self._clock() + self.life.seconds)
        text = _spelled(token)
        with self._guard:
            self._given[text] = token
        said = {} if self.life.said is None else {"expires_in": self.life.said}
        content = {"access_token": text, "token_type": "bearer", **said, "scope": ""}
        return Reply(body=json.dumps(content).encode(), headers=(("cache-control", "no-store"),))


def _spelled(token: Token) -> str:
    """It looks like a JWT; nobody but us can tell whether it is one."""
    claims = {"client_id": token.key_id, "exp": int(token.ends_at), "jti": secrets.token_hex(8)}
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    signature = secrets.token_urlsafe(64)
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), signature])

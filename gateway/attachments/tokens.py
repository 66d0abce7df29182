"""Tokens of minted links, `/media/<token>/<name>`: which file, as what it is sent, for whom, and for how long.

1. A token is sealed with Fernet: nobody without a key reads, changes or makes one. It holds no URL.
2. One token has one spelling: base64url without padding, no stray bits at its end. Its form is proved before any key
   is tried.
3. Whatever is wrong with a token, expired ones included, is one error for all.
4. The first key mints, any opens: a key that is removed takes all its tokens with it. `issued_at` lets those of one
   attachment be revoked that were minted before some moment.
5. What was granted stands in the token: its file is sent under that type and name, by the verdict that held then.
   Tokens of an older release do not say the verdict: they begin with their purpose.

A key is any text of 16 characters or more. One that is a Fernet key (43 characters of base64url and `=`) is used as it
is; of any other HKDF with SHA-256 (RFC 5869) makes one. That adds no strength to a weak text.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import NotFound
from gateway.inspection.rulebook import VerdictKind
from gateway.phrases import Reason

_PURPOSE = b"motion-gateway minted links"
ROUTE = "/media/<token>/<name>"  # as a door's application has it


class Purpose(StrEnum):
    """For whom a link was minted. Stands in tokens by its first letter: each has one of its own."""

    MESSAGE = "message"  # in a message that Motion sends through the outbound door
    ELSEWHERE = "elsewhere"  # the same, for another channel than WhatsApp: its rules do not count
    OPERATOR = "operator"  # by hand
    INBOUND = "inbound"  # of a file that a customer sent, for Motion: at the private address alone


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a token allows: to fetch one file until a moment. Times are whole seconds since the epoch.

    `kind`: the verdict when it was minted, native or link; None where the token does not say.
    """

    attachment_id: str
    digest: bytes  # SHA-256 of the file
    kind: VerdictKind | None
    mime: str  # the Content-Type
    name: str  # made safe
    purpose: Purpose
    issued_at: int
    expires_at: int


# Letters that no purpose has: by the first one knows what comes.
_KINDS = {b"n": VerdictKind.NATIVE, b"l": VerdictKind.LINK}
_PURPOSES = {purpose[:1].encode(): purpose for purpose in Purpose}
_HEAD = struct.Struct(">cQ32s")  # purpose, end, digest; then the texts, each but the last ended by a NUL
_TEXTS = {"attachment_id": 64, "mime": 100, "name": 255}  # the most bytes of each
_MOST_PAYLOAD = 1 + _HEAD.size + sum(_TEXTS.values()) + len(_TEXTS) - 1
_FERNET_KEY = re.compile(r"[0-9A-Za-z_-]{43}=")


def _length(payload_bytes: int) -> int:
    """Count the characters of a token: version, time, IV and MAC around whole blocks, in base64 without padding."""
    sealed = 1 + 8 + 16 + (payload_bytes // 16 + 1) * 16 + 32
    return (sealed * 4 + 2) // 3


SHORTEST, LONGEST = _length(_HEAD.size), _length(_MOST_PAYLOAD)
_FORM = re.compile(rf"gAAAA[0-9A-Za-z_-]{{{SHORTEST - 5},{LONGEST - 5}}}")  # Fernet's version, and a time before 2106


def mint(grant: Grant, *, keys: Sequence[str]) -> str:
    """Seal `grant` in a token, with the first key. Raises ValueError for a grant that no token can hold."""
    head = _letter(grant.kind) + _HEAD.pack(grant.purpose[:1].encode(), grant.expires_at, _digest(grant.digest))
    texts = b"\0".join(_bounded(field, getattr(grant, field)) for field in _TEXTS)
    sealed = _fernet(keys[0]).encrypt_at_time(head + texts, grant.issued_at)
    return sealed.decode("ascii").rstrip("=")


def path(token: str, name: str) -> str:
    """Make the path of the link; its last part is decoration, for people and for what they save."""
    return f"/media/{token}/{quote(name, safe='')}"


def open(token: str, *, keys: Sequence[str], now: float) -> Grant:  # noqa: A001 - called as tokens.open
    """Read what `token` grants. Raises NotFound, alike for all that is wrong with it."""
    sealed = _sealed(token)
    try:
        payload = MultiFernet([_fernet(key) for key in keys]).decrypt(sealed) if keys else b""
    except InvalidToken as error:
        raise NotFound(Reason.TOKEN_REFUSED) from error
    grant = _read(payload, issued_at=int.from_bytes(base64.urlsafe_b64decode(sealed)[1:9]))
    if now >= grant.expires_at:
        raise NotFound(Reason.TOKEN_REFUSED)
    return grant


def fernet_of(secret: str, *, purpose: bytes) -> Fernet:
    """Make of any secret text the Fernet that seals for this purpose, and opens nothing of another (RFC 5869, HKDF)."""
    made = HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret.encode("utf-8"))
    return Fernet(base64.urlsafe_b64encode(made))


def _sealed(token: str) -> bytes:
    """Spell the token as Fernet does, if it is spelled right. Raises NotFound."""
    if not _FORM.fullmatch(token) or len(token) % 4 == 1:
        raise NotFound(Reason.TOKEN_REFUSED)
    padded = token.encode("ascii") + b"=" * (-len(token) % 4)
    if base64.urlsafe_b64encode(base64.urlsafe_b64decode(padded)) != padded:
        raise NotFound(Reason.TOKEN_REFUSED)
    return padded


def _read(payload: bytes, *, issued_at: int) -> Grant:
    kind = _KINDS.get(payload[:1])
    payload = payload[1:] if kind else payload
    texts = payload[_HEAD.size :].split(b"\0")
    if len(texts) != len(_TEXTS):
        raise NotFound(Reason.TOKEN_REFUSED)
    letter, expires_at, digest = _HEAD.unpack_from(payload)
    try:
        attachment_id, mime, name = (text.decode("utf-8") for text in texts)
        purpose = _PURPOSES[letter]
    except (UnicodeDecodeError, KeyError) as error:
        raise NotFound(Reason.TOKEN_REFUSED) from error
    return Grant(
        attachment_id=attachment_id,
        digest=digest,
        kind=kind,
        mime=mime,
        name=name,
        purpose=purpose,
        issued_at=issued_at,
        expires_at=expires_at,
    )


def _letter(kind: VerdictKind | None) -> bytes:
    letter = next((letter for letter, named in _KINDS.items() if named is kind), None)
    if letter is None:
        raise ValueError("a link is made to what goes out, native or as a link")
    return letter


def _digest(digest: bytes) -> bytes:
    if len(digest) != SHA256.digest_size:
        raise ValueError("a digest has 32 bytes")
    return digest


def _bounded(field: str, text: str) -> bytes:
    spelled = text.encode("utf-8")
    if not 0 < len(spelled) <= _TEXTS[field] or b"\0" in spelled:
        raise ValueError(f"{field} has 1 to {_TEXTS[field]} bytes and no NUL")
    return spelled


def _fernet(key: str) -> Fernet:
    return Fernet(key) if _FERNET_KEY.fullmatch(key) else fernet_of(key, purpose=_PURPOSE)

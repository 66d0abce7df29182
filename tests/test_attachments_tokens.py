"""Tokens of minted links: what opens, and everything that only looks like it."""

from __future__ import annotations

import base64
import dataclasses
import string
import struct
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from hypothesis import given
from hypothesis import strategies as st

from gateway.attachments import tokens
from gateway.attachments.tokens import Grant, Purpose
from gateway.errors import NotFound
from gateway.inspection.rulebook import VerdictKind
from tests.media_samples import WORD

KEY = "a sentence of sixteen"
NOW = 1_790_000_000
GRANT = Grant(
    attachment_id="4711",
    digest=bytes(range(32)),
    kind=VerdictKind.LINK,
    mime=WORD,
    name="Übersicht.docx",
    purpose=Purpose.MESSAGE,
    issued_at=NOW,
    expires_at=NOW + 3600,
)
ALPHABET = string.ascii_letters + string.digits + "-_"

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=25)
grants = st.builds(
    Grant,
    attachment_id=st.text(string.ascii_letters + string.digits, min_size=1, max_size=64),
    digest=st.binary(min_size=32, max_size=32),
    kind=st.sampled_from([VerdictKind.NATIVE, VerdictKind.LINK]),
    mime=texts,
    name=st.text("aé報👋 .", min_size=1, max_size=60),
    purpose=st.sampled_from(Purpose),
    issued_at=st.integers(0, 2**32 - 1),
    expires_at=st.integers(NOW + 1, 2**40),
)


def mint(keys: tuple[str, ...] = (KEY,), **changes: Any) -> str:
    return tokens.mint(dataclasses.replace(GRANT, **changes), keys=keys)


def refused(token: str, *, keys: tuple[str, ...] = (KEY,), now: float = NOW) -> str:
    with pytest.raises(NotFound) as caught:
        tokens.open(token, keys=keys, now=now)
    return caught.value.reason


def sealed(payload: bytes, key: str = KEY) -> str:
    """A token that the key has sealed, whatever is in it."""
    return tokens._fernet(key).encrypt_at_time(payload, NOW).decode().rstrip("=")


@given(grants)
def test_what_was_minted_opens(grant: Grant) -> None:
    token = tokens.mint(grant, keys=[KEY])
    assert tokens.open(token, keys=[KEY], now=NOW) == grant
    assert set(token) <= set(ALPHABET)
    assert tokens.SHORTEST <= len(token) <= tokens.LONGEST


@pytest.mark.parametrize("now", [NOW - 10**6, NOW, NOW + 3599.9], ids=["before", "at once", "just before its end"])
def test_a_token_lives_until_its_end(now: float) -> None:
    assert tokens.open(mint(), keys=[KEY], now=now) == GRANT


@pytest.mark.parametrize("now", [NOW + 3600, NOW + 10**6], ids=["at its end", "long after"])
def test_a_token_ends(now: float) -> None:
    assert refused(mint(), now=now) == "token refused"


def test_the_first_key_mints_and_any_opens() -> None:
    old, new = "an old sentence of ours", "a new sentence of ours"
    token = mint((new, old))
    assert tokens.open(token, keys=[old, new], now=NOW) == GRANT
    assert tokens.open(token, keys=[new], now=NOW) == GRANT
    assert refused(token, keys=(old,))
    assert refused(mint((old,)), keys=(new,))
    assert refused(token, keys=())


KEYS = {
    "a sentence": "a sentence of sixteen",
    "a Fernet key": base64.urlsafe_b64encode(bytes(range(200, 232))).decode(),
    "almost a Fernet key": base64.urlsafe_b64encode(bytes(range(200, 232))).decode()[:-1],
    "as openssl makes them": "Wb0cNQ7m-3kX_z1uJQYgkq9rT5s8vA2dE4hL6pI0oUyM",
    "other letters": "schlüssel mit ümlauten 👋",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_any_text_is_a_key(key: str) -> None:
    assert tokens.open(mint((key,)), keys=[key], now=NOW) == GRANT
    assert refused(mint((key,)), keys=(key + "x",))
    assert refused(mint((key,)), keys=(key.swapcase(),))


def test_a_fernet_key_is_used_as_it_is() -> None:
    key = Fernet.generate_key().decode()
    token = mint((key,))
    payload = Fernet(key).decrypt(token + "=" * (-len(token) % 4))
    assert GRANT.digest in payload


def test_what_a_secret_sealed_for_one_purpose_opens_for_no_other() -> None:
    sealed = tokens.fernet_of(KEY, purpose=b"one").encrypt(b"x")
    assert tokens.fernet_of(KEY, purpose=b"one").decrypt(sealed) == b"x"
    with pytest.raises(InvalidToken):
        tokens.fernet_of(KEY, purpose=b"another").decrypt(sealed)


def test_a_token_tells_nothing_to_those_without_a_key() -> None:
    raw = base64.urlsafe_b64decode(mint() + "==")
    assert not [part for part in (b"4711", GRANT.digest, WORD.encode(), b"bersicht") if part in raw]


def test_no_two_tokens_are_alike() -> None:
    assert mint() != mint()


def test_a_common_token_is_short() -> None:
    assert len(mint(attachment_id="123456", mime="image/jpeg", name="photo.jpg")) <= 204
    assert len(mint(attachment_id="9" * 64, mime="m" * 100, name="n" * 255)) == tokens.LONGEST


MALFORMED = {
    "empty": "",
    "a word": "token",
    "short": "gAAAA" + "A" * (tokens.SHORTEST - 6),
    "long": "gAAAA" + "A" * (tokens.LONGEST - 4),
    "of the right length": "gAAAA" + "A" * 263,
    "another version": "hAAAA" + "A" * 263,
    "of no possible length": "gAAAA" + "A" * 264,
    "with digits of others": "gAAAA" + "٣" * 263,
    "a NUL": "gAAAA" + "\x00" * 263,
    "a lone surrogate": "gAAAA" + "\ud800" * 263,
}


@pytest.mark.parametrize("token", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_token_is_not_found(token: str) -> None:
    assert refused(token) == "token refused"


def spellings(token: str) -> dict[str, str]:
    last = token[:-1] + ALPHABET[(ALPHABET.index(token[-1]) + 1) % 64]
    return {
        "padded": token + "=" * (-len(token) % 4 or 4),
        "one more letter": token + "A",
        "one letter less": token[:-1],
        "the last letter changed": last,
        "a line feed behind": token + "\n",
        "a blank before": " " + token,
        "quoted": token.replace("g", "%67", 1),
        "the other alphabet": token.replace("-", "+").replace("_", "/") + "+",
        "swapped case": token.swapcase(),
    }


@pytest.mark.parametrize("name", spellings(mint()))
def test_a_token_has_one_spelling(name: str) -> None:
    for attachment_id in ("1", "1" * 16, "1" * 32):  # with none, one and two letters of padding
        assert refused(spellings(mint(attachment_id=attachment_id))[name])


def test_bits_behind_the_end_are_part_of_the_spelling() -> None:
    found = 0
    for attachment_id in ("1", "1" * 16, "1" * 32):
        token = mint(attachment_id=attachment_id)
        padding = "=" * (-len(token) % 4)
        for letter in ALPHABET.replace(token[-1], ""):
            twin = token[:-1] + letter
            if base64.urlsafe_b64decode(twin + padding) == base64.urlsafe_b64decode(token + padding):
                found += 1
                assert refused(twin)
    assert found


@given(st.data())
def test_a_changed_token_is_not_found(data: st.DataObject) -> None:
    token = mint()
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(ALPHABET.replace(token[place], "")))
    assert refused(token[:place] + letter + token[place + 1 :])


@given(st.text(max_size=700) | st.text(ALPHABET, min_size=60, max_size=700).map("gAAAA".__add__))
def test_whatever_comes_is_not_found(token: str) -> None:
    assert refused(token)


HEAD = struct.pack(">ccQ32s", b"n", b"m", NOW + 60, bytes(32))
SEALED = {
    "nothing": b"",
    "half a head": HEAD[:20],
    "a head alone": HEAD,
    "too few texts": HEAD + b"1\0image/png",
    "too many texts": HEAD + b"1\0image/png\0a\0b",
    "no text": HEAD + b"1\0\xff\xfe\0a",
    "an unknown verdict": b"r" + HEAD[1:] + b"1\0image/png\0a.png",
    "an unknown purpose": b"n?" + HEAD[2:] + b"1\0image/png\0a.png",
    "an unknown purpose and no verdict": b"?" + HEAD[2:] + b"1\0image/png\0a.png",
    "a verdict alone": b"n",
}


@pytest.mark.parametrize("payload", SEALED.values(), ids=SEALED)
def test_what_our_own_key_sealed_is_still_proved(payload: bytes) -> None:
    assert refused(sealed(payload)) == "token refused"


def test_what_is_proved_here_would_open_were_it_right() -> None:
    found = tokens.open(sealed(HEAD + b"1\0image/png\0a.png"), keys=[KEY], now=NOW)
    assert (found.kind, found.name) == (VerdictKind.NATIVE, "a.png")


# By the release before, as it stands in messages that were sent then.
OLDER = (
    "gAAAAABqsTuAn874Frg-i5CfwUmslQuf0lGbKpPi3s3Dnj7u4My44uyPTqCv_6qnsIF1Nik9pYyZLoRyxdcZiDkZQKjhlN2nNoxR-uWVEcpf4vwLGhEP"
    "edYliYOtBCQtOMivXYG2ZC8bowkVe2S3Jhv6vFmVl1EDAOrwwfb6v4W7vOCKVPbkDJo"
)


def test_a_token_of_an_older_release_opens_and_does_not_say_the_verdict() -> None:
    assert tokens.open(OLDER, keys=[KEY], now=NOW) == dataclasses.replace(
        GRANT, kind=None, mime="image/jpeg", name="Übersicht.jpg", purpose=Purpose.ELSEWHERE
    )
    assert refused(OLDER, now=NOW + 3600)


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": b"short"},
        {"attachment_id": ""},
        {"attachment_id": "1" * 65},
        {"name": "a\x00b"},
        {"name": "n" * 256},
        {"mime": "m" * 101},
        {"kind": None},
        {"kind": VerdictKind.REFUSED},
    ],
    ids=[
        "a short digest",
        "no id",
        "a long id",
        "NUL in the name",
        "a long name",
        "a long type",
        "no verdict",
        "refused",
    ],
)
def test_nothing_is_minted_that_would_not_open(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"has .* bytes|to what goes out"):
        mint(**changes)


def test_every_purpose_and_every_verdict_has_a_letter_of_its_own() -> None:
    assert len({word[:1] for word in (*Purpose, VerdictKind.NATIVE, VerdictKind.LINK)}) == len(Purpose) + 2

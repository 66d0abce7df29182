"""The one header that shows a user and a password."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import secrets
from gateway.errors import Unauthorized


@given(st.text().filter(lambda user: ":" not in user), st.text())
def test_what_is_written_is_read_again(user: str, password: str) -> None:
    try:
        f"{user}{password}".encode()
    except UnicodeEncodeError:
        return  # half a character is none
    name, value = secrets.basic(user, password)
    assert (name, secrets.read_basic(value, reason="")) == ("Authorization", (user, password))


def test_it_is_written_as_rfc_7617_says() -> None:
    assert secrets.basic("test", "123£") == ("Authorization", "Basic dGVzdDoxMjPCow==")


NONE = {
    "nothing": None,
    "an empty one": "",
    "another scheme": "Bearer dTpw",
    "another scheme with a password": 'Digest username="u", password="p"',
    "no base64": "Basic !!!",
    "base64 with something between": "Basic dT pw",
    "letters beyond ASCII": "Basic \xe9",
    "no UTF-8": "Basic " + base64.b64encode(b"u:\xff").decode(),
}


@pytest.mark.parametrize("header", NONE.values(), ids=NONE)
def test_no_user_is_shown_by(header: str | None) -> None:
    with pytest.raises(Unauthorized, match=r"^nobody$"):
        secrets.read_basic(header, reason="nobody")


@given(st.text())
def test_any_header_shows_a_user_or_nobody(text: str) -> None:
    for header in (text, f"Basic {text}"):
        with suppress(Unauthorized):
            assert len(secrets.read_basic(header, reason="nobody")) == 2

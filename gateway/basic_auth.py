"""Basic authentication (RFC 7617): werkzeug reads and writes its header, for all who show or hear a password."""

from __future__ import annotations

from werkzeug.datastructures import Authorization

from gateway.errors import Unauthorized
from gateway.phrases import Reason


def read(header: str | None, *, reason: Reason) -> tuple[str, str]:
    """Hand back the user and the password that an Authorization header shows. Raises Unauthorized if it shows none."""
    try:
        shown = Authorization.from_header(header)
    except ValueError as error:  # letters beyond ASCII are no base64
        raise Unauthorized(reason) from error
    if shown is None or shown.type != "basic":
        raise Unauthorized(reason)
    return shown["username"] or "", shown["password"] or ""


def header(username: str, password: str) -> tuple[str, str]:
    """Make the header that shows them, with its name."""
    return "Authorization", Authorization("basic", {"username": username, "password": password}).to_header()

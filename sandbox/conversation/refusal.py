"""What Sinch answers where it does not do what was asked: google.rpc.Status in JSON, as its SDKs' recordings show it.

Unconfirmed, and our choice: the words of the messages, what a key of another project is told, and the body that goes
with 401 (seen were none and `{}`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sandbox.reply import Reply
from sandbox.style import Pair

Violation = tuple[str, str]  # the field, and what is wrong with it

_RPC = "type.googleapis.com/google.rpc."
_MORE = "https://tools.ietf.org/html/rfc6750#section-3.1"
_WORDS: Mapping[int, tuple[str, str]] = {
    400: ("INVALID_ARGUMENT", "Invalid argument"),
    401: ("UNAUTHENTICATED", "Full authentication is required to access this resource"),
    403: ("UNAUTHORIZED", "The key does not open this project"),
    404: ("NOT_FOUND", "The requested resource could not be found"),
    429: ("RESOURCE_EXHAUSTED", "Quota exceeded"),
    500: ("INTERNAL_ERROR", "Internal error"),
    501: ("UNIMPLEMENTED", "Not implemented"),
    503: ("INTERNAL_ERROR", "Service unavailable"),
}


def of_status(
    number: int, *, message: str = "", details: Sequence[object] = (), headers: tuple[Pair, ...] = ()
) -> Reply:
    """An error with that status."""
    name, words = _WORDS.get(number, ("UNKNOWN", "Simulated"))
    error = {"code": number, "message": message or words, "status": name, "details": list(details)}
    return Reply(status=number, body=json.dumps({"error": error}).encode(), headers=headers)


def violating(*violations: Violation) -> Reply:
    """400, with what is wrong field by field."""
    rows = [{"field": field, "description": description} for field, description in violations]
    return of_status(400, details=[{"@type": f"{_RPC}BadRequest", "field_violations": rows}])


def absent(kind: str, name: str) -> Reply:
    """404: it is not there, or not in this region or project."""
    info = {
        "@type": f"{_RPC}ResourceInfo",
        "resource_type": kind,
        "resource_name": name,
        "owner": "",
        "description": "",
    }
    return of_status(404, details=[info])


def stranger() -> Reply:
    """401 for who shows nothing that Sinch knows."""
    return of_status(401, headers=(("www-authenticate", "Bearer"),))


def expired(moment: str) -> Reply:
    """401 for a token that has ended; the SDKs ask for another one only where the header says "expired"."""
    return _invalid(f"Jwt expired at {moment}")


def malformed() -> Reply:
    """401 for a token that was never given."""
    return _invalid("An error occurred while attempting to decode the Jwt")


def _invalid(description: str) -> Reply:
    said = f'Bearer error="invalid_token", error_description="{description}", error_uri="{_MORE}"'
    return Reply(status=401, headers=(("www-authenticate", said),))


def of_token(error: str, description: str, *, number: int = 400) -> Reply:
    """What the token endpoint answers: RFC 6749, 5.2."""
    challenge = (("www-authenticate", 'Basic realm="auth"'),) if number == 401 else ()
    body = json.dumps({"error": error, "error_description": description}).encode()
    return Reply(status=number, body=body, headers=challenge)

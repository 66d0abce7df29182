"""Every refusal and failure, with its HTTP status and public code.

GatewayError                    500  a fault of ours that nobody planned for
├── SettingsError                    the settings are wrong; nothing starts
├── CommandError                     a command cannot do what it was asked
│   ├── BrokenOff                    whoever typed it has broken it off
│   └── NotOurs                      what lies in state_dir is another account's
├── Unauthorized                401  the caller did not prove who it is
│   └── StaleSignature               right, but older than is accepted
├── Forbidden                   403  the operations page does not do that for this caller
├── NotFound                    404  nothing is served here
├── TooLarge                    413  the body, or the file, is over the limit
├── UnsupportedMedia            415  a file that the profile refuses
├── RangeNotSatisfiable         416  a part was asked for that the file does not have
├── TooManyRequests             429  over a limit; the same call may work later
├── Unavailable                 503  a passing trouble; the caller shall try again
│   ├── ClockSkew                    a signature from the future: one clock is wrong
│   └── SpoolUnavailable             the spool cannot be read or written
├── UpstreamError                    Motion or Sinch gave no answer
│   ├── UpstreamUnreachable          no connection, or it broke
│   └── UpstreamTimeout              no whole answer within the deadline
├── SinchError                       a call has no answer of Sinch's to hand on: sinch/
└── Refused                          by the outbound door, in words of its own: outbound/refusals.py

`status` and `code` are public: every refusal of one status has one body, whoever asks and
whatever the reason. `reason` is for logs and tests: of all that have a status of their own, and of
upstream errors, a phrase of phrases.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gateway.phrases import REMEDIES, Reason

RETRY_AFTER_SECONDS = 5
# What people are told by a page, where a browser asks at the ops door: a title and a sentence.
FOR_PEOPLE = {
    401: ("Sign in", "This is for operators: sign in with the name and password of [ops] in the settings."),
    403: ("Not allowed", "Nothing was changed."),
    404: ("There is nothing here", "No page has this address."),
    413: ("Too much at once", "The form is larger than any of ours."),
    429: ("Too many at once", "Wait a minute, then try again."),
    503: ("Out of order", "The gateway cannot answer at the moment. Try again in some seconds; its log says why."),
}

CODES = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    416: "RANGE_NOT_SATISFIABLE",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def body(status: int) -> bytes:
    """The one JSON body of refusals with `status`, from nginx and from the doors alike."""
    return json.dumps({"error": {"code": status, "status": CODES[status]}}, separators=(",", ":")).encode()


def page(status: int) -> str:
    """The page of one of FOR_PEOPLE, for nginx to show where no door answers: it needs nothing but itself."""
    title, words = FOR_PEOPLE[status]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title} - Motion Gateway</title>'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f'<h1>{title}</h1><p>{words}</p><p><a href="/">To the overview</a></p></html>'
    )


class GatewayError(Exception):
    """Base of all errors the gateway raises on purpose."""

    status: int = 500

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def code(self) -> str:
        return CODES[self.status]


def told(error: GatewayError | OSError) -> str:
    """Say what went wrong, and what mends it: in our words, or in the system's where it went wrong there."""
    if isinstance(error, SpoolUnavailable) and error.reason in REMEDIES:
        return f"{error.reason}: {REMEDIES[error.reason]}"
    if isinstance(error, GatewayError):
        return error.reason
    return ": ".join(filter(None, (error.filename and str(error.filename), error.strerror))) or type(error).__name__


def is_anothers(error: Exception) -> bool:
    """Tell whether it went wrong because what lies in `state_dir` is another account's."""
    return isinstance(error, NotOurs) or (isinstance(error, SpoolUnavailable) and error.reason == Reason.SPOOL_NOT_OURS)


class SettingsError(GatewayError):
    """The settings are wrong; the message lists every problem with its remedy, `problems` holds them for programs."""

    def __init__(self, reason: str, problems: Sequence[Mapping[str, str | None]] = ()) -> None:
        super().__init__(reason)
        self.problems = problems


class CommandError(GatewayError):
    """A command cannot do what it was asked; the message is for the person who typed it."""


class BrokenOff(CommandError):
    """A command was broken off by who had typed it; the message says what there is left to do."""


class NotOurs(CommandError):
    """What lies in `state_dir` is another account's: trying again mends nothing; the message says what does."""


class Phrased(GatewayError):
    """One whose reason stands in the table of phrases."""

    reason: Reason

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)


class Unauthorized(Phrased):
    status = 401


class StaleSignature(Unauthorized):
    """The signature is right and its timestamp is older than `signature_max_age`."""


class Forbidden(Phrased):
    status = 403


class NotFound(Phrased):
    status = 404


class TooLarge(Phrased):
    status = 413


class UnsupportedMedia(Phrased):
    status = 415


class RangeNotSatisfiable(Phrased):
    status = 416


class TooManyRequests(Phrased):
    status = 429


class Unavailable(Phrased):
    status = 503


class ClockSkew(Unavailable):
    """The signature is right and its timestamp lies in the future: our clock or theirs is wrong."""


class SpoolUnavailable(Unavailable):
    """The spool cannot be read or written: locked, full, missing or of another schema."""


class UpstreamError(Phrased):
    """Motion or Sinch gave no answer. `sent`: whether the last try, or a part of it, may have reached them.

    `answered`: the status of the answer, if one began. `final`: another try would end so too.
    """

    sent: bool = True
    answered: int | None = None
    final: bool = False
    tries: int = 1  # of the call that ended so


class UpstreamUnreachable(UpstreamError):
    """No connection could be made, or it broke before the answer was whole."""


class UpstreamTimeout(UpstreamError):
    """No whole answer came within the deadline."""

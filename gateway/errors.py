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
│   ├── StoreTrouble                 the store that vaults share does not do what it should
│   └── SpoolUnavailable             the spool cannot be read or written
├── UpstreamError                    Motion or Sinch gave no answer
│   ├── UpstreamUnreachable          no connection, or it broke
│   └── UpstreamTimeout              no whole answer within the deadline
├── SinchError                       a call has no answer of Sinch's to hand on: sinch/
└── Refused                          by the outbound door, in words of its own: outbound/refusals.py

`status` and `code` are public: every refusal of one status has one body, whoever asks and whatever the reason. `reason`
is for logs and tests: of all that have a status of their own, and of upstream errors, a phrase of phrases.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gateway.phrases import Reason

# What a command says beside a reason of the spool.
REMEDIES = {
    Reason.SPOOL_LOCKED: "wait, or see who holds the file; at PostgreSQL, whom others wait for (docs/logs.md)",
    Reason.SPOOL_NEEDED: "run it at a quiet hour, or with the gateway stopped",
    Reason.SPOOL_FULL: "make room on the disk of server.state_dir, or lift the quota of the account; nothing is lost",
    Reason.SPOOL_READ_ONLY: "mount the disk of server.state_dir for writing, or let spool.sqlite3 be written",
    Reason.SPOOL_NOT_OURS: "give server.state_dir to the account of the gateway, `chown -R`, and work as that account",
    Reason.SPOOL_DAMAGED: "it is no spool, or has lost a part: restore a backup (docs/deployment.md), keep this file",
    Reason.SPOOL_NO_DESCRIPTORS: "let the process open more (`ulimit -n`, LimitNOFILE)",
    Reason.SPOOL_FAILED: "look at the disk and at the kernel's log",
    Reason.SPOOL_GONE: "put it back to where it was, and all goes on; or stop the gateway, restore a copy, start it",
    Reason.SPOOL_REPLACED: "stop the gateway, put in place the file that shall count, start it; "
    "what was answered 200 until now is in the one that was moved",
    Reason.SPOOL_OVERWRITTEN: "stop the gateway, restore the copy once more, as deployment.md tells, start it",
    Reason.SPOOL_LOG_GONE: "restart the gateway; nothing is lost: what stood in the log is in the spool's file by now",
    Reason.SPOOL_LOG_CUT: "restart the gateway; what stood in the log alone is lost: compare with what Sinch has sent",
    Reason.SPOOL_MOVED: "let spool.url name its new place; or, without what came since, `motion-gateway spool reopen`",
    Reason.SPOOL_MOVING: "do the same `motion-gateway spool move` once more, until it says that all is there",
    Reason.SPOOL_AWAY: "start PostgreSQL, or mend the way to the hosts and ports of spool.url; nothing is lost",
    Reason.SPOOL_SILENT: "see what keeps PostgreSQL waiting: its disk, its standby, a lock; nothing is lost",
    Reason.SPOOL_STANDBY: "promote it, or write every server's host into spool.url: the primary is found among them",
    Reason.SPOOL_NOT_LET_IN: "compare user and spool.password_file with PostgreSQL's role, and see its pg_hba.conf",
    Reason.SPOOL_NO_DATABASE: "make it, `createdb --owner ROLE --encoding UTF8 NAME`, or correct its name in spool.url",
    Reason.SPOOL_NO_RIGHTS: "let the role of spool.url own the database: ALTER DATABASE … OWNER TO …",
    Reason.SPOOL_CROWDED: "raise max_connections at PostgreSQL, or see who holds so many (pg_stat_activity)",
    Reason.SPOOL_SERVER_FULL: "make room on the disk of PostgreSQL; nothing is lost",
    Reason.SPOOL_SERVER_OLD: "upgrade PostgreSQL to 15 or later",
    Reason.SPOOL_ENCODING: "make the database anew: `createdb --template template0 --encoding UTF8 NAME`",
    Reason.SPOOL_TLS: "see sslmode and sslrootcert in spool.url, and the certificate that PostgreSQL shows",
    Reason.SPOOL_FOREIGN: "give the gateway a database of its own: `createdb --owner ROLE --encoding UTF8 NAME`",
}

OPS_SHUT = "the ops door is shut"
FETCHER_STILL = "the fetcher stands still"
# What `ready` and the operations page say beside a check of `/readyz` that fails: by its outcome, or else by its name.
_OF_CHECKS = REMEDIES | {
    Reason.CONNECTION_REFUSED: "start the gateway; if it is, its log says why nginx does not listen",
    Reason.NO_ANSWER: "see nginx's log: while it does not start again its ports are kept, and who connects waits",
    Reason.TLS_REFUSED: "reload the gateway, which shows another certificate than that of server.certificate; "
    "if it is no gateway that listens there, end that or change server.ops_port",
    "answered 401": "reload the gateway, which knows another password than the settings have",
    Reason.DRAINING: "nothing, where it is about to stop; else `motion-gateway drain --end`",
    "spool": "look it up in docs/logs.md, among the reasons of the spool",
    FETCHER_STILL: "look at it by `ps`: `kill -CONT` lets it go on if it was stopped; if it ends another is started",
    "ops": "see what listens at server.ops_address and server.ops_port: it answers unlike the ops door",
}
_OF_A_PROCESS = "wait some seconds; if it does not come back, its log says why"
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


def remedy_of_check(check: str, outcome: str) -> str:
    """Say what to do where a check of `/readyz` comes to that."""
    return _OF_CHECKS.get(outcome) or _OF_CHECKS.get(check, _OF_A_PROCESS)


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


class StoreTrouble(Unavailable):
    """The store behind the vault cannot be reached, refuses us, or has other bytes than it should."""


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

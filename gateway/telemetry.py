"""One JSON line per decision, on standard error; nothing secret in it.

The names of the fields are constants here, so that the lines of all doors can be joined. What may
stand in a line is decided where it is written: ids, fixed phrases, counts. Never a body, a header, a
query, a phone number or the text of a foreign exception.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import structlog

from gateway import metrics
from gateway.outlet import Outlet, without_waiting
from gateway.phrases import Finding, Line

REQUEST_ID = "request_id"
CONNECTOR = "connector_id"
EVENT = "event_id"
KIND = "kind"
STATUS = "status"
REASON = "reason"
ADDRESS = "address"
MILLISECONDS = "ms"
TRY = "try"
FINDINGS = "findings"
ATTACHMENT = "attachment_id"
ATTACHMENTS = "attachments"
DIGEST = "digest"
PURPOSE = "purpose"
VERDICT = "verdict"
SIGNED = "signed"
CODE = "code"
ROW = "row"
WHY = "why"
CALL = "call"
APP = "app_id"
REFERENCE = "reference"
MESSAGE = "message_id"
OUTCOME = "outcome"
TRIES = "tries"
FAULT = "fault"
WINDOW = "window"
TRACEPARENT = "traceparent"

_REQUEST = re.compile("(?!0{32})[0-9a-f]{32}")
_log: Any = structlog.get_logger()
_json = json.JSONEncoder(default=repr)  # made once: json.dumps would make one for each line


class _StandardError:
    """For commands. Where it cannot be written to, on a full disk for instance, nothing fails with it."""

    def put(self, line: str, _kind: str) -> None:
        with suppress(OSError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


_outlet: Outlet | _StandardError = _StandardError()
_process = ""


class _Lines:
    """What structlog writes to."""

    def info(self, line: str, kind: str) -> None:
        _outlet.put(line, kind)


def configure(process: str, *, never_waits: bool = False) -> None:
    """Let this process, named `process` in its lines, write them. Call once, at start.

    `never_waits`: nothing waits for the reader of standard error, as nothing may that others wait for.
    """
    global _outlet, _process  # noqa: PLW0603 - a process has one standard error, and one name
    _process = process
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")

    def written(line: Mapping[str, object]) -> str:
        return _json.encode(stamp(None, "", {"process": process, **line}))

    structlog.configure(
        processors=[lambda _logger, _method, line: {"line": written(line), "kind": line["event"]}],
        logger_factory=_Lines,
    )
    _outlet = _StandardError()
    if never_waits:
        _outlet = Outlet(without_waiting(2), lambda lost: written({"lines": lost, "event": Line.LOST}))
    # Libraries keep quiet: their texts are made for others and may hold anything.
    logging.getLogger().addHandler(logging.NullHandler())


def process() -> str:
    """Say as whom this process writes its lines; "" where it does not yet."""
    return _process


# Of this thread or greenlet: the request at hand, and the `traceparent` of what was called for it.
_request: ContextVar[str] = ContextVar("request", default="")
_parent: ContextVar[str] = ContextVar("parent", default="")


def begin(request_id: str) -> None:
    """Let what this thread or greenlet does from now on be for that request, until it begins another."""
    _request.set(request_id)
    _parent.set("")


def traceparent() -> str:
    """Give the header of a call that is made for the request at hand (W3C Trace Context, 3.2); "" where there is none.

    Its trace is the request's id, as nginx has made it: what a client says of traces is not asked for.
    """
    if not _parent.get() and _REQUEST.fullmatch(_request.get()):
        _parent.set(f"00-{_request.get()}-{uuid.uuid4().hex[:16]}-01")
    return _parent.get()


@dataclass(slots=True, kw_only=True)
class LogEntry:
    """A request, as it will stand in the log and in the counts once it is answered; what is not said is not known."""

    began_at: float  # epoch seconds
    decision: dict[str, Any] = field(default_factory=dict)  # fields of its one line
    refused: str = ""  # why, as it is counted
    turned_away: str = ""  # why, as it is kept, where that is another reason
    about: str = ""  # whom, as it is kept, where the line says it not or otherwise
    routine: bool = False  # asked again and again: where it is well, it has no line


def decision(what: str, **fields: object) -> None:
    """The one line of a request or of a delivery try."""
    fields[TRACEPARENT] = _parent.get()
    _log.msg(what, **{name: value for name, value in fields.items() if value not in (None, "", ())})


def note(what: Line, **fields: object) -> None:
    """A line about the process itself: started, stopped, Motion went away."""
    _log.msg(what, **fields)


def find(finding: Finding, **fields: object) -> None:
    """A line about something that an operator should know."""
    metrics.count(metrics.FINDINGS, finding)
    note(Line.FINDING, finding=finding, **fields)


def failure(what: Line, error: BaseException, **fields: object) -> None:
    """A fault of ours that nobody planned for: where it happened, and never its text."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    _log.msg(what, **{FAULT: type(error).__name__, "where": frames[-4:], **fields})


def relay(line: str, kind: Line) -> None:
    """A line of this kind that another program has written in our form."""
    _outlet.put(line, kind)


def quote(process: str, line: str) -> None:
    """A line in another program's own words: scrubbed and wrapped, whatever it looks like."""
    note(Line.SAID, by=process, message=scrub(line))


# What nginx adds to a line about a request, always last and as the client sent it, quotes included.
_OF_THE_CLIENT = re.compile(r', (?:request|subrequest|upstream|host|referrer): ".*', re.DOTALL)
_ABOUT_A_CONNECTION = re.compile(r"\d#\d+: \*\d+ ")
_QUOTED = re.compile(r'".*"|".*', re.DOTALL)


def scrub(line: str) -> str:
    """A line of nginx's error log without what the client sent.

    Where the line is about a connection, whatever it quotes may be a path or a header of the client's.
    """
    told = _OF_THE_CLIENT.sub("", line)
    return _QUOTED.sub('"…"', told) if _ABOUT_A_CONNECTION.search(told) else told

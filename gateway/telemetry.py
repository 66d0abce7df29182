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
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

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

_log: Any = structlog.get_logger()
_json = json.JSONEncoder(default=repr)  # made once: json.dumps would make one for each line


class _StandardError:
    """Where it cannot be written to, on a full disk for instance, no answer and no delivery fails with it."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


_stderr = cast("TextIO", _StandardError())


def configure(process: str) -> None:
    """Let this process, named `process` in its lines, write them. Call once, at start."""
    structlog.configure(
        processors=[
            lambda _logger, _method, line: {"process": process, **line},
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(serializer=_serialise),
        ],
        logger_factory=lambda: structlog.WriteLogger(_stderr),
    )
    # Libraries keep quiet: their texts are made for others and may hold anything.
    logging.getLogger().addHandler(logging.NullHandler())


def _serialise(line: object, **_options: object) -> str:
    return _json.encode(line)


def decision(what: str, **fields: object) -> None:
    """The one line of a request or of a delivery try."""
    _log.msg(what, **{name: value for name, value in fields.items() if value not in (None, "", ())})


def note(what: Line, **fields: object) -> None:
    """A line about the process itself: started, stopped, Motion went away."""
    _log.msg(what, **fields)


def find(finding: Finding, **fields: object) -> None:
    """A line about something that an operator should know."""
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


def relay(line: str) -> None:
    """A line that another program has written in our form."""
    structlog.WriteLogger(_stderr).msg(line)  # it takes the same lock as all our lines


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

"""The way into the third door: who calls, what may be called, how often; and Sinch's answer, handed on.

1. A call that is not in `allowed` goes nowhere.
2. Of a request's headers those of PASSED_ON reach Sinch, of an answer's those of HANDED_ON reach Motion. So nobody
   upstream can make nginx do anything, or pose as us.
"""

from __future__ import annotations

import functools
import json
import re
import select
import socket
from collections.abc import Mapping, Sequence

from flask import Blueprint, Response, g, has_request_context, request
from werkzeug.exceptions import HTTPException

from gateway import metrics, telemetry
from gateway.doors import MOST_CALL_BYTES
from gateway.outbound import allowed, files, forward, gateway_key, record, window
from gateway.outbound.forward import CallOutcome, IncomingCall
from gateway.outbound.links import Links
from gateway.outbound.refusals import Refused
from gateway.phrases import Line, Reason
from gateway.services import Services
from gateway.sinch import TOKEN_PATH
from gateway.sinch.client import VIA
from gateway.upstream import Answer

CALLS = "/<region>/v1/projects/<path:rest>"
PASSED_ON = ("Accept", "Accept-Language", "Content-Type", "User-Agent")
HANDED_ON = ("Content-Type", "Content-Encoding", "Content-Language", "Retry-After", "WWW-Authenticate")
# Sinch sends JSON. Where it does not say so, nobody shall guess.
UNTOLD = "application/octet-stream"

KEY_REFUSED = 401  # what Sinch answers to a key that is none of its own: RFC 6749, 5.2

_PROJECT = re.compile(r"/projects/([0-9A-Za-z_-]{1,64})(?:/|$)")
_VALUE = re.compile("[ -~\x80-\xff]{0,1000}")  # nginx has room for a few such


def blueprint(services: Services) -> Blueprint:
    door = Blueprint("outbound", __name__)
    settings, links = services.settings, Links(services.settings)

    @door.post(TOKEN_PATH, provide_automatic_options=False)
    def authorise() -> Response:
        g.decision[telemetry.CALL] = f"POST {TOKEN_PATH}"
        _require_sound()
        if request.environ["RAW_URI"] != TOKEN_PATH:
            raise Refused("PATH_NOT_ALLOWED")
        return _own_token(services) if settings.outbound.vault_credentials else _sinchs_token(services, links)

    @door.route(CALLS, methods=allowed.METHODS, provide_automatic_options=False)
    def call(region: str, rest: str) -> Response:
        del region, rest  # they are decoded; what counts is the target as it came
        incoming = _incoming(services)
        return _answered(forward.forward(incoming, services=services, links=links))

    return door


def refuse(error: Exception) -> Response:
    """Tell any exception as a refusal, in the form of Sinch's own errors."""
    refused = _refused(error)
    g.entry.about = _project()
    g.decision[telemetry.REASON] = g.entry.refused = refused.code
    g.decision[telemetry.WHY] = refused.says
    return Response(refused.body, refused.status, headers=refused.headers)


def _project() -> str:
    """The project that the call is about, as it names it; "" for none."""
    named = _PROJECT.search(request.environ.get("RAW_URI", "")) if has_request_context() else None
    return named[1] if named else ""


def _refused(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, HTTPException) and error.code == 400:
        return Refused("REQUEST_MALFORMED")
    if isinstance(error, HTTPException) and error.code == 413:
        return Refused("BODY_TOO_LARGE", most=MOST_CALL_BYTES)
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        return Refused("METHOD_NOT_ALLOWED", method="such method") if error.code == 405 else Refused("PATH_NOT_ALLOWED")
    telemetry.failure(Line.UNEXPECTED, error)
    return Refused(g.get("fate") or "GATEWAY_UNAVAILABLE", reason=Reason.OURS)


def _require_sound() -> None:
    """Raises Refused for a call that comes from a gateway, and for a body that nobody can read."""
    if VIA in request.headers.get("Via", ""):
        raise Refused("GATEWAY_LOOP")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused("BODY_ENCODED")


def _incoming(services: Services) -> IncomingCall:
    """The call in this request, if it may pass: it, who makes it, and how often. Raises Refused."""
    settings = services.settings
    _require_sound()
    asked = allowed.prove(
        request.method,
        request.environ["RAW_URI"],
        accounts=settings.accounts,
        management=settings.outbound.allow_management,
    )
    g.decision[telemetry.CALL] = asked.operation.name
    headers = _headers(services)
    forward.require_within(services, "calls_per_project", whose=asked.project_id)
    return IncomingCall(
        call=asked,
        headers=headers,
        body=request.get_data(cache=False),
        request_id=request.headers.get("X-Request-Id", ""),
        began_at=g.entry.began_at,
        is_gone=functools.partial(_has_ended, request.environ.get("gunicorn.socket")),
    )


def _has_ended(connection: socket.socket | None) -> bool:
    """Whether nginx has closed the connection that the request came by, as it does as soon as its client has.

    Of a request that came by none nobody knows.
    """
    if connection is None:
        return False
    said = select.poll()
    try:
        said.register(connection, select.POLLIN)
        return bool(said.poll(0)) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):  # it broke, or is closed on our side
        return True


def _own_token(services: Services) -> Response:
    key, now = _gateway_key(services), services.clock.now()
    gateway_key.require_key(request.headers.get("Authorization", ""), key=key)
    gateway_key.require_grant(request.get_data(cache=False))
    token = gateway_key.token(key=key, now=now)
    g.decision[telemetry.REASON] = "token of ours"
    told = {"access_token": token, "token_type": "bearer", "expires_in": gateway_key.TOKEN_SECONDS, "scope": ""}
    return Response(json.dumps(told), mimetype="application/json")


def _sinchs_token(services: Services, links: Links) -> Response:
    headers, body = [*_given(PASSED_ON), *_given(("Authorization",))], request.get_data(cache=False)
    files.require_clear_headers(links, headers)
    files.require_clear(links, body)
    answer = forward.ask_for_token(services, headers, body=body)
    if answer.status == KEY_REFUSED:
        g.entry.turned_away = Reason.MOTIONS_KEY
    return _handed_on(answer)


def _headers(services: Services) -> list[tuple[str, str]]:
    """Those that go out; Motion's own credentials among them, where we keep none. Raises Refused."""
    if not services.settings.outbound.vault_credentials:
        return [*_given(PASSED_ON), *_given(("Authorization",))]
    shown = request.headers.get("Authorization", "")
    gateway_key.require(shown, key=_gateway_key(services), now=services.clock.now())
    return _given(PASSED_ON)


def _gateway_key(services: Services) -> str:
    key = services.settings.outbound.gateway_key
    if key is None:
        raise Refused("GATEWAY_KEY_WRONG")  # the settings see to it that there is one
    return key.get_secret_value()


def _answered(outcome: CallOutcome) -> Response:
    g.fate = outcome.fate  # whatever happens now: nobody may say that nothing was done
    g.decision.update(outcome.facts)
    if connector := outcome.facts.get(telemetry.CONNECTOR):  # of a message
        metrics.count(metrics.SENDS, str(connector), str(outcome.facts.get(telemetry.OUTCOME, record.REFUSED)))
    response = refuse(outcome.answer) if isinstance(outcome.answer, Refused) else _handed_on(outcome.answer)
    if closed := outcome.facts.get(telemetry.WINDOW):
        response.headers[window.HEADER] = str(closed)
    return response


def _handed_on(answer: Answer) -> Response:
    g.decision[telemetry.REASON] = g.decision.get(telemetry.REASON, "handed on")
    response = Response(answer.body, answer.status)
    response.headers["Content-Type"] = _value(answer.headers, "Content-Type") or UNTOLD
    for name in HANDED_ON[1:]:
        if value := _value(answer.headers, name):
            response.headers[name] = value
    return response


def _value(headers: Mapping[str, str], name: str) -> str:
    """A header's value, if it is one that can be said again."""
    value = headers.get(name, "")
    return value if _VALUE.fullmatch(value) else ""


def _given(names: Sequence[str]) -> list[tuple[str, str]]:
    """Those of the request's headers that it has."""
    headers = request.headers
    return [(name, value) for name in names if (value := headers.get(name)) is not None]

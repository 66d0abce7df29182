"""The way into the third door: who calls, what may be called, how often; and Sinch's answer, handed on.

1. A call that is not in `allowed` goes nowhere.
2. Of a request's headers those of PASSED_ON reach Sinch, of an answer's those of HANDED_ON reach Motion. So nobody
   upstream can make nginx do anything, or pose as us.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from wsgiref.types import WSGIEnvironment

from flask import Blueprint, Response, g, has_request_context, request
from werkzeug.exceptions import HTTPException

from gateway import metrics, telemetry
from gateway.doors import MOST_CALL_BYTES, DirectAnswer
from gateway.outbound import allowed, files, forward, gateway_key, record, window
from gateway.outbound.incoming import HttpCall
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

_CALL = re.compile("/[^/]+/v1/projects/.+", re.DOTALL)  # as Flask reads CALLS
_PROJECT = re.compile(r"/projects/([0-9A-Za-z_-]{1,64})(?:/|$)")
_VALUE = re.compile("[ -~\x80-\xff]{0,1000}")  # nginx has room for a few such


Direct = Callable[[WSGIEnvironment, telemetry.LogEntry], DirectAnswer]


def direct(services: Services) -> Callable[[WSGIEnvironment], Direct | None]:
    """Make what finds the view of a call to Sinch, which is answered without Flask."""
    view = functools.partial(_call, services, Links(services.settings))

    def find(environ: WSGIEnvironment) -> Direct | None:
        passes = environ["REQUEST_METHOD"] in allowed.METHODS and _CALL.fullmatch(environ["PATH_INFO"])
        return view if passes else None

    return find


def blueprint(services: Services) -> Blueprint:
    """Make the view of tokens; whatever else no view is found for is refused here."""
    door = Blueprint("outbound", __name__)
    settings, links = services.settings, Links(services.settings)

    @door.post(TOKEN_PATH, provide_automatic_options=False)
    def authorise() -> Response:
        asked = HttpCall(request.environ, g.entry)
        asked.entry.decision[telemetry.CALL] = f"POST {TOKEN_PATH}"
        _require_sound(asked)
        if asked.target != TOKEN_PATH:
            raise Refused("PATH_NOT_ALLOWED")
        own = settings.outbound.vault_credentials
        return _as_response(_own_token(services, asked) if own else _sinchs_token(services, links, asked))

    @door.route(CALLS, methods=allowed.METHODS, provide_automatic_options=False)
    def call(region: str, rest: str) -> Response:
        del region, rest  # where it comes here, it is no call that `direct` knows
        raise Refused("PATH_NOT_ALLOWED")

    return door


def refuse(error: Exception) -> Response:
    """Tell any exception as a refusal, in the form of Sinch's own errors."""
    return _as_response(_refusal(HttpCall(request.environ if has_request_context() else {}, g.entry), error))


def _as_response(answer: DirectAnswer) -> Response:
    return Response(answer.body, answer.status, headers=[*answer.headers])


def _call(services: Services, links: Links, environ: WSGIEnvironment, entry: telemetry.LogEntry) -> DirectAnswer:
    """Answer a call, whatever becomes of it."""
    asked = HttpCall(environ, entry)
    try:
        return _answered(asked, forward.forward(_incoming(services, asked), services=services, links=links))
    except Exception as error:  # noqa: BLE001 - the funnel of this door, as Flask's is of others
        return _refusal(asked, error)


def _refusal(asked: HttpCall, error: Exception) -> DirectAnswer:
    refused = _refused(asked, error)
    asked.entry.about = _project(asked)
    asked.entry.decision[telemetry.REASON] = asked.entry.refused = refused.code
    asked.entry.decision[telemetry.WHY] = refused.says
    return DirectAnswer([*refused.headers.items()], refused.body, refused.status)


def _project(asked: HttpCall) -> str:
    """The project that the call is about, as it names it; "" for none."""
    named = _PROJECT.search(asked.target)
    return named[1] if named else ""


def _refused(asked: HttpCall, error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, HTTPException) and error.code == 400:
        return Refused("REQUEST_MALFORMED")
    if isinstance(error, HTTPException) and error.code == 413:
        return Refused("BODY_TOO_LARGE", most=MOST_CALL_BYTES)
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        return Refused("METHOD_NOT_ALLOWED", method="such method") if error.code == 405 else Refused("PATH_NOT_ALLOWED")
    telemetry.failure(Line.UNEXPECTED, error)
    return Refused(asked.fate or "GATEWAY_UNAVAILABLE", reason=Reason.OURS)


def _require_sound(asked: HttpCall) -> None:
    """Raises Refused for a call that comes from a gateway, and for a body that nobody can read."""
    if VIA in (asked.header("Via") or ""):
        raise Refused("GATEWAY_LOOP")
    if (asked.header("Content-Encoding") or "identity").lower() != "identity":
        raise Refused("BODY_ENCODED")


def _incoming(services: Services, asked: HttpCall) -> forward.IncomingCall:
    """The call in this request, if it may pass: it, who makes it, and how often. Raises Refused."""
    settings = services.settings
    _require_sound(asked)
    call = allowed.prove(
        asked.environ["REQUEST_METHOD"],
        asked.target,
        accounts=settings.accounts,
        management=settings.outbound.allow_management,
    )
    asked.entry.decision[telemetry.CALL] = call.operation.name
    headers = _headers(services, asked)
    forward.require_within(services, "calls_per_project", whose=call.project_id)
    return forward.IncomingCall(
        call=call,
        headers=headers,
        body=asked.body(),
        request_id=asked.header("X-Request-Id") or "",
        began_at=asked.entry.began_at,
        is_gone=asked.has_ended,
    )


def _own_token(services: Services, asked: HttpCall) -> DirectAnswer:
    key, now = _gateway_key(services), services.clock.now()
    gateway_key.require_key(asked.header("Authorization") or "", key=key)
    gateway_key.require_grant(asked.body())
    token = gateway_key.token(key=key, now=now)
    asked.entry.decision[telemetry.REASON] = "token of ours"
    told = {"access_token": token, "token_type": "bearer", "expires_in": gateway_key.TOKEN_SECONDS, "scope": ""}
    return DirectAnswer([("Content-Type", "application/json")], json.dumps(told).encode())


def _sinchs_token(services: Services, links: Links, asked: HttpCall) -> DirectAnswer:
    headers, body = asked.given((*PASSED_ON, "Authorization")), asked.body()
    files.require_clear_headers(links, headers)
    files.require_clear(links, body)
    answer = forward.ask_for_token(services, headers, body=body)
    if answer.status == KEY_REFUSED:
        asked.entry.turned_away = Reason.MOTIONS_KEY
    return _handed_on(asked, answer)


def _headers(services: Services, asked: HttpCall) -> list[tuple[str, str]]:
    """Those that go out; Motion's own credentials among them, where we keep none. Raises Refused."""
    if not services.settings.outbound.vault_credentials:
        return asked.given((*PASSED_ON, "Authorization"))
    shown = asked.header("Authorization") or ""
    gateway_key.require(shown, key=_gateway_key(services), now=services.clock.now())
    return asked.given(PASSED_ON)


def _gateway_key(services: Services) -> str:
    key = services.settings.outbound.gateway_key
    if key is None:
        raise Refused("GATEWAY_KEY_WRONG")  # the settings see to it that there is one
    return key.get_secret_value()


def _answered(asked: HttpCall, outcome: forward.CallOutcome) -> DirectAnswer:
    asked.fate = outcome.fate  # whatever happens now: nobody may say that nothing was done
    asked.entry.decision.update(outcome.facts)
    if connector := outcome.facts.get(telemetry.CONNECTOR):  # of a message
        metrics.count(metrics.SENDS, str(connector), str(outcome.facts.get(telemetry.OUTCOME, record.REFUSED)))
    told = outcome.answer
    answer = _refusal(asked, told) if isinstance(told, Refused) else _handed_on(asked, told)
    if closed := outcome.facts.get(telemetry.WINDOW):
        return answer._replace(headers=[*answer.headers, (window.HEADER, str(closed))])
    return answer


def _handed_on(asked: HttpCall, answer: Answer) -> DirectAnswer:
    asked.entry.decision.setdefault(telemetry.REASON, "handed on")
    headers = [("Content-Type", _value(answer.headers, "Content-Type") or UNTOLD)]
    headers += [(name, value) for name in HANDED_ON[1:] if (value := _value(answer.headers, name))]
    return DirectAnswer(headers, answer.body, answer.status)


def _value(headers: Mapping[str, str], name: str) -> str:
    """A header's value, if it is one that can be said again."""
    value = headers.get(name, "")
    return value if _VALUE.fullmatch(value) else ""

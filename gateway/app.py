"""Makes the WSGI application of one door: its routes, one error funnel, one line per request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from gateway import errors, telemetry
from gateway.attachments import routes as attachments
from gateway.ingress import routes as ingress
from gateway.ops import routes as ops
from gateway.outbound import allowed
from gateway.outbound import routes as outbound
from gateway.services import Services

DOORS: dict[str, Callable[[Services], Blueprint]] = {
    "ingress": ingress.blueprint,
    "attachments": attachments.blueprint,
    "outbound": outbound.blueprint,
    "ops": ops.blueprint,
}

# How to prove who one is, where the 401 comes from a door that people open: RFC 9110, 11.6.1.
CHALLENGES = {"ops": 'Basic realm="Motion Gateway", charset="UTF-8"'}

PUBLIC = ("ingress", "attachments")
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
# Of what is public: whatever comes out of it, nothing in it runs, and no other site makes it part of itself.
PUBLIC_HEADERS = {
    **HEADERS,
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
}


def create_app(services: Services, *, door: str) -> Flask:
    """The application of `door`, one of DOORS."""
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # one spelling of each path; the others are not redirected, they are not there
    app.config["MAX_CONTENT_LENGTH"] = (
        allowed.MOST_BODY_BYTES if door == "outbound" else services.settings.ingress.max_body
    )
    app.before_request(_start(services))
    app.register_error_handler(Exception, outbound.refuse if door == "outbound" else _refuse)
    app.register_blueprint(DOORS[door](services))
    app.after_request(_finish(services, door))
    return app


def headers(door: str) -> Mapping[str, str]:
    """What every answer of `door` carries."""
    return PUBLIC_HEADERS if door in PUBLIC else HEADERS


def _start(services: Services) -> Callable[[], None]:
    def start() -> None:
        g.started_at = services.clock.now()
        g.decision = {}

    return start


def _refuse(error: Exception) -> Response:
    """Every exception becomes an answer here, and nowhere else; those of the outbound door in its own room."""
    refusal = _as_ours(error)
    g.decision[telemetry.REASON] = refusal.reason
    response = Response(errors.body(refusal.status), refusal.status, mimetype="application/json")
    if refusal.status in (429, 503):
        response.headers["Retry-After"] = str(errors.RETRY_AFTER_SECONDS)
    return response


def _as_ours(error: Exception) -> errors.GatewayError:
    if isinstance(error, errors.GatewayError) and error.status in errors.CODES and error.status != 500:
        return error
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        return _ours(error.code)
    # Nobody planned for it, so it is our fault: the caller shall come again.
    telemetry.failure("unexpected", error)
    return errors.Unavailable("unexpected")


def _ours(status: int) -> errors.GatewayError:
    """What a status of Flask's own means here."""
    if status == 413:
        return errors.TooLarge("body too large")
    if status == 416:
        return errors.RangeNotSatisfiable("no such part")
    return errors.NotFound("no such route")


def _finish(services: Services, door: str) -> Callable[[Response], Response]:
    def finish(response: Response) -> Response:
        response.headers.update(headers(door))
        if response.status_code == 401 and door in CHALLENGES:
            response.headers["WWW-Authenticate"] = CHALLENGES[door]
        given = request.headers
        telemetry.decision(
            door,
            **{
                telemetry.STATUS: response.status_code,
                telemetry.REQUEST_ID: given.get("X-Request-Id"),
                telemetry.ADDRESS: given.get("X-Real-IP"),
                telemetry.MILLISECONDS: round((services.clock.now() - g.started_at) * 1000, 1),
            },
            **g.decision,
        )
        return response

    return finish

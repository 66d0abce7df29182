"""Makes the WSGI application of one door: its routes, one error funnel, one line per request."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, g, request
from werkzeug.exceptions import BadRequest, HTTPException

from gateway import doors, errors, metrics, telemetry
from gateway.doors import DOORS, Door
from gateway.phrases import Line, Reason
from gateway.services import Services
from gateway.strangers import BROUGHT_ABOUT, Crowd


def create_app(services: Services, *, door: str) -> Flask:
    """Make the application of `door`, one of DOORS."""
    row = DOORS[door]
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # one spelling of each path; the others are not redirected, they are not there
    app.config["MAX_CONTENT_LENGTH"] = row.most_body_bytes(services.settings)
    app.before_request(_start(services, row))
    app.register_error_handler(Exception, doors.load(row.refuse))
    for made in filter(None, (row.blueprint, row.page)):
        app.register_blueprint(doors.load(made)(services))
    app.after_request(_finish(services, row))
    return app


def refuse_malformed(app: Flask, *, door: str) -> Response:
    """Answer for the application of `door` a request that its server cannot read."""
    with app.app_context():
        g.decision = {}
        response: Response = doors.load(DOORS[door].refuse)(BadRequest())
    response.headers.update(DOORS[door].headers)
    return response


def _start(services: Services, door: Door) -> Callable[[], None]:
    calls = door.calls

    def start() -> None:
        if calls:
            telemetry.begin(request.headers.get("X-Request-Id", ""))
        g.started_at = services.clock.now()
        g.decision = {}

    return start


def refuse(error: Exception) -> Response:
    """Make an answer of any exception, here and nowhere else; the outbound door does so in its own room."""
    refusal = _as_ours(error)
    g.decision[telemetry.REASON] = g.refused = refusal.reason
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
    telemetry.failure(Line.UNEXPECTED, error)
    return errors.Unavailable(Reason.UNEXPECTED)


def _ours(status: int) -> errors.GatewayError:
    """Say what a status of Flask's own means here."""
    if status == 413:
        return errors.TooLarge(Reason.BODY_TOO_LARGE)
    if status == 416:
        return errors.RangeNotSatisfiable(Reason.NO_PART)
    return errors.NotFound(Reason.NO_ROUTE)


def _turn_away(services: Services, door: Door) -> None:
    """Count it, with whom it was about, where that is of a kind that is kept."""
    told = g.decision
    about = g.get("about") or told.get(telemetry.CONNECTOR) or told.get(telemetry.APP) or ""
    reason = g.get("turned_away") or told.get(telemetry.REASON, "")
    services.turned_away.note(door.name, reason, about=str(about), address=request.headers.get("X-Real-IP", ""))


def _is_written(crowd: Crowd, door: Door) -> bool:
    reason = g.decision.get(telemetry.REASON)
    if reason not in BROUGHT_ABOUT or "turned_away" in g:  # which is for what was signed rightly
        return True
    return crowd.lets_write(door.name, reason, address=request.headers.get("X-Real-IP", ""))


def _count(door: Door, status: int, seconds: float) -> None:
    metrics.answered(door.name, status, seconds)
    if reason := g.get("refused"):
        connector = str(g.decision.get(telemetry.CONNECTOR, metrics.UNKNOWN))
        metrics.refused(door.name, reason, connector=connector)


def _decide(door: Door, status: int, seconds: float) -> None:
    given = request.headers
    telemetry.decision(
        door.name,
        **{
            telemetry.STATUS: status,
            telemetry.REQUEST_ID: given.get("X-Request-Id"),
            telemetry.ADDRESS: given.get("X-Real-IP"),
            telemetry.MILLISECONDS: round(seconds * 1000, 1),
        },
        **g.decision,
    )


def _finish(services: Services, door: Door) -> Callable[[Response], Response]:
    crowd = Crowd(services.clock)

    def finish(response: Response) -> Response:
        response.headers.update(door.headers)
        if response.status_code == 401 and door.challenge:
            response.headers.setdefault("WWW-Authenticate", door.challenge)
        seconds = services.clock.now() - g.started_at
        _count(door, response.status_code, seconds)
        if _is_written(crowd, door):
            _decide(door, response.status_code, seconds)
        if response.status_code >= 400:
            _turn_away(services, door)
        return response

    return finish

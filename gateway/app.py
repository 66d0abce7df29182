"""Makes the WSGI application of one door: its routes, one error funnel, one line per request.

What Flask does for a request costs as much as all that is done for a callback. So a door's room may answer its busiest
route by itself (`direct`): by the same funnel, with the same line, and everything else is Flask's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.client import responses
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Response, g, request
from werkzeug.exceptions import BadRequest, HTTPException

from gateway import doors, errors, metrics, telemetry
from gateway.doors import DOORS, DirectAnswer, Door
from gateway.phrases import Line, Reason
from gateway.services import Services
from gateway.strangers import BROUGHT_ABOUT, Crowd

View = Callable[[WSGIEnvironment, telemetry.LogEntry], DirectAnswer]  # or whatever the funnel makes of an error


def create_app(services: Services, *, door: str) -> Flask:
    """Make the application of `door`, one of DOORS."""
    row, journal = DOORS[door], _Journal(services, DOORS[door])
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # one spelling of each path; the others are not redirected, they are not there
    app.config["MAX_CONTENT_LENGTH"] = row.most_body_bytes(services.settings)
    app.before_request(journal.begin)
    app.register_error_handler(Exception, doors.load(row.refuse))
    for made in filter(None, (row.blueprint, row.page, row.files)):
        app.register_blueprint(doors.load(made)(services))
    app.after_request(lambda response: journal.end(g.entry, response, of=request.environ))
    if row.direct:
        _answer_directly(app, doors.load(row.direct)(services), journal)
    return app


def _answer_directly(app: Flask, find: Callable[[WSGIEnvironment], View | None], journal: _Journal) -> None:
    """Have requests with a view that is found answered before Flask sees them; it sees all others."""
    others = app.wsgi_app

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        view = find(environ)
        if view is None:
            return others(environ, start_response)
        entry = journal.entry(of=environ)
        try:
            headers, body, status = view(environ, entry)
        except Exception as error:  # noqa: BLE001 - the funnel, as Flask's is for its own
            return journal.end(entry, _refusal(error, entry), of=environ)(environ, start_response)
        # Not by way of a Response: making and asking one takes as long as it takes to prove a signature.
        journal.note(entry, status, of=environ)
        length = [] if status == 204 else [("Content-Length", str(len(body)))]  # RFC 9110, 8.6
        start_response(f"{status} {responses.get(status, 'Told')}", [*headers, *journal.headers, *length])
        return [body]

    app.wsgi_app = serve  # type: ignore[method-assign] # Flask's own way to stand before it


def refuse_malformed(app: Flask, *, door: str) -> Response:
    """Answer for the application of `door` a request that its server cannot read."""
    with app.app_context():
        _open(telemetry.LogEntry(began_at=0.0))
        response: Response = doors.load(DOORS[door].refuse)(BadRequest())
    response.headers.update(DOORS[door].headers)
    return response


def _open(entry: telemetry.LogEntry) -> None:
    g.entry, g.decision = entry, entry.decision


def refuse(error: Exception) -> Response:
    """Make an answer of any exception, here and nowhere else; the outbound door does so in its own room."""
    return _refusal(error, g.entry)


def _refusal(error: Exception, entry: telemetry.LogEntry) -> Response:
    refusal = _as_ours(error)
    entry.decision[telemetry.REASON] = entry.refused = refusal.reason
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


class _Journal:
    """What is written of each request of a door, whoever answers it: a line, counts, and what was turned away."""

    def __init__(self, services: Services, door: Door) -> None:
        self._services, self._door = services, door
        self.headers = list(door.headers.items())
        self._crowd = Crowd(services.clock)

    def entry(self, *, of: WSGIEnvironment) -> telemetry.LogEntry:
        """Begin with a request, whoever answers it."""
        if self._door.calls:
            telemetry.begin(of.get("HTTP_X_REQUEST_ID", ""))
        return telemetry.LogEntry(began_at=self._services.clock.now())

    def begin(self) -> None:
        """Begin with what Flask answers."""
        _open(self.entry(of=request.environ))

    def end(self, entry: telemetry.LogEntry, response: Response, *, of: WSGIEnvironment) -> Response:
        """Give an answer what all of the door's have, and note it."""
        response.headers.update(self._door.headers)
        if response.status_code == 401 and self._door.challenge:
            response.headers.setdefault("WWW-Authenticate", self._door.challenge)
        self.note(entry, response.status_code, of=of)
        return response

    def note(self, entry: telemetry.LogEntry, status: int, *, of: WSGIEnvironment) -> None:
        """Note that a request is answered so."""
        seconds = self._services.clock.now() - entry.began_at
        self._count(entry, status, seconds)
        address = of.get("HTTP_X_REAL_IP", "")
        if self._is_written(entry, address) and not (entry.routine and status < 400):
            self._write(entry, status, seconds, of=of)
        if status >= 400:
            about = entry.about or entry.decision.get(telemetry.CONNECTOR) or entry.decision.get(telemetry.APP) or ""
            reason = entry.turned_away or entry.decision.get(telemetry.REASON, "")
            self._services.turned_away.note(self._door.name, reason, about=str(about), address=address)

    def _count(self, entry: telemetry.LogEntry, status: int, seconds: float) -> None:
        metrics.answered(self._door.name, status, seconds)
        if entry.refused:
            connector = str(entry.decision.get(telemetry.CONNECTOR, metrics.UNKNOWN))
            metrics.refused(self._door.name, entry.refused, connector=connector)

    def _is_written(self, entry: telemetry.LogEntry, address: str) -> bool:
        reason = entry.decision.get(telemetry.REASON)
        if reason not in BROUGHT_ABOUT or entry.turned_away:  # which is for what was signed rightly
            return True
        return self._crowd.lets_write(self._door.name, reason, address=address)

    def _write(self, entry: telemetry.LogEntry, status: int, seconds: float, *, of: WSGIEnvironment) -> None:
        telemetry.decision(
            self._door.name,
            **{
                telemetry.STATUS: status,
                telemetry.REQUEST_ID: of.get("HTTP_X_REQUEST_ID"),
                telemetry.ADDRESS: of.get("HTTP_X_REAL_IP"),
                telemetry.MILLISECONDS: round(seconds * 1000, 1),
            },
            **entry.decision,
        )

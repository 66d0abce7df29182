"""Whether the gateway lives, and whether it can do its work."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, g, jsonify, request

from gateway import basic_auth, lock, telemetry, upstream
from gateway import services as places
from gateway.config import secrets
from gateway.delivery import records
from gateway.errors import GatewayError
from gateway.services import Services
from gateway.store import migrator

OK = "ok"
NOBODY = "operator not authenticated"


def blueprint(services: Services) -> Blueprint:
    door = Blueprint("ops", __name__)

    @door.before_request
    def authenticate() -> None:
        _require_operator(services)

    @door.get("/healthz", provide_automatic_options=False)
    def live() -> Response:
        return jsonify(status=OK)

    @door.get("/readyz", provide_automatic_options=False)
    def ready() -> Response:
        checks = {name: _outcome(check, services) for name, check in _checks(services).items()}
        faults = [f"{name}: {outcome}" for name, outcome in checks.items() if outcome != OK]
        fine = not faults
        g.decision[telemetry.REASON] = "; ".join(faults)
        response = jsonify(ready=fine, checks=checks, **(_waiting(services) if fine else {}))
        response.status_code = 200 if fine else 503
        return response

    return door


def _require_operator(services: Services) -> None:
    ops = services.settings.ops
    if ops.password is None:
        return
    shown = basic_auth.read(request.headers.get("Authorization"), reason=NOBODY)
    expected = (ops.username or "", ops.password.get_secret_value())
    secrets.require_equal(":".join(shown), expected=":".join(expected), reason=NOBODY)


def _check_spool(services: Services) -> None:
    migrator.require_latest(services.spool)
    records.prove_writable(services.spool)


def _check_courier(services: Services) -> None:
    if not lock.is_held(places.courier_lock(services.settings)):
        raise GatewayError("no courier is running")


def _check_ingress(services: Services) -> None:
    if not upstream.is_listening(places.socket_path(services.settings, "ingress")):
        raise GatewayError("the ingress door is shut")


def _check_attachments(services: Services) -> None:
    if not upstream.is_listening(places.socket_path(services.settings, "attachments")):
        raise GatewayError("the attachments door is shut")


def _check_outbound(services: Services) -> None:
    if not upstream.is_listening(places.socket_path(services.settings, "outbound")):
        raise GatewayError("the outbound door is shut")


CHECKS: dict[str, Callable[[Services], None]] = {
    "spool": _check_spool,
    "courier": _check_courier,
    "ingress": _check_ingress,
}


def _checks(services: Services) -> dict[str, Callable[[Services], None]]:
    settings = services.settings
    files = {"attachments": _check_attachments} if settings.attachments.has_links else {}
    calls = {"outbound": _check_outbound} if settings.server.has_outbound else {}
    return CHECKS | files | calls


def _outcome(check: Callable[[Services], None], services: Services) -> str:
    try:
        check(services)
    except GatewayError as error:
        return error.reason
    return OK


def _waiting(services: Services) -> dict[str, object]:
    backlog = records.backlog(services.spool)
    oldest = backlog.oldest_pending_at
    age = None if oldest is None else max(0, round(services.clock.now() - oldest))
    return {"events": backlog.counts, "oldest_pending_seconds": age}

"""Whether the gateway lives, and whether it can do its work."""

from __future__ import annotations

import functools
from collections.abc import Callable

from flask import Blueprint, Response, g, jsonify, request

from gateway import draining, lock, paths, release, telemetry
from gateway.config import Settings, secrets
from gateway.delivery import claims, trouble
from gateway.diagnosis import peers, scrape
from gateway.doors import DOORS
from gateway.errors import FETCHER_STILL, REMEDIES, GatewayError
from gateway.ingress import lifeboat
from gateway.phrases import Finding, Reason
from gateway.services import Services
from gateway.store import anchor

OK = "ok"
DRAIN = "drain"
Check = Callable[[Services], None]


def blueprint(services: Services) -> Blueprint:
    door = Blueprint("ops", __name__)

    @door.before_request
    def authenticate() -> None:
        require_operator(services)

    @door.get("/healthz", provide_automatic_options=False)
    def live() -> Response:
        return jsonify(status=OK, **release())

    scraped = scrape.Scrape(services)

    @door.get("/metrics", provide_automatic_options=False)
    def metrics() -> Response:
        well = {name: outcome == OK for name, outcome in outcomes(services).items()}
        return Response(scraped.text(well), content_type=scrape.MIME)

    @door.get("/readyz", provide_automatic_options=False)
    def ready() -> Response:
        said = outcomes(services)
        faults = [f"{name}: {outcome}" for name, outcome in said.items() if outcome != OK]
        fine = not faults
        g.decision[telemetry.REASON] = "; ".join(faults)
        told = _told(services) if fine else _displaced(said["spool"])
        response = jsonify(ready=fine, checks=said, **told)
        response.status_code = 200 if fine else 503
        return response

    return door


def require_operator(services: Services) -> None:
    """Prove the password of [ops], where there is one. Raises Unauthorized."""
    ops = services.settings.ops
    if ops.password is None:
        return
    shown = secrets.read_basic(request.headers.get("Authorization"), reason=Reason.NOBODY)
    expected = (ops.username or "", ops.password.get_secret_value())
    secrets.require_equal(":".join(shown), expected=":".join(expected), reason=Reason.NOBODY)


def _check_spool(services: Services) -> None:
    if not lifeboat.is_afloat(services.settings):  # callbacks are kept there; what does not work then is a finding
        services.spool.require_usable()


def _check_drain(services: Services) -> None:
    if draining.is_draining(services.settings):
        raise GatewayError(Reason.DRAINING)


def _check_runs(name: str, services: Services) -> None:
    if not lock.is_held(paths.lock(services.settings, name)):
        raise GatewayError(f"no {name} is running")
    if name == "fetcher" and lock.stands_still(paths.lock(services.settings, name)):
        raise GatewayError(FETCHER_STILL)


def _check_door(name: str, services: Services) -> None:
    if not lock.is_listening(paths.socket(services.settings, name)):
        raise GatewayError(f"the {name} door is shut")


def runners(settings: Settings) -> tuple[str, ...]:
    """Name the processes that are no doors: the courier, and the fetcher where files are fetched."""
    return ("courier", "fetcher") if settings.fetches else ("courier",)


def checks(settings: Settings) -> dict[str, Check]:
    """List what must be well, by name: each raises GatewayError where it is not. The office itself answers."""
    doors = (door.name for door in DOORS.values() if door.name != "ops" and door.is_wanted(settings))
    return {
        **({DRAIN: _check_drain} if draining.is_draining(settings) else {}),  # which is none of what is to be watched
        "spool": _check_spool,
        **{name: functools.partial(_check_runs, name) for name in runners(settings)},
        **{name: functools.partial(_check_door, name) for name in doors},
    }


def outcomes(services: Services) -> dict[str, str]:
    """Make every check, and say what it came to: OK, or why not."""
    return {name: _outcome(check, services) for name, check in checks(services.settings).items()}


def _outcome(check: Check, services: Services) -> str:
    try:
        check(services)
    except GatewayError as error:
        return error.reason
    return OK


def _displaced(outcome: str) -> dict[str, object]:
    """Say what to do where the spool's file is not the one that the gateway works with."""
    if outcome not in anchor.DISPLACED:
        return {}
    remedy = REMEDIES[Reason(outcome)]
    return {"findings": [{"finding": Finding.SPOOL_DISPLACED, "about": "", "reason": outcome, "remedy": remedy}]}


def _told(services: Services) -> dict[str, object]:
    """Say what waits; while callbacks go aboard the lifeboat, that they do."""
    if lifeboat.is_afloat(services.settings):
        return {"findings": [{"finding": Finding.LIFEBOAT, "about": "", "remedy": lifeboat.REMEDY}]}
    return _waiting(services)


def _waiting(services: Services) -> dict[str, object]:
    """Say what waits, as far as an index tells: what is delivered is not counted."""
    oldest = claims.oldest_pending_at(services.spool)
    age = None if oldest is None else max(0, round(services.clock.now() - oldest))
    found = [vars(each) | {"remedy": each.remedy} for each in trouble.known(services.spool)]
    if large := services.spool.large_log_bytes:
        told = {"reason": f"{large} bytes", "remedy": anchor.LARGE_LOG_REMEDY}
        found.append({"finding": Finding.SPOOL_LOG_LARGE, "about": ""} | told)
    found += peers.findings(services.settings, services.spool, now=services.clock.now())
    waiting: dict[str, object] = {"events": claims.waiting(services.spool), "oldest_pending_seconds": age}
    return waiting | ({"findings": found} if found else {})

"""The first door: Sinch's callbacks. Verified, committed to the spool, and only then answered 200."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import quote

from flask import Blueprint, Response, g, request
from pydantic import SecretStr

from gateway import limits, metrics, telemetry
from gateway.config import Account, addresses, secrets
from gateway.errors import ClockSkew, NotFound, StaleSignature, Unauthorized
from gateway.ingress import events, intake, signature
from gateway.ingress.intake import Callback, Outcome
from gateway.ingress.timekeeper import Timekeeper
from gateway.phrases import Finding, Reason
from gateway.services import Services

FORWARDED = ("content-type", "content-encoding")

RIGHTLY_SIGNED = "unknown connector, rightly signed"

REFUSED = {
    Outcome.STALE: Reason.SIGNATURE_TOO_OLD,
    Outcome.NONCE_REUSED: Reason.NONCE_REUSED,
}


def blueprint(services: Services) -> Blueprint:
    door = Blueprint("ingress", __name__)
    keeper = Timekeeper(services.spool)
    accounts = {str(account.connector_id): account for account in services.settings.accounts}

    @door.post(addresses.receive_path("<connector>"), provide_automatic_options=False)
    def receive(connector: str) -> Response:
        account = accounts.get(connector)
        if account is None:
            _tell_of(services, connector)
            raise NotFound(Reason.UNKNOWN_CONNECTOR)
        g.decision[telemetry.CONNECTOR] = account.connector_id
        callback = _prove(services, keeper, account, request.get_data(cache=False))
        _limit(services, callback)
        receipt = intake.accept(services.spool, callback, now=services.clock.now())
        metrics.count(metrics.CALLBACKS, connector, receipt.outcome.value)
        _keep_time(services, keeper, callback, receipt)
        return _answer(receipt)

    return door


def _tell_of(services: Services, connector: str) -> None:
    """Keep the number that nobody has, apart from all that strangers may try where an account of ours has signed it."""
    g.about = connector
    known = [secret.get_secret_value() for account in services.settings.accounts for secret in account.webhook_secrets]
    with suppress(Unauthorized):
        signature.verify(request.get_data(cache=False), _given(signature.HEADERS), secrets=known)
        g.turned_away = RIGHTLY_SIGNED


def _prove(services: Services, keeper: Timekeeper, account: Account, body: bytes) -> Callback:
    """Hand back what is proved to come from Sinch; strangers who keep trying are told to slow down."""
    try:
        return _signed(services, keeper, account, body) if account.webhook_secrets else _unsigned(account, body)
    except Unauthorized:
        limit = services.settings.limits.failed_signatures_per_address
        services.limits.require(limit, Reason.FAILED_SIGNATURES, _counted_as())
        raise


def _limit(services: Services, callback: Callback) -> None:
    """Count what is new against its account, and what is played again against the address that does so.

    A repeat is counted apart from all else of its address: Sinch repeats what it got no answer to, and stays welcome.
    """
    said = services.settings.limits
    repeat = intake.is_filed(services.spool, callback)
    if repeat or callback.stale:
        played = callback.event.body_digest.hex() if repeat else "stale"
        whose = f"{_counted_as()} {callback.connector_id} {played}"
        services.limits.require(said.failed_signatures_per_address, Reason.REPLAYS, whose)
    else:
        services.limits.require(said.webhooks_per_account, Reason.WEBHOOKS, str(callback.connector_id))


def _counted_as() -> str:
    return limits.counted_as(request.headers.get("X-Real-IP", ""))


def _signed(services: Services, keeper: Timekeeper, account: Account, body: bytes) -> Callback:
    headers = _given(signature.HEADERS)
    keys = [secret.get_secret_value() for secret in account.webhook_secrets]
    proof = signature.verify(body, headers, secrets=keys)
    if account.receive_token is not None:
        _require_token(account.receive_token)
    query = request.query_string.decode("latin-1")
    g.signed_at, stale = proof.timestamp, _is_stale(services, keeper, proof)
    return _callback(account, body, query=query, signed=headers, nonce=proof.nonce, stale=stale)


def _unsigned(account: Account, body: bytes) -> Callback:
    if account.receive_token is None:
        raise Unauthorized(Reason.NO_PROOF)
    _require_token(account.receive_token)
    return _callback(account, body, query="token=" + quote(_token(), safe=""), signed={})


def _is_stale(services: Services, keeper: Timekeeper, proof: signature.Proof) -> bool:
    max_age, now = services.settings.ingress.signature_max_age, services.clock.now()
    try:
        signature.require_known_time(proof, now=now, max_age_seconds=max_age)
    except ClockSkew as error:
        _find(Finding.CLOCK_SKEW)
        keeper.alarm(error.reason, proof.timestamp, now=now)
        raise
    except StaleSignature:
        return True  # the spool tells whether it is an old friend
    return False


def _callback(
    account: Account, body: bytes, *, query: str, signed: dict[str, str], nonce: str | None = None, stale: bool = False
) -> Callback:
    event = events.read(body, connector_id=account.connector_id)
    g.decision[telemetry.KIND] = event.kind
    if event.dispatch:
        _find(Finding.DISPATCH_MODE)
    if event.project_id not in ("", account.project_id):
        _find(Finding.FOREIGN_PROJECT)
    if event.app_id not in ("", account.app_id):
        _find(Finding.FOREIGN_APP)
    kept = _given(FORWARDED)
    return Callback(
        connector_id=account.connector_id,
        event=event,
        body=body,
        headers=tuple((kept | signed).items()),
        query=query,
        request_id=request.headers.get("X-Request-Id") or uuid.uuid4().hex,
        address=request.headers.get("X-Real-IP", ""),
        nonce=nonce,
        stale=stale,
        findings=g.decision.get(telemetry.FINDINGS, ()),
    )


def _keep_time(services: Services, keeper: Timekeeper, callback: Callback, receipt: intake.Receipt) -> None:
    """Learn of the clock from a callback that is filed. Raises ClockSkew where it may be wrong, and no callback old."""
    now = services.clock.now()
    if receipt.outcome is Outcome.STALE:
        if keeper.is_doubted(now=now):
            if keeper.is_news(g.signed_at):
                _find(Finding.CLOCK_SKEW)
                keeper.alarm(Reason.SIGNATURE_TOO_OLD, g.signed_at, now=now)
            raise ClockSkew(Reason.SIGNATURE_TOO_OLD)
    elif receipt.outcome is Outcome.ACCEPTED and callback.nonce is not None:
        keeper.bear_out(g.signed_at, now=now)


def _answer(receipt: intake.Receipt) -> Response:
    g.decision[telemetry.EVENT] = receipt.event_id
    if receipt.outcome is Outcome.NONCE_REUSED:
        _find(Finding.NONCE_REUSED)
    if receipt.outcome in REFUSED:
        raise Unauthorized(REFUSED[receipt.outcome])
    g.decision[telemetry.REASON] = receipt.outcome.value
    return Response(b"{}", 200, mimetype="application/json")


def _require_token(token: SecretStr) -> None:
    secrets.require_equal(_token(), expected=token.get_secret_value(), reason=Reason.RECEIVE_TOKEN_WRONG)


def _token() -> str:
    """The query's one token; "" for none or several."""
    given = request.args.getlist("token")
    return given[0] if len(given) == 1 else ""


def _given(names: Sequence[str]) -> dict[str, str]:
    """Those of the request's headers that it has."""
    headers = request.headers
    return {name: value for name in names if (value := headers.get(name)) is not None}


def _find(finding: Finding) -> None:
    metrics.count(metrics.FINDINGS, finding)
    g.decision[telemetry.FINDINGS] = (*g.decision.get(telemetry.FINDINGS, ()), finding)

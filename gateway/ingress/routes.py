"""The first door: Sinch's callbacks. Verified, committed to the spool, and only then answered 200."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote
from wsgiref.types import WSGIEnvironment

from flask import Blueprint, Request, Response, g, request
from werkzeug.wsgi import get_input_stream

from gateway import bell, clock, limits, metrics, paths, telemetry
from gateway.config import Account, addresses, secrets
from gateway.doors import DirectAnswer
from gateway.errors import ClockSkew, NotFound, StaleSignature, Unauthorized
from gateway.inbound import places
from gateway.ingress import events, lifeboat, signature
from gateway.ingress.beacon import Beacon
from gateway.ingress.intake import Callback, Outcome, Receipt
from gateway.ingress.lifeboat import Ferry
from gateway.ingress.timekeeper import Timekeeper
from gateway.phrases import Finding, Reason
from gateway.services import Services

Direct = Callable[[WSGIEnvironment, telemetry.LogEntry], DirectAnswer]

ACCEPTED = DirectAnswer([("Content-Type", "application/json")], b"{}")
FORWARDED = ("content-type", "content-encoding")
# Where WSGI has the headers that are asked for (PEP 3333).
_KEYS = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in (*signature.HEADERS, *FORWARDED)}
_KEYS["content-type"] = "CONTENT_TYPE"

RIGHTLY_SIGNED = "unknown connector, rightly signed"

REFUSED = {
    Outcome.STALE: Reason.SIGNATURE_TOO_OLD,
    Outcome.NONCE_REUSED: Reason.NONCE_REUSED,
}


def direct(services: Services) -> Callable[[WSGIEnvironment], Direct | None]:
    """Make what finds the view of a callback of one of our accounts, by method and path, which needs no Flask."""
    keeper = Timekeeper(services.spool)
    ferry = lifeboat.made(services.settings, services.spool, steady=clock.SteadyClock())
    take = functools.partial(_receive, services, keeper, ferry)
    views: dict[tuple[str, str], Direct] = {
        ("POST", addresses.receive_path(account.connector_id)): functools.partial(take, account)
        for account in services.settings.accounts
    }
    return lambda environ: views.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))


def blueprint(services: Services) -> Blueprint:
    """Make the views that refuse the callbacks of all other accounts, and answer a balancer."""
    door = Blueprint("ingress", __name__)

    @door.post(addresses.receive_path("<connector>"), provide_automatic_options=False)
    def refuse(connector: str) -> Response:
        _tell_of(services, connector)
        raise NotFound(Reason.UNKNOWN_CONNECTOR)

    if path := services.settings.server.health_path:
        beacon = Beacon(services)

        @door.get(path, provide_automatic_options=False)
        def health() -> Response:
            g.entry.routine = True
            beacon.require_well()
            return Response(mimetype="application/json")

    return door


def _tell_of(services: Services, connector: str) -> None:
    """Keep the number that nobody has, apart from all that strangers may try where an account of ours has signed it."""
    g.entry.about = connector
    known = [secret.get_secret_value() for account in services.settings.accounts for secret in account.webhook_secrets]
    with suppress(Unauthorized):
        signature.verify(request.get_data(cache=False), _given(request.environ, signature.HEADERS), secrets=known)
        g.entry.turned_away = RIGHTLY_SIGNED


def _receive(
    services: Services,
    keeper: Timekeeper,
    ferry: Ferry,
    account: Account,
    environ: WSGIEnvironment,
    entry: telemetry.LogEntry,
) -> DirectAnswer:
    entry.decision[telemetry.CONNECTOR] = account.connector_id
    body = get_input_stream(environ, max_content_length=services.settings.ingress.max_body).read()
    post = _Post(account, environ, entry, body, fetched=services.settings.media_of(account) != "pass")
    callback = _prove(services, keeper, post)
    _limit(services, ferry, callback)
    receipt = ferry.accept(callback, now=services.clock.now())
    if callback.media:
        bell.ring(paths.socket(services.settings, "fetcher"))
    metrics.count(metrics.CALLBACKS, str(account.connector_id), receipt.outcome.value)
    _keep_time(services, keeper, post, callback, receipt)
    return _answer(post, receipt)


@dataclass(slots=True)
class _Post:
    """A callback for an account of ours: the request, what is said of it in the log, and what its signature proves."""

    account: Account
    environ: WSGIEnvironment
    entry: telemetry.LogEntry
    body: bytes
    signed_at: int = 0  # by Sinch's clock, in epoch seconds
    fetched: bool = False  # the files that it names

    @property
    def address(self) -> str:
        return str(self.environ.get("HTTP_X_REAL_IP", ""))

    def find(self, finding: Finding) -> None:
        metrics.count(metrics.FINDINGS, finding)
        said = self.entry.decision
        said[telemetry.FINDINGS] = (*said.get(telemetry.FINDINGS, ()), finding)


def _prove(services: Services, keeper: Timekeeper, post: _Post) -> Callback:
    """Hand back what is proved to come from Sinch; strangers who keep trying are told to slow down."""
    try:
        return _signed(services, keeper, post) if post.account.webhook_secrets else _unsigned(post)
    except Unauthorized:
        limit = services.settings.limits.failed_signatures_per_address
        services.limits.require(limit, Reason.FAILED_SIGNATURES, limits.counted_as(post.address))
        raise


def _limit(services: Services, ferry: Ferry, callback: Callback) -> None:
    """Count what is new against its account, and what is played again against the address that does so.

    A repeat is counted apart from all else of its address: Sinch repeats what it got no answer to, and stays welcome.
    """
    said = services.settings.limits
    repeat = ferry.is_filed(callback)
    if repeat or callback.stale:
        played = callback.event.body_digest.hex() if repeat else "stale"
        whose = f"{limits.counted_as(callback.address)} {callback.connector_id} {played}"
        services.limits.require(said.failed_signatures_per_address, Reason.REPLAYS, whose)
    else:
        services.limits.require(said.webhooks_per_account, Reason.WEBHOOKS, str(callback.connector_id))


def _signed(services: Services, keeper: Timekeeper, post: _Post) -> Callback:
    headers = _given(post.environ, signature.HEADERS)
    keys = [secret.get_secret_value() for secret in post.account.webhook_secrets]
    proof = signature.verify(post.body, headers, secrets=keys)
    _require_token(post)
    post.signed_at, stale = proof.timestamp, _is_stale(services, keeper, post, proof)
    return _callback(post, query=post.environ.get("QUERY_STRING", ""), signed=headers, nonce=proof.nonce, stale=stale)


def _unsigned(post: _Post) -> Callback:
    if post.account.receive_token is None:
        raise Unauthorized(Reason.NO_PROOF)
    _require_token(post)
    return _callback(post, query="token=" + quote(_token(post.environ), safe=""), signed={})


def _is_stale(services: Services, keeper: Timekeeper, post: _Post, proof: signature.Proof) -> bool:
    max_age, now = services.settings.ingress.signature_max_age, services.clock.now()
    try:
        signature.require_known_time(proof, now=now, max_age_seconds=max_age)
    except ClockSkew as error:
        post.find(Finding.CLOCK_SKEW)
        keeper.alarm(error.reason, proof.timestamp, now=now)
        raise
    except StaleSignature:
        return True  # the spool tells whether it is an old friend
    return False


def _callback(
    post: _Post, *, query: str, signed: dict[str, str], nonce: str | None = None, stale: bool = False
) -> Callback:
    account = post.account
    event = events.read(post.body, connector_id=account.connector_id)
    post.entry.decision[telemetry.KIND] = event.kind
    if event.dispatch:
        post.find(Finding.DISPATCH_MODE)
    if event.project_id not in ("", account.project_id):
        post.find(Finding.FOREIGN_PROJECT)
    if event.app_id not in ("", account.app_id):
        post.find(Finding.FOREIGN_APP)
    return Callback(
        connector_id=account.connector_id,
        event=event,
        body=post.body,
        headers=tuple((_given(post.environ, FORWARDED) | signed).items()),
        query=query,
        request_id=post.environ.get("HTTP_X_REQUEST_ID") or uuid.uuid4().hex,
        address=post.address,
        nonce=nonce,
        stale=stale,
        findings=post.entry.decision.get(telemetry.FINDINGS, ()),
        media=len(places.find(post.body)) if post.fetched and events.names_files(event.kind) else 0,
    )


def _keep_time(services: Services, keeper: Timekeeper, post: _Post, callback: Callback, receipt: Receipt) -> None:
    """Learn of the clock from a callback that is filed. Raises ClockSkew where it may be wrong, and no callback old."""
    now = services.clock.now()
    if receipt.outcome is Outcome.STALE:
        if keeper.is_doubted(now=now):
            if keeper.is_news(post.signed_at):
                post.find(Finding.CLOCK_SKEW)
                keeper.alarm(Reason.SIGNATURE_TOO_OLD, post.signed_at, now=now)
            raise ClockSkew(Reason.SIGNATURE_TOO_OLD)
    elif receipt.outcome is Outcome.ACCEPTED and callback.nonce is not None:
        keeper.bear_out(post.signed_at, now=now)


def _answer(post: _Post, receipt: Receipt) -> DirectAnswer:
    post.entry.decision[telemetry.EVENT] = receipt.event_id
    if receipt.aboard:
        post.find(Finding.LIFEBOAT)
    if receipt.outcome is Outcome.NONCE_REUSED:
        post.find(Finding.NONCE_REUSED)
    if receipt.outcome in REFUSED:
        raise Unauthorized(REFUSED[receipt.outcome])
    post.entry.decision[telemetry.REASON] = receipt.outcome.value
    return ACCEPTED


def _require_token(post: _Post) -> None:
    """Raises Unauthorized where the account has a token, and the query another."""
    if (token := post.account.receive_token) is not None:
        wanted = token.get_secret_value()
        secrets.require_equal(_token(post.environ), expected=wanted, reason=Reason.RECEIVE_TOKEN_WRONG)


def _token(environ: WSGIEnvironment) -> str:
    """The query's one token; "" for none or several."""
    given = Request(environ).args.getlist("token")
    return given[0] if len(given) == 1 else ""


def _given(environ: WSGIEnvironment, names: Sequence[str]) -> dict[str, str]:
    """Those of the request's headers that it has."""
    return {name: environ[key] for name in names if (key := _KEYS[name]) in environ}

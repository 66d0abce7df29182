"""Hands a call over to Sinch: with whose credentials, and what is said if we fail while it is under way."""

from __future__ import annotations

from collections.abc import Sequence

from flask import g

from gateway import telemetry
from gateway.config import Account
from gateway.errors import TooManyRequests
from gateway.outbound import refusals
from gateway.outbound.allowed import Call
from gateway.outbound.refusals import UNKNOWN_FATES, Refused
from gateway.services import Services
from gateway.sinch import Effect, SinchError
from gateway.sinch.client import Request
from gateway.upstream import Answer

# What the limits of the settings count, and the refusal of what is one too many.
COUNTED = {
    "sends_per_app": ("sends per app", "APP_LIMIT"),
    "calls_per_project": ("calls per project", "PROJECT_LIMIT"),
}


def hand_over(
    services: Services, call: Call, headers: Sequence[tuple[str, str]], *, body: bytes, account: Account | None
) -> tuple[Answer, int]:
    """Sinch's answer, and after how many tries. `account`: that of the app which the call names. Raises Refused."""
    vaulted = services.settings.outbound.vault_credentials
    outgoing = Request(
        method=call.row.method,
        target=call.target,
        effect=call.row.effect,
        headers=headers,
        body=body if body or call.row.method != "GET" else None,
        account=call.signer(account) if vaulted else None,
    )
    g.fate = UNKNOWN_FATES.get(call.row.effect)  # from here on nobody may say that nothing was sent
    try:
        answer, tries = services.sinch.call(call.region, outgoing)
    except SinchError as error:
        g.decision[telemetry.TRIES] = error.tries if error.tries > 1 else None
        raise refusals.of_sinch(error, call.row.effect) from error
    g.decision[telemetry.TRIES] = tries if tries > 1 else None
    return answer, tries


def ask_for_token(services: Services, headers: Sequence[tuple[str, str]], *, body: bytes) -> Answer:
    """Hand back what Sinch answers to a request for a token with somebody's own credentials. Raises Refused."""
    try:
        return services.sinch.token(headers=headers, body=body)
    except SinchError as error:
        raise refusals.of_sinch(error, Effect.READ) from error


def require_within(services: Services, limit: str, *, whose: str) -> None:
    """Count one more, under the setting `limits.<limit>`. Raises Refused when that is one too many."""
    what, code = COUNTED[limit]
    try:
        services.limits.require(getattr(services.settings.limits, limit), what, whose)
    except TooManyRequests as error:
        raise Refused(code) from error

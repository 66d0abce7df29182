"""What Motion is given of an event: as it came; or with links of ours to the files in it, or signed anew.

Rule 1. Nothing changes but what the settings ask for: links to files, where an account's come through the gateway
        (`enclosures`); and the signature, of what was changed, and of what `motion.sign` says.
Rule 2. An event waits for its files until `inbound.wait` after it was taken in, and its contact with it; not longer,
        whatever becomes of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.config import Settings
from gateway.delivery import claims, health, trouble
from gateway.inbound import arrivals
from gateway.ingress import signature
from gateway.phrases import Finding
from gateway.store import Run, engines

LATE_SECONDS = 60  # from which on a signature is late: who looks at its age is said to allow five minutes


@dataclass(frozen=True)
class Parcel:
    """What Motion gets. `signed_anew`: the signature is ours, and says when it left."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    signed_anew: bool


class Looks(Protocol):
    def look(self, taken: claims.Claim, *, now: float) -> arrivals.Contents | None:
        """As `Packer.look`."""


class Packer:
    """Safe to use from several threads. Making one opens nothing."""

    def __init__(self, settings: Settings, spool: engines.Database, *, patiently: trouble.Patiently) -> None:
        self._sign = settings.motion.sign
        self._enclosures = _enclosures(settings, spool, patiently) if settings.brings_through else None
        self._secrets = {
            account.connector_id: tuple(secret.get_secret_value() for secret in account.webhook_secrets)
            for account in settings.accounts
            if settings.signs_anew
        }

    def look(self, taken: claims.Claim, *, now: float) -> arrivals.Contents | None:
        """Say what is known of the files in an event; None where that cannot be read, and we are to stop."""
        return self._enclosures.look(taken, now=now) if self._enclosures else arrivals.AS_IT_CAME

    def pack(self, taken: claims.Claim, contents: arrivals.Contents, *, now: float) -> Parcel:
        """Make what Motion gets, at that moment."""
        body, headers = taken.body if contents.body is None else contents.body, taken.headers
        if contents.body is not None or self._is_to_be_signed(taken, now=now):
            secrets = self._secrets.get(taken.connector_id, ())
            headers = signature.renewed(headers, sent=taken.body, body=body, secrets=secrets, now=now)
        return Parcel(headers, body, signed_anew=headers != taken.headers)

    def _is_to_be_signed(self, taken: claims.Claim, *, now: float) -> bool:
        if self._sign != "late":
            return self._sign == "always"
        signed_at = signature.signed_at(taken.headers)
        return signed_at is not None and now - signed_at >= LATE_SECONDS


def let_wait(spool: engines.Database, taken: claims.Claim, *, until: float, now: float, probe: bool) -> bool:
    """Let go of the lane until its files are there, or then: it was not tried. Tells whether it was still in our hand.

    `probe`: Motion was to be asked with it, whether it is back; another event may do that at once.
    """
    asked = [health.EVERYTHING, taken.scope.account, taken.scope] if probe else []

    def work(run: Run) -> bool:
        run("uncount_try", event_id=taken.event_id, **taken.held)
        for scope in asked:
            run("begin_probe", until=now, now=math.inf, finding=Finding.MOTION_DOWN, about=scope.named)
        return bool(run("wait_for_files", due_at=until, event_id=taken.event_id, **taken.held))

    return spool.tell(work, lanes=(taken.lane,))


def note(spool: engines.Database, taken: claims.Claim, findings: Sequence[Finding]) -> None:
    """Write down with an event why links of it stayed as they came."""
    told = [{"event_id": taken.event_id, "finding": each, "said": f"% {each} %"} for each in findings]
    spool.tell(lambda run: [run("note_finding", **each) for each in told])


def uncount(spool: engines.Database, taken: claims.Claim) -> None:
    """Say that it was not tried, though it was claimed behind another of its lane, which stays in hand."""
    spool.tell(lambda run: run("uncount_try", event_id=taken.event_id, **taken.held), lanes=(taken.lane,))


def _enclosures(settings: Settings, spool: engines.Database, patiently: trouble.Patiently) -> Looks:
    from gateway.delivery.enclosures import Enclosures  # it knows tokens and types of files: not every courier need

    return Enclosures(settings, spool, patiently=patiently)

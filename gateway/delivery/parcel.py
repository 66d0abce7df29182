"""What Motion is given of an event: as it came, or signed anew.

Rule 1. Nothing changes but what the settings ask for: the signature, of what `motion.sign` says.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config import Settings
from gateway.delivery.claims import Claim
from gateway.ingress import signature

LATE_SECONDS = 60  # from which on a signature is late: who looks at its age is said to allow five minutes


@dataclass(frozen=True)
class Parcel:
    """What Motion gets. `signed_anew`: the signature is ours, and says when it left."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    signed_anew: bool


class Packer:
    """Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._sign = settings.motion.sign
        self._secrets = {
            account.connector_id: tuple(secret.get_secret_value() for secret in account.webhook_secrets)
            for account in settings.accounts
            if settings.signs_anew
        }

    def pack(self, taken: Claim, *, now: float) -> Parcel:
        """Make what Motion gets, at that moment."""
        headers = self._signed(taken, taken.body, now=now) if self._is_to_be_signed(taken, now=now) else taken.headers
        return Parcel(headers, taken.body, signed_anew=headers != taken.headers)

    def _is_to_be_signed(self, taken: Claim, *, now: float) -> bool:
        signed_at = signature.signed_at(taken.headers)
        return self._sign == "always" or (
            self._sign == "late" and signed_at is not None and now - signed_at >= LATE_SECONDS
        )

    def _signed(self, taken: Claim, body: bytes, *, now: float) -> tuple[tuple[str, str], ...]:
        secrets = self._secrets.get(taken.connector_id, ())
        return signature.renewed(taken.headers, sent=taken.body, body=body, secrets=secrets, now=now)

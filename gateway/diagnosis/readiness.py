"""Asks the office whether the gateway is ready, from outside: through nginx, as whoever watches it would.

Who answers is proved by the certificate that the settings name, whoever signed it and however old it is; the password
of the office is shown to nobody else.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

from gateway import clock, errors
from gateway.certs import placing, subject
from gateway.config import Settings, addresses, secrets, storages
from gateway.diagnosis.complaint import complain
from gateway.errors import UpstreamError
from gateway.phrases import Finding, Reason
from gateway.upstream import Answer, Upstream

ANSWER_SECONDS = 15.0  # each check of the office may take some
PAUSE_SECONDS = 0.5
MOST_BYTES = 2**20


def wait(settings: Settings, *, patience_seconds: float) -> dict[str, Any]:
    """Ask again and again until it is ready or time is up, and at least once; returns what was said last.

    Raises CommandError if the certificate of the settings cannot be read.
    """
    ends_at = clock.steady() + patience_seconds
    while not (said := ask(settings))["ready"] and clock.steady() < ends_at:
        clock.pause(PAUSE_SECONDS)
    return said


def ask(settings: Settings) -> dict[str, Any]:
    """Hand back what `/readyz` says, with `remedies` of the checks that fail; no answer is a failed check too."""
    try:
        # Where an authority's certificate is wanted, the start makes one for the meantime; until then nobody listens.
        not_yet = settings.acme.is_wanted and placing.places(settings).are_empty
        said = _unheard(Reason.CONNECTION_REFUSED) if not_yet else _read(_call(settings))
    except UpstreamError as error:
        said = _unheard(error.reason)
    wrong = {name: outcome for name, outcome in said["checks"].items() if outcome != "ok"}
    return said | {"remedies": {name: errors.remedy_of_check(name, outcome) for name, outcome in wrong.items()}}


def beside(settings: Settings) -> list[dict[str, str]]:
    """List what the ops door cannot look at, in its own form: it has no network to where limits are counted."""
    storage = settings.limits.storage
    if storage == storages.MEMORY:
        return []
    from gateway import limits  # not above: few ask a storage, and it loads much

    if limits.is_there(storage):
        return []
    said = complain("limits.storage_away")
    return [{"finding": Finding.LIMITS_STORAGE_AWAY, "about": "", "reason": said.sentence, "remedy": said.remedy}]


def _call(settings: Settings) -> Answer:
    server, ops = settings.server, settings.ops
    shown = [secrets.basic(ops.username or "", ops.password.get_secret_value())] if ops.password else []
    origin = f"https://{addresses.reached(server.ops_address)}:{server.ops_port}"
    fingerprint = subject.fingerprint(server.certificate)
    with closing(Upstream(origin, fingerprint=fingerprint, connections=1)) as office:
        return office.call(
            "GET", "/readyz", body=None, headers=shown, deadline_seconds=ANSWER_SECONDS, most_bytes=MOST_BYTES
        )


def _read(answer: Answer) -> dict[str, Any]:
    """Read an answer of the office, or of nginx in its place."""
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = None
    if isinstance(said, dict) and isinstance(said.get("checks"), dict) and isinstance(said.get("ready"), bool):
        return said
    return _unheard(errors.OPS_SHUT if answer.status == 503 else f"answered {answer.status}")


def _unheard(outcome: str) -> dict[str, Any]:
    return {"ready": False, "checks": {"ops": outcome}}

"""The few calls on apps and webhooks that the gateway makes at Sinch itself, with the keys of its own accounts.

What is read is believed as far as it has the form that Sinch documents; all else of it is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gateway import clock as clocks
from gateway import printable
from gateway.clock import SteadyClock
from gateway.config import Account, tables
from gateway.errors import GatewayError
from gateway.sinch import Effect
from gateway.sinch.client import Request, Sinch
from gateway.sinch.webhooks import Doing, Step, Webhook

DEADLINE_SECONDS = 10.0  # of one call, for who waits at a terminal
LONGEST_WORDS = 200
REGIONS = ("eu", "us")


class Objection(GatewayError):
    """Sinch has answered, and not what was asked for. `answered`: the status."""

    def __init__(self, words: str, *, answered: int = 0) -> None:
        super().__init__(words)
        self.answered = answered


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel that is connected to an app, and in which state its credential is, in Sinch's words."""

    name: str
    status: str
    description: str


@dataclass(frozen=True, kw_only=True)
class SinchApp:
    """An app as Sinch tells it."""

    mode: str
    channels: tuple[Channel, ...]


class Management:
    """Looks at apps and changes webhooks. Making one opens no connection. All of it raises SinchError and Objection."""

    def __init__(
        self,
        settings: tables.SinchSettings,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        pause: Callable[[float], None] = clocks.pause,
    ) -> None:
        """`deadline_seconds`: of each call, tries and pauses together; and of one for a token before it."""
        seconds, clock = deadline_seconds, SteadyClock()
        self._sinch = Sinch(settings, clock=clock, pause=pause, deadline_seconds=seconds, total_seconds=seconds)

    def app(self, account: Account, *, region: str = "") -> SinchApp:
        """Ask for the account's app; in another region than its own where one is named."""
        return _app(self._asked(account, f"/apps/{account.app_id}", region=region))

    def app_ids(self, account: Account) -> tuple[str, ...]:
        """Ask which apps the account's project has in its region."""
        return tuple(_text(one, "id") for one in _list(self._asked(account, "/apps?page_size=100"), "apps"))

    def webhooks(self, account: Account) -> tuple[Webhook, ...]:
        """Ask for those of the account's app."""
        return tuple(map(_webhook, _list(self._asked(account, f"/apps/{account.app_id}/webhooks"), "webhooks")))

    def carry_out(self, account: Account, step: Step) -> None:
        """Do one step of a plan."""
        if step.webhook is None:
            self._asked(account, "/webhooks", method="POST", content={"app_id": account.app_id, **step.fields})
            return
        place = f"/webhooks/{quote(step.webhook.webhook_id, safe='')}"
        if step.do is Doing.DELETE:
            self._asked(account, place, method="DELETE")
            return
        content = {name: value for name, value in step.fields.items() if value is not None}
        self._asked(account, f"{place}?update_mask={','.join(step.fields)}", method="PATCH", content=content)

    def close(self) -> None:
        self._sinch.close()

    def _asked(
        self,
        account: Account,
        path: str,
        *,
        method: str = "GET",
        content: Mapping[str, object] | None = None,
        region: str = "",
    ) -> Mapping[str, Any]:
        kind = (("Content-Type", "application/json"),) if content is not None else ()
        request = Request(
            method=method,
            target=f"/v1/projects/{account.project_id}{path}",
            effect=Effect.READ if method == "GET" else Effect.CHANGE,
            headers=[("Accept", "application/json"), *kind],
            body=None if content is None else json.dumps(content).encode(),
            account=account,
        )
        answer, _tries = self._sinch.call(region or account.region, request)
        said = _object(answer.body)
        if not 200 <= answer.status < 300:
            raise Objection(_words(said), answered=answer.status)
        return said


def _object(body: bytes) -> Mapping[str, Any]:
    """Read an object of JSON, empty where it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _words(said: Mapping[str, Any]) -> str:
    """Say why Sinch objects: its message, and the fields that it names; never their values."""
    error = said.get("error")
    error = error if isinstance(error, dict) else {}
    violations = [one for detail in _list(error, "details") for one in _list(detail, "field_violations")]
    fields = [f"{_text(one, 'field')}: {_text(one, 'description')}" for one in violations]
    return printable.text("; ".join(filter(None, (_text(error, "message"), *fields))))[:LONGEST_WORDS]


def _app(said: Mapping[str, Any]) -> SinchApp:
    channels = []
    for one in _list(said, "channel_credentials"):
        state = one.get("state")
        state = state if isinstance(state, dict) else {}
        told = {name: printable.text(_text(state, name))[:LONGEST_WORDS] for name in ("status", "description")}
        channels.append(Channel(name=_text(one, "channel"), **told))
    return SinchApp(mode=printable.text(_text(said, "processing_mode")), channels=tuple(channels))


def _webhook(said: Mapping[str, Any]) -> Webhook:
    triggers = said.get("triggers")
    return Webhook(
        webhook_id=printable.text(_text(said, "id")),
        target=printable.text(_text(said, "target")),
        target_type=printable.text(_text(said, "target_type")),
        secret=_text(said, "secret"),
        triggers=frozenset(one for one in (triggers if isinstance(triggers, list) else ()) if isinstance(one, str)),
        oauth=bool(said.get("client_credentials")),
    )


def _list(said: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = said.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(said: Mapping[str, Any], name: str) -> str:
    found = said.get(name)
    return found if isinstance(found, str) else ""

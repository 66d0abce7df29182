"""The webhooks of apps at the simulated Sinch: listed, made, changed, deleted; and which callbacks they get.

Names, limits and defaults are those of the vendor's OpenAPI document. Unconfirmed, and our choice: the words of
refusals, that a masked secret reads as stars, and that a field in the mask of a PATCH which its body lacks is cleared.
"""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from sandbox import signing
from sandbox.callbacks import Callback
from sandbox.conversation import refusal, resources, shape
from sandbox.conversation.account import Account
from sandbox.conversation.shape import Rule
from sandbox.reply import Reply
from sandbox.sinch import Sinch
from sandbox.wire import Heard

TRIGGERS = (
    *("MESSAGE_DELIVERY", "MESSAGE_SUBMIT", "MESSAGE_INBOUND", "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION"),
    *("EVENT_DELIVERY", "EVENT_INBOUND", "SMART_CONVERSATIONS", "UNSUPPORTED", "OPT_IN", "OPT_OUT", "CHANNEL_EVENT"),
    *("CONVERSATION_START", "CONVERSATION_STOP", "CONVERSATION_DELETE", "CAPABILITY", "RECORD_NOTIFICATION"),
    *("CONTACT_CREATE", "CONTACT_DELETE", "CONTACT_MERGE", "CONTACT_UPDATE", "CONTACT_IDENTITIES_DUPLICATION"),
)
TYPES = ("HTTP", "DISMISS", "GRPC")  # the last of older docs
MOST = 5  # of one app
LONGEST_TARGET = 742
MASK = "********"

_ID = re.compile("/webhooks/([^/:]{1,100})")
_OF_APP = re.compile("/apps/([^/:]{1,100})/webhooks")
_OWN_HOST = re.compile(r"https?://conversation-api\.[^/]*\bsinch\.com(?![^/:?])", re.IGNORECASE)
_EMPTY = {"target": "", "target_type": "DISMISS", "secret": "", "triggers": (), "client_credentials": None}


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One of them; only one of type HTTP is posted to."""

    webhook_id: str
    app_id: str
    target: str
    target_type: str = "DISMISS"
    secret: str = field(default="", repr=False)
    triggers: Sequence[str] = ()
    client_credentials: Mapping[str, Any] | None = field(default=None, repr=False)

    def gets(self, trigger: str, *, at: str) -> bool:
        """Are callbacks of that kind posted there for it?"""
        return self.target == at and self.target_type == "HTTP" and trigger in self.triggers

    def resource(self, *, masked: bool = False) -> dict[str, Any]:
        """As Sinch shows it."""
        fields = {name: getattr(self, name) for name in _EMPTY}
        secret = MASK if masked and self.secret else self.secret
        return {"id": self.webhook_id, "app_id": self.app_id, **fields, "secret": secret}


def _is_target(value: object) -> bool:
    return (
        isinstance(value, str) and shape.is_link(value) and len(value) <= LONGEST_TARGET and not _OWN_HOST.match(value)
    )


def _are_triggers(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(one in TRIGGERS for one in value)


def _is_oauth(value: object) -> bool:
    names = ("client_id", "client_secret", "endpoint")
    return isinstance(value, dict) and all(isinstance(value.get(name), str) and value[name] for name in names)


_RULES = (
    Rule("target", _is_target, f"a URL of at most {LONGEST_TARGET} characters, and not Sinch's own"),
    Rule("target_type", lambda value: value in TYPES, "unknown value"),
    Rule("secret", lambda value: isinstance(value, str), "must be a text"),
    Rule("triggers", _are_triggers, "unknown or unspecified trigger"),
    Rule("client_credentials", _is_oauth, "client_id, client_secret and endpoint must be set", optional=True),
)


class Webhooks:
    """All of them; several threads read and write. `masked`: secrets are not shown."""

    def __init__(self) -> None:
        self.masked = False
        self._guard = threading.Lock()
        self._all: dict[str, Webhook] = {}
        self._known: set[str] = set()  # apps of which something was said

    def of(self, app_id: str) -> tuple[Webhook, ...]:
        """Those of an app, in the order in which they were made."""
        with self._guard:
            return tuple(one for one in self._all.values() if one.app_id == app_id)

    def put(self, app_id: str, *webhooks: Webhook, alone: bool = False) -> None:
        """Have these of the app; `alone`: and none else."""
        with self._guard:
            self._known.add(app_id)
            kept = [one for one in self._all.values() if not (alone and one.app_id == app_id)]
            self._all = {one.webhook_id: one for one in (*kept, *webhooks)}

    def follow(self, sinch: Sinch, callback: Callback) -> Sinch | None:
        """The sender as the webhook at its URL has it, None where no webhook there gets this callback.

        An app of which nothing was ever said has the sender as it is.
        """
        app_id, trigger = callback.content["app_id"], callback.name.partition("/")[0]
        if app_id not in self._known:
            return sinch
        there = [one for one in self.of(app_id) if one.gets(trigger, at=sinch.url)]
        return dataclasses.replace(sinch, secret=there[0].secret or None) if there else None

    def answer(self, path: str, heard: Heard, accounts: Sequence[Account], *, now: float) -> Reply | None:
        """What a request below the project is answered; None where it is about nothing of the kind."""
        apps = {account.app.app_id for account in accounts}
        if match := _OF_APP.fullmatch(path):
            return self._listed(match[1], apps) if heard.method == "GET" else refusal.of_status(501)
        if path == "/webhooks" and heard.method == "POST":
            return self._made(heard, apps, webhook_id=signing.ulid(now))
        match = _ID.fullmatch(path)
        if match is None:
            return None
        found = next((one for app_id in apps for one in self.of(app_id) if one.webhook_id == match[1]), None)
        if found is None:
            return refusal.absent("WEBHOOK", match[1])
        return self._one(found, heard)

    def _listed(self, app_id: str, apps: set[str]) -> Reply:
        if app_id not in apps:
            return refusal.absent("CONVERSATION_APP", app_id)
        return resources.shown({"webhooks": [one.resource(masked=self.masked) for one in self.of(app_id)]})

    def _one(self, found: Webhook, heard: Heard) -> Reply | None:
        if heard.method == "DELETE":
            with self._guard:
                self._all.pop(found.webhook_id, None)
            return resources.shown({})
        if heard.method == "PATCH":
            return self._changed(found, heard)
        return resources.shown(found.resource(masked=self.masked)) if heard.method == "GET" else None

    def _made(self, heard: Heard, apps: set[str], *, webhook_id: str) -> Reply:
        content = _read(heard)
        if isinstance(content, Reply):
            return content
        app_id = content.get("app_id")
        if not shape.is_ulid(app_id):
            return refusal.violating(("app_id", "invalid id"))
        if app_id not in apps:
            return refusal.absent("CONVERSATION_APP", str(app_id))
        if len(self.of(str(app_id))) >= MOST:
            return refusal.violating(("app_id", f"an app has at most {MOST} webhooks"))
        values = {name: content[name] for name in _EMPTY if content.get(name) is not None}
        return self._kept({"webhook_id": webhook_id, "app_id": app_id, **_EMPTY, **values})

    def _changed(self, found: Webhook, heard: Heard) -> Reply:
        content = _read(heard)
        if isinstance(content, Reply):
            return content
        mask = [name for text in parse_qs(heard.query).get("update_mask", []) for name in text.split(",")]
        if any(name not in _EMPTY for name in mask):
            return refusal.violating(("update_mask", "names no field"))
        cleared = {name: _EMPTY[name] for name in mask}
        said = {name: content[name] for name in mask or _EMPTY if content.get(name) is not None}
        return self._kept({**vars(found), **cleared, **said})

    def _kept(self, values: dict[str, Any]) -> Reply:
        made = Webhook(**values)
        if violations := [each for rule in _RULES for each in rule.violations(vars(made))]:
            return refusal.violating(*violations)
        others = [one for one in self.of(made.app_id) if one.webhook_id != made.webhook_id]
        if any(one.target == made.target for one in others):
            return refusal.violating(("target", "another webhook of the app has it"))
        self.put(made.app_id, made)
        return resources.shown(made.resource(masked=self.masked))


def _read(heard: Heard) -> dict[str, Any] | Reply:
    kind = (heard.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return refusal.violating(("Content-Type", "application/json is wanted"))
    content = shape.read(heard.body)
    return refusal.violating(("", "not a JSON object")) if content is None else content

"""Which calls to Sinch pass: rows of method and path, and what each may be tried again for.

Rule 1. What stands in no row is refused. Paths below `/v1/projects/<project id>/`, after Sinch's OpenAPI document.
Rule 2. A path has one spelling: nothing is decoded, merged or resolved, so that Sinch sees the path that was judged.
Rule 3. Region, project and app are those of one configured account, wherever the call names them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import parse_qsl

from gateway.config import Account
from gateway.outbound.refusals import Refused
from gateway.sinch import Effect

APP_ID = "app_id"  # the field that says for which app a call is

_ID = "[0-9A-Za-z_-]{1,64}"
_TARGET = re.compile(rf"/(?P<region>[a-z]{{2}})/v1/projects/(?P<project>{_ID})/(?P<path>[^?]+)(?:\?(?P<query>.*))?")
_PRINTABLE = re.compile("[!-~]+")


class AppIn(StrEnum):
    """Where a call names its app, beside the query, where any may do so."""

    BODY = "body"  # must
    PERHAPS_BODY = "perhaps body"
    NOWHERE = "nowhere"


class App(NamedTuple):
    """An app that a call names, and where."""

    field: str
    app_id: str


@dataclass(frozen=True)
class Row:
    """One call; `<…>` in the path stands for an id."""

    method: str
    path: str
    effect: Effect
    app_in: AppIn = AppIn.NOWHERE
    management: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


READ, SEND, CHANGE = Effect.READ, Effect.SEND, Effect.CHANGE
MESSAGES_SEND = Row("POST", "messages:send", SEND, AppIn.BODY)

ROWS = (
    MESSAGES_SEND,
    Row("GET", "messages", READ),
    Row("GET", "messages/<message_id>", READ),
    Row("PATCH", "messages/<message_id>", CHANGE),
    Row("DELETE", "messages/<message_id>", CHANGE),
    Row("POST", "messages:fetch-last-message", CHANGE, AppIn.PERHAPS_BODY),
    Row("POST", "messages:transcode", CHANGE, AppIn.BODY),
    Row("POST", "events:send", SEND, AppIn.BODY),
    Row("GET", "events", READ),
    Row("GET", "events/<event_id>", READ),
    Row("DELETE", "events/<event_id>", CHANGE),
    Row("POST", "capability:query", CHANGE, AppIn.BODY),
    Row("GET", "contacts", READ),
    Row("POST", "contacts", CHANGE, AppIn.PERHAPS_BODY),
    Row("GET", "contacts/<contact_id>", READ),
    Row("PATCH", "contacts/<contact_id>", CHANGE, AppIn.PERHAPS_BODY),
    Row("DELETE", "contacts/<contact_id>", CHANGE),
    Row("POST", "contacts:getChannelProfile", CHANGE, AppIn.PERHAPS_BODY),
    Row("GET", "contacts:identityConflicts", READ),
    Row("POST", "contacts/<contact_id>:merge", CHANGE),
    Row("GET", "conversations", READ),
    Row("POST", "conversations", CHANGE, AppIn.PERHAPS_BODY),
    Row("GET", "conversations:recent", READ),
    Row("GET", "conversations/<conversation_id>", READ),
    Row("PATCH", "conversations/<conversation_id>", CHANGE, AppIn.PERHAPS_BODY),
    Row("DELETE", "conversations/<conversation_id>", CHANGE),
    Row("POST", "conversations/<conversation_id>:stop", CHANGE),
    Row("POST", "conversations/<conversation_id>:inject-message", CHANGE),
    Row("POST", "conversations/<conversation_id>:inject-event", CHANGE),
    Row("GET", "apps", READ, management=True),
    Row("POST", "apps", CHANGE, management=True),
    Row("GET", "apps/<app_id>", READ, management=True),
    Row("PATCH", "apps/<app_id>", CHANGE, management=True),
    Row("DELETE", "apps/<app_id>", CHANGE, management=True),
    Row("GET", "apps/<app_id>/webhooks", READ, management=True),
    Row("POST", "webhooks", CHANGE, AppIn.BODY, management=True),
    Row("GET", "webhooks/<webhook_id>", READ, management=True),
    Row("PATCH", "webhooks/<webhook_id>", CHANGE, AppIn.PERHAPS_BODY, management=True),
    Row("DELETE", "webhooks/<webhook_id>", CHANGE, management=True),
)
_PATTERNS = [(re.compile(re.sub("<([a-z_]+)>", rf"(?P<\1>{_ID})", row.path)), row) for row in ROWS]
METHODS = tuple(sorted({row.method for row in ROWS}))


def by_path(*, management: bool) -> dict[str, list[str]]:
    """The methods that pass, by path."""
    found: dict[str, list[str]] = {}
    for row in ROWS:
        if management or not row.management:
            found.setdefault(row.path, []).append(row.method)
    return found


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that may pass. `accounts`: those of its region and project."""

    row: Row
    region: str
    project_id: str
    target: str  # at Sinch
    accounts: tuple[Account, ...]

    def signer(self, account: Account | None = None) -> Account:
        """The account whose key signs for that one, or for any: keys are Sinch's for a project, not for an app."""
        wanted = (account, *self.accounts) if account else self.accounts
        return next((one for one in wanted if one.key_id), wanted[0])

    def of_apps(self, apps: Sequence[App]) -> list[Account]:
        """The accounts of the apps that its body names, in their order. Raises Refused, also where it must name one."""
        if self.row.app_in is AppIn.BODY and not any(app.field == APP_ID for app in apps):
            raise Refused("APP_MISSING", field=APP_ID)
        return [self.of_app(app) for app in apps]

    def of_app(self, app: App) -> Account:
        """Raises Refused."""
        found = next((account for account in self.accounts if account.app_id == app.app_id), None)
        if found is None:
            raise Refused("APP_NOT_CONFIGURED", field=app.field)
        return found


def prove(method: str, target: str, *, accounts: Sequence[Account], management: bool) -> Call:
    """The call that `target` asks for: `/<region>/v1/projects/…`, as it came. Raises Refused."""
    found = _TARGET.fullmatch(target)
    if found is None or not _PRINTABLE.fullmatch(target):
        raise Refused("PATH_NOT_ALLOWED")
    row, ids = _row(method, found["path"])
    if row.management and not management:
        raise Refused("MANAGEMENT_NOT_ALLOWED")
    call = Call(
        row=row,
        region=found["region"],
        project_id=found["project"],
        target=target[len("/eu") :],
        accounts=_accounts(found["region"], found["project"], accounts),
    )
    named = [ids["app_id"]] if "app_id" in ids else []
    for app_id in (*named, *_apps_in(found["query"] or "")):
        call.of_app(App(APP_ID, app_id))
    return call


def _row(method: str, path: str) -> tuple[Row, dict[str, str]]:
    there = [(row, found.groupdict()) for pattern, row in _PATTERNS if (found := pattern.fullmatch(path))]
    if not there:
        raise Refused("PATH_NOT_ALLOWED")
    for row, ids in there:
        if row.method == method:
            return row, ids
    raise Refused("METHOD_NOT_ALLOWED", method=method if method in METHODS else "such method")


def _accounts(region: str, project_id: str, accounts: Sequence[Account]) -> tuple[Account, ...]:
    there = [account for account in accounts if account.region == region]
    if not there:
        raise Refused("REGION_NOT_CONFIGURED", region=region)
    found = tuple(account for account in there if account.project_id == project_id)
    if not found:
        raise Refused("PROJECT_NOT_CONFIGURED", region=region)
    return found


def _apps_in(query: str) -> list[str]:
    """Under every name that Sinch may read as the app's: its API takes fields in two spellings.

    And wherever it may part them: some servers take a semicolon for an ampersand.
    """
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=100
        )
        pairs += parse_qsl(query.replace(";", "&"), errors="strict", max_num_fields=100)
    except ValueError as error:
        raise Refused("PATH_NOT_ALLOWED") from error
    return [value for name, value in pairs if name in ("app_id", "appId") and value]

"""Which calls to Sinch pass: rows of method and path, and what each may be tried again for.

Rule 1. What stands in no row is refused. Paths below `/v1/projects/<project id>/`, after Sinch's OpenAPI document.
Rule 2. A path has one spelling: nothing is decoded, merged or resolved, so that Sinch sees the path that was judged.
Rule 3. Region, project and app are those of one configured account, wherever the call names them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import parse_qsl

from gateway.config import Account
from gateway.outbound.refusals import Refused
from gateway.sinch import Effect

# For a message to be made ready, beside `motion.timeout`: another's download of the same file, and some room. As long
# as nginx waits for it.
PREPARING_SECONDS = 30.0

APP_ID = "app_id"  # the field that says for which app a call is

_ID = "[0-9A-Za-z_-]{1,64}"
_TARGET = re.compile(
    rf"/(?P<region>[a-z]{{2}})/v1/projects/(?P<project>{_ID})/(?P<path>[^?]+)(?:\?(?P<query>(?s:.*)))?"
)
_PRINTABLE = re.compile("[!-~]+")
_MOST_FIELDS = 100
# What may be wrong with a query, in the order in which it is told: it, and its parts between the ampersands.
_QUERY_FAULTS: dict[str, Callable[[str, list[str]], bool]] = {
    "a character in it is not printable ASCII": lambda query, _: bool(query) and not _PRINTABLE.fullmatch(query),
    "a # ends it": lambda query, _: "#" in query,
    f"it has more than {_MOST_FIELDS} fields": lambda _, parts: len(parts) > _MOST_FIELDS,
    "nothing stands before, between or after an &": lambda _, parts: "" in parts,
    "a field has no =": lambda _, parts: any("=" not in part for part in parts),
}


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
class Operation:
    """One row, as OpenAPI calls it: a method on a path, in which `<…>` stands for an id."""

    method: str
    path: str
    effect: Effect
    app_in: AppIn = AppIn.NOWHERE
    management: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


READ, SEND, CHANGE = Effect.READ, Effect.SEND, Effect.CHANGE
MESSAGES_SEND = Operation("POST", "messages:send", SEND, AppIn.BODY)

OPERATIONS = (
    MESSAGES_SEND,
    Operation("GET", "messages", READ),
    Operation("GET", "messages/<message_id>", READ),
    Operation("PATCH", "messages/<message_id>", CHANGE),
    Operation("DELETE", "messages/<message_id>", CHANGE),
    Operation("POST", "messages:fetch-last-message", CHANGE, AppIn.PERHAPS_BODY),
    Operation("POST", "messages:transcode", CHANGE, AppIn.BODY),
    Operation("POST", "events:send", SEND, AppIn.BODY),
    Operation("GET", "events", READ),
    Operation("GET", "events/<event_id>", READ),
    Operation("DELETE", "events/<event_id>", CHANGE),
    Operation("POST", "capability:query", CHANGE, AppIn.BODY),
    Operation("GET", "contacts", READ),
    Operation("POST", "contacts", CHANGE, AppIn.PERHAPS_BODY),
    Operation("GET", "contacts/<contact_id>", READ),
    Operation("PATCH", "contacts/<contact_id>", CHANGE, AppIn.PERHAPS_BODY),
    Operation("DELETE", "contacts/<contact_id>", CHANGE),
    Operation("POST", "contacts:getChannelProfile", CHANGE, AppIn.PERHAPS_BODY),
    Operation("GET", "contacts:identityConflicts", READ),
    Operation("POST", "contacts/<contact_id>:merge", CHANGE),
    Operation("GET", "conversations", READ),
    Operation("POST", "conversations", CHANGE, AppIn.PERHAPS_BODY),
    Operation("GET", "conversations:recent", READ),
    Operation("GET", "conversations/<conversation_id>", READ),
    Operation("PATCH", "conversations/<conversation_id>", CHANGE, AppIn.PERHAPS_BODY),
    Operation("DELETE", "conversations/<conversation_id>", CHANGE),
    Operation("POST", "conversations/<conversation_id>:stop", CHANGE),
    Operation("POST", "conversations/<conversation_id>:inject-message", CHANGE),
    Operation("POST", "conversations/<conversation_id>:inject-event", CHANGE),
    Operation("GET", "apps", READ, management=True),
    Operation("POST", "apps", CHANGE, management=True),
    Operation("GET", "apps/<app_id>", READ, management=True),
    Operation("PATCH", "apps/<app_id>", CHANGE, management=True),
    Operation("DELETE", "apps/<app_id>", CHANGE, management=True),
    Operation("GET", "apps/<app_id>/webhooks", READ, management=True),
    Operation("POST", "webhooks", CHANGE, AppIn.BODY, management=True),
    Operation("GET", "webhooks/<webhook_id>", READ, management=True),
    Operation("PATCH", "webhooks/<webhook_id>", CHANGE, AppIn.PERHAPS_BODY, management=True),
    Operation("DELETE", "webhooks/<webhook_id>", CHANGE, management=True),
)
_PATTERNS = [(re.compile(re.sub("<([a-z_]+)>", rf"(?P<\1>{_ID})", one.path)), one) for one in OPERATIONS]
METHODS = tuple(sorted({one.method for one in OPERATIONS}))


def by_path(*, management: bool) -> dict[str, list[str]]:
    """List the methods that pass, by path."""
    found: dict[str, list[str]] = {}
    for operation in OPERATIONS:
        if management or not operation.management:
            found.setdefault(operation.path, []).append(operation.method)
    return found


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that may pass. `accounts`: those of its region and project."""

    operation: Operation
    region: str
    project_id: str
    target: str  # at Sinch
    accounts: tuple[Account, ...]

    def signer(self, account: Account | None = None) -> Account:
        """Find the account whose key signs for that one, or for any: keys are Sinch's for a project, not for an app."""
        wanted = (account, *self.accounts) if account else self.accounts
        return next((one for one in wanted if one.key_id), wanted[0])

    def of_apps(self, apps: Sequence[App]) -> list[Account]:
        """Find the accounts of the apps that its body names, in their order.

        Raises Refused, also where it must name one and does not.
        """
        if self.operation.app_in is AppIn.BODY and not any(app.field == APP_ID for app in apps):
            raise Refused("APP_MISSING", field=APP_ID)
        return [self.of_app(app) for app in apps]

    def of_app(self, app: App) -> Account:
        """Find the account of that app. Raises Refused."""
        found = next((account for account in self.accounts if account.app_id == app.app_id), None)
        if found is None:
            raise Refused("APP_NOT_CONFIGURED", field=app.field)
        return found


def prove(method: str, target: str, *, accounts: Sequence[Account], management: bool) -> Call:
    """Hand back the call that `target`, `/<region>/v1/projects/…` as it came, asks for. Raises Refused."""
    found = _TARGET.fullmatch(target)
    if found is None or not _PRINTABLE.fullmatch(target.partition("?")[0]):
        raise Refused("PATH_NOT_ALLOWED")
    operation, ids = _operation(method, found["path"])
    if operation.management and not management:
        raise Refused("MANAGEMENT_NOT_ALLOWED")
    call = Call(
        operation=operation,
        region=found["region"],
        project_id=found["project"],
        target=target[len("/eu") :],
        accounts=_accounts(found["region"], found["project"], accounts),
    )
    named = [ids["app_id"]] if "app_id" in ids else []
    for app_id in (*named, *_apps_in(found["query"] or "")):
        call.of_app(App(APP_ID, app_id))
    return call


def _operation(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    there = [(operation, found.groupdict()) for pattern, operation in _PATTERNS if (found := pattern.fullmatch(path))]
    if not there:
        raise Refused("PATH_NOT_ALLOWED")
    for operation, ids in there:
        if operation.method == method:
            return operation, ids
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

    And wherever it may part them: some servers take a semicolon for an ampersand. Raises Refused.
    """
    parts = query.split("&") if query else []
    for why, found in _QUERY_FAULTS.items():
        if found(query, parts):
            raise Refused("QUERY_NOT_READ", why=why)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
        pairs += parse_qsl(query.replace(";", "&"), errors="strict")
    except ValueError as error:
        raise Refused("QUERY_NOT_READ", why="an escape in it is no UTF-8") from error
    return [value for name, value in pairs if name in ("app_id", "appId") and value]

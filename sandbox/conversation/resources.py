"""What the API shows of what it keeps: messages, contacts, conversations, apps, in pages. One row for each path.

Every answer is about one project in one region, and about what this simulated Sinch has heard of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from sandbox import callbacks
from sandbox.conversation import refusal
from sandbox.conversation.account import Account
from sandbox.conversation.contacts import Contacts
from sandbox.reply import Reply

_PAGE, _MOST = 10, 1000
_ID = "([^/:]{1,100})"
_NUMBER = re.compile("[0-9]{1,9}")
Resource = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request to read: the accounts of its project and region, the id in its path, and its query."""

    contacts: Contacts
    accounts: Sequence[Account]
    name: str = ""
    query: str = ""

    def said(self, key: str) -> str:
        """What the query says, empty where it says nothing."""
        return parse_qs(self.query).get(key, [""])[0]


def answer(path: str, asked: Callable[[str], Asked]) -> Reply | None:
    """The answer to GET of this path below the project; None where there is nothing of the kind."""
    for pattern, show in _ROWS:
        if match := pattern.fullmatch(path):
            return show(asked("".join(match.groups())))
    return None


def shown(content: Resource) -> Reply:
    """It as a body."""
    return Reply(body=json.dumps(content, ensure_ascii=False).encode())


def _page(key: str, found: Iterable[Resource], asked: Asked, **more: object) -> Reply:
    items = list(found)
    size, start = asked.said("page_size") or str(_PAGE), asked.said("page_token") or "0"
    if _NUMBER.fullmatch(size) is None or not 1 <= int(size) <= _MOST:
        return refusal.violating(("page_size", f"1 to {_MOST}"))
    if _NUMBER.fullmatch(start) is None:
        return refusal.violating(("page_token", "unknown"))
    end = int(start) + int(size)
    token = str(end) if end < len(items) else ""
    return shown({key: items[int(start) : end], "next_page_token": token, **more})


def _single(found: Iterable[Resource], kind: str, name: str) -> Reply:
    item = next((one for one in found if one["id"] == name), None)
    return shown(item) if item else refusal.absent(kind, name)


def _messages(asked: Asked) -> list[Resource]:
    apps = {account.app.app_id for account in asked.accounts if asked.said("app_id") in ("", account.app.app_id)}
    wanted = {key: asked.said(key) for key in ("contact_id", "conversation_id", "direction") if asked.said(key)}
    found = [one for one in asked.contacts.messages() if one.account.app.app_id in apps]
    return [one.resource for one in found if wanted.items() <= one.resource.items()]


def _contacts(asked: Asked) -> list[Resource]:
    return [callbacks.resource("contact", by=one) for one in asked.contacts.customers()]


def _conversations(asked: Asked) -> list[Resource]:
    last = {one["conversation_id"]: one for one in reversed(_messages(asked))}
    app_id = asked.said("app_id") or asked.accounts[0].app.app_id
    return [_conversation(one, app_id) for one in last.values() if one["conversation_id"]]


def _apps(asked: Asked) -> list[Resource]:
    return [account.resource for account in asked.accounts]


def _conversation(last: Resource, app_id: str) -> Resource:
    known = {"id": last["conversation_id"], "contact_id": last["contact_id"], "last_received": last["accept_time"]}
    return {**callbacks.resource("conversation"), **known, "app_id": app_id}


_ROWS: tuple[tuple[re.Pattern[str], Callable[[Asked], Reply]], ...] = (
    (re.compile("/messages"), lambda asked: _page("messages", _messages(asked), asked)),
    (re.compile(f"/messages/{_ID}"), lambda asked: _single(_messages(asked), "MESSAGE", asked.name)),
    (re.compile("/contacts"), lambda asked: _page("contacts", _contacts(asked), asked)),
    (re.compile(f"/contacts/{_ID}"), lambda asked: _single(_contacts(asked), "CONTACT", asked.name)),
    (
        re.compile("/conversations"),
        lambda asked: _page("conversations", _conversations(asked), asked, total_size=len(_conversations(asked))),
    ),
    (re.compile(f"/conversations/{_ID}"), lambda asked: _single(_conversations(asked), "CONVERSATION", asked.name)),
    (re.compile("/apps"), lambda asked: shown({"apps": _apps(asked)})),
    (re.compile(f"/apps/{_ID}"), lambda asked: _single(_apps(asked), "CONVERSATION_APP", asked.name)),
)

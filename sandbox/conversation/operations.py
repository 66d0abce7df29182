"""What the API does when something is posted to it: sends, events, capability, transcoding. One row for each path."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import signing
from sandbox.conversation import contacts, refusal, resources, shape
from sandbox.conversation.account import Account
from sandbox.conversation.contacts import Contacts, Message
from sandbox.conversation.refusal import Violation
from sandbox.conversation.shape import Rule
from sandbox.reply import Reply
from sandbox.wire import Heard

Content = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Posted:
    """A request to do something: the accounts of its project and region, and who wants to know what it became."""

    contacts: Contacts
    accounts: Sequence[Account]
    heard: Heard
    made: Callable[[str], None]
    take: Callable[[Message], None]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What is wrong with such a body, and what is done with one that is right."""

    check: Callable[[dict[str, Any], bool], Sequence[Violation]]
    do: Callable[[Posted, dict[str, Any], Account], Content]

    def answer(self, posted: Posted) -> Reply:
        kind = (posted.heard.header("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return refusal.violating(("Content-Type", "application/json is wanted"))
        content = shape.read(posted.heard.body)
        if content is None:
            return refusal.violating(("", "not a JSON object"))
        dispatch = any(account.app.dispatch for account in posted.accounts)
        if violations := self.check(content, dispatch):
            return refusal.violating(*violations)
        account = next((one for one in posted.accounts if one.app.app_id == content["app_id"]), None)
        if account is None:
            return refusal.absent("CONVERSATION_APP", content["app_id"])
        return resources.shown(self.do(posted, content, account))


def answer(path: str, posted: Posted) -> Reply | None:
    """The answer to POST of this path below the project; None where there is nothing of the kind."""
    return _ROWS[path].answer(posted) if path in _ROWS else None


def _checked(*rules: Rule) -> Callable[[dict[str, Any], bool], Sequence[Violation]]:
    def check(content: dict[str, Any], dispatch: bool) -> Sequence[Violation]:  # noqa: FBT001 - as an Operation calls it
        found = [violation for rule in rules for violation in rule.violations(content)]
        return (*found, *shape.of_recipient(content, dispatch=dispatch))

    return check


def _send(posted: Posted, content: dict[str, Any], account: Account) -> Content:
    message = posted.contacts.take(content, account)
    posted.made(message.message_id)
    posted.take(message)
    return {"message_id": message.message_id, "accepted_time": contacts.moment(message.at)}


def _event(posted: Posted, _: dict[str, Any], __: Account) -> Content:
    now = posted.contacts.clock()
    event_id = signing.ulid(now)
    posted.made(event_id)
    return {"event_id": event_id, "accepted_time": contacts.moment(now)}


def _capability(posted: Posted, content: dict[str, Any], _: Account) -> Content:
    request_id = content.get("request_id") or signing.ulid(posted.contacts.clock())
    return {"app_id": content["app_id"], "recipient": content["recipient"], "request_id": request_id}


def _transcoded(_: Posted, content: dict[str, Any], __: Account) -> Content:
    """Sinch gives a body for each channel; only that of WhatsApp's text is made here, all else comes as it was."""
    text = shape.at(content, "app_message.text_message.text")
    body = {"type": "text", "text": {"body": text}} if text else content["app_message"]
    return {"transcoded_message": {str(channel): json.dumps(body) for channel in content["channels"]}}


_ROWS = {
    "/messages:send": Operation(check=lambda content, dispatch: shape.of_send(content, dispatch=dispatch), do=_send),
    "/events:send": Operation(check=_checked(*shape.ENVELOPE, shape.EVENT), do=_event),
    "/capability:query": Operation(check=_checked(*shape.ENVELOPE), do=_capability),
    "/messages:transcode": Operation(check=_checked(*shape.TRANSCODE), do=_transcoded),
}

"""The control endpoints of a simulated Conversation API, and the client that speaks to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import callbacks
from sandbox.callbacks import Callback, Customer
from sandbox.connection import Answer
from sandbox.control import Control, Remote, Rows
from sandbox.conversation import shape
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.ledger import Call
from sandbox.conversation.plants import Field
from sandbox.faults import Fault
from sandbox.journal import Posts
from sandbox.sinch import Letter, Receipt, Sinch

EVERYWHERE = "all"
MEDIA = "media"


def of_api(api: ConversationApi, field: Field | None = None, posts: Posts | None = None, *, port: int = 0) -> Control:
    """What ApiRemote speaks to; what can be planted in the `field`, and who else posts is written down, if they are."""
    written = posts or Posts()

    def set_fault(origin: str, fault: Mapping[str, Any]) -> None:
        for one in api.origins.values() if origin == EVERYWHERE else ((api.origins | {MEDIA: api.media})[origin],):
            one.set_fault(Fault(**fault))

    def follow(url: str, secret: str | None, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
        sinch = api.webhooks.follow(Sinch(url=url, secret=secret), Callback(name, content))
        return {"posts": sinch is not None, "secret": sinch.secret if sinch else None}

    def posted(letter: Mapping[str, Any], answers: Sequence[Mapping[str, Any]], pretending: str) -> None:
        callback = Callback(**letter["callback"])
        for answer in answers:
            written.heard(Letter(**{**letter, "callback": callback}), Answer(**answer), pretending=pretending)

    rows: Rows = {
        "posted": posted,
        "plant": (field or Field(api)).plant,
        "follow": follow,
        "webhooks": lambda: [one.resource() for one in api.webhooks.of(api.accounts[0].app.app_id)],
        "set_fault": set_fault,
        "sent": lambda: [_told(call, api) for call in api.sends],
        "forget": api.forget,
        "wrote": lambda customer, content: api.note(Callback("MESSAGE_INBOUND", content), callbacks.customer(customer)),
        "read": api.read,
        "expire": api.tokens.expire,
        "release": api.release,
        "keep": lambda name, content: api.media.keep(name, content).link,
        "end_links": api.media.end,
    }
    return Control(rows, port=port)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One `messages:send` as Sinch's side tells it; `reports` are the statuses that were reported, with their codes."""

    number: int
    at: float
    origin: str
    what: str
    message_id: str
    answered: int | None
    ended: bool
    reports: tuple[str, ...]


class ApiRemote(Remote):
    """A Conversation API's."""

    whom = "Sinch"

    def set_fault(self, fault: Fault, *, origin: str = EVERYWHERE) -> None:
        """Of one origin, or of all."""
        self.call("set_fault", fault=fault, origin=origin)

    def plant(self, name: str) -> None:
        """Have the first app in that state."""
        self.call("plant", name=name)

    def webhooks(self) -> tuple[Mapping[str, Any], ...]:
        """Those of the first app."""
        return tuple(self.call("webhooks"))

    def follow(self, sinch: Sinch, callback: Callback) -> Sinch | None:
        """The sender as the webhook at its URL has it, None where no webhook there gets this callback."""
        told = self.call("follow", url=sinch.url, secret=sinch.secret, name=callback.name, content=callback.content)
        return dataclasses.replace(sinch, secret=told["secret"]) if told["posts"] else None

    def sent(self) -> tuple[Sent, ...]:
        """Every send that Sinch has heard."""
        return tuple(Sent(**item) for item in self.call("sent"))

    def posted(self, receipt: Receipt, *, pretending: str = "") -> None:
        """Somebody else has posted that; `pretending` says how, where it was not Sinch."""
        self.call("posted", letter=receipt.letter, answers=receipt.answers, pretending=pretending)

    def wrote(self, callback: Callback, customer: Customer) -> None:
        """That customer has written what the callback says: the window is open."""
        self.call("wrote", customer=customer.name, content=callback.content)

    def keep(self, name: str, content: bytes) -> str:
        """Sinch has this file of a customer's; returns the link."""
        return str(self.call("keep", name=name, content=content))

    def end_links(self) -> None:
        """All links to files of customers end now."""
        self.call("end_links")

    def read(self, message_id: str) -> None:
        """The customer has read it."""
        self.call("read", message_id=message_id)

    def expire(self) -> None:
        """All access tokens end now."""
        self.call("expire")


def _told(call: Call, api: ConversationApi) -> Sent:
    reports = api.reports.of(call.made) if call.made else ()
    return Sent(
        number=call.number,
        at=call.at,
        origin=call.origin,
        what=_subject(call.body) if call.whole else "(broken off)",
        message_id=call.made,
        answered=call.answered,
        ended=call.ended,
        reports=tuple(f"{item.status} {item.reason['code']}" if item.reason else item.status for item in reports),
    )


def _subject(body: bytes) -> str:
    """The kind of the message, and the words of a text or the link of a file."""
    message = (shape.read(body) or {}).get("message")
    kind = next((name for name in shape.KINDS if isinstance(message, dict) and name in message), "not a message")
    words = shape.at(message, f"{kind}.text") or shape.at(message, f"{kind}.url") or ""
    return f"{kind}: {words}" if words else kind

"""Who has written to an app and what was said: contacts, their conversations, messages in both directions."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sandbox import callbacks, signing
from sandbox.callbacks import Customer
from sandbox.conversation import shape
from sandbox.conversation.account import Account

Direction = Literal["TO_APP", "TO_CONTACT"]


def moment(at: float) -> str:
    """As Sinch writes a time."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def identity(customer: Customer) -> dict[str, str]:
    """The customer's on WhatsApp."""
    return {"channel": "WHATSAPP", "identity": customer.phone, "app_id": ""}


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message; `said` is its content, and `body` all of what was asked for, where an app has sent it."""

    message_id: str
    account: Account
    customer: Customer
    direction: Direction
    at: float
    said: Mapping[str, Any] = field(repr=False)
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def metadata(self) -> str:
        return str(self.body.get("message_metadata") or "")

    @property
    def correlation_id(self) -> str:
        return str(self.body.get("correlation_id") or "")

    @property
    def resource(self) -> dict[str, Any]:
        """The message as Sinch shows it."""
        side = "app_message" if self.direction == "TO_CONTACT" else "contact_message"
        return {
            "id": self.message_id,
            "direction": self.direction,
            side: self.said,
            "channel_identity": identity(self.customer),
            "conversation_id": self.customer.conversation_id,
            "contact_id": self.customer.contact_id,
            "metadata": self.metadata,
            "accept_time": moment(self.at),
            "sender_id": self.account.app.phone if self.direction == "TO_APP" else "",
            "processing_mode": self.account.mode,
            "injected": False,
        }


class Contacts:
    """All of it; several threads read and write. `clock` is in Unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._guard = threading.Lock()
        self._customers: dict[str, Customer] = {}
        self._messages: dict[str, Message] = {}
        self._wrote: dict[tuple[str, str], float] = {}  # by app and contact

    def wrote(
        self, customer: Customer, account: Account, *, said: Mapping[str, Any], message_id: str, at: float
    ) -> None:
        """The customer has written to the app at that moment."""
        message = Message(
            message_id=message_id, account=account, customer=customer, direction="TO_APP", at=at, said=said
        )
        with self._guard:
            self._customers[customer.contact_id] = customer
            self._messages[message_id] = message
            known = self._wrote.get((account.app.app_id, customer.contact_id), at)
            self._wrote[account.app.app_id, customer.contact_id] = max(known, at)

    def know(self, customer: Customer) -> None:
        """There is such a contact, though it has written nothing."""
        with self._guard:
            self._customers[customer.contact_id] = customer

    def take(self, body: Mapping[str, Any], account: Account) -> Message:
        """A message of that app, accepted now."""
        now = self.clock()
        message = Message(
            message_id=signing.ulid(now),
            account=account,
            customer=self._recipient(body),
            direction="TO_CONTACT",
            at=now,
            said=body["message"],
            body=body,
        )
        with self._guard:
            self._messages[message.message_id] = message
        return message

    def last_written(self, message: Message) -> float | None:
        """When the customer wrote to the app last, None where it never did."""
        with self._guard:
            return self._wrote.get((message.account.app.app_id, message.customer.contact_id))

    def messages(self) -> tuple[Message, ...]:
        """All of them, the newest first."""
        with self._guard:
            return tuple(reversed(self._messages.values()))

    def message(self, message_id: str) -> Message | None:
        with self._guard:
            return self._messages.get(message_id)

    def customers(self) -> tuple[Customer, ...]:
        with self._guard:
            return tuple(self._customers.values())

    def customer(self, contact_id: str) -> Customer | None:
        with self._guard:
            return self._customers.get(contact_id)

    def _recipient(self, body: Mapping[str, Any]) -> Customer:
        """By contact id, else by phone, of which a contact is made. One without a phone is not there."""
        contact_id = shape.at(body, "recipient.contact_id")
        if contact_id:
            nobody = Customer(name="", contact_id=contact_id, conversation_id="", phone="")
            return self.customer(contact_id) or nobody
        phone = shape.at(body, "recipient.identified_by.channel_identities")[0]["identity"].lstrip("+")
        known = next((one for one in self.customers() if one.phone == phone), None)
        if known is None:
            known = dataclasses.replace(callbacks.customer(phone), phone=phone)
            self.know(known)
        return known

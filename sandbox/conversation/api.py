"""The simulated Conversation API: two regions, the token endpoint and the host of media, each on a port of loopback.

A send is checked as the vendor does: first what is answered at once (credentials, place, shape), then what only a
report tells. Beyond sends it takes what Motion and the SDKs may call; all else is 404.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Self

from sandbox import callbacks
from sandbox.callbacks import ANA, Callback, Customer
from sandbox.conversation import operations, refusal, resources, tokens
from sandbox.conversation.account import Account
from sandbox.conversation.contacts import Contacts
from sandbox.conversation.ledger import Ledger, Made, Origin
from sandbox.conversation.media import MediaHost
from sandbox.conversation.operations import Posted
from sandbox.conversation.reports import Reports
from sandbox.conversation.resources import Asked
from sandbox.conversation.tokens import Tokens
from sandbox.conversation.webhooks import Webhooks
from sandbox.faults import Fault
from sandbox.reply import Reply
from sandbox.sinch import Receipt
from sandbox.wire import Heard

_PATH = re.compile(r"/v1/projects/([^/]{1,100})(/.{1,1000})", re.DOTALL)


class ConversationApi(Ledger):
    """The servers, and what they hear; a context manager that starts and closes them.

    `clock` gives the time of tokens, windows and messages, in Unix seconds. `reports.sinch` posts what becomes of
    messages, `reports.fetcher` fetches their media; without them nothing is told, and media is believed to be fine.
    """

    def __init__(
        self,
        *accounts: Account,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.accounts: Sequence[Account] = accounts or (Account(),)
        self.tokens = Tokens({account.key for account in self.accounts}, clock=clock)
        self.contacts = Contacts(clock)
        self.webhooks = Webhooks()
        self.reports = Reports(self.contacts, self.webhooks, failed=self.complain)
        self.eu = Origin("eu", self._answer, ledger=self, host=host, tls=tls)
        self.us = Origin("us", self._answer, ledger=self, host=host, tls=tls)
        self.auth = Origin("auth", self._give, ledger=self, host=host, tls=tls)
        self.media = MediaHost(clock=clock, host=host, tls=tls)

    @property
    def origins(self) -> dict[str, Origin]:
        """By the names that the gateway's settings have for them."""
        return {origin.name: origin for origin in (self.eu, self.us, self.auth)}

    def __enter__(self) -> Self:
        for origin in (*self.origins.values(), self.media):
            origin.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.reports.close()
        for origin in (*self.origins.values(), self.media):
            origin.close()

    def set_fault(self, fault: Fault) -> None:
        """Of both regions and of the token endpoint alike."""
        for origin in self.origins.values():
            origin.set_fault(fault)

    def release(self) -> None:
        """End every wait."""
        for origin in (*self.origins.values(), self.media):
            origin.release()

    def set_accounts(self, *accounts: Account) -> None:
        """Have these from now on, and their keys."""
        self.accounts = accounts
        self.tokens.open_to(account.key for account in accounts)

    def wrote(self, customer: Customer = ANA, *, words: str = "Hola", at: float | None = None) -> Callback:
        """The customer has written, now or at that moment: the window is open. Returns what Sinch would post."""
        callback = callbacks.text(words, by=customer, app=self.accounts[0].app)
        self.note(callback, customer, at=at)
        return callback

    def note(self, callback: Callback, customer: Customer, *, at: float | None = None) -> None:
        """The same for a callback that exists: one with a message of the customer's in it. Raises KeyError."""
        message = callback.content["message"]
        account = {one.app.app_id: one for one in self.accounts}[callback.content["app_id"]]
        moment = self.contacts.clock() if at is None else at
        self.contacts.wrote(customer, account, said=message["contact_message"], message_id=message["id"], at=moment)

    def write(self, words: str, *, by: Customer = ANA) -> Receipt:
        """The customer writes: the window opens, and the callback goes out by `reports.sinch`."""
        return self.post(self.wrote(by, words=words))

    def send_file(self, name: str, content: bytes, *, caption: str = "", by: Customer = ANA) -> Receipt:
        """The customer sends a file: it is at `media`, the window opens, and the callback with its link goes out."""
        return self.post(self.sent_file(self.media.keep(name, content).link, caption=caption, by=by))

    def sent_file(self, link: str, *, caption: str = "", by: Customer = ANA) -> Callback:
        """The customer has sent the file at `link`. Returns what Sinch would post."""
        callback = callbacks.file(link, caption=caption, by=by, app=self.accounts[0].app)
        self.note(callback, by)
        return callback

    def post(self, callback: Callback) -> Receipt:
        """Send it where the webhook says, by `reports.sinch`. Raises ValueError where it goes nowhere."""
        if self.reports.sinch is None:
            raise ValueError("there is nobody to post the callback")
        sinch = self.webhooks.follow(self.reports.sinch, callback)
        if sinch is None:
            raise ValueError("Sinch posts it nowhere: no webhook gets such a callback")
        return sinch.send(callback)

    def read(self, message_id: str) -> None:
        """The customer has read that message, which is told. Raises KeyError where there is none."""
        message = self.contacts.message(message_id)
        if message is None:
            raise KeyError(message_id)
        self.reports.read(message)

    def _give(self, _: str, heard: Heard, __: Made) -> Reply:
        if (heard.method, heard.path) != ("POST", tokens.PATH):
            return self._unknown(heard)
        return self.tokens.give(heard)

    def _answer(self, region: str, heard: Heard, made: Made) -> Reply:
        match = _PATH.fullmatch(heard.path)
        if match is None:
            return self._unknown(heard)
        holder = self.tokens.holder(heard)
        if isinstance(holder, Reply):
            return holder
        accounts = [one for one in self.accounts if (one.app.project_id, one.region) == (match[1], region)]
        if not accounts:
            return refusal.absent("PROJECT", match[1])
        if all(one.key.key_id != holder for one in accounts):
            return refusal.of_status(403)
        return self._routed(match[2], heard, accounts, made) or self._unknown(heard)

    def _routed(self, path: str, heard: Heard, accounts: Sequence[Account], made: Made) -> Reply | None:
        if reply := self.webhooks.answer(path, heard, accounts, now=self.contacts.clock()):
            return reply
        if heard.method == "POST":
            posted = Posted(contacts=self.contacts, accounts=accounts, heard=heard, made=made, take=self.reports.take)
            return operations.answer(path, posted)
        if heard.method == "GET":
            return resources.answer(
                path, lambda name: Asked(contacts=self.contacts, accounts=accounts, name=name, query=heard.query)
            )
        return None

    def _unknown(self, heard: Heard) -> Reply:
        self.complain(f"{heard.method} {heard.path}")
        return refusal.absent("PATH", heard.path)

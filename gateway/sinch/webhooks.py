"""What an account's webhook at Sinch must be, what is wrong with those that are there, and what puts that right.

Rule 1. Exactly one webhook of the app leads to the gateway, and none past it to Motion. Those that lead elsewhere, and
        not to a Receive URL, are somebody else's: nobody touches them.
Rule 2. It is put right in an order in which no callback is lost: ours first, then what is one too many goes.
Rule 3. Sinch is given the first of the account's webhook secrets. Callbacks that are signed with another one of them
        are right as well: so a new secret is written in front of the old one, and given to Sinch afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.config import Account, Settings, addresses
from gateway.sinch import receive_urls

HTTP = "HTTP"
# Sinch's names of what a webhook may be told of. Without the first two nothing works. Left out are those of products
# beside WhatsApp (smart conversations, redaction), whose names the vendor's SDKs do not agree on: whoever names one
# that Sinch does not know is refused all.
MESSAGES, REPORTS = "MESSAGE_INBOUND", "MESSAGE_DELIVERY"
TRIGGERS = (
    *(MESSAGES, REPORTS, "MESSAGE_SUBMIT", "EVENT_INBOUND", "EVENT_DELIVERY", "UNSUPPORTED", "CHANNEL_EVENT"),
    *("CONVERSATION_START", "CONVERSATION_STOP", "CONVERSATION_DELETE", "OPT_IN", "OPT_OUT", "CAPABILITY"),
    *("CONTACT_CREATE", "CONTACT_UPDATE", "CONTACT_DELETE", "CONTACT_MERGE", "CONTACT_IDENTITIES_DUPLICATION"),
    "RECORD_NOTIFICATION",
)
MOST = 5  # of one app (Sinch: Conversation API, callbacks)
_MASKS = frozenset("*•")


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One at Sinch, as it tells it. `oauth`: whether it would ask for an OAuth2 token."""

    webhook_id: str
    target: str = field(repr=False)
    target_type: str
    secret: str = field(repr=False)
    triggers: frozenset[str]
    oauth: bool = False

    @property
    def shown(self) -> str:
        """Give its target without what may be secret in it."""
        return receive_urls.shown(self.target)


class Aim(StrEnum):
    """Where a webhook leads, those first that are likest to what is wanted."""

    OURS = "ours"
    ASTRAY = "astray"  # to this gateway, by a URL that it does not answer, or not for this account
    MOTION = "motion"  # past the gateway
    ELSEWHERE = "elsewhere"  # to a Receive URL on a host that we do not know
    FOREIGN = "foreign"


class Held(StrEnum):
    """Which secret a webhook has."""

    FIRST = "first"
    OLDER = "older"  # another one of the account's
    OTHER = "other"
    NONE = "none"
    UNTOLD = "untold"  # there is one, and Sinch shows a mask


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the settings want of the webhook of one account."""

    target: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    motion: str  # its host

    def aim(self, webhook: Webhook) -> Aim:
        """Say where a webhook leads."""
        ours, theirs = receive_urls.parts(self.target), receive_urls.parts(webhook.target)
        if theirs is None or ours is None:
            return Aim.FOREIGN
        if receive_urls.place(theirs) == receive_urls.place(ours):
            return Aim.OURS
        if theirs.hostname == ours.hostname:
            return Aim.ASTRAY
        if theirs.hostname == self.motion.strip("[]"):
            return Aim.MOTION
        return Aim.ELSEWHERE if receive_urls.PATH.fullmatch(theirs.path) else Aim.FOREIGN

    def astray(self, webhook: Webhook) -> str:
        """Say what is wrong with a URL of this gateway's host."""
        ours, theirs = receive_urls.parts(self.target), receive_urls.parts(webhook.target)
        if ours is None or theirs is None:
            return "it is no URL"
        if theirs.scheme != ours.scheme:
            return f"{theirs.scheme} instead of {ours.scheme}"
        if receive_urls.port(theirs) != receive_urls.port(ours):
            return f"port {receive_urls.port(theirs)} instead of {receive_urls.port(ours)}"
        if theirs.path != ours.path:
            named, right = receive_urls.PATH.fullmatch(theirs.path), receive_urls.PATH.fullmatch(ours.path)
            return f"connector id {named[1]} instead of {right[1]}" if named and right else "another path"
        return "another token, or none"

    def held(self, webhook: Webhook) -> Held:
        """Say which secret a webhook has."""
        if not webhook.secret:
            return Held.NONE
        if webhook.secret in self.secrets:
            return Held.FIRST if webhook.secret == self.secrets[0] else Held.OLDER
        return Held.UNTOLD if set(webhook.secret) <= _MASKS else Held.OTHER


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """One thing that is wrong, by the name under which doctor knows it; `webhook` is the one that has it."""

    id: str
    webhook: Webhook | None = None
    detail: str = ""


class Doing(StrEnum):
    MAKE = "make"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something to do at Sinch; `fields` are the values to write, by Sinch's names."""

    do: Doing
    webhook: Webhook | None = None
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)


def wanted(settings: Settings, account: Account) -> Wanted:
    """Say what the account's webhook must be."""
    return Wanted(
        target=receive_urls.ours(settings.server, account, reveal=True),
        secrets=tuple(secret.get_secret_value() for secret in account.webhook_secrets),
        motion=addresses.host(settings.motion.url),
    )


def ranked(webhooks: Sequence[Webhook], want: Wanted) -> list[tuple[Aim, Webhook]]:
    """List those that are the gateway's business, the one to keep first."""
    order = [*Aim]
    aimed = [(want.aim(webhook), webhook) for webhook in webhooks]
    return sorted((pair for pair in aimed if pair[0] is not Aim.FOREIGN), key=lambda pair: order.index(pair[0]))


def wrongs(webhooks: Sequence[Webhook], want: Wanted) -> Iterator[Wrong]:
    """Find all that is wrong with the webhooks of an account's app."""
    if not (found := ranked(webhooks, want)):
        full = len(webhooks) >= MOST
        yield Wrong(id="sinch.webhooks_full" if full else "sinch.webhook_missing", detail=str(len(webhooks)))
        return
    [(aim, main), *more] = found
    if aim is not Aim.OURS:
        yield _misled(aim, main, want)
    yield from _own(main, want)
    for other, webhook in more:
        past = other in (Aim.MOTION, Aim.ELSEWHERE)
        yield Wrong(id="sinch.webhook_past_us" if past else "sinch.webhook_twice", webhook=webhook)


def plan(webhooks: Sequence[Webhook], want: Wanted, *, renew: bool = False) -> Iterator[Step]:
    """List what puts all of it right, in order; nothing where all is right.

    `renew`: whether the secret is given to Sinch too where it does not tell which one it has.
    """
    found = ranked(webhooks, want)
    if not found:
        yield Step(do=Doing.MAKE, fields=_fields(want))
        return
    [(aim, main), *more] = found
    if changes := dict(_changes(aim, main, want, renew=renew)):
        yield Step(do=Doing.CHANGE, webhook=main, fields=changes)
    yield from (Step(do=Doing.DELETE, webhook=webhook) for _aim, webhook in more)


def _misled(aim: Aim, webhook: Webhook, want: Wanted) -> Wrong:
    if aim is Aim.ASTRAY:
        return Wrong(id="sinch.webhook_astray", webhook=webhook, detail=want.astray(webhook))
    return Wrong(id="sinch.webhook_at_motion" if aim is Aim.MOTION else "sinch.webhook_elsewhere", webhook=webhook)


def _own(webhook: Webhook, want: Wanted) -> Iterator[Wrong]:
    """Find what is wrong with a webhook but for where it leads."""
    if webhook.target_type != HTTP:
        yield Wrong(id="sinch.webhook_type", webhook=webhook, detail=webhook.target_type)
    if want.secrets and (name := _SECRET_WRONGS.get(want.held(webhook))):
        yield Wrong(id=name, webhook=webhook)
    if webhook.oauth:
        yield Wrong(id="sinch.webhook_oauth", webhook=webhook)
    missing = [trigger for trigger in TRIGGERS if trigger not in webhook.triggers]
    for trigger, name in ((MESSAGES, "sinch.trigger_messages"), (REPORTS, "sinch.trigger_reports")):
        if trigger in missing:
            yield Wrong(id=name, webhook=webhook)
    if less := [trigger for trigger in missing if trigger not in (MESSAGES, REPORTS)]:
        yield Wrong(id="sinch.triggers", webhook=webhook, detail=", ".join(less))


_SECRET_WRONGS = {
    Held.NONE: "sinch.webhook_unsigned",
    Held.OTHER: "sinch.webhook_secret",
    Held.OLDER: "sinch.webhook_secret_old",
    Held.UNTOLD: "sinch.webhook_secret_untold",
}


def _changes(aim: Aim, webhook: Webhook, want: Wanted, *, renew: bool) -> Iterator[tuple[str, object]]:
    if aim is not Aim.OURS:
        yield "target", want.target
    if webhook.target_type != HTTP:
        yield "target_type", HTTP
    known = (Held.FIRST,) if renew else (Held.FIRST, Held.UNTOLD)
    if want.secrets and want.held(webhook) not in known:
        yield "secret", want.secrets[0]
    if webhook.oauth:
        yield "client_credentials", None
    if not webhook.triggers >= frozenset(TRIGGERS):
        yield "triggers", sorted(webhook.triggers | frozenset(TRIGGERS))


def _fields(want: Wanted) -> dict[str, object]:
    secret = {"secret": want.secrets[0]} if want.secrets else {}
    return {"target": want.target, "target_type": HTTP, "triggers": [*TRIGGERS], **secret}

"""What may be wrong with an app and its webhooks at Sinch, planted one by one: a row for each wrong state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from sandbox import signing
from sandbox.conversation.account import Account, Key
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.webhooks import MOST, TRIGGERS, Webhook

ELSEWHERE = "somewhere-else.example.test"
FOREIGN = "https://crm.example.test/sinch"
OTHER_SECRET = "planted-secret-of-somebody-else"  # noqa: S105 - a planted one
OAUTH = {"client_id": "gateway", "client_secret": OTHER_SECRET, "endpoint": f"https://{ELSEWHERE}/token"}


@dataclass(frozen=True, kw_only=True)
class State:
    """An app as it is at Sinch: its account and its webhooks, of which the first is ours where it is there.

    `motion` is where Motion itself takes callbacks.
    """

    account: Account
    webhooks: tuple[Webhook, ...]
    motion: str
    masked: bool = False
    others: tuple[Account, ...] = ()


class Field:
    """Where planting is done: the first app of an API, once it is settled what is right for that."""

    def __init__(self, api: ConversationApi) -> None:
        self._api = api
        self._fine: State | None = None
        self.name = "fine"  # of what is planted

    def settle(self, *, target: str, secret: str, motion: str) -> None:
        """Have the app's webhook lead there, signed so; `motion` is where it must not lead."""
        account, *others = self._api.accounts
        ours = Webhook(
            webhook_id=signing.ulid(self._api.contacts.clock()),
            app_id=account.app.app_id,
            target=target,
            target_type="HTTP",
            secret=secret,
            triggers=TRIGGERS,
        )
        self._fine = State(account=account, webhooks=(ours,), motion=motion, others=tuple(others))
        self.plant("fine")

    def plant(self, name: str) -> None:
        """Have the app in this state, whatever it was in. Raises LookupError where nobody knows that state."""
        if self._fine is None:
            raise LookupError("it is not settled what is right")
        state = TABLE[name].change(self._fine)
        self._api.set_accounts(state.account, *state.others)
        self._api.webhooks.masked = state.masked
        self._api.webhooks.put(self._fine.account.app.app_id, *state.webhooks, alone=True)
        self.name = name


@dataclass(frozen=True)
class Plant:
    """What it is, in words, and what it makes of a state that is right."""

    meaning: str
    change: Callable[[State], State]


def _ours(**changes: Any) -> Callable[[State], State]:  # noqa: ANN401 - fields of a Webhook
    return lambda state: replace(state, webhooks=(replace(state.webhooks[0], **changes), *state.webhooks[1:]))


def _aimed(aim: Callable[[State], str]) -> Callable[[State], State]:
    return lambda state: _ours(target=aim(state))(state)


def _beside(*aims: Callable[[State], str]) -> Callable[[State], State]:
    """Others beside ours."""

    def change(state: State) -> State:
        [ours] = state.webhooks
        more = [replace(ours, webhook_id=signing.ulid(number), target=aim(state)) for number, aim in enumerate(aims)]
        return replace(state, webhooks=(ours, *more))

    return change


def _account(**changes: Any) -> Callable[[State], State]:  # noqa: ANN401 - fields of an Account
    return lambda state: replace(state, account=replace(state.account, **changes))


def _app(**changes: Any) -> Callable[[State], State]:  # noqa: ANN401 - fields of an App
    return lambda state: _account(app=replace(state.account.app, **changes))(state)


def _other_region(state: State) -> State:
    return _account(region="us" if state.account.region == "eu" else "eu")(state)


def _without(*names: str) -> Callable[[State], State]:
    return _ours(triggers=tuple(name for name in TRIGGERS if name not in names))


def _ours_at(host: str = "", scheme: str = "", path: str = "") -> Callable[[State], str]:
    def aim(state: State) -> str:
        url = urlsplit(state.webhooks[0].target)
        return url._replace(scheme=scheme or url.scheme, netloc=host or url.netloc, path=path or url.path).geturl()

    return aim


def _numbered(number: int) -> Callable[[State], str]:
    return lambda _: f"{FOREIGN}/{number}"


def _rekeyed(state: State) -> State:
    return _account(key=replace(state.account.key, key_secret=OTHER_SECRET))(state)


def _shut(state: State) -> State:
    """The key that was the app's is that of another project."""
    elsewhere = replace(state.account, app=replace(state.account.app, project_id="another-project"))
    mine = _account(key=Key(key_id="another-key", key_secret=OTHER_SECRET))(state)
    return replace(mine, others=(*state.others, elsewhere))


TABLE = {
    "fine": Plant("all is as it should be", lambda state: state),
    "wrong-key": Plant("the key has another secret", _rekeyed),
    "foreign-key": Plant("the key opens another project", _shut),
    "wrong-project": Plant("the app is in another project", _app(project_id="another-project")),
    "wrong-region": Plant("the app is in the other region", _other_region),
    "no-app": Plant("there is no such app", _app(app_id=signing.ulid(0))),
    "dispatch": Plant("the app is in DISPATCH mode", _app(dispatch=True)),
    "no-channel": Plant("nobody has connected a number to the app", _account(whatsapp=False)),
    "inactive": Plant("the credential of the channel fails", _account(credential="FAILING")),
    "pending": Plant("the credential of the channel is not active yet", _account(credential="PENDING")),
    "no-webhook": Plant("there is no webhook", lambda state: replace(state, webhooks=())),
    "no-messages": Plant("MESSAGE_INBOUND is not ticked", _without("MESSAGE_INBOUND")),
    "no-reports": Plant("MESSAGE_DELIVERY is not ticked", _without("MESSAGE_DELIVERY")),
    "few-triggers": Plant(
        "messages and their reports alone are ticked", _ours(triggers=("MESSAGE_INBOUND", "MESSAGE_DELIVERY"))
    ),
    "no-secret": Plant("the webhook has no secret", _ours(secret="")),
    "other-secret": Plant("the webhook has another secret", _ours(secret=OTHER_SECRET)),
    "masked-secret": Plant("secrets are not shown", lambda state: replace(state, masked=True)),
    "oauth": Plant("the webhook asks for OAuth2", _ours(client_credentials=OAUTH)),
    "grpc": Plant("the webhook's type is GRPC", _ours(target_type="GRPC")),
    "dismiss": Plant("the webhook's type is DISMISS", _ours(target_type="DISMISS")),
    "at-motion": Plant("the webhook leads straight to Motion", _aimed(lambda state: state.motion)),
    "also-at-motion": Plant("a second webhook leads straight to Motion", _beside(lambda state: state.motion)),
    "wrong-connector": Plant(
        "the webhook names another connector", _aimed(_ours_at(path="/api/whatsapp/accounts/4711/notify"))
    ),
    "wrong-path": Plant("the webhook leads to another path", _aimed(_ours_at(path="/notify"))),
    "wrong-host": Plant("the webhook leads to another host", _aimed(_ours_at(host=ELSEWHERE))),
    "http": Plant("the webhook leads to http", _aimed(_ours_at(scheme="http"))),
    "two": Plant("there are two webhooks of ours", _beside(_ours_at(path="/api/whatsapp/accounts/4711/notify"))),
    "foreign": Plant("somebody else has a webhook too", _beside(lambda _: FOREIGN)),
    "full": Plant(
        "others have all webhooks that an app may have",
        lambda state: replace(state, webhooks=_beside(*map(_numbered, range(MOST)))(state).webhooks[1:]),
    ),
}
MEANINGS = {name: row.meaning for name, row in TABLE.items()}

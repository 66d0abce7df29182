"""What doctor sees of Sinch: the app of each account and its webhooks.

Sinch is asked with the gateway's own keys. Where it does not answer, that is said once, for all accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from gateway import clock
from gateway.config import Account, Settings
from gateway.diagnosis.complaint import Complaint, Context, Level, Probe, complain
from gateway.sinch import SinchError, Trouble, webhooks
from gateway.sinch.management import REGIONS, Management, Objection, SinchApp
from gateway.sinch.webhooks import Wanted, Webhook

DEADLINE_SECONDS = 2.5  # of one try: for a token, the app and its webhooks there is time three times
SECONDS = 9.0
AT_ONCE = 32  # accounts; of one region no more are let in
CONVERSATION, ACTIVE = "CONVERSATION", "ACTIVE"
MOST_NAMED = 5


@dataclass(frozen=True)
class _Asked:
    """What came of asking about one account; `failure` where there was no answer, or another than was asked for."""

    account: Account
    complaints: tuple[Complaint, ...] = ()
    failure: SinchError | Objection | None = None


def sinch(context: Context, *, pause: Callable[[float], None] = clock.pause) -> Iterator[Complaint]:
    """Ask Sinch about every account that has a key."""
    accounts = [*accounts_known(context, "region", "project_id", "app_id", "key_id", "key_secret")]
    for account in accounts:
        if not account.key_secret:
            yield complain("sinch.no_key", about=account.connector_id)
    keyed = [account for account in accounts if account.key_secret]
    management = Management(context.settings.sinch, deadline_seconds=DEADLINE_SECONDS, pause=pause)
    with closing(management), ThreadPoolExecutor(AT_ONCE, thread_name_prefix="doctor") as pool:
        asked = list(pool.map(partial(_ask, management, context.settings), keyed))
    yield from _failures(asked, context.settings)
    for each in asked:
        yield from each.complaints


def of_webhooks(account: Account, found: Sequence[Webhook], want: Wanted) -> Iterator[Complaint]:
    """Say what is wrong with the webhooks of an account's app."""
    for wrong in webhooks.wrongs(found, want):
        url = wrong.webhook.shown if wrong.webhook else ""
        yield complain(wrong.id, about=account.connector_id, detail=wrong.detail, url=url)


def of_failure(management: Management, account: Account, failure: SinchError | Objection) -> Complaint:
    """Say why Sinch told nothing of an account. Raises SinchError, Objection where it tells nothing at all."""
    absent = isinstance(failure, Objection) and failure.answered == 404
    return _lost(management, account) if absent else _failure(failure, [account])


def _ask(management: Management, settings: Settings, account: Account) -> _Asked:
    try:
        return _Asked(account, tuple(_looked(management, settings, account)))
    except (SinchError, Objection) as error:
        return _Asked(account, failure=error)


def _looked(management: Management, settings: Settings, account: Account) -> Iterator[Complaint]:
    try:
        app = management.app(account)
    except Objection as error:
        if error.answered != 404:
            raise
        yield _lost(management, account)
        return
    yield from _of_app(account, app)
    yield from of_webhooks(account, management.webhooks(account), webhooks.wanted(settings, account))


def _lost(management: Management, account: Account) -> Complaint:
    """Say where an app is that is not where the settings have it."""
    say = partial(complain, about=account.connector_id, app=account.app_id, project=account.project_id)
    for region in REGIONS:
        if region != account.region and _has(management, account, region):
            return say("sinch.wrong_region", region=account.region, there=region)
    try:
        known = management.app_ids(account)
    except Objection as error:
        if error.answered != 404:
            raise
        return say("sinch.no_project", region=account.region)
    named = ", ".join(known[:MOST_NAMED]) or "none"
    more = " and more" if len(known) > MOST_NAMED else ""
    return say("sinch.no_app", region=account.region, known=named + more)


def _has(management: Management, account: Account, region: str) -> bool:
    try:
        management.app(account, region=region)
    except (Objection, SinchError):
        return False
    return True


def _of_app(account: Account, app: SinchApp) -> Iterator[Complaint]:
    if app.mode != CONVERSATION:
        yield complain("sinch.dispatch_mode", about=account.connector_id, mode=app.mode or "none")
    for name in account.channels:
        states = [channel for channel in app.channels if channel.name == name]
        say = partial(complain, about=account.connector_id, channel=name)
        if not states:
            yield say("sinch.no_channel")
        elif all(channel.status != ACTIVE for channel in states):
            said = f": {states[0].description}" if states[0].description else ""
            yield say("sinch.channel_inactive", status=states[0].status or "unknown", said=said)


def _failures(asked: Iterable[_Asked], settings: Settings) -> Iterator[Complaint]:
    """Say each reason once, with the accounts that it keeps in the dark."""
    grouped: dict[object, tuple[SinchError | Objection, list[Account]]] = {}
    for each in asked:
        if each.failure is not None:
            same = str(each.failure) if _is_theirs(each.failure) else each.account.connector_id
            grouped.setdefault(same, (each.failure, []))[1].append(each.account)
    for failure, accounts in grouped.values():
        yield _failure(failure, accounts, needed=settings.server.has_outbound)


def _is_theirs(failure: SinchError | Objection) -> bool:
    """Whether it is the same for every account."""
    if isinstance(failure, SinchError):
        return failure.trouble is not Trouble.KEY_REFUSED
    return failure.answered == 429 or failure.answered >= 500


def _failure(failure: SinchError | Objection, accounts: Sequence[Account], *, needed: bool = True) -> Complaint:
    """Say it; `needed`: whether the gateway itself calls Sinch for more than this look."""
    connectors = ", ".join(str(account.connector_id) for account in accounts)
    say = partial(complain, about=connectors, project=accounts[0].project_id, answered=failure.answered)
    status = failure.answered or 0
    if isinstance(failure, SinchError) and failure.trouble in _OF_KEYS:
        return say(_OF_KEYS[failure.trouble])
    if status == 429 or status >= 500:
        return say("sinch.rate_limited" if status == 429 else "sinch.failing")
    if isinstance(failure, SinchError):
        return say("sinch.unreachable", level=None if needed else Level.WARNING, reason=failure.words)
    return say(_OF_STATUS.get(status, "sinch.refused"), words=failure.reason or "no words")


_OF_KEYS = {Trouble.NO_KEY: "sinch.no_key", Trouble.KEY_REFUSED: "sinch.key_refused"}
_OF_STATUS = {401: "sinch.key_refused", 403: "sinch.key_foreign"}


def accounts_known(context: Context, *keys: str) -> Iterator[Account]:
    """List the accounts of which these keys are understood."""
    for index, account in enumerate(context.settings.accounts):
        if context.part.knows(*(f"account[{index}].{key}" for key in keys)):
            yield account


_CALLED = ("sinch.eu", "sinch.us", "sinch.auth", "sinch.ca_file", "sinch.proxy", "server.public_url", "motion.url")
PROBE = Probe("sinch", "the apps and webhooks at Sinch", _CALLED, sinch, seconds=SECONDS)

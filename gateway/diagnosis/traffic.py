"""What doctor sees of Sinch in the spool: whether callbacks come, and which; and whether Motion's calls come by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gateway.clock import DAY_SECONDS, HOUR_SECONDS
from gateway.config import Account
from gateway.diagnosis import experience
from gateway.diagnosis.complaint import Complaint, Context, Level, Probe, complain
from gateway.diagnosis.sinch_checks import accounts_known
from gateway.ingress import events
from gateway.outbound import record
from gateway.sinch import webhooks

WEEK_SECONDS = 7 * DAY_SECONDS
REPORTED_SECONDS = 600.0  # after which a message should have been reported on
BUSY = 3  # callbacks or messages: from fewer there is not much to tell
MOST_REPORTS = 100  # that are counted
# Kinds that come where a customer has written.
WRITTEN = ("CONVERSATION_START", "CONTACT_CREATE")


def calls(context: Context) -> Iterator[Complaint]:
    """Tell of accounts whose callbacks come, and of whose messages none has come to the third door for a day."""
    if not context.settings.server.has_outbound:
        return
    for account in accounts_known(context, "connector_id"):
        asked = {"connector_id": account.connector_id, "since": context.now - DAY_SECONDS}
        if context.ask("sent_since", **asked):
            continue
        [[reports]] = context.ask("reports_on_others", most=MOST_REPORTS, **asked)
        if reports:
            yield complain("sinch.motion_direct", about=account.connector_id, count=reports)
        elif _came_in(context, account, seconds=DAY_SECONDS):
            yield complain("sinch.no_calls", about=account.connector_id)


def silence(context: Context) -> Iterator[Complaint]:
    """Tell of accounts that nothing has come for in an hour in which something did a week ago."""
    for account in accounts_known(context, "connector_id"):
        now, before = (_came_in(context, account, ago=ago) for ago in (0.0, WEEK_SECONDS))
        if before and not now:
            level = Level.WARNING if before >= BUSY else Level.NOTE
            count = f"{before} or more" if before >= BUSY else before
            yield complain("sinch.silent", about=account.connector_id, level=level, count=count)


def triggers(context: Context) -> Iterator[Complaint]:
    """Tell of kinds that do not come, though they should, where Sinch is not asked which it is to send."""
    keyless = [one for one in accounts_known(context, "connector_id", "key_secret") if not one.key_secret]
    since = context.now - DAY_SECONDS
    latest = [event for event in experience.lately(context) if event.accepted_at >= since] if keyless else []
    for account in keyless:
        kinds = Counter(event.kind for event in latest if event.connector_id == account.connector_id)
        if kinds.total() >= BUSY and not kinds[webhooks.MESSAGES]:
            level = Level.WARNING if any(kinds[kind] for kind in WRITTEN) else Level.NOTE
            yield complain("sinch.no_messages_come", about=account.connector_id, level=level)
        if not kinds[events.DELIVERY] and (kinds[events.SUBMIT] >= BUSY or _has_sent(context, account)):
            yield complain("sinch.no_reports_come", about=account.connector_id)


def _has_sent(context: Context, account: Account) -> bool:
    """Whether Sinch took several messages so long ago that it should have reported on them."""
    times = {"since": context.now - DAY_SECONDS, "until": context.now - REPORTED_SECONDS}
    values = {"connector_id": account.connector_id, "outcome": record.ACCEPTED, "most": BUSY}
    [[count]] = context.ask("sent_between", **times, **values)
    return bool(count >= BUSY)


def _came_in(context: Context, account: Account, *, seconds: float = HOUR_SECONDS, ago: float = 0.0) -> int:
    """Count the callbacks of a time that ended so long ago, as far as it matters."""
    until = context.now - ago
    times = {"since": until - seconds, "until": until}
    [[count]] = context.ask("came_in", connector_id=account.connector_id, most=BUSY, **times)
    return int(count)


_STATE = ("server.state_dir",)
PROBES = (
    Probe("calls", "Motion's way to Sinch", (*_STATE, "server.outbound_clients"), calls),
    Probe("silence", "whether callbacks come", _STATE, silence),
    Probe("triggers", "which callbacks come", _STATE, triggers),
)

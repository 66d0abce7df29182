"""What doctor reads in the spool: what waits and why, what was refused and kept, the clock, and what is missing.

Nothing here reads more than the latest of what is kept: it takes as long with a million events as with a thousand.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway import paths, printable, store
from gateway.attachments.register import STORE
from gateway.clock import DAY_SECONDS, HOUR_SECONDS
from gateway.config import databases
from gateway.delivery import claims, trouble
from gateway.diagnosis import reasons
from gateway.diagnosis.complaint import Complaint, Context, Level, complain
from gateway.errors import SpoolUnavailable
from gateway.ingress import timekeeper
from gateway.phrases import Finding, Reason
from gateway.store import anchor, turned_away

LATEST = 2_000  # events that are looked at
BROKEN_SECONDS = 10.0  # a connection that broke is tried again within seconds
LONG_SECONDS = 300.0  # that a callback waits
MANY = 20  # of the last events of an account, that tell whose they are
# Sinch needs a moment to come here, and its first try may have failed; nothing comes before it was signed.
FAST_SECONDS, SLOW_SECONDS = 60.0, 5.0
FULL_PARTS = 0.98
MOST_NAMED = 3  # of those that were turned away for one reason

# Of what the courier and the doors have found: what doctor says of it. The others it looks for itself.
MOST_UNGIVEN = 1000  # that are counted
TROUBLES = {
    Finding.MOTION_DOWN: "motion.down",
    Finding.KIND_REFUSED: "motion.kind_refused",
    Finding.CLOCK_SKEW: "clock.refuses",
    Finding.CERTIFICATE_OLD: "certs.old_in_force",
    Finding.RENEWAL_FAILS: "certs.renewal_fails",
    Finding.STORE_AWAY: "store.away",
}
DOORS = {
    "ingress": "callbacks.refused",
    "edge": "callbacks.elsewhere",
    "attachments": "links.refused",
    "outbound": "calls.refused",
    "ops": "page.refused",
}
FOREIGN = {
    Finding.FOREIGN_APP: "callbacks.foreign_app",
    Finding.FOREIGN_PROJECT: "callbacks.foreign_project",
    Finding.DISPATCH_MODE: "callbacks.dispatch_mode",
}


@dataclass(frozen=True)
class Lately:
    """One of the last events, without what it weighs."""

    connector_id: int
    kind: str
    state: str
    accepted_at: float
    findings: str


@dataclass(frozen=True)
class Heard:
    """When Sinch called back last, and when Motion last asked at the private door to send; None: none is kept."""

    sinch_at: float | None = None
    motion_at: float | None = None


def heard(context: Context) -> Heard | None:
    """Tell when the others came here last; None where the spool cannot be asked."""
    if not context.part.knows("server.state_dir", "spool.url"):
        return None
    try:
        found = (context.ask(name) for name in ("newest_accepted", "newest_sent"))
        return Heard(*(rows[0][0] if rows else None for rows in found))
    except SpoolUnavailable:  # which is complained of
        return None


def lately(context: Context) -> list[Lately]:
    """List the last events that were taken in, the latest first. Raises SpoolUnavailable."""
    found = [Lately(*row) for row in context.ask("lately", most=LATEST)]
    return [event for event in found if event.state != store.REJECTED]


def spool(context: Context) -> Iterator[Complaint]:
    """Open it, as every process does."""
    path = paths.spool(context.settings)
    if not databases.is_shared(context.settings.spool.url) and not path.exists():
        yield complain("spool.missing", path=path)
        return
    context.spool.hold()
    context.spool.require_in_place()
    if large := context.spool.large_log_bytes:
        yield complain("spool.log_large", reason=f"{large} bytes", remedy=anchor.LARGE_LOG_REMEDY)
    if databases.is_of_several(context.settings.spool.url) and context.ask("waits_for_no_standby"):
        yield complain("spool.one_disk")


def waiting(context: Context) -> Iterator[Complaint]:
    """Tell what Motion has said to those who wait, and what the courier has found."""
    for connector, outcome, count, since in context.ask("heads_in_wait", most=LATEST):
        said = str(outcome).partition(":")[0]
        if said.isdecimal() or context.now - (since or context.now) > BROKEN_SECONDS:
            yield _refused(connector, said, count)
    for found in trouble.known(context.spool):
        if identifier := TROUBLES.get(Finding(found.finding)):
            reason = f"it answers {found.reason}" if found.reason.isdecimal() else found.reason
            yield complain(identifier, about=found.about, reason=reason)
    oldest = claims.oldest_pending_at(context.spool)
    if oldest is not None and context.now - oldest > LONG_SECONDS:
        count = claims.waiting(context.spool).get(store.PENDING, 0)
        yield complain("spool.waiting", minutes=round((context.now - oldest) / 60), count=count)


def _refused(connector: int, said: str, count: int) -> Complaint:
    if said == "404":
        return complain("motion.connector_unknown", about=connector)
    refuses = said.startswith("4") and said not in ("408", "425", "429")
    meaning = reasons.of_motion(said)
    return complain(
        "motion.callbacks_refused" if refuses else "motion.fails",
        about=connector,
        reason=said,
        count=count,
        meaning=meaning.sentence,
        remedy=meaning.remedy,
    )


def parked(context: Context) -> Iterator[Complaint]:
    """Tell what Motion will not get by itself."""
    for connector, outcome, count in context.ask("parked_lately", most=LATEST):
        if not str(outcome).endswith(Reason.KIND_REFUSED):  # it follows by itself, and is told as refused
            yield complain("spool.parked", about=connector, reason=outcome, count=count)


def held_back(context: Context) -> Iterator[Complaint]:
    """Tell how many files of customers wait for an operator."""
    [[count]] = context.ask("count_held")
    if count:
        yield complain("inbound.held", count=printable.counted(count, "file"))


def timekeeping(context: Context) -> Iterator[Complaint]:
    """Hold this machine's clock against what Sinch has signed: the least delay of the last callbacks."""
    delay = timekeeper.drift_seconds(context.spool, now=context.now, within_seconds=DAY_SECONDS)
    if delay is not None and not -SLOW_SECONDS <= delay <= FAST_SECONDS:
        yield complain("clock.off", seconds=abs(round(delay)), direction="fast" if delay > 0 else "slow")


def origins(context: Context) -> Iterator[Complaint]:
    """Tell whose callbacks come to an account that is not theirs: of the last of each."""
    seen: dict[int, int] = {}
    for event in lately(context):
        seen[event.connector_id] = seen.get(event.connector_id, 0) + 1
        if seen[event.connector_id] <= MANY and event.accepted_at > context.now - DAY_SECONDS:
            for finding in event.findings.split():
                if identifier := FOREIGN.get(Finding(finding)):
                    yield complain(identifier, about=event.connector_id)


def turned(context: Context) -> Iterator[Complaint]:
    """Tell what was turned away and was none of a stranger's: nothing has come the right way since."""
    configured = {str(account.connector_id) for account in context.settings.accounts}
    groups: dict[tuple[str, str, str], list[turned_away.Turned]] = {}
    for row in turned_away.listed(context.spool, since=context.now - DAY_SECONDS):
        about = row.about if row.about in configured else ""
        groups.setdefault((row.door, row.reason, about), []).append(row)
    newest: dict[str, float] = {}
    for event in reversed(lately(context)):
        newest[str(event.connector_id)] = newest[""] = event.accepted_at
    for (_door, _reason, about), found in groups.items():
        kind = turned_away.kinds().get(found[0].kind)
        if kind and kind.level and not _is_over(context, kind.until, found[0].last_at, newest.get(about, 0.0)):
            yield _turned(found, about, Level(kind.level))


def _is_over(context: Context, until: str, last_at: float, newest: float) -> bool:
    """Whether it has gone well since; `newest`: when the last callback was taken in."""
    if until == "fetch":
        return bool(context.ask("any_fetched_since", since=last_at))
    return newest > last_at if until == "callback" else last_at < context.now - HOUR_SECONDS


def _turned(found: Sequence[turned_away.Turned], about: str, level: Level) -> Complaint:
    last, count = found[0], sum(row.count for row in found)
    named = list(dict.fromkeys(row.about for row in found if row.about))
    whom = ", ".join(named[:MOST_NAMED]) + (" and others" if len(named) > MOST_NAMED else "")
    return complain(
        DOORS[last.door],
        about=about,
        level=level,
        count=count,
        at=f"{datetime.datetime.fromtimestamp(last.last_at, datetime.UTC).astimezone():%H:%M}",
        reason=last.reason,
        whom=whom,
        named=f": {whom}" if whom else "",
        remedy=remedy(last),
    )


def remedy(row: turned_away.Turned) -> str:
    """Say what to do; "" for a kind of another release."""
    meaning = reasons.of_turned_away(*row.kind)
    return meaning.remedy if meaning else ""


def files(context: Context) -> Iterator[Complaint]:
    """Look at the vault, and at the links that Motion makes itself."""
    ours = context.settings
    if not ours.has_vault:
        return
    folder, most = paths.vault(ours), ours.attachments.vault_max_bytes
    place = databases.vault(ours.spool.url, node=ours.server.node)
    try:
        if folder.exists():
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        yield complain("vault.unusable", reason=error.strerror, path=folder)
    [[held]] = context.ask("stored_bytes", place=place)
    if held > most * FULL_PARTS:
        yield complain("vault.full", bytes=held, most=most)
    if place and not ours.attachments.store:
        yield complain("store.none")
    if ours.attachments.store:
        waiting = context.ask("ungiven_files", place=place, other=STORE, now=context.now, most=MOST_UNGIVEN)
        if waiting:
            more = "at least " if len(waiting) == MOST_UNGIVEN else ""
            yield complain("store.behind", count=more + printable.counted(len(waiting), "file"))
    [[fetched]] = context.ask("motions_links_since", since=context.now - 7 * DAY_SECONDS)
    if fetched and not context.settings.server.has_outbound:
        yield complain("links.of_motion", count=fetched)

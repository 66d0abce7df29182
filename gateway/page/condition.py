"""How the gateway is, for who looks: what is wrong and what to do, and how each door, the courier and each account are.

Rule 1. Nothing here reads more than the latest of what is kept: it takes as long with a million events as with none.
Rule 2. What the gateway sees by itself is so now. What doctor found was so when it looked; of what both look at, the
        newer counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import store, telemetry
from gateway.config import Account
from gateway.config.validation import PartialSettings
from gateway.delivery import claims, trouble
from gateway.diagnosis import checkup, complaint, experience, peers
from gateway.diagnosis import routes as office
from gateway.diagnosis.complaint import Complaint, Context, Level, complain
from gateway.doors import DOORS
from gateway.errors import SpoolUnavailable, remedy_of_check
from gateway.phrases import Finding, Line
from gateway.services import Services

FEW, LATEST = 1_000, 10_000  # events among which an account's last one is looked for, at first and at most
MOST_COUNTED = 20_000  # of an account's that wait
SINCH = "sinch"  # doctor's check of apps and webhooks

Look = Callable[[Context], Iterator[Complaint]]

# What of doctor's the gateway looks at whenever somebody does, by the id of its check.
LIVE: dict[str, Look] = {
    "spool": experience.spool,
    "waiting": experience.waiting,
    "parked": experience.parked,
    "clock": experience.timekeeping,
    "origins": experience.origins,
    "turned_away": experience.turned,
    "nodes": peers.look,
}
OF_CERTIFICATES = frozenset({Finding.CERTIFICATE_ENDS, Finding.CERTIFICATE_WRONG})
# Each door, and what stands beside it: its name in the log, what passes there, and between whom.
PARTS = {
    "ingress": ("Callbacks", "from Sinch"),
    "courier": ("Courier", "callbacks to Motion"),
    "fetcher": ("Fetcher", "customers' files from Sinch"),
    "outbound": ("Messages", "from Motion to Sinch"),
    "attachments": ("Files", "to Sinch and phones"),
}


@dataclass(frozen=True)
class DoorState:
    """A door, or the courier: how it is called, and whether it is `open`, `shut` or `not wanted`."""

    name: str
    title: str
    between: str
    state: str
    level: Level


@dataclass(frozen=True)
class AccountState:
    """How an account is. Moments are epoch seconds; None where none of the latest events is its."""

    account: Account
    called_back_at: float | None
    delivered_at: float | None
    waiting: int
    parked: int
    trouble: str  # of Motion's, right now
    trouble_since: float | None
    webhook: tuple[Complaint, ...]  # what doctor found of its app and webhook at Sinch
    webhook_seen: bool  # whether doctor has looked at all


@dataclass(frozen=True)
class Condition:
    """All of it, as it is at a moment."""

    complaints: tuple[Complaint, ...]  # the worst first
    by_doctor: frozenset[Complaint]  # those of them that only doctor sees
    parts: tuple[DoorState, ...]
    standings: tuple[AccountState, ...]
    waiting: Mapping[str, int]
    oldest_at: float | None
    checkup: checkup.Checkup | None
    looking: bool  # doctor does, right now
    wanted_at: float | None  # since when it is wanted to look, and has not

    @property
    def level(self) -> Level:
        return max((each.level for each in self.complaints), key=lambda level: level.weight, default=Level.FINE)

    @property
    def grave(self) -> int:
        """How many of its complaints ask for something."""
        return sum(each.level in (Level.WARNING, Level.FAULT) for each in self.complaints)


def examine(services: Services, live: Mapping[str, Look] = LIVE) -> Condition:
    """Look at everything that can be seen at once; `live`: by these checks of doctor's."""
    outcomes = office.outcomes(services)
    last = checkup.last(services.settings)
    of_doctor = list(_found(last))
    complaints = complaint.unexplained(dict.fromkeys([*_seen(services, outcomes, live), *of_doctor]))
    try:
        waiting, oldest_at = claims.waiting(services.spool), claims.oldest_pending_at(services.spool)
        standings = tuple(_standings(services, last, waiting))
    except SpoolUnavailable:  # which is complained of
        waiting, oldest_at, standings = {}, None, ()
    return Condition(
        complaints=tuple(complaints),
        by_doctor=frozenset(of_doctor),
        parts=tuple(_parts(outcomes)),
        standings=standings,
        waiting=waiting,
        oldest_at=oldest_at,
        checkup=last,
        looking=checkup.is_under_way(services.settings),
        wanted_at=checkup.wanted_at(services.settings),
    )


def _seen(services: Services, outcomes: Mapping[str, str], live: Mapping[str, Look]) -> Iterator[Complaint]:
    """Say what the gateway sees by itself."""
    for name, outcome in outcomes.items():
        if outcome != office.OK:
            yield complaint.of_check(name, outcome, remedy_of_check(name, outcome))
    part = PartialSettings(services.settings, frozenset(), {}, (), ())
    context = Context(part, services.clock.now(), services.spool)
    for check, find in live.items():
        yield from _looked(check, find, context)
    try:
        yield from _of_certificates(services)
    except SpoolUnavailable as error:
        yield complaint.unusable(error.reason)


def _looked(check: str, find: Look, context: Context) -> list[Complaint]:
    try:
        return list(find(context))
    except SpoolUnavailable as error:
        return [complaint.unusable(error.reason)]
    except Exception as error:  # noqa: BLE001 - one check that fails shall not hide what the others see
        telemetry.failure(Line.UNEXPECTED, error, check=check)
        return [complain("doctor.failed", about=check, what=check.replace("_", " "), reason=type(error).__name__)]


def _of_certificates(services: Services) -> Iterator[Complaint]:
    for each in trouble.known(services.spool):
        if each.finding in OF_CERTIFICATES:
            level = Level.FAULT if each.finding == Finding.CERTIFICATE_WRONG else Level.WARNING
            yield Complaint(each.finding, level, f"{each.about}: {each.reason}.", f"{_begun(each.remedy)}.", each.about)


def _found(last: checkup.Checkup | None) -> Iterator[Complaint]:
    """Say what doctor found of what only it looks at."""
    for check, each in last.found if last else ():
        if check not in LIVE and check != "processes":
            yield each


def _parts(outcomes: Mapping[str, str]) -> Iterator[DoorState]:
    for name, (title, between) in PARTS.items():
        if name not in outcomes:
            yield DoorState(name, title, between, "not wanted", Level.FINE)
        elif outcomes[name] != office.OK:
            yield DoorState(name, title, between, "shut" if name in DOORS else "away", Level.FAULT)
        else:
            yield DoorState(name, title, between, "open" if name in DOORS else "at work", Level.FINE)


def _standings(services: Services, last: checkup.Checkup | None, waiting: Mapping[str, int]) -> Iterator[AccountState]:
    accounts = {account.connector_id: account for account in services.settings.accounts}
    called, delivered = (_latest(services, name, accounts) for name in ("last_accepted", "last_delivered"))
    counts = _counts(services, accounts, waiting)
    troubles = {each.about: each for each in trouble.known(services.spool) if each.finding in trouble.OF_MOTION}
    for number, account in accounts.items():
        of_motion = next((troubles[about] for about in ("", str(number)) if about in troubles), None)
        yield AccountState(
            account,
            called.get(number),
            delivered.get(number),
            counts.get((store.PENDING, number), 0),
            counts.get((store.PARKED, number), 0),
            trouble=f"away ({of_motion.reason})" if of_motion else "",
            trouble_since=of_motion.since if of_motion else None,
            webhook=tuple(each for check, each in last.found if check == SINCH and each.about == str(number))
            if last
            else (),
            webhook_seen=last is not None and SINCH in last.checks,
        )


def _latest(services: Services, statement: str, accounts: Iterable[int]) -> dict[int, float]:
    """Ask for the last one of each account, among many only where it is not among a few."""

    def ask(most: int) -> dict[int, float]:
        return dict(services.spool.ask(lambda run: run(statement, most=most)))

    found = ask(FEW)
    return found if {*accounts} <= found.keys() else ask(LATEST)


def _counts(
    services: Services, accounts: Mapping[int, Account], waiting: Mapping[str, int]
) -> dict[tuple[str, int], int]:
    """Tell how many events of each account wait, and are parked."""
    if len(accounts) == 1:
        [only] = accounts
        return {(state, only): count for state, count in waiting.items()}
    rows: list[Any] = services.spool.ask(lambda run: run("waiting_of_accounts", most=MOST_COUNTED))
    return {(state, number): count for state, number, count in rows}


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]

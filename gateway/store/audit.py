"""Who did what by a command, and when: a row for each deed in the spool, and a line in the log.

Rule 1. What changes something is recorded in the transaction that changes it, or before it begins: what cannot be
        recorded is not done.
Rule 2. A look at what people wrote is recorded before it is shown. Where it cannot be, it is shown all the same, and
        the log says so: whoever may run the command could read the file as well, and at night somebody has to.
Rule 3. A row names no contact, neither by number nor by id: so no erasing takes one away.
Rule 4. A row stays for `KEEP_SECONDS`, whatever else is purged or erased.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from gateway import config, paths, printable, telemetry
from gateway.errors import SpoolUnavailable
from gateway.phrases import Line
from gateway.store import TOP, Place, Run
from gateway.store.engines import Database

KEEP_SECONDS = 400 * 24 * 3600.0  # a year, and a month to look back at it
LOGIN = Path("/proc/self/loginuid")
NO_LOGIN = str(2**32 - 1)  # of a process that nobody logged in for: (uid_t) -1, proc(5)
LONGEST_NAME = 64
LONGEST_ABOUT = 256


class Action(StrEnum):
    """What is recorded: by the name of its command, where it is one."""

    REPLAY = "replay"
    PARK = "park"
    ERASE = "erase"
    MINT = "mint"
    REVOKE = "revoke"
    EVICT = "evict"
    SIGN_IN = "sign-in"  # to the operations page, as the two that follow
    SIGN_IN_FAILED = "sign-in-failed"
    SIGN_OUT = "sign-out"
    SYNC = "sync"  # of the webhook at Sinch
    FORGET = "forget"  # of a node
    MOVE = "move"  # of the spool to another database
    RELEASE = "release"  # of a file that a customer sent in, and that was held back
    LOOK = "look"  # at what people wrote, or at who they are


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever typed a command."""

    who: str  # the login behind sudo; else that of the session; else the account
    login: str  # with which the session began, as the kernel has it: no sudo changes it; "" where it knows none
    account: str  # as which the command works

    @property
    def other_login(self) -> str:
        """The login of the session where it is another than the one that is told; else ""."""
        return "" if self.login == self.who else self.login


@dataclass(frozen=True, kw_only=True)
class Deed(Caller):
    """One row: what was done to what. `at` is in epoch seconds; `about` names ids of ours and numbers of things."""

    at: float
    action: Action
    about: str


def caller(environ: Mapping[str, str], *, login_number: str) -> Caller:
    """Tell who it is; `login_number`: what LOGIN holds, "" where there is none.

    That root became another account says nothing: root is nobody's login where the session has one.
    """
    number = login_number.strip()
    login = _name(int(number)) if number.isdecimal() and number != NO_LOGIN else ""
    sudo, account = _plain(environ.get(paths.SUDO_USER, "")), _name(os.geteuid())
    who = sudo if sudo not in ("", _name(0)) else login or sudo or account
    return Caller(who=who, login=login, account=account)


def deed(action: Action, about: str = "", *, now: float) -> Deed:
    """What whoever has started this process does now."""
    try:
        number = LOGIN.read_text("ascii")
    except OSError:
        number = ""
    told = caller(config.environment(), login_number=number)
    return Deed(at=now, action=action, about=about, **asdict(told))


def of_events(event_ids: Sequence[int]) -> str:
    """Name events by their ids, as many as there is room for."""
    named, told = printable.counted(len(event_ids), "event"), ""
    for event_id in event_ids:
        if len(told) > LONGEST_ABOUT - 64:
            return f"{named}: {told} and more"
        told += f"{', ' if told else ''}{event_id}"
    return f"{named}: {told}" if len(event_ids) > 1 else f"event {told}"


def note(run: Run, done: Deed | None) -> None:
    """Record it in the transaction at hand; None is no operator's doing."""
    if done is not None:
        run("insert_deed", **asdict(done) | {"about": done.about[:LONGEST_ABOUT]})


def amend(run: Run, done: Deed) -> None:
    """Say of a deed that is recorded what it is about by now."""
    run("amend_deed", at=done.at, action=done.action, about=done.about[:LONGEST_ABOUT])


def keep(database: Database, done: Deed) -> None:
    """Record it, and return once that is on the disk. Raises SpoolUnavailable."""
    database.tell(lambda run: note(run, done))


def kept_look(database: Database, done: Deed) -> bool:
    """Record a look, and tell of it in the log; False where the log alone has it."""
    try:
        database.require_latest()  # a copy may be of a spool from before an upgrade
        keep(database, done)
    except SpoolUnavailable as error:
        tell(done, about=done.about, **{telemetry.REASON: error.reason})
        return False
    tell(done, about=done.about)
    return True


def tell(done: Deed, **fields: object) -> None:
    """Say it in the log: `fields` tell more than the row does."""
    names = {"who": done.who, "login": done.other_login, "account": done.account}
    telemetry.note(Line.AUDIT, command=done.action, **fields, **{name: told for name, told in names.items() if told})


def listed(
    database: Database, *, action: str | None = None, who: str | None = None, since: float = 0.0, most: int
) -> list[Deed]:
    """Read the newest `most` that were done then or later, newest first; `who` is one by any of the names."""
    return [*numbered(database, action=action, who=who, since=since, most=most).values()]


def numbered(database: Database, *, most: int, place: Place = TOP, **chosen: object) -> dict[int, Deed]:
    """As `listed`, by their ids; or those next to a place."""
    asked: dict[str, object] = {"action": None, "who": None, "since": 0.0} | chosen
    rows = database.ask(lambda run: run("deeds", most=most, id=place.id, way=place.way, **asked))[:: place.way]
    names = ("at", "action", "who", "login", "account", "about")
    return {row[-1]: Deed(**dict(zip(names, row, strict=False))) for row in rows}


def _name(number: int) -> str:
    return _plain(paths.account(number)[0])


def _plain(name: str) -> str:
    return printable.text(name[:LONGEST_NAME])

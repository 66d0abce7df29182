"""What can be looked through: the lists of the page, each in parts from a place on, and search, which is `trace`.

Of a list that stands in the query which is chosen: a state, an account, a place; never whom it is about. What is
searched for may be a phone number: it comes by a form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from flask import render_template, request

from gateway.attachments.register import Register
from gateway.delivery import claims, records
from gateway.diagnosis import asked, experience, facts, reasons, telling
from gateway.outbound import record
from gateway.page import deed, words
from gateway.services import Services
from gateway.store import PARKED, STATES, TOP, Choice, Place, audit, turned_away

MOST = 50  # rows of a part
MOST_TOLD = 100  # moments of a story, and callbacks whose bodies are read for it

_NUMBER = re.compile(r"[0-9]{1,18}")
_WORD = re.compile(r"[0-9a-z]{1,18}")
_TIME = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Stretch(Generic[T]):
    """Some rows of a list, and the addresses of those around them; "" where there are none."""

    rows: Sequence[T]
    older: str
    newer: str


def events(services: Services) -> str:
    chosen = Choice(state=_one_of("state", STATES), connector_id=_account())
    part = _part(
        lambda place, most: records.listed(services.spool, chosen, most=most, place=place),
        lambda one: Place(id=one.event_id),
    )
    waiting = claims.waiting(services.spool)
    states = {state: f"{state} ({waiting[state]})" if state in waiting else state for state in STATES}
    parked = waiting.get(PARKED, 0)
    return render_template(
        "events.html",
        part=part,
        states=states,
        parked=parked,
        accounts=_accounts(services),
        chosen=chosen,
        meanings=facts.meanings_of_event,
        levels=words.LEVELS,
    )


def sends(services: Services) -> str:
    now = services.clock.now()
    chosen = Choice(state=_one_of("outcome", record.OUTCOMES), connector_id=_account())
    part = _part(
        lambda place, most: record.listed(services.spool, chosen, most=most, now=now, place=place),
        lambda one: Place(id=one.send_id),
    )
    return render_template(
        "sends.html",
        part=part,
        outcomes=record.OUTCOMES,
        accounts=_accounts(services),
        chosen=chosen,
        meanings=facts.meanings_of_send,
        fate=facts.fate,
        levels=words.LEVELS_OF_SENDS,
    )


FILES = {"stored": "in the vault", "failed": "with trouble"}


def files(services: Services) -> str:
    only = _one_of("only", FILES) or ""
    register, several = Register.of(services.settings, services.spool), services.settings.attachments.store
    part = _part(
        lambda place, most: register.listed(most=most, only=only, place=place),
        lambda one: Place(id=int(one.attachment_id), at=one.used_at),
    )
    places = [register.places(known.digest) if several and known.digest else () for known in part.rows]
    shelved = [facts.shelved(known, services.settings, places=at) for known, at in zip(part.rows, places, strict=True)]
    return render_template(
        "files.html", part=part, shelved=shelved, chosen=only, choices=FILES, facts=facts, levels=words.LEVELS_OF_FILES
    )


def turned(services: Services) -> str:
    account = _account()
    found = turned_away.listed(services.spool)
    if account is not None:
        found = [row for row in found if row.door == "ingress" and row.about == str(account)]
    first = int(_asked("from", _NUMBER) or 0)
    kept = _kept()
    part = Stretch(
        rows=found[first : first + MOST],
        older=_address(kept | {"from": first + MOST}) if len(found) > first + MOST else "",
        newer=_address(kept | {"from": max(first - MOST, 0)}) if first else "",
    )
    return render_template(
        "turned-away.html",
        part=part,
        accounts=_accounts(services),
        account=account,
        remedy=experience.remedy,
        meaning=reasons.of_turned_away,
    )


def deeds(services: Services) -> str:
    action = _one_of("action", [str(action) for action in audit.Action])
    part = _part(
        lambda place, most: [*audit.numbered(services.spool, most=most, place=place, action=action).items()],
        lambda one: Place(id=one[0]),
    )
    return render_template("audit.html", part=part, actions=[str(action) for action in audit.Action], chosen=action)


def search(_services: Services) -> str:
    return render_template("search.html", what="", kinds=asked.KINDS)


def story(services: Services) -> str:
    return _story(services, reveal=False)


def whole_story(services: Services) -> str:
    looked = deed(audit.Action.LOOK, "the phone numbers of a trace", services=services)
    audit.keep(services.spool, looked)
    audit.tell(looked, about=looked.about)
    return _story(services, reveal=True)


def _part(found: Callable[[Place, int], Sequence[T]], place_of: Callable[[T], Place]) -> Stretch[T]:
    """The rows at the place that is asked for, and one more to tell whether there are others behind them."""
    place = _place()
    rows = found(place, MOST + 1)
    if place.way < 0 and len(rows) <= MOST:  # so near the top that it is shown instead, and is full
        place, rows = TOP, found(TOP, MOST + 1)
    upwards, more = place.way < 0, len(rows) > MOST
    shown = rows[-MOST:] if upwards else rows[:MOST]
    below = shown and (more or upwards)
    above = place.id is not None and (more or not upwards)
    return Stretch(
        rows=shown,
        older=_address(_kept() | _spelled("below", place_of(shown[-1]))) if below else "",
        newer=_address(_kept() | (_spelled("above", place_of(shown[0])) if shown else {})) if above else "",
    )


def _spelled(way: str, place: Place) -> dict[str, object]:
    return {way: place.id} | ({"at": repr(place.at)} if place.at else {})


def _place() -> Place:
    """Where the part begins by the query; what is not spelled as ours is not there."""
    below, above = _asked("below", _NUMBER), _asked("above", _NUMBER)
    found, at = below or above, float(_asked("at", _TIME) or 0)
    return Place(id=int(found), at=at, way=1 if below else -1) if found else TOP


def _asked(name: str, spelled: re.Pattern[str]) -> str:
    given = request.args.get(name, "")
    return given if spelled.fullmatch(given) else ""


def _one_of(name: str, known: Sequence[str] | Mapping[str, object]) -> str | None:
    given = request.args.get(name, "")
    return given if given in known else None


def _account() -> int | None:
    given = _asked("account", _NUMBER)
    return int(given) if given else None


def _accounts(services: Services) -> list[int]:
    return [account.connector_id for account in services.settings.accounts]


def _kept() -> dict[str, Any]:
    """What was chosen, for the address of another part."""
    names = ("state", "outcome", "account", "only", "action")
    return {name: given for name in names if (given := _asked(name, _WORD))}


def _address(query: Mapping[str, object]) -> str:
    return f"{request.path}?{urlencode(query)}" if query else request.path


def _story(services: Services, *, reveal: bool) -> str:
    what = request.form.get("what", "")[: asked.LONGEST]
    question = asked.read(what)
    if not question.word:
        return search(services)
    narrator = telling.Narrator(now=services.clock.now(), most=MOST_TOLD, reveal=reveal)
    found, nothing = telling.ask(question, services.settings, services.spool, now=narrator.now, most=MOST_TOLD)
    return render_template(
        "search.html", what=what, kinds=asked.KINDS, found=found, nothing=nothing, narrator=narrator, revealed=reveal
    )

"""Tells somebody what doctor finds: each complaint once, and once more when it is over; and that it looks at all.

Rule 1. What was told to whom is kept in `state_dir`. What could not be told, or not be kept, is told by the next run.
Rule 2. A complaint is over once its check has come to its end without it; a check that could not look says nothing.
Rule 3. A command gets the words by its standard input, and nothing of the gateway's by its environment.
Rule 4. Who waits for the ping hears of each run that came to its end, and of a fault as a failure.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

from gateway import PROGRAM, lock, paths, printable
from gateway.config import Settings, addresses
from gateway.diagnosis import checkup
from gateway.diagnosis.complaint import Complaint, Level
from gateway.diagnosis.doctor import Looked, complaints, worst
from gateway.errors import UpstreamError
from gateway.upstream import Upstream

SECONDS = 20.0  # that a command, or a call, may take
PATIENCE_SECONDS = 30.0  # with another run that is telling
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOLD = (Level.WARNING, Level.FAULT)
# With one of these a check has not looked: what it has said before is neither so nor over. The first is told to nobody:
# this machine was busy for a moment, and who waits for the ping hears when it is for good.
BLIND = ("doctor.unfinished", "doctor.failed", "spool.unavailable", "spool.missing")

Told = dict[str, dict[str, str]]  # what somebody knows, by complaint and what it is about


class Undelivered(Exception):
    """Somebody could not be told; the text holds no more than a status or a phrase."""


@dataclass(frozen=True)
class Notice:
    """What is new to somebody, and what is over."""

    gateway: str
    level: Level  # of all that is so now
    began: tuple[Complaint, ...]
    ended: tuple[Complaint, ...]

    @property
    def subject(self) -> str:
        """Say it in a line."""
        began, ended = (printable.counted(len(each), "complaint") for each in (self.began, self.ended))
        told = [f"{began} new" if self.began else "", f"{ended} over" if self.ended else ""]
        return f"Motion Gateway {self.gateway}: {', '.join(filter(None, told))}; now {self.level}"

    @property
    def text(self) -> str:
        """Say all of it, as people read it."""
        lines = [self.subject, ""]
        for each in self.began:
            lines += [f"{each.level}: {each.sentence}", f"do: {each.remedy}", f"({_named(each)})", ""]
        lines += [f"over: {each.sentence} ({_named(each)})" for each in self.ended]
        return "\n".join(lines).rstrip() + "\n"

    def for_programs(self) -> dict[str, Any]:
        """Say all of it for programs; `text` is where chats look for it."""
        lists = {"began": [vars(each) for each in self.began], "ended": [vars(each) for each in self.ended]}
        return {"text": self.text, "gateway": self.gateway, "level": self.level} | lists


@dataclass
class Telling:
    """What a run has told: every notice, by whom it went to, and why others heard nothing."""

    notices: dict[str, Notice] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def tell(settings: Settings, looked: Sequence[Looked]) -> Telling:
    """Tell everybody whom the settings name what is new to them; where that cannot be kept, they hear it again."""
    telling = Telling()
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.held(paths.lock(settings, "doctor"), patience_seconds=PATIENCE_SECONDS))
        except OSError as error:
            telling.failures[paths.NOTICES] = f"{error.strerror}"
        known = _read(settings)
        for name, deliver in _channels(settings):
            notice, left = _news(settings, looked, known.get(name, {}))
            if not (notice.began or notice.ended):
                continue
            try:
                deliver(notice)
                telling.notices[name], known[name] = notice, left
                _keep(settings, known)
            except Undelivered as failure:
                telling.failures[name] = str(failure)
            except OSError as error:
                telling.failures[paths.NOTICES] = f"{error.strerror}"
    return telling


def ping(settings: Settings, looked: Sequence[Looked], *, failed: bool) -> str:
    """Let who waits for it know that a run came to its end; returns why that could not be, or ""."""
    if settings.notify.ping_url is None:
        return ""
    said = complaints(looked)
    origin, target = addresses.split(settings.notify.ping_url.get_secret_value())
    path, mark, query = target.partition("?")
    if failed or worst(said) is Level.FAULT:
        path = f"{path.rstrip('/')}/fail"
    body = "\n".join(f"{each.level} {_named(each)}" for each in said)
    try:
        _post(origin, path + mark + query, body.encode(), kind="text/plain; charset=utf-8")
    except Undelivered as failure:
        return str(failure)
    return ""


def is_wanted(settings: Settings) -> bool:
    """Tell whether anybody is named who shall hear of it."""
    return bool(settings.notify.command or settings.notify.url or settings.notify.ping_url)


def _news(settings: Settings, looked: Sequence[Looked], known: Told) -> tuple[Notice, Told]:
    """What somebody does not know yet who was told what is `known`, and what they know once they have heard it."""
    said = {_named(each): each for each in complaints(looked) if each.level in TOLD and each.id != BLIND[0]}
    held = {_named(each) for one in looked for each in one.complaints if each.level in TOLD}
    seeing = {one.check.id for one in looked if not any(each.id in BLIND for each in one.complaints)}
    whose = {_named(each): one.check.id for one in looked for each in one.complaints}
    began = {name: each for name, each in said.items() if known.get(name, {}).get("level") != each.level}
    over = [name for name, each in known.items() if name not in held and each.get("check") in seeing]
    ended = tuple(_complaint(known[name]) for name in over)
    left = {name: each for name, each in known.items() if name not in over}
    left |= {name: vars(each) | {"check": whose[name]} for name, each in began.items()}
    level = worst([*said.values()])
    return Notice(settings.server.public_authority, level, tuple(began.values()), ended), left


def _complaint(kept: Mapping[str, str]) -> Complaint:
    words = {name: str(kept.get(name, "")) for name in ("id", "sentence", "remedy", "about")}
    level = next((each for each in Level if each == kept.get("level")), Level.WARNING)
    return Complaint(level=level, **words)


def _named(complaint: Complaint) -> str:
    return f"{complaint.id} {complaint.about}".strip()


def _channels(settings: Settings) -> Iterator[tuple[str, Callable[[Notice], None]]]:
    if settings.notify.command:
        yield "notify.command", lambda notice: _run(settings.notify.command, notice)
    if url := settings.notify.url:
        origin, target = addresses.split(url.get_secret_value())
        yield "notify.url", lambda notice: _post(origin, target, _json(notice.for_programs()), kind="application/json")


def _run(command: Sequence[str], notice: Notice) -> None:
    told = {"NOTICE_SUBJECT": notice.subject, "NOTICE_LEVEL": str(notice.level), "NOTICE_GATEWAY": notice.gateway}
    around = {"PATH": PATH, "LANG": "C.UTF-8"} | told
    silent = subprocess.DEVNULL
    try:
        running = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=silent, stderr=silent, env=around, start_new_session=True
        )
        with running:
            try:
                running.communicate(notice.text.encode(), timeout=SECONDS)
            except subprocess.TimeoutExpired as error:
                os.killpg(running.pid, signal.SIGKILL)
                raise Undelivered(f"it took longer than {SECONDS:g} s") from error
    except OSError as error:
        raise Undelivered(f"it cannot be run: {error.strerror}") from error
    if running.returncode:
        raise Undelivered(f"it ended with status {running.returncode}")


def _post(origin: str, target: str, body: bytes, *, kind: str) -> None:
    headers = [("Content-Type", kind), ("User-Agent", PROGRAM)]
    try:
        with closing(Upstream(origin, connections=1)) as there:
            answer = there.post(target, body=body, headers=headers, deadline_seconds=SECONDS)
    except UpstreamError as error:
        raise Undelivered(error.reason) from error
    if not 200 <= answer.status < 300:
        raise Undelivered(f"it answers {answer.status}")


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _read(settings: Settings) -> dict[str, Told]:
    """What was told; nothing where that is not there or not whole: then it is told again."""
    try:
        found = json.loads((settings.server.state_dir / paths.NOTICES).read_bytes())
        return {name: {key: dict(each) for key, each in told.items()} for name, told in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _keep(settings: Settings, known: Mapping[str, Told]) -> None:
    """Write it down whole, or not at all. Raises OSError."""
    checkup.put(settings.server.state_dir / paths.NOTICES, known)

"""Looks whether this machine has what the settings need, in the order in which to put it right; changes nothing.

It asks this machine alone; the server of the spool; and for the addresses of Motion and Sinch whoever tells it names.
"""

from __future__ import annotations

import datetime
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway import paths
from gateway.certs import inventory
from gateway.config import Settings, listeners, tables
from gateway.config.problems import Problem
from gateway.config.validation import PartialSettings
from gateway.diagnosis import resolver
from gateway.errors import REMEDIES, CommandError
from gateway.serving import nginx, nginx_conf, opening, ports

ROOM_BYTES = 2 * 2**20  # for a callback and the pages around it, as `/readyz` wants it

_RESERVED = re.compile(r"(.*\.)?example(\.(com|net|org))?")  # RFC 2606

# Of a folder that cannot be written to: complaint and remedy.
_TROUBLES = {
    errno.ENOSPC: ("has no room left on its disk", "make room, or move server.state_dir to a larger disk"),
    errno.EDQUOT: ("has no room left in its quota", "make room, or have the quota raised"),
    errno.EROFS: ("lies on what is mounted read-only", "see in the kernel's log why, and mount it for writing"),
    errno.ENOTDIR: ("is no folder", "move away what stands there, or name another"),
}
_FILES = ("server.certificate", "server.private_key", "server.outbound_certificate", "server.outbound_private_key")
_SHOWN = ("clients", "address", "names")
_PLACES = tuple({need for endpoint in listeners.ENDPOINTS for need in endpoint.needs})

Found = Iterator[Problem | str]  # what is in the way, and sentences that warn


@dataclass(frozen=True)
class Look:
    """A look at the machine: what doctor calls what is in the way and what warns, and the settings it relies on."""

    id: str
    warns: str
    what: str
    needs: tuple[str, ...]
    find: Callable[[Settings], Found]


def look(part: PartialSettings) -> tuple[list[Problem], list[str]]:
    """Find all that is in the way, and all that deserves a warning, as far as the settings are understood."""
    found = [each for row in LOOKS if part.knows(*row.needs) for each in row.find(part.settings)]
    problems = [each for each in found if isinstance(each, Problem) and part.knows(each.key)]
    return problems, [each for each in found if isinstance(each, str)]


def examples(settings: Settings) -> Found:
    """Nobody has the ids of the example; while they are there, what else is the example's was not written either."""
    places = [("server", "server", settings.server), ("motion", "motion", settings.motion)]
    places += [("account", f"account[{index}]", account) for index, account in enumerate(settings.accounts)]
    same = [
        (f"{where}.{key}", example)
        for name, where, table in places
        for key, example in tables.examples(tables.TABLES[name]).items()
        if key in ("public_url", "url", "project_id", "app_id") and getattr(table, key) == example
    ]
    if any(key.startswith("account") for key, _ in same):
        yield from (Problem(key, "is still that of the example", "write your own", f'"{said}"') for key, said in same)
    elif _RESERVED.fullmatch(settings.server.public_host):
        yield f"server.public_url: {settings.server.public_host} is a name for examples: Sinch finds nobody there"


def state(settings: Settings) -> Found:
    """Write into the folder what a callback takes, and look whether all in it is ours."""
    folder = settings.server.state_dir
    try:
        _write_into(folder)
        foreign = sorted(entry.name for entry in folder.iterdir() if _is_foreign(entry))
    except OSError as error:
        yield from _unwritable(folder, error)
        return
    if foreign:
        complaint = f"holds what {paths.whoami()} may not read and write: {', '.join(foreign)}"
        yield Problem("server.state_dir", complaint, paths.give_back(folder), f'"{folder}"')
    if shutil.disk_usage(folder).free < (settings.server.min_free or 0):
        yield f"server.min_free: the disk of {folder} has less room than that: the vault does not grow"


def programs(settings: Settings) -> Found:
    """Render what nginx would run with: all of nginx that is needed has to be there."""
    try:
        nginx_conf.configuration(settings)
    except CommandError as error:
        complaint, _, remedy = error.reason.partition("; ")
        yield Problem("nginx", complaint.removeprefix("nginx "), remedy or "correct what is named")


def certificates(settings: Settings) -> Found:
    """Open every certificate, key and CA that the settings name."""
    server = settings.server
    nothing = all(map(_is_missing, (server.certificate, server.private_key)))
    if nothing and settings.acme.is_wanted:
        yield "server.certificate: one that nobody trusts is made at the start; the authority's takes its place"
    elif nothing:
        remedy = "get one as certs/README.md says; for a start, `motion-gateway certs self-signed` makes one"
        yield Problem("server.certificate", "does not exist, nor does its key", remedy, f'"{server.certificate}"')
    for entry in inventory.judge(settings, now=datetime.datetime.now(datetime.UTC)):
        if (entry.finding.level in ("fine", "note") and not entry.soon) or (
            nothing and entry.path in (server.certificate, server.private_key)
        ):
            continue
        if not entry.is_in_the_way:
            yield f"{entry.setting}: {entry.finding.sentence}. {entry.finding.hint or 'Renew it before that day.'}"
            continue
        remedy = entry.finding.hint
        if entry.finding.id.endswith("_unreadable") and not _is_missing(entry.path):
            remedy = f"let {paths.whoami()} read it, as whom this runs: chown, or chmod on what lies above it"
        yield Problem(entry.setting, entry.finding.sentence, remedy, f'"{entry.path}"')


def edge(settings: Settings) -> Found:
    """Let nginx look at a copy of its configuration, where nothing is known yet that it would stumble over."""
    found = [each for find in (programs, certificates) for each in find(settings)]
    if _is_missing(settings.server.certificate) or any(isinstance(each, Problem) for each in found):
        return
    yield from _objection(settings)


def reload(settings: Settings) -> Iterator[Problem]:
    """Find what nginx must not take up: what it refuses, and a pair that does not fit, which it takes where the kinds
    of key differ. An expired certificate does not keep another from its renewal.

    Raises CommandError where a part of nginx is not installed.
    """
    for entry in inventory.judge(settings, now=datetime.datetime.now(datetime.UTC)):
        if entry.finding.id == "certs.key_mismatch":
            yield Problem(entry.setting, entry.finding.sentence, entry.finding.hint, f'"{entry.path}"')
            return
    yield from _objection(settings)


def _objection(settings: Settings) -> Iterator[Problem]:
    try:
        said = nginx.try_out(settings)
    except OSError as error:
        said = f"it cannot be tried below {tempfile.gettempdir()}: {error.strerror}"
    if said:
        yield Problem("nginx", f"does not accept its configuration: {said}", "put right what it names, or report it")


def doors(settings: Settings) -> Found:
    """Try every address and port, as nginx would, and say who is in the way."""
    yield from ports.in_the_way(settings)
    for key in ports.ipv4_alone(settings.server):
        yield f"{key}: this machine has no IPv6; every address is every IPv4 address"


def names(settings: Settings) -> Found:
    """Ask for the addresses of those that are called, all at once."""
    called = dict(resolver.called(settings))
    known = resolver.ask(called.values())
    for key, host in called.items():
        if host not in known:
            yield f"{key}: nobody tells the address of {host}; look at DNS, or write it into /etc/hosts"


def _write_into(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(bytes(ROOM_BYTES))
        probe.flush()
        os.fsync(probe.fileno())


def _owner(path: Path) -> str:
    with suppress(OSError):
        return paths.account(path.stat().st_uid)[0]
    return "somebody else"


def _is_foreign(entry: Path) -> bool:
    """Whether it is the gateway's by its name, and not ours to use."""
    named = entry.name.startswith((paths.SPOOL, "vault", "run", "edge.log")) or entry.suffix == ".lock"
    return named and not os.access(entry, os.R_OK | os.W_OK, effective_ids=True)


def _unwritable(folder: Path, error: OSError) -> Found:
    """What keeps us from writing; nothing where the folder is not there yet and can be made at the start."""
    me, shown = paths.whoami(), f'"{folder}"'
    if error.errno == errno.ENOENT:
        above = next(path for path in folder.parents if path.exists())
        if not os.access(above, os.W_OK | os.X_OK, effective_ids=True):
            made = f"`sudo install -d -o {me} -g {me} -m 711 {folder}`"
            yield Problem("server.state_dir", f"does not exist, and {me} may not make it in {above}", made, shown)
        return
    complaint, remedy = _TROUBLES.get(error.errno or 0, (f"cannot be written: {error.strerror}", "look at its disk"))
    if error.errno in (errno.EACCES, errno.EPERM):
        owner = _owner(folder)
        complaint = f"is not for {me}, as whom this runs, to read and write: it belongs to {owner}"
        remedy = f"run this as {owner}, or {paths.give_back(folder)}"
    yield Problem("server.state_dir", complaint, remedy, shown)


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False


def spool(settings: Settings) -> Found:
    """Ask the server that has the spool, where one has, whether it is one for us."""
    reason = opening.trouble(settings)
    if reason in opening.PASSING:
        yield f"spool.url: {reason}; {REMEDIES[reason]}"
    elif reason is not None:
        said, _, mends = reason.partition("; ")
        yield Problem("spool.url", f"cannot be used: {said}", REMEDIES.get(reason, mends), f'"{settings.spool.url}"')


def workers(settings: Settings) -> Found:
    """Count the cores that we have: nginx, the courier and the database want half of them."""
    cores = len(os.sched_getaffinity(0))
    paying = max(1, cores // 2)
    if settings.workers.ingress > paying:
        yield f"workers.ingress: more than {paying} do not pay here, where cores number {cores}; lower it"


LOOKS = (
    Look("settings.example", "settings.example_name", "what is left of the example", (), examples),
    Look("state.unusable", "state.room_short", "the gateway's folder", ("server.state_dir",), state),
    Look("nginx.missing", "", "the parts of nginx", (), programs),
    Look("certificates", "", "certificates", (*_FILES, *(f"server.outbound_{of}" for of in _SHOWN)), certificates),
    Look("nginx.refuses", "", "what nginx says of its configuration", (*_FILES, *_PLACES), edge),
    Look("ports.taken", "ports.ipv4_alone", "addresses and ports", _PLACES, doors),
    Look("spool.refuses", "spool.away", "the server of the spool", ("spool.url", "spool.password"), spool),
    Look("", "workers.too_many", "workers and cores", ("workers.ingress",), workers),
    Look("", "names.unknown", "the names that are called", ("motion.url", "motion.proxy", "sinch.proxy"), names),
)

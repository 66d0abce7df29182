"""Looks at everything that decides whether messages arrive, side by side, and says what is wrong and what mends it.

What checks need is imported before they begin: packages whose modules import each other do not bear two threads there.

To have it look at one more thing, write a row of CHECKS, its function, and what it says: `rules/complaints.toml`.
"""

from __future__ import annotations

import datetime
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway import clock, telemetry
from gateway.certs import inventory
from gateway.diagnosis import complaint, experience, peers, provision, readiness, sinch_checks, surroundings, traffic
from gateway.diagnosis.complaint import Complaint, Context, Level, Probe, complain
from gateway.errors import GatewayError, SpoolUnavailable, told
from gateway.phrases import Line, Reason

STATUSES = {Level.FINE: 0, Level.NOTE: 0, Level.WARNING: 1, Level.FAULT: 2}


@dataclass(frozen=True)
class Looked:
    """What one check came to, and after how many seconds."""

    check: Probe
    complaints: tuple[Complaint, ...]
    seconds: float

    @property
    def level(self) -> Level:
        return worst(self.complaints)


def examine(
    context: Context, checks: Sequence[Probe] | None = None, *, tell: Callable[[Looked], object] = lambda _looked: None
) -> list[Looked]:
    """Run every check whose settings are understood; `tell` hears of each as it ends. In the order of the table.

    A check that takes too long is left behind, in a thread that keeps no process alive, and complained of.
    """
    wanted = [check for check in (CHECKS if checks is None else checks) if context.part.knows(*check.needs)]
    ended: queue.Queue[Looked] = queue.Queue()
    begun = clock.steady()
    for check in wanted:
        threading.Thread(target=lambda one=check: ended.put(_look(one, context, begun)), daemon=True).start()
    found: dict[str, Looked] = {}
    while left := [check for check in wanted if check.id not in found]:
        first = min(left, key=lambda check: check.seconds)
        try:
            looked = ended.get(timeout=max(0.0, begun + first.seconds - clock.steady()))
        except queue.Empty:
            late = complain("doctor.unfinished", about=first.id, what=first.what, seconds=f"{first.seconds:g}")
            looked = Looked(first, (late,), first.seconds)
        if looked.check.id not in found:
            found[looked.check.id] = looked
            tell(looked)
    return [found[check.id] for check in wanted]


def complaints(looked: Sequence[Looked]) -> list[Complaint]:
    """List what was complained of, the worst first, each once; what another explains is left out.

    Where one of them says that nothing can be seen, it is the only one.
    """
    said = dict.fromkeys(one for each in looked for one in each.complaints)
    if blinding := [each for each in said if each.id in complaint.BLINDING]:
        return blinding
    return complaint.unexplained(said)


def worst(said: Sequence[Complaint]) -> Level:
    """Tell how bad the worst of them is."""
    return max((each.level for each in said), key=lambda level: level.weight, default=Level.FINE)


def _look(check: Probe, context: Context, begun: float) -> Looked:
    try:
        found = tuple(check.find(context))
    except SpoolUnavailable as error:
        found = (complaint.unusable(error.reason),)
    except (GatewayError, OSError) as error:
        found = (complain("doctor.failed", about=check.id, what=check.what, reason=told(error)),)
    except Exception as error:  # noqa: BLE001 - one check that fails shall not hide what the others have found
        telemetry.failure(Line.UNEXPECTED, error, check=check.id)
        found = (complain("doctor.failed", about=check.id, what=check.what, reason=type(error).__name__),)
    return Looked(check, found, clock.steady() - begun)


def of_problem(problem: Mapping[str, str | None]) -> Complaint:
    """Make a complaint of what is wrong with the settings, by the names of its fields."""
    key, shown = problem["key"], problem["shown"]
    named = f"{key}" if shown is None else f"{key} = {shown}"
    facts = {"key": named, "complaint": problem["complaint"], "remedy": problem["remedy"]}
    return complain("settings.wrong", about=key, level=None, **facts)


def settings(context: Context) -> Iterator[Complaint]:
    """Tell what is wrong with the settings, and what deserves a warning."""
    for problem in context.part.problems:
        yield of_problem(vars(problem))
    for warning in context.part.warnings:
        yield complain("settings.risky", about=warning.partition(" ")[0].rstrip(":"), sentence=warning)


def certificates(context: Context) -> Iterator[Complaint]:
    """Judge every certificate, key and CA that the settings name."""
    now = datetime.datetime.fromtimestamp(context.now, datetime.UTC)
    for entry in inventory.judge(context.settings, now=now):
        if entry.finding.id:
            level = Level.NOTE if entry.finding.level == "note" else Level.WARNING
            level = Level.FAULT if entry.is_in_the_way else level
            yield complaint.of_certificate(entry.finding, setting=entry.setting, level=level)


def processes(context: Context) -> Iterator[Complaint]:
    """Ask the ops door for the others, by way of nginx."""
    said = readiness.ask(context.settings)
    for name, outcome in said["checks"].items():
        remedy = said["remedies"].get(name)
        if remedy and name == "ops":
            asked = "gateway.down" if outcome == Reason.CONNECTION_REFUSED else "gateway.unasked"
            yield complain(asked, about=name, outcome=outcome, remedy=remedy)
        elif remedy:
            yield complaint.of_check(name, outcome, remedy)


def _of(look: provision.Look) -> Probe:
    """Make a check of what `config check` looks at."""

    def find(context: Context) -> Iterator[Complaint]:
        for each in look.find(context.settings):
            if isinstance(each, str):
                sentence, _, remedy = each.partition("; ")
                yield complain(look.warns, about=each.partition(":")[0], sentence=sentence, remedy=remedy)
            else:
                shown = "" if each.shown is None else f" = {each.shown}"
                sentence = f"{each.key}{shown} {each.complaint}"
                yield complain(look.id, about=each.key, sentence=sentence, remedy=each.remedy)

    own = certificates if look.find is provision.certificates else find
    return Probe(look.id or look.warns, look.what, look.needs, own)


_OFFICE = ("server.ops_address", "server.ops_port", "server.certificate", "ops.username", "ops.password")
_STATE = ("server.state_dir",)
_OF_MOTION = ("url", "ca_file", "proxy", "username", "password", "api_key", "attachment_path")
_MOTION = tuple(f"motion.{key}" for key in _OF_MOTION)
_STORE = tuple(
    f"attachments.{key}" for key in ("store", "store_url", "store_key_id", "store_key_secret", "store_ca_file")
)
CHECKS = (
    Probe("account", "as whom this runs", ("server.state_dir",), surroundings.caller),
    Probe("settings", "the settings", (), settings),
    *map(_of, provision.LOOKS),
    Probe("secrets", "secrets", (), surroundings.secrets),
    Probe("processes", "the processes", _OFFICE, processes),
    sinch_checks.PROBE,
    *traffic.PROBES,
    Probe("nginx.other_configuration", "the nginx that runs", (), surroundings.nginx),
    Probe("names.public", "the public name", ("server.public_url",), surroundings.public_name),
    Probe("limits", "where limits are counted", ("limits.storage",), surroundings.counters),
    Probe("nodes", "the other nodes", ("server.state_dir", "server.node", "spool.url"), peers.look),
    Probe("motion", "Motion", _MOTION, surroundings.motion),
    Probe("store", "the store behind the vault", _STORE, surroundings.store),
    Probe("scanner", "the virus scanner", ("inbound.scan", "inbound.scan_away"), surroundings.virus_scanner),
    Probe("spool", "the spool", _STATE, experience.spool),
    Probe("waiting", "what waits for Motion", _STATE, experience.waiting),
    Probe("parked", "what is parked", _STATE, experience.parked),
    Probe("held", "what is held back", _STATE, experience.held_back),
    Probe("clock", "the clock", _STATE, experience.timekeeping),
    Probe("origins", "where callbacks come from", _STATE, experience.origins),
    Probe("turned_away", "what was turned away", _STATE, experience.turned),
    Probe("files", "files and their links", _STATE, experience.files),
)

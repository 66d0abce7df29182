"""What Prometheus reads at the ops door: what the processes have counted, and what only the office can find out.

Rule 1. Of the database is asked what an index answers, however much is kept: what is delivered is never counted. An
        answer is believed for a hundred times as long as it took, `MOST_SECONDS` at most: so whoever asks, and however
        often, takes a hundredth of a core.
Rule 2. What cannot be found out is left out, and nothing else with it: the check that fails says why.
Rule 3. Counts whose labels are known beforehand are there from the start, as 0: of what begins with 1 Prometheus sees
        no increase.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from prometheus_client import CollectorRegistry, Metric, generate_latest

from gateway import __version__, build, clock, metrics, paths
from gateway.config import databases
from gateway.delivery import claims, trouble
from gateway.diagnosis import peers
from gateway.doors import DOORS
from gateway.errors import SpoolUnavailable
from gateway.ingress import intake, timekeeper
from gateway.metrics import EDGE, GAUGE, Measure, meter
from gateway.phrases import Finding
from gateway.services import Services

MIME = "text/plain; version=0.0.4; charset=utf-8"
MOST_SECONDS = 15.0  # as often as Prometheus asks where nobody says otherwise
TIMES = 100.0
OF_TOKENS = ("renewed", "SINCH_REFUSES_KEY", "SINCH_GIVES_NO_TOKEN", "SINCH_UNREACHABLE")
OF_SENDS = ("accepted", "rejected", "refused", "unsent", "unknown")  # `outbound.record`, which this door does not load

Found = Iterable[tuple[tuple[str, ...], float]]  # labels in the order of the row, and what is so of them


def _waiting(services: Services) -> Found:
    return [((state,), float(count)) for state, count in claims.waiting(services.spool).items()]


def _oldest(services: Services) -> Found:
    since = claims.oldest_pending_at(services.spool)
    yield (), 0.0 if since is None else max(0.0, services.clock.now() - since)


def _last_callback(services: Services) -> Found:
    return [((), at) for [at] in services.spool.ask(lambda run: run("newest_accepted"))]


def _drift(services: Services) -> Found:
    drift = timekeeper.drift_seconds(services.spool, now=services.clock.now())
    return [] if drift is None else [((), drift)]


def _motion_up(services: Services) -> Found:
    down = {each.about for each in trouble.known(services.spool) if each.finding == Finding.MOTION_DOWN}
    for account in services.settings.accounts:
        connector = str(account.connector_id)
        yield (connector,), float(not down & {"", connector})


def _active(services: Services) -> Found:
    """Each finding that is so, once for an account: of which kind or file, `ready` tells."""
    so = {(each.finding, each.about.partition(" ")[0]) for each in trouble.known(services.spool)}
    return dict.fromkeys(((finding, about if about.isdigit() else "") for finding, about in sorted(so)), 1.0).items()


def _vault(services: Services) -> Found:
    place = databases.vault(services.settings.spool.url, node=services.settings.server.node)
    if services.settings.has_vault:
        yield (), float(services.spool.ask(lambda run: run("stored_bytes", place=place))[0][0])


def _vault_most(services: Services) -> Found:
    if services.settings.has_vault:
        yield (), float(services.settings.attachments.vault_max_bytes)


def _spool(services: Services) -> Found:
    return [((part,), float(size_bytes)) for part, size_bytes in services.spool.sizes().items()]


def _free(services: Services) -> Found:
    disk = os.statvfs(services.settings.server.state_dir)
    yield (), float(disk.f_bavail * disk.f_frsize)


def _processes(services: Services) -> Found:
    parts = meter.living(paths.counts(services.settings))
    return [((part,), float(parts.count(part))) for part in sorted({*parts})]


def _heard(services: Services) -> Found:
    found = peers.silences(services.settings, services.spool, now=services.clock.now())
    return [((name,), seconds) for name, seconds in found.items()]


def _faults(services: Services) -> Found:
    found = peers.findings(services.settings, services.spool, now=services.clock.now())
    so = {(str(each["about"]).partition(" ")[0], str(each["finding"])) for each in found}
    return [(labels, 1.0) for labels in sorted(so)]


def _build(_services: Services) -> Found:
    yield (__version__, build()), 1.0


# What the office finds out, each by what asks for it.
GAUGES: dict[Measure, Callable[[Services], Found]] = {
    Measure("events", ("state",), "Events that wait for Motion, and parked ones.", GAUGE): _waiting,
    Measure("oldest_pending_seconds", (), "How long the oldest event has waited for Motion.", GAUGE): _oldest,
    Measure("last_callback_timestamp_seconds", (), "When the last event was taken in.", GAUGE): _last_callback,
    Measure("clock_drift_seconds", (), "How far this clock is ahead of Sinch's signatures.", GAUGE): _drift,
    Measure("motion_up", ("connector",), "Whether Motion takes callbacks of an account.", GAUGE): _motion_up,
    Measure("finding_active", ("finding", "connector"), "Findings that are so right now.", GAUGE): _active,
    Measure("vault_bytes", (), "How much the files of attachments take.", GAUGE): _vault,
    Measure("vault_limit_bytes", (), "How much they may take.", GAUGE): _vault_most,
    Measure("spool_bytes", ("file",), "How much the spool takes, and its log.", GAUGE): _spool,
    Measure("state_free_bytes", (), "How much is free on the disk of server.state_dir.", GAUGE): _free,
    Measure("processes", ("part",), "Processes that keep their counts here.", GAUGE): _processes,
    Measure("node_silence_seconds", ("node",), "How long ago a node has said that it is there.", GAUGE): _heard,
    Measure("node_finding_active", ("node", "finding"), "What is not well with a node right now.", GAUGE): _faults,
    Measure("build_info", ("version", "build"), "Which release this is.", GAUGE): _build,
}
CHECK_OK = Measure("check_ok", ("check",), "Whether a check of /readyz is well.", GAUGE)
ALL = (*metrics.TABLE, CHECK_OK, *GAUGES)


class Scrape:
    """Answers for one process. Safe to use from several threads."""

    def __init__(self, services: Services, *, steady: Callable[[], float] = clock.steady) -> None:
        self._services, self._steady = services, steady
        self._known: dict[Measure, tuple[list[tuple[tuple[str, ...], float]], float]] = {}

    def text(self, checks: Mapping[str, bool]) -> bytes:
        """Write all that is known; `checks`: of `/readyz`, and whether they are well."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Told([*self._counted(), _gauge(CHECK_OK, [((name,), ok) for name, ok in checks.items()])]))
        for row in GAUGES:
            with suppress(SpoolUnavailable, OSError):
                registry.register(_Told([_gauge(row, self._found(row))]))
        return generate_latest(registry)

    def _found(self, row: Measure) -> Found:
        began = self._steady()
        found, until = self._known.get(row, ([], 0.0))
        if began >= until:
            found = list(GAUGES[row](self._services))
            now = self._steady()
            self._known[row] = found, now + min(MOST_SECONDS, TIMES * (now - began))
        return found

    def _counted(self) -> Iterator[Metric]:
        kept = {family.name: family for family in meter.collected(paths.counts(self._services.settings))}
        from_the_start = _from_the_start(self._services)
        for row in metrics.TABLE:
            told = Metric(row.family, row.told, row.kind)
            if row.family in kept:
                told.samples = kept[row.family].samples
            there = {tuple(sample.labels.get(name) for name in row.labels) for sample in told.samples}
            for labels in from_the_start.get(row, ()):
                if labels not in there:
                    told.add_sample(f"{row.family}_total", dict(zip(row.labels, labels, strict=True)), 0.0)
            yield told


def _from_the_start(services: Services) -> dict[Measure, Iterable[tuple[str, ...]]]:
    settings = services.settings
    connectors = [str(account.connector_id) for account in settings.accounts]
    doors = [EDGE, *(door.name for door in DOORS.values() if door.is_wanted(settings))]
    known: dict[Measure, tuple[Iterable[str], ...]] = {
        metrics.ANSWERS: (doors, ("200", "503")),
        metrics.CALLBACKS: (connectors, [outcome.value for outcome in intake.Outcome]),
        metrics.SIGNATURES_REFUSED: (connectors, sorted(metrics.OF_SIGNATURES)),
        metrics.LIMIT_HITS: (sorted({*metrics.OF_LIMITS.values()}),),
        metrics.DELIVERIES: (connectors, ("delivered", "again", "parked")),
        metrics.SENDS: (connectors if settings.server.has_outbound else (), OF_SENDS),
        metrics.TOKENS: (OF_TOKENS if settings.outbound.vault_credentials else (),),
        metrics.FINDINGS: (Finding,),
    }
    return {row: _crossed(*values) for row, values in known.items()}


def _crossed(*values: Iterable[str]) -> list[tuple[str, ...]]:
    """Make each choice of one of each."""
    rows: list[tuple[str, ...]] = [()]
    for several in map(list, values):
        rows = [(*row, one) for row in rows for one in several]
    return rows


class _Told:
    """What is written down once."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return [family for family in self._families if family.samples]


def _gauge(row: Measure, found: Found) -> Metric:
    family = Metric(row.family, row.told, row.kind)
    for labels, value in found:
        family.add_sample(row.family, dict(zip(row.labels, labels, strict=True)), value)
    return family

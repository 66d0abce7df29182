"""Looks after the certificates while nginx runs: the office hears what is wrong or ends soon, and the log each day.

Of all processes those that run nginx may open them.
"""

from __future__ import annotations

import datetime
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread

from gateway import metrics, telemetry
from gateway.certs import inventory, placing, subject
from gateway.clock import UNIT_SECONDS, Clock, WallClock, pause
from gateway.config import Settings
from gateway.delivery import trouble
from gateway.errors import CommandError, SpoolUnavailable
from gateway.phrases import Finding, Line
from gateway.store.engines import Database

TICK_SECONDS = 1.0
LOOK_SECONDS = 600.0  # whoever exchanges a file and forgets to reload hears of it by then
RETRY_SECONDS = 30.0
OURS = (Finding.CERTIFICATE_WRONG, Finding.CERTIFICATE_ENDS, Finding.CERTIFICATE_OLD)


def stand_in(settings: Settings) -> None:
    """Let nginx have a certificate to start with, where an authority's is on its way. Raises CommandError."""
    if placing.stand_in(settings):
        telemetry.note(Line.STAND_IN, setting=placing.SETTING)


def begin(running: subprocess.Popen[bytes], settings: Callable[[], Settings], spool: Database) -> None:
    """Look, in a thread of its own, for as long as nginx runs."""
    take_up = partial(running.send_signal, signal.SIGHUP)
    watch = CertificateWatch(settings, spool, clock=WallClock(), take_up=take_up)
    Thread(target=watch.run, args=(lambda: running.poll() is None,), daemon=True).start()


class CertificateWatch:
    """Made when nginx has read its files; used by one thread."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        spool: Database,
        *,
        clock: Clock,
        take_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`settings`: those in force; other ones mean that nginx has read its files anew. `take_up` has it do so."""
        self._settings, self._spool, self._now, self._reload = settings, spool, clock.now, take_up
        self._looked_at = 0.0
        self._take_up(settings())

    def run(self, is_running: Callable[[], bool]) -> None:
        """Look for as long as nginx runs."""
        while is_running():
            try:
                self.step()
            except Exception as error:  # noqa: BLE001 - a thread's last word; it looks again
                telemetry.failure(Line.UNEXPECTED, error)
            pause(TICK_SECONDS)

    def step(self) -> None:
        """Look, if it is time to."""
        if (settings := self._settings()) is not self._seen:
            self._take_up(settings)
        elif settings.acme.is_wanted and _pair(settings) != self._pair:
            self._take_up(settings)
            self._reload()  # `certs acme` has judged what it puts there, both files at once
        now = self._now()
        if abs(now - self._looked_at) < LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            found = self._found(now)
            self._keep(found, now)
        except (CommandError, SpoolUnavailable):  # a file was just being exchanged; or others tell of the spool
            self._looked_at += RETRY_SECONDS - LOOK_SECONDS
            return
        self._tell(found, now)

    def _take_up(self, settings: Settings) -> None:
        self._pair = _pair(settings)
        self._seen, self._shown = settings, {path: _fingerprint(path) for path in _shown(settings).values()}
        for setting, path in _shown(settings).items():
            chain, _ = subject.chain(path)
            ends = chain[0].not_valid_after_utc.timestamp() if chain else float("nan")
            metrics.put(metrics.CERTIFICATE_ENDS, ends, setting)
        self._looked_at = 0.0
        self._told: dict[tuple[str, str], float] = {}  # finding and setting → when the log heard it

    def _found(self, now: float) -> dict[tuple[str, str], str]:
        """What is so by now, of which setting, and why."""
        found: dict[tuple[str, str], str] = {}
        for each in inventory.judge(self._seen, now=datetime.datetime.fromtimestamp(now, datetime.UTC)):
            if each.is_in_the_way or each.soon:
                finding = Finding.CERTIFICATE_WRONG if each.is_in_the_way else Finding.CERTIFICATE_ENDS
                before = found.get((finding, each.setting))
                found[finding, each.setting] = f"{before}; {each.finding.sentence}" if before else each.finding.sentence
        for setting, path in _shown(self._seen).items():
            if (there := _fingerprint(path)) and there != self._shown[path]:
                found[Finding.CERTIFICATE_OLD, setting] = f"{path} holds another one than is shown"
        return found

    def _keep(self, found: dict[tuple[str, str], str], now: float) -> None:
        """Let the office know what is so, and since when; of other nodes on the same spool nothing.

        Raises SpoolUnavailable.
        """
        node = f"{self._seen.server.node} " if self._spool.is_shared else ""
        troubles = [each for each in trouble.known(self._spool) if each.finding in OURS]
        known = {(each.finding, each.about): each for each in troubles if each.about.startswith(node)}
        told = {(finding, node + setting): reason for (finding, setting), reason in found.items()}
        for key in known.keys() - told.keys():
            trouble.end(self._spool, *key)
        for key, reason in told.items():
            before = known.get(key)
            if before is None or before.reason != reason:
                trouble.keep(self._spool, trouble.MotionTrouble(*key, reason, before.since if before else now))

    def _tell(self, found: dict[tuple[str, str], str], now: float) -> None:
        """Let the log know, once a day."""
        for (finding, setting), reason in found.items():
            if abs(now - self._told.get((finding, setting), 0.0)) >= UNIT_SECONDS["d"]:
                self._told[finding, setting] = now
                telemetry.find(
                    Finding(finding), setting=setting, reason=reason, remedy=trouble.REMEDIES[Finding(finding)]
                )
        self._told = {key: when for key, when in self._told.items() if key in found}


def _shown(settings: Settings) -> dict[str, Path]:
    """The certificates that nginx shows, by the setting that names them."""
    server = settings.server
    own = {"server.outbound_certificate": server.outbound_certificate} if server.has_outbound else {}
    return {key: path for key, path in {"server.certificate": server.certificate, **own}.items() if path}


def _pair(settings: Settings) -> str:
    """Name the pair that the links of `certs acme` lead to; "" where there are none."""
    with suppress(OSError):
        return str((settings.server.certificate.parent / placing.CURRENT).readlink())
    return ""


def _fingerprint(path: Path) -> str:
    try:
        return subject.fingerprint(path)
    except CommandError:
        return ""  # what is wrong with it is told by who judges it

"""The Debian package on a machine of its own: installed, upgraded under traffic, removed, purged."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from gateway.paths import SPOOL
from sandbox import callbacks, faults, play
from sandbox.sinch import Receipt
from tests import released_spool
from tests.live.house import House, opened
from tests.live.test_upgrade import CROWD, TABLES
from tests.packages.conftest import SUITES, sh
from tests.packages.machine import Machine, laid
from tests.units import ROOT

STATE, SETTINGS = "/var/lib/motion-gateway", "/etc/motion-gateway"
PAIR = {"certificate": f"{SETTINGS}/tls/fullchain.pem", "private_key": f"{SETTINGS}/tls/privkey.pem"}


@pytest.fixture(scope="module", params=SUITES)
def machine(request: pytest.FixtureRequest, before: Callable[[str], Path], built: dict[str, Path]) -> Iterator[Machine]:
    """A booted one of each of SUITES, with the release before installed and both packages at hand."""
    with laid(request.param, "systemd-sysv", "dbus") as machine:
        shutil.copy(before(request.param), machine.path("srv/before.deb"))
        shutil.copy(built[request.param], machine.path("srv/ours.deb"))
        machine.boot()
        said = machine.does("apt-get", "install", "--yes", "-qq", "/srv/before.deb")
        assert "sudo systemctl enable --now motion-gateway.target" in said
        yield machine


@pytest.fixture(scope="module")
def house(machine: Machine) -> Iterator[House]:
    """Sinch and Motion around it; the settings of a first deployment, and a spool that the first release has left."""
    with opened(started=False, server={"state_dir": STATE} | PAIR, **TABLES) as house:
        for file in PAIR.values():
            shutil.copy(house.folder / Path(file).name, machine.path(file))
        house.write_settings()
        shutil.copy(house.config, machine.path(f"{SETTINGS}/gateway.toml"))
        (house.folder / "gateway.log").touch()
        (house.folder / "state").symlink_to(machine.path(STATE))
        released_spool.lay(machine.path(f"{STATE}/{SPOOL}"), now=time.time(), crowd=CROWD)
        machine.does("chown", "-R", "motion-gateway:", STATE, f"{SETTINGS}/tls")
        machine.does("sh", "-c", f"chmod 600 {STATE}/{SPOOL}* {PAIR['private_key']}")
        yield house


def ready(house: House) -> None:
    house.wait_for(lambda: house.ops("/readyz").status == 200)


class Traffic:
    """Somebody who sends callbacks without an end, each until it is taken, and what he was told."""

    def __init__(self, house: House) -> None:
        self._house, self._ends = house, threading.Event()
        self.statuses: Counter[int | None] = Counter()
        self.taken: list[Receipt] = []
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ends.set()
        self._thread.join()

    def _send(self) -> None:
        sinch, number = self._house.sinch(), 0
        while not self._ends.is_set():
            callback = callbacks.text(f"number {number}", by=callbacks.customer(f"customer {number % 7}"))
            number += 1
            while True:
                receipt = sinch.send(callback)
                self.statuses[receipt.status] += 1
                if receipt.status == 200:
                    self.taken.append(receipt)
                    break
                if self._ends.wait(0.02):
                    return


def test_an_upgrade_from_the_release_before_loses_nothing_under_traffic(machine: Machine, house: House) -> None:
    house.motion.set_fault(faults.DOWN)
    machine.does("systemctl", "enable", "--now", "motion-gateway.target")
    ready(house)
    rows = released_spool.contents(machine.path(f"{STATE}/{SPOOL}"))["event"]
    waiting = [row["id"] for row in rows if row["state"] == "pending"]
    assert len(waiting) > CROWD / 4
    with Traffic(house) as traffic:
        house.wait_for(lambda: len(traffic.taken) > 50)
        said = machine.does("apt-get", "install", "--yes", "-qq", "/srv/ours.deb")
        count = len(traffic.taken)
        house.wait_for(lambda: len(traffic.taken) > count + 50)
    print(said, traffic.statuses)
    # Nobody is refused, also while nginx is exchanged.
    nginx = machine.does("journalctl", "--output=cat", "--lines=50", "--unit=motion-gateway-nginx.service")
    assert set(traffic.statuses) <= {200, 503}, nginx
    assert "The copy from before is /var/backups/motion-gateway/spool-" in said
    assert "Ready." in said
    assert machine.does("systemctl", "is-active", "motion-gateway.target") == "active\n"
    house.motion.set_fault(faults.NONE)
    house.settle()
    arrived = Counter(item.body for item in house.motion.accepted)
    assert all(arrived[receipt.letter.body] == 1 for receipt in traffic.taken)
    assert [row.state for row in house.events() if row.id in set(waiting)] == ["delivered"] * len(waiting)


def test_a_restart_of_all_units_refuses_nobody(machine: Machine, house: House) -> None:
    with Traffic(house) as traffic:
        house.wait_for(lambda: traffic.taken)
        machine.does("systemctl", "restart", "motion-gateway.target")
        count = len(traffic.taken)
        house.wait_for(lambda: len(traffic.taken) > count)
    assert set(traffic.statuses) <= {200, 503}, traffic.statuses
    machine.does("systemctl", "stop", "motion-gateway-nginx.service")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", house.public_port)).close()
    machine.does("systemctl", "start", "motion-gateway-nginx.service")
    ready(house)


def test_a_downgrade_below_the_schema_is_refused_in_words_and_stops_nothing(machine: Machine, house: House) -> None:
    began = machine.does("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "motion-gateway-*.service")
    said = machine.does("apt-get", "install", "--yes", "--allow-downgrades", "-qq", "/srv/before.deb", status=100)
    assert "which this one does not know" in said
    again = machine.does("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "motion-gateway-*.service")
    assert (again, house.sinch().send(callbacks.text("still here")).status) == (began, 200)


def test_removing_it_keeps_the_data_and_stops_the_courier_last(machine: Machine, house: House) -> None:
    settings = machine.path(f"{SETTINGS}/gateway.toml").read_bytes()
    machine.does("apt-get", "remove", "--yes", "-qq", "motion-gateway")
    assert machine.path(f"{SETTINGS}/gateway.toml").read_bytes() == settings
    assert machine.path(f"{STATE}/{SPOOL}").exists()
    stopped = machine.does("journalctl", "--output=cat", "--unit=motion-gateway-*.service", "--grep=^Stopped ")
    last = [line for line in stopped.splitlines() if "courier" in line or "door" in line or "nginx" in line][-1]
    assert "courier" in last
    assert not machine.path("usr/lib/motion-gateway").exists()


def test_installed_again_it_goes_on_with_what_was_kept(machine: Machine, house: House) -> None:
    machine.does("apt-get", "install", "--yes", "-qq", "/srv/ours.deb")
    machine.does("systemctl", "enable", "--now", "motion-gateway.target")
    ready(house)
    assert house.sinch().send(callbacks.text("once more")).status == 200


def test_purged_it_leaves_nothing_and_asks_nothing(machine: Machine) -> None:
    machine.does("apt-get", "purge", "--yes", "-qq", "motion-gateway")
    found = machine.does("find", "/", "-xdev", "-name", "*motion-gateway*", "-not", "-path", "/proc/*")
    kept = [line for line in found.splitlines() if not line.startswith(("/var/log/journal", "/var/cache/apt", "/run"))]
    assert kept == []
    assert "motion-gateway" not in machine.path("etc/passwd").read_text() + machine.path("etc/group").read_text()


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_installed_plays_the_sandboxs_journeys(suite: str, built: dict[str, Path]) -> None:
    with laid(suite) as machine:
        shutil.copy(built[suite], machine.path("srv/ours.deb"))
        machine.does("apt-get", "install", "--yes", "-qq", "/srv/ours.deb")
        inside = ["env", "SHARED=/tmp", *machine.way()]

        def command(settings: Path) -> list[str]:
            owned = 'chown -R motion-gateway: "${1%/*}" && exec motion-gateway --config "$1" serve'
            return [*inside, "sh", "-c", owned, "sh", str(settings)]

        console = Console(width=200, record=True)
        assert play.play(once=True, console=console, command=command) == 0, console.export_text()


@pytest.mark.parametrize("suite", SUITES)
def test_it_is_the_same_bytes_from_another_folder_and_lintian_finds_no_error(
    suite: str, built: dict[str, Path], tmp_path: Path
) -> None:
    sh(f"git clone --quiet . {tmp_path}/elsewhere")
    again = tmp_path / "elsewhere" / sh(f"cd {tmp_path}/elsewhere && deploy/deb {suite}", ROOTS=f"{ROOT}/build/roots")
    assert (again.name, again.read_bytes() == built[suite].read_bytes()) == (built[suite].name, True)
    with laid(suite, "lintian") as machine:
        shutil.copy(built[suite], machine.path("srv"))
        done = machine.typed("lintian", "--fail-on", "error", "--allow-root", f"/srv/{again.name}")
        errors = [line for line in done.stdout.splitlines() if line.startswith("E:")]
        assert (errors, done.returncode) == ([], 0), done.stdout

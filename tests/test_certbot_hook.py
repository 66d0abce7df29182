"""certbot's deploy hook by itself: what it installs, what it leaves alone, and what a death in its midst leaves behind.

tests/live/test_certs.py runs it against a running gateway.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway import certs
from tests.examples import some

pytestmark = pytest.mark.thorough

HOOK = Path(__file__).parent.parent / "deploy" / "certbot-deploy-hook"
HOST = "gateway.example.com"
NAMES = ("fullchain.pem", "privkey.pem")

# In the place of `mv`: renames as that does, then looks whether certificate and key match, and dies when it is told to.
# What it kills is the hook, with kill -9: as if the machine had lost its power.
MV = """#!{python}
import os, pathlib, signal, ssl, subprocess, sys
status = subprocess.run(["/bin/mv", *sys.argv[1:]]).returncode
log = pathlib.Path("{log}")
with (log / "renames").open("a") as renames:
    renames.write("x")
try:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain("{tls}/fullchain.pem", "{tls}/privkey.pem")
except OSError as error:
    (log / "mismatches").write_text(str(error))
if (log / "renames").read_text().count("x") == int(os.environ.get("DIE_AFTER", "0")):
    os.kill(os.getppid(), signal.SIGKILL)
sys.exit(status)
"""

# In the place of the gateway, where its verdict does not matter: everything is fine.
SATISFIED = """#!/bin/sh
echo '  "certificate": "{tls}/fullchain.pem", "private_key": "{tls}/privkey.pem"'
"""


@dataclass(frozen=True)
class Machine:
    """The folders of a gateway and of certbot."""

    folder: Path
    config: Path

    @property
    def tls(self) -> Path:
        return self.folder / "tls"

    @property
    def live(self) -> Path:
        return self.folder / "live" / HOST

    @property
    def pairs(self) -> list[str]:
        return sorted(path.name for path in self.tls.glob("pair.*"))

    def renew(self, host: str = HOST) -> int:
        """Put a new pair where certbot has it; returns its serial number."""
        return write_pair(self.live, host)

    def deploy(self, **environment: str) -> subprocess.CompletedProcess[str]:
        ours = {
            "RENEWED_LINEAGE": str(self.live),
            "GATEWAY_CERTIFICATE": str(self.tls / "fullchain.pem"),
            "GATEWAY_PRIVATE_KEY": str(self.tls / "privkey.pem"),
            "GATEWAY_LOCK": str(self.folder / "serve.lock"),
            "GATEWAY_UNIT": "motion-gateway-of-a-test.service",
            "GATEWAY_COMMAND": f"{sys.executable} -m gateway --config {self.config}",
        }
        return subprocess.run([HOOK], env=os.environ | ours | environment, capture_output=True, text=True)

    def satisfied(self) -> str:
        """The path of a gateway that is content with everything."""
        return script(self.folder / "bin" / "satisfied", SATISFIED.format(tls=self.tls))

    def installed(self) -> int:
        """The serial number of the certificate in the gateway's place. Its key is proved to belong to it."""
        return serial_of(self.tls)


def write_pair(folder: Path, host: str = HOST) -> int:
    pair = certs.self_signed([host], now=datetime.datetime.now(datetime.UTC))
    folder.mkdir(parents=True, exist_ok=True)
    for name, pem in zip(NAMES, (pair.certificate_pem, pair.key_pem), strict=True):
        (folder / name).write_bytes(pem)
    return serial_of(folder)


def serial_of(folder: Path) -> int:
    certificate = x509.load_pem_x509_certificate((folder / "fullchain.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / "privkey.pem").read_bytes(), password=None)
    assert key.public_key() == certificate.public_key()
    return certificate.serial_number


def script(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def machine(tmp_path: Path, settings_file: Callable[..., Path]) -> Machine:
    (tmp_path / "tls").mkdir(mode=0o700)
    return Machine(tmp_path, settings_file())


def test_a_first_certificate_is_put_where_the_settings_look(machine: Machine) -> None:
    serial = machine.renew()
    done = machine.deploy()
    assert done.returncode == 0, done.stderr
    assert machine.installed() == serial
    assert "warning  trust" in done.stdout
    assert "the gateway does not run" in done.stderr
    assert len(machine.pairs) == 1


def test_a_pair_that_somebody_has_put_there_stays_as_the_one_before(machine: Machine) -> None:
    first = write_pair(machine.tls)
    serials = [machine.renew()]
    assert machine.deploy().returncode == 0
    assert machine.installed() == serials[0]
    [before] = {*machine.pairs} - {(machine.tls / "current").readlink().name}
    assert serial_of(machine.tls / before) == first


def test_of_the_pairs_only_the_one_before_is_kept(machine: Machine) -> None:
    serials = []
    for _ in range(3):
        serials.append(machine.renew())
        assert machine.deploy(GATEWAY_COMMAND=machine.satisfied()).returncode == 0
    assert machine.installed() == serials[-1]
    assert {serial_of(machine.tls / name) for name in machine.pairs} == {*serials[-2:]}


def test_all_that_is_installed_is_for_its_owner_alone(machine: Machine) -> None:
    machine.renew()
    before = os.umask(0)
    try:
        assert machine.deploy(GATEWAY_COMMAND=machine.satisfied()).returncode == 0
    finally:
        os.umask(before)
    pair = machine.tls / machine.pairs[0]
    modes = {path.name: f"{stat.S_IMODE(path.stat().st_mode):o}" for path in (pair, *pair.iterdir())}
    assert modes == {pair.name: "700", "fullchain.pem": "600", "privkey.pem": "600"}


def no_key(machine: Machine) -> None:
    (machine.live / "privkey.pem").unlink()


def another_key(machine: Machine) -> None:
    certificate = (machine.live / "fullchain.pem").read_bytes()
    machine.renew()
    (machine.live / "fullchain.pem").write_bytes(certificate)


def another_host(machine: Machine) -> None:
    machine.renew("other.example.com")


def half_a_file(machine: Machine) -> None:
    path = machine.live / "fullchain.pem"
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("spoil", [no_key, another_key, another_host, half_a_file])
def test_what_has_errors_is_not_taken_up_and_leaves_nothing(machine: Machine, spoil: Callable[[Machine], None]) -> None:
    before = write_pair(machine.tls)
    machine.renew()
    spoil(machine)
    assert machine.deploy().returncode != 0
    assert machine.installed() == before
    assert sorted(path.name for path in machine.tls.iterdir()) == [*NAMES]


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no lineage": ({"RENEWED_LINEAGE": ""}, "certbot sets this"),
    "other paths than the settings": ({"GATEWAY_CERTIFICATE": "{tls}/cert.pem"}, "the settings do not say"),
    "two folders": ({"GATEWAY_PRIVATE_KEY": "{folder}/privkey.pem"}, "must be in one folder"),
    "no folder": (
        {"GATEWAY_CERTIFICATE": "{folder}/none/c.pem", "GATEWAY_PRIVATE_KEY": "{folder}/none/k.pem"},
        "is not there; make it",
    ),
    "no gateway": ({"GATEWAY_COMMAND": "/nowhere/motion-gateway"}, "/nowhere/motion-gateway"),
}


@pytest.mark.parametrize(("environment", "words"), WRONG.values(), ids=WRONG)
def test_what_is_set_wrong_is_told(machine: Machine, environment: dict[str, str], words: str) -> None:
    before = write_pair(machine.tls)
    machine.renew()
    places = {"tls": machine.tls, "folder": machine.folder}
    done = machine.deploy(**{name: value.format(**places) for name, value in environment.items()})
    assert done.returncode != 0
    assert words in done.stderr
    assert machine.installed() == before


@pytest.mark.parametrize(("lineage", "taken"), [(HOST, True), ("other.example.com", False)])
def test_where_certbot_has_several_only_the_named_one_is_taken(machine: Machine, lineage: str, *, taken: bool) -> None:
    before, renewed = write_pair(machine.tls), machine.renew()
    done = machine.deploy(GATEWAY_LINEAGE=lineage, GATEWAY_COMMAND=machine.satisfied())
    assert done.returncode == 0
    assert machine.installed() == (renewed if taken else before)


def test_who_holds_the_lock_and_is_no_serve_is_not_signalled(machine: Machine) -> None:
    machine.renew()
    got: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _frame: got.append(number))
    try:
        with (machine.folder / "serve.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = machine.deploy(GATEWAY_COMMAND=machine.satisfied())
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (done.returncode, got) == (0, [])
    assert "the gateway does not run" in done.stderr


# Holds the lock, is called as `serve` is, and ends when it is signalled: also where who runs the tests does not.
SERVE = """
import fcntl, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with open(sys.argv[1], "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_serve_that_holds_the_lock_is_signalled(machine: Machine) -> None:
    machine.renew()
    command = [sys.executable, "-c", SERVE, str(machine.folder / "serve.lock"), "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as serve:
        assert serve.stdout
        assert serve.stdout.readline() == b"ready\n"
        done = machine.deploy(GATEWAY_COMMAND=machine.satisfied())
        assert done.returncode == 0, done.stderr
        assert serve.wait(60) == -signal.SIGHUP


DEATHS = [(there, renames) for there in ("linked", "two files", "nothing") for renames in (1, 2, 3, 4)]


@pytest.mark.parametrize(("there", "renames"), some(DEATHS, 5))
def test_a_death_at_any_moment_leaves_a_pair_that_matches_and_the_next_run_heals(
    machine: Machine, there: str, renames: int
) -> None:
    old = prepare(machine, there)
    log = machine.folder / "log"
    log.mkdir()
    watched = {"PATH": f"{machine.folder}/watched:{os.environ['PATH']}", "GATEWAY_COMMAND": machine.satisfied()}
    script(machine.folder / "watched" / "mv", MV.format(python=sys.executable, tls=machine.tls, log=log))
    new = machine.renew()
    died = machine.deploy(**watched, DIE_AFTER=str(renames)).returncode
    assert died == (-signal.SIGKILL if renames <= len((log / "renames").read_text()) else 0)
    if there != "nothing":
        assert machine.installed() in (old, new)
        assert not (log / "mismatches").exists()
    assert machine.deploy(**watched).returncode == 0
    assert machine.installed() == new
    if there != "nothing":
        assert not (log / "mismatches").exists()


def prepare(machine: Machine, there: str) -> int | None:
    if there == "nothing":
        return None
    if there == "two files":
        return write_pair(machine.tls)
    serial = machine.renew()
    assert machine.deploy(GATEWAY_COMMAND=machine.satisfied()).returncode == 0
    return serial

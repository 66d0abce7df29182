"""What the units start, started as they say: from an installed release, unprivileged and confined."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import callbacks
from sandbox.child import Child
from sandbox.connection import Request, Route, exchange
from sandbox.listener import reserve
from tests.live.house import ACCOUNT, PATIENCE_SECONDS, House, opened
from tests.live.pebble import pebble
from tests.live.private_edge import MOTION, PORT, own_address
from tests.live.test_acme import ours
from tests.live.test_attachments import LINKS, NAME, PHOTO, Files
from tests.test_deploy import MADE, PAGES, PLACED, strangers
from tests.units import COMMON, FOLDER, PROGRAM, ROOT, SERVICES, Unit, in_order

AS_ROOT = os.geteuid() == 0
ACCOUNT_ID, GROUP_ID = 65534, 65534  # nobody, whom every machine has
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"  # as systemd sets it


def make(target: str, root: Path) -> str:
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT, target, f"DESTDIR={root}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextlib.contextmanager
def installed() -> Iterator[Path]:
    """Where `make install` has put everything instead of into /."""
    folder = Path(tempfile.mkdtemp(prefix="motion-gateway-root-"))
    folder.chmod(0o711)
    try:
        assert "config check" in make("install", folder)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with installed() as folder:
        yield folder


def files(root: Path) -> dict[str, int]:
    """Every file, with the time of its last change; not what Python made for itself when it ran."""
    return {
        str(path.relative_to(root)): path.lstat().st_mtime_ns
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_what_is_installed_is_a_release_its_units_and_an_example_of_the_settings(root: Path) -> None:
    prefix = root / "opt/motion-gateway"
    release = (prefix / "current").resolve()
    assert release.parent == prefix / "releases"
    assert (root / "usr/local/bin/motion-gateway").readlink() == Path("/opt/motion-gateway/current/bin/motion-gateway")
    first, *_ = (release / "bin/motion-gateway").read_text().splitlines()
    assert first == f"#!/opt/motion-gateway/releases/{release.name}/bin/python"
    assert not subprocess.run(["grep", "-rlIF", str(root), prefix], stdout=subprocess.PIPE).stdout
    for unit in SERVICES.values():
        assert (root / "usr/local/lib/systemd/system" / unit.path.name).read_bytes() == unit.path.read_bytes()
    common = root / "usr/local/lib/systemd/system" / COMMON.relative_to(FOLDER)
    assert common.read_bytes() == COMMON.read_bytes()
    assert stat.S_IMODE((root / "etc/motion-gateway/gateway.toml").stat().st_mode) == 0o640
    hook = release / "share/motion-gateway/certbot-deploy-hook"
    assert hook.read_bytes() == (ROOT / "deploy/certbot-deploy-hook").read_bytes()
    assert {path.name for path in hook.parent.iterdir()} == {hook.name, "alerts.yml", "motion-gateway.json"}
    assert stat.S_IMODE(hook.stat().st_mode) == 0o755
    # Exactly what is pinned, and of that nothing that only others need.
    [packages] = release.glob("lib/python*/site-packages")
    freeze = [sys.executable, "-m", "pip", "freeze", "--all", "--path", packages]
    told = subprocess.run(freeze, stdout=subprocess.PIPE, text=True, check=True)
    pinned = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    found = {re.sub(r"[_.]", "-", re.split(r"==| @ ", line)[0].lower()) for line in told.stdout.splitlines()}
    assert "flask" in found <= pinned | {"motion-gateway"}
    assert not [*packages.rglob("tests"), *packages.rglob("*.h"), *packages.rglob("*.c"), *release.glob("include")]
    assert {path.name for path in release.glob("bin/*") if not path.is_symlink()} == {"motion-gateway"}


def test_a_release_brings_completion_for_each_shell_and_a_page_of_the_manual(root: Path) -> None:
    release = (root / "opt/motion-gateway/current").resolve()
    for file in MADE:
        assert (root / "usr/local" / file).readlink() == Path("/opt/motion-gateway/current", file)
    bash, _fish, page, _zsh = (release / file for file in MADE)
    assert [file for file in MADE if "motion" not in (release / file).read_text()] == []
    said = subprocess.run(
        ["bash", "-c", f". {bash}; complete -p motion-gateway"], check=True, stdout=subprocess.PIPE, text=True
    )
    assert said.stdout == "complete -o nosort -F _motion_gateway_completion motion-gateway\n"
    done = subprocess.run(["groff", "-ww", "-man", "-Tascii", "-z", page], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_release_brings_the_pages_of_its_docs_and_each_link_between_them_leads_somewhere(root: Path) -> None:
    pages = (root / "opt/motion-gateway/current").resolve() / PAGES
    assert (root / "usr/local" / PAGES / "pages").readlink() == Path("/opt/motion-gateway/current", PAGES)
    found = {path: path.read_text("utf-8") for path in pages.rglob("*.md")}
    assert {str(path.relative_to(pages)) for path in found} >= {"README.md", "CHANGELOG.md", "docs/certificates.md"}
    links = [(path, link) for path, text in found.items() for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    assert [f"{path}: {link}" for path, link in links if not (path.parent / link).exists()] == []


def test_nginx_is_told_the_same_by_what_is_installed_and_by_the_checkout(
    root: Path, settings_file: Callable[..., Path]
) -> None:
    release, file = (root / "opt/motion-gateway/current").resolve(), settings_file()
    told = {}
    for home in (release, ROOT):
        command = [release / "bin/python", "-m", "gateway", "--config", file, "nginx", "render", "--to", file.parent]
        subprocess.run(command, cwd=home, check=True, stdout=subprocess.PIPE)
        told[home] = file.with_name("nginx.conf").read_bytes()
    assert told[release] == told[ROOT]


def test_installing_again_changes_nothing_and_keeps_the_settings(root: Path) -> None:
    settings = root / "etc/motion-gateway/gateway.toml"
    settings.write_text("# the operator's own\n")
    release = root / "opt/motion-gateway/releases"
    before = files(release)
    make("install", root)
    assert files(release) == before
    assert settings.read_text() == "# the operator's own\n"


def test_an_older_release_comes_back_by_installing_it_and_the_two_do_not_share_a_file(root: Path) -> None:
    current = root / "opt/motion-gateway/current"
    ours = current.resolve()
    other = ours.with_name("0.0.9-older")
    other.mkdir()
    current.unlink()
    current.symlink_to(f"releases/{other.name}")
    said = make("install", root)
    assert current.resolve() == ours
    assert f"What runs is still {other.name}." in said
    assert "systemctl restart motion-gateway.target" in said
    other.rmdir()


def test_what_a_newer_release_has_put_there_does_not_stay_after_a_rollback(root: Path) -> None:
    theirs, others = strangers(root)
    make("install", root)
    assert not [path for path in theirs if path.exists()]
    assert all(path.exists() for path in others)
    assert set((root / "opt/motion-gateway/installed-files").read_text().splitlines()) == PLACED
    for path in others:
        path.unlink()


def test_uninstalling_leaves_settings_and_data(root: Path) -> None:
    copy = Path(tempfile.mkdtemp(prefix="motion-gateway-root-"))
    try:
        for name in ("etc", "usr"):
            shutil.copytree(root / name, copy / name, symlinks=True)
        (copy / "opt/motion-gateway/releases/some").mkdir(parents=True)
        for kept in ("etc/motion-gateway/secret", "var/lib/motion-gateway/spool.sqlite3"):
            (copy / kept).parent.mkdir(parents=True, exist_ok=True)
            (copy / kept).touch()
        said = make("uninstall", copy)
        assert "/var/lib/motion-gateway" in said
        assert set(files(copy)) == {
            "etc/motion-gateway/gateway.toml",
            "etc/motion-gateway/secret",
            "var/lib/motion-gateway/spool.sqlite3",
        }
    finally:
        shutil.rmtree(copy)


def prefix(unit: Unit) -> list[str]:
    """What gives a program the account, the capabilities and the network of its unit. Only root can."""
    if not AS_ROOT:
        return []
    granted = [name.removeprefix("CAP_").lower() for name in unit.all("AmbientCapabilities")]
    bounding = ",".join(["-all", *(f"+{name}" for name in granted)])
    ambient = [f"--{kind}-caps=+{name}" for name in granted for kind in ("inh", "ambient")]
    account = [f"--reuid={ACCOUNT_ID}", f"--regid={GROUP_ID}", "--clear-groups", f"--bounding-set={bounding}"]
    alone = ["unshare", "--net", "--"] if unit.all("PrivateNetwork") == ["yes"] else []
    return [*alone, "setpriv", *account, *ambient, "--no-new-privs", "--"]


class Units:
    """The services of a house, each as its unit says."""

    def __init__(self, house: House, root: Path) -> None:
        self.house = house
        self._release = root / "opt/motion-gateway/current"
        self._program = house.folder / "confined.py"
        shutil.copy(ROOT / "tests/live/confined.py", self._program)  # nobody may not read the checkout, perhaps
        self.running: dict[str, Child] = {}
        self.ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ready.bind(str(house.folder / "notify"))
        self.ready.settimeout(PATIENCE_SECONDS)
        (house.folder / "notify").chmod(0o777)

    def command(self, unit: Unit, line: str) -> list[str]:
        """The command line of a unit, as systemd would run it."""
        python = str(self._release / "bin/python")
        words = shlex.split(line)
        if words[0] == PROGRAM:
            words[:1] = [python, str(self._release / "bin/motion-gateway")]
        environment = [f"PATH={PATH}", f"MOTION_GATEWAY_CONFIG={self.house.config}"]
        if unit.all("Type") == ["notify"]:
            environment.append(f"NOTIFY_SOCKET={self.house.folder / 'notify'}")
        confined = [python, str(self._program), unit.one("UMask"), ",".join(sorted(unit.system_calls()))]
        return [*prefix(unit), "env", "-i", "--chdir=/", *environment, *confined, *words]

    def start(self, unit: Unit) -> None:
        command = self.command(unit, unit.one("ExecStart"))
        if unit.one("Type") == "oneshot":
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert done.returncode == 0, done.stdout + (self.house.log if self.running else "")
            return
        self.running[unit.name] = child = Child(command, self.house.folder / "gateway.log")
        self.house.children.append(child)
        if unit.one("Type") == "notify":
            assert self.ready.recv(1000).startswith(b"READY=1"), self.house.log

    def reload(self, unit: Unit) -> int:
        """Run what ExecReload says, until something fails; returns the status of the last."""
        for line in unit.all("ExecReload"):
            pid = str(self.running[unit.name]._process.pid)
            ran = subprocess.run(self.command(unit, line.replace("$MAINPID", pid)), stdout=subprocess.DEVNULL)
            if ran.returncode != 0:
                break
        return ran.returncode


@pytest.fixture
def units(root: Path) -> Iterator[Units]:
    """Everything is started, in the order that the units ask for, and ready."""
    private = {"outbound_address": own_address(), "outbound_port": PORT, "outbound_clients": [MOTION]}
    with opened(started=False, attachments=LINKS, server=private) as house:
        house.write_settings()
        state = house.folder / "state"
        state.mkdir(mode=int(SERVICES["ingress"].one("StateDirectoryMode"), 8))
        if AS_ROOT:
            for path in (state, *house.folder.glob("*.pem")):
                os.chown(path, ACCOUNT_ID, GROUP_ID)
        units = Units(house, root)
        with units.ready:
            for unit in in_order():
                units.start(unit)
            house.wait_until_ready()
            yield units


def works(house: House, **variant: object) -> bool:
    return house.sinch(**variant).send(callbacks.text("do the units work?")).status == 200


def refused(units: Units) -> list[str]:
    """Lines that tell of a system call, a file or a network that a unit keeps from its program."""
    # LimitNOFILE is systemd's to give: what a machine for tests lets its processes have may be less.
    lines = [line for line in units.house.log.splitlines() if "RLIMIT_NOFILE" not in line]
    return [line for line in lines if "not permitted" in line or "denied" in line]


def test_a_callback_passes_through_what_the_units_start(units: Units) -> None:
    assert works(units.house)
    units.house.motion.wait_for_accepted(1)
    assert refused(units) == []
    if AS_ROOT:
        for name, child in units.running.items():
            status = Path(f"/proc/{child._process.pid}/status").read_text()
            assert re.search(rf"^Uid:\s+{ACCOUNT_ID}\s+{ACCOUNT_ID}", status, re.MULTILINE), name
            granted = 1 << 10 if name == "nginx" else 0  # CAP_NET_BIND_SERVICE
            assert int(re.findall(r"^CapEff:\s+(\w+)", status, re.MULTILINE)[0], 16) == granted
            assert int(re.findall(r"^CapBnd:\s+(\w+)", status, re.MULTILINE)[0], 16) == granted


def test_a_file_passes_through_what_the_units_start(units: Units) -> None:
    files = Files(units.house, units.house.archive.put(NAME, PHOTO))
    for link in (files.proxied(), files.minted()):
        answer = files.ask(link)
        assert (answer.status, answer.body) == (200, PHOTO), units.house.log[-3000:]
    assert refused(units) == []


def test_a_call_of_motions_passes_through_what_the_units_start(units: Units) -> None:
    address, house = units.house.tables["server"]["outbound_address"], units.house
    route = Route(url=f"https://localhost:{PORT}/eu/v1/x", ca_file=house.folder / "ca.pem", connect_to=(address, PORT))
    # The certificate is for another name; that it is the door's own name is what counts here.
    assert exchange(route, Request(method="GET")).status == 421
    with socket.create_connection((address, PORT), PATIENCE_SECONDS) as raw, trusting().wrap_socket(raw) as connection:
        connection.sendall(f"GET /eu/v1/x HTTP/1.0\r\nhost: {address}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 ")
    assert house.wait_for(lambda: house.decisions("outbound", event="outbound"))
    assert refused(units) == []


def trusting() -> ssl.SSLContext:
    """Of a client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


CHOWN = "import os, tempfile; file = tempfile.NamedTemporaryFile(); os.chown(file.name, -1, -1)"
WRITTEN_AND_EXECUTED = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)"
SET_GROUP = "import os, tempfile; os.chmod(tempfile.mkdtemp(), 0o2750)"
ATTEMPTS = {
    "chown": CHOWN,
    "setresuid": "import os; os.setresuid(-1, -1, -1)",
    "a folder that gives its group away": SET_GROUP,
    "nice": "import os; os.nice(1)",
    "memory that is written and executed": WRITTEN_AND_EXECUTED,
}
NEVER = ATTEMPTS | {"chroot": "import os; os.chroot('/')"}  # that takes a capability too


@pytest.fixture(scope="module")
def confinement(root: Path) -> Iterator[Units]:
    """What confines the units' programs, with nothing running."""
    with opened(started=False) as house:
        units = Units(house, root)
        with units.ready:
            yield units


def attempted(command: list[str]) -> str:
    """What a program says that tries something; nothing where it can."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


@pytest.mark.parametrize("attempt", NEVER.values(), ids=NEVER)
@pytest.mark.parametrize("unit", SERVICES.values(), ids=SERVICES)
def test_a_unit_refuses_its_program_what_it_has_no_use_for(confinement: Units, unit: Unit, attempt: str) -> None:
    said = attempted(confinement.command(unit, shlex.join(["python3", "-c", attempt])))
    if attempt == CHOWN and "@chown" in unit.all("SystemCallFilter"):
        assert said == ""
    else:
        assert "PermissionError" in said


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_it_is_the_confinement_that_refuses_it(attempt: str) -> None:
    free = [*prefix(SERVICES["migrate"]), "env", "-i", "--chdir=/", f"PATH={PATH}"]
    assert attempted([*free, "python3", "-c", attempt]) == ""


def test_what_they_leave_on_the_disk_is_for_their_account(units: Units) -> None:
    assert works(units.house)
    state = units.house.folder / "state"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert [modes.pop(folder) for folder in ("run", "vault")] == [0o750, 0o750]
    assert {mode & 0o077 for mode in modes.values()} == {0}, modes
    assert stat.S_IMODE(state.stat().st_mode) == 0o711


def test_the_unit_that_waits_for_readiness_fails_where_a_door_is_shut(units: Units) -> None:
    ready = SERVICES["ready"]
    soon = ready.one("ExecStart").replace("--wait 30", "--wait 0")
    assert subprocess.run(units.command(ready, soon)).returncode == 0
    door = units.running["ingress"]
    units.house.children.remove(door)
    door.stop()
    done = subprocess.run(units.command(ready, soon), capture_output=True, text=True)
    assert (done.returncode, "the ingress door is shut" in done.stdout) == (1, True)


def test_doctor_sees_as_its_unit_what_it_sees_as_an_operator(units: Units) -> None:
    looks = SERVICES["doctor"].one("ExecStart").replace("--notify", "--json")
    commands = units.command(SERVICES["doctor"], looks), units.house.typed("doctor", "--json")
    confined, free = (json.loads(subprocess.run(command, capture_output=True).stdout) for command in commands)
    assert [each["id"] for each in confined["complaints"]] == [each["id"] for each in free["complaints"]]
    assert "doctor.failed" not in {each["id"] for each in free["complaints"]}


def test_a_certificate_comes_from_an_authority_by_what_its_unit_starts(units: Units, tmp_path: Path) -> None:
    house, tls = units.house, units.house.folder / "tls"
    with reserve() as held, pebble(tmp_path / "pebble", http_port=held.getsockname()[1]) as authority:
        tls.mkdir()
        for file in (house.folder / "fullchain.pem", house.folder / "privkey.pem"):
            shutil.copy(file, tls)
        shutil.copy(authority.ca_file, tls / "authority.pem")
        house.tables["acme"] = ours(authority) | {"ca_file": str(tls / "authority.pem")}
        for path in (tls, *tls.iterdir()) if AS_ROOT else ():
            os.chown(path, ACCOUNT_ID, GROUP_ID)
        pair = {"certificate": str(tls / "fullchain.pem"), "private_key": str(tls / "privkey.pem")}
        house.tables["server"] |= pair | {"http_port": held.getsockname()[1]}
        house.write_settings()
        assert units.reload(SERVICES["nginx"]) == 0
        house.wait_for(lambda: house.decisions("nginx", event="reloaded"))
        unit = SERVICES["acme"]
        command = units.command(unit, unit.one("ExecStart") + " --force")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert (done.returncode, "certificate renewed" in done.stdout) == (0, True), done.stdout
    assert refused(units) == []


def test_reloading_each_takes_up_a_new_account(units: Units) -> None:
    house = units.house
    eight = {**ACCOUNT, "connector_id": 8, "app_id": "01JQ8V4M2Z7T5X9C3N6B1K0EIG", "webhook_secrets": ["of number 8"]}
    house.tables["account"].append(eight)
    house.write_settings()
    courier = units.running["courier"]
    assert {units.reload(unit) for unit in in_order() if unit.all("ExecReload")} == {0}
    house.wait_for(lambda: courier.exit_status == 0)
    house.children.remove(courier)
    units.start(SERVICES["courier"])  # as Restart=always does
    house.wait_for(lambda: works(house, connector_id=8, secret="of number 8"))
    house.motion.wait_for(lambda heard: 8 in {item.connector_id for item in heard})
    house.wait_for(lambda: house.decisions("nginx", event="reloaded"))
    assert refused(units) == []


def test_reloading_with_wrong_settings_fails_and_disturbs_nobody(units: Units) -> None:
    house = units.house
    house.tables["server"]["public_port"] = 99999
    house.write_settings()
    assert {units.reload(unit) for unit in in_order() if unit.all("ExecReload")} == {2}
    assert not house.ended()
    assert works(house)


def test_reloading_nginx_fails_with_what_nginx_refuses_and_disturbs_nobody(units: Units) -> None:
    house, nginx = units.house, SERVICES["nginx"]
    assert units.reload(nginx) == 0
    key = Path(house.tables["server"]["private_key"])
    before = key.read_bytes()
    kinds = (["RSA"], ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
    others = [subprocess.check_output(["openssl", "genpkey", "-quiet", "-algorithm", *kind]) for kind in kinds]
    for wrong in (*others, b"no key", b""):
        key.write_bytes(wrong)
        assert (units.reload(nginx), works(house)) == (2, True)
    key.write_bytes(before)
    assert units.reload(nginx) == 0


def test_the_spool_is_copied_while_they_run(units: Units) -> None:
    assert works(units.house)
    to = units.house.folder / "state" / "copy"
    done = subprocess.run(units.command(SERVICES["migrate"], f"{PROGRAM} spool backup --to {to}"))
    assert done.returncode == 0
    assert stat.S_IMODE(to.stat().st_mode) == 0o600

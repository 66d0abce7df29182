"""`config check` on machines that lack something: each is told with its key and a remedy, and nothing is changed."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from sandbox import certificates
from sandbox.certificates import Signer
from sandbox.listener import reserve
from tests.live.house import HOST, House, opened
from tests.live.test_without_ipv6 import KERNEL

DAY = datetime.timedelta(days=1)
# Root without what makes it root, as far as files and ports go; anybody else has none of it.
POOR = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-net_bind_service", "--") if os.geteuid() == 0 else ()
# As the account of the gateway beside its nginx, which may open low ports: what that has open it may not see.
BLIND = ("setpriv", "--bounding-set=-sys_ptrace,-net_bind_service", "--") if os.geteuid() == 0 else ()
LISTENER = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(flush=True); input()"


def mounted(*words: str) -> tuple[str, ...]:
    """What runs a command where something is mounted that nobody else sees."""
    return (
        "unshare",
        *([] if os.geteuid() == 0 else ["--map-root-user"]),
        "--mount",
        "--",
        "sh",
        "-c",
        f'mount {" ".join(words)}; exec "$@"',
        "-",
    )


# As a unit of that account (ProtectProc=invisible): it does not even see that this nginx runs.
HIDDEN = (*mounted("-t proc -o hidepid=2,gid=65534 proc /proc"), *BLIND) if BLIND else ()


@dataclass
class Machine:
    """A house that has all it needs, to take something away from."""

    house: House
    held: list[Any] = field(default_factory=list)

    @property
    def server(self) -> dict[str, Any]:
        return self.house.tables["server"]  # type: ignore[no-any-return]

    def path(self, key: str) -> Path:
        return Path(self.server[key])

    def pair(self, *chain: Signer, key: Signer | None = None) -> None:
        """Put these in the place of the public pair."""
        self.path("certificate").write_bytes(b"".join(signer.pem for signer in chain))
        self.path("private_key").write_bytes((key or chain[0]).key_pem)

    def listen(self, port: int) -> int:
        """Let another program hold a port; returns its process id."""
        words = [sys.executable, "-c", LISTENER, str(port)]
        other = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.held.append(other)
        assert other.stdout
        other.stdout.readline()
        return other.pid

    def check(self, *around: str) -> dict[str, Any]:
        self.house.write_settings()
        self.house.around = around
        try:
            words = self.house.typed("config", "check", "--json")
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        finally:
            self.house.around = ()
        assert done.stdout, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode, said["fine"]) == ((2, False) if said["problems"] else (0, True)), done.stderr
        return said

    def problems(self, *around: str) -> dict[str, str]:
        """What is in the way, by key: complaint and remedy."""
        found = self.check(*around)["problems"]
        assert all(problem["key"] and problem["complaint"] and problem["remedy"] for problem in found)
        return {problem["key"]: f"{problem['complaint']} → {problem['remedy']}" for problem in found}


@pytest.fixture
def machine() -> Iterator[Machine]:
    with opened(started=False) as house:
        (house.folder / "state").mkdir()
        machine = Machine(house)
        try:
            yield machine
        finally:
            for other in machine.held:
                other.communicate()


def made(*names: str, begins: int = -10, ends: int = 80, issuer: Signer | None = None, **variant: Any) -> Signer:
    now = datetime.datetime.now(datetime.UTC)
    return certificates.made(
        "of a test", issuer, names=names or (HOST,), begins=now + begins * DAY, ends=now + ends * DAY, **variant
    )


CA = certificates.authority("a CA of a test")


def unreadable(machine: Machine) -> None:
    machine.path("private_key").chmod(0)


def locked(machine: Machine) -> None:
    pem = certificates.locked(made().key, BestAvailableEncryption(b"a password"))
    machine.path("private_key").write_bytes(pem)


def nowhere(machine: Machine) -> None:
    machine.path("certificate").unlink()
    machine.path("private_key").unlink()


def damaged(machine: Machine) -> None:
    path = machine.path("certificate")
    path.write_bytes(path.read_bytes()[:200])


def believed(content: bytes | None, table: str = "motion") -> Callable[[Machine], None]:
    def name(machine: Machine) -> None:
        path = machine.house.folder / "believed.pem"
        if content is not None:
            path.write_bytes(content)
        machine.house.tables.setdefault(table, {})["ca_file"] = str(path)

    return name


def foreign(machine: Machine) -> None:
    spool = machine.path("state_dir") / "spool.sqlite3"
    spool.touch()
    spool.chmod(0)


def written(key: str, value: object) -> Callable[[Machine], None]:
    return lambda machine: machine.server.update({key: value})


def shut(machine: Machine) -> None:
    machine.path("state_dir").chmod(0o500)


def no_folder(machine: Machine) -> None:
    machine.path("state_dir").rmdir()
    machine.path("state_dir").touch()


def hidden(machine: Machine) -> None:
    machine.server["state_dir"] = str(machine.house.folder / "state" / "below")
    (machine.house.folder / "state").chmod(0)


def on_a_disk_of_its_own(machine: Machine) -> None:
    (machine.path("state_dir") / "lost+found").mkdir(mode=0)


def no_way(machine: Machine) -> None:
    machine.server["state_dir"] = str(machine.house.folder / "state" / "below")
    (machine.house.folder / "state").chmod(0o500)


def another_pair(machine: Machine) -> None:
    machine.house.tables["attachments"] = {"token_keys": ["a key of a test that is long"]}
    names = {"outbound_clients": ["127.0.0.9"], "outbound_address": "127.0.0.8", "outbound_names": ["gateway.internal"]}
    machine.server.update(names)


CASES: dict[str, tuple[Callable[[Machine], None], tuple[str, ...], str, str]] = {
    "a key of another certificate": (
        lambda machine: machine.pair(made(), key=made()),
        (),
        "server.private_key",
        "belongs to another certificate → Put both files",
    ),
    "a key that may not be read": (unreadable, POOR, "server.private_key", "Permission denied → let "),
    "a key with a password": (locked, (), "server.private_key", "locked by a password → "),
    "an empty key": (lambda m: m.path("private_key").write_bytes(b"") and None, (), "server.private_key", "no private"),
    "no pair at all": (nowhere, (), "server.certificate", "does not exist, nor does its key → get one"),
    "no certificate": (lambda m: m.path("certificate").unlink(), (), "server.certificate", "No such file"),
    "an empty certificate": (
        lambda m: m.path("certificate").write_bytes(b"") and None,
        (),
        "server.certificate",
        "is no",
    ),
    "a damaged certificate": (damaged, (), "server.certificate", "is no certificate → Put the chain there in PEM"),
    "an expired one": (lambda m: m.pair(made(ends=-1)), (), "server.certificate", "expired on "),
    "one of tomorrow": (lambda m: m.pair(made(begins=1)), (), "server.certificate", "is valid from "),
    "one of another name": (lambda m: m.pair(made("x.test")), (), "server.certificate", "is not among its names"),
    "the wrong order": (lambda m: m.pair(made(issuer=CA), made(), CA), (), "server.certificate", "did not sign"),
    "another name at the private door": (another_pair, (), "server.outbound_certificate", "gateway.internal is not"),
    "no CA": (believed(None), (), "motion.ca_file", "No such file"),
    "an empty CA": (believed(b"\n"), (), "motion.ca_file", "is no certificate"),
    "a CA that is none, for Sinch": (believed(b"not one", "sinch"), (), "sinch.ca_file", "is no certificate"),
    "an expired CA": (believed(made(ends=-1).pem), (), "motion.ca_file", "have expired"),
    "a folder that may not be written": (shut, POOR, "server.state_dir", "it belongs to "),
    "a folder that is none": (no_folder, (), "server.state_dir", "is no folder"),
    "a folder that nobody may see": (hidden, POOR, "server.state_dir", "it belongs to somebody else → "),
    "a folder that nobody can make": (no_way, POOR, "server.state_dir", "may not make it in"),
    "a spool of somebody else": (foreign, POOR, "server.state_dir", "spool.sqlite3 → `sudo chown -R "),
    "an address of another machine": (
        written("public_address", "192.0.2.1"),
        (),
        "server.public_address",
        "is no address of this machine → ",
    ),
    "IPv6 where there is none": (written("ops_address", "::1"), KERNEL, "server.ops_address", "needs IPv6"),
    "a low port without the right to it": (written("http_port", 81), POOR, "server.http_port", "may not open → "),
}


@pytest.mark.parametrize(("change", "around", "key", "said"), CASES.values(), ids=CASES)
def test_what_is_wrong_is_told_with_its_key_and_alone(
    machine: Machine, change: Callable[[Machine], None], around: tuple[str, ...], key: str, said: str
) -> None:
    change(machine)
    found = machine.problems(*around)
    assert set(found) == {key}
    assert said in found[key]


DISKS = {"full": ("-t tmpfs -o size=1m none", "has no room"), "read-only": ("-t tmpfs -o ro none", "mounted read-only")}


@pytest.mark.parametrize(("mount", "said"), DISKS.values(), ids=DISKS)
def test_a_disk_that_takes_nothing_is_told(machine: Machine, mount: str, said: str) -> None:
    found = machine.problems(*mounted(mount, str(machine.path("state_dir"))))
    assert set(found) == {"server.state_dir"}
    assert said in found["server.state_dir"]


PACKAGES = {
    "nginx": (f"--bind /dev/null {shutil.which('nginx', path='/usr/sbin:/usr/bin')}", "apt-get install nginx`"),
    "headers-more": ("-t tmpfs none /usr/lib/nginx/modules", "libnginx-mod-http-headers-more-filter"),
}


@pytest.mark.parametrize(("mount", "said"), PACKAGES.values(), ids=PACKAGES)
def test_a_missing_part_of_nginx_is_told_with_its_package(machine: Machine, mount: str, said: str) -> None:
    found = machine.problems(*mounted(mount))
    assert set(found) == {"nginx"}
    assert said in found["nginx"]


@pytest.mark.parametrize("key", ["public_port", "ops_port"])
def test_who_holds_a_port_is_told(machine: Machine, key: str) -> None:
    pid = machine.listen(machine.server[key])
    found = machine.problems()
    assert set(found) == {f"server.{key}"}
    assert f"(pid {pid}, of " in found[f"server.{key}"]
    assert "stop it, or write another port" in found[f"server.{key}"]


def test_where_nobody_may_see_who_holds_a_port_it_is_told_how_to_find_out(machine: Machine) -> None:
    machine.listen(machine.server["public_port"])
    told = machine.problems(*BLIND)["server.public_port"]
    assert BLIND == () or f"`sudo ss -ltnp 'sport = :{machine.server['public_port']}'` tells which" in told


def test_a_port_that_is_held_on_one_address_is_not_free_for_every_address(machine: Machine) -> None:
    machine.server["public_address"] = "[::]"
    machine.listen(machine.server["public_port"])
    assert set(machine.problems()) == {"server.public_port"}


def test_everything_is_told_at_once_and_what_comes_first_stands_first(machine: Machine) -> None:
    nowhere(machine)
    machine.server["min_free"] = "much"
    machine.house.tables["account"] = [
        {
            **machine.house.tables["account"][0],
            "project_id": "01234567-89ab-cdef-0123-456789abcdef",
            "app_id": "01ABCDEFGHJKMNPQRSTVWXYZ01",
        }
    ]
    machine.listen(machine.server["ops_port"])
    assert [*machine.problems()] == [
        "server.min_free",
        "account[0].project_id",
        "account[0].app_id",
        "server.certificate",
        "server.ops_port",
    ]
    assert "The settings and this machine have 5 problems" in machine.house.command("config", "check", status=2)


def test_the_untouched_example_is_told_key_by_key(machine: Machine) -> None:
    example = (Path(__file__).parents[2] / "deploy" / "gateway.toml").read_text()
    secrets = machine.house.folder / "secrets"
    secrets.write_text("a secret of this test\n")
    machine.house.config.write_text(example.replace("/etc/motion-gateway/support-webhook-secrets", str(secrets)))
    told = json.loads(machine.house.command("config", "check", "--json", status=2))["problems"]
    told = [problem["key"] for problem in told if "example" in problem["complaint"]]
    assert told == ["server.public_url", "motion.url", "account[0].project_id", "account[0].app_id"]


def test_a_state_that_is_not_there_yet_is_made_at_the_start_and_not_before(machine: Machine) -> None:
    machine.path("state_dir").rmdir()
    assert machine.problems() == {}
    assert not machine.path("state_dir").exists()


def test_what_a_file_system_has_for_itself_is_nothing_of_ours(machine: Machine) -> None:
    on_a_disk_of_its_own(machine)
    assert machine.problems(*POOR) == {}


def test_what_ends_soon_is_a_warning_with_the_days(machine: Machine) -> None:
    machine.pair(made(ends=5))
    believed(made(ends=9).pem)(machine)
    told = [said.partition(",")[0] for said in machine.check()["warnings"] if " days left" in said]
    assert told == ["server.certificate: 4 days left", "motion.ca_file: 8 days left"]


def test_a_name_that_nobody_knows_is_a_warning_and_no_more(machine: Machine) -> None:
    machine.house.tables["motion"]["url"] = "https://motion.invalid"
    [warning] = [said for said in machine.check()["warnings"] if said.startswith("motion.url")]
    assert "motion.invalid" in warning


def _files(house: House) -> dict[Path, int]:
    """When each was written; without what the gateway makes by itself once it is up.

    That is what the processes count, from when they are asked first, and the room kept for a start on a full disk.
    """
    found = (path for path in (house.folder / "state").rglob("*") if not {"metrics", "kept"} & {*path.parts})
    return {path: path.stat().st_mtime_ns for path in found if path.is_file()}


def test_a_running_gateway_is_fine_and_is_left_as_it_is() -> None:
    with opened() as house:
        before = _files(house)
        ports = house.listening_ports()
        assert "The settings are fine" in house.command("config", "check")
        for house.around in ((), BLIND, HIDDEN):
            assert json.loads(house.command("config", "check", "--json"))["problems"] == []
        assert house.listening_ports() == ports
        after = _files(house)
        assert before.keys() == after.keys()
        assert {path.suffix for path in after if before[path] != after[path]} <= {
            ".sqlite3",
            ".sqlite3-wal",
            ".sqlite3-shm",
        }


def test_a_port_beside_a_running_gateway_is_still_looked_at() -> None:
    with opened() as house, reserve() as free:
        house.tables["server"]["http_port"] = free.getsockname()[1]
        house.write_settings()
        assert json.loads(house.command("config", "check", "--json"))["problems"] == []
        with socket.create_server(("127.0.0.1", 0)) as taken:
            house.tables["server"]["http_port"] = taken.getsockname()[1]
            house.write_settings()
            [problem] = json.loads(house.command("config", "check", "--json", status=2))["problems"]
            assert problem["key"] == "server.http_port"

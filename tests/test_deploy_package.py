"""The scripts of the Debian package: what they refuse, copy, keep and take away, in a folder instead of in /."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest

from tests.units import FOLDER, ROOT, SERVICES

DEBIAN = ROOT / "debian"
OLDER, OURS, NEWER = "0015", "0016", "0017"
PLACES = ("/usr/lib/motion-gateway", "/usr/lib/systemd/", "/usr/local/", "/var/", "/etc/", "/run/")


class Package:
    """The scripts, with `folder` for / and programs of a test's own for what they call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        self.lay("install", '[ "$1" = -d ] && mkdir -p "${@: -1}"')
        self.place("/usr/lib/motion-gateway/schema", OURS)

    def place(self, path: str, text: str = "") -> Path:
        file = self.folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def lay(self, name: str, script: str) -> None:
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)

    def run(self, name: str, *arguments: str, schema: str = OURS) -> tuple[int, str]:
        text = (DEBIAN / name).read_text("utf-8").replace("@SCHEMA@", schema)
        for place in PLACES:
            text = text.replace(place, f"{self.folder}{place}")
        environment = {"PATH": f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        command = ["sh", "-c", text, name, *arguments]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


def test_what_would_not_know_the_spool_is_refused_in_words_and_nothing_is_copied(package: Package) -> None:
    package.lay("motion-gateway", "exit 9")
    status, said = package.run("preinst", "upgrade", "2", "1", schema=OLDER)
    assert status == 1
    assert f"brought the spool to schema {OURS}, which this one does not know: its own is {OLDER}" in said
    assert "what runs goes on" in said
    assert not (package.folder / "var/backups").exists()


def test_the_spool_is_copied_before_a_release_that_changes_its_schema_and_before_no_other(package: Package) -> None:
    package.lay("motion-gateway", f'echo "$@" >> {package.folder}/called')
    assert package.run("preinst", "upgrade", "1", "2") == (0, "")
    assert not (package.folder / "called").exists()
    status, said = package.run("preinst", "upgrade", "1", "2", schema=NEWER)
    assert (status, f"{OURS} to {NEWER}" in said) == (0, True)
    called = (package.folder / "called").read_text()
    assert called.startswith(f"spool backup --to {package.folder}/var/backups/motion-gateway/spool-{OURS}-")


def test_where_no_copy_can_be_made_nothing_is_changed_and_the_reason_is_told(package: Package) -> None:
    package.place("/var/lib/motion-gateway/spool.sqlite3")
    package.lay("motion-gateway", "echo 'the disk is full' >&2; exit 2")
    status, said = package.run("preinst", "upgrade", "1", "2", schema=NEWER)
    assert (status, "the disk is full" in said, "what runs goes on" in said) == (1, True, True)


@pytest.mark.parametrize("said", ["there is no spool at /x", "the spool is in PostgreSQL, which has its own ways"])
def test_where_there_is_nothing_to_copy_here_it_goes_on(package: Package, said: str) -> None:
    package.place("/var/lib/motion-gateway/spool.sqlite3")
    package.lay("motion-gateway", f"echo '{said}' >&2; exit 2")
    assert package.run("preinst", "upgrade", "1", "2", schema=NEWER)[0] == 0


def test_who_was_never_started_has_nothing_to_copy(package: Package) -> None:
    package.lay("motion-gateway", "echo 'The settings have 6 problems' >&2; exit 2")
    assert package.run("preinst", "upgrade", "1", "2", schema=NEWER) == (0, "")


def test_two_ways_of_installing_do_not_get_in_each_others_way(package: Package) -> None:
    package.place("/usr/local/lib/systemd/system/motion-gateway.target")
    status, said = package.run("preinst", "install")
    assert (status, "sudo make uninstall" in said) == (1, True)


def test_nothing_is_removed_under_who_serves_without_systemd(package: Package) -> None:
    (package.folder / "usr/lib/motion-gateway/releases").mkdir()
    with package.place("/var/lib/motion-gateway/serve.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        status, said = package.run("prerm", "remove")
        assert (status, "stop it first, with sudo pkill -TERM -f 'motion-gateway serve$'" in said) == (1, True)
    assert package.run("prerm", "remove") == (0, "")


def test_a_package_removed_keeps_what_is_an_operators_and_a_purged_one_leaves_nothing(package: Package) -> None:
    for name in ("getent", "userdel", "groupdel"):
        package.lay(name, f'echo "{name} $*" >> {package.folder}/called')
    kept = [
        "/etc/motion-gateway/secret",
        "/var/lib/motion-gateway/spool.sqlite3",
        "/var/backups/motion-gateway/spool-1",
    ]
    kept += [
        "/var/log/motion-gateway/gateway.log",
        "/etc/systemd/system/motion-gateway-courier.service.d/override.conf",
    ]
    files = [package.place(path) for path in kept]
    (package.folder / "var/www/acme/.well-known/acme-challenge").mkdir(parents=True)
    assert package.run("postrm", "remove") == (0, "")
    assert all(file.exists() for file in files)
    assert not (package.folder / "usr/lib/motion-gateway").exists()
    assert package.run("postrm", "purge") == (0, "")
    assert not list(package.folder.rglob("*motion-gateway*"))
    assert not (package.folder / "var/www/acme").exists()
    assert "userdel motion-gateway" in (package.folder / "called").read_text()


def upgraded(package: Package, gateway: str) -> tuple[int, str, list[str]]:
    """How an upgrade under systemd ends where the command of the new release does that, and what systemd was told."""
    package.place("/usr/lib/motion-gateway/account").chmod(0o755)
    package.place("/usr/lib/motion-gateway/releases/new/lib/module.py")
    (package.folder / "usr/lib/motion-gateway/current").symlink_to("releases/new")
    (package.folder / "run/systemd/system").mkdir(parents=True)
    for unit in FOLDER.glob("*.service"):
        package.place(f"/usr/lib/systemd/system/{unit.name}")
    called = package.place("/called")
    package.lay("systemctl", f'echo "$@" >> {called}; [ "$1" != restart ]')  # whatever has nginx's port
    package.lay("motion-gateway", gateway)
    status, said = package.run("postinst", "configure", "1")
    return status, said, [line for line in called.read_text().splitlines() if not line.startswith("is-active")]


def test_an_upgrade_has_everything_that_ran_go_on_while_nginx_stays(package: Package) -> None:
    status, said, told = upgraded(package, '[ "$1" != ready ]')
    assert (status, "The gateway is not ready" in said) == (0, True)
    [reloaded, stopped, *started] = told
    assert (reloaded, started) == (
        "daemon-reload",
        ["start motion-gateway.target", "restart motion-gateway-nginx.service"],
    )
    stays = {"nginx", "ready", "doctor", "acme"}
    assert set(stopped.split()) == {"stop"} | {unit.path.name for unit in SERVICES.values() if unit.name not in stays}


def test_settings_that_a_new_release_does_not_take_stop_nothing(package: Package) -> None:
    status, said, told = upgraded(package, "exit 2")
    assert (status, told) == (0, ["daemon-reload"])
    assert "what runs is still the release before" in said

"""The package's scripts as dpkg runs them, on a copy of this machine: the short form of `make test-packages`.

The release in it is a stub. What is tried of a whole one, in clean roots and under systemd, stands in tests/packages/.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages.machine import Machine
from tests.units import FOLDER, ROOT

OLDER, NEWER = "0015", "0016"
LIB, STATE, SETTINGS = "usr/lib/motion-gateway", "/var/lib/motion-gateway", "/etc/motion-gateway/gateway.toml"
RELEASE = """#!/bin/sh
# What there is of a release.
[ "$1 $2" != "spool backup" ] || echo a copy >"$4"
"""
# All that is written lies in memory: this machine's own files are below it, and stay as they are.
COPY = """
mount -t tmpfs tmpfs "$0" && mkdir "$0/changes" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/changes,workdir=$0/work" "$0/root"
echo there; exec cat
"""


class Copy(Machine):
    """A copy of this machine, in a namespace of its own."""

    def __init__(self, folder: Path, leader: int) -> None:
        super().__init__(folder / "root")
        self._leader = leader

    def path(self, path: str) -> Path:
        return Path(f"/proc/{self._leader}/root{self.root}") / path.lstrip("/")

    def way(self) -> list[str]:
        return ["nsenter", f"--target={self._leader}", "--mount", "--root", "--wd", *super().way()]

    def left(self) -> list[str]:
        """Files of ours that were not there before."""
        changes = self.path("/").parent / "changes"
        found = subprocess.check_output(["find", changes, "-name", "*motion-gateway*", "-not", "-type", "c"], text=True)
        return [line.removeprefix(str(changes)) for line in found.splitlines()]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("machine")
    command = ["unshare", "--mount", "bash", "-euc", COPY, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=ROOT, **pipes) as leader:
        assert leader.stdin
        assert leader.stdout
        assert leader.stderr
        if leader.stdout.readline() != "there\n":
            pytest.skip(f"NOT TRIED: the package on dpkg. No copy of this machine can be made: {leader.stderr.read()}")
        machine = Copy(folder, leader.pid)
        for version, schema in (("1", OLDER), ("2", NEWER)):
            subprocess.run(["dpkg-deb", "--build", packed(folder / version, version, schema), folder], check=True)
            shutil.copy(folder / f"motion-gateway_{version}_all.deb", machine.path(f"{version}.deb"))
        yield machine
        leader.stdin.close()


def packed(folder: Path, version: str, schema: str) -> Path:
    """Lay what a package is made of, as debian/rules does."""
    release, scripts = folder / LIB / "releases" / version, folder / "DEBIAN"
    for new in (release / "bin", release / "lib", scripts, folder / "usr/bin"):
        new.mkdir(parents=True)
    (release / "bin/motion-gateway").write_text(RELEASE)
    (release / "bin/motion-gateway").chmod(0o755)
    (release / "lib/module.py").write_text("")
    (folder / LIB / "current").symlink_to(f"releases/{version}")
    (folder / LIB / "schema").write_text(schema)
    (folder / "usr/bin/motion-gateway").symlink_to("../lib/motion-gateway/current/bin/motion-gateway")
    for name in ("account", "gateway.toml"):
        shutil.copy(ROOT / "deploy" / name, folder / LIB)
    for name in ("sysusers.d", "tmpfiles.d"):
        shutil.copytree(ROOT / "deploy" / name, folder / "usr/lib" / name)
    shutil.copytree(FOLDER, folder / "usr/lib/systemd/system")
    for name in ("preinst", "postinst", "prerm", "postrm"):
        text = (ROOT / "debian" / name).read_text("utf-8")
        (scripts / name).write_text(text.replace("@SCHEMA@", schema).replace("#DEBHELPER#", ""))
        (scripts / name).chmod(0o755)
    about = f"Version: {version}\nArchitecture: all\nMaintainer: tests <tests@example.test>\nDescription: a stub\n"
    (scripts / "control").write_text(f"Package: motion-gateway\n{about}")
    return folder


def test_the_package_is_installed_upgraded_and_refused_where_it_would_not_know_the_spool(machine: Copy) -> None:
    assert "motion-gateway serve" in machine.does("dpkg", "--install", "/1.deb")
    assert machine.does("stat", "--format=%U %a", STATE) == "motion-gateway 711\n"
    machine.path(SETTINGS).write_text("# an operator's own\n")
    machine.does("touch", f"{STATE}/spool.sqlite3")
    said = machine.does("dpkg", "--install", "/2.deb")
    assert f"The copy from before is /var/backups/motion-gateway/spool-{OLDER}-" in said
    assert machine.path(SETTINGS).read_text() == "# an operator's own\n"
    assert [path.name for path in machine.path(f"{LIB}/releases").iterdir()] == ["2"]
    said = machine.does("dpkg", "--install", "/1.deb", status=1)
    assert "which this one does not know" in said
    assert machine.does("dpkg-query", "--show", "--showformat=${Version} ${db:Status-Status}", "motion-gateway") == (
        "2 installed"
    )


def test_removed_it_keeps_what_is_an_operators_and_purged_it_leaves_nothing(machine: Copy) -> None:
    machine.does("dpkg", "--remove", "motion-gateway")
    assert all(machine.path(path).exists() for path in (SETTINGS, f"{STATE}/spool.sqlite3"))
    assert not machine.path(LIB).exists()
    machine.does("dpkg", "--purge", "motion-gateway")
    assert machine.left() == []
    assert "motion-gateway" not in machine.path("etc/passwd").read_text() + machine.path("etc/group").read_text()

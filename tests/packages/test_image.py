"""The image and the bundle: what a container without rights does, and what is installed where nobody is asked."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from sandbox import play
from tests.packages.conftest import sh
from tests.packages.machine import laid
from tests.units import ROOT

PODMAN = ("podman", "--runtime=runc", "--cgroup-manager=cgroupfs")  # as it works within another container, too
WITHOUT_RIGHTS = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges")
ACCOUNT = 10001


@pytest.fixture(scope="module")
def archive() -> Path:
    return ROOT / sh("deploy/image")


@pytest.fixture(scope="module")
def image(archive: Path) -> Iterator[str]:
    """Its name, once it is loaded from its file."""
    said = sh(f"{' '.join(PODMAN)} load --quiet --input {archive}")
    name = said.split()[-1]
    yield name
    sh(f"{' '.join(PODMAN)} rmi --force {name}")


def run(image: str, *options: str) -> list[str]:
    """What runs a container of it without any right, in the network of this machine."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limits = [f"--ulimit=nofile={files}:{files}", "--ulimit=nproc=4096:4096"]
    return [*PODMAN, "run", "--rm", "--network=host", *WITHOUT_RIGHTS, *limits, *options, image]


def test_the_image_plays_the_sandboxs_journeys_without_rights_and_stops_cleanly(image: str) -> None:
    def command(settings: Path) -> list[str]:
        subprocess.run(["chown", "-R", f"{ACCOUNT}:{ACCOUNT}", settings.parent], check=True)
        return [*run(image, f"--volume={settings.parent}:{settings.parent}"), "--config", str(settings), "serve"]

    console = Console(width=200, record=True)
    assert play.play(once=True, console=console, command=command) == 0, console.export_text()


def test_nobody_there_has_rights_or_writes_to_it(image: str) -> None:
    look = "id -un; grep -cE 'Cap...:.0*[1-9a-f]' /proc/self/status; touch /x 2>&1; touch /var/lib/motion-gateway/x"
    [*start, name] = run(image, "--entrypoint=sh")
    done = subprocess.run([*start, name, "-c", look], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    assert done.stdout == "motion-gateway\n0\ntouch: cannot touch '/x': Read-only file system\n"


def test_the_image_says_how_it_is_run_and_looked_after(image: str) -> None:
    done = subprocess.run([*PODMAN, "inspect", image], check=True, stdout=subprocess.PIPE)
    [told] = json.loads(done.stdout)
    assert told["User"] == "motion-gateway"
    assert told["Healthcheck"]["Test"] == ["CMD", "motion-gateway", "ready"]
    assert list(told["Config"]["Volumes"]) == ["/var/lib/motion-gateway"]
    assert (told["Config"]["Entrypoint"], told["Config"]["Cmd"]) == (["motion-gateway"], ["serve"])


def test_an_image_made_elsewhere_is_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    sh(f"git clone --quiet . {tmp_path}/elsewhere")
    again = tmp_path / "elsewhere" / sh(f"cd {tmp_path}/elsewhere && deploy/image", ROOTS=f"{ROOT}/build/roots")
    assert (again.name, again.read_bytes() == archive.read_bytes()) == (archive.name, True)


def test_a_bundle_is_installed_without_asking_anybody() -> None:
    bundle = ROOT / sh("deploy/bundle")
    packages = (
        "make",
        "nginx",
        "libnginx-mod-http-headers-more-filter",
        "libmagic1",
        "ca-certificates",
        "python3-venv",
    )
    with laid("bookworm", *packages) as machine:
        sh(f"tar -xf {bundle} -C {machine.root}/opt")
        alone = ["env", "ALONE=yes", *machine.way(), "sh", "-c"]
        installed = subprocess.run([*alone, "make -C /opt/motion-gateway-* install"], stdout=subprocess.PIPE, text=True)
        assert installed.returncode == 0, installed.stdout
        assert "motion-gateway, version" in machine.does("motion-gateway", "--version")
        assert "still that of the example" in machine.does("motion-gateway", "config", "check", status=2)

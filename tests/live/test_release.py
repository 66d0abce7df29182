"""`make release`, without tests and packages: what comes out is alike twice, listed, summed and signed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gateway import __version__
from tests.units import ROOT

NAME = f"motion_gateway-{__version__}"


def run(*command: object, folder: Path, status: int = 0, **ways: str) -> str:
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env=os.environ | ways,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the commit that is checked out here, with what others bring."""
    folder = tmp_path_factory.mktemp("release") / "checkout"
    run("git", "clone", "--quiet", "--no-hardlinks", ROOT, folder, folder=ROOT)
    return folder


def release(checkout: Path, *, status: int = 0, **ways: str) -> str:
    tools = {"VENV": str(Path(sys.prefix)), "TOOLS": str(ROOT / ".venv-release")}
    return run("deploy/release", folder=checkout, status=status, TESTS="no", PARTS="", **tools, **ways)


@pytest.fixture(scope="module")
def released(checkout: Path) -> Path:
    key = checkout.parent / "minisign.key"
    run("minisign", "-G", "-W", "-s", key, "-p", checkout.parent / "minisign.pub", folder=checkout)
    said = release(checkout, MINISIGN_KEY=str(key))
    assert "twice alike" in said
    return checkout / "build" / "release"


def test_a_release_is_summed_and_signed(released: Path) -> None:
    public = released.parent.parent.parent / "minisign.pub"
    said = run("minisign", "-V", "-p", public, "-m", "SHA256SUMS", folder=released)
    assert re.search(rf"Trusted comment: Motion Gateway {re.escape(__version__)}, commit [0-9a-f]{{40}}", said)
    run("sha256sum", "--check", "--strict", "SHA256SUMS", folder=released)
    summed = {line.split()[1] for line in (released / "SHA256SUMS").read_text().splitlines()}
    assert summed | {"SHA256SUMS", "SHA256SUMS.minisig"} == {path.name for path in released.iterdir()}


def test_its_wheel_and_its_sources_name_the_commit(released: Path) -> None:
    commit = run("git", "rev-parse", "HEAD", folder=released).strip()
    with zipfile.ZipFile(next(released.glob("*.whl"))) as wheel:
        assert wheel.read("gateway/commit").decode().strip() == commit
    assert run("tar", "-xzOf", f"{NAME}.tar.gz", f"{NAME}/gateway/commit", folder=released).strip() == commit


def test_it_lists_each_package_that_is_pinned_with_its_hashes(released: Path) -> None:
    told = json.loads((released / f"{NAME}.cdx.json").read_text("utf-8"))
    assert (told["bomFormat"], told["metadata"]["component"]["name"]) == ("CycloneDX", "motion-gateway")
    pinned = dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==([^ ;]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    found = {each["name"]: each for each in told["components"]}
    assert {name: each["version"] for name, each in found.items()} == pinned
    hashed = [any(link.get("hashes") for link in each.get("externalReferences", ())) for each in found.values()]
    assert all(hashed)


def test_its_notes_are_those_of_the_changelog_and_say_whether_it_was_tried(released: Path) -> None:
    notes = (released / "NOTES.md").read_text("utf-8")
    assert notes.startswith(f"# Motion Gateway {__version__}, of commit ")
    assert notes.splitlines()[2] == "It was made without its tests (`TESTS=no`)."
    assert "### Added" in notes
    assert "## [" not in notes


def test_what_is_not_committed_is_no_release(checkout: Path, released: Path) -> None:
    (checkout / "README.md").write_text("another one\n")
    assert "something is not committed" in release(checkout, status=1)
    run("git", "checkout", "--quiet", "README.md", folder=checkout)
    assert (released / "SHA256SUMS").exists()

"""What the tests of packages share: the package of this commit, and that of a release before."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.units import ROOT

SUITES = os.environ.get("SUITES", "bookworm").split()
BEFORE = os.environ.get("BEFORE", "38b58b6")  # the release before: its commit, or its package
# How that one is made a package, which it did not know yet: what it installs below /usr/local lies in /usr.
INSTALL = """#!/usr/bin/env bash
set -eu
export PIP_NO_INDEX=1 PIP_FIND_LINKS=$PWD/wheels
deploy/install-before
cd "$DESTDIR"
mkdir usr/bin
mv usr/local/bin/* usr/bin
mv usr/local/lib/* usr/lib
rm -r usr/local
sed -i 's|/usr/local/bin/|/usr/bin/|g' usr/lib/systemd/system/*
touch "$DESTDIR$PREFIX/installed-files"
"""
# Its checkout, with our own ways to build it.
REWRITE = """
ours=$(git rev-parse HEAD) date=$(git log -1 --format=%cd {before})
git clone --quiet . {folder} && cd {folder} && git checkout --quiet {before}
[ ! -e debian ] || exit 0
git checkout --quiet "$ours" -- debian deploy/account deploy/deb deploy/roots deploy/wheels deploy/version
git mv deploy/install deploy/install-before
printf %s "$INSTALL" >deploy/install && chmod +x deploy/install
git add --all
GIT_COMMITTER_DATE="$date" git -c user.name=tests -c user.email=tests@example.test commit --quiet -m before
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/packages/" in item.path.as_posix():
            item.add_marker(pytest.mark.packages)


def sh(command: str, **variables: str) -> str:
    """Run a command of a checkout; returns the last line that it printed."""
    done = subprocess.run(
        ["bash", "-euc", command], cwd=ROOT, env=os.environ | variables, text=True, stdout=subprocess.PIPE
    )
    assert done.returncode == 0, done.stdout
    return (done.stdout.splitlines() or [""])[-1]


@pytest.fixture(scope="session")
def built() -> dict[str, Path]:
    """The package of this commit, for each of SUITES."""
    return {suite: ROOT / sh(f"deploy/deb {suite}") for suite in SUITES}


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What gives the package of the release before, for one of SUITES; built by this commit's rules."""
    folder = tmp_path_factory.mktemp("before") / "checkout"

    @functools.cache
    def package(suite: str) -> Path:
        if BEFORE.endswith(".deb"):
            return Path(BEFORE)
        if not folder.exists():
            sh(REWRITE.format(folder=folder, before=BEFORE), INSTALL=INSTALL)
        shared = {"ROOTS": str(ROOT / "build/roots"), "PIP_FIND_LINKS": str(ROOT / "build/wheels")}
        return folder / sh(f"cd {folder} && deploy/deb {suite}", **shared)

    return package

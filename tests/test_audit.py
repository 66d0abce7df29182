"""What is pinned is held against known holes, by what is shipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.units import ROOT

AUDIT = ROOT / "deploy" / "audit"


def audited(folder: Path, status: int) -> str:
    done = subprocess.run([sys.executable, AUDIT, "--pins", folder], capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_nothing_that_is_pinned_is_known_to_have_a_hole() -> None:
    assert ": 0 known holes." in audited(ROOT, 0)


@pytest.mark.parametrize(("version", "hole"), [("1.26.16", 1), ("1.26.17", 0), ("2.0.5", 1), ("2.0.6", 0)], ids=str)
def test_each_edge_of_a_range_counts(tmp_path: Path, version: str, hole: int) -> None:
    for name in ("requirements.txt", "requirements-test.txt", "requirements-tls.txt", "requirements-release.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "requirements.txt").write_text(f"urllib3=={version} \\\n    --hash=sha256:0\n")
    said = audited(tmp_path, 1)  # later ones concern all four
    told = f"urllib3 {version} (requirements.txt): PYSEC-2023-192/CVE-2023-43804, mended in 1.26.17, 2.0.6\n"
    assert (told in said) is bool(hole)


def test_the_list_says_whence_and_of_when_it_is() -> None:
    told = json.loads((ROOT / "deploy" / "advisories.json").read_text("utf-8"))
    assert told["source"].startswith("https://github.com/pypa/advisory-database")
    assert told["packages"]["urllib3"]
    assert told["as_of"]

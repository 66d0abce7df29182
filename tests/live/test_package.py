"""What is made of the sources: a wheel that renders what the checkout renders, and brings every part."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.units import ROOT

SOURCES = re.compile(r'cp -R (.+) "\$building/source"')  # what deploy/install makes a release of


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy, as deploy/install does it: pip builds among the sources."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    [names] = SOURCES.findall((ROOT / "deploy/install").read_text())
    for name in names.split():
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, copy)
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--target", folder, wheel)
    return folder


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def rendered(home: Path, folder: Path, *how: str) -> str:
    """What the gateway in `home` renders of the settings in `folder`."""
    command = [sys.executable, "-m", "gateway", "--config", folder / "gateway.toml", "nginx", "render", "--to", folder]
    done = subprocess.run([*command, *how], cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (folder / ("motion-gateway.conf" if how else "nginx.conf")).read_text()


@pytest.mark.parametrize("how", [(), ("--include",)], ids=["whole", "to be included"])
def test_nginx_is_told_the_same_from_a_checkout_and_from_a_wheel(
    installed: Path, settings_file: Callable[..., Path], how: tuple[str, ...]
) -> None:
    links = {"proxy_token": "proxy-token-of-the-tests", "token_keys": ["a key of the tests, long enough"]}
    server = {"outbound_clients": ["10.0.0.9"], "outbound_address": "10.0.0.5"}
    folder = settings_file(attachments=links, server=server).parent
    assert not (installed / "nginx").exists()
    assert rendered(installed, folder, *how) == rendered(ROOT, folder, *how)


def test_the_wheel_brings_every_module_rule_and_template_and_nothing_else(wheel: Path) -> None:
    kept = {".py", ".toml", ".sql", ".j2", ".html", ".css", ".svg"}
    files = [path for path in (ROOT / "gateway").rglob("*") if path.suffix in kept and "__pycache__" not in path.parts]
    expected = {str(path.relative_to(ROOT)) for path in files} | {"wsgi.py", "gateway/commit"}
    expected |= {f"gateway/nginx/{path.name}" for path in (ROOT / "nginx").glob("*.j2")}
    told = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert told == expected

"""The containers of deploy/compose.yaml fit together: files, names, secrets, and settings that are understood."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import config
from gateway.config import Settings

DEPLOY = Path(__file__).parent.parent / "deploy"
HOST = "gateway.example.test"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `prepare` has written for somebody."""
    folder = tmp_path_factory.mktemp("deploy") / "compose"
    shutil.copytree(DEPLOY / "compose", folder, ignore=shutil.ignore_patterns("made"))
    prepare(folder)
    return folder / "made"


def prepare(folder: Path) -> str:
    return subprocess.run([folder / "prepare", HOST], check=True, capture_output=True, text=True).stdout


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    return found


def environment(made: Path) -> dict[str, str]:
    lines = (made / "secrets.env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def understood(made: Path) -> Settings:
    """The settings as a node reads them, whose folder for them is this one."""
    file = made.parent / "gateway.toml"
    file.write_text((made / "gateway.toml").read_text("utf-8").replace("/etc/motion-gateway", str(made)), "utf-8")
    ours = {name: value for name, value in environment(made).items() if name.startswith("MOTION_GATEWAY_")}
    return config.load(file, ours)


def test_the_settings_that_are_prepared_are_understood(made: Path) -> None:
    settings = understood(made)
    assert (settings.server.public_host, settings.server.proxy_protocol) == (HOST, True)
    assert settings.spool.password is not None
    assert settings.attachments.store == "s3://motion-files/gateway"


def test_the_settings_name_the_other_containers_as_they_are_called(made: Path) -> None:
    settings, known = understood(made), services()
    front = known["front"]["networks"]["inside"]["ipv4_address"]
    assert [str(network) for network in settings.server.trusted_proxies] == [f"{front}/32"]
    places = (settings.spool.url, settings.limits.storage, str(settings.attachments.store_url))
    named = {host for url in places for host in re.sub(r"^\w+://(\w+@)?|[:/][\w/]*$", "", url).split(",")}
    assert named == {"db1", "db2", "counters", "store"}
    assert named <= known.keys()


def test_preparing_again_replaces_nothing(made: Path) -> None:
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    assert "is there already" in prepare(made.parent)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


def test_only_their_owner_reads_what_is_prepared(made: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in [made, *made.iterdir()]} == {0}


def test_what_a_container_is_given_is_there() -> None:
    whole = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for service in whole["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            file = source.startswith("./") and not source.endswith("/made")
            assert (DEPLOY / source).is_file() if file else source.endswith("/made") or source in whole["volumes"]
        assert {*service.get("depends_on", {})} <= whole["services"].keys()
        assert "image" in service


def test_every_variable_that_a_container_asks_for_is_prepared(made: Path) -> None:
    texts = [DEPLOY / "compose.yaml", DEPLOY / "compose" / "server.sh", DEPLOY / "compose" / "haproxy.cfg"]
    asked = {name for text in texts for name in re.findall(r"\$\{?([A-Z][A-Z_]+)\b", text.read_text("utf-8"))}
    assert asked - {"NAME", "PGDATA", "IMAGE"} <= environment(made).keys()


def test_the_front_leads_to_the_nodes(made: Path) -> None:
    text = (DEPLOY / "compose" / "haproxy.cfg").read_text("utf-8")
    server = understood(made).server
    nodes = {name for name in services() if name.startswith("gw")}
    assert {*re.findall(rf"server (\w+) \w+:{server.public_port} check port {server.ops_port}", text)} == nodes


@pytest.mark.parametrize("script", ["prepare", "server.sh"])
def test_the_scripts_are_bash(script: str) -> None:
    subprocess.run(["bash", "-n", DEPLOY / "compose" / script], check=True)

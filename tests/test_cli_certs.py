"""`certs check` and `certs private-ca`, as they are typed."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway import certs, config
from gateway.certs import findings
from gateway.cli import group
from gateway.clock import WallClock
from gateway.diagnosis import doctor, provision
from gateway.diagnosis.complaint import Context, Level
from gateway.errors import CommandError

Settings = Callable[..., Path]
LOCAL = ("gateway.test", "localhost")


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(group, ["--config", str(config), "certs", *arguments])


def test_check_tells_warnings_with_status_1(settings_file: Settings) -> None:
    config = settings_file()
    assert run(config, "self-signed").exit_code == 0
    found = run(config, "check")
    assert found.exit_code == 1
    assert "warning  trust        the certificate is signed by itself: no CA stands behind it\n" in found.stdout
    assert f"certs.self_signed: {findings.FINDINGS['certs.self_signed'].hint}\n" in found.stdout
    assert "fine     pair         the key belongs to the certificate\n" in found.stdout
    assert found.stdout.endswith("no errors, 1 warning.\n")


TRIALS = {"gateway.test": [Level.NOTE], "localhost": [Level.NOTE], "gateway.example.com": [Level.WARNING]}


@pytest.mark.parametrize(("host", "levels"), TRIALS.items())
def test_of_one_of_ones_own_all_three_commands_say_the_same(
    settings_file: Settings, host: str, levels: list[Level]
) -> None:
    path = settings_file(server={"public_url": f"https://{host}"})
    run(path, "self-signed")
    found = run(path, "check")
    assert f"{levels[0]:<9}trust  " in found.stdout
    assert (findings.IN_A_TRIAL in found.stdout, found.exit_code) == ((True, 0) if host in LOCAL else (False, 1))
    context = Context(config.read(path, {}), WallClock().now())
    assert [each.level for each in doctor.certificates(context)] == levels
    assert len([*provision.certificates(context.settings)]) == (host not in LOCAL)


def test_check_tells_errors_with_status_2(settings_file: Settings) -> None:
    found = run(settings_file(), "check")
    assert found.exit_code == 2
    assert "error    certificate  " in found.stdout
    assert "unknown  trust        not judged: the certificate cannot be read\n" in found.stdout
    assert found.stdout.endswith("2 errors, no warnings.\n")


def test_check_tells_programs_the_same(settings_file: Settings, tmp_path: Path) -> None:
    config = settings_file()
    run(config, "self-signed")
    found = run(config, "check", "--json")
    said = json.loads(found.stdout)
    assert found.exit_code == 1
    assert (said["host"], said["certificate"]) == ("gateway.example.com", str(tmp_path / "tls" / "fullchain.pem"))
    assert [row["check"] for row in said["checks"]] == [check.name for check in certs.CHECKS]
    [trust] = [row for row in said["checks"] if row["check"] == "trust"]
    assert trust == {
        "check": "trust",
        "level": "warning",
        "sentence": "the certificate is signed by itself: no CA stands behind it",
        "id": "certs.self_signed",
        "hint": findings.FINDINGS["certs.self_signed"].hint,
    }


SINCH = ("eu.conversation.api.sinch.com", "us.conversation.api.sinch.com", "auth.sinch.com")
BY_NAME = {"outbound_names": ["gateway.internal", "gw.internal"]}
BY_SINCHS = {"outbound_clients": ["10.0.0.9"], "sinch_names": True, "public_address": "192.0.2.1"}
# The settings, the names of the certificate, and the first one that it lacks.
PRIVATE = {
    "its names": (BY_NAME, ("gateway.internal", "gw.internal"), ""),
    "one of its names": (BY_NAME, ("gateway.internal",), "gw.internal"),
    "its address, where it has a name": (BY_NAME, ("10.0.0.5",), "gateway.internal"),
    "its address, where it has none": ({}, ("10.0.0.5",), ""),
    "another address": ({}, ("10.0.0.6",), "10.0.0.5"),
    "Sinch's names": (BY_SINCHS, SINCH, ""),
    "two of Sinch's names": (BY_SINCHS, SINCH[:2], "auth.sinch.com"),
    "its names, and Sinch's": (BY_SINCHS | BY_NAME, (*BY_NAME["outbound_names"], *SINCH), ""),
    "its names without Sinch's": (BY_SINCHS | BY_NAME, tuple(BY_NAME["outbound_names"]), SINCH[0]),
}


@pytest.mark.parametrize(("server", "names", "missing"), PRIVATE.values(), ids=PRIVATE)
def test_check_judges_the_private_doors_certificate_by_what_motion_calls_it(
    settings_file: Settings, tmp_path: Path, server: dict[str, object], names: tuple[str, ...], missing: str
) -> None:
    folder = tmp_path / "ca"
    assert CliRunner().invoke(group, ["certs", "private-ca", "--dir", str(folder), *names]).exit_code == 0
    leaf = folder / "leaves" / names[0]
    pair = {"outbound_certificate": str(leaf / "fullchain.pem"), "outbound_private_key": str(leaf / "privkey.pem")}
    config = settings_file(
        server={"outbound_address": "10.0.0.5", **pair, **server}, attachments={"token_keys": ["a key of some length"]}
    )
    found = run(config, "check", "--outbound", "--json")
    said = json.loads(found.stdout)
    assert (said["certificate"], said["private_key"]) == (str(leaf / "fullchain.pem"), str(leaf / "privkey.pem"))
    [name] = [row for row in said["checks"] if row["check"] == "name"]
    [trust] = [row for row in said["checks"] if row["check"] == "trust"]
    assert trust["level"] == "fine"
    if missing:
        assert (name["id"], name["sentence"].split(" ")[0]) == ("certs.private_name_not_covered", missing)
        assert found.exit_code == 2
    else:
        assert name["level"] == "fine"
        assert all(covered in name["sentence"] for covered in names)


def test_check_judges_the_public_certificate_for_the_private_door_that_shows_it(settings_file: Settings) -> None:
    config = settings_file(server={"outbound_names": ["gateway.internal"]})
    run(config, "self-signed")
    found = run(config, "check", "--outbound")
    assert found.exit_code == 2
    assert "gateway.internal is not among its names: gateway.example.com\n" in found.stdout


def test_private_ca_says_which_file_goes_where(tmp_path: Path) -> None:
    found = run(tmp_path / "no settings are needed", "private-ca", "--dir", str(tmp_path / "ca"), "a.example", "::1")
    assert found.exit_code == 0
    today = datetime.datetime.now(datetime.UTC)
    ends = {f"{today + datetime.timedelta(days=365 + day):%Y-%m-%d}" for day in (-1, 0)}  # at midnight
    assert any(f"Made a certificate for a.example, ::1, until {end}.\n" in found.stdout for end in ends)
    assert "Made a CA that can sign for these names and no others" in found.stdout
    for file, use in {"ca.pem": "NODE_EXTRA_CA_CERTS", "leaves/a.example/privkey.pem": "to the gateway"}.items():
        assert (tmp_path / "ca" / file).exists()
        _, _, after = found.stdout.partition(f"  {tmp_path}/ca/{file}\n")
        assert use in after.splitlines()[0]


def test_private_ca_renews_when_it_is_asked_to(tmp_path: Path) -> None:
    arguments = ("private-ca", "--dir", str(tmp_path / "ca"), "a.example")
    config = tmp_path / "none"
    assert run(config, *arguments).exit_code == 0
    with pytest.raises(CommandError, match="--renew exchanges it"):
        CliRunner().invoke(group, ["certs", *arguments], catch_exceptions=False)
    found = run(config, *arguments, "--renew")
    assert found.exit_code == 0
    assert "Made a CA" not in found.stdout


@pytest.mark.parametrize("arguments", [("a.example",), ("--dir", "x")], ids=["no folder", "no name"])
def test_private_ca_needs(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    found = run(tmp_path / "none", "private-ca", *arguments)
    assert (found.exit_code, "Missing" in found.stderr) == (2, True)


def test_what_clients_trust_is_what_this_system_trusts(settings_file: Settings, tmp_path: Path) -> None:
    config = settings_file()
    run(config, "self-signed")
    command = [sys.executable, "-m", "gateway", "--config", str(config), "certs", "check"]
    for roots, level in ((tmp_path / "tls" / "fullchain.pem", "fine"), (tmp_path / "tls" / "privkey.pem", "warning")):
        environment = os.environ | {"SSL_CERT_FILE": str(roots), "SSL_CERT_DIR": str(tmp_path)}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert f"{level:<9}trust " in done.stdout

"""`config check` and `config show`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import group
from gateway.cli.config import config as command
from gateway.config import Settings, tables
from gateway.errors import SettingsError
from tests.config_samples import ABSENT, account, settings

TOKEN = "receive-token&0123456789"


@dataclass(frozen=True)
class Context:
    """What the main group hands to its commands."""

    found: Settings

    def settings(self) -> Settings:
        return self.found


@dataclass(frozen=True)
class Broken:
    def settings(self) -> Settings:
        raise SettingsError("The settings have 1 problem")


def run(*arguments: str, **tables: Any) -> Result:
    return CliRunner().invoke(command, arguments, obj=Context(settings(**tables)))


def unsigned() -> dict[str, Any]:
    return account(webhook_secrets=ABSENT, unsigned="allow", receive_token=TOKEN, region="us", phone="+390211111111")


def test_check_says_that_the_settings_are_fine() -> None:
    result = run("check", "--settings")
    assert result.exit_code == 0
    assert result.stdout == ("The settings are fine: 1 account, public at https://gateway.example.com, no warnings.\n")


def test_check_tells_the_warnings() -> None:
    result = run("check", "--settings", motion={"url": "http://motion.internal"})
    assert result.exit_code == 0
    assert "1 warning.\n  warning: motion.url" in result.stdout


@pytest.mark.parametrize("words", [["check", "--settings"], ["show"]], ids=" ".join)
def test_wrong_settings_are_left_to_the_main_command(words: list[str]) -> None:
    assert isinstance(CliRunner().invoke(command, words, obj=Broken()).exception, SettingsError)


def test_check_tells_programs_that_the_settings_are_fine_and_the_warnings() -> None:
    result = run("check", "--settings", "--json", motion={"url": "http://motion.internal"})
    told = json.loads(result.stdout)
    assert (result.exit_code, told["fine"], told["problems"]) == (0, True, [])
    assert [warning.partition(" ")[0] for warning in told["warnings"]] == ["motion.url"]


WRONG = {
    "two keys": ('[server]\npublic_url = "ftp://x"\n', ["server.public_url", "account"]),
    "no TOML": ("[server", ["gateway.toml"]),
    "nothing": (None, ["gateway.toml"]),
}


@pytest.mark.parametrize(("written", "keys"), WRONG.values(), ids=WRONG)
def test_check_tells_programs_what_is_wrong(tmp_path: Path, written: str | None, keys: list[str]) -> None:
    file = tmp_path / ("a" * 90) / "gateway.toml"  # longer than what is shown of a name
    file.parent.mkdir()
    if written is not None:
        file.write_text(written)
    result = CliRunner().invoke(group, ["--config", str(file), "config", "check", "--json"])
    told = json.loads(result.stdout)
    assert (result.exit_code, told["fine"], told["warnings"]) == (2, False, [])
    found = told["problems"]
    assert set(keys) <= {Path(problem["key"]).name for problem in found}
    assert all(problem["complaint"] and problem["remedy"] for problem in found)


def test_show_tells_programs_the_settings_and_masks_what_is_secret() -> None:
    told = json.loads(run("show", "--json", account=[unsigned()]).stdout)
    assert told["settings"]["account"][0]["receive_token"] == "***"
    assert told["settings"]["server"]["public_url"] == "https://gateway.example.com"
    assert told["receive_urls"]["7"].endswith("?token=***")
    assert TOKEN not in str(told)


def test_show_tells_what_to_type_at_sinch_and_into_motion() -> None:
    shown = run("show").stdout
    for line in [
        'public_url = "https://gateway.example.com"',
        'webhook_secrets = ["***"]',
        "Support, connector id 7",
        "Target URL                    https://gateway.example.com/api/whatsapp/accounts/7/notify",
        "Secret token                  the first of webhook_secrets, at both ends",
        "Processing mode (of the app)  Conversation; no other lets Motion answer",
        "Proxy or Motion Domain        gateway.example.com",
        "Base URL                      EU Production",
        "SINCH Project ID              project-1",
        "SINCH App ID                  app-1",
    ]:
        assert line in shown.splitlines() or f"    {line}" in shown.splitlines()
    assert account()["webhook_secrets"][0] not in shown


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        pytest.param(["show"], "https://g.example:8443/api/whatsapp/accounts/7/notify?token=***", id="masked"),
        pytest.param(
            ["show", "--reveal"],
            "https://g.example:8443/api/whatsapp/accounts/7/notify?token=receive-token%260123456789",
            id="revealed",
        ),
    ],
)
def test_the_token_of_a_receive_url_is_shown_on_demand_alone(arguments: list[str], url: str) -> None:
    shown = run(*arguments, server={"public_url": "https://g.example:8443"}, account=[unsigned()]).stdout
    assert url in shown.split()
    assert TOKEN not in shown


def test_an_unsigned_account_is_told_to_leave_the_secret_empty() -> None:
    lines = run("show", account=[unsigned()]).stdout.splitlines()
    assert "    Secret token                  leave empty" in lines
    assert "    Base URL                      US Production" in lines
    assert "    Phone                         as registered at Sinch, with its prefix …111" in lines


PRIVATE = {"outbound_clients": ["10.0.0.9"], "outbound_address": "10.0.0.5", "outbound_names": ["gateway.internal"]}
PAIR = {"outbound_certificate": "/tls/private.pem", "outbound_private_key": "/tls/private-key.pem"}
SINCH_TOO = {**PRIVATE, **PAIR, "sinch_names": True, "public_address": "192.0.2.1"}
LINKS = {"token_keys": ["a key of some length"]}


def ways(region: str = "eu", **server: Any) -> list[str]:
    """What is told of Motion's calls to Sinch."""
    shown = run("show", server=server, attachments=LINKS, account=[account(region=region)]).stdout
    return [line.strip() for line in shown.partition("  On Motion's host")[2].splitlines()[1:] if line]


@pytest.mark.parametrize(
    ("region", "server", "told"),
    [
        pytest.param("eu", {}, [], id="no door"),
        pytest.param(
            "eu",
            PRIVATE,
            [
                "Base URL                      https://gateway.internal:8444/eu",
                "Access tokens                 https://gateway.internal:8444/oauth2/token",
            ],
            id="an address of ours",
        ),
        pytest.param(
            "us",
            PRIVATE | {"outbound_names": [], "outbound_port": 443, "public_address": "192.0.2.1"},
            [
                "Base URL                      https://10.0.0.5/us",
                "Access tokens                 https://10.0.0.5/oauth2/token",
            ],
            id="no name, and the port of https",
        ),
        pytest.param(
            "us",
            SINCH_TOO | {"outbound_address": "fd00::5"},
            [
                "Base URL                      https://gateway.internal:8444/us",
                "Access tokens                 https://gateway.internal:8444/oauth2/token",
                "Or there, where it knows Sinch's names alone:",
                "Base URL                      US Production, as above",
                "In /etc/hosts                 fd00::5 us.conversation.api.sinch.com auth.sinch.com",
            ],
            id="Sinch's names",
        ),
    ],
)
def test_show_tells_how_motions_calls_come_to_the_gateway(region: str, server: dict[str, Any], told: list[str]) -> None:
    assert ways(region, **server) == told


def test_show_tells_which_secret_motion_shows_the_gateway() -> None:
    vault = {"vault_credentials": True, "gateway_key": "a gateway key of ours"}
    ours = account(key_id="k-1", key_secret="a key of Sinch")
    shown = run("show", server=PRIVATE, attachments=LINKS, outbound=vault, account=[ours]).stdout
    assert "SINCH Key ID, Key Secret      k-1, and as the secret that of outbound.gateway_key" in shown
    assert "a gateway key" not in shown


ACCOUNT_MANAGER = (Path(__file__).parent.parent / "docs" / "account-manager.md").read_text("utf-8")
OF_THE_README = {**tables.examples(tables.Account), "phone": "+4930123456"}


def test_the_letters_to_the_account_manager_are_those_of_the_page_filled_in() -> None:
    told = json.loads(run("show", "--letters", "--reveal", "--json", account=[account(**OF_THE_README)]).stdout)
    assert [letter["letter"] for letter in told] == ["join", "migrate"]
    for letter in told:
        assert f"\n```\nSubject: {letter['subject']}\n\n{letter['text'].rstrip()}\n```\n" in ACCOUNT_MANAGER
        assert letter["when"]
        assert letter["account"] == "Support"


@pytest.mark.parametrize(("phone", "shown"), [("+4930123456", "…456 (--reveal"), (ABSENT, "(account.phone is not set")])
def test_a_letter_names_no_number_that_was_not_asked_for_and_says_what_is_to_be_written(phone: str, shown: str) -> None:
    told = run("show", "--letters", account=[account(**OF_THE_README | {"phone": phone})]).stdout
    assert told.count("Subject: ") == told.count(shown) == 2
    assert "+4930123456" not in told
    assert "public_url" not in told

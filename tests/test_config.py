"""The settings as a whole: the file, its tables, and a message that holds every problem."""

from __future__ import annotations

import ipaddress
import os
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway import config
from gateway.config import addresses, fields
from gateway.errors import SettingsError
from tests.config_samples import ABSENT, account, document, problems, refusal, settings
from tests.together import together

MINIMAL = """
[server]
public_url = "https://gateway.example.com"
[motion]
url = "https://motion.internal"
[[account]]
connector_id = 7
name = "Support"
region = "eu"
project_id = "project-1"
app_id = "app-1"
webhook_secrets = ["a webhook secret of some length"]
"""


def refused(path: Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        config.load(path, {})
    return caught.value


def test_the_smallest_file_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(MINIMAL)
    found = config.load(path, {})
    assert found.server.public_url == "https://gateway.example.com"
    assert [account.connector_id for account in found.accounts] == [7]
    assert found.warnings == ()


def test_a_byte_order_mark_is_no_part_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert config.load(path, {}).accounts[0].name == "Support"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"[server]\npublic_url = hunter2hunter2\n", "is not TOML at line 2, column 14 ", id="no value"),
        pytest.param(b"[server]\n[server]\n", "is not TOML at line 2, column 8 ", id="a table twice"),
        pytest.param(b'[server]\npublic_url = "hunter2hunter2', "the end", id="cut off in a text"),
        pytest.param(b"x = " + b"9" * 5000, "is not TOML", id="a number of 5000 digits"),
        pytest.param(b"x = " + b"[" * 5000, "is not TOML", id="5000 brackets"),
        pytest.param(b'x = "hunter2hunter2\xff"', "is not UTF-8 at byte 19", id="not UTF-8"),
    ],
)
def test_what_is_no_toml_is_refused_without_a_word_of_its_content(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(content)
    error = refused(path)
    assert said in str(error)
    assert str(path) in str(error)
    assert "hunter2" not in "".join(traceback.format_exception(error))


def test_a_missing_file_is_named_with_the_ways_to_name_another(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    said = str(refused(path))
    assert f"  {path}\n      does not exist → " in said
    assert "--config" in said


@pytest.mark.parametrize("name", [".", "\0"], ids=["a directory", "a name no file can have"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "cannot be read" in str(refused(tmp_path / name))


def test_every_default_is_the_one_of_the_contract() -> None:
    found = config.masked(settings())
    assert found == {
        "server": {
            "public_url": "https://gateway.example.com",
            "public_address": "[::]",
            "public_port": 443,
            "http_port": 80,
            "outbound_address": "127.0.0.1",
            "outbound_port": 8444,
            "outbound_clients": [],
            "outbound_names": [],
            "outbound_certificate": "",
            "outbound_private_key": "",
            "sinch_names": False,
            "ops_address": "127.0.0.1",
            "ops_port": 9443,
            "trusted_proxies": [],
            "proxy_protocol": False,
            "state_dir": "/var/lib/motion-gateway",
            "certificate": "/etc/motion-gateway/tls/fullchain.pem",
            "private_key": "/etc/motion-gateway/tls/privkey.pem",
            "acme_webroot": "/var/www/acme",
            "min_free": "2GB",
            "node": fields.host_named(os.uname().nodename),
            "drain": "0s",
            "health_path": "",
        },
        "workers": {"ingress": 1, "attachments": 1, "outbound": 1},
        "ingress": {"signature_max_age": "25h", "max_body": "1MiB"},
        "spool": {
            "url": "sqlite",
            "password": "",
            "deliveries": 16,
            "deadline": "30s",
            "retry_for": "3d",
            "lifeboat": False,
            "keep_delivered": "7d",
            "keep_rejected": "7d",
            "keep_parked": "forever",
        },
        "limits": {
            "storage": "memory://",
            "webhooks_per_account": "200/second",
            "failed_signatures_per_address": "30/minute",
            "fetches_per_attachment": "120/minute",
            "downloads_per_address": "300/minute",
            "unknown_tokens_per_address": "30/minute",
            "sends_per_app": "off",
            "calls_per_project": "800/second",
            "failed_sign_ins_per_address": "20/minute",
            "failed_sign_ins_per_name": "10/minute",
        },
        "motion": {
            "url": "https://motion.internal",
            "ca_file": "",
            "username": "",
            "password": "",
            "api_key": "",
            "timeout": "20s",
            "attachment_path": "/api/attachments/{id}/download",
            "max_attachment": "25MB",
            "proxy": "",
            "proxy_username": "",
            "proxy_password": "",
            "sign": "as-sent",
        },
        "attachments": {
            "proxy_token": "",
            "public_path": "/api/attachments/{id}/download",
            "token_parameter": "token",
            "link_ttl": "7d",
            "token_keys": [],
            "token_ttl": "7d",
            "max_bytes": "100MB",
            "vault_max_bytes": "20GB",
            "profile": "xcally-observed",
            "store": "",
            "store_url": "",
            "store_region": "us-east-1",
            "store_key_id": "",
            "store_key_secret": "",
            "store_ca_file": "",
            "store_path_style": True,
            "store_timeout": "8s",
        },
        "inbound": {
            "media": "pass",
            "hosts": ["*.sinch.com"],
            "wait": "30s",
            "timeout": "2m",
            "retry_for": "1d",
            "keep": "7d",
            "max_bytes": "100MB",
            "scan": "",
            "scan_away": "hold",
        },
        "outbound": {
            "vault_credentials": False,
            "gateway_key": "",
            "foreign_media": "pass",
            "window": "tell",
            "allow_templates": False,
            "allow_management": False,
        },
        "ops": {"username": "", "password": "", "names": [], "session_idle": "1h", "session_ttl": "12h"},
        "sinch": {
            "eu": "https://eu.conversation.api.sinch.com",
            "us": "https://us.conversation.api.sinch.com",
            "auth": "https://auth.sinch.com",
            "ca_file": "",
            "proxy": "",
            "proxy_username": "",
            "proxy_password": "",
        },
        "notify": {"command": "", "url": "", "ping_url": ""},
        "acme": {
            "directory": "off",
            "terms_agreed": False,
            "email": "",
            "names": [],
            "eab_key_id": "",
            "eab_key": "",
            "ca_file": "",
            "proxy": "",
            "proxy_username": "",
            "proxy_password": "",
        },
        "account": [
            {
                "connector_id": 7,
                "name": "Support",
                "region": "eu",
                "project_id": "project-1",
                "app_id": "app-1",
                "key_id": "",
                "key_secret": "",
                "webhook_secrets": ["***"],
                "unsigned": "refuse",
                "receive_token": "",
                "phone": "",
                "channels": ["WHATSAPP"],
                "inbound_media": "",
            }
        ],
        "user": [],
    }


def test_values_have_the_types_the_code_counts_on() -> None:
    found = settings(
        server={"outbound_clients": ["10.0.0.5", "fd00::/8"]},
        attachments={"token_keys": ["a key of some length"]},
        limits={"sends_per_app": "5/hour"},
    )
    assert found.ingress.signature_max_age == 25 * 3600
    assert found.ingress.max_body == 1048576
    assert found.spool.keep_parked is None
    assert found.server.state_dir == Path("/var/lib/motion-gateway")
    assert found.server.outbound_clients == (ipaddress.ip_network("10.0.0.5/32"), ipaddress.ip_network("fd00::/8"))
    assert found.limits.sends_per_app == "5/hour"
    assert found.accounts[0].webhook_secrets[0].get_secret_value() == "a webhook secret of some length"


@pytest.mark.parametrize(
    ("url", "host", "origin"),
    [
        pytest.param(
            "https://Gateway.Example.COM", "gateway.example.com", "https://gateway.example.com", id="capitals"
        ),
        pytest.param("https://g.example:443/", "g.example", "https://g.example", id="the port of https, and a slash"),
        pytest.param("https://g.example:8443", "g.example", "https://g.example:8443", id="another port"),
        pytest.param("https://[2001:DB8::1]", "[2001:db8::1]", "https://[2001:db8::1]", id="IPv6"),
    ],
)
def test_the_public_url_has_one_canonical_spelling(url: str, host: str, origin: str) -> None:
    server = settings(server={"public_url": url}).server
    assert (server.public_host, server.public_origin) == (host, origin)


def test_the_receive_path_holds_the_connector_id() -> None:
    assert addresses.receive_path(settings().accounts[0].connector_id) == "/api/whatsapp/accounts/7/notify"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings().server.public_port = 1  # type: ignore[misc]


def test_what_is_understood_reads_back_as_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "shown.toml"
    path.write_text(config.rendered(settings()).replace("***", "a webhook secret of some length"))
    assert config.load(path, {}) == settings().model_copy(update={"file": str(path)})


@pytest.mark.parametrize(
    ("table", "key"), [("server", "public_url"), ("motion", "url")], ids=["public_url", "motion url"]
)
def test_a_missing_key_is_named_with_what_to_write(table: str, key: str) -> None:
    assert f'is missing → write {key} = "https://' in problems(refusal(**{table: {key: ABSENT}}))[f"{table}.{key}"]
    assert list(problems(refusal(**{table: ABSENT}))) == [f"{table}.{key}"]


@pytest.mark.parametrize("key", ["connector_id", "name", "region", "project_id", "app_id"])
def test_a_missing_key_of_an_account_is_named(key: str) -> None:
    assert list(problems(refusal(account=[account(**{key: ABSENT})]))) == [f"account[0].{key}"]


@pytest.mark.parametrize("missing", [ABSENT, []], ids=["no account", "an empty list"])
def test_without_an_account_nothing_starts(missing: object) -> None:
    assert "write [[account]]" in problems(refusal(account=missing))["account"]


@pytest.mark.parametrize(
    ("table", "value", "said"),
    [
        pytest.param("server", 3, "must be a table → write [server]", id="a number for a table"),
        pytest.param("account", {"connector_id": 7}, "write [[account]] with two brackets", id="one pair of brackets"),
        pytest.param("account", "x", "write [[account]] with two brackets", id="a text for accounts"),
    ],
)
def test_what_is_no_table_is_told_how_to_be_one(table: str, value: object, said: str) -> None:
    assert said in problems(refusal(**{table: value}))[table]


def test_an_account_that_is_no_table_is_named_by_its_place() -> None:
    assert "must be a table" in problems(refusal(account=[account(), 3]))["account[1]"]


@pytest.mark.parametrize(
    ("tables", "key", "remedy"),
    [
        pytest.param({"server": {"public_prot": 1}}, "server.public_prot", "did you mean public_port?", id="a slip"),
        pytest.param({"server": {"max_body": "1MB"}}, "server.max_body", "write it under [ingress]", id="elsewhere"),
        pytest.param({"server": {"zzzzzz": 1}}, "server.zzzzzz", "remove it", id="nothing like it"),
        pytest.param(
            {"motion": {"password_fil": "/x"}}, "motion.password_fil", "did you mean password_file?", id="file"
        ),
        pytest.param({"servre": {}}, "servre", "did you mean [server]?", id="a table"),
        pytest.param({"accounts": []}, "accounts", "did you mean [[account]]?", id="the accounts"),
        pytest.param({"public_port": 1}, "public_port", "write it under [server]", id="a key without its table"),
        pytest.param({"server": {"x" * 500: 1}}, "server." + "x" * 80 + "…", "remove it", id="a very long name"),
    ],
)
def test_an_unknown_name_is_refused_with_a_guess(tables: dict[str, object], key: str, remedy: str) -> None:
    said = problems(refusal(**tables))[key]
    assert remedy in said


def test_an_unknown_name_cannot_play_with_the_terminal() -> None:
    assert "\x1b" not in refusal(**{"server\x1b[2J": {}, "server": {"x\x1b[2J": 1}})


def test_every_problem_of_every_kind_stands_in_one_message(tmp_path: Path) -> None:
    said = refusal(
        {"MOTION_GATEWAY_SERVER__HTTP_PORT": "eighty", "MOTION_GATEWAY_SERVER__PORT": "1"},
        server={"public_url": ABSENT, "public_port": 99999, "unheard_of": 1},
        spool={"keep_delivered": "1h"},
        motion={"password_file": str(tmp_path / "none")},
        account=[account(region="ap"), account(app_id="app-2", webhook_secrets=[" x"])],
    )
    assert said.startswith("The settings have 10 problems:\n\n  server.public_url\n")
    assert set(problems(said)) == {
        "server.public_url",
        "server.public_port",
        "server.unheard_of",
        "MOTION_GATEWAY_SERVER__HTTP_PORT",
        "MOTION_GATEWAY_SERVER__PORT",
        "spool.keep_delivered",
        "motion.password_file",
        "account[0].region",
        "account[1].connector_id",
        "account[1].webhook_secrets[0]",
    }


def test_a_problem_shows_key_value_complaint_and_remedy() -> None:
    assert refusal(server={"public_port": 99999}) == (
        "The settings have 1 problem:\n"
        "\n"
        "  server.public_port = 99999\n"
        "      must be between 1 and 65535 → write a port such as 443"
    )


def test_the_names_of_all_keys_are_on_offer() -> None:
    assert "public_port" in config.keys(config.TABLES["server"])
    assert {"webhook_secrets", "webhook_secrets_file"} <= set(config.keys(config.TABLES["account"]))
    assert "name_file" not in config.keys(config.TABLES["account"])


@together("name", [f"{table}.{key}" for table, model in config.TABLES.items() for key in config.keys(model)])
def test_every_setting_stands_in_the_docs(name: str) -> None:
    page = Path(__file__).parent.parent / "docs" / "settings.md"
    assert f"`{name}`" in page.read_text(encoding="utf-8")


def test_the_sample_itself_is_not_changed_by_reading_it() -> None:
    sample = document()
    config.understand(sample, {"MOTION_GATEWAY_SERVER__PUBLIC_PORT": "8443"})
    assert sample == document()

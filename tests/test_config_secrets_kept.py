"""Each process keeps its own secrets and no others, and a door that was given another's lets nobody in."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from gateway import app, config
from gateway.cli import Later, group
from gateway.config import secrets
from gateway.config.secrets import NEEDS, Withheld
from gateway.errors import GatewayError
from gateway.services import Services
from gateway.store import schema
from gateway.store.engines import Database
from tests import door_samples, service_samples
from tests.config_samples import account, settings
from tests.spool_samples import rows
from tests.together import together

# Who may have it.
HOLDERS: dict[str, set[str]] = {
    "account.webhook_secrets": {"ingress"},  # and those of `BESIDE`
    "account.receive_token": {"ingress"},
    "account.key_secret": {"outbound"},
    "outbound.gateway_key": {"outbound"},
    "attachments.proxy_token": {"attachments", "outbound"},
    "attachments.token_keys": {"attachments", "outbound"},
    "motion.password": {"attachments", "outbound"},
    "motion.api_key": {"attachments", "outbound"},
    "attachments.store_key_secret": {"attachments", "outbound", "fetcher"},
    "motion.proxy_password": {"attachments", "outbound", "courier"},
    "sinch.proxy_password": {"outbound", "fetcher"},
    "spool.password": {*NEEDS},
    "ops.password": {"ops"},
    "limits.storage": {"ingress", "attachments", "outbound"},
    "user.password_hash": {"ops"},
    "notify.url": set(),  # of no process that stays: doctor comes and goes
    "notify.ping_url": set(),
    "acme.eab_key": set(),  # nor is `certs acme`
    "acme.proxy_password": set(),
}
BESIDE: dict[str, tuple[set[str], dict[str, Any]]] = {  # with these settings the courier has them, too
    "signed late": ({"account.webhook_secrets"}, {"motion": {"sign": "late"}}),
    "always signed": ({"account.webhook_secrets"}, {"motion": {"sign": "always"}}),
    "files through the gateway": (
        {"account.webhook_secrets", "attachments.token_keys"},
        {"server": {"outbound_clients": ["10.0.0.9"]}, "inbound": {"media": "through"}},
    ),
}
STORAGE = "redis://:planted-limits-storage-xxxxxxxxxxxxxxxx@127.0.0.1"


def planted(name: str) -> str:
    return f"planted-{name.replace('.', '-')}-{'x' * 16}"  # which base64url may hold, too


def proxy(table: str) -> dict[str, str]:
    url, password = "http://proxy.example.com:3128", planted(f"{table}.proxy_password")
    return {"proxy": url, "proxy_username": "gateway", "proxy_password": password}


def everything(*, by_key: bool) -> config.Settings:
    """Settings in which every secret is set; at Motion either a key or a password can be."""
    key = {"api_key": planted("motion.api_key")}
    return settings(
        motion=(key if by_key else {"username": "gateway", "password": planted("motion.password")}) | proxy("motion"),
        sinch=proxy("sinch"),
        attachments={
            "proxy_token": planted("attachments.proxy_token"),
            "token_keys": [planted("attachments.token_keys"), planted("attachments.token_keys") + "2"],
            "store": "s3://files",
            "store_key_id": "AKIA",
            "store_key_secret": planted("attachments.store_key_secret"),
        },
        outbound={"gateway_key": planted("outbound.gateway_key")},
        ops={"username": "operator", "password": planted("ops.password")},
        limits={"storage": STORAGE},
        spool={"url": "postgresql://gateway@db.internal/gateway", "password": planted("spool.password")},
        notify={key: f"https://hooks.example.com/{planted(f'notify.{key}')}" for key in ("url", "ping_url")},
        acme={"eab_key_id": "kid-1", "eab_key": planted("acme.eab_key")} | proxy("acme"),
        user=[{"name": "anna", "password_hash": f"scrypt:32768:8:1${planted('user.password_hash')}${'0' * 128}"}],
        account=[
            account(key_id="key-1", **secrets_of(1)),
            account(connector_id=8, app_id="app-2", key_id="key-2", **secrets_of(2)),
        ],
    )


def secrets_of(number: int) -> dict[str, Any]:
    one = {key: f"{planted(f'account.{key}')}{number}" for key in ("key_secret", "receive_token")}
    return one | {"webhook_secrets": [f"{planted('account.webhook_secrets')}{number}"]}


def found(value: object) -> Iterator[str]:
    """Every text in the settings, those behind stars too; nothing for what was withheld."""
    if isinstance(value, SecretStr):
        yield from () if isinstance(value, Withheld) else (value.get_secret_value(),)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from found(getattr(value, name))
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from found(inner)
    elif isinstance(value, dict):
        yield from found([*value, *value.values()])
    else:
        yield str(value)


def secrets_in(kept: config.Settings) -> set[str]:
    """The names of the settings whose planted value is anywhere in there."""
    texts = "\n".join(found(kept))
    return {name for name in secrets.secret_settings() if planted(name) in texts}


def test_every_secret_of_the_settings_is_planted_and_found() -> None:
    both = secrets_in(everything(by_key=True)) | secrets_in(everything(by_key=False))
    assert both == secrets.secret_settings()


def test_every_door_and_every_other_process_has_its_row_of_settings_that_exist() -> None:
    assert {*app.DOORS, "courier", "fetcher", "nginx", "serve", "migrate"} <= NEEDS.keys()
    assert HOLDERS.keys() == secrets.secret_settings()
    assert {name for name, holders in HOLDERS.items() if holders} == frozenset().union(*NEEDS.values())


@together("by_key", [True, False], ids=["motion by key", "motion by password"])
@together("process", NEEDS)
def test_a_process_keeps_the_secrets_that_it_needs_and_no_others(process: str, *, by_key: bool) -> None:
    whole = everything(by_key=by_key)
    kept = secrets.keep(whole, process)
    assert secrets_in(kept) == {name for name in secrets_in(whole) if process in HOLDERS[name]}
    assert "planted" not in repr(kept)


@pytest.mark.parametrize(("names", "changes"), BESIDE.values(), ids=BESIDE)
def test_the_courier_keeps_what_it_signs_with_and_makes_links_of_where_it_does(
    names: set[str], changes: dict[str, Any]
) -> None:
    ours: dict[str, Any] = {"account": [account(key_id="key-1", **secrets_of(1))]}
    ours["attachments"] = {"token_keys": [planted("attachments.token_keys")]}
    assert secrets_in(secrets.keep(settings(**changes, **ours), "courier")) == names
    assert not secrets_in(secrets.keep(settings(**ours), "courier"))


@pytest.mark.parametrize("process", NEEDS)
def test_all_that_is_no_secret_stays(process: str) -> None:
    whole = everything(by_key=True)
    kept = secrets.keep(whole, process)
    listed, shown = config.masked(whole), config.masked(kept)
    assert listed.pop("limits") | {"storage": ""} == shown.pop("limits") | {"storage": ""}
    for name in ("attachments", "account"):
        for table in [listed[name], shown[name]]:
            for one in table if isinstance(table, list) else [table]:
                assert one.pop("token_keys" if name == "attachments" else "webhook_secrets")
    assert shown == listed
    assert kept.warnings == whole.warnings


@pytest.mark.parametrize("process", NEEDS)
def test_what_is_not_set_is_not_set_for_anybody(process: str) -> None:
    kept = secrets.keep(
        settings(account=[account(unsigned="allow", receive_token="x" * 16, webhook_secrets=[])]), process
    )
    assert (kept.ops.password, kept.motion.api_key, kept.attachments.token_keys) == (None, None, ())
    assert kept.accounts[0].webhook_secrets == ()


def test_what_was_withheld_is_there_and_says_so_to_whoever_opens_it() -> None:
    password = secrets.keep(everything(by_key=True), "ingress").ops.password
    assert password
    for use in (password.get_secret_value, lambda: len(password)):
        with pytest.raises(GatewayError, match=r"^ingress does not keep ops\.password$"):
            use()


def test_a_process_that_nobody_knows_gets_no_settings() -> None:
    with pytest.raises(KeyError):
        secrets.keep(settings(), "somebody")


def services(spool: Database, process: str) -> Services:
    made = service_samples.services(spool, ops={"username": "operator", "password": "a password"})
    return dataclasses.replace(made, settings=secrets.keep(made.settings, process))


@pytest.mark.parametrize(("process", "status"), [("ops", 401), ("ingress", 503)])
def test_the_ops_door_with_the_settings_of_another_lets_nobody_in(spool: Database, process: str, status: int) -> None:
    client = app.create_app(services(spool, process), door="ops").test_client()
    assert client.get("/healthz").status_code == 401
    assert client.get("/healthz", auth=("operator", "another password")).status_code == status
    assert client.get("/healthz", auth=("operator", "a password")).status_code == (200 if process == "ops" else 503)


@pytest.mark.parametrize(("process", "status"), [("ingress", 200), ("ops", 503)])
def test_the_ingress_door_with_the_settings_of_another_takes_nothing(
    spool: Database, process: str, status: int
) -> None:
    client = app.create_app(services(spool, process), door="ingress").test_client()
    body = b'{"app_id": "app-1"}'
    headers = door_samples.signed(body)
    assert client.post("/api/whatsapp/accounts/7/notify", data=body, headers=headers).status_code == status
    assert len(rows(spool, schema.event)) == (status == 200)


@pytest.mark.parametrize("words", [("serve",), ("web",), ("courier",), ("fetcher",), ("migrate",), ("nginx", "run")])
def test_who_stays_running_was_started_with_what_it_keeps(words: tuple[str, ...]) -> None:
    assert "invocation.settings_of" in source(words)
    assert re.findall(r"invocation\.settings\b", source(words)) == []


def source(words: tuple[str, ...]) -> str:
    """The source of a command."""
    command: Any = group
    for word in words:
        below = command.commands[word]
        command = below.loaded() if isinstance(below, Later) else below
    return inspect.getsource(command.callback)

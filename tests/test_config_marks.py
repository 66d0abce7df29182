"""Marks of what must be equal on all nodes: they tell it apart, and give nothing away."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config import marks, secrets, tables
from gateway.config.marks import Key
from tests.config_samples import account, settings

LONG = "a key of some length"
FULL: dict[str, Any] = {
    "server": {"outbound_clients": ["192.0.2.1"]},
    "attachments": {"token_keys": [LONG, LONG + "2"], "proxy_token": LONG + "3"},
    "outbound": {"gateway_key": LONG + "4"},
    "account": [
        account(),
        account(connector_id=8, app_id="app-8", webhook_secrets=["short"], receive_token=LONG + "5"),
    ],
}


def made(door: str, **changes: Any) -> dict[Key, str]:
    return marks.made(secrets.keep(settings(**FULL | changes), door), door)


def test_each_door_marks_what_it_works_with_and_nothing_that_it_does_not_keep() -> None:
    assert {door: [str(key) for key in made(door)] for door in ("ingress", "attachments", "outbound", "ops")} == {
        "ingress": [
            "server.public_url",
            "account.app_id of 7",
            "account.app_id of 8",
            "account.webhook_secrets of 7",
            "account.webhook_secrets of 8",
            "account.receive_token of 8",
            "inbound.media",
            "motion.sign",
        ],
        "attachments": [
            "attachments.proxy_token",
            "attachments.token_keys",
            "attachments.public_path",
            "attachments.profile",
        ],
        "outbound": ["attachments.proxy_token", "attachments.token_keys", "outbound.gateway_key"],
        "ops": [],
    }


CHANGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a webhook secret": ("ingress", {"account": [account(webhook_secrets=["other"]), FULL["account"][1]]},
                         "account.webhook_secrets of 7"),
    "token keys": ("outbound", {"attachments": FULL["attachments"] | {"token_keys": [LONG]}}, "attachments.token_keys"),
    "a way to sign": ("ingress", {"motion": {"sign": "late"}}, "motion.sign"),
    "a profile": ("attachments", {"attachments": FULL["attachments"] | {"profile": "strict"}}, "attachments.profile"),
}  # fmt: skip


@pytest.mark.parametrize(("door", "change", "setting"), CHANGES.values(), ids=CHANGES)
def test_what_is_another_has_another_mark_and_all_else_keeps_its_own(
    door: str, change: dict[str, Any], setting: str
) -> None:
    before, after = made(door), made(door, **change)
    assert [str(key) for key in before if before[key] != after[key]] == [setting]


def test_the_order_of_several_does_not_matter() -> None:
    turned = {"attachments": FULL["attachments"] | {"token_keys": [LONG + "2", LONG]}}
    assert made("outbound") == made("outbound", **turned)


def test_a_mark_of_a_secret_has_sixteen_bits_however_short_or_long_that_is() -> None:
    every = {**made("ingress"), **made("outbound")}
    kept = [key for key in every if f"{key.setting}" in secrets.secret_settings()]
    assert len(kept) == 6
    assert {len(every[key]) for key in kept} == {4}


def test_one_secret_in_two_places_has_two_marks() -> None:
    twice = {"attachments": FULL["attachments"] | {"proxy_token": LONG, "token_keys": [LONG]}}
    found = made("outbound", **twice)
    assert found[Key("attachments.proxy_token")] != found[Key("attachments.token_keys")]


def test_every_row_is_a_setting_and_says_what_happens() -> None:
    known = {f"{name}.{key}" for name, table in tables.TABLES.items() for key in table.model_fields} | {marks.KEY}
    assert {row.setting for row in marks.ALIKE} <= known
    assert all(row.door or row.setting in secrets.secret_settings() | {marks.KEY} for row in marks.ALIKE)

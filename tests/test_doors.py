"""The table of the doors: what its rows name is there, and reading it loads nothing of that."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import doors
from gateway.config import secrets, tables
from gateway.doors import DOORS
from gateway.services import Services
from tests.config_samples import settings
from tests.examples import some


def test_reading_the_table_loads_no_other_module_of_ours_and_none_of_others() -> None:
    code = "import sys; before = set(sys.modules); import gateway.doors; print(*sorted(set(sys.modules) - before))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"gateway", "gateway.doors"} <= set(told)
    assert {name for name in told if name.partition(".")[0] not in sys.stdlib_module_names} == {
        "gateway",
        "gateway.doors",
    }


@pytest.mark.parametrize("name", DOORS)
def test_what_a_row_names_is_there(name: str) -> None:
    door = DOORS[name]
    assert (door.name, list(inspect.signature(doors.load(door.blueprint)).parameters)) == (name, ["services"])
    assert not door.direct or list(inspect.signature(doors.load(door.direct)).parameters) == ["services"]
    assert not door.page or list(inspect.signature(doors.load(door.page)).parameters) == ["services"]
    assert list(inspect.signature(doors.load(door.refuse)).parameters) == ["error"]
    assert inspect.isclass(doors.load(door.worker))
    assert door.needs <= set(Services.__dataclass_fields__) - {"settings", "spool", "clock"}
    assert door.secrets <= secrets.secret_settings()


LINKS = {"token_keys": ["a key of some length"]}


@pytest.mark.parametrize(
    ("attachments", "clients", "wanted"),
    [
        ({}, [], ["ops", "ingress"]),
        (LINKS, [], ["ops", "ingress", "attachments"]),
        (LINKS, ["127.0.0.1"], ["ops", "ingress", "attachments", "outbound"]),
    ],
    ids=["neither links nor calls", "links", "links and calls"],
)
def test_a_door_is_wanted_where_its_setting_says_so_in_the_order_of_their_start(
    attachments: dict[str, object], clients: list[str], wanted: list[str]
) -> None:
    understood = settings(attachments=attachments, server={"outbound_clients": clients})
    assert [name for name, door in DOORS.items() if door.is_wanted(understood)] == wanted


def test_the_body_of_a_request_is_bounded_by_the_setting_and_that_of_a_call_by_its_row() -> None:
    understood = settings(ingress={"max_body": "3KiB"})
    assert {name: door.most_body_bytes(understood) for name, door in DOORS.items()} == {
        "ops": doors.MOST_FORM_BYTES,
        "ingress": 3072,
        "attachments": 3072,
        "outbound": doors.MOST_CALL_BYTES,
    }


def test_every_number_of_workers_that_can_be_set_is_that_of_a_door() -> None:
    assert set(tables.keys(tables.TABLES["workers"])) <= set(DOORS)


DOOR = """
import sys, wsgi
from pathlib import Path
from gateway import config, doors
from gateway.config import secrets
from gateway.serving import web
name = sys.argv[1]
wsgi.door(name, secrets.keep(config.load(Path(sys.argv[2]), {}), name))
doors.load(doors.DOORS[name].worker)
print(*sys.modules)
"""
COURIER = """
import sys
from contextlib import suppress
from pathlib import Path
from gateway import config
from gateway.config import secrets
from gateway.errors import SpoolUnavailable
from gateway.serving import process
with suppress(SpoolUnavailable):  # there is none yet: so far it gets
    process.carry(secrets.keep(config.load(Path(sys.argv[2]), {}), "courier"))
print(*sys.modules)
"""
OTHER = "import importlib, sys; importlib.import_module(f'gateway.serving.{sys.argv[1]}'); print(*sys.modules)"
FILES = {"magic", "gateway.inspection.inspector", "gateway.attachments.fetch", "gateway.attachments.routes"}
CALLS = {"requests", "urllib3", "gateway.sinch.client", "gateway.motion.download"}
WEB = {"flask", "gunicorn", "gevent", "limits", "flask_limiter"}
# What a process has no use for. It costs memory in each of them, some of it tens of MiB.
SPARED = {
    "ops": FILES | CALLS | {"gateway.inspection", "alembic", "sqlalchemy", "gevent"},
    "ingress": FILES | CALLS | {"gateway.inspection", "alembic", "sqlalchemy"},
    "attachments": {"alembic", "sqlalchemy", "gevent", "gateway.sinch.client"},
    "outbound": {"alembic", "gevent"},
    "courier": FILES | WEB | {"gateway.inspection", "alembic", "sqlalchemy", "gateway.sinch.client"},
    "fetching": FILES
    | WEB
    | CALLS
    | {"gateway.inspection", "alembic", "sqlalchemy"},  # until there is something to fetch
    "nginx": FILES | WEB | CALLS | {"alembic", "sqlalchemy"},
    "supervisor": FILES | WEB | CALLS,  # it migrates
}


@pytest.mark.parametrize("process", some(SPARED, 3))
def test_a_process_loads_what_it_needs_and_nothing_else(process: str, settings_file: Callable[..., Path]) -> None:
    code = DOOR if process in DOORS else {"courier": COURIER}.get(process, OTHER)
    file = settings_file(attachments=LINKS)
    told = subprocess.run([sys.executable, "-c", code, process, file], capture_output=True, text=True, check=True)
    assert SPARED[process] & set(told.stdout.split()) == set()

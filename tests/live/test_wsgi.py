"""A door on a gunicorn of the operator's own: `gunicorn 'wsgi:door("ingress")'`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sandbox import callbacks
from sandbox.child import Child
from sandbox.listener import reserve
from sandbox.sinch import Sinch
from tests.live.house import LOG, ONCE, SECRET, House, opened

NOTIFY = "/api/whatsapp/accounts/7/notify"
GUNICORN = Path(sys.executable).with_name("gunicorn")


@pytest.fixture
def house() -> Iterator[House]:
    with opened(started=False) as made:
        made.write_settings()
        yield made


def gunicorn(house: House, *options: str) -> Sequence[str]:
    return ["env", f"MOTION_GATEWAY_CONFIG={house.config}", str(GUNICORN), *options, 'wsgi:door("ingress")']


def sent(port: int, *, secret: str) -> int:
    """The status of a callback that is signed so."""
    return Sinch(url=f"http://127.0.0.1:{port}{NOTIFY}", secret=secret, retries=ONCE).send(callbacks.text("hi")).status


def test_plain_gunicorn_serves_a_door_that_takes_what_is_signed_and_refuses_what_is_forged(house: House) -> None:
    house.command("migrate")
    with reserve() as held:
        port = held.getsockname()[1]
        house.children.append(Child(gunicorn(house, "--bind", f"127.0.0.1:{port}"), house.folder / LOG))
        house.wait_for(lambda: sent(port, secret="a secret of somebody else") == 401)
        assert sent(port, secret=SECRET) == 200
        [event] = house.events()
        assert event.connector_id == 7


def test_plain_gunicorn_does_not_open_a_door_on_a_spool_that_was_not_migrated(house: House) -> None:
    (house.folder / "state").mkdir()
    with reserve() as held:
        command = gunicorn(house, "--bind", f"127.0.0.1:{held.getsockname()[1]}")
        child = Child(command, house.folder / LOG)
        house.wait_for(lambda: child.exit_status is not None)
    assert "run `motion-gateway migrate`" in house.log

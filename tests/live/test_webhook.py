"""The webhook at Sinch beside a running gateway: what doctor says of it, and another secret without a callback lost."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import callbacks, faults
from sandbox.conversation.account import KEY
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.plants import TABLE, Field
from tests.live.house import ACCOUNT, PATIENCE_SECONDS, House, opened
from tests.sinch_samples import KEYED, RECEIVE_PATH, SECRET, origins
from tests.test_cli_webhook import NEW
from tests.test_diagnosis_sinch_checks import TOLD


@dataclass
class Place:
    """A gateway that knows a Sinch, and what can be spoiled there."""

    house: House
    api: ConversationApi
    field: Field
    secrets: Path

    def doctor(self) -> list[dict[str, Any]]:
        """What doctor complains of Sinch; the rest is that of a gateway for trials."""
        typed = self.house.typed("doctor", "--json")
        done = subprocess.run(typed, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS).stdout
        assert all(secret not in done for secret in (SECRET, NEW, KEY.key_secret))
        return [one for one in json.loads(done)["complaints"] if one["id"].startswith(("sinch.", "doctor."))]


@pytest.fixture(scope="module")
def standing() -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(ConversationApi())
        known = {name: value for name, value in ACCOUNT.items() if name != "webhook_secrets"}
        known |= KEYED
        house = stack.enter_context(opened(started=False, account=[known], sinch=origins(api)))
        secrets = house.folder / "secrets"
        secrets.write_text(SECRET)
        secrets.chmod(0o600)
        known["webhook_secrets_file"] = str(secrets)
        house.start()
        field = Field(api)
        field.settle(target=house.sinch().url, secret=SECRET, motion=f"{house.motion.url}{RECEIVE_PATH}")
        yield Place(house, api, field, secrets)


@pytest.fixture
def place(standing: Place) -> Iterator[Place]:
    yield standing
    standing.api.set_fault(faults.NONE)
    standing.field.plant("fine")


def test_doctor_finds_nothing_wrong_with_a_sinch_that_is_right_and_names_each_wrong_state(place: Place) -> None:
    for name, told in TOLD.items():
        place.field.plant(name)
        assert [one["id"] for one in place.doctor()] == ([told] if told else []), TABLE[name].meaning


def test_a_sinch_that_hangs_makes_one_complaint(place: Place) -> None:
    place.api.set_fault(faults.HANG)
    assert [one["id"] for one in place.doctor()] == ["sinch.unreachable"]


def test_another_secret_is_taken_without_a_callback_that_is_refused(place: Place) -> None:
    receipts, stop = [], threading.Event()

    def customer() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            callback = callbacks.text(f"message {number}")
            sender = place.api.webhooks.follow(place.house.sinch(), callback)
            assert sender
            receipts.append(sender.send(callback))

    writing = threading.Thread(target=customer)
    writing.start()
    try:
        place.secrets.write_text(f"{NEW}\n{SECRET}\n")
        rotate = ("webhook", "rotate", "--connector", "7", "--yes")
        early = place.house.command(*rotate)
        assert "next  2. The gateway has taken it up" in early
        assert held(place) == SECRET
        assert "reload it first" in place.house.command("webhook", "sync", "--yes", status=2)
        place.house.reload()
        place.house.wait_for(lambda: "done  3. Sinch signs" in place.house.command(*rotate))
        assert held(place) == NEW
        before = len(receipts)
        place.house.wait_for(lambda: len(receipts) > before + 5)
    finally:
        stop.set()
        writing.join()
    assert [one.status for one in receipts if one.status != 200] == []
    place.house.settle()


def held(place: Place) -> str:
    """The secret that Sinch signs with."""
    return place.api.webhooks.of(ACCOUNT["app_id"])[0].secret

"""The lists through the running gateway, with the third door closed: what is told when it happens stays to be seen."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox import callbacks
from sandbox.callbacks import App
from tests.live.house import House, opened
from tests.screen import seen


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with opened() as house:
        yield house


def told(house: House, event_id: int) -> dict[str, object]:
    found: dict[str, object] = json.loads(house.command("events", "show", str(event_id), "--json"))
    return found


def test_codes_and_description_of_a_delivery_report_are_seen_without_its_body(house: House) -> None:
    callback = callbacks.sample("MESSAGE_DELIVERY/FAILED-window")
    contact = json.loads(house.sinch().send(callback).letter.body)["message_delivery_report"]["contact_id"]
    house.settle()
    event_id = int(house.events()[-1].id)
    text = house.command("events", "list", "--most", "1")
    words = ("FAILED", "OUTSIDE_ALLOWED_SENDING_WINDOW UNSPECIFIED_SUB_CODE 131047", "re-engagement message")
    for word in words:
        assert word in text
    shown = house.command("events", "show", str(event_id))
    assert "The underlying channel reported: re-engagement message" in shown
    narrow = seen(house.config, "events", "list", "--most", "1")
    for word in (str(event_id), "OUTSIDE_ALLOWED_SENDING_WINDOW", "delivered", contact):
        assert word in narrow


@pytest.mark.parametrize(
    ("app", "findings"),
    [
        (App(), []),
        (App(dispatch=True), ["dispatch-mode"]),
        (App(app_id="01JQ8V4M2Z7T5X9C3N6B1K0ZZZ"), ["foreign-app"]),
        (App(project_id="01234567-89ab-cdef-0123-456789abcdef"), ["foreign-project"]),
    ],
    ids=["none", "DISPATCH", "another app", "another project"],
)
def test_the_findings_of_an_event_stay_with_it(house: House, app: App, findings: list[str]) -> None:
    assert house.sinch().send(callbacks.text("x", app=app)).status == 200
    house.settle()
    event_id = int(house.events()[-1].id)
    assert told(house, event_id)["findings"] == findings
    if findings:
        assert findings[0] in house.command("events", "list", "--most", "1")

"""What the running courier does when Motion, or one event, is trouble."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox import callbacks, faults
from sandbox.faults import Fault
from sandbox.motion import Received
from sandbox.sinch import Letter
from tests.live.house import House, opened
from tests.spool_samples import locked

POISON = b"POISON"


@pytest.fixture
def own_house() -> Iterator[House]:
    with opened() as house:
        yield house


def send(house: House, who: str, words: str) -> Letter:
    receipt = house.sinch().send(callbacks.text(words, by=callbacks.customer(who)))
    assert receipt.status == 200
    return receipt.letter


def ready(house: House) -> Any:
    return json.loads(house.ops("/readyz").body)


def greet(house: House, who: str) -> None:
    """What a new contact's first text brings with it, and the text."""
    customer = callbacks.customer(who)
    for kind in ("CONTACT_CREATE", "CONVERSATION_START"):
        assert house.sinch().send(callbacks.sample(kind, by=customer)).status == 200
    send(house, who, "hello")


def bodies(heard: tuple[Received, ...]) -> list[bytes]:
    return [item.body for item in heard]


def assert_in_order(house: House, letters: list[Letter]) -> None:
    """Motion took each of them once, in the order in which they were sent."""
    wanted = [letter.body for letter in letters]
    assert [body for body in bodies(house.motion.accepted) if body in wanted] == wanted


def test_a_poison_event_parks_itself_and_delays_only_its_own_contact(own_house: House) -> None:
    # One that Motion refuses: always 500 takes 8 tries and a minute, and is told with a clock in test_courier.
    house = own_house
    house.motion.set_fault(faults.status(400, marker=POISON))
    poison = send(house, "ana", POISON.decode())
    after_poison = send(house, "ana", "after it")
    others = [send(house, f"other {number % 3}", f"words {number}") for number in range(12)]
    house.motion.wait_for_accepted(len(others))
    assert after_poison.body not in bodies(house.motion.received)
    house.motion.wait_for(lambda heard: after_poison.body in bodies(heard), 60)
    house.settle()
    assert [event.body for event in house.events("parked")] == [poison.body]
    house.wait_for(lambda: house.decisions("courier", finding="event-parked"))
    house.motion.set_fault(faults.NONE)
    house.command("events", "replay", "--parked")
    house.motion.wait_for(lambda heard: heard[-1].body == poison.body and heard[-1].accepted)
    assert not house.events("parked")


def test_an_event_that_kills_the_courier_is_parked_and_its_contact_goes_on(own_house: House) -> None:
    house = own_house

    def kill(event: str, received: Received) -> None:
        if event == "heard" and POISON in received.body:
            os.kill(house.pid("courier"), signal.SIGKILL)

    house.motion.on_event = kill
    poison = send(house, "ana", POISON.decode())
    rest = [send(house, who, "words") for who in ("ana", "ben", "cleo")]
    house.wait_for(lambda: not house.events("pending"))
    assert [event.body for event in house.events("parked")] == [poison.body]
    assert bodies(house.motion.received).count(poison.body) == 5
    assert set(bodies(house.motion.accepted)) >= {letter.body for letter in rest}


REFUSALS = {
    "404 to everything": faults.status(404),
    "401 to everything": faults.status(401),
    "500 to everything": faults.status(500),
}
OUTAGES = REFUSALS | {
    "502 to everything": faults.status(502),
    "503 with Retry-After": faults.status(503, retry_after="1"),
    "refused connections": faults.DOWN,
    "resets": faults.reset(),
    "answers cut short": faults.CUT,
    "answers that are no HTTP": faults.GARBAGE,
}


def back_while_nobody_is_tried(house: House) -> bool:
    """Let Motion come back, unless somebody is tried: who is, may overtake the one ahead of him."""
    with locked(house.spool().path):  # so that no try begins
        if alone := not house.claims():
            house.motion.set_fault(faults.NONE)
    return alone


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_an_outage_of_motion_parks_nothing_and_afterwards_all_arrives_in_order(own_house: House, outage: Fault) -> None:
    house = own_house
    house.motion.set_fault(outage)
    contacts = [f"contact {number}" for number in range(5)]
    sent = {who: [send(house, who, f"words {number}") for number in range(4)] for who in contacts}
    finding = "motion-refuses" if outage in REFUSALS.values() else "motion-down"
    house.wait_for(lambda: house.decisions("courier", finding=finding))
    assert ready(house)["ready"]
    house.wait_for(lambda: finding in [found["finding"] for found in ready(house)["findings"]])
    tried = len(house.decisions("courier", event="delivery"))
    house.wait_for(lambda: len(house.decisions("courier", event="delivery")) > tried)
    house.wait_for(lambda: back_while_nobody_is_tried(house))
    house.motion.wait_for_accepted(20)
    house.settle()
    assert not house.events("parked")
    for letters in sent.values():
        assert_in_order(house, letters)
    house.wait_for(lambda: house.decisions("courier", event="motion is up"))


def test_a_hanging_contact_holds_up_nobody_else(own_house: House) -> None:
    house = own_house
    house.motion.set_fault(Fault(name="hang", marker=POISON))
    poison = send(house, "ana", POISON.decode())
    others = [send(house, who, "words") for who in ("ben", "cleo", "dan")]
    house.motion.wait_for(lambda heard: {letter.body for letter in others} <= set(bodies(heard)))
    [hanging] = [event for event in house.events() if event.body == poison.body]
    assert (hanging.tries, hanging.outcome) == (1, "")  # it still does
    house.motion.set_fault(faults.NONE)
    house.settle()


def test_a_stop_finishes_what_is_in_flight_and_delivers_it_once(own_house: House) -> None:
    house = own_house
    house.motion.set_fault(faults.HANG)
    sent = send(house, "ana", "in flight")
    waiting = send(house, "ana", "behind it")
    house.motion.wait_for(1)
    with ThreadPoolExecutor(1) as beside:
        stopping = beside.submit(house.stop)
        house.wait_for(lambda: house.decisions("courier", event="courier stopping"))
        house.motion.set_fault(faults.NONE)
        stopping.result()
    assert bodies(house.motion.accepted) == [sent.body]
    assert [event.state for event in house.events()] == ["delivered", "pending"]
    house.start()
    house.motion.wait_for_accepted(2)
    assert_in_order(house, [sent, waiting])
    assert [line["in_flight"] for line in house.decisions("courier", event="courier stopping")] == [1]


@pytest.mark.parametrize("status", [400, 500, 502])
def test_new_contacts_get_through_though_motion_refuses_what_comes_before_their_first_text(
    own_house: House, status: int
) -> None:
    house = own_house
    marks = (b"contact_create_notification", b"conversation_start_notification")
    house.motion.set_fault(*(faults.status(status, marker=mark) for mark in marks))
    for who in ("ana", "ben", "cleo"):
        greet(house, who)
    house.motion.wait_for_accepted(3)
    house.wait_for(lambda: len(house.decisions("courier", finding="kind-refused")) == 2)
    greet(house, "dan")
    house.motion.wait_for_accepted(4)
    house.settle()
    assert len(house.events("parked")) == 8
    refused = {"CONTACT_CREATE": str(status), "CONVERSATION_START": str(status)}

    def told() -> dict[str, str]:
        return {found["about"].partition(" ")[2]: found["reason"] for found in ready(house)["findings"]}

    house.wait_for(lambda: told() == refused)


def test_one_new_contact_alone_is_heard_though_a_proxy_before_motion_fails_what_comes_before_its_text(
    own_house: House,
) -> None:
    house = own_house
    house.motion.set_fault(faults.status(502, marker=b"contact_create_notification"))
    greet(house, "ana")
    house.motion.wait_for_accepted(2)
    house.wait_for(lambda: not house.events("pending"))
    assert len(house.events("parked")) == 1


def test_a_burst_of_new_contacts_on_whose_first_event_motion_hangs_leaves_room_for_old_customers(
    own_house: House,
) -> None:
    house, first = own_house, b"contact_create_notification"
    house.motion.set_fault(Fault(name="hang", marker=first))
    for number in range(20):  # more than there are deliveries
        greet(house, f"new {number}")
    house.motion.wait_for(4)
    for number in range(3):
        letter = send(house, "old", f"words {number}")
        house.motion.wait_for(lambda heard, body=letter.body: body in bodies(heard))
    assert sum(first in body for body in bodies(house.motion.received)) == 4  # nobody has given up and made room
    house.motion.set_fault(faults.NONE)


@pytest.mark.parametrize("status", [400, 500])
def test_one_contact_alone_whose_first_event_is_refused_gets_the_rest_within_a_minute(
    own_house: House, status: int
) -> None:
    house = own_house
    house.motion.set_fault(faults.status(status, marker=POISON))
    poison = send(house, "ana", POISON.decode())
    rest = [send(house, "ana", f"words {number}") for number in range(3)]
    house.wait_for(lambda: not house.events("pending"))
    assert [event.body for event in house.events("parked")] == [poison.body]
    assert_in_order(house, rest)

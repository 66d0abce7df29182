"""The courier between a real spool and a simulated Motion, at a clock that only the test moves."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import json
import math
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from gateway import __version__, store, telemetry
from gateway.config import Settings
from gateway.delivery import claims, courier, records, recovery, trouble
from gateway.delivery.claims import Claim, Hand
from gateway.delivery.courier import Courier
from gateway.delivery.handover import Handover
from gateway.delivery.health import Scope
from gateway.delivery.room import Room
from gateway.ingress import events, intake, signature
from gateway.motion.notify import Notifier
from gateway.store import schema
from gateway.store.engines import Database
from gateway.upstream import Answer
from sandbox import faults, signing
from sandbox.faults import Fault
from sandbox.motion import Event as Moment
from sandbox.motion import Motion, Received
from tests import config_samples, inbound_samples
from tests.door_samples import Log, logged
from tests.examples import some
from tests.inbound_samples import THROUGH
from tests.service_samples import NOW, HandClock
from tests.spool_samples import DEED, accept, callback, die, rows, until

HOUR = 3600.0
QUIET_ROUNDS = 4  # of the courier, after which what has not happened will not happen
LONGEST, MEANWHILE_SECONDS = "1m", 50.0  # the longest deadline of a delivery, and what ends before it does


@dataclass
class Scene:
    """A courier at work."""

    spool: Database
    motion: Motion
    clock: HandClock
    courier: Courier
    thread: threading.Thread

    def accept(self, *messages: str, **changes: Any) -> None:
        """Messages written as contact and number: `a1`."""
        for message in messages:
            intake.accept(self.spool, callback(message, contact=message[0], **changes), now=self.clock.now())

    @property
    def heard(self) -> list[str]:
        return [name(item) for item in self.motion.received]

    @property
    def accepted(self) -> list[str]:
        return [name(item) for item in self.motion.accepted]

    def events(self, state: str) -> list[str]:
        return [row.request_id.removeprefix("request-") for row in self.rows() if row.state == state]

    def rows(self) -> list[Any]:
        return rows(self.spool, schema.event)

    def warm_up(self, *, connector: int = 7) -> None:
        """Let Motion answer one, so that it is known to."""
        self.accept("+1", connector=connector)
        self.wait_until_settled()

    def wait_until_settled(self) -> None:
        until(lambda: not self.events(store.PENDING), "everything settled")

    def claims(self) -> list[Any]:
        return [row for row in rows(self.spool, schema.lane) if row.claimed_event is not None]

    def wait_until_idle(self) -> None:
        """Until nothing is in flight, and the courier has looked again and found nothing to do."""

        def quiet() -> bool:
            heard = len(self.motion.received)
            self.wait_for_rounds(2)
            return not self.claims() and len(self.motion.received) == heard

        until(lambda: not self.claims() and quiet(), "the courier idle")

    def wait_for_rounds(self, rounds: int = QUIET_ROUNDS) -> None:
        """Until the courier has looked at the spool so many times."""
        dispatching = self.thread.ident or 0  # not the threads that carry: they ask for the time, too
        end = self.clock.asked[dispatching] + rounds
        until(lambda: self.clock.asked[dispatching] >= end, "the courier's rounds")

    def pass_time(self, condition: Callable[[], object], *, step: float, most: float = HOUR) -> None:
        """Let time pass, a step at a time while nothing is in flight, until something has happened."""
        for _ in range(round(most / step)):
            if condition():
                return
            self.clock.advance(step)
            self.wait_until_idle()
        assert condition(), f"not within {most} s of the clock"


def name(item: Received) -> str:
    return str(item.header("x-request-id")).removeprefix("request-")


def of(contact: str, names: Sequence[str]) -> list[str]:
    return [each for each in names if each[0] == contact]


def made_settings(
    accounts: Sequence[int], *, motion: dict[str, Any] | None = None, others: dict[str, Any] | None = None, **spool: Any
) -> Settings:
    return config_samples.settings(
        **(others or {}),
        motion=motion or {},
        spool={"deadline": "1s", "deliveries": 8} | spool,
        account=[
            config_samples.account(
                connector_id=number, app_id=f"app-{number}", webhook_secrets=[f"secret of {number}" * 3]
            )
            for number in accounts
        ],
    )


@contextlib.contextmanager
def carrying(
    spool: Database,
    motion: Motion,
    *,
    notifier: Any = None,
    accounts: Sequence[int] = (7,),
    beside: Scene | None = None,
    name: str = "",
    poll_seconds: float = 0.005,
    sign: str = "as-sent",
    others: dict[str, Any] | None = None,
    **spool_settings: Any,
) -> Iterator[Scene]:
    """A courier that runs in a thread. It must have ended ten seconds after it was asked to.

    `beside`: a courier of another name, who goes by the same clock.
    """
    settings = made_settings(accounts, motion={"url": motion.url, "sign": sign}, others=others, **spool_settings)
    clock = beside.clock if beside else HandClock()
    calls = notifier or Notifier(settings)
    carrier = Courier(settings, spool, calls, clock=clock, name=name, poll_seconds=poll_seconds)
    thread = threading.Thread(target=carrier.run)
    thread.start()
    try:
        yield Scene(spool, motion, clock, carrier, thread)
    finally:
        motion.release()
        carrier.stop()
        thread.join(60)
        calls.close()
        assert not thread.is_alive()


@pytest.fixture
def motion() -> Iterator[Motion]:
    with Motion() as simulated:
        yield simulated
        simulated.assert_nothing_unexpected()


@pytest.fixture
def scene(spool: Database, motion: Motion) -> Iterator[Scene]:
    with carrying(spool, motion) as opened:
        yield opened


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    with logged(capfd, "courier") as read:
        yield read


# Order, and side by side


def test_each_contact_gets_its_events_in_the_order_of_acceptance(scene: Scene) -> None:
    messages = [f"{contact}{number}" for number in range(6) for contact in "abcde"]
    scene.accept(*messages)
    scene.wait_until_settled()
    assert sorted(scene.accepted) == sorted(messages)
    for contact in "abcde":
        assert of(contact, scene.heard) == of(contact, messages)
    assert {row.state for row in scene.rows()} == {store.DELIVERED}


def test_a_contact_that_hangs_holds_up_nobody_but_itself(scene: Scene) -> None:
    scene.motion.set_fault(Fault(name="hang", marker=b'"a1"'))
    scene.accept("a1", "a2", "b1", "b2", "c1", "b3")
    scene.motion.wait_for_accepted(4)
    scene.wait_for_rounds()
    assert sorted(scene.heard) == ["a1", "b1", "b2", "b3", "c1"]
    scene.motion.release()
    scene.wait_until_settled()
    assert of("a", scene.heard) == ["a1", "a2"]


def test_events_that_name_nobody_wait_for_nobody(scene: Scene) -> None:
    scene.warm_up()
    scene.motion.set_fault(faults.HANG)
    for number in range(3):
        intake.accept(scene.spool, callback(f"-{number}", contact=""), now=0)
    scene.motion.wait_for(4)
    assert sorted(scene.heard[1:]) == ["-0", "-1", "-2"]


@pytest.mark.parametrize("deliveries", [1, 3])
def test_no_more_are_under_way_than_the_settings_allow(spool: Database, motion: Motion, deliveries: int) -> None:
    with carrying(spool, motion, deliveries=deliveries, deadline="30s") as scene:
        scene.warm_up()
        motion.set_fault(faults.HANG)
        scene.accept("a1", "b1", "c1", "d1", "e1")
        motion.wait_for(1 + deliveries)
        scene.wait_for_rounds()
        assert len(scene.heard) - 1 == len(scene.claims()) == deliveries
        motion.set_fault(faults.NONE)
        scene.wait_until_settled()
    assert sorted(scene.accepted[1:]) == ["a1", "b1", "c1", "d1", "e1"]


# What Motion hears

SIGNED = (
    ("content-type", "application/json; charset=utf-8"),
    ("content-encoding", "identity"),
    ("x-sinch-webhook-signature", "c2lnbmF0dXJl"),
    ("x-sinch-webhook-signature-nonce", "01FJA8B4A7BM43YGWSG9GBV067"),
)


def test_what_waited_through_an_outage_is_signed_anew_with_the_time_of_each_try_where_that_is_asked_for(
    spool: Database, motion: Motion
) -> None:
    with carrying(spool, motion, sign="late") as scene:
        body, nonce = b'{"message": {"id": "a1"}}', "01FJA8B4A7BM43YGWSG9GBV067"
        signed_at = int(scene.clock.now())
        signed = signing.sign(body, "secret of 7" * 3, nonce, signed_at)
        motion.set_fault(Fault(name="status", status=503))
        scene.accept("a1", body=body, headers=tuple(signed.items()))
        motion.wait_for(1)
        scene.wait_until_idle()
        scene.clock.advance(3 * 24 * HOUR)
        motion.set_fault(faults.NONE)
        scene.wait_until_settled()
    first, last = scene.motion.received[0], scene.motion.accepted[0]
    assert dict(first.headers).items() >= signed.items()
    proof = signature.verify(
        last.body, {name.lower(): value for name, value in last.headers}, secrets=["secret of 7" * 3]
    )
    assert (last.body, proof.nonce) == (body, nonce)
    assert proof.timestamp >= signed_at + 3 * 24 * HOUR


def test_motion_hears_the_bytes_and_headers_that_sinch_sent_and_where_they_came_from(scene: Scene) -> None:
    body = b'{\r\n  "message": {"id": "a1", "text": "\xc2\xbfqu\xc3\xa9?"}\r\n}\n'
    query = "b=2&a=%7e%2F&b=3&empty=&x=y%20z+w"
    scene.accept("a1", body=body, headers=SIGNED, query=query, request_id="r-1", address="2001:db8::1", connector=12)
    [heard] = scene.motion.wait_for_accepted(1)
    assert (heard.body, heard.query, heard.connector_id) == (body, query, 12)
    headers = [(header.lower(), value) for header, value in heard.headers]
    assert sorted(headers) == sorted(
        [
            *SIGNED,
            ("host", "{}:{}".format(*scene.motion.address)),
            ("accept-encoding", "identity"),
            ("content-length", str(len(body))),
            ("user-agent", f"motion-gateway/{__version__}"),
            ("x-request-id", "r-1"),
            ("x-forwarded-for", "2001:db8::1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "gateway.example.com"),
        ]
    )


ODD_PARTS: dict[str, dict[str, Any]] = {
    "an empty body": {"body": b""},
    "a body of a megabyte": {"body": b"x" * 1_048_576},
    "every byte there is": {"body": bytes(range(256))},
    "a content type in Latin-1": {"headers": (("content-type", "text/caf\xe9"),)},
    "a query of raw bytes": {"query": "a=caf\xc3\xa9"},
    "a query that asks": {"query": "?&=#"},
}


@pytest.mark.parametrize("changes", ODD_PARTS.values(), ids=ODD_PARTS)
def test_what_is_odd_arrives_as_it_is(scene: Scene, changes: dict[str, Any]) -> None:
    scene.accept("a1", **changes)
    [heard] = scene.motion.wait_for_accepted(1)
    expected = callback("a1", contact="a", **changes)
    assert heard.body == expected.body
    assert heard.query == expected.query
    assert heard.all_headers("content-type") == [value for _, value in expected.headers]


def test_the_request_id_is_the_same_on_every_try(scene: Scene) -> None:
    scene.motion.script(faults.status(500), faults.status(429), faults.status(400))
    scene.accept("a1")
    scene.pass_time(lambda: scene.accepted, step=5)
    assert [item.header("x-request-id") for item in scene.motion.received] == ["request-a1"] * 4
    assert [(row.state, row.tries, row.outcome) for row in scene.rows()] == [(store.DELIVERED, 4, "200")]


def test_a_page_that_takes_an_event_is_told_with_it(scene: Scene) -> None:
    scene.motion.script(Fault(name="login"))
    scene.accept("a1", "b1")
    scene.wait_until_settled()
    assert {row.outcome for row in scene.rows()} == {"200: answered with a page", "200"}
    assert {row.state for row in scene.rows()} == {store.DELIVERED}


# Motion is away

DISAPPOINTMENTS = {
    "refuses a status": (faults.status(404), "404"),
    "fails": (faults.status(500), "500"),
    "is away behind its proxy": (faults.status(502), "502"),
    "redirects": (faults.status(302, headers=(("location", "/elsewhere"),)), "302"),
    "resets the connection": (faults.reset(), "connection broken"),
    "cuts its answer": (faults.CUT, "answer shorter than it says"),
    "talks nonsense": (faults.GARBAGE, "answer is not HTTP"),
    "hangs beyond the deadline": (faults.HANG, "no answer in time"),
    "drips beyond the deadline": (Fault(name="drip", seconds=0.1), "no answer in time"),
}


@pytest.mark.parametrize(("behaviour", "reason"), DISAPPOINTMENTS.values(), ids=DISAPPOINTMENTS)
def test_when_motion_disappoints_the_event_is_tried_again(scene: Scene, behaviour: Fault, reason: str) -> None:
    scene.motion.script(behaviour)
    scene.accept("a1", "a2")
    until(lambda: scene.rows()[0].outcome, "the first try's outcome")
    assert scene.rows()[0].outcome == reason
    scene.pass_time(lambda: len(scene.accepted) == 2, step=5)
    assert scene.heard == ["a1", "a1", "a2"]
    scene.wait_until_settled()


@pytest.mark.parametrize(
    "behaviour", [faults.ENDLESS, Fault(name="closing"), faults.status(204)], ids=lambda mode_: mode_.name
)
def test_a_2xx_is_a_delivery_however_it_ends(scene: Scene, behaviour: Fault) -> None:
    scene.motion.script(behaviour)
    scene.accept("a1", "a2")
    # What follows may leave on a connection that ends unannounced just then: that is tried again.
    scene.pass_time(lambda: not scene.events(store.PENDING), step=5)
    assert scene.heard == ["a1", "a2"]


def test_a_motion_that_refuses_connections_loses_nothing(scene: Scene) -> None:
    scene.motion.set_fault(faults.DOWN)
    scene.accept("a1", "b1", "a2", "c1", "b2")
    until(lambda: any(row.outcome for row in scene.rows()), "a try")
    scene.wait_until_idle()
    scene.motion.set_fault(faults.NONE)
    scene.pass_time(lambda: len(scene.accepted) == 5, step=5)
    for contact in "abc":
        assert of(contact, scene.heard) == sorted(of(contact, scene.heard))


class Gauge:
    """How many requests Motion has in hand, and the most it ever had."""

    def __init__(self) -> None:
        self.most = self.now = 0
        self._guard = threading.Lock()

    def __call__(self, moment: Moment, _: Received) -> None:
        with self._guard:
            self.now += 1 if moment == "heard" else -1
            self.most = max(self.most, self.now)


def test_while_motion_is_down_one_event_at_a_time_is_tried_of_each_contact_in_turn(scene: Scene) -> None:
    scene.motion.set_fault(Fault(name="status", status=503))
    scene.accept(*(f"{contact}{number}" for number in (1, 2, 3) for contact in "abcde"))
    scene.motion.wait_for(1)
    scene.wait_until_idle()
    first = len(scene.heard)
    gauge = scene.motion.on_event = Gauge()
    scene.pass_time(lambda: len(scene.heard) == first + 10, step=16)
    assert gauge.most == 1
    probes = scene.heard[first:]
    assert sorted(probes[:5]) == sorted(probes[5:]) == ["a1", "b1", "c1", "d1", "e1"]
    scene.motion.set_fault(faults.NONE)
    scene.pass_time(lambda: len(scene.accepted) == 15, step=16)
    for contact in "abcde":
        assert of(contact, scene.accepted) == [f"{contact}{number}" for number in (1, 2, 3)]
    scene.wait_until_settled()


def test_once_motion_is_back_nobody_waits_any_longer(scene: Scene) -> None:
    scene.motion.script(faults.status(429, retry_after="200"), Fault(name="status", status=503))
    scene.accept("a1")
    scene.motion.wait_for(1)
    scene.wait_until_idle()
    scene.accept("b1")
    scene.motion.wait_for(2)
    scene.wait_until_idle()
    assert scene.accepted == []
    scene.clock.advance(2)
    scene.wait_until_settled()
    assert scene.accepted == ["b1", "a1"]


@pytest.mark.parametrize(("seconds", "probed"), [(0.9, False), (1.1, True), (2.1, True)])
def test_what_was_under_way_when_motion_went_away_does_not_count_as_probes(
    spool: Database, motion: Motion, seconds: float, *, probed: bool
) -> None:
    with carrying(spool, motion, deadline="1m") as scene:  # or who hangs first has timed out before the last one comes
        scene.warm_up()
        motion.set_fault(faults.HANG)
        scene.accept(*(f"{contact}1" for contact in "abcdefgh"))
        motion.wait_for(9)
        motion.set_fault(faults.DOWN)  # all eight are cut
        scene.wait_until_idle()
        motion.set_fault(faults.NONE)
        scene.clock.advance(seconds)
        scene.wait_until_idle()
        assert (len(scene.heard) > 9) is probed


@pytest.mark.parametrize(
    ("asked", "passed", "heard"), [("60", 59, 1), ("60", 60, 2), ("9999", 299, 1), ("9999", 300, 2)]
)
def test_motion_is_left_alone_as_long_as_it_asks_but_never_over_five_minutes(
    scene: Scene, asked: str, passed: float, heard: int
) -> None:
    scene.motion.set_fault(faults.status(503, retry_after=asked))
    scene.accept("a1")
    scene.motion.wait_for(1)
    scene.wait_until_idle()
    scene.clock.advance(passed)
    scene.wait_for_rounds()
    scene.wait_until_idle()
    assert len(scene.heard) == heard


@pytest.mark.parametrize("contacts", ["a", "abc"], ids=["one contact", "three contacts"])
@pytest.mark.parametrize("status", some([401, 404, 502, 500], 2))
def test_an_hour_of_one_answer_to_everything_parks_nothing(scene: Scene, status: int, contacts: str) -> None:
    scene.motion.set_fault(faults.status(status))
    messages = [f"{contact}{number}" for number in (1, 2) for contact in contacts]
    scene.accept(*messages)
    scene.motion.wait_for(1)
    scene.wait_until_idle()
    for _ in range(12):
        scene.clock.advance(HOUR / 12)
        scene.wait_until_idle()
    assert scene.events(store.PENDING) == messages
    assert len(scene.heard) >= 12
    scene.motion.set_fault(faults.NONE)
    scene.pass_time(lambda: len(scene.accepted) == len(messages), step=HOUR / 12)
    for contact in contacts:
        assert of(contact, scene.accepted) == [f"{contact}1", f"{contact}2"]
    scene.wait_until_settled()
    assert scene.events(store.PARKED) == []


# Poison


@pytest.mark.parametrize(("status", "tries"), [(400, 5), (404, 5), (500, 8), (429, 8)])
def test_a_poison_event_is_parked_while_others_arrive_and_holds_up_its_own_contact_alone(
    scene: Scene, status: int, tries: int
) -> None:
    scene.motion.set_fault(faults.status(status, marker=b'"p1"'))
    scene.accept("p1", "p2", "a1")
    scene.motion.wait_for_accepted(1)
    scene.wait_until_idle()  # a claim that is still open would outlive its lease below
    for number in itertools.count(2):
        if scene.events(store.PARKED):
            break
        assert number < 60
        scene.clock.advance(100)
        scene.accept(f"a{number}")
        until(lambda number=number: f"a{number}" in scene.accepted, "others")
        scene.wait_until_idle()
    scene.wait_until_settled()
    assert scene.events(store.PARKED) == ["p1"]
    assert of("p", scene.heard) == ["p1"] * tries + ["p2"]
    assert "p2" in scene.accepted
    parked = scene.rows()[0]
    assert (parked.tries, parked.outcome) == (tries, f"{status}: {tries} tries failed while others arrived")


def test_an_event_on_which_motion_hangs_makes_nobody_else_wait(spool: Database, motion: Motion) -> None:
    with carrying(spool, motion, deadline=LONGEST) as scene:
        motion.set_fault(hang := Fault(name="hang", marker=b'"p1"'))
        scene.accept("p1")
        for number in range(1, 4):
            others = {f"a{number}", f"b{number}"}
            scene.accept(*others)
            until(lambda others=others: others <= set(scene.accepted), "the others", MEANWHILE_SECONDS)
            until(lambda number=number: len(of("p", scene.heard)) == number, "the one on which it hangs")
            motion.set_fault(faults.DOWN)  # the wait in vain is over
            scene.wait_until_idle()
            motion.set_fault(hang)
            scene.clock.advance(301)


def test_two_contacts_on_whom_motion_hangs_in_a_row_mean_that_it_is_down(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure("courier")
    scene.motion.set_fault(faults.HANG)
    scene.accept("a1", "b1")
    until(lambda: "motion-down" in capfd.readouterr().err, "the finding")


def test_a_poison_event_that_motion_never_answers_is_parked_too(scene: Scene) -> None:
    scene.motion.set_fault(Fault(name="reset", marker=b'"p1"'))
    scene.accept("p1", "p2")
    scene.motion.wait_for(1)
    for number in itertools.count(1):
        if scene.events(store.PARKED):
            break
        assert number < 60
        scene.wait_until_idle()
        scene.clock.advance(301)
        scene.accept(f"a{number}")
        until(lambda number=number: f"a{number}" in scene.accepted, "others")
    scene.wait_until_settled()
    assert scene.events(store.PARKED) == ["p1"]
    assert "p2" in scene.accepted


def test_an_event_that_fails_beyond_retry_for_is_parked_and_its_contact_goes_on(
    spool: Database, motion: Motion
) -> None:
    motion.set_fault(faults.status(500, marker=b'"p1"'))
    with carrying(spool, motion, retry_for="1h") as scene:
        scene.accept("p1", "p2")
        motion.wait_for(1)
        for _ in range(6):  # the first failure, and then one for each step: seven
            scene.wait_until_idle()
            scene.clock.advance(HOUR)
        scene.wait_until_idle()
        assert scene.events(store.PARKED) == []
        scene.clock.advance(HOUR)
        scene.wait_until_settled()
        assert scene.events(store.PARKED) == ["p1"]
        assert scene.accepted == ["p2"]


@pytest.mark.parametrize(("deaths", "parked"), [(3, []), (4, ["a1"])], ids=["its fourth", "its fifth"])
def test_an_event_that_five_couriers_died_with_is_parked_by_the_next(
    spool: Database, motion: Motion, deaths: int, parked: list[str]
) -> None:
    for message in ("a1", "a2"):
        intake.accept(spool, callback(message, contact="a"), now=0)
    die(spool, deaths, now=1)
    claims.claim_lanes(spool, recovery.suspects(spool, most=1), Hand(91.0))
    with carrying(spool, motion) as scene:
        scene.wait_until_settled()
        assert scene.events(store.PARKED) == parked
        assert scene.heard == [message for message in ("a1", "a2") if message not in parked]


def test_what_a_dead_courier_had_in_hand_is_tried_alone_before_all_else(spool: Database, motion: Motion) -> None:
    for message in ("a1", "b1", "c1"):
        intake.accept(spool, callback(message, contact=message[0]), now=0)
    claims.claim(spool, due_by=1, now=1, most=2, lease_seconds=90)
    gauge = motion.on_event = Gauge()
    motion.script(faults.HANG, faults.HANG)
    with carrying(spool, motion, deadline="30s") as scene:
        for number in (1, 2):
            motion.wait_for(number)
            scene.wait_for_rounds()
            assert scene.heard == ["a1", "b1"][:number]
            motion.release()
        scene.wait_until_settled()
    assert scene.heard == ["a1", "b1", "c1"]
    assert gauge.most == 1


# Stopping, and a spool that fails


def test_asked_to_stop_it_finishes_what_is_in_flight_and_takes_nothing_new(spool: Database, motion: Motion) -> None:
    motion.set_fault(faults.HANG)
    with carrying(spool, motion, deadline="30s") as scene:
        scene.accept("a1", "a2", "b1")
        motion.wait_for(2)
        scene.courier.stop()
        scene.accept("c1")
        scene.thread.join(0.5)
        assert scene.thread.is_alive()
        motion.set_fault(faults.NONE)
        scene.thread.join(60)
        assert not scene.thread.is_alive()
        assert scene.events(store.DELIVERED) == ["a1", "b1"]
        assert scene.events(store.PENDING) == ["a2", "c1"]
        assert sorted(scene.heard) == ["a1", "b1"]


def test_a_courier_that_was_stopped_leaves_everything_to_the_next(spool: Database, motion: Motion) -> None:
    with carrying(spool, motion) as scene:
        scene.accept("a1")
        scene.wait_until_settled()
    scene.accept("a2")
    with carrying(spool, motion) as scene:
        scene.wait_until_settled()
    assert scene.heard == ["a1", "a2"]


@pytest.mark.parametrize("behaviour", [faults.NONE, faults.status(400)], ids=["delivered", "failed"])
def test_an_outcome_that_cannot_be_written_is_written_later(scene: Scene, log: Log, behaviour: Fault) -> None:
    scene.motion.set_fault(behaviour)
    with contextlib.closing(sqlite3.connect(scene.spool.path, isolation_level=None, check_same_thread=False)) as locker:

        def lock(moment: Moment, _: Received) -> None:
            if moment == "heard" and not locker.in_transaction:
                locker.execute("BEGIN IMMEDIATE")

        scene.motion.on_event = lock
        scene.accept("a1", "a2")
        until(lambda: any(line.get("finding") == "spool-unavailable" for line in log()), "a finding")
        assert scene.heard == ["a1"]
        assert {row.outcome for row in scene.rows()} == {""}
        scene.motion.on_event = None
        scene.motion.set_fault(faults.NONE)
        locker.execute("ROLLBACK")
    scene.pass_time(lambda: len(scene.accepted) == 2, step=5)
    scene.wait_until_settled()
    assert collections.Counter(scene.accepted) == {"a1": 1, "a2": 1}
    assert scene.rows()[0].tries == (1 if behaviour is faults.NONE else 2)


@dataclass
class Broken:
    """An upstream with a fault of ours in it, the first time."""

    faults: int = 1
    posted: int = 0

    def notify(self, connector_id: int, body: bytes, *, query: str, **_: Any) -> Answer:
        self.posted += 1
        if self.posted <= self.faults:
            raise RuntimeError(f"secret {query}")
        return Answer(200, {}, b"")

    def close(self) -> None:
        """Nothing is open."""


def test_a_fault_of_ours_loses_no_event_and_its_text_is_not_logged(spool: Database, motion: Motion, log: Log) -> None:
    notifier = Broken()
    with carrying(spool, motion, notifier=notifier) as scene:
        scene.accept("a1", "a2")
        until(lambda: notifier.posted == 1, "the first try")
        scene.clock.advance(courier.LEASE_SECONDS + 1)
        scene.wait_until_settled()
        assert notifier.posted == 3
    faults = [line for line in log() if line.get("fault")]
    assert [line["fault"] for line in faults] == ["RuntimeError"]
    assert "secret" not in json.dumps(faults)


# What is told


def test_each_try_is_one_line_that_tells_what_happened_and_nothing_secret(
    spool: Database, motion: Motion, log: Log
) -> None:
    secrets = ["hello-of-the-body", "c2lnbmF0dXJl", "token-of-the-query", "34600111222", "text-of-motion"]
    motion.script(Fault(name="status", status=400, body=b"text-of-motion"))
    with carrying(spool, motion) as scene:
        scene.accept("a1", text=secrets[0], headers=SIGNED, query=f"token={secrets[2]}", identity=secrets[3])
        scene.pass_time(lambda: scene.accepted, step=5)
    lines = log()
    tries = [line for line in lines if line["event"] == "delivery"]
    known = {"process": "courier", "event": "delivery", "event_id": 1, "connector_id": 7, "request_id": "request-a1"}
    assert [{key: line[key] for key in known} for line in tries] == [known] * 2
    told = [(line["try"], line["status"], line["reason"], line["verdict"], line["kind"]) for line in tries]
    assert told == [(1, 400, "400", "again", "MESSAGE_INBOUND"), (2, 200, "200", "delivered", "MESSAGE_INBOUND")]
    assert not [secret for secret in secrets if secret in json.dumps(lines)]


def test_findings_tell_that_motion_went_and_came_back_and_that_an_event_was_parked(
    spool: Database, motion: Motion, log: Log
) -> None:
    motion.script(faults.status(502))
    intake.accept(spool, callback("p1", contact="p"), now=0)
    die(spool, recovery.MOST_DEATHS - 1, now=1)
    claims.claim_lanes(spool, recovery.suspects(spool, most=1), Hand(91.0))
    with carrying(spool, motion) as scene:
        scene.accept("a1")
        scene.pass_time(lambda: scene.accepted, step=5)
        scene.wait_until_settled()
    notes = [(line["event"], line.get("finding")) for line in log() if line["event"] != "delivery"]
    assert notes == [
        ("finding", "event-parked"),
        ("courier started", None),
        ("finding", "motion-down"),
        ("motion is up", None),
        ("courier stopping", None),
        ("courier stopped", None),
    ]


def test_what_is_parked_by_hand_while_it_is_under_way_stays_parked_and_its_contact_goes_on(
    spool: Database, motion: Motion
) -> None:
    with carrying(spool, motion, deadline=LONGEST) as scene:
        motion.set_fault(Fault(name="hang", marker=b'"a1"'))
        scene.accept("a1", "a2")
        motion.wait_for(1)
        records.park(spool, scene.rows()[0].id, DEED)
        until(delivered(scene, "a2"), "the next of its contact", MEANWHILE_SECONDS)
        motion.set_fault(faults.NONE)  # it is answered after all
        motion.wait_for_accepted(2)
        scene.wait_until_idle()
    assert [(row.state, row.outcome) for row in scene.rows()] == [("parked", "parked by hand"), ("delivered", "200")]
    assert rows(scene.spool, schema.lane) == []


# A Motion that says no is not a Motion that is away

KEYS = {
    "CONTACT_CREATE": "contact_create_notification",
    "CONVERSATION_START": "conversation_start_notification",
    "MESSAGE_INBOUND": "message",
    "CHANNEL_EVENT": "channel_event_notification",
    "EVENT_INBOUND": "event",
}


def arrive(scene: Scene, contact: str, kind: str, number: int, *, connector: int = 7) -> str:
    """A callback of that kind from the contact; returns the name by which it is heard."""
    called = f"{contact}{number}"
    content = {"contact_id": contact, "kind": kind, "id": called}
    body = json.dumps({KEYS[kind]: content})
    changes: dict[str, Any] = {"body": body.encode(), "request_id": f"request-{called}", "connector": connector}
    changes["event"] = events.read(changes["body"], connector_id=connector)
    intake.accept(scene.spool, callback(called, **changes), now=scene.clock.now())
    return called


def newcomer(scene: Scene, contact: str, *, connector: int = 7) -> str:
    """A contact's first three callbacks; returns the last, which is a text."""
    arrive(scene, contact, "CONTACT_CREATE", 1, connector=connector)
    arrive(scene, contact, "CONVERSATION_START", 2, connector=connector)
    return arrive(scene, contact, "MESSAGE_INBOUND", 3, connector=connector)


def delivered(scene: Scene, *names: str) -> Callable[[], bool]:
    return lambda: set(names) <= set(scene.events(store.DELIVERED))


NEWS = (b"contact_create_notification", b"conversation_start_notification")


def refusing(status: int, *markers: bytes) -> tuple[Fault, ...]:
    return tuple(faults.status(status, marker=marker) for marker in markers)


def first_outcomes(scene: Scene) -> set[str]:
    return {row.outcome for row in scene.rows() if row.state == store.PARKED}


@pytest.mark.parametrize("status", some([400, 404, 413, 500, 501, 302], 2))
def test_a_refused_kind_steps_aside_and_the_texts_behind_it_arrive(scene: Scene, log: Log, status: int) -> None:
    scene.motion.set_fault(*refusing(status, *NEWS))
    texts = [newcomer(scene, contact) for contact in "abc"]
    scene.pass_time(delivered(scene, *texts), step=0.5, most=30)
    further = newcomer(scene, "d")
    scene.pass_time(delivered(scene, further), step=0.5, most=3)
    scene.pass_time(lambda: not scene.events(store.PENDING), step=1, most=60)
    assert len(scene.events(store.PARKED)) == 8
    assert first_outcomes(scene) == {f"{status}: Motion refuses this kind"}
    found = [line for line in log() if line.get("finding") == "kind-refused"]
    assert sorted((line["kind"], line["reason"]) for line in found) == [
        ("CONTACT_CREATE", str(status)),
        ("CONVERSATION_START", str(status)),
    ]
    assert all("at Sinch" in line["remedy"] for line in found)
    last = newcomer(scene, "e")
    scene.wait_until_idle()
    assert delivered(scene, last)()
    assert [scene.heard.count(name) for name in ("e1", "e2")] == [1, 1]


@pytest.mark.parametrize("status", some([400, 503, 404, 500], 2), ids=str)
def test_an_old_customer_does_not_notice_twenty_new_contacts_whose_kinds_are_refused(scene: Scene, status: int) -> None:
    scene.motion.set_fault(*refusing(status, *NEWS))
    scene.accept("z0")
    scene.wait_until_settled()
    texts = [newcomer(scene, contact) for contact in "abcdefghijklmnopqrst"]
    for number in range(1, 6):
        scene.accept(f"z{number}")
        scene.pass_time(delivered(scene, f"z{number}"), step=0.25, most=2)
    scene.pass_time(delivered(scene, *texts), step=0.5, most=30)


@pytest.mark.parametrize(
    "behaviour", some([faults.HANG, faults.reset(), *(faults.status(each) for each in (404, 500, 503))], 3)
)
def test_an_account_that_is_refused_makes_no_other_account_wait(scene: Scene, behaviour: Fault) -> None:
    scene.motion.set_fault(dataclasses.replace(behaviour, path="/8/notify"))
    for contact in "abcd":
        scene.accept(f"{contact}1", connector=8)
    scene.motion.wait_for(1)
    for number in range(5):
        scene.accept(f"z{number}")
        until(delivered(scene, f"z{number}"), "the other account's event", 3)
    scene.wait_until_idle()
    scene.motion.set_fault(faults.NONE)
    scene.pass_time(lambda: not scene.events(store.PENDING), step=16)
    assert scene.events(store.PARKED) == []


@pytest.mark.parametrize("status", [400, 404, 500])
def test_one_contact_alone_gets_the_rest_within_a_minute_and_its_first_is_parked(scene: Scene, status: int) -> None:
    scene.motion.set_fault(faults.status(status, marker=b'"a1"'))
    scene.accept("a1", "a2", "a3")
    scene.pass_time(lambda: not scene.events(store.PENDING), step=1, most=60)
    assert (scene.events(store.PARKED), scene.accepted) == (["a1"], ["a2", "a3"])


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "MESSAGE_INBOUND"), (500, "CONTACT_CREATE"), (502, "CONTACT_CREATE")]
)
def test_who_writes_again_long_after_a_refused_event_does_not_wait_for_it(scene: Scene, status: int, kind: str) -> None:
    scene.motion.set_fault(faults.status(status, marker=b'"a1"'))
    arrive(scene, "a", kind, 1)
    for _ in range(20):
        scene.clock.advance(30)
        scene.wait_until_idle()
    assert scene.events(store.PENDING) == ["a1"]
    again = arrive(scene, "a", "MESSAGE_INBOUND", 2)
    scene.pass_time(delivered(scene, again), step=1, most=16)
    scene.pass_time(lambda: not scene.events(store.PENDING), step=1, most=60)
    assert scene.events(store.PARKED) == ["a1"]


def test_a_kind_with_words_that_is_refused_waits_and_lets_other_kinds_pass(scene: Scene, log: Log) -> None:
    scene.motion.set_fault(*refusing(400, b'"message"'))
    arrive(scene, "a", "MESSAGE_INBOUND", 1)
    other = arrive(scene, "a", "CHANNEL_EVENT", 2)
    for _ in range(60):
        scene.clock.advance(30)
        scene.wait_until_idle()
    assert delivered(scene, other)()
    assert scene.events(store.PENDING) == ["a1"]
    found = [line for line in log() if line.get("finding") == "kind-refused"]
    assert [line["kind"] for line in found] == ["MESSAGE_INBOUND"]
    scene.motion.set_fault(faults.NONE)
    scene.pass_time(lambda: not scene.events(store.PENDING), step=16, most=60)


def test_a_refused_kind_gets_all_its_tries_once_an_hour_and_once_it_is_taken_all_of_it_follows(scene: Scene) -> None:
    scene.motion.set_fault(*refusing(400, *NEWS))
    for contact in "ab":
        newcomer(scene, contact)
    scene.pass_time(lambda: not scene.events(store.PENDING), step=1, most=60)
    scene.clock.advance(HOUR)
    trial = newcomer(scene, "c")
    scene.pass_time(lambda: not scene.events(store.PENDING), step=1, most=60)
    assert scene.heard.count("c1") == 5
    assert trial in scene.accepted
    scene.motion.set_fault(faults.NONE)
    newcomer(scene, "d")
    scene.wait_until_settled()
    assert scene.events(store.PARKED) == []
    assert {"a1", "a2", "b1", "b2", "c1", "c2"} <= set(scene.accepted)
    assert trouble.known(scene.spool) == []


def test_what_is_known_of_a_refused_kind_outlives_the_courier(spool: Database, motion: Motion) -> None:
    motion.set_fault(*refusing(400, *NEWS))
    with carrying(spool, motion) as scene:
        newcomer(scene, "a")
        scene.pass_time(lambda: not scene.events(store.PENDING), step=1, most=60)
    with carrying(spool, motion) as scene:
        text = newcomer(scene, "b")
        scene.pass_time(delivered(scene, text), step=0.5, most=3)
        scene.pass_time(lambda: not scene.events(store.PENDING), step=1, most=60)
        assert scene.heard.count("b1") <= 2


@pytest.mark.parametrize("behaviour", [faults.HANG, faults.reset(), faults.CUT], ids=["hangs", "resets", "cuts"])
def test_a_kind_on_which_motion_gives_no_answer_holds_up_its_own_contacts_alone(
    spool: Database, motion: Motion, behaviour: Fault
) -> None:
    with carrying(spool, motion, deadline=LONGEST) as scene:
        motion.set_fault(dataclasses.replace(behaviour, marker=NEWS[0]))
        for contact in "abcdefghijkl":
            newcomer(scene, contact)
        motion.wait_for(2)
        for number in range(4):
            scene.accept(f"z{number}")
            until(delivered(scene, f"z{number}"), "another customer's text", MEANWHILE_SECONDS)


TEXT, OTHERS_TEXT, NEW, START, OPT_IN = (
    Scope(7, "MESSAGE_INBOUND"),
    Scope(8, "MESSAGE_INBOUND"),
    *(Scope(7, kind) for kind in ("CONTACT_CREATE", "CONVERSATION_START", "OPT_IN")),
)
ROOM: dict[str, tuple[int, int, list[Scope], list[tuple[Scope, int]]]] = {
    "a kind that was never answered": (8, 1, [], [(TEXT, 2)]),
    "one that was": (8, 1, [TEXT], [(TEXT, 8)]),
    "one that was, of several accounts": (8, 2, [TEXT], [(TEXT, 6), (OTHERS_TEXT, 2)]),
    "a kind without words": (8, 1, [NEW], [(NEW, 4), (TEXT, 2)]),
    "several without words": (8, 1, [], [(NEW, 2), (START, 2), (OPT_IN, 0), (TEXT, 2), (OTHERS_TEXT, 2)]),
    "one delivery": (1, 2, [], [(NEW, 1), (TEXT, 0)]),
    "three": (3, 2, [TEXT], [(NEW, 1), (TEXT, 2)]),
    "sixteen": (16, 1, [], [(NEW, 4), (TEXT, 4)]),
}


@pytest.mark.parametrize(("deliveries", "accounts", "answering", "taken"), ROOM.values(), ids=ROOM)
def test_a_kind_gets_its_part_of_the_deliveries(
    deliveries: int, accounts: int, answering: list[Scope], taken: list[tuple[Scope, int]]
) -> None:
    settings = made_settings(range(7, 7 + accounts), deliveries=deliveries)
    room = Room(settings, collections.Counter(), collections.Counter(), frozenset(answering), at_once=deliveries)
    for about, most in taken:
        assert [room.left > 0 and room.take(about) for _ in range(most + 1)] == [True] * most + [False]


@pytest.mark.parametrize(
    ("in_hand", "arrived", "left"),
    [(0, 0, 4), (4, 0, 0), (4, 1, 1), (4, 4, 4), (6, 2, 0), (6, 4, 2), (8, 4, 0), (8, 8, 0)],
)
def test_what_has_arrived_takes_no_room_while_it_is_written_down(in_hand: int, arrived: int, left: int) -> None:
    counts = (collections.Counter({TEXT: in_hand}), collections.Counter({TEXT: arrived}))
    assert Room(made_settings([7], deliveries=4), *counts, frozenset([TEXT]), at_once=4).left == left


def test_the_next_is_under_way_before_it_is_written_down_that_the_one_before_arrived(
    spool: Database, motion: Motion
) -> None:
    told: list[list[str]] = []
    settings = made_settings([7], motion={"url": motion.url})
    notifier = Notifier(settings)
    handover = Handover(
        settings, spool, notifier, clock=HandClock(), patiently=lambda work, **_: work(), lease_seconds=90
    )
    accept(spool, "a1")
    [taken] = claims.claim(spool, due_by=math.inf, now=NOW, most=1, lease_seconds=90)
    handover.carry(taken, lambda: told.append([row.state for row in rows(spool, schema.event)]), probe=False)
    notifier.close()
    assert told == [[store.PENDING]]
    assert [row.state for row in rows(spool, schema.event)] == [store.DELIVERED]


@pytest.mark.parametrize(
    ("markers", "path"), [(NEWS, ""), ((b"",), "/8/notify")], ids=["two kinds", "an account that was well before"]
)
def test_whatever_motion_hangs_on_there_is_room_for_the_others(
    spool: Database, motion: Motion, markers: Sequence[bytes], path: str
) -> None:
    with carrying(spool, motion, accounts=(7, 8), deadline=LONGEST) as scene:
        scene.warm_up(connector=8)
        motion.set_fault(*(Fault(name="hang", marker=marker, path=path) for marker in markers))
        for contact in "abcdefghijkl":
            scene.accept(f"{contact}9", connector=8)
            arrive(scene, contact, "CONTACT_CREATE", 1)
            arrive(scene, contact.upper(), "CONVERSATION_START", 2)
        motion.wait_for(1 + 4)
        for number in range(4):
            scene.accept(f"z{number}")
            until(delivered(scene, f"z{number}"), "another customer's text", MEANWHILE_SECONDS)


@pytest.mark.parametrize(
    ("contacts", "behaviour"),
    [("a", faults.status(502)), ("a", faults.reset()), ("abc", faults.status(504)), ("abc", faults.CUT)],
    ids=["one contact, 502", "one contact, resets", "three contacts, 504", "three contacts, answers cut"],
)
def test_newcomers_alone_get_their_texts_where_motion_is_away_for_the_kinds_before_them(
    scene: Scene, contacts: str, behaviour: Fault
) -> None:
    scene.motion.set_fault(*(dataclasses.replace(behaviour, marker=mark) for mark in NEWS))
    texts = [newcomer(scene, contact) for contact in contacts]
    scene.pass_time(delivered(scene, *texts), step=1, most=30)
    scene.pass_time(lambda: not scene.events(store.PENDING), step=1, most=60)
    assert sorted(scene.events(store.PARKED)) == sorted(contact + number for contact in contacts for number in "12")
    scene.motion.set_fault(faults.NONE)
    newcomer(scene, "d")
    scene.pass_time(lambda: not scene.events(store.PENDING), step=1, most=60)
    assert scene.events(store.PARKED) == []


@pytest.mark.parametrize("behaviour", [Fault(name="status", status=503), faults.reset(), faults.DOWN], ids=str)
def test_newcomers_of_a_motion_that_is_away_altogether_get_all_of_it_in_order(
    scene: Scene, log: Log, behaviour: Fault
) -> None:
    scene.motion.set_fault(behaviour)
    sent = [f"{contact}{number}" for number in (1, 2, 3, 4) for contact in "abc"]
    for contact in "abc":
        newcomer(scene, contact)
    scene.accept("a4", "b4", "c4")
    scene.wait_until_idle()
    for _ in range(12):
        scene.clock.advance(HOUR / 12)
        scene.wait_until_idle()
    assert sorted(scene.events(store.PENDING)) == sorted(sent)
    assert {line["finding"] for line in log() if line["event"] == "finding"} == {"motion-down"}
    scene.motion.set_fault(faults.NONE)
    scene.pass_time(lambda: not scene.events(store.PENDING), step=16, most=400)
    for contact in "abc":
        assert of(contact, scene.accepted) == [f"{contact}{number}" for number in (1, 2, 3, 4)]


@pytest.mark.thorough
@pytest.mark.parametrize("status", some([401, 404, 500], 1))
def test_an_hour_of_no_to_everything_parks_nothing_of_any_kind(scene: Scene, log: Log, status: int) -> None:
    scene.motion.set_fault(faults.status(status))
    sent = [f"{contact}{number}" for contact in "abc" for number in (1, 2, 3)]
    for contact in "abc":
        newcomer(scene, contact)
    for _ in range(120):
        scene.clock.advance(HOUR / 120)
        scene.wait_until_idle()
    assert sorted(scene.events(store.PENDING)) == sent
    assert [line["reason"] for line in log() if line.get("finding") == "motion-refuses"] == [str(status)]
    assert [(each.finding, each.about) for each in trouble.known(scene.spool)] == [("motion-refuses", "7")]
    scene.motion.set_fault(faults.NONE)
    scene.pass_time(lambda: not scene.events(store.PENDING), step=16, most=400)
    for contact in "abc":
        assert of(contact, scene.accepted) == [f"{contact}{number}" for number in (1, 2, 3)]
    assert trouble.known(scene.spool) == []


def test_what_motion_is_away_for_is_kept_for_the_office_until_it_is_back(scene: Scene) -> None:
    scene.motion.set_fault(Fault(name="status", status=503))
    scene.accept("a1")
    until(lambda: trouble.known(scene.spool), "the trouble")
    [found] = trouble.known(scene.spool)
    assert (found.finding, found.about, found.reason) == ("motion-down", "7", "503")
    scene.motion.set_fault(faults.NONE)
    scene.pass_time(lambda: not trouble.known(scene.spool), step=5)


# Several couriers on one spool


@pytest.fixture
def pair(spool: Database, motion: Motion) -> Iterator[Scene]:
    """Two couriers of different nodes; the scene is that of one."""
    with carrying(spool, motion, name="one") as one, carrying(spool, motion, name="two", beside=one):
        yield one


def test_two_couriers_deliver_each_event_once_and_those_of_a_contact_in_order(pair: Scene) -> None:
    messages = [f"{contact}{number}" for number in range(8) for contact in "abcde"]
    pair.accept(*messages)
    pair.wait_until_settled()
    assert sorted(pair.heard) == sorted(messages)
    for contact in "abcde":
        assert of(contact, pair.heard) == of(contact, messages)
    assert rows(pair.spool, schema.lane) == []


class Overtaken(Database):
    """A spool of which another courier takes, once, what was just found."""

    lost: Sequence[Claim] = ()

    def glance(self, name: str, /, **values: object) -> list[Any]:
        found = super().glance(name, **values)
        if name == "due_lanes" and found and not self.lost:
            self.lost = claims.claim_lanes(self, [first for first, *_ in found], Hand(NOW + 90, "other"))
        return found


def test_a_courier_that_finds_what_another_is_taking_looks_again_before_its_next_poll(
    spool: Database, motion: Motion
) -> None:
    for contact in "ab":
        accept(spool, f"{contact}1", contact=contact)
    with contextlib.closing(Overtaken(spool.path, patience_seconds=5)) as opened:
        with carrying(opened, motion, poll_seconds=HOUR, deliveries=1) as late:
            until(lambda: late.accepted == ["b1"], "what the other left")
        assert [taken.request_id for taken in opened.lost] == ["request-a1"]


def test_while_motion_is_away_one_courier_of_all_probes_at_a_time(pair: Scene) -> None:
    pair.motion.set_fault(Fault(name="status", status=503))
    pair.accept("a1", "b1", "c1")
    until(lambda: trouble.known(pair.spool), "the trouble")
    pair.wait_until_idle()
    heard = len(pair.heard)
    for wait, probes in ((1.1, 1), (1.9, 1), (0.2, 2), (4.1, 3)):
        pair.clock.advance(wait)
        pair.wait_for_rounds(12)
        pair.wait_until_idle()
        assert len(pair.heard) - heard == probes


def test_that_motion_is_back_is_known_to_all_couriers_once_one_has_seen_it(pair: Scene) -> None:
    pair.motion.set_fault(Fault(name="status", status=503))
    messages = [f"{contact}{number}" for number in range(3) for contact in "abcdefgh"]
    pair.accept(*messages)
    until(lambda: trouble.known(pair.spool), "the trouble")
    pair.wait_until_idle()
    pair.motion.set_fault(faults.NONE)
    pair.clock.advance(2)
    pair.wait_until_settled()
    assert sorted(pair.accepted) == sorted(messages)
    assert trouble.known(pair.spool) == []


def test_a_probe_whose_courier_died_is_made_by_another_after_a_while(spool: Database, motion: Motion) -> None:
    with carrying(spool, motion, name="one") as scene:
        motion.set_fault(Fault(name="status", status=503))
        scene.accept("a1")
        until(lambda: trouble.known(spool), "the trouble")
        scene.wait_until_idle()
        now = scene.clock.now()
        spool.tell(lambda run: run("begin_probe", finding="motion-down", about="7", until=now + 6, now=math.inf))
        heard = len(scene.heard)
        scene.clock.advance(5.9)
        scene.wait_for_rounds(12)
        assert len(scene.heard) == heard
        scene.clock.advance(0.2)
        motion.wait_for(heard + 1)
        motion.set_fault(faults.NONE)
        scene.pass_time(lambda: not scene.events(store.PENDING), step=5)


def test_what_another_courier_had_in_hand_is_taken_once_its_lease_has_ended_and_tried_alone(
    spool: Database, motion: Motion, log: Log
) -> None:
    for message in ("a1", "b1", "a2"):
        intake.accept(spool, callback(message, contact=message[0]), now=0)
    held = claims.claim(spool, due_by=NOW, now=NOW, most=9, lease_seconds=courier.LEASE_SECONDS, courier="gone")
    with carrying(spool, motion, name="one") as scene:
        scene.accept("c1")
        motion.wait_for_accepted(1)
        scene.wait_for_rounds()
        assert scene.heard == ["c1"]
        gauge = motion.on_event = Gauge()
        scene.clock.advance(courier.LEASE_SECONDS + 1)
        scene.wait_until_settled()
    assert (scene.heard, gauge.most) == (["c1", "a1", "b1", "a2"], 1)
    assert not any(claims.delivered(spool, taken, outcome="200", now=NOW) for taken in held)
    [told] = [line for line in log() if line.get("finding") == "lease-ended"]
    assert (told["couriers"], told["events"]) == (["gone"], 2)


def handed(spool: Database, motion: Motion, clock: HandClock, taken: Claim) -> None:
    """Hand an event over that was claimed some time ago."""
    settings = made_settings([7], motion={"url": motion.url}, deadline="30s")
    with contextlib.closing(Notifier(settings)) as calls:
        hand = Handover(
            settings, spool, calls, clock=clock, patiently=lambda write, forever: write(), lease_seconds=90.0
        )
        hand.carry(taken, lambda: None, probe=False)


@pytest.mark.parametrize(
    ("stopped", "heard", "told"),
    [(59.0, ["a1"], []), (61.0, [], ["delivery not begun; its lease was nearly over"])],
    ids=["a deadline is left", "less than a deadline is left"],
)
def test_nothing_is_begun_that_could_not_end_within_its_lease(
    spool: Database,
    motion: Motion,
    log: Log,
    stopped: float,
    heard: list[str],
    told: list[str],
) -> None:
    accept(spool, "a1", now=NOW)
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=9, lease_seconds=90.0, courier="one")
    clock = HandClock(NOW)
    clock.advance(stopped)
    handed(spool, motion, clock, taken)
    assert [name(item) for item in motion.received] == heard
    assert [line["event"] for line in log() if line["event"] != "delivery"] == told
    assert [row.claimed_event for row in rows(spool, schema.lane)] == [None] * (not heard)


def test_what_others_have_taken_from_a_courier_that_was_stopped_is_not_delivered_by_it(
    spool: Database, motion: Motion, log: Log
) -> None:
    accept(spool, "a1", now=NOW)
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=9, lease_seconds=90.0, courier="one")
    clock = HandClock(NOW + 91)
    recovery.free_ended(spool, now=clock.now())
    [others] = claims.claim_lanes(spool, recovery.suspects(spool, most=1), Hand(NOW + 181, "two"))
    handed(spool, motion, clock, taken)
    assert not motion.received
    assert [line.get("finding") for line in log()] == [None, "lease-lost"]
    handed(spool, motion, clock, others)
    assert [name(item) for item in motion.received] == ["a1"]
    assert [row.state for row in rows(spool, schema.event)] == [store.DELIVERED]


# Files of customers: who waits for them, and how long

WAIT = 30.0  # `inbound.wait`


@pytest.fixture
def through(spool: Database, motion: Motion) -> Iterator[Scene]:
    with carrying(spool, motion, others=THROUGH) as scene:
        yield scene


def with_file(scene: Scene, message: str) -> int:
    """Take in a message that names a file, which is still to be fetched; tells its event."""
    body = inbound_samples.body(message, contact=message[0])
    one = callback(message, contact=message[0], body=body, media=1)
    return intake.accept(scene.spool, one, now=scene.clock.now()).event_id


def settled(scene: Scene, event_id: int, state: str) -> None:
    """Say what became of its file, as whoever fetches it does."""
    inbound_samples.known(scene.spool, event_id, state, media=0)
    lane = next(row.lane for row in scene.rows() if row.id == event_id)
    scene.spool.tell(lambda run: run("wake_lane", lane=lane), lanes=(lane,))


def body_of(scene: Scene, message: str) -> bytes:
    return next(item.body for item in scene.motion.accepted if name(item) == message)


def row_of(scene: Scene, event_id: int) -> Any:
    return next(row for row in scene.rows() if row.id == event_id)


@pytest.mark.both_engines
def test_an_event_waits_for_its_file_and_its_contact_with_it_and_nobody_else(through: Scene) -> None:
    event_id = with_file(through, "a1")
    through.accept("a2", "b1")
    through.motion.wait_for_accepted(1)
    through.wait_for_rounds()
    assert (through.heard, row_of(through, event_id).tries) == (["b1"], 0)
    settled(through, event_id, "kept")
    through.wait_until_settled()
    assert through.heard == ["b1", "a1", "a2"]
    assert b"https://gateway.internal:8444/media/" in body_of(through, "a1")
    row = row_of(through, event_id)
    assert (row.tries, row.findings) == (1, "")


def test_no_event_waits_longer_than_the_settings_say_and_it_is_named(through: Scene) -> None:
    event_id = with_file(through, "a1")
    through.accept("a2")
    through.wait_for_rounds()
    through.clock.advance(WAIT - 1)
    through.wait_until_idle()
    assert through.heard == []
    with structlog.testing.capture_logs() as logs:
        through.clock.advance(1)
        through.wait_until_settled()
    assert through.heard == ["a1", "a2"]
    assert body_of(through, "a1") == inbound_samples.body("a1", contact="a")
    assert row_of(through, event_id).findings == "media-late"
    assert [line["event_id"] for line in logs if line.get("finding") == "media-late"] == [event_id]


def test_a_file_that_cannot_be_had_holds_up_nobody(through: Scene) -> None:
    event_id = with_file(through, "a1")
    through.wait_for_rounds()
    settled(through, event_id, "failed")
    through.wait_until_settled()
    assert body_of(through, "a1") == inbound_samples.body("a1", contact="a")
    assert row_of(through, event_id).findings == "media-failed"


def test_what_comes_after_an_event_with_trouble_waits_for_its_file_too(through: Scene) -> None:
    through.warm_up()
    through.motion.set_fault(Fault(name="status", status=400, marker=b'"a1"'))
    through.accept("a1")
    event_id = with_file(through, "a2")
    through.pass_time(lambda: of("a", through.heard).count("a1") >= 6, step=1.0, most=WAIT - 1)
    assert (through.heard.count("a2"), row_of(through, event_id).tries) == (0, 0)


def test_motion_is_asked_whether_it_is_back_with_another_event_than_one_that_waits_for_its_file(
    spool: Database, motion: Motion
) -> None:
    with carrying(spool, motion, others=THROUGH, deadline="30s") as scene:
        motion.set_fault(Fault(name="status", status=503))
        scene.accept("b1")
        scene.pass_time(lambda: scene.heard, step=0.5, most=WAIT / 2)
        with_file(scene, "a1")
        motion.set_fault(faults.NONE)
        scene.pass_time(lambda: scene.accepted, step=0.5, most=WAIT / 2)
        assert scene.accepted == ["b1"]

"""No message is ever sent twice: whatever happens on the way, Motion and the record are told how far it came."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from gateway.outbound.record import ACCEPTED, LONGEST_SEND_SECONDS, REJECTED, SENDING, UNKNOWN, UNSENT
from sandbox import faults
from sandbox.agent import Told
from sandbox.callbacks import Customer
from sandbox.connection import Request
from sandbox.faults import DOWN, HANG, NONE, STAGES, Fault
from tests.live.call_house import AMERICAN, CallHouse, ask_and_go, asked, assert_refused, opened, text
from tests.spool_samples import locked

AT_ONCE = 8


@dataclass(frozen=True)
class Ends:
    """What Motion hears (`code`: of a refusal of ours), what is written down, how often Sinch heard it and took it."""

    status: int
    code: str
    outcome: str
    taken: int
    heard: int = 1


GOOD = Ends(200, "", ACCEPTED, taken=1)
NOT_SENT = Ends(503, "SINCH_UNREACHABLE", UNSENT, taken=0, heard=0)
LOST = Ends(504, "SEND_FATE_UNKNOWN", UNKNOWN, taken=1)
NEVER_TAKEN = dataclasses.replace(LOST, taken=0)
UNREADABLE = Ends(200, "", UNKNOWN, taken=1)


def _said(status: int, *, heard: int = 1) -> Ends:
    return Ends(status, "", REJECTED if status < 500 else UNKNOWN, taken=0, heard=heard)


def _broken() -> dict[str, tuple[Fault, Ends]]:
    """The connection reset or closed at each stage of the request and of the answer."""
    ends = {"connect": NOT_SENT, "head": NEVER_TAKEN, "body": NEVER_TAKEN}
    return {
        f"{name} {how}": (Fault(name=name, at=stage), ends.get(stage, LOST))
        for name in ("reset", "close")
        for stage, how in STAGES.items()
    }


FAULTS: dict[str, tuple[Fault, Ends]] = {
    "nothing": (NONE, GOOD),
    "nobody listens": (DOWN, NOT_SENT),
    **_broken(),
    **{f"status {status}": (faults.status(status), _said(status)) for status in (400, 401, 403, 404, 409, 422, 429)},
    **{f"status {status}": (faults.status(status), _said(status)) for status in (500, 501, 502, 503, 504)},
    "503, and it was taken": (faults.status(503, takes=True), dataclasses.replace(_said(503), taken=1)),
    "503 with a time to come again": (faults.status(503, retry_after="0"), _said(503)),
    "429 with a time to come again": (faults.status(429, retry_after="0"), _said(429, heard=3)),
    "429 with a later time": (faults.status(429, retry_after="6"), _said(429)),
    "429 with a date": (faults.status(429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), _said(429)),
    "429 with a time that is none": (faults.status(429, retry_after="-0"), _said(429)),
    **{
        f"a redirect with {status}": (Fault(name="redirect", status=status), NEVER_TAKEN)
        for status in (301, 302, 303, 307, 308)
    },
    "a redirect of what was taken": (Fault(name="redirect", takes=True), LOST),
    "status 101": (faults.status(101), NEVER_TAKEN),
    "status 999": (faults.status(999), NEVER_TAKEN),
    "202, and an error": (faults.status(202, takes=True), dataclasses.replace(UNREADABLE, status=202)),
    "an empty 204": (faults.status(204, takes=True), dataclasses.replace(UNREADABLE, status=204)),
    "hostile headers": (Fault(name="hostile"), GOOD),
    "a compressed answer": (Fault(name="gzip"), GOOD),
    "a shorter answer than it says": (Fault(name="longer"), LOST),
    "a longer answer than it says": (Fault(name="shorter"), UNREADABLE),
    "an answer without a length": (Fault(name="lengthless"), LOST),
    "an answer in chunks": (Fault(name="chunked"), GOOD),
    "an answer in chunks, with a length": (Fault(name="both"), GOOD),
    "an answer that says it is in chunks": (Fault(name="unchunked"), LOST),
    "an answer without end": (Fault(name="endless"), LOST),
    "no HTTP": (Fault(name="garbage"), NEVER_TAKEN),
    "no HTTP, and it was taken": (Fault(name="garbage", takes=True), LOST),
    "something else": (Fault(name="other"), UNREADABLE),
    "no JSON": (Fault(name="other", body=b"\xff<html>"), UNREADABLE),
    "an id that is none": (Fault(name="other", body=b'{"message_id":"\\u0000"}'), UNREADABLE),
    "byte by byte": (Fault(name="drip", seconds=0.001), GOOD),
    "after a while": (faults.slow(0.5), GOOD),
}


@pytest.fixture(scope="module")
def _calls() -> Iterator[CallHouse]:
    with opened() as calls:
        yield calls


@pytest.fixture
def calls(_calls: CallHouse) -> Iterator[CallHouse]:
    """A gateway for all of these tests; nothing that one lets go wrong is left for the next."""
    _calls.quiet()
    yield _calls
    _calls.quiet()


def assert_ends(calls: CallHouse, customer: Customer, told: Told, ends: Ends) -> None:
    """The answer, what Sinch heard and took, the record, and the report on what was taken."""
    if ends.code:
        assert_refused(told, ends.code)
    else:
        assert (told.status, told.answer.header("x-motion-gateway-error")) == (ends.status, None), told.message
    assert (len(calls.api.sends), len(calls.api.accepted)) == (ends.heard, ends.taken)
    row = calls.sent(customer)
    assert (row.outcome, row.status) == (ends.outcome, ends.status)
    if ends.taken:
        assert_report_tells(calls, customer)


def assert_report_tells(calls: CallHouse, customer: Customer) -> None:
    """The delivery report finds the row, and says which message it became."""
    [taken] = [call for call in calls.calls_of(customer) if call.made]
    row = calls.wait_for_fate(customer)
    assert row.message_id == taken.made


@pytest.mark.parametrize(("fault", "ends"), FAULTS.values(), ids=FAULTS)
def test_a_message_is_sent_once_or_not_at_all_with(calls: CallHouse, fault: Fault, ends: Ends) -> None:
    customer, agent = calls.customer(), calls.agent(basic=True)
    calls.api.eu.set_fault(fault)
    assert_ends(calls, customer, agent.reply(customer.contact_id, "Hola"), ends)


def test_the_operator_is_shown_what_became_of_a_message_whose_answer_was_lost(calls: CallHouse) -> None:
    customer = calls.customer()
    calls.api.eu.set_fault(faults.reset("answer-body"))
    assert_refused(calls.agent().reply(customer.contact_id, "Hola"), "SEND_FATE_UNKNOWN")
    row = calls.wait_for_fate(customer)
    [taken] = calls.api.accepted
    for name in (str(row.send_id), row.reference, taken.made):
        shown = calls.shown(name)
        told = {name: shown[name] for name in ("outcome", "status", "code", "fate", "message id")}
        assert told == {
            "outcome": "unknown",
            "status": "504",
            "code": "SEND_FATE_UNKNOWN",
            "fate": "DELIVERED",
            "message id": taken.made,
        }
    assert f"{row.send_id} " in calls.house.command("sends", "list", "--outcome", "unknown")


VIOLATED = [
    {"@type": "type.googleapis.com/google.rpc.BadRequest", "field_violations": [{"field": "a", "description": "b"}]}
]
SAID_NO = json.dumps(
    {"error": {"status": "INVALID_ARGUMENT", "message": "No such thing", "details": VIOLATED}}
).encode()
HAPPENED = {
    "a redirect": (Fault(name="redirect", status=302), "answer leads elsewhere (status 302)"),
    "a page": (Fault(name="status", status=200, body=b"<html>Log in"), "answer names no message"),
    "an error of its own": (Fault(name="status", status=400, body=SAID_NO), "No such thing; a: b"),
}


@pytest.mark.parametrize(("fault", "words"), HAPPENED.values(), ids=HAPPENED)
def test_the_operator_is_shown_what_happened_at_sinch(calls: CallHouse, fault: Fault, words: str) -> None:
    customer = calls.customer()
    calls.api.eu.set_fault(fault)
    calls.agent(basic=True).reply(customer.contact_id, "Hola")
    assert words in calls.shown(calls.sent(customer).reference)["said"]


AGAIN = {
    "a connection that is reset": faults.reset("connect"),
    "a connection that is closed": Fault(name="close", at="connect"),
    "429 with a time to come again": faults.status(429, retry_after="0"),
}


@pytest.mark.parametrize("once", AGAIN.values(), ids=AGAIN)
def test_what_surely_was_not_taken_is_sent_again_after(calls: CallHouse, once: Fault) -> None:
    customer = calls.customer()
    calls.api.eu.script(once, once)
    told = calls.agent(basic=True).reply(customer.contact_id, "Hola")
    assert_ends(calls, customer, told, dataclasses.replace(GOOD, heard=3 if once.name == "status" else 1))
    assert calls.sent(customer).tries == 3


def test_a_connection_that_sinch_has_let_go_of_is_not_used_again(calls: CallHouse) -> None:
    agent = calls.agent(basic=True)
    for number in range(10):
        calls.api.eu.set_fault(DOWN)  # cuts what is open
        calls.api.eu.set_fault(NONE)
        customer = calls.customer()
        assert agent.reply(customer.contact_id, f"Hola {number}").accepted
        assert len(calls.calls_of(customer)) == 1


def test_a_message_that_motion_no_longer_waits_for_is_sent_once_and_written_down(calls: CallHouse) -> None:
    customer = calls.customer()
    calls.api.eu.set_fault(faults.slow(1.0, takes=True))
    ask_and_go(calls, asked(calls, customer, text()), once=lambda: any(call.whole for call in calls.api.sends))
    calls.wait_for_fate(customer)
    assert calls.house.wait_for(lambda: calls.sent(customer).outcome == ACCEPTED)
    assert len(calls.api.sends) == 1


def test_who_does_not_answer_in_time_is_asked_once(calls: CallHouse) -> None:
    slow = {
        "hangs": HANG,
        "hangs, having taken it": Fault(name="hang", takes=True),
        "answers too late": faults.slow(25, takes=True),
        "answers too slowly": Fault(name="drip", seconds=0.5),
    }
    customers, agent = [calls.customer() for _ in slow], calls.agent(basic=True)
    american = calls.agent(AMERICAN, basic=True)
    calls.api.eu.script(*slow.values())
    calls.api.us.set_fault(HANG)
    with ThreadPoolExecutor() as pool:
        sends = [pool.submit(agent.reply, customer.contact_id, "Hola") for customer in customers]
        read = pool.submit(american.get, "/messages")
        change = pool.submit(american.call, Request(method="DELETE"), f"/contacts/{customers[0].contact_id}")
    for customer, told in zip(customers, sends, strict=True):
        assert_refused(told.result(), "SEND_FATE_UNKNOWN")
        [call] = calls.calls_of(customer)
        assert calls.sent(customer).outcome == UNKNOWN
        assert bool(call.made) == call.fault.taken
        if call.made:
            assert_report_tells(calls, customer)
    assert {call.fault for call in calls.api.sends} == set(slow.values())
    assert_refused(read.result(), "SINCH_TIMED_OUT")
    assert_refused(change.result(), "CALL_FATE_UNKNOWN")
    assert len(calls.api.calls) == len(slow) + 2


# The gateway's own accidents.


@pytest.mark.parametrize("takes", [True, False], ids=["taken", "not taken"])
def test_a_worker_that_is_killed_leaves_a_message_of_unknown_fate(calls: CallHouse, *, takes: bool) -> None:
    customer, agent = calls.customer(), calls.agent(basic=True)
    calls.api.eu.set_fault(Fault(name="hang", takes=takes))
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(agent.reply, customer.contact_id, "Hola")
        calls.api.wait_for(lambda heard: any(call.is_send and call.whole for call in heard))
        os.kill(calls.house.worker("outbound"), signal.SIGKILL)
        assert_refused(waiting.result(), "SEND_FATE_UNKNOWN")
    assert calls.sent(customer).outcome == SENDING
    assert calls.sent(customer, later_seconds=LONGEST_SEND_SECONDS + 1).outcome == UNKNOWN
    calls.api.eu.set_fault(NONE)
    assert agent.reply(calls.customer().contact_id, "And now?").accepted
    assert len(calls.calls_of(customer)) == 1
    if takes:
        assert_report_tells(calls, customer)
    else:
        assert calls.api.accepted == calls.api.sends[1:]


def test_what_cannot_be_written_down_is_not_sent(calls: CallHouse) -> None:
    customer, agent = calls.customer(), calls.agent(basic=True)
    with locked(calls.house.spool().path):
        assert_refused(agent.reply(customer.contact_id, "Hola"), "GATEWAY_UNAVAILABLE")
        assert agent.get("/messages").status == 200
    assert calls.api.sends == ()
    assert agent.reply(customer.contact_id, "Hola").accepted


def test_what_was_sent_is_told_though_it_cannot_be_written_down_and_its_report_is_joined_later(
    calls: CallHouse,
) -> None:
    customer, agent = calls.customer(), calls.agent(basic=True)
    calls.api.eu.set_fault(Fault(name="hang", takes=True))
    calls.api.reports.hold()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(agent.reply, customer.contact_id, "Hola")
        calls.api.wait_for(lambda heard: any(call.made for call in heard))
        with locked(calls.house.spool().path):
            calls.api.eu.set_fault(NONE)  # which lets it answer
            assert waiting.result().accepted
    assert calls.sent(customer).outcome == SENDING
    assert calls.sent(customer, later_seconds=LONGEST_SEND_SECONDS + 1).outcome == UNKNOWN
    calls.api.reports.let_go()
    assert_report_tells(calls, customer)
    assert calls.house.decisions("outbound", finding="send-not-settled")


class Load:
    """Agents who send one message after another until they are told to stop; `told` is by customer."""

    def __init__(self, calls: CallHouse) -> None:
        self.calls = calls
        self.told: dict[Customer, Told] = {}
        self._agent = calls.agent(basic=True)
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def __enter__(self) -> Load:
        self._running = [self._pool.submit(self._send) for _ in range(AT_ONCE)]
        self.calls.api.wait_for_sends(AT_ONCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown()
        for running in self._running:
            running.result()

    def wait_for_more(self, count: int = 2 * AT_ONCE) -> None:
        """Wait until so many more were taken."""
        enough = len(self.calls.api.accepted) + count
        self.calls.house.wait_for(lambda: len(self.calls.api.accepted) >= enough)

    def _send(self) -> None:
        while not self._stopped.is_set():
            customer = self.calls.customer()
            self.told[customer] = self._agent.send(customer.contact_id, text("under load"))

    def heard(self) -> Counter[str]:
        """How often Sinch heard of each contact."""
        found = Counter[str]()
        for customer in self.told:
            found[customer.contact_id] = len(self.calls.calls_of(customer))
        return found


def test_a_reload_under_load_loses_no_message_and_doubles_none(calls: CallHouse) -> None:
    calls.api.eu.set_fault(faults.slow(0.1))
    house = calls.house
    with Load(calls) as load:
        for _ in range(2):
            before, count = house.worker("outbound"), len(house.decisions("serve", event="reloaded"))
            house.reload()
            house.wait_for(lambda count=count: len(house.decisions("serve", event="reloaded")) > count)
            house.wait_for(lambda before=before: house.worker("outbound") != before)
            load.wait_for_more()
    assert {told.status for told in load.told.values()} == {200}
    assert set(load.heard().values()) == {1}
    assert len(calls.api.accepted) == len(load.told)
    rows = {row.contact_id: row for row in calls.record()}
    assert {rows[customer.contact_id].outcome for customer in load.told} == {ACCEPTED}


def test_what_motion_hears_is_true_while_the_door_is_killed_and_comes_back(calls: CallHouse) -> None:
    calls.api.eu.set_fault(faults.slow(0.1))
    house = calls.house
    house.wait_for(house.ready_for_accidents)
    with Load(calls) as load:
        calls.api.eu.set_fault(HANG)  # so that something is under way
        calls.api.wait_for(lambda heard: any(call.whole and not call.ended for call in heard))
        house.kill("outbound")
        calls.api.eu.set_fault(faults.slow(0.1))
        load.wait_for_more()
    rows = {row.contact_id: row for row in calls.record(later_seconds=LONGEST_SEND_SECONDS + 1)}
    heard = load.heard()
    taken = Counter(call.made != "" for call in calls.api.sends)
    for customer, told in load.told.items():
        row, count = rows.get(customer.contact_id), heard[customer.contact_id]
        if told.status == 200:
            assert (count, row.outcome if row else None) == (1, ACCEPTED)
        elif told.status == 503:
            assert_refused(told, "GATEWAY_UNAVAILABLE")
            assert count == 0
        else:
            assert_refused(told, "SEND_FATE_UNKNOWN")
            assert count <= 1
            assert row is None or row.outcome in (UNKNOWN, ACCEPTED)  # it may have died just before it answered
    assert {200, 504} <= {told.status for told in load.told.values()}
    assert taken[True] <= len(load.told)


def test_a_stop_waits_for_the_messages_that_are_under_way(calls: CallHouse) -> None:
    """The last but one of them."""
    customers, agent = [calls.customer() for _ in range(AT_ONCE)], calls.agent(basic=True)
    calls.api.eu.set_fault(faults.slow(1.5))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(agent.reply, customer.contact_id, "Hola") for customer in customers]
        calls.api.wait_for(lambda heard: sum(call.is_send and call.whole for call in heard) == AT_ONCE)
        calls.house.stop()
    assert {told.result().status for told in waiting} == {200}
    assert {calls.sent(customer).outcome for customer in customers} == {ACCEPTED}


def test_in_all_that_the_log_tells_each_message_was_one_and_nothing_was_unexpected(calls: CallHouse) -> None:
    """The last of them."""
    lines = calls.house.decisions("outbound", event="outbound", call="POST messages:send")
    references = Counter(line["reference"] for line in lines if "reference" in line)
    assert set(references.values()) == {1}
    assert not calls.house.decisions("outbound", event="unexpected")

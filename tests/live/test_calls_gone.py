"""Whoever has gone before a message could leave is noticed: nothing is sent, and row and log say so."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from gateway.outbound.record import ACCEPTED, UNSENT
from gateway.sinch.client import WAITING
from sandbox import connection, faults
from sandbox.agent import Agent
from sandbox.callbacks import Customer
from sandbox.connection import Request
from sandbox.faults import HANG, NONE
from tests.live.call_house import CallHouse, body, opened, sends_at, with_token
from tests.picture_samples import picture, written

SHORT_SECONDS = 0.5  # of Motion's patience
SEND = f"/eu{sends_at()}"
PHOTO = written(picture(), "JPEG")


@pytest.fixture(scope="module")
def _calls() -> Iterator[CallHouse]:
    with opened(vaulted=True) as calls:
        yield calls


@pytest.fixture
def calls(_calls: CallHouse) -> Iterator[CallHouse]:
    """A gateway that keeps the keys, with a token in hand."""
    with with_token(_calls) as calls:
        yield calls


@pytest.fixture
def impatient(calls: CallHouse) -> Agent:
    """Somebody whose Motion closes the connection soon."""
    agent = calls.agent(basic=True)
    agent.way = dataclasses.replace(agent.way, timeout_seconds=SHORT_SECONDS)
    return agent


def photo(calls: CallHouse) -> int:
    return calls.house.archive.put("photo.jpg", PHOTO).attachment_id


def assert_gone(calls: CallHouse, customer: Customer, *, tries: int = 0) -> None:
    """The row and the log say that it went nowhere; at Sinch so many tries were heard, and none taken."""
    calls.house.wait_for(lambda: any(row.contact_id == customer.contact_id and row.ended_at for row in calls.record()))
    row = calls.sent(customer)
    assert (row.outcome, row.code, row.message_id) == (UNSENT, "CALLER_GONE", "")
    heard = calls.calls_of(customer)
    assert (len(heard), [call for call in heard if call.made]) == (tries, [])
    [line] = calls.house.decisions("outbound", reason="CALLER_GONE", reference=row.reference)
    assert line["outcome"] == UNSENT
    assert "Nothing was sent" in line["why"]


def test_who_goes_while_motion_still_gives_the_file_is_noticed_and_the_next_try_is_sent_once(
    calls: CallHouse, impatient: Agent
) -> None:
    customer, file = calls.customer(), photo(calls)
    calls.house.archive.script(HANG)
    assert impatient.send_file(customer.contact_id, file).answer.error == "timeout"
    calls.house.motion.release()
    assert_gone(calls, customer)
    assert calls.agent(basic=True).send_file(customer.contact_id, file).accepted
    [call] = calls.calls_of(customer)
    assert call.made
    newest, oldest = (row for row in calls.record() if row.contact_id == customer.contact_id)
    assert (newest.outcome, oldest.outcome) == (ACCEPTED, UNSENT)


def closed(by: connection.Route, request: Request, how: Callable[[socket.socket], None]) -> socket.socket:
    """The connection of a client that asked, and then did that to it."""
    made = connection._connected(by)
    made.sendall(connection._spelled(by, request))
    how(made)
    return made


def _aborted(made: socket.socket) -> None:
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    made.close()


def _asked_again(made: socket.socket) -> None:
    made.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    made.close()


WAYS: dict[str, Callable[[socket.socket], None]] = {
    "closed": lambda made: made.close(),
    "reset": _aborted,
    "closed for writing alone": lambda made: made.shutdown(socket.SHUT_WR),
    "closed behind the next request": lambda made: (made.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"), made.close())[
        1
    ],
}


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
def test_however_a_client_goes_it_is_noticed(calls: CallHouse, how: Callable[[socket.socket], None]) -> None:
    customer, file = calls.customer(), photo(calls)
    said = body(customer, {"media_message": {"url": calls.link(file)}})
    headers = (("authorization", calls.agent(basic=True)._basic), ("content-type", "application/json"))
    request = Request(target=SEND, headers=headers, body=json.dumps(said).encode())
    asked = len(calls.house.archive.downloads)
    calls.house.archive.script(HANG)
    with closing(closed(calls.route(), request, how)):
        calls.house.wait_for(lambda: len(calls.house.archive.downloads) > asked)
        calls.house.motion.release()
        assert_gone(calls, customer)


def test_who_waits_with_a_kept_alive_connection_is_sent_for(calls: CallHouse) -> None:
    customer, file, asked = calls.customer(), photo(calls), len(calls.house.archive.downloads)
    calls.house.archive.script(HANG)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(calls.agent(basic=True).send_file, customer.contact_id, file)
        calls.house.wait_for(lambda: len(calls.house.archive.downloads) > asked)
        calls.house.motion.release()
        assert waiting.result().accepted
    assert len(calls.calls_of(customer)) == 1


def test_who_goes_while_others_fill_the_way_to_sinch_is_noticed_when_its_turn_comes(
    calls: CallHouse, impatient: Agent
) -> None:
    others, customer = [calls.customer() for _ in range(WAITING)], calls.customer()
    calls.api.eu.set_fault(HANG)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(WAITING))
        stack.callback(calls.api.eu.set_fault, NONE)
        waiting = [pool.submit(calls.agent(basic=True).reply, one.contact_id, "Hola") for one in others]
        calls.api.wait_for(lambda heard: sum(call.whole for call in heard) >= WAITING, 30)
        assert impatient.reply(customer.contact_id, "Hola").answer.error == "timeout"
        calls.api.eu.set_fault(NONE)
        assert_gone(calls, customer)
        assert all(one.result().accepted for one in waiting)


def test_who_goes_while_another_token_is_fetched_is_noticed(calls: CallHouse, impatient: Agent) -> None:
    customer = calls.customer()
    calls.api.tokens.expire()
    calls.api.auth.set_fault(HANG)
    assert impatient.reply(customer.contact_id, "Hola").answer.error == "timeout"
    calls.api.auth.set_fault(NONE)
    assert_gone(calls, customer, tries=1)  # that was refused for the old token


def test_who_goes_between_two_tries_is_not_tried_for_again(calls: CallHouse, impatient: Agent) -> None:
    customer = calls.customer()
    calls.api.eu.script(faults.status(429, retry_after="2"))
    assert impatient.reply(customer.contact_id, "Hola").answer.error == "timeout"
    assert_gone(calls, customer, tries=1)


def test_of_a_change_and_a_read_nothing_leaves_either(calls: CallHouse) -> None:
    customer, agent = calls.customer(), calls.agent(basic=True)
    agent.way = dataclasses.replace(agent.way, timeout_seconds=SHORT_SECONDS)
    calls.api.eu.script(*[faults.status(429, retry_after="2")] * 3)
    path = f"/contacts/{customer.contact_id}"
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(agent.call, Request(method=method), path) for method in ("GET", "DELETE")]
        assert [one.result().answer.error for one in asked] == ["timeout"] * 2
    calls.house.wait_for(lambda: len(calls.house.decisions("outbound", reason="CALLER_GONE")) >= 2)
    assert len(calls.api.calls) == 2

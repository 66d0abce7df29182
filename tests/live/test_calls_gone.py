"""Whoever has gone before a message could leave is noticed: nothing is sent, and row and log say so."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial

import pytest

from gateway.outbound.record import ACCEPTED, UNSENT
from gateway.sinch.client import WAITING
from sandbox import connection, faults
from sandbox.callbacks import Customer
from sandbox.connection import Request
from sandbox.faults import HANG, NONE
from tests.live.call_house import CallHouse, ask_and_go, asked, opened, sends_at, text, with_token
from tests.picture_samples import picture, written

SEND = f"/eu{sends_at()}"
PHOTO = written(picture(), "JPEG")
LATER = faults.status(429, retry_after="4")


@pytest.fixture(scope="module")
def _calls() -> Iterator[CallHouse]:
    with opened(vaulted=True) as calls:
        yield calls


@pytest.fixture
def calls(_calls: CallHouse) -> Iterator[CallHouse]:
    """A gateway that keeps the keys, with a token in hand."""
    with with_token(_calls) as calls:
        yield calls


def photo(calls: CallHouse) -> int:
    return calls.house.archive.put("photo.jpg", PHOTO).attachment_id


def assert_gone(calls: CallHouse, customer: Customer, *, tries: int = 0) -> None:
    """The row and the log say that it went nowhere; at Sinch so many tries were heard, and none taken."""
    calls.house.wait_for(lambda: any(row.contact_id == customer.contact_id and row.ended_at for row in calls.record()))
    row = calls.sent(customer)
    assert (row.outcome, row.code, row.message_id) == (UNSENT, "CALLER_GONE", "")
    heard = calls.calls_of(customer)
    assert (len(heard), [call for call in heard if call.made]) == (tries, [])
    [line] = calls.house.wait_for(
        lambda: calls.house.decisions("outbound", reason="CALLER_GONE", reference=row.reference)
    )
    assert line["outcome"] == UNSENT
    assert "Nothing was sent" in line["why"]


def test_who_goes_while_motion_still_gives_the_file_is_noticed_and_the_next_try_is_sent_once(calls: CallHouse) -> None:
    customer, file, before = calls.customer(), photo(calls), len(calls.house.archive.downloads)
    calls.house.archive.script(HANG)
    said = {"media_message": {"url": calls.link(file)}}
    ask_and_go(calls, asked(calls, customer, said), once=lambda: len(calls.house.archive.downloads) > before)
    calls.house.motion.release()
    assert_gone(calls, customer)
    assert calls.agent(basic=True).send_file(customer.contact_id, file).accepted
    [call] = calls.calls_of(customer)
    assert call.made
    newest, oldest = (row for row in calls.record() if row.contact_id == customer.contact_id)
    assert (newest.outcome, oldest.outcome) == (ACCEPTED, UNSENT)


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
    request = asked(calls, customer, {"media_message": {"url": calls.link(file)}})
    before = len(calls.house.archive.downloads)
    calls.house.archive.script(HANG)
    with closing(connection._connected(calls.route())) as made:
        end = calls.at_nginx(made)
        made.sendall(connection._spelled(calls.route(), request))
        how(made)
        calls.house.wait_for(lambda: len(calls.house.archive.downloads) > before)
        calls.wait_until_let_go(end)
        calls.house.motion.release()
        assert_gone(calls, customer)


def test_who_waits_with_a_kept_alive_connection_is_sent_for(calls: CallHouse) -> None:
    customer, file, before = calls.customer(), photo(calls), len(calls.house.archive.downloads)
    calls.house.archive.script(HANG)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(calls.agent(basic=True).send_file, customer.contact_id, file)
        calls.house.wait_for(lambda: len(calls.house.archive.downloads) > before)
        calls.house.motion.release()
        assert waiting.result().accepted
    assert len(calls.calls_of(customer)) == 1


def test_who_goes_while_others_fill_the_way_to_sinch_is_noticed_when_its_turn_comes(calls: CallHouse) -> None:
    others, customer = [calls.customer() for _ in range(WAITING)], calls.customer()
    calls.api.eu.set_fault(HANG)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(WAITING))
        stack.callback(calls.api.eu.set_fault, NONE)
        waiting = [pool.submit(calls.agent(basic=True).reply, one.contact_id, "Hola") for one in others]
        calls.api.wait_for(lambda heard: sum(call.whole for call in heard) >= WAITING)

        def filed() -> bool:
            return any(row.contact_id == customer.contact_id for row in calls.record())

        ask_and_go(calls, asked(calls, customer, text()), once=filed)
        calls.api.eu.set_fault(NONE)
        assert_gone(calls, customer)
        assert all(one.result().accepted for one in waiting)


def test_who_goes_while_another_token_is_fetched_is_noticed(calls: CallHouse) -> None:
    customer = calls.customer()
    calls.api.tokens.expire()
    calls.api.auth.set_fault(HANG)
    ask_and_go(calls, asked(calls, customer, text()), once=lambda: calls.api.token_requests)
    calls.api.auth.set_fault(NONE)
    assert_gone(calls, customer, tries=1)  # that was refused for the old token


def test_who_goes_between_two_tries_is_not_tried_for_again(calls: CallHouse) -> None:
    customer = calls.customer()
    calls.api.eu.script(LATER)
    ask_and_go(calls, asked(calls, customer, text()), once=lambda: calls.api.sends)
    assert_gone(calls, customer, tries=1)


def test_of_a_change_and_a_read_nothing_leaves_either(calls: CallHouse) -> None:
    target = SEND.replace("messages:send", f"contacts/{calls.customer().contact_id}")
    headers = (("authorization", calls.agent(basic=True)._basic),)
    calls.api.eu.script(LATER, LATER)
    for number, method in enumerate(("GET", "DELETE"), 1):
        heard = partial(calls.api.wait_for, number)
        ask_and_go(calls, Request(method=method, target=target, headers=headers), once=heard)
    calls.house.wait_for(lambda: len(calls.house.decisions("outbound", reason="CALLER_GONE")) >= 2)
    assert len(calls.api.calls) == 2

"""The simulated Motion over real sockets."""

from __future__ import annotations

import http.client
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import certificates, faults
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.faults import Fault
from sandbox.motion import Motion

NOTIFY = "/api/whatsapp/accounts/7/notify"


@pytest.fixture
def motion():
    with Motion() as running:
        yield running


def post(motion: Motion, body: bytes = b"{}", *, timeout_seconds: float = 5, **how) -> Answer:
    route = Route(url=motion.url + NOTIFY, timeout_seconds=timeout_seconds)
    return exchange(route, Request(body=body, **how))


def test_it_records_body_headers_query_and_connector_exactly_as_sent(motion):
    body = bytes(range(256)) + b"\r\n"
    headers = (("X-Two", "a"), ("x-TWO", "b c"), ("content-type", "application/json"))
    answer = post(motion, body, headers=headers, target="/api/whatsapp/accounts/12/notify?token=a%2Bb&x")
    (received,) = motion.wait_for_accepted(1)
    assert (answer.status, answer.body) == (200, b"{}")
    assert (received.body, received.query, received.connector_id) == (body, "token=a%2Bb&x", 12)
    assert [pair for pair in received.headers if pair in headers] == list(headers)
    assert received.all_headers("x-two") == ["a", "b c"]
    assert received.answered == 200


def test_a_chunked_body_is_recorded_without_its_chunks(motion):
    post(motion, b"x" * 10_000, chunked=True)
    assert motion.received[0].body == b"x" * 10_000


def test_arrivals_are_numbered_in_order(motion):
    for word in (b"a", b"b", b"c"):
        post(motion, word)
    assert [(item.number, item.body) for item in motion.received] == [(0, b"a"), (1, b"b"), (2, b"c")]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", NOTIFY),
        ("POST", NOTIFY + "/"),
        ("POST", "/api/whatsapp/accounts/x/notify"),
        ("POST", "/api//whatsapp/accounts/7/notify"),
        ("POST", "/_sandbox/mode"),
        ("BREW", "/"),
    ],
)
def test_what_nobody_announced_is_answered_404_and_fails_the_test(motion, method, target):
    assert post(motion, method=method, target=target).status == 404
    assert motion.received == ()
    with pytest.raises(AssertionError, match=method):
        motion.assert_nothing_unexpected()


def test_bytes_that_are_no_request_are_unexpected(motion):
    with socket.create_connection(motion.address) as connection:
        connection.sendall(b"\x16\x03\x01 hello hello hello\r\n\r\n")
        assert b"400" in connection.recv(1000)
    assert "not a request" in motion.unexpected[0]


def test_notify_alone_is_nothing_unexpected(motion):
    post(motion)
    motion.assert_nothing_unexpected()


def test_down_refuses_connections_and_up_listens_on_the_same_port_again(motion):
    address = motion.address
    motion.set_fault(faults.DOWN)
    assert post(motion).error == "refused"
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(address)
    motion.set_fault(faults.NONE)
    assert motion.address == address
    assert post(motion).status == 200


def test_down_cuts_a_kept_alive_connection(motion):
    with socket.create_connection(motion.address) as connection:
        connection.sendall(f"POST {NOTIFY} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        assert b"200" in connection.recv(1000)
        motion.set_fault(faults.DOWN)
        assert connection.recv(1000) == b""


def test_a_hanging_request_is_answered_when_it_is_released(motion):
    motion.set_fault(faults.HANG)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, motion)
        (received,) = motion.wait_for(1)
        assert received.answered is None
        motion.release()
        assert answer.result().status == 200
    assert len(motion.wait_for_accepted(1)) == 1


def test_a_client_that_left_before_the_release_had_no_answer(motion):
    told = threading.Event()
    motion.on_event = lambda event, _: event == "unanswered" and told.set()
    motion.set_fault(faults.HANG)
    assert post(motion, timeout_seconds=0.05).error == "timeout"
    motion.release()
    assert told.wait(60)
    assert motion.received[0].answered is None


def test_going_down_cuts_those_who_hang(motion):
    motion.set_fault(faults.HANG)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, motion)
        motion.wait_for(1)
        motion.set_fault(faults.DOWN)
        assert answer.result().status is None


def test_slow_answers_late(motion):
    motion.set_fault(faults.slow(0.05))
    answer = post(motion)
    assert (answer.status, answer.seconds >= 0.05) == (200, True)


def test_failing_answers_with_its_status_and_retry_after(motion):
    motion.set_fault(faults.status(503, retry_after="7"))
    answer = post(motion)
    assert (answer.status, answer.header("Retry-After")) == (503, "7")
    motion.wait_for(lambda items: items[0].answered == 503)
    assert motion.accepted == ()


def test_a_status_without_a_body_has_none(motion):
    motion.set_fault(faults.status(204))
    assert (post(motion).status, post(motion).body) == (204, b"")


def test_poison_fails_and_its_neighbours_do_not(motion):
    motion.set_fault(faults.status(500, marker=b"bad"))
    assert [post(motion, body).status for body in (b"good", b"so bad", b"good")] == [200, 500, 200]


def test_an_answer_that_drips_ends_at_the_clients_total_deadline(motion):
    motion.set_fault(Fault(name="drip", seconds=0.02))
    assert post(motion, timeout_seconds=0.3).error == "timeout"


def test_an_answer_that_drips_arrives_in_the_end(motion):
    motion.set_fault(Fault(name="drip", seconds=0.0001))
    assert post(motion).body == b"{}"


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        (faults.reset(), "ConnectionResetError"),
        (faults.CUT, "IncompleteRead"),
        (faults.GARBAGE, "BadStatusLine"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_broken_answers_are_broken(motion, chosen, error):
    motion.set_fault(chosen)
    assert error in post(motion).error
    assert len(motion.wait_for(1)) == 1


def test_an_endless_answer_has_a_status_and_no_end(motion):
    motion.set_fault(faults.ENDLESS)
    assert post(motion, timeout_seconds=0.2).error == "timeout"


def test_closing_answers_and_closes_without_announcing_it(motion):
    motion.set_fault(Fault(name="closing"))
    connection = http.client.HTTPConnection(*motion.address, timeout=60)
    connection.request("POST", NOTIFY, b"{}")
    response = connection.getresponse()
    assert (response.status, response.getheader("connection")) == (200, None)
    response.read()
    assert connection.sock.recv(1) == b""
    connection.close()


def test_a_script_is_played_once_then_the_standing_mode_goes_on(motion):
    motion.script(faults.status(500), faults.status(429))
    assert [post(motion).status for _ in range(3)] == [500, 429, 200]


def test_a_scripted_mode_with_a_marker_waits_for_its_body(motion):
    motion.script(faults.status(500, marker=b"bad"))
    assert [post(motion, body).status for body in (b"good", b"bad", b"bad")] == [200, 500, 200]


def test_a_hook_may_take_motion_down_at_the_moment_a_request_is_heard(motion):
    motion.on_event = lambda event, _: event == "heard" and motion.set_fault(faults.DOWN)
    assert post(motion).status is None
    assert post(motion).error == "refused"
    assert [item.answered for item in motion.received] == [None]


def test_a_hook_is_told_what_was_heard_and_what_was_answered(motion):
    told = []
    motion.on_event = lambda event, received: told.append((event, received.body, received.answered))
    post(motion, b"a")
    motion.wait_for_accepted(1)
    motion.close()
    assert told == [("heard", b"a", None), ("answered", b"a", 200)]


def test_waiting_ends_with_the_records_in_the_message(motion):
    post(motion)
    with pytest.raises(TimeoutError, match="connector_id=7"):
        motion.wait_for(2, deadline_seconds=0.01)


def test_a_representation_shows_no_body(motion):
    post(motion, b"private words")
    assert "private" not in repr(motion.received)


def test_forgetting_empties_both_records(motion):
    post(motion)
    post(motion, target="/x")
    motion.forget()
    assert (motion.received, motion.unexpected) == ((), ())


def test_many_clients_at_once_lose_nothing(motion):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: post(motion, str(number).encode()), range(200)))
    assert {answer.status for answer in answers} == {200}
    assert {item.body for item in motion.wait_for_accepted(200)} == {str(number).encode() for number in range(200)}


def test_it_speaks_tls(tmp_path):
    files = certificates.issue(tmp_path, "motion.example.test", "127.0.0.1")
    with Motion(tls=files.context()) as motion:
        route = Route(url=motion.url + NOTIFY, ca_file=files.ca)
        assert exchange(route, Request(body=b"{}")).status == 200
        assert "CERTIFICATE_VERIFY_FAILED" in exchange(Route(url=motion.url), Request()).error
        assert len(motion.received) == 1


def test_closing_it_twice_is_fine():
    with Motion() as motion:
        motion.close()

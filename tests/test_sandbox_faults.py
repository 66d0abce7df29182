"""How a simulated server fails, over real sockets, and whether it has taken the message all the same."""

from __future__ import annotations

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import certificates, faults
from sandbox.connection import Request, Route, exchange
from sandbox.conversation.api import ConversationApi
from sandbox.faults import Fault
from sandbox.reply import ELSEWHERE, HOSTILE, Reply
from sandbox.wire import Wire
from tests.sinch_samples import PROJECT, SEND, ask_token, basic, call, send, send_body
from tests.together import together

BODY = json.dumps(send_body()).encode()


def raw(api: ConversationApi, target: str = SEND) -> bytes:
    """All that comes back for a send until the connection ends, a reset being an end."""
    lines = (f"POST {target} HTTP/1.1", "host: x", f"authorization: {basic()}", "content-type: application/json")
    head = "\r\n".join((*lines, f"content-length: {len(BODY)}", "connection: close", "", "")).encode()
    heard = b""
    try:
        with socket.create_connection(api.eu.address, 5) as connection:
            connection.sendall(head + BODY)
            while part := connection.recv(65_536):
                heard += part
    except ConnectionError as error:
        return heard + f"<{type(error).__name__}>".encode()
    return heard


@pytest.mark.parametrize("name", ["reset", "close"])
@pytest.mark.parametrize(
    ("at", "sends", "whole", "accepted", "comes"),
    [
        ("connect", 0, 0, 0, b""),
        ("head", 1, 0, 0, b""),
        ("body", 1, 1, 0, b""),
        ("accepted", 1, 1, 1, b""),
        ("status", 1, 1, 1, b"HTTP/1.1 200 Simulated\r\n"),
        ("answer-head", 1, 1, 1, b"HTTP/1.1 200 Simulated\r\ncontent-type"),
        ("answer-body", 1, 1, 1, b'\r\n\r\n{"message_id": "'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_connection_is_broken_off_at_each_stage(api, name, at, sends, whole, accepted, comes):
    api.eu.set_fault(Fault(name=name, at=at))
    heard = raw(api)
    api.wait_for_sends(sends)
    assert (len(api.sends), sum(item.whole for item in api.sends), len(api.accepted)) == (sends, whole, accepted)
    assert (comes in heard, b"accepted_time" in heard) == (True, False)
    assert comes or heard in (b"", b"<ConnectionResetError>", b"<BrokenPipeError>")
    if whole:
        assert b"Reset" in heard if name == "reset" else b"Reset" not in heard
    assert [item.answered for item in api.sends] == [None] * sends
    assert api.eu.connections == 1


def test_what_was_heard_before_it_broke_off_is_kept_byte_for_byte(api):
    api.eu.script(faults.reset("head"), faults.reset("body"))
    for _ in range(2):
        call(api, SEND + "?x=%2B", method="POST", body=b'{"a": 1.10}', headers=(("X-Odd", "a  b"),))
    first, second = api.wait_for_sends(2)
    assert (first.body, second.body) == (b"", b'{"a": 1.10}')
    assert (first.number, second.number) == (0, 1)
    for item in (first, second):
        assert (item.heard.target, item.header("x-odd")) == (SEND + "?x=%2B", "a  b")
        assert (item.ended, item.answered, item.made) == (True, None, "")


def test_a_caller_that_breaks_off_is_recorded_without_its_body(api):
    with socket.create_connection(api.eu.address) as connection:
        connection.sendall(f"POST {SEND} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf".encode())
    (heard,) = api.wait_for_sends(1)
    assert (heard.whole, heard.body, heard.answered) == (False, b"", None)


def done(fault: Fault) -> tuple[bytes, bool]:
    """What comes instead of an answer, where nobody is made to wait, and whether the connection goes on."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.shutdown(socket.SHUT_WR)  # so that what has no end has one
        wire = Wire(ours)
        wire.released.set()
        fault.answer(Reply(body=b"content"), wire, own=lambda status: Reply(status=status))
        ours.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: theirs.recv(65_536), b"")), wire.open


@pytest.mark.parametrize("like", [("status", "deleted"), ("close", "down", "reset", "hang", "slow"), ("none", "drip")])
def test_faults_that_are_alike_on_the_wire(like):
    assert len({done(Fault(name=name, status=404)) for name in like}) == 1


def test_all_others_are_told_apart():
    alike = {"deleted", "down", "reset", "hang", "slow", "drip"}
    others = [name for name in faults.MEANINGS if name not in alike]
    assert len({done(Fault(name=name, status=404)) for name in others}) == len(others)
    assert len({*faults.MEANINGS.values()}) == len(faults.MEANINGS)


@pytest.mark.parametrize("wrong", [{"name": "nonsense"}, {"name": "reset", "at": "nowhere"}], ids=["name", "stage"])
def test_a_fault_that_is_not_in_the_table_is_none(wrong):
    with pytest.raises(ValueError, match="no such fault"):
        Fault(**wrong)


@together(
    ("chosen", "taken"),
    [
        (faults.NONE, True),
        (faults.HANG, False),
        (Fault(name="hang", takes=True), True),
        (faults.slow(1), True),
        (faults.slow(1, takes=False), False),
        (faults.status(503), False),
        (faults.status(500, takes=True), True),
        (faults.status(202), True),
        (faults.status(429), False),
        (Fault(name="redirect"), False),
        (Fault(name="garbage"), False),
        (Fault(name="garbage", takes=True), True),
        (Fault(name="endless"), True),
        (Fault(name="hostile"), True),
        (faults.reset("body"), False),
        (faults.reset("accepted"), True),
    ],
)
def test_each_says_whether_the_message_is_taken(chosen, taken):
    assert chosen.taken == taken


@pytest.mark.parametrize(
    ("chosen", "status", "after"),
    [
        (faults.status(429), 429, None),
        (faults.status(429, retry_after="3"), 429, "3"),
        (faults.status(503), 503, None),
        (faults.status(503, retry_after="later"), 503, "later"),
        (faults.status(500, takes=True), 500, None),
        (faults.status(418), 418, None),
    ],
    ids=["429", "429 with Retry-After", "503", "503 with nonsense", "500 but taken", "418"],
)
def test_a_status_comes_in_the_form_of_sinchs_errors(api, chosen, status, after):
    api.eu.set_fault(chosen)
    answer = send(api)
    assert (answer.status, answer.header("retry-after")) == (status, after)
    assert json.loads(answer.body)["error"]["code"] == status
    assert len(api.accepted) == chosen.taken
    assert [item.answered for item in api.wait_for_sends(1)] == [status]


def test_a_redirect_leads_to_another_host(api):
    api.eu.set_fault(Fault(name="redirect"))
    assert (send(api).status, send(api).header("location")) == (302, ELSEWHERE)
    api.eu.set_fault(Fault(name="redirect", status=307, location=f"{api.us.url}/x"))
    assert (send(api).status, send(api).header("location")) == (307, f"{api.us.url}/x")
    assert api.accepted == ()


def test_hostile_headers_come_with_an_answer_that_is_right(api):
    api.eu.set_fault(Fault(name="hostile"))
    answer = send(api)
    assert (answer.status, "message_id" in json.loads(answer.body)) == (200, True)
    assert set(HOSTILE) <= set(answer.headers)


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("gzip", "content-encoding", "gzip"),
        ("lengthless", "connection", "close"),
        ("chunked", "transfer-encoding", "chunked"),
        ("both", "transfer-encoding", "chunked"),
    ],
)
def test_an_answer_in_another_frame_says_the_same(api, name, header, value):
    api.eu.set_fault(Fault(name=name))
    answer = send(api)
    body = gzip.decompress(answer.body) if name == "gzip" else answer.body
    assert json.loads(body)["message_id"] == api.accepted[0].made
    assert answer.header(header) == value
    assert (answer.header("content-length") is None) == (name in ("lengthless", "chunked"))


def test_two_headers_that_contradict_each_other_are_both_there(api):
    api.eu.set_fault(Fault(name="both"))
    head, _, body = raw(api).partition(b"\r\n\r\n")
    assert b"content-length: " in head
    assert b"transfer-encoding: chunked" in head
    assert body.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("name", "error"),
    [("longer", "IncompleteRead"), ("unchunked", "IncompleteRead"), ("garbage", "BadStatusLine")],
)
def test_a_broken_answer_is_broken(api, name, error):
    api.eu.set_fault(Fault(name=name))
    assert error in send(api).error


def test_a_length_that_is_too_short_cuts_the_answer(api):
    api.eu.set_fault(Fault(name="shorter"))
    assert send(api).body.endswith(b'Z"')


def test_an_endless_answer_does_not_end(api):
    api.eu.set_fault(Fault(name="endless"))
    assert send(api, timeout_seconds=0.2).error == "timeout"
    assert len(api.accepted) == 1


def test_another_answer_may_be_anything(api):
    api.auth.script(Fault(name="other"), Fault(name="other", body=b"<html>"))
    assert json.loads(ask_token(api).body) == {"unheard_of": True}
    assert ask_token(api).body == b"<html>"
    assert "access_token" in json.loads(ask_token(api).body)


@pytest.mark.parametrize("takes", [False, True])
def test_who_hangs_is_answered_when_released(api, takes):
    api.eu.set_fault(Fault(name="hang", takes=takes))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send, api)
        api.wait_for(lambda calls: [item.whole and bool(item.made) == takes for item in calls] == [True])
        api.release()
        assert answer.result().status == 200
    assert len(api.accepted) == 1


@pytest.mark.parametrize(("takes", "accepted"), [(False, 0), (True, 1)])
def test_who_left_while_it_hung_has_sent_only_what_was_taken_before(api, takes, accepted):
    api.eu.set_fault(Fault(name="hang", takes=takes))
    assert send(api, timeout_seconds=0.05).error == "timeout"
    api.release()
    (heard,) = api.wait_for_sends(1)
    assert (heard.answered, len(api.accepted)) == (None, accepted)


def test_a_slow_answer_comes_late(api):
    api.eu.set_fault(faults.slow(0.05))
    answer = send(api)
    assert (answer.status, answer.seconds >= 0.05) == (200, True)


def test_a_hang_holds_up_no_other_origin(api):
    api.eu.set_fault(faults.HANG)
    assert send(api, timeout_seconds=0.05).error == "timeout"
    assert (ask_token(api).status, send(api, origin="us").status) == (200, 404)


def test_down_refuses_and_up_listens_on_the_same_port_again(api):
    url = api.eu.url
    api.eu.set_fault(faults.DOWN)
    assert send(api).error == "refused"
    assert ask_token(api).status == 200
    api.eu.set_fault(faults.NONE)
    assert (api.eu.url, send(api).status) == (url, 200)


def test_a_script_is_played_once_then_the_standing_fault_goes_on(api):
    api.eu.set_fault(faults.status(418))
    api.eu.script(faults.reset("connect"), faults.NONE, faults.status(429, retry_after="1"))
    assert [send(api).status for _ in range(5)] == [None, 200, 429, 418, 418]


def test_a_fault_for_one_path_lets_others_pass(api):
    api.eu.script(faults.reset("body", path="/messages:send"))
    assert call(api, f"{PROJECT}/messages").status == 200
    assert [send(api).status for _ in range(2)] == [None, 200]


def test_a_kept_alive_connection_serves_many_requests(api):
    request = f"GET {PROJECT}/messages HTTP/1.1\r\nhost: x\r\nauthorization: {basic()}\r\n\r\n".encode()
    with socket.create_connection(api.eu.address, 5) as connection:
        for _ in range(3):
            connection.sendall(request)
            assert b"200" in connection.recv(65_536)
    assert api.eu.connections == 1


def test_it_speaks_tls_and_breaks_that_off_too(tmp_path):
    files = certificates.issue(tmp_path, "localhost", "127.0.0.1")
    with ConversationApi(tls=files.context()) as api:
        route = Route(url=api.eu.url + SEND, ca_file=files.ca)
        request = Request(body=BODY, headers=(("authorization", basic()), ("content-type", "application/json")))
        for each in (faults.reset("connect"), faults.reset("head"), faults.reset("accepted")):
            api.eu.script(each)
            assert exchange(route, request).status is None
        assert exchange(route, request).status == 200
        assert (len(api.wait_for_sends(3)), len(api.accepted)) == (3, 2)

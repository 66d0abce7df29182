"""The simulated Sinch over real sockets, with the simulated Motion as its receiver."""

from __future__ import annotations

import dataclasses
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sinch.domains.conversation.sinch_events.v1 import ConversationSinchEvent

from sandbox import callbacks, certificates, faults, retries, signing
from sandbox.connection import Pace, Request
from sandbox.motion import Motion
from sandbox.retries import Retries
from sandbox.sinch import Sinch
from sandbox.style import Style
from tests.spool_samples import until

SECRET = "a webhook secret"
QUICK = Retries(speed=1_000_000)


@pytest.fixture
def motion():
    with Motion() as running:
        yield running
        running.assert_nothing_unexpected()


@pytest.fixture
def sinch(motion):
    return Sinch(url=f"{motion.url}/api/whatsapp/accounts/7/notify?token=t", secret=SECRET, retries=QUICK)


def is_valid(received) -> bool:
    return ConversationSinchEvent(SECRET).validate_authentication_header(dict(received.headers), received.body)


@pytest.mark.parametrize(
    "style",
    [
        Style(),
        Style(pretty=True, ending=b"\n"),
        Style(ending=b"\r\n"),
        Style(escaped=True),
        Style(algorithm=None),
        Style(header_case="mixed"),
        Style(header_case="title", chunked=True),
    ],
    ids=["plain", "pretty", "crlf", "escaped", "no algorithm", "mixed case", "chunked"],
)
def test_what_arrives_in_any_style_is_what_the_vendors_validator_accepts(motion, sinch, style):
    receipt = sinch.send(callbacks.text("¿Me ayudan? 👋"), style=style)
    (received,) = motion.wait_for_accepted(1)
    assert (receipt.status, receipt.tries, receipt.outcome) == (200, 1, "accepted")
    assert received.body == receipt.letter.body
    assert received.query == "token=t"
    assert [pair for pair in received.headers if pair in receipt.letter.headers] == list(receipt.letter.headers)
    assert is_valid(received)


def test_without_a_secret_nothing_is_signed(motion, sinch):
    assert dataclasses.replace(sinch, secret=None).send(callbacks.text("Hola")).accepted
    assert not any(name.startswith("x-sinch") for name, _ in motion.received[0].headers)


def test_the_clock_gives_the_time_of_signatures(sinch):
    letter = dataclasses.replace(sinch, clock=lambda: 1634579353.9).prepare(callbacks.text("Hola"))
    assert dict(letter.headers)[signing.TIMESTAMP_HEADER] == "1634579353"
    assert letter.nonce.startswith("01FJA8B4")


def test_a_retry_carries_its_first_signature(motion, sinch):
    motion.script(faults.status(503), faults.status(429), faults.reset())
    receipt = sinch.send(callbacks.text("Hola"))
    assert [answer.status for answer in receipt.answers] == [503, 429, None, 200]
    assert [answer.waited_seconds for answer in receipt.answers] == [0, 5, 10, 20]
    assert {(item.header(signing.NONCE_HEADER), item.body) for item in motion.received} == {
        (receipt.letter.nonce, receipt.letter.body)
    }


def test_a_retry_is_signed_anew_where_that_is_asked_for(motion, sinch):
    motion.script(faults.status(503), faults.status(503))
    dataclasses.replace(sinch, retries=dataclasses.replace(QUICK, resigned=True)).send(callbacks.text("Hola"))
    received = motion.wait_for_accepted(1) and motion.received
    assert len({item.header(signing.NONCE_HEADER) for item in received}) == 3
    assert len({item.body for item in received}) == 1
    assert all(is_valid(item) for item in received)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 499])
def test_a_refusal_drops_the_callback_for_good(motion, sinch, status):
    motion.set_fault(faults.status(status))
    receipt = sinch.send(callbacks.text("Hola"))
    assert (receipt.outcome, receipt.tries, receipt.status) == ("dropped", 1, status)


def test_the_schedule_ends_after_its_last_wait(motion, sinch):
    motion.set_fault(faults.status(500, retry_after="0"))
    receipt = sinch.send(callbacks.text("Hola"))
    assert (receipt.outcome, receipt.tries) == ("again", 16)
    assert receipt.answers[-1].waited_seconds == 81_920


def test_a_timeout_is_tried_again(motion, sinch):
    motion.script(faults.HANG)
    receipt = dataclasses.replace(sinch, timeout_seconds=0.2).send(callbacks.text("Hola"))
    assert [answer.error for answer in receipt.answers] == ["timeout", ""]


def test_a_refused_connection_is_tried_until_somebody_listens(motion, sinch):
    motion.set_fault(faults.DOWN)
    patient = dataclasses.replace(sinch, retries=Retries(speed=500))
    with ThreadPoolExecutor(1) as pool:
        receipt = pool.submit(patient.send, callbacks.text("Hola"))
        motion.set_fault(faults.NONE)
        assert receipt.result().accepted


def test_stopping_ends_the_waits_of_all_variants(motion, sinch):
    motion.set_fault(faults.status(500))
    slow = dataclasses.replace(sinch, retries=retries.DEFAULT)
    with ThreadPoolExecutor(1) as pool:
        receipt = pool.submit(slow.send, callbacks.text("Hola"))
        motion.wait_for(1)
        sinch.stop()
        assert (receipt.result().outcome, receipt.result().tries) == ("again", 1)


def test_many_senders_have_a_receipt_each_in_the_order_of_the_callbacks(motion, sinch):
    sent = [callbacks.text(str(number)) for number in range(60)]
    receipts = sinch.send_all(sent, senders=8)
    assert [receipt.letter.callback for receipt in receipts] == sent
    assert {item.body for item in motion.wait_for_accepted(60)} == {receipt.letter.body for receipt in receipts}


def test_shuffling_is_repeatable_and_loses_nothing(motion, sinch):
    sent = [callbacks.text(str(number)) for number in range(20)]
    orders = []
    for _ in range(2):
        receipts = sinch.send_all(sent, senders=1, shuffle=True)
        orders.append([item.body for item in motion.wait_for_accepted(20)])
        motion.forget()
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == sorted(receipt.letter.body for receipt in receipts)
    assert orders[0] != [receipt.letter.body for receipt in receipts]


def test_copies_are_the_same_bytes_with_a_signature_each(motion, sinch):
    sinch.send_all([callbacks.text("Hola")], copies=3)
    received = motion.wait_for_accepted(3)
    assert len({item.body for item in received}) == 1
    assert len({item.header(signing.NONCE_HEADER) for item in received}) == 3
    assert all(is_valid(item) for item in received)


def test_a_letter_sent_once_more_keeps_its_signature(motion, sinch):
    receipt = sinch.send(callbacks.text("Hola"))
    sinch.deliver(receipt.letter)
    first, second = motion.wait_for_accepted(2)
    assert first.headers == second.headers


def test_any_other_request_goes_over_the_same_route(motion, sinch):
    headers = (("x-sinch-webhook-signature", "one"), ("X-Sinch-Webhook-Signature", "two"))
    assert sinch.request(Request(headers=headers, body=b"no JSON", host="else.example.test")).status == 200
    assert motion.received[0].all_headers("x-sinch-webhook-signature") == ["one", "two"]
    assert motion.received[0].all_headers("host") == ["else.example.test"]


def test_slow_sending_arrives_whole(motion, sinch):
    slow = dataclasses.replace(sinch, pace=Pace(bytes_at_once=100, pause_seconds=0.001))
    assert slow.send(callbacks.text("Hola")).accepted
    assert is_valid(motion.received[0])


def test_an_answer_given_before_the_body_was_read_is_heard():
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        refusal = pool.submit(refuse_early, server)
        sinch = Sinch(url=f"http://127.0.0.1:{server.getsockname()[1]}/", secret=SECRET)
        answer = sinch.request(Request(body=b"x" * 5_000_000))
        refusal.result()
    assert answer.status == 413


def refuse_early(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass


def test_the_public_name_is_used_for_sni_and_host_while_the_socket_goes_elsewhere(tmp_path):
    files = certificates.issue(tmp_path, "gateway.example.test")
    asked, context = [], files.context()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with Motion(tls=context) as motion:
        url = "https://gateway.example.test:8443/api/whatsapp/accounts/7/notify"
        sinch = Sinch(url=url, secret=SECRET, ca_file=files.ca, connect_to=motion.address)
        assert sinch.send(callbacks.text("Hola")).accepted
        assert asked == ["gateway.example.test"]
        assert motion.received[0].header("host") == "gateway.example.test:8443"


def test_a_certificate_of_another_name_or_authority_is_no_answer(tmp_path):
    files = certificates.issue(tmp_path, "gateway.example.test")
    with Motion(tls=files.context()) as motion:
        sinch = Sinch(
            url="https://other.example.test/", secret=SECRET, ca_file=files.ca, connect_to=motion.address,
            retries=retries.NONE,
        )  # fmt: skip
        strangers = dataclasses.replace(sinch, url="https://gateway.example.test/", ca_file=None)
        assert "CERTIFICATE_VERIFY_FAILED" in sinch.send(callbacks.text("Hola")).answers[0].error
        assert "CERTIFICATE_VERIFY_FAILED" in strangers.send(callbacks.text("Hola")).answers[0].error


def test_a_client_address_can_be_chosen(sinch):
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        caller = pool.submit(accept_and_close, server)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        dataclasses.replace(sinch, url=url, source_address="127.0.0.5", retries=retries.NONE).send(callbacks.text(""))
        assert caller.result() == "127.0.0.5"


def accept_and_close(server: socket.socket) -> str:
    connection, address = server.accept()
    connection.close()
    return address[0]


def test_the_representation_of_a_sender_and_of_its_receipts_holds_no_secret_and_no_body(sinch):
    receipt = sinch.send(callbacks.text("private words"))
    assert SECRET not in repr(sinch)
    assert "private" not in repr(receipt)
    assert receipt.letter.nonce not in repr(receipt)


def test_no_thread_is_left(sinch):
    before = threading.active_count()
    sinch.send_all([callbacks.text("Hola")] * 5, senders=3)
    until(lambda: threading.active_count() <= before + 1, "none is left")  # the receiver's last may just be closing

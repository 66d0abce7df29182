"""Strangers who are slow, who say nothing, or who reset what they have asked for: others notice nothing of them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from sandbox import callbacks
from tests.live.house import HOST, House, opened
from tests.live.test_attachments import LINKS, PHOTO, Files
from tests.live.test_crowd import KB_PER_CONNECTION, NOTIFY, OFF, PATIENCE_SECONDS, nginx_kb, request

A_STRANGER, SOMEBODY = "127.0.0.2", "127.0.0.9"
MANY = 100
HALF_A_HELLO = bytes([22, 3, 1, 2, 0])  # the head of a TLS record: RFC 8446, 5.1
HEADERS, RESET, SETTINGS = 1, 3, 4  # RFC 9113, 6
STREAMS_AT_ONCE = 32
STREAMS_OF_A_CONNECTION = 960  # nginx takes 1,000


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with opened(attachments=LINKS, limits=OFF) as made:
        yield made


def connected(house: House, *, alpn: str | None = None, room_bytes: int = 0) -> ssl.SSLSocket:
    """A stranger's connection; `room_bytes`: of its socket, for what it does not read."""
    context = ssl.create_default_context(cafile=str(house.folder / "ca.pem"))
    if alpn:
        context.set_alpn_protocols([alpn])
    return context.wrap_socket(plain(house, room_bytes=room_bytes), server_hostname=HOST)


def plain(house: House, *, room_bytes: int = 0) -> socket.socket:
    made = socket.socket()
    if room_bytes:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room_bytes)
    made.bind((A_STRANGER, 0))
    made.settimeout(PATIENCE_SECONDS)
    made.connect(("127.0.0.1", house.public_port))
    return made


def half_a_handshake(house: House) -> socket.socket:
    made = plain(house)
    made.sendall(HALF_A_HELLO)
    return made


@pytest.mark.parametrize("make", [half_a_handshake, connected, plain], ids=["half a handshake", "TLS alone", "nothing"])
def test_who_connects_and_says_no_more_costs_little_and_is_shown_out(
    house: House, make: Callable[[House], socket.socket]
) -> None:
    before = nginx_kb(house)
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(contextlib.closing(make(house))) for _ in range(MANY)]
        assert nginx_kb(house) - before < MANY * KB_PER_CONNECTION
        assert house.sinch(source_address=SOMEBODY).send(callbacks.text("beside them")).status == 200
        with contextlib.suppress(ConnectionResetError):
            while made[0].recv(4096):  # until nginx closes it
                pass


def test_who_takes_a_file_slowly_costs_little_and_takes_nobodys_place(house: House) -> None:
    large = house.archive.put("large.jpg", PHOTO + bytes(4_000_000))
    link = Files(house, large).minted()
    assert house.ask(link, method="GET").body == large.content
    before = nginx_kb(house)
    with contextlib.ExitStack() as stack:
        for _ in range(MANY):
            slow = stack.enter_context(contextlib.closing(connected(house, room_bytes=4096)))
            slow.sendall(request("GET", link))
            assert slow.recv(100).startswith(b"HTTP/1.1 200 ")
        assert nginx_kb(house) - before < MANY * KB_PER_CONNECTION
        assert house.ask(link, method="GET").body == large.content


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def asked(method: str, path: str) -> bytes:
    """A header block of literals that are kept nowhere: RFC 7541, 6.2.2."""
    fields = {":method": method, ":scheme": "https", ":authority": HOST, ":path": path, "content-length": "0"}
    words = [word.encode() for field in fields.items() for word in field]
    return b"".join(b"\0" * (number % 2 == 0) + bytes([len(word)]) + word for number, word in enumerate(words))


def reset_all(house: House, block: bytes, over: threading.Event) -> None:
    """Ask over and over, and reset each a moment later, when it is at the door."""
    while not over.is_set():
        with contextlib.suppress(OSError), contextlib.closing(connected(house, alpn="h2")) as made:
            assert made.selected_alpn_protocol() == "h2"
            made.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b""))
            for first in range(1, 2 * STREAMS_OF_A_CONNECTION, 2 * STREAMS_AT_ONCE):
                streams = range(first, first + 2 * STREAMS_AT_ONCE, 2)
                made.sendall(b"".join(frame(HEADERS, 5, stream, block) for stream in streams))
                over.wait(0.002)
                made.sendall(b"".join(frame(RESET, 0, stream, struct.pack(">I", 8)) for stream in streams))


@pytest.mark.parametrize(
    ("method", "path", "door"),
    [("POST", NOTIFY % 7, "ingress"), ("GET", f"/media/{'a' * 120}/a.pdf", "attachments")],
    ids=["a callback", "a link"],
)
def test_who_resets_what_he_has_asked_for_is_counted_as_long_as_a_door_is_at_it(
    house: House, method: str, path: str, door: str
) -> None:
    over, worker = threading.Event(), house.worker(door)
    os.kill(worker, signal.SIGSTOP)  # else it is done with each before the next ones come
    floods = [threading.Thread(target=reset_all, args=(house, asked(method, path), over)) for _ in range(2)]
    for flood in floods:
        flood.start()
    try:
        house.wait_for(lambda: house.decisions("nginx", status=429))
        os.kill(worker, signal.SIGCONT)
        sinch = house.sinch(source_address=SOMEBODY)
        assert [sinch.send(callbacks.text(f"{number}")).status for number in range(20)] == [200] * 20
    finally:
        os.kill(worker, signal.SIGCONT)
        over.set()
        for flood in floods:
            flood.join()


def test_what_a_door_cannot_read_is_counted_above_a_rate() -> None:
    with opened() as house:
        for _ in range(150):
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
                made.connect(str(house.folder / "state/run/ingress.sock"))
                made.sendall(b"no HTTP\r\n\r\n")
                assert made.recv(4096).startswith(b"HTTP/1.1 404 ")
        assert house.children.pop().stop() == 0
        told = [line["count"] for line in house.lines if line.get("reason") == "request refused"]
        assert (len(house.decisions("ingress", message="request refused")), sum(told)) == (100, 50)

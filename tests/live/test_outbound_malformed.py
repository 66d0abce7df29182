"""What nginx passes and gunicorn cannot read: refused in Sinch's form, and not a word of it in the log."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.call_door_samples import ACCEPTED
from tests.live.house import ACCOUNT, PATIENCE_SECONDS, House
from tests.live.private_edge import MOTION, NAME, PORT, furnished
from tests.peer_samples import Peer


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    peer = Peer(ACCEPTED, host="127.0.0.1", tls=None)
    with closing(peer), furnished() as made:
        made.tables["sinch"] = dict.fromkeys(("eu", "us", "auth"), f"http://127.0.0.1:{peer.port}")
        made.start()
        yield made


def raw(house: House, request: bytes) -> bytes:
    address = house.tables["server"]["outbound_address"]
    context = ssl.create_default_context(cafile=str(house.folder / "private-ca" / "ca.pem"))
    with (
        socket.create_connection((address, PORT), PATIENCE_SECONDS, source_address=(MOTION, 0)) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as connection,
    ):
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def head(line: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"host: " + NAME.encode(), b"connection: close", *headers, b"", b""])


LIST = f"/eu/v1/projects/{ACCOUNT['project_id']}/messages".encode()


def test_no_query_stands_in_the_log_whatever_bytes_it_has(house: House) -> None:
    raw(house, head(b"GET " + LIST + b"?channel_identity=4915112345678&page_token=PLANTED\xff"))
    raw(house, head(b"GET " + LIST + b"/after-it"))
    house.wait_for(lambda: house.decisions("outbound", call="GET messages/<message_id>"))
    assert "PLANTED" not in house.log
    assert "4915112345678" not in house.log


MALFORMED = {
    "a byte beyond ASCII": head(b"GET " + LIST + b"?a=\xff"),
    "a control character": head(b"GET " + LIST, b"user-agent: a\x01b"),
    "a method of two letters": head(b"AA " + LIST),
    "two content types": head(b"GET " + LIST, b"content-type: a/b", b"content-type: a/c"),
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_what_gunicorn_refuses_is_told_in_sinchs_form_too(house: House, request_: bytes) -> None:
    said, _, body = raw(house, request_).partition(b"\r\n\r\n")
    assert b"X-Motion-Gateway-Error" in said
    assert json.loads(body)["error"]["code"] in (400, 403)

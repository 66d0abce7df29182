"""Whatever cannot be read is answered in our own words at each listener, or not at all: no page, and nobody's name."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from gateway import config, errors, paths
from gateway.outbound import refusals
from gateway.serving import nginx_conf
from sandbox import callbacks
from sandbox.listener import reserve
from tests.call_door_samples import ACCEPTED
from tests.live.house import HOST, House, opened
from tests.live.private_edge import MOTION, NAME, PORT, STRANGER, furnished
from tests.live.test_hostile import NOTIFY, PATIENCE_SECONDS, is_whole, receive
from tests.peer_samples import Peer

CHUNKS = (
    *(b"-5", b"-0", b"+5", b"0x5", b"zz", b"", b" 5", b"5\n\n", b'5;a="b\0"', b"5;a\nb", b"5\r\nabcdeXX"),
    *(b"5\r\nabcde\r\n-1", b"7" + b"f" * 15, b"f" * 16, b"f" * 17, b"0" * 400 + b"g"),
)
VERSIONS = (
    b"HTTP/0.9",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/3.0",
    b"HTTP/10.1",
    b"HTTP/1.1.1",
    b"http/1.1",
    b"FTP/1.1",
    b"HTTP/1.1 x",
)
METHODS = (b"TRACE", b"CONNECT", b"OPTIONS", b"PROPFIND", b"PUT", b"DELETE", b"PRI", b"get", b"G@T", b"A" * 50)
LENGTHS = (b"-5", b"+5", b"5,5", b"5 5", b"9" * 11, b"9" * 30, b"", b"x")
CODINGS = (b"gzip", b"gzip, chunked", b"identity", b"chunked, chunked", b"\x0bchunked", b"chunked\r\ncontent-length: 3")
HOSTS = (b"", b"a b", b"a/b", b"a\0b", b"other", b"other:x", b"[::1", b"%s\r\nhost: %s")
HEADERS = (b"x: a\rb", b"x: a\0b", b"x: a\r\n b", b"x a: b", b"\x01: b", b": b", b"nonsense", b"x: " + b"a" * 40_000)
MORE = (b"expect: nonsense", b"expect: 100-continue\r\ncontent-length: 99999999", b"if-match: x", b"range: bytes=9-1")
TARGETS = (b"/../../x", b"/%00", b"/%zz", b"/a b", b"/" + b"a" * 40_000, b"*", b"http://other/", b"ht!tp://x/", b"//x")
THEIRS = "theirs"  # says the server of another name, in an nginx that includes us
NO_REQUESTS = (
    b"\x00\xff\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 50,
    b"GET /\r\n\r\n",
    b"\r\n\r\nx\r\n",
)


def requests(path: bytes, name: bytes) -> dict[str, bytes]:
    """Every shape, for one path and one host."""
    host, end = b"host: %s\r\n" % name, b"connection: close\r\n\r\n"
    rest = b"\r\n" + end
    chunked = b" %s HTTP/1.1\r\n%stransfer-encoding: chunked\r\n\r\n%s\r\nabcde\r\n0\r\n\r\n"
    get = b"GET %s HTTP/1.1\r\n%s" % (path, host)
    rows = [verb + chunked % (path, host, chunk) for chunk in CHUNKS for verb in (b"POST", b"GET")]
    rows += [b"GET %s %s\r\n%s%s" % (path, version, host, end) for version in VERSIONS]
    rows += [b"%s %s HTTP/1.1\r\n%s%s" % (method, path, host, end) for method in METHODS]
    rows += [b"POST %s HTTP/1.1\r\n%scontent-length: %s%sabcde" % (path, host, length, rest) for length in LENGTHS]
    rows += [b"POST %s HTTP/1.1\r\n%stransfer-encoding: %s%s0\r\n\r\n" % (path, host, one, rest) for one in CODINGS]
    rows += [b"GET %s HTTP/1.1\r\nhost: %s%s" % (path, one.replace(b"%s", name), rest) for one in HOSTS]
    rows += [get + one + rest for one in (*HEADERS, *MORE)] + [get.replace(host, b"x: y\r\n") + end]
    rows += [get.replace(path, one, 1) + end for one in TARGETS] + list(NO_REQUESTS)
    return {f"{number} {row[:160]!r}": row for number, row in enumerate(rows)}


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    peer = Peer(ACCEPTED, host="127.0.0.1", tls=None)
    with closing(peer), reserve() as plain, furnished(http_port=plain.getsockname()[1]) as made:
        made.tables["sinch"] = dict.fromkeys(("eu", "us", "auth"), f"http://127.0.0.1:{peer.port}")
        made.tables["limits"]["unknown_tokens_per_address"] = "off"
        made.start()
        yield made


# Listener, the host that is asked for, the name of the TLS connection ("": none; None: in clear), and the path.
PLACES: dict[str, tuple[str, str, str | None, bytes]] = {
    "a callback": ("public", HOST, HOST, NOTIFY),
    "nowhere": ("public", HOST, HOST, b"/x"),
    "a link": ("public", HOST, HOST, b"/media/" + b"a" * 60),
    "no name": ("public", HOST, "", b"/x"),
    "clear at the TLS port": ("public", HOST, None, b"/x"),
    "port 80": ("http", HOST, None, b"/x"),
    "a proof on port 80": ("http", HOST, None, b"/.well-known/acme-challenge/x"),
    "another host on port 80": ("http", "other", None, b"/x"),
    "the office": ("ops", "localhost", "localhost", b"/readyz"),
    "clear at the office": ("ops", "localhost", None, b"/x"),
    "a call": ("outbound", NAME, NAME, b"/eu/v1/projects/p/messages:send"),
    "a stranger's call": ("stranger", NAME, NAME, b"/eu/v1/x"),
    "clear at the private door": ("outbound", NAME, None, b"/eu/v1/x"),
}


def place(house: House, listener: str) -> tuple[str, int]:
    if listener in ("outbound", "stranger"):
        return house.tables["server"]["outbound_address"], PORT
    ports = {"public": house.public_port, "http": house.tables["server"]["http_port"], "ops": house.ops_port}
    return "127.0.0.1", ports[listener]


def heard(house: House, listener: str, name: str | None, sent: bytes) -> bytes:
    """What comes back, to the end or to a pause; nothing where the connection is closed without a word."""
    source = (STRANGER if listener == "stranger" else MOTION, 0)
    told = b""
    try:
        connection = socket.create_connection(place(house, listener), PATIENCE_SECONDS, source_address=source)
        if name is not None:
            private = listener in ("outbound", "stranger")
            context = ssl.create_default_context(
                cafile=str(house.folder / ("private-ca/ca.pem" if private else "ca.pem"))
            )
            context.check_hostname = bool(name)
            connection = context.wrap_socket(connection, server_hostname=name or None)
        with connection:
            connection.sendall(sent)
            while more := receive(connection, answered=is_whole(told)):
                told += more
    except (ConnectionError, ssl.SSLError):
        pass
    return told


def fault(told: bytes, *, sinch: bool) -> str:
    """What is wrong with an answer; "" of one in our form."""
    if not told or told == b"HTTP/1.1 100 Continue\r\n\r\n" or told.endswith(THEIRS.encode()):
        return ""
    head, _, body = told.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    if re.search(rb"(?i)<html|nginx|gunicorn|\nserver:", told):
        return f"names itself: {told[:300]!r}"
    if not (found := re.match(rb"HTTP/1\.1 ([0-9]{3}) ", head)):
        return "" if json.loads(told)["error"] else f"{told!r}"  # HTTP/0.9 knows no status
    status = int(found[1])
    if status < 400 or not body:  # to HEAD there is none
        return ""
    whole = body[: int(re.findall(rb"(?i)\ncontent-length: ([0-9]+)", head)[0])]
    if b"\r\nContent-Type: application/json" not in head:
        return f"no JSON: {head!r}"
    if sinch:
        error = json.loads(whole)["error"]
        return "" if error["code"] == status and error["status"] == refusals.STATUSES[status] else f"{whole!r}"
    return "" if whole == errors.body(status) else f"{whole!r}"


def faults(house: House, where: str) -> dict[str, str]:
    """Those of all shapes at that place."""
    listener, host, name, path = PLACES[where]
    rows = requests(path, host.encode())
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda sent: heard(house, listener, name, sent), rows.values())
        found = {
            row: fault(told, sinch=listener in ("outbound", "stranger"))
            for row, told in zip(rows, answers, strict=True)
        }
    return {row: wrong for row, wrong in found.items() if wrong}


@pytest.mark.parametrize("where", PLACES)
def test_what_cannot_be_read_is_answered_in_our_form_or_not_at_all(house: House, where: str) -> None:
    assert faults(house, where) == {}
    assert house.sinch().send(callbacks.text("after it")).status == 200


def test_a_body_that_cannot_be_kept_is_a_passing_trouble(house: House) -> None:
    kept = house.folder / "state" / "run" / "client_body"
    shutil.rmtree(kept)
    kept.write_bytes(b"")
    try:
        large = house.ask(NOTIFY.decode(), method="POST", body=b"x" * 200_000)
        assert (large.status, large.body, large.header("server")) == (503, errors.body(503), None)
        assert large.header("retry-after") == "5"
    finally:
        kept.unlink()
        kept.mkdir(mode=0o777)
        kept.chmod(0o777)


@pytest.fixture(scope="module")
def included() -> Iterator[House]:
    """Behind an nginx that includes us and has a server of its own for every other name."""
    with opened(started=False, attachments={"token_keys": ["a key of some length"]}) as house:
        house.write_settings()
        settings = config.load(house.config, {})
        [module] = re.findall(r"load_module.*", nginx_conf.configuration(settings))
        server = house.tables["server"]
        pair = f"ssl_certificate {server['certificate']}; ssl_certificate_key {server['private_key']};"
        theirs = f"{pair} error_page 400 =200 /x; return 200 {THEIRS};"
        theirs = f"server {{ listen 127.0.0.1:{house.public_port} ssl default_server; {theirs} }}"
        (house.folder / "ours.conf").write_text(nginx_conf.configuration(settings, whole=False))
        written = house.folder / "nginx.conf"
        kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")  # elsewhere only root may
        kept_here = " ".join(f"{what}_temp_path {house.folder}/{what};" for what in kept)
        written.write_text(f"""
            daemon off; {module} error_log stderr; pid {house.folder}/nginx.pid;
            user {paths.worker_user() or "nobody"};
            events {{}} http {{ access_log off; {kept_here} {theirs} include {house.folder}/ours.conf; }}
        """)
        command = (paths.program("nginx"), "-e", "stderr", "-p", str(house.folder), "-c", str(written))
        house.start_parts({"nginx": command})
        yield house


@pytest.mark.parametrize("where", ["a callback", "nowhere", "a link"])
def test_at_our_name_an_nginx_that_includes_us_has_our_words(included: House, where: str) -> None:
    assert faults(included, where) == {}

"""The exposure list against the running gateway, both ways: what is listed answers, and nothing else does."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import errors
from gateway.doors import PAGE_HEADERS, PUBLIC_HEADERS
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.listener import reserve
from tests import page_samples
from tests.live.house import ACCOUNT, HOST, PATIENCE_SECONDS, House, opened
from tests.live.private_edge import MOTION, PORT, own_address
from tests.live.test_attachments import LINKS, NAME, PHOTO, Files

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
PATHS = (
    "/",
    "/api/whatsapp/accounts/7/notify",
    "/api/whatsapp/accounts/8/notify",
    "/api/whatsapp/accounts/9/notify",
    "/api/whatsapp/accounts/7/notify/",
    "/api/whatsapp/accounts",
    "/api/attachments/1/download",
    "/media/token/name.jpg",
    "/oauth2/token",
    "/eu/v1/projects/p/messages:send",
    "/healthz",
    "/readyz",
    "/metrics",
    "/static/app.js",
    "/favicon.ico",
    "/robots.txt",
    "/refused/404",
    "/refused/503",
    "/.well-known/acme-challenge/proof",
    "/.well-known/acme-challenge/../../etc/passwd",
    "/.well-known/acme-challenge/",
    "/.well-known/security.txt",
    "/media/vault/",
    "/media/vault/lock",
    "/nginx_status",
    "/_sandbox/received",
    "/server-status",
    "/up",
    "/up/",
    "/up?x",
)
PROOF = "/.well-known/acme-challenge/proof"
HOSTS = (HOST, HOST.upper(), f"{HOST}.", f"x.{HOST}", "localhost", "127.0.0.1", "motion.internal", "_", "")


@pytest.fixture(scope="module")
def exposed() -> Iterator[House]:
    eight = {**ACCOUNT, "connector_id": 8, "app_id": "app-8", "webhook_secrets": ["a secret of number eight"]}
    with reserve() as plain:
        private = {"outbound_address": own_address(), "outbound_port": PORT, "outbound_clients": [MOTION]}
        server = {"http_port": plain.getsockname()[1], "health_path": "/up", **private}
        with opened(started=False, server=server, account=[ACCOUNT, eight], attachments=LINKS) as house:
            webroot = house.folder / "acme"
            (webroot / ".well-known" / "acme-challenge").mkdir(parents=True)
            (webroot / ".well-known" / "acme-challenge" / "proof").write_text("proof of the name")
            house.tables["server"]["acme_webroot"] = str(webroot)
            house.start()
            yield house


def listed(house: House) -> list[dict[str, Any]]:
    return json.loads(house.command("exposure", "--json"))


def ask(house: House, port: int, *, tls: bool, host: str, method: str, path: str) -> Answer:
    scheme = "https" if tls else "http"
    name = "localhost" if port == house.ops_port else HOST
    route = Route(url=f"{scheme}://{name}:{port}/", ca_file=house.folder / "ca.pem", connect_to=("127.0.0.1", port))
    return exchange(route, Request(method=method, target=path, host=host))


def links(house: House) -> dict[str, str]:
    """One link of each kind, by how such links are listed."""
    files = Files(house, house.archive.put(NAME, PHOTO))
    return {
        "/api/attachments/{id}/download?token={token}": files.proxied(),
        "/media/{token}/{name}": files.minted(),
    }


def expected(routes: list[dict[str, Any]], port: int, *, host: str, method: str, path: str) -> bool:
    """Whether the list says that this answers."""
    if not host:
        return False  # an empty one is no host at all (RFC 9110 7.2): nginx refuses before it looks further
    ours = host.lower().rstrip(".") == HOST
    for route in routes:
        if not route["listener"].endswith(f":{port}") or (route["host"] != "any" and not ours):
            continue
        acme = "acme-challenge" in route["path"] and path == PROOF
        if path == PROOF and not acme:  # of two that fit, nginx takes the pattern
            continue
        if path.startswith("/refused/"):  # nginx's own way to our answers; nobody comes in by it
            continue
        if (route["path"] in ("any", path) or acme) and (route["methods"] == ["any"] or method in route["methods"]):
            return True
    return False


def refused(answer: Answer, method: str) -> bool:
    """Exactly the refusal that everything gets, head and body alike."""
    names = {name.lower() for name, _ in answer.headers}
    known = {
        "date",
        "content-type",
        "content-length",
        "connection",
        *(name.lower() for name in PUBLIC_HEADERS | PAGE_HEADERS),
    }
    body = b"" if method == "HEAD" else errors.body(404)
    return answer.status == 404 and answer.body == body and names <= known | {"strict-transport-security"}


def test_what_is_listed_answers_and_everything_else_is_refused_alike(exposed: House) -> None:
    right, wrong = links(exposed), []
    routes = [route | {"path": right.get(route["path"], route["path"])} for route in listed(exposed)]
    assert {route["path"] for route in routes} >= set(right.values())
    ports = [(exposed.public_port, True), (exposed.tables["server"]["http_port"], False), (exposed.ops_port, True)]
    # Every method where our own name is asked for; the two that matter under every other name.
    paths = (*PATHS, *right.values())
    asked = [*itertools.product([HOST], METHODS, paths), *itertools.product(HOSTS[1:], ("GET", "POST"), paths)]
    for port, tls in ports:
        for host, method, path in asked:
            answer = ask(exposed, port, tls=tls, host=host, method=method, path=path)
            should = expected(routes, port, host=host, method=method, path=path)
            if should == refused(answer, method):
                wrong.append((port, host, method, path, answer.status, answer.headers))
    assert not wrong, wrong[:5]


def test_any_server_name_in_the_handshake_changes_nothing(exposed: House) -> None:
    lines = ("POST /api/whatsapp/accounts/7/notify HTTP/1.1", f"host: {HOST}", "content-length: 0", "connection: close")
    target = "\r\n".join([*lines, "", ""])
    for name in (HOST, "localhost", "motion.internal", None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", exposed.public_port), PATIENCE_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=name) as connection,
        ):
            connection.sendall(target.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 401 "), name


def test_no_other_port_listens(exposed: House) -> None:
    wanted = {exposed.public_port, exposed.ops_port, exposed.tables["server"]["http_port"], PORT}
    assert {int(route["listener"].rpartition(":")[2]) for route in listed(exposed)} == wanted
    listening = exposed.listening_ports()
    assert listening == wanted


def test_answers_name_no_server_and_no_version(exposed: House) -> None:
    answers = [
        exposed.ask("/"),
        exposed.ask("/%zz"),
        exposed.ask("/api/whatsapp/accounts/7/notify"),
        exposed.ops("/healthz"),
        ask(exposed, exposed.tables["server"]["http_port"], tls=False, host=HOST, method="GET", path="/"),
    ]
    for answer in answers:
        told = json.dumps(answer.headers).lower() + answer.body.decode().lower()
        assert not [name for name in ("nginx", "gunicorn", "werkzeug", "python", "flask") if name in told], answer


def test_the_redirect_goes_to_our_own_name_whatever_was_asked(exposed: House) -> None:
    port = exposed.tables["server"]["http_port"]
    answer = ask(exposed, port, tls=False, host=HOST, method="GET", path="/x?y=1")
    assert answer.status == 301
    assert answer.header("location") == f"https://{HOST}:{exposed.public_port}/x?y=1"


def test_the_list_is_a_table_for_people(exposed: House) -> None:
    told = exposed.command("exposure")
    assert "/api/whatsapp/accounts/8/notify" in told
    assert told.rstrip().endswith("All else is refused.")


def test_without_http_port_and_account_their_routes_are_not_listed(exposed: House) -> None:
    del exposed
    with opened(started=False) as house:
        house.write_settings()
        paths = {route["path"] for route in listed(house)}
    assert paths == {"/api/whatsapp/accounts/7/notify", "/healthz", "/readyz", "/metrics", *page_samples.PATHS}

"""The way through a proxy of the house: the origin hears what it hears without one, and whose trouble it is is told."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from gateway.errors import UpstreamError
from gateway.sinch import Effect, SinchError
from gateway.sinch.client import Request, Sinch
from gateway.upstream import Answer, Upstream, proxy_of
from sandbox import certificates
from sandbox.certificates import Signer
from tests import config_samples
from tests.peer_samples import LONG_SECONDS, Behaviour, Peer, listens_on, says
from tests.proxy_samples import AUTHORIZATION, PASSWORD, USER, ForwardProxy
from tests.service_samples import HandClock
from tests.together import together

OK = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", then=listens_on)
TARGET = "/a%2fb/../c?x=[1]&%c3%a9=\xe9"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture(scope="module")
def authority() -> Signer:
    return certificates.authority("CA of the tests")


def through(
    stack: ExitStack, proxy: ForwardProxy | str, origin: str, *, ca_file: Path | None = None, password: str = ""
) -> Upstream:
    url = proxy if isinstance(proxy, str) else proxy.url
    own = {"proxy": url} | ({"proxy_username": USER, "proxy_password": password} if password else {})
    way = proxy_of(config_samples.settings(sinch=own).sinch)
    return stack.enter_context(closing(Upstream(origin, ca_file=ca_file, proxy=way, connections=2)))


def proxied(stack: ExitStack, **options: object) -> ForwardProxy:
    return stack.enter_context(closing(ForwardProxy(**options)))  # type: ignore[arg-type]


def peer(stack: ExitStack, behaviour: Behaviour = OK, **options: object) -> Peer:
    options = {"host": "127.0.0.1", "tls": None} | options
    return stack.enter_context(closing(Peer(behaviour, **options)))  # type: ignore[arg-type]


def call(upstream: Upstream, seconds: float = 60) -> Answer:
    headers = [("Authorization", "Bearer of-motion")]
    return upstream.call("POST", TARGET, body=b"{}", headers=headers, deadline_seconds=seconds, most_bytes=99)


def test_the_origin_hears_what_it_hears_without_a_proxy_and_the_connection_is_used_again(stack: ExitStack) -> None:
    there, proxy = peer(stack), proxied(stack)
    origin = f"http://127.0.0.1:{there.port}"
    straight = stack.enter_context(closing(Upstream(origin, connections=2)))
    proxied_one = through(stack, proxy, origin)
    assert [call(one).status for one in (straight, proxied_one, proxied_one)] == [200] * 3
    assert len(set(there.requests)) == 1
    assert len(proxy.heads) == 1


def test_the_proxy_is_told_the_place_and_nothing_else(stack: ExitStack, authority: Signer, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    context = certificates.made("api.example.test", authority, names=["api.example.test"]).context()
    there = peer(stack, tls=context)
    proxy = proxied(stack, leads_to=("127.0.0.1", there.port), authorization=AUTHORIZATION)
    # The name is one that only the proxy can resolve.
    upstream = through(stack, proxy, "https://api.example.test", ca_file=ca, password=PASSWORD)
    assert call(upstream).status == 200
    [head] = proxy.heads
    first, *told = head.decode().strip().split("\r\n")
    assert first == "CONNECT api.example.test:443 HTTP/1.1"
    assert {line.partition(":")[0] for line in told} == {"Host", "User-Agent", "Proxy-Authorization"}
    assert b"Bearer" not in proxy.passed
    assert b"Proxy-Authorization" not in there.requests[0]
    assert there.requests[0].startswith(f"POST {TARGET} HTTP/1.1\r\n".encode("latin-1"))


@pytest.mark.parametrize(("name", "pinned"), [("other.example", True), ("api.example.test", False)])
def test_the_origins_certificate_is_looked_at_as_without_a_proxy(
    stack: ExitStack, authority: Signer, tmp_path: Path, name: str, *, pinned: bool
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    there = peer(stack, tls=certificates.made(name, authority, names=[name]).context())
    proxy = proxied(stack, leads_to=("127.0.0.1", there.port))
    upstream = through(stack, proxy, "https://api.example.test", ca_file=ca if pinned else None)
    with pytest.raises(UpstreamError, match=r"^certificate or TLS refused$") as caught:
        call(upstream)
    assert (caught.value.sent, there.requests) == (False, [])


def test_an_address_of_ipv6_is_asked_for_in_brackets(stack: ExitStack) -> None:
    there = peer(stack)
    proxy = proxied(stack, leads_to=("127.0.0.1", there.port))
    assert call(through(stack, proxy, "http://[2001:db8::1]:8080")).status == 200
    assert proxy.heads[0].startswith(b"CONNECT [2001:db8::1]:8080 HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n")


TROUBLE: dict[str, tuple[bytes, str, int | None]] = {
    "407": (b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "proxy: user name or password refused", 407),
    "403": (b"HTTP/1.0 403 Forbidden\r\n\r\n<html>", "proxy: the way is refused", 403),
    "405": (b"HTTP/1.1 405 \r\n\r\n", "proxy: the way is refused", 405),
    "302 of a portal": (b"HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", "proxy: the way is refused", 302),
    "502": (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy: no connection from there", 502),
    "503": (b"HTTP/1.1 503 X\r\n\r\n", "proxy: no connection from there", 503),
    "504": (b"HTTP/1.1 504 X\r\n\r\n", "proxy: no connection from there", 504),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "proxy: answer is not HTTP", None),
    "a head without end": (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 5000, "proxy: connection broken", None),
    "half a head": (b"HTTP/1.1 200 OK\r\nX:", "proxy: no answer in time", None),
}


@pytest.mark.parametrize(("said", "words", "status"), TROUBLE.values(), ids=TROUBLE)
def test_what_the_proxy_says_is_told_as_the_proxys_and_nothing_was_sent(
    stack: ExitStack, said: bytes, words: str, status: int | None
) -> None:
    proxy = proxied(stack, says=said)
    began = time.monotonic()
    with pytest.raises(UpstreamError) as caught:
        call(through(stack, proxy, "http://192.0.2.1"), seconds=0.5)
    assert time.monotonic() - began < LONG_SECONDS
    assert (caught.value.reason, caught.value.answered, caught.value.sent) == (words, status, False)


def test_a_proxy_that_drips_does_not_outlast_the_deadline(stack: ExitStack) -> None:
    there = peer(stack, lambda wire: wire.drip(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200))
    began = time.monotonic()
    with pytest.raises(UpstreamError, match=r"^proxy: no answer in time$"):
        call(through(stack, f"http://127.0.0.1:{there.port}", "http://192.0.2.1"), seconds=0.5)
    assert time.monotonic() - began < LONG_SECONDS


def test_a_proxy_that_is_not_there_is_named(stack: ExitStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for url, words in (
        (f"http://127.0.0.1:{port}", "proxy: connection refused"),
        ("http://nowhere.invalid:3128", "proxy: host name unknown"),
    ):
        with pytest.raises(UpstreamError, match=f"^{words}$"):
            call(through(stack, url, "http://192.0.2.1"))


def test_a_password_that_the_proxy_refuses_is_shown_once(stack: ExitStack) -> None:
    proxy = proxied(stack, authorization=AUTHORIZATION)
    own = {"eu": "http://192.0.2.1", "proxy": proxy.url, "proxy_username": USER, "proxy_password": "wrong"}
    made = Sinch(config_samples.settings(sinch=own).sinch, clock=HandClock(), pause=lambda _seconds: None)
    sinch = stack.enter_context(closing(made))
    request = Request(method="POST", target="/x", effect=Effect.SEND, headers=[], body=b"{}")
    with pytest.raises(SinchError) as caught:
        sinch.call("eu", request)
    assert caught.value.words == "proxy: user name or password refused (status 407)"
    assert (caught.value.trouble, caught.value.sent, len(proxy.heads)) == ("SINCH_UNREACHABLE", False, 1)


WRONG = {
    "https": "https://proxy.example.com:3128",
    "no port": "http://proxy.example.com",
    "a path": "http://proxy.example.com:3128/x",
    "a password": "http://user:planted@proxy.example.com:3128",
    "no URL": "proxy.example.com:3128",
    "SOCKS": "socks5://proxy.example.com:1080",
}


@together("table", ["sinch", "motion"])
@together("url", WRONG.values(), ids=WRONG)
def test_a_proxy_is_an_http_url_with_its_port_and_without_a_password(table: str, url: str) -> None:
    told = config_samples.refusal(**{table: {"proxy": url}})
    assert f"{table}.proxy" in told
    assert "planted" not in told


@pytest.mark.parametrize("table", ["sinch", "motion"])
def test_user_password_and_proxy_stand_together(table: str) -> None:
    whole = {"proxy": "http://proxy.example.com:3128", "proxy_username": USER, "proxy_password": PASSWORD}
    made = config_samples.settings(**{table: whole})
    assert any(f"{table}.proxy_password crosses the network unencrypted" in one for one in made.warnings)
    assert PASSWORD not in repr(made)
    for gone in whole:
        without = {key: value for key, value in whole.items() if key != gone}
        if gone == "proxy":
            assert "stands without a proxy" in config_samples.refusal(**{table: without})
        else:
            assert "stands without a " in config_samples.refusal(**{table: without})


def test_a_proxy_for_a_motion_on_this_machine_is_a_warning() -> None:
    made = config_samples.settings(motion={"url": "http://127.0.0.1:9", "proxy": "http://proxy.example.com:3128"})
    assert any("motion.proxy would look for it" in one for one in made.warnings)

"""A link that a customer wrote is followed to the vendor's hosts alone, and what answers there is believed nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from gateway import upstream
from gateway.attachments.content_disposition import Promise
from gateway.errors import GatewayError, NotFound, TooLarge, Unavailable, UpstreamUnreachable
from gateway.inbound import source
from gateway.inbound.source import MediaPlace, MediaSource
from gateway.motion.download import Download
from gateway.phrases import Reason
from tests import config_samples
from tests.address_samples import ELSEWHERE, NOT_PUBLIC, PUBLIC, THERE
from tests.peer_samples import Behaviour, Peer, Wire, answers, in_chunks, says
from tests.together import together

Start = Callable[[Behaviour], Peer]
FILE = b"\xff\xd8\xff" + bytes(range(256)) * 100


@pytest.fixture
def peer() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda behaviour: stack.enter_context(closing(Peer(behaviour, host="127.0.0.1", tls=None)))


def made(*hosts: str, **inbound: Any) -> MediaSource:
    return MediaSource(config_samples.settings(inbound={"hosts": list(hosts or ("*.sinch.com",)), **inbound}))


def fetch(there: Peer, path: str = "/m/1.jpg", **inbound: Any) -> tuple[Download, bytes]:
    written = bytearray()
    place = f"http://127.0.0.1:{there.port}"
    came = made(place, **inbound).fetch(f"{place}{path}", written.extend, expect=lambda _size: None)
    return came, bytes(written)


LINKS = {
    "the vendor's": ("https://media.sinch.com/a", MediaPlace("https", "media.sinch.com", 443, "/a")),
    "in capitals": ("HTTPS://Media.SINCH.com/a?b=%20c&d", MediaPlace("https", "media.sinch.com", 443, "/a?b=%20c&d")),
    "with its port": ("https://eu.media.sinch.com:443", MediaPlace("https", "eu.media.sinch.com", 443, "/")),
    "without a path": ("https://media.sinch.com?a#b", MediaPlace("https", "media.sinch.com", 443, "/?a")),
    "with letters": ("https://media.sinch.com/é", MediaPlace("https", "media.sinch.com", 443, "/%C3%A9")),
    "without TLS": ("http://media.sinch.com/a", Reason.MEDIA_HOST),
    "to another port": ("https://media.sinch.com:8443/a", Reason.MEDIA_HOST),
    "to the end alone": ("https://sinch.com/a", Reason.MEDIA_HOST),
    "to what ends alike": ("https://evilsinch.com/a", Reason.MEDIA_HOST),
    "to what begins alike": ("https://media.sinch.com.evil.example/a", Reason.MEDIA_HOST),
    "with a dot behind": ("https://media.sinch.com./a", Reason.MEDIA_HOST),
    "with a user": ("https://media.sinch.com@evil.example/a", Reason.MEDIA_LINK),
    "with a backslash": ("https://evil.example\\.sinch.com/a", Reason.MEDIA_LINK),
    "with a backslash and a user": ("https://evil.example\\@media.sinch.com/a", Reason.MEDIA_LINK),
    "with a percent sign": ("https://media%2esinch.com/a", Reason.MEDIA_LINK),
    "with a Kelvin sign": ("https://\u212aedia.sinch.com/a", Reason.MEDIA_LINK),
    "with a full-width dot": ("https://evil\uff0esinch.com/a", Reason.MEDIA_LINK),
    "of another scheme": ("ftp://media.sinch.com/a", Reason.MEDIA_LINK),
    "to a file": ("file:///etc/passwd", Reason.MEDIA_LINK),
    "with a line": ("https://media.sinch.com/a\r\nHost: b", Reason.MEDIA_LINK),
    "to an address": ("https://169.254.169.254/latest", Reason.MEDIA_HOST),
    "to a number": ("https://2130706433/", Reason.MEDIA_HOST),
    "to one of eight": ("https://0x7f.1/", Reason.MEDIA_HOST),
    "to IPv6": ("https://[::ffff:127.0.0.1]/", Reason.MEDIA_HOST),
    "to a zone": ("https://[fe80::1%25eth0]/", Reason.MEDIA_LINK),
}


@together(("link", "leads"), LINKS.values(), ids=LINKS)
def test_a_link_leads_to_a_host_of_the_settings_or_nowhere(link: str, leads: MediaPlace | Reason) -> None:
    try:
        found: MediaPlace | str = made().proved(link)
    except NotFound as error:
        found = error.reason
    assert found == leads


@together("link", ELSEWHERE)
def test_a_link_that_others_were_led_astray_by_leads_nowhere(link: str) -> None:
    with pytest.raises(NotFound):
        made("*.sinch.com", "media.example.com").proved(link)


@together("link", THERE)
def test_a_link_to_the_vendors_hosts_leads_there(link: str) -> None:
    there = made("*.sinch.com", "media.example.com").proved(link)
    assert (there.scheme, there.port, there.trusted) == ("https", 443, False)
    assert there.host.endswith((".sinch.com", "media.example.com"))


@together("address", [address for addresses in NOT_PUBLIC.values() for address in addresses])
def test_an_address_that_is_not_public_is_none_of_the_vendors(address: str) -> None:
    assert not source.is_public(address)


@together("address", PUBLIC)
def test_an_address_that_was_given_out_may_be_connected_to(address: str) -> None:
    assert source.is_public(address)


def test_what_a_name_leads_to_is_looked_at_before_anything_is_connected_to(peer: Start) -> None:
    there = peer(answers(FILE))
    with (
        closing(upstream.Upstream(f"http://localhost:{there.port}", guard=source.require_public, connections=1)) as one,
        pytest.raises(UpstreamUnreachable, match=Reason.MEDIA_ADDRESS),
        one.get("/", headers=(), deadline_seconds=5),
    ):
        pass
    assert there.connections == 0


def test_one_address_that_is_not_public_closes_a_name() -> None:
    with pytest.raises(UpstreamUnreachable, match=Reason.MEDIA_ADDRESS):
        source.require_public(["8.8.8.8", "10.0.0.1"])


def test_a_file_comes_with_its_digest_and_the_name_of_its_link(peer: Start) -> None:
    there = peer(answers(FILE, "Content-Type: image/jpeg"))
    came, written = fetch(there)
    assert written == FILE
    assert came == Download(
        digest=hashlib.sha256(FILE).digest(),
        size_bytes=len(FILE),
        promise=Promise(file=True, name="1.jpg"),
        declared="image/jpeg",
        proved=True,
    )
    assert b"cookie" not in there.requests[0]
    assert b"authorization" not in there.requests[0]


def test_a_redirect_is_followed_to_the_hosts_of_the_settings_alone(peer: Start) -> None:
    def leads(wire: Wire) -> None:
        step = wire.request.split()[1].decode()
        to = {"/1": "/2", "/2": "3?a=b", "/away": "http://127.0.0.1:9/x", "/evil": "https://evil.example/"}.get(step)
        around = step if step == "/round" else None
        told = answers(b"", f"Location: {to or around}", status="302 Found") if to or around else answers(FILE)
        told(wire)

    there = peer(leads)
    assert fetch(there, "/1")[1] == FILE
    for path, reason in {
        "/away": Reason.MEDIA_HOST,
        "/evil": Reason.MEDIA_HOST,
        "/round": Reason.MEDIA_REDIRECTED,
    }.items():
        with pytest.raises(GatewayError, match=reason):
            fetch(there, path)
    assert len(there.requests) == 3 + 1 + 1 + 4


BAD: dict[str, tuple[Behaviour, type[GatewayError], Reason]] = {
    "gone": (answers(b"", status="404 Not Found"), NotFound, Reason.MEDIA_LOST),
    "gone for good": (answers(b"", status="410 Gone"), NotFound, Reason.MEDIA_LOST),
    "forbidden": (answers(b"", status="403 Forbidden"), Unavailable, Reason.MEDIA_FORBIDDEN),
    "failing": (answers(b"", status="500 No"), Unavailable, Reason.MEDIA_ODD),
    "a part": (answers(FILE, status="206 Partial Content"), Unavailable, Reason.MEDIA_ODD),
    "leading nowhere": (answers(b"", status="302 Found"), Unavailable, Reason.MEDIA_ODD),
    "saying too much": (answers(FILE, length=10**9), TooLarge, Reason.MEDIA_TOO_LARGE),
    "endless": (in_chunks(FILE, last=b"%x\r\n%b\r\n" % (len(FILE), FILE) * 40), TooLarge, Reason.MEDIA_TOO_LARGE),
    "short": (answers(FILE, length=len(FILE) + 1), Unavailable, Reason.ANSWER_SHORT),
    "unending": (says(b"HTTP/1.1 200 OK\r\n\r\nx"), Unavailable, Reason.ANSWER_UNENDING),
    "no HTTP": (says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", then=Wire.reset), Unavailable, Reason.ANSWER_MALFORMED),
    "silent": (Wire.pause, Unavailable, Reason.NO_ANSWER),
    "dripping": (lambda wire: wire.drip(b"HTTP/1.1 200 OK\r\n" * 999), Unavailable, Reason.NO_ANSWER),
}


@pytest.mark.parametrize(("behaviour", "kind", "reason"), BAD.values(), ids=BAD)
def test_a_host_that_does_not_give_the_file_is_named(
    peer: Start, behaviour: Behaviour, kind: type[GatewayError], reason: Reason
) -> None:
    with pytest.raises(kind) as caught:
        fetch(peer(behaviour), max_bytes="100kB", timeout="1s")
    assert caught.value.reason == reason

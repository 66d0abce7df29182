"""Links to files that customers have sent, through the real courier, nginx and door: for Motion alone, and in parts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from sinch.domains.conversation.sinch_events.v1 import ConversationSinchEvent

from gateway import config, paths
from gateway.attachments.register import Register
from gateway.attachments.vault import Vault
from gateway.doors import PUBLIC_HEADERS
from gateway.inbound import places
from gateway.ingress import intake
from gateway.inspection import content, inspector
from sandbox import faults, signing
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.faults import Fault
from tests import inbound_samples
from tests.inbound_samples import DIGEST, PICTURE
from tests.live.house import PATIENCE_SECONDS, SECRET, House
from tests.live.private_edge import MOTION, NAME, PORT, STRANGER, furnished
from tests.spool_samples import callback

NONCE = "01FJA8B4A7BM43YGWSG9GBV067"


@dataclass
class Delivered:
    """A gateway by which an event has reached Motion: what was sent, and what Motion heard."""

    house: House
    event_id: int
    sent: bytes
    heard: bytes
    headers: dict[str, str]

    def ask(self, number: int = 1, *, source: str = MOTION, method: str = "GET", **headers: str) -> Answer:
        """Follow a link that Motion was given."""
        url = urlsplit(places.find(self.heard)[number - 1].url)
        place = (self.house.tables["server"]["outbound_address"], PORT)
        ca = self.house.folder / "private-ca" / "ca.pem"
        way = Route(
            url=f"https://{url.netloc}/", ca_file=ca, connect_to=place, source_address=source, timeout_seconds=60
        )
        told = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return exchange(way, Request(target=url.path, method=method, headers=told))


@pytest.fixture(scope="module")
def delivered() -> Iterator[Delivered]:
    with furnished() as house:
        house.tables["inbound"] = {"media": "through"}
        house.start()
        sent = inbound_samples.body(links=3)
        signed = signing.sign(sent, SECRET, NONCE, int(time.time()) - 3)
        told = callback(body=sent, headers=(("content-type", "application/json"), *signed.items()))
        house.motion.set_fault(Fault(name="status", status=503))
        with contextlib.closing(house.spool()) as spool:
            event_id = intake.accept(spool, told, now=time.time()).event_id
            house.motion.wait_for(1)  # as nothing is known of its files, it was tried
            settings = config.load(house.config, {})
            shelve(Vault(paths.vault(settings)), Register.of(settings, spool), f"in{event_id}.1")
            inbound_samples.known(spool, event_id, "kept", "held", "failed", reason="program")
        house.motion.set_fault(faults.NONE)
        [heard] = house.motion.wait_for_accepted(1)
        yield Delivered(house, event_id, sent, heard.body, {name.lower(): value for name, value in heard.headers})


def shelve(vault: Vault, register: Register, attachment_id: str) -> None:
    """Have the picture in the vault, as if it had been fetched."""
    with vault.incoming(attachment_id, patience_seconds=PATIENCE_SECONDS) as file:
        vault.write(file, PICTURE)
        vault.sync(file)
        vault.keep(file, DIGEST)
    seen = inspector.inspect(content.of_bytes(PICTURE), name="photo.jpg")
    register.acquired(attachment_id, digest=DIGEST, name="photo.jpg", seen=seen, now=time.time())


def test_motion_gets_links_of_ours_in_a_body_that_the_vendors_sdk_accepts(delivered: Delivered) -> None:
    assert ConversationSinchEvent(SECRET).validate_authentication_header(delivered.headers, delivered.heard)
    assert delivered.headers[signing.NONCE_HEADER] == NONCE
    links, before = places.find(delivered.heard), places.find(delivered.sent)
    assert [link.url.startswith(f"https://{NAME}:{PORT}/media/") for link in links] == [True, True, False]
    assert links[2].url == before[2].url
    marked = [
        places.replaced(body, {link: f"#{at}" for at, link in enumerate(places.find(body))})
        for body in (delivered.heard, delivered.sent)
    ]
    assert marked[0] == marked[1]
    delivered.house.wait_for(lambda: [row.findings for row in delivered.house.events()] == ["media-failed"])


def test_a_file_is_served_whole_and_in_parts_as_what_is_from_strangers(delivered: Delivered) -> None:
    whole = delivered.ask()
    assert (whole.status, whole.body, whole.header("content-type")) == (200, PICTURE, "image/jpeg")
    assert str(whole.header("content-disposition")).startswith('attachment; filename="photo 1.jpg"')
    assert {name: whole.header(name) for name in PUBLIC_HEADERS} == dict(PUBLIC_HEADERS)
    part = delivered.ask(range="bytes=4-8")
    assert (part.status, part.body) == (206, PICTURE[4:9])
    head = delivered.ask(method="HEAD")
    assert (head.status, head.body, head.header("content-length")) == (200, b"", str(len(PICTURE)))
    beyond = delivered.ask(range="bytes=9999-")
    assert (beyond.status, beyond.header("x-motion-gateway-error")) == (400, "REQUEST_MALFORMED")


def test_in_place_of_one_that_is_held_back_there_is_a_note(delivered: Delivered) -> None:
    note = delivered.ask(2)
    assert (note.status, note.header("content-type")) == (200, "text/plain")
    assert f"{delivered.event_id}/2".encode() in note.body


def test_nobody_else_gets_anything_by_such_a_link(delivered: Delivered) -> None:
    stranger = delivered.ask(source=STRANGER)
    assert (stranger.status, stranger.header("x-motion-gateway-error")) == (403, "CLIENT_NOT_ALLOWED")
    target = urlsplit(places.find(delivered.heard)[0].url).path
    assert delivered.house.ask(target).status == 404  # at the public address
    posted = delivered.ask(method="POST")
    assert (posted.status, posted.header("x-motion-gateway-error")) == (403, "PATH_NOT_ALLOWED")
    assert target.split("/")[2] not in delivered.house.log

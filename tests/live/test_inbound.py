"""What customers send, through a whole gateway to a Motion that has no internet; and a Sinch that does not give it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from sinch.domains.conversation.sinch_events.v1 import ConversationSinchEvent

from gateway.phrases import Reason
from sandbox import callbacks, faults, setup, signing
from sandbox.connection import Request, exchange
from sandbox.faults import Fault
from sandbox.scenarios import attachment
from sandbox.server import Server
from tests import config_samples
from tests.address_samples import ELSEWHERE
from tests.live.house import ACCOUNT, SECRET
from tests.live.inbound_house import InboundHouse, letter, link_of, opened, signed, somebody
from tests.live.private_edge import NAME, PORT, STRANGER

PICTURE, VOICE, PAPER = (attachment.sample(name) for name in ("picture.jpg", "voice.ogg", "invoice.pdf"))
OTHER, OTHER_APP = "another webhook secret of the tests", "01JQ8V4M2Z7T5X9C3N6B1K0DHZ"
OURS = f"https://{NAME}:{PORT}/media/"


@pytest.fixture(scope="module")
def _inbound() -> Iterator[InboundHouse]:
    with opened() as running:
        yield running


@pytest.fixture
def inbound(_inbound: InboundHouse) -> Iterator[InboundHouse]:
    """One that several tests share: each has customers of its own."""
    yield _inbound
    _inbound.media.set_fault(faults.NONE)
    _inbound.house.motion.assert_nothing_unexpected()


def media(url: str, **more: object) -> dict[str, object]:
    return {"url": url, "thumbnail_url": "", "filename_override": "", **more}


# Each kind of message that may name a file, with the files that it names.
KINDS = {
    "a picture": (lambda a: {"media_message": media(a)}, 1),
    "with its small one": (lambda a, b: {"media_message": media(a, thumbnail_url=b)}, 2),
    "with words": (lambda a: {"media_card_message": {"url": a, "caption": '¿Qué? 👋 "x"'}}, 1),
    "a card": (lambda a: {"card_message": {"title": "t", "media_message": {"url": a}}}, 1),
    "a carousel": (
        lambda a, b, c: {"carousel_message": {"cards": [{"media_message": {"url": one}} for one in (a, b, c)]}},
        3,
    ),
    "a story": (lambda a: {"story_message": {"url": a}}, 1),
    "a product": (lambda a: {"product_message": {"products": [{"id": "1", "image_url": a}]}}, 1),
}


@pytest.mark.parametrize(("made", "count"), KINDS.values(), ids=KINDS)
def test_each_kind_arrives_byte_for_byte_and_all_else_is_as_sinch_sent_it_and_signed(inbound, made, count):
    samples = (PICTURE, VOICE, PAPER)[:count]
    links = [inbound.media.keep(sample.name, sample.content).link for sample in samples]
    sent = letter(inbound.house, made(*links), by=somebody())
    inbound.post(sent)
    arrival, brought = inbound.arrived(sent), inbound.brought(sent)
    assert [one.content for one in brought] == [sample.content for sample in samples]
    assert all(one.named.link.startswith(OURS) for one in brought)
    put_back = arrival.body
    for link, one in zip(links, brought, strict=True):
        put_back = put_back.replace(one.named.link.encode(), link.encode())
    assert put_back == sent.body
    assert ConversationSinchEvent(SECRET).validate_authentication_header(dict(arrival.headers), arrival.body.decode())


WRITTEN = {
    "with blanks and a line's end": lambda body: json.dumps(json.loads(body), indent=3) + "\r\n",
    "with escapes": lambda body: json.dumps(json.loads(body)),
    "with slashes escaped": lambda body: body.replace("/", "\\/"),
    "with each letter of the link escaped": lambda body: body.replace("http", "\\u0068\\u0074tp"),
    "with a key of ours twice elsewhere": lambda body: body[:-1] + ', "url": "http://127.0.0.1:1/x"}',
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_however_a_callback_is_written_its_other_bytes_stay_so(inbound, written):
    link = inbound.media.keep(PICTURE.name, PICTURE.content).link
    callback = callbacks.file(link, caption="Größe 見積 مرحبا", by=somebody())
    plain = signed(inbound.house, callback)
    sent = signed(inbound.house, callback, written=written(plain.body.decode()))
    inbound.post(sent)
    arrival = inbound.arrived(sent)
    before, _, after = arrival.body.partition(link_of(arrival).encode())
    assert sent.body.startswith(before)
    assert sent.body.endswith(after)
    assert json.loads(sent.body[len(before) : len(sent.body) - len(after)].join((b'"', b'"'))) == link
    assert inbound.brought(sent)[0].content == PICTURE.content


def test_type_and_name_are_what_the_bytes_and_the_sender_say_and_nothing_runs_in_a_browser(inbound):
    sent = signed(inbound.house, callbacks.file(inbound.media.keep("a b.jpg", PICTURE.content).link, by=somebody()))
    inbound.post(sent)
    inbound.arrived(sent)
    [one] = inbound.brought(sent)
    assert (one.answer.header("content-type"), one.name) == ("image/jpeg", "a b.jpg")
    assert one.answer.header("x-content-type-options") == "nosniff"
    assert "sandbox" in (one.answer.header("content-security-policy") or "")


# What Sinch's host may do instead of giving the file, and how it is told.
BAD = {
    "404": faults.status(404),
    "403": faults.status(403),
    "500": faults.status(500),
    "silent": faults.HANG,
    "slow": faults.slow(3600),
    "dripping": Fault(name="drip", seconds=1),
    "endless": faults.ENDLESS,
    "promising more": Fault(name="longer"),
    "promising less": Fault(name="shorter"),
    "breaking off": faults.CUT,
    "resetting": faults.reset("answer-body"),
    "no HTTP": faults.GARBAGE,
    "leading elsewhere": Fault(name="redirect"),
}


def test_a_callback_whose_file_does_not_come_arrives_as_it_was_in_order_and_is_named(inbound):
    """All of them at once: no two are of one customer, and none waits for another's."""
    kept = {name: inbound.media.keep(VOICE.name, VOICE.content) for name in BAD}
    inbound.media.set_fault(*(replace(BAD[name], path=urlsplit(one.link).path) for name, one in kept.items()))
    sent, behind = {}, {}
    for name, one in kept.items():
        by = somebody()
        sent[name] = signed(inbound.house, callbacks.file(one.link, by=by))
        behind[name] = signed(inbound.house, callbacks.text(f"behind {name}", by=by))
        inbound.post(sent[name])
        inbound.post(behind[name])
    beside = signed(inbound.house, callbacks.text("of somebody else", by=somebody()))
    inbound.post(beside)
    inbound.arrived(beside)
    for name, letter_ in sent.items():
        arrival, next_one = inbound.arrived(letter_), inbound.arrived(behind[name])
        assert arrival.number < next_one.number, name
        row = next(event for event in inbound.house.events() if event.body == letter_.body)
        if name != "promising less":  # its first bytes pass for the file
            assert arrival.body == letter_.body, name
            assert re.search("media-(late|failed)", row.findings), (name, row.findings)


def test_a_link_that_leads_elsewhere_is_asked_for_nowhere(inbound):
    with Server(lambda heard, wire: wire.reset()) as trap:
        port = trap.address[1]
        inbound.media.set_fault(Fault(name="redirect", location=f"{trap.url}/x", path="/redirected"))
        own = (
            f"{trap.url}/x",
            f"http://localhost:{port}/x",
            f"http://127.1:{port}/x",
            f"http://[::ffff:127.0.0.1]:{port}/x",
            f"{inbound.media.url}@127.0.0.1:{port}/x",
            f"http://{inbound.media.url.removeprefix('http://')}:{port}/x",
            f"{inbound.media.url}/redirected",
        )
        sent = [signed(inbound.house, callbacks.file(link, by=somebody())) for link in (*own, *ELSEWHERE)]
        for one in sent:
            inbound.post(one)
        assert all(inbound.arrived(one).body == one.body for one in sent)
        assert trap.connections == 0
    inbound.house.wait_for(lambda: all(not row.media for row in inbound.house.events()))


# Where the vendor's name leads, lookup by lookup, and what may be connected to then.
NAMES = {
    "to this machine": (["127.0.0.1"], []),
    "to a public and a private address": (["93.184.215.14,10.0.0.1"], []),
    "to a public one, and to this machine when it is asked again": (["93.184.215.14", "127.0.0.1"], ["93.184.215.14"]),
    "to this machine, and to a public one when it is asked again": (["127.0.0.1", "93.184.215.14"], []),
}


@pytest.mark.parametrize(("answers", "may"), NAMES.values(), ids=NAMES)
def test_a_name_of_the_vendors_is_looked_up_once_and_what_was_looked_at_is_connected_to(tmp_path, answers, may):
    settings = tmp_path / "gateway.toml"
    settings.write_text(setup.toml(config_samples.document(inbound={"hosts": ["*.sinch.com"]})), "utf-8")
    command = [sys.executable, "-m", "tests.live.told_network", str(settings), "https://media.sinch.com/f", *answers]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["looked"] == ["media.sinch.com"]
    assert found["connected"] == may
    assert (found["outcome"] == Reason.MEDIA_ADDRESS) is (may == []), found


def test_only_motion_is_served_by_a_whole_link_at_the_private_address_and_no_log_has_the_link(inbound):
    sent = signed(inbound.house, callbacks.file(inbound.media.keep("a.jpg", PICTURE.content).link, by=somebody()))
    inbound.post(sent)
    link = link_of(inbound.arrived(sent))
    path = link.removeprefix(f"https://{NAME}:{PORT}")
    [line] = inbound.inbox.private.values()
    get = Request(method="GET")
    for changed, status in ((path, 200), (path.replace("/media/", "/media/A", 1), 404)):
        assert exchange(line.to(f"https://{NAME}:{PORT}{changed}"), get).status == status, changed
    assert exchange(line.to(link, source_address=STRANGER), get).status in (403, None)
    assert inbound.house.ask(path, method="GET").status == 404
    part = exchange(line.to(link), Request(method="GET", headers=(("range", "bytes=0-9"),)))
    assert (part.status, part.body) == (206, PICTURE.content[:10])
    head = exchange(line.to(link), Request(method="HEAD"))
    assert (head.status, head.body, head.header("content-length")) == (200, b"", str(len(PICTURE.content)))
    token, secret = path.split("/")[2], sent.callback.content["message"]["contact_message"]["media_message"]["url"]
    said = "".join(log.read_text("utf-8") for log in inbound.house.folder.glob("*.log"))
    assert token not in said
    assert secret.partition("sig=")[2] not in said


def test_signatures_nonces_and_times_are_as_the_late_ones_must_be(inbound):
    sent = signed(inbound.house, callbacks.file(inbound.media.keep("a.jpg", PICTURE.content).link, by=somebody()))
    inbound.post(sent)
    arrival = inbound.arrived(sent)
    assert arrival.header(signing.NONCE_HEADER) == sent.nonce
    told = signing.sign(arrival.body, SECRET, sent.nonce, int(arrival.header(signing.TIMESTAMP_HEADER)))
    assert told[signing.SIGNATURE_HEADER] == arrival.header(signing.SIGNATURE_HEADER)


DAYS_SECONDS = 3 * 86_400


def test_after_three_days_without_motion_every_file_is_there_though_sinchs_links_died_after_one():
    keeping = ACCOUNT | {
        "connector_id": 8,
        "name": "keeps",
        "app_id": OTHER_APP,
        "inbound_media": "keep",
        "webhook_secrets": [OTHER],
    }
    with opened(started=False, account=[ACCOUNT, keeping]) as inbound:
        house = inbound.house
        house.motion.set_fault(faults.DOWN)
        house.start()
        samples = [(7, PICTURE), (8, PICTURE), (7, VOICE), (8, VOICE), (7, PAPER), (8, PAPER)]
        links = [inbound.media.keep(sample.name, sample.content).link for _, sample in samples]
        sent = []
        for (connector_id, _), link in zip(samples, links, strict=True):
            secret = {"connector_id": connector_id, "secret": {7: SECRET, 8: OTHER}[connector_id]}
            sent.append(signed(house, callbacks.file(link, by=somebody()), **secret))
            inbound.post(sent[-1], **secret)
        house.wait_for(lambda: len(house.events()) == len(sent) and not any(one.media for one in house.events()))
        inbound.media.end()
        house.stop()
        house.motion.set_fault(faults.NONE)
        later = {name: f"tests.live.skewed_{name}" for name in ("courier", "door")}
        run = {
            name: [sys.executable, "-m", program, str(house.config), str(DAYS_SECONDS)]
            for name, program in later.items()
        }
        house.start_parts({"courier": run["courier"], "outbound": [*run["door"], "outbound"]})
        arrivals = [inbound.arrived(one) for one in sent]
        for number, ((connector_id, sample), one, arrival) in enumerate(zip(samples, sent, arrivals, strict=True), 1):
            validator = ConversationSinchEvent({7: SECRET, 8: OTHER}[connector_id])
            assert validator.validate_authentication_header(dict(arrival.headers), arrival.body.decode())
            signed_at = {name: int(of.header(signing.TIMESTAMP_HEADER)) for name, of in (("at", arrival), ("was", one))}
            assert signed_at["at"] - signed_at["was"] >= DAYS_SECONDS
            if connector_id == 7:
                assert inbound.brought(one)[0].content == sample.content
            else:
                assert arrival.body == one.body
            [event] = [row.id for row in house.events() if row.body == one.body]
            out = house.folder / f"saved-{number}"
            house.command("inbound", "save", f"{event}/1", "--to", str(out))
            assert out.read_bytes() == sample.content


def test_a_full_vault_costs_no_callback_and_what_was_kept_stays():
    with opened(
        inbound={"max_bytes": "400kB"}, attachments={"vault_max_bytes": "1MB", "max_bytes": "400kB"}
    ) as inbound:
        house = inbound.house
        papers = [PAPER.content + bytes([number]) * 300_000 for number in range(4)]
        sent = [
            signed(house, callbacks.file(inbound.media.keep(f"{number}.txt", paper).link, by=somebody()))
            for number, paper in enumerate(papers)
        ]
        for one in sent:
            inbound.post(one)
            inbound.arrived(one)
        came = [one.content for letter_ in sent for one in inbound.brought(letter_)]
        assert came[0] == papers[0]
        assert None in came
        house.wait_for(lambda: house.decisions("fetcher", event="finding", finding="vault-full"))
        house.settle()
        assert [event.state for event in house.events()] == ["delivered"] * len(sent)
        [line] = inbound.inbox.private.values()
        assert exchange(line.to(link_of(inbound.arrived(sent[0]))), Request(method="GET")).body == papers[0]


def test_a_fetcher_that_is_stopped_stands_still_and_is_well_once_it_goes_on(inbound):
    house = inbound.house
    fetcher, place = house.pid("fetcher"), house.folder / "state" / "fetcher.lock"
    os.kill(fetcher, signal.SIGSTOP)
    try:
        house.wait_for(lambda: os.utime(place, (0, 0)) or b"the fetcher stands still" in house.ops("/readyz").body)
    finally:
        os.kill(fetcher, signal.SIGCONT)
    house.wait_until_ready()

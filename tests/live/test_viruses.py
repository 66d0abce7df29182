"""Files looked through by Debian's clamd, on their way out and in: held while it is away, or for good; and released."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway.inspection.scanner import Clamd, Scan
from gateway.phrases import Finding, Line, Reason
from sandbox.connection import Answer
from sandbox.inbox import Brought
from sandbox.sinch import Letter
from tests.clamd_samples import SIGNATURES, DebiansClamd
from tests.live import inbound_house
from tests.live.call_house import PROXY_TOKEN, CallHouse, assert_refused, opened
from tests.live.inbound_house import InboundHouse, letter, somebody
from tests.picture_samples import picture, written

SIGNS = {name: (f"{name}.UNOFFICIAL", sign) for name, sign in SIGNATURES.items()}  # as clamd calls them
each = pytest.mark.parametrize(("found", "sign"), SIGNS.values(), ids=SIGNS)


@pytest.fixture(scope="module")
def clamd() -> Iterator[DebiansClamd]:
    with closing(DebiansClamd()) as started:
        yield started


@pytest.fixture(scope="module")
def calls(clamd: DebiansClamd) -> Iterator[CallHouse]:
    with opened(inbound={"scan": clamd.unix}) as calls:
        yield calls


def packed(content: bytes) -> bytes:
    """An archive, of which one has to look inside."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("letter.txt", b"Dear Sir or Madam,\n" * 50 + content)
    return made.getvalue()


def sent(calls: CallHouse, name: str, content: bytes) -> tuple[int, Answer]:
    """The number of the file at Motion, and what its agent was answered who sent it."""
    number = calls.house.archive.put(name, content).attachment_id
    return number, calls.agent().send_file(calls.customer().contact_id, number).answer


def shown(calls: CallHouse, number: int) -> str:
    """What an operator is told of the file; what was seen is written within a second."""
    return calls.house.command("attachments", "show", str(number))


@each
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_clamd_is_reached_by_its_socket_and_by_its_port(
    clamd: DebiansClamd, kind: str, found: str, sign: bytes
) -> None:
    scanner = Clamd(getattr(clamd, kind))
    assert scanner.version().startswith("ClamAV")
    assert scanner.scan(io.BytesIO(packed(b""))) == Scan()
    assert scanner.scan(io.BytesIO(packed(sign))) == Scan(virus=found)
    assert scanner.scan(io.BytesIO(bytes(3_000_000))) == Scan(whole=False)


@each
def test_what_it_finds_is_refused_in_words_and_sinch_hears_nothing(calls: CallHouse, found: str, sign: bytes) -> None:
    calls.api.forget()
    number, answer = sent(calls, "letter.zip", packed(sign))
    error = assert_refused(answer, "ATTACHMENT_REJECTED")
    assert "The virus scanner has found something in it." in error["message"]
    assert calls.api.sends == ()
    assert calls.house.wait_for(lambda: calls.house.decisions("outbound", finding=Finding.VIRUS_FOUND, virus=found))
    assert calls.house.wait_for(lambda: found in shown(calls, number))
    link = f"/api/attachments/{number}/download?token={PROXY_TOKEN}"  # Motion's own, at the public door
    assert calls.house.ask(link, method="GET").status == 415


def test_what_it_does_not_find_goes_out_and_what_is_larger_than_it_takes_does_not(calls: CallHouse) -> None:
    number, answer = sent(calls, "photo.jpg", written(picture(seed=71), "JPEG"))
    assert answer.status == 200
    assert calls.house.wait_for(lambda: "nothing found" in shown(calls, number))
    _, answer = sent(calls, "photo.jpg", written(picture(seed=72), "JPEG") + bytes(3_000_000))
    assert "larger than the virus scanner takes" in assert_refused(answer, "ATTACHMENT_REJECTED")["message"]


def test_while_it_is_killed_files_wait_and_go_once_it_is_back(calls: CallHouse, clamd: DebiansClamd) -> None:
    clamd.kill()
    number, answer = sent(calls, "photo.jpg", written(picture(seed=73), "JPEG"))
    assert Reason.SCANNER_AWAY in assert_refused(answer, "MEDIA_NOT_NOW")["message"]
    told = json.loads(calls.house.command("doctor", "--json", status=2))
    assert "scanner.away" in {each["id"] for each in told["complaints"]}
    clamd.start()
    assert calls.agent().send_file(calls.customer().contact_id, number).accepted
    house = calls.house
    assert house.wait_for(lambda: house.decisions("outbound", finding=Finding.SCANNER_AWAY))
    assert house.wait_for(lambda: [line for line in house.lines if line["event"] == Line.SCANNER_IS_BACK])


# What comes in.


@pytest.fixture(scope="module")
def inbound(clamd: DebiansClamd) -> Iterator[InboundHouse]:
    with inbound_house.opened(inbound={"scan": clamd.unix}) as running:
        yield running


def sends(inbound: InboundHouse, name: str, content: bytes) -> Letter:
    """A customer sends a file."""
    link = inbound.media.keep(name, content).link
    sent = letter(inbound.house, {"media_message": {"url": link}}, by=somebody())
    inbound.post(sent)
    return sent


def brought(inbound: InboundHouse, sent: Letter, *, times: int = 1) -> Brought:
    """What Motion got of it, and the event's number; with it the last of so many downloads."""
    inbound.arrived(sent)
    inbound.house.wait_for(lambda: len(inbound.brought(sent)) >= times)
    return inbound.brought(sent)[-1]


def waiting(inbound: InboundHouse) -> dict[str, str]:
    """Those that are held back, and why."""
    return {
        each["file"]: each["reason"]
        for each in json.loads(inbound.house.command("inbound", "list", "--json", "--state", "held"))
    }


@each
def test_a_virus_that_a_customer_sends_is_a_note_until_it_is_released(
    inbound: InboundHouse, found: str, sign: bytes
) -> None:
    archive = packed(sign)
    sent = sends(inbound, "letter.zip", archive)
    note = brought(inbound, sent)
    assert b"The virus scanner has found something in it." in note.content
    [named] = waiting(inbound)
    assert named.encode() in note.content
    # What was seen in a file is written with what is written next, or a moment later.
    inbound.house.wait_for(lambda: found in inbound.house.command("inbound", "show", named))
    inbound.house.command("inbound", "release", named, "--yes")
    inbound.house.command("events", "replay", named.partition("/")[0])
    assert brought(inbound, sent, times=2).content == archive
    assert "release" in inbound.house.command("audit", "list")


def test_what_comes_in_while_it_is_killed_is_held_and_comes_by_itself_once_it_is_back(
    inbound: InboundHouse, clamd: DebiansClamd
) -> None:
    clamd.kill()
    picture_ = written(picture(seed=74), "JPEG")
    sent = sends(inbound, "photo.jpg", picture_)
    note = brought(inbound, sent)
    assert b"Open it again later" in note.content
    assert waiting(inbound).popitem()[1] == Reason.SCANNER_AWAY
    clamd.start()
    inbound.house.wait_for(lambda: not waiting(inbound))
    inbound.house.command("events", "replay", note.content.decode().rpartition("file ")[2].partition("/")[0])
    assert brought(inbound, sent, times=2).content == picture_

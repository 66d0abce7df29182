"""Files that go out, looked through by Debian's clamd: refused at both doors; they wait while it is away."""

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
from tests.clamd_samples import OWN, DebiansClamd
from tests.live.call_house import PROXY_TOKEN, CallHouse, assert_refused, opened
from tests.picture_samples import picture, written

FOUND = "Test.Own.UNOFFICIAL"


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


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_clamd_is_reached_by_its_socket_and_by_its_port(clamd: DebiansClamd, kind: str) -> None:
    scanner = Clamd(getattr(clamd, kind))
    assert scanner.version().startswith("ClamAV")
    assert scanner.scan(io.BytesIO(packed(b""))) == Scan()
    assert scanner.scan(io.BytesIO(packed(OWN))) == Scan(virus=FOUND)
    assert scanner.scan(io.BytesIO(bytes(3_000_000))) == Scan(whole=False)


def test_what_it_finds_is_refused_in_words_and_sinch_hears_nothing(calls: CallHouse) -> None:
    calls.api.forget()
    number, answer = sent(calls, "letter.zip", packed(OWN))
    error = assert_refused(answer, "ATTACHMENT_REJECTED")
    assert "The virus scanner has found something in it." in error["message"]
    assert calls.api.sends == ()
    assert calls.house.wait_for(lambda: calls.house.decisions("outbound", finding=Finding.VIRUS_FOUND, virus=FOUND))
    assert calls.house.wait_for(lambda: FOUND in shown(calls, number))
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

"""The virus scanner: clean is what clamd calls so, and what becomes of a file that it did not see is a setting."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway import metrics
from gateway.clock import DAY_SECONDS
from gateway.errors import Unavailable
from gateway.inspection import content, inspector, scanner, structure
from gateway.inspection.scanner import Away, Clamd, Scan, Scanner
from gateway.inspection.structure import Inspection, Trait
from gateway.phrases import Reason
from sandbox.listener import reserve
from tests.clamd_samples import played
from tests.peer_samples import Peer, Wire
from tests.service_samples import NOW
from tests.together import together

FILE = b"Dear Sir or Madam, " * 40_000  # more than one piece
SEEN = inspector.inspect(content.of_bytes(FILE))
CLEAN = b"stream: OK\0"

ANSWERS: dict[bytes, Scan | Reason] = {
    CLEAN: Scan(),
    b"stream: Win.Test.EICAR_HDB-1 FOUND\0": Scan(virus="Win.Test.EICAR_HDB-1"),
    b"stream: Test.Own.UNOFFICIAL FOUND": Scan(virus="Test.Own.UNOFFICIAL"),  # and it closes
    b"stream: a\x1b[2J b\n FOUND\0": Scan(virus="a__2J_b_"),
    b"stream: " + b"x" * 300 + b" FOUND\0": Scan(virus="x" * 100),
    b"INSTREAM size limit exceeded. ERROR\0": Scan(whole=False),
    b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0": Scan(whole=False),
    b"stream: Can't allocate memory ERROR\0": Reason.SCANNER_FAILED,
    b"UNKNOWN COMMAND\0": Reason.SCANNER_FAILED,
    b"stream: OK and more\0": Reason.SCANNER_FAILED,
    b"OK\0": Reason.SCANNER_FAILED,
    b"\xff" * 5000: Reason.SCANNER_FAILED,
    b"": Reason.SCANNER_AWAY,  # it breaks off
}


@pytest.fixture
def clamd() -> Iterator[Peer]:
    with closing(played(CLEAN)) as peer:
        yield peer


def at(peer: Peer) -> Clamd:
    return Clamd(f"tcp:127.0.0.1:{peer.port}")


def looked(peer: Peer, away: Away = "hold", *, seen: Inspection = SEEN, now: float = NOW) -> Inspection:
    return Scanner(at(peer), away=away).looked(seen, io.BytesIO(FILE), about="4711", now=now)


@together(("answer", "expected"), ANSWERS.items(), ids=lambda value: repr(value)[:40])
def test_what_clamd_says_is_believed_to_the_letter(answer: bytes, expected: Scan | Reason) -> None:
    with closing(played(answer)) as peer:
        try:
            told: Scan | str = at(peer).scan(io.BytesIO(FILE))
        except Unavailable as error:
            told = error.reason
    assert told == expected


def test_clamd_is_given_every_byte_and_no_path(clamd: Peer) -> None:
    at(clamd).scan(io.BytesIO(FILE))
    assert clamd.requests == [FILE]


def test_a_clamd_that_says_nothing_is_waited_for_no_longer_than_was_said(clamd: Peer) -> None:
    clamd.behaviour = Wire.pause
    with pytest.raises(Unavailable, match=rf"^{Reason.SCANNER_LATE}$"):
        at(clamd).scan(io.BytesIO(FILE), seconds=0.2)


def test_nobody_at_its_port_is_away() -> None:
    with closing(reserve()) as nobody, pytest.raises(Unavailable, match=rf"^{Reason.SCANNER_AWAY}$"):
        Clamd(f"tcp:127.0.0.1:{nobody.getsockname()[1]}").version()


def test_what_is_no_clamd_is_told_as_that() -> None:
    with closing(played(b"220 mail.example.com ESMTP\0")) as peer, pytest.raises(Unavailable, match="failed"):
        at(peer).version()


@together(
    ("answer", "away", "added"),
    [
        (CLEAN, "hold", frozenset()),
        (b"stream: Test.Own FOUND\0", "hold", {Trait.VIRUS}),
        (b"stream: Test.Own FOUND\0", "let", {Trait.VIRUS}),
        (b"INSTREAM size limit exceeded. ERROR\0", "hold", {Trait.UNSCANNED}),
        (b"INSTREAM size limit exceeded. ERROR\0", "let", frozenset()),
    ],
)
def test_what_it_found_stands_among_what_was_seen(answer: bytes, away: Away, added: frozenset[Trait]) -> None:
    with closing(played(answer)) as peer:
        seen = looked(peer, away)
    assert (seen.traits - SEEN.traits, seen.scanned_at) == (added, NOW)
    assert seen.details.get(scanner.VIRUS) == ("Test.Own" if Trait.VIRUS in added else None)
    assert structure.read(structure.written(seen), size_bytes=seen.size_bytes) == seen


def test_what_it_found_holds_for_a_day_and_then_it_is_asked_again(clamd: Peer) -> None:
    once = looked(clamd)
    assert looked(clamd, seen=once, now=NOW + DAY_SECONDS - 1) is once
    assert looked(clamd, seen=once, now=NOW + DAY_SECONDS).scanned_at == NOW + DAY_SECONDS
    assert looked(clamd, seen=once, now=NOW - 1).scanned_at == NOW - 1  # of the future nothing is believed
    assert len(clamd.requests) == 3


def test_what_was_found_once_is_forgotten_when_it_is_found_no_more(clamd: Peer) -> None:
    clamd.behaviour = lambda wire: wire.say(b"stream: Test.Own FOUND\0")
    infected = looked(clamd)
    clamd.behaviour = lambda wire: wire.say(CLEAN)
    cleared = looked(clamd, seen=infected, now=NOW + 2 * DAY_SECONDS)
    assert (cleared.traits, cleared.details) == (SEEN.traits, SEEN.details)


def test_while_it_is_away_what_was_never_seen_is_held_or_let_go_and_what_was_goes_on(clamd: Peer) -> None:
    once = looked(clamd)
    clamd.behaviour = Wire.reset
    with pytest.raises(Unavailable, match=rf"^{Reason.SCANNER_AWAY}$"):
        looked(clamd, "hold")
    assert looked(clamd, "let") is SEEN
    assert looked(clamd, "hold", seen=once, now=NOW + 2 * DAY_SECONDS) is once


def test_the_operator_hears_once_that_it_is_away_and_once_that_it_is_back(
    clamd: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = Scanner(at(clamd), away="let")
    for behaviour in (Wire.reset, Wire.reset, lambda wire: wire.say(CLEAN), lambda wire: wire.say(CLEAN)):
        clamd.behaviour = behaviour
        mine.looked(SEEN, io.BytesIO(FILE), about="4711", now=NOW)
    said = "".join(capsys.readouterr())
    assert (said.count("scanner-away"), said.count("virus scanner is back")) == (1, 1)


def test_an_empty_file_is_nobodys_trouble(clamd: Peer) -> None:
    empty = inspector.inspect(content.of_bytes(b""))
    assert Scanner(at(clamd), away="hold").looked(empty, io.BytesIO(), about="4711", now=NOW) is empty
    assert clamd.requests == []


def test_where_the_settings_name_none_there_is_none() -> None:
    assert Scanner.of(None, away="hold") is None
    assert metrics.SCANS in metrics.TABLE

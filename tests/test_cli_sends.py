"""`sends list | show`, as they are typed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import group
from gateway.clock import WallClock
from gateway.diagnosis import reasons as meanings
from gateway.errors import CommandError, SpoolUnavailable
from gateway.ingress import intake
from gateway.outbound import record
from gateway.outbound.record import Attached
from gateway.store.engines import Database
from tests.command_samples import refusal
from tests.screen import seen
from tests.spool_samples import draft, of_settings, reported

NUMBER = "+393331234567"
THEN = 1_700_000_000.0
DIGEST = "ab" * 32
FILES = (
    Attached(field="message.media_message.url", attachment_id="4711", digest=DIGEST, verdict="native", code=""),
    Attached(field="message.card.url", attachment_id="4712", digest="", verdict="refused", code="CHANNEL_FAILURE"),
)

Run = Callable[..., Result]


@pytest.fixture
def spool(file: Path) -> Iterator[Database]:
    """The spool of `file`: 1 failed, 2 was refused, 3 and 4 are in doubt, 5 had no answer and arrived, 6 goes out."""
    with of_settings(file) as opened:
        record.begin(opened, draft(1, kind="card_message", attachments=FILES), now=THEN)
        record.settle(opened, 1, outcome="accepted", status=200, message_id="M1", tries=2, now=THEN + 0.25)
        record.refuse(opened, draft(2, contact_id="", identity=NUMBER), status=400, code="CHANNEL_FAILURE", now=THEN)
        for number, correlation in ((3, "tkt"), (4, "tkt"), (5, "mg-5")):
            record.begin(opened, draft(number, connector_id=8, correlation_id=correlation), now=THEN)
            record.settle(opened, number, outcome="unknown", status=504, code="SEND_FATE_UNKNOWN", now=THEN + 20)
        window = {"code": "OUTSIDE_ALLOWED_SENDING_WINDOW", "sub_code": "NONE", "channel_code": "131047"}
        intake.accept(opened, reported("M1", "SUBMITTED"), now=THEN + 1)
        intake.accept(opened, reported("M1", "FAILED", reason=window), now=THEN + 2)
        intake.accept(opened, reported("M3", "READ", correlation="tkt", connector=8), now=THEN + 3)
        intake.accept(opened, reported("M5", "DELIVERED", correlation="mg-5", connector=8), now=THEN + 4)
        late = {"window": "closed", "heard_at": THEN - 90_000}
        record.begin(opened, draft(6, **late), now=WallClock().now())
        yield opened


@pytest.fixture
def run(file: Path, spool: Database) -> Run:
    def typed(*arguments: str) -> Result:
        return CliRunner().invoke(group, ["--config", str(file), "sends", *arguments])

    return typed


def listed(result: Result) -> list[list[str]]:
    """The columns of every message, without the time."""
    assert result.exit_code == 0
    _head, *lines = result.stdout.splitlines()
    return [[cell for cell in re.split(r" {2,}", line.strip()) if not cell.startswith("20")] for line in lines]


def told(result: Result) -> list[tuple[str, str]]:
    assert result.exit_code == 0
    return [(line[:16].strip(), line[16:]) for line in result.stdout.splitlines()]


MESSAGE, CONTACT = "01K3RW0D7N3HX5J1E9RSV8CWQB", "01KGH80TR2SXX8JJTG1QAT46E1"


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120, 200])
def test_on_a_narrow_screen_nothing_of_a_list_is_cut(file: Path, spool: Database, columns: int) -> None:
    record.begin(spool, draft(7, contact_id=CONTACT), now=THEN + 9)
    record.settle(spool, 7, outcome="accepted", status=200, message_id=MESSAGE, now=THEN + 9)
    window = {"code": "OUTSIDE_ALLOWED_SENDING_WINDOW"}
    intake.accept(spool, reported(MESSAGE, "FAILED", reason=window), now=THEN + 10)
    told = seen(file, "sends", "list", columns=columns)
    assert "…" not in told
    for word in (MESSAGE, "accepted", "unknown", "SEND_FATE_UNKNOWN", "OUTSIDE_ALLOWED_SENDING_WINDOW", "in doubt"):
        assert word in " ".join(told.split())
    assert max(map(len, told.splitlines())) <= columns


def test_programs_read_the_same_as_people(run: Run) -> None:
    told = json.loads(run("list", "--json").stdout)
    assert [sent["send_id"] for sent in told] == [6, 5, 4, 3, 2, 1]
    assert told[-1] == json.loads(run("show", "1", "--json").stdout)
    assert (told[-1]["message_id"], told[-1]["outcome"], told[-1]["contact"]) == ("M1", "accepted", "c1")
    assert told[-1]["fate"]["code"] == "OUTSIDE_ALLOWED_SENDING_WINDOW"
    assert [report["status"] for report in told[-1]["reports"]] == ["SUBMITTED", "FAILED"]
    assert [attached["attachment_id"] for attached in told[-1]["attachments"]] == ["4711", "4712"]
    assert [sent["in_doubt"] for sent in told] == [False, False, True, True, False, False]
    assert (told[4]["contact"], told[4]["status"]) == ("…567", 400)
    assert NUMBER.removeprefix("+") not in str(told)


SOUGHT = {
    "a contact by its id": (["--contact", "c1"], [6, 5, 4, 3, 1]),
    "a contact by its number": (["--contact", NUMBER], [2]),
    "nobody": (["--contact", ""], []),
    "a message": (["--message", "M1"], [1]),
    "a message without an answer, by what a report tells": (["--message", "M5"], [5]),
    "a message by our reference": (["--message", "mg-2"], [2]),
    "no message": (["--message", ""], []),
    "what was begun since a day": (["--since", "2023-11-14", "--outcome", "accepted"], [1]),
    "what was begun in the last hour": (["--since", "1h"], [6]),
}


@pytest.mark.parametrize(("options", "ids"), SOUGHT.values(), ids=SOUGHT)
def test_a_list_finds(run: Run, options: list[str], ids: list[int]) -> None:
    assert [sent["send_id"] for sent in json.loads(run("list", "--json", *options).stdout)] == ids


def test_list_shows_the_newest_first_and_what_became_of_each(run: Run) -> None:
    result = run("list")
    head = ["send", "started", "connector", "kind", "outcome", "code", "window", "fate", "who acts", "message id"]
    assert re.split(r" {2,}", result.stdout.splitlines()[0].strip()) == head
    assert listed(result) == [
        ["6", "7", "text_message", "sending", "closed"],
        ["5", "8", "text_message", "unknown", "SEND_FATE_UNKNOWN", "DELIVERED", "M5"],
        ["4", "8", "text_message", "unknown", "SEND_FATE_UNKNOWN", "in doubt", "wait"],
        ["3", "8", "text_message", "unknown", "SEND_FATE_UNKNOWN", "in doubt", "wait"],
        ["2", "7", "text_message", "refused", "CHANNEL_FAILURE", "agent"],
        ["1", "7", "card_message", "accepted", "FAILED OUTSIDE_ALLOWED_SENDING_WINDOW", "meta", "M1"],
    ]


CHOSEN = {
    "an outcome": (["--outcome", "refused"], ["2"]),
    "a connector": (["--connector", "8"], ["5", "4", "3"]),
    "the newest": (["--most", "2"], ["6", "5"]),
    "all three": (["--outcome", "unknown", "--connector", "8", "--most", "1"], ["5"]),
    "nothing": (["--outcome", "unsent"], []),
}


@pytest.mark.parametrize(("options", "ids"), CHOSEN.values(), ids=CHOSEN)
def test_list_chooses(run: Run, options: list[str], ids: list[str]) -> None:
    assert [row[0] for row in listed(run("list", *options))] == ids


def test_list_prints_what_others_chose_as_it_is(run: Run, spool: Database) -> None:
    record.begin(spool, draft(7, kind="[/red][bold]:smile:"), now=THEN)
    assert listed(run("list", "--most", "1"))[0][2] == "[/red][bold]:smile:"


@pytest.mark.parametrize("name", ["1", "mg-1", "M1"])
def test_show_tells_everything(run: Run, name: str) -> None:
    moment = re.compile(r"2023-11-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d")
    assert [(title, moment.sub("TIME", value)) for title, value in told(run("show", name))] == [
        ("send", "1"),
        ("connector", "7"),
        ("app id", "app-1"),
        ("kind", "card_message"),
        ("contact", "c1"),
        ("outcome", "accepted"),
        ("status", "200"),
        ("code", ""),
        ("said", ""),
        ("fate", "FAILED OUTSIDE_ALLOWED_SENDING_WINDOW"),
        ("message id", "M1"),
        ("reference", "mg-1"),
        ("correlation id", "mg-1"),
        ("request id", "request-1"),
        ("tries", "2"),
        ("started", "TIME"),
        ("ended", "TIME"),
        ("took", "0.250 s"),
        ("attachment", f"4711, native, {DIGEST}, message.media_message.url"),
        ("attachment", "4712, refused CHANNEL_FAILURE, message.card.url"),
        ("report", "TIME, SUBMITTED, WHATSAPP, event 1"),
        ("report", "TIME, FAILED OUTSIDE_ALLOWED_SENDING_WINDOW, NONE, 131047, WHATSAPP, event 2"),
        ("reason", "OUTSIDE_ALLOWED_SENDING_WINDOW"),
        *meanings.facts(meanings.known()["OUTSIDE_ALLOWED_SENDING_WINDOW"]),
    ]


def test_a_code_that_nobody_knows_is_shown_as_it_is_and_said_to_be_unknown(run: Run, spool: Database) -> None:
    record.begin(spool, draft(7), now=THEN)
    record.settle(spool, 7, outcome="accepted", status=200, message_id="M7", now=THEN)
    intake.accept(spool, reported("M7", "FAILED", reason={"code": "NEW_CODE"}), now=THEN + 9)
    shown = dict(told(run("show", "7")))
    assert (shown["fate"], shown["reason"]) == ("FAILED NEW_CODE", "NEW_CODE")
    assert shown["meaning"].startswith("not known here")


def test_a_refusal_of_ours_is_told_with_who_acts_on_a_refusal(run: Run) -> None:
    [meaning] = json.loads(run("show", "2", "--json").stdout)["meanings"]
    assert (meaning["code"], meaning["who"]) == ("CHANNEL_FAILURE", "agent")
    assert meanings.known()["CHANNEL_FAILURE"].who == "xcally"


@pytest.mark.parametrize("name", ["5", "M5"])
def test_show_of_what_was_not_answered_tells_what_the_report_told(run: Run, name: str) -> None:
    shown = dict(told(run("show", name)))
    assert (shown["outcome"], shown["fate"], shown["message id"]) == ("unknown", "DELIVERED", "M5")


def test_show_says_what_is_in_doubt_and_why(run: Run) -> None:
    shown = dict(told(run("show", "3")))
    assert (shown["outcome"], shown["message id"]) == ("unknown", "")
    assert shown["fate"].startswith("in doubt: several messages have this correlation id")
    assert "READ" in shown["report"]


def test_show_of_what_still_goes_out_has_no_end(run: Run) -> None:
    shown = dict(told(run("show", "6")))
    assert (shown["outcome"], shown["status"], shown["ended"], shown["took"]) == ("sending", "", "", "")


def test_no_number_is_shown(run: Run) -> None:
    for arguments in (["list"], ["show", "2"]):
        result = run(*arguments)
        assert result.exit_code == 0
        assert NUMBER.removeprefix("+") not in result.output
    assert dict(told(run("show", "2")))["contact"] == "…567"


def test_what_others_chose_makes_no_lines_of_its_own(run: Run, spool: Database) -> None:
    record.begin(spool, replace(draft(7), correlation_id="a\noutcome         accepted"), now=THEN)
    assert [value for title, value in told(run("show", "7")) if title == "outcome"] == ["unknown"]


REFUSED = {
    "nothing": (["show", "99"], "nothing that was sent goes by 99; `sends list` shows what there is"),
    "no name": (["show", ""], "nothing that was sent goes by ; `sends list` shows what there is"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_refused_is(run: Run, arguments: list[str], said: str) -> None:
    error = refusal(run(*arguments))
    assert isinstance(error, CommandError)
    assert str(error) == said


MISTYPED = {
    "no name": ["show"],
    "an unknown outcome": ["list", "--outcome", "lost"],
    "a connector no database holds": ["list", "--connector", str(2**63)],
    "none at all": ["list", "--most", "0"],
}


@pytest.mark.parametrize("arguments", MISTYPED.values(), ids=MISTYPED)
def test_mistyped_is(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr


@pytest.mark.parametrize("arguments", [["list"], ["show", "1"]])
def test_without_a_spool_the_way_to_one_is_told(file: Path, arguments: list[str]) -> None:
    error = refusal(CliRunner().invoke(group, ["--config", str(file), "sends", *arguments]))
    assert isinstance(error, SpoolUnavailable)
    assert "run `motion-gateway migrate`" in str(error)

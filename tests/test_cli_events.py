"""`events list | show | replay | erase`, as they are typed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.attachments.vault import Vault
from gateway.cli import group
from gateway.delivery import claims, records
from gateway.diagnosis import reasons
from gateway.errors import CommandError, SpoolUnavailable
from gateway.ingress import intake
from gateway.outbound import record
from gateway.store import schema
from gateway.store.engines import Database
from tests import inbound_samples
from tests.command_samples import refusal
from tests.screen import seen
from tests.spool_samples import callback, draft, of_settings, reported, rows

NUMBER = "+393331234567"


@pytest.fixture
def spool(file: Path) -> Iterator[Database]:
    """The spool of `file`: 1 delivered, 2 parked, 3 and 4 pending, 4 named by its number alone."""
    with of_settings(file) as opened:
        for number in (1, 2, 3):
            intake.accept(opened, callback(f"m{number}", identity=NUMBER), now=1_700_000_000.0)
        for end in (claims.delivered, claims.park):
            [taken] = claims.claim(opened, due_by=2e9, now=2e9, most=1, lease_seconds=90)
            end(opened, taken, outcome="200" if end is claims.delivered else "500: tried often", now=1_700_000_060.0)
        intake.accept(opened, callback("m4", contact="", identity=NUMBER, connector=8), now=1_700_000_000.0)
        yield opened


@pytest.fixture
def run(file: Path, spool: Database) -> Callable[..., Result]:
    def typed(*arguments: str) -> Result:
        return CliRunner(env={"SUDO_USER": "ana"}).invoke(group, ["--config", str(file), "events", *arguments])

    return typed


def audits(result: Result) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert all(line.pop("at") and line.pop("process") == "events" and line.pop("account") for line in lines)
    assert all(line.pop("who") == "ana" and line.pop("login", True) for line in lines)
    return lines


def states(spool: Database) -> dict[int, str]:
    return {row.id: row.state for row in rows(spool, schema.event)}


def listed(result: Result) -> list[list[str]]:
    """The columns of every event, without the time."""
    assert result.exit_code == 0
    lines = result.stdout.splitlines()[1:-1]
    return [[cell for cell in re.split(r" {2,}", line.strip()) if not cell.startswith("2023-")] for line in lines]


def test_list_shows_the_newest_first_and_counts_all(run: Callable[..., Result]) -> None:
    result = run("list")
    assert listed(result) == [
        ["4", "8", "MESSAGE_INBOUND", "…567", "pending", "0", "0"],
        ["3", "7", "MESSAGE_INBOUND", "c1", "pending", "0", "0"],
        ["2", "7", "MESSAGE_INBOUND", "c1", "parked", "1", "0", "500: tried often", "xcally"],
        ["1", "7", "MESSAGE_INBOUND", "c1", "delivered", "1", "0", "200"],
    ]
    assert result.stdout.splitlines()[-1] == "2 pending, 1 delivered, 1 parked, 0 rejected, 0 duplicate"


CHOSEN = {
    "a state": (["--state", "parked"], ["2"]),
    "a connector": (["--connector", "8"], ["4"]),
    "the newest": (["--most", "2"], ["4", "3"]),
    "nothing": (["--state", "rejected"], []),
}


@pytest.mark.parametrize(("options", "ids"), CHOSEN.values(), ids=CHOSEN)
def test_list_chooses(run: Callable[..., Result], options: list[str], ids: list[str]) -> None:
    assert [row[0] for row in listed(run("list", *options))] == ids


CONTACT = "01KGH80TR2SXX8JJTG1QAT46E1"
MESSAGE = "01K3RW0D7N3HX5J1E9RSV8CWQB"
WINDOW = {
    "code": "OUTSIDE_ALLOWED_SENDING_WINDOW",
    "sub_code": "UNSPECIFIED_SUB_CODE",
    "channel_code": "131047",
    "description": "The underlying channel reported: re-engagement message",
}


@pytest.fixture
def failed(spool: Database) -> int:
    """The id of a report that a message has failed, of a contact that is named as Sinch names it."""
    told = reported(MESSAGE, "FAILED", reason=WINDOW, contact_id=CONTACT)
    return intake.accept(spool, replace(told, findings=("foreign-app",)), now=1_700_000_000.0).event_id or 0


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120, 200])
def test_on_a_narrow_screen_nothing_of_a_list_is_cut(file: Path, failed: int, columns: int) -> None:
    told = seen(file, "events", "list", columns=columns)
    assert "…" not in told.replace("…567", "")
    for word in (str(failed), CONTACT, "parked", "pending", "FAILED", *WINDOW.values(), "foreign-app"):
        assert word in (told if " " not in word else " ".join(told.split()))
    assert max(map(len, told.splitlines())) <= columns or columns < 60


def test_a_list_says_what_a_delivery_report_says(run: Callable[..., Result], failed: int) -> None:
    [row] = listed(run("list", "--most", "1"))
    code = "OUTSIDE_ALLOWED_SENDING_WINDOW UNSPECIFIED_SUB_CODE 131047"
    assert row == [str(failed), "7", "MESSAGE_DELIVERY", CONTACT, "pending", "0", "0", "FAILED", code, *row[9:]]
    assert row[9:] == [WINDOW["description"], "foreign-app", "operator, meta"]


def test_show_tells_what_a_delivery_report_says(run: Callable[..., Result], failed: int) -> None:
    told = run("show", str(failed)).stdout
    for title, value in {"status": "FAILED", "findings": "foreign-app", "message id": MESSAGE, **WINDOW}.items():
        assert re.search(rf"^{title.replace('_', ' ')} +{re.escape(value)}$", told, re.MULTILINE)
    assert re.findall(r"^reason +(.*)$", told, re.MULTILINE) == ["foreign-app", WINDOW["code"]]
    assert re.findall(r"^what to do +(\w+)", told, re.MULTILINE) == ["Correct", "It"]


def test_programs_read_the_same_as_people(run: Callable[..., Result], failed: int) -> None:
    told = json.loads(run("list", "--json").stdout)
    assert told["counts"] == {"pending": 3, "delivered": 1, "parked": 1, "rejected": 0, "duplicate": 0}
    newest, *others = told["events"]
    assert newest == json.loads(run("show", str(failed), "--json").stdout)
    assert (newest["event_id"], newest["contact"], newest["findings"]) == (failed, CONTACT, ["foreign-app"])
    assert WINDOW.items() <= newest["report"].items()
    assert [(meaning["code"], meaning["who"]) for meaning in newest["meanings"]] == [
        ("foreign-app", "operator"),
        (WINDOW["code"], "meta"),
    ]
    assert [(event["event_id"], event["report"]) for event in others] == [(4, None), (3, None), (2, None), (1, None)]
    assert NUMBER.removeprefix("+") not in run("list", "--json").stdout


SOUGHT = {
    "a contact by its id": (["--contact", CONTACT], [5]),
    "a contact by its number": (["--contact", NUMBER], [4, 3, 2, 1]),
    "a contact by its number without the plus": (["--contact", NUMBER.removeprefix("+")], [4, 3, 2, 1]),
    "nobody": (["--contact", ""], []),
    "no more than a plus": (["--contact", "+"], []),
    "a message that a customer wrote": (["--message", "m2"], [2]),
    "a message that a report tells of": (["--message", MESSAGE], [5]),
    "a message that is not there": (["--message", "m99"], []),
    "what came since a day": (["--since", "2023-11-14"], [5, 4, 3, 2, 1]),
    "what came since a moment": (["--since", "2023-11-14T22:13:21+00:00"], []),
    "what came in the last two hours": (["--since", "2h"], []),
    "several things": (["--contact", NUMBER, "--state", "parked", "--since", "2023-11-14"], [2]),
}


@pytest.mark.parametrize(("options", "ids"), SOUGHT.values(), ids=SOUGHT)
def test_a_list_finds(run: Callable[..., Result], failed: int, options: list[str], ids: list[int]) -> None:
    assert [event["event_id"] for event in json.loads(run("list", "--json", *options).stdout)["events"]] == ids


@pytest.mark.parametrize("when", ["yesterday", "2h30m", "0x10s", "2023-13-01", "", "-2h"])
def test_what_is_no_time_is_said_in_words(run: Callable[..., Result], when: str) -> None:
    result = run("list", "--since", when)
    assert result.exit_code == 2
    assert 'write "2h" for two hours ago' in result.stderr


def test_list_prints_what_others_chose_as_it_is(run: Callable[..., Result], spool: Database) -> None:
    intake.accept(spool, callback("m5", contact="[/red][bold]:smile:"), now=1_700_000_000.0)
    assert listed(run("list", "--most", "1"))[0][3] == "[/red][bold]:smile:"


def test_what_others_chose_does_nothing_to_a_terminal(run: Callable[..., Result], spool: Database) -> None:
    intake.accept(spool, callback("m5", contact="\x1b[2J\u202eevil"), now=1_700_000_000.0)
    for arguments in (["list"], ["show", "5"], ["list", "--json"]):
        assert not {"\x1b", "\u202e"} & set(run(*arguments).stdout)


def told_of(outcome: str) -> dict[str, str]:
    """What is said of the meaning of an outcome, of a parked event."""
    meaning = reasons.explain(outcome)
    assert meaning
    told = {"reason": meaning.code, **dict(reasons.facts(meaning)), "try again": "only once that is done"}
    return told | {"then": "`motion-gateway events replay 2` delivers it once more"}


def test_show_tells_what_is_known(run: Callable[..., Result]) -> None:
    result = run("show", "2")
    assert result.exit_code == 0
    told = dict(re.split(r" {2,}|(?<=request id) ", line, maxsplit=1) for line in result.stdout.splitlines())
    assert re.fullmatch(r"2023-11-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", told.pop("accepted"))
    assert re.fullmatch(r"2023-11-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", told.pop("settled"))
    assert re.fullmatch(r"\d+ bytes", told.pop("body"))
    assert told == {
        "event": "2",
        "connector": "7",
        "kind": "MESSAGE_INBOUND",
        "contact": "c1",
        "state": "parked",
        "outcome": "500: tried often",
        "tries": "1",
        "repeats": "0",
        "request id": "request-m2",
        "headers": "content-type",
    } | told_of("500: tried often")


def test_no_number_is_shown(run: Callable[..., Result]) -> None:
    for arguments in (["list"], ["show", "3"], ["show", "4"], ["replay", "1"], ["erase", "--contact", NUMBER, "--yes"]):
        result = run(*arguments)
        assert result.exit_code == 0
        assert NUMBER.removeprefix("+") not in result.output
    assert "…567" in run("show", "4").stdout


def test_show_body_prints_the_exact_bytes_and_nothing_else(run: Callable[..., Result], spool: Database) -> None:
    body = b'\xff\x00{"text": "\r\n"}'
    event_id = intake.accept(spool, callback("m5", body=body), now=1.0).event_id
    result = run("show", str(event_id), "--body")
    assert result.stdout_bytes == body
    assert audits(result) == [{"event": "audit", "command": "look", "about": f"event {event_id}: its body"}]


def test_replay_delivers_again_and_leaves_an_audit_line(run: Callable[..., Result], spool: Database) -> None:
    result = run("replay", "2", "1", "2")
    assert (result.exit_code, result.stdout) == (0, "2 to be delivered again.\n")
    assert audits(result) == [{"event": "audit", "command": "replay", "events": [2, 1]}]
    assert set(states(spool).values()) == {"pending"}


def test_replay_of_all_that_is_parked(run: Callable[..., Result], spool: Database) -> None:
    assert run("replay", "--parked").stdout == "1 to be delivered again.\n"
    assert states(spool) == {1: "delivered", 2: "pending", 3: "pending", 4: "pending"}
    nothing = run("replay", "--parked")
    assert (nothing.stdout, audits(nothing)) == ("Nothing is parked.\n", [])


def test_park_gives_up_on_a_pending_event_and_leaves_an_audit_line(run: Callable[..., Result], spool: Database) -> None:
    result = run("park", "3")
    assert (result.exit_code, result.stdout) == (0, "Event 3 is parked.\n")
    assert audits(result) == [{"event": "audit", "command": "park", "events": [3]}]
    assert states(spool) == {1: "delivered", 2: "parked", 3: "parked", 4: "pending"}
    assert records.shown(spool, 3).outcome == "parked by hand"
    run("replay", "3")
    assert states(spool)[3] == "pending"


FOUND = "Found 4 events (1 delivered, 1 parked, 2 pending) and no messages sent to them.\n"
NEVER = "Motion will never get what is pending.\n"


def test_erase_says_what_it_has_found_and_erases_nothing_where_nobody_can_be_asked(
    run: Callable[..., Result], spool: Database
) -> None:
    before = states(spool)
    result = run("erase", "--contact", NUMBER)
    assert isinstance(result.exception, CommandError)
    assert str(result.exception) == "nobody is there to be asked: say --yes to erase this for good; nothing was erased"
    assert (result.stdout, result.stderr) == (FOUND, "")
    assert states(spool) == before


ANSWERS = {
    "yes": ("y\n", 0, {3: "pending", 4: "pending"}, "2 erased."),
    "no": ("n\n", 2, None, "nothing was erased"),
    "nothing, which is no": ("\n", 2, None, "nothing was erased"),
    "Ctrl-C": ("\x03", 130, None, "Broken off. Part of it may be erased,"),
    "the end": ("\x04", 130, None, "Broken off. Part of it may be erased,"),
}


@pytest.mark.parametrize(("answer", "status", "left", "said"), ANSWERS.values(), ids=ANSWERS)
def test_erase_asks(
    file: Path, spool: Database, answer: str, status: int, left: dict[int, str] | None, said: str
) -> None:
    before = states(spool)
    told = seen(file, "events", "erase", "--contact", NUMBER, typed=answer, after="[y/N]", status=status, columns=120)
    assert told.startswith(FOUND + "Erase this for good? [y/N]")
    assert said in told
    assert states(spool) == (before if left is None else left)


@pytest.mark.parametrize("nobody", ["c99", "+1", "MESSAGE_INBOUND"])
def test_erase_of_who_has_nothing_asks_nothing(run: Callable[..., Result], spool: Database, nobody: str) -> None:
    result = run("erase", "--contact", nobody)
    assert (result.exit_code, result.stdout) == (0, "Found no events and no messages sent to them.\n0 erased.\n")


def test_erase_of_who_has_nothing_but_what_is_kept_asks_nothing(run: Callable[..., Result], spool: Database) -> None:
    intake.accept(spool, callback("m9", contact="c9"), now=1_700_000_000.0)
    result = run("erase", "--contact", "c9")
    assert result.exit_code == 0
    assert "1 not delivered yet and kept" in result.stdout


def test_erase_keeps_what_is_not_delivered_and_says_so(run: Callable[..., Result], spool: Database) -> None:
    result = run("erase", "--contact", NUMBER, "--yes")
    assert result.stdout == f"{FOUND}2 erased.\n2 not delivered yet and kept; --pending erases those too.\n"
    assert audits(result) == [
        {"event": "audit", "command": "erase", "pending_too": False},
        {"event": "audit", "command": "erase", "erased": 2, "sends": 0, "left": 2},
    ]
    assert states(spool) == {3: "pending", 4: "pending"}


def test_erase_takes_everything_where_that_is_asked_for(run: Callable[..., Result], spool: Database) -> None:
    assert run("erase", "--contact", NUMBER, "--pending", "--yes").stdout == f"{FOUND[:-1]} {NEVER}4 erased.\n"
    assert states(spool) == {}
    assert NUMBER.removeprefix("+").encode() not in spool.path.read_bytes()


def test_erase_takes_what_was_sent_to_them_too(run: Callable[..., Result], spool: Database) -> None:
    for number in (1, 2):
        record.begin(spool, draft(number, contact_id="", identity=NUMBER), now=1_700_000_000.0)
    result = run("erase", "--contact", NUMBER, "--pending", "--yes")
    found = FOUND.replace("no messages", "2 messages")
    assert result.stdout == f"{found[:-1]} {NEVER}4 erased.\n2 erased of what was sent to them.\n"
    assert audits(result)[-1] == {"event": "audit", "command": "erase", "erased": 4, "sends": 2, "left": 0}
    assert NUMBER.removeprefix("+").encode() not in spool.path.read_bytes()


@pytest.mark.parametrize(
    ("states_of_another", "said", "left"),
    [
        ([], "1 file that they sent deleted from the vault.\n", False),
        (["kept"], "1 file that they sent kept: others have the same.\n", True),
    ],
    ids=["theirs alone", "of another, too"],
)
def test_erase_takes_the_files_that_they_sent_out_of_the_vault_before_it_says_that_it_is_done(
    run: Callable[..., Result],
    spool: Database,
    states_of_another: list[str],
    said: str,
    left: bool,  # noqa: FBT001
) -> None:
    there = Vault(spool.path.parent / "vault").path(inbound_samples.DIGEST)
    there.parent.mkdir(parents=True)
    there.write_bytes(inbound_samples.PICTURE)
    other = intake.accept(spool, callback("m9", contact="c9"), now=1_700_000_000.0).event_id
    inbound_samples.known(spool, 1, "kept")
    inbound_samples.known(spool, other, *states_of_another)
    assert run("erase", "--contact", NUMBER, "--yes").stdout.endswith(f"\n{said}")
    assert there.exists() is left
    assert [row.digest for row in rows(spool, schema.stored_file)] == [inbound_samples.DIGEST] * left
    again = run("erase", "--contact", NUMBER, "--yes")
    assert "vault" not in again.stdout


def test_erase_says_so_where_it_cannot_take_their_files_out_of_the_vault(
    run: Callable[..., Result], spool: Database
) -> None:
    inbound_samples.known(spool, 1, "kept")
    (spool.path.parent / "vault").mkdir()
    (spool.path.parent / "vault" / "lock").mkdir()
    result = run("erase", "--contact", NUMBER, "--yes")
    assert "2 erased.\n" in result.stdout
    assert (
        str(result.exception) == "what they sent stays in the vault for now (vault cannot be written): run this again"
    )


REFUSED = {
    "show of none": (["show", "99"], "there is no event 99; `events list` shows those there are"),
    "show of the body of none": (["show", "99", "--body"], "there is no event 99; `events list` shows those there are"),
    "replay of none": (["replay", "1", "99"], "there is no event 99; nothing was replayed"),
    "replay of a pending one": (["replay", "1", "3"], "event 3 is still pending; nothing was replayed"),
    "replay of nothing": (["replay"], "name the events to replay, or say --parked"),
    "replay of both": (["replay", "1", "--parked"], "name the events to replay, or say --parked"),
    "park of none": (["park", "99"], "there is no event 99; nothing was parked"),
    "park of a parked one": (["park", "2"], "event 2 is parked and not pending; nothing was parked"),
    "park of a delivered one": (["park", "1"], "event 1 is delivered and not pending; nothing was parked"),
    "erase of nobody": (["erase", "--contact", "", "--yes"], "name the contact to erase; nothing was erased"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_refused_is(run: Callable[..., Result], spool: Database, arguments: list[str], said: str) -> None:
    before = states(spool)
    error = refusal(run(*arguments))
    assert isinstance(error, CommandError)
    assert str(error) == said
    assert states(spool) == before


MISTYPED = {
    "no number": ["show", "seven"],
    "a negative number": ["show", "--", "-1"],
    "a number no database holds": ["show", str(2**63)],
    "several numbers, one of them too large": ["replay", "1", str(2**63)],
    "a connector no database holds": ["list", "--connector", str(2**63)],
    "no contact": ["erase"],
    "an unknown state": ["list", "--state", "lost"],
    "none at all": ["list", "--most", "0"],
}


@pytest.mark.parametrize("arguments", MISTYPED.values(), ids=MISTYPED)
def test_mistyped_is(run: Callable[..., Result], spool: Database, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert states(spool) == {1: "delivered", 2: "parked", 3: "pending", 4: "pending"}


def test_the_largest_number_is_just_not_there(run: Callable[..., Result]) -> None:
    assert "there is no event" in str(refusal(run("show", str(2**63 - 1))))


@pytest.mark.parametrize("arguments", [["list"], ["show", "1"], ["replay", "1"], ["erase", "--contact", "c1", "--yes"]])
def test_without_a_spool_the_way_to_one_is_told(file: Path, arguments: list[str]) -> None:
    error = refusal(CliRunner().invoke(group, ["--config", str(file), "events", *arguments]))
    assert isinstance(error, SpoolUnavailable)
    assert "run `motion-gateway migrate`" in str(error)


def test_what_is_wrong_is_said_in_words_and_the_exit_status_is_2(file: Path, spool: Database) -> None:
    command = [sys.executable, "-m", "gateway", "--config", str(file), "events", "show", "99"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "there is no event 99; `events list` shows those there are\n"


def test_a_command_works_while_others_use_the_spool(run: Callable[..., Result], spool: Database) -> None:
    assert records.listed(spool, most=9)  # keeps a connection open
    assert run("erase", "--contact", NUMBER, "--pending", "--yes").exit_code == 0


def test_what_a_customer_sent_with_it_is_shown(run: Callable[..., Result], spool: Database) -> None:
    inbound_samples.known(spool, 1, "kept", "held", reason="program")
    shown = run("show", "1").stdout
    assert re.search(r"^file +1/1, kept", shown, re.MULTILINE)
    assert re.search(r"^file +1/2, held: It is a program", shown, re.MULTILINE)
    files = json.loads(run("show", "1", "--json").stdout)["files"]
    assert [(file["file"], file["state"]) for file in files] == [("1/1", "kept"), ("1/2", "held")]

"""`trace`, as it is typed: what a person and a program read, and what is said of what nobody knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway import printable
from gateway.cli import group
from gateway.clock import WallClock, written
from gateway.delivery import claims
from gateway.ingress import intake
from gateway.store import audit
from gateway.store.engines import Database
from gateway.store.turned_away import Ring
from tests.screen import seen
from tests.service_samples import NOW
from tests.spool_samples import accept, of_settings, reported

NUMBER = "491701234567"
LONG = "01JQ8VB3F6A8C0E2G4J6M8P0RD-01JQ8VB3F6A8C0E2G4J6M8P0RD-01JQ8VB3F6A8C0E2G4J6M8P0RD"


@pytest.fixture
def spool(file: Path) -> Iterator[Database]:
    """The spool of `file`: a customer wrote, which Motion has; an answer failed."""
    with of_settings(file) as opened:
        accept(opened, "M1", identity=NUMBER, now=NOW)
        [taken] = claims.claim(opened, due_by=NOW, now=NOW, most=1, lease_seconds=90)
        claims.delivered(opened, taken, outcome="200", now=NOW)
        reason = {"code": "RATE_LIMITED", "description": f"{NUMBER} had too many"}
        intake.accept(opened, reported(LONG, "FAILED", reason=reason), now=NOW + 60)
        yield opened


@pytest.fixture
def run(file: Path, spool: Database) -> Callable[..., Result]:
    return lambda *words: CliRunner().invoke(group, ["--config", str(file), "trace", *words])


def test_a_story_is_told_line_by_line_and_ends_with_why_and_what_to_do(run: Callable[..., Result]) -> None:
    said = run("+49 170", "123 45 67")
    assert said.exit_code == 0
    old = printable.ago(WallClock().now() - NOW)
    assert said.output.splitlines() == [
        "Contact c1 (+49…67), connector 7",
        f"The newest is of {written(NOW)}, {old}.",
        "",
        f"{written(NOW)[:10]} (UTC{written(NOW)[19:]})",
        f" {written(NOW)[11:19]}  customer     writes (a message): message M1; event 1; Motion has it (200)",
        "",
        f" Result  Motion has event 1 since {written(NOW)}. ({old})",
        " Do      If no agent sees it, look at Motion: open interactions (as admin), the agents and the queue of the "
        "account.",
    ]


def test_the_number_is_whole_where_that_is_asked_for_and_that_is_recorded(
    run: Callable[..., Result], spool: Database
) -> None:
    assert NUMBER not in run("c1").output
    assert audit.listed(spool, most=9) == []
    revealed = run("c1", "--reveal", "--json")
    assert NUMBER in json.loads(revealed.stdout)["stories"][0]["contacts"][0]
    assert json.loads(revealed.stderr)["process"] == "trace"
    [deed] = audit.listed(spool, most=9)
    assert (deed.action, deed.about) == (audit.Action.LOOK, "the phone numbers of a trace")


def test_on_a_screen_of_80_columns_no_id_is_cut(run: Callable[..., Result], file: Path, spool: Database) -> None:
    told = seen(file, "trace", LONG)
    assert LONG in told
    assert all(len(line) <= 80 for line in told.splitlines() if LONG not in line)
    assert "RATE_LIMITED" in told
    assert "nobody, it passes; code RATE_LIMITED" in told


def test_for_programs_it_is_one_object_with_a_list_of_stories(run: Callable[..., Result]) -> None:
    [story] = json.loads(run(LONG, "--json").output)["stories"]
    assert (story["kind"], story["name"], story["earlier"]) == ("message", LONG, 0)
    assert story["moments"][0]["who"] == "Sinch"
    assert story["conclusions"][0]["code"] == "RATE_LIMITED"
    assert NUMBER not in json.dumps(story)


def test_of_what_nobody_knows_it_says_where_it_looked_and_what_was_turned_away(
    run: Callable[..., Result], spool: Database
) -> None:
    ring = Ring(spool, clock=WallClock(), later=lambda _seconds, _work: None)
    ring.note("ingress", "signature wrong", about="7", address="192.0.2.1")
    ring.note("edge", "body too large", about="", address="192.0.2.1")
    ring.write()
    said = run("event", "99")
    assert said.exit_code == 1
    assert said.output.startswith("Nothing is known of 99 as event.\nLooked through 2 events, the oldest of ")
    assert "What can be asked for" not in said.output
    assert " conversation  Sinch's id of a conversation\n" in run("nobody").output
    assert "1 time, door ingress: signature wrong (7). Type the same secret" in said.output
    assert "1 time, door edge: body too large. Raise ingress.max_body if it was Sinch." in said.output
    assert "5550100" not in run("+1 212 555 01 00").output
    found = json.loads(run("nobody", "--json").output)
    assert (found["stories"], found["searched"]["events"]) == ([], 2)


def test_where_nothing_was_turned_away_it_says_so_and_what_to_look_at_next(run: Callable[..., Result]) -> None:
    assert "\nNothing was turned away in the last day. If a customer wrote it, " in run("event", "99").output
    told = run("https://gateway.example.com/a/1", "--since", "2h").output
    assert "\nNothing was turned away since 20" in told
    assert told.endswith("Motion's account with `motion-gateway config show`.\n")


def test_of_what_is_older_than_asked_for_it_says_how_much_and_how_old(run: Callable[..., Result]) -> None:
    said = run(NUMBER, "--since", "2m")
    assert said.exit_code == 1
    assert said.output.startswith("Nothing of +49…67 since 20")
    assert f"; before that 1 event, the last at {written(NOW)}. Leave out --since.\n" in said.output
    assert json.loads(run(NUMBER, "--since", "2m", "--json").output)["before"] == {
        "stories": 1,
        "last_at": written(NOW),
    }


def test_what_is_asked_may_come_from_standard_input(file: Path, spool: Database) -> None:
    assert spool
    read = CliRunner().invoke(group, ["--config", str(file), "trace"], input="+49 170 1234567\n")
    assert read.output.startswith("Contact c1")
    for words, typed in (((), "\n"), (("",), "+49 170 1234567\n")):
        nothing = CliRunner().invoke(group, ["--config", str(file), "trace", *words], input=typed)
        assert "say what to trace" in str(nothing.exception)

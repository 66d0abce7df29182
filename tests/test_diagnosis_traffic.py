"""What doctor says of the ways to and from Sinch by what the spool holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.doctor import PAGE, last, way
from gateway.clock import written
from gateway.config import validation
from gateway.diagnosis import experience, traffic
from gateway.diagnosis.complaint import Complaint, Context, Level
from gateway.ingress import events, intake
from gateway.outbound import record
from gateway.store.engines import Database
from tests.config_samples import account, document
from tests.service_samples import NOW
from tests.spool_samples import accept, callback, draft, reported

pytestmark = pytest.mark.both_engines

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def kept(spool: Database) -> Context:
    """A gateway with a third door, and a spool."""
    server = {"outbound_clients": ["192.0.2.5"], "outbound_address": "192.0.2.4"}
    keys = {"token_keys": ["a key of the tests, which is long enough"]}
    part = validation.validate(document(server=server, attachments=keys), {})
    assert part.problems == ()
    return Context(part, NOW, spool)


def ids(found: Iterator[Complaint]) -> list[tuple[str, Level]]:
    return [(each.id, each.level) for each in found]


def test_motion_that_calls_sinch_directly_is_told_by_the_reports_on_what_never_came_by(kept: Context) -> None:
    assert ids(traffic.calls(kept)) == []
    accept(kept.spool, nonce="n1", now=NOW - 3600)
    assert ids(traffic.calls(kept)) == [("sinch.no_calls", Level.NOTE)]
    intake.accept(kept.spool, reported("m1"), now=NOW - 3600)
    assert ids(traffic.calls(kept)) == [("sinch.motion_direct", Level.WARNING)]
    record.begin(kept.spool, draft(), now=NOW - 60)
    assert ids(traffic.calls(kept)) == []


def test_all_may_be_well_and_nobody_come_so_it_is_told_when_each_came_last(kept: Context) -> None:
    def said() -> str:
        return last(experience.heard(kept), kept.settings, now=NOW)

    assert said().startswith("Last accepted from Sinch: nothing is kept; last from Motion: nothing is kept. Too long")
    accept(kept.spool, nonce="n1", now=NOW - 180)
    record.begin(kept.spool, draft(), now=NOW - 7200)
    assert said() == (
        f"Last accepted from Sinch {written(NOW - 180)}, 3 minutes ago; "
        f"last from Motion {written(NOW - 7200)}, 2 hours ago. "
        f"Too long ago? {PAGE}"
    )
    assert way(kept.settings).startswith("The private door is open: ")
    assert "## Messages do not reach Motion\n" in (DOCS / "troubleshooting.md").read_text("utf-8")


def test_nobody_says_that_nothing_is_kept_where_the_spool_cannot_be_asked(tmp_path: Path) -> None:
    away = Context(validation.validate(document(server={"state_dir": str(tmp_path)}), {}), NOW)
    assert last(experience.heard(away), away.settings, now=NOW).startswith("When Sinch was heard last is not known")


def test_of_motion_nothing_is_told_where_its_calls_do_not_come_by() -> None:
    closed = validation.validate(document(), {}).settings
    assert last(experience.Heard(NOW), closed, now=NOW).count("last from") == 0
    assert way(closed).startswith("The private door is closed: ")


HOUR, WEEK = traffic.HOUR_SECONDS, traffic.WEEK_SECONDS


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ((), (), []),
        ((1.0,), (), [("sinch.silent", Level.NOTE)]),
        ((1.0, 2.0, HOUR), (), [("sinch.silent", Level.WARNING)]),
        ((1.0, 2.0, 3.0), (HOUR,), []),
        ((1.0, 2.0, 3.0), (HOUR + 1,), [("sinch.silent", Level.WARNING)]),
        ((0.0, HOUR + 1), (), []),
    ],
    ids=["nothing ever", "one", "several", "something now", "just too long ago", "in other hours"],
)
def test_silence_is_told_where_a_week_ago_there_was_none(
    kept: Context, before: tuple[float, ...], now: tuple[float, ...], said: list[tuple[str, Level]]
) -> None:
    moments = [*(NOW - WEEK - ago for ago in before), *(NOW - ago for ago in now)]
    for number, moment in enumerate(moments):
        accept(kept.spool, nonce=f"n{number}", now=moment)
    assert ids(traffic.silence(kept)) == said


def other(context: Context, number: int, key: str) -> None:
    """Take in a callback of another kind."""
    body = f'{{"{key}": {{"conversation": {{"id": "{number}"}}}}}}'.encode()
    given = callback(f"other {number}", body=body, event=events.read(body, connector_id=7), nonce=f"nonce {number}")
    intake.accept(context.spool, given, now=NOW - 60)


def test_a_trigger_that_is_missing_for_messages_is_told_by_what_comes_without_them(kept: Context) -> None:
    for number in range(2):
        other(kept, number, "conversation_stop_notification")
    assert ids(traffic.triggers(kept)) == []
    other(kept, 2, "conversation_stop_notification")
    assert ids(traffic.triggers(kept)) == [("sinch.no_messages_come", Level.NOTE)]
    other(kept, 3, "conversation_start_notification")
    assert ids(traffic.triggers(kept)) == [("sinch.no_messages_come", Level.WARNING)]
    accept(kept.spool, nonce="n1", now=NOW - 30)
    assert ids(traffic.triggers(kept)) == []


def test_a_trigger_that_is_missing_for_reports_is_told_by_messages_of_which_nothing_is_heard(kept: Context) -> None:
    accept(kept.spool, nonce="n1", now=NOW - 30)
    for number in range(3):
        assert ids(traffic.triggers(kept)) == []
        record.begin(kept.spool, draft(number), now=NOW - traffic.REPORTED_SECONDS - 60)
        record.settle(kept.spool, number + 1, outcome=record.ACCEPTED, message_id=f"m{number}", now=NOW - 60)
    assert ids(traffic.triggers(kept)) == [("sinch.no_reports_come", Level.WARNING)]
    intake.accept(kept.spool, reported("m1"), now=NOW - 30)
    assert ids(traffic.triggers(kept)) == []


def test_of_an_account_that_sinch_is_asked_about_no_trigger_is_guessed(kept: Context) -> None:
    for number in range(4):
        other(kept, number, "conversation_start_notification")
    assert ids(traffic.triggers(kept)) == [("sinch.no_messages_come", Level.WARNING)]
    keyed = document(account=[account(key_id="key", key_secret="secret")])
    assert ids(traffic.triggers(Context(validation.validate(keyed, {}), NOW, kept.spool))) == []

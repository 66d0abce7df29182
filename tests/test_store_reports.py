"""Delivery reports: what is filed of them, what they make of a message, and which of them tell of which send."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SpoolUnavailable
from gateway.ingress import events, intake
from gateway.ingress.intake import Outcome
from gateway.outbound import record
from gateway.outbound.record import Sent
from gateway.store import reports, schema
from gateway.store.engines import Database
from gateway.store.reports import FATES, Filed
from tests.spool_samples import NOW, callback, draft, meddle, reported, rows
from tests.together import together

pytestmark = pytest.mark.both_engines

SAMPLES = json.loads((Path(__file__).parent / "data" / "sinch_callbacks.json").read_text("utf-8"))["payloads"]
TELLING = ("MESSAGE_DELIVERY", "MESSAGE_SUBMIT", "EVENT_DELIVERY")


def filed(*told: str) -> list[Filed]:
    """Reports that came in this order: each a status and, after a blank, a code."""
    words = [text.partition(" ") for text in told]
    return [
        Filed(
            event_id=number,
            message_id="M1",
            correlation_id="",
            status=status,
            code=code,
            sub_code="",
            channel_code="",
            channel="WHATSAPP",
            reported_at=NOW + number,
        )
        for number, (status, _, code) in enumerate(words)
    ]


ORDERS = {
    "none": ([], None),
    "the usual way": (["SUBMITTED", "QUEUED_ON_CHANNEL", "DELIVERED", "READ"], "READ"),
    "not read yet": (["SUBMITTED", "QUEUED_ON_CHANNEL", "DELIVERED"], "DELIVERED"),
    "on its way": (["SUBMITTED", "QUEUED_ON_CHANNEL"], "QUEUED_ON_CHANNEL"),
    "read, and never delivered": (["QUEUED_ON_CHANNEL", "READ"], "READ"),
    "delivered late": (["READ", "DELIVERED"], "READ"),
    "queued late": (["DELIVERED", "QUEUED_ON_CHANNEL"], "DELIVERED"),
    "submitted late": (["QUEUED_ON_CHANNEL", "SUBMITTED"], "QUEUED_ON_CHANNEL"),
    "failed": (["QUEUED_ON_CHANNEL", "FAILED MEDIA_TOO_LARGE"], "FAILED MEDIA_TOO_LARGE"),
    "queued after it failed": (["FAILED RATE_LIMITED", "QUEUED_ON_CHANNEL"], "FAILED RATE_LIMITED"),
    "failed after it was delivered": (["DELIVERED", "FAILED CHANNEL_FAILURE"], "DELIVERED"),
    "delivered after it failed": (["FAILED CHANNEL_FAILURE", "DELIVERED"], "DELIVERED"),
    "failed on one channel, then on the last": (
        ["FAILED CHANNEL_FAILURE", "SWITCHING_CHANNEL", "FAILED NO_CHANNELS_LEFT"],
        "FAILED NO_CHANNELS_LEFT",
    ),
    "another channel": (["SUBMITTED", "SWITCHING_CHANNEL CHANNEL_REJECT"], "SWITCHING_CHANNEL CHANNEL_REJECT"),
    "queued on another channel": (["SWITCHING_CHANNEL", "QUEUED_ON_CHANNEL"], "QUEUED_ON_CHANNEL"),
    "a word that is new": (["DELIVERED", "FORWARDED"], "DELIVERED"),
    "nothing but new words": (["FORWARDED", "delivered"], None),
}


@together(("told", "fate"), ORDERS.values(), ids=ORDERS)
def test_the_fate_after(told: list[str], fate: str | None) -> None:
    decides = reports.fate(filed(*told))
    assert (f"{decides.status} {decides.code}".strip() if decides else None) == fate


@together("statuses", [*itertools.combinations(FATES, 2)], ids="<".join)
def test_of_two_the_further_decides_in_either_order(statuses: tuple[str, str]) -> None:
    for order in (statuses, reversed(statuses)):
        decides = reports.fate(filed(*order))
        assert decides is not None
        assert decides.status == statuses[1]


@given(st.lists(st.sampled_from([*FATES, "FORWARDED", ""]), max_size=8), st.sampled_from(FATES))
def test_no_report_takes_a_fate_back(told: list[str], more: str) -> None:
    before, after = reports.fate(filed(*told)), reports.fate(filed(*told, more))
    assert after is not None
    assert before is None or FATES.index(before.status) <= FATES.index(after.status)


@pytest.mark.parametrize("name", SAMPLES)
def test_of_callbacks_of_other_kinds_nothing_is_filed(spool: Database, name: str) -> None:
    body = json.dumps(SAMPLES[name]).encode()
    intake.accept(spool, callback(body=body, event=events.read(body, connector_id=7)), now=NOW)
    assert len(rows(spool, schema.report)) == (name.partition("/")[0] in TELLING)


def test_everything_of_a_report_is_filed(spool: Database) -> None:
    body = json.dumps(SAMPLES["MESSAGE_DELIVERY/FAILED-media"] | {"correlation_id": "tkt-42"}).encode()
    intake.accept(spool, callback(), now=NOW)
    intake.accept(spool, callback(body=body, event=events.read(body, connector_id=7)), now=NOW + 5)
    [row] = rows(spool, schema.report)
    assert row._asdict() == {
        "event_id": 2,
        "connector_id": 7,
        "message_id": "01JQ8VD5T7V9X1Z3B5D7F9H1KE",
        "correlation_id": "tkt-42",
        "status": "FAILED",
        "code": "MEDIA_NOT_REACHABLE",
        "sub_code": "UNSPECIFIED_SUB_CODE",
        "channel_code": "131053",
        "channel": "WHATSAPP",
        "reported_at": NOW + 5,
        "description": "The underlying channel reported: media download failed with http code 403",
    }


AGAIN = {
    "the same bytes": ({}, Outcome.REPEAT),
    "other bytes": ({"reason": {"code": "CHANNEL_FAILURE"}}, Outcome.DUPLICATE),
}


@pytest.mark.parametrize(("changes", "outcome"), AGAIN.values(), ids=AGAIN)
def test_a_report_that_comes_again_in(spool: Database, changes: dict[str, Any], outcome: Outcome) -> None:
    receipts = [intake.accept(spool, told, now=NOW).outcome for told in (reported("M1"), reported("M1", **changes))]
    assert receipts == [Outcome.ACCEPTED, outcome]
    assert [row.event_id for row in rows(spool, schema.report)] == [1]


def test_what_is_not_believed_is_not_filed(spool: Database) -> None:
    late = reported("M1")
    stale = callback(nonce="n1", stale=True, body=late.body, event=late.event)
    assert intake.accept(spool, stale, now=NOW).outcome is Outcome.STALE
    assert rows(spool, schema.report) == []


def test_a_report_that_cannot_be_filed_takes_its_callback_with_it(spool: Database) -> None:
    meddle(spool, "DROP TABLE report")
    intake.accept(spool, callback(), now=NOW)
    with pytest.raises(SpoolUnavailable):
        intake.accept(spool, reported("M1"), now=NOW)
    assert [row.kind for row in rows(spool, schema.event)] == ["MESSAGE_INBOUND"]


@dataclass(frozen=True)
class Told:
    """What is read of the first send: the message id, its fate, and whether that is in doubt."""

    message_id: str = ""
    fate: str = ""
    doubtful: bool = False


def told(sent: Sent) -> Told:
    return Told(sent.message_id, sent.fate.status if sent.fate else "", sent.evidence.doubtful)


def play(spool: Database, *steps: str) -> None:
    """`send NUMBER CORRELATION [CONNECTOR]`, `accept NUMBER MESSAGE`, `end NUMBER OUTCOME` or

    `report MESSAGE STATUS [CORRELATION] [CONNECTOR]`, one a second.
    """
    for second, step in enumerate(steps):
        now = NOW + second
        match step.split(" "):
            case ["send", number, correlation, *connector]:
                given = draft(int(number), correlation_id=correlation, connector_id=int(*connector or [7]))
                record.begin(spool, given, now=now)
            case ["accept", number, message]:
                record.settle(spool, int(number), outcome="accepted", status=200, message_id=message, now=now)
            case ["end", number, outcome]:
                record.settle(spool, int(number), outcome=outcome, status=504, now=now)
            case ["report", message, status, *rest]:
                correlation, connector = [*rest, *["", "7"][len(rest) :]]
                report = reported(message, status, correlation=correlation, connector=int(connector))
                intake.accept(spool, report, now=now)
            case _:
                raise AssertionError(step)


NOTHING = Told()
JOINED = {
    "a report": (["send 1 mg-1", "accept 1 M1", "report M1 DELIVERED"], Told("M1", "DELIVERED")),
    "no report": (["send 1 mg-1", "accept 1 M1"], Told("M1")),
    "a report on another message": (["send 1 mg-1", "accept 1 M1", "report M2 DELIVERED"], Told("M1")),
    "a report on another message with its correlation id": (
        ["send 1 tkt", "accept 1 M1", "report M2 DELIVERED tkt"],
        Told("M1"),
    ),
    "a report that came before the answer, its message then unknown": (
        ["send 1 mg-1", "report M1 SUBMITTED mg-1", "accept 1 M1"],
        Told("M1", "SUBMITTED"),
    ),
    "a report that came before the answer, without a correlation id": (
        ["send 1 mg-1", "report M1 SUBMITTED", "accept 1 M1"],
        Told("M1", "SUBMITTED"),
    ),
    "a report while it is being sent": (["send 1 mg-1", "report M1 SUBMITTED mg-1"], Told("M1", "SUBMITTED")),
    "the same message id at another connector": (
        ["send 1 mg-1", "send 2 mg-2 8", "accept 1 M1", "accept 2 M1", "report M1 READ mg-2 8"],
        Told("M1"),
    ),
    "no answer, and a report under our reference": (
        ["send 1 mg-1", "end 1 unknown", "report M1 FAILED mg-1"],
        Told("M1", "FAILED"),
    ),
    "no answer, and a report under an id of Motion's": (
        ["send 1 tkt", "end 1 unknown", "report M1 READ tkt", "report M1 SUBMITTED tkt"],
        Told("M1", "READ"),
    ),
    "no answer, and no correlation id": (["send 1 ", "end 1 unknown", "report M1 READ"], NOTHING),
    "no answer, and a report under another id": (["send 1 mg-1", "end 1 unknown", "report M1 READ mg-11"], NOTHING),
    "no answer, and a report of another connector": (
        ["send 1 tkt", "end 1 unknown", "report M1 READ tkt 8"],
        NOTHING,
    ),
    "no answer, and a report from before it": (["report M1 READ tkt", "send 1 tkt", "end 1 unknown"], NOTHING),
    "two without an answer under one id of Motion's": (
        ["send 1 tkt", "send 2 tkt", "end 1 unknown", "end 2 unknown", "report M1 READ tkt"],
        Told(doubtful=True),
    ),
    "two without an answer under one id, and no report": (
        ["send 1 tkt", "send 2 tkt", "end 1 unknown", "end 2 unknown"],
        NOTHING,
    ),
    "one without an answer, and one that is being sent": (
        ["send 1 tkt", "send 2 tkt", "end 1 unknown", "report M1 READ tkt"],
        Told(doubtful=True),
    ),
    "two without an answer under one id, at two connectors": (
        ["send 1 tkt", "send 2 tkt 8", "end 1 unknown", "end 2 unknown", "report M1 READ tkt"],
        Told("M1", "READ"),
    ),
    "no answer, and reports on two messages nobody knows": (
        ["send 1 tkt", "end 1 unknown", "report M1 READ tkt", "report M2 READ tkt"],
        Told(doubtful=True),
    ),
    "no answer, and a report on a message that another send has": (
        ["send 1 tkt", "send 2 tkt", "end 1 unknown", "accept 2 M2", "report M2 READ tkt"],
        NOTHING,
    ),
    "no answer, and a report besides one on a message that another send has": (
        ["send 1 tkt", "send 2 tkt", "end 1 unknown", "accept 2 M2", "report M2 READ tkt", "report M1 FAILED tkt"],
        Told("M1", "FAILED"),
    ),
    "no answer, and a report on a message whose id a send of another connector has": (
        ["send 1 tkt", "send 2 tkt 8", "end 1 unknown", "accept 2 M1", "report M1 READ tkt"],
        Told("M1", "READ"),
    ),
    "no answer, and another under the same id that never left": (
        ["send 1 tkt", "send 2 tkt", "end 1 unknown", "end 2 unsent", "report M1 READ tkt"],
        Told("M1", "READ"),
    ),
    "rejected, and a report under its id": (["send 1 tkt", "end 1 rejected", "report M1 READ tkt"], NOTHING),
}


@pytest.mark.parametrize(("steps", "expected"), JOINED.values(), ids=JOINED)
def test_of_a_send_is_told_after(spool: Database, steps: list[str], expected: Told) -> None:
    play(spool, *steps)
    assert told(record.shown(spool, "1", now=NOW + 60)) == expected
    assert [told(sent) for sent in record.listed(spool, most=9, now=NOW + 60) if sent.send_id == 1] == [expected]


def test_a_send_whose_message_is_known_is_told_of_by_reports_on_that_alone(spool: Database) -> None:
    play(spool, "send 1 tkt")
    record.settle(spool, 1, outcome="unknown", status=502, message_id="M1", now=NOW)
    play(spool, "report M1 DELIVERED tkt", "report M2 READ tkt")
    assert told(record.shown(spool, "1", now=NOW)) == Told("M1", "DELIVERED")


def test_what_is_in_doubt_shows_its_reports_and_is_told_no_fate(spool: Database) -> None:
    play(spool, "send 1 tkt", "end 1 unknown", "report M1 READ tkt", "report M2 READ tkt")
    sent = record.shown(spool, "1", now=NOW)
    assert [report.message_id for report in sent.evidence.reports] == ["M1", "M2"]
    assert (sent.reports, sent.fate) == ((), None)


def test_the_reports_are_in_the_order_of_time(spool: Database) -> None:
    play(spool, "send 1 mg-1", "accept 1 M1")
    for status, second in (("READ", 9), ("SUBMITTED", 3), ("DELIVERED", 9), ("QUEUED_ON_CHANNEL", 5)):
        intake.accept(spool, reported("M1", status), now=NOW + second)
    assert [(report.status, report.reported_at - NOW) for report in record.shown(spool, "1", now=NOW).reports] == [
        ("SUBMITTED", 3),
        ("QUEUED_ON_CHANNEL", 5),
        ("READ", 9),
        ("DELIVERED", 9),
    ]

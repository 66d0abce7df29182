"""WhatsApp's 24 hours for answers, through all that is there: who is answered too late is told, or refused at once."""

from __future__ import annotations

import contextlib
import json
import time

from gateway.outbound import record, window
from sandbox import callbacks
from sandbox.callbacks import Customer
from tests.live.call_house import CallHouse, assert_refused, opened
from tests.spool_samples import meddle

CODE = "OUTSIDE_ALLOWED_SENDING_WINDOW"
LATE_SECONDS = 26 * 3600.0


def wrote(calls: CallHouse, name: str, *, ago_seconds: float = 0.0) -> Customer:
    """A customer from whom gateway and Sinch have heard so long ago."""
    made = callbacks.customer(name)
    said = calls.api.wrote(made, at=time.time() - ago_seconds)
    assert calls.house.sinch().send(said).status == 200
    with contextlib.closing(calls.house.spool()) as spool:
        meddle(spool, f"UPDATE heard SET at = at - {ago_seconds} WHERE contact_id = '{made.contact_id}'")
    return made


def test_a_message_that_comes_too_late_is_sent_told_and_fails_as_was_said() -> None:
    with opened() as calls:
        prompt, late = wrote(calls, "prompt"), wrote(calls, "late", ago_seconds=LATE_SECONDS)
        agent = calls.agent()
        in_time, too_late = (agent.reply(one.contact_id, "Buenos días") for one in (prompt, late))
        assert (in_time.accepted, too_late.accepted) == (True, True)
        assert [told.answer.header(window.HEADER) for told in (in_time, too_late)] == [None, "closed"]
        assert calls.wait_for_fate(prompt).window == window.OPEN
        sent = calls.wait_for_fate(late, "FAILED")
        assert (sent.window, sent.fate and sent.fate.code) == (window.CLOSED, CODE)
        assert calls.shown(str(sent.send_id))["window"] == "closed: the customer had written 26 hours before"
        listed = calls.house.command("sends", "list")
        assert [line.split().count("closed") for line in listed.splitlines()[1:]] == [1, 0]
        assert len(calls.house.decisions("outbound", window="closed")) == 1
        assert late.phone not in calls.house.log


def test_or_it_is_refused_until_the_customer_writes_again() -> None:
    with opened(outbound={"window": "refuse"}) as calls:
        late, stranger = wrote(calls, "late", ago_seconds=LATE_SECONDS), calls.customer()
        agent = calls.agent()
        told = agent.reply(late.contact_id, "Buenos días")
        error = assert_refused(told, CODE)
        assert "The customer wrote last 26 hours ago." in error["message"]
        assert told.answer.header(window.HEADER) == "closed"
        assert calls.calls_of(late) == ()
        row = calls.sent(late)
        assert (row.outcome, row.code, row.window) == (record.REFUSED, CODE, window.CLOSED)
        assert agent.reply(stranger.contact_id, "Buenos días").accepted  # of whom the gateway has not heard
        wrote(calls, "late")
        assert agent.reply(late.contact_id, "Buenos días").accepted
        [newest, *_] = json.loads(calls.house.command("sends", "list", "--contact", late.contact_id, "--json"))
        assert newest["window"] == window.OPEN

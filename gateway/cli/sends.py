"""`sends list | show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from gateway import printable
from gateway.cli import Invocation, for_programs, options, print_facts, print_json, print_table, reasons, written
from gateway.cli.spool import nothing, opened_spool
from gateway.clock import WallClock
from gateway.outbound import record, window
from gateway.store import Choice, reports

DOUBTFUL = "in doubt"


@click.group()
def sends() -> None:
    """The messages that Motion asked to send."""


@sends.command("list")
@click.option("--outcome", "state", type=click.Choice(record.OUTCOMES), help="Only messages with this outcome.")
@options("connector", "contact", "message", "since", "most", "json")
@click.pass_obj
def list_(invocation: Invocation, /, *, most: int, as_json: bool, **chosen: Any) -> None:  # noqa: ANN401 - of Choice
    """Show the newest messages, newest first: whether Sinch took them, and what was reported of them."""
    with opened_spool(invocation) as spool:
        found = record.listed(spool, Choice(**chosen), most=most, now=WallClock().now())
    if as_json:
        print_json([_all_of(sent) for sent in found])
        return
    titles = ("send", "started", "connector", "kind", "outcome", "code", "window", "fate", "who acts", "message id")
    print_table(titles, [_row(sent) for sent in found], none=nothing("sends", **chosen))


@sends.command()
@click.argument("name", metavar="ID|REFERENCE|MESSAGE_ID")
@options("json")
@click.pass_obj
def show(invocation: Invocation, name: str, *, as_json: bool) -> None:
    """Show all that is known of one message: by its ID here, our reference, or Sinch's message id."""
    with opened_spool(invocation) as spool:
        sent = record.shown(spool, name, now=WallClock().now())
    print_json(_all_of(sent)) if as_json else print_facts(_facts(sent))


def _row(sent: record.Sent) -> tuple[str, ...]:
    return (
        str(sent.send_id),
        written(sent.started_at),
        str(sent.connector_id),
        sent.kind,
        sent.outcome,
        sent.code,
        sent.window if sent.window == window.CLOSED else "",
        DOUBTFUL if sent.evidence.doubtful else _result(sent.fate) if sent.fate else "",
        reasons.short(_meanings(sent)),
        sent.message_id,
    )


def _meanings(sent: record.Sent) -> list[reasons.Meaning]:
    """What the code means that decides: that of its fate, else that of the answer."""
    if sent.fate:
        meaning = reasons.explain(sent.fate.code, sent.fate.sub_code, sent.fate.channel_code)
    else:
        meaning = reasons.of_outcome(sent.code, sent.outcome, sent.words)
    return [meaning] if meaning else []


def _facts(sent: record.Sent) -> Iterator[tuple[str, object]]:
    yield "send", sent.send_id
    yield "connector", sent.connector_id
    yield "app id", sent.app_id
    yield "kind", sent.kind
    yield "contact", printable.whom(sent.contact_id, sent.identity)
    yield "outcome", sent.outcome
    yield "status", "" if sent.status is None else sent.status
    yield "code", sent.code
    yield "said", sent.words
    if sent.window:
        yield "window", _window(sent)
    yield "fate", _fate(sent)
    yield "message id", sent.message_id
    yield "reference", sent.reference
    yield "correlation id", sent.correlation_id
    yield "request id", sent.request_id
    yield "tries", sent.tries
    yield "started", written(sent.started_at)
    yield "ended", "" if sent.ended_at is None else written(sent.ended_at)
    yield "took", "" if sent.ended_at is None else f"{sent.ended_at - sent.started_at:.3f} s"
    yield from (("attachment", _attached(attached)) for attached in sent.attachments)
    yield from (("report", _reported(told)) for told in sent.evidence.reports)
    code, meanings = sent.fate.code if sent.fate else sent.code, _meanings(sent)
    yield from reasons.told(meanings) if meanings or not code else reasons.of_unknown(code)


def _all_of(sent: record.Sent) -> dict[str, object]:
    known = for_programs(sent)
    del known["evidence"]
    reports = [for_programs(told) for told in sent.evidence.reports]
    fate = for_programs(sent.fate) if sent.fate else None
    told = {"meanings": [reasons.for_programs(meaning) for meaning in _meanings(sent)]}
    return known | {"reports": reports, "fate": fate, "in_doubt": sent.evidence.doubtful} | told


def _window(sent: record.Sent) -> str:
    if sent.heard_at is None:
        return f"{sent.window}: nobody here has heard of the customer"
    return f"{sent.window}: the customer had written {printable.span(sent.started_at - sent.heard_at)} before"


def _fate(sent: record.Sent) -> str:
    if not sent.evidence.doubtful:
        return _result(sent.fate) if sent.fate else ""
    return f"{DOUBTFUL}: several messages have this correlation id, and the reports may be on another one"


def _attached(attached: record.Attached) -> str:
    verdict = " ".join(filter(None, (attached.verdict, attached.code)))
    return ", ".join(filter(None, (attached.attachment_id, verdict, attached.digest, attached.field)))


def _reported(told: reports.Filed) -> str:
    parts = (_result(told), told.sub_code, told.channel_code, told.channel, f"event {told.event_id}", told.description)
    return ", ".join((written(told.reported_at), *filter(None, parts)))


def _result(told: reports.Filed) -> str:
    return f"{told.status} {told.code}".strip()

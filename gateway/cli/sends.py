"""`sends list | show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from gateway.cli import Invocation, for_programs, options, print_facts, print_json, print_table, reasons
from gateway.cli.spool import nothing, opened_spool
from gateway.clock import WallClock, written
from gateway.diagnosis import facts
from gateway.diagnosis.reasons import of_unknown
from gateway.outbound import record, window
from gateway.store import Choice


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
        facts.fate(sent),
        reasons.short(facts.meanings_of_send(sent)),
        sent.message_id,
    )


def _facts(sent: record.Sent) -> Iterator[tuple[str, object]]:
    yield from facts.of_send(sent)
    code, meanings = sent.fate.code if sent.fate else sent.code, facts.meanings_of_send(sent)
    yield from reasons.told(meanings) if meanings or not code else of_unknown(code)


def _all_of(sent: record.Sent) -> dict[str, object]:
    known = for_programs(sent)
    del known["evidence"]
    reports = [for_programs(told) for told in sent.evidence.reports]
    fate = for_programs(sent.fate) if sent.fate else None
    told = {"meanings": [reasons.for_programs(meaning) for meaning in facts.meanings_of_send(sent)]}
    return known | {"reports": reports, "fate": fate, "in_doubt": sent.evidence.doubtful} | told

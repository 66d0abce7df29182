"""`sends list | show`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from gateway.cli import Invocation, print_table, written
from gateway.cli.spool import NUMBER, opened_spool, whom
from gateway.clock import WallClock
from gateway.outbound import record
from gateway.outbound.record import Attached, Sent
from gateway.store.reports import Filed

DOUBTFUL = "in doubt"


@click.group()
def sends() -> None:
    """The messages that Motion asked to send."""


@sends.command("list")
@click.option("--connector", type=NUMBER, help="Only messages of this connector.")
@click.option("--outcome", type=click.Choice(record.OUTCOMES), help="Only messages with this outcome.")
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, newest first.")
@click.pass_obj
def list_(invocation: Invocation, connector: int | None, outcome: str | None, most: int) -> None:
    """Show the newest messages, newest first: whether Sinch took them, and what was reported of them."""
    with opened_spool(invocation) as spool:
        found = record.listed(spool, most=most, connector_id=connector, outcome=outcome, now=WallClock().now())
    titles = ("send", "started", "connector", "kind", "outcome", "code", "fate", "message id")
    print_table(titles, [_row(sent) for sent in found])


@sends.command()
@click.argument("name", metavar="ID|REFERENCE|MESSAGE_ID")
@click.pass_obj
def show(invocation: Invocation, name: str) -> None:
    """Show all that is known of one message: by its ID here, our reference, or Sinch's message id."""
    with opened_spool(invocation) as spool:
        sent = record.shown(spool, name, now=WallClock().now())
    for title, value in _facts(sent):
        click.echo(f"{title:<16}{value}")


def _row(sent: Sent) -> tuple[str, ...]:
    return (
        str(sent.send_id),
        written(sent.started_at),
        str(sent.connector_id),
        sent.kind,
        sent.outcome,
        sent.code,
        DOUBTFUL if sent.evidence.doubtful else _result(sent.fate) if sent.fate else "",
        sent.message_id,
    )


def _facts(sent: Sent) -> Iterator[tuple[str, object]]:
    yield "send", sent.send_id
    yield "connector", sent.connector_id
    yield "app id", sent.app_id
    yield "kind", sent.kind
    yield "contact", whom(sent.contact_id, sent.identity)
    yield "outcome", sent.outcome
    yield "status", "" if sent.status is None else sent.status
    yield "code", sent.code
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


def _fate(sent: Sent) -> str:
    if not sent.evidence.doubtful:
        return _result(sent.fate) if sent.fate else ""
    return f"{DOUBTFUL}: several messages have this correlation id, and the reports may be on another one"


def _attached(attached: Attached) -> str:
    verdict = " ".join(filter(None, (attached.verdict, attached.code)))
    return ", ".join(filter(None, (attached.attachment_id, verdict, attached.digest, attached.field)))


def _reported(told: Filed) -> str:
    parts = (_result(told), told.sub_code, told.channel_code, told.channel, f"event {told.event_id}")
    return ", ".join((written(told.reported_at), *filter(None, parts)))


def _result(told: Filed) -> str:
    return f"{told.status} {told.code}".strip()

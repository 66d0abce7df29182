"""`trace`: one story of a message, a customer or a file, why it did not arrive, and what to do."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence

import click

from gateway import cli, printable
from gateway.cli.spool import look, opened_spool
from gateway.clock import WallClock, written
from gateway.diagnosis import asked, experience, material, story, telling
from gateway.errors import CommandError

UNKNOWN = 1  # the exit status
WHO = max(map(len, (story.CUSTOMER, story.TURNED_AWAY))) + printable.GAP


@click.command()
@click.argument("what", metavar="[WHAT]...", nargs=-1)
@click.option("--reveal", is_flag=True, help="Show phone numbers whole. That is recorded.")
@cli.options("since", "most", "json")
@click.pass_obj
def trace(
    invocation: cli.Invocation, what: tuple[str, ...], *, reveal: bool, since: float | None, most: int, as_json: bool
) -> None:
    """Tell what happened to a message, a customer or a file: why it did not arrive, and what to do.

    WHAT is Sinch's id of a message, contact or conversation; the number of an event, a send or an attachment; any link
    to an attachment; a request id; a reference of ours; or a customer's number in any spelling. Where one number is
    several things, all are told: `trace event 17` says which. It works while the gateway is down. The exit status is 1
    if nothing is known of WHAT.

    Without WHAT it is read from standard input: what stands in a command, others on this machine may see.
    """
    settings, question = invocation.settings(), asked.read(" ".join(what) if what else sys.stdin.readline())
    if not question.word:
        raise CommandError("say what to trace: an id, a link or a number; `motion-gateway trace --help` lists them")
    told = telling.Narrator(now=WallClock().now(), most=most, reveal=reveal)
    with opened_spool(invocation) as spool:
        if reveal:
            look(spool, "the phone numbers of a trace", process="trace")
        found, nothing = telling.ask(question, settings, spool, now=told.now, most=most, since=since)
    if as_json:
        unknown = _for_programs_of_nothing(nothing) if nothing else {}
        cli.print_json({"stories": [_for_programs(told, about) for about in found]} | unknown)
    else:
        lines = _nothing(nothing) if nothing else _stories(told, found)
        click.echo("\n".join(told.shown(line) for line in lines))
    click.get_current_context().exit(0 if found else UNKNOWN)


def _stories(told: telling.Narrator, found: Sequence[material.Material]) -> Iterator[str]:
    for place, about in enumerate(found):
        yield from ("",) * bool(place)
        yield from _story(told, about)
    if len(found) > 1:
        kinds = sorted({about.kind for about in found})
        before = f", with what it is before it ({', '.join(kinds)})" if len(kinds) > 1 else ""
        yield ""
        yield from _wrapped(f"These are {len(found)} stories. Ask for one of them by its id{before}.")


def _story(told: telling.Narrator, about: material.Material) -> Iterator[str]:
    yield from _wrapped(told.title(about))
    if earlier := told.earlier(about):
        more = f"--most {earlier + told.most} tells all" if earlier + told.most <= cli.MOST else "--since tells more"
        yield from _wrapped(f"The newest part; {earlier} more before it: {more}.")
    if latest := told.latest(about):
        yield from _wrapped(latest)
    for day, moments in told.days(about):
        yield from ("", day)
        for moment in moments:
            yield from _wrapped(moment.says, head=f" {written(moment.at)[11:19]}  {moment.who:<{WHO}}")
    for one in told.conclusions(about):
        yield ""
        for title, says in told.concluded(one, about):
            yield from _wrapped(says, head=f" {title:<8}")


def _nothing(nothing: telling.NothingFound) -> Iterator[str]:
    if nothing.older:
        yield from _wrapped(f"{nothing.older} Leave out --since.")
    else:
        for says in nothing.unknown:
            yield from _wrapped(says)
        if nothing.kinds:
            yield from ("", "What can be asked for:")
        for name, says in nothing.kinds.items():
            yield from _wrapped(says, head=f" {name:<14}")
    yield ""
    yield from _wrapped(nothing.lately)
    for at, says in nothing.among:
        yield from _wrapped(says, head=f" {written(at)}  ")


def _wrapped(text: str, *, head: str = "") -> list[str]:
    """On a screen as wide as that is, for a program one line. Nothing is cut: ids are whole."""
    return printable.wrapped(printable.text(text), cli.columns(), head=head)


def _for_programs(told: telling.Narrator, about: material.Material) -> dict[str, object]:
    return {
        "kind": about.kind,
        "name": told.shown(about.name),
        "contacts": told.contacts(about),
        "connectors": list(about.connectors),
        "earlier": told.earlier(about),
        "moments": [dataclasses.asdict(moment) | {"at": written(moment.at)} for moment in told.newest(about)],
        "conclusions": [
            dataclasses.asdict(one) | {"at": written(one.at), "sentence": told.shown(one.sentence)}
            for one in told.conclusions(about)
        ],
    }


def _for_programs_of_nothing(nothing: telling.NothingFound) -> dict[str, object]:
    rows = [cli.for_programs(row) | {"remedy": experience.remedy(row)} for row in nothing.refused]
    before = {"stories": len(nothing.before), "last_at": nothing.last_before}
    return {"searched": cli.for_programs(nothing.searched), "turned_away": rows, "before": before}

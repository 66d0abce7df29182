"""`doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from gateway import clock, printable, telemetry
from gateway.cli import UNCUT, Invocation, options, print_json
from gateway.diagnosis import doctor as physician
from gateway.diagnosis.complaint import Complaint, Context, Level

WIDEST = 100  # columns: longer lines are hard to read
INDENT = " " * 10  # below the level


@click.command()
@options("json")
@click.pass_obj
def doctor(invocation: Invocation, *, as_json: bool) -> None:
    """Look at all that decides whether messages arrive; say what is wrong and what to do.

    It looks at the settings, this machine, the processes, the spool, Motion and Sinch, side by side and for some
    seconds, and changes nothing. It works while the gateway is down. What is worst comes first. The exit status is 0 if
    all is well, 1 if there are warnings, 2 if something is at fault.
    """
    telemetry.configure("doctor")
    begun = clock.steady()
    context = Context(invocation.part(), clock.WallClock().now())
    with _progress(len(physician.CHECKS)) as tell:
        looked = physician.examine(context, tell=tell)
    said = physician.complaints(looked)
    if as_json:
        print_json(_for_programs(looked, said))
    else:
        for complaint in said:
            click.echo("\n".join(_told(complaint)))
        click.echo(_summary(looked, said, seconds=clock.steady() - begun))
    click.get_current_context().exit(physician.STATUSES[physician.worst(said)])


def _for_programs(looked: Sequence[physician.Looked], said: Sequence[Complaint]) -> dict[str, object]:
    level = physician.worst(said)
    checks = [
        {"id": each.check.id, "what": each.check.what, "level": each.level, "seconds": round(each.seconds, 3)}
        for each in looked
    ]
    complaints = [vars(complaint) for complaint in said]
    return {"fine": physician.STATUSES[level] == 0, "level": level, "complaints": complaints, "checks": checks}


def _told(complaint: Complaint) -> Iterator[str]:
    """Write it on lines that a screen has room for; for a program the sentence is on one line, and so is the remedy."""
    columns = min(WIDEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else UNCUT
    yield f"{complaint.level:<{len(INDENT)}}{complaint.id}"
    for text in (complaint.sentence, f"do: {complaint.remedy}"):
        yield from textwrap.wrap(
            text,
            columns,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _summary(looked: Sequence[physician.Looked], said: Sequence[Complaint], *, seconds: float) -> str:
    checks = f"{printable.counted(len(looked), 'check')} in {seconds:.1f} s"
    counts = [sum(complaint.level == level for complaint in said) for level in reversed(Level)]
    told = [printable.counted(count, level) for count, level in zip(counts, reversed(Level), strict=True) if count]
    well = physician.STATUSES[physician.worst(said)] == 0
    return f"{'. '.join([*(['All is well'] if well else []), *([', '.join(told)] if told else []), checks])}."


@contextmanager
def _progress(checks: int) -> Iterator[Callable[[physician.Looked], object]]:
    """Show on a terminal how far it is; for a program, nothing."""
    if not sys.stderr.isatty():
        yield lambda _looked: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("looking at …", total=checks)
        yield lambda looked: bar.update(task, advance=1, description=f"looked at {looked.check.what}")

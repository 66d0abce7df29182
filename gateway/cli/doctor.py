"""`doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.config.validation import PartialSettings

from gateway import clock, printable, telemetry
from gateway.cli import WRONG, Invocation, columns, options, print_json, progress
from gateway.clock import written
from gateway.diagnosis import checkup, experience
from gateway.diagnosis import doctor as physician
from gateway.diagnosis.complaint import Complaint, Context, Level
from gateway.errors import SettingsError, told

UNDELIVERED = 3  # the exit status where somebody could not be told
NOBODY = ("command", "url", "ping_url")
PAGE = "docs/troubleshooting.md, Messages do not reach Motion."
WIDEST = 100  # columns: longer lines are hard to read
INDENT = " " * 10  # below the level


@click.command()
@click.option(
    "--notify", is_flag=True, help="Tell whom notify.command and notify.url name what is new and what is over."
)
@options("json")
@click.pass_obj
def doctor(invocation: Invocation, *, notify: bool, as_json: bool) -> None:
    """Look at all that decides whether messages arrive; say what is wrong and what to do.

    It looks at the settings, this machine, the processes, the spool, Motion and Sinch, side by side and for some
    seconds, and changes nothing; the operations page shows what it found. It works while the gateway is down. What is
    worst comes first. The exit status is 0 if all is well, 1 if there are warnings, 2 if something is at fault, 3 if
    with --notify somebody could not be told.
    """
    telemetry.configure("doctor")
    begun = clock.steady()
    try:
        part = invocation.part()
    except SettingsError as error:
        if as_json:
            print_json(_for_programs([], [*map(physician.of_problem, error.problems)], None))
        else:
            click.echo(told(error), err=True)
        click.get_current_context().exit(UNDELIVERED if notify else WRONG)
    if notify and not _may_tell(part):
        return
    context = Context(part, clock.WallClock().now())
    # A timer, which tells others, has nobody who watches.
    looked = _looked(context, shows=not as_json and (not notify or sys.stderr.isatty()))
    said = physician.complaints(looked)
    if as_json:
        print_json(_for_programs(looked, said, experience.heard(context)))
    elif not notify:
        for complaint in said:
            click.echo("\n".join(_told(complaint)))
        click.echo(_summary(looked, said, seconds=clock.steady() - begun))
        if part.knows("server.outbound_clients"):
            click.echo("\n".join(_lines(way(part.settings))))
        click.echo("\n".join(_lines(last(experience.heard(context), part.settings, now=context.now))))
    undelivered = notify and _notified(part.settings, looked)
    click.get_current_context().exit(UNDELIVERED if undelivered else physician.STATUSES[physician.worst(said)])


def _looked(context: Context, *, shows: bool) -> list[physician.Looked]:
    """Look at everything, and leave what is found for the operations page; `shows` how far it is."""
    begun = clock.steady()
    with ExitStack() as stack:
        leaves = context.part.knows("server.state_dir")
        if leaves:
            stack.enter_context(checkup.under_way(context.settings))
        with progress.shown("Looking", wanted=shows) as tell:
            looked = physician.examine(context, tell=_telling(tell))
        if leaves:
            found = {each.check.id: each.complaints for each in looked}
            seconds = clock.steady() - begun
            checkup.keep(context.settings, found, physician.complaints(looked), at=context.now, seconds=seconds)
    return looked


def _may_tell(part: PartialSettings) -> bool:
    """Whether somebody is named. Leaves with UNDELIVERED where that is not understood, or could not be kept."""
    from gateway.diagnosis import notices

    if not part.knows("server.state_dir", *(f"notify.{key}" for key in NOBODY)):
        click.echo("Nobody was told, for the settings are wrong: `motion-gateway doctor` says how.", err=True)
        click.get_current_context().exit(UNDELIVERED)
    if not notices.is_wanted(part.settings) and checkup.wanted_at(part.settings) is None:
        click.echo("Nobody is told: neither notify.command nor notify.url nor notify.ping_url is set.", err=True)
        return False
    return True


def _notified(settings: Settings, looked: Sequence[physician.Looked]) -> bool:
    """Tell whom the settings name; returns whether somebody could not be told."""
    from gateway.diagnosis import notices

    telling = notices.tell(settings, looked)
    failures = dict(telling.failures)
    if failure := notices.ping(settings, looked, failed=bool(failures)):
        failures["notify.ping_url"] = failure
    for name, notice in telling.notices.items():
        click.echo(f"{name} was told: {notice.subject}", err=True)
    for name, failure in failures.items():
        click.echo(f"{name} could not be told: {failure}; the next run tries again.", err=True)
    return bool(failures)


def _for_programs(
    looked: Sequence[physician.Looked], said: Sequence[Complaint], heard: experience.Heard | None
) -> dict[str, object]:
    level = physician.worst(said)
    checks = [
        {"id": each.check.id, "what": each.check.what, "level": each.level, "seconds": round(each.seconds, 3)}
        for each in looked
    ]
    complaints = [vars(complaint) for complaint in said]
    last = {f"last_from_{name}": at and written(at) for name, at in vars(heard or experience.Heard()).items()}
    return {"fine": physician.STATUSES[level] == 0, "level": level, "complaints": complaints, "checks": checks} | last


def _told(complaint: Complaint) -> Iterator[str]:
    """Write it on lines that a screen has room for; for a program the sentence is on one line, and so is the remedy."""
    yield f"{complaint.level:<{len(INDENT)}}{complaint.id}"
    for text in (complaint.sentence, f"do: {complaint.remedy}"):
        yield from _lines(text, indent=INDENT)


def _lines(text: str, *, indent: str = "") -> list[str]:
    return printable.wrapped(text, columns(most=WIDEST), head=indent)


def last(heard: experience.Heard | None, settings: Settings, *, now: float) -> str:
    """Say when Sinch and Motion came here last: all may be well, and nobody come."""

    def when(name: str, at: float | None) -> str:
        return f"from {name} {written(at)}, {printable.ago(now - at)}" if at else f"from {name}: nothing is kept"

    if heard is None:
        return "When Sinch was heard last is not known, for the spool cannot be asked."
    motion = when("Motion", heard.motion_at) if heard.motion_at or settings.server.has_outbound else ""
    came = "; last ".join(filter(None, (when("Sinch", heard.sinch_at), motion)))
    return f"Last accepted {came}. Too long ago? {PAGE}"


def way(settings: Settings) -> str:
    """Say how Motion's answers go to Sinch."""
    if settings.server.has_outbound:
        return "The private door is open: Motion's answers should come by it."
    return "The private door is closed: Motion sends its answers straight to Sinch."


def _summary(looked: Sequence[physician.Looked], said: Sequence[Complaint], *, seconds: float) -> str:
    checks = f"{printable.counted(len(looked), 'check')} in {seconds:.1f} s"
    counts = [sum(complaint.level == level for complaint in said) for level in reversed(Level)]
    told = [printable.counted(count, level) for count, level in zip(counts, reversed(Level), strict=True) if count]
    well = "" if physician.STATUSES[physician.worst(said)] else "All is well"
    return f"{'. '.join(filter(None, (well, ', '.join(told), checks)))}."


def _telling(tell: progress.Tell) -> Callable[[physician.Looked], None]:
    """Make what says how far it is, at the end of each check."""
    done = count(1)
    return lambda looked: tell(f"Looked at {looked.check.what}", next(done), len(physician.CHECKS))

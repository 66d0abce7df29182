"""Options and words that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sandbox.faults import MEANINGS, STAGES, Fault

STATE = click.option(
    "--state", "state_file", type=click.Path(path_type=Path), help="Which sandbox; the newest by default."
)
FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
FORGET = click.option("--forget", is_flag=True, help="Empty the record afterwards.")

_UP = "up"  # what a server is that has no fault
_AT, _STATUS = "For `reset` and `close`.", "For `status` and `redirect`."
_FAULT = (
    click.argument("name", metavar="NAME", type=click.Choice([_UP, *MEANINGS])),
    click.option("--at", type=click.Choice(list(STAGES)), default="accepted", show_default=True, help=_AT),
    click.option("--status", type=click.IntRange(200, 599), default=500, show_default=True, help=_STATUS),
    click.option("--retry-after", help="For `status`: sent as it is."),
    click.option("--seconds", type=click.FloatRange(0), default=1, show_default=True, help="For `slow` and `drip`."),
)


def failing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options above as one `fault`."""

    @functools.wraps(command)
    def run(*arguments: object, name: str, retry_after: str | None, **options: Any) -> None:  # noqa: ANN401 - click's
        how = {option: options.pop(option) for option in ("at", "status", "seconds")}
        headers = (("retry-after", retry_after),) if retry_after is not None else ()
        fault = Fault(name="none" if name == _UP else name, headers=headers, **how)
        command(*arguments, fault=fault, **options)

    rows = "\n".join(f"  {name:<11} {meaning}" for name, meaning in MEANINGS.items())
    run.__doc__ = f"{command.__doc__}\n\n\b\nNAME is one of\n{rows}"
    for option in reversed(_FAULT):
        run = option(run)
    return run


def tell(who: str, fault: Fault, *, since: str = "request") -> None:
    """Say how somebody behaves from now on."""
    where = f", {STAGES[fault.at]}" if fault.name in ("reset", "close") else ""
    click.echo(f"From the next {since} on, {who} {MEANINGS[fault.name]}{where}.")


def moment(at: float) -> str:
    """A time, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]

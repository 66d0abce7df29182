"""`audit list`: who did what, and when."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli import Invocation, for_programs, options, print_json, print_table
from gateway.cli.spool import nothing, opened_spool
from gateway.clock import written
from gateway.store import audit as deeds


@click.group()
def audit() -> None:
    """Who did what by a command, and when."""


@audit.command("list")
@click.option(
    "--action",
    type=click.Choice([str(action) for action in deeds.Action]),
    help="Only what was done by this command; look: at a body.",
)
@click.option(
    "--who",
    metavar="NAME",
    help="Only what was done by, or as, this account of the machine; or this user of the page; page means all of them.",
)
@options("since", "most", "json")
@click.pass_obj
def list_(invocation: Invocation, /, *, since: float | None, most: int, as_json: bool, **chosen: Any) -> None:  # noqa: ANN401 - of `listed`
    """Show what was done, the newest first: when, by whom behind sudo, as which account, and to what."""
    with opened_spool(invocation) as spool:
        found = deeds.listed(spool, since=since or 0.0, most=most, **chosen)
    if as_json:
        print_json([for_programs(deed, at=written(deed.at)) for deed in found])
        return
    titles = ("at", "who", "as", "action", "about")
    print_table(titles, [_row(deed) for deed in found], none=nothing("records", since=since, **chosen))


def _row(deed: deeds.Deed) -> tuple[str, ...]:
    other = f" (logged in as {deed.other_login})" if deed.other_login else ""
    return written(deed.at), deed.who + other, deed.account, deed.action, deed.about

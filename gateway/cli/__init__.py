"""The `motion-gateway` commands: each parses, calls and prints; none decides anything.

A command's module is loaded when it is run or asked for its own help: whoever asks for the list loads none of them,
and each process what it needs.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from gateway import __version__, build
from gateway.cli.invocation import DEFAULT_CONFIG as DEFAULT_CONFIG
from gateway.cli.invocation import Invocation as Invocation
from gateway.errors import BrokenOff, CommandError, GatewayError, is_anothers, told

Command = Callable[..., Any]  # what click's decorators take, and hand back

WRONG = 2  # the exit status for what the caller can put right
NOT_OURS = 77  # for what root must put right first, "no permission" in sysexits.h: a unit is not started again
BROKEN_OFF = 130  # that of Ctrl-C, as shells have it: 128 and the number of the signal
UNCUT = 10_000  # characters of a line; wider than any that there can be


class Later(click.Command):
    """A command by its name and its first sentence, in whose place `module` has the real one once it is run."""

    def __init__(self, name: str, module: str, sentence: str) -> None:
        super().__init__(name, help=sentence)
        self.module = module

    def loaded(self) -> click.Command:
        """Load the real one."""
        module = importlib.import_module(f"gateway.cli.{self.module}")
        found: click.Command = getattr(module, str(self.name).replace("-", "_"))
        return found

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 — whatever click hands on
    ) -> click.Context:
        return self.loaded().make_context(info_name, args, parent, **extra)


def _tell_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's way
    if asked:
        click.echo(f"motion-gateway, version {__version__} (build {build()})")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_tell_version, help="And build.")
@click.option(
    "--config",
    "path",
    envvar="MOTION_GATEWAY_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="The settings file; MOTION_GATEWAY_CONFIG names it too.",
)
@click.pass_context
def group(context: click.Context, path: Path) -> None:
    """Stands between Sinch's Conversation API and an XCALLY Motion server."""
    context.obj = Invocation(path.absolute(), as_owner=True)


for command in (
    Later("serve", "serving", "Run everything in the foreground: nginx, the doors, the courier and the fetcher."),
    Later("web", "serving", "Run one DOOR on its Unix socket, for nginx to pass requests to."),
    Later("courier", "serving", "Deliver accepted events to Motion until told to stop."),
    Later("fetcher", "serving", "Fetch the files that customers send in until told to stop."),
    Later("nginx", "serving", "The nginx configuration that the settings make."),
    Later("drain", "serving", "Have balancers leave this node alone, while it serves whoever comes."),
    Later("migrate", "spool", "Create the spool, or bring it to the schema of this release."),
    Later("spool", "spool", "The database that holds the accepted callbacks."),
    Later("events", "events", "The callbacks in the spool."),
    Later("sends", "sends", "The messages that Motion asked to send."),
    Later("inbound", "inbound", "The files that customers send in."),
    Later("audit", "audit", "Who did what by a command, and when."),
    Later("attachment", "inspection", "Files, and what becomes of them at WhatsApp."),
    Later("attachments", "attachments", "The attachments that were asked for, and their files in the vault."),
    Later("token", "token", "Minted links to attachments."),
    Later("users", "users", "Users of the operations page, who stand in the settings."),
    Later("config", "config", "Check the settings, and show what was understood."),
    Later("certs", "certs", "Certificates."),
    Later("nodes", "nodes", "The gateways that share a spool: of a file there is one."),
    Later("reasons", "reasons", "Say what each CODE means, who acts, what to do, and whether to try again."),
    Later(
        "trace",
        "trace",
        "Tell what happened to a message, a customer or a file: why it did not arrive, and what to do.",
    ),
    Later("webhook", "webhook", "The webhook of each account at Sinch, which sends callbacks here."),
    Later("ready", "diagnosis", "Say whether the gateway can do its work, and what is missing."),
    Later("doctor", "doctor", "Look at all that decides whether messages arrive; say what is wrong and what to do."),
    Later("turned-away", "diagnosis", "What was turned away and is no event."),
    Later("exposure", "diagnosis", "List every listener, method and path that can be reached, and by whom."),
):
    group.add_command(command)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, none: str = "") -> None:
    """Print rows under their titles, on a screen as wide as that is, for a program a line for each; or say `none`."""
    from rich.cells import cell_len

    from gateway import printable

    told = [[printable.text(cell) for cell in row] for row in rows]
    table = printable.table(titles, told, columns=columns(), measure=cell_len)
    click.echo("\n".join(table if told or not none else [none]))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print what is known of one thing: a line for each fact, on a screen as many as it takes there."""
    from gateway import printable

    told = [(title, printable.text(str(value))) for title, value in facts]
    click.echo("\n".join(printable.facts(told, columns=columns())))


def columns(*, most: int = UNCUT) -> int:
    """How wide a line may be: as a screen is, but for `most`, or as long as it is for a program."""
    from rich.console import Console

    return min(most, Console().width) if sys.stdout.isatty() else UNCUT


def for_programs(thing: Any, **changes: object) -> dict[str, object]:  # noqa: ANN401 - any of our dataclasses
    """What is known of a thing by the names of its fields: times written, a contact as people see it."""
    from gateway import printable
    from gateway.clock import written

    fields = dataclasses.asdict(thing) | changes
    if "identity" in fields:
        fields = {"contact": printable.whom(fields.pop("contact_id"), fields.pop("identity"))} | fields
    return {
        name: written(value) if name.endswith("_at") and value is not None else value for name, value in fields.items()
    }


def print_json(value: object) -> None:
    """Print for programs, in ASCII."""
    click.echo(json.dumps(value, indent=2))


def require_consent(to: str, *, left: str) -> None:
    """Ask whether `to` do it. Raises CommandError, with what is `left`, unless somebody is there who says yes."""
    if not sys.stdin.isatty():
        raise CommandError(f"nobody is there to be asked: say --yes to {to}; {left}")
    if not click.confirm(f"{to[:1].upper()}{to[1:]}?", err=True):
        raise CommandError(left)


class _Moment(click.ParamType[float]):
    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from gateway import clock

        try:
            return clock.parse(str(value).strip())
        except ValueError:
            self.fail(f'{value!r} is no time: write "2h" for two hours ago, or "2026-11-22 11:00"', param, ctx)


MOST = 10_000  # that a list shows at once
NUMBER = click.IntRange(0, 2**63 - 1)  # what the database can hold
_OPTIONS: dict[str, Callable[[Command], Command]] = {
    "connector": click.option(
        "--connector", "connector_id", metavar="NUMBER", type=NUMBER, help="Only those of this connector."
    ),
    "contact": click.option(
        "--contact", metavar="ID", help="Only those of this contact: its id, or the channel identity (the number)."
    ),
    "message": click.option(
        "--message", "message_id", metavar="ID", help="Only those about this message: Sinch's id of it."
    ),
    "since": click.option(
        "--since",
        type=_Moment(),
        help='Only what came later: "2h" (s, m, h, d) ago, or a date, with a time or without.',
    ),
    "most": click.option(
        "--most",
        metavar="NUMBER",
        type=click.IntRange(1, MOST),
        default=50,
        show_default=True,
        help="How many, newest first.",
    ),
    "json": click.option("--json", "as_json", is_flag=True, help="For programs."),
}


def options(*names: str) -> Callable[[Command], Command]:
    """Decorate a command with options that several have, each by its name."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = _OPTIONS[name](command)
        return command

    return decorate


def unfinished(left: str) -> Callable[[Command], Command]:
    """Decorate a command that changes something: where it is broken off, `left` says what there is left to do."""

    def decorate(work: Command) -> Command:
        @functools.wraps(work)
        def told(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever click hands on
            try:
                return work(*arguments, **named)
            except (click.Abort, KeyboardInterrupt) as error:
                raise BrokenOff(left) from error

        return told

    return decorate


def main() -> None:
    """Run the command that was typed; say what is wrong in words, and leave with the status that tells it."""
    try:
        status = group.main(prog_name="motion-gateway", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except BrokenOff as error:
        click.echo(f"Broken off. {error}", err=True)
        status = BROKEN_OFF
    except (GatewayError, OSError) as error:
        click.echo(told(error), err=True)
        status = NOT_OURS if is_anothers(error) else WRONG
    except (click.Abort, KeyboardInterrupt):
        click.echo("Broken off. Nothing was changed.", err=True)
        status = BROKEN_OFF
    sys.exit(status)

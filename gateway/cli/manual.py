"""Writes the page of the manual out of the commands' own help: `python -m gateway.cli.manual`, as `make install` does.

Source of its form: man(7) and man-pages(7).
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from gateway import __version__, cli

NAME = "motion-gateway"
ENDS = (
    ("0", "Done."),
    ("1", "What was looked at is not well, or not known: each command says so where it has this status."),
    (str(cli.WRONG), "Something that you can put right; what it is stands on standard error."),
    (str(cli.NOT_OURS), "What lies in the gateway's folder is not for this account, and only root can give it back."),
    (str(cli.BROKEN_OFF), "Broken off by Ctrl-C; what there is left to do stands on standard error."),
)
ENVIRONMENT = (
    ("MOTION_GATEWAY_CONFIG", "The settings file, where --config names none."),
    ("NO_COLOR", "Where it is set, nothing has colours."),
)
FILES = ((cli.DEFAULT_CONFIG, "The settings."),)


def commands(command: click.Command = cli.group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Go through every command that can be typed, by its words."""
    command = command.loaded() if isinstance(command, cli.Later) else command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))
    else:
        yield " ".join((NAME, *path)), command


def page() -> str:
    """Write the page as roff."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    about = (cli.group.help or "").rstrip(".")
    yield f'.TH MOTION-GATEWAY 1 "" "Motion Gateway {__version__}" "Motion Gateway"'
    yield from (".nh", ".ad l")  # no word is parted, so that each can be found and copied
    yield from (".SH NAME", f"{_text(NAME)} \\- {_text(about[:1].lower() + about[1:])}")
    yield from (".SH SYNOPSIS", f".B {_text(NAME)}", _text("[--config FILE] COMMAND [OPTIONS] [ARGUMENTS]"))
    yield from (".SH OPTIONS", *_options(cli.group), ".SH COMMANDS")
    for words, command in sorted(commands(), key=lambda each: each[0]):
        yield from _command(words, command)
    for title, rows in (("EXIT STATUS", ENDS), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)):
        yield f".SH {title}"
        for name, says in rows:
            yield from _row(name, says)


def _command(words: str, command: click.Command) -> Iterator[str]:
    given = [word for word in command.collect_usage_pieces(_context(command)) if word != "[OPTIONS]"]
    yield f".SS {_text(' '.join([*words.split()[1:], *given]))}"
    for place, paragraph in enumerate((command.help or "").split("\n\n")):
        yield from ((".PP",) if place else ())
        yield _text(" ".join(paragraph.split()))
    yield from _options(command)


def _options(command: click.Command) -> Iterator[str]:
    context = _context(command)
    for parameter in command.params:
        told = parameter.get_help_record(context)
        if told and isinstance(parameter, click.Option):  # what an argument is, the command's own words say
            yield from _row(*told)


def _row(name: str, says: str) -> Iterator[str]:
    yield from (".TP", f".B {_text(name)}", _text(says))


def _context(command: click.Command) -> click.Context:
    return click.Context(command, info_name=NAME, **cli.group.context_settings)


def _text(words: str) -> str:
    """Write words as roff that says nothing else: no character of them is a command or an escape."""
    written = words.replace("\\", "\\e").replace("-", "\\-").replace("|", "|\\:")  # a line may break behind it
    return f"\\&{written}" if written.startswith((".", "'")) else written


if __name__ == "__main__":
    click.echo(page(), nl=False)

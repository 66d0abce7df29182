"""The lists of docs/operations.md that are made, of commands and of complaints: `make commands` writes them there."""

from __future__ import annotations

import re
from pathlib import Path

import click

from gateway.cli.manual import commands
from gateway.diagnosis import complaint

PAGE = Path(__file__).parent.parent / "docs" / "operations.md"
BEGIN, END = "<!-- made by `make commands` -->\n", "<!-- end of what is made -->\n"
OF_LISTS = ("--connector", "--contact", "--message", "--since", "--most")


def table() -> str:
    """The list in Markdown, by the commands' own words."""
    rows = (f"| `{_typed(words, command)}` | {_told(command)} | {_options(command)} |" for words, command in commands())
    return "\n".join(("| command | what it does | options |", "|---|---|---|", *sorted(rows), ""))


def complaints() -> str:
    """What doctor can complain of, in Markdown, in the words of `rules/complaints.toml`."""
    rows = (
        f"| `{row.id}` | {row.level} | {_cell(row.says)} | {_cell(row.remedy)} |" for row in complaint.rows().values()
    )
    return "\n".join(("| complaint | level | what it says | what to do |", "|---|---|---|---|", *rows, ""))


def written(page: str) -> str:
    """The page with the lists in their places."""
    first, second, third = re.split(f"(?<={BEGIN}).*?(?={END})", page, flags=re.DOTALL)
    return first + table() + second + complaints() + third


def _typed(words: str, command: click.Command) -> str:
    context = click.Context(command, help_option_names=[])
    given = [argument.make_metavar(context) for argument in _parameters(command, click.Argument)]
    return _cell(" ".join([words, *given]))


def _told(command: click.Command) -> str:
    return _cell(command.help or "")


def _options(command: click.Command) -> str:
    listing = {option.opts[0] for option in _parameters(command, click.Option)} >= {"--since", "--most"}
    told = [
        f"`{option.opts[0]}`: {_cell(str(getattr(option, 'help', '')))}"
        for option in _parameters(command, click.Option)
        if not (listing and option.opts[0] in OF_LISTS)
    ]
    mine = [f"`{option.opts[0]}`" for option in _parameters(command, click.Option) if option.opts[0] in OF_LISTS]
    return " ".join([*told, *([f"{', '.join(mine)}: as [all lists](#lists)."] if listing else [])])


def _parameters(command: click.Command, kind: type[click.Parameter]) -> list[click.Parameter]:
    return [parameter for parameter in command.params if isinstance(parameter, kind)]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")

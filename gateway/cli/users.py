"""`users hash`: what the settings hold of a password."""

from __future__ import annotations

import sys

import click

from gateway.config import secrets
from gateway.errors import CommandError

SHORTEST, LONGEST = 12, 1024  # characters


@click.group()
def users() -> None:
    """Users of the operations page, who stand in the settings."""


@users.command("hash")
def hash_() -> None:
    """Make of a password the hash that a [[user]] of the settings needs.

    On a terminal it asks twice, and shows nothing of it; else it reads one line of standard input. The hash alone goes
    to standard output.
    """
    if sys.stdin.isatty():
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True))
    else:
        password = sys.stdin.buffer.readline().decode(errors="surrogateescape").removesuffix("\n")
    if not SHORTEST <= len(password) <= LONGEST or not password.isprintable():
        raise CommandError(f"a password has {SHORTEST} to {LONGEST} characters, and no control characters among them")
    click.echo(secrets.hashed(password))
    if sys.stdin.isatty():
        click.echo(_NEXT, err=True)


_NEXT = """
Write it into the settings, and reload the gateway:

    [[user]]
    name = "anna"
    role = "operator"     # or "support", who can look and change nothing
    password_hash = "the line above\""""

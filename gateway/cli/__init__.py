"""The `motion-gateway` commands: each parses, calls and prints; none decides anything."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gateway import __version__
from gateway.cli.attachment import attachment
from gateway.cli.attachments import attachments
from gateway.cli.certs import certs
from gateway.cli.config import config as config_commands
from gateway.cli.events import events
from gateway.cli.exposure import exposure
from gateway.cli.invocation import DEFAULT_CONFIG, Invocation
from gateway.cli.nginx import nginx
from gateway.cli.sends import sends
from gateway.cli.serving import courier, migrate, serve, web
from gateway.cli.spool import spool
from gateway.cli.token import token
from gateway.errors import GatewayError

WRONG = 2  # the exit status for what the caller can put right


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="motion-gateway")
@click.option(
    "--config",
    "path",
    envvar="MOTION_GATEWAY_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The settings file; MOTION_GATEWAY_CONFIG names it too.",
)
@click.pass_context
def group(context: click.Context, path: Path) -> None:
    """Stands between Sinch's Conversation API and an XCALLY Motion server."""
    context.obj = Invocation(path.absolute())


for command in (
    serve,
    web,
    courier,
    migrate,
    config_commands,
    nginx,
    certs,
    exposure,
    events,
    sends,
    spool,
    attachment,
    attachments,
    token,
):
    group.add_command(command)


def main() -> None:
    """Run the command that was typed; say what is wrong in words and leave with status 2."""
    try:
        group.main(prog_name="motion-gateway", standalone_mode=True)
    except GatewayError as error:
        click.echo(str(error), err=True)
        sys.exit(WRONG)

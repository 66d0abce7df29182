"""`certs self-signed`."""

from __future__ import annotations

import datetime

import click

from gateway import certs as maker
from gateway.cli.invocation import Invocation


@click.group()
def certs() -> None:
    """Certificates."""


@certs.command("self-signed")
@click.pass_obj
def self_signed(invocation: Invocation) -> None:
    """Make a certificate for the public host name, where the settings look for one.

    Sinch does not trust it: it is for trying things out, and for the time until the real one is there.
    """
    server = invocation.settings().server
    pair = maker.self_signed([server.public_host], now=datetime.datetime.now(datetime.UTC))
    maker.store(pair, certificate=server.certificate, private_key=server.private_key)
    click.echo(f"Wrote {server.certificate} and {server.private_key}, for {server.public_host}.")

"""`certs check | self-signed | private-ca`."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from cryptography import x509

from gateway import certs as certificates
from gateway import printable
from gateway.certs import Checked, Target, findings, inventory, private_ca
from gateway.cli import Invocation, options, print_json, unfinished


@click.group()
def certs() -> None:
    """Certificates."""


@certs.command()
@options("json")
@click.option("--outbound", is_flag=True, help="The one that the private door shows to Motion, instead.")
@click.pass_obj
def check(invocation: Invocation, *, as_json: bool, outbound: bool) -> None:
    """Judge the certificate of the public address, its chain and its key.

    The exit status is 0 if all is fine, 1 if there are warnings, 2 if there are errors.
    """
    server = invocation.settings().server
    target = (inventory.private if outbound else inventory.public)(server, now=datetime.datetime.now(datetime.UTC))
    rows = certificates.check(target)
    print_json(_for_programs(target, rows)) if as_json else click.echo(_as_text(rows))
    click.get_current_context().exit(findings.exit_status(row.finding for row in rows))


@certs.command("self-signed")
@click.pass_obj
@unfinished("One of the two files may be there, and is not replaced: remove it, and run this again.")
def self_signed(invocation: Invocation) -> None:
    """Make a certificate for the public host name, where the settings look for one.

    Sinch does not trust it: it is for trying things out, and for the time until the real one is there.
    """
    server = invocation.settings().server
    pair = certificates.self_signed([server.public_host], now=datetime.datetime.now(datetime.UTC))
    certificates.store(pair, certificate=server.certificate, private_key=server.private_key)
    click.echo(f"Wrote {server.certificate} and {server.private_key}, for {server.public_host}.")


@certs.command("private-ca")
@click.option(
    "--dir",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the CA is, or shall be.",
)
@click.option("--renew", is_flag=True, help="Exchange the certificate that is there; its key and names stay.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@unfinished("A part of the files may be there: look into the folder, and run this again.")
def sign(folder: Path, names: tuple[str, ...], renew: bool) -> None:  # noqa: FBT001 - as above
    """Make one certificate for all NAMEs (host names and IP addresses), signed by a CA of your own.

    The CA is made first if DIR holds none. It can sign for the NAMEs of that first time and for nothing else, so
    say them all at once. It is never replaced.
    """
    issued = private_ca.issue(folder.absolute(), names, now=datetime.datetime.now(datetime.UTC), renew=renew)
    click.echo(_made(folder.absolute(), issued))


def _for_programs(target: Target, rows: Sequence[Checked]) -> dict[str, object]:
    return {
        "host": target.host,
        "certificate": str(target.certificate),
        "private_key": str(target.private_key),
        "checks": [{"check": row.check, **dataclasses.asdict(row.finding)} for row in rows],
    }


def _as_text(rows: Sequence[Checked]) -> str:
    lines = []
    for row in rows:
        lines.append(f"{row.finding.level:<9}{row.check:<13}{row.finding.sentence}")
        if row.finding.id:
            lines.append(f"{'':<22}{row.finding.id}: {row.finding.hint}")
    counts = Counter(row.finding.level for row in rows)
    told = [printable.counted(counts["error"], "error"), printable.counted(counts["warning"], "warning")]
    told += [printable.counted(counts["note"], "note")] if counts["note"] else []
    return "\n".join([*lines, f"{', '.join(told)}."])


def _made(folder: Path, issued: private_ca.Issued) -> str:
    ca, key = private_ca.certificate_path(folder), private_ca.key_path(folder)
    made = [f"Made a CA that can sign for these names and no others, until {_day(issued.authority)}."]
    uses = {
        ca: "to Motion's host, named by NODE_EXTRA_CA_CERTS in Motion's environment; then restart Motion",
        issued.leaf.certificate: "to the gateway: the certificate of the private door",
        issued.leaf.private_key: "to the gateway: its key, for the gateway's account alone",
        key: "stays where it is, or better on no server at all; needed to renew",
    }
    return "\n".join(
        [
            *(made if issued.made_authority else []),
            f"Made a certificate for {', '.join(issued.names)}, until {_day(issued.certificate)}.",
            *(f"  {path}\n      {use}" for path, use in uses.items()),
        ]
    )


def _day(certificate: x509.Certificate) -> str:
    return f"{certificate.not_valid_after_utc:%Y-%m-%d}"

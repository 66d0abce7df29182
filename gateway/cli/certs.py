"""`certs check | acme | self-signed | private-ca`."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cryptography import x509

from gateway import certs as certificates
from gateway import printable, telemetry
from gateway.certs import Checked, Target, findings, inventory, judging, placing, private_ca
from gateway.cli import WRONG, Invocation, options, print_json, unfinished
from gateway.delivery import trouble
from gateway.errors import CommandError
from gateway.phrases import Finding, Line

if TYPE_CHECKING:
    from gateway.certs.renewal import Renewed

_NO_AUTHORITY = """acme.directory is "off", so that no authority is asked for certificates.
  do: write into the settings
    [acme]
    directory = "letsencrypt"
    terms_agreed = true
  and run this again; docs/certificates.md, From an authority by itself, goes through it."""


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


@certs.command()
@click.option("--force", is_flag=True, help="Have a new one now, whenever it is due.")
@click.option("--scheduled", is_flag=True, help="As its timer does: where none is wanted this is fine; it logs.")
@click.pass_obj
@unfinished("The pair before is in place, or the new one: `motion-gateway certs check` tells. Run this again.")
def acme(invocation: Invocation, *, force: bool, scheduled: bool) -> None:
    """Have the certificate of the public address made, or renewed, by the authority of acme.directory.

    It does nothing while the one that is there has more than a third of its life left; a timer runs it. The gateway
    must run: its own port 80 answers the authority. nginx takes up what is new by itself, and no request is lost. The
    pair before stays where anything goes wrong, and doctor tells of it.
    """
    from gateway.certs.renewal import Plan, Renewal, Renewed  # not above: it loads much

    settings = invocation.settings()
    if scheduled:
        telemetry.configure("acme")
    if not settings.acme.is_wanted:
        if scheduled:
            return
        raise CommandError(_NO_AUTHORITY)
    try:
        done = Renewal(settings, tell=(lambda _: None) if scheduled else click.echo).run(force=force)
    except CommandError as error:
        if not scheduled:
            raise
        _log_failure(error)
        click.get_current_context().exit(WRONG)
    if scheduled:
        if isinstance(done, Renewed):
            until = f"{done.certificate.not_valid_after_utc:%Y-%m-%d}"
            telemetry.note(Line.RENEWED, setting=placing.SETTING, until=until)
    elif isinstance(done, Plan):
        click.echo(f"Nothing to do: it is due to be renewed on {done.at:%Y-%m-%d %H:%M} UTC. --force renews it now.")
    else:
        click.echo(_renewed(placing.places(settings), done))


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


def _log_failure(error: CommandError) -> None:
    said = getattr(error, "says", error.reason)
    remedy = trouble.REMEDIES[Finding.RENEWAL_FAILS]
    telemetry.find(Finding.RENEWAL_FAILS, setting=placing.SETTING, reason=said, remedy=remedy)


def _renewed(there: placing.Places, done: Renewed) -> str:
    names = ", ".join(str(name.value) for name in judging.alternatives(done.certificate))
    lines = [
        f"Put the certificate for {names}, until {_day(done.certificate)}, in place: {there.certificate}",
        "nginx shows it."
        if done.shown
        else "nginx does not show it yet: `motion-gateway doctor` says what is so; a reload takes it up.",
        f"The next one is due on {done.next_at:%Y-%m-%d}.",
    ]
    return "\n".join(lines)


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

"""`token mint | open | revoke`."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import click
from pydantic_core import PydanticCustomError

from gateway import telemetry
from gateway.attachments import content_disposition, tokens
from gateway.attachments.tokens import Grant, Purpose
from gateway.cli import Invocation, options, print_facts, print_json, unfinished
from gateway.cli.attachments import opened_shelf
from gateway.cli.inspection import scanned
from gateway.clock import WallClock, written
from gateway.config import Settings, fields
from gateway.errors import CommandError, NotFound, Unavailable
from gateway.inspection import verdicts
from gateway.inspection.rulebook import VerdictKind
from gateway.motion import NUMBER
from gateway.store import audit

NO_ID = "an attachment of Motion's is named by 1 to 12 digits, the first no 0"
NOT_TAKEN = "The store has not taken FILE, so that the link opens it only while Motion has the same bytes"
_IN_A_LINK = re.compile(r"(?:.*/media/)?([^/]*).*", re.DOTALL)


@click.group()
def token() -> None:
    """Minted links to attachments."""


@token.command()
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--attachment", "attachment_id", required=True, help="Its id at Motion.")
@click.option("--name", help="The name to save it under; that of FILE if left out.")
@click.option("--ttl", help='How long the link lives, such as "2h"; attachments.token_ttl if left out.')
@click.pass_obj
@unfinished("No link was printed, so that nobody has one: run this again.")
def mint(invocation: Invocation, path: Path, attachment_id: str, *, name: str | None, ttl: str | None) -> None:
    """Print a link to an attachment whose bytes are those of FILE. Whoever has the link has the file."""
    settings = invocation.settings()
    if not re.fullmatch(NUMBER, attachment_id):
        raise CommandError(f"{NO_ID}; nothing was minted")
    verdict = _verdict(path, settings)
    issued_at = int(WallClock().now())
    grant = Grant(
        attachment_id=attachment_id,
        digest=_digest(path),
        kind=verdict.kind,
        mime=verdict.mime,
        name=content_disposition.safe_name(name or path.name, verdict.extension, kept=verdict.kept).utf8,
        purpose=Purpose.OPERATOR,
        issued_at=issued_at,
        expires_at=issued_at + _seconds(ttl, settings),
    )
    minted = tokens.mint(grant, keys=_keys(settings))
    telemetry.configure("token")
    until = written(grant.expires_at)
    deed = audit.deed(audit.Action.MINT, f"attachment {attachment_id}: a link until {until}", now=issued_at)
    _hold(grant, settings, deed, path)
    audit.tell(deed, attachment_id=attachment_id, until=until)
    click.echo(f"{settings.server.public_origin}{tokens.path(minted, grant.name)}")


@token.command("open")
@click.argument("given", metavar="[TOKEN]", required=False)
@options("json")
@click.pass_obj
def open_(invocation: Invocation, given: str | None, *, as_json: bool) -> None:
    """Say what a token, or the link around it, allows.

    Without TOKEN it is read from standard input: what stands in a command, others on this machine may see.
    """
    settings = invocation.settings()
    spelled = _IN_A_LINK.fullmatch((given if given is not None else sys.stdin.readline()).strip())
    try:
        grant = tokens.open(spelled[1] if spelled else "", keys=_keys(settings), now=WallClock().now())
    except NotFound as error:
        raise CommandError("this opens nothing: its time is over, its key was removed, or it was never ours") from error
    facts = {
        "attachment": grant.attachment_id,
        "name": grant.name,
        "type": grant.mime,
        "verdict": grant.kind or "judged at each fetch",
        "SHA-256": grant.digest.hex(),
        "purpose": grant.purpose,
        "minted": written(grant.issued_at),
        "lives until": written(grant.expires_at),
    }
    if as_json:
        print_json({name.lower().replace("-", "").replace(" ", "_"): value for name, value in facts.items()})
    else:
        print_facts(facts.items())


@token.command()
@click.argument("attachment_id", metavar="ATTACHMENT_ID")
@click.pass_obj
@unfinished("Run this again: revoking twice does no harm.")
def revoke(invocation: Invocation, attachment_id: str) -> None:
    """End all links to an attachment that there are, whoever made them. New ones can be minted afterwards."""
    telemetry.configure("token")
    deed = audit.deed(audit.Action.REVOKE, f"attachment {attachment_id}: all its links", now=WallClock().now())
    with opened_shelf(invocation.settings()) as shelf:
        try:
            before = shelf.revoke(attachment_id, deed)
        except NotFound as error:
            raise CommandError(f"{NO_ID}; nothing was revoked") from error
    audit.tell(deed, attachment_id=attachment_id, before=written(before))
    click.echo(f"All links to attachment {attachment_id} are revoked.")


def _hold(grant: Grant, settings: Settings, deed: audit.Deed, path: Path) -> None:
    """Let the bytes stay as they are for as long as the link lives."""
    with opened_shelf(settings) as shelf:
        known = shelf.known(grant.attachment_id)
        revoked = known.revoked_before if known else None
        if revoked is not None and grant.issued_at < revoked:
            raise CommandError("its links were revoked this very second, or the clock went back; try again later")
        try:
            is_shared = shelf.hold(
                grant.attachment_id, digest=grant.digest, until=grant.expires_at, deed=deed, file=path
            )
        except NotFound as error:
            raise CommandError(
                "links live to other bytes of this attachment than those of FILE: they must end first, or be revoked"
            ) from error
    if not is_shared:
        click.echo(f"{NOT_TAKEN}: doctor says why; then mint it again.", err=True)


def _keys(settings: Settings) -> tuple[str, ...]:
    keys = tuple(key.get_secret_value() for key in settings.attachments.token_keys)
    if not keys:
        raise CommandError("there is no key: set attachments.token_keys")
    return keys


def _verdict(path: Path, settings: Settings) -> verdicts.Verdict:
    limits = verdicts.limits_of(settings)
    try:
        verdict = verdicts.judge(scanned(path, settings), profile=settings.attachments.profile, limits=limits)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except Unavailable as error:
        raise CommandError(f"{error.reason}; nothing was minted") from error
    if verdict.kind is VerdictKind.REFUSED:
        raise CommandError(f"{verdict.code}: {verdict.reason} {verdict.remedy}")
    return verdict


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _seconds(ttl: str | None, settings: Settings) -> int:
    if ttl is None:
        return settings.attachments.token_ttl
    try:
        return fields.duration()(ttl)
    except PydanticCustomError as error:
        raise CommandError('--ttl takes a whole number and one of s, m, h, d, such as "2h"') from error

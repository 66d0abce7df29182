"""`webhook show | sync | rotate`: the webhook of each account at Sinch, looked at and put right."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from gateway import config, telemetry
from gateway.cli import Command, Invocation, options, print_facts, print_json, require_consent, unfinished
from gateway.cli.spool import opened_spool
from gateway.clock import written
from gateway.config import Account
from gateway.config.fields import write_duration
from gateway.diagnosis import upkeep
from gateway.diagnosis.upkeep import RELOAD, Seen, Upkeep
from gateway.errors import CommandError
from gateway.sinch.management import Management
from gateway.sinch.webhooks import Held, Step

WRONG_AT_SINCH = 1  # the exit status
_LEFT = f"{upkeep.LEFT[:1].upper()}{upkeep.LEFT[1:]}."
_CONNECTOR = click.option("--connector", "connector_id", type=int, help="That account alone.")
_YES = click.option("--yes", is_flag=True, help="Ask nothing.")


def _at_sinch(work: Callable[..., object]) -> Command:
    """Give a command who works at Sinch, and close the way there at its end."""

    @functools.wraps(work)
    def run(invocation: Invocation, **chosen: Any) -> None:  # noqa: ANN401 - whatever click hands on
        telemetry.configure("webhook")
        settings = invocation.settings()
        with closing(Management(settings.sinch)) as management:
            work(invocation, Upkeep(config=invocation.config, settings=settings, management=management), **chosen)

    return click.pass_obj(run)


@click.group()
def webhook() -> None:
    """The webhook of each account at Sinch, which sends callbacks here."""


@webhook.command()
@_CONNECTOR
@options("json")
@_at_sinch
def show(_: Invocation, keeper: Upkeep, *, connector_id: int | None, as_json: bool) -> None:
    """Show the webhooks at Sinch, and what is wrong with them.

    Those of each account's app: Sinch is asked with account.key_id and account.key_secret. The exit status is 1 if
    something is wrong.
    """
    seen = [keeper.see(account) for account in _accounts(keeper, connector_id)]
    if as_json:
        print_json([_for_programs(each) for each in seen])
    for each in () if as_json else seen:
        for one in each.found:
            print_facts(each.facts(one))
            click.echo()
        _tell_end(each)
    _leave(seen)


@webhook.command()
@_CONNECTOR
@_YES
@click.option("--secret", "renew", is_flag=True, help="Give the secret anew if Sinch does not show which one it has.")
@options("json")
@unfinished(_LEFT)
@_at_sinch
def sync(
    invocation: Invocation, keeper: Upkeep, *, connector_id: int | None, yes: bool, renew: bool, as_json: bool
) -> None:
    """Put the webhooks at Sinch right, and ask first.

    That of each account's app: target, type, secret, triggers, and one alone. It says what it would do. Ours is made
    or changed before one too many is deleted, so no callback is lost; webhooks that lead to somebody else stay. With
    --json and without --yes nothing is changed. The exit status is 1 if something is still wrong.
    """
    seen, told = [], []
    for account in _accounts(keeper, connector_id):
        each = keeper.see(account)
        steps = each.plan(renew=renew)
        does = bool(steps) and (yes if as_json else _agreed(each, steps, yes=yes))
        after = _carried_out(invocation, keeper, each, steps) if does else each
        seen.append(after)
        told.append(_for_programs(after) | {"steps": [each.words(step) for step in steps], "done": does})
        if not as_json:
            _tell_end(after)
    if as_json:
        print_json(told)
    _leave(seen)


@webhook.command()
@_CONNECTOR
@_YES
@unfinished(_LEFT)
@_at_sinch
def rotate(invocation: Invocation, keeper: Upkeep, *, connector_id: int | None, yes: bool) -> None:
    """Lead through a change of the webhook secret.

    It is changed in an order in which no callback is refused. Run it again and again: it says what is done and what
    comes next, and gives Sinch the new secret once the gateway knows it.
    """
    account, *others = _accounts(keeper, connector_id)
    if others:
        raise CommandError(f"say with --connector of which account; the settings have {_known(keeper)}")
    if not account.webhook_secrets:
        raise CommandError(f"connector {account.connector_id} has no webhook secret to change: account.unsigned")
    seen = keeper.see(account)
    if seen.held not in (Held.FIRST, Held.OLDER, Held.UNTOLD):
        raise CommandError(
            "the webhook has none of account.webhook_secrets: put that right first, with "
            f"`motion-gateway webhook sync --connector {account.connector_id}`"
        )
    written_down = len(account.webhook_secrets) > 1
    known = written_down and not keeper.is_stale(account)
    if known and seen.held is not Held.FIRST:
        steps = seen.plan(renew=True)
        _agreed(seen, steps, yes=yes)
        seen = _carried_out(invocation, keeper, seen, steps)
    click.echo(f"{_title(seen)}: another webhook secret.")
    for line in _guide(invocation, keeper, account, done=3 if known else int(written_down)):
        click.echo(line)


def _guide(invocation: Invocation, keeper: Upkeep, account: Account, *, done: int) -> Iterator[str]:
    """Write the steps of a rotation, of which so many are done, with what to type for the next."""
    again = f"motion-gateway webhook rotate --connector {account.connector_id}"
    kept = write_duration(keeper.settings.ingress.signature_max_age)
    steps: tuple[tuple[str, list[str]], ...] = (
        (
            "A new secret stands in front of the old one in account.webhook_secrets.",
            _renewal(config.secrets_file(keeper.config, account)),
        ),
        ("The gateway has taken it up and believes both.", [RELOAD, again]),
        ("Sinch signs with the new one.", [again]),
        ('Motion has it too, as "SINCH webhook token"; what it refuses before waits here.', []),
        (f"The old one goes from the settings, {kept} after step 3{_since(invocation, account, done)}.", [RELOAD]),
    )
    for number, (words, commands) in enumerate(steps):
        mark = "done" if number < done else "next" if number == done else ""
        yield f"  {mark:<6}{number + 1}. {words}"
        if number == done or number >= 3 <= done:
            yield from (f"           {command}" for command in commands)


def _renewal(path: Path | None) -> list[str]:
    """Write what puts a new secret in front of the old one."""
    if path is None:
        return ["openssl rand -base64 33 | tr '+/' '-_'     writes one; put it first in webhook_secrets", RELOAD]
    return [
        f"""sudo sh -c '{{ openssl rand -base64 33 | tr "+/" "-_"; cat {path}; }} > {path}.new'""",
        f"sudo chown --reference={path} {path}.new && sudo chmod 600 {path}.new",
        f"sudo mv {path}.new {path} && {RELOAD}",
    ]


def _since(invocation: Invocation, account: Account, done: int) -> str:
    """Say when Sinch was given the new secret, where it was and that is known."""
    if done < 3:
        return ""
    with opened_spool(invocation) as spool:
        at = upkeep.given_at(spool, account)
    return "" if at is None else f" ({written(at)})"


def _accounts(keeper: Upkeep, connector_id: int | None) -> list[Account]:
    """Choose one account, or all that have a key. Raises CommandError."""
    every = keeper.settings.accounts
    if connector_id is not None:
        chosen = [account for account in every if account.connector_id == connector_id]
        if not chosen:
            raise CommandError(f"there is no account of connector {connector_id}; the settings have {_known(keeper)}")
        return chosen
    keyed = [account for account in every if account.key_secret]
    for account in every if keyed else ():
        if account not in keyed:
            click.echo(f"{account.name}, connector id {account.connector_id}: left out, it has no key.", err=True)
    return keyed or [*every[:1]]


def _known(keeper: Upkeep) -> str:
    known = [str(account.connector_id) for account in keeper.settings.accounts]
    return f"connector {' and '.join(known)}"


def _carried_out(invocation: Invocation, keeper: Upkeep, seen: Seen, steps: Sequence[Step]) -> Seen:
    with opened_spool(invocation) as spool:
        return keeper.carry_out(seen, steps, spool)


def _agreed(seen: Seen, steps: Sequence[Step], *, yes: bool) -> bool:
    """Say what would be done, and have somebody say yes. Raises CommandError where nobody does."""
    click.echo(f"{_title(seen)}:")
    for step in steps:
        click.echo(f"  {seen.words(step)}")
    if not yes:
        require_consent("do this at Sinch", left="nothing was changed")
    return True


def _title(seen: Seen) -> str:
    return f"{seen.account.name}, connector id {seen.account.connector_id}, app {seen.account.app_id}"


def _tell_end(seen: Seen) -> None:
    """Say whether all is right, and what is not."""
    if seen.fine:
        click.echo(f"{_title(seen)}: the webhook is as it should be.")
    for complaint in seen.complaints:
        click.echo(f"{complaint.level}: {complaint.sentence}")
        click.echo(f"  do: {complaint.remedy}")


def _leave(seen: Sequence[Seen]) -> None:
    click.get_current_context().exit(0 if all(each.fine for each in seen) else WRONG_AT_SINCH)


def _for_programs(seen: Seen) -> dict[str, object]:
    found = [
        {
            "id": one.webhook_id,
            "leads": seen.want.aim(one),
            "target": one.shown,
            "target_type": one.target_type,
            "secret": seen.want.held(one),
            "oauth": one.oauth,
            "triggers": sorted(one.triggers),
        }
        for one in seen.found
    ]
    complaints = [vars(complaint) for complaint in seen.complaints]
    known = {"connector_id": seen.account.connector_id, "app_id": seen.account.app_id, "fine": seen.fine}
    return known | {"webhooks": found, "complaints": complaints}

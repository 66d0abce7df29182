"""`config check` and `config show`: what was understood, and what to type at Sinch and into Motion."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from gateway import printable, rules
from gateway.cli import WRONG, Invocation, options, print_json
from gateway.config import OF_SETTINGS, kinds, masked, refused, rendered
from gateway.config.listeners import SINCH_NAMES
from gateway.config.tables import Account, ServerSettings, Settings
from gateway.errors import SettingsError
from gateway.sinch import TOKEN_PATH, receive_urls

OF_BOTH = "The settings and this machine have"  # so many problems: what is named here may be lacking there
BASE_URLS = {"eu": "EU Production", "us": "US Production"}


@click.group()
def config() -> None:
    """Check the settings, and show what was understood."""


@config.command()
@click.option(
    "--settings", "alone", is_flag=True, help="The settings alone, as every process proves them at its start."
)
@click.option(
    "--nginx", "edge", is_flag=True, help="The settings, and what nginx has against them, as its reload asks."
)
@options("json")
@click.pass_obj
def check(invocation: Invocation, *, alone: bool, edge: bool, as_json: bool) -> None:
    """Say whether the gateway could start with these settings on this machine, and all that is in the way.

    It looks at state_dir, certificates, nginx and the ports, and changes none of them.
    """
    try:
        settings, warnings = _checked(invocation, alone=alone, edge=edge)
    except SettingsError as error:
        if not as_json:
            raise
        print_json({"fine": False, "problems": [*error.problems], "warnings": []})
        click.get_current_context().exit(WRONG)
    if as_json:
        print_json({"fine": True, "problems": [], "warnings": warnings})
        return
    accounts, count = printable.counted(len(settings.accounts), "account"), printable.counted(len(warnings), "warning")
    click.echo(f"The settings are fine: {accounts}, public at {settings.server.public_origin}, {count}.")
    for warning in warnings:
        click.echo(f"  warning: {warning}")


@config.command()
@click.option("--reveal", is_flag=True, help="Show the token of each Receive URL, and phone numbers.")
@click.option("--letters", is_flag=True, help="The two letters to Sinch's account manager instead, filled in.")
@options("json")
@click.pass_obj
def show(invocation: Invocation, *, reveal: bool, letters: bool, as_json: bool) -> None:
    """Show all settings, and per account what to type at Sinch and into Motion.

    Secrets and phone numbers are masked.
    """
    settings = invocation.settings()
    if letters:
        written = [letter for account in settings.accounts for letter in _letters(account, reveal=reveal)]
        print_json(written) if as_json else click.echo("\n\n".join(map(_letter, written)))
        return
    if as_json:
        urls = {
            account.connector_id: receive_urls.ours(settings.server, account, reveal=reveal)
            for account in settings.accounts
        }
        print_json({"settings": masked(settings), "receive_urls": urls})
        return
    click.echo(rendered(settings))
    for account in settings.accounts:
        click.echo(_forms(settings, account, reveal=reveal))


def _letters(account: Account, *, reveal: bool) -> Iterator[dict[str, object]]:
    """Fill in the letters to Sinch's account manager."""
    known = {"app_id": account.app_id, "project_id": account.project_id, "region": account.region.upper()}
    phone = account.phone if reveal and account.phone else f"{kinds.ending(account.phone)} (--reveal writes it out)"
    facts = known | {"phone": phone if account.phone else "(account.phone is not set: write it here)"}
    for row in rules.read("letters.toml")["letter"]:
        filled = {part: row[part].format(**facts) for part in ("subject", "text")}
        yield (
            {"account": account.name, "connector_id": account.connector_id, "letter": row["name"]}
            | filled
            | {"when": row["when"]}
        )


def _letter(letter: dict[str, object]) -> str:
    about = f"{letter['account']}, connector id {letter['connector_id']}. {letter['when']}"
    return "\n".join((*textwrap.wrap(about, 78), "", f"Subject: {letter['subject']}", "", str(letter["text"]).rstrip()))


def _checked(invocation: Invocation, *, alone: bool, edge: bool) -> tuple[Settings, list[str]]:
    """Hand back the settings and all warnings. Raises SettingsError with all that is wrong, with them and then here."""
    if alone:
        settings = invocation.settings()
        return settings, [*settings.warnings]
    from gateway.diagnosis import provision

    if edge:
        settings = invocation.settings()
        if problems := [*provision.reload(settings)]:
            raise refused(problems, whose=OF_BOTH)
        return settings, [*settings.warnings]
    part = invocation.part()
    here, warnings = provision.look(part)
    if part.problems or here:
        raise refused((*part.problems, *here), whose=OF_BOTH if here else OF_SETTINGS)
    return part.settings, [*part.warnings, *warnings]


def _forms(settings: Settings, account: Account, *, reveal: bool) -> str:
    at_sinch = {
        "Target type": "HTTP",
        "Target URL": receive_urls.ours(settings.server, account, reveal=reveal),
        "Secret token": _secret_token(account),
        "Triggers": "all",
        "Processing mode (of the app)": "Conversation; no other lets Motion answer",
    }
    in_motion = {
        "Proxy or Motion Domain": settings.server.public_authority,
        "": "with or without https:// in front, just as Motion prefills this field",
        "Type": "Sinch V2",
        "Base URL": BASE_URLS[account.region],
        "SINCH Project ID": account.project_id,
        "SINCH App ID": account.app_id,
        "SINCH Key ID, Key Secret": _key(settings, account),
        "SINCH webhook token": _secret_token(account),
        "Phone": _phone(account, reveal=reveal),
    }
    return "\n".join(
        [
            f"{account.name}, connector id {account.connector_id}",
            *_form("At Sinch, Conversation API → Apps → Webhooks:", at_sinch),
            *_form("In Motion, WhatsApp Accounts:", in_motion),
            *_ways(settings.server, account),
            "",
        ]
    )


def _ways(server: ServerSettings, account: Account) -> list[str]:
    """How Motion's calls to Sinch come to the gateway: by an address of ours, or by Sinch's names."""
    if not server.has_outbound:
        return []
    by_address = {
        "Base URL": f"{server.outbound_origin}/{account.region}",
        "Access tokens": server.outbound_origin + TOKEN_PATH,
    }
    address = server.outbound_address.strip("[]")
    by_name = {
        "Base URL": f"{BASE_URLS[account.region]}, as above",
        "In /etc/hosts": f"{address} {SINCH_NAMES[account.region]} {SINCH_NAMES['auth']}",
    }
    return [
        *_form("On Motion's host, for calls to Sinch where Motion takes an address for them:", by_address),
        *(_form("Or there, where it knows Sinch's names alone:", by_name) if server.sinch_names else []),
    ]


def _key(settings: Settings, account: Account) -> str:
    if settings.server.has_outbound and settings.outbound.vault_credentials:
        return f"{account.key_id or 'any'}, and as the secret that of outbound.gateway_key"
    return account.key_id or "from Settings → Access Keys at Sinch"


def _form(title: str, lines: dict[str, str]) -> list[str]:
    return [f"  {title}", *(f"    {label:<30}{value}" for label, value in lines.items())]


def _phone(account: Account, *, reveal: bool) -> str:
    if reveal and account.phone:
        return account.phone
    return f"as registered at Sinch, with its prefix {kinds.ending(account.phone)}".rstrip()


def _secret_token(account: Account) -> str:
    return "leave empty" if account.unsigned == "allow" else "the first of webhook_secrets, at both ends"

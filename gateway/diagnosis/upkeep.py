"""Sees the webhooks of an account at Sinch, puts them right, and says in words what it sees and does.

Rule 1. Each step is recorded before it is done (`store.audit`): what cannot be recorded is not done.
Rule 2. Sinch is given no secret that the gateway, as it runs, may not know: it would refuse what is signed with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import config
from gateway.clock import WallClock
from gateway.config import Account, Settings
from gateway.diagnosis import sinch_checks
from gateway.diagnosis.complaint import Complaint, Level
from gateway.errors import CommandError
from gateway.serving import process
from gateway.sinch import SinchError, receive_urls, webhooks
from gateway.sinch.management import Management, Objection
from gateway.sinch.webhooks import Aim, Doing, Held, Step, Wanted, Webhook
from gateway.store import audit
from gateway.store.engines import Database

RELOAD = "sudo systemctl reload motion-gateway.target"
LEFT = "some of it may be done: `motion-gateway webhook show` tells; run this again to go on"
LEADS = {
    Aim.OURS: "here",
    Aim.ASTRAY: "here, by a wrong URL",
    Aim.MOTION: "straight to Motion",
    Aim.ELSEWHERE: "to a Receive URL elsewhere",
    Aim.FOREIGN: "to somebody else, and stays as it is",
}
SECRETS = {
    Held.FIRST: "the first of webhook_secrets",
    Held.OLDER: "another one of webhook_secrets",
    Held.OTHER: "none of webhook_secrets",
    Held.NONE: "none at all",
    Held.UNTOLD: "one that Sinch does not show",
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The webhooks of one account's app, as they are and as they are wanted."""

    account: Account
    want: Wanted
    found: tuple[Webhook, ...]

    @property
    def complaints(self) -> list[Complaint]:
        return [*sinch_checks.of_webhooks(self.account, self.found, self.want)]

    @property
    def fine(self) -> bool:
        """Whether nothing has to be done."""
        return all(complaint.level is Level.NOTE for complaint in self.complaints)

    @property
    def held(self) -> Held | None:
        """Which secret the webhook has that is kept; None where there is none."""
        ranked = webhooks.ranked(self.found, self.want)
        return self.want.held(ranked[0][1]) if ranked else None

    def plan(self, *, renew: bool) -> list[Step]:
        """List what puts it right; see `webhooks.plan`."""
        return [*webhooks.plan(self.found, self.want, renew=renew)]

    def words(self, step: Step) -> str:
        """Say what a step does, without what is secret."""
        if step.webhook is None:
            return f"make a webhook to {receive_urls.shown(self.want.target)}, of type HTTP, with all triggers"
        if step.do is Doing.DELETE:
            return f"delete {step.webhook.webhook_id}, which leads to {step.webhook.shown}"
        return f"change {step.webhook.webhook_id}: {'; '.join(self._changes(step, step.webhook))}"

    def facts(self, webhook: Webhook) -> Iterator[tuple[str, str]]:
        """Say what is known of one of them."""
        missing = [trigger for trigger in webhooks.TRIGGERS if trigger not in webhook.triggers]
        count = f"{len(webhooks.TRIGGERS) - len(missing)} of {len(webhooks.TRIGGERS)}"
        yield "webhook", webhook.webhook_id
        yield "leads", LEADS[self.want.aim(webhook)]
        yield "target", webhook.shown
        yield "type", webhook.target_type
        yield "secret", SECRETS[self.want.held(webhook)]
        yield "OAuth2", "yes" if webhook.oauth else "no"
        yield "triggers", count

    def _changes(self, step: Step, before: Webhook) -> Iterator[str]:
        added = [trigger for trigger in webhooks.TRIGGERS if trigger not in before.triggers]
        told = {
            "target": f"target {receive_urls.shown(self.want.target)} instead of {before.shown}",
            "target_type": f"type HTTP instead of {before.target_type or 'none'}",
            "secret": f"as its secret the first of webhook_secrets, instead of {SECRETS[self.want.held(before)]}",
            "client_credentials": "without OAuth2",
            "triggers": f"with {', '.join(added)} too",
        }
        return (told[name] for name in step.fields)


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """Who sees and does it. `config`: the file of the settings."""

    config: Path
    settings: Settings
    management: Management

    def see(self, account: Account) -> Seen:
        """Ask Sinch. Raises CommandError, which says why it does not tell."""
        try:
            found = self.management.webhooks(account)
        except (SinchError, Objection) as error:
            told = sinch_checks.of_failure(self.management, account, error)
            raise CommandError(f"{told.sentence} {told.remedy}") from error
        return Seen(account=account, want=webhooks.wanted(self.settings, account), found=found)

    def carry_out(self, seen: Seen, steps: Sequence[Step], spool: Database) -> Seen:
        """Do it step by step, and look again. Raises CommandError, SpoolUnavailable."""
        if any("secret" in step.fields for step in steps) and self.is_stale(seen.account):
            raise CommandError(
                "the gateway runs with settings from before their last change, and may not know the secret that Sinch "
                f"would sign with: reload it first, `{RELOAD}`; nothing was changed"
            )
        for step in steps:
            self._carry_out(seen, step, spool)
        return self.see(seen.account)

    def _carry_out(self, seen: Seen, step: Step, spool: Database) -> None:
        done = [str(step.do), step.webhook.webhook_id if step.webhook else "webhook", *sorted(step.fields)]
        about = f"{_about(seen.account)} {' '.join(done)}"
        deed = audit.deed(audit.Action.SYNC, about, now=WallClock().now())
        audit.keep(spool, deed)
        try:
            self.management.carry_out(seen.account, step)
        except (SinchError, Objection) as error:
            raise CommandError(f"could not {seen.words(step)}: {_why(error)}; {LEFT}") from error
        audit.tell(deed, about=about)

    def is_stale(self, account: Account) -> bool:
        """Tell whether callbacks are proved with settings from before their last change."""
        since = process.taken_up_at(self.settings, "ingress")
        files = filter(None, (self.config, config.secrets_file(self.config, account)))
        return since is not None and any(path.stat().st_mtime > since for path in files)


def given_at(spool: Database, account: Account) -> float | None:
    """Say when Sinch was given a secret for the account from here, in epoch seconds; None where nobody knows."""
    done = audit.listed(spool, action=audit.Action.SYNC, most=1000)
    ours = (deed for deed in done if deed.about.startswith(f"{_about(account)} "))
    return next((deed.at for deed in ours if "secret" in deed.about.split()), None)


def _about(account: Account) -> str:
    return f"connector {account.connector_id}:"


def _why(error: SinchError | Objection) -> str:
    if isinstance(error, SinchError):
        return error.words
    return f"Sinch answers {error.answered}: {error.reason}" if error.reason else f"Sinch answers {error.answered}"

"""What contradicts itself within one account, and what two accounts may not share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from gateway.config import problems
from gateway.config.drafting import Draft
from gateway.config.problems import Problem
from gateway.config.tables import Account

AccountCheck: TypeAlias = Callable[[Account], Iterator[Problem]]


@dataclass(frozen=True)
class AccountRule:
    """A check on one account, and the keys of it that it relies on; its problems name such keys."""

    needs: tuple[str, ...]
    check: AccountCheck


def contradictions(draft: Draft) -> tuple[Problem, ...]:
    """What is wrong within the accounts, and then between them."""
    return (*_within(draft), *(problem for key in UNIQUE for problem in _shared(draft, key)))


def proof_of_origin(account: Account) -> Iterator[Problem]:
    if account.unsigned == "refuse" and not account.webhook_secrets:
        yield Problem(
            "webhook_secrets",
            'must not be empty while unsigned is "refuse": nothing could be verified',
            "write the secret of the webhook at Sinch",
        )
    if account.unsigned == "allow" and account.webhook_secrets:
        yield Problem(
            "unsigned",
            "must not allow unsigned callbacks while there are webhook secrets",
            'write "refuse", or remove webhook_secrets',
            '"allow"',
        )


def proof_of_unsigned(account: Account) -> Iterator[Problem]:
    if account.unsigned == "allow" and not account.receive_token:
        yield Problem(
            "unsigned",
            "must not allow unsigned callbacks without a receive token",
            "write receive_token: the token inside Motion's Receive URL",
            '"allow"',
        )


def key_pair(account: Account) -> Iterator[Problem]:
    if account.key_id and not account.key_secret:
        yield Problem("key_id", "stands without a key secret", "write key_secret_file too, or neither")
    if account.key_secret and not account.key_id:
        yield Problem("key_secret", "stands without a key id", "write key_id too, or neither")


ACCOUNT_RULES = (
    AccountRule(("unsigned", "webhook_secrets"), proof_of_origin),
    AccountRule(("unsigned", "receive_token"), proof_of_unsigned),
    AccountRule(("key_id", "key_secret"), key_pair),
)

# What may stand in one account only, and how the values of a key are compared.
UNIQUE: Mapping[str, Callable[[Account], set[Hashable]]] = {
    "connector_id": lambda account: {account.connector_id},
    "app_id": lambda account: {account.app_id},
    "phone": lambda account: {account.phone.removeprefix("+")} if account.phone else set(),
    "webhook_secrets": lambda account: {secret.get_secret_value() for secret in account.webhook_secrets},
}


def _within(draft: Draft) -> Iterator[Problem]:
    for index, account in enumerate(draft.settings.accounts):
        where = f"account[{index}]"
        for rule in ACCOUNT_RULES:
            if draft.knows(*(f"{where}.{key}" for key in rule.needs)):
                yield from (replace(problem, key=f"{where}.{problem.key}") for problem in rule.check(account))


def _shared(draft: Draft, key: str) -> Iterator[Problem]:
    """A problem for each account that repeats what an earlier one has under `key`."""
    owners: dict[Hashable, int] = {}
    for index, account in enumerate(draft.settings.accounts):
        if not draft.knows(f"account[{index}].{key}"):
            continue
        values = UNIQUE[key](account)
        repeated = {owners[value] for value in values if value in owners}
        yield from (_repeated(account, index, key, owner) for owner in sorted(repeated))
        owners |= {value: index for value in values if value not in owners}


def _repeated(account: Account, index: int, key: str, owner: int) -> Problem:
    return Problem(
        f"account[{index}].{key}",
        f"is that of account[{owner}] as well",
        "give each account its own",
        problems.shown(key, getattr(account, key)),
    )

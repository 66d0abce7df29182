"""What doctor sees around the spool: one secret in two places, and a public name that is none."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from gateway.config import validation
from gateway.diagnosis import surroundings
from gateway.diagnosis.complaint import Context
from tests.clamd_samples import played
from tests.config_samples import account, document
from tests.page_samples import ANNA, BOB
from tests.s3_samples import S3

SECRET = "a secret of some length"


def context(**tables: Any) -> Context:
    return Context(validation.validate(document(**tables), {}), 0.0)


def test_one_secret_in_two_places_is_told_and_not_shown() -> None:
    keys = {"proxy_token": SECRET, "token_keys": [SECRET, *(f"an older key of some length {n}" for n in range(3))]}
    found = list(surroundings.secrets(context(attachments=keys)))
    assert [each.id for each in found] == ["secrets.reused", "secrets.many_token_keys"]
    assert SECRET not in repr(found)


def test_the_accounts_of_a_project_share_their_key() -> None:
    key = {"key_id": "key-1", "key_secret": SECRET}
    other = account(connector_id=8, app_id="app-2", webhook_secrets=["another secret of some length"], **key)
    assert list(surroundings.secrets(context(account=[account(**key), other]))) == []


def test_the_users_of_the_page_are_looked_at_too() -> None:
    assert list(surroundings.secrets(context(user=[ANNA, BOB]))) == []
    found = list(surroundings.secrets(context(user=[ANNA], attachments={"proxy_token": ANNA["password_hash"]})))
    assert [each.id for each in found] == ["secrets.reused"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("192.168.7.7", ["names.public_private"]), ("9.9.9.9", []), ("gateway.test", []), ("localhost", [])],
)
def test_a_public_name_that_is_not_public_is_told(host: str, expected: list[str]) -> None:
    found = surroundings.public_name(context(server={"public_url": f"https://{host}"}))
    assert [each.id for each in found] == expected


@pytest.mark.parametrize(
    ("url", "mends"), [("http://127.0.0.1:1", "See whether Motion runs"), ("http://motion.invalid", "Check the host")]
)
def test_who_cannot_reach_motion_is_told_what_mends_that_very_trouble(url: str, mends: str) -> None:
    [told] = surroundings.motion(context(motion={"url": url}))
    assert (told.id, mends in told.remedy, f"`curl -v {url}`" in told.remedy) == ("motion.unreachable", True, True)


def test_nothing_is_said_of_what_is_not_understood() -> None:
    broken = context(server={"state_dir": "nowhere"}, account=[account(webhook_secrets=["x\ny"])])
    assert broken.part.problems
    assert [*surroundings.secrets(broken), *surroundings.nginx(broken)] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"store_key_secret": "another secret key, as long"}, ["our keys are refused"]),
        ({"store": "s3://nobodys-files"}, ["no such bucket"]),
        ({"store_url": "http://127.0.0.1:1"}, ["connection refused"]),
        ({"store_url": "http://store.invalid"}, ["host name unknown"]),
    ],
    ids=["well", "another key", "no bucket", "away", "no host"],
)
def test_the_store_behind_the_vault_is_given_an_object_and_let_go_of_it(
    s3: S3, change: dict[str, str], said: list[str]
) -> None:
    found = [*surroundings.store(context(attachments={"proxy_token": "t" * 16} | s3.settings(**change)))]
    assert [each.id for each in found] == ["store.trouble"] * len(said)
    assert all(reason in each.sentence for reason, each in zip(said, found, strict=True))
    assert s3.names() == []


@pytest.mark.parametrize(
    ("said", "away", "told"),
    [
        (b"ClamAV 1.4.6/27460/Thu Nov 26 2026\0", "hold", ""),
        (b"220 mail.example.com\0", "hold", "virus scanner failed. Files that it has never seen wait"),
        (b"", "let", "virus scanner cannot be reached. Files that it has never seen go without it"),
    ],
)
def test_the_virus_scanner_is_asked_what_it_is(said: bytes, away: str, told: str) -> None:
    with closing(played(said)) as clamd:
        table = {"scan": f"tcp:127.0.0.1:{clamd.port}", "scan_away": away}
        found = [*surroundings.virus_scanner(context(inbound=table))]
    seen = [(each.id, told in each.sentence, bool(each.remedy)) for each in found]
    assert seen == ([("scanner.away", True, True)] if told else [])
    assert [*surroundings.virus_scanner(context())] == []

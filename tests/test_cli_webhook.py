"""`webhook show | sync | rotate`, as they are typed, against a simulated Sinch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import group
from sandbox import faults
from sandbox.callbacks import APP
from sandbox.conversation.account import KEY
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.plants import FOREIGN, OTHER_SECRET, TABLE, Field
from tests.config_samples import ABSENT, account
from tests.sinch_samples import KEYED, OURS, SECRET, TARGET, origins
from tests.spool_samples import of_settings

NEW = "the next webhook secret of them"
MENDED_ELSEWHERE = {  # at Sinch's console, or in the settings: no webhook is to blame
    *("wrong-key", "foreign-key", "wrong-project", "wrong-region", "no-app", "dispatch", "no-channel", "inactive"),
    *("pending", "full"),
}


pytestmark = pytest.mark.usefixtures("field")
Run = Callable[..., Result]


@pytest.fixture
def run(api: ConversationApi, settings_file: Callable[..., Path]) -> Iterator[Run]:
    def typed(*arguments: str, **changes: Any) -> Result:
        ours = account(**OURS | KEYED | {"webhook_secrets": [SECRET]} | changes)
        path = settings_file(account=[ours], sinch=origins(api))
        result = CliRunner(env={"SUDO_USER": "ana"}).invoke(group, ["--config", str(path), *arguments])
        for secret in (SECRET, NEW, OTHER_SECRET, KEY.key_secret):
            assert secret not in result.output
        return result

    with of_settings(settings_file()):
        yield typed


def webhooks(api: ConversationApi) -> list[dict[str, Any]]:
    return [one.resource() for one in api.webhooks.of(APP.app_id)]


def test_show_tells_of_the_webhook_and_that_it_is_right(run: Run) -> None:
    shown = run("webhook", "show")
    assert (shown.exit_code, shown.output.splitlines()[1:]) == (
        0,
        [
            "leads     here",
            f"target    {TARGET}",
            "type      HTTP",
            "secret    the first of webhook_secrets",
            "OAuth2    no",
            "triggers  19 of 19",
            "",
            f"Support, connector id 7, app {APP.app_id}: the webhook is as it should be.",
        ],
    )
    [told] = json.loads(run("webhook", "show", "--json").stdout)
    assert (told["fine"], told["complaints"], told["webhooks"][0]["secret"]) == (True, [], "first")


def test_sync_puts_every_wrong_state_right_and_finds_nothing_more_to_do(
    api: ConversationApi, field: Field, run: Run
) -> None:
    for name in set(TABLE) - MENDED_ELSEWHERE:
        field.plant(name)
        others = [one for one in webhooks(api) if one["target"] == FOREIGN]
        first, again = (run("webhook", "sync", "--yes", "--secret", "--json") for _ in range(2))
        [did], [left] = (json.loads(result.stdout) for result in (first, again))
        assert (first.exit_code, again.exit_code, did["fine"], left["fine"]) == (0, 0, True, True), name
        assert did["done"] is (name not in ("fine", "foreign")), (name, did)
        assert left["done"] is (name == "masked-secret"), (name, left)
        [ours] = [one for one in webhooks(api) if one not in others]
        assert (ours["target"], ours["target_type"], ours["secret"]) == (TARGET, "HTTP", SECRET), name
        assert (ours["client_credentials"], "MESSAGE_INBOUND" in ours["triggers"]) == (None, True), name
    api.assert_nothing_unexpected()


def test_sync_says_what_it_would_do_and_does_nothing_unless_somebody_agrees(
    api: ConversationApi, field: Field, run: Run
) -> None:
    field.plant("also-at-motion")
    before = webhooks(api)
    asked = run("webhook", "sync")
    assert (asked.exit_code, "nobody is there to be asked" in str(asked.exception)) == (1, True)
    assert f"delete {before[1]['id']}, which leads to https://motion.internal/" in asked.output
    [planned] = json.loads(run("webhook", "sync", "--json").stdout)
    assert (len(planned["steps"]), planned["done"], webhooks(api)) == (1, False, before)


def test_each_step_is_recorded_with_who_did_it_and_without_what_is_secret(field: Field, run: Run) -> None:
    field.plant("other-secret")
    run("webhook", "sync", "--yes")
    [deed] = json.loads(run("audit", "list", "--json").stdout)
    assert (deed["who"], deed["action"], deed["about"].split()[:3]) == ("ana", "sync", ["connector", "7:", "change"])
    assert deed["about"].endswith(" secret")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wrong-key", "Sinch does not take the key of connector 7 (status 401)"),
        ("wrong-region", 'Write account.region = "us"'),
        ("no-app", "Correct account.app_id"),
        ("full", "an app has at most 5 webhooks"),
    ],
)
def test_what_no_webhook_is_to_blame_for_is_told_in_doctors_words(field: Field, run: Run, name: str, said: str) -> None:
    field.plant(name)
    result = run("webhook", "sync", "--yes")
    assert (result.exit_code, said in str(result.exception)) == (1, True)


def test_what_sinch_did_not_answer_may_be_done_and_is_told_so(api: ConversationApi, field: Field, run: Run) -> None:
    field.plant("no-messages")
    api.eu.script(faults.NONE, faults.reset())
    result = run("webhook", "sync", "--yes")
    assert "some of it may be done: `motion-gateway webhook show` tells" in str(result.exception)


def test_an_account_without_a_key_is_told_which_settings_give_it_one(run: Run) -> None:
    result = run("webhook", "show", key_id="", key_secret=ABSENT)
    assert "account.key_id and account.key_secret_file" in str(result.exception)
    assert "the settings have connector 7" in str(run("webhook", "show", "--connector", "8").exception)


def test_a_secret_is_replaced_step_by_step_and_sinch_is_given_the_new_one_last(
    api: ConversationApi, tmp_path: Path, run: Run
) -> None:
    file = tmp_path / "secrets"
    file.write_text(SECRET)
    file.chmod(0o600)

    def rotate() -> list[str]:
        result = run(
            "webhook", "rotate", "--connector", "7", "--yes", webhook_secrets=ABSENT, webhook_secrets_file=str(file)
        )
        assert result.exit_code == 0, result.output
        return [
            line[2:10]
            for line in result.output.splitlines()
            if line[:3] == "  n" or line[8:10] in ("1.", "2.", "3.", "4.", "5.")
        ]

    assert rotate()[0] == "next  1."
    assert webhooks(api)[0]["secret"] == SECRET
    file.write_text(f"{NEW}\n{SECRET}\n")
    assert rotate() == ["done  1.", "done  2.", "done  3.", "next  4.", "      5."]
    assert webhooks(api)[0]["secret"] == NEW
    assert rotate() == ["done  1.", "done  2.", "done  3.", "next  4.", "      5."]


def test_a_webhook_that_has_none_of_our_secrets_is_put_right_before_another_is_taken(field: Field, run: Run) -> None:
    field.plant("other-secret")
    assert "webhook sync --connector 7" in str(run("webhook", "rotate", "--connector", "7").exception)


def test_an_account_without_a_secret_has_none_to_change(run: Run) -> None:
    unsigned = {"webhook_secrets": ABSENT, "unsigned": "allow", "receive_token": "a token of many letters"}
    assert "no webhook secret to change" in str(run("webhook", "rotate", **unsigned).exception)

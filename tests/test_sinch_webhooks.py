"""What the webhook of an account must be, what is wrong with those there are, and what puts that right."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.sinch import receive_urls, webhooks
from gateway.sinch.webhooks import MESSAGES, REPORTS, TRIGGERS, Aim, Doing, Held, Step, Wanted, Webhook
from tests import config_samples
from tests.together import together

HERE = "https://gateway.example.com/api/whatsapp/accounts/7/notify"
AT_MOTION = "https://motion.internal/api/whatsapp/accounts/7/notify"
NEW, OLD = "the new secret of the tests", "the old secret of the tests"
WANT = Wanted(target=HERE, secrets=(NEW, OLD), motion="motion.internal")


def hook(target: str = HERE, **changes: object) -> Webhook:
    right = {"webhook_id": "01A", "target_type": "HTTP", "secret": NEW, "triggers": frozenset(TRIGGERS)}
    return Webhook(target=target, **(right | changes))  # type: ignore[arg-type]


@together(
    ("target", "aim"),
    [
        (HERE, Aim.OURS),
        (HERE.replace("gateway.example.com", "Gateway.EXAMPLE.com:443"), Aim.OURS),
        (HERE.replace("https", "http"), Aim.ASTRAY),
        (HERE.replace("/7/", "/8/"), Aim.ASTRAY),
        (HERE.replace(".com", ".com:8443"), Aim.ASTRAY),
        (f"{HERE}?token=x", Aim.ASTRAY),
        (f"{HERE}/", Aim.ASTRAY),
        (AT_MOTION, Aim.MOTION),
        ("https://motion.internal:8443/", Aim.MOTION),
        (HERE.replace("gateway", "gatewya"), Aim.ELSEWHERE),
        ("https://gateway.example.com.evil.test/api/whatsapp/accounts/7/notify", Aim.ELSEWHERE),
        ("https://crm.example.com/sinch", Aim.FOREIGN),
        ("grpc://gateway.example.com", Aim.FOREIGN),
        ("https://[::1", Aim.FOREIGN),
        ("https://gateway.example.com:0x1bb/", Aim.FOREIGN),
        ("", Aim.FOREIGN),
    ],
)
def test_where_a_webhook_leads(target: str, aim: Aim) -> None:
    assert WANT.aim(hook(target)) is aim


@pytest.mark.parametrize(
    ("secret", "held"),
    [(NEW, Held.FIRST), (OLD, Held.OLDER), (NEW + "x", Held.OTHER), ("", Held.NONE), ("****", Held.UNTOLD)],
)
def test_which_secret_a_webhook_has(secret: str, held: Held) -> None:
    assert WANT.held(hook(secret=secret)) is held


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (HERE.replace("https", "http"), "http instead of https"),
        (HERE.replace(".com", ".com:8443"), "port 8443 instead of 443"),
        (HERE.replace("/7/", "/8/"), "connector id 8 instead of 7"),
        (f"{HERE[:-1]}", "another path"),
        (f"{HERE}?token=x", "another token, or none"),
    ],
)
def test_what_is_wrong_with_a_url_of_our_own_host(target: str, said: str) -> None:
    assert WANT.astray(hook(target)) == said


WRONG = {
    "nothing at all": ([], ["webhook_missing"]),
    "one that is right": ([hook()], []),
    "somebody else's alone": ([hook("https://crm.example.com/x")], ["webhook_missing"]),
    "somebody else's beside it": ([hook("https://crm.example.com/x"), hook()], []),
    "astray": ([hook(f"{HERE}x")], ["webhook_astray"]),
    "at Motion": ([hook(AT_MOTION)], ["webhook_at_motion"]),
    "at Motion too": ([hook(AT_MOTION), hook()], ["webhook_past_us"]),
    "elsewhere": ([hook(HERE.replace("gateway", "other"))], ["webhook_elsewhere"]),
    "two of ours": ([hook(), hook(f"{HERE}x")], ["webhook_twice"]),
    "DISMISS": ([hook(target_type="DISMISS")], ["webhook_type"]),
    "unsigned": ([hook(secret="")], ["webhook_unsigned"]),
    "another secret": ([hook(secret="other")], ["webhook_secret"]),
    "the old secret": ([hook(secret=OLD)], ["webhook_secret_old"]),
    "a masked secret": ([hook(secret="***")], ["webhook_secret_untold"]),
    "OAuth2": ([hook(oauth=True)], ["webhook_oauth"]),
    "no messages": ([hook(triggers=frozenset(TRIGGERS) - {MESSAGES})], ["trigger_messages"]),
    "no reports": ([hook(triggers=frozenset(TRIGGERS) - {REPORTS})], ["trigger_reports"]),
    "few": ([hook(triggers=frozenset({MESSAGES, REPORTS}))], ["triggers"]),
    "none": ([hook(triggers=frozenset())], ["trigger_messages", "trigger_reports", "triggers"]),
    "more than we know": ([hook(triggers=frozenset({*TRIGGERS, "A_NEW_ONE"}))], []),
}


@together(("found", "ids"), WRONG.values(), ids=WRONG)
def test_each_wrong_state_has_its_name(found: list[Webhook], ids: list[str]) -> None:
    assert [wrong.id.removeprefix("sinch.") for wrong in webhooks.wrongs(found, WANT)] == ids


def done(found: list[Webhook], steps: list[Step]) -> list[Webhook]:
    """What Sinch has after these steps."""
    kept = {one.webhook_id: one for one in found}
    for step in steps:
        fields = dict(step.fields)
        if "client_credentials" in fields:
            fields["oauth"] = bool(fields.pop("client_credentials"))
        if "triggers" in fields:
            fields["triggers"] = frozenset(fields["triggers"])  # type: ignore[call-overload]
        if step.webhook is None:
            kept["new"] = hook(webhook_id="new", **{"secret": "", **fields})  # type: ignore[arg-type]
        elif step.do is Doing.DELETE:
            del kept[step.webhook.webhook_id]
        else:
            kept[step.webhook.webhook_id] = dataclasses.replace(step.webhook, **fields)  # type: ignore[arg-type]
    return [*kept.values()]


HOOKS = some.builds(
    hook,
    some.sampled_from(
        [HERE, f"{HERE}x", AT_MOTION, "https://other.test/api/whatsapp/accounts/7/notify", "https://x.test/"]
    ),
    target_type=some.sampled_from(["HTTP", "DISMISS", "GRPC", ""]),
    secret=some.sampled_from([NEW, OLD, "other", "", "***"]),
    triggers=some.frozensets(some.sampled_from([*TRIGGERS, "A_NEW_ONE"])),
    oauth=some.booleans(),
)


@given(found=some.lists(HOOKS, max_size=5), renew=some.booleans())
def test_a_plan_puts_everything_right_and_nobody_elses_hand_is_touched(found: list[Webhook], *, renew: bool) -> None:
    found = [dataclasses.replace(one, webhook_id=str(number)) for number, one in enumerate(found)]
    after = done(found, list(webhooks.plan(found, WANT, renew=renew)))
    assert {wrong.id for wrong in webhooks.wrongs(after, WANT)} <= {"sinch.webhook_secret_untold"}
    assert sum(WANT.aim(one) is Aim.OURS for one in after) == 1
    assert [one for one in found if WANT.aim(one) is Aim.FOREIGN] == [
        one for one in after if WANT.aim(one) is Aim.FOREIGN
    ]
    again = list(webhooks.plan(after, WANT))
    assert again == []


def test_ours_is_right_before_one_too_many_goes() -> None:
    steps = list(webhooks.plan([hook(AT_MOTION, webhook_id="a"), hook(f"{HERE}x", webhook_id="b")], WANT))
    assert [(step.do, step.webhook and step.webhook.webhook_id) for step in steps] == [("change", "b"), ("delete", "a")]


def test_a_secret_that_is_not_shown_is_given_anew_on_demand_alone() -> None:
    assert list(webhooks.plan([hook(secret="***")], WANT)) == []
    [step] = webhooks.plan([hook(secret="***")], WANT, renew=True)
    assert step.fields == {"secret": NEW}


def test_an_account_without_secrets_leaves_that_of_the_webhook_alone() -> None:
    account = config_samples.account(webhook_secrets=[], unsigned="allow", receive_token="a token of many letters")
    settings = config_samples.settings(account=[account])
    want = webhooks.wanted(settings, settings.accounts[0])
    assert want.target.endswith("/accounts/7/notify?token=a%20token%20of%20many%20letters")
    assert list(webhooks.wrongs([hook(want.target, secret="theirs")], want)) == []
    assert list(webhooks.plan([hook(want.target, secret="theirs")], want)) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"{HERE}?token=a-secret", f"{HERE}?***"),
        ("https://user:a-secret@host.test/x", "https://host.test/x"),
        ("https://[::1", "(no URL)"),
    ],
)
def test_what_may_be_secret_in_a_url_is_not_shown(url: str, shown: str) -> None:
    assert receive_urls.shown(url) == shown
    assert "a-secret" not in repr(hook(url)) + repr(WANT)
    assert NEW not in repr(hook()) + repr(list(webhooks.plan([], WANT))) + repr(WANT)

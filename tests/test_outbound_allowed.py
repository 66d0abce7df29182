"""What may be called at Sinch: rows, one spelling, and the accounts of the settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Account
from gateway.outbound import allowed
from gateway.outbound.allowed import App, Call
from gateway.outbound.refusals import Refused
from gateway.sinch import Effect
from tests import config_samples
from tests.together import together

PROJECT, OTHER_PROJECT = "project-1", "project-2"
FIRST = {"connector_id": 1, "name": "One", "region": "eu", "project_id": PROJECT, "app_id": "app-1"}
SECOND = FIRST | {"connector_id": 2, "name": "Two", "app_id": "app-2"}
AMERICAN = FIRST | {"connector_id": 3, "name": "Three", "app_id": "app-3", "region": "us", "project_id": OTHER_PROJECT}


def accounts(*rows: dict[str, object]) -> tuple[Account, ...]:
    signed = [row | {"webhook_secrets": [f"a secret of account {row['connector_id']}"]} for row in rows]
    return config_samples.settings(account=signed).accounts


ACCOUNTS = accounts(FIRST, SECOND, AMERICAN)


def prove(method: str, target: str, *, management: bool = False) -> Call:
    return allowed.prove(method, target, accounts=ACCOUNTS, management=management)


def refusal(method: str, target: str, *, management: bool = False) -> str:
    with pytest.raises(Refused) as caught:
        prove(method, target, management=management)
    return caught.value.code


def target(path: str, *, region: str = "eu", project: str = PROJECT) -> str:
    return f"/{region}/v1/projects/{project}/{path}"


def example(path: str) -> str:
    return path.replace("<app_id>", "app-1").replace("<", "x-").replace(">", "-9")


@together("row", [row for row in allowed.OPERATIONS if not row.management], ids=lambda row: row.name)
def test_a_call_of_the_table_passes_with_its_target_untouched(row: allowed.Operation) -> None:
    path = example(row.path) + "?page_size=3&view=WITH%20METADATA"
    call = prove(row.method, target(path))
    assert (call.operation, call.region, call.project_id) == (row, "eu", PROJECT)
    assert call.target == f"/v1/projects/{PROJECT}/{path}"
    assert [account.connector_id for account in call.accounts] == [1, 2]


@pytest.mark.parametrize("row", [row for row in allowed.OPERATIONS if row.management], ids=lambda row: row.name)
def test_apps_and_webhooks_pass_only_where_management_is_allowed(row: allowed.Operation) -> None:
    assert refusal(row.method, target(example(row.path))) == "MANAGEMENT_NOT_ALLOWED"
    assert prove(row.method, target(example(row.path)), management=True).operation == row


NOT_ALLOWED = {
    "nothing": "",
    "the root": "/",
    "no region": f"/v1/projects/{PROJECT}/messages",
    "another version": f"/eu/v2/projects/{PROJECT}/messages",
    "no path": f"/eu/v1/projects/{PROJECT}",
    "an empty path": target(""),
    "a path of nobody": target("templates"),
    "a path that goes on": target("messages/x/y"),
    "a slash at the end": target("messages/"),
    "a second slash": target("/messages"),
    "an escaped colon": target("messages%3Asend"),
    "an escaped letter": target("message%73"),
    "dots": target("contacts/../messages"),
    "escaped dots": target("contacts/%2e%2e/messages"),
    "another case": target("Messages"),
    "a parameter of a segment": target("messages;x=1"),
    "an id with a dot": target("messages/a.b"),
    "an id of 65 letters": target("messages/" + "a" * 65),
    "an empty id": target("messages/"),
    "an empty id with a verb": target("contacts/:merge"),
    "a blank": target("messages ?x=1"),
    "an absolute URL": "https://eu.conversation.api.sinch.com" + target("messages"),
    "a region in capitals": target("messages", region="EU"),
}


@together("asked", NOT_ALLOWED.values(), ids=NOT_ALLOWED)
def test_any_other_path_is_refused(asked: str) -> None:
    assert refusal("GET", asked) == "PATH_NOT_ALLOWED"


AMPERSAND, FIELD = "nothing stands before, between or after an &", "a field has no ="
SIGN = "a character in it is not printable ASCII"
QUERIES = {
    "an ampersand at the end": ("page_size=10&", AMPERSAND),
    "an ampersand at the beginning": ("&page_size=10", AMPERSAND),
    "two ampersands": ("page_size=10&&view=WITH_METADATA", AMPERSAND),
    "nothing but an ampersand": ("&", AMPERSAND),
    "a bare name": ("page_token", FIELD),
    "a bare name behind others": ("page_size=10&page_token", FIELD),
    "another question mark": ("?", FIELD),
    "the app, bare": ("app_id", FIELD),
    "an escape that is no UTF-8": ("x=%ff", "an escape in it is no UTF-8"),
    "a line feed": ("x=1\n", SIGN),
    "a blank": ("x=1 2", SIGN),
    "a letter beyond ASCII": ("x=é", SIGN),
    "a fragment": ("x=1#top", "a # ends it"),
    "a field too many": ("&".join(["x=1"] * 101), "it has more than 100 fields"),
}


@together(("query", "why"), QUERIES.values(), ids=QUERIES)
def test_a_query_that_cannot_be_read_is_told_as_such_and_never_as_a_wrong_base_url(query: str, why: str) -> None:
    with pytest.raises(Refused) as told:
        prove("GET", target(f"messages?{query}"))
    assert (told.value.code, told.value.says) == (
        "QUERY_NOT_READ",
        f"The path is right, but what follows its ? cannot be read: {why}.",
    )
    assert "base URL" not in told.value.remedy


PASSING = ("", "page_token=", "page_size=10&page_token=", "x=a%26b", "x==", "&".join(["x=1"] * 100))


@pytest.mark.parametrize("query", PASSING)
def test_a_query_that_can_be_read_passes_as_it_is(query: str) -> None:
    assert prove("GET", target(f"messages?{query}")).target.endswith(f"/messages?{query}")


def test_of_a_path_that_is_not_known_nobody_is_told_of_its_query() -> None:
    assert refusal("GET", target("messagess?page_token")) == "PATH_NOT_ALLOWED"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "POST", "OPTIONS", "TRACE", "get", "X" * 1000])
def test_another_method_is_refused_by_a_name_that_is_ours(method: str) -> None:
    with pytest.raises(Refused) as caught:
        prove(method, target("messages"))
    assert caught.value.code == "METHOD_NOT_ALLOWED"
    assert ("POST" in caught.value.says) == (method == "POST")
    assert "XX" not in caught.value.says


@together(
    ("asked", "code"),
    [
        (target("messages", region="br"), "REGION_NOT_CONFIGURED"),
        (target("messages", project="project-9"), "PROJECT_NOT_CONFIGURED"),
        (target("messages", project=OTHER_PROJECT), "PROJECT_NOT_CONFIGURED"),
        (target("messages", region="us"), "PROJECT_NOT_CONFIGURED"),
        (target("messages?app_id=app-9"), "APP_NOT_CONFIGURED"),
        (target("messages?app_id=app-3"), "APP_NOT_CONFIGURED"),
        (target("messages?app_id=app-1&app_id=app-9"), "APP_NOT_CONFIGURED"),
        (target("messages?appId=app-9"), "APP_NOT_CONFIGURED"),
        (target("messages?%61pp_id=app-9"), "APP_NOT_CONFIGURED"),
        (target("messages?app_id=app%2D9"), "APP_NOT_CONFIGURED"),
        (target("messages?a=1;app_id=app-9"), "APP_NOT_CONFIGURED"),
        (target("messages?app_id=app-1;app_id=app-9"), "APP_NOT_CONFIGURED"),
        (target("apps/app-9"), "APP_NOT_CONFIGURED"),
    ],
)
def test_region_project_and_app_are_those_of_one_account(asked: str, code: str) -> None:
    assert refusal("GET", asked, management=True) == code


@pytest.mark.parametrize("asked", ["messages?app_id=app-1", "messages?app_id=app%2D2", "messages?app_id=", "messages"])
def test_an_app_of_the_project_may_be_named(asked: str) -> None:
    assert prove("GET", target(asked)).project_id == PROJECT


def test_the_account_of_a_named_app_is_found_among_those_of_the_project() -> None:
    call = prove("POST", target("messages:send"))
    assert call.of_app(App("app_id", "app-2")).connector_id == 2
    with pytest.raises(Refused, match="APP_NOT_CONFIGURED"):
        call.of_app(App("app_id", "app-3"))


def test_only_what_reaches_customers_is_a_send_and_only_gets_are_reads() -> None:
    assert [row.path for row in allowed.OPERATIONS if row.effect is Effect.SEND] == ["messages:send", "events:send"]
    assert {row.method for row in allowed.OPERATIONS if row.effect is Effect.READ} == {"GET"}
    assert all(row.effect is Effect.READ for row in allowed.OPERATIONS if row.method == "GET")


@given(st.text(), st.text())
def test_any_method_and_target_end_in_a_call_or_in_our_own_words(method: str, asked: str) -> None:
    for shown in (asked, target(asked)):
        try:
            call = prove(method, shown)
        except Refused:
            continue
        assert shown.endswith(call.target)

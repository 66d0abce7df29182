"""The simulated Conversation API: where it is, whom it lets in, what it takes and what it shows."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import sinch
from sinch.domains.conversation.exceptions import ConversationException

from sandbox import callbacks, certificates
from sandbox.callbacks import ANA, APP, App
from sandbox.conversation.account import KEY, Account, Key
from sandbox.conversation.api import ConversationApi
from tests.sinch_samples import PROJECT, SEND, basic, call, send, send_body, violations

OTHER = Account(
    app=App(app_id="01JQ8V4M2Z7T5X9C3N6B1K0DHB", project_id="other-project", phone="15550001"),
    region="us",
    key=Key(key_id="other-key", key_secret="other-secret"),
    whatsapp=False,
)
BEA = callbacks.customer("bea")


@pytest.fixture
def api():
    with ConversationApi(Account(), OTHER) as running:
        yield running


def error(answer) -> tuple[int, str]:
    said = json.loads(answer.body)["error"]
    assert said["code"] == answer.status
    return answer.status, said["status"]


def test_a_send_is_accepted_with_an_id_and_a_time(api):
    answer = send(api)
    content = json.loads(answer.body)
    (heard,) = api.wait_for_sends(1)
    assert (answer.status, content["message_id"]) == (200, heard.made)
    assert len(content["message_id"]) == 26
    assert content["accepted_time"].endswith("Z")
    assert api.accepted == (heard,)
    assert heard.body == json.dumps(send_body()).encode()


@pytest.mark.parametrize(
    ("target", "origin", "shown", "expected"),
    [
        (SEND, "us", KEY, (404, "NOT_FOUND")),
        (SEND.replace(APP.project_id, "unknown"), "eu", KEY, (404, "NOT_FOUND")),
        (SEND.replace(APP.project_id, OTHER.app.project_id), "eu", OTHER.key, (404, "NOT_FOUND")),
        (SEND.replace(APP.project_id, OTHER.app.project_id), "us", KEY, (403, "UNAUTHORIZED")),
        (SEND, "eu", OTHER.key, (403, "UNAUTHORIZED")),
        ("/v1/projects//messages:send", "eu", KEY, (404, "NOT_FOUND")),
        (f"{PROJECT}/messages:sends", "eu", KEY, (404, "NOT_FOUND")),
        ("/", "eu", KEY, (404, "NOT_FOUND")),
    ],
    ids=["region", "project", "their region", "their project", "their key", "no project", "no such call", "nothing"],
)
def test_the_wrong_place_or_key_is_refused(api, target, origin, shown, expected):
    headers = (("authorization", basic(shown)), ("content-type", "application/json"))
    assert error(send(api, target=target, origin=origin, headers=headers)) == expected
    assert api.accepted == ()


def test_an_app_of_another_project_is_not_found(api):
    assert error(send(api, send_body(app_id=OTHER.app.app_id))) == (404, "NOT_FOUND")


def test_a_bad_shape_is_answered_with_its_fields(api):
    answer = send(api, send_body(app_id="x", message={}))
    assert error(answer) == (400, "INVALID_ARGUMENT")
    assert violations(answer) == ["app_id", "message"]
    assert (len(api.sends), api.accepted) == (1, ())


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_called_json_is_refused(api, kind):
    headers = (("authorization", basic()), *((("content-type", kind),) if kind else ()))
    assert violations(send(api, headers=headers)) == ["Content-Type"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_spelled_in_other_ways(api, kind):
    assert send(api, headers=(("authorization", basic()), ("content-type", kind))).status == 200


def test_a_body_that_is_not_json_is_refused(api):
    assert error(send(api, body=b"{")) == (400, "INVALID_ARGUMENT")


def test_what_nobody_announced_fails_the_test(api):
    call(api, f"{PROJECT}/secrets")
    call(api, f"{PROJECT}/messages", method="DELETE")
    with pytest.raises(AssertionError, match=f"GET {PROJECT}/secrets; DELETE"):
        api.assert_nothing_unexpected()
    api.forget()
    api.assert_nothing_unexpected()


def test_many_sends_at_once_are_all_heard_and_are_all_different(api):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: send(api, send_body(correlation_id=str(number))), range(100)))
    assert {answer.status for answer in answers} == {200}
    assert len({item.made for item in api.accepted}) == len(api.sends) == 100
    assert [item.number for item in api.calls] == list(range(100))


def test_an_event_is_accepted(api):
    body = {"app_id": APP.app_id, "recipient": {"contact_id": ANA.contact_id}, "event": {"composing_event": {}}}
    answer = send(api, body, target=f"{PROJECT}/events:send")
    assert json.loads(answer.body)["event_id"] == api.events[0].made
    assert violations(send(api, {**body, "event": {}}, target=f"{PROJECT}/events:send")) == ["event"]
    assert api.sends == ()


def test_capability_and_transcoding_are_answered(api):
    asked = {"app_id": APP.app_id, "recipient": {"contact_id": ANA.contact_id}, "request_id": "r"}
    assert json.loads(send(api, asked, target=f"{PROJECT}/capability:query").body) == asked
    text = {"text_message": {"text": "Sí"}}
    asked = {"app_id": APP.app_id, "app_message": text, "channels": ["WHATSAPP"]}
    answer = json.loads(send(api, asked, target=f"{PROJECT}/messages:transcode").body)
    assert json.loads(answer["transcoded_message"]["WHATSAPP"]) == {"type": "text", "text": {"body": "Sí"}}


def shown(api: ConversationApi, path: str) -> dict:
    answer = call(api, PROJECT + path)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def test_messages_in_both_directions_are_shown_the_newest_first(api):
    inbound = api.wrote(ANA, words="Hola").content["message"]["id"]
    outbound = json.loads(send(api).body)["message_id"]
    listed = shown(api, "/messages")["messages"]
    assert [(item["id"], item["direction"]) for item in listed] == [(outbound, "TO_CONTACT"), (inbound, "TO_APP")]
    assert shown(api, f"/messages/{outbound}")["app_message"] == send_body()["message"]
    assert shown(api, f"/messages/{inbound}")["contact_message"]["text_message"]["text"] == "Hola"
    assert error(call(api, f"{PROJECT}/messages/unknown")) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (f"contact_id={BEA.contact_id}", 1),
        (f"app_id={APP.app_id}", 4),
        (f"app_id={OTHER.app.app_id}", 0),
        ("direction=TO_CONTACT", 0),
        (f"conversation_id={ANA.conversation_id}", 3),
        ("page_size=2", 2),
        ("page_size=2&page_token=3", 1),
    ],
)
def test_messages_are_found_by_what_the_query_says(api, query, count):
    for customer in (ANA, ANA, ANA, BEA):
        api.wrote(customer)
    assert len(shown(api, f"/messages?{query}")["messages"]) == count


@pytest.mark.parametrize("query", ["page_size=0", "page_size=1001", "page_size=x", "page_size=1&page_token=-1"])
def test_a_page_that_is_none_is_refused(api, query):
    assert error(call(api, f"{PROJECT}/messages?{query}")) == (400, "INVALID_ARGUMENT")


def test_pages_lead_to_one_another(api):
    for _ in range(12):
        api.wrote()
    first = shown(api, "/messages")
    second = shown(api, f"/messages?page_token={first['next_page_token']}")
    assert (len(first["messages"]), len(second["messages"]), second["next_page_token"]) == (10, 2, "")


def test_contacts_conversations_and_apps_are_shown(api):
    api.wrote(ANA)
    (contact,) = shown(api, "/contacts")["contacts"]
    assert contact == shown(api, f"/contacts/{ANA.contact_id}")
    assert contact["channel_identities"] == [{"channel": "WHATSAPP", "identity": ANA.phone, "app_id": ""}]
    (conversation,) = shown(api, "/conversations")["conversations"]
    assert conversation == shown(api, f"/conversations/{ANA.conversation_id}")
    assert conversation["contact_id"] == ANA.contact_id
    (app,) = shown(api, "/apps")["apps"]
    assert app == shown(api, f"/apps/{APP.app_id}")
    assert (app["processing_mode"], app["channel_credentials"][0]["state"]["status"]) == ("CONVERSATION", "ACTIVE")
    assert call(api, f"{PROJECT}/apps/{OTHER.app.app_id}").status == 404


def test_a_dispatch_app_says_so_and_one_without_a_number_has_no_credential():
    account = Account(app=dataclasses.replace(APP, dispatch=True), whatsapp=False)
    with ConversationApi(account) as api:
        app = shown(api, f"/apps/{APP.app_id}")
        assert (app["processing_mode"], app["channel_credentials"]) == ("DISPATCH", [])
        assert violations(send(api)) == ["recipient.contact_id"]


@pytest.fixture
def sdk(tmp_path):
    """The vendor's own client, pointed at a simulated Sinch by its origins alone."""
    files = certificates.issue(tmp_path, "localhost", "127.0.0.1")
    with ConversationApi(tls=files.context()) as api:
        client = sinch.SinchClient(
            project_id=APP.project_id, key_id=KEY.key_id, key_secret=KEY.key_secret, conversation_region="eu"
        )
        client.configuration.auth_origin = api.auth.url
        client.configuration.conversation_origin = api.eu.url
        with client.configuration.transport.http_session as session:
            session.verify, session.trust_env = str(files.ca), False
            yield api, client


def test_the_vendors_sdk_sends_and_reads(sdk):
    api, client = sdk
    api.wrote(ANA)
    sent = client.conversation.messages.send_text_message(
        app_id=APP.app_id, text="Buenos días", contact_id=ANA.contact_id
    )
    assert api.accepted[0].made == sent.message_id
    assert client.conversation.messages.get(sent.message_id).app_message.text_message.text == "Buenos días"
    assert [item.direction for item in client.conversation.messages.list().content()] == ["TO_CONTACT", "TO_APP"]
    assert client.conversation.contacts.get(ANA.contact_id).channel_identities[0].identity == ANA.phone
    assert client.conversation.apps.get(APP.app_id).processing_mode == "CONVERSATION"
    assert len(api.token_requests) == 1


def test_the_vendors_sdk_asks_for_another_token_when_its_own_has_expired(sdk):
    api, client = sdk
    send_text = client.conversation.messages.send_text_message
    send_text(app_id=APP.app_id, text="one", contact_id=ANA.contact_id)
    api.tokens.expire()
    send_text(app_id=APP.app_id, text="two", contact_id=ANA.contact_id)
    assert (len(api.token_requests), len(api.sends), len(api.accepted)) == (2, 3, 2)


def test_the_vendors_sdk_raises_the_errors_of_the_simulated_sinch(sdk):
    _, client = sdk
    with pytest.raises(ConversationException, match="Invalid argument  INVALID_ARGUMENT"):
        client.conversation.messages.send_text_message(app_id="wrong", text="one", contact_id=ANA.contact_id)

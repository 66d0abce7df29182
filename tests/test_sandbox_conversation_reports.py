"""What becomes of a message that Sinch has taken, and how Motion is told."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from sandbox import attachment, callbacks, faults
from sandbox.archive import Archive
from sandbox.callbacks import ANA, APP, Customer
from sandbox.conversation import outcome
from sandbox.conversation.account import Account
from sandbox.conversation.api import ConversationApi
from sandbox.faults import Fault
from sandbox.fetching import Fetcher
from sandbox.motion import Motion
from sandbox.retries import DEFAULT, NONE
from sandbox.sinch import Sinch
from tests.sinch_samples import send, send_body

NOW = 1_772_620_530.0
DAY = 24 * 3600
SAMPLES = Path(__file__).parent.parent / "sandbox" / "data" / "attachments"
TEMPLATE = {"template_message": {"channel_template": {"WHATSAPP": {"template_id": "t"}}}}


@pytest.fixture
def api(motion):
    with ConversationApi(clock=lambda: NOW) as running:
        url = f"{motion.url}/api/whatsapp/accounts/7/notify"
        running.reports.sinch = Sinch(url=url, secret="secret", retries=NONE)
        running.reports.fetcher = Fetcher(timeout_seconds=5)
        yield running


def sent(api: ConversationApi, content: dict | None = None) -> str:
    answer = send(api, content)
    assert answer.status == 200, answer
    return json.loads(answer.body)["message_id"]


def statuses(api: ConversationApi, message_id: str, count: int = 2) -> list[str]:
    api.reports.wait_for(lambda items: sum(item.message_id == message_id for item in items) >= count)
    return [item.status for item in api.reports.of(message_id)]


def reason(api: ConversationApi, message_id: str) -> dict[str, str]:
    assert statuses(api, message_id, 1) == ["FAILED"]
    return dict(api.reports.of(message_id)[0].reason)


def test_a_message_in_the_window_is_queued_then_delivered(api, motion):
    api.wrote(ANA)
    message_id = sent(api, send_body(message_metadata="ref-1", correlation_id="case-7"))
    assert statuses(api, message_id) == ["QUEUED_ON_CHANNEL", "DELIVERED"]
    heard = [json.loads(item.body) for item in motion.wait_for_accepted(2)]
    for content in heard:
        report = content["message_delivery_report"]
        assert (report["message_id"], report["metadata"]) == (message_id, "ref-1")
        assert (report["contact_id"], report["conversation_id"]) == (ANA.contact_id, ANA.conversation_id)
        assert report["channel_identity"] == {"channel": "WHATSAPP", "identity": ANA.phone, "app_id": ""}
        assert (content["correlation_id"], content["app_id"], "reason" in report) == ("case-7", APP.app_id, False)
    assert all(item.header("x-sinch-webhook-signature") for item in motion.accepted)
    assert [item.receipt.accepted for item in api.reports.sent] == [True, True]


@pytest.mark.parametrize(
    ("ago", "failed"),
    [(0, False), (DAY - 1, False), (DAY, True), (None, True)],
    ids=["just now", "nearly a day", "a day", "never"],
)
def test_the_window_closes_a_day_after_the_customers_last_message(api, ago, failed):
    api.contacts.know(ANA)
    if ago is not None:
        api.wrote(ANA, at=NOW - ago)
        api.wrote(ANA, at=NOW - ago - 7)  # an earlier one that comes later closes nothing
    message_id = sent(api)
    if failed:
        assert reason(api, message_id)["code"] == "OUTSIDE_ALLOWED_SENDING_WINDOW"
        assert reason(api, message_id)["channel_code"] == "131047"
    else:
        assert statuses(api, message_id) == ["QUEUED_ON_CHANNEL", "DELIVERED"]


def test_a_template_needs_no_window(api):
    api.contacts.know(ANA)
    assert statuses(api, sent(api, send_body(TEMPLATE))) == ["QUEUED_ON_CHANNEL", "DELIVERED"]


def test_a_contact_that_nobody_knows_is_not_found(api):
    assert reason(api, sent(api))["code"] == "CONTACT_NOT_FOUND"


def test_a_recipient_may_be_named_by_phone(api):
    api.wrote(ANA)
    identities = [{"channel": "WHATSAPP", "identity": f"+{ANA.phone}"}]
    known = sent(api, send_body(recipient={"identified_by": {"channel_identities": identities}}))
    assert statuses(api, known) == ["QUEUED_ON_CHANNEL", "DELIVERED"]
    identities = [{"channel": "WHATSAPP", "identity": "15550000"}]
    new = sent(api, send_body(recipient={"identified_by": {"channel_identities": identities}}))
    assert reason(api, new)["code"] == "OUTSIDE_ALLOWED_SENDING_WINDOW"
    assert api.contacts.message(new).customer.phone == "15550000"


@pytest.mark.parametrize(("length", "failed"), [(4096, False), (4097, True)])
def test_a_text_that_is_too_long_fails_as_the_manual_says(api, length, failed):
    api.wrote(ANA)
    message_id = sent(api, send_body({"text_message": {"text": "ñ" * length}}))
    assert statuses(api, message_id, 1)[0] == ("FAILED" if failed else "QUEUED_ON_CHANNEL")
    assert not failed or reason(api, message_id)["code"] == "MESSAGE_SPLIT_REQUIRED"


def test_an_app_without_a_number_fails_for_its_configuration():
    with ConversationApi(Account(whatsapp=False)) as api:
        api.wrote(ANA)
        found = reason(api, sent(api))
        assert (found["code"], "channel_code" in found) == ("CHANNEL_CONFIGURATION_MISSING", False)


def media(motion: Motion, archive: Archive, name: str) -> dict:
    made = archive.put(name, (SAMPLES / name).read_bytes())
    return {"media_message": {"url": f"{motion.url}{attachment.path(made.attachment_id)}?apikey=k"}}


def test_media_is_fetched_and_delivered(api, motion, archive):
    api.wrote(ANA)
    message_id = sent(api, send_body(media(motion, archive, "picture.jpg")))
    assert statuses(api, message_id) == ["QUEUED_ON_CHANNEL", "DELIVERED"]
    (look,) = api.reports.outcome(message_id).looks
    assert look.rendering.words == "native as image"
    assert [item.answered for item in archive.wait_until_served(101)] == [200]


@pytest.mark.parametrize(
    ("name", "trouble", "code"),
    [
        ("wave.gif", Fault(), "CHANNEL_FAILURE"),
        ("letter.doc", Fault(), "CHANNEL_FAILURE"),
        ("picture.jpg", faults.status(404), "MEDIA_NOT_REACHABLE"),
        ("picture.jpg", faults.status(413), "MEDIA_TOO_LARGE"),
        ("picture.jpg", Fault(name="reset"), "MEDIA_NOT_REACHABLE"),
    ],
    ids=["gif", "doc", "gone", "too large", "broken off"],
)
def test_media_that_does_not_go_fails_with_its_code(api, motion, archive, name, trouble, code):
    api.wrote(ANA)
    message = media(motion, archive, name)
    archive.set_fault(trouble)
    found = reason(api, sent(api, send_body(message)))
    assert (found["code"], found["channel_code"]) == (code, "131053")
    assert found["description"].startswith("The underlying channel reported: ")


def test_media_is_not_fetched_for_a_message_that_cannot_go(api, motion, archive):
    assert reason(api, sent(api, send_body(media(motion, archive, "picture.jpg"))))["code"] == "CONTACT_NOT_FOUND"
    assert archive.downloads == ()


def test_a_link_that_is_none_is_not_reachable(api):
    api.wrote(ANA)
    message_id = sent(api, send_body({"media_message": {"url": "https://[nowhere/x"}}))
    assert reason(api, message_id)["code"] == "MEDIA_NOT_REACHABLE"


@pytest.mark.parametrize(
    ("said", "links"),
    [
        ({"text_message": {"text": "https://a"}}, []),
        ({"media_message": {"url": "a", "thumbnail_url": "b"}}, ["a", "b"]),
        ({"card_message": {"media_message": {"url": "a"}, "choices": [{"url_message": {"url": "b"}}]}}, ["a"]),
        (
            {"carousel_message": {"cards": [{"media_message": {"url": "a"}}, {"media_message": {"url": "b"}}]}},
            ["a", "b"],
        ),
        ({"list_message": {"media": {"url": "a"}}}, ["a"]),
        (
            {"template_message": {"channel_template": {"W": {"parameters": {"header[1]image.link": "a", "b": "c"}}}}},
            ["a"],
        ),
        ({"explicit_channel_message": {"W": '{"image":{"link":"a"}}', "X": "{", "Y": 5}}, ["a"]),
        ({"explicit_channel_omni_message": {"WHATSAPP": {"media_message": {"url": "a"}}}}, ["a"]),
        ({"media_message": {"url": 5}}, []),
        ([], []),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_links_are_found_wherever_they_stand(said, links):
    assert list(outcome.links(said)) == links


def test_submit_comes_first_and_read_last_where_they_are_wanted(api, motion):
    api.wrote(ANA)
    api.reports.submits = api.reports.reads = True
    message_id = sent(api, send_body(message_metadata="m"))
    assert statuses(api, message_id, 4) == ["SUBMIT", "QUEUED_ON_CHANNEL", "DELIVERED", "READ"]
    submit = json.loads(motion.wait_for_accepted(4)[0].body)["message_submit_notification"]
    assert (submit["message_id"], submit["metadata"]) == (message_id, "m")
    assert submit["submitted_message"] == send_body()["message"]


def test_a_message_is_read_when_the_customer_reads_it(api):
    api.wrote(ANA)
    message_id = sent(api)
    api.read(message_id)
    assert statuses(api, message_id, 3) == ["QUEUED_ON_CHANNEL", "DELIVERED", "READ"]
    with pytest.raises(KeyError):
        api.read("unknown")


def test_reports_can_be_held_back(api):
    api.wrote(ANA)
    api.reports.hold()
    message_id = sent(api)
    assert (api.reports.sent, api.reports.outcome(message_id)) == ((), None)
    api.reports.let_go()
    assert statuses(api, message_id) == ["QUEUED_ON_CHANNEL", "DELIVERED"]


def test_reports_of_many_messages_keep_the_order_of_each(api):
    api.wrote(ANA)
    sends = [sent(api) for _ in range(20)]
    api.reports.wait_for(40)
    assert [[item.status for item in api.reports.of(one)] for one in sends] == [["QUEUED_ON_CHANNEL", "DELIVERED"]] * 20


def test_a_report_that_is_refused_is_recorded_as_such(api, motion):
    api.wrote(ANA)
    motion.set_fault(faults.status(401))
    statuses(api, sent(api))
    assert [item.receipt.accepted for item in api.reports.sent] == [False, False]


def test_closing_does_not_wait_for_reports_that_nobody_takes(api, motion):
    api.wrote(ANA)
    api.reports.sinch = dataclasses.replace(api.reports.sinch, retries=DEFAULT)
    motion.set_fault(faults.status(503))
    sent(api)
    motion.wait_for(1)
    api.reports.close()
    assert not any(item.receipt.accepted for item in api.reports.sent)


def test_without_a_gateway_reports_are_made_and_sent_to_nobody():
    with ConversationApi() as api:
        api.wrote(ANA)
        message_id = sent(api, send_body({"media_message": {"url": "https://nowhere.example.test/x"}}))
        assert statuses(api, message_id) == ["QUEUED_ON_CHANNEL", "DELIVERED"]
        assert [item.receipt for item in api.reports.sent] == [None, None]
        with pytest.raises(ValueError, match="nobody to post"):
            api.write("Hola")


def test_who_writes_is_heard_by_motion_and_may_be_answered(api, motion):
    bea: Customer = callbacks.customer("bea")
    assert api.write("¿Sí?", by=bea).accepted
    assert "¿Sí?".encode() in motion.wait_for_accepted(1)[0].body
    to_bea = send_body(recipient={"contact_id": bea.contact_id})
    assert statuses(api, sent(api, to_bea)) == ["QUEUED_ON_CHANNEL", "DELIVERED"]


def test_waiting_ends_at_the_deadline(api):
    with pytest.raises(TimeoutError, match="it did not come to that"):
        api.reports.wait_for(1, deadline_seconds=0.01)
    with pytest.raises(TimeoutError, match="it did not come to that"):
        api.wait_for_sends(1, deadline_seconds=0.01)

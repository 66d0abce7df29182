"""The vendor's check of a send's shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.callbacks import APP
from sandbox.conversation import shape
from tests.sinch_samples import send_body
from tests.together import together

MEDIA = {"media_message": {"url": "https://gateway.example.test/media/x"}}
CHOICE = {"text_message": {"text": "Yes"}, "postback_data": "yes"}
CARD = {"title": "Offer", **MEDIA, "choices": [CHOICE]}
IDENTITIES = {"identified_by": {"channel_identities": [{"channel": "WHATSAPP", "identity": "34600111222"}]}}


def choice(count: int) -> dict:
    return {"choice_message": {"text_message": {"text": "?"}, "choices": [CHOICE] * count}}


def location(**changes) -> dict:
    return {"location_message": {"title": "Here", "coordinates": {"latitude": 90, "longitude": -180, **changes}}}


def contact(**changes) -> dict:
    return {
        "contact_info_message": {"name": {"full_name": "Ana"}, "phone_numbers": [{"phone_number": "+1"}], **changes}
    }


@together(
    "body",
    [
        send_body(),
        send_body(MEDIA),
        send_body(
            {"media_message": {**MEDIA["media_message"], "thumbnail_url": "http://a/b", "filename_override": "c"}}
        ),
        send_body(choice(1)),
        send_body(choice(10)),
        send_body({"card_message": CARD}),
        send_body({"carousel_message": {"cards": [CARD] * 10, "choices": [CHOICE] * 3}}),
        send_body({"list_message": {"title": "Menu", "sections": [{"title": "A", "items": []}]}}),
        send_body(location()),
        send_body(contact()),
        send_body({"template_message": {"channel_template": {"WHATSAPP": {"template_id": "t"}}}}),
        send_body({"explicit_channel_message": {"WHATSAPP": "{}"}}),
        send_body({"text_message": {"text": "a"}, "reply_to": {"message_id": "x"}, "agent": {}, "brand_new": [1]}),
        send_body(recipient=IDENTITIES),
        send_body(message_metadata="a" * 1024, correlation_id="b" * 128, conversation_metadata={"a": 1}),
        send_body(queue="HIGH_PRIORITY", ttl="10s", processing_strategy="DEFAULT", channel_priority_order=["WHATSAPP"]),
        send_body(channel_properties={"a": "b" * 1024}, callback_url="https://other.example.test", brand_new={}),
    ],
    ids=lambda body: ",".join(body["message"])[:40],
)
def test_what_the_vendor_documents_is_fine(body):
    assert shape.of_send(body) == ()


@together(
    ("body", "field"),
    [
        (send_body(app_id=None), "app_id"),
        (send_body(app_id=APP.app_id.lower()), "app_id"),
        (send_body(app_id=APP.app_id + "0"), "app_id"),
        (send_body(app_id=7), "app_id"),
        (send_body(recipient=None), "recipient"),
        (send_body(recipient={}), "recipient"),
        (send_body(recipient={"name": "Ana"}), "recipient"),
        (send_body(recipient={"contact_id": "ana"}), "recipient.contact_id"),
        (
            send_body(recipient={"identified_by": {"channel_identities": []}}),
            "recipient.identified_by.channel_identities",
        ),
        (
            send_body(recipient={"identified_by": {"channel_identities": 5}}),
            "recipient.identified_by.channel_identities",
        ),
        (
            send_body(recipient={"identified_by": {"channel_identities": [{"channel": "WHATSAPP"}]}}),
            "recipient.identified_by.channel_identities",
        ),
        (send_body({}), "message"),
        (send_body([]), "message"),
        (send_body({"poll_message": {}}), "message"),
        (send_body({"text_message": {"text": "a"}, **MEDIA}), "message"),
        (send_body({"text_message": {"text": ""}}), "message.text_message.text"),
        (send_body({"text_message": "a"}), "message.text_message.text"),
        (send_body({"media_message": {}}), "message.media_message.url"),
        (send_body({"media_message": {"url": "ftp://a/b"}}), "message.media_message.url"),
        (send_body(choice(0)), "message.choice_message.choices"),
        (send_body(choice(11)), "message.choice_message.choices"),
        (send_body({"card_message": {**CARD, "title": ""}}), "message.card_message.title"),
        (send_body({"carousel_message": {"cards": [CARD] * 11}}), "message.carousel_message.cards"),
        (
            send_body({"carousel_message": {"cards": [CARD], "choices": [CHOICE] * 4}}),
            "message.carousel_message.choices",
        ),
        (send_body({"list_message": {"title": "Menu"}}), "message.list_message.sections"),
        (send_body(location(latitude=90.1)), "message.location_message.coordinates.latitude"),
        (send_body(location(longitude="1")), "message.location_message.coordinates.longitude"),
        (send_body(location(latitude=True)), "message.location_message.coordinates.latitude"),
        (send_body(contact(name={})), "message.contact_info_message.name.full_name"),
        (send_body(contact(phone_numbers=[])), "message.contact_info_message.phone_numbers"),
        (send_body(message_metadata="a" * 1025), "message_metadata"),
        (send_body(message_metadata={}), "message_metadata"),
        (send_body(correlation_id="b" * 129), "correlation_id"),
        (send_body(conversation_metadata={"a": "b" * 2048}), "conversation_metadata"),
        (send_body(queue="FAST"), "queue"),
        (send_body(ttl="10"), "ttl"),
        (send_body(callback_url="elsewhere"), "callback_url"),
        (send_body(channel_properties={"a": "b" * 1025}), "channel_properties"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named(body, field):
    assert [violation[0] for violation in shape.of_send(body)] == [field]


def test_an_app_without_contacts_takes_no_contact_id():
    assert [field for field, _ in shape.of_send(send_body(), dispatch=True)] == ["recipient.contact_id"]
    assert shape.of_send(send_body(recipient=IDENTITIES), dispatch=True) == ()


@pytest.mark.parametrize(
    ("body", "understood"),
    [
        (b"{}", True),
        (b'{"a":1e400,"b":123456789012345678901}', True),
        (b'{"a":' + b"[" * 99 + b"]" * 99 + b"}", True),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", False),
        (b"[" * 100_000, False),
        (b'{"a":NaN}', False),
        (b'{"a":"\\ud800"}', False),
        (b'{"a":"\xff"}', False),
        (b'{"a":' + b"9" * 5000 + b"}", False),
        (b"[]", False),
        (b"", False),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else "",
)
def test_only_an_object_that_can_be_written_again_is_read(body, understood):
    assert (shape.read(body) is not None) == understood


WORDS = st.text("a0é", max_size=3)
NAMES = st.sampled_from(["text", "url", "contact_id", "identified_by", "channel_identities", "choices", "name"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["app_id", "recipient", "message", "queue", "ttl", "conversation_metadata", "channel_properties", "callback_url"]
)


@given(st.dictionaries(FIELDS, JSON))
def test_any_object_at_all_is_judged(content):
    assert shape.of_send(content) != ()


@given(JSON, st.sampled_from(shape.KINDS))
def test_any_content_of_a_message_is_judged(content, kind):
    shape.of_send(send_body({kind: content}))


@given(st.binary(max_size=50))
def test_any_bytes_are_read_or_not(body):
    assert shape.read(body) is None or isinstance(shape.read(body), dict)

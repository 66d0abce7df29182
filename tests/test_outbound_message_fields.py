"""Places: every row of the table leads to what Sinch and Meta call media, text and templates, and to nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbound import document, message_fields
from gateway.outbound.message_fields import FIELDS, Holds
from gateway.outbound.refusals import Refused
from tests.call_samples import FOREIGN, META_IMAGE, META_TEMPLATE, OURS, body, media, nested
from tests.together import together


def found(message: Any) -> dict[str, tuple[str, str]]:
    """What is found in a message: its kind and its channel, by its field below `message`."""
    node = document.parse(body({"message": message})).get("message")
    assert node
    everything = list(message_fields.find(node))
    assert all(one.field.startswith("message.") for one in everything)
    told = {one.field.removeprefix("message."): (one.row.holds.value, one.channel) for one in everything}
    assert len(told) == len(everything)
    return told


def explicit(content: Any, channel: str = "WHATSAPP") -> dict[str, Any]:
    return {"explicit_channel_message": {channel: nested(content)}}


def specific(message: Any, channel: str = "WHATSAPP") -> dict[str, Any]:
    return {"channel_specific_message": {channel: {"message_type": "FLOWS", "message": message}}}


def omni(message: Any) -> dict[str, Any]:
    return {"explicit_channel_omni_message": {"INSTAGRAM": message}}


ATTACHMENT = {"attachment": {"type": "image", "payload": {"url": OURS}}}
LINK = {"header[1]image.link": OURS, "a": OURS}
ITEM = {"choice": {"title": "a", "media": media()}}
GENERIC: dict[str, tuple[dict[str, Any], str]] = {
    "media": ({"media_message": media()}, "media_message.url"),
    "thumbnail": ({"media_message": {"thumbnail_url": OURS}}, "media_message.thumbnail_url"),
    "card": ({"card_message": {"media_message": media()}}, "card_message.media_message.url"),
    "second card": (
        {"carousel_message": {"cards": [{}, {"media_message": media()}]}},
        "carousel_message.cards[1].media_message.url",
    ),
    "list": ({"list_message": {"media": media()}}, "list_message.media.url"),
    "item of a list": (
        {"list_message": {"sections": [{}, {"items": [{}, {}, ITEM]}]}},
        "list_message.sections[1].items[2].choice.media.url",
    ),
}
META: dict[str, tuple[dict[str, Any], str]] = {
    **{
        kind: ({"type": kind, kind: {"link": OURS}}, f"{kind}.link")
        for kind in ("image", "video", "audio", "document", "sticker")
    },
    **{
        f"{kind} header": ({"interactive": {"header": {kind: {"link": OURS}}}}, f"interactive.header.{kind}.link")
        for kind in ("image", "video", "document")
    },
    **{
        f"{kind} card": (
            {"interactive": {"action": {"cards": [{"header": {kind: {"link": OURS}}}]}}},
            f"interactive.action.cards[0].header.{kind}.link",
        )
        for kind in ("image", "video")
    },
}
WA, IG = "WHATSAPP", "INSTAGRAM"
FOUND: dict[str, tuple[dict[str, Any], dict[str, tuple[str, str]]]] = {
    **{name: (message, {field: ("media", "")}) for name, (message, field) in GENERIC.items()},
    **{
        f"{name} for one channel": (
            omni(message),
            {f"explicit_channel_omni_message.INSTAGRAM.{field}": ("media", IG)},
        )
        for name, (message, field) in GENERIC.items()
    },
    **{
        f"{name} in Meta's words": (
            explicit(content),
            {f"explicit_channel_message.WHATSAPP: {field}": ("media", WA)},
        )
        for name, (content, field) in META.items()
    },
    "picture of an agent": ({"agent": {"picture_url": OURS}}, {"agent.picture_url": ("media", "")}),
    "template of a channel": (
        {"template_message": {"channel_template": {"whatsapp": {"parameters": LINK}}}},
        {
            "template_message": ("template", ""),
            "template_message.channel_template.whatsapp.parameters.header[1]image.link": ("media", WA),
        },
    ),
    "template of all channels": (
        {"template_message": {"omni_template": {"parameters": {"a": OURS, "b c": "d", "e": 1}}}},
        {
            "template_message": ("template", ""),
            "template_message.omni_template.parameters.a": ("media", ""),
            "template_message.omni_template.parameters.#1": ("media", ""),
        },
    ),
    "template for one channel": (
        omni({"template_reference": {"parameters": {"a": OURS}}}),
        {
            "explicit_channel_omni_message.INSTAGRAM.template_reference": ("template", IG),
            "explicit_channel_omni_message.INSTAGRAM.template_reference.parameters.a": ("media", IG),
        },
    ),
    "template in Meta's words": (
        explicit(META_TEMPLATE),
        {
            "explicit_channel_message.WHATSAPP: template": ("template", WA),
            "explicit_channel_message.WHATSAPP: template.components[0].parameters[0].document.link": ("media", WA),
            "explicit_channel_message.WHATSAPP: "
            "template.components[2].cards[0].components[0].parameters[0].video.link": ("media", WA),
        },
    ),
    "attachment in Messenger's words": (
        explicit(ATTACHMENT, "MESSENGER"),
        {"explicit_channel_message.MESSENGER: attachment.payload.url": ("media", "MESSENGER")},
    ),
    "attachment of a message in Messenger's words": (
        explicit({"message": ATTACHMENT}, IG),
        {"explicit_channel_message.INSTAGRAM: message.attachment.payload.url": ("media", IG)},
    ),
    "header of a flow": (
        specific({"header": {"type": "video", "video": {"link": OURS}}}),
        {"channel_specific_message.WHATSAPP.message.header.video.link": ("media", WA)},
    ),
    "picture of KakaoTalk": (
        specific({"image": {"image_url": OURS, "image_link": FOREIGN}}, "KAKAOTALK"),
        {"channel_specific_message.KAKAOTALK.message.image.image_url": ("media", "KAKAOTALK")},
    ),
    "pictures of KakaoTalk": (
        specific({"carousel": {"head": {"image_url": OURS}, "list": [{"image": {"image_url": OURS}}]}}, "KAKAOTALK"),
        {
            "channel_specific_message.KAKAOTALK.message.carousel.head.image_url": ("media", "KAKAOTALK"),
            "channel_specific_message.KAKAOTALK.message.carousel.list[0].image.image_url": ("media", "KAKAOTALK"),
        },
    ),
    "several channels": (
        {"explicit_channel_message": {"WHATSAPP": nested(META_IMAGE), "telegram": nested(ATTACHMENT)}},
        {
            "explicit_channel_message.WHATSAPP: image.link": ("media", WA),
            "explicit_channel_message.telegram: attachment.payload.url": ("media", "TELEGRAM"),
        },
    ),
    "a channel in small letters": (
        explicit(META_IMAGE, "whatsapp"),
        {"explicit_channel_message.whatsapp: image.link": ("media", WA)},
    ),
    "a channel that is none": (
        {"explicit_channel_omni_message": {"a b": {"media_message": media()}, "c d": {"media_message": media()}}},
        {
            "explicit_channel_omni_message.#0.media_message.url": ("media", ""),
            "explicit_channel_omni_message.#1.media_message.url": ("media", ""),
        },
    ),
    # What is no field of media.
    "empty strings": ({"media_message": media(""), "text_message": {"text": ""}}, {}),
    "other types": ({"media_message": {"url": 1, "thumbnail_url": [OURS]}, "template_message": OURS, "agent": []}, {}),
    "null": ({"media_message": {"url": None}, "agent": None, "explicit_channel_message": {"WHATSAPP": None}}, {}),
    "an address to visit": (
        {"choice_message": {"choices": [{"url_message": {"title": "a", "url": FOREIGN}}]}},
        {},
    ),
    "Meta's words for another channel": (explicit(META_IMAGE, "VIBERBM"), {}),
    "Messenger's words for WhatsApp": (explicit(ATTACHMENT), {}),
    "no JSON for another channel": ({"explicit_channel_message": {"TELEGRAM": "{'image':1}"}}, {}),
    "nothing for WhatsApp": ({"explicit_channel_message": {"WHATSAPP": ""}}, {}),
    "a field that nobody knows": ({"hologram_message": media()}, {}),
}


@together(("message", "expected"), FOUND.values(), ids=FOUND)
def test_a_message_is_searched(message: dict[str, Any], expected: dict[str, tuple[str, str]]) -> None:
    assert found(message) == expected


KEYS = {
    "header[1]image.link": True,
    "header[1]video.link": True,
    "header[1]document.link": True,
    "header[1]gif.link": True,
    "carousel[0]header[1]image[0].link": True,
    "document.link": True,
    "imagelink": True,
    "header[1]document.filename": False,
    "header[1]image.id": False,
    "body[1]text": False,
    "button[0]url[1]text": False,
    "link": False,
    "header[1]image.links": False,
    "image of a link": False,
}


@together(("key", "is_link"), KEYS.items(), ids=KEYS)
def test_the_key_of_a_parameter_says_that_it_is_a_link(key: str, is_link: bool) -> None:  # noqa: FBT001 - a column
    template = {"template_message": {"channel_template": {"WHATSAPP": {"parameters": {key: OURS}}}}}
    expected = {f"template_message.channel_template.WHATSAPP.parameters.{key}"} if is_link else set()
    assert found(template).keys() - {"template_message"} == expected


@pytest.mark.parametrize("text", ["{'image':1}", '{"x":NaN}', "\ufeff{}", "/**/{}", "{};", "{\t\n", "[]", "null", " "])
def test_what_is_no_json_for_whatsapp_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        found({"explicit_channel_message": {"WHATSAPP": text}})
    assert (caught.value.code, caught.value.field) == ("BODY_NOT_JSON", "message.explicit_channel_message.WHATSAPP")


def test_every_row_but_those_of_all_channels_is_reached_by_a_sample() -> None:
    """No path of the table is a slip of the pen: something is found by each."""
    reached = set()
    for message, _ in FOUND.values():
        node = document.parse(body({"message": message})).get("message")
        assert node
        reached |= {one.row.path for one in message_fields.find(node)}
    unreached = {row.path for row in FIELDS} - reached
    assert {path for path in unreached if not path.endswith(".thumbnail_url")} == {
        "explicit_channel_omni_message.<channel>.template_message",
        "explicit_channel_omni_message.<channel>.template_message.channel_template.<channel>.parameters.(link)",
        "explicit_channel_omni_message.<channel>.template_message.omni_template.parameters.(any)",
    }


def test_only_parameters_of_any_name_may_be_something_else_than_media() -> None:
    assert {row.path for row in FIELDS if row.ours_only} == {row.path for row in FIELDS if row.path.endswith(".(any)")}


def test_a_file_is_named_beside_the_urls_of_sinchs_media_properties() -> None:
    assert {row.path for row in FIELDS if row.file_name} == {
        row.path for row in FIELDS if row.path.endswith((".media_message.url", ".media.url"))
    } | {"media_message.url"}
    assert {row.file_name for row in FIELDS if row.holds is not Holds.MEDIA} == {""}


DOUBLE = {
    "the message": ({"media_message": {}, "mediaMessage": {}}, "message.media_message"),
    "the link": (
        {"media_message": {"thumbnail_url": OURS, "thumbnailUrl": OURS}},
        "message.media_message.thumbnail_url",
    ),
    "the file's name": (
        {"media_message": media(filename_override="", filenameOverride="a.exe")},
        "message.media_message.filename_override",
    ),
}


@pytest.mark.parametrize(("message", "field"), DOUBLE.values(), ids=DOUBLE)
def test_what_goes_by_both_names_at_once_is_refused_with_its_path(message: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as caught:
        found(message)
    assert (caught.value.code, caught.value.field) == ("BODY_REPEATS_KEY", field)


channels = st.sampled_from(["WHATSAPP", "whatsapp", "A", "A.media_message", "a b", "#0", "#1", "image.link", ""])
parts = st.dictionaries(
    channels, st.just({"media_message": media()}) | st.just({"card_message": {"media_message": media()}})
)


@given(parts, st.dictionaries(channels, st.just(nested(META_IMAGE))), st.dictionaries(channels, st.just(OURS)))
def test_no_two_fields_are_told_alike(omni: Any, explicit: Any, parameters: Any) -> None:
    template = {"omni_template": {"parameters": parameters}, "channel_template": {"A": {"parameters": parameters}}}
    message = {
        "explicit_channel_omni_message": omni,
        "explicit_channel_message": explicit,
        "template_message": template,
    }
    assert found(message)  # it compares the two counts

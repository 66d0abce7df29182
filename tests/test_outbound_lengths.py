"""How much of a message WhatsApp takes: both neighbours of every edge, in every place, in both spellings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.outbound import lengths, message
from gateway.outbound.refusals import Refused
from tests.call_samples import MESSAGES, body, send
from tests.call_samples import nested as written
from tests.together import together


def explicit(interactive: dict[str, Any], channel: str = "WHATSAPP") -> dict[str, Any]:
    return {"explicit_channel_message": {channel: written({"type": "interactive", "interactive": interactive})}}


def listed(**more: Any) -> dict[str, Any]:
    return explicit({"type": "list", "action": {"sections": [{"rows": [{"title": "a"}]}]}} | more)


def choices(count: int) -> list[dict[str, Any]]:
    return [{"text_message": {"text": "Sí"}}] * count


def sections(*each: int, kind: str = "choice") -> list[dict[str, Any]]:
    return [{"items": [{kind: {"title": "a"}}] * count} for count in each]


def rows(*each: int, of: str = "rows") -> dict[str, Any]:
    return {"action": {"sections": [{of: [{"title": "a"}] * count} for count in each]}}


SPLIT, LONG, MANY = "MESSAGE_SPLIT_REQUIRED", "TEXT_TOO_LONG", "TOO_MANY_PARTS"
META = "explicit_channel_message.WHATSAPP: "
# A message with x of so many characters; the limit, the code, the field.
TEXTS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "a text": ({"text_message": {"text": "X"}}, 4096, SPLIT, "text_message.text"),
    "of a choice": (
        {"choice_message": {"text_message": {"text": "X"}}},
        4096,
        SPLIT,
        "choice_message.text_message.text",
    ),
    "a template's parameter": (
        {"template_message": {"channel_template": {"WHATSAPP": {"parameters": {"body[1]text": "X"}}}}},
        32768,
        SPLIT,
        "template_message.channel_template.WHATSAPP.parameters.body[1]text",
    ),
    "a parameter of Meta's template": (
        {
            "explicit_channel_message": {
                "WHATSAPP": written({"template": {"components": [{"parameters": [{"text": "X"}]}]}})
            }
        },
        32768,
        SPLIT,
        META + "template.components[0].parameters[0].text",
    ),
    "a card's title": ({"card_message": {"title": "X"}}, 4096, SPLIT, "card_message.title"),
    "a card's description": ({"card_message": {"description": "X"}}, 4096, SPLIT, "card_message.description"),
    "of a carousel": (
        {"carousel_message": {"cards": [{}, {"description": "X"}]}},
        4096,
        SPLIT,
        "carousel_message.cards[1].description",
    ),
    "a list's description": ({"list_message": {"description": "X"}}, 4096, SPLIT, "list_message.description"),
    "a list's section": (
        {"list_message": {"sections": [{"title": "X"}]}},
        24,
        LONG,
        "list_message.sections[0].title",
    ),
    "a list's row": (
        {"list_message": {"sections": [{"items": [{"choice": {"title": "X"}}]}]}},
        24,
        LONG,
        "list_message.sections[0].items[0].choice.title",
    ),
    "what a list's row says below": (
        {"list_message": {"sections": [{"items": [{"choice": {"description": "X"}}]}]}},
        72,
        LONG,
        "list_message.sections[0].items[0].choice.description",
    ),
    "a list's button": (
        {"list_message": {"message_properties": {"menu": "X"}}},
        20,
        LONG,
        "list_message.message_properties.menu",
    ),
    "a footer": (
        {"choice_message": {"message_properties": [{"whatsapp_footer": "X"}]}},
        60,
        LONG,
        "choice_message.message_properties[0].whatsapp_footer",
    ),
    "a header": (
        {"card_message": {"message_properties": {"whatsapp_header": "X"}}},
        60,
        LONG,
        "card_message.message_properties.whatsapp_header",
    ),
    "for one channel": (
        {"explicit_channel_omni_message": {"WHATSAPP": {"card_message": {"description": "X"}}}},
        4096,
        SPLIT,
        "explicit_channel_omni_message.WHATSAPP.card_message.description",
    ),
    "Meta's text": (
        {"explicit_channel_message": {"WHATSAPP": written({"text": {"body": "X"}})}},
        4096,
        SPLIT,
        META + "text.body",
    ),
    **{
        f"a caption of Meta's {kind}": (
            {"explicit_channel_message": {"WHATSAPP": written({kind: {"link": "https://a.b/c", "caption": "X"}})}},
            1024,
            SPLIT,
            f"{META}{kind}.caption",
        )
        for kind in ("image", "video", "document")
    },
    "Meta's header": (explicit({"header": {"type": "text", "text": "X"}}), 60, LONG, META + "interactive.header.text"),
    "Meta's body": (explicit({"type": "button", "body": {"text": "X"}}), 1024, SPLIT, META + "interactive.body.text"),
    "Meta's body of a list": (listed(body={"text": "X"}), 4096, SPLIT, META + "interactive.body.text"),
    "Meta's body of products": (
        explicit({"type": "product_list", "body": {"text": "X"}} | rows(2, of="product_items")),
        1024,
        SPLIT,
        META + "interactive.body.text",
    ),
    "Meta's footer": (explicit({"footer": {"text": "X"}}), 60, LONG, META + "interactive.footer.text"),
    "Meta's button of a list": (explicit({"action": {"button": "X"}}), 20, LONG, META + "interactive.action.button"),
    "Meta's button": (
        explicit({"action": {"buttons": [{"reply": {"title": "X"}}]}}),
        20,
        LONG,
        META + "interactive.action.buttons[0].reply.title",
    ),
    "Meta's button's id": (
        explicit({"action": {"buttons": [{"reply": {"id": "X"}}]}}),
        256,
        LONG,
        META + "interactive.action.buttons[0].reply.id",
    ),
    "Meta's button with a link": (
        explicit({"action": {"name": "cta_url", "parameters": {"display_text": "X"}}}),
        20,
        LONG,
        META + "interactive.action.parameters.display_text",
    ),
    "Meta's section": (
        explicit({"action": {"sections": [{"title": "X"}]}}),
        24,
        LONG,
        META + "interactive.action.sections[0].title",
    ),
    **{
        f"Meta's row's {name}": (
            explicit({"action": {"sections": [{"rows": [{name: "X"}]}]}}),
            most,
            LONG,
            f"{META}interactive.action.sections[0].rows[0].{name}",
        )
        for name, most in (("id", 200), ("title", 24), ("description", 72))
    },
    "Meta's card": (
        explicit({"action": {"cards": [{"body": {"text": "X"}}]}}),
        160,
        LONG,
        META + "interactive.action.cards[0].body.text",
    ),
    "a button of Meta's card": (
        explicit({"action": {"cards": [{"action": {"buttons": [{"quick_reply": {"title": "X"}}]}}]}}),
        20,
        LONG,
        META + "interactive.action.cards[0].action.buttons[0].quick_reply.title",
    ),
    "a link of Meta's card": (
        explicit({"action": {"cards": [{"action": {"parameters": {"display_text": "X"}}}]}}),
        20,
        LONG,
        META + "interactive.action.cards[0].action.parameters.display_text",
    ),
    "a flow's body": (
        {"channel_specific_message": {"WHATSAPP": {"message": {"body": {"text": "X"}}}}},
        1024,
        SPLIT,
        "channel_specific_message.WHATSAPP.message.body.text",
    ),
    "a flow's footer": (
        {"channel_specific_message": {"WHATSAPP": {"message": {"footer": {"text": "X"}}}}},
        60,
        LONG,
        "channel_specific_message.WHATSAPP.message.footer.text",
    ),
    "a flow's header": (
        {"channel_specific_message": {"WHATSAPP": {"message": {"header": {"text": "X"}}}}},
        60,
        LONG,
        "channel_specific_message.WHATSAPP.message.header.text",
    ),
}


def camel(text: str) -> str:
    return re.sub(r'(?<=[a-z])_([a-z])(?=[a-z_]*\\?":)', lambda found: found[1].upper(), text)


def refused(content: bytes, *channels: str) -> Refused | None:
    try:
        message.require_fits(message.parse(content), channels=channels)
    except Refused as told:
        return told
    return None


@together("character", ["x", "é", "👋"])
@together("spelled", [str, camel], ids=["snake_case", "camelCase"])
@together(("said", "most", "code", "field"), TEXTS.values(), ids=TEXTS)
def test_a_text_fits_to_the_last_character(
    said: dict[str, Any], most: int, code: str, field: str, spelled: Any, character: str
) -> None:
    def of(length: int) -> bytes:
        text = json.dumps(send(said), ensure_ascii=False)
        return str(spelled(text)).replace("X", character * length).encode()

    assert refused(of(most)) is None
    told = refused(of(most + 1))
    assert told
    assert (told.code, told.field) == (code, f"message.{field}")
    assert f"{most + 1} characters; WhatsApp takes {most}" in told.says
    assert refused(of(most + 1), "WHATSAPP")
    assert ("WHATSAPP" not in field) == (refused(of(most + 1), "MESSENGER") is None)


# A message of so many parts that fits; one that has a part too many, its count and its field.
PARTS: dict[str, tuple[dict[str, Any], dict[str, Any], int, int, str]] = {
    "choices": (
        {"choice_message": {"choices": choices(10)}},
        {"choice_message": {"choices": choices(12)}},
        12,
        10,
        "choice_message.choices",
    ),
    "choices of a card": (
        {"card_message": {"choices": choices(10)}},
        {"card_message": {"choices": choices(11)}},
        11,
        10,
        "card_message.choices",
    ),
    "cards": (
        {"carousel_message": {"cards": [{"choices": choices(3)}] * 10}},
        {"carousel_message": {"cards": [{}] * 11}},
        11,
        10,
        "carousel_message.cards",
    ),
    "choices of one card of many": (
        {"carousel_message": {"cards": [{"choices": choices(10)}] * 10}},
        {"carousel_message": {"cards": [{}, {"choices": choices(11)}]}},
        11,
        10,
        "carousel_message.cards[1].choices",
    ),
    "choices of a carousel": (
        {"carousel_message": {"choices": choices(10)}},
        {"carousel_message": {"choices": choices(11)}},
        11,
        10,
        "carousel_message.choices",
    ),
    "rows of a list's sections together": (
        {"list_message": {"sections": sections(3, 7)}},
        {"list_message": {"sections": sections(3, 9)}},
        12,
        10,
        "list_message.sections[1].items[7].choice",
    ),
    "products of a list": (
        {"list_message": {"sections": sections(30, kind="product")}},
        {"list_message": {"sections": sections(30, 1, kind="product")}},
        31,
        30,
        "list_message.sections[1].items[0].product",
    ),
    "sections": (
        {"list_message": {"sections": sections(*[1] * 10)}},
        {"list_message": {"sections": sections(*[0] * 11)}},
        11,
        10,
        "list_message.sections",
    ),
    "Meta's buttons": (
        explicit({"action": {"buttons": [{}] * 3}}),
        explicit({"action": {"buttons": [{}] * 4}}),
        4,
        3,
        META + "interactive.action.buttons",
    ),
    "Meta's rows": (
        explicit(rows(5, 5)),
        explicit(rows(5, 6)),
        11,
        10,
        META + "interactive.action.sections[1].rows[5]",
    ),
    "Meta's products": (
        explicit(rows(15, 15, of="product_items")),
        explicit(rows(15, 16, of="product_items")),
        31,
        30,
        META + "interactive.action.sections[1].product_items[15]",
    ),
    "Meta's sections": (
        explicit(rows(*[1] * 10)),
        explicit(rows(*[0] * 11)),
        11,
        10,
        META + "interactive.action.sections",
    ),
    "Meta's cards": (
        explicit({"action": {"cards": [{}] * 10}}),
        explicit({"action": {"cards": [{}] * 11}}),
        11,
        10,
        META + "interactive.action.cards",
    ),
}


@together(("fits", "too_many", "count", "most", "field"), PARTS.values(), ids=PARTS)
def test_parts_fit_to_the_last_one(
    fits: dict[str, Any], too_many: dict[str, Any], count: int, most: int, field: str
) -> None:
    assert refused(body(send(fits))) is None
    told = refused(body(send(too_many)))
    assert told
    assert (told.code, told.field) == (MANY, f"message.{field}")
    assert told.says == f"The message has {count} of these; WhatsApp takes {most}."


BUTTONS = [
    {"text_message": {"text": "x" * 100}},
    {"url_message": {"title": "x" * 100, "url": "x" * 100}},
    {"call_message": {"title": "x" * 100, "phone_number": "x" * 20}},
    {"location_message": {"title": "x" * 100}},
    {"calendar_message": {"title": "x" * 100}},
    {"share_location_message": {"title": "x" * 80}},
]
# A message whose text is as long as said; what its choices take; the field.
SUMS: dict[str, tuple[Callable[[str], dict[str, Any]], int, str]] = {
    "a text and its choices": (
        lambda text: {"choice_message": {"text_message": {"text": text}, "choices": BUTTONS}},
        700,
        "choice_message",
    ),
    "choices in the other spelling": (
        lambda text: {"choiceMessage": {"textMessage": {"text": text}, "choices": [{"textMessage": {"text": "ab"}}]}},
        2,
        "choice_message",
    ),
    "a card and its choices": (
        lambda text: {"card_message": {"title": "ab", "description": text, "choices": BUTTONS}},
        702,
        "card_message",
    ),
    "one card of several": (
        lambda text: {"carousel_message": {"cards": [{"title": "ab"}, {"description": text, "choices": BUTTONS[:1]}]}},
        100,
        "carousel_message.cards[1]",
    ),
    "a list's title and description": (
        lambda text: {"list_message": {"title": "ab", "description": text}},
        2,
        "list_message",
    ),
    "for one channel": (
        lambda text: {
            "explicit_channel_omni_message": {"WHATSAPP": {"card_message": {"title": "ab", "description": text}}}
        },
        2,
        "explicit_channel_omni_message.WHATSAPP.card_message",
    ),
}


@pytest.mark.parametrize(("made", "taken", "field"), SUMS.values(), ids=SUMS)
def test_what_becomes_one_text_is_measured_together(
    made: Callable[[str], dict[str, Any]], taken: int, field: str
) -> None:
    assert refused(body(send(made("x" * (4096 - taken))))) is None
    told = refused(body(send(made("x" * (4097 - taken)))))
    assert told
    assert (told.code, told.field) == (SPLIT, f"message.{field}")
    assert told.says == "The text has 4097 characters; WhatsApp takes 4096."


LEFT_TO_SINCH = {
    "a choice's title, of which Sinch makes a line": {
        "choice_message": {"choices": [{"text_message": {"text": "x" * 99}}]}
    },
    "more choices than buttons": {"choice_message": {"choices": choices(9)}},
    "what a choice says back": {"choice_message": {"choices": [{"text_message": {}, "postback_data": "x" * 999}]}},
    "another channel's words": explicit({"body": {"text": "x" * 5000}}, "MESSENGER"),
    "a text that is none": {"text_message": {"text": ["x"] * 5000}},
}


@pytest.mark.parametrize("said", LEFT_TO_SINCH.values(), ids=LEFT_TO_SINCH)
def test_what_sinch_makes_fit_is_left_to_it(said: dict[str, Any]) -> None:
    assert refused(body(send(said))) is None


@together("kind", MESSAGES)
def test_every_kind_of_message_as_motion_writes_it_fits(kind: str) -> None:
    assert refused(body(send(MESSAGES[kind]))) is None


def _reached() -> Iterator[str]:
    for said, *_ in [*TEXTS.values(), *PARTS.values()]:
        root = message.document.parse(body(send(said))).get("message")
        assert root
        yield from (one.row.path for one in message.message_fields.find(root, lengths._tree()))


def test_every_row_is_reached_by_a_sample() -> None:
    reached = set(_reached())
    written_there = {path for path in lengths.rows() if "omni" not in path}
    assert {path for path in written_there - reached if "message_properties" not in path} == set()

"""Bodies of `messages:send`, one of each kind, as XCALLY Motion and Sinch's SDKs write them."""

from __future__ import annotations

import json
from typing import Any

APP = "01JQ8V4M2Z7T5X9C3N6B1K0DHA"
CONTACT = "01JQ8V7S0M4R2P8W6Y3E5T9QZB"
PHONE = "34600111222"
OURS = "https://gateway.example.com/api/attachments/4711/download?token=a-secret-of-sixteen"
FOREIGN = "https://cdn.example.net/a/logo.png?size=big&sig=x%2Fy"

COORDINATES = {"latitude": 41.389, "longitude": 2.159}
CHOICES = [
    {"text_message": {"text": "Sí"}, "postback_data": "yes"},
    {"url_message": {"title": "Condiciones", "url": "https://example.com/terms"}},
    {"call_message": {"title": "Llámenos", "phone_number": "+34911000333"}},
]


def media(url: str = OURS, **others: str) -> dict[str, str]:
    return {"url": url, **others}


def card(url: str = OURS) -> dict[str, Any]:
    return {"title": "Plan", "description": "Con 👋", "media_message": media(url), "choices": CHOICES}


def nested(content: Any) -> str:
    return json.dumps(content)


META_IMAGE = {"type": "image", "image": {"link": OURS, "caption": "Señal"}}
META_TEMPLATE = {
    "type": "template",
    "template": {
        "name": "receipt",
        "language": {"code": "es"},
        "components": [
            {"type": "header", "parameters": [{"type": "document", "document": {"link": OURS, "filename": "r.pdf"}}]},
            {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]},
            {
                "type": "carousel",
                "cards": [
                    {
                        "card_index": 0,
                        "components": [
                            {"type": "header", "parameters": [{"type": "video", "video": {"link": FOREIGN}}]},
                        ],
                    }
                ],
            },
        ],
    },
}
MESSAGES: dict[str, dict[str, Any]] = {
    "text": {"text_message": {"text": "Buenos días, ¿en qué podemos ayudarle? 👋"}},
    "media": {"media_message": media(thumbnail_url=FOREIGN)},
    "card": {"card_message": card()},
    "carousel": {"carousel_message": {"cards": [card(FOREIGN), card()], "choices": CHOICES}},
    "choice": {"choice_message": {"text_message": {"text": "¿Sigue?"}, "choices": CHOICES}},
    "list": {
        "list_message": {
            "title": "Planes",
            "media": media(FOREIGN),
            "sections": [
                {"title": "A", "items": [{"product": {"id": "1", "marketplace": "FB", "item_price": 1.10}}]},
                {"title": "B", "items": [{"choice": {"title": "Uno", "media": media(), "postback_data": "1"}}]},
            ],
        }
    },
    "location": {"location_message": {"title": "Oficina", "coordinates": COORDINATES}},
    "contact_info": {
        "contact_info_message": {
            "name": {"full_name": "Ana Prueba"},
            "phone_numbers": [{"phone_number": "+34911000333"}],
            "urls": [{"url": "https://example.com"}],
        }
    },
    "template": {
        "template_message": {
            "channel_template": {
                "WHATSAPP": {
                    "template_id": "receipt",
                    "language_code": "es",
                    "parameters": {"header[1]document.link": OURS, "header[1]document.filename": "r.pdf"},
                }
            },
            "omni_template": {
                "template_id": "01JQ",
                "version": "latest",
                "parameters": {"picture": OURS, "who": "Ana"},
            },
        }
    },
    "explicit_channel": {"explicit_channel_message": {"WHATSAPP": nested(META_IMAGE)}},
    "explicit_channel_omni": {"explicit_channel_omni_message": {"INSTAGRAM": {"media_message": media()}}},
    "channel_specific": {
        "channel_specific_message": {
            "WHATSAPP": {
                "message_type": "FLOWS",
                "message": {
                    "header": {"type": "image", "image": {"link": OURS}},
                    "body": {"text": "Rellene"},
                    "flow_id": "1",
                    "flow_cta": "Abrir",
                    "flow_action_payload": {"screen": "A", "data": {"n": 10}},
                },
            }
        }
    },
    "other": {"hologram_message": {"url": FOREIGN}},
}


def send(message: Any, **others: Any) -> dict[str, Any]:
    """The whole body around a message."""
    return {
        "app_id": APP,
        "recipient": {"identified_by": {"channel_identities": [{"channel": "WHATSAPP", "identity": PHONE}]}},
        "message": message,
        **others,
    }


def body(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

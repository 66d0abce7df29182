"""Where a callback has links to files that a customer sent: a table of paths; found and replaced byte for byte.

Rule 1. A link is what stands in a row of `PLACES` and begins as one of HTTP. Whatever else a callback says is no link.
Rule 2. A callback that readers might read in two ways has none: bytes that are no UTF-8, a byte order mark, what is no
        JSON, a key that an object says twice, a field in both of its spellings.
Rule 3. Of one callback `MOST_LINKS` are seen to; those behind them stay as they are.
Rule 4. Whoever puts others in their place changes the bytes of the links, and no other.

The paths are those of `gateway/outbound/message_fields.py`, from the top of the callback. Sources: the contact messages
of Sinch's OpenAPI document and SDKs, of which two have a link. Instagram's come as `media_message`, too, a story that
mentions the account among them: its kind stands in `metadata` (community.sinch.com, article 9288). Cards, carousels,
stories and products are written as in messages that go out: no document says that they come in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from gateway.outbound import document, message_fields, refusals

MOST_LINKS = 32  # a carousel of ten cards has twenty
LONGEST_LINK = 4096  # characters

_OF_CUSTOMERS = "message|message_redaction.contact_message"
_MEDIA = "url|thumbnail_url"
_STORIES = "story_message|story_mention_message|story_reply_message"
_PRODUCTS = "product_message|product_response_message|product_inquiry_message"

PLACES = tuple(
    message_fields.MessageField(path=f"{_OF_CUSTOMERS}.{path}")
    for path in (
        f"media_message.{_MEDIA}",
        f"media_card_message.{_MEDIA}",
        f"card_message.media_message.{_MEDIA}",
        f"carousel_message.cards[].media_message.{_MEDIA}",
        f"{_STORIES}.{_MEDIA}",
        f"{_STORIES}.media_message.{_MEDIA}",
        f"reply_to.story.{_MEDIA}",
        f"{_PRODUCTS}.products[].{_MEDIA}|image_url",
        f"{_PRODUCTS}.products[].media_message.{_MEDIA}",
    )
)
_TREE = message_fields.tree(PLACES)

# Bytes without either have no link: "http" is spelled as it is, or with an escape.
_MAYBE = re.compile(rb"http|\\u", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+", re.IGNORECASE)
# Says the same in a string of JSON, in a text that is written into one, and so on.
_PLAIN = re.compile(rb"[!#-\[\]-~]+")


class InboundLink(NamedTuple):
    """One link of a callback: what stands in body[start:end], between the quotes of its string.

    `place`: the way there, `message.contact_message.media_message.url`; `url`: what it says once its escapes are read.
    """

    place: str
    url: str
    start: int
    end: int


def find(body: bytes) -> tuple[InboundLink, ...]:
    """Find the links in a callback, in the order in which they stand. Never raises."""
    if not _MAYBE.search(body):
        return ()
    try:
        callback = document.parse(body)
        found = [node for _, node, *_ in message_fields.find(callback, _TREE) if _is_link(node.string or "")]
    except refusals.Refused:
        return ()
    ascii_only = callback.text.isascii()

    def at(position: int) -> int:
        return position if ascii_only else len(callback.text[:position].encode())

    links = (InboundLink(node.path, node.string or "", *map(at, node.saying("")[:2])) for node in found)
    return tuple(sorted(links, key=lambda link: link.start)[:MOST_LINKS])


def replaced(body: bytes, links: Mapping[InboundLink, str]) -> bytes:
    """Put another in the place of each of these links. Raises ValueError for one that JSON would write otherwise."""
    parts, at = [], 0
    for link, other in sorted(links.items(), key=lambda item: item[0].start):
        plain = other.encode()
        if not _PLAIN.fullmatch(plain):
            raise ValueError("a link of ours needs no escapes")
        parts += [body[at : link.start], plain]
        at = link.end
    return b"".join([*parts, body[at:]])


def _is_link(text: str) -> bool:
    return len(text) <= LONGEST_LINK and _LINK.fullmatch(text) is not None

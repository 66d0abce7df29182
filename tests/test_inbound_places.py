"""Links in callbacks: found wherever Sinch puts one, and replaced without another byte changing."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inbound import places
from sandbox import callbacks
from tests.together import together

URL = "https://media.sinch.com/o/4f0c2a1e?sig=a%2Bb&x=1"
OURS = "https://10.0.0.5:8443/media/gAAAAtoken/voice%20note.ogg"


def callback(contact_message: Any, *, key: str = "message") -> dict[str, Any]:
    return {"app_id": "", key: {"id": "01X", "contact_message": contact_message}, "message_metadata": ""}


def found(body: bytes) -> list[tuple[str, str]]:
    return [(link.place.removeprefix("message.contact_message."), link.url) for link in places.find(body)]


MEDIA = {"url": URL, "thumbnail_url": "", "filename_override": ""}
SHAPES: dict[str, tuple[Any, list[str]]] = {
    "media": ({"media_message": MEDIA}, ["media_message.url"]),
    "media with a thumbnail": (
        {"media_message": {"url": URL, "thumbnail_url": URL}},
        ["media_message.url", "media_message.thumbnail_url"],
    ),
    "media with a caption": ({"media_card_message": {"url": URL, "caption": URL}}, ["media_card_message.url"]),
    "media that answer": ({"media_message": MEDIA, "reply_to": {"message_id": "01Y"}}, ["media_message.url"]),
    "media that answer nothing": ({"media_message": MEDIA, "reply_to": None}, ["media_message.url"]),
    "a card": ({"card_message": {"title": URL, "media_message": MEDIA}}, ["card_message.media_message.url"]),
    "a carousel": (
        {"carousel_message": {"cards": [{"media_message": MEDIA}, {"title": "x"}, {"media_message": MEDIA}]}},
        ["carousel_message.cards[0].media_message.url", "carousel_message.cards[2].media_message.url"],
    ),
    "a story": ({"story_message": MEDIA}, ["story_message.url"]),
    "a story that is answered": (
        {"text_message": {"text": "hi"}, "reply_to": {"story": {"url": URL}}},
        ["reply_to.story.url"],
    ),
    "products": (
        {"product_response_message": {"products": [{"id": "sku-1", "image_url": URL}, {"id": "sku-2"}]}},
        ["product_response_message.products[0].image_url"],
    ),
    "names as protobuf spells them in JSON": ({"mediaMessage": {"thumbnailUrl": URL}}, ["media_message.thumbnail_url"]),
    "a link in a text": ({"text_message": {"text": URL}}, []),
    "what nobody knows": ({"hologram_message": {"url": URL}}, []),
    "no link": ({"media_message": {"url": "an url value"}}, []),
    "another scheme": ({"media_message": {"url": "file:///etc/passwd"}}, []),
    "a link with a blank": ({"media_message": {"url": "https://media.sinch.com/a b"}}, []),
    "half a character": ({"media_message": {"url": "https://media.sinch.com/\ud800"}}, []),
    "a link without end": ({"media_message": {"url": "https://media.sinch.com/" + "x" * places.LONGEST_LINK}}, []),
    "no object": ({"media_message": URL}, []),
}


@together(("contact_message", "where"), SHAPES.values(), ids=SHAPES)
def test_links_are_found_where_files_stand(contact_message: Any, where: list[str]) -> None:
    body = json.dumps(callback(contact_message)).encode()
    assert found(body) == [(place, URL) for place in where]


@pytest.mark.parametrize("channel", ["WHATSAPP", "INSTAGRAM", "MESSENGER", "RCS", "TELEGRAM", "LINE", "MMS", "VIBERBM"])
def test_every_channel_has_its_media_in_the_same_place(channel: str) -> None:
    content = callback({"media_message": MEDIA})
    content["message"] |= {"channel_identity": {"channel": channel}, "metadata": '{"type":"story_mention"}'}
    assert found(json.dumps(content).encode()) == [("media_message.url", URL)]


def test_what_is_told_without_names_and_numbers_has_its_files_too() -> None:
    [link] = places.find(json.dumps(callback({"media_message": MEDIA}, key="message_redaction")).encode())
    assert link.place == "message_redaction.contact_message.media_message.url"


def test_what_motion_has_sent_itself_has_no_file_of_a_customer() -> None:
    told = {"message_submit_notification": {"submitted_message": {"media_message": MEDIA}}}
    assert found(json.dumps(told).encode()) == []


def test_of_more_links_than_anybody_sends_the_first_are_seen_to() -> None:
    cards = [{"media_message": {"url": f"{URL}{number}"}} for number in range(places.MOST_LINKS + 1)]
    links = places.find(json.dumps(callback({"carousel_message": {"cards": cards}})).encode())
    assert [link.url for link in links] == [f"{URL}{number}" for number in range(places.MOST_LINKS)]


def media_text(url: str) -> str:
    return f'{{"message":{{"contact_message":{{"media_message":{{"url":{url}}}}}}}}}'


MEDIA_TEXT = media_text(f'"{URL}"')
AMBIGUOUS = {
    "bytes that are no UTF-8": MEDIA_TEXT.replace("sig=", "sig=\udcff").encode("utf-8", "surrogateescape"),
    "a byte order mark": b"\xef\xbb\xbf" + MEDIA_TEXT.encode(),
    "UTF-16": MEDIA_TEXT.encode("utf-16"),
    "a link said twice": MEDIA_TEXT.replace('"url":', f'"url":"{URL}1","url":').encode(),
    "a key said twice elsewhere": MEDIA_TEXT.replace('{"message":', '{"a":1,"a":2,"message":').encode(),
    "a key said twice with an escape": MEDIA_TEXT.replace('"url":', f'"\\u0075rl":"{URL}1","url":').encode(),
    "a field in both of its spellings": MEDIA_TEXT.replace('"media_', '"mediaMessage":{},"media_').encode(),
    "what ends early": MEDIA_TEXT[:-1].encode(),
    "what goes on": f"{MEDIA_TEXT}x".encode(),
    "a list": f"[{MEDIA_TEXT}]".encode(),
    "no JSON": URL.encode(),
    "a nest without end": b"[" * 100_000 + URL.encode(),
}


@together("body", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_can_be_read_in_two_ways_has_no_link(body: bytes) -> None:
    assert places.find(body) == ()


def test_a_link_of_ours_goes_in_as_it_is_or_not_at_all() -> None:
    body = MEDIA_TEXT.encode()
    [link] = places.find(body)
    assert places.replaced(body, {link: OURS}) == media_text(f'"{OURS}"').encode()
    for other in ('https://a/"', "https://a/\\", "https://a/\n", "https://a/é", ""):
        with pytest.raises(ValueError, match="no escapes"):
            places.replaced(body, {link: other})


def spelled(text: str, choose: Random) -> str:
    """A JSON string that says `text`, some of its characters escaped."""
    return "".join(choose.choice([char, "\\/" if char == "/" else escaped(char)]) for char in text)


def escaped(char: str) -> str:
    pairs = char.encode("utf-16-be").hex()
    return "".join(f"\\u{pairs[at : at + 4]}" for at in range(0, len(pairs), 4))


def written(value: Any, choose: Random) -> str:
    """A JSON text that says `value`, with whatever blanks and escapes."""
    blank = choose.choice(["", " ", "\n\t", "\r\n  "])
    match value:
        case dict():
            members = [f"{written(key, choose)}:{written(inner, choose)}" for key, inner in value.items()]
            return f"{{{blank}{f'{blank},'.join(members)}{blank}}}{blank}"
        case list():
            return f"[{blank}{','.join(written(inner, choose) for inner in value)}{blank}]"
        case str():
            return f'{blank}"{spelled(value, choose)}"{blank}'
    return json.dumps(value)


words = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=8)
urls = st.from_regex(r"https?://[a-z0-9.]{1,12}/[!#-\[\]-~é👋]{0,12}", fullmatch=True)


@given(choose=st.randoms(use_true_random=False), url=urls, thumbnail=urls, word=words)
def test_however_it_is_spelled_nothing_but_the_links_changes(
    choose: Random, url: str, thumbnail: str, word: str
) -> None:
    cards = [{"title": word, "media_message": {"url": url, "thumbnail_url": thumbnail}}, {"description": word}]
    content = callback({"carousel_message": {"cards": cards}, "text": word}) | {
        "correlation_id": word,
        "event": [1.0, {}],
    }
    body = written(content, choose).encode()
    links = places.find(body)
    assert [link.url for link in links] == [url, thumbnail]
    assert [json.loads(b'"' + body[link.start : link.end] + b'"') for link in links] == [url, thumbnail]
    after = places.replaced(body, {links[1]: f"{OURS}?2", links[0]: OURS})
    cards[0]["media_message"] = {"url": OURS, "thumbnail_url": f"{OURS}?2"}
    assert json.loads(after) == content
    first, second = links
    assert after.split(OURS.encode()) == [
        body[: first.start],
        body[first.end : second.start],
        b"?2" + body[second.end :],
    ]


@given(st.binary(max_size=40).map(lambda inner: MEDIA_TEXT.encode()[:60] + inner + MEDIA_TEXT.encode()[60:]))
def test_any_bytes_have_links_or_none(body: bytes) -> None:
    for link in places.find(body):
        assert body[link.start - 1 : link.start] == body[link.end : link.end + 1] == b'"'
    assert places.replaced(body, {}) == body


def test_of_all_callbacks_that_sinch_sends_those_with_media_have_links() -> None:
    with_links = {
        name for name in callbacks.names() if places.find(json.dumps(callbacks.sample(name).content).encode())
    }
    assert with_links == {"MESSAGE_INBOUND/media", "MESSAGE_INBOUND/media-with-caption"}

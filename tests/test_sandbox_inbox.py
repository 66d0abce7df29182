"""What the simulated Motion downloads of what callbacks name."""

from __future__ import annotations

import json

import pytest

from sandbox import callbacks, inbox
from sandbox.connection import Line
from sandbox.conversation.media import MediaHost
from sandbox.inbox import Inbox


@pytest.fixture
def host():
    with MediaHost() as running:
        yield running


def body(link: str, caption: str = "") -> tuple[str, bytes]:
    """The message's id, and its callback."""
    content = callbacks.file(link, caption=caption).content
    return content["message"]["id"], json.dumps(content).encode()


def test_it_brings_what_a_callback_names_with_type_and_name(host):
    link = host.keep("voice.ogg", b"OggS").link
    with Inbox(private={}, internet={host.url.removeprefix("http://"): Line()}) as box:
        number, said = body(link)
        box.hear(said)
        (found,) = box.of(number)
    assert (found.content, found.name, found.content_type) == (b"OggS", "voice.ogg", "audio/ogg")
    assert (found.named.place, host.items[0].by) == ("media_message.url", inbox.AGENT)


def test_unplugged_it_reaches_the_private_side_alone(host):
    place, (number, said) = host.url.removeprefix("http://"), body(host.keep("a.jpg", b"x").link, "words")
    with Inbox(private={}, internet={place: Line()}) as box:
        box.unplugged = True
        box.hear(said)
        (found,) = box.of(number)
    assert (found.content, found.answer, found.named.place) == (None, inbox.UNREACHABLE, "media_card_message.url")
    assert host.items == ()
    with Inbox(private={"127.0.0.1": Line()}) as box:
        box.hear(said)
        assert box.of(number)[0].content == b"x"


@pytest.mark.parametrize("link", ["https://[half", "http://nobody.example/x", "https://"])
def test_a_link_to_nowhere_is_told(link):
    with Inbox(private={}) as box:
        number, said = body(link)
        box.hear(said)
        assert box.of(number)[0].answer == inbox.UNREACHABLE


@pytest.mark.parametrize(
    "said", [b"", b"[]", b"{", b'{"message": 1}', b'{"message": {"id": 1, "contact_message": "http://x"}}']
)
def test_what_names_no_file_brings_none(said):
    assert inbox.files(said) == ()


def test_files_are_found_wherever_a_message_has_a_link():
    said = {
        "carousel": {
            "cards": [{"media_message": {"url": "https://a"}}, {"media_message": {"thumbnail_url": "https://b"}}]
        }
    }
    content = {"message": {"id": "01", "contact_message": said}}
    assert [(one.place, one.link) for one in inbox.files(json.dumps(content).encode())] == [
        ("carousel.cards[0].media_message.url", "https://a"),
        ("carousel.cards[1].media_message.thumbnail_url", "https://b"),
    ]

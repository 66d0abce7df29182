"""Every callback of the vendor's reference, freshly signed, from Sinch through nginx to Motion."""

from __future__ import annotations

import pytest
from sinch.domains.conversation.sinch_events.v1 import ConversationSinchEvent

from sandbox import callbacks, signing
from sandbox.style import Style
from tests.live.house import ACCOUNT, SECRET, House, opened

STYLES = {
    "compact": Style(),
    "pretty": Style(pretty=True),
    "ending in a line feed": Style(ending=b"\n"),
    "ending in CRLF": Style(ending=b"\r\n"),
    "escaped": Style(escaped=True),
    "chunked": Style(chunked=True),
    "headers in mixed case": Style(header_case="mixed"),
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_every_callback_arrives_byte_for_byte_and_the_vendors_sdk_accepts_it(house: House, style: Style) -> None:
    sinch = house.sinch(query="?token=a%2Fb&x=1", style=style)
    receipts = [sinch.send(callbacks.sample(name)) for name in callbacks.names()]
    assert [receipt.status for receipt in receipts] == [200] * len(receipts)
    arrived = {item.body: item for item in house.motion.wait_for_accepted(len(receipts))}
    for receipt in receipts:
        heard = arrived[receipt.letter.body]
        assert heard.query == "token=a%2Fb&x=1"
        sent = {name.lower(): value for name, value in receipt.letter.headers}
        kept = {name: heard.header(name) for name in ("content-type", *signing.HEADERS)}
        assert kept == {name: sent[name] for name in kept}
        validator = ConversationSinchEvent(SECRET)
        assert validator.validate_authentication_header(dict(heard.headers), heard.body), receipt.letter.callback.name


def test_a_secret_and_a_body_that_are_not_ascii_are_signed_as_their_utf8_bytes() -> None:
    with opened(account=[{**ACCOUNT, "webhook_secrets": ["clé-ünïcode-schlüssel"]}]) as house:
        receipt = house.sinch(secret="clé-ünïcode-schlüssel").send(callbacks.text("ñandú 😀"))
        assert receipt.status == 200
        assert house.motion.wait_for_accepted(1)[0].body == receipt.letter.body

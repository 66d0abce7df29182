"""Events as Motion hears them."""

from __future__ import annotations

from contextlib import closing

import pytest

from gateway import __version__
from gateway.errors import UpstreamTimeout
from gateway.motion.notify import Notifier
from gateway.upstream import Answer
from tests import config_samples
from tests.peer_samples import Behaviour, Peer, Wire, answers

SIGNED = [("content-type", "application/json"), ("x-sinch-webhook-signature", "c2ln")]


def notified(behaviour: Behaviour, query: str = "") -> tuple[Answer, bytes]:
    """The answer, and what was heard."""
    with closing(Peer(behaviour, host="127.0.0.1", tls=None)) as peer:
        url = f"http://127.0.0.1:{peer.port}"
        settings = config_samples.settings(motion={"url": url}, spool={"deadline": "1s"})
        with closing(Notifier(settings)) as notifier:
            answer = notifier.notify(
                7, b'{"a":1.10}', query=query, headers=SIGNED, request_id="request-1", address="192.0.2.7"
            )
        return answer, peer.requests[0]


def test_an_event_goes_out_as_it_came_and_says_where_it_came_from() -> None:
    answer, heard = notified(answers(b"{}", "Retry-After: 7", status="503 Busy"), query="token=%2f")
    head, _, body = heard.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    assert (first, body) == ("POST /api/whatsapp/accounts/7/notify?token=%2f HTTP/1.1", '{"a":1.10}')
    assert {
        *(": ".join(header) for header in SIGNED),
        f"User-Agent: motion-gateway/{__version__}",
        "X-Request-Id: request-1",
        "X-Forwarded-For: 192.0.2.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: gateway.example.com",
    } <= set(lines)
    assert (answer.status, answer.retry_after_seconds()) == (503, 7.0)


def test_an_event_has_the_deadline_of_the_settings() -> None:
    with pytest.raises(UpstreamTimeout):
        notified(Wire.hang)

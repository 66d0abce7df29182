"""The simulated host of what customers send, over real sockets."""

from __future__ import annotations

import pytest

from sandbox import faults
from sandbox.connection import Request, Route, exchange
from sandbox.conversation.media import MediaHost

CONTENT = bytes(range(256))


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def host():
    with MediaHost(clock=Clock()) as running:
        yield running


def get(link: str, method: str = "GET"):
    return exchange(Route(url=link), Request(method=method, headers=(("user-agent", "somebody"),)))


def test_a_link_gives_the_bytes_with_type_and_name_and_head_the_same_without_them(host):
    link = host.keep("Größe.jpg", CONTENT).link
    got, head = get(link), get(link, "HEAD")
    assert (got.status, got.body, got.header("content-type")) == (200, CONTENT, "image/jpeg")
    assert (
        got.header("content-disposition") == "attachment; filename=\"Gr__e.jpg\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.jpg"
    )
    assert (head.status, head.body, head.headers) == (200, b"", got.headers)

    def both(items) -> bool:
        return sum(item.answered is not None for item in items) == 2

    assert [(one.method, one.by, one.answered) for one in host.wait_for(both)] == [
        ("GET", "somebody", 200),
        ("HEAD", "somebody", 200),
    ]


def test_a_link_ends_after_its_life_and_at_a_word_and_what_it_led_to_is_still_known(host):
    short, long = host.keep("a.jpg", CONTENT, life_seconds=60).link, host.keep("b.jpg", CONTENT).link
    host.clock.now += 60
    assert (get(short).status, get(long).status) == (404, 200)
    host.end()
    assert get(long).status == 404
    assert host.kept(long).content == CONTENT
    assert host.unexpected == ()


def test_who_knows_no_link_gets_nothing_and_other_paths_are_told(host):
    link = host.keep("a.jpg", CONTENT).link
    assert [get(link[:-1]).status, get(link.partition("?")[0]).status, get(link, "PUT").status] == [404, 404, 404]
    assert host.unexpected == ()
    assert get(host.url + "/elsewhere").status == 404
    assert host.unexpected == ("GET /elsewhere",)


def test_it_fails_as_it_is_told(host):
    link = host.keep("a.jpg", CONTENT, content_type="text/html").link
    host.set_fault(faults.status(403))
    assert get(link).status == 403
    host.set_fault(faults.Fault(name="longer"))
    assert get(link).error
    host.set_fault(faults.NONE)
    assert get(link).header("content-type") == "text/html"

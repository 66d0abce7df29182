"""The simulated Sinch as somebody who fetches, over real sockets."""

from __future__ import annotations

import re

import pytest

from sandbox.connection import Answer
from sandbox.fetching import MEANINGS, Fetched, Fetcher, Tried
from sandbox.reply import Reply
from sandbox.server import Server as HttpServer
from sandbox.wire import Heard, Wire

CONTENT = bytes(range(256)) * 10


class Server:
    """Serves CONTENT, with Range unless it is told to ignore it; `script` holds answers that come first."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.script: list[Reply] = []
        self.ranges = True
        self.listener = HttpServer(self.respond, complain=print)

    def respond(self, heard: Heard, wire: Wire) -> None:
        self.heard.append(heard)
        reply = self.script.pop(0) if self.script else self.answer(heard)
        body = b"" if heard.method == "HEAD" else reply.body
        wire.write(Reply(bare=True, status=reply.status, headers=reply.headers, body=body).payload)

    def answer(self, heard: Heard) -> Reply:
        asked = re.fullmatch("bytes=([0-9]+)-([0-9]+)", dict(heard.headers).get("range", ""))
        if asked is None or not self.ranges:
            return whole(CONTENT)
        start, end = int(asked[1]), min(int(asked[2]), len(CONTENT) - 1)
        return piece(CONTENT[start : end + 1], f"bytes {start}-{end}/{len(CONTENT)}")

    @property
    def methods(self) -> list[str]:
        return [heard.method for heard in self.heard]


def whole(content: bytes, kind: str = "image/jpeg", *, status: int = 200) -> Reply:
    return Reply(status=status, body=content, headers=(("content-type", kind), ("content-length", str(len(content)))))


def piece(content: bytes, said: str) -> Reply:
    kept = whole(content, status=206)
    return Reply(status=206, body=content, headers=(*kept.headers, ("content-range", said)))


@pytest.fixture
def server():
    made = Server()
    made.listener.open()
    yield made
    made.listener.close()


def fetch(server: Server, habit, **how) -> Fetched:
    host, port = server.listener.address
    return Fetcher(habit=habit, timeout_seconds=5, **how).fetch(f"http://{host}:{port}/a?token=t")


@pytest.mark.parametrize(
    ("habit", "methods"),
    [
        ("get", ["GET"]),
        ("head", ["HEAD", "GET"]),
        ("range", ["GET"] * 3),
        ("again", ["GET"] * 3),
        ("parallel", ["GET"] * 4),
    ],
)
def test_each_habit_gets_the_content_in_its_own_way(server, habit, methods):
    fetched = fetch(server, habit, piece_bytes=1000)
    assert fetched.content == CONTENT
    assert server.methods == [item.method for item in fetched.tried] == methods
    assert fetched.contradictions == ()
    assert {heard.query for heard in server.heard} == {"token=t"}


def test_every_habit_has_its_meaning_and_its_test():
    assert list(MEANINGS) == ["get", "head", "range", "again", "parallel"]


def test_pieces_follow_each_other_to_the_end(server):
    fetch(server, "range", piece_bytes=1000)
    asked = [dict(heard.headers)["range"] for heard in server.heard]
    assert asked == ["bytes=0-999", "bytes=1000-1999", "bytes=2000-2999"]


def test_who_ignores_range_is_taken_at_its_word(server):
    server.ranges = False
    assert fetch(server, "range", piece_bytes=1000).content == CONTENT
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        piece(b"abc", "bytes 5-7/10"),
        piece(b"", "bytes 0-0/10"),
        piece(b"abc", "three bytes"),
        whole(b"", status=416),
        whole(b"{}", status=503),
    ],
    ids=["another place", "nothing", "not said where", "416", "503"],
)
def test_a_piece_that_is_none_ends_it_without_content(server, wrong):
    server.script = [wrong]
    fetched = fetch(server, "range", piece_bytes=3)
    assert fetched.content is None
    assert len(fetched.tried) == 1


def test_a_head_that_is_refused_does_not_matter_and_a_get_does(server):
    server.script = [whole(b"", status=403)]
    assert fetch(server, "head").content == CONTENT
    server.script = [whole(b""), whole(b"", status=403)]
    refused = fetch(server, "head")
    assert (refused.content, refused.decisive.status) == (None, 403)


def test_a_redirect_is_not_followed(server):
    server.script = [Reply(status=302, headers=(("location", "/b"), ("content-length", "0")))]
    fetched = fetch(server, "get")
    assert (fetched.content, fetched.decisive.status, len(server.heard)) == (None, 302, 1)


def test_one_refusal_among_several_decides(server):
    server.script = [whole(CONTENT), whole(b"", status=404)]
    fetched = fetch(server, "again")
    assert (fetched.content, fetched.decisive.status) == (None, 404)


@pytest.mark.parametrize(
    ("first", "found"),
    [
        (whole(CONTENT, "image/png"), ("two answers with another content-type",)),
        (whole(CONTENT[1:] + b"x"), ("two answers with another body",)),
        (whole(b"short"), ("two answers with another content-length", "two answers with another body")),
    ],
    ids=["type", "body", "length"],
)
def test_answers_that_contradict_each_other_are_told(server, first, found):
    server.script = [first]
    assert fetch(server, "again").contradictions == found


def test_a_head_that_promises_another_file_is_a_contradiction(server):
    server.script = [whole(b"another")]
    assert fetch(server, "head").contradictions == ("two answers with another content-length",)


def test_several_addresses_take_turns(server):
    fetched = fetch(server, "parallel", connections=3, source_addresses=("127.0.0.1", "127.0.0.9"))
    assert [item.answer.status for item in fetched.tried] == [200] * 3
    assert fetch(server, "get", source_addresses=("192.0.2.1",)).content is None


def test_nobody_there_is_told_and_not_raised():
    fetched = Fetcher(timeout_seconds=1).fetch("http://127.0.0.1:1/a")
    assert (fetched.content, fetched.decisive.error) == (None, "refused")


def test_time_runs_from_the_first_request_to_the_last_answer():
    answers = [Answer(status=200, sent_at=10, seconds=1), Answer(status=200, sent_at=10.5, seconds=2)]
    fetched = Fetched(link="", tried=tuple(Tried("GET", answer) for answer in answers))
    assert fetched.seconds == 2.5


def test_a_link_is_not_shown_by_accident():
    assert "token" not in repr(Fetched(link="https://x/?token=t", tried=()))

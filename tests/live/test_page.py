"""The operations page of a running gateway: what is done there is done in the other processes, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest

from sandbox import callbacks, faults
from sandbox.connection import Answer, Request, exchange
from tests.live.house import House, opened
from tests.live.test_attachments import LINKS, NAME, PHOTO, Files
from tests.page_samples import ANNA, PASSWORD

PATIENCE_SECONDS = 60.0  # Motion was down, and the longer it was the longer it is left alone


@dataclass
class Visitor:
    """Somebody at the ops door, through nginx, with a browser's headers and his cookie."""

    house: House
    cookie: str = ""
    token: str = field(default="", init=False)

    def ask(self, path: str, *, method: str = "GET", body: bytes = b"") -> Answer:
        told = {"accept": "text/html", "cookie": self.cookie, "content-type": "application/x-www-form-urlencoded"}
        if method == "POST":
            told |= {"origin": f"https://localhost:{self.house.ops_port}", "sec-fetch-site": "same-origin"}
        headers = tuple((name, value) for name, value in told.items() if value)
        answer = exchange(self.house.ops_route(path), Request(method=method, headers=headers, body=body))
        if given := answer.header("set-cookie"):
            self.cookie = given.partition(";")[0]
        if found := re.search(rb'name="form" value="([0-9a-f]+)"', answer.body):
            self.token = found[1].decode()
        return answer

    def post(self, path: str, **fields: Any) -> Answer:
        return self.ask(path, method="POST", body=urlencode({"form": self.token} | fields).encode())

    def sign_in(self, name: str = ANNA["name"], password: str = PASSWORD) -> Answer:
        self.ask("/sign-in")
        answer = self.post("/sign-in", name=name, password=password, next="/events")
        self.ask("/events")  # for the token of the new session
        return answer

    def text(self, path: str) -> str:
        answer = self.ask(path)
        assert answer.status == 200, answer
        return answer.body.decode()


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    off = {"unknown_tokens_per_address": "off", "fetches_per_attachment": "off"}
    with opened(attachments=LINKS, limits=off, user=[ANNA]) as house:
        yield Files(house, house.archive.put(NAME, PHOTO))


@pytest.fixture
def visitor(files: Files) -> Visitor:
    found = Visitor(files.house)
    assert found.sign_in().status == 303
    return found


def test_what_is_parked_and_delivered_again_on_the_page_is_left_and_taken_by_the_courier(
    files: Files, visitor: Visitor
) -> None:
    house = files.house
    house.motion.set_fault(faults.DOWN)
    assert house.sinch().send(callbacks.text("<script>hello</script>")).status == 200
    [pending] = house.wait_for(lambda: house.events("pending"))
    assert visitor.post(f"/events/{pending.id}/park").status == 303
    assert "parked" in visitor.text(f"/events/{pending.id}")
    house.motion.set_fault(faults.NONE)
    had = len(house.motion.accepted)
    asked = visitor.text("/events/parked")
    assert "Deliver 1 again" in asked
    told = visitor.post("/events/parked/replay", until=pending.id)
    assert (told.status, len(house.motion.wait_for_accepted(had + 1, PATIENCE_SECONDS))) == (303, had + 1)
    house.settle()
    revealed = visitor.post(f"/events/{pending.id}/reveal")
    assert b"&lt;script&gt;hello&lt;/script&gt;" in revealed.body
    done = re.findall(r'<span class="badge">([a-z-]+)</span>', visitor.text("/audit"))
    assert done[:4] == ["look", "replay", "park", "sign-in"]


def test_a_file_that_is_deleted_on_the_page_is_fetched_anew_and_a_revoked_link_opens_nothing(
    files: Files, visitor: Visitor
) -> None:
    photo = files.photo.attachment_id
    link = files.minted()
    assert files.ask(link).body == PHOTO
    assert visitor.post(f"/files/{photo}/evict").status == 303
    assert "evicted" in visitor.text(f"/files/{photo}")
    assert files.ask(link).body == PHOTO
    assert "in the vault" in visitor.text(f"/files/{photo}")
    assert visitor.post(f"/files/{photo}/revoke").status == 303
    assert files.ask(link).status == 404


def test_the_page_says_of_a_minted_link_that_it_keeps_no_key_and_tells_the_story_of_motions_own(
    files: Files, visitor: Visitor
) -> None:
    files.ask(files.proxied())
    told = visitor.post("/search", what=f"https://gateway.example.test{files.minted()}").body.decode()
    assert "the page keeps no key to links" in told
    assert files.minted().rpartition("/")[0] not in "".join(files.house.log)
    own = visitor.post("/search", what=f"https://gateway.example.test{files.proxied()}").body.decode()
    assert f"Attachment {files.photo.attachment_id}" in own

"""What can be done on the page: by whom, what becomes of it, and that it is written down first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import paths
from gateway.attachments.register import Register
from gateway.delivery import claims
from gateway.inbound import held
from gateway.inbound.arrivals import HELD, RELEASED
from gateway.outbound import record
from gateway.page import Right, views
from gateway.store import audit
from gateway.store.engines import Database
from tests.door_samples import Door, opened
from tests.page_samples import ANNA, BOB, HASH, VIEWS, post, sign_in, token_of, visit
from tests.service_samples import NOW
from tests.spool_samples import REFUSE_DEEDS, accept, draft, meddle, states
from tests.test_inbound_held import HELD_BACK, put
from tests.test_page_lists import SEEN
from tests.test_page_words import Read

pytestmark = pytest.mark.both_engines

NUMBER = "393331234567"
READER = {"name": "rita", "role": "support", "password_hash": HASH, "reveal": True}
DOER = {"name": "otto", "role": "operator", "password_hash": HASH}
PARKED, PENDING, FILE = 1, 2, "7"
RELEASE = "/events/1/files/1/release"


@pytest.fixture
def door(spool: Database) -> Iterator[Door]:
    """The page, with four users; a parked event, one that waits, a message, and a file in the vault."""
    accept(spool, "m1", contact="c1", identity=f"+{NUMBER}", text="<b>hello</b>")
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    claims.park(spool, taken, outcome="404: tried often", now=NOW)
    accept(spool, "m2", contact="c2")
    put(spool, PARKED, **HELD_BACK | {"name": "<b>a.bin"})
    put(spool, PARKED, 2)
    Register(spool).acquired(FILE, digest=b"d" * 32, name="a.pdf", seen=SEEN, now=NOW)
    with opened(spool, door="ops", user=[ANNA, BOB, READER, DOER]) as page:
        file = file_of(page)
        file.parent.mkdir(parents=True)
        file.write_bytes(b"%PDF")
        yield page


def file_of(door: Door) -> Path:
    return paths.vault(door.services.settings) / "64" / (b"d" * 32).hex()


def deeds(door: Door) -> list[tuple[str, str, str, str]]:
    found = audit.listed(door.services.spool, most=99)
    return [(deed.action, deed.who, deed.account, deed.about) for deed in reversed(found)]


def path_of(path: str, *, event: int = PARKED) -> str:
    return (
        path.replace("<event_id>", str(event))
        .replace("<send_id>", "1")
        .replace("<number>", "1")
        .replace("<attachment_id>", FILE)
    )


MAY = {
    "anna": {Right.SEE, Right.CHANGE, Right.REVEAL},
    "otto": {Right.SEE, Right.CHANGE},
    "rita": {Right.SEE, Right.REVEAL},
    "bob": {Right.SEE},
}
GUARDED = [view for view in VIEWS if view.right in (Right.CHANGE, Right.REVEAL)]


@pytest.mark.parametrize("name", MAY)
def test_whoever_may_not_changes_nothing_sees_nothing_and_finds_no_button_for_it(door: Door, name: str) -> None:
    sign_in(door, name)
    before = states(door.services.spool)
    for view in (view for view in GUARDED if view.right not in MAY[name]):
        answer = post(door, path_of(view.path)) if view.posted else visit(door, path_of(view.path))
        assert answer.status_code == 403, view.path
        assert "hello" not in answer.text
        assert NUMBER not in answer.text
    assert states(door.services.spool) == before
    assert deeds(door) == []
    for path in ("/events", "/events/1", "/events/2", "/sends", "/files", "/files/7", "/search", "/audit"):
        asked = re.findall(r'(?:action|href)="([^"?]+)"', visit(door, path).text)
        for view in GUARDED:
            event = PENDING if path.endswith("/2") else PARKED
            if path_of(view.path, event=event) in asked:
                assert view.right in MAY[name], (path, view.path)


def test_every_view_that_changes_or_reveals_is_a_form_but_for_the_one_that_asks_first() -> None:
    assert [view.path for view in GUARDED if not view.posted] == ["/events/parked"]
    assert {view.right for view in VIEWS if view.answer.startswith("things:")} == {
        Right.SEE,
        Right.CHANGE,
        Right.REVEAL,
    }


def test_a_parked_event_is_delivered_again_under_the_name_of_who_asks(door: Door) -> None:
    sign_in(door)
    assert "it knows no account with this connector id" in visit(door, "/events/1").text
    told = post(door, "/events/1/replay")
    assert told.status_code == 303
    assert states(door.services.spool)[PARKED] == "pending"
    assert deeds(door) == [("replay", "anna", "page", "event 1")]
    assert views.AGAIN in visit(door, told.headers["Location"]).text
    by_a_link = {"sec-fetch-site": "cross-site"}  # of somebody who would like it to be believed
    assert views.AGAIN not in visit(door, told.headers["Location"], **by_a_link).text


def test_a_file_that_is_held_back_is_told_with_why_and_released_under_the_name_of_who_asks(door: Door) -> None:
    sign_in(door)
    shown = visit(door, "/events/1").text
    assert "It is a program, or unpacks into one" in shown
    assert "<b>a.bin" not in shown
    told = post(door, "/events/1/files/1/release")
    assert told.status_code == 303
    assert deeds(door) == [("release", "anna", "page", "file 1/1: program")]
    assert "/events/1/files/1/release" not in visit(door, "/events/1").text
    assert held.shown(door.services.spool, "1/1").state == RELEASED


def test_what_cannot_be_done_is_said_and_leaves_no_trace(door: Door) -> None:
    sign_in(door)
    for path, says in {
        "/events/2/replay": "Event 2 is still pending; nothing was replayed.",
        "/events/1/park": "Event 1 is parked and not pending; nothing was parked.",
        "/events/1/files/2/release": "File 1/2 is not held back: it is kept",
        "/files/8/evict": "The vault has no file of attachment 8; nothing was evicted.",
    }.items():
        told = post(door, path)
        assert (told.status_code, says in Read(told.text).text) == (409, True), path
    assert deeds(door) == []


def test_what_cannot_be_written_down_is_neither_done_nor_shown(door: Door) -> None:
    sign_in(door)
    meddle(door.services.spool, REFUSE_DEEDS)
    for path in (
        "/events/1/replay",
        "/events/2/park",
        "/files/7/evict",
        "/files/7/revoke",
        "/events/1/reveal",
        RELEASE,
    ):
        told = post(door, path)
        assert told.status_code == 503, path
        assert "hello" not in told.text
    assert NUMBER not in post(door, "/search/reveal", what="c1").text
    assert states(door.services.spool) == {PARKED: "parked", PENDING: "pending"}
    assert file_of(door).exists()
    assert held.shown(door.services.spool, "1/1").state == HELD


def test_all_parked_are_delivered_again_once_it_was_asked_and_none_that_came_since(door: Door) -> None:
    sign_in(door)
    asked = visit(door, "/events/parked")
    assert re.search(r'class="figure">1</span> parked event<', asked.text)
    until = re.search(r'name="until" value="([0-9]+)"', asked.text)
    post(door, f"/events/{PENDING}/park")
    assert until
    told = post(door, "/events/parked/replay", token=token_of(asked), until=until[1])
    assert told.status_code == 303
    assert states(door.services.spool) == {PARKED: "pending", PENDING: "parked"}
    assert deeds(door)[-1] == ("replay", "anna", "page", "event 1")
    again = post(door, "/events/parked/replay", token=token_of(asked), until=until[1])
    assert "None of these is parked any more" in again.text
    assert visit(door, "/events/parked").text.count("Deliver 1 again") == 1


def test_a_pending_event_is_parked(door: Door) -> None:
    sign_in(door)
    told = post(door, "/events/2/park")
    assert "It is parked" in visit(door, told.headers["Location"]).text
    assert (states(door.services.spool)[PENDING], deeds(door)) == ("parked", [("park", "anna", "page", "event 2")])


def test_a_file_is_deleted_and_its_links_are_revoked(door: Door) -> None:
    sign_in(door)
    told = post(door, "/files/7/evict")
    assert "deleted from the vault" in visit(door, told.headers["Location"]).text
    assert not file_of(door).exists()
    assert "evicted" in visit(door, "/files/7").text
    of_none = post(door, "/files/9/revoke")  # also of what nobody has asked for yet
    assert "All links to it that there were open nothing any more." in visit(door, of_none.headers["Location"]).text
    known = Register(door.services.spool).find("9")
    assert known
    assert known.revoked_before == int(NOW) + 1
    assert [deed[0] for deed in deeds(door)] == ["evict", "revoke"]


def test_a_body_and_a_number_are_shown_as_text_once_it_is_written_down_who_looks(door: Door) -> None:
    sign_in(door)
    assert NUMBER not in visit(door, "/events/1").text
    told = post(door, "/events/1/reveal")
    assert "&#34;text&#34;: &#34;&lt;b&gt;hello&lt;/b&gt;&#34;" in told.text
    assert NUMBER in told.text
    assert deeds(door) == [("look", "anna", "page", "event 1: its body and number")]


def test_a_search_tells_the_story_and_numbers_to_who_may_see_them(door: Door) -> None:
    sign_in(door)
    told = post(door, "/search", what="+39 333 1234567")
    assert told.status_code == 200
    for word in ("Contact c1", "+39…67", "<dt>Why</dt>", "<dt>Do</dt>", "<dt>Who</dt>", 'href="/events/1"'):
        assert word in told.text
    assert NUMBER not in told.text
    assert deeds(door) == []
    revealed = post(door, "/search/reveal", what="c1")
    assert NUMBER in revealed.text
    assert deeds(door) == [("look", "anna", "page", "the phone numbers of a trace")]


ASKED = {
    "several": ("1", ("These are 2 stories", "Event 1, contact c1", "Send 1,")),
    "nothing": (
        "nobody",
        ("Nothing is known of nobody.", "Looked through 2 events", "Sinch&#39;s id of a conversation"),
    ),
    "markup": ("<script>alert(1)</script>", ("Nothing is known of",)),
    "what breaks nowhere": ("x" * 999, (f'<bdi class="theirs">Nothing is known of {"x" * 9}',)),
    "nothing at all": (" ", ("What can be asked for",)),
}


@pytest.mark.parametrize(("what", "words"), ASKED.values(), ids=ASKED)
def test_a_search_for(door: Door, what: str, words: tuple[str, ...]) -> None:
    record.begin(door.services.spool, draft(1), now=NOW)
    sign_in(door, "bob")
    told = post(door, "/search", what=what)
    assert told.status_code == 200
    assert "<script" not in told.text
    for word in words:
        assert word in told.text


NOT_THERE = ["/events/99", "/events/0x1", "/events/" + "9" * 400, "/sends/99", "/files/99", "/files/0", "/files/%2e%2e"]


@pytest.mark.parametrize("path", NOT_THERE)
def test_of_what_is_not_there_a_page_says_so(door: Door, path: str) -> None:
    sign_in(door, "bob")
    told = visit(door, path)
    assert (told.status_code, told.mimetype) == (404, "text/html")

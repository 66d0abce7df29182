"""The sandbox's page by its test client, around simulators that run and a gateway of ten lines."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import replace
from io import BytesIO

import pytest

from sandbox import callbacks, control, retries, setup, signing, sinch
from sandbox.agent import Agent, Way
from sandbox.archive import Archive
from sandbox.callbacks import ANA
from sandbox.connection import Answer, Line, Request, Route, exchange
from sandbox.control import MotionRemote
from sandbox.conversation import control as api_controls
from sandbox.conversation.control import ApiRemote
from sandbox.house import House
from sandbox.inbox import Inbox
from sandbox.journal import Desk, Journal
from sandbox.page import drawer, mischief, routes
from sandbox.page.deeds import Deeds
from sandbox.page.story import Teller
from sandbox.reply import Reply
from sandbox.server import Server
from tests.together import together

HOST = "localhost"  # as the test client says it
ORIGIN = f"http://{HOST}"
HOSTILE = "<img src=x onerror=alert(1)> & \"'ไทย‮"
STORY = {
    "stories": [
        {
            "kind": "message",
            "name": "01X",
            "conclusions": [{"fine": False, "sentence": "It <b>failed</b>.", "remedy": "Mend it."}],
            "moments": [{"at": "2026-11-30 14:36:21+00:00", "who": "customer", "says": "writes"}],
        }
    ],
    "turned_away": [{"door": "ingress", "reason": "signature wrong", "remedy": "Type the same secret."}],
}


@pytest.fixture
def house(tmp_path, motion, api, field):
    """Everybody, and a gateway that proves signatures and delivers at once where Motion is there."""

    def take(heard, wire):
        headers = dict(heard.headers)
        nonce, at = headers.get(signing.NONCE_HEADER, ""), int(headers.get(signing.TIMESTAMP_HEADER, 0))
        good = signing.sign(heard.body, built.state.secret, nonce, at).items() <= headers.items()
        if good:
            exchange(Route(url=built.state.motion_notify_url), Request(headers=heard.headers[2:], body=heard.body))
        wire.write(Reply(status=200 if good else 401).payload)

    with ExitStack() as stack:
        journal, gateway = Journal(), stack.enter_context(Server(take))
        controls = control.of_motion(motion, journal.tries), api_controls.of_api(api, field, journal.posts)
        remotes = [stack.enter_context(one).url for one in controls]
        (tmp_path / "sandbox").mkdir()
        made = setup.built(motion_url=motion.url, control_url=remotes[0], root=tmp_path / "sandbox")
        built = stack.enter_context(made)
        field.settle(target=gateway.url, secret=built.state.secret, motion=built.state.motion_notify_url)
        poster = sinch.Sinch(url=gateway.url, secret=built.state.secret, retries=retries.NONE, told=journal.posts.heard)
        api.reports.sinch = poster
        known = {api.media.url.removeprefix("http://"): Line()}
        motion.inbox = stack.enter_context(Inbox(private={}, internet=known))
        agent = Agent(Way(api=api.eu.url, auth=api.auth.url), link=lambda number: f"https://g/api/attachments/{number}")
        yield House(
            motion=motion,
            archive=motion.archive,
            api=api,
            field=field,
            setup=replace(built, state=replace(built.state, sinch_control_url=remotes[1])),
            gateway=None,
            journal=journal,
            sinch=poster,
            agent=Desk(agent, journal.tries),
        )


@pytest.fixture
def said():
    """What the gateway's command says."""
    return [json.dumps(STORY)]


@pytest.fixture
def client(house, said):
    deeds = Deeds(house)
    teller = Teller(house.state.config_file, run=lambda command: said[0], pause=lambda seconds: None)
    made = routes.application(house, deeds, teller).test_client()
    yield made
    deeds.close()


def post(client, deed: str, **fields):
    return client.post(f"/{deed}", data=fields, headers={"Origin": ORIGIN}, follow_redirects=True)


def part(page: str, name: str) -> str:
    """What stands in one of the page's parts, and before the next one."""
    return page.partition(f' id="{name}" data-part')[2].partition("data-part")[0]


def test_what_a_customer_writes_is_shown_as_text_on_phone_way_and_desk(client):
    page = post(client, "write", words=HOSTILE).text
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 3
    assert "<img src=x" not in page
    for side in ("phone-log", "desk-log", "ways"):
        assert "ไทย" in part(page, side)


def sent(house, client, **fields) -> tuple[str, str]:
    """What the customer sends: the number of the message once Motion has had its answer, and the page."""
    post(client, "send", **fields)
    number = house.api.contacts.messages()[0].message_id
    house.motion.inbox.of(number)
    house.api.media.wait_for(lambda asked: all(one.seconds is not None for one in asked))
    return number, client.get("/").text


def test_a_picture_of_a_customers_is_shown_on_phone_and_desk_and_its_way_is_told(client, house):
    number, page = sent(house, client, paper="picture.jpg")
    assert f'<img src="/sent/{number}"' in part(page, "phone-log")
    assert f'<img src="/desk/{number}"' in part(page, "desk-log")
    assert re.search(r"Ana sends picture.jpg.*Motion ← Sinch</b> <span>the file: 200 in", part(page, "ways"), re.DOTALL)
    for side in ("sent", "desk"):
        shown = client.get(f"/{side}/{number}")
        assert (shown.data, shown.content_type) == (drawer.BY_KEY["picture.jpg"].make(), "image/jpeg")
        assert "sandbox" in shown.headers["Content-Security-Policy"]
        assert client.get(f"/{side}/01").status_code == 404


def test_a_customers_page_is_saved_and_not_shown_whatever_it_is_called(client, house):
    hostile = (BytesIO(b"<script>alert(1)</script>"), "<b>x</b>.svg")
    number, page = sent(house, client, file=hostile, words="Look!")
    for side, log in (("sent", "phone-log"), ("desk", "desk-log")):
        assert f'<a class="paper" href="/{side}/{number}" download>b&gt;.svg</a>' in part(page, log)
        assert client.get(f"/{side}/{number}").content_type == "application/octet-stream"


def test_without_internet_the_desk_says_that_the_file_is_not_there(client, house):
    assert "up, without internet" in part(post(client, "misbehave", name="unplug").text, "line")
    number, page = sent(house, client, paper="voice.ogg")
    assert "Motion has not got the file: no way there." in part(page, "desk-log")
    assert "no way there" in part(page, "ways")
    assert client.get(f"/desk/{number}").status_code == 404
    assert "without internet" not in part(post(client, "misbehave", name="plug").text, "line")
    assert "without internet" in part(post(client, "misbehave", name="right").text, "line")


def test_what_sinch_does_not_give_is_told_on_the_desk(client, house):
    post(client, "misbehave", name="media-403")
    assert "<b>403</b> Motion has not got the file" in part(sent(house, client, paper="voice.ogg")[1], "desk-log")
    kept = house.api.media.keep("old.jpg", b"x")
    post(client, "misbehave", name="media-ends")
    callback = house.api.sent_file(kept.link)
    house.sinch.send(callback)
    house.motion.inbox.of(callback.content["message"]["id"])
    assert "<b>404</b> Motion has not got the file" in part(client.get("/").text, "desk-log")


def test_an_agents_answer_arrives_on_the_phone_and_its_report_on_the_desk(client, house):
    post(client, "write", words="Hola")
    post(client, "reply", words="Good morning")
    house.api.reports.wait_for(2)
    page = client.get("/").text
    assert "Good morning" in part(page, "phone-log")
    assert re.search(r"Good morning.*delivered", part(page, "desk-log"), re.DOTALL)
    assert "DELIVERED: Motion has it" in part(page, "ways")


@pytest.mark.parametrize("row", mischief.FORGERS)
def test_who_pretends_to_be_sinch_is_refused_in_sight_and_reaches_no_desk(client, house, row):
    page = post(client, "misbehave", name=row).text
    if row == "forged-late":  # which the small gateway does not judge
        assert house.motion.received
        return
    assert "401 after" in part(page, "ways")
    assert "Somebody pretends to be Sinch" in part(page, "ways")
    assert "Motion has heard nothing" in part(page, "desk-log")


def test_motion_goes_down_and_its_message_is_seen_to_wait(client):
    page = post(client, "misbehave", name="motion-down").text
    assert "Bring Motion up" in part(page, "line")
    assert "Take Motion down" in part(post(client, "misbehave", name="right").text, "line")
    post(client, "misbehave", name="motion-down")
    page = post(client, "write", words="Are you there?").text
    assert "1 message waits" in part(page, "line")
    assert "it waits for Motion" in part(page, "ways")


@together("name", [name for name in mischief.TABLE if name != "slowly"])
def test_each_row_of_mischief_can_be_done_and_put_right(house, name):
    house.api.write("Hola")
    mischief.TABLE[name].do(house, ANA)
    mischief.TABLE["right"].do(house, ANA)
    faults = (house.motion.fault, house.archive.fault, house.api.eu.fault)
    assert ({fault.name for fault in faults}, house.field.name) == ({"none"}, "fine")


def test_what_commands_do_stands_on_the_page(client, house):
    letter = house.sinch.prepare(callbacks.text("By command", by=ANA, app=house.state.app))
    receipt = sinch.Receipt(letter, (Answer(status=401, sent_at=1.0, seconds=0.01),))
    ApiRemote(house.state.sinch_control_url).posted(receipt, pretending="by command")
    body = b'{"error": {"message": "CHANNEL_FAILURE: no", "details": [{"reason": "CHANNEL_FAILURE"}]}}'
    answer = Answer(status=400, body=body, sent_at=2.0)
    message = {"media_message": {"url": "https://g/api/attachments/7/download"}}
    MotionRemote(house.state.control_url).tried(ANA.contact_id, message, answer)
    page = client.get("/").text
    assert "pretends to be Sinch, by command" in part(page, "ways")
    assert "CHANNEL_FAILURE" in part(page, "desk-log")


@together(
    ("host", "status"),
    [
        (HOST, 200),
        ("localhost:9", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8080", 421),
        ("localhost:8080@evil.example", 421),
        ("10.0.0.1:8080", 421),
    ],
)
def test_only_a_name_of_this_machine_is_answered(client, host, status):
    for path in ("/", "/live", "/static/sandbox.js"):
        headers = {"Host": host, "X-Forwarded-Host": HOST}
        assert client.get(path, headers=headers, buffered=True).status_code == status


@together("origin", [None, "null", "http://evil.example", "http://localhost:8081", f"https://{HOST}"])
def test_a_form_of_another_page_changes_nothing(client, house, origin):
    for deed in ("write", "misbehave", "attach", "meet"):
        sent = {"words": "x", "name": "motion-down", "paper": "wave.gif", "with": "eve"}
        answer = client.post(f"/{deed}", data=sent, headers={"Origin": origin} if origin else {})
        assert (answer.status_code, "not sent by this page" in answer.text) == (403, True)
    assert (house.motion.received, house.motion.fault.name, house.archive.names()) == ((), "none", {})


def test_a_change_takes_a_post(client):
    assert {client.get(f"/{deed}").status_code for deed in ("write", "misbehave", "meet")} == {405}


def test_the_policy_lets_nothing_run_but_the_pages_own_script_and_nothing_in_it_needs_more(client):
    answers = [client.get(path) for path in ("/", "/live", "/why?about=01X", "/nothing")]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert not re.search(
            r"<script(?! src=)|<style| style=| on\w+=|javascript:|https?://(?!localhost:)", answer.text
        )


def test_the_page_says_when_nothing_has_changed(client):
    first = client.get("/live")
    again = client.get("/live", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    post(client, "write", words="News")
    assert client.get("/live", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_why_tells_the_gateways_own_story_as_text(client):
    page = client.get("/why?about=01X").text
    for words in ("It &lt;b&gt;failed&lt;/b&gt;.", "Mend it.", "writes", "signature wrong", "Type the same secret."):
        assert words in page


def test_why_says_so_where_the_gateway_cannot_tell(client, said):
    said[0] = "no JSON"
    assert "could not tell" in client.get("/why?about=01X").text
    assert client.get("/why?about=--reveal+01X").status_code == 404
    assert client.get("/why").status_code == 404


def test_a_file_that_is_too_large_is_refused_in_words(client):
    declared = {"CONTENT_LENGTH": str(routes.MOST_BYTES + 1)}
    form = "multipart/form-data; boundary=x"
    answer = client.post("/attach", headers={"Origin": ORIGIN}, content_type=form, environ_overrides=declared)
    assert (answer.status_code, "32 MB at most" in answer.text) == (413, True)


@pytest.mark.parametrize(("sent", "kept"), [("../../etc/passwd", "passwd"), ("<b>ไทย</b>.pdf", "b>.pdf")])
def test_a_file_of_ones_own_is_sent_by_the_end_of_its_name(client, house, sent, kept):
    post(client, "attach", file=(BytesIO(b"%PDF-"), sent))
    assert [*house.archive.names().values()] == [kept]


def test_at_its_end_the_page_lets_nobody_wait(house):
    deeds = Deeds(house)
    deeds.misbehave(ANA, "motion-hangs")
    deeds.close()
    assert house.motion.fault.name == "none"


def test_what_motion_has_forgotten_does_not_wait(client, house):
    post(client, "write", words="Forget it")
    MotionRemote(house.state.control_url).forget()
    page = client.get("/").text
    assert "nothing waits" in part(page, "line")
    assert "waits for Motion" not in part(page, "ways")


def test_another_customer_is_met_and_has_a_conversation_of_their_own(client):
    post(client, "write", words="Of Ana's")
    page = post(client, "meet", **{"with": "<i>Bea"}).text
    assert "&lt;I&gt;bea" in part(page, "line")
    assert "Of Ana" not in part(page, "desk-log")
    assert "with=%3Ci%3Ebea" in part(client.get("/").text, "people")


def test_what_is_not_there_is_said_to_be_not_there(client):
    assert post(client, "nothing").status_code == 404
    assert post(client, "misbehave", name="nothing").status_code == 404
    assert client.get("/files/01X").status_code == 404


def test_motion_takes_every_paper_of_the_drawer(archive: Archive) -> None:
    assert [archive.put(paper.name, b"x").name for paper in drawer.DRAWER] == [paper.name for paper in drawer.DRAWER]


def test_the_drawer_has_what_it_says():
    made = {paper.name: paper.make() for paper in drawer.DRAWER}
    assert made["holiday.jpg"].startswith(b"MZ")
    assert len(made["poster.jpg"]) > 5_000_000
    assert made["empty.pdf"] == b""
    assert len(made) == len(drawer.DRAWER)


@pytest.mark.parametrize(
    ("answers", "asked"),
    [([json.dumps(STORY)], 1), (['{"stories": []}', json.dumps(STORY)], 2), (['{"stories": []}'] * 2, 2), (["?"], 1)],
    ids=["known", "known a second later", "unknown", "no answer"],
)
def test_what_the_gateway_does_not_know_yet_it_is_asked_for_once_more(house, answers, asked):
    left, pauses = list(answers), []
    told = Teller(house.state.config_file, run=lambda command: left.pop(0), pause=pauses.append).tell("m1")
    assert (len(answers) - len(left), len(pauses)) == (asked, asked - 1)
    assert bool(told.stories) == (answers[asked - 1] == json.dumps(STORY))

"""The control endpoints of the simulated Conversation API, and the commands that use them."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from sandbox import callbacks, faults, state
from sandbox.callbacks import ANA
from sandbox.commands import main
from sandbox.connection import Request, Route, exchange
from sandbox.control import ControlError
from sandbox.conversation.control import ApiRemote, of_api
from sandbox.conversation.plants import Field
from sandbox.faults import Fault
from sandbox.state import State
from tests.sinch_samples import bearer, send, send_body, token


@pytest.fixture
def control(api):
    with of_api(api) as running:
        yield running


@pytest.fixture
def remote(control):
    return ApiRemote(control.url)


@pytest.fixture
def place(control, tmp_path):
    """The state file of a sandbox of which nothing runs but this."""
    texts = {field.name: "x" for field in dataclasses.fields(State) if field.type == "str"}
    numbers = {field.name: 9 for field in dataclasses.fields(State) if field.type in ("int", "float")}
    return state.write(State(**{**texts, **numbers, "folder": str(tmp_path), "sinch_control_url": control.url}))


@pytest.fixture
def run(place):
    return lambda *words: CliRunner().invoke(
        main, ["sinch", *words, "--state", str(place)], env={"COLUMNS": "200"}, catch_exceptions=False
    )


@pytest.mark.parametrize(
    "chosen",
    [
        faults.NONE,
        faults.DOWN,
        faults.reset("answer-head", path="/messages:send"),
        faults.status(429, retry_after="3"),
        faults.slow(2, takes=False),
        Fault(name="other", body="ñ".encode(), headers=(("x-a", "b"),)),
    ],
    ids=lambda chosen: chosen.name,
)
def test_a_fault_set_from_afar_is_the_fault_of_sinch(api, remote, chosen):
    remote.set_fault(chosen)
    assert {origin.fault for origin in api.origins.values()} == {chosen}


def test_a_fault_may_be_that_of_one_origin(api, remote):
    remote.set_fault(faults.HANG, origin="auth")
    assert [origin.fault.name for origin in (api.eu, api.us, api.auth)] == ["none", "none", "hang"]


def test_what_sinch_was_sent_is_told_with_its_reports(api, remote):
    api.wrote(ANA)
    send(api, send_body({"text_message": {"text": "¿Sí?"}}))
    api.eu.script(faults.reset("head"))
    send(api)
    send(api, body=b"[]")
    send(api, send_body(recipient={"contact_id": callbacks.customer("carl").contact_id}))
    api.reports.wait_for(3)
    api.wait_for_sends(4)
    good, broken, bad, failed = remote.sent()
    assert (good.what, good.answered, good.reports) == ("text_message: ¿Sí?", 200, ("QUEUED_ON_CHANNEL", "DELIVERED"))
    assert (broken.what, broken.answered, broken.ended, broken.reports) == ("(broken off)", None, True, ())
    assert (bad.what, bad.answered, bad.message_id) == ("not a message", 400, "")
    assert failed.reports == ("FAILED CONTACT_NOT_FOUND",)
    remote.forget()
    assert api.sends == ()


def test_a_customer_writes_and_reads_from_afar(api, remote):
    bea = callbacks.customer("bea")
    remote.wrote(callbacks.text("Hola", by=bea), bea)
    message_id = json.loads(send(api, send_body(recipient={"contact_id": bea.contact_id})).body)["message_id"]
    remote.read(message_id)
    api.reports.wait_for(3)
    assert [item.status for item in api.reports.of(message_id)] == ["QUEUED_ON_CHANNEL", "DELIVERED", "READ"]


def test_tokens_end_and_waits_end_from_afar(api, remote):
    given = token(api)
    remote.expire()
    assert send(api, headers=bearer(given)).status == 401
    api.eu.set_fault(faults.HANG)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send, api)
        api.wait_for(lambda calls: len(calls) == 3 and calls[-1].whole)
        remote.release()
        assert answer.result().status == 200


@pytest.mark.parametrize(
    ("row", "body"),
    [
        ("set_fault", b""),
        ("set_fault", b'{"origin":"all","fault":{"name":"nonsense","at":"head"}}'),
        ("set_fault", b'{"origin":"moon","fault":{"name":"none"}}'),
        ("wrote", b'{"customer":"ana","content":{"message":{},"app_id":"other"}}'),
        ("read", b'{"message_id":"unknown"}'),
    ],
)
def test_what_is_understood_by_nobody_is_answered_400(control, row, body):
    assert exchange(Route(url=f"{control.url}/_sandbox/{row}"), Request(body=body)).status == 400


def test_a_sinch_that_is_not_there_is_said_to_be_so():
    with pytest.raises(ControlError, match=r"the simulated Sinch at .* says: refused"):
        ApiRemote("http://127.0.0.1:9").sent()


def test_the_mode_command_makes_sinch_fail(api, run):
    result = run("mode", "reset", "--at", "answer-head", "--sends-only", "--origin", "eu")
    chosen = api.eu.fault
    assert (result.exit_code, chosen.name, chosen.at, chosen.path) == (0, "reset", "answer-head", "/messages:send")
    assert "Sinch resets the connection at some stage of request or answer, in the middle of the answer's head." in (
        result.output
    )
    assert api.us.fault == faults.NONE
    run("mode", "status", "--status", "500", "--retry-after", "2", "--takes")
    assert (api.us.fault.status, api.us.fault.headers, api.us.fault.taken) == (500, (("retry-after", "2"),), True)
    run("mode", "none")
    assert api.us.fault.name == "none"


def test_the_sent_command_shows_what_came_and_what_became_of_it(api, run):
    api.wrote(ANA)
    send(api, send_body({"text_message": {"text": "[red]words"}}))
    api.reports.wait_for(2)
    shown = run("sent", "--forget").output
    assert "text_message: [red]words" in shown
    assert "QUEUED_ON_CHANNEL, DELIVERED" in shown
    assert api.sends == ()


def test_the_app_is_spoiled_and_its_webhooks_are_shown_in_whole(api, place):
    field = Field(api)
    target = "https://gateway.example.test:44321/api/whatsapp/accounts/7/notify"
    with of_api(api, field) as running:
        field.settle(target=target, secret="s", motion="https://motion.example.test/")
        place.write_text(place.read_text().replace(json.loads(place.read_text())["sinch_control_url"], running.url))
        typed = [["sinch", *words, "--state", str(place)] for words in (["plant", "no-secret"], ["webhooks"])]
        told, shown = (CliRunner().invoke(main, words, env={"COLUMNS": "80"}).output for words in typed)
    [webhook] = api.webhooks.of(api.accounts[0].app.app_id)
    assert (told, webhook.secret) == ("From now on at Sinch: the webhook has no secret.\n", "")
    assert webhook.webhook_id in shown
    assert target in "".join(cells[3].strip() for line in shown.splitlines() if len(cells := line.split("│")) > 3)


def test_the_other_commands_do_what_they_say(api, run):
    given = token(api)
    assert run("expire").output == "All access tokens have ended.\n"
    assert send(api, headers=bearer(given)).status == 401
    assert run("release").exit_code == 0
    assert "KeyError" in run("read", "unknown").output


def test_a_command_without_a_sandbox_says_so(tmp_path):
    for words in (["sinch", "sent"], ["agent", "reply", "Hello"], ["agent", "send", __file__]):
        result = CliRunner().invoke(main, [*words, "--state", str(tmp_path / "none.json")])
        assert (result.exit_code, "is not the state of a sandbox" in result.output) == (1, True)

"""`python -m sandbox play`, and what it is made of, around a small stand-in for the gateway."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from sandbox import child, setup, state
from sandbox.child import Child, ChildError
from sandbox.commands import main
from sandbox.connection import Request, Route, exchange
from sandbox.conversation.account import Key

pytestmark = pytest.mark.thorough

REPOSITORY = Path(__file__).resolve().parent.parent

# A gateway in a page: it checks the signature, delivers before it answers, hands out attachments, passes messages on
# to Sinch with links of its own, and says when it is ready. `{spoil}` is what it does to a body on its way, `{refused}`
# are the types of which it hands nothing out, `{pass_on}` is how often it passes a message on, `{through}` whether it
# puts a link of its own in the place of a customer's.
STAND_IN = """
import base64, functools, json, re, ssl, sys, threading, tomllib
from pathlib import Path
from urllib.parse import urlsplit
from sandbox import signing
from sandbox.connection import Request, Route, exchange
from sandbox.server import Server
from sandbox.reply import Reply

settings = tomllib.loads(Path(sys.argv[1]).read_text())
server, motion, (account,) = settings["server"], settings["motion"], settings["account"]
secret = Path(account["webhook_secrets_file"]).read_text()
token = Path(settings["attachments"]["proxy_token_file"]).read_text()
basic = base64.b64encode(f"{motion['username']}:{Path(motion['password_file']).read_text()}".encode()).decode()
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(server["certificate"], server["private_key"])

files = {}

def through(body):
    link = re.search(rb'"url":"(https://127[^"]+)"', body)
    if not link:
        return body
    path = f"/inbound/{len(files)}/file"
    route = Route(url=link[1].decode(), ca_file=Path(settings["sinch"]["ca_file"]))
    files[path] = exchange(route, Request(method="GET"))
    return body.replace(link[1], f"https://{server['outbound_names'][0]}:{server['outbound_port']}{path}".encode())

def receive(heard, wire):
    headers = dict(heard.headers)
    nonce, timestamp = headers.get(signing.NONCE_HEADER, ""), headers.get(signing.TIMESTAMP_HEADER, "0")
    good = signing.sign(heard.body, secret, nonce, int(timestamp)).items() <= headers.items()
    wire.write(Reply(status=deliver(heard) if good else 401).payload)

def deliver(heard):
    body, was = through(heard.body) if {through} else heard.body, heard.header
    nonce, at = was(signing.NONCE_HEADER), was(signing.TIMESTAMP_HEADER)
    kept = (("content-type", was("content-type")), *signing.sign(body, secret, nonce, int(at)).items())
    route = Route(url=settings["motion"]["url"] + heard.path)
    return exchange(route, Request(headers=kept, body={spoil})).status or 503

@functools.cache
def acquire(path):
    headers = (("authorization", f"Basic {basic}"),)
    return exchange(Route(url=motion["url"] + path), Request(method="GET", headers=headers))

def hand_out(heard, wire):
    file = acquire(heard.path.removeprefix("/media"))
    kind = file.header("content-type").replace("audio/ogg", "audio/ogg; codecs=opus")
    known = heard.path.startswith("/media/") or heard.query == f"token={token}"
    status = 404 if not known else 415 if kind in {refused} else 200
    headers = (("content-type", kind), ("content-length", str(len(file.body))))
    body = file.body if heard.method == "GET" else b""
    wire.write(Reply(bare=True, status=status, headers=headers, body=body).payload)

def public(heard, wire):
    (receive if heard.method == "POST" else hand_out)(heard, wire)

def outbound(heard, wire):
    if file := files.get(heard.path):
        headers = tuple((name, file.header(name)) for name in ("content-type", "content-disposition"))
        wire.write(Reply(bare=True, headers=headers).saying(file.body).payload)
        return
    region, _, path = heard.path[1:].partition("/")
    origin, target = ("auth", heard.path) if region == "oauth2" else (region, "/" + path)
    content = json.loads(heard.body) if origin != "auth" else {}
    media = content.get("message", {}).get("media_message")
    file = acquire(urlsplit(media["url"]).path) if media else None
    if file and file.header("content-type") in {refused}:
        details = [{"reason": "CHANNEL_FAILURE"}]
        error = {"code": 400, "message": "CHANNEL_FAILURE: it does not go", "status": "X", "details": details}
        wire.write(Reply(status=400, body=json.dumps({"error": error}).encode()).payload)
        return
    if media:
        media["url"] = server["public_url"] + "/media" + urlsplit(media["url"]).path
    kept = tuple(pair for pair in heard.headers if pair[0] in ("authorization", "content-type"))
    request = Request(target=target, headers=kept, body=json.dumps(content).encode() if content else heard.body)
    route = Route(url=settings["sinch"][origin], ca_file=Path(settings["sinch"]["ca_file"]))
    for _ in range({pass_on}):
        answer = exchange(route, request)
    wire.write(Reply(status=answer.status, body=answer.body).payload)

def ops(heard, wire):
    wire.write(Reply(status=200 if heard.path == "/readyz" else 404).payload)

for respond, name in ((public, "public"), (ops, "ops"), (outbound, "outbound")):
    host, port = server[f"{name}_address"], server[f"{name}_port"]
    Server(respond, complain=print, host=host, port=port, tls=tls).open()
print("listening", flush=True)
threading.Event().wait()
"""

PLAY = """
import sys
from rich.console import Console
from sandbox import play
command = lambda config: [sys.executable, "-c", {stand_in!r}, str(config)]
sys.exit(play.play(once={once}, console=Console(width={width}), command=command))
"""


REFUSED = "('image/gif', 'application/msword')"


def start_play(
    root: Path,
    *,
    once: bool = True,
    stand_in: str = STAND_IN,
    spoil: str = "body",
    refused: str = REFUSED,
    pass_on: int = 1,
    through: bool = True,
    width: int = 200,
):
    filled = stand_in.replace("{spoil}", spoil).replace("{refused}", refused).replace("{pass_on}", str(pass_on))
    filled = filled.replace("{through}", str(through))
    code = PLAY.format(once=once, stand_in=filled, width=width)
    environment = {**os.environ, "TMPDIR": str(root), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen) -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def test_played_once_everything_ends_as_it_should_and_nothing_is_left(tmp_path):
    status, output = finish(start_play(tmp_path, width=80))
    assert status == 0, output
    assert output.count("✓") == 15
    assert re.search(r"\nStarting the gateway: its spool, .*\nThe gateway is ready after", output)
    assert "…" not in output.partition("Stopping")[0]  # nothing was cut to make it fit
    assert re.search(r"✓ +EVENT_INBOUND/reaction +\d+ bytes +200 in \d+ ms +\d+ ms later +yes", output)
    for name, status, outcome in (
        ("picture.jpg", 200, "native as image"),
        ("voice.ogg", 200, "native as audio"),
        ("invoice.pdf", 200, "as a link"),
        ("wave.gif", 415, "refused CHANNEL_FAILURE"),
        ("letter.doc", 415, "refused CHANNEL_FAILURE"),
    ):
        hops = rf"✓ +{name} +[0-9.]+ ms +{status} in \d+ ms +{outcome} +\d+ ms later"
        assert re.search(hops, output), output
    for name, status, heard, outcome, report in (
        ("text", 200, "takes it", "delivered", r"\d+ ms later"),
        ("picture.jpg", 200, "takes it", "native as image", r"\d+ ms later"),
        ("invoice.pdf", 200, "takes it", "as a link", r"\d+ ms later"),
        ("wave.gif", 400, "not asked", "-", "-"),
    ):
        hops = rf"✓ +{name} +{status} in \d+ ms +{heard} +{outcome} +{report}"
        assert re.search(hops, output), output
    assert "wave.gif: CHANNEL_FAILURE: it does not go" in output
    for name in ("picture.jpg", "voice.ogg", "invoice.pdf"):
        assert re.search(rf"✓ +{name} +\d+ bytes +\d+ ms later +200 in \d+ ms +as sent", output), output
    assert list(tmp_path.iterdir()) == []


def test_a_gateway_that_sends_twice_fails_the_play(tmp_path):
    status, output = finish(start_play(tmp_path, pass_on=2))
    assert status == 1
    assert "✗ picture.jpg: Sinch heard it 2 times" in output
    assert output.count("✗") == 2 * 3


def test_a_gateway_that_changes_a_byte_fails_the_play(tmp_path):
    status, output = finish(start_play(tmp_path, spoil="body + b' '"))
    assert status == 1
    assert "another body than was sent" in output
    assert "✗ picture.jpg: the report: another body than was sent" in output
    assert "✗ text: the question: another body than was sent" in output
    assert "✗ invoice.pdf: the report DELIVERED: another body than was sent" in output
    assert "✗ voice.ogg: another body than was sent" in output
    assert "✗ voice.ogg: the signature is not that of what Motion got" in output
    assert re.findall(r"✓ +(\S+)", output) == ["wave.gif"]  # of which there is nothing to report


def test_a_gateway_that_leaves_sinchs_link_as_it_was_fails_the_play(tmp_path):
    status, output = finish(start_play(tmp_path, through=False))
    assert status == 1
    assert "✗ voice.ogg: Motion was sent to Sinch for the file" in output
    assert "✗ voice.ogg: Motion has not got it: no way there" in output
    assert output.count("✗") == 2 * 3 + 3


@pytest.mark.parametrize(
    ("refused", "fault"),
    [
        ("()", "✗ wave.gif: the gateway answered 200"),
        ("()", "✗ wave.gif: it reached Sinch all the same"),
        ("('application/pdf', 'image/gif', 'application/msword')", "✗ invoice.pdf: CHANNEL_FAILURE: downloading"),
    ],
    ids=["too much", "too much to Sinch", "too little"],
)
def test_a_gateway_that_hands_out_too_much_or_too_little_fails_the_play(tmp_path, refused, fault):
    status, output = finish(start_play(tmp_path, refused=refused))
    assert status == 1
    assert fault in output


def test_a_gateway_that_does_not_start_shows_the_end_of_its_log(tmp_path):
    status, output = finish(start_play(tmp_path, stand_in="raise SystemExit('no key, no service')"))
    assert status == 1
    assert "ended with status 1\nno key, no service" in output
    assert list(tmp_path.iterdir()) == []


def test_it_stays_until_it_is_told_to_stop_and_its_commands_find_it(tmp_path):
    with start_play(tmp_path, once=False) as process, contextlib.ExitStack() as always:
        always.callback(process.terminate)  # a test that fails would wait for it forever
        shown = read_until(process, "removes its folder")
        found = str(state.newest(tmp_path))
        assert found in shown
        page = re.search(r"Look at it: (http://127\.0\.0\.1:\d+/)", read_until(process, "Look at it"))[1]
        assert "Could you send me the papers?" in exchange(Route(url=page), Request(method="GET")).body.decode()
        sinch = ["sinch", "text", "[Hello]", "--state", found, "--pretty", "--ending", "lf", "--contact", "bea"]
        assert CliRunner().invoke(main, sinch).exit_code == 0
        assert "message: [Hello]" in CliRunner().invoke(main, ["motion", "--state", found, "received"]).output
        forged = CliRunner().invoke(main, ["sinch", "flood", "3", "--forged", "--state", found])
        assert (forged.exit_code, "401" in forged.output) == (0, True)
        attach(tmp_path, found, shown)
        receive(tmp_path, found)
        answer(tmp_path, found)
        process.send_signal(signal.SIGTERM)
        assert finish(process)[0] == 0
    assert list(tmp_path.iterdir()) == []


def attach(folder: Path, found: str, shown: str) -> None:
    """What somebody does with a file of theirs while the sandbox runs."""
    (folder / "mine.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    sent = CliRunner().invoke(main, ["send", str(folder / "mine.pdf"), "--state", found])
    link = state.read(Path(found)).link(109)
    assert (sent.exit_code, link in sent.output, "WhatsApp: as a link" in sent.output) == (0, True, True)
    assert "the gateway answered 200" in sent.output
    for what in ("101", state.read(Path(found)).link(101)):
        fetched = CliRunner().invoke(main, ["sinch", "fetch", what, "--habit", "again", "--state", found])
        assert (fetched.exit_code, "WhatsApp: native as image" in fetched.output) == (0, True)
    wrong = CliRunner().invoke(main, ["sinch", "fetch", link + "x", "--state", found])
    assert "WhatsApp: refused, MEDIA_NOT_REACHABLE (downloading the media failed with http code 404)" in wrong.output
    known = CliRunner().invoke(main, ["motion", "--state", found, "downloads"]).output
    assert re.search(r"109 +│ mine.pdf +│ GET +│ 200", known)
    assert state.read(Path(found)).link(101) in shown  # for curl
    (folder / "mine.pdf").unlink()


def receive(folder: Path, found: str) -> None:
    """What a customer sends while the sandbox runs, and what Motion has of it."""

    def run(*words: str):
        result = CliRunner().invoke(main, words, env={"COLUMNS": "200"})
        assert result.exit_code == 0, result.output
        return result.output

    (folder / "mine.png").write_bytes(b"PNG")
    inbox = ("motion", "--state", found, "inbox")
    run("sinch", "file", str(folder / "mine.png"), "--caption", "Look", "--state", found)
    until(
        lambda: re.search(
            r"media_card_message.url +│ gateway.internal.\S+ +│ 200 +│ image/png +│ 3 +│ mine.png", run(*inbox)
        )
    )
    run("motion", "--state", found, "plug")
    run("motion", "--state", found, "unplug")
    run("sinch", "end-links", "--state", found)
    run("sinch", "mode", "status", "--status", "403", "--origin", "media", "--state", found)
    run("sinch", "mode", "none", "--origin", "media", "--state", found)
    (folder / "mine.png").unlink()


def answer(folder: Path, found: str) -> None:
    """What an agent does while the sandbox runs, and what Sinch makes of it."""

    def run(*words: str):
        result = CliRunner().invoke(main, [*words, "--state", found], env={"COLUMNS": "200"})
        return result.exit_code, result.output

    code, said = run("agent", "reply", "[Hi]", "--contact", "bea")
    assert (code, "Sinch takes it as 01" in said) == (0, True)
    (folder / "mine.gif").write_bytes(b"GIF89a")
    assert "(400 in " in run("agent", "send", str(folder / "mine.gif"))[1]
    (folder / "mine.gif").unlink()
    assert run("sinch", "mode", "status", "--status", "429")[0] == 0
    assert run("agent", "reply", "More", "--contact", "bea")[0] == 1
    assert "as it should" in run("sinch", "mode", "none")[1]
    assert run("agent", "reply", "Who?", "--contact", "carl")[0] == 0
    until(lambda: run("sinch", "sent")[1].count("FAILED CONTACT_NOT_FOUND") == 1)
    until(
        lambda: re.search(
            r"text_message: \[Hi\] +│ 01\w+ +│ 200 +│ QUEUED_ON_CHANNEL, DELIVERED", run("sinch", "sent")[1]
        )
    )
    assert run("sinch", "expire")[0] == 0


def read_until(process: subprocess.Popen, words: str) -> str:
    shown = ""
    for line in process.stdout:
        shown += line
        if words in line:
            return shown
    raise AssertionError(shown)


@pytest.fixture
def built(tmp_path):
    with setup.built(motion_url="http://127.0.0.1:1", control_url="http://127.0.0.1:2", root=tmp_path) as made:
        yield made
    assert not made.folder.exists()


def test_the_folder_holds_settings_for_one_account_on_two_loopback_ports(built):
    settings = tomllib.loads(built.state.config_file.read_text())
    server, (account,) = settings["server"], settings["account"]
    assert server["public_url"] == f"https://gateway.example.test:{server['public_port']}"
    assert (server["public_address"], server["ops_address"], server["http_port"]) == ("127.0.0.1", "127.0.0.1", 0)
    assert len({server["public_port"], server["ops_port"]}) == 2
    assert (account["connector_id"], account["name"], account["region"]) == (7, "Sandbox support", "eu")
    assert Path(account["webhook_secrets_file"]).read_text() == built.state.secret


def test_the_settings_name_the_credentials_for_motion_the_proxy_token_and_a_minting_key(built):
    settings = tomllib.loads(built.state.config_file.read_text())
    motion, attachments = settings["motion"], settings["attachments"]
    assert (motion["url"], motion["username"]) == ("http://127.0.0.1:1", built.credentials.username)
    assert Path(motion["password_file"]).read_text() == built.credentials.password
    assert Path(attachments["proxy_token_file"]).read_text() == built.state.proxy_token
    assert len(Path(attachments["token_keys_file"]).read_text()) >= 32
    assert built.state.proxy_token not in repr(built)
    assert built.credentials.password not in repr(built)


def test_without_a_sinch_there_is_no_door_to_it(built):
    settings = tomllib.loads(built.state.config_file.read_text())
    assert "sinch" not in settings
    assert "outbound_clients" not in settings["server"]


def test_with_a_sinch_there_is_a_door_to_it_for_motion_alone(tmp_path):
    key = Key(key_secret="a secret of Motion's")
    vendor = setup.Vendor(eu="https://eu", us="https://us", auth="https://auth", control_url="http://c", key=key)
    with setup.built(motion_url="http://m", control_url="http://c", sinch=vendor, root=tmp_path) as made:
        written = made.state.config_file.read_text()
        place = made.state
        assert state.read(made.state_file) == place
    settings = tomllib.loads(written)
    server = settings["server"]
    assert (server["outbound_address"], server["outbound_clients"]) == ("127.0.0.2", ["127.0.0.1"])
    assert place.outbound_url == f"https://{server['outbound_names'][0]}:{server['outbound_port']}"
    assert server["outbound_names"][0] not in server["public_url"]
    assert settings["sinch"] == {
        "eu": "https://eu",
        "us": "https://us",
        "auth": "https://auth",
        "ca_file": str(place.ca_file),
    }
    assert key.key_secret not in written + repr(place)
    agent = place.agent()
    assert (agent.key, agent.way.api, agent.way.auth) == (key, f"{place.outbound_url}/eu", place.outbound_url)


def test_only_the_owner_can_read_what_is_secret(built):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in built.folder.iterdir()}
    secret = {
        "privkey.pem",
        "webhook-secret",
        "sandbox.json",
        "motion-password",
        "proxy-token",
        "token-keys",
        "sinch-key",
    }
    assert {name for name, bits in modes.items() if bits == 0o600} == secret
    assert modes["attachments"] == 0o700
    assert stat.S_IMODE(built.folder.stat().st_mode) == 0o711
    assert built.state.secret not in repr(built)


def test_the_state_file_tells_the_commands_everything(built):
    assert state.read(built.state_file) == built.state
    sinch = built.state.sinch()
    assert sinch.connect_to == ("127.0.0.1", built.state.public_port)
    assert sinch.url.endswith("/api/whatsapp/accounts/7/notify")


def test_the_newest_sandbox_is_found_and_none_is_said_to_be_none(tmp_path):
    with pytest.raises(state.StateError, match="make run"):
        state.newest(tmp_path)
    for age, name in ((2, "old"), (1, "new")):
        folder = tmp_path / f"{state.FOLDER_PREFIX}{name}"
        folder.mkdir()
        (folder / state.FILE_NAME).write_text("{}")
        os.utime(folder / state.FILE_NAME, (1_000_000_000 - age,) * 2)
    assert state.newest(tmp_path).parent.name == "motion-gateway-new"
    with pytest.raises(state.StateError, match="not the state of a sandbox"):
        state.read(state.newest(tmp_path))


def test_a_command_for_a_sandbox_that_is_not_there_says_so(tmp_path):
    result = CliRunner().invoke(main, ["sinch", "text", "Hello", "--state", str(tmp_path / "none.json")])
    assert result.exit_code == 1
    assert "is not the state of a sandbox" in result.output


def python(code: str, log: Path) -> Child:
    return Child([sys.executable, "-c", code], log)


def test_a_child_that_leaves_a_process_behind_is_found_out_and_cleaned_up(tmp_path):
    run = python(
        "import subprocess, sys, threading\n"
        "subprocess.Popen([sys.executable, '-c', 'import threading; threading.Event().wait()'])\n"
        "print('started', flush=True); threading.Event().wait()",
        tmp_path / "log",
    )
    until(lambda: "started" in run.tail())
    with pytest.raises(ChildError, match="left processes behind"):
        run.stop()


def test_a_child_that_ignores_sigterm_is_killed(tmp_path):
    run = python(
        "import signal, threading\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf', flush=True)\n"
        "threading.Event().wait()",
        tmp_path / "log",
    )
    until(lambda: "deaf" in run.tail())
    with pytest.raises(ChildError, match="did not stop"):
        run.stop(deadline_seconds=0.05)
    assert run.exit_status == -signal.SIGKILL


def test_a_child_that_is_never_ready_is_given_up_at_the_deadline(tmp_path):
    command = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    route = Route(url="http://127.0.0.1:9/readyz")
    with child.running(command, tmp_path / "log") as run, pytest.raises(ChildError, match="not ready within"):
        run.wait_until_ready(route, deadline_seconds=0.1)


def until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        threading.Event().wait(0.01)

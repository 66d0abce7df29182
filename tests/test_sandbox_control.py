"""The control endpoints of the simulated Motion, and the commands that use them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sandbox import callbacks, faults
from sandbox.archive import Archive, Credentials
from sandbox.commands import main
from sandbox.connection import Request, Route, exchange
from sandbox.control import Control, ControlError, MotionRemote, of_motion
from sandbox.faults import Fault
from sandbox.motion import Motion
from sandbox.sinch import Sinch


@pytest.fixture
def motion():
    with Motion() as running:
        yield running


@pytest.fixture
def control(motion):
    with of_motion(motion) as running:
        yield running


@pytest.fixture
def remote(control):
    return MotionRemote(control.url)


@pytest.fixture
def sinch(motion):
    return Sinch(url=f"{motion.url}/api/whatsapp/accounts/7/notify", secret="secret")


@pytest.fixture
def archive(motion, tmp_path):
    motion.archive = Archive(tmp_path, credentials=Credentials(api_key="k"))
    return motion.archive


def run(control: Control, *words: str):
    return CliRunner().invoke(main, ["motion", "--control", control.url, *words], catch_exceptions=False)


@pytest.mark.parametrize(
    "chosen",
    [
        faults.NONE,
        faults.DOWN,
        faults.HANG,
        faults.slow(2),
        faults.status(503, retry_after="3"),
        faults.status(500, marker="ñ".encode()),
    ],
    ids=lambda chosen: chosen.name,
)
def test_a_fault_set_from_afar_is_the_fault_of_motion(motion, remote, chosen):
    remote.set_fault(chosen)
    assert motion.fault == remote.fault() == chosen


def test_what_motion_heard_is_told_byte_for_byte(motion, remote, sinch):
    sinch.send(callbacks.text("¿Sí?"))
    motion.wait_for_accepted(1)
    assert remote.received() == motion.received
    assert remote.unexpected() == ()
    remote.forget()
    assert motion.received == ()


def test_hanging_requests_are_released_from_afar(motion, remote):
    motion.on_event = lambda event, _: event == "heard" and remote.release()
    motion.set_fault(faults.slow(60))
    assert exchange(Route(url=motion.url + "/api/whatsapp/accounts/7/notify"), Request()).status == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"fault":[]}', b'{"fault":{"name":"nonsense"}}', b'{"fault":{"name":"none","zeal":1}}'],
    ids=repr,
)
def test_a_fault_that_is_none_is_answered_400(control, body):
    assert exchange(Route(url=control.url + "/_sandbox/set_fault"), Request(body=body)).status == 400


@pytest.mark.parametrize(
    ("method", "path", "host"),
    [
        ("POST", "/", None),
        ("GET", "/_sandbox/received", None),
        ("POST", "/_sandbox/nothing", None),
        ("POST", "/_sandbox/received", "a-web-page.example"),
    ],
)
def test_anything_else_is_answered_404(control, method, path, host):
    assert exchange(Route(url=control.url), Request(method=method, target=path, host=host, body=b"{}")).status == 404


def test_a_motion_that_is_not_there_is_said_to_be_so():
    with pytest.raises(ControlError, match="refused"):
        MotionRemote("http://127.0.0.1:9").fault()


def test_the_mode_command_makes_motion_fail(motion, control):
    result = run(control, "mode", "status", "--status", "503", "--retry-after", "5", "--marker", "x")
    assert (result.exit_code, motion.fault) == (0, faults.status(503, retry_after="5", seconds=1, marker=b"x"))
    assert result.output == "From the next request on, Motion answers with another status.\n"
    assert run(control, "mode", "up").output == "From the next request on, Motion answers as it should.\n"
    assert motion.fault.name == "none"


def test_the_received_command_shows_what_came_and_what_nobody_announced(motion, control, sinch):
    sinch.send(callbacks.text("[red]words"))
    exchange(Route(url=f"{motion.url}/nonsense"), Request())
    motion.wait_for_accepted(1)
    result = run(control, "received", "--forget")
    assert "[red]words" in result.output
    assert "POST /nonsense" in result.output
    assert motion.received == ()


def test_a_body_that_is_no_callback_is_shown_as_such(motion, control):
    exchange(Route(url=f"{motion.url}/api/whatsapp/accounts/7/notify"), Request(body=b"[1]"))
    assert "not a callback" in run(control, "received").output


def test_the_release_command_releases(motion, control):
    assert run(control, "release").exit_code == 0


def test_a_command_without_a_motion_says_so(control):
    result = CliRunner().invoke(main, ["motion", "--control", "http://127.0.0.1:9", "received"])
    assert result.exit_code == 1
    assert "refused" in result.output


def test_without_port_or_command_the_usage_is_explained():
    assert CliRunner().invoke(main, ["motion"]).exit_code == 2


def test_an_attachment_is_put_listed_and_taken_away_from_afar(archive, remote):
    content = bytes(range(256))
    assert remote.attach("Año.pdf", content) == 101
    assert remote.attach("b.pdf", b"b", attachment_id=7) == 7
    assert archive.get(101).content == content
    assert remote.attachments() == {7: "b.pdf", 101: "Año.pdf"}
    remote.detach(101)
    assert remote.attachments() == {7: "b.pdf"}


def test_downloads_are_told_from_afar(motion, archive, remote):
    archive.put("a.pdf", b"a")
    exchange(Route(url=motion.url), Request(method="GET", target="/api/attachments/101/download?apikey=k"))
    archive.wait_for(lambda items: [item.answered for item in items] == [200])
    assert remote.downloads() == archive.downloads


@pytest.mark.parametrize("chosen", [faults.NONE, faults.status(403), Fault(name="slow", seconds=2)])
def test_trouble_set_from_afar_is_that_of_the_attachments(archive, remote, chosen):
    remote.trouble(chosen)
    assert archive.fault == chosen


@pytest.mark.parametrize(
    ("row", "body"),
    [
        ("trouble", b'{"fault":{"name":"nonsense"}}'),
        ("trouble", b"[]"),
        ("attach", b'{"name":"a/b","content":{"base64":""}}'),
        ("attach", b'{"name":"a","content":{"base64":"?"}}'),
        ("attach", b'{"name":"a"}'),
        ("detach", b"{}"),
    ],
)
def test_what_is_no_attachment_and_no_trouble_is_answered_400(archive, control, row, body):
    assert exchange(Route(url=f"{control.url}/_sandbox/{row}"), Request(body=body)).status == 400
    assert (archive.names(), archive.fault) == ({}, faults.NONE)


def test_a_motion_without_attachments_says_so(remote):
    with pytest.raises(ControlError, match="this Motion has no attachments"):
        remote.attach("a", b"")


def test_the_commands_attach_trouble_show_and_detach(motion, archive, control, tmp_path):
    file = tmp_path / "mine.pdf"
    file.write_bytes(b"%PDF-")
    assert run(control, "attach", str(file)).output == "101\n"
    assert (
        "From the next download on, Motion answers with another status."
        in run(control, "trouble", "status", "--status", "403").output
    )
    exchange(Route(url=motion.url), Request(method="GET", target="/api/attachments/101/download?apikey=k"))
    archive.wait_for(lambda items: [item.answered for item in items] == [403])
    shown = run(control, "downloads").output
    assert "mine.pdf" in shown
    assert "403" in shown
    assert run(control, "detach", "101").exit_code == 0
    assert archive.names() == {}

"""The attachments of the simulated Motion over real sockets: who gets them, and how that can go wrong."""

from __future__ import annotations

import base64
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import attachment, faults
from sandbox.archive import Archive, Credentials
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.faults import Fault
from sandbox.motion import Motion
from sandbox.reply import ELSEWHERE

CONTENT = bytes(range(256)) * 8
BASIC = ("authorization", "Basic " + base64.b64encode(b"gateway:p:w").decode())


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path, credentials=Credentials(username="gateway", password="p:w", api_key="k+k"))


@pytest.fixture
def motion(archive):
    with Motion(archive=archive) as running:
        yield running


def ask(motion: Motion, target: str, *headers: tuple[str, str], method: str = "GET", seconds: float = 60) -> Answer:
    route = Route(url=motion.url, timeout_seconds=seconds)
    return exchange(route, Request(method=method, target=target, headers=headers))


def get(motion: Motion, archive: Archive, **how) -> Answer:
    made = archive.put("photo.jpg", CONTENT)
    return ask(motion, attachment.path(made.attachment_id), BASIC, **how)


def test_a_file_comes_as_it_was_put_with_type_name_and_length(motion, archive):
    answer = get(motion, archive)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.header("content-type") == "image/jpeg"
    assert answer.header("content-disposition") == 'attachment; filename="photo.jpg"'
    assert answer.header("content-length") == "2048"
    motion.assert_nothing_unexpected()


def test_head_says_the_same_without_the_file(motion, archive):
    answer = get(motion, archive, method="HEAD")
    assert (answer.status, answer.body, answer.header("content-length")) == (200, b"", "2048")
    assert ask(motion, "/api/attachments/999/download", BASIC, method="HEAD").status == 404


def test_behind_the_head_comes_nothing(motion, archive):
    made = archive.put("photo.jpg", CONTENT)
    request = f"HEAD {attachment.path(made.attachment_id)} HTTP/1.1\r\nconnection: close\r\n{': '.join(BASIC)}\r\n\r\n"
    with socket.create_connection(motion.address, 5) as connection, connection.makefile("rb") as answer:
        connection.sendall(request.encode())
        assert answer.read().endswith(b"content-length: 2048\r\n\r\n")


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", (BASIC,), 200),
        ("?apikey=k%2Bk", (), 200),
        ("?token=k%2Bk", (), 401),
        ("?apikey=k", (), 401),
        ("?apikey=", (), 401),
        ("", (), 401),
        ("", (("authorization", "Bearer k+k"),), 401),
        ("", (("authorization", "Basic " + base64.b64encode(b"gateway:p").decode()),), 401),
    ],
    ids=["basic", "api key", "a token", "half a key", "no key", "nothing", "bearer", "wrong password"],
)
def test_only_who_proves_it_gets_a_file(motion, archive, query, headers, status):
    made = archive.put("photo.jpg", CONTENT)
    assert ask(motion, attachment.path(made.attachment_id) + query, *headers).status == status
    assert archive.wait_until_served(made.attachment_id)[0].answered == status


def test_without_credentials_of_its_own_it_lets_nobody_in(motion, archive):
    archive.credentials = Credentials()
    assert get(motion, archive).status == 401
    assert ask(motion, attachment.path(101), ("authorization", "Basic Og==")).status == 401


def test_a_file_that_somebody_lays_into_the_folder_is_an_attachment(motion, archive, tmp_path):
    (tmp_path / "42-Año ☎ 7.pdf").write_bytes(b"%PDF-")
    (tmp_path / "readme").write_bytes(b"no number, no attachment")
    answer = ask(motion, "/api/attachments/42/download/", BASIC)
    assert answer.body == b"%PDF-"
    assert "filename*=UTF-8''A%C3%B1o%20%E2%98%8E%207.pdf" in (answer.header("content-disposition") or "")
    assert archive.names() == {42: "Año ☎ 7.pdf"}


def test_ids_are_fresh_and_one_can_be_given_again(archive):
    first, second = archive.put("a-b.txt", b"1"), archive.put("a-b.txt", b"2")
    assert (first.attachment_id, second.attachment_id) == (101, 102)
    archive.put("c.txt", b"3", attachment_id=101)
    assert archive.names() == {101: "c.txt", 102: "a-b.txt"}
    archive.delete(102)
    archive.delete(102)
    assert archive.get(102) is None
    assert archive.put("d.txt", b"4").attachment_id == 103
    archive.put("e.txt", b"5", attachment_id=500)
    archive.delete(500)
    assert archive.put("f.txt", b"6").attachment_id == 501


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(archive, name):
    with pytest.raises(ValueError, match="not the name of a file"):
        archive.put(name, b"")


@pytest.mark.parametrize(
    ("chosen", "status", "body"),
    [
        (faults.NONE, 200, CONTENT),
        (faults.status(401), 401, b'{"message":"Unauthorized"}'),
        (faults.status(403), 403, b'{"message":"simulated"}'),
        (faults.status(500), 500, b'{"message":"simulated"}'),
        (Fault(name="deleted"), 404, b'{"message":"Not Found"}'),
        (Fault(name="redirect"), 302, b""),
        (Fault(name="slow", seconds=0.01), 200, CONTENT),
        (Fault(name="drip", seconds=0), 200, CONTENT),
        (Fault(name="shorter"), 200, CONTENT[:-1]),
        (Fault(name="lengthless"), 200, CONTENT),
        (Fault(name="chunked"), 200, CONTENT),
        (Fault(name="changed"), 200, CONTENT + b"\n"),
    ],
    ids=lambda value: f"{value.name} {value.status}" if isinstance(value, Fault) else "",
)
def test_trouble_that_is_an_answer(motion, archive, chosen, status, body):
    archive.set_fault(chosen)
    answer = get(motion, archive)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize("name", ["lengthless", "chunked"])
def test_trouble_can_be_a_length_that_is_not_said(motion, archive, name):
    archive.set_fault(Fault(name=name))
    answer = get(motion, archive)
    assert (answer.header("content-length"), answer.header("content-type")) == (None, "image/jpeg")


def test_a_login_page_is_html_with_200(motion, archive):
    archive.set_fault(Fault(name="login"))
    answer = get(motion, archive)
    assert (answer.status, answer.header("content-type")) == (200, "text/html; charset=utf-8")
    assert b"<form" in answer.body
    assert answer.header("location") is None


def test_a_redirect_says_where_to(motion, archive):
    archive.set_fault(Fault(name="redirect"))
    assert get(motion, archive).header("location") == ELSEWHERE


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("reset", "ConnectionResetError"),
        ("garbage", "BadStatusLine"),
        ("longer", "IncompleteRead"),
        ("hang", "timeout"),
        ("endless", "timeout"),
    ],
)
def test_trouble_that_is_no_answer(motion, archive, name, error):
    archive.set_fault(Fault(name=name))
    answer = get(motion, archive, seconds=0.3)
    assert answer.status is None
    assert answer.error.startswith(error)


def test_what_is_cut_is_cut_half_way_through_the_file(motion, archive):
    archive.set_fault(faults.CUT)
    assert "1024 bytes read" in get(motion, archive).error


def test_who_hangs_is_released_and_has_the_file(motion, archive):
    archive.set_fault(Fault(name="hang"))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(get, motion, archive)
        archive.wait_for(lambda items: len(items) == 1)
        motion.release()
        assert asked.result().body == CONTENT


def test_a_script_is_for_the_next_downloads_in_turn(motion, archive):
    archive.script(faults.status(500), Fault(name="reset"))
    assert [get(motion, archive).status for _ in range(3)] == [500, None, 200]
    answered = [archive.wait_until_served(number)[0].answered for number in (101, 102, 103)]
    assert answered == [500, None, 200]
    archive.forget()
    assert archive.downloads == ()


def test_a_download_knows_what_was_asked_and_how_long_it_took(motion, archive):
    archive.set_fault(Fault(name="slow", seconds=0.05))
    get(motion, archive)
    (item,) = archive.wait_for(lambda items: [item.answered for item in items] == [200])
    assert (item.attachment_id, item.method) == (101, "GET")
    assert item.seconds >= 0.05
    archive.set_fault(Fault(name="hang"))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, motion, attachment.path(101), BASIC)
        archive.wait_for(lambda items: len(items) == 2)
        with pytest.raises(TimeoutError):
            archive.wait_until_served(101, 0.01)
        motion.release()
        assert asked.result().status == 200
    assert [item.answered for item in archive.wait_until_served(101)] == [200, 200]
    with pytest.raises(TimeoutError, match="it did not come to that"):
        archive.wait_for(lambda items: len(items) > 2, 0.01)


def test_where_motion_is_down_nobody_has_a_file(motion, archive):
    motion.close()
    assert get(motion, archive).error == "refused"


def test_a_motion_without_attachments_does_not_expect_to_be_asked():
    with Motion() as motion:
        assert ask(motion, attachment.path(101), BASIC).status == 404
        assert motion.unexpected == ("GET /api/attachments/101/download",)


@pytest.mark.parametrize(
    "target", ["/api/attachments/x/download", "/api/attachments/101", "/api//attachments/1/download"]
)
def test_other_paths_are_not_expected(motion, target):
    assert ask(motion, target, BASIC).status == 404
    assert motion.unexpected == (f"GET {target}",)


def test_nobody_reads_half_of_what_is_being_replaced(motion, archive):
    made, stopped = archive.put("a.bin", b"a" * 200_000), threading.Event()
    contents = {b"a" * 200_000, b"b" * 200_000}

    def replace() -> None:
        while not stopped.is_set():
            for content in contents:
                archive.put("a.bin", content, attachment_id=made.attachment_id)

    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace)
        seen = {ask(motion, attachment.path(made.attachment_id), BASIC).body for _ in range(20)}
        stopped.set()
        replacing.result()
    assert seen <= contents


def test_the_link_is_the_proxys_with_its_token_and_the_path_is_motions():
    made = attachment.link("https://gateway.example.test:8443", 17, token="a+b/c")
    assert made == "https://gateway.example.test:8443/api/attachments/17/download?token=a%2Bb%2Fc"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", "image/jpeg"),
        ("a.ogg", "audio/ogg"),
        ("a.doc", "application/msword"),
        ("a.unknown", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_motion_goes_by_the_name_alone(name, kind):
    assert attachment.Attachment(attachment_id=1, name=name, content=b"%PDF-").content_type == kind


def test_a_name_cannot_break_out_of_its_header():
    assert attachment.disposition('a"b\\c.txt').startswith('attachment; filename="a_b_c.txt"')

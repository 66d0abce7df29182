"""Files through the second door: real nginx, the real door, and a simulated Motion that has them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway import errors
from gateway.attachments import tokens
from gateway.attachments.fetch import WAITING
from gateway.attachments.register import Register
from gateway.attachments.tokens import Grant, Purpose
from gateway.doors import PUBLIC_HEADERS
from gateway.inspection.rulebook import VerdictKind
from sandbox import callbacks, faults
from sandbox.attachment import Attachment
from sandbox.connection import Answer
from sandbox.faults import Fault
from tests import document_samples
from tests.live.house import ROOT, House, opened
from tests.picture_samples import picture, written

PROXY_TOKEN = "planted-proxy-token-of-tests"
KEY = "planted key of the tests, long enough"
LINKS = {"proxy_token": PROXY_TOKEN, "token_keys": [KEY]}
NAME = "planted name grüße.jpeg"
PROTECTION = PUBLIC_HEADERS | {"Strict-Transport-Security": "max-age=63072000"}
PHOTO = written(picture(size=(640, 480)), "JPEG")
MB = 1_000_000


@dataclass
class Files:
    """A gateway with both kinds of links, and a photo at Motion."""

    house: House
    photo: Attachment

    def proxied(self, attachment_id: int | None = None, *, query: str = f"token={PROXY_TOKEN}") -> str:
        return f"/api/attachments/{attachment_id or self.photo.attachment_id}/download?{query}"

    def minted(self, attachment: Attachment | None = None, *, seconds: int = 3600) -> str:
        asked, now = attachment or self.photo, int(time.time())
        grant = Grant(
            attachment_id=str(asked.attachment_id),
            digest=hashlib.sha256(asked.content).digest(),
            kind=VerdictKind.NATIVE,
            mime="image/jpeg",
            name="planted name grüße.jpg",
            purpose=Purpose.MESSAGE,
            issued_at=now,
            expires_at=now + seconds,
        )
        return tokens.path(tokens.mint(grant, keys=[KEY]), "planted-decoration.jpg")

    def ask(self, target: str, *, method: str = "GET", **more: Any) -> Answer:
        headers = more.pop("headers", {})
        return self.house.ask(target, method=method, headers=tuple(headers.items()), **more)


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    off = {"unknown_tokens_per_address": "off", "fetches_per_attachment": "off"}
    with opened(attachments=LINKS, limits=off) as house:
        yield Files(house, house.archive.put(NAME, PHOTO))


def assert_protected(answer: Answer) -> None:
    """Every header that protects, and each of them once."""
    told = {name: [value for key, value in answer.headers if key.lower() == name.lower()] for name in PROTECTION}
    assert told == {name: [value] for name, value in PROTECTION.items()}
    assert not [name for name, _ in answer.headers if name.lower() in ("set-cookie", "server", "location")]
    types = [value for name, value in answer.headers if name.lower() == "content-type"]
    assert len(types) == (answer.status != 304)


def assert_refused(answer: Answer, status: int) -> None:
    assert (answer.status, answer.body) == (status, errors.body(status))
    assert answer.header("content-type") == "application/json"
    assert answer.header("content-disposition") is None
    assert (answer.header("retry-after") is not None) == (status in (429, 503))
    assert_protected(answer)


def test_a_file_arrives_byte_for_byte_by_either_link_and_is_fetched_from_motion_once(files: Files) -> None:
    for link in (files.proxied(), files.minted(), files.proxied()):
        answer = files.ask(link)
        assert (answer.status, answer.body) == (200, PHOTO)
        assert answer.header("content-type") == "image/jpeg"
        assert answer.header("content-length") == str(len(PHOTO))
        assert answer.header("accept-ranges") == "bytes"
        assert answer.header("content-disposition") == (
            "attachment; filename=\"planted name grue.jpg\"; filename*=UTF-8''planted%20name%20gr%C3%BC%C3%9Fe.jpg"
        )
        assert_protected(answer)
    assert [download.attachment_id for download in files.house.archive.downloads].count(files.photo.attachment_id) == 1
    digest = hashlib.sha256(PHOTO).hexdigest()
    lines = files.house.decisions("attachments", event="attachments", digest=digest)
    assert {(line["status"], line["verdict"]) for line in lines} == {(200, "native")}
    assert {(line["purpose"], line.get("row")) for line in lines} == {("proxy", "image"), ("message", None)}


def test_head_tells_what_get_would(files: Files) -> None:
    for link in (files.proxied(), files.minted()):
        got, told = files.ask(link), files.ask(link, method="HEAD")
        assert (told.status, told.body) == (200, b"")
        assert [pair for pair in told.headers if pair[0] != "Date"] == [
            pair for pair in got.headers if pair[0] != "Date"
        ]


END = len(PHOTO)
PARTS = {
    "the first bytes": ("bytes=0-9", 206, PHOTO[:10], f"bytes 0-9/{END}"),
    "from there on": ("bytes=1000-", 206, PHOTO[1000:], f"bytes 1000-{END - 1}/{END}"),
    "the last bytes": ("bytes=-7", 206, PHOTO[-7:], f"bytes {END - 7}-{END - 1}/{END}"),
    "the last byte": (f"bytes={END - 1}-{END + 9}", 206, PHOTO[-1:], f"bytes {END - 1}-{END - 1}/{END}"),
    "beyond the end": (f"bytes={END}-", 416, errors.body(416), f"bytes */{END}"),
    "several": ("bytes=0-9,20-29", 200, PHOTO, None),
    "overlapping ones": ("bytes=0-,0-,0-,0-", 200, PHOTO, None),
    "in another unit": ("lines=0-9", 200, PHOTO, None),
}


@pytest.mark.parametrize(("part", "status", "body", "told"), PARTS.values(), ids=PARTS)
def test_a_part_is(files: Files, part: str, status: int, body: bytes, told: str | None) -> None:
    answer = files.ask(files.proxied(), headers={"range": part})
    assert (answer.status, answer.body, answer.header("content-range")) == (status, body, told)
    assert_protected(answer)
    if status == 416:
        assert_refused(answer, 416)


def test_conditions_are_met(files: Files) -> None:
    tag = files.ask(files.proxied()).header("etag") or ""
    date = files.ask(files.proxied()).header("last-modified") or ""
    part = {"range": "bytes=0-9"}
    conditions: list[tuple[dict[str, str], int]] = [
        ({"if-none-match": tag}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-modified-since": date}, 304),
        ({"if-range": tag} | part, 206),
        ({"if-range": date} | part, 206),
        ({"if-range": '"other"'} | part, 200),
        ({"if-match": '"other"'}, 200),
        ({"if-unmodified-since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 200),
    ]
    for headers, status in conditions:
        answer = files.ask(files.proxied(), headers=headers)
        assert answer.status == status, headers
        assert_protected(answer)


def test_what_a_client_says_beside_its_link_changes_nothing(files: Files) -> None:
    odd = {
        "x-accel-redirect": "/media/vault/lock",
        "x-sendfile-type": "none",
        "x-real-ip": "203.0.113.9",
        "cookie": "planted-cookie",
        "authorization": "planted-authorization",
        "accept": "text/html",
        "accept-encoding": "gzip",
        "transfer-encoding": "identity",
    }
    for name, value in odd.items():
        answer = files.ask(files.proxied(), headers={name: value})
        assert (answer.status, answer.body if answer.status == 200 else b"") in ((200, PHOTO), (404, b"")), name
    assert not files.house.decisions("attachments", address="203.0.113.9")


def test_verdicts_are_those_of_the_profile_by_motions_link_and_those_of_its_minting_by_a_minted_one(
    files: Files,
) -> None:
    samples = {
        "a.pdf": (document_samples.pdf(), 200, "application/pdf"),
        "a.gif": (written(picture(), "GIF"), 415, ""),
        "a.html": (b"<!doctype html><script>alert(1)</script>", 200, "application/octet-stream"),
        "a.csv": (b"a,b\n1,2\n3,4\n", 200, "text/csv"),
        "large.png": (written(picture(), "PNG") + b"x" * 6 * MB, 413, ""),
    }
    for name, (content, status, mime) in samples.items():
        attachment = files.house.archive.put(name, content)
        judged, granted = files.ask(files.proxied(attachment.attachment_id)), files.ask(files.minted(attachment))
        if status != 200:
            assert_refused(judged, status)
        for answer, told in ((judged, mime), (granted, "image/jpeg")) if status == 200 else ((granted, "image/jpeg"),):
            assert (answer.status, answer.body, answer.header("content-type")) == (200, content, told)
            assert_protected(answer)


def spellings(files: Files) -> dict[str, str]:
    """Other spellings of links that would be right."""
    proxied, minted = files.proxied(), files.minted()
    _, _, token, name = minted.split("/")
    path, _, query = proxied.partition("?")
    number = str(files.photo.attachment_id)
    return {
        "a dot in the path": proxied.replace("/api/", "/./api/"),
        "two dots": proxied.replace("/api/", "/api/../api/"),
        "escaped dots": proxied.replace("/api/", "/api/%2e%2e/api/"),
        "two slashes": proxied.replace("/api/", "//api/"),
        "a slash at the end": f"{path}/?{query}",
        "an escaped slash": proxied.replace("/download", "%2Fdownload"),
        "an escaped letter": proxied.replace("/api/", "/%61pi/"),
        "an escaped number": proxied.replace(number, f"%3{number[0]}{number[1:]}"),
        "capitals": proxied.replace("/api/", "/API/"),
        "a zero before the number": proxied.replace(number, f"0{number}"),
        "a sign before the number": proxied.replace(number, f"+{number}"),
        "a letter behind the number": proxied.replace(number, f"{number}x"),
        "a line's end behind the path": f"{path}%0A?{query}",
        "a parameter": f"{path};a=1?{query}",
        "no query": path,
        "an empty token": f"{path}?token=",
        "another parameter before": f"{path}?a=1&{query}",
        "another parameter behind": f"{path}?{query}&a=1",
        "the token twice": f"{path}?{query}&{query}",
        "an escaped letter of the token": f"{path}?token=%{ord(PROXY_TOKEN[0]):02X}{PROXY_TOKEN[1:]}",
        "the token in capitals": f"{path}?token={PROXY_TOKEN.upper()}",
        "the parameter in capitals": f"{path}?TOKEN={PROXY_TOKEN}",
        "a zero behind the token": f"{proxied}%00",
        "a fragment": f"{proxied}#x",
        "a minted token with a fragment": f"{minted}#x",
        "a minted token with dots before it": f"/media/../media/{token}/{name}",
        "a minted token with two slashes": f"/media//{token}/{name}",
        "a minted token in capitals": f"/Media/{token}/{name}",
        "a minted token cut": f"/media/{token[:-1]}/{name}",
        "a minted token with more": f"/media/{token}A/{name}",
        "a minted token padded": f"/media/{token}=/{name}",
        "a minted token padded and escaped": f"/media/{token}%3D/{name}",
        "a minted token with an escaped letter": f"/media/%67{token[1:]}/{name}",
        "a minted token with a query": f"{minted}?a=1",
        "a minted token with an empty query": f"{minted}?",
        "a minted token without a name": f"/media/{token}",
        "a minted token with an empty name": f"/media/{token}/",
        "a minted token with two names": f"/media/{token}/a/b",
        "a minted token with a slash in its name": f"/media/{token}/a%2Fb",
        "a minted token with dots for a name": f"/media/{token}/..",
        "a minted token with escaped dots for a name": f"/media/{token}/%2e%2e",
        "a minted token that ended": files.minted(seconds=0),
        "an id that does not exist": files.proxied(999_999),
        "the vault itself": f"/media/vault/{hashlib.sha256(PHOTO).hexdigest()[:2]}/{hashlib.sha256(PHOTO).hexdigest()}",
        "the vault's folder": "/media/vault/",
        "the vault's lock": "/media/vault/lock",
        "out of the vault": "/media/vault/../spool.sqlite3",
    }


def test_a_link_that_is_wrong_in_any_way_is_refused_like_all_others(files: Files) -> None:
    assert [files.ask(link).status for link in (files.proxied(), files.minted())] == [200, 200]
    answers = {how: files.ask(link) for how, link in spellings(files).items()}
    wrong = {how: answer for how, answer in answers.items() if answer.status != 404}
    assert wrong == {}
    heads = {tuple(pair for pair in answer.headers if pair[0] != "Date") for answer in answers.values()}
    assert len(heads) == 1, heads
    for answer in answers.values():
        assert_refused(answer, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get"])
def test_other_methods_are_refused(files: Files, method: str) -> None:
    for link in (files.proxied(), files.minted()):
        assert_refused(files.ask(link, method=method), 404)


BODIES: dict[str, dict[str, Any]] = {
    "one byte": {"body": b"x"},
    "a few": {"body": b"x=1"},
    "many": {"body": b"x" * 300_000},
    "in chunks": {"body": b"GET / HTTP/1.1\r\n\r\n", "chunked": True},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_request_with_a_body_is_refused(files: Files, body: dict[str, Any]) -> None:
    for link in (files.proxied(), files.minted()):
        assert_refused(files.ask(link, **body), 413)


def test_what_was_fetched_once_needs_no_motion(files: Files) -> None:
    attachment = files.house.archive.put("a.jpg", written(picture(seed=7), "JPEG"), attachment_id=900)
    link = files.proxied(attachment.attachment_id)
    assert files.ask(link).status == 200
    files.house.archive.delete(attachment.attachment_id)
    assert files.ask(link).body == attachment.content


def test_a_motion_in_trouble_is_503_and_nothing_half_is_served(files: Files) -> None:
    archive, content, links = files.house.archive, written(picture(seed=8), "JPEG"), []
    for one in (faults.status(500), faults.status(401), faults.CUT, Fault(name="reset")):
        links.append(files.proxied(archive.put("a.jpg", content).attachment_id))
        archive.set_fault(one)
        assert_refused(files.ask(links[-1]), 503)
    archive.set_fault(faults.NONE)
    for link in links:
        files.house.wait_for(lambda link=link: files.ask(link).body == content)


@pytest.mark.skipif(os.geteuid() != 0, reason="nginx's workers run as ourselves, who may read everything of ours")
def test_a_file_that_nginx_may_not_read_is_a_fault_of_ours(files: Files) -> None:
    attachment = files.house.archive.put("a.jpg", written(picture(seed=9), "JPEG"))
    link, digest = files.proxied(attachment.attachment_id), hashlib.sha256(attachment.content).hexdigest()
    assert files.ask(link).status == 200
    path = files.house.folder / "state" / "vault" / digest[:2] / digest
    path.chmod(0o600)
    # That one of nginx's processes which has it open may go on with it; the next one cannot open it.
    assert_refused(files.house.wait_for(lambda: (answer := files.ask(link)).status != 200 and answer), 503)
    assert files.house.wait_for(lambda: files.house.decisions("nginx", event="edge", status=503, upstream_status="200"))
    path.chmod(0o640)
    assert files.ask(link).body == attachment.content


def test_nothing_of_a_link_but_the_number_stands_in_any_line(files: Files) -> None:
    minted = files.minted()
    for link in (files.proxied(), minted, *spellings(files).values()):
        files.ask(link)
        files.ask(link, method="POST")
    house = files.house
    assert house.wait_for(lambda: house.decisions("nginx", event="edge", path="/media/***"))
    number = files.photo.attachment_id
    assert house.wait_for(lambda: house.decisions("nginx", path=f"/api/attachments/{number}/download"))
    log = house.log.lower()
    token = minted.split("/")[2].lower()
    hidden = [PROXY_TOKEN.lower(), "planted", token, token[10:60], KEY.lower(), "gaaaa", "grüße", "gr%c3"]
    assert [one for one in hidden if one in log] == []


def test_limits_are_told_with_the_same_protection() -> None:
    limits = {"unknown_tokens_per_address": "2/day", "fetches_per_attachment": "2/day"}
    with opened(attachments=LINKS, limits=limits) as house:
        files = Files(house, house.archive.put(NAME, PHOTO))
        wrong = [files.ask(files.proxied(query="token=wrong")) for _ in range(3)]
        assert [answer.status for answer in wrong] == [404, 404, 429]
        right = [files.ask(files.proxied()) for _ in range(3)]
        assert [answer.status for answer in right] == [200, 200, 429]
        for answer in (wrong[2], right[2]):
            assert_refused(answer, 429)


def test_forty_fetches_that_wait_for_motion_hold_up_neither_other_files_nor_callbacks(files: Files) -> None:
    house = files.house
    waiting = [house.archive.put(f"{number}.jpg", PHOTO + bytes([number])) for number in range(40)]
    assert files.ask(files.proxied()).status == 200
    house.archive.set_fault(Fault(name="hang"))
    before = len(house.archive.downloads)
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        links = [files.proxied(attachment.attachment_id) for attachment in waiting]
        hanging = [pool.submit(files.ask, link) for link in links]
        house.archive.wait_for(lambda downloads: len(downloads) > before)
        answers = [files.ask(files.proxied()) for _ in range(10)]
        sent = house.sinch().send(callbacks.text("while files wait"))
        still = [future for future in hanging if not future.done()]
        house.archive.set_fault(faults.NONE)
        house.motion.release()
        concurrent.futures.wait(hanging)
    assert [answer.status for answer in answers] == [200] * 10
    assert sent.status == 200
    assert len(still) >= 20  # who had not given up by then


def test_any_number_of_fetches_that_wait_for_one_file_leave_the_others_alone(files: Files) -> None:
    house = files.house
    waiting = files.proxied(house.archive.put("waited for.jpg", PHOTO + b"waited for").attachment_id)
    assert files.ask(files.proxied()).status == 200
    house.archive.set_fault(Fault(name="hang"))
    before = len(house.archive.downloads)
    with concurrent.futures.ThreadPoolExecutor(90) as pool:
        hanging = [pool.submit(files.ask, waiting) for _ in range(90)]
        house.archive.wait_for(lambda downloads: len(downloads) > before)
        house.wait_for(lambda: sum(future.done() for future in hanging) >= 90 - WAITING)
        answers = [files.ask(files.proxied()) for _ in range(10)]
        still = [future for future in hanging if not future.done()]
        house.archive.set_fault(faults.NONE)
        house.motion.release()
        concurrent.futures.wait(hanging)
    assert [answer.status for answer in answers] == [200] * 10
    assert len(still) == WAITING  # of whom none had given up by then
    assert {future.result().status for future in hanging} <= {200, 503}


def test_a_vault_that_cannot_be_written_stops_neither_the_door_nor_callbacks() -> None:
    with opened(attachments=LINKS, started=False) as house:
        lock = house.folder / "state" / "vault" / "lock"
        lock.mkdir(parents=True)
        house.start()
        files = Files(house, house.archive.put(NAME, PHOTO))
        assert_refused(files.ask(files.proxied()), 503)
        assert house.sinch().send(callbacks.text("and callbacks?")).status == 200
        lock.rmdir()
        house.wait_for(lambda: files.ask(files.proxied()).body == PHOTO)


def test_a_reload_opens_the_door_and_shuts_it() -> None:
    with opened() as house:
        files = Files(house, house.archive.put(NAME, PHOTO))
        assert not house.decisions("serve", event="started", part="attachments")
        assert_refused(files.ask(files.proxied()), 404)
        house.tables["attachments"] = LINKS
        reload(house)
        house.wait_for(lambda: files.ask(files.proxied()).status == 200)
        assert files.ask(files.minted()).body == PHOTO
        del house.tables["attachments"]
        reload(house)
        house.wait_for(lambda: files.ask(files.proxied()).status == 404)
        assert_refused(files.ask(files.minted()), 404)
        house.tables["attachments"] = LINKS
        reload(house)
        house.wait_for(lambda: files.ask(files.minted()).status == 200)
        assert len(house.decisions("serve", event="started", part="attachments")) == 1
        assert house.sinch().send(callbacks.text("and callbacks?")).status == 200


SHOWN = ("content-type", "content-disposition", "content-length", "etag")


def test_a_minted_link_is_served_as_it_was_granted_under_every_profile_and_with_other_rows_after_a_restart() -> None:
    off = {"unknown_tokens_per_address": "off", "fetches_per_attachment": "off"}
    with opened(attachments=LINKS | {"profile": "meta-cloud"}, limits=off) as house:
        files, gif = Files(house, house.archive.put(NAME, PHOTO)), house.archive.put("a.gif", written(picture(), "GIF"))
        both = (files.photo, gif)
        links = [minted_by_hand(house, attachment) for attachment in both]
        granted = [answer(files, link) for link in links]
        assert [(body, shown[0]) for body, *shown in granted] == [
            (PHOTO, "image/jpeg"),
            (gif.content, "application/octet-stream"),
        ]
        for profile, status in (("xcally-observed", 415), ("strict", 200)):
            house.tables["attachments"]["profile"] = profile
            reload(house)
            house.wait_for(lambda status=status: files.ask(files.proxied(gif.attachment_id)).status == status)
            assert [answer(files, link) for link in links] == granted
        house.stop()
        house.release = with_other_rows(house.folder / "other")
        house.start()
        assert files.ask(files.proxied()).header("content-type") == "application/octet-stream"
        assert [answer(files, link) for link in links] == granted
        house.command("token", "revoke", str(gif.attachment_id))
        assert_refused(files.ask(links[1]), 404)


def minted_by_hand(house: House, attachment: Attachment) -> str:
    """The path of a link by `token mint`."""
    file = house.folder / "to mint"
    file.write_bytes(attachment.content)
    name = ("--name", attachment.name)
    printed = house.command("token", "mint", "--attachment", str(attachment.attachment_id), *name, str(file))
    return "/media/" + printed.rpartition("/media/")[2].strip()


def answer(files: Files, link: str) -> tuple[bytes | str | None, ...]:
    """What is served, and as what."""
    found = files.ask(link)
    assert found.status == 200
    return found.body, *(found.header(name) for name in SHOWN)


def with_other_rows(folder: Path) -> Path:
    """A release of which the rules make links of all pictures; returns its folder."""
    for part in ("gateway", "nginx"):
        shutil.copytree(ROOT / part, folder / part)
    rules = folder / "gateway" / "rules" / "whatsapp.toml"
    before, row, after = rules.read_text("utf-8").partition('name = "image"\n')
    link = 'verdict = "link"\nremedy = "Nothing is to be done."'
    rules.write_text(before + row + after.replace('verdict = "native"', link, 1), "utf-8")
    return folder


def test_a_stop_writes_what_was_counted() -> None:
    with opened(attachments=LINKS) as house:
        files = Files(house, house.archive.put(NAME, PHOTO))
        assert [files.ask(link).status for link in [files.proxied(), files.minted()] * 3] == [200] * 6
        house.stop()
        with contextlib.closing(house.spool()) as spool:
            known = Register(spool).find(str(files.photo.attachment_id))
        assert known
        assert (known.fetches, known.first_fetched_at is not None) == (6, True)


def reload(house: House) -> None:
    count = len(house.decisions("serve", event="reloaded"))
    house.write_settings()
    house.reload()
    house.wait_for(lambda: len(house.decisions("serve", event="reloaded")) > count)

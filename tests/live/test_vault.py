"""What the second door promises, through the whole gateway: XCALLY's table, one download, nothing half, no room."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import callbacks, faults
from sandbox.faults import Fault
from tests import document_samples
from tests.container_samples import portable
from tests.live.house import House, family_of, opened
from tests.picture_samples import picture, written
from tests.recording_samples import RECORDINGS

TOKEN = "the-proxy-token-of-the-vaults-tests"
OFF = {"unknown_tokens_per_address": "off", "fetches_per_attachment": "off"}
MB = 1_000_000


def photo(seed: int) -> bytes:
    return written(picture(seed=seed), "JPEG")


def link(attachment_id: int) -> str:
    return f"/api/attachments/{attachment_id}/download?token={TOKEN}"


def stored(house: House) -> list[Path]:
    """The files of the vault, those on their way included."""
    vault = house.folder / "state" / "vault"
    return [path for path in vault.rglob("*") if path.is_file() and path.name != "lock"]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with opened(attachments={"proxy_token": TOKEN}, limits=OFF, motion={"timeout": "5s"}) as started:
        yield started


# The seed's table, and what it says of sizes: file, status, verdict, code, what the reason names.
TABLE: dict[str, tuple[str, Callable[[], bytes], int, str, str | None, str]] = {
    "CSV": ("a.csv", lambda: b"a,b\n1,2\n3,4\n", 200, "link", None, ""),
    "DOC": ("a.doc", document_samples.old_word, 415, "refused", "CHANNEL_FAILURE", ""),
    "GIF": ("a.gif", lambda: written(picture(), "GIF"), 415, "refused", "CHANNEL_FAILURE", ""),
    "JPG": ("a.jpg", lambda: photo(1), 200, "native", None, ""),
    "MP3": ("a.mp3", RECORDINGS["mp3 128k"].data, 200, "native", None, ""),
    "MP4": ("a.mp4", RECORDINGS["mp4 main"].data, 200, "native", None, ""),
    "PDF": ("a.pdf", document_samples.pdf, 200, "link", None, ""),
    "PNG": ("a.png", lambda: written(picture(), "PNG"), 200, "native", None, ""),
    "WAV": ("a.wav", RECORDINGS["wav"].data, 415, "refused", "BAD_REQUEST", ""),
    "DLL": ("a.dll", lambda: portable(library=True), 200, "link", None, ""),
    "EXE": ("a.exe", portable, 415, "refused", "BAD_REQUEST", ""),
    "DOCX": ("a.docx", document_samples.word, 415, "refused", "MEDIA_TYPE_UNSUPPORTED", ""),
    "JPG over WhatsApp's size": ("a.jpg", lambda: photo(2) + bytes(5 * MB), 413, "refused", "MEDIA_TOO_LARGE", "5MB"),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_row_of_xcallys_table(house: House, name: str) -> None:
    file_name, make, status, verdict, code, named = TABLE[name]
    content = make()
    attachment = house.archive.put(file_name, content)
    answer = house.ask(link(attachment.attachment_id), method="GET")
    assert answer.status == status
    assert answer.body == content or status != 200
    [line] = house.wait_for(lambda: house.decisions("attachments", attachment_id=str(attachment.attachment_id)))
    assert (line["verdict"], line.get("code")) == (verdict, code)
    assert named in line.get("why", "")
    assert line["digest"] == hashlib.sha256(content).hexdigest()


def test_a_file_over_motions_size_is_refused_in_its_name(house: House) -> None:
    attachment = house.archive.put("a.bin", bytes(25 * MB + 1))
    assert house.ask(link(attachment.attachment_id), method="GET").status == 413
    [line] = house.wait_for(lambda: house.decisions("attachments", attachment_id=str(attachment.attachment_id)))
    assert line["reason"] == "MEDIA_TOO_LARGE: over motion.max_attachment"


# What Motion does wrong, what is answered, and what the line says of it.
TROUBLES: dict[str, tuple[Fault, int, str]] = {
    "deleted": (Fault(name="deleted"), 404, "MEDIA_NOT_REACHABLE: gone at Motion"),
    "login": (Fault(name="login"), 404, "MEDIA_NOT_REACHABLE: Motion sent a page and no file"),
    "redirect": (Fault(name="redirect"), 404, "MEDIA_NOT_REACHABLE: Motion redirected"),
    "401": (faults.status(401), 503, "Motion refused our credentials"),
    "403": (faults.status(403), 503, "Motion refused our credentials"),
    "500": (faults.status(500), 503, "Motion failed"),
    "hang": (Fault(name="hang"), 503, "no answer in time"),
    "drip": (Fault(name="drip", seconds=0.2), 503, "no answer in time"),
    "endless": (Fault(name="endless"), 503, "answer does not say where it ends"),
    "reset": (Fault(name="reset"), 503, ""),
    "cut": (faults.CUT, 503, ""),
    "garbage": (Fault(name="garbage"), 503, ""),
    "longer": (Fault(name="longer"), 503, ""),
    "shorter": (Fault(name="shorter"), 503, ""),
    "lengthless": (Fault(name="lengthless"), 503, ""),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_motion_in_trouble_leaves_nothing_in_the_vault(house: House, name: str) -> None:
    kind, status, reason = TROUBLES[name]
    attachment = house.archive.put("a.jpg", photo(100 + list(TROUBLES).index(name)))
    before = sorted(stored(house))
    house.archive.set_fault(kind)
    try:
        answer = house.ask(link(attachment.attachment_id), method="GET")
    finally:
        house.archive.set_fault(faults.NONE)
        house.motion.release()
    [line] = house.wait_for(lambda: house.decisions("attachments", attachment_id=str(attachment.attachment_id)))
    assert (answer.status, line["status"]) == (status, status)
    assert reason in line["reason"]
    assert sorted(stored(house)) == before


def test_fifty_who_ask_at_once_for_a_new_attachment_cause_one_download(house: House) -> None:
    attachment = house.archive.put("a.jpg", photo(3))
    house.archive.set_fault(Fault(name="slow", seconds=1))
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(house.ask, link(attachment.attachment_id), method="GET") for _ in range(50)]
        answers = [future.result() for future in asked]
    house.archive.set_fault(faults.NONE)
    assert {(answer.status, answer.body) for answer in answers} == {(200, attachment.content)}
    downloads = [one for one in house.archive.downloads if one.attachment_id == attachment.attachment_id]
    assert len(downloads) == 1


def test_what_a_stranger_missed_is_there_for_the_next_as_soon_as_motion_has_it(house: House) -> None:
    attachment = house.archive.put("a.jpg", photo(8))
    house.archive.delete(attachment.attachment_id)
    assert house.ask(link(attachment.attachment_id), method="GET").status == 404
    house.archive.put("a.jpg", attachment.content, attachment_id=attachment.attachment_id)
    answer = house.ask(link(attachment.attachment_id), method="GET")
    assert (answer.status, answer.body) == (200, attachment.content)


@pytest.mark.parametrize("still_there", [True, False], ids=["Motion has it", "Motion has it no more"])
def test_a_file_that_was_altered_on_the_disk_is_never_served(house: House, *, still_there: bool) -> None:
    attachment = house.archive.put("a.jpg", photo(9 + still_there))
    asked = link(attachment.attachment_id)
    for _ in range(8):  # of nginx's workers each has it open by now
        assert house.ask(asked, method="GET").body == attachment.content
    digest = hashlib.sha256(attachment.content).hexdigest()
    path = house.folder / "state" / "vault" / digest[:2] / digest
    path.write_bytes(attachment.content[:-1] + bytes([attachment.content[-1] ^ 1]))
    if not still_there:
        house.archive.delete(attachment.attachment_id)
    for _ in range(8):
        answer = house.ask(asked, method="GET")
        assert (answer.status, answer.body == attachment.content) == ((200, True) if still_there else (404, False))
    assert house.wait_for(lambda: house.decisions("attachments", finding="file-altered", digest=digest))


def test_a_worker_killed_in_the_middle_of_a_download_leaves_nothing_half(house: House) -> None:
    attachment = house.archive.put("a.jpg", photo(4))
    before = set(stored(house))
    house.archive.set_fault(Fault(name="drip", seconds=0.05))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(house.ask, link(attachment.attachment_id), method="GET")
        house.wait_for(lambda: set(stored(house)) - before)
        for worker in family_of(house.pid("attachments"))[1:]:
            os.kill(worker, signal.SIGKILL)
        assert asked.result().status == 503
    house.archive.set_fault(faults.NONE)
    house.motion.release()
    house.wait_for(lambda: house.ask(link(attachment.attachment_id), method="GET").status == 200)
    assert house.ask(link(attachment.attachment_id), method="GET").body == attachment.content
    fresh = set(stored(house)) - before
    assert {path.name for path in fresh} == {hashlib.sha256(attachment.content).hexdigest()}


def test_a_change_at_motion_changes_nothing_and_neither_does_its_end(house: House) -> None:
    attachment = house.archive.put("a.jpg", photo(5))
    assert house.ask(link(attachment.attachment_id), method="GET").body == attachment.content
    house.archive.put("a.jpg", photo(6), attachment_id=attachment.attachment_id)
    assert house.ask(link(attachment.attachment_id), method="GET").body == attachment.content
    house.archive.delete(attachment.attachment_id)
    assert house.ask(link(attachment.attachment_id), method="GET").body == attachment.content


def test_a_vault_without_room_is_503_and_a_finding_and_callbacks_go_on() -> None:
    server = {"min_free": "900000GB"}
    with opened(attachments={"proxy_token": TOKEN}, server=server) as house:
        attachment = house.archive.put("a.jpg", photo(7))
        answer = house.ask(link(attachment.attachment_id), method="GET")
        assert (answer.status, answer.header("retry-after")) == (503, "5")
        assert house.wait_for(lambda: house.decisions("attachments", finding="vault-full"))
        assert house.sinch().send(callbacks.text("and callbacks?")).status == 200
        house.motion.wait_for_accepted(1)
        assert stored(house) == []


def test_no_line_of_all_this_holds_the_token(house: House) -> None:
    assert TOKEN not in house.log

"""Files of every kind through the running second door: the type, the ending and the answer that each one gets."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from PIL import Image

from sandbox.connection import Answer
from tests.container_samples import Node, compound, pack
from tests.document_samples import noise, packaged, pdf, xps
from tests.live.house import House, opened
from tests.picture_samples import written

PROXY_TOKEN = "planted-proxy-token-of-tests"
OFF = {"unknown_tokens_per_address": "off", "fetches_per_attachment": "off"}


@pytest.fixture(scope="module", params=["xcally-observed", "meta-cloud", "strict"])
def house(request: pytest.FixtureRequest) -> Iterator[tuple[str, House]]:
    with opened(attachments={"proxy_token": PROXY_TOKEN, "profile": request.param}, limits=OFF) as house:
        yield request.param, house


def fetched(house: House, name: str, content: bytes) -> Answer:
    """What Sinch hears that follows Motion's link to such a file."""
    attachment = house.archive.put(name, content)
    return house.ask(f"/api/attachments/{attachment.attachment_id}/download?token={PROXY_TOKEN}", method="GET")


def saved_as(answer: Answer) -> str:
    """The name under which a customer saves it."""
    [header] = [value for name, value in answer.headers if name.lower() == "content-disposition"]
    found = re.search(r"filename\*=UTF-8''(\S+)", header)
    assert found
    return unquote(found[1])


def noisy(size: tuple[int, int]) -> bytes:
    return written(Image.effect_noise(size, 90).convert("RGB"), "WEBP", quality=95)


def test_a_picture_that_is_no_sticker_is_a_link_however_large(house: tuple[str, House]) -> None:
    _, running = house
    large = noisy((900, 900))
    assert len(large) > 100_000
    answer = fetched(running, "catalogue.webp", large)
    assert (answer.status, saved_as(answer)) == (200, "catalogue.webp")
    assert dict(answer.headers)["Content-Type"] == "application/octet-stream"


def test_a_sticker_that_is_too_large_is_none(house: tuple[str, House]) -> None:
    profile, running = house
    large = noisy((512, 512))
    assert len(large) > 100_000
    assert fetched(running, "sticker.webp", large).status == (200 if profile == "strict" else 413)


def test_an_empty_file_is_refused(house: tuple[str, House]) -> None:
    _, running = house
    for name in ("nothing.pdf", "nothing.jpg", "nothing"):
        assert fetched(running, name, b"").status == 415
    assert fetched(running, "a letter.txt", b"x").status == 200


AGREED = {
    "a PDF behind line feeds": ("factura.pdf", b"\n\n\n" + pdf(), "application/pdf", "factura.pdf"),
    "a PDF behind a mark": ("factura.pdf", b"\xef\xbb\xbf" + pdf(), "application/pdf", "factura.pdf"),
    "text in CP949": ("편지.txt", "부탁드립니다. 회의는 월요일입니다.".encode("cp949"), "text/plain", "편지.txt"),
    "text in GBK": ("a.txt", "葛先生: 会议在星期一。".encode("gbk"), "text/plain", "a.txt"),
    "Chinese in UTF-16 without a mark": (
        "a.txt",
        "今天天气很好。我们去公园。".encode("utf-16-le"),
        "text/plain",
        "a.txt",
    ),
    "a calendar": ("day.ics", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "text/calendar", "day.ics"),
    "a contact": ("ann.vcf", b"BEGIN:VCARD\r\nFN:Ann\r\nEND:VCARD\r\n", "text/vcard", "ann.vcf"),
    "a packed folder": ("backup.tar.gz", gzip.compress(b"x"), "application/gzip", "backup.tar.gz"),
    "sound that nobody can read": ("song.mp3", noise(5000), "application/octet-stream", "song.mp3"),
    "an emoji of several": ("👩\u200d💻.pdf", pdf(), "application/pdf", "👩\u200d💻.pdf"),
    "Devanagari": ("क्\u200dष.pdf", pdf(), "application/pdf", "क्\u200dष.pdf"),
}


@pytest.mark.parametrize(("name", "data", "mime", "saved"), AGREED.values(), ids=AGREED)
def test_a_file_goes_out_as_that_on_which_bytes_and_name_agree(
    house: tuple[str, House], name: str, data: bytes, mime: str, saved: str
) -> None:
    _, running = house
    answer = fetched(running, name, data)
    assert (answer.status, dict(answer.headers)["Content-Type"]) == (200, mime)
    assert saved_as(answer) == saved
    assert answer.body == data


RUN_BY_WINDOWS = {
    "a.vbe": b"#@~^FQAAAA==\x7f\x0btoNbG PES4V\xb6~AcAAA==^#~@\0",
    "a.jse": noise(700),
    "a.pif": noise(967),
    "a.shs": compound([Node("Contents", b"x")]),
    "a.hlp": b"?_\3\0" + noise(900),
}


@pytest.mark.parametrize(("name", "data"), RUN_BY_WINDOWS.items(), ids=RUN_BY_WINDOWS)
def test_what_windows_would_run_is_refused_under_strict_and_has_no_such_name_elsewhere(
    house: tuple[str, House], name: str, data: bytes
) -> None:
    profile, running = house
    answer = fetched(running, name, data)
    if profile == "strict":
        assert answer.status == 415
    elif answer.status == 200:
        assert saved_as(answer) == "a.bin"


def with_object(body: bytes) -> bytes:
    return pdf().replace(b"trailer", b"99 0 obj\n" + body + b"\nendobj\ntrailer", 1)


def in_objects(objects: bytes) -> bytes:
    """A stream of objects, in digits of what is packed."""
    packed = zlib.compress(objects).hex().encode() + b">"
    filters = b"/Filter [/AHx /Fl] /Length %d" % len(packed)
    return b"<< /Type /ObjStm /N 1 /First 5 " + filters + b" >>\nstream\n" + packed + b"\nendstream"


HARM = {
    "a PDF with a script": ("a.pdf", with_object(b"<< /S /#4aava#53cript /JS (app.alert(1)) >>")),
    "a PDF that starts a program": ("a.pdf", with_object(b"<< /S /Launch /F (cmd.exe) >>")),
    "a PDF with a page far behind": ("a.pdf", pdf() + b"\f" * 3000 + b"<html><script>alert(1)</script></html>"),
    "a document with a packaged script": ("a.xls", compound([Node("Workbook", bytes(9000)), packaged("a.js")])),
    "a PDF with a script packed twice": ("a.pdf", with_object(in_objects(b"98 0 << /S /JavaScript >>"))),
    "rich text with a packaged script": (
        "a.rtf",
        b"{\\rtf1 Hi {\\object\\objemb{\\*\\objdata " + packaged("a.js").data.hex().encode() + b"}}}",
    ),
    "a mail with a script": (
        "a.msg",
        compound([Node("__properties_version1.0", b"x"), Node("__substg1.0_3707001F", "a.js".encode("utf-16-le"))]),
    ),
    "a script in an archive in an archive": ("a.zip", pack([("b.zip", pack([("a.js", b"x")]))])),
}


@pytest.mark.parametrize(("name", "data"), HARM.values(), ids=HARM)
def test_what_could_harm_is_refused_under_strict(house: tuple[str, House], name: str, data: bytes) -> None:
    profile, running = house
    assert fetched(running, name, data).status == (415 if profile == "strict" else 200)


CALM = {
    "an archive in an archive": ("a.zip", pack([("b.zip", pack([("a.txt", b"x")]))]), "a.zip"),
    "XPS": ("a.xps", xps(), "a.xps"),
    "a password": ("a.xlsx", compound([Node("EncryptionInfo", b"x"), Node("EncryptedPackage", noise(9000))]), "a.xlsx"),
}


@pytest.mark.parametrize(("name", "data", "saved"), CALM.values(), ids=CALM)
def test_what_harms_nobody_is_a_link_everywhere(house: tuple[str, House], name: str, data: bytes, saved: str) -> None:
    answer = fetched(house[1], name, data)
    assert (answer.status, saved_as(answer)) == (200, saved)

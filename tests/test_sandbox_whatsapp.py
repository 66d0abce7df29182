"""What the simulated WhatsApp makes of a fetched file: a table of its own, not the gateway's."""

from __future__ import annotations

import pytest

from sandbox.connection import Answer
from sandbox.fetching import Fetched, Tried
from sandbox.scenarios.attachment import SAMPLES
from sandbox.whatsapp import BY_TYPE, Native, judge
from tests.together import together

MB = 1_000_000
JPEG, OGG, MP4 = b"\xff\xd8\xff\xe0", b"OggS....OpusHead", b"\0\0\0\x18ftypisom....avc1"
PROGRAM = "application/vnd.microsoft.portable-executable"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def got(content: bytes, kind: str | None, *, name: str = "", **headers: str) -> Fetched:
    said = {"content-length": str(len(content)), **headers}
    if kind is not None:
        said["content-type"] = kind
    if name:
        said["content-disposition"] = f'attachment; filename="{name}"'
    answer = Answer(status=200, headers=tuple(said.items()), body=content)
    return Fetched(link="https://x/download?token=t", tried=(Tried("GET", answer),), content=content)


def refused(status: int | None, error: str = "") -> Fetched:
    return Fetched(link="https://x/", tried=(Tried("GET", Answer(status=status, error=error)),))


@together(
    ("content", "kind", "words"),
    [
        (JPEG, "image/jpeg", "native as image"),
        (b"\x89PNG\r\n\x1a\n", "image/png", "native as image"),
        (MP4, "video/mp4", "native as video"),
        (MP4, "video/3gpp", "native as video"),
        (b"\xff\xf1\x50", "audio/aac", "native as audio"),
        (b"#!AMR\n", "audio/amr", "native as audio"),
        (b"ID3\3", "audio/mpeg", "native as audio"),
        (b"\xff\xfb\x90", "audio/mpeg", "native as audio"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4", "native as audio"),
        (OGG, "audio/ogg; codecs=opus", "native as audio"),
        (OGG, "Audio/OGG;codecs=opus", "native as audio"),
        (b"RIFF....WEBPVP8 ", "image/webp", "native as sticker"),
        (b"%PDF-1.7", "application/pdf", "as a link"),
        (b"a,b\n", "text/csv", "as a link"),
        (b"words", "text/plain; charset=utf-8", "as a link"),
        (b"?", "application/octet-stream", "as a link"),
        (b"GIF89a", "image/gif", "CHANNEL_FAILURE"),
        (b"\xd0\xcf\x11\xe0", "application/msword", "CHANNEL_FAILURE"),
        (b"RIFF....WAVE", "audio/wav", "BAD_REQUEST"),
        (b"RIFF....WAVE", "audio/x-wav", "BAD_REQUEST"),
        (b"PK\3\4", WORD, "MEDIA_TYPE_UNSUPPORTED"),
        (OGG, "audio/ogg", "MEDIA_TYPE_UNSUPPORTED"),
        (OGG, "audio/ogg; codecs=vorbis", "MEDIA_TYPE_UNSUPPORTED"),
        (OGG, "audio/opus", "MEDIA_TYPE_UNSUPPORTED"),
    ],
)
def test_the_type_that_is_said_decides(content, kind, words):
    assert judge(got(content, kind)).words == words


@pytest.mark.parametrize(
    ("name", "words"),
    [("tool.dll", "as a link"), ("TOOL.DLL", "as a link"), ("setup.exe", "BAD_REQUEST"), ("", "BAD_REQUEST")],
)
def test_the_name_tells_a_library_from_a_program(name, words):
    assert judge(got(b"MZ", PROGRAM, name=name)).words == words


def test_without_a_said_name_the_links_end_is_the_name():
    fetched = got(b"MZ", PROGRAM)
    named = Fetched(link="https://x/media/t/my%20tool.dll?a=b", tried=fetched.tried, content=b"MZ")
    assert judge(named).words == "as a link"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<html>", "image/jpeg"),
        (b" \xff\xd8\xff", "image/jpeg"),
        (b"\0\0\0\x18ftypisom....hvc1", "video/mp4"),
        (b"OggS....\x01vorbis", "audio/ogg; codecs=opus"),
        (b"RIFF....WAVE", "image/webp"),
        (b"", "image/png"),
    ],
    ids=["html", "not at the start", "H.265", "Vorbis", "another RIFF", "empty"],
)
def test_content_that_is_not_of_its_type_is_not_native(content, kind):
    assert judge(got(content, kind)).words == "MEDIA_TYPE_UNSUPPORTED"


@pytest.mark.parametrize(
    ("kind", "head", "most"),
    [
        ("image/jpeg", JPEG, 5 * MB),
        ("video/mp4", MP4, 16 * MB),
        ("audio/ogg; codecs=opus", OGG, 16 * MB),
        ("image/webp", b"RIFF....WEBP", 100_000),
        ("application/pdf", b"%PDF-", 100 * MB),
    ],
)
def test_one_byte_more_than_its_kind_may_have_is_too_large(kind, head, most):
    assert judge(got(head.ljust(most, b"x"), kind)).how != "refused"
    assert judge(got(head.ljust(most + 1, b"x"), kind)).words == "MEDIA_TOO_LARGE"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (413, "MEDIA_TOO_LARGE"),
        (415, "CHANNEL_FAILURE"),
        (302, "MEDIA_NOT_REACHABLE"),
        (401, "MEDIA_NOT_REACHABLE"),
        (404, "MEDIA_NOT_REACHABLE"),
        (429, "MEDIA_NOT_REACHABLE"),
        (503, "MEDIA_NOT_REACHABLE"),
    ],
)
def test_what_cannot_be_fetched_has_its_reason(status, words):
    rendering = judge(refused(status))
    assert (rendering.how, rendering.words) == ("refused", words)
    assert rendering.description == f"downloading the media failed with http code {status}"


def test_no_answer_at_all_is_not_reachable():
    assert judge(refused(None, "timeout")).description == "downloading the media failed with timeout"
    assert judge(refused(None, "timeout")).words == "MEDIA_NOT_REACHABLE"


@pytest.mark.parametrize("kind", [None, "", " ; charset=utf-8"])
def test_no_type_is_undetermined(kind):
    rendering = judge(got(JPEG, kind))
    assert (rendering.words, rendering.sub_code) == ("MEDIA_TYPE_UNSUPPORTED", "MEDIA_TYPE_UNDETERMINED")


def test_no_length_is_not_reachable():
    fetched = got(JPEG, "image/jpeg")
    answer = Answer(status=200, headers=(("content-type", "image/jpeg"),), body=JPEG)
    unsaid = Fetched(link=fetched.link, tried=(Tried("GET", answer),), content=JPEG)
    assert judge(unsaid).words == "MEDIA_NOT_REACHABLE"


def test_answers_that_contradict_each_other_are_not_sent():
    one, other = got(JPEG, "image/jpeg").tried[0], got(JPEG + b"x", "image/jpeg").tried[0]
    assert judge(Fetched(link="https://x/", tried=(one, other), content=JPEG)).words == "CHANNEL_FAILURE"


@pytest.mark.parametrize("kind", [kind for kind, row in BY_TYPE.items() if isinstance(row, Native)])
def test_every_native_kind_looks_at_the_content(kind):
    assert judge(got(b"nothing of the kind", kind)).words == "MEDIA_TYPE_UNSUPPORTED"


def test_the_played_files_would_end_the_same_without_a_gateway_that_refuses():
    """Served by their true types, they end as the manual says: the table does not lean on the gateway's 415."""
    kinds = {"jpg": "image/jpeg", "ogg": "audio/ogg; codecs=opus", "pdf": "application/pdf"}
    kinds |= {"gif": "image/gif", "doc": "application/msword"}
    ends = {item.name: judge(got(item.content, kinds[item.name[-3:]])).words for item in SAMPLES}
    assert ends == {item.name: item.outcome for item in SAMPLES}

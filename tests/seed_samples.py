"""A file of each row of the manual's table of attachments, and how a send of it ends under the default profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests import document_samples, picture_samples, recording_samples
from tests.container_samples import portable


class Row(NamedTuple):
    """`ends`: "native" or "link", or the code of its refusal."""

    name: str
    make: Callable[[], bytes]
    ends: str


def _recording(suffix: str) -> Callable[[], bytes]:
    genuine = (
        sample for sample in recording_samples.RECORDINGS.values() if sample.suffix == suffix and not sample.traits
    )
    return next(genuine).data


def _image(form: str) -> Callable[[], bytes]:
    return lambda: picture_samples.written(picture_samples.picture(), form)


SEED = {
    "CSV": Row("prices.csv", lambda: b"article,price\n" + b"chair,12.50\n" * 20, "link"),
    "DOC": Row("letter.doc", document_samples.old_word, "CHANNEL_FAILURE"),
    "GIF": Row("wave.gif", _image("GIF"), "CHANNEL_FAILURE"),
    "JPG": Row("photo.jpg", _image("JPEG"), "native"),
    "MP3": Row("voice.mp3", _recording(".mp3"), "native"),
    "MP4": Row("film.mp4", _recording(".mp4"), "native"),
    "PDF": Row("invoice.pdf", document_samples.pdf, "link"),
    "PNG": Row("shot.png", _image("PNG"), "native"),
    "WAV": Row("sound.wav", _recording(".wav"), "BAD_REQUEST"),
    "DLL": Row("library.dll", lambda: portable(library=True), "link"),
    "EXE": Row("setup.exe", portable, "BAD_REQUEST"),
    # Not in the table, but in the manual's text beside it.
    "DOCX": Row("letter.docx", document_samples.word, "MEDIA_TYPE_UNSUPPORTED"),
}

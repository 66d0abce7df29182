"""All readers of pictures, sound and film: real files are told for what they are, and no file costs too much."""

from __future__ import annotations

import contextlib
import functools
import io
import random
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inspection import content, frames, jpeg, mp4, pictures, sounds
from gateway.inspection.content import Content, TooCostly
from gateway.inspection.structure import Structure
from tests.examples import examples, some
from tests.picture_samples import PICTURES, Sample
from tests.recording_samples import FOREIGNERS, RECORDINGS, id3
from tests.together import together

READERS = (
    *(jpeg.read, pictures.read_png, pictures.read_gif, pictures.read_webp, mp4.read),
    *(sounds.read_ogg, frames.read_mpeg, frames.read_adts, sounds.read_amr, sounds.read_wave),
)
SAMPLES = PICTURES | RECORDINGS
MOST_READS = 35_000
MOST_MEMORY_BYTES = 24 * 2**20


class Counted(Content):
    """Tells how often it was asked."""

    reads = 0

    def at(self, offset: int, length: int) -> bytes:
        self.reads += 1
        return super().at(offset, length)


def read_all(data: bytes) -> list[Structure]:
    """What the readers say that know this file."""
    said = (read(content.of_bytes(data)) for read in READERS)
    return [structure for structure in said if structure]


def cost(reader: Callable[[Content], Structure | None], data: bytes) -> tuple[float, int]:
    """Seconds of CPU, and how often the file was read."""
    file = Counted(io.BytesIO(data), size_bytes=len(data))
    began = time.process_time()
    with contextlib.suppress(TooCostly):
        reader(file)
    return time.process_time() - began, file.reads


@together("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_real_file_is_known_to_one_reader_with_its_type_and_with_no_other_trait_than_its_own(sample: Sample) -> None:
    [structure] = read_all(sample.data())
    assert (structure.mime, structure.traits) == (sample.mime, sample.traits)


@pytest.mark.parametrize("make", FOREIGNERS.values(), ids=FOREIGNERS)
def test_a_file_of_another_family_is_known_to_none(make: Callable[[], bytes]) -> None:
    assert read_all(make()) == []


OTHER = {
    "nothing": b"",
    "a zero": b"\0",
    "zeros": bytes(200_000),
    "text": b"The free skip of a moov is mdat, ID3 or not.\n" * 100,
    "text with the name of a box": b"the free lunch that nobody gives\n",
    "text in UTF-16": "A text that begins like a frame of layer I.".encode("utf-16"),
    "an empty text in UTF-16": b"\xff\xfe",
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "an archive": b"PK\x05\x06" + bytes(18),
    "AVI": b"RIFF\x04\0\0\0AVI ",
    "a program": b"MZ" + bytes(200),
}


@pytest.mark.parametrize("data", OTHER.values(), ids=OTHER)
def test_what_is_neither_picture_nor_sound_nor_film_is_known_to_none(data: bytes) -> None:
    assert read_all(data) == []


def box(name: bytes, inner: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(inner), name) + inner


def handled(kind: bytes, samples: bytes) -> bytes:
    hdlr = box(b"hdlr", bytes(8) + kind + bytes(12))
    stsd = box(b"stsd", bytes(8) + samples)
    return box(b"trak", box(b"mdia", hdlr + box(b"minf", box(b"stbl", stsd))))


FTYP = box(b"ftyp", b"isom" + bytes(4))
JPEG_HEAD = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0"
PNG_HEAD = PICTURES["png RGB"].data()[:33]
GREEDY: dict[str, Callable[[], bytes]] = {
    "zeros": lambda: bytes(64 * 2**20),
    "ff": lambda: b"\xff" * 2**20,
    "ff d8 and ff": lambda: b"\xff\xd8" + b"\xff" * 2**20,
    "jpeg of small segments": lambda: b"\xff\xd8" + b"\xff\xe0\0\x02" * 2**20,
    "jpeg of markers": lambda: b"\xff\xd8" + b"\xff\xd0" * 2**20,
    "jpeg without an end": lambda: JPEG_HEAD + b"\xff\0" * (7 * 2**20),
    "jpeg of ff without an end": lambda: JPEG_HEAD + b"\xff" * (14 * 2**20),
    "jpeg of jpegs": lambda: (JPEG_HEAD + b"\xff\xd9") * 2**17,
    "jpeg with films": lambda: JPEG_HEAD + b"\xff\xd9" + FTYP * 2**16,
    "jpeg with notes": lambda: JPEG_HEAD + b"\xff\xd9" + b"SEFH" + b"\xff" * 2**20 + b"\x00\x00\x10\x00SEFT",
    "png of small chunks": lambda: PNG_HEAD + b"\0\0\0\0teXt\0\0\0\0" * 2**20,
    "gif of small blocks": lambda: b"GIF89a\1\0\1\0\0\0\0!\xff" + b"\1x" * 2**21,
    "gif of pictures": lambda: b"GIF89a\1\0\1\0\0\0\0" + b",\0\0\0\0\1\0\1\0\0\2\0" * 2**18,
    "webp of small chunks": lambda: b"RIFF\xf4\xff\x0f\0WEBPVP8X\x0a\0\0\0" + bytes(10) + b"ANMF\0\0\0\0" * 2**17,
    "wav of small chunks": lambda: b"RIFF\xff\xff\xff\xffWAVE" + b"fmt \0\0\0\0" * 2**18,
    "mp4 of small boxes": lambda: FTYP + box(b"free") * 2**18,
    "mp4 of tracks": lambda: FTYP + box(b"moov", box(b"trak") * 2**18),
    "mp4 of tracks without a kind": lambda: FTYP + box(b"moov", box(b"trak", box(b"mdia", box(b"free") * 9)) * 2**14),
    "mp4 of codecs": lambda: FTYP + box(b"moov", handled(b"soun", box(b"mp4a", bytes(28)) * 2**16)),
    "mp4 of films": lambda: FTYP + box(b"moov", handled(b"vide", box(b"avc1", bytes(78) + box(b"free") * 99)) * 2**10),
    "mp4 with no end of boxes within": lambda: FTYP + (struct.pack(">I4s", 0, b"moov") + box(b"free")) * 2**17,
    "ogg of small pages": lambda: (b"OggS\0\2" + bytes(20) + b"\0") * 2**18,
    "ogg of first pages": lambda: (b"OggS\0\2" + bytes(20) + b"\1\x08OpusHead") * 2**17,
    "ogg of long heads": lambda: (b"OggS\0\0" + bytes(20) + b"\xff" + bytes(255)) * 2**15,
    "tags in tags": lambda: id3(10) * 2**16,
    "a tag and starts of frames": lambda: id3(10) + b"\xff\xfb\x14\xc4" * 2**16,
    "a tag and zeros": lambda: id3(10) + bytes(2**22),
    "frames of one kind": lambda: b"\xff\xf1\x50\x80\0\xff\xfc" * 2**17,
    "amr without data": lambda: b"#!AMR\n" + b"\x7c" * 2**21,
    "markup without end": lambda: b"\xff\xd8\xff" + b"<" * 2**21,
    "ends of archives": lambda: b"\x89PNG\r\n\x1a\n" + b"PK\5\6" * 2**20,
}


@pytest.mark.parametrize("make", some(GREEDY.values(), 10), ids=some(GREEDY, 10))
def test_a_file_made_to_cost_much_is_left_after_a_bounded_number_of_steps_and_within_little_memory(
    make: Callable[[], bytes],
) -> None:
    data = make()
    costs = {f"{read.__module__}.{read.__name__}": cost(read, data) for read in READERS}
    tracemalloc.start()
    for read in READERS:
        cost(read, data)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    name, (seconds, _) = max(costs.items(), key=lambda item: item[1])
    print(f"{1000 * seconds:.1f} ms of CPU in {name}, {most_bytes / 2**20:.1f} MB")
    assert max(reads for _, reads in costs.values()) <= MOST_READS
    assert most_bytes <= MOST_MEMORY_BYTES


def mutants(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """The file cut, with bytes changed, with bytes left out, with bytes twice."""
    near = min(len(data), 600)  # most of what is read stands there
    for _ in range(12):
        yield data[: chance.randrange(len(data))]
        changed = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            changed[chance.randrange(near)] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))
        yield bytes(changed)
        start = chance.randrange(near)
        yield data[:start] + data[start + chance.randint(1, 40) :]
        yield data[:start] + data[max(0, start - 20) :]


@together("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_real_file_that_was_cut_or_changed_raises_nothing_in_any_reader(sample: Sample) -> None:
    worst = 0.0
    for mutant in mutants(sample.data(), random.Random(1)):
        for read in READERS:
            seconds, reads = cost(read, mutant)
            worst = max(worst, seconds)
            assert reads <= MOST_READS
    print(f"{1000 * worst:.1f} ms of CPU")


def heads() -> st.SearchStrategy[bytes]:
    """The beginnings of real files, and none."""
    return st.sampled_from([b"", *(sample.data()[:64] for sample in SAMPLES.values())])


@functools.cache
def words() -> st.SearchStrategy[bytes]:
    """What the readers look for, and lengths that mislead them."""
    names = b"ftyp moov mdat trak mdia hdlr minf stbl stsd soun vide avc1 mp4a esds wave RIFF WAVE WEBP VP8X VP8L ANMF"
    more = b"fmt  data OggS OpusHead IHDR IDAT IEND acTL SEFH SEFT ID3 TAG PK\5\6 <html> \xff\xd8\xff \xff\xd9 \xff\xda"
    numbers = [struct.pack(form, number) for form in ("<I", ">I") for number in (0, 1, 8, 16, 2**31, 2**32 - 1)]
    return st.sampled_from([*names.split(), *more.split(b" "), *numbers]) | st.binary(max_size=12)


@settings(max_examples=examples(400))
@given(head=st.deferred(heads), kept=st.integers(0, 64), rest=st.lists(words(), max_size=30))
def test_any_bytes_at_all_end_in_a_structure_or_in_none(head: bytes, kept: int, rest: list[bytes]) -> None:
    data = head[:kept] + b"".join(rest)
    for read in READERS:
        structure = read(content.of_bytes(data))
        assert structure is None or structure.mime

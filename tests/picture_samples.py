"""Pictures as programs and phones write them: `PICTURES` by name, each with what there is to say of it."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from gateway.inspection.structure import Trait


@dataclass(frozen=True)
class Sample:
    """A file that may be made, its type and all its traits. `suffix` has its dot."""

    suffix: str
    mime: str
    make: Callable[[], bytes]
    traits: frozenset[Trait] = frozenset()

    def data(self) -> bytes:
        """Made once in a run of the tests."""
        return _made(self.make)


@functools.cache
def _made(make: Callable[[], bytes]) -> bytes:
    return make()


def picture(mode: str = "RGB", size: tuple[int, int] = (96, 64), seed: int = 1) -> Image.Image:
    """Stripes and some noise: nothing that packs away to nothing."""
    noise = random.Random(seed).randbytes(size[0] * size[1] * 3)
    grain = Image.frombytes("RGB", size, noise)
    stripes = Image.linear_gradient("L").resize(size).convert("RGB")
    image = Image.blend(stripes, grain, 0.2).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.radial_gradient("L").resize(size))
    return image


def written(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    """Of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    return jpeg[:2] + segment(marker, content) + jpeg[2:]


def chunk(name: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(header: tuple[int, int, int, int, int], lines: bytes, *more: bytes) -> bytes:
    """`header`: width, height, depth, colour type, interlaced. `more` chunks stand before the data."""
    width, height, depth, colour, interlaced = header
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)), *more]
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")])


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    return written(picture(mode), "JPEG", **options)


def with_exif_and_thumbnail() -> bytes:
    """As a camera does it: a whole JPEG, with its beginning and end, within a segment of the other."""
    thumbnail = written(picture(size=(32, 24), seed=2), "JPEG")
    entries = struct.pack("<HHIIHHII", 0x201, 4, 1, 44, 0x202, 4, 1, len(thumbnail))
    head = struct.pack("<2sHIHIH", b"II", 42, 8, 0, 14, 2) + entries + bytes(4)
    return with_segment(jpeg(), 0xE1, b"Exif\0\0" + head + thumbnail)


def with_xmp() -> bytes:
    xmp = (
        b"http://ns.adobe.com/xap/1.0/\0<?xpacket begin=''?><x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF/></x:xmpmeta>"
    )
    return with_segment(jpeg(), 0xE1, xmp)


def several_pictures() -> bytes:
    return written(picture(), "MPO", save_all=True, append_images=[picture(seed=2), picture(seed=3)])


def with_notes_of_the_camera(*notes: bytes) -> bytes:
    """Samsung's trailer: the notes, a directory of them, its length."""
    notes = notes or (b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1700000000000", b"\0\0\xa1\x0a\x08\0\0\0MCC_Data262")
    directory = struct.pack("<4sII", b"SEFH", 106, len(notes))
    for place, note in enumerate(notes):
        directory += struct.pack("<4sII", note[:4], sum(map(len, notes[place:])), len(note))
    return jpeg() + b"".join(notes) + directory + struct.pack("<I4s", len(directory), b"SEFT")


def with_film() -> bytes:
    """Android's Motion Photo: an MP4 behind the picture."""
    film = struct.pack(">I4s4sI4s", 20, b"ftyp", b"mp42", 0, b"isom") + struct.pack(">I4s", 108, b"mdat") + bytes(100)
    return jpeg() + film


def interlaced() -> bytes:
    passes = ((1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4))  # of Adam7, on 8 x 8
    return png((8, 8, 8, 2, 1), b"".join((b"\0" + bytes(range(3 * width))) * height for width, height in passes))


def large_notes() -> bytes:
    return png((8, 8, 8, 2, 0), bytes(8 * 25), chunk(b"tEXt", b"Comment\0" + b"x" * 300_000))


def moving(form: str, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    more = [picture(size=size, seed=seed) for seed in (2, 3)]
    return written(picture(size=size), form, save_all=True, append_images=more, duration=100, **options)


def _table(suffix: str, mime: str, rows: dict[str, tuple[Callable[[], bytes], set[Trait]]]) -> dict[str, Sample]:
    return {name: Sample(suffix, mime, make, frozenset(traits)) for name, (make, traits) in rows.items()}


_STICKER = (512, 512)

JPEGS = _table(
    ".jpg",
    "image/jpeg",
    {
        "jpeg baseline": (jpeg, set()),
        "jpeg progressive": (lambda: jpeg(progressive=True), set()),
        "jpeg optimised, best quality": (lambda: jpeg(quality=100, optimize=True, subsampling=0), set()),
        "jpeg of worst quality": (lambda: jpeg(quality=1), set()),
        "jpeg with restart markers": (lambda: jpeg(restart_marker_blocks=1), set()),
        "jpeg with EXIF and a thumbnail": (with_exif_and_thumbnail, set()),
        "jpeg with XMP": (with_xmp, set()),
        "jpeg with a colour profile": (lambda: jpeg(icc_profile=bytes(200_000)), set()),
        "jpeg with a comment": (lambda: jpeg(comment="Seen <b>there</b>"), set()),
        "jpeg of several pictures": (several_pictures, set()),
        "jpeg with notes of the camera": (with_notes_of_the_camera, set()),
        "jpeg with its film": (with_film, set()),
        "jpeg of one pixel": (lambda: written(picture(size=(1, 1)), "JPEG"), set()),
        "jpeg grey": (lambda: jpeg("L"), {Trait.GREY}),
        "jpeg grey progressive": (lambda: jpeg("L", progressive=True), {Trait.GREY}),
        "jpeg CMYK": (lambda: jpeg("CMYK"), {Trait.CMYK}),
        "jpeg CMYK progressive": (lambda: jpeg("CMYK", progressive=True), {Trait.CMYK}),
    },
)
PNGS = _table(
    ".png",
    "image/png",
    {
        "png RGB": (lambda: written(picture(), "PNG"), set()),
        "png RGBA": (lambda: written(picture("RGBA"), "PNG"), set()),
        "png interlaced": (interlaced, set()),
        "png with large notes": (large_notes, set()),
        "png optimised": (lambda: written(picture(), "PNG", optimize=True), set()),
        "png with resolution and profile": (
            lambda: written(picture(), "PNG", dpi=(300, 300), icc_profile=bytes(3000)),
            set(),
        ),
        "png of many chunks": (lambda: written(picture(size=(700, 500)), "PNG", compress_level=0), set()),
        "png palette": (lambda: written(picture("P"), "PNG"), {Trait.PALETTE}),
        "png of two colours": (lambda: written(picture("P"), "PNG", bits=1), {Trait.PALETTE}),
        "png grey": (lambda: written(picture("L"), "PNG"), {Trait.GREY}),
        "png grey with alpha": (lambda: written(picture("LA"), "PNG"), {Trait.GREY}),
        "png black and white": (lambda: written(picture("1"), "PNG"), {Trait.GREY}),
        "png grey, 16 bits": (lambda: png((8, 8, 16, 0, 0), bytes(8 * 17)), {Trait.GREY, Trait.DEEP}),
        "png RGB, 16 bits": (lambda: png((8, 8, 16, 2, 0), bytes(8 * 49)), {Trait.DEEP}),
        "png moving": (lambda: moving("PNG"), {Trait.ANIMATED}),
    },
)
GIFS = _table(
    ".gif",
    "image/gif",
    {
        "gif": (lambda: written(picture("P"), "GIF"), set()),
        "gif interlaced": (lambda: written(picture("P"), "GIF", interlace=1), set()),
        "gif with a comment": (lambda: written(picture("P"), "GIF", comment=b"x" * 600), set()),
        "gif grey": (lambda: written(picture("L"), "GIF"), set()),
        "gif moving": (lambda: moving("GIF", loop=0), {Trait.ANIMATED}),
    },
)
WEBPS = _table(
    ".webp",
    "image/webp",
    {
        "webp sticker": (lambda: written(picture(size=_STICKER), "WEBP"), set()),
        "webp sticker with alpha": (lambda: written(picture("RGBA", size=_STICKER), "WEBP"), set()),
        "webp sticker, lossless": (lambda: written(picture(size=_STICKER), "WEBP", lossless=True, method=0), set()),
        "webp sticker with EXIF": (lambda: written(picture(size=_STICKER), "WEBP", exif=b"Exif\0\0II*\0"), set()),
        "webp sticker of poor quality": (lambda: written(picture(size=_STICKER), "WEBP", quality=1), set()),
        "webp sticker moving": (lambda: moving("WEBP", size=_STICKER), {Trait.ANIMATED}),
        "webp": (lambda: written(picture(), "WEBP"), {Trait.NOT_512}),
        "webp 512 x 511": (lambda: written(picture(size=(512, 511)), "WEBP"), {Trait.NOT_512}),
        "webp 511 x 512, lossless": (
            lambda: written(picture(size=(511, 512)), "WEBP", lossless=True, method=0),
            {Trait.NOT_512},
        ),
        "webp 513 x 512, with alpha": (lambda: written(picture("RGBA", size=(513, 512)), "WEBP"), {Trait.NOT_512}),
        "webp moving": (lambda: moving("WEBP"), {Trait.NOT_512, Trait.ANIMATED}),
    },
)
PICTURES = JPEGS | PNGS | GIFS | WEBPS

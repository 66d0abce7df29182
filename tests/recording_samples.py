"""Sound and film as ffmpeg writes them: `RECORDINGS` by name, each with what there is to say of it.

Speech in AMR is made by hand from the table of RFC 4867: no free encoder of it is at hand.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from gateway.inspection.structure import Trait
from tests.picture_samples import Sample

FILM = ("-f", "lavfi", "-i", "testsrc=size=176x144:rate=10:duration=1")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1:sample_rate=44100")
OTHER_SOUND = ("-f", "lavfi", "-i", "sine=frequency=880:duration=1")
BASELINE = ("-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline", "-pix_fmt", "yuv420p")
MAIN = ("-c:v", "libx264", "-profile:v", "main", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-b:a", "48k")
FAST = ("-movflags", "+faststart")
FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-g", "5")

# Bytes of a frame of speech by its type, without its head: RFC 4867, 4.1.2 and 3GPP TS 26.201.
NARROW = (12, 13, 15, 17, 19, 20, 26, 31, 5)
WIDE = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5)


# What ffmpeg has written, for every run of the tests and each of its processes; `make clean` removes it.
KEPT = Path(__file__).parents[1] / "build" / "ffmpeg"


def ffmpeg(suffix: str, *arguments: str, files: dict[str, bytes] | None = None) -> bytes:
    """What ffmpeg writes; `files` lie in the folder in which it runs. The same program is asked the same once."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", *arguments, "-fflags", "+bitexact"]
    asked = repr((command, suffix, files, _ffmpeg_changed()))
    kept = KEPT / hashlib.sha256(asked.encode()).hexdigest()
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            for name, data in (files or {}).items():
                (Path(folder) / name).write_bytes(data)
            made = Path(folder) / f"made{suffix}"
            subprocess.run([*command, made.name], cwd=folder, check=True)
            _keep(made.read_bytes(), kept)
    return kept.read_bytes()


@functools.cache
def _ffmpeg_changed() -> float:
    """When the program was: another one is asked anew."""
    return Path(shutil.which("ffmpeg") or "ffmpeg").stat().st_mtime


def _keep(data: bytes, path: Path) -> None:
    """Put it there whole or not at all: several processes may be at it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)


def speech(*modes: int, wide: bool = False, frames: int = 50, start: bytes = b"") -> bytes:
    """`modes` take turns; 15 is a frame without data."""
    sizes = WIDE if wide else NARROW
    turns = itertools.islice(itertools.cycle(modes), frames)
    body = (bytes([mode << 3 | 4]) + (b"\x5a" * sizes[mode] if mode < len(sizes) else b"") for mode in turns)
    return (start or (b"#!AMR-WB\n" if wide else b"#!AMR\n")) + b"".join(body)


def id3(length: int, *, version: int = 3, flags: int = 0) -> bytes:
    """A tag whose picture takes `length` bytes."""
    frame = b"APIC" + (_syncsafe(length) if version == 4 else struct.pack(">I", length)) + bytes(2)
    footer = b"3DI" + bytes([version, 0, flags]) + _syncsafe(length + 10) if flags & 0x10 else b""
    return b"ID3" + bytes([version, 0, flags]) + _syncsafe(length + 10) + frame + b"\x89" * length + footer


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _mp3(*arguments: str) -> bytes:
    return ffmpeg(".mp3", *SOUND, "-c:a", "libmp3lame", *arguments)


def _adts(*arguments: str) -> bytes:
    return ffmpeg(".aac", *SOUND, *AAC, *arguments)


PLAIN_MP3 = ("-id3v2_version", "0", "-write_xing", "0")

Row = tuple[tuple[str, ...] | Callable[[], bytes], set[Trait]]


def _table(suffix: str, mime: str, rows: dict[str, Row]) -> dict[str, Sample]:
    """A row is what ffmpeg is asked for, or a maker."""
    return {
        name: Sample(
            suffix, mime, what if callable(what) else functools.partial(ffmpeg, suffix, *what), frozenset(traits)
        )
        for name, (what, traits) in rows.items()
    }


MP4S = _table(
    ".mp4",
    "video/mp4",
    {
        "mp4 baseline": ((*FILM, *SOUND, *BASELINE, *AAC, *FAST), set()),
        "mp4 main": ((*FILM, *SOUND, *MAIN, "-bf", "0", *AAC, *FAST), set()),
        "mp4 high with B-frames": (
            (*FILM, *SOUND, "-c:v", "libx264", "-pix_fmt", "yuv420p", *AAC, *FAST), {Trait.HIGH_WITH_B_FRAMES}
        ),
        "mp4 high in fragments": (
            (*FILM, "-c:v", "libx264", "-pix_fmt", "yuv420p", *FRAGMENTED), {Trait.HIGH_WITH_B_FRAMES}
        ),
        "mp4 high without B-frames": ((*FILM, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0", *FAST), set()),
        "mp4 of 10 bits": ((*FILM, "-c:v", "libx264", "-pix_fmt", "yuv420p10le", *FAST), {Trait.FOREIGN_VIDEO}),
        "mp4 in 4:2:2": ((*FILM, "-c:v", "libx264", "-pix_fmt", "yuv422p", *FAST), {Trait.FOREIGN_VIDEO}),
        "mp4 in 4:4:4": ((*FILM, "-c:v", "libx264", "-pix_fmt", "yuv444p", *FAST), {Trait.FOREIGN_VIDEO}),
        "mp4 without sound": ((*FILM, *BASELINE, *FAST), set()),
        "mp4 fragmented": ((*FILM, *SOUND, *BASELINE, *AAC, *FRAGMENTED), set()),
        "mp4 of brand mp42": ((*FILM, *SOUND, *BASELINE, *AAC, *FAST, "-brand", "mp42"), set()),
        "mp4 of brand MSNV": ((*FILM, *SOUND, *BASELINE, *AAC, *FAST, "-brand", "MSNV"), set()),
        "mp4 of brand M4V": ((*FILM, *SOUND, *BASELINE, *AAC, *FAST, "-brand", "M4V "), set()),
        "mp4 of a brand nobody knows": ((*FILM, *BASELINE, *FAST, "-brand", "XAVC"), set()),
        "mp4 with subtitles": (
            lambda: ffmpeg(
                ".mp4", *FILM, "-i", "made.srt", *BASELINE, "-c:s", "mov_text", *FAST,
                files={"made.srt": b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"},
            ),
            set(),
        ),
        "mp4 with its index behind": ((*FILM, *SOUND, *BASELINE, *AAC), {Trait.LATE_INDEX}),
        "mp4 of H.265": (
            (*FILM, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", *FAST),
            {Trait.FOREIGN_VIDEO},
        ),
        "mp4 of MPEG-4 ASP": ((*FILM, *SOUND, "-c:v", "mpeg4", *AAC, *FAST), {Trait.FOREIGN_VIDEO}),
        "mp4 of VP9": ((*FILM, "-c:v", "libvpx-vp9", "-deadline", "realtime", *FAST), {Trait.FOREIGN_VIDEO}),
        "mp4 with MP3": ((*FILM, *SOUND, *BASELINE, "-c:a", "libmp3lame", *FAST), {Trait.FOREIGN_AUDIO}),
        "mp4 with AC-3": ((*FILM, *SOUND, *BASELINE, "-c:a", "ac3", *FAST), {Trait.FOREIGN_AUDIO}),
        "mp4 with Opus": ((*FILM, *SOUND, *BASELINE, "-c:a", "libopus", *FAST), {Trait.FOREIGN_AUDIO}),
        "mp4 with two sounds": (
            (*FILM, *SOUND, *OTHER_SOUND, "-map", "0", "-map", "1", "-map", "2", *BASELINE, *AAC, *FAST),
            {Trait.SEVERAL_AUDIO},
        ),
    },
)  # fmt: skip
THREE_GPS = _table(
    ".3gp",
    "video/3gpp",
    {
        "3gp": ((*FILM, *SOUND, *BASELINE, *AAC, *FAST), set()),
        "3gp without sound": ((*FILM, *BASELINE, *FAST), set()),
        "3gp main": ((*FILM, *SOUND, *MAIN, *AAC, *FAST), set()),
        "3gp of brand 3gp5": ((*FILM, *SOUND, *BASELINE, *AAC, *FAST, "-brand", "3gp5"), set()),
        "3gp of brand 3g2a": ((*FILM, *SOUND, *BASELINE, *AAC, *FAST, "-brand", "3g2a"), set()),
        "3gp with its index behind": ((*FILM, *SOUND, *BASELINE, *AAC), {Trait.LATE_INDEX}),
        "3gp of H.263 and AMR": (
            lambda: ffmpeg(
                ".3gp", *FILM, "-i", "made.amr", "-c:v", "h263", "-r", "30000/1001", "-c:a", "copy", *FAST,
                files={"made.amr": speech(7)},
            ),
            {Trait.FOREIGN_VIDEO, Trait.FOREIGN_AUDIO},
        ),
        "3gp of MPEG-4 ASP": ((*FILM, *SOUND, "-c:v", "mpeg4", *AAC, *FAST), {Trait.FOREIGN_VIDEO}),
    },
)  # fmt: skip
M4AS = _table(
    ".m4a",
    "audio/mp4",
    {
        "m4a": ((*SOUND, *AAC, *FAST), set()),
        "m4a stereo": ((*SOUND, *AAC, "-ac", "2", *FAST), set()),
        "m4a of brand isom": ((*SOUND, *AAC, *FAST, "-brand", "isom"), set()),
        "m4a of brand mp42": ((*SOUND, *AAC, *FAST, "-f", "mp4", "-brand", "mp42"), set()),
        "m4a of brand MSNV": ((*SOUND, *AAC, *FAST, "-f", "mp4", "-brand", "MSNV"), set()),
        "m4a of brand 3gp4": ((*SOUND, *AAC, *FAST, "-f", "3gp"), set()),
        "m4a fragmented": ((*SOUND, *AAC, *FRAGMENTED, "-f", "mp4"), set()),
        "m4a with its index behind": ((*SOUND, *AAC), {Trait.LATE_INDEX}),
        "m4a of ALAC": ((*SOUND, "-c:a", "alac", *FAST), {Trait.FOREIGN_AUDIO}),
        "m4a of MP3": ((*SOUND, "-c:a", "libmp3lame", *FAST, "-f", "mp4"), {Trait.FOREIGN_AUDIO}),
    },
)
SPEECH_IN_3GP = _table(
    ".3gp",
    "audio/3gpp",
    {
        "3gp of AMR alone": (
            lambda: ffmpeg(".3gp", "-i", "made.amr", "-c:a", "copy", *FAST, files={"made.amr": speech(7)}),
            {Trait.FOREIGN_AUDIO},
        )
    },
)
MOVS = _table(
    ".mov",
    "video/quicktime",
    {
        "mov": ((*FILM, *SOUND, *BASELINE, *AAC, *FAST), set()),
        "mov of MPEG-4 and PCM": (
            (*FILM, *SOUND, "-c:v", "mpeg4", "-c:a", "pcm_s16le"),
            {Trait.LATE_INDEX, Trait.FOREIGN_VIDEO, Trait.FOREIGN_AUDIO},
        ),
    },
)
MP3S = _table(
    ".mp3",
    "audio/mpeg",
    {
        "mp3 128k": (lambda: _mp3("-b:a", "128k"), set()),
        "mp3 320k": (lambda: _mp3("-b:a", "320k", "-ac", "2"), set()),
        "mp3 64k mono": (lambda: _mp3("-b:a", "64k", "-ac", "1"), set()),
        "mp3 VBR": (lambda: _mp3("-q:a", "4", "-ac", "2"), set()),
        "mp3 VBR without a table": (lambda: _mp3("-q:a", "4", "-write_xing", "0"), set()),
        "mp3 of MPEG-2": (lambda: _mp3("-ar", "22050"), set()),
        "mp3 of MPEG-2.5": (lambda: _mp3("-ar", "8000", "-b:a", "16k"), set()),
        "mp3 with ID3v2.3": (lambda: _mp3("-id3v2_version", "3", "-metadata", "title=A title"), set()),
        "mp3 with ID3v2.4": (lambda: _mp3("-id3v2_version", "4", "-metadata", "title=A title"), set()),
        "mp3 with ID3v1": (lambda: _mp3(*PLAIN_MP3, "-write_id3v1", "1", "-metadata", "title=A title"), set()),
        "mp3 without a tag": (lambda: _mp3(*PLAIN_MP3), set()),
        "mp3 with a big cover": (lambda: id3(300_000) + _mp3(*PLAIN_MP3), set()),
        "mp3 with a footer": (lambda: id3(1000, version=4, flags=0x10) + _mp3(*PLAIN_MP3), set()),
        "mp3 with two tags": (lambda: id3(1000) + id3(2000, version=4) + _mp3(*PLAIN_MP3), set()),
        "mp3 with zeros behind its tag": (lambda: id3(1000) + bytes(3000) + _mp3(*PLAIN_MP3), set()),
        "mp3 with a tag of the wrong length": (lambda: id3(1000) + b"\x89" * 700 + _mp3(*PLAIN_MP3), set()),
        "mp2": (lambda: ffmpeg(".mp2", *SOUND, "-c:a", "mp2"), {Trait.FOREIGN_AUDIO}),
    },
)
AACS = _table(
    ".aac",
    "audio/aac",
    {
        "aac mono": (lambda: _adts("-ac", "1"), set()),
        "aac stereo": (lambda: _adts("-ac", "2", "-b:a", "128k"), set()),
        "aac 48 kHz": (lambda: _adts("-ar", "48000"), set()),
        "aac 8 kHz": (lambda: _adts("-ar", "8000", "-b:a", "12k"), set()),
        "aac of MPEG-2": (lambda: _adts("-write_mpeg2", "1"), set()),
        "aac 5.1": (lambda: _adts("-ac", "6", "-b:a", "256k"), set()),
        "aac with ID3": (lambda: id3(20_000) + _adts(), set()),
    },
)
OPUSES = _table(
    ".ogg",
    "audio/ogg; codecs=opus",
    {
        "opus mono": ((*SOUND, "-c:a", "libopus", "-b:a", "24k"), set()),
        "opus stereo": ((*SOUND, "-c:a", "libopus", "-ac", "2"), set()),
        "opus for speech": ((*SOUND, "-c:a", "libopus", "-application", "voip", "-b:a", "16k"), set()),
        "opus in frames of 60 ms": ((*SOUND, "-c:a", "libopus", "-frame_duration", "60"), set()),
        "opus in pages of 20 ms": ((*SOUND, "-c:a", "libopus", "-page_duration", "20000"), set()),
        "opus with a cover": (
            (*SOUND, "-c:a", "libopus", "-metadata", "METADATA_BLOCK_PICTURE=" + 90_000 * "A"),
            set(),
        ),
    },
)
OTHER_OGGS = _table(
    ".ogg",
    "audio/ogg",
    {
        "ogg of Vorbis": ((*SOUND, "-c:a", "libvorbis"), {Trait.FOREIGN_AUDIO}),
        "ogg of FLAC": ((*SOUND, "-c:a", "flac"), {Trait.FOREIGN_AUDIO}),
        "ogg of Speex": ((*SOUND, "-c:a", "libspeex", "-ar", "16000"), {Trait.FOREIGN_AUDIO}),
        "ogg of two Vorbis": (
            (*SOUND, *OTHER_SOUND, "-map", "0", "-map", "1", "-c:a", "libvorbis"),
            {Trait.FOREIGN_AUDIO, Trait.SEVERAL_AUDIO},
        ),
    },
)
OGVS = _table(
    ".ogv",
    "video/ogg",
    {
        "ogv": (
            (*FILM, *SOUND, "-c:v", "libtheora", "-c:a", "libvorbis"),
            {Trait.FOREIGN_VIDEO, Trait.FOREIGN_AUDIO},
        ),
        "ogv without sound": ((*FILM, "-c:v", "libtheora"), {Trait.FOREIGN_VIDEO, Trait.FOREIGN_AUDIO}),
    },
)
ENCODED = Path(__file__).parent / "data" / "amr"
AMRS = _table(
    ".amr",
    "audio/amr",
    {
        # Of real encoders, OpenCORE's and VisualOn's: the ffmpeg of Debian has none.
        **{f"amr {path.stem}, encoded": (path.read_bytes, set()) for path in sorted(ENCODED.glob("*.amr"))},
        "amr 12.2": (lambda: speech(7), set()),
        "amr 4.75": (lambda: speech(0), set()),
        "amr of every mode": (lambda: speech(*range(9)), set()),
        "amr with pauses": (lambda: speech(7, 7, 8, 15, 15, 15), set()),
        "amr of an hour": (lambda: speech(4, frames=180_000), set()),
        "amr wide": (lambda: speech(8, wide=True), set()),
        "amr wide of every mode": (lambda: speech(*range(10), wide=True), set()),
        "amr wide with pauses": (lambda: speech(2, 9, 14, 15, wide=True), set()),
        "amr of two channels": (
            lambda: speech(7, 7, start=b"#!AMR_MC1.0\n\0\0\0\x02"),
            {Trait.FOREIGN_AUDIO},
        ),
        "amr wide of two channels": (
            lambda: speech(8, 8, wide=True, start=b"#!AMR-WB_MC1.0\n\0\0\0\x02"),
            {Trait.FOREIGN_AUDIO},
        ),
    },
)
WAVS = _table(
    ".wav",
    "audio/wav",
    {
        "wav": ((*SOUND,), set()),
        "wav of 8 bits": ((*SOUND, "-c:a", "pcm_u8", "-ar", "8000"), set()),
        "wav of 24 bits": ((*SOUND, "-c:a", "pcm_s24le", "-ac", "2"), set()),
        "wav of floats": ((*SOUND, "-c:a", "pcm_f32le"), set()),
        "wav ADPCM": ((*SOUND, "-c:a", "adpcm_ms"), set()),
        "wav ADPCM of IMA": ((*SOUND, "-c:a", "adpcm_ima_wav"), set()),
        "wav A-law": ((*SOUND, "-c:a", "pcm_alaw", "-ar", "8000"), set()),
        "wav RF64": ((*SOUND, "-rf64", "always"), set()),
        "wav from a pipe": (lambda: b"RIFF\xff\xff\xff\xffWAVE" + _without_lengths(), set()),
    },
)


def _without_lengths() -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16_000, 2, 16)
    return form + b"data\xff\xff\xff\xff" + bytes(8000)


RECORDINGS = (
    MP4S | THREE_GPS | M4AS | SPEECH_IN_3GP | MOVS | MP3S | AACS | OPUSES | OTHER_OGGS | OGVS | AMRS | WAVS
)  # fmt: skip

# Sound and film of which no reader here knows anything.
FOREIGNERS = {
    "flac": functools.partial(ffmpeg, ".flac", *SOUND),
    "flac with ID3": lambda: id3(1000) + ffmpeg(".flac", *SOUND),
    "mkv": functools.partial(ffmpeg, ".mkv", *FILM, *SOUND, *BASELINE, *AAC),
    "webm": functools.partial(ffmpeg, ".webm", *SOUND, "-c:a", "libopus"),
    "avi": functools.partial(ffmpeg, ".avi", *FILM, "-c:v", "mpeg4"),
    "mpeg-ts": functools.partial(ffmpeg, ".ts", *FILM, *BASELINE),
    "aiff": functools.partial(ffmpeg, ".aiff", *SOUND),
    "wma": functools.partial(ffmpeg, ".wma", *SOUND, "-c:a", "wmav2"),
    "flv": functools.partial(ffmpeg, ".flv", *FILM, "-c:v", "flv"),
}

"""Sound that begins with a head of its own: Ogg, which may hold films too, AMR and WAVE.

Sources: RFC 3533 and 5334 for Ogg; RFC 4867, section 5 for AMR; RFC 2361 and EBU Tech 3306 for WAVE.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.inspection.content import OPEN_LENGTHS, RIFF_HEAD_BYTES, Content, Window, riff_chunks
from gateway.inspection.filetypes import OGG_OPUS
from gateway.inspection.structure import Structure, Trait, traits_of_broken, traits_of_whole

OGG_START = b"OggS"
OGG_HEAD_BYTES = 27
LONGEST_OGG_HEAD_BYTES = OGG_HEAD_BYTES + 255
LONGEST_OGG_PAGE_BYTES = LONGEST_OGG_HEAD_BYTES + 255 * 255
MOST_OGG_PAGES = 4000  # then the last one is looked at: there is a page for each 20 ms of some recordings
_FIRST_OF_OGG_STREAM = 2  # a flag

_OGG_SOUNDS = {
    b"OpusHead": "opus",
    b"\x01vorbis": "vorbis",
    b"\x7fFLAC": "flac",
    b"fLaC": "flac",
    b"Speex   ": "speex",
    b"PCM     ": "pcm",
    b"CELT    ": "celt",
}
_OGG_FILMS = {b"\x80theora": "theora", b"BBCD\0": "dirac", b"OVP80": "vp8", b"\x01video": "ogm", b"\x8bkate": "kate"}
_OGG_CHANNELS_AT = {"opus": 9, "vorbis": 11}  # within the first packet

AMR = "audio/amr"
MOST_AMR_FRAMES = 1000  # twenty seconds
_AMR_UNUSED_BITS = 0x83  # of the byte before a frame

# Bytes of a frame by its type: 3GPP TS 26.101 and 26.201. What is not there is for later, or for another network.
AMR_NARROW = {0: 12, 1: 13, 2: 15, 3: 17, 4: 19, 5: 20, 6: 26, 7: 31, 8: 5, 9: 6, 10: 5, 11: 5, 15: 0}
AMR_WIDE = {0: 17, 1: 23, 2: 32, 3: 36, 4: 40, 5: 46, 6: 50, 7: 58, 8: 60, 9: 5, 14: 0, 15: 0}

# What a file begins with: the sizes of its frames, its name, and how many bytes on its channels follow.
_AMR_STARTS: dict[bytes, tuple[dict[int, int], str, int]] = {
    b"#!AMR\n": (AMR_NARROW, "amr", 0),
    b"#!AMR-WB\n": (AMR_WIDE, "amr-wb", 0),
    b"#!AMR_MC1.0\n": (AMR_NARROW, "amr", 4),
    b"#!AMR-WB_MC1.0\n": (AMR_WIDE, "amr-wb", 4),
}

WAVE = "audio/wav"
WAVE_STARTS = (b"RIFF", b"RF64", b"BW64")
_WAVE_CODECS = {1: "pcm", 2: "adpcm", 3: "float", 6: "a-law", 7: "mu-law", 0x11: "adpcm", 0x31: "gsm", 0x55: "mp3"}
_WAVE_EXTENSIBLE = 0xFFFE  # the code stands further behind


@dataclass
class _OggStreams:
    sounds: list[str] = field(default_factory=list)
    films: list[str] = field(default_factory=list)
    channels: int = 0

    def add(self, packet: bytes) -> None:
        for table, names in ((_OGG_SOUNDS, self.sounds), (_OGG_FILMS, self.films)):
            names += [name for start, name in table.items() if packet.startswith(start)]
        at = _OGG_CHANNELS_AT.get(self.sounds[0]) if self.sounds and not self.channels else None
        self.channels = packet[at] if at and len(packet) > at else self.channels

    @property
    def mime(self) -> str:
        if self.films:
            return "video/ogg"
        return OGG_OPUS if set(self.sounds) == {"opus"} else "audio/ogg"

    def traits(self) -> frozenset[Trait]:
        found = {Trait.FOREIGN_VIDEO} if self.films else set()
        if self.mime != OGG_OPUS:
            found.add(Trait.FOREIGN_AUDIO if self.sounds or self.films else Trait.NO_TRACK)
        if len(self.sounds) > 1:
            found.add(Trait.SEVERAL_AUDIO)
        return frozenset(found)

    def details(self) -> dict[str, int | str]:
        said: dict[str, int | str] = {"audio": "+".join(self.sounds), "video": "+".join(self.films)}
        said["channels"] = self.channels
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True)
class _OggPage:
    start: int  # of its data
    end: int
    opens: bool


def read_ogg(content: Content) -> Structure | None:
    """Tell an Ogg by its start, its streams by the packets they begin with; None of anything else. Raises TooCostly."""
    if content.head(4) != OGG_START:
        return None
    streams = _OggStreams()
    traits = _ogg_pages(content, streams)
    return Structure(mime=streams.mime, traits=traits | streams.traits(), details=streams.details())


def _ogg_pages(content: Content, streams: _OggStreams) -> frozenset[Trait]:
    """Walk from page to page; past `MOST_OGG_PAGES` the last ones only. Raises TooCostly."""
    offset = 0
    opening = True
    for count in range(2 * MOST_OGG_PAGES):
        page = _ogg_page(content, offset)
        if page is None:
            break
        opening = opening and page.opens and len(streams.sounds) + len(streams.films) < 8
        if opening:
            streams.add(content.at(page.start, min(16, page.end - page.start)))
        offset = page.end
        if count == MOST_OGG_PAGES:
            offset = max(offset, _last_ogg_page(content))
    left = content.size_bytes - offset
    if left < 0 or (left < LONGEST_OGG_HEAD_BYTES and content.at(offset, 4) == OGG_START):
        return traits_of_broken(content, Trait.TRUNCATED)
    return traits_of_whole(content, end=offset) if offset else traits_of_broken(content, Trait.BROKEN)


def _ogg_page(content: Content, offset: int) -> _OggPage | None:
    head = content.at(offset, LONGEST_OGG_HEAD_BYTES)
    if len(head) < OGG_HEAD_BYTES or not head.startswith(OGG_START + b"\0"):
        return None
    lengths = head[OGG_HEAD_BYTES : OGG_HEAD_BYTES + head[26]]
    start = offset + OGG_HEAD_BYTES + head[26]
    return _OggPage(start, start + sum(lengths), bool(head[5] & _FIRST_OF_OGG_STREAM))


def _last_ogg_page(content: Content) -> int:
    """Find where the last page begins, as far as one can tell. Raises TooCostly."""
    tail = content.tail(LONGEST_OGG_PAGE_BYTES)
    return content.size_bytes - len(tail) + max(0, tail.rfind(OGG_START))


def read_amr(content: Content) -> Structure | None:
    """Tell AMR by its first line, and walk its frames; None of anything else. Raises TooCostly."""
    start = next((start for start in _AMR_STARTS if content.head(len(start)) == start), None)
    if start is None:
        return None
    sizes, name, channel_bytes = _AMR_STARTS[start]
    offset = len(start) + channel_bytes
    channels = content.at(offset - 1, 1)[:1] if channel_bytes else b"\1"
    traits = _amr_frames(content, offset, sizes)
    if channel_bytes:
        traits |= {Trait.FOREIGN_AUDIO}
    return Structure(
        mime=AMR, traits=traits, details={"audio": name, "channels": int.from_bytes(channels, "big") & 0xF}
    )


def _amr_frames(content: Content, offset: int, sizes: dict[int, int]) -> frozenset[Trait]:
    window = Window(content, most_reads=MOST_AMR_FRAMES)
    first = offset
    for _ in range(MOST_AMR_FRAMES):
        head = window.at(offset, 1)
        if not head:
            break
        size = sizes.get(head[0] >> 3)
        if head[0] & _AMR_UNUSED_BITS or size is None:
            return traits_of_broken(content, Trait.BROKEN)
        offset += 1 + size
    if offset > content.size_bytes or offset == first:
        return traits_of_broken(content, Trait.TRUNCATED)
    return traits_of_whole(content, end=content.size_bytes)


def read_wave(content: Content) -> Structure | None:
    """Tell a WAVE, how its sound is coded, and whether it is all there; None of anything else. Raises TooCostly."""
    head = content.head(RIFF_HEAD_BYTES)
    if head[:4] not in WAVE_STARTS or head[8:] != b"WAVE":
        return None
    declared = int.from_bytes(head[4:8], "little")
    is_open = head[:4] != b"RIFF" or declared in OPEN_LENGTHS
    end = content.size_bytes if is_open else 8 + declared
    details: dict[str, int | str] = {}
    has_sound = is_cut = False
    for chunk in riff_chunks(content, end=min(end, content.size_bytes)):
        if chunk.name == b"fmt " and not details:
            details = _wave_details(content.at(chunk.start, min(26, chunk.length)))
        if chunk.name == b"data":
            has_sound = True
            is_open = is_open or chunk.length in OPEN_LENGTHS
        is_cut = chunk.start + chunk.length > content.size_bytes
    if (is_cut or end > content.size_bytes) and not is_open:
        traits = traits_of_broken(content, Trait.TRUNCATED)
    elif not details or not has_sound:
        traits = traits_of_broken(content, Trait.BROKEN)
    else:
        traits = traits_of_whole(content, end=content.size_bytes if is_open else end)
    return Structure(mime=WAVE, traits=traits, details=details)


def _wave_details(form: bytes) -> dict[str, int | str]:
    if len(form) < 16:
        return {}
    code = int.from_bytes(form[:2], "little")
    if code == _WAVE_EXTENSIBLE:
        code = int.from_bytes(form[24:26], "little")
    return {
        "audio": _WAVE_CODECS.get(code, f"code {code}"),
        "channels": int.from_bytes(form[2:4], "little"),
        "hertz": int.from_bytes(form[4:8], "little"),
    }

"""Ogg: which codecs its streams begin with, and whether its pages follow one another (RFC 3533; RFC 5334)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.inspection import trailing
from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait

OPUS = "audio/ogg; codecs=opus"
START = b"OggS"
HEAD_BYTES = 27
LONGEST_HEAD_BYTES = HEAD_BYTES + 255
LONGEST_PAGE_BYTES = LONGEST_HEAD_BYTES + 255 * 255
MOST_PAGES = 4000  # then the last one is looked at: there is a page for each 20 ms of some recordings
_FIRST_OF_STREAM = 2  # a flag

_SOUNDS = {
    b"OpusHead": "opus",
    b"\x01vorbis": "vorbis",
    b"\x7fFLAC": "flac",
    b"fLaC": "flac",
    b"Speex   ": "speex",
    b"PCM     ": "pcm",
    b"CELT    ": "celt",
}
_FILMS = {b"\x80theora": "theora", b"BBCD\0": "dirac", b"OVP80": "vp8", b"\x01video": "ogm", b"\x8bkate": "kate"}
_CHANNELS_AT = {"opus": 9, "vorbis": 11}  # within the first packet


@dataclass
class _Streams:
    sounds: list[str] = field(default_factory=list)
    films: list[str] = field(default_factory=list)
    channels: int = 0

    def add(self, packet: bytes) -> None:
        for table, names in ((_SOUNDS, self.sounds), (_FILMS, self.films)):
            names += [name for start, name in table.items() if packet.startswith(start)]
        at = _CHANNELS_AT.get(self.sounds[0]) if self.sounds and not self.channels else None
        self.channels = packet[at] if at and len(packet) > at else self.channels

    @property
    def mime(self) -> str:
        if self.films:
            return "video/ogg"
        return OPUS if set(self.sounds) == {"opus"} else "audio/ogg"

    def traits(self) -> frozenset[Trait]:
        found = {Trait.FOREIGN_VIDEO} if self.films else set()
        if self.mime != OPUS:
            found.add(Trait.FOREIGN_AUDIO if self.sounds or self.films else Trait.NO_TRACK)
        if len(self.sounds) > 1:
            found.add(Trait.SEVERAL_AUDIO)
        return frozenset(found)

    def details(self) -> dict[str, int | str]:
        said: dict[str, int | str] = {"audio": "+".join(self.sounds), "video": "+".join(self.films)}
        said["channels"] = self.channels
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True)
class _Page:
    start: int  # of its data
    end: int
    opens: bool


def read(content: Content) -> Structure | None:
    """Raises TooCostly."""
    if content.head(4) != START:
        return None
    streams = _Streams()
    traits = _walk(content, streams)
    return Structure(mime=streams.mime, traits=traits | streams.traits(), details=streams.details())


def _walk(content: Content, streams: _Streams) -> frozenset[Trait]:
    """Page after page; past `MOST_PAGES` the last ones only. Raises TooCostly."""
    offset = 0
    opening = True
    for count in range(2 * MOST_PAGES):
        page = _page(content, offset)
        if page is None:
            break
        opening = opening and page.opens and len(streams.sounds) + len(streams.films) < 8
        if opening:
            streams.add(content.at(page.start, min(16, page.end - page.start)))
        offset = page.end
        if count == MOST_PAGES:
            offset = max(offset, _last(content))
    left = content.size_bytes - offset
    if left < 0 or (left < LONGEST_HEAD_BYTES and content.at(offset, 4) == START):
        return trailing.of_broken(content, Trait.TRUNCATED)
    return trailing.of_whole(content, end=offset) if offset else trailing.of_broken(content, Trait.BROKEN)


def _page(content: Content, offset: int) -> _Page | None:
    head = content.at(offset, LONGEST_HEAD_BYTES)
    if len(head) < HEAD_BYTES or not head.startswith(START + b"\0"):
        return None
    lengths = head[HEAD_BYTES : HEAD_BYTES + head[26]]
    start = offset + HEAD_BYTES + head[26]
    return _Page(start, start + sum(lengths), bool(head[5] & _FIRST_OF_STREAM))


def _last(content: Content) -> int:
    """Where the last page begins, as far as one can tell."""
    tail = content.tail(LONGEST_PAGE_BYTES)
    return content.size_bytes - len(tail) + max(0, tail.rfind(START))

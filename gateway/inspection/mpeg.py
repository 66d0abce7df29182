"""MPEG audio: frames of one kind in a row, behind ID3 tags or not (ISO/IEC 11172-3, 2.4.1.3; 13818-3)."""

from __future__ import annotations

from gateway.inspection import adts, frames, trailing
from gateway.inspection.content import Content
from gateway.inspection.frames import Frame
from gateway.inspection.structure import Structure, Trait

MIME = "audio/mpeg"

_VERSIONS = {3: "1", 2: "2", 0: "2.5"}
_HERTZ = {"1": (44_100, 48_000, 32_000), "2": (22_050, 24_000, 16_000), "2.5": (11_025, 12_000, 8_000)}
_LAYERS = {3: 1, 2: 2, 1: 3}
_KILOBITS: dict[tuple[bool, int], tuple[int, ...]] = {  # by whether it is version 1, and the layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_OTHERS = (b"fLaC", b"OggS", b"MAC ", b"wvpk", b"TTA1", b"MPCK", b"MP+", b"RIFF", b"DSD ")  # that bear ID3 as well


def read(content: Content) -> Structure | None:
    """Raises TooCostly."""
    frame = frames.first(content, parse)
    if frame is None:
        return _without_sound(content)
    traits = trailing.of_whole(content, end=content.size_bytes)
    if frame.kind["audio"] != "mp3":
        traits |= {Trait.FOREIGN_AUDIO}
    return Structure(mime=MIME, traits=traits, details=frame.kind)


def parse(head: bytes) -> Frame | None:
    """A frame by its first 4 bytes. One of free length is none of ours."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = _VERSIONS.get(head[1] >> 3 & 3), _LAYERS.get(head[1] >> 1 & 3)
    rate, pitch = head[2] >> 4, head[2] >> 2 & 3
    if version is None or layer is None or rate in (0, 15) or pitch == 3:
        return None
    hertz = _HERTZ[version][pitch]
    bits = 1000 * _KILOBITS[version == "1", layer][rate - 1]
    padding = head[2] >> 1 & 1
    if layer == 1:
        length = 4 * (12 * bits // hertz + padding)
    else:
        length = (72 if layer == 3 and version != "1" else 144) * bits // hertz + padding
    # A text in UTF-16 begins like layer I: there a single frame proves nothing.
    kind: dict[str, int | str] = {"audio": f"mp{layer}", "version": version, "hertz": hertz}
    return Frame(length=length, kind=kind, enough=1 if layer == 3 else frames.PROOF)


def _without_sound(content: Content) -> Structure | None:
    after = frames.after_tags(content)
    if not after or content.at(after, 4).startswith(_OTHERS) or adts.read(content):
        return None
    trait = Trait.TRUNCATED if after >= content.size_bytes else Trait.BROKEN
    return Structure(mime=MIME, traits=trailing.of_broken(content, trait))

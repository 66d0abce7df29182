"""WAVE: how its sound is coded, and whether it is all there (RFC 2361; EBU Tech 3306 for RF64)."""

from __future__ import annotations

from gateway.inspection import riff, trailing
from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait

MIME = "audio/wav"
STARTS = (b"RIFF", b"RF64", b"BW64")
_CODECS = {1: "pcm", 2: "adpcm", 3: "float", 6: "a-law", 7: "mu-law", 0x11: "adpcm", 0x31: "gsm", 0x55: "mp3"}
_EXTENSIBLE = 0xFFFE  # the code stands further behind


def read(content: Content) -> Structure | None:
    """Raises TooCostly."""
    head = content.head(riff.HEAD_BYTES)
    if head[:4] not in STARTS or head[8:] != b"WAVE":
        return None
    declared = int.from_bytes(head[4:8], "little")
    is_open = head[:4] != b"RIFF" or declared in riff.OPEN_LENGTHS
    end = content.size_bytes if is_open else 8 + declared
    details: dict[str, int | str] = {}
    has_sound = is_cut = False
    for chunk in riff.chunks(content, end=min(end, content.size_bytes)):
        if chunk.name == b"fmt " and not details:
            details = _details(content.at(chunk.start, min(26, chunk.length)))
        if chunk.name == b"data":
            has_sound = True
            is_open = is_open or chunk.length in riff.OPEN_LENGTHS
        is_cut = chunk.start + chunk.length > content.size_bytes
    if (is_cut or end > content.size_bytes) and not is_open:
        traits = trailing.of_broken(content, Trait.TRUNCATED)
    elif not details or not has_sound:
        traits = trailing.of_broken(content, Trait.BROKEN)
    else:
        traits = trailing.of_whole(content, end=content.size_bytes if is_open else end)
    return Structure(mime=MIME, traits=traits, details=details)


def _details(form: bytes) -> dict[str, int | str]:
    if len(form) < 16:
        return {}
    code = int.from_bytes(form[:2], "little")
    if code == _EXTENSIBLE:
        code = int.from_bytes(form[24:26], "little")
    return {
        "audio": _CODECS.get(code, f"code {code}"),
        "channels": int.from_bytes(form[2:4], "little"),
        "hertz": int.from_bytes(form[4:8], "little"),
    }

"""Programs, and what makes a system run one: executables of all systems, shortcuts, disk images, scripts."""

from __future__ import annotations

import re

from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait

PORTABLE = "application/vnd.microsoft.portable-executable"
DOS = "application/x-dosexec"
MACH = "application/x-mach-binary"
JAVA_CLASS = "application/x-java-applet"
SCRIPT = "text/x-script"
SHORTCUT = "application/x-mswinurl"
DESKTOP = "application/x-desktop"
IMAGE = "application/x-iso9660-image"

# How they begin. SCRIPT stands for all of a kind: who runs it does not matter here.
STARTS = {
    b"\x7fELF": "application/x-executable",
    b"\xfe\xed\xfa\xce": MACH,
    b"\xfe\xed\xfa\xcf": MACH,
    b"\xce\xfa\xed\xfe": MACH,
    b"\xcf\xfa\xed\xfe": MACH,
    b"\xca\xfe\xba\xbf": MACH,
    b"L\0\0\0\x01\x14\x02\0": "application/x-ms-shortcut",
    b"ITSF": "application/vnd.ms-htmlhelp",
    b"MSCF": "application/vnd.ms-cab-compressed",
    b"ISc(": "application/x-installshield",
    b"dex\n": "application/x-dex",
    b"\0asm": "application/wasm",
    b"\x1bLua": "application/x-lua-bytecode",
    b"?_\x03\0": "application/winhelp",
    b"#@~^": SCRIPT,  # scripts that Microsoft's encoder made unreadable: .vbe, .jse
}
SAID = (
    (re.compile(rb"#!\s{0,16}/"), SCRIPT),
    (re.compile(rb"<\?(?:php|=)|<%", re.IGNORECASE), SCRIPT),
    (
        re.compile(rb"@echo\s+o(?:n|ff)\b|@?setlocal\b|REGEDIT4|Windows Registry Editor", re.IGNORECASE),
        SCRIPT,
    ),
    (re.compile(rb"\[InternetShortcut", re.IGNORECASE), SHORTCUT),
    (re.compile(rb"\[Desktop Entry\]"), DESKTOP),
)
FIRST_JAVA_VERSION = 45  # of a class file; a fat Mach-O has far fewer programs at that place
VOLUMES = (b"CD001", b"BEA01", b"NSR02", b"NSR03")  # ISO 9660 and UDF
VOLUME_PLACES = (0x8001, 0x8801, 0x9001)

_LIBRARY_FLAG = 0x2000  # of a PE's characteristics: it is a DLL
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a]")


def read(content: Content) -> Structure | None:
    """Tell what a system would run by how it begins; None of anything else. Raises TooCostly."""
    head = content.head(512)
    if head[:2] in (b"MZ", b"ZM") and _CONTROL.search(head[:64]):
        return _dos(content, head)
    if head.startswith(b"\xca\xfe\xba\xbe"):
        return Structure(mime=JAVA_CLASS if int.from_bytes(head[4:8], "big") >= FIRST_JAVA_VERSION else MACH)
    mime = next((mime for start, mime in STARTS.items() if head.startswith(start)), None) or _said(head)
    if mime is None and any(content.at(place, 5) in VOLUMES for place in VOLUME_PLACES):
        mime = IMAGE
    return Structure(mime=mime) if mime else None


def _dos(content: Content, head: bytes) -> Structure:
    """Tell what begins with MZ: for Windows if a PE header stands where it says, else for DOS and its heirs."""
    header = content.at(int.from_bytes(head[60:64], "little"), 24) if len(head) >= 64 else b""
    if not header.startswith(b"PE\0\0"):
        return Structure(mime=DOS)
    library = int.from_bytes(header[22:24], "little") & _LIBRARY_FLAG
    return Structure(mime=PORTABLE, traits=frozenset({Trait.LIBRARY} if library else ()))


def _said(head: bytes) -> str | None:
    """Tell programs in text, by the words that they begin with; UTF-16 is brought to bytes first."""
    plain = head.replace(b"\0", b"") if head.startswith((b"\xff\xfe", b"\xfe\xff")) else head
    plain = plain.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\f\v")
    return next((mime for pattern, mime in SAID if pattern.match(plain)), None)

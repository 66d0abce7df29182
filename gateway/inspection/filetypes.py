"""The types of files we know: as what WhatsApp would send each, how we serve it, and its file extension.

Rule 1. Types are spelled as WhatsApp spells them; only of `audio/ogg; codecs=opus` a parameter is a part.
Rule 2. What a browser or a system would run is served as application/octet-stream and saved as `.bin`: that is never
        rendered, whereas text/plain is a type that WhatsApp would deliver as a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.inspection import families

Category = Literal["image", "video", "audio", "document", "sticker"]

OCTETS = "application/octet-stream"
OGG_OPUS = "audio/ogg; codecs=opus"
_OPEN_XML = "application/vnd.openxmlformats-officedocument."
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
_MACRO_SUFFIX = ".macroEnabled.12"


@dataclass(frozen=True)
class FileType:
    mime: str
    category: Category  # the kind of message it would be: a document, unless WhatsApp has a kind of its own for it
    extension: str
    served: str  # the Content-Type


# What WhatsApp sends as a picture, a film, a sound or a sticker.
_MEDIA: dict[Category, dict[str, str]] = {
    "image": {"image/jpeg": ".jpg", "image/png": ".png"},
    "video": {"video/mp4": ".mp4", "video/3gpp": ".3gp"},
    "audio": {
        "audio/aac": ".aac",
        "audio/amr": ".amr",
        "audio/mpeg": ".mp3",
        "audio/mp4": ".m4a",
        OGG_OPUS: ".ogg",
    },
    "sticker": {"image/webp": ".webp"},
}

_DOCUMENTS = {
    "text/plain": ".txt",
    "application/pdf": ".pdf",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    f"{_OPEN_XML}wordprocessingml.document": ".docx",
    f"{_OPEN_XML}spreadsheetml.sheet": ".xlsx",
    f"{_OPEN_XML}presentationml.presentation": ".pptx",
    f"{_OPEN_XML}wordprocessingml.template": ".dotx",
    f"{_OPEN_XML}spreadsheetml.template": ".xltx",
    f"{_OPEN_XML}presentationml.template": ".potx",
    f"{_OPEN_XML}presentationml.slideshow": ".ppsx",
    f"application/vnd.ms-word.document{_MACRO_SUFFIX}": ".docm",
    f"application/vnd.ms-word.template{_MACRO_SUFFIX}": ".dotm",
    f"application/vnd.ms-excel.sheet{_MACRO_SUFFIX}": ".xlsm",
    f"application/vnd.ms-excel.template{_MACRO_SUFFIX}": ".xltm",
    f"application/vnd.ms-excel.sheet.binary{_MACRO_SUFFIX}": ".xlsb",
    f"application/vnd.ms-excel.addin{_MACRO_SUFFIX}": ".xlam",
    f"application/vnd.ms-powerpoint.presentation{_MACRO_SUFFIX}": ".pptm",
    f"application/vnd.ms-powerpoint.template{_MACRO_SUFFIX}": ".potm",
    f"application/vnd.ms-powerpoint.slideshow{_MACRO_SUFFIX}": ".ppsm",
    f"application/vnd.ms-powerpoint.addin{_MACRO_SUFFIX}": ".ppam",
    "application/vnd.visio": ".vsd",
    "application/vnd.ms-visio.drawing": ".vsdx",
    f"{_OPEN_DOCUMENT}text": ".odt",
    f"{_OPEN_DOCUMENT}text-template": ".ott",
    f"{_OPEN_DOCUMENT}spreadsheet-template": ".ots",
    f"{_OPEN_DOCUMENT}presentation-template": ".otp",
    f"{_OPEN_DOCUMENT}formula": ".odf",
    f"{_OPEN_DOCUMENT}spreadsheet": ".ods",
    f"{_OPEN_DOCUMENT}presentation": ".odp",
    f"{_OPEN_DOCUMENT}graphics": ".odg",
    "application/epub+zip": ".epub",
    "application/rtf": ".rtf",
    "application/vnd.ms-outlook": ".msg",
    "application/json": ".json",
    "text/csv": ".csv",
    "text/calendar": ".ics",
    "text/vcard": ".vcf",
    "application/x-ole-storage": ".bin",
    "application/encrypted": ".bin",
    OCTETS: ".bin",
}

_OTHERS = {
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/x-ms-bmp": ".bmp",
    "image/tiff": ".tif",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "image/avif": ".avif",
    "image/x-canon-cr3": ".cr3",
    "image/vnd.microsoft.icon": ".ico",
    "image/vnd.adobe.photoshop": ".psd",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/x-msvideo": ".avi",
    "video/x-ms-asf": ".wmv",
    "video/x-flv": ".flv",
    "video/mpeg": ".mpg",
    "video/mp2t": ".ts",
    "video/ogg": ".ogv",
    "video/3gpp2": ".3g2",
    "audio/3gpp": ".3gp",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/midi": ".mid",
    "audio/x-aiff": ".aiff",
    "audio/amr-wb": ".awb",
    "application/zip": ".zip",
    "application/gzip": ".gz",
    "application/x-tar": ".tar",
    "application/x-bzip2": ".bz2",
    "application/x-xz": ".xz",
    "application/zstd": ".zst",
    "application/x-7z-compressed": ".7z",
    "application/x-rar": ".rar",
    "image/vnd.dwg": ".dwg",
}

# A library does nothing by itself: it keeps its name.
LIBRARY_EXTENSION = ".dll"

# What somebody's machine would run: programs, scripts and markup of all kinds, and what unpacks into them.
RUNNABLE = frozenset(mime for family in families.DANGEROUS for mime in families.FAMILIES[family].split()) | {
    "application/java-archive",
    "application/vnd.android.package-archive",
    "application/x-msi",
    "application/vnd.ms-msi",
    "message/rfc822",
}


def _known() -> dict[str, FileType]:
    media = {
        mime: FileType(mime, category, extension, served=mime)
        for category, types in _MEDIA.items()
        for mime, extension in types.items()
    }
    harmless = {
        mime: FileType(mime, "document", extension, served=mime) for mime, extension in (_DOCUMENTS | _OTHERS).items()
    }
    runnable = {mime: FileType(mime, "document", ".bin", served=OCTETS) for mime in RUNNABLE}
    return media | harmless | runnable


KNOWN = _known()


def of(mime: str) -> FileType:
    """What is known of the type; an unknown one is a document of octets."""
    return KNOWN.get(mime, KNOWN[OCTETS])

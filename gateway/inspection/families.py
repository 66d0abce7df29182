"""Which types are spellings or kin of one another, and which are dangerous: how opinions about a file are compared.

Rule 1. Two opinions agree when their types are of one family: libmagic confuses the members of a family, the reader
        does not. Of two families they contradict each other.
Rule 2. Not to know a type is no contradiction, except to text: everything looks like text that has nothing else.
"""

from __future__ import annotations

UNKNOWN = "application/octet-stream"
TEXT, PROGRAM, MARKUP, SCRIPT = "text", "program", "markup", "script"
DANGEROUS = frozenset({PROGRAM, MARKUP, SCRIPT})

# Family, and the types in it, in our spelling and in libmagic's (5.41 to 5.48).
FAMILIES = {
    "jpeg": "image/jpeg",
    "png": "image/png image/apng image/vnd.mozilla.apng",
    "gif": "image/gif",
    "webp": "image/webp",
    "film": (
        "video/mp4 video/x-m4v video/mp4v-es video/3gpp video/3gpp2 video/quicktime video/mj2 video/vnd.dvb.file"
        " audio/mp4 audio/x-m4a audio/3gpp image/heic image/heif image/heic-sequence image/heif-sequence image/avif"
        " image/x-canon-cr3 application/mp4 application/x-quicktime-player"
    ),
    "ogg": "audio/ogg audio/ogg;codecs=opus audio/opus audio/x-vorbis+ogg video/ogg application/ogg",
    "mpeg": "audio/mpeg audio/mp3 audio/mpegapplication/octet-stream",
    "adts": "audio/aac audio/x-hx-aac-adts audio/x-aac audio/x-hx-aac-adif",
    "amr": "audio/amr audio/amr-wb audio/x-amr",
    "wave": "audio/wav audio/x-wav audio/wave audio/vnd.wave",
    "pdf": "application/pdf",
    "zip": (
        "application/zip application/x-zip application/x-zip-compressed application/epub+zip"
        " application/java-archive application/x-java-jmod application/vnd.android.package-archive"
        " application/vnd.comicbook+zip application/vnd.google-earth.kmz"
    ),
    "ole": (
        "application/x-ole-storage application/CDFV2 application/x-cdf application/encrypted application/msword"
        " application/vnd.ms-excel application/vnd.ms-powerpoint application/vnd.ms-office application/vnd.ms-outlook"
        " application/x-msi application/vnd.ms-msi application/vnd.visio application/vnd.ms-project"
        " application/vnd.ms-publisher application/vnd.ms-works application/vnd-ms-works application/x-hwp"
        " application/x-ms-msg application/x-ms-thumbnail application/x-wps"
    ),
    "rich": "application/rtf text/rtf",
    TEXT: (
        "application/json application/x-ndjson application/x-subrip application/x-wine-extension-ini message/rfc822"
        " message/news message/x-gnu-rmail application/pgp-keys application/pgp-signature application/x-tex"
    ),
    MARKUP: (
        "text/html text/xml application/xml application/xhtml+xml image/svg+xml application/hta application/rdf+xml"
        " application/xml-sitemap multipart/related"
    ),
    SCRIPT: (
        "text/x-script text/x-script.python text/x-python text/x-php text/x-shellscript text/x-perl text/x-ruby"
        " text/x-lua text/x-tcl text/x-awk text/x-gawk text/x-nawk text/x-execline text/x-msdos-batch"
        " text/x-ms-regedit text/x-ms-scf text/x-wine-extension-reg text/javascript application/javascript"
        " application/x-setupscript application/x-mswinurl application/x-desktop application/x-wine-extension-msp"
        " application/x-kdelnk"
    ),
    PROGRAM: (
        "application/vnd.microsoft.portable-executable application/x-dosexec application/x-dosdriver"
        " application/x-ms-ne-executable application/x-lx-executable application/x-ms-w3-executable"
        " application/x-ms-w4-executable application/x-executable application/x-pie-executable application/x-sharedlib"
        " application/x-object application/x-coff application/x-mach-binary application/x-java-applet application/x-dex"
        " application/x-ms-shortcut application/vnd.ms-htmlhelp application/vnd.ms-cab-compressed application/wasm"
        " application/x-installshield application/x-lua-bytecode application/x-bytecode.python application/x-innosetup"
        " application/x-iso9660-image application/x-compressed-iso application/x-apple-diskimage application/winhelp"
        " application/x-virtualbox-vhd application/x-shockwave-flash application/vnd.debian.binary-package"
        " application/x-rpm application/x-chrome-extension application/x-raw-disk-image application/x-coredump"
    ),
}
# Members by the beginning of the name.
KIN = {
    "application/vnd.openxmlformats-officedocument.": "zip",
    "application/vnd.oasis.opendocument.": "zip",
    "application/vnd.sun.xml.": "zip",
    "application/vnd.ms-word.": "zip",
    "application/vnd.ms-excel.": "zip",
    "application/vnd.ms-powerpoint.": "zip",
    "application/vnd.ms-visio.drawing": "zip",
    "text/": TEXT,
}
# What libmagic alone tells is said in our spelling; of the rest its own will do.
SPELLING = {
    "application/x-empty": UNKNOWN,
    "text/rtf": "application/rtf",
    "application/xml": "text/xml",
    "application/x-cdf": "application/x-ole-storage",
    "application/x-zip": "application/zip",
    "application/CDFV2": "application/x-ole-storage",
    "text/javascript": "text/x-script",
    "application/javascript": "text/x-script",
}

_BY_TYPE = {mime: family for family, mimes in FAMILIES.items() for mime in mimes.split()}


def of(mime: str) -> str | None:
    """The family of a type; None of one that no reader knows."""
    mime = mime.replace(" ", "")
    kin = (family for start, family in KIN.items() if mime.startswith(start))
    return _BY_TYPE.get(mime) or next(kin, None)


def spelt(mime: str) -> str:
    """The type as we call it; all scripts are one."""
    return "text/x-script" if of(mime) == SCRIPT and mime.startswith("text/") else SPELLING.get(mime, mime)


def dangerous(mime: str) -> bool:
    return of(mime) in DANGEROUS


def contradict(read: str, opinion: str) -> bool:
    """Whether libmagic's opinion speaks against the type that a reader has told."""
    if opinion == UNKNOWN:
        return of(read) == TEXT
    return of(read) != of(opinion)

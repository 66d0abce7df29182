"""A hardened gateway between Sinch's Conversation API and an XCALLY Motion server."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

__version__ = "0.1.0"
PROGRAM = f"motion-gateway/{__version__}"  # what it calls itself where it calls others

_HERE = Path(__file__).parent
_MADE_OF = re.compile(r"([0-9a-f]{12})[0-9a-f]*(-changed)?")
_INSTALLED = re.compile(rf"{re.escape(__version__)}-([0-9a-f]{{12}})")


@functools.cache
def build() -> str:
    """Tell builds with one version apart; asked for once by a process, for it may ask git or read all files.

    By the commit that it is made of, and whether files were changed since: an archive of git's has it written into
    `gateway/commit`, and so has what `make install` makes of a checkout. Elsewhere by the name of the release's folder,
    or by a digest of the program's files.
    """
    if made_of := _MADE_OF.fullmatch((_HERE / "commit").read_text("ascii").strip()):
        return "".join(made_of.groups(""))
    if installed := _INSTALLED.fullmatch(Path(sys.prefix).resolve().name):
        return installed[1]
    return _commit() or _digest()


def release() -> dict[str, str]:
    """Say which release this is, for the log and the office."""
    return {"version": __version__, "build": build()}


def _commit() -> str:
    """That of the checkout which the package stands in; "" where it stands in none, or git cannot tell."""
    import subprocess

    if not (_HERE.parent / ".git").exists():
        return ""
    told = ("git", "-C", str(_HERE.parent), "describe", "--always", "--dirty=-changed", "--abbrev=12", "--exclude=*")
    try:
        done = subprocess.run(told, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _digest() -> str:
    import hashlib

    templates = _HERE.parent / "nginx"  # of a checkout; else within the package
    found = (path for folder in (_HERE, templates) for path in folder.rglob("*") if "__pycache__" not in path.parts)
    digest = hashlib.sha256()
    for path in sorted(path for path in found if path.is_file()):
        digest.update(f"{path.relative_to(_HERE.parent)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]

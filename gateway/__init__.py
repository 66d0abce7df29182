"""A hardened gateway between Sinch's Conversation API and an XCALLY Motion server."""

from __future__ import annotations

import re
import sys
from pathlib import Path

__version__ = "0.1.0"
PROGRAM = f"motion-gateway/{__version__}"  # what it calls itself where it calls others

_HERE = Path(__file__).parent
_INSTALLED = re.compile(rf"{re.escape(__version__)}-([0-9a-f]{{12}})")


def build() -> str:
    """Tell builds with one version apart.

    By what `make install` has put into the name of the release's folder; in a checkout by the commit, and whether files
    were changed since; elsewhere, from a wheel say, by a digest of the program's files.
    """
    if installed := _INSTALLED.fullmatch(Path(sys.prefix).resolve().name):
        return installed[1]
    return _commit() or _digest()


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

"""Judges who may read the key, and who could put other files in the place of the pair."""

from __future__ import annotations

import stat
from pathlib import Path

from gateway.certs import findings
from gateway.certs.findings import Finding
from gateway.certs.subject import Subject

_BY_ALL = stat.S_IRWXO
_BY_GROUP = stat.S_IRWXG


def of_key(asked: Subject) -> Finding:
    """Whether the key is its owner's alone."""
    path = asked.place.private_key
    mode = _mode(path)
    if mode & _BY_ALL:
        return findings.found("certs.key_readable_by_all", f"every account of this machine may use {_told(path)}")
    if mode & _BY_GROUP:
        return findings.found("certs.key_readable_by_group", f"the group of the file may use {_told(path)}")
    return findings.fine(f"only its owner may use {_told(path)}")


def of_places(asked: Subject) -> Finding:
    """Whether somebody else could exchange certificate or key: by their folders, or by writing into them."""
    places = _places(asked)
    for path in places:
        if _mode(path) & stat.S_IWOTH:
            return findings.found("certs.replaceable_by_all", f"every account of this machine may write {_told(path)}")
    for path in places:
        if _mode(path) & stat.S_IWGRP:
            return findings.found("certs.replaceable_by_group", f"the group of it may write {_told(path)}")
    return findings.fine("only their owners may exchange the files")


def _places(asked: Subject) -> list[Path]:
    """The files and their folders, on both ends of links: certbot's own lead from `live` to `archive`."""
    found = []
    for path in (asked.place.certificate, asked.place.private_key):
        found += [path.parent, path.resolve().parent, path.resolve()]
    return list(dict.fromkeys(found))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _told(path: Path) -> str:
    return f"{path} (mode {_mode(path):o})"

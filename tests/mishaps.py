"""What happens to the file of a spool while it is in use: by hand, by a backup program, by a mount."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ASIDE = "aside"


@dataclass(frozen=True)
class Mishap:
    """What is done to the spool at a path, what is said of it, and whether anything may be lost by it."""

    do: Callable[[Path], None]
    said: str
    harms: bool = False  # bytes are destroyed: what was accepted before may be gone


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def index_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-shm")


def copied(path: Path, to: Path) -> None:
    """What `spool backup` makes."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as made:
        source.backup(made)
        made.execute("PRAGMA journal_mode=DELETE")


def _aside(path: Path) -> Path:
    folder = path.with_name(ASIDE)
    folder.mkdir(exist_ok=True)
    return folder / path.name


def move(path: Path) -> None:
    path.rename(_aside(path))


def move_with_log(path: Path) -> None:
    for file in (path, log_of(path), index_of(path)):
        file.rename(_aside(path).with_name(file.name))


def _replace(path: Path) -> None:
    copied(path, path.with_name("copy"))
    move(path)
    path.with_name("copy").rename(path)


def _rename_over(path: Path) -> None:
    copied(path, path.with_name("copy"))
    os.link(path, _aside(path))
    path.with_name("copy").rename(path)


def _write_over(path: Path) -> None:
    copied(path, path.with_name("copy"))
    shutil.copyfile(path.with_name("copy"), path)


def _move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name(ASIDE))
    path.parent.mkdir()


def _replace_log(path: Path) -> None:
    content = log_of(path).read_bytes()
    log_of(path).unlink()
    log_of(path).write_bytes(content)


MISHAPS = {
    "moved": Mishap(move, "spool file is gone"),
    "moved with its log": Mishap(move_with_log, "spool file is gone"),
    "its folder moved": Mishap(_move_folder, "spool file is gone"),
    "deleted": Mishap(Path.unlink, "spool file is gone", harms=True),
    "replaced by a copy": Mishap(_replace, "spool file was replaced"),
    "a copy renamed over it": Mishap(_rename_over, "spool file was replaced"),
    "a copy written over it": Mishap(_write_over, "spool file was written over", harms=True),
    "emptied": Mishap(lambda path: os.truncate(path, 0), "spool file was written over", harms=True),
    "its log deleted": Mishap(lambda path: log_of(path).unlink(), "spool log is gone or replaced"),
    "its log replaced": Mishap(_replace_log, "spool log is gone or replaced"),
    "its index deleted": Mishap(lambda path: index_of(path).unlink(), "spool log is gone or replaced"),
    "its log emptied": Mishap(lambda path: os.truncate(log_of(path), 0), "spool log was emptied or cut", harms=True),
    "its log cut": Mishap(
        lambda path: os.truncate(log_of(path), log_of(path).stat().st_size // 2),
        "spool log was emptied or cut",
        harms=True,
    ),
}

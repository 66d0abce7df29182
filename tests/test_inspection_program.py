"""Programs: each family by its beginning, with what only looks like it beside it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content, program
from gateway.inspection.program import DOS, IMAGE, JAVA_CLASS, MACH, PORTABLE, SCRIPT, STARTS
from gateway.inspection.structure import Structure, Trait
from tests.container_samples import portable, segmented
from tests.together import together


def read(data: bytes) -> Structure | None:
    return program.read(content.of_bytes(data))


@pytest.mark.parametrize("wide", [True, False], ids=["64 bits", "32 bits"])
@pytest.mark.parametrize(("library", "traits"), [(False, frozenset()), (True, frozenset({Trait.LIBRARY}))])
def test_a_portable_executable_is_a_library_by_its_flag(
    wide: bool,  # noqa: FBT001
    library: bool,  # noqa: FBT001
    traits: frozenset[Trait],
) -> None:
    assert read(portable(wide=wide, library=library)) == Structure(mime=PORTABLE, traits=traits)


def header_at(place: int) -> bytes:
    """A program whose header stands at `place`, and the file ends with it."""
    return (b"MZ".ljust(60, b"\0") + struct.pack("<L", place)).ljust(place, b"\0") + b"PE\0\0" + bytes(20)


DOSES = {
    "only its magic": (b"MZ\0", DOS),
    "the older magic": (b"ZM" + bytes(80), DOS),
    "for Windows 3": (segmented(), DOS),
    "a header right behind": (header_at(64), PORTABLE),
    "a header far behind": (header_at(3_000_000), PORTABLE),
    "a header within the old one": (b"MZ\0\0PE\0\0".ljust(60, b"\0") + b"\4\0\0\0", PORTABLE),
    "a header beyond the end": (header_at(3000)[:2000], DOS),
    "words": (b"MZ is how it begins.", None),
}


@pytest.mark.parametrize(("data", "mime"), DOSES.values(), ids=DOSES)
def test_what_begins_with_mz_is_for_windows_by_its_header_and_else_for_dos(data: bytes, mime: str | None) -> None:
    found = read(data)
    assert (found.mime if found else None) == mime


@together(("start", "mime"), STARTS.items(), ids=repr)
def test_a_program_is_told_by_how_it_begins(start: bytes, mime: str) -> None:
    assert read(start + bytes(100)) == Structure(mime=mime)
    assert read(start[:-1]) is None
    assert read(b"x" + start) is None


@pytest.mark.parametrize("path", ["/bin/true", "/bin/sh"])
def test_programs_of_this_machine_are_programs(path: str) -> None:
    assert read(Path(path).read_bytes()) == Structure(mime="application/x-executable")


@pytest.mark.parametrize(("number", "mime"), [(1, MACH), (44, MACH), (45, JAVA_CLASS), (0x10034, JAVA_CLASS)])
def test_a_java_class_and_a_fat_mach_o_begin_alike(number: int, mime: str) -> None:
    assert read(b"\xca\xfe\xba\xbe" + number.to_bytes(4, "big")) == Structure(mime=mime)


@together("place", [0x8001, 0x8801, 0x9001])
@together("word", [b"CD001", b"BEA01", b"NSR02", b"NSR03"])
def test_a_disk_image_is_told_by_its_volume(place: int, word: bytes) -> None:
    assert read(bytes(place) + word) == Structure(mime=IMAGE)
    assert read(bytes(place + 1) + word) is None


SCRIPTS = {
    "shell": "#!/bin/sh",
    "a blank between": "#! /usr/bin/env python3",
    "php": "<?php echo 1;",
    "php in capitals": "<?PHP",
    "php that echoes": "<?= 1 ?>",
    "asp": "<% x %>",
    "batch": "@echo off",
    "batch in capitals": "@ECHO OFF",
    "batch with its locals": "setlocal enableextensions",
    "registry": "REGEDIT4",
    "registry of today": "Windows Registry Editor Version 5.00",
}


@together("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@together("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_is_told_by_its_first_words(script: str, encoding: str) -> None:
    assert read(("\n " + script).encode(encoding)) == Structure(mime=SCRIPT)


TEXTS = [
    "",
    "#hashtag",
    "#!",
    "<?xml version='1.0'?>",
    "@echo",
    "@echoes offer",
    "echo off",
    "setlocally",
    "[Internet]",
]


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_other_texts_are_none(text: str) -> None:
    assert read(text.encode()) is None


@pytest.mark.parametrize(
    ("text", "mime"), [("[InternetShortcut]\r\nURL=x", program.SHORTCUT), ("[Desktop Entry]\n", program.DESKTOP)]
)
def test_shortcuts_are_told(text: str, mime: str) -> None:
    assert read(text.encode()) == Structure(mime=mime)


@given(st.binary(max_size=200), st.integers(0, 2**32 - 1))
def test_any_bytes_are_read(data: bytes, place: int) -> None:
    read(data)
    read(b"MZ" + bytes(58) + struct.pack("<L", place) + data)

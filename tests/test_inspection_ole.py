"""The inside of compound files, against olefile as a witness; chains that loop, trees that are none, any bytes."""

from __future__ import annotations

import io

import olefile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content
from gateway.inspection.content import TooCostly
from gateway.inspection.ole import MAGIC, STREAM, Sectors
from tests.container_samples import Node, compound, short
from tests.document_samples import noise, old_sheet, old_slides, old_word, storage

FILES = {
    "a sheet of xlwt": old_sheet(rows=3000),
    "a text": old_word(),
    "a text, directory first": old_word(first=True),
    "slides in large sectors": old_slides(shift=12),
    "storages in storages": compound([storage("a", storage("b", storage("c", Node("d", noise(5000)))), Node("e"))]),
    "9 MB, whose table needs a list": compound([Node("Workbook", noise(9_000_000)), *[Node(f"{n}") for n in range(9)]]),
    "short streams": short(
        [Node("a", b"one"), storage("b", Node("c", noise(700))), Node("d", noise(64)), Node("e", b"")]
    ),
    "300 streams": compound([Node(f"stream {number}", noise(4096)) for number in range(300)]),
}


def opened(data: bytes) -> Sectors:
    return Sectors(content.of_bytes(data))


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_names_and_streams_are_those_that_olefile_sees(data: bytes) -> None:
    ours = opened(data)
    with olefile.OleFileIO(io.BytesIO(data)) as theirs:
        assert {entry.name for entry in ours.top()} == {path[0] for path in theirs.listdir(storages=True)}
        for entry in ours.top():
            if entry.kind == STREAM:
                whole = theirs.openstream(entry.name).read()
                assert ours.beginning(entry, most_bytes=9000) == whole[:9000]


def test_a_tree_of_siblings_that_loops_is_walked_once() -> None:
    data = bytearray(compound([Node("a"), Node("b")]))
    at = data.index("a\0".encode("utf-16-le"))
    data[at + 68 : at + 80] = b"\1\0\0\0" * 3
    assert [entry.name for entry in opened(bytes(data)).top()] == ["a"]


def test_a_directory_that_loops_ends() -> None:
    data = bytearray(old_word())
    start = int.from_bytes(data[48:52], "little")
    data[512 + 4 * start : 516 + 4 * start] = start.to_bytes(4, "little")
    assert len(opened(bytes(data)).entries) == 4


@pytest.mark.parametrize(("entries", "fits"), [(8192, True), (8196, False)])
def test_a_directory_has_its_most_entries(entries: int, fits: bool) -> None:  # noqa: FBT001
    data = compound([Node("x", b"")] * 10, directory_first=True)
    start = int.from_bytes(data[48:52], "little")
    sectors = entries // 4
    tables = (sectors + 127) // 128 + 1
    table = b"".join(
        ((n + 1) if n < sectors + tables - 1 else 0xFFFFFFFE).to_bytes(4, "little") for n in range(tables * 128)
    )
    header = data[:44] + tables.to_bytes(4, "little") + tables.to_bytes(4, "little") + data[52:76]
    header += b"".join(n.to_bytes(4, "little") for n in range(tables)) + b"\xff" * 4 * (109 - tables)
    entry = data[512 * (start + 1) : 512 * (start + 1) + 128]
    file = header + table + entry * entries
    if fits:
        assert len(opened(file).entries) == entries
        return
    with pytest.raises(TooCostly):
        opened(file)


@pytest.mark.parametrize("shift", [0, 8, 10, 13, 0xFFFF])
def test_sectors_of_another_size_hold_nothing(shift: int) -> None:
    data = old_word()
    assert opened(data[:30] + shift.to_bytes(2, "little") + data[32:]).entries == ()


WORD = old_word()


@given(st.binary(max_size=3000))
def test_any_bytes_behind_the_magic_are_opened(data: bytes) -> None:
    for entry in opened(MAGIC + data).entries:
        opened(MAGIC + data).beginning(entry, most_bytes=10**6)


@given(st.integers(24, 511), st.binary(min_size=1, max_size=4))
def test_any_changed_header_is_opened(at: int, value: bytes) -> None:
    found = opened(WORD[:at] + value + WORD[at + len(value) :])
    for entry in found.top():
        found.beginning(entry, most_bytes=10**6)


def test_a_stream_is_read_anywhere() -> None:
    data = noise(70_000)
    file = opened(compound([Node("a", data), Node("b", noise(5000))]))
    stream = file.opened(next(entry for entry in file.top() if entry.name == "a"))
    for offset, length in ((0, 10), (511, 2), (69_990, 100), (40_000, 4), (12, 0), (70_000, 5), (5, 60_000)):
        assert stream.at(offset, length) == data[offset : offset + length]


def test_a_mini_stream_that_loops_ends() -> None:
    data = bytearray(short([Node("a", noise(640))]))
    table = 512 * (int.from_bytes(data[60:64], "little") + 1)
    data[table + 8 : table + 12] = bytes(4)
    file = opened(bytes(data))
    [entry] = file.top()
    assert len(file.beginning(entry, most_bytes=10**6)) == 3 * 64

"""Central directories: written by zipfile or by hand, whole, wide, shifted, lying; and any bytes."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content, zip_directory
from gateway.inspection.content import BUDGET_BYTES, TooCostly
from gateway.inspection.zip_directory import Directory
from tests.container_samples import Packing, pack
from tests.document_samples import noise

MEMBERS = [("a.txt", b"first"), ("b/c.txt", b"second " * 1000)]


def walk(data: bytes) -> Directory | None:
    return zip_directory.walk(content.of_bytes(data))


def unpacked(data: bytes, name: str, *, most_bytes: int = 2**20) -> bytes | None:
    found = walk(data)
    member = found and found.named(name)
    assert member
    return zip_directory.unpack(content.of_bytes(data), member, most_bytes=most_bytes)


PACKINGS = {
    "plain": Packing(),
    "stored": Packing(stored=True),
    "zip64": Packing(zip64=True),
    "streamed": Packing(streamed=True),
    "with a comment": Packing(comment=b"x" * 0xFFFF),
}


@pytest.mark.parametrize("prefix", [b"", b"MZ" * 50], ids=["alone", "behind something"])
@pytest.mark.parametrize("how", PACKINGS.values(), ids=PACKINGS)
def test_members_are_told_and_unpacked_as_zipfile_does_it(how: Packing, prefix: bytes) -> None:
    data = prefix + pack(MEMBERS, how)
    found = walk(data)
    with zipfile.ZipFile(io.BytesIO(data)) as theirs:
        assert found
        assert [member.name for member in found.members] == theirs.namelist()
        assert [member.size_bytes for member in found.members] == [each.file_size for each in theirs.infolist()]
        assert [unpacked(data, name) for name in theirs.namelist()] == [theirs.read(n) for n in theirs.namelist()]
    assert (found.prefix_bytes, found.trailing_bytes) == (len(prefix), 0)


def test_what_stands_behind_the_end_is_counted() -> None:
    found = walk(pack(MEMBERS) + b"x" * 7)
    assert found
    assert found.trailing_bytes == 7


@pytest.mark.parametrize("most", [1, 10, 6999, 7000])
def test_nothing_is_unpacked_beyond_the_bound(most: int) -> None:
    assert unpacked(pack(MEMBERS), "b/c.txt", most_bytes=most) == MEMBERS[1][1][:most]


def test_a_declared_size_unpacks_no_more() -> None:
    assert len(unpacked(pack([("a", bytes(10**7))], Packing(declared=5)), "a", most_bytes=1000) or b"") == 1000


def test_of_a_large_member_only_the_beginning_is_read() -> None:
    assert unpacked(pack([("a", bytes(2 * BUDGET_BYTES))], Packing(stored=True)), "a", most_bytes=9) == bytes(9)


def test_names_that_differ_by_case_are_the_same_and_the_first_is_taken() -> None:
    found = walk(pack([("A", b"1"), ("a", b"2")]))
    assert found
    assert (found.named("a") or found.first) is found.members[0]


def test_slashes_of_both_kinds_part_a_name() -> None:
    found = walk(pack([("/a\\b", b"1")]))
    assert found
    assert [member.name for member in found.members] == ["a/b"]


WHOLE = pack(MEMBERS)
END = WHOLE.index(b"PK\5\6")
UNREADABLE = {
    "nothing": b"",
    "cut in its end": WHOLE[:-1],
    "without its end": WHOLE[:END],
    "one member fewer than it says": WHOLE[: END + 10] + b"\3\0" + WHOLE[END + 12 :],
    "a directory before the file": WHOLE[: END + 16] + b"\xfe\xff\xff\x7f" + WHOLE[END + 20 :],
    "a directory larger than the file": WHOLE[: END + 12] + b"\xfe\xff\0\0" + WHOLE[END + 16 :],
    "on a second disk": WHOLE[: END + 4] + b"\1\0" + WHOLE[END + 6 :],
    "a comment longer than the file": WHOLE[:-2] + b"\1\0",
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_walked_is_none(data: bytes) -> None:
    assert walk(data) is None


def test_a_local_header_of_another_member_unpacks_nothing() -> None:
    data = WHOLE.replace(b"a.txt", b"z.txt", 1)
    assert unpacked(data, "a.txt") is None


def test_spoilt_data_unpack_nothing() -> None:
    data = bytearray(pack([("a", noise(500) + bytes(500))]))
    data[31:60] = b"\xff" * 29
    assert unpacked(bytes(data), "a") is None


@pytest.mark.parametrize(("members", "fits"), [(16_384, True), (16_385, False)])
def test_a_directory_has_its_most_members(members: int, fits: bool) -> None:  # noqa: FBT001
    data = pack([("a", b"")] * members)
    if fits:
        assert len((walk(data) or Directory(members=(), prefix_bytes=0, trailing_bytes=0)).members) == members
        return
    with pytest.raises(TooCostly):
        walk(data)


@given(st.binary(max_size=300), st.binary(max_size=100))
def test_any_bytes_around_an_end_are_walked_or_not(before: bytes, after: bytes) -> None:
    for data in (before + b"PK\5\6" + after, before + WHOLE[END - 40 :] + after):
        with suppress(content.TooCostly):
            walk(data)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_any_changed_byte_is_walked_or_not(at: int, value: int) -> None:
    data = WHOLE[:at] + bytes([value]) + WHOLE[at + 1 :]
    with suppress(content.TooCostly):  # it may say that it has thousands of members
        found = walk(data)
        for member in found.members if found else ():
            zip_directory.unpack(content.of_bytes(data), member, most_bytes=100)

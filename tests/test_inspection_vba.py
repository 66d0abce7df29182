"""VBA projects: with code, without any, and those that nobody can read."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import vba as reader
from tests.container_samples import Node, compound, short
from tests.document_samples import storage
from tests.together import together

ATTRIBUTES = b'Attribute VB_Name = "ThisDocument"\r\nAttribute VB_Base = "1Normal.ThisDocument"\r\n'
CODE = ATTRIBUTES + b'Sub AutoOpen()\r\n  Shell "calc"\r\nEnd Sub\r\n'


def packed(text: bytes) -> bytes:
    """As VBA packs it, but that nothing in it is a copy of what came before."""
    found = b"\1"
    for start in range(0, len(text), 2000):
        part = text[start : start + 2000]
        chunk = b"".join(b"\0" + part[at : at + 8] for at in range(0, len(part), 8))
        found += struct.pack("<H", 0xB000 | len(chunk) - 1) + chunk
    return found


def record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HL", kind, len(data)) + data


def directory(*modules: tuple[str, int]) -> bytes:
    found = record(1, bytes(4)) + struct.pack("<HLLH", 9, 4, 1, 2)  # the version tells another length than it has
    for name, offset in modules:
        found += record(0x1A, name.encode()) + record(0x32, name.encode("utf-16-le"))
        found += record(0x31, struct.pack("<L", offset)) + record(0x2B, b"")
    return packed(found + record(0x10, b""))


def project(**texts: bytes) -> list[Node]:
    """A project with these modules, each behind 100 bytes of what it was compiled to."""
    listed = Node("dir", directory(*((name, 100) for name in texts)))
    modules = [Node(name, bytes(100) + packed(text)) for name, text in texts.items()]
    return [storage("VBA", listed, Node("_VBA_PROJECT", b"\xcc\x61"), *modules), Node("PROJECT", b"ID=")]


OPTIONS = ATTRIBUTES + b"Option Explicit\r\n\r\n' nothing here\r\nRem nor here\r\n"
PROJECTS = {
    "attributes alone": (project(ThisDocument=ATTRIBUTES), False),
    "several modules": (project(ThisWorkbook=ATTRIBUTES, Sheet1=ATTRIBUTES, Sheet2=ATTRIBUTES), False),
    "options and comments": (project(Module1=OPTIONS), False),
    "no module": (project(), False),
    "no storage": ([Node("PROJECT", b"ID=")], False),
    "nothing in it": ([storage("VBA")], False),
    "code": (project(ThisDocument=CODE), True),
    "code in the second module": (project(ThisDocument=ATTRIBUTES, Module1=CODE), True),
    "code behind 5 KB of comments": (project(Module1=ATTRIBUTES + b"' x\r\n" * 1000 + CODE), True),
    "a name that begins like an option": (project(Module1=b"Optional_Thing\r\n"), True),
    "a module that is not there": ([storage("VBA", Node("dir", directory(("a", 100))))], True),
    "a directory that nobody can read": ([storage("VBA", Node("dir", b"x"))], True),
    "modules without a directory": ([storage("VBA", Node("Module1", b"x"))], True),
    "a module that nobody can read": (
        [storage("VBA", Node("dir", directory(("a", 0))), Node("a", b"\2" + bytes(9)))],
        True,
    ),
    "more that was compiled than text": (
        [storage("VBA", Node("dir", directory(("a", 3000))), Node("a", bytes(3000) + packed(ATTRIBUTES)))],
        True,
    ),
    "a project deep inside": ([storage("a", storage("b", *project(Module1=CODE)))], True),
}


@together("make", [compound, short], ids=["padded", "short"])
@together(("nodes", "code"), PROJECTS.values(), ids=PROJECTS)
def test_a_project_has_code_if_a_module_says_more_than_attributes(nodes: list[Node], code: bool, make: type) -> None:  # noqa: FBT001
    if make is short and sum(len(node.data) for node in _all(nodes)) > 5000:
        return  # it does not fit into the mini stream of a sample
    assert reader.is_without_code(make(nodes)) is not code


def _all(nodes: list[Node]) -> list[Node]:
    return [each for node in nodes for each in (node, *_all([*node.children]))]


@pytest.mark.parametrize(
    ("data", "empty"), [(b"", True), (bytes(512), True), (b"x", False), (b"\xd0\xcf" * 600, False)]
)
def test_a_file_that_is_no_project_may_have_code_unless_it_is_empty(data: bytes, empty: bool) -> None:  # noqa: FBT001
    assert reader.is_without_code(data) is empty


def test_copies_are_unpacked() -> None:
    """The maximum of [MS-OVBA] 3.2.3: a letter, and a copy of it 72 letters long."""
    assert reader.unpacked(bytes.fromhex("0103b002614500")) == b"a" * 73
    assert reader.unpacked(bytes.fromhex("0103b002614510")) is None  # of what is not there


@given(st.binary(max_size=300))
def test_any_bytes_are_unpacked(data: bytes) -> None:
    reader.unpacked(b"\1" + data)
    reader.is_without_code(data)

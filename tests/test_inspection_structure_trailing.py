"""What stands after the end of a file, or where it broke off."""

from __future__ import annotations

import io
import zipfile

import pytest

from gateway.inspection import content
from gateway.inspection.structure import Trait, traits_of_broken, traits_of_whole
from tests.together import together

TRAILING, ARCHIVE, MARKUP = Trait.TRAILING, Trait.ARCHIVE_WITHIN, Trait.MARKUP_WITHIN
PICTURE = b"\x89" * 100


def archive(comment: int = 0) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.comment = b"c" * comment
    return file.getvalue()


REST: dict[str, tuple[bytes, set[Trait]]] = {
    "nothing": (b"", set()),
    "a line feed": (b"\n", set()),
    "64 bytes": (b"x" * 64, set()),
    "65 bytes": (b"x" * 65, {TRAILING}),
    "markup": (b"<script>", {MARKUP}),
    "an archive": (archive(), {ARCHIVE}),
    "an archive with a comment": (archive(40), {ARCHIVE}),
    "an archive with the longest comment": (archive(65_535), {TRAILING, ARCHIVE}),
    "an archive and a line feed": (archive() + b"\n", {ARCHIVE}),
    "something like an archive": (b"PK\5\7" + bytes(18), set()),
}


@pytest.mark.parametrize(("rest", "traits"), REST.values(), ids=REST)
def test_what_follows_a_whole_file_is_told(rest: bytes, traits: set[Trait]) -> None:
    assert traits_of_whole(content.of_bytes(PICTURE + rest), end=100) == traits


WITHIN: dict[str, tuple[bytes, bool]] = {
    "a page": (b"<html>", True),
    "in capitals": (b"<HTML>", True),
    "a doctype": (b"<!DOCTYPE html>", True),
    "a script with attributes": (b"<script src=x>", True),
    "a tag closed at once": (b"<svg/onload=x>", True),
    "a comment": (b"<!-- x -->", True),
    "a declaration": (b'<?xml version="1.0"?>', True),
    "PHP": (b"<?php x();", True),
    "UTF-16": ("<html>".encode("utf-16"), True),
    "late": (b"x" * 1339 + b"<html>", True),
    "too late": (b"x" * 1340 + b"<html>", False),
    "a longer word": (b"<almost>", False),
    "an arrow": (b"a < b > c", False),
    "noise": (bytes(range(256)) * 4, False),
}


@together(("rest", "is_markup"), WITHIN.values(), ids=WITHIN)
def test_markup_in_a_broken_file_is_seen_as_far_as_a_browser_looks(rest: bytes, is_markup: bool) -> None:  # noqa: FBT001
    found = traits_of_broken(content.of_bytes(PICTURE + rest), Trait.BROKEN)
    assert found == {Trait.BROKEN} | ({MARKUP} if is_markup else set())


def test_markup_within_a_whole_file_is_none_of_our_business() -> None:
    data = PICTURE + b"<script>" + PICTURE
    assert traits_of_whole(content.of_bytes(data), end=len(data)) == set()

"""A window tells the same bytes as the file behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content
from gateway.inspection.content import WINDOW_BYTES, TooCostly, Window

DATA = bytes(number * number >> 3 & 0xFF for number in range(3 * WINDOW_BYTES))
PLACES = st.integers(0, len(DATA) + 10) | st.sampled_from([WINDOW_BYTES - 1, WINDOW_BYTES, 2 * WINDOW_BYTES])


@given(reads=st.lists(st.tuples(PLACES, st.integers(1, 20)), max_size=20))
def test_every_read_is_that_of_the_file(reads: list[tuple[int, int]]) -> None:
    window = Window(content.of_bytes(DATA), most_reads=len(reads))
    assert [window.at(*read) for read in reads] == [DATA[offset : offset + length] for offset, length in reads]


def test_one_read_more_than_allowed_is_too_costly() -> None:
    window = Window(content.of_bytes(DATA), most_reads=2)
    assert window.at(0, 1) + window.at(1, 1) == DATA[:2]
    with pytest.raises(TooCostly):
        window.at(2, 1)

"""Text that others chose: what no terminal, log line or database shall meet is replaced or left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import printable

TEXTS = {
    "nothing": ("", "", ""),
    "letters, digits, signs and blanks": ("Ana 12, ¿sí? 報告 👋", "Ana 12, ¿sí? 報告 👋", "Ana 12, ¿sí? 報告 👋"),
    "line ends": ("a\r\nb", "a��b", "ab"),
    "other line ends": ("a\u2028b\x85c", "a�b�c", "abc"),
    "an escape of terminals": ("\x1b[31mred", "�[31mred", "[31mred"),
    "a zero": ("a\0b", "a�b", "ab"),
    "what turns the direction": ("gpj\u202eexe.", "gpj�exe.", "gpjexe."),
    "a blank that does not break": ("a\xa0b", "a�b", "ab"),
    "what cannot be seen": ("a\u200bb", "a�b", "ab"),
    "a lone surrogate": ("a\ud800b", "a�b", "ab"),
    "the sign of replacement itself": ("a�b", "a�b", "a�b"),
}


@pytest.mark.parametrize(("given_", "replaced", "left"), TEXTS.values(), ids=TEXTS)
def test_what_is_not_printable_is_replaced_or_left_out(given_: str, replaced: str, left: str) -> None:
    assert printable.text(given_) == replaced
    assert printable.text(given_, instead="") == left


def test_what_stands_instead_may_be_chosen() -> None:
    assert printable.text("a\nb", instead="?") == "a?b"


@given(st.text())
def test_any_text_becomes_printable_and_stays_so(text: str) -> None:
    shown = printable.text(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert printable.text(shown) == shown
    assert shown.encode("utf-8").decode("utf-8") == shown

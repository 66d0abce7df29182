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


ROWS = (("12", "01KGH80TR2SXX8JJTG1QAT46E1", "", "PARKED"), ("3", "…220", "said in several words", "PENDING"))
TABLES = {
    50: [
        " id  contact                     state",
        " 12  01KGH80TR2SXX8JJTG1QAT46E1  PARKED",
        " 3   …220                        PENDING",
        "        outcome said in several words",
    ],
    30: [
        " id  outcome",
        " 12",
        "        contact",
        "        01KGH80TR2SXX8JJTG1QAT46E1,",
        "        state PARKED",
        " 3   said in several words",
        "        contact …220, state",
        "        PENDING",
    ],
    10: [
        " id",
        " 12",
        "        contact",
        "        01KGH80TR2SXX8JJTG1QAT46E1,",
        "        state",
        "        PARKED",
        " 3",
        "        contact",
        "        …220,",
        "        outcome",
        "        said",
        "        in",
        "        several",
        "        words,",
        "        state",
        "        PENDING",
    ],
}


@pytest.mark.parametrize(("columns", "lines"), TABLES.items())
def test_what_has_no_room_in_a_table_stands_below_its_row(columns: int, lines: list[str]) -> None:
    assert list(printable.table(("id", "contact", "outcome", "state"), ROWS, columns=columns)) == lines


@given(st.lists(st.lists(st.text("ab…1 ", max_size=30), min_size=3, max_size=3), max_size=5), st.integers(1, 200))
def test_a_table_holds_every_word_that_it_was_given(rows: list[list[str]], columns: int) -> None:
    words = " ".join(printable.table(("a", "b", "c"), rows, columns=columns)).replace(",", "").split()
    assert {word for row in rows for cell in row for word in cell.split()} <= set(words)


def test_facts_stand_behind_their_titles_and_go_on_below_without_cutting_a_word() -> None:
    told = [("code", "OUTSIDE_ALLOWED_SENDING_WINDOW"), ("what to do", "wait until the customer writes"), ("said", "")]
    assert list(printable.facts(told, columns=30)) == [
        "code        OUTSIDE_ALLOWED_SENDING_WINDOW",
        "what to do  wait until the",
        "            customer writes",
        "said",
    ]


SPANS = {
    "nothing": (0.0, "1 second"),
    "less than two seconds": (1.9, "1 second"),
    "two seconds": (2.0, "2 seconds"),
    "nearly a minute": (59.9, "59 seconds"),
    "a minute": (60.0, "1 minute"),
    "nearly an hour": (3599.0, "59 minutes"),
    "an hour and a half": (5400.0, "1 hour"),
    "a day and an hour": (25 * 3600.0, "25 hours"),
    "nearly two days": (47.9 * 3600, "47 hours"),
    "two days": (48 * 3600.0, "2 days"),
    "a clock that went back": (-5.0, "1 second"),
}


@pytest.mark.parametrize(("seconds", "told"), SPANS.values(), ids=SPANS)
def test_a_time_is_said_in_the_largest_unit_that_tells_enough(seconds: float, told: str) -> None:
    assert printable.span(seconds) == told

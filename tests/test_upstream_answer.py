"""What an answer's Retry-After asks for."""

from __future__ import annotations

import os
import string
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream import Answer
from tests.together import together


def told(value: str | None, *, now: float | None) -> float | None:
    return Answer(503, {} if value is None else {"Retry-After": value}, b"").retry_after_seconds(now=now)


SINCE_1994 = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110
RETRY_AFTER: dict[str, tuple[str | None, float | None]] = {
    "none": (None, None),
    "0": ("0", 0),
    "1": ("1", 1),
    "120": ("120", 120),
    "blanks around it": (" 120\t", 120),
    "zeros before it": ("007", 7),
    "9 digits": ("999999999", 999_999_999),
    "10 digits": ("9999999999", None),
    "5,000 digits": ("9" * 5000, None),
    "a date ahead": ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
    "a date this moment": ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
    "a date just past": ("Sun, 06 Nov 1994 08:49:36 GMT", 0),
    "a date long past": ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    "a date far ahead": ("Fri, 31 Dec 9999 23:59:59 GMT", 252_618_189_022),
    "a date of another zone": ("Sun, 06 Nov 1994 09:49:47 +0100", 10),
    "a date of RFC 850": ("Sunday, 06-Nov-94 08:49:47 GMT", 10),
    "a date of asctime": ("Sun Nov  6 08:49:47 1994", 10),
    "a day that is none": ("Sun, 31 Feb 1994 08:49:37 GMT", None),
    "a month that is none": ("Sun, 06 Nou 1994 08:49:47 GMT", None),
    "a zone that is none": ("Sun, 06 Nov 1994 08:49:37 +9999", None),
    "empty": ("", None),
    "negative": ("-5", None),
    "signed": ("+5", None),
    "with a point": ("1.5", None),
    "with an exponent": ("1e400", None),
    "with a line feed": ("120\n", None),
    "two of them": ("120, 120", None),
    "digits of Arabic": ("١٢", None),
    "words": ("soon", None),
    "bytes of Latin-1": ("\xff\x00\xe9", None),
}


@together(("value", "seconds"), RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_retry_after_is_read_in_all_its_forms_and_nonsense_is_none(value: str | None, seconds: float | None) -> None:
    assert told(value, now=SINCE_1994) == seconds


def test_who_does_not_trust_the_other_ones_clock_hears_of_seconds_alone() -> None:
    for value, seconds in RETRY_AFTER.values():
        assert told(value, now=None) == (seconds if value and value.strip().isdecimal() else None)


def test_dates_are_in_utc_wherever_the_machine_stands() -> None:
    asked = f"Answer(503, {{'Retry-After': 'Sun Nov  6 08:49:47 1994'}}, b'').retry_after_seconds(now={SINCE_1994})"
    command = [sys.executable, "-c", f"from gateway.upstream import Answer; print({asked})"]
    environ = {**os.environ, "TZ": "EST5EDT"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "10.0\n"


@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from(["Sun, ", "06 ", "Nov ", "1994 ", "08:49:37 ", "GMT", "+2400", "-9999", "(", '"', "0" * 30])
        | st.text(string.printable, max_size=4),
        max_size=8,
    ).map("".join)
)
def test_any_retry_after_is_a_number_of_seconds(value: str) -> None:
    assert 0 <= (told(value, now=1_000_000.0) or 0) < 1e12

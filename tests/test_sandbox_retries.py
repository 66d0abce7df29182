"""When the simulated Sinch tries again."""

from __future__ import annotations

from sandbox import retries
from sandbox.retries import Retries
from tests.together import together


def test_the_default_waits_double_from_5_to_81920_seconds():
    waits = list(retries.DEFAULT.waits())
    assert (waits[0], waits[1], waits[-1], len(waits)) == (5, 10, 81_920, 15)


def test_a_faster_clock_makes_waits_short():
    assert Retries(speed=100).real_seconds(5) == 0.05


def test_no_retries_are_no_retries():
    assert list(retries.NONE.waits()) == []


@together(
    ("status", "verdict"),
    [
        (200, "accepted"),
        (299, "accepted"),
        (300, "again"),
        (399, "again"),
        (400, "dropped"),
        (428, "dropped"),
        (429, "again"),
        (430, "dropped"),
        (499, "dropped"),
        (500, "again"),
        (503, "again"),
        (None, "again"),
    ],
)
def test_the_answer_decides(status, verdict):
    assert retries.judge(status) == verdict

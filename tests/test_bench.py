"""What the comparison of two revisions makes of what a bench has found."""

from __future__ import annotations

from bench.__main__ import gathered, rows


def test_each_figure_of_a_bench_has_a_name_and_those_of_a_list_have_one() -> None:
    found = {
        "rounds": [{"stub": {"answered": 10}}, {"stub": {"answered": 30}}],
        "wrong": [],
        "about": "x",
        "well": True,
    }
    assert gathered(found) == {"rounds.stub.answered": [10.0, 30.0]}
    kinds = [{"size": "1 MB", "rate": 1, "pid": 7}, {"size": "16 MB", "rate": 2}, {"size": "1 MB", "rate": 3}]
    assert gathered({"rounds": kinds}) == {"rounds[1 MB].rate": [1.0, 3.0], "rounds[16 MB].rate": [2.0]}
    assert gathered({"ratios": [0.1, 0.2]}) == {"ratios": [0.1, 0.2]}


def test_a_ratio_is_the_median_of_those_of_each_turn_and_what_one_lacks_is_left_out() -> None:
    before = [{"a": [1.0, 2.0, 9.0], "old": [1.0], "none": [0.0]}, {"a": [4.0]}, {"a": [10.0]}]
    now = [{"a": [4.0], "new": [1.0], "none": [3.0]}, {"a": [4.0]}, {"a": [5.0]}]
    assert list(rows(before, now)) == [("a", "4", "4", "1.00", "0.50 to 2.00")]

"""Many cases in one test: all that fail are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.together import together


@together(("number", "square"), [(2, 4), pytest.param(3, 9, id="three")])
@together("sign", [1, -1])
def test_each_row_is_tried_with_each_of_another_table(number: int, square: int, sign: int) -> None:
    assert (sign * number) ** 2 == square


def test_all_rows_that_fail_are_told_and_no_other() -> None:
    @together("number", [1, 2, 3, pytest.param(4, id="four")], ids=str)
    def odd(number: int) -> None:
        assert number % 2

    with pytest.raises(BaseExceptionGroup, match="2 of 4 cases") as caught:
        odd()
    assert [error.__notes__ for error in caught.value.exceptions] == [["in the case of 2"], ["in the case of four"]]


def test_a_row_that_ends_in_words_of_pytests_hides_no_other_in_a_table_within_a_table_either() -> None:
    @together("end", [pytest.fail, pytest.skip, int], ids=["fails", "is skipped", "is well"])
    @together("number", [1, 2], ids=str)
    def ending(end: Callable[[str], object], number: int) -> None:
        end(f"{number}")

    with pytest.raises(BaseExceptionGroup, match="2 of 3 cases") as caught:
        ending()
    told = [(each.__notes__, [inner.__notes__ for inner in each.exceptions]) for each in caught.value.exceptions]
    cases = [["in the case of 1"], ["in the case of 2"]]
    assert told == [(["in the case of fails"], cases), (["in the case of is skipped"], cases)]


def test_what_does_not_raise_is_told_too_and_a_fixture_is_handed_on(tmp_path: object) -> None:
    @together("given", ["tmp_path"])
    def raising(given: str, **fixtures: object) -> None:
        assert fixtures[given] is tmp_path
        with pytest.raises(ValueError, match="never"):
            pass

    with pytest.raises(BaseExceptionGroup, match="1 of 1 cases"):
        raising(tmp_path=tmp_path)

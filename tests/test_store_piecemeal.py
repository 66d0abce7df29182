"""A piece has as many rows as others can wait for, and however few that are, all is done in the end."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from gateway.store import Run, piecemeal
from gateway.store.engines import Database
from gateway.store.piecemeal import FEWEST, SECONDS
from tests.spool_samples import migrate
from tests.together import together

MOST = 200


@together(
    ("rows", "took_seconds", "following"),
    [
        (MOST, SECONDS, MOST),
        (MOST, SECONDS * 1.01, MOST // 2),
        (FEWEST + 1, 60.0, FEWEST),
        (FEWEST, 60.0, FEWEST),
        (50, SECONDS / 4, 50),
        (50, SECONDS / 4.1, 100),
        (150, 0.0, MOST),
    ],
)
def test_a_piece_is_halved_where_one_took_long_and_doubled_where_it_took_no_time(
    rows: int, took_seconds: float, following: int
) -> None:
    assert piecemeal.fitting(rows, took_seconds=took_seconds, most=MOST) == following


def test_who_wants_fewer_than_the_fewest_gets_no_more() -> None:
    assert piecemeal.fitting(5, took_seconds=60.0, most=5) == 5


def test_it_goes_on_until_nothing_is_found_and_tells_how_many_each_time(tmp_path: Path) -> None:
    migrate(tmp_path / "spool.sqlite3")
    left = list(range(25))

    def work(_run: Run, rows: int) -> list[int]:
        found, left[:] = left[:rows], left[rows:]
        return found

    with closing(Database(tmp_path / "spool.sqlite3", patience_seconds=5)) as spool:
        assert [*piecemeal.done(spool, work, most=10)] == [10, 10, 5]
    assert not left

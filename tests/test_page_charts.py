"""The pictures of the last day: what is a gap, what is a peak, where counts begin anew, and how axes can be read."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pytest

from gateway.page import charts, figures
from gateway.page.charts import NOTHING, UNSEEN, Chart, Series
from tests.together import together

UTC = ZoneInfo("UTC")
UNTIL = datetime.datetime(2026, 11, 30, 14, 30, tzinfo=UTC).timestamp()
CALLS = Series("good", "callbacks", "callbacks ")


@dataclass(frozen=True)
class Seen:
    """What was seen so many seconds before UNTIL."""

    ago: float
    counts: Mapping[str, float] = field(default_factory=dict)
    oldest_seconds: float | None = None

    @property
    def at(self) -> float:
        return UNTIL - self.ago


def counted(*numbers: float | None, first_ago: float = 600, every: float = 60) -> list[Seen]:
    """A count as it stood minute by minute; None is a minute in which nobody looked."""
    return [
        Seen(first_ago - place * every, {"callbacks accepted": number})
        for place, number in enumerate(numbers)
        if number is not None
    ]


def rates(samples: Sequence[Seen], *, zone: str = "UTC", until: float = UNTIL) -> Chart:
    of = figures.day(samples, until=until, zone=ZoneInfo(zone))
    return charts.rates(of, "traffic", "Callbacks", [CALLS])


ADDED = {
    "nothing yet": ([], []),
    "one look tells nothing": ([5], []),
    "what was there before the first look is of another day": ([100, 100], [0]),
    "each minute": ([0, 3, 3, 10], [3, 0, 7]),
    "a minute that nobody saw stands between two that belong together": ([0, None, 6], [6]),
    "three are a gap, and what came in it has no place": ([0, None, None, 6, 7], [1]),
    "counts that begin anew go on": ([100, 40, 41], [40, 1]),
    "at 0, too": ([100, 0, 2], [0, 2]),
    "one that fell back a little gained nothing": ([100, 99, 101], [0, 2]),
    "and one that fell to its half": ([100, 50], [0]),
}


@pytest.mark.parametrize(("numbers", "added"), ADDED.values(), ids=ADDED)
def test_what_was_added_is_worked_out_from_look_to_look(numbers: list[float | None], added: list[float]) -> None:
    of = figures.day(counted(*numbers), until=UNTIL, zone=UTC)
    assert of.counted("callbacks ") == added


def test_a_clock_that_jumped_is_a_gap_and_nothing_is_drawn_of_the_future() -> None:
    """Ahead by a year for two looks, then right again, as far back as that is."""
    year = 365 * 86400
    samples = [*counted(0, 1), Seen(480 - year, {"callbacks accepted": 2}), Seen(420 - year, {"callbacks accepted": 3})]
    later = counted(4, 6, first_ago=360)
    of = figures.day([*samples, *later], until=UNTIL, zone=UTC)
    assert (of.counted("callbacks "), [UNTIL - at for at in of.at]) == ([1, 2], [540, 300])


def test_a_label_that_is_new_begins_with_nothing_and_other_counts_do_not_count() -> None:
    samples = [
        Seen(120, {"callbacks accepted": 1}),
        Seen(60, {"callbacks accepted": 1, "callbacks repeat": 2, "callbackish x": 9}),
    ]
    assert rates(samples).told == "2 callbacks, at most 2 a minute, at 14:29."


def test_a_peak_of_one_minute_is_kept_where_minutes_are_drawn_together() -> None:
    chart = rates(counted(0, 1, 41, 42, 43, 44, 45, 46, 47, 48, 49))
    assert chart.told == "49 callbacks, at most 40 a minute, at 14:22."
    assert [mark.text for mark in chart.up] == ["0", "20", "40"]
    assert chart.shapes[0].path == "M1430 100V0H1435V97.5H1440V100"  # two steps of five minutes: the first has the peak


def test_what_nobody_saw_is_drawn_as_a_gap_and_said_in_the_table() -> None:
    hour = 3600.0
    chart = rates([*counted(0, 6, first_ago=3 * hour), *counted(9, 9, 9, first_ago=120)])
    assert re.findall(r"M(\d+) 0H(\d+)", chart.gaps) == [("0", "1260"), ("1265", "1435")]
    assert chart.shapes[0].path.count("M") == 2
    *_, eleven, twelve, thirteen, fourteen = chart.table.rows
    assert (eleven, twelve, thirteen, fourteen) == (
        ("11:00", "6"),
        ("12:00", UNSEEN),
        ("13:00", UNSEEN),
        ("14:00", "0"),
    )


def test_before_the_first_figures_there_is_a_sentence_and_one_large_gap() -> None:
    chart = rates([])
    assert chart.told == NOTHING
    assert chart.gaps == "M0 0H1440V100H0z"
    assert {cell for _, cell in chart.table.rows} == {UNSEEN}


def test_bars_stand_upon_each_other_and_never_higher_than_their_axis() -> None:
    series = [Series("good", "2xx", "answers ingress 2"), Series("fault", "5xx", "answers ingress 5")]
    samples = [Seen(120), Seen(60, {"answers ingress 2xx": 30.0, "answers ingress 5xx": 10.0, "answers ops 5xx": 99.0})]
    chart = charts.bars(figures.day(samples, until=UNTIL, zone=UTC), "ingress", "Answers", series)
    assert (chart.told, chart.up[-1].text) == ("30 2xx; 10 5xx.", "40")
    assert [re.findall(r" ([\d.]+)v(-[\d.]+)h", shape.path) for shape in chart.shapes] == [
        [("100", "-75")],
        [("25", "-25")],
    ]
    assert chart.table.rows[-1] == ("14:00", "30", "10")


def test_of_ages_the_longest_is_drawn_and_nobody_who_waits_is_nothing() -> None:
    samples = [Seen(240), Seen(180, {}, 90.0), Seen(120, {}, 150.0), Seen(60)]
    chart = charts.ages(figures.day(samples, until=UNTIL, zone=UTC), "age", "Oldest", Series("warning", "the oldest"))
    assert chart.told == "At most 2 minutes, at 14:28."
    assert [mark.text for mark in chart.up] == ["0", "5 minutes", "10 minutes"]
    assert chart.shapes[0].path == "M1435 100V75H1440V100"


ENDS = [
    (0, 2),
    (1, 2),
    (2, 2),
    (2.1, 4),
    (4.1, 10),
    (10, 10),
    (11, 20),
    (41, 100),
    (99, 100),
    (100, 100),
    (101, 200),
    (250, 400),
    (999, 1000),
]


@together(("value", "end"), ENDS)
def test_an_axis_ends_where_its_middle_can_be_read(value: float, end: float) -> None:
    assert figures.end(value) == end


ENDS_SECONDS = [
    (0, 10),
    (11, 60),
    (61, 120),
    (3600, 3600),
    (3601, 7200),
    (86400, 86400),
    (86401, 172800),
    (500_000, 864_000),
]


@pytest.mark.parametrize(("value", "end"), ENDS_SECONDS)
def test_an_axis_of_durations_ends_at_a_duration_that_people_say(value: float, end: float) -> None:
    assert figures.end_seconds(value) == end


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna", "America/New_York", "Asia/Kolkata"])
def test_hours_and_days_are_those_of_the_zone(zone: str) -> None:
    chart = rates([], zone=zone)
    local = datetime.datetime.fromtimestamp(UNTIL, ZoneInfo(zone))
    for mark in chart.across:
        moment = local - datetime.timedelta(hours=24 * (1 - mark.place / 100))
        near = (moment + datetime.timedelta(seconds=30)).replace(second=0, microsecond=0)
        assert mark.text == (f"{near:%H:%M}" if near.hour else f"{near:%d %b}")
        assert (near.hour % 6, near.minute, mark.day) == (0, 0, near.hour == 0)
    assert len(chart.across) == 4
    assert sum(mark.day for mark in chart.across) == 1
    assert [row[0] for row in chart.table.rows][-1] == f"{local - datetime.timedelta(seconds=1):%H}:00"
    assert [row[0] for row in chart.table.rows if "Nov" in row[0] or "Dec" in row[0]] == [f"{local:%d %b}, 00:00"]


def test_the_day_on_which_the_clock_goes_back_has_one_hour_twice() -> None:
    until = datetime.datetime(2026, 10, 25, 12, 0, tzinfo=ZoneInfo("Europe/Vienna")).timestamp()
    names = [row[0] for row in rates([], zone="Europe/Vienna", until=until).table.rows]
    assert (len(names), names.count("02:00"), names[0], names[-1]) == (24, 2, "13:00", "11:00")


WRITTEN = [
    (0, "0"),
    (0.04, "0"),
    (0.25, "0.2"),
    (6.98, "7"),
    (7.04, "7"),
    (9.5, "9.5"),
    (10.4, "10"),
    (12345.6, "12,346"),
]


@pytest.mark.parametrize(("value", "written"), WRITTEN)
def test_a_number_is_written_as_people_say_it(value: float, written: str) -> None:
    assert figures.number(value) == written

"""The first view: whether all is well, and if not, what is wrong and what to do; doors, accounts, and the last day.

Of a customer nothing is shown here.
"""

from __future__ import annotations

import threading

from flask import render_template
from flask.typing import ResponseReturnValue

from gateway import clock
from gateway.config import Settings
from gateway.diagnosis import checkup, history
from gateway.doors import DOORS
from gateway.errors import SpoolUnavailable
from gateway.page import charts, condition, done, figures
from gateway.page.charts import Chart, Series
from gateway.services import Services

PATIENCE_SECONDS = 10.0  # that a visitor waits for doctor, before he is shown that it looks
LOOK_SECONDS = 0.1
MOST_WAITING = 4  # who waits holds a thread of the door's, and whoever asks whether the gateway lives needs one, too
PLACES = threading.BoundedSemaphore(MOST_WAITING)

# What is drawn of each part.
STATUSES = {
    "2xx": ("fine", "done (2xx)"),
    "3xx": ("note", "unchanged (3xx)"),
    "4xx": ("warning", "refused (4xx)"),
    "5xx": ("fault", "failed (5xx)"),
}
TRIES = (
    Series("fine", "delivered", "deliveries delivered"),
    Series("warning", "to be tried again", "deliveries again"),
    Series("fault", "parked", "deliveries parked"),
)
FETCHED = (
    Series("fine", "kept", "inbound_files kept"),
    Series("warning", "held back", "inbound_files held"),
    Series("note", "to be tried again", "inbound_files again"),
    Series("fault", "not to be had", "inbound_files failed"),
)
TRAFFIC = (Series("area", "callbacks", "callbacks "), Series("line", "deliveries", "deliveries delivered"))
OLDEST = Series("area", "the oldest that waits")
VERDICTS = (
    Series("fine", "native", "verdicts native"),
    Series("note", "as a link", "verdicts link"),
    Series("fault", "refused", "verdicts refused"),
)
SENDS = (
    Series("fine", "accepted", "sends accepted"),
    Series("warning", "refused here", "sends refused"),
    Series("fault", "rejected by Sinch", "sends rejected"),
    Series("note", "not sent", "sends unsent"),
    Series("muted", "of unknown fate", "sends unknown"),
)

# Where one sees more of what is complained of.
SEE = {
    "motion.down": ("/events?state=pending", "What waits"),
    "spool.waiting": ("/events?state=pending", "What waits"),
    "spool.parked": ("/events?state=parked", "What is parked"),
    "motion.kind_refused": ("/events?state=parked", "What is parked"),
    "callbacks.refused": ("/turned-away", "What was turned away"),
    "callbacks.elsewhere": ("/turned-away", "What was turned away"),
    "links.refused": ("/turned-away", "What was turned away"),
    "calls.refused": ("/turned-away", "What was turned away"),
}


def look(services: Services) -> ResponseReturnValue:
    found = condition.examine(services)
    of = _day(services)
    return render_template(
        "overview.html",
        found=found,
        see=SEE,
        charts=_charts(of) if of.at else [],
        of_parts=_of_parts(of),
        nothing_yet=charts.NOTHING,
    )


def look_now(services: Services) -> ResponseReturnValue:
    """Have doctor look, and wait for it as long as people wait for a page."""
    if checkup.want(services.settings):
        is_seen(services.settings)
    return done("/")


def is_seen(settings: Settings) -> bool:
    """Wait until doctor has looked, and tell whether it has; False at once where as many wait as may."""
    if not PLACES.acquire(blocking=False):
        return False
    try:
        ends_at = clock.steady() + PATIENCE_SECONDS
        expected = True
        while expected and clock.steady() < ends_at:
            clock.pause(LOOK_SECONDS)
            expected = checkup.wanted_at(settings) is not None or checkup.is_under_way(settings)
    finally:
        PLACES.release()
    return not expected


def _day(services: Services) -> figures.Day:
    try:
        samples = history.samples(services)
    except SpoolUnavailable:  # which the view complains of
        samples = []
    return figures.day(samples, until=services.clock.now())


def _charts(of: figures.Day) -> list[Chart]:
    return [
        charts.rates(of, "traffic", "Callbacks and deliveries, a minute", TRAFFIC),
        charts.ages(of, "oldest", "Age of the oldest callback that waits", OLDEST),
        charts.bars(of, "sends", "Messages of Motion's, by fate", SENDS),
        charts.bars(of, "verdicts", "Files, by verdict", VERDICTS),
        charts.bars(of, "edge", "Answers of nginx by itself, to strangers mostly", _answers("edge")),
    ]


def _of_parts(of: figures.Day) -> dict[str, Chart]:
    doors = (name for name in condition.PARTS if name in DOORS)
    answers = {name: charts.bars(of, name, "Answers", _answers(name)) for name in doors}
    files = charts.bars(of, "fetcher", "Files", FETCHED)
    return answers | {"courier": charts.bars(of, "courier", "Tries", TRIES), "fetcher": files}


def _answers(door: str) -> tuple[Series, ...]:
    return tuple(Series(style, name, f"answers {door} {status}") for status, (style, name) in STATUSES.items())

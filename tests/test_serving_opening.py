"""What is known of the spool before anybody is served."""

from __future__ import annotations

import pytest

from gateway.config.problems import Problem
from gateway.diagnosis import provision
from gateway.errors import SpoolUnavailable
from gateway.phrases import Reason
from gateway.serving import opening
from gateway.store import named
from tests.config_samples import settings
from tests.postgresql import PostgreSQL


def test_a_server_is_asked_and_a_file_is_not(postgresql: PostgreSQL, database_url: str) -> None:
    empty, nowhere = postgresql.url(postgresql.database()), postgresql.url("nowhere")
    asked = {url: opening.trouble(settings(spool={"url": url})) for url in ("sqlite", database_url, empty, nowhere)}
    assert asked == {"sqlite": None, database_url: None, empty: None, nowhere: Reason.SPOOL_NO_DATABASE}


def test_what_passes_is_a_warning_before_a_start_and_what_does_not_is_in_the_way(postgresql: PostgreSQL) -> None:
    away = [*provision.spool(settings(spool={"url": "postgresql://127.0.0.1:1/spool"}))]
    assert away == [
        "spool.url: spool database cannot be reached; start PostgreSQL, or mend the way to the hosts and ports of "
        "spool.url; nothing is lost"
    ]
    [problem] = provision.spool(settings(spool={"url": postgresql.url("nowhere")}))
    assert isinstance(problem, Problem)
    assert (problem.key, problem.complaint) == ("spool.url", "cannot be used: spool database does not exist")


def test_the_tables_are_made_where_the_settings_say(postgresql: PostgreSQL) -> None:
    ours = settings(spool={"url": postgresql.url(postgresql.database())})
    assert opening.migrate(ours) == named.latest()
    assert opening.trouble(ours) is None


def test_a_start_bears_what_passes_and_nothing_else() -> None:
    with opening.unless_it_passes():
        raise SpoolUnavailable(Reason.SPOOL_STANDBY)
    with pytest.raises(SpoolUnavailable), opening.unless_it_passes():
        raise SpoolUnavailable(Reason.SPOOL_NOT_LET_IN)

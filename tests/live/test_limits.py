"""Limits that several nodes count together: with a Redis behind Sentinels that dies, and with a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway import limits, telemetry
from gateway.limits import Limiter
from tests.redis_samples import PASSWORD, allowed, clustered, watched
from tests.service_samples import HandClock
from tests.spool_samples import until

PAUSE_SECONDS = 5.0  # after which what was away is asked again


def findings(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What was found since the last look; nothing of it may hold the password."""
    said = capfd.readouterr().err
    assert PASSWORD not in said
    assert quote(PASSWORD, safe="") not in said
    return [json.loads(line)["finding"] for line in said.splitlines()]


def test_two_nodes_count_together_by_a_sentinel_and_again_once_it_has_made_the_replica_the_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure("test")
    clock = HandClock()
    with watched(tmp_path) as counts:
        one, other = (Limiter(counts.url, clock=clock) for _ in range(2))
        assert allowed(one, of=1) == 1
        assert allowed(other) == 1
        assert limits.is_there(counts.url)
        assert findings(capfd) == []
        counts.first.kill()
        assert [allowed(one, "b"), allowed(other, "b")] == [2, 2]  # each counts by itself
        assert findings(capfd) == ["limits-storage-away"] * 2
        until(lambda: limits.is_there(counts.url), "the replica in the place of the first")
        clock.advance(PAUSE_SECONDS)
        assert [allowed(one, "c", of=1), allowed(other, "c")] == [1, 1]
        assert findings(capfd) == []


def test_two_nodes_count_together_in_a_cluster_and_each_by_itself_while_it_is_away(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure("test")
    clock = HandClock()
    with clustered(tmp_path) as several:
        places = ",".join(f"127.0.0.1:{each.port}" for each in several)
        url = f"redis+cluster://:{quote(PASSWORD, safe='')}@{places}"
        one, other = (Limiter(url, clock=clock) for _ in range(2))
        for whose in "abcdefgh":  # on all of them
            assert [allowed(one, whose, of=1), allowed(other, whose)] == [1, 1]
        assert limits.is_there(url)
        assert findings(capfd) == []
        for each in several:
            each.kill()
        late = Limiter(url, clock=clock)  # that begins meanwhile
        assert [allowed(one, "i"), allowed(other, "i"), allowed(late, "i")] == [2, 2, 2]
        assert findings(capfd) == ["limits-storage-away"] * 3
        assert not limits.is_there(url)
        for each in several:
            each.start()
        until(lambda: all("cluster_state:ok" in each.ask("cluster", "info") for each in several), "it is back")
        clock.advance(PAUSE_SECONDS)
        assert [allowed(one, "k", of=1), allowed(other, "k", of=1), allowed(late, "k")] == [1, 1, 0]
        assert findings(capfd) == []

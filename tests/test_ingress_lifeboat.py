"""The lifeboat: when callbacks go aboard, and that all that went aboard is filed, in order and once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import lock, paths
from gateway.errors import SpoolUnavailable
from gateway.ingress import lifeboat
from gateway.ingress.intake import Callback, Filing, Outcome
from gateway.ingress.lifeboat import AFTER_SECONDS, Ferry
from gateway.ingress.signature import NONCE
from gateway.store import schema
from gateway.store.engines import Database
from tests import config_samples
from tests.service_samples import HandClock
from tests.spool_samples import NOW, callback, locked, rows, until


class Away:
    """Takes the spool's file away and puts it back, as a server goes and comes."""

    def __init__(self, spool: Database) -> None:
        self._path, self._aside = spool.path, spool.path.with_name("aside")

    def goes(self) -> None:
        self._path.rename(self._aside)

    def comes(self) -> None:
        self._aside.rename(self._path)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@contextmanager
def moored(ferry: Ferry) -> Iterator[Ferry]:
    """On which nobody rows any more at the end, and whose boat is closed."""
    try:
        yield ferry
    finally:
        ferry._rowing.acquire()
        ferry._boat.close()


@pytest.fixture
def ferry(spool: Database, tmp_path: Path, clock: HandClock) -> Iterator[Ferry]:
    with moored(Ferry(spool, tmp_path / "lifeboat", wanted=True, steady=clock, try_seconds=0.01)) as made:
        yield made


@pytest.fixture
def away(spool: Database, ferry: Ferry, clock: HandClock) -> Away:
    """A spool that went away two minutes ago, as somebody noticed."""
    gone = Away(spool)
    gone.goes()
    with pytest.raises(SpoolUnavailable):
        ferry.accept(callback("not kept"), now=NOW)
    clock.advance(AFTER_SECONDS)
    return gone


def signed(message: str, nonce: str, **told: Any) -> Callback:
    return callback(message, nonce=nonce, headers=((NONCE, nonce),), **told)


def empty(folder: Path) -> Callable[[], bool]:
    return lambda: not (folder / paths.AFLOAT).exists()


def filed(spool: Database) -> list[tuple[bytes, str, float]]:
    return [(row.body, row.state, row.accepted_at) for row in rows(spool, schema.event)]


def test_in_the_first_two_minutes_sinch_is_told_to_come_again(spool: Database, ferry: Ferry, clock: HandClock) -> None:
    Away(spool).goes()
    for seconds in (0.0, AFTER_SECONDS - 1):
        clock.advance(seconds)
        with pytest.raises(SpoolUnavailable):
            ferry.accept(callback(), now=NOW)
    clock.advance(1)
    assert ferry.accept(callback(), now=NOW).aboard


def test_a_balancer_that_asks_finds_the_door_open_then_though_nobody_else_came(
    spool: Database, ferry: Ferry, clock: HandClock, tmp_path: Path
) -> None:
    Away(spool).goes()
    with pytest.raises(SpoolUnavailable):
        ferry.require_open()
    clock.advance(AFTER_SECONDS)
    ferry.require_open()
    assert not empty(tmp_path / "lifeboat")()


def test_each_callback_that_is_filed_lets_the_two_minutes_begin_anew(
    spool: Database, ferry: Ferry, clock: HandClock
) -> None:
    gone = Away(spool)
    for message in ("m1", "m2"):
        gone.goes()
        with pytest.raises(SpoolUnavailable):
            ferry.accept(callback(message), now=NOW)
        gone.comes()
        clock.advance(AFTER_SECONDS)
        assert not ferry.accept(callback(message), now=NOW).aboard


def test_a_spool_that_can_be_read_and_takes_nothing_is_away_as_one_whose_standby_is_gone(
    spool: Database, tmp_path: Path, clock: HandClock
) -> None:
    folder = tmp_path / "lifeboat"
    with (
        closing(Database(spool.path, patience_seconds=0.05)) as hasty,
        moored(Ferry(hasty, folder, wanted=True, steady=clock, try_seconds=0.01)) as ferry,
    ):
        with locked(spool.path):
            assert not ferry.is_filed(callback())
            with pytest.raises(SpoolUnavailable):
                ferry.accept(callback(), now=NOW)
            clock.advance(AFTER_SECONDS)
            assert not ferry.is_filed(callback())
            assert ferry.accept(callback(), now=NOW).aboard
        until(empty(folder), "all filed")


def test_without_the_setting_nobody_goes_aboard(spool: Database, tmp_path: Path, clock: HandClock) -> None:
    ferry = Ferry(spool, tmp_path / "lifeboat", wanted=False, steady=clock)
    Away(spool).goes()
    for _ in range(2):
        with pytest.raises(SpoolUnavailable):
            ferry.accept(callback(), now=NOW)
        clock.advance(AFTER_SECONDS)
    assert not (tmp_path / "lifeboat").exists()


def test_what_went_aboard_is_filed_in_its_order_and_as_what_it_is(
    spool: Database, ferry: Ferry, away: Away, tmp_path: Path
) -> None:
    sent = [
        (signed("m1", "nonce-1-1-1-1-1-1"), Outcome.ACCEPTED, "pending"),
        (signed("m2", "nonce-2-2-2-2-2-2"), Outcome.ACCEPTED, "pending"),
        (signed("m1", "nonce-3-3-3-3-3-3", text="in other bytes"), Outcome.DUPLICATE, "duplicate"),
        (signed("m4", "nonce-1-1-1-1-1-1"), Outcome.NONCE_REUSED, "rejected"),
        (signed("m5", "nonce-5-5-5-5-5-5", stale=True), Outcome.STALE, "rejected"),
        (callback("m6", contact="c2"), Outcome.ACCEPTED, "pending"),
    ]
    for number, (each, outcome, _) in enumerate(sent):
        receipt = ferry.accept(each, now=NOW + number)
        assert (receipt.outcome, receipt.aboard, receipt.event_id) == (outcome, True, None)
    assert ferry.is_filed(sent[0][0])
    assert ferry.accept(sent[0][0], now=NOW + 9).outcome is Outcome.REPEAT
    away.comes()
    until(empty(tmp_path / "lifeboat"), "all is filed")
    assert filed(spool) == [(each.body, state, NOW + number) for number, (each, _, state) in enumerate(sent)]
    receipt = ferry.accept(sent[0][0], now=NOW + 9)
    assert (receipt.outcome, receipt.aboard) == (Outcome.REPEAT, False)


def test_while_anything_is_aboard_whatever_comes_goes_aboard_too(
    spool: Database, ferry: Ferry, away: Away, tmp_path: Path
) -> None:
    ferry.accept(callback("m1"), now=NOW)
    with lock.held(tmp_path / "lifeboat" / lifeboat.ROWER, patience_seconds=60):
        away.comes()
        assert ferry.accept(callback("m2"), now=NOW + 1).aboard
        assert filed(spool) == []
    until(empty(tmp_path / "lifeboat"), "all is filed")
    assert not ferry.accept(callback("m3"), now=NOW + 2).aboard
    assert [when for _, _, when in filed(spool)] == [NOW, NOW + 1, NOW + 2]


def test_nobody_boards_behind_the_look_that_found_it_empty(ferry: Ferry, away: Away, tmp_path: Path) -> None:
    ferry.accept(callback(), now=NOW)
    away.comes()
    until(empty(tmp_path / "lifeboat"), "all is filed")
    late = lifeboat.Boarding(Filing(callback("late"), NOW), tmp_path / "lifeboat" / paths.AFLOAT)
    with closing(Database(tmp_path / "lifeboat" / paths.SPOOL, patience_seconds=1)) as boat:
        with pytest.raises(lifeboat.Ashore):
            boat.tell(late)
        assert rows(boat, schema.event) == []


def test_what_the_server_has_committed_without_saying_so_is_a_repeat(
    spool: Database, ferry: Ferry, clock: HandClock, tmp_path: Path
) -> None:
    known = signed("m1", "nonce-1-1-1-1-1-1")
    ferry.accept(known, now=NOW)
    away = Away(spool)
    away.goes()
    for seconds in (0.0, AFTER_SECONDS):
        clock.advance(seconds)
        try:
            assert ferry.accept(known, now=NOW + 1).aboard
        except SpoolUnavailable:
            continue
    away.comes()
    until(empty(tmp_path / "lifeboat"), "all is filed")
    assert len(filed(spool)) == 1


def test_what_a_process_left_aboard_is_filed_by_the_next_whatever_the_settings_say_by_then(
    spool: Database, away: Away, ferry: Ferry, tmp_path: Path
) -> None:
    ferry.accept(callback(), now=NOW)
    with lock.held(tmp_path / "lifeboat" / lifeboat.ROWER, patience_seconds=60):
        shutil.copytree(tmp_path / "lifeboat", tmp_path / "state" / "lifeboat")
        settings = config_samples.settings(server={"state_dir": str(tmp_path / "state")})
        with moored(lifeboat.made(settings, spool, steady=HandClock())):
            away.comes()
            until(empty(tmp_path / "state" / "lifeboat"), "all is filed")
        assert len(filed(spool)) == 1


def test_nothing_of_what_people_wrote_is_left_aboard(ferry: Ferry, away: Away, tmp_path: Path) -> None:
    wrote = callback(text="a secret of somebody's", contact="somebody", identity="of somebody")
    assert wrote.event.opens_window
    ferry.accept(wrote, now=NOW)
    away.comes()
    folder = tmp_path / "lifeboat"
    until(empty(folder), "all is filed")
    until(lambda: not any(b"somebody" in file.read_bytes() for file in folder.iterdir()), "it is written anew")

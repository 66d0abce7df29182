"""A flood of forgeries is limited, and takes nothing from those who sign."""

from __future__ import annotations

import dataclasses

from sandbox import callbacks
from tests.live.house import House, opened
from tests.live.test_answers import assert_refused

# A minute may end between two requests, and what was counted in it weighs less from then on; a day hardly ever does.
TEN = {"failed_signatures_per_address": "10/day", "webhooks_per_account": "5/day"}


def forge(house: House, source: str, *, times: int, forwarded_for: str = "") -> list[int | None]:
    sinch = house.sinch(secret="not the secret of anybody", source_address=source)
    letter = sinch.prepare(callbacks.text("forged"))
    if forwarded_for:
        letter = dataclasses.replace(letter, headers=(*letter.headers, ("x-forwarded-for", forwarded_for)))
    return [sinch.post(letter).status for _ in range(times)]


def test_a_flood_of_forgeries_is_limited_by_address_and_refuses_no_right_callback() -> None:
    with opened(limits=TEN) as house:
        assert forge(house, "127.0.0.5", times=15) == [401] * 10 + [429] * 5
        assert forge(house, "127.0.0.6", times=1) == [401]
        for source in ("127.0.0.5", "127.0.0.6", "127.0.0.7"):
            assert house.sinch(source_address=source).send(callbacks.text("right")).status == 200
        house.motion.wait_for_accepted(3)
        addresses = {line["address"] for line in house.decisions("ingress")}
        assert addresses == {"127.0.0.5", "127.0.0.6", "127.0.0.7"}


def test_an_address_is_taken_from_trusted_proxies_alone() -> None:
    with opened(limits=TEN, server={"trusted_proxies": ["127.0.0.9"]}) as house:
        assert forge(house, "127.0.0.9", times=11, forwarded_for="203.0.113.5") == [401] * 10 + [429]
        assert forge(house, "127.0.0.9", times=1, forwarded_for="203.0.113.6") == [401]
        assert forge(house, "127.0.0.9", times=1, forwarded_for="10.1.1.1, 203.0.113.5") == [429]
        assert forge(house, "127.0.0.8", times=1, forwarded_for="203.0.113.5") == [401]
        addresses = {line["address"] for line in house.decisions("ingress")}
        assert addresses == {"203.0.113.5", "203.0.113.6", "127.0.0.8"}


def test_verified_callbacks_over_the_accounts_limit_are_answered_429_and_accepted_later() -> None:
    with opened(limits=TEN) as house:
        answers = [house.sinch().send(callbacks.text(f"{number}")).answers[0] for number in range(6)]
        assert [answer.status for answer in answers] == [200] * 5 + [429]
        assert_refused(answers[-1], 429)


def test_a_captured_callback_played_from_many_addresses_takes_nothing_of_its_account() -> None:
    with opened(limits=TEN) as house:
        captured = house.sinch().prepare(callbacks.text("captured"))
        played = [house.sinch(source_address=f"127.0.0.{host}") for host in (5, 6, 7)]
        assert {sinch.post(captured).status for sinch in played for _ in range(8)} == {200}
        assert [played[0].post(captured).status for _ in range(5)][-1] == 429
        fresh = [played[0].send(callbacks.text(f"{number}")).status for number in range(5)]
        assert fresh == [200] * 4 + [429]
        house.motion.wait_for_accepted(5)

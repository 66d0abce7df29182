"""How often something may happen: in memory, in a real Redis, and while that Redis is away."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import clock, limits, telemetry
from gateway.clock import WallClock
from gateway.errors import TooManyRequests
from gateway.limits import Limiter
from gateway.phrases import Reason
from tests.config_samples import settings
from tests.redis_samples import TWO, Redis, allowed
from tests.together import together

PAUSE = 5.0  # after which Redis is asked again


class HandMade:
    """A clock that is moved by hand."""

    moment = 1_000_000.0

    def now(self) -> float:
        return self.moment


@pytest.fixture
def redis() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.close()


def findings(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["finding"] for line in capfd.readouterr().err.splitlines()]


def test_one_too_many_is_refused_and_says_which_limit_it_was() -> None:
    limiter = Limiter("memory://", clock=WallClock())
    for _ in range(2):
        limiter.require(TWO, Reason.CALLS, "a")
    with pytest.raises(TooManyRequests, match=r"^limit of calls per project$"):
        limiter.require(TWO, Reason.CALLS, "a")


@pytest.mark.parametrize(("unit", "seconds"), [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400)])
def test_a_limit_is_understood_as_the_settings_spell_it(unit: str, seconds: int) -> None:
    spelled = settings(limits={"sends_per_app": f"5/{unit}"}).limits.sends_per_app
    assert spelled is not None
    rate = limits.rate(spelled)
    assert (rate.amount, rate.get_expiry()) == (5, seconds)


def test_what_is_left_is_asked_without_counting() -> None:
    limiter = Limiter("memory://", clock=WallClock())
    for _ in range(5):
        limiter.require_left(TWO, Reason.UNKNOWN_TOKENS, "a")
    limiter.require(TWO, Reason.UNKNOWN_TOKENS, "a")
    limiter.require_left(TWO, Reason.UNKNOWN_TOKENS, "a")
    limiter.require(TWO, Reason.UNKNOWN_TOKENS, "a")
    with pytest.raises(TooManyRequests, match=Reason.UNKNOWN_TOKENS):
        limiter.require_left(TWO, Reason.UNKNOWN_TOKENS, "a")
    limiter.require_left(TWO, Reason.UNKNOWN_TOKENS, "b")
    limiter.require_left(None, Reason.UNKNOWN_TOKENS, "a")


def test_what_and_whose_are_counted_apart() -> None:
    limiter = Limiter("memory://", clock=WallClock())
    assert allowed(limiter) == 2
    assert allowed(limiter, "b") == 2
    assert allowed(limiter, what=Reason.FETCHES) == 2
    assert allowed(limiter) == 0


def test_a_limit_that_is_off_lets_everything_through() -> None:
    limiter = Limiter("memory://", clock=WallClock())
    for _ in range(1000):
        limiter.require(None, Reason.CALLS, "a")


def test_of_many_at_the_same_time_as_many_pass_as_the_limit_says() -> None:
    limiter, together = Limiter("memory://", clock=WallClock()), threading.Barrier(8)

    def ask(_number: int) -> int:
        together.wait()
        passed = 0
        for _ in range(50):
            with suppress(TooManyRequests):
                limiter.require("100/hour", Reason.FETCHES, "a")
                passed += 1
        return passed

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 100


def test_counting_starts_no_thread_whoever_is_counted(redis: Redis) -> None:
    before = {*threading.enumerate()}  # one of another test may yet end, or begin `later`
    limiter = Limiter(redis.url, clock=HandMade())
    for whose in "abcdefgh":
        allowed(limiter, whose)
    redis.kill()
    for whose in "abcdefgh":
        allowed(limiter, whose)
    assert {thread for thread in threading.enumerate() if thread.name != clock.LATER} <= before


NAMES = {
    "IPv4": ("192.0.2.1", "192.0.2.1"),
    "IPv6": ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    "the first of a /64": ("2001:db8:1:2::", "2001:db8:1:2::/64"),
    "the last of a /64": ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
    "the first of the next": ("2001:db8:1:3::", "2001:db8:1:3::/64"),
    "another spelling": ("2001:0DB8:0001:0002::0006", "2001:db8:1:2::/64"),
    "IPv4 in IPv6": ("::ffff:192.0.2.1", "192.0.2.1"),
    "with a zone": ("fe80::1%eth0", "fe80::/64"),
    "nothing": ("", "unknown"),
    "a name": ("localhost", "unknown"),
    "with a port": ("192.0.2.1:443", "unknown"),
    "in brackets": ("[2001:db8::1]", "unknown"),
    "leading zeros": ("192.0.2.01", "unknown"),
    "a network": ("192.0.2.0/24", "unknown"),
    "two": ("192.0.2.1, 192.0.2.2", "unknown"),
    "a number": ("3221225985", "unknown"),
}


@together(("address", "name"), NAMES.values(), ids=NAMES)
def test_a_client_is_counted_as(address: str, name: str) -> None:
    assert limits.counted_as(address) == name


@given(st.text() | st.ip_addresses().map(str) | st.from_regex(r"[0-9a-f:.%/]{0,40}"))
def test_any_text_is_counted_as_something(address: str) -> None:
    assert limits.counted_as(address)


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_several_workers_count_together_in_redis(redis: Redis, scheme: str) -> None:
    one, other = (Limiter(redis.url.replace("redis", scheme, 1), clock=WallClock()) for _ in range(2))
    assert allowed(one, of=1) == 1
    assert allowed(other) == 1
    assert allowed(one) == 0
    assert allowed(other, "b") == 2


def test_counting_goes_on_in_memory_while_redis_is_away(redis: Redis, capfd: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("test")
    clock = HandMade()
    limiter = Limiter(redis.url, clock=clock)
    assert allowed(limiter) == 2
    redis.kill()
    assert allowed(limiter) == 2  # this worker's own count, which begins here
    assert findings(capfd) == ["limits-storage-away"]


@pytest.mark.parametrize(("passed", "asked"), [(PAUSE - 1, False), (PAUSE, True), (PAUSE + 1, True)])
def test_redis_is_asked_again_after_a_pause(
    redis: Redis,
    capfd: pytest.CaptureFixture[str],
    passed: float,
    asked: bool,  # noqa: FBT001
) -> None:
    telemetry.configure("test")
    clock = HandMade()
    limiter = Limiter(redis.url, clock=clock)
    redis.kill()
    assert allowed(limiter) == 2
    redis.start()
    clock.moment += passed
    assert allowed(limiter) == (2 if asked else 0)
    assert allowed(Limiter(redis.url, clock=clock)) == (0 if asked else 2)
    assert findings(capfd) == ["limits-storage-away"]


def test_as_long_as_redis_is_away_every_pause_ends_in_a_finding(
    redis: Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure("test")
    clock = HandMade()
    limiter = Limiter(redis.url, clock=clock)
    redis.kill()
    for _ in range(3):
        allowed(limiter)
        clock.moment += PAUSE
    assert findings(capfd) == ["limits-storage-away"] * 3


def _stop(redis: Redis) -> None:
    redis.process.send_signal(signal.SIGSTOP)


def _make_read_only(redis: Redis) -> None:
    subprocess.run(["redis-cli", "-p", str(redis.port), "replicaof", "127.0.0.1", "1"], check=True, capture_output=True)


def _ask_for_a_password(redis: Redis) -> None:
    subprocess.run(
        ["redis-cli", "-p", str(redis.port), "config", "set", "requirepass", "secret"], check=True, capture_output=True
    )


@pytest.mark.parametrize("trouble", [_stop, _make_read_only, _ask_for_a_password])
def test_a_redis_in_trouble_is_away_and_holds_nobody_up(
    redis: Redis, capfd: pytest.CaptureFixture[str], trouble: Callable[[Redis], None]
) -> None:
    telemetry.configure("test")
    trouble(redis)
    assert allowed(Limiter(redis.url, clock=HandMade())) == 2  # one that is stopped would be waited for without end
    assert findings(capfd) == ["limits-storage-away"]


def test_a_redis_that_is_not_there_at_the_start_keeps_nobody_from_starting(capfd: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("test")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert allowed(Limiter(f"redis://:secret-password@127.0.0.1:{port}", clock=HandMade())) == 2
    said = capfd.readouterr().err
    assert "limits-storage-away" in said
    assert "secret-password" not in said

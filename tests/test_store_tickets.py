"""The line of those who wait to write: who writes for whom, who goes when, and who goes on where one is torn out."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from gateway.store.tickets import Queue, Ticket
from tests.spool_samples import until


def ticket() -> Ticket[None]:
    return Ticket(lambda _run: None, ())


def standing(pool: ThreadPoolExecutor, queue: Queue, count: int) -> list[Future[bool]]:
    """So many who stand in line behind the one who leads, one after the other."""
    futures = []
    for number in range(len(queue.waiting) + 1, len(queue.waiting) + 1 + count):
        futures.append(pool.submit(queue.stand, ticket()))
        until(lambda number=number: len(queue.waiting) == number, "it stands in line")
    return futures


def write(queue: Queue, leader: Ticket[Any]) -> int:
    """Do what waits; returns how much that was."""
    batch = queue.take()
    for each in batch:
        each.settle(None)
    queue.pass_on(leader)
    return len(batch)


def test_who_comes_first_does_the_work_of_all_and_who_has_gone_waits_for_no_later_one() -> None:
    queue, first, later = Queue(), ticket(), ticket()
    with ThreadPoolExecutor(3) as pool:
        assert queue.stand(first)
        behind = standing(pool, queue, 3)
        assert write(queue, first) == 4
        assert queue.stand(later)  # and is not done before those have gone
        assert [each.result(60) for each in behind] == [False] * 3
        assert write(queue, later) == 1


def test_who_comes_while_another_writes_is_next_and_takes_along_who_came_after() -> None:
    queue, first = Queue(), ticket()
    with ThreadPoolExecutor(3) as pool:
        assert queue.stand(first)
        assert queue.take() == [first]
        [second, third] = standing(pool, queue, 2)
        first.settle(None)
        queue.pass_on(first)
        assert second.result(60)
        assert write(queue, queue.waiting[0]) == 2
        assert third.result(60) is False
        assert queue.stand(ticket())


def test_a_leader_that_is_torn_out_before_it_took_anybody_leaves_the_lead_to_the_next() -> None:
    queue, first = Queue(), ticket()
    with ThreadPoolExecutor(1) as pool:
        assert queue.stand(first)
        [second] = standing(pool, queue, 1)
        queue.pass_on(first)
        assert second.result(60)
        assert write(queue, queue.waiting[0]) == 1


class Interrupted(BaseException):
    pass


class Torn:
    """The bell of one who is interrupted while it waits, once `before` has been done."""

    def __init__(self, before: Any) -> None:
        self._before, self._steps = before, iter(range(2))

    def acquire(self) -> None:
        if next(self._steps):
            self._before()
            raise Interrupted

    def release(self) -> None:
        pass


@pytest.mark.parametrize("leads", [False, True], ids=["while it waits", "as it is about to lead"])
def test_one_that_is_torn_out_of_the_line_keeps_nobody(leads: bool) -> None:  # noqa: FBT001 - a case
    queue, first, torn = Queue(), ticket(), ticket()
    assert queue.stand(first)
    queue.take()
    first.settle(None)
    torn.bell = Torn(lambda: queue.pass_on(first) if leads else None)  # type: ignore[assignment]
    with pytest.raises(Interrupted):
        queue.stand(torn)
    if not leads:
        queue.pass_on(first)
    assert queue.stand(last := ticket())
    assert write(queue, last) == 1

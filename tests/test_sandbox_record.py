"""The record of what a simulator heard: numbered, changed in place, waited for by other threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from sandbox.record import Record


@dataclass(frozen=True)
class Item:
    number: int
    said: str = ""


def test_items_are_numbered_and_changed_in_place():
    record = Record[Item]()
    first, second = record.add(Item), record.add(Item)
    assert first.update(said="one") == Item(0, "one")
    second.update(said="two")
    assert record.items == (Item(0, "one"), Item(1, "two"))


def test_what_is_forgotten_stays_forgotten_and_numbers_begin_anew():
    record = Record[Item]()
    old = record.add(Item)
    record.complain("odd")
    record.forget()
    new = record.add(Item)
    old.update(said="late")
    assert (record.items, record.unexpected, new.item) == ((Item(0),), (), Item(0))


@pytest.mark.parametrize("wanted", [2, lambda items: len(items) == 2], ids=["a number", "a condition"])
def test_another_thread_waits_for_what_comes(wanted):
    record = Record[Item]()
    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(record.wait_for, wanted)
        record.add(Item)
        record.add(Item)
        assert waited.result() == (Item(0), Item(1))


def test_waiting_ends_at_the_deadline_with_what_there_is():
    record = Record[Item]()
    record.add(Item)
    with pytest.raises(TimeoutError, match=r"within 0\.01 s; so far: \(Item\(number=0"):
        record.wait_for(2, deadline_seconds=0.01)


def test_what_nobody_announced_fails_the_test():
    record = Record[Item]()
    record.assert_nothing_unexpected()
    record.complain("GET /x")
    with pytest.raises(AssertionError, match="heard what nobody announced: GET /x"):
        record.assert_nothing_unexpected()

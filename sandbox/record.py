"""What a simulator has heard or done, for tests that wait for it; several threads write and read it."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 60.0  # of who waits for what surely comes, on however busy a machine


class Entry(Generic[T]):
    """One item in a record, for who writes on."""

    def __init__(self, record: Record[T], number: int, item: T) -> None:
        self._record, self._number, self.item = record, number, item

    def update(self, **changes: Any) -> T:  # noqa: ANN401 - as dataclasses.replace
        """Change it, in the record too unless it has been forgotten meanwhile."""
        old, self.item = self.item, dataclasses.replace(self.item, **changes)  # type: ignore[type-var]
        self._record.exchange(self._number, old, self.item)
        return self.item


class Record(Generic[T]):
    """Items in the order in which they came, and complaints of what nobody announced.

    A base for whoever hears or does something that tests wait for.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._items: dict[int, T] = {}
        self._unexpected: list[str] = []
        self.forgotten_at = 0.0  # when it was emptied last, in Unix seconds

    @property
    def items(self) -> tuple[T, ...]:
        with self.changed:
            return tuple(self._items.values())

    @property
    def unexpected(self) -> tuple[str, ...]:
        """Requests for what is not there, bytes that were no request, and failures of our own."""
        with self.changed:
            return tuple(self._unexpected)

    def add(self, make: Callable[[int], T]) -> Entry[T]:
        """One more, made of its number: they are counted from 0."""
        with self.changed:
            number = next(reversed(self._items), -1) + 1
            item = self._items[number] = make(number)
            self.changed.notify_all()
            return Entry(self, number, item)

    def exchange(self, number: int, old: T, new: T) -> None:
        """The new one in place of the old."""
        with self.changed:
            if self._items.get(number) is old:
                self._items[number] = new
            self.changed.notify_all()

    def complain(self, about: str) -> None:
        """Note what nobody announced."""
        with self.changed:
            self._unexpected.append(about)
            self.changed.notify_all()

    def assert_nothing_unexpected(self) -> None:
        """Raises AssertionError with what nobody announced."""
        if unexpected := self.unexpected:
            raise AssertionError(f"{type(self).__name__} heard what nobody announced: " + "; ".join(unexpected))

    def forget(self) -> None:
        """Empty it."""
        with self.changed:
            self._items.clear()
            self._unexpected.clear()
            self.forgotten_at = time.time()

    def wait_for(
        self, wanted: int | Callable[[Sequence[T]], bool], deadline_seconds: float = DEADLINE_SECONDS
    ) -> tuple[T, ...]:
        """Wait until there are so many, or until `wanted(items)`; returns them. Raises TimeoutError."""
        test = (lambda items: len(items) >= wanted) if isinstance(wanted, int) else wanted
        with self.changed:
            if not self.changed.wait_for(lambda: test(self.items), deadline_seconds):
                raise TimeoutError(f"it did not come to that within {deadline_seconds} s; so far: {self.items}")
            return self.items

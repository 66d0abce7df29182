"""Many cases that cost nothing, tried in one test: each by itself would cost more to keep than to try."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., None]
# What a case ends with: `pytest.fail` and `skip` are no Exception, nor is what a table in a table has gathered of them.
ENDS = (Exception, BaseExceptionGroup, pytest.fail.Exception, pytest.skip.Exception)
Ids = Iterable[str] | Callable[[Any], object] | None


def together(names: str | Iterable[str], rows: Iterable[Any], *, ids: Ids = None) -> Callable[[Test], Test]:
    """Try a test on every row, as `pytest.mark.parametrize` does, but as one: all that fail are told, by their ids.

    The fixtures that it takes are the same for all rows. A row that is skipped has failed: it is a test of its own.
    """
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    cases = _cases(wanted, list(rows), ids)

    def decorate(test: Test) -> Test:
        @wraps(test)
        def run(**others: object) -> None:
            failed: list[BaseException] = []
            for label, values in cases:
                try:
                    test(**values, **others)
                except ENDS as error:
                    error.add_note(f"in the case of {label}")
                    failed.append(error)
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(cases)} cases", failed)

        taken = inspect.signature(test)
        left = [parameter for parameter in taken.parameters.values() if parameter.name not in wanted]
        run.__signature__ = taken.replace(parameters=left)  # type: ignore[attr-defined] # what pytest looks at
        return run

    return decorate


def _cases(names: list[str], rows: list[Any], ids: Ids) -> list[tuple[str, Mapping[str, object]]]:
    labels = list(map(ids, rows)) if callable(ids) else list(ids) if ids else [None] * len(rows)
    assert rows, "a table without a row"
    assert len(labels) == len(rows)
    return [_case(names, row, label) for row, label in zip(rows, labels, strict=True)]


def _case(names: list[str], row: Any, label: object) -> tuple[str, Mapping[str, object]]:
    if hasattr(row, "marks"):  # a `pytest.param`
        assert not row.marks, "a case with a mark is a test of its own"
        values, label = row.values, row.id or label
    else:
        values = (row,) if len(names) == 1 else tuple(row)
    return str(label if label is not None else ", ".join(map(repr, values))), dict(zip(names, values, strict=True))

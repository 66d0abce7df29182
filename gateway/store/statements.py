"""Statements that are put together once.

From a construct to the driver's cursor SQLAlchemy takes several times as long as SQLite takes to run the
statement. What every callback runs is therefore compiled when its module is loaded; its values still pass
through the types of their columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import NoResultFound
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault

_DIALECT = sqlite.dialect()


class Statement(Protocol):
    def compile(self, *, dialect: sa.Dialect) -> Any: ...  # noqa: ANN401 - SQLAlchemy's own type is wider than what it returns


class Prepared:
    """One statement. What is no constant in it is a parameter, given by name."""

    def __init__(self, statement: Statement) -> None:
        compiled: SQLCompiler = statement.compile(dialect=_DIALECT)
        binds = [(name, compiled.binds[name]) for name in compiled.positiontup or ()]
        self._text = str(compiled)
        self._parameters = [(name, _processor(bind)) for name, bind in binds]
        self._constants = {name: bind.value for name, bind in binds if not bind.required}

    def first(self, connection: sa.Connection, **values: object) -> tuple[Any, ...] | None:
        """Run it and return its first row, where it has one. Raises what the driver raises."""
        given = self._constants | values
        ordered = [process(given[name]) if process else given[name] for name, process in self._parameters]
        cursor = connection.connection.cursor()
        cursor.execute(self._text, ordered)
        row: tuple[Any, ...] | None = cursor.fetchone()
        cursor.close()
        return row

    def one(self, connection: sa.Connection, **values: object) -> tuple[Any, ...]:
        """The same, where there is a row. Raises NoResultFound where there is none."""
        row = self.first(connection, **values)
        if row is None:
            raise NoResultFound
        return row


def every_column(table: sa.Table) -> dict[str, object]:
    """For an insert: a parameter for each column but the first, which is counted; those that may be left out are."""
    _counted, *columns = table.columns
    return {column.name: _default(column) for column in columns}


def _default(column: sa.Column[Any]) -> object:
    if isinstance(column.default, ScalarElementColumnDefault):
        return sa.bindparam(column.name, column.default.arg, column.type)
    if column.nullable:
        return sa.bindparam(column.name, None, column.type)
    return sa.bindparam(column.name, type_=column.type)


def _processor(bind: sa.BindParameter[Any]) -> Callable[[Any], Any] | None:
    return bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)

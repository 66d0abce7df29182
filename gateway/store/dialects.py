"""What SQLAlchemy says otherwise on SQLite than on PostgreSQL: types of columns, what is no SQL of both; and parts.

Rule 1. What SQLite files PostgreSQL files as well: no column there has a length, and no number is too large for it.
Rule 2. Texts are equal, and come in order, by their bytes: on both engines, whatever language a database was made for.
Rule 3. JSON is the text that it was written as, and nobody's to rewrite: PostgreSQL's own type takes not all of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from gateway import store

POSTGRESQL = "postgresql"
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # a key of SQLite's that numbers itself has to be one


def text(longest: int | None = None) -> sa.types.TypeEngine[str]:
    """Make the type of a text of at most so many characters, as whoever writes it sees to."""
    return (sa.String(longest) if longest else sa.Text()).with_variant(sa.Text(collation="C"), POSTGRESQL)


class Json(sa.types.TypeDecorator[Any]):
    """What is written as JSON, and kept as that text."""

    impl = sa.JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(text() if dialect.name == POSTGRESQL else self.impl_instance)

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:  # noqa: ANN401 - whatever is written
        return json.dumps(value) if value is not None and dialect.name == POSTGRESQL else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:  # noqa: ANN401 - whatever was written
        return json.loads(value) if isinstance(value, str) and dialect.name == POSTGRESQL else value


def rows_of(condition: str) -> dict[str, Any]:
    """Tell an index to have only the rows for which that holds, in these very words."""
    return {f"{name}_where": sa.text(condition) for name in ("sqlite", POSTGRESQL)}


class holds(FunctionElement[bool]):  # noqa: N801 - it is called as a function is
    """Whether bytes, the first, have others in them."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(holds, "sqlite")
def _held_on_sqlite(element: holds, compiler: SQLCompiler, **asked: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own
    whole, part = (compiler.process(each, **asked) for each in element.clauses)
    return f"instr({whole}, {part}) > 0"


@compiles(holds, POSTGRESQL)
def _held_on_postgresql(element: holds, compiler: SQLCompiler, **asked: Any) -> str:  # noqa: ANN401 - as above
    whole, part = (compiler.process(each, **asked) for each in element.clauses)
    return f"position({part} IN {whole}) > 0"


def part(ids: sa.Select[Any], place: store.Place, *, most: int) -> sa.Select[Any]:
    """Of a selection of ids the highest `most` below that place, or the lowest above it."""
    [id_of] = ids.selected_columns
    if place.id is not None:
        ids = ids.where(id_of < place.id if place.way > 0 else id_of > place.id)
    return ids.order_by(id_of.desc() if place.way > 0 else id_of).limit(most)


def parts(ways: Sequence[sa.Select[Any]], place: store.Place, *, most: int) -> sa.Select[Any]:
    """As `part`, of several selections together: each by its own index, and no further than need be."""
    some = [part(way, place, most=most).subquery() for way in ways]
    if len(some) == 1:
        return sa.select(some[0].c.id)
    return part(sa.select(sa.union(*(sa.select(one.c.id) for one in some)).subquery().c.id), place, most=most)

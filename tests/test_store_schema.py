"""The tables as either engine has them: what one files the other takes as well."""

from __future__ import annotations

import re

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.store import schema
from tests.together import together

TABLES = schema.metadata.tables
COLUMN = re.compile(r'^\t"?(\w+)"? (.+?)(?: DEFAULT \S+)?(?: NOT NULL)?,? *$', re.MULTILINE)
# BIGSERIAL is a BIGINT that numbers itself.
TAKES_ALL = {"BIGINT", "BIGSERIAL", "FLOAT", "BOOLEAN", "BYTEA", 'TEXT COLLATE "C"'}


@together("name", TABLES)
def test_no_column_of_postgresql_is_too_small_for_what_sqlite_takes(name: str) -> None:
    made = str(CreateTable(TABLES[name]).compile(dialect=postgresql.dialect()))
    found = {column: kind for column, kind in COLUMN.findall(made) if column != "PRIMARY"}
    assert found.keys() == set(TABLES[name].columns.keys())
    assert {column: kind for column, kind in found.items() if kind not in TAKES_ALL} == {}


def test_an_index_has_the_same_rows_on_both_engines() -> None:
    made = [index for table in TABLES.values() for index in table.indexes]
    conditions = {index.name: (index.dialect_options["sqlite"]["where"], index) for index in made}
    assert len([where for where, _ in conditions.values() if where is not None]) > 6
    for where, index in conditions.values():
        told = str(CreateIndex(index).compile(dialect=postgresql.dialect()))
        assert told.partition(" WHERE ")[2] == ("" if where is None else str(where))

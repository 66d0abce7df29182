"""Brings the schema of a spool on PostgreSQL up to date, in one transaction, while others go on working with it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import cast

import sqlalchemy as sa
from alembic import command

from gateway.errors import SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import migrations, named, postgres, schema

BASELINE = Path(__file__).with_name("postgres_0011.sql")
LOCK = 0x6D6F74696F6E  # "motion": of the whole database, one process migrates


def migrate(url: str, password: str) -> str:
    """Create or upgrade the spool there and return its revision. Safe to run at any time.

    Raises CommandError for a spool of a newer release; SpoolUnavailable if it cannot be written.
    """
    engine = schema.engine(lambda: postgres.connect(url, password), dialect="postgresql+psycopg")
    try:
        with engine.begin() as connection:
            _upgrade(connection, url)
    except (schema.ERROR, postgres.Error) as error:
        why = postgres.reason(error)
        raise SpoolUnavailable(Reason.SPOOL_NOT_MIGRATED if why == Reason.SPOOL_FAILED else why) from None
    finally:
        engine.dispose()
    return named.latest()


def _upgrade(connection: sa.Connection, url: str) -> None:
    driver = cast("postgres.Punctual", connection.connection.driver_connection)
    driver.execute("BEGIN")
    driver.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    found = postgres.revision(postgres.runner(driver))
    migrations.refuse_unknown(found, url)
    if found is None:
        driver.execute(BASELINE.read_bytes())

    if found != named.latest():
        command.upgrade(migrations.configuration(lambda: nullcontext(connection)), "head")
    postgres.commit(driver)

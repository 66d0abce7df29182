"""Brings the schema of a spool on PostgreSQL up to date, in one transaction, while others go on working with it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import sqlalchemy as sa
from alembic import command

from gateway.errors import CommandError, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import migrations, named, nodes, postgres, schema

BASELINE = Path(__file__).with_name("postgres_0011.sql")
LOCK = 0x6D6F74696F6E  # "motion": of the whole database, one process migrates
Others = Sequence[tuple[str, str, str]]  # each by name, release and revision
PATIENCE_SECONDS = 3.0  # with who reads a table for long: whoever writes waits behind us


def migrate(
    url: str, password: str, *, me: str = "", rolling: bool = False, patience_seconds: float = PATIENCE_SECONDS
) -> str:
    """Create or upgrade the spool there, and return its revision: that of a newer release, where it bears ours.

    Beside other nodes than `me` an older schema is left alone, unless the upgrade is `rolling`: an operator shall say
    when. Raises CommandError where that is so, where it would take from others what they need, and for a spool of a
    newer release that does not bear ours; SpoolUnavailable if it cannot be written.
    """
    engine = schema.engine(lambda: postgres.connect(url, password), dialect="postgresql+psycopg")
    try:
        with engine.begin() as connection:
            driver = cast("postgres.Punctual", connection.connection.driver_connection)
            driver.execute("BEGIN")
            driver.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            driver.execute("SELECT set_config('lock_timeout', %s, true)", (f"{patience_seconds}s",))
            return _upgrade(connection, driver, url, me, rolling=rolling)
    except (schema.ERROR, postgres.Error) as error:
        why = postgres.reason(error)
        raise SpoolUnavailable(Reason.SPOOL_NOT_MIGRATED if why == Reason.SPOOL_FAILED else why) from None
    finally:
        engine.dispose()


def _upgrade(connection: sa.Connection, driver: postgres.Punctual, url: str, me: str, *, rolling: bool) -> str:
    run = postgres.runner(driver)
    found = postgres.revision(run)
    if named.trouble(found) == Reason.SPOOL_NEWER and named.is_borne(postgres.bears(run)):
        return str(found)
    migrations.refuse_unknown(found, url)
    if found is None:
        driver.execute(BASELINE.read_bytes())
    if found != named.latest():
        others = nodes.others(run, me) if run("has_nodes") else []
        _require_leave(found, others, rolling=rolling)
        command.upgrade(migrations.configuration(lambda: nullcontext(connection)), "head")
        _require_borne(others, postgres.bears(run))
    postgres.commit(driver)
    return named.latest()


def _require_leave(found: str | None, others: Others, *, rolling: bool) -> None:
    if others and not rolling:
        raise CommandError(
            f"the spool has schema {found}, this release works with {named.latest()}, and other nodes serve from it: "
            f"{_names(others)}. `motion-gateway migrate --rolling` changes it while they go on; nothing was changed"
        )


def _require_borne(others: Others, bears: str) -> None:
    left = [(name, release, schema) for name, release, schema in others if schema < bears]
    if left:
        raise CommandError(
            f"releases older than that of schema {bears} cannot work with schema {named.latest()}, and nodes of such "
            f"a one are there: {_names(left)}. Upgrade them to one in between first, or stop them; nothing was changed"
        )


def _names(found: Others) -> str:
    return ", ".join(f"{name} ({release}, schema {schema})" for name, release, schema in found)

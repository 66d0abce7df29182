"""Alembic's entry: runs the revisions on the database that the migrator names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from gateway.spool.schema import metadata

engine = sa.create_engine(f"sqlite:///{context.config.attributes['path']}", hide_parameters=True)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
engine.dispose()

"""Alembic's entry: runs the revisions on the connection that `migrate` names, each whole or not at all."""

from __future__ import annotations

from alembic import context

from gateway.store.schema import metadata

with context.config.attributes["connect"]() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()

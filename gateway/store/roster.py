"""The tables of `store.nodes`, for SQLAlchemy: the rest of `schema`."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.store.dialects import text
from gateway.store.schema import metadata as metadata

# Who shares the spool (`nodes`): as it has said last.
node = sa.Table(
    "node",
    metadata,
    sa.Column("name", text(64), primary_key=True),
    sa.Column("instance", text(32), nullable=False),  # tells its courier from another that has its name
    sa.Column("host", text(64), nullable=False),
    sa.Column("release", text(32), nullable=False),
    sa.Column("build", text(64), nullable=False),
    sa.Column("revision", text(16), nullable=False),  # of the schema that its release works with
    sa.Column("draining", sa.Boolean, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
    sa.Column("left_at", sa.Float),  # in good order
    sa.Column("rival_host", text(64), nullable=False, server_default=""),  # of another that has its name
    sa.Column("rival_at", sa.Float),
)

# What the doors of each node work with (`config.marks`): nothing that tells a secret.
node_door = sa.Table(
    "node_door",
    metadata,
    sa.Column("node", text(64), primary_key=True),
    sa.Column("door", text(16), primary_key=True),
    sa.Column("marks", text(), nullable=False),  # in JSON: [[setting, account or user, mark], …]
)

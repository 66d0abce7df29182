"""What customers send in: how many links of an event are still to be seen to, and what has become of each.

Only adds: what is delivered meanwhile by a release of before has none.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.dialects import INTEGER, Json, rows_of, text

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("event", sa.Column("media", INTEGER, nullable=False, server_default="0"))
    op.create_index("event_media", "event", ["id"], **rows_of("media > 0"))
    op.create_table(
        "inbound_file",
        sa.Column("event_id", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("connector_id", INTEGER, nullable=False),
        sa.Column("place", text(128), nullable=False),
        sa.Column("url", text(), nullable=False),
        sa.Column("state", text(10), nullable=False),
        sa.Column("digest", sa.LargeBinary(32)),
        sa.Column("size_bytes", INTEGER, nullable=False, server_default="0"),
        sa.Column("name", text(255), nullable=False, server_default=""),
        sa.Column("mime", text(127), nullable=False, server_default=""),
        sa.Column("verdict", text(16), nullable=False, server_default=""),
        sa.Column("reason", text(64), nullable=False, server_default=""),
        sa.Column("inspection", Json(none_as_null=True)),
        sa.Column("tries", INTEGER, nullable=False, server_default="0"),
        sa.Column("due_at", sa.Float, nullable=False, server_default="0"),
        sa.Column("fetcher", text(64)),
        sa.Column("leased_until", sa.Float),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("inbound_file_due", "inbound_file", ["due_at"], **rows_of("state = 'waiting'"))
    op.create_index("inbound_file_held", "inbound_file", ["event_id"], **rows_of("state = 'held'"))
    op.create_index("inbound_file_digest", "inbound_file", ["digest"], **rows_of("digest IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("inbound_file")
    op.drop_index("event_media", "event")
    op.drop_column("event", "media")

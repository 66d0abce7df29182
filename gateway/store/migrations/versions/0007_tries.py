"""What came of the tries before the last one of an event, for who asks why it came late. Nothing else changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("event", sa.Column("history", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("event", "history")

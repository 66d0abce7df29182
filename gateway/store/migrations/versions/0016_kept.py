"""What is kept and will not be delivered is found by an index of its own: what is delivered pays nothing for it."""

from __future__ import annotations

from alembic import op

from gateway.store.dialects import rows_of

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_index("event_kept", "event", ["connector_id", "key"], **rows_of("NOT original"))


def downgrade() -> None:
    op.drop_index("event_kept", "event")

"""No index by contact: every callback paid for two, and only `events erase` used them, which reads all of the file."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_index("event_contact")
    op.drop_index("event_identity")


def downgrade() -> None:
    op.create_index("event_contact", "event", ["contact_id"])
    op.create_index("event_identity", "event", ["identity"])

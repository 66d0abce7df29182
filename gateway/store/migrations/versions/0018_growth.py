"""What operators list is found by indexes however much is kept, and how much that is, is kept and not counted.

Only of what is settled: whoever takes in a callback pays nothing for it, and no more for the index of when that was.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.dialects import INTEGER, rows_of, text

revision = "0018"
down_revision = "0017"

SETTLED = "state != 'pending'"
INDEXES = {
    "event_state": (["state", "id"], SETTLED),
    "event_connector": (["connector_id", "state", "id"], SETTLED),
    "event_contact": (["contact_id", "id"], f"{SETTLED} AND contact_id != ''"),
    "event_identity": (["identity", "id"], f"{SETTLED} AND identity != ''"),
    "event_accepted": (["accepted_at"], SETTLED),
}


def upgrade() -> None:
    for name, (columns, condition) in INDEXES.items():
        op.create_index(name, "event", columns, **rows_of(condition))
    op.drop_index("event_settled", "event")
    op.create_index("event_settled", "event", ["state", "settled_at"], **rows_of(SETTLED))
    op.create_index("inbound_file_at", "inbound_file", ["at"])
    op.create_table(
        "census",
        sa.Column("state", text(10), primary_key=True),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("count", INTEGER, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("census")
    op.drop_index("inbound_file_at", "inbound_file")
    op.drop_index("event_settled", "event")
    op.create_index("event_settled", "event", ["state", "settled_at"])
    for name in INDEXES:
        op.drop_index(name, "event")

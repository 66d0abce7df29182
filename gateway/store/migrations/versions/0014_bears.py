"""Which releases may go on working with a schema that is newer than theirs: those of this revision and later.

Whoever takes something away that they need says so here: `UPDATE alembic_version SET bears = '…'`, the oldest revision
whose release can do without it. Nothing else changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.dialects import text

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("alembic_version", sa.Column("bears", text(32), nullable=False, server_default=revision))


def downgrade() -> None:
    op.drop_column("alembic_version", "bears")

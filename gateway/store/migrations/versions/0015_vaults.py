"""Several vaults and a store behind them: which file is where, and which node downloads what.

`attachment.stored` told it of one vault, and is used no more: what is in a vault is found at the next start
(`attachments.eviction`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.dialects import INTEGER, rows_of, text

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("attachment", sa.Column("bringer", text(64)))
    op.add_column("attachment", sa.Column("bringing_until", sa.Float))
    op.create_index("attachment_digest", "attachment", ["digest"], **rows_of("digest IS NOT NULL"))
    op.create_table(
        "stored_file",
        sa.Column("place", text(64), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("size_bytes", INTEGER, nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("leaving_until", sa.Float),
        sa.Column("doubted", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_index("stored_file_digest", "stored_file", ["digest"])


def downgrade() -> None:
    op.execute(  # one that says of a file that it is there, and is wrong, is put right at the next start
        "UPDATE attachment SET stored = TRUE WHERE EXISTS "
        "(SELECT 1 FROM stored_file WHERE place = '' AND stored_file.digest = attachment.digest)"
    )
    op.drop_table("stored_file")
    op.drop_index("attachment_digest", "attachment")
    op.drop_column("attachment", "bringing_until")
    op.drop_column("attachment", "bringer")

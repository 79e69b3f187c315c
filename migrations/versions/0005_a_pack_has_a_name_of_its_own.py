"""A pack has a name of its own, so that what is discarded needs no look at equal uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("discarded") as discarded:
        discarded.drop_column("upload_sha256")


def downgrade() -> None:
    with op.batch_alter_table("discarded") as discarded:
        discarded.add_column(sa.Column("upload_sha256", sa.String(), nullable=True))

"""A prediction may be of a video: long work, with progress, a way to stop it, and files to show.

Revision 0003, after 0002; every prediction that stands is of an image.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = ("video", "cancel_requested_at", "progress", "outputs")


def upgrade() -> None:
    with op.batch_alter_table("predictions") as predictions:
        predictions.add_column(
            sa.Column("video", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        predictions.add_column(
            sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True)
        )
        predictions.add_column(sa.Column("progress", sa.JSON(), nullable=True))
        predictions.add_column(sa.Column("outputs", sa.JSON(), nullable=True))
    with op.batch_alter_table("predictions") as predictions:
        predictions.alter_column("video", server_default=None)  # it was for the rows that stand


def downgrade() -> None:
    with op.batch_alter_table("predictions") as predictions:
        for name in COLUMNS:
            predictions.drop_column(name)
